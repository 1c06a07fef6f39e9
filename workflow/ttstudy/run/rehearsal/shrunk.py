"""The study that a rehearsal runs: the same methods, models' kinds and rules; stand-ins, few problems, few tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttstudy.dag.inputs import labelled_spec
from ttstudy.dag.layout import Layout
from ttstudy.dag.models import judge, made_model, weights
from ttstudy.dag.specs.inputs import TrainPolicySpec
from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES
from ttstudy.miniature.shipping import find_shipped
from ttstudy.models import facts
from ttstudy.run import recordings
from ttstudy.run.rehearsal import problems, recording, sampled, standins
from ttstudy.run.rehearsal.hub import Key
from ttstudy.run.rehearsal.problems import Given
from ttstudy.run.rehearsal.sampled import Sampled
from ttstudy.study import (
    CheckpointPolicy,
    CheckpointPRM,
    FileBenchmark,
    GeneratedBenchmark,
    GGUFPolicy,
    HubBenchmark,
    HubLabelled,
    HubPolicy,
    HubPRM,
    MiniatureBenchmark,
    OpenAIPolicy,
    TrainedPolicy,
    TrainedPRM,
)
from ttstudy.study.fields import SEVERE
from ttstudy.study.models import OnEngine
from ttstudy.study.policies import PromptedPolicy

TOKENS = {"cot": 32, "responses": 32, "search": 12}
"""Most tokens of a response, and of a step in a search."""
DEPTH, PILOT, PER_BLOCK, JUDGED = 4, 4, 3, 12
"""Steps of a path, responses of a pilot, problems of a block, tokens of a generative PRM's answer."""
TRAINED = 20_000
"""Tokens that a model of the miniature is trained on which does not ship."""
ENDPOINT, DUMMY = "TTSTUDY_REHEARSAL_ENDPOINT", "no-key-needed"


@dataclass
class Shrunk:
    """A study's rehearsal: what is run, what stands in for what, and what could not be read as the study tells it."""

    study: dict[str, Any]
    taken: Sampled
    replaced: dict[str, str] = field(default_factory=dict)
    """By key of the study, in words."""
    faults: list[str] = field(default_factory=list)
    served: dict[Key, Path] = field(default_factory=dict)
    """Folders of what the local hub has."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables of the rehearsal; `ENDPOINT` in the place of a value: the local endpoint's address."""
    answers: list[str] = field(default_factory=list)

    def environment(self, address: str) -> dict[str, str]:
        """The variables, with the local endpoint's address."""
        return {name: address if value == ENDPOINT else value for name, value in self.variables.items()}

    @contextmanager
    def noting(self, key: str) -> Iterator[None]:
        """What cannot be read inside is a fault of the full-size study."""
        try:
            yield
        except StudyError as error:
            text = str(error)
            self.faults.append(text if text.startswith(key) else f"{key}: {text}")


def shrink(layout: Layout, folder: Path, count: int) -> Shrunk:
    """The rehearsal of a study, with its files written into `folder`; `count`: problems of each benchmark.

    `layout` need not be whole: what it names and is not there is a fault, and something made-up stands in.
    """
    study = layout.study
    dropped = {"base", "results", "max_gpu_hours", "pairs", "budgets", "budgets_of"}
    told = study.model_dump(mode="json", exclude_unset=True, exclude=dropped)
    found = Shrunk(told | {"accept_findings": list(SEVERE)}, sampled.sample(study))  # what stand-ins write is odd
    _benchmarks(layout, found, folder, count)
    _recorded(layout, found, folder, count)
    for name in study.policies:
        _policy(layout, found, folder, name)
    for name in study.prms:
        _prm(layout, found, folder, name)
    _labelled(layout, found, folder, count)
    _methods(layout, found)
    return found


# -- problems ----------------------------------------------------------------------------------------------------


def _benchmarks(layout: Layout, found: Shrunk, folder: Path, count: int) -> None:
    sizes = {name: getattr(item, "problems", None) or 0 for name, item in layout.study.benchmarks.items()}
    largest = max(sizes, key=lambda name: (sizes[name], -list(sizes).index(name)))
    for name, settings in layout.study.benchmarks.items():
        # One more of the largest: claims are about the benchmark with the most problems.
        most = min(count + (name == largest), sizes[name] or count + 1)
        key, entry = f"benchmarks.{name}", found.study["benchmarks"][name]
        if isinstance(settings, MiniatureBenchmark | GeneratedBenchmark):
            entry["problems"] = most
            found.replaced[key] = f"its first {most} problems, made from its seed"
        elif isinstance(settings, FileBenchmark | HubBenchmark):
            columns = {str(ours): theirs for ours, theirs in settings.columns.items()}
            given = Given(problems.made(name, most, columns), problems.MADE, columns)
            with found.noting(key):
                given = problems.of_benchmark(layout, name, most)
            found.replaced[key] = given.origin
            found.answers += given.answers
            for gone in ("sha256", "revision", "checksums"):
                entry.pop(gone, None)
            entry["problems"] = len(given.rows)
            if isinstance(settings, FileBenchmark):
                place = folder / "problems" / f"{name}.jsonl"
                entry["path"] = str(problems.write(given.rows, place))
            else:
                home = folder / "hub" / "datasets" / settings.id
                problems.write(given.rows, home / (settings.file or f"{settings.split}.jsonl"))
                found.served["datasets", settings.id] = home


def _recorded(layout: Layout, found: Shrunk, folder: Path, count: int) -> None:
    """Files of recorded responses: the rows of the first problems, or made-up ones."""
    study = layout.study
    written: dict[str, tuple[str, str]] = {}
    for number, (group, name) in enumerate(recording.sections(study)):
        entry, key = found.study[group][name], f"{group}.{name}"
        spec, rows = recording.at_hand(layout, group, name), []
        known = spec.product if spec is not None else str(getattr(study, group)[name].path)
        if known not in written:
            if spec is not None:
                with found.noting(key):
                    rows = recording.first(recording.read(spec), count)
            origin = f"the responses of {next(iter(spec.sources))} to its first {count} problems" if spec else ""
            if not rows:
                drawn = PILOT + 2 * sampled.WIDTH
                rows, origin = recording.made_up(study, count, drawn), f"made-up responses, {drawn} of each problem"
            written[known] = str(problems.write(rows, folder / "recorded" / f"{number}.jsonl")), origin
        if spec is not None and group == "policies":
            with found.noting(key):
                recordings.check(layout, name, group)
        for gone in ("format", "columns", "skip_broken"):
            entry.pop(gone, None)
        entry["path"], found.replaced[key] = written[known]


def _labelled(layout: Layout, found: Shrunk, folder: Path, count: int) -> None:
    """Labelled sets; of several that are files of one data set of the hub, the first."""
    first: dict[tuple[str, str | None], str] = {}
    for name, settings in layout.study.labelled.items():
        rows, entry = problems.solutions(problems.made(name, count)), found.study["labelled"][name]
        origin = "made-up solutions in the plain form"
        if isinstance(settings, HubLabelled):
            if (other := first.setdefault((settings.id, settings.format), name)) != name:
                del found.study["labelled"][name]
                found.replaced[f"labelled.{name}"] = f"{other}, a file of the same data set"
                continue
            for gone in ("revision", "checksums", "solutions", "format"):
                entry.pop(gone, None)
            home = folder / "hub" / "datasets" / settings.id
            problems.write(rows, home / settings.file)
            found.served["datasets", settings.id] = home
            found.replaced[f"labelled.{name}"] = origin
            continue
        with found.noting(f"labelled.{name}"):
            from ttstudy.analysis.diagnostics.labelled import read_labelled

            spec = labelled_spec(layout, name)
            frame = read_labelled([*map(Path, spec.sources)], settings.format, settings.solutions).head(count)
            rows = frame[["problem", "steps", "first_error", "policy"]].to_dict("records")
            origin = f"the first {count} solutions of {next(iter(spec.sources))}"
        for gone in ("format", "solutions"):
            entry.pop(gone, None)
        entry["path"] = str(problems.write(rows, folder / "labelled" / f"{name}.jsonl"))
        found.replaced[f"labelled.{name}"] = origin


# -- models ------------------------------------------------------------------------------------------------------


def _policy(layout: Layout, found: Shrunk, folder: Path, name: str) -> None:
    settings, entry = layout.study.policies[name], found.study["policies"][name]
    key = f"policies.{name}"
    if isinstance(settings, HubPolicy | CheckpointPolicy | GGUFPolicy):
        _stand_in(layout, found, folder, name, None, settings.prompt)
    elif isinstance(settings, TrainedPolicy):
        _trained(layout, found, name, key)
    elif isinstance(settings, OpenAIPolicy):
        found.replaced[key] = f"an endpoint on this machine that answers as {settings.model!r}"
        if not settings.base_url.startswith("$"):
            entry["base_url"] = f"${ENDPOINT}"
        found.variables[entry["base_url"][1:]] = ENDPOINT
        if settings.key_variable is not None:
            found.variables[settings.key_variable] = DUMMY
        for gone in ("requests_per_minute", "timeout_s", "attempts"):
            entry.pop(gone, None)
    if isinstance(settings, PromptedPolicy):
        entry["sampling"] = {use: _fewer(layout, name, use, most) for use, most in TOKENS.items()}


def _fewer(layout: Layout, name: str, use: Any, most: int) -> dict[str, Any]:
    wanted = layout.study.sampling_of(name, use)
    settings = layout.study.policies[name]
    assert isinstance(settings, PromptedPolicy)
    own: dict[str, Any] = getattr(settings.sampling, use).model_dump(exclude_none=True)
    return own | {"max_tokens": min(wanted["max_tokens"], most)}


def _prm(layout: Layout, found: Shrunk, folder: Path, name: str) -> None:
    settings, entry = layout.study.prms[name], found.study["prms"][name]
    if isinstance(settings, HubPRM | CheckpointPRM):
        form: str | None = settings.known_format
        with found.noting(f"prms.{name}"):
            form = judge(layout, name).format
        if form is None:
            form = entry["format"] = "qwen"
            found.replaced[f"prms.{name}.format"] = "the format qwen, since nothing tells its own before it is fetched"
        _stand_in(layout, found, folder, name, form, "")
        if "verdicts" in entry or form in ("thinkprm", "genprm"):
            told = settings.verdicts
            entry["format"] = form
            entry["verdicts"] = entry.get("verdicts", {}) | {"max_tokens": JUDGED, "samples": min(told.samples, 2)}
    elif isinstance(settings, TrainedPRM):
        _trained(layout, found, name, f"prms.{name}")


def _stand_in(layout: Layout, found: Shrunk, folder: Path, name: str, form: str | None, prompt: str) -> None:
    """Write a model's stand-in, where the hub serves it or as the folder that it is."""
    study = layout.study
    group = "policies" if name in study.policies else "prms"
    settings, entry = getattr(study, group)[name], found.study[group][name]
    id = getattr(settings, "id", None)
    own = layout.root / settings.path if settings.source == "checkpoint" else None
    given = layout.root / settings.path if settings.source == "gguf" else None
    if given is not None:
        # Its stand-in is a folder already.
        entry |= {"source": "checkpoint", "dtype": settings.dtype}
    elif own is None:
        fetched = (layout.root / weights(layout, name).path).parent
        own = fetched if fetched.is_dir() else None
    config = None
    with found.noting(f"{group}.{name}"):
        config = facts.config_of(id, given or own)
    stand = standins.of_model(id or name, id, config, form, prompt, own, found.answers or ["3", "7", "11"])
    if id is None:
        place = folder / "models" / name
        entry["path"] = str(place)
    else:
        place = folder / "hub" / "models" / id
        found.served["models", id] = place
        for gone in ("revision", "checksums"):  # the local hub's are pinned anew
            entry.pop(gone, None)
    if not place.is_dir():
        stand.write(place)
    found.replaced[f"{group}.{name}"] = stand.words()
    _on_cpu(settings, entry, group)


def _on_cpu(settings: OnEngine, entry: dict[str, Any], group: str) -> None:
    """Our own engine on the CPU in the place of vLLM and of servers; any other engine as it is."""
    if ENGINES[settings.engine].vllm_environment or ENGINES[settings.engine].remote:
        entry.pop(settings.engine, None)
        entry["engine"] = "transformers"
    if entry.get("engine", "transformers") == "transformers":
        entry["device"] = "cpu"


def _trained(layout: Layout, found: Shrunk, name: str, key: str) -> None:
    """A model of the miniature: as it ships, else trained on next to nothing."""
    group = key.split(".")[0]
    spec = made_model(layout, name)
    if isinstance(spec, TrainPolicySpec) and find_shipped(spec.definition()) is not None:
        found.replaced[key] = "itself: it ships, and is tiny"
        return
    training = found.study[group][name]["definition"]["training"]
    training["tokens"] = min(int(training["tokens"]), TRAINED)
    for part, most in (("rollouts", 24), ("validation", 8)):
        if part in training:
            training[part]["policies"] = {one: min(n, most) for one, n in training[part]["policies"].items()}
    found.replaced[key] = f"itself, trained on {training['tokens']:,} tokens"
    settings = getattr(layout.study, group)[name]
    _on_cpu(settings, found.study[group][name], group)


# -- methods -----------------------------------------------------------------------------------------------------


def _methods(layout: Layout, found: Shrunk) -> None:
    study, taken, told = layout.study, found.taken, found.study
    told |= {"budgets": taken.budgets, "budgets_of": taken.budgets_of}
    if study.prms:
        told["pairs"] = taken.pairs
    told["pilot_samples"] = min(study.pilot_samples, PILOT)
    told["first_block"] = min(study.first_block or sampled.WIDTH, sampled.WIDTH)
    search = told.setdefault("search", {})
    search["beam_width"] = min(study.search.beam_width, sampled.WIDTH)
    search["max_depth"] = min(study.search.max_depth, DEPTH)
    search["problems_per_block"] = PER_BLOCK

