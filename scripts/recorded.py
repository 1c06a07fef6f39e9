"""Check files of recorded responses and bring them into one form."""

from pathlib import Path

from ttstudy.dag.specs.inputs import RecordedSpec
from ttstudy.data import recorded, tables
from ttstudy.run import steps


def step(spec: RecordedSpec, log_path: Path | None) -> None:
    """Read the files whole; a broken row too many stops here, before anything is made from the others."""
    frame, account = recorded.load([*map(Path, spec.sources)], recorded.given_by(spec))
    tables.write("recorded", frame, spec.outputs["output"], notes=account.notes())
    steps.tell((f"{Path(next(iter(spec.sources))).name}: {hint}" for hint in account.hints), log_path)
    with steps.log(log_path) as log:
        if log is not None:
            sizes = frame.groupby("problem_id").size()
            print(f"{len(sizes):,} problems, {sizes.min()} to {sizes.max()} responses each", file=log)
            print(f"read as {account.form}: {account.rows:,} rows, {len(account.left_out):,} left out", file=log)
            for why in account.left_out:
                print("left out:", ascii(why)[1:-1], file=log)
            print("columns not used:", ", ".join(map(ascii, account.unused[:50])) or "none", file=log)
            ends = ", ".join(f"{name!a} ({count:,})" for name, count in account.finishes.most_common(50))
            print("ends of responses that are not known:", ends or "none", file=log)


if __name__ == "__main__":
    steps.main(RecordedSpec, step)
