"""Say what a run of a study would do, and because of which key, file or result: `changes.py STUDY.yaml`."""

import sys

from ttstudy.dag.layout import open_layout
from ttstudy.data.revisions import load
from ttstudy.run import changes
from ttstudy.run.telling import told

if len(sys.argv) != 2:
    sys.exit("usage: changes.py STUDY.yaml")
print(told(lambda: changes.summary(open_layout(load(sys.argv[1])))))
