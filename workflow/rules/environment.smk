"""The library, the environment of every step, and what a comparison without studies says.

Steps find the library and this environment's Python, also inside a Slurm job and without activation.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))
SCRIPTS = str(Path(workflow.basedir) / "scripts")
library, python = Path(workflow.basedir) / "workflow", Path(sys.executable).parent
os.environ.update(
    SCRIPTS=SCRIPTS,
    TTSTUDY_OWNER=str(os.getpid()),  # workers end with the process that started their jobs
    PYTHONPATH=os.pathsep.join([str(library), *filter(None, [os.environ.get("PYTHONPATH")])]),
    PATH=os.pathsep.join([str(python), os.environ.get("PATH", os.defpath)]),
)
# One start of Snakemake, so that a report can tell which of its jobs ran and which were found ready.
os.environ.setdefault("TTSTUDY_RUN", f"{time.time_ns():x}-{os.getpid()}")


def unnamed(wildcards):
    """Say what is missing, when a comparison is asked for and no study named."""
    sys.exit("error: name the studies: snakemake compare --config baseline=FOLDER candidate=FOLDER[,FOLDER]")
