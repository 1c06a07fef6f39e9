"""Turn a program's output into one file of recorded responses, and write a study for it."""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from ttstudy.dag.contents import found
from ttstudy.data import importers, recorded
from ttstudy.data.intake import Given
from ttstudy.errors import StudyError
from ttstudy.kinds.sources import SOURCES


def main() -> None:
    """Convert, check as the study will, write; a mistake is one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="+", help="files, patterns or folders; before them the format, if it is to be")
    parser.add_argument("output", type=Path, help="JSONL or Parquet file to write")
    parser.add_argument("--prm", help="name for the scores; by default as in the source")
    parser.add_argument("--skip-broken", type=int, default=0, help="most rows to leave out that cannot be used")
    parser.add_argument("--study", type=Path, help="also write a study of it to this YAML file")
    args = parser.parse_args()
    temporary = args.output.with_name(f".{args.output.stem}.partial{args.output.suffix}")
    form = args.source[0].replace("-", "_")
    form, paths = (form, args.source[1:]) if form in SOURCES else (None, args.source)
    try:
        files = found(Path(), paths, "source")
        frame, account = recorded.load(files, Given(form, skip_broken=args.skip_broken, score_kinds={}))
        frame = importers.renamed(frame, args.prm)
        rows = importers.plain_rows(frame)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        if args.output.suffix == ".parquet":
            pd.DataFrame(rows).to_parquet(temporary, index=False)
        else:
            temporary.write_text("".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows), encoding="utf-8")
        temporary.replace(args.output)
    except StudyError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")
    finally:
        temporary.unlink(missing_ok=True)
    kinds = {prm: importers.score_kind(frame, prm) for prm in recorded.prms(frame)}
    least, greedy = importers.counts(frame)
    print(f"{args.output}: {frame['problem_id'].nunique():,} problems, at least {least} samples of each;", end=" ")
    print(f"PRMs: {', '.join(kinds) or 'none'}; read as {account.form}")
    for hint in account.hints:
        print(f"note: {hint}")
    for why in account.left_out:
        print(f"left out: {why}")
    if args.study:
        name = importers.study_name(args.study.stem)
        args.study.write_text(importers.study(name, args.output.resolve(), kinds, least, greedy), encoding="utf-8")
        print(f"study: make study CONFIG={args.study}")


if __name__ == "__main__":
    main()
