"""Bring results of an earlier version over: moved to where they lie today and stamped, so that none is made again."""

import argparse
from pathlib import Path

from ttstudy.dag.layout import open_layout
from ttstudy.data.revisions import load
from ttstudy.run import migration
from ttstudy.run.runlock import hold_results
from ttstudy.run.telling import told


def step() -> None:
    """Move and stamp what a study's results hold of the old layout; one line per kind says what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="the study's file; paths in it start from the working directory")
    parser.add_argument("--dry-run", action="store_true", help="only list what would move")
    args = parser.parse_args()
    layout = open_layout(load(args.study))
    if not Path(layout.study.results).is_dir():
        print(f"{layout.study.results}: there are no results yet")
        return
    if not args.dry_run:
        hold_results(layout.study.results)
    for kind, tally in migration.migrate(layout, args.dry_run).items():
        for old, new in tally.moves if args.dry_run else ():
            print(f"would move: {old} -> {new}")
        if tally.moved or tally.there or tally.unfinished or tally.left:
            going = f", {tally.unfinished} unfinished {'go' if tally.unfinished > 1 else 'goes'} along"
            verb = "would be brought over" if args.dry_run else "brought over"
            print(f"{kind}: {tally.moved} {verb}, {tally.there} there already{going if tally.unfinished else ''}")
        for path, reason in tally.left:
            print(f"left alone: {path}: {reason}")


if __name__ == "__main__":
    told(step)
