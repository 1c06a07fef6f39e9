"""Make a checkpoint folder of a GGUF file: safetensors, tokenizer, configuration."""

from pathlib import Path

from ttstudy.dag.specs.inputs import ConvertSpec
from ttstudy.data import converting
from ttstudy.run import steps


def step(spec: ConvertSpec, log_path: Path | None) -> None:
    """Convert, check, write."""
    clock = steps.stopwatch()
    with steps.log(log_path) as log:
        record = converting.convert(Path(spec.weights.path), spec.dtype, Path(spec.outputs["output"]).parent)
        if log is not None:
            size = sum(file["bytes"] for file in record["files"].values())
            print(f"{spec.weights.path}: {size / 1e9:.2f} GB in {clock()}", file=log)


if __name__ == "__main__":
    steps.main(ConvertSpec, step)
