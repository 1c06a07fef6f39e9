"""Write a benchmark's table of problems."""

from pathlib import Path

from ttstudy.dag.specs.inputs import BenchmarkSpec
from ttstudy.data import benchmarks, tables
from ttstudy.run import steps


def step(spec: BenchmarkSpec, log_path: Path | None) -> None:
    """Load, check, write."""
    recorded = None if spec.recorded is None else tables.of("recorded", spec.recorded)
    frame, checksum = benchmarks.load(spec.settings, [*spec.sources], recorded)
    found = benchmarks.drawn(frame, spec.limit)
    notes = {"sha256": checksum} | ({"of": str(len(frame))} if len(found) < len(frame) else {})
    tables.write("benchmark", found, spec.outputs["output"], notes=notes)
    with steps.log(log_path) as log:
        if log is not None:
            part = f"{len(found):,} of " if len(found) < len(frame) else ""
            print(f"{part}{len(frame):,} problems; SHA-256 of these problems: {checksum}", file=log)


if __name__ == "__main__":
    steps.main(BenchmarkSpec, step)
