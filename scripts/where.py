"""Say where a study's report is."""

import sys
from pathlib import Path

from ttstudy.dag import places
from ttstudy.dag.context import Layout
from ttstudy.data.revisions import load
from ttstudy.run.telling import told

if len(sys.argv) != 2:
    sys.exit("usage: where.py STUDY.yaml")
layout = Layout(told(lambda: load(sys.argv[1])))
print(f"\nReport: {Path(places.REPORT.format(folder=layout.folder)).resolve()}")
