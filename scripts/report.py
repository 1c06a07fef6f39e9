"""Build the study's HTML report from its tables, and write where its numbers come from as JSON."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ttstudy import report
from ttstudy.analysis.definitions import StudyTables
from ttstudy.analysis.matched import timed
from ttstudy.dag import fingerprint, rehearsed, stamps
from ttstudy.dag.specs.analysis import ReportSpec
from ttstudy.data import published, tables
from ttstudy.report import behind, page
from ttstudy.run import provenance, steps

PACKAGES = ("snakemake", "torch", "transformers", "pandas", "scipy", "math-verify", "ttstudy")

NOTES = ("form", "rows", "left_out", "unknown_ends")
"""What the tables of recorded responses say of the files that they were made from."""


def step(spec: ReportSpec, _log: Path | None) -> None:
    """Read every table, add where it came from, render."""
    found = {name: tables.of(name, file) for name, file in spec.tables.items()}
    found |= {"explorer": tables.joined("explorer", spec.explorer), "nodes": tables.joined("trees", spec.trees)}
    problems = {name: tables.of("benchmark", file) for name, file in spec.benchmarks.items()}
    found["benchmark"] = pd.concat(
        [frame.assign(benchmark=name) for name, frame in problems.items()], ignore_index=True
    )
    config = spec.config
    done = behind.records((step, Path(path)) for step, path in spec.jobs)
    read = [Path(file.path) for file in (*spec.tables.values(), *spec.benchmarks.values())]
    known = {
        "study": config["study"],
        "date": provenance.today(),
        "command": provenance.command(),
        "question": config["question"],
        "config": config,
        "order": spec.order,
        "headline": spec.headline,
        "versions": {name: version(name) for name in PACKAGES},
        "commit": provenance.commit(),
        "code": provenance.code(),
        "step_versions": dict(fingerprint.VERSIONS),
        "seeds": {"study": config["seed"]},
        "hardware": behind.machines(done) or [provenance.hardware()],
        "steps": behind.jobs(done),
        "libraries": behind.drawn_with(done),
        "checksums": provenance.checksums(read),
        **({"rehearsal": rehearsed.name()} if rehearsed.name() else {}),
        "problems": {name: behind.problems(frame) for name, frame in problems.items()},
    }
    place = Path(spec.outputs["provenance"])
    record = json.dumps(stamps.on_record(known, place), indent=1, ensure_ascii=False) + "\n"
    page.write(place, record.encode())
    cells = found["accuracy"][["benchmark", "policy", "prm", "method", "budget"]]
    times = behind.times(
        done, cells, {name: len(frame) for name, frame in problems.items()}, config["results"]
    )
    context = known | {
        "times": times,
        "timed": timed(
            StudyTables(found, spec.headline["score"], spec.headline["vote"], config["seed"], spec.order),
            {tuple(row[name] for name in cells.columns): row["seconds"] for row in times},
        ),
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        "published": published.accuracies(config["published"]),
        "charged": behind.charged(done, config["policies"]),
        "trial": {
            name: (len(problems[name]), int(of))
            for name, file in spec.benchmarks.items()
            if (of := stamps.note(Path(file.path), "of")) is not None
        },
        **_asked(spec, config),
    }
    report.build(found, context, spec.outputs["report"], spec.outputs["figures"])


def _asked(spec: ReportSpec, config: Mapping[str, Any]) -> dict[str, Any]:
    """What of the configuration sections speak of."""
    policies = config["policies"]
    return {
        "recorded": [name for name, policy in policies.items() if policy["source"] == "recorded"],
        "endpoints": [name for name, policy in policies.items() if policy["source"] == "openai"],
        "overflow": {name: prm["overflow"] for name, prm in config["prms"].items() if "overflow" in prm},
        "taken_in": [
            {"policy": name, **{what: stamps.note(Path(file.path), what) for what in NOTES}}
            | {what: policies[name][what] for what in ("uneven", "skip_broken")}
            for name, file in spec.recorded.items()
        ],
        "prices": {name: item["price"] for name, item in policies.items() if item.get("price")},
        "pilot": config["pilot_samples"],
    }


if __name__ == "__main__":
    steps.main(ReportSpec, step)
