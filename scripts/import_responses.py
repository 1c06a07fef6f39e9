"""Turn another program's completions into a file of recorded responses, and write a study for it."""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from ttstudy.data import importers, recorded
from ttstudy.errors import StudyError


def main() -> None:
    """Convert, check as the study will, write; a mistake is one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=importers.FORMATS)
    parser.add_argument("source", type=Path, nargs="+", help="files, or folders of runs (say best-of-N and CoT)")
    parser.add_argument("output", type=Path, help="JSONL or Parquet file to write")
    parser.add_argument("--prm", help="name for the scores; by default as in the source, else `prm`")
    parser.add_argument("--study", type=Path, help="also write a study of it to this YAML file")
    args = parser.parse_args()
    temporary = args.output.with_name(f".{args.output.stem}.partial{args.output.suffix}")
    try:
        rows = [row for source in args.source for row in importers.rows(args.format, source, args.prm)]
        args.output.parent.mkdir(parents=True, exist_ok=True)
        if args.output.suffix == ".parquet":
            pd.DataFrame(rows).to_parquet(temporary, index=False)
        else:
            temporary.write_text("".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows), encoding="utf-8")
        frame, _ = recorded.load(temporary)
        temporary.replace(args.output)
    except StudyError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")
    finally:
        temporary.unlink(missing_ok=True)
    prms = [name.removeprefix(recorded.SCORES) for name in frame if name.startswith(recorded.SCORES)]
    drawn = frame[~frame["greedy"]].groupby("problem_id").size()
    least = int(drawn.min()) if len(drawn) else 0
    print(f"{args.output}: {frame['problem_id'].nunique():,} problems, at least {least} samples of each;", end=" ")
    print(f"PRMs: {', '.join(prms) or 'none'}")
    if args.study and least < 2:
        sys.exit("error: a study needs at least 2 samples of every problem")
    if args.study:
        greedy = bool(frame["greedy"].any())
        text = importers.study(args.study.stem, args.output.resolve(), prms, least, greedy)
        args.study.write_text(text, encoding="utf-8")
        print(f"study: make study CONFIG={args.study}")


if __name__ == "__main__":
    main()
