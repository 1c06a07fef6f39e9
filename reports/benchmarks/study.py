"""Wall seconds, CPU seconds and peak memory of a command with all its children, e.g. a whole study.

python reports/benchmarks/study.py make study
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path


def resident(session: int) -> int:
    """Proportional resident bytes of every process of a session."""
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.getsid(int(entry.name)) == session:
                lines = (entry / "smaps_rollup").read_text().splitlines()
                total += 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
        except (OSError, StopIteration, ValueError):
            continue
    return total


def main() -> None:
    started, peak = time.monotonic(), 0
    run = subprocess.Popen(sys.argv[1:], start_new_session=True)
    while run.poll() is None:
        peak = max(peak, resident(run.pid))
        time.sleep(1)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, cpu = time.monotonic() - started, used.ru_utime + used.ru_stime
    print(f"{' '.join(sys.argv[1:])}: {wall:.0f} s wall, {cpu:.0f} s CPU, peak {peak / 2**30:.2f} GiB", file=sys.stderr)
    sys.exit(run.returncode)


if __name__ == "__main__":
    main()
