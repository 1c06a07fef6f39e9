"""Hold recorded step scores against step labels: ProcessBench's F1, AUC and the flaws of a PRM, from files alone."""

import argparse
import sys
from pathlib import Path

from ttstudy.analysis.diagnostics import alone
from ttstudy.dag.contents import found
from ttstudy.errors import StudyError
from ttstudy.kinds.labelled import LABELLINGS


def main() -> None:
    """Read, measure, print; a mistake is one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="+", help="labelled solutions with scores: files, patterns or folders")
    parser.add_argument("--format", choices=LABELLINGS, help="of the labels; by default known by the content")
    parser.add_argument("--scores", action="append", default=[], help="column with a PRM's scores; else all scores.*")
    parser.add_argument("--logits", action="store_true", help="scores are logits, not probabilities")
    parser.add_argument("--output", type=Path, help="folder for skill.csv and flaws.csv")
    args = parser.parse_args()
    try:
        kind = "logit" if args.logits else "probability"
        files = found(Path(), args.source, "source")
        tables = dict(zip(("skill", "flaws"), alone.diagnosed(files, args.format, args.scores, kind), strict=True))
    except StudyError as error:
        sys.exit(f"error: {error}")
    for name, frame in tables.items():
        print(frame.round(4).to_string(index=False), end="\n\n")
        if args.output is not None:
            args.output.mkdir(parents=True, exist_ok=True)
            frame.to_csv(args.output / f"{name}.csv", index=False)


if __name__ == "__main__":
    main()
