"""Say where a study's report is."""

import sys
from pathlib import Path

from ttstudy.layout import Layout
from ttstudy.revisions import load

print(f"\nReport: {Path(Layout(load(sys.argv[1])).report()).resolve()}")
