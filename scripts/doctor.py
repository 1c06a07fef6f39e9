"""Say what this machine has, and what a study still lacks here (doctor.py [STUDY.yaml])."""

import sys
from pathlib import Path

from ttstudy.run import doctor

if len(sys.argv) > 2:
    sys.exit("usage: doctor.py [STUDY.yaml]")
print(f"ttstudy {doctor.package()}")
lines = list(doctor.machine(Path("results")))
print(doctor.shown(lines))
if len(sys.argv) == 2:
    lines = list(doctor.study(Path(sys.argv[1])))
    print(f"\n{sys.argv[1]}\n{doctor.shown(lines)}")
sys.exit(any(line.state == "missing" for line in lines))
