"""The JSON Schema of a study, for editors: `python -m ttstudy.study --schema`."""

from __future__ import annotations

import sys

from ttstudy.study.reading import schema

if sys.argv[1:] == ["--schema"]:
    sys.stdout.write(schema())
else:
    sys.exit("usage: python -m ttstudy.study --schema > workflow/schemas/study.schema.json")
