"""How long the jobs that call a model take by what a study and workflow/resources.yaml say, before anything has run.

The plan reckons with the same formulas and better numbers: lengths of the pilot's responses, speeds of finished jobs.
What is here looks at no result and at no machine, so that long jobs are shared out alike wherever a run goes on.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ttstudy.dag.cells import Cell, PoolBlock, Run, Search
from ttstudy.dag.contents import found
from ttstudy.dag.context import Layout, remembered
from ttstudy.dag.models import judge, settings_of
from ttstudy.kinds.engines import ENGINES, WEIGHTS
from ttstudy.kinds.formats import FORMATS, VerdictFormat
from ttstudy.models import gguf, reads
from ttstudy.models.checkpoint import parameters
from ttstudy.models.facts import TINY, billions_of_name
from ttstudy.models.resources import models_row, table
from ttstudy.study import RecordedPolicy, Study
from ttstudy.study.models import OnEngine
from ttstudy.study.prms import LocalPRM

ASSUMED_BILLIONS = 8.0
"""Size of a model of which neither the study nor its name says one."""


@dataclass(frozen=True)
class Expected:
    """Of one policy on one benchmark: problems, means of a response, the share of N responses' steps that differ."""

    problems: int
    response_tokens: float
    prompt_tokens: float
    distinct: Callable[[int], float]
    source: str
    steps: float


class Work(NamedTuple):
    """What a job does: tokens that its policy draws, and that its PRM reads, or writes, of all problems together."""

    policy: str | None
    drawn: float
    prm: str | None = None
    read: float = 0.0
    writes: bool = False
    responses: int = 0


# -- what is expected ---------------------------------------------------------------------------------------------


@remembered
def assumed(layout: Layout, cell: Cell) -> Expected:
    """From the benchmark's name and the table's priors alone."""
    priors, settings = table()["expected"], layout.study.policies[cell.policy]
    tokens = priors["response_tokens"]
    response = float(tokens.get(getattr(settings, "prompt", "default"), tokens["default"]))
    if not isinstance(settings, RecordedPolicy):
        response = min(response, float(layout.study.sampling_of(cell.policy, "responses")["max_tokens"]))
    steps, prompt = float(priors["steps"]), float(priors["prompt_tokens"])
    return Expected(problems(layout, cell.benchmark), response, prompt, lambda n: 1.0, "prior", steps)


@remembered
def problems(layout: Layout, benchmark: str) -> int:
    """Problems of a benchmark: told by the study, counted in a file of lines, known by its name, or assumed."""
    return min(_problems(layout, benchmark), layout.study.limit or sys.maxsize)


def _problems(layout: Layout, benchmark: str) -> int:
    item = layout.study.benchmarks[benchmark]
    if (given := getattr(item, "problems", None)) is not None:
        return int(given)
    files = found(layout.root, item.path, f"benchmarks.{benchmark}.path") if item.source == "file" else []
    if files and all(file.suffix in (".jsonl", ".json") for file in files):
        return max(1, sum(map(_lines, files)))
    text = f"{benchmark} {getattr(item, 'id', '')}".lower()
    known = table()["expected"]["problems"]
    return int(next((count for name, count in known.items() if name.lower() in text), known["default"]))


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(not line.isspace() for line in lines)


# -- tokens -------------------------------------------------------------------------------------------------------


def work(layout: Layout, run: Run, prm: str, expected: Expected) -> Work:
    """What the job that draws a block does, or that scores it with a PRM (`""`: none), or a search."""
    whole = expected.prompt_tokens + expected.response_tokens
    if isinstance(run, PoolBlock):
        count = expected.problems * (run.last + 1 - run.first)
        if not prm:
            return Work(run.cell.policy, count * expected.response_tokens, responses=count)
        wrote = written(layout, prm, expected.steps)
        return Work(None, 0.0, prm, count * (whole + wrote), bool(wrote))
    count, wrote = expected.problems * run.budget, written(layout, run.prm, 1)
    if wrote:  # a generative PRM judges each candidate, and reads what comes before it anew
        read = count * (expected.response_tokens * expected.distinct(run.budget) + expected.steps * (wrote + whole / 2))
    else:
        read = expected.problems * read_in_search(layout, run, expected)
    return Work(run.cell.policy, count * expected.response_tokens, run.prm, read, bool(wrote), count)


def written(layout: Layout, prm: str, steps: float) -> float:
    """Tokens that a generative PRM writes of a solution of so many steps if no answer ends early; else 0."""
    found = _judge(layout, prm)
    form = _format(layout, prm)
    if found is None or found.verdicts is None or not isinstance(form, VerdictFormat):
        return 0.0
    answers = found.verdicts.samples * (steps if form.per_step else 1)
    return float(answers * (found.verdicts.max_tokens or form.max_tokens))


def read_in_search(layout: Layout, run: Search, expected: Expected) -> float:
    """Tokens that a PRM reads of one problem in a search: each once, and what its engine's cache reads again."""
    settings = layout.study.prms[run.prm]
    distinct = run.budget * expected.distinct(run.budget)
    if not isinstance(settings, LocalPRM):
        return distinct * expected.response_tokens
    return reads.in_search(
        settings.engine,
        getattr(settings, "known_format", None),
        drawn=distinct * expected.response_tokens,
        candidates=distinct * expected.steps,
        problem=expected.prompt_tokens,
        siblings=layout.study.search.beam_width,
    )


def _format(layout: Layout, prm: str) -> Any:
    """Format of a PRM where the study or the PRM's id tells it."""
    return FORMATS.get(getattr(layout.study.prms[prm], "known_format", None) or "")


def _judge(layout: Layout, prm: str) -> Any:
    return judge(layout, prm) if isinstance(layout.study.prms[prm], LocalPRM) else None


# -- sizes --------------------------------------------------------------------------------------------------------


def billions(study: Study, name: str, root: Path = Path()) -> float:
    """Size of a policy or PRM in billions of parameters: given, counted in its folder, told by its name, or assumed.

    0 for a model that needs no machine of ours: the miniature's, an endpoint, recorded responses.
    """
    settings = study.policies.get(name) or study.prms[name]
    if settings.source not in WEIGHTS:
        return 0.0
    if (given := getattr(settings, "parameters", None)) is not None:
        return float(given) / 1e9
    if settings.source == "checkpoint":
        return _counted(root / settings.path)
    if settings.source == "gguf":
        return gguf.read(root / settings.path).parameters / 1e9
    if settings.source != "hub":
        return 0.0
    told = billions_of_name(settings.id)
    return ASSUMED_BILLIONS if told is None else told


@cache
def _counted(folder: Path) -> float:
    return parameters(folder) / 1e9


@remembered
def weights(layout: Layout, name: str) -> float:
    """Parameters of a model as the study tells them; of a mixture of experts, those that a token meets."""
    item: Any = settings_of(layout.study, name)
    if item.source == "trained":
        return defined(layout.study, item.definition.model)
    active = getattr(item, "active_parameters", None)
    return float(active or billions(layout.study, name, layout.root) * 1e9)


def defined(study: Study, model: Mapping[str, Any]) -> float:
    """Weights in the layers of a miniature definition; its embeddings are few. 0 where it is not one: see preflight."""
    try:
        return _layers(study, model)
    except (LookupError, TypeError, ArithmeticError, AttributeError):
        return 0.0


def _layers(study: Study, model: Mapping[str, Any]) -> float:
    if "body" in model:
        item: Any = study.policies[model["body"]]
        body = item.definition.model
        return _layers(study, body | {"layers": model.get("layers", body["layers"])})
    hidden, shared = model["hidden"], model["kv_heads"] / model["heads"]
    return float(model["layers"] * (hidden * hidden * (2 + 2 * shared) + 3 * hidden * model["ffn"]))


@remembered
def gpus(layout: Layout, name: str) -> int:
    """GPUs of a model by its size and what its engine is told; 0 on a CPU. Their memory is not looked at."""
    size = billions(layout.study, name, layout.root)
    if not on_gpu(layout.study, name, size):
        return 0
    group = "policies" if name in layout.study.policies else "prms"
    return max(int(models_row(group, size)["gpus"]), told_gpus(layout.study, name))


def on_gpu(study: Study, name: str, size: float) -> bool:
    """Whether a model of so many billions of parameters is meant for GPUs: by its engine, its `device` and its size.

    vLLM's CPU build runs the miniature and its like; a larger model never goes there unasked.
    """
    settings = study.policies.get(name) or study.prms[name]
    if not isinstance(settings, OnEngine):
        return False
    engine = ENGINES[settings.engine]
    if engine.remote:
        return False
    if engine.vllm_environment:
        return size > TINY or told_gpus(study, name) > 1
    if not engine.devices:  # it says so itself
        return int(getattr(settings, "gpus", 0)) > 0
    device: str | None = settings.device
    return device == "cuda" or (device is None and size > TINY)


def elsewhere(study: Study, name: str) -> bool:
    """Whether a model runs on a server of its own, and costs a job neither a GPU nor memory."""
    settings = study.policies.get(name) or study.prms[name]
    return isinstance(settings, OnEngine) and ENGINES[settings.engine].remote


def told_gpus(study: Study, name: str) -> int:
    """GPUs that the engine of a model on GPUs is told to take, with several copies or shares for instance."""
    return max(1, int(getattr(study.policies.get(name) or study.prms[name], "gpus", 1)))


# -- hours --------------------------------------------------------------------------------------------------------


def stated(layout: Layout, name: str) -> float | None:
    """Tokens a second of a model as the table of resources has them from whoever measured them; else None."""
    found = table()["speed"]["measured"].get(getattr(settings_of(layout.study, name), "id", name))
    return None if found is None else float(found)


def assumed_speed(size: float, gpus: int, draws: bool) -> float:
    """Tokens a second of a model of so many parameters on so many GPUs, or on one CPU core (0), by assumed shares."""
    rows = table()["speed"]
    share = "drawing" if draws else "reading"
    if not size:
        return math.inf
    if not gpus:
        return float(rows["cpu_tflops"][share]) * 1e12 / (2 * size)
    return float(rows[share] * rows["peak_tflops"]) * 1e12 * gpus / (2 * size)


def loading(size: float, gpus: int) -> float:
    """Hours to open a model of so many parameters on GPUs: its engine starts, and its weights are read."""
    rows = table()["loading"]
    return float(rows["seconds"] + size * rows["bytes"] / 1e9 / rows["gb_per_second"]) / 3600 if gpus else 0.0


@remembered
def of_run(layout: Layout, run: Run, prm: str = "") -> tuple[float, float]:
    """Hours of the job of a run (scored with `prm`) by what is assumed: to open its models, and to draw and read."""
    return _of_work(layout, work(layout, run, prm, assumed(layout, run.cell)))


UNREAD = (1000, 8, 1500)
"""Solutions of a labelled set that is not fetched yet, steps and characters of each: as in ProcessBench, about."""


@remembered
def of_labelled(layout: Layout, name: str, prm: str) -> tuple[float, float]:
    """Hours of scoring a labelled set by what is assumed of it, as of a run."""
    solutions, steps, length = layout.study.labelled[name].solutions or UNREAD[0], *UNREAD[1:]
    wrote = written(layout, prm, steps)
    read = solutions * (length / table()["expected"]["characters_per_token"] + wrote)
    return _of_work(layout, Work(None, 0.0, prm, read, bool(wrote)))


def _of_work(layout: Layout, done: Work) -> tuple[float, float]:
    opened = busy = 0.0
    for name, tokens, draws in ((done.policy, done.drawn, True), (done.prm, done.read, done.writes)):
        if name is None or settings_of(layout.study, name).source not in WEIGHTS or elsewhere(layout.study, name):
            continue
        size, count = weights(layout, name), gpus(layout, name)
        rate = stated(layout, name) or assumed_speed(size, count, draws)
        opened += loading(billions(layout.study, name, layout.root) * 1e9, count)
        busy += tokens / rate / 3600
    return opened, busy
