"""Fetch a model's checkpoint folder from the hub at its pinned commit: safetensors, tokenizer, configuration."""

import sys
from pathlib import Path

from ttstudy.dag.specs.inputs import FetchSpec
from ttstudy.data import fetching
from ttstudy.run import steps


def step(spec: FetchSpec, log_path: Path | None) -> None:
    """Fetch, check, write."""
    clock = steps.stopwatch()
    with steps.log(log_path) as log:
        record = fetching.fetch_model(
            spec.id, spec.revision, Path(spec.outputs["output"]).parent, spec.checksums
        )
        if open_ := record["unpinned"]:
            told = (
                f"{spec.id}: {len(open_)} of its files have no pinned SHA-256 ({', '.join(open_[:3])} ...): the hub's "
                "word was taken for them; `python scripts/pin_revisions.py CONFIG` writes them down"
            )
            for stream in filter(None, (sys.stderr, log)):
                print(told, file=stream)
        if log is not None:
            size = sum(file["bytes"] for file in record["files"].values())
            print(f"{spec.id} at {spec.revision}: {size / 1e9:.2f} GB in {clock()}", file=log)


if __name__ == "__main__":
    steps.main(FetchSpec, step)
