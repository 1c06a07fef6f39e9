"""The library, and the environment of every step.

Steps find the library and this environment's Python, also inside a Slurm job and without activation.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(workflow.basedir) / "workflow"), *filter(None, [os.environ.get("PYTHONPATH")])]
)
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
# One start of Snakemake, so that a report can tell which of its jobs ran and which were found ready.
os.environ.setdefault("TTSTUDY_RUN", f"{time.time_ns():x}-{os.getpid()}")
SCRIPTS = str(Path(workflow.basedir) / "scripts")
