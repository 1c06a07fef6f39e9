"""Run a step that opens no model, `light.py python SCRIPT --spec FILE --log FILE`: most of what it takes is its start.

It is handed to a process that has the libraries of such steps loaded (`ttstudy.run.workers`), or runs by itself.
"""

import os
import sys

from ttstudy.run import workers
from ttstudy.run.telling import told


def main() -> None:
    """Find a worker, or become the command."""
    command = sys.argv[1:]
    if (status := told(lambda: workers.run_light(command))) is not None:
        sys.exit(status)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
