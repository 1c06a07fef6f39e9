"""Say what this machine has, and what a study lacks here (doctor.py [STUDY.yaml]); or a site's file (--site)."""

import sys
from pathlib import Path

from ttstudy.run import doctor, slurm_site
from ttstudy.run.telling import told

if len(sys.argv) > 2:
    sys.exit("usage: doctor.py [STUDY.yaml | --site]")
if sys.argv[1:] == ["--site"]:
    print(told(slurm_site.found_here), end="")
    sys.exit()
print(f"ttstudy {doctor.package()}")
lines = list(doctor.machine(Path("results")))
print(doctor.shown(lines))
if len(sys.argv) == 2:
    lines = list(doctor.study(Path(sys.argv[1])))
    print(f"\n{sys.argv[1]}\n{doctor.shown(lines)}")
sys.exit(any(line.state == "missing" for line in lines))
