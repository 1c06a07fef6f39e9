"""Say where a study's report is."""

import sys
from pathlib import Path

from ttstudy.layout import Layout
from ttstudy.preflight import told
from ttstudy.revisions import load

if len(sys.argv) != 2:
    sys.exit("usage: where.py STUDY.yaml")
print(f"\nReport: {Path(Layout(told(lambda: load(sys.argv[1]))).report()).resolve()}")
