"""Say where a study's report is."""

import sys
from pathlib import Path

from ttstudy.dag.layout import Layout
from ttstudy.data.revisions import load
from ttstudy.run.telling import told

if len(sys.argv) != 2:
    sys.exit("usage: where.py STUDY.yaml")
print(f"\nReport: {Path(Layout(told(lambda: load(sys.argv[1]))).report()).resolve()}")
