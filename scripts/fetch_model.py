"""Fetch a model's checkpoint folder from the hub at its pinned commit: safetensors, tokenizer, configuration."""

from pathlib import Path

from ttstudy import fetching, steps


def step() -> None:
    """Fetch, check, write."""
    parser = steps.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path, help="checkpoint folder to write")
    args = parser.parse_args()
    spec, clock = args.spec, steps.stopwatch()
    with steps.log(args.log) as log:
        record = fetching.fetch_model(spec["id"], spec["revision"], args.output)
        if log is not None:
            size = sum(file["bytes"] for file in record["files"].values())
            print(f"{spec['id']} at {spec['revision']}: {size / 1e9:.2f} GB in {clock()}", file=log)


if __name__ == "__main__":
    steps.main(step)
