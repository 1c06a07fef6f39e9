"""Write a benchmark's table of problems."""

from pathlib import Path

from ttstudy.dag.specs.inputs import BenchmarkSpec
from ttstudy.data import benchmarks, tables
from ttstudy.run import steps


def step(spec: BenchmarkSpec, log_path: Path | None) -> None:
    """Load, check, write."""
    recorded = None if spec.recorded is None else tables.of("recorded", spec.recorded)
    frame, checksum = benchmarks.load(spec.settings, [*spec.sources], recorded)
    tables.write("benchmark", frame, spec.outputs["output"], notes={"sha256": checksum})
    with steps.log(log_path) as log:
        if log is not None:
            print(f"{len(frame):,} problems; SHA-256 of these problems: {checksum}", file=log)


if __name__ == "__main__":
    steps.main(BenchmarkSpec, step)
