"""Build the study's HTML report from its tables, and write where its numbers come from as JSON."""

import json
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml

from ttstudy import provenance, published, report, steps, tables
from ttstudy.layout import Layout
from ttstudy.names import FLAW_TABLES, GRADER_TABLES, STUDY_TABLES
from ttstudy.report import page
from ttstudy.study import from_mapping

PACKAGES = ("snakemake", "torch", "transformers", "pandas", "scipy", "math-verify", "ttstudy")

SAMPLES = {"explorer": "explorer", "nodes": "trees"}


def step() -> None:
    """Read every table, add where it came from, render."""
    parser = steps.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--figures", required=True, type=Path, help="folder for each figure as an SVG of its own")
    parser.add_argument("--provenance", required=True, type=Path)
    args = parser.parse_args()
    spec = args.spec
    names = dict.fromkeys((*STUDY_TABLES, *GRADER_TABLES, *FLAW_TABLES, "claims"))
    paths = {name: Path(spec["tables"].format(name=name)) for name in names}
    found = {name: tables.read(name, path) for name, path in paths.items()}
    found |= {name: steps.concat(kind, spec["samples"][name]) for name, kind in SAMPLES.items()}
    problems = {name: tables.read("benchmark", path) for name, path in spec["benchmarks"].items()}
    found["benchmark"] = pd.concat(
        [frame.assign(benchmark=name) for name, frame in problems.items()], ignore_index=True
    )
    config = spec["config"]
    products = list(Layout(from_mapping(config)).products())
    known = {
        "study": config["study"],
        "question": config["question"],
        "config": config,
        "headline": spec["headline"],
        "versions": {name: version(name) for name in PACKAGES},
        "commit": provenance.commit(),
        "code": provenance.code(),
        "seeds": {"study": config["seed"]},
        "hardware": provenance.machines(products) or [provenance.hardware()],
        "steps": provenance.jobs(products),
        "libraries": provenance.drawn_with(products),
        "checksums": provenance.checksums([*paths.values(), *map(Path, spec["benchmarks"].values())]),
        "problems": {name: provenance.problems(frame) for name, frame in problems.items()},
    }
    page.write(args.provenance, (json.dumps(known, indent=1, ensure_ascii=False) + "\n").encode())
    context = known | {
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        "order": spec["order"],
        "published": published.accuracies(config["published"]),
        "recorded": [name for name, policy in config["policies"].items() if policy["source"] == "recorded"],
        "endpoints": [name for name, policy in config["policies"].items() if policy["source"] == "openai"],
    }
    report.build(found, context, args.output, args.figures)


if __name__ == "__main__":
    steps.main(step)
