"""What can be told of a study before its first job: everything that it points at is there and is what it should be.

Reads no weight and loads no model; what has been read into a table once is not read again.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ttstudy.dag import rehearsed, stamps
from ttstudy.dag.fingerprint import ROOT
from ttstudy.dag.inputs import benchmark_spec, labelled_spec
from ttstudy.dag.layout import Layout, open_layout
from ttstudy.data import published
from ttstudy.data.revisions import load
from ttstudy.errors import StudyError, meant, one_line
from ttstudy.miniature import definitions
from ttstudy.models import checkpoint, gguf
from ttstudy.models.catalogue import format_of
from ttstudy.run import integrity, leases, migration
from ttstudy.run.telling import told
from ttstudy.study import (
    CheckpointPolicy,
    CheckpointPRM,
    FileBenchmark,
    GeneratedBenchmark,
    GGUFPolicy,
    MiniatureBenchmark,
    RecordedBenchmark,
    RecordedPolicy,
    Study,
    TrainedPolicy,
    TrainedPRM,
    sentences,
)
from ttstudy.study.benchmarks import agrees
from ttstudy.study.yamlfile import read_yaml

SOURCES = ("workflow", "scripts", "reports", "tests", "docs", "envs", ".git", ".snakemake", ".venv")
"""Folders of the repository that hold no results."""
PART = "TTSTUDY_RESPONSES_PER_PART"
OURS = {".run.lock", ".seen.json", "specs", "models", "benchmarks", "imported", "labelled", "studies"} | {
    *("rehearsals", rehearsed.WORD)
}
"""What tells a results folder: a run made it before, or somebody copied results into it."""


def check(layout: Layout) -> None:
    """StudyError for the first thing that a job of this study would stumble over."""
    results_folder(layout.root / layout.study.results)
    for look in looks(layout):
        look()
    migration.refuse(layout)


def looks(layout: Layout) -> Iterator[Callable[[], None]]:
    """What is looked at of everything that a study points at: each raises StudyError where something is wrong."""
    study = layout.study
    yield variables
    yield lambda: _task(study.miniature.task, "miniature.task")
    yield from (partial(_benchmark, layout, name) for name in study.benchmarks)
    yield from (partial(_labelled, layout, name) for name in study.labelled)
    yield lambda: published.check(study.published)
    yield lambda: _primary(study)
    yield from (partial(_policy, layout, name) for name in study.policies)
    yield from (partial(_prm, layout, name) for name in study.prms)


def _primary(study: Study) -> None:
    if study.primary_claims:
        from ttstudy.analysis.claims import check_primary  # pandas: only where claims are named

        check_primary(study.primary_claims)


def _task(options: Mapping[str, Any], place: str) -> None:
    with naming(place):
        definitions.check_task(options)


def _benchmark(layout: Layout, name: str) -> None:
    benchmark = layout.study.benchmarks[name]
    if isinstance(benchmark, MiniatureBenchmark):
        _task(benchmark.task, f"benchmarks.{name}.task")
    spec = benchmark_spec(layout, name)
    there = (layout.root / spec.product).exists()
    if isinstance(benchmark, MiniatureBenchmark | GeneratedBenchmark | FileBenchmark) and not there:
        from ttstudy.data import benchmarks

        with naming(f"benchmarks.{name}"):
            benchmarks.load(spec.settings, [*spec.sources])
    elif getattr(benchmark, "sha256", None) is not None and there:
        # A checksum that was written down later moves nothing, and is held against what is there.
        with naming(f"benchmarks.{name}"):
            agrees(benchmark, stamps.note(layout.root / spec.product, "sha256"))
    elif isinstance(benchmark, RecordedBenchmark):
        _recorded(layout, name, "benchmarks")


def _labelled(layout: Layout, name: str) -> None:
    spec = labelled_spec(layout, name)
    if spec.sources and not (layout.root / spec.product).exists():
        from ttstudy.analysis.diagnostics.labelled import read_labelled

        with naming(f"labelled.{name}"):
            read_labelled([*map(Path, spec.sources)], spec.settings.format, spec.settings.solutions)


def _policy(layout: Layout, name: str) -> None:
    policy = layout.study.policies[name]
    if isinstance(policy, TrainedPolicy):
        with naming(f"policies.{name}.definition.model"):
            definitions.check_model(policy.definition.model)
        _section(definitions.PolicyTraining, policy.definition.training, f"policies.{name}.definition.training")
    elif isinstance(policy, RecordedPolicy):
        _recorded(layout, name, "policies")
    elif isinstance(policy, CheckpointPolicy):
        checkpoint.check(layout.root / policy.path, f"policies.{name}.path", "policy")
    elif isinstance(policy, GGUFPolicy):
        gguf.check(layout.root / policy.path, f"policies.{name}.path")


def _prm(layout: Layout, name: str) -> None:
    prm = layout.study.prms[name]
    if isinstance(prm, TrainedPRM):
        _trained_prm(layout.study, name, prm)
    elif isinstance(prm, CheckpointPRM):
        tells = format_of if prm.format is None else None
        checkpoint.check(layout.root / prm.path, f"prms.{name}.path", "prm", tells)


def _trained_prm(study: Study, name: str, prm: TrainedPRM) -> None:
    place = f"prms.{name}.definition"
    _section(definitions.PRMModel, prm.definition.model, f"{place}.model")
    _section(definitions.PRMTraining, prm.definition.training, f"{place}.training")
    body = prm.definition.model["body"]
    if body not in prm.policies:
        near = meant(str(body), prm.policies)
        raise StudyError(f"{place}.model.body: {body!r} is not one of prms.{name}.policies{near}")
    for part in ("rollouts", "validation"):
        plan = prm.definition.training[part]
        for policy in plan["policies"]:
            if policy not in prm.policies:
                near = meant(policy, prm.policies)
                place = f"{place}.training.{part}.policies"
                raise StudyError(f"{place}: {policy!r} is not one of prms.{name}.policies{near}")
        with naming(f"{place}.training.{part}.task"):
            definitions.check_task({**study.miniature.task, **plan.get("task", {})})


def _recorded(layout: Layout, name: str, group: str) -> None:
    from ttstudy.run import recordings  # pandas: only where responses are recorded

    settings = getattr(layout.study, group)[name]
    if getattr(settings, "policy", None) is None:
        with naming(f"{group}.{name}"):
            recordings.check(layout, name, group)


def _section(section: type[BaseModel], options: Mapping[str, Any], place: str) -> None:
    with naming(place):
        section.model_validate(dict(options))


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Mistakes inside are StudyErrors that begin with `place`, the key's path."""
    try:
        yield
    except ValidationError as error:
        raise StudyError("; ".join(sentences(error, f"{place}.")[:4])) from None
    except (ValueError, OSError) as error:
        raise StudyError(f"{place}: {error}") from None


def variables() -> None:
    """StudyError for a variable of the environment that steps read and that says nothing they can use."""
    if (text := os.environ.get(PART)) is not None and not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise StudyError(f"{PART}: {text[:40]!r} is not a whole number from 1; correct or unset it")
    if not re.fullmatch(r"(?=.*[1-9])[0-9]{1,4}(\.[0-9]+)?", text := os.environ.get(leases.BEAT, "20")):
        raise StudyError(f"{leases.BEAT}: {text[:40]!r} is no number of seconds; correct or unset it")


def results_folder(folder: Path) -> None:
    """StudyError where the folder is something else, somebody else's, or cannot be made or written."""
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
        is_folder, place = there.is_dir(), folder.resolve()
        found = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
    except (OSError, RuntimeError) as error:  # the latter: links that go round in a circle
        raise StudyError(f"results: {folder} cannot be made ({error}); give another folder") from None
    if not is_folder:
        raise StudyError(f"results: {there} is not a folder; give a folder for everything that a run makes")
    if not os.access(there, os.W_OK | os.X_OK) or place.parts[1:2] in (("proc",), ("sys",), ("dev",)):
        raise StudyError(f"results: {there} cannot be written; give a folder that can")
    sources = [ROOT / name for name in SOURCES]
    if ROOT.is_relative_to(place) or Path.cwd().is_relative_to(place) or any(map(place.is_relative_to, sources)):
        raise StudyError(f"results: {folder} is where the study's own files are; give a folder apart, such as results")
    rehearsed.refuse_mixture(folder)
    visible = {name for name in found if not name.startswith(".")} - {"lost+found"}
    if visible and not found & OURS:
        raise StudyError(f"results: {folder} holds files that no run made; give a new or an empty folder")


def swept(results: str) -> list[str]:
    """Paths of results that are damaged, set aside now or by an earlier run; says so for each new one."""
    missing, found = integrity.sweep(Path(results))
    for path, reason in found.items():
        print(one_line(f"damaged: {path}: {reason}; set aside, and made again"), file=sys.stderr, flush=True)
    return [str(path) for path in missing]


def guard(arguments: Sequence[str] | None = None) -> None:
    """Read the study files of a snakemake command line before Snakemake does; a bad one ends the run.

    Snakemake's own reader lets a key given twice pass, runs code where a file asks for it, and tells other mistakes
    by a traceback.
    """
    given = sys.argv[1:] if arguments is None else arguments
    told(lambda: _settings(_values(given, "--config", "-C")))
    told(lambda: [read_yaml(path) for path in _values(given, "--configfile", "--configfiles")])


def _settings(texts: Iterable[str]) -> None:
    for text in texts:
        if not re.match("[^=]+=", text):
            raise StudyError(f"--config: {text[:80]!r} is no setting; write key=value")


def _values(arguments: Sequence[str], *options: str) -> Iterator[str]:
    """What follows these options on a command line, behind `=` or as words of their own."""
    inside = False
    for argument in arguments:
        if argument.startswith("-"):
            name, equals, value = argument.partition("=")
            inside = name in options and not equals
            if name in options and equals:
                yield value
        elif inside:
            yield argument


def opened(path: Path | str, root: Path | str = ".") -> Layout:
    """The checked layout of a study file; relative paths in it start from `root`."""
    layout = open_layout(load(path, Path(root)), root)
    check(layout)
    return layout


def main() -> None:
    """`python -m ttstudy.run.preflight STUDY.yaml`: say whether a study can run, in a second and without Snakemake."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m ttstudy.run.preflight STUDY.yaml")
    layout = told(lambda: opened(sys.argv[1]))
    print(f"{sys.argv[1]}: study {layout.study.study} is in order")


if __name__ == "__main__":
    main()
