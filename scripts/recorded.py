"""Check a file of recorded responses and bring it into one form."""

from pathlib import Path

from ttstudy.dag.specs.inputs import RecordedSpec
from ttstudy.data import recorded, tables
from ttstudy.run import steps


def step(spec: RecordedSpec, log_path: Path | None) -> None:
    """Read the whole file; a broken row stops here, before anything is made from the others."""
    frame, unused = recorded.load(Path(spec.source))
    tables.write("recorded", frame, spec.outputs["output"])
    with steps.log(log_path) as log:
        if log is not None:
            sizes = frame.groupby("problem_id").size()
            print(f"{len(sizes):,} problems, {sizes.min()} to {sizes.max()} responses each", file=log)
            print("columns not used:", ", ".join(map(ascii, unused[:50])) or "none", file=log)


if __name__ == "__main__":
    steps.main(RecordedSpec, step)
