"""Build the study's HTML report from its tables."""

from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml

from ttstudy import report, steps, tables
from ttstudy.layout import STUDY_TABLES
from ttstudy.provenance import checksums, commit, hardware

PACKAGES = ("snakemake", "torch", "transformers", "pandas", "scipy", "math-verify", "ttstudy")


def step() -> None:
    """Read every table, add where it came from, render."""
    parser = steps.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--figures", required=True, type=Path, help="folder for each figure as an SVG of its own")
    args = parser.parse_args()
    spec = args.spec
    paths = {name: Path(spec["tables"].format(name=name)) for name in (*STUDY_TABLES, "claims", "explorer", "trees")}
    found = {name: tables.read(name, path) for name, path in paths.items()}
    found["nodes"] = found.pop("trees")
    found["benchmark"] = pd.concat(
        [tables.read("benchmark", path).assign(benchmark=name) for name, path in spec["benchmarks"].items()],
        ignore_index=True,
    )
    config = spec["config"]
    context = {
        "study": config["study"],
        "question": config["question"],
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        "headline": spec["headline"],
        "order": {"policies": list(config["policies"]), "prms": list(config["prms"])},
        "versions": {name: version(name) for name in PACKAGES},
        "commit": commit(),
        "seeds": {"study": config["seed"]},
        "hardware": hardware(),
        "steps": [],
        "checksums": checksums([*paths.values(), *map(Path, spec["benchmarks"].values())]),
    }
    report.build(found, context, args.output, args.figures)


if __name__ == "__main__":
    steps.main(step)
