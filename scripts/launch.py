"""Run a command with GPUs of its own: `launch.py COUNT COMMAND ...` waits for COUNT free GPUs of this machine.

A GPU is held by a lock on a file, which goes with the command however it ends. In a Slurm job, which has its GPUs
already, the command runs as it is. The command is told how many it was given (TTSTUDY_GPUS), and ends where it does not
see them. In a rehearsal GPUs are simulated, and the command runs on the CPU. With TTSTUDY_SCRATCH set, models are
copied there first, once per node. The hub is not asked for anything: `snakemake fetch` has been there. A step that
opens models is handed to a worker, which may have them loaded (`ttstudy.run.workers`).
"""

import json
import os
import sys
from pathlib import Path

from ttstudy.errors import StudyError
from ttstudy.run import gpus, workers
from ttstudy.run.telling import told


def main() -> None:
    """Stage the models; find a worker, or take the GPUs and become the command."""
    count, command = int(sys.argv[1]), sys.argv[2:]
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if os.environ.get(gpus.SIMULATED):
        from ttstudy.run import simulation

        simulation.take(Path(os.environ[gpus.SIMULATED]), count, command[command.index("--spec") + 1])
        count, os.environ["CUDA_VISIBLE_DEVICES"] = 0, ""
    if (folder := os.environ.get("TTSTUDY_SCRATCH")) and "--spec" in command:
        from ttstudy.run import scratch

        try:
            spec = Path(command[command.index("--spec") + 1])
            os.environ[scratch.STAGED] = json.dumps(scratch.staged(spec, os.path.expandvars(folder)))
        except StudyError as error:
            sys.exit(f"error: {error}")
        except OSError as error:
            sys.exit(f"error: TTSTUDY_SCRATCH: {error.filename or folder}: {error.strerror}; give another folder")
    if (status := told(lambda: workers.run(count, command))) is not None:
        sys.exit(status)
    if (devices := told(lambda: gpus.take(count, waiting=workers.give_way))) is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices
    os.environ[gpus.ASKED] = str(count)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
