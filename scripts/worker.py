"""Run one job's step after another and keep their models loaded: started by `launch.py`, not by hand."""

from ttstudy.run.worker import main

if __name__ == "__main__":
    main()
