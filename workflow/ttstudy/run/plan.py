"""What a study will cost, before it costs it: jobs, responses, tokens, GPU-hours, FLOPs and disk by method and N.

Tokens come from the pilot where it is there, else from priors; speeds from workflow/resources.yaml, from finished jobs
of these results, or from a share of a GPU's peak. What is on disk already is taken off. No network, no model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ttstudy.analysis import flops
from ttstudy.analysis.diagnostics.labelled import read_labelled
from ttstudy.dag import cells, hours, shards, todo
from ttstudy.dag.cells import PoolBlock, Run
from ttstudy.dag.hours import Expected
from ttstudy.dag.inputs import labelled_spec
from ttstudy.dag.layout import Job, Layout, jobs
from ttstudy.dag.models import made_model, settings_of
from ttstudy.dag.specs.inputs import ConvertSpec, FetchSpec, TrainPolicySpec
from ttstudy.data import tables
from ttstudy.data.columns import COLUMNS
from ttstudy.errors import StudyError
from ttstudy.kinds.engines import WEIGHTS
from ttstudy.kinds.methods import SEARCHES
from ttstudy.miniature.shipping import find_shipped
from ttstudy.models.checkpoint import parameters
from ttstudy.models.resources import table
from ttstudy.run import admission, demand, schedule, speeds
from ttstudy.run.expected import expectation
from ttstudy.run.placing import Places, site_gpu
from ttstudy.run.schedule import Timed
from ttstudy.run.speeds import Measured
from ttstudy.study import HubLabelled
from ttstudy.study.policies import Price, money

Row = dict[str, Any]
SPENT = "responses policy_tokens prm_tokens hours gpu_hours idle_hours cpu_hours flops disk_gb price".split()
TOTALS = ["jobs", "jobs_done", *(name for name in SPENT if name not in ("hours", "price"))]
CALLING = ("sample", "ask", "score", "search")
"""Rules whose jobs call a model."""


def plan(layout: Layout, places: Places | None = None, known: Mapping[str, Measured] | None = None) -> pd.DataFrame:
    """The `plan` table: one row for each job that calls a model, or makes one.

    N of a pool's block is the number of responses that are there with it. Of a labelled set, `benchmark` is its name,
    the method `labelled`. `places`: the GPUs to plan for, by default the site's; `known`: speeds that were measured, by
    default by the finished jobs. `hours` are one job's, `idle_hours` those in which a model waits for the other.
    """
    places = site_places(layout) if places is None else places
    undone = {job.job.spec.product for job in todo.left(layout)}
    every = jobs(layout)
    known = measured(layout) if known is None else known
    made = [job for job in every if isinstance(job.spec, TrainPolicySpec | FetchSpec | ConvertSpec)]
    rows = [_left(_model(layout, job), job, undone) for job in made]
    for cell in cells.cells(layout.study):
        mine = [job for job in every if job.cell == cell]
        expected = expectation(layout, cell, mine)
        called = [(job, row) for job in mine for row in _called(layout, job, expected)]
        rows += [_priced(places, known, _left(row, job, undone)) for job, row in called]
    for name in layout.study.labelled:
        row = _labelled(layout, name)
        scored = [job for job in every if job.rule == "score_labelled" and job.of == name]
        for job in scored:
            written = sum(hours.written(layout, job.prm, steps) for steps in row["steps"])
            mine = {"prm": job.prm, "prm_tokens": row["prm_tokens"] + written, "writes": bool(written)}
            rows.append(_priced(places, known, _left(row | mine, job, undone)))
    columns = [column.split(":")[0] for column in COLUMNS["plan"].split()]
    return pd.DataFrame(rows, columns=columns).fillna({"price": 0.0, "currency": "none"})


def site_places(layout: Layout) -> Places:
    """A study's jobs on the GPUs of the site: stated, found by nvidia-smi, or assumed."""
    return Places(layout, *site_gpu(demand.read_site().gpu_memory_gb))


def measured(layout: Layout) -> dict[str, Measured]:
    """Speeds of models that the finished jobs of a study tell."""
    return speeds.measured(layout, jobs(layout), {job.job.spec.product for job in todo.left(layout)})


def placed(places: Places) -> tuple[list[Row], list[str]]:
    """Where the models of every kind of job that is left sit, in words, and what is refused, a sentence each."""
    wanted = admission.kinds(places.layout, [job.job for job in todo.left(places.layout)])
    refused = dict(admission.refusals(places, wanted))
    rows = []
    for one in wanted:
        found = None if one in refused else places.of(one.policy, one.prm)
        words = "refused, see below" if one in refused else "when its models are fetched: their sizes are not known"
        row = {"step": one.step, "policy": one.policy or "", "prm": one.prm or "", "jobs": one.jobs}
        rows.append(row | {"gpus": found.gpus if found else 0, "where": found.words() if found else words})
    return rows, list(refused.values())


def _left(row: Row, job: Job, undone: Collection[str]) -> Row:
    """The row of a job: what is done costs nothing any more."""
    left = int(job.spec.product in undone)
    spent = {name: left * row[name] for name in SPENT if name in row}
    return row | spent | {"jobs": left, "jobs_done": 1 - left}


def total(frame: pd.DataFrame) -> dict[str, float]:
    """Sums over a plan's rows."""
    return {name: float(frame[name].sum()) for name in TOTALS}


def days(frame: pd.DataFrame, gpus: int, box: int = schedule.BOX) -> float | None:
    """Days of what is left on so many GPUs: a block's draws go before its scores; None where a job wants more."""
    timed = []
    for row in frame[frame["gpus"] > 0].to_dict("records"):
        kind = stage(row)
        pool = "samples" if row["method"] == "best_of_n" else row["method"]
        block = (row["benchmark"], row["policy"], pool, row["budget"])
        made, after = (block if kind == "draw" else None), (block if kind == "score" else None)
        timed.append(Timed(row["hours"], row["gpus"], made, after))
    found = schedule.hours(timed, gpus, box)
    return None if found is None else found / 24


def refuse_above(layout: Layout, limit: float) -> None:
    """StudyError when what is left of a study needs more GPU-hours than `limit`."""
    hours = total(plan(layout))["gpu_hours"]
    if hours > limit:
        raise StudyError(
            f"max_gpu_hours: this run needs about {hours:,.0f} GPU-hours, and the study allows {limit:,.0f}; see "
            "`snakemake plan`, then raise the limit or make the study smaller"
        )


# -- jobs ----------------------------------------------------------------------------------------------------


def _called(layout: Layout, job: Job, expected: Expected) -> Iterator[Row]:
    """The unpriced row of a job of a cell that calls a model: what it draws and reads. Of what was recorded, none."""
    run = job.of
    if not isinstance(run, Run) or job.rule not in CALLING:
        return
    if (shard := shards.of(job.spec)) is not None:
        expected = replace(expected, problems=len(shards.rows(shard, expected.problems)))
    done = hours.work(layout, run, job.prm, expected)
    yield run.cell._asdict() | {
        "prm": done.prm or "none",
        "method": _method(run, job.prm),
        "budget": run.last + 1 if isinstance(run, PoolBlock) else run.budget,
        "responses": done.responses,
        "policy_tokens": done.drawn,
        "prm_tokens": done.read,
        "writes": done.writes,
        "tokens_from": expected.source,
    } | _charged(layout, run.cell.policy, done, expected)


def _charged(layout: Layout, policy: str, done: hours.Work, expected: Expected) -> Row:
    """What an endpoint charges for a job, where the study tells its price."""
    price: Price | None = getattr(layout.study.policies[policy], "price", None)
    if price is None or done.policy is None:
        return {}
    return {"price": price.of(done.responses * expected.prompt_tokens, done.drawn), "currency": price.currency}


def prices(frame: pd.DataFrame) -> list[str]:
    """What endpoints will charge for what is left, a line for each currency."""
    lines = []
    for currency, charged in frame[frame["currency"] != "none"].groupby("currency"):
        by_policy = charged.groupby("policy", sort=False)["price"].sum()
        each = ", ".join(f"{name} {money(price)}" for name, price in by_policy.items())
        lines.append(
            f"Price: about {money(by_policy.sum())} {currency} ({each}), from the tokens that are expected and each "
            "policy's `price`."
        )
    return lines


def _method(run: Run, prm: str) -> str:
    """What a row is of: a search's method, `best_of_n` of the scoring of a pool, else the pool."""
    if not isinstance(run, PoolBlock):
        return run.method
    return "best_of_n" if prm and run.pool == "samples" else run.pool


def stage(row: Mapping[str, Any]) -> str:
    """What a row's job does with its models: `models` (makes them), `draw`, `score` or `search`."""
    if row["method"] in ("fetch", "copy", "train"):
        return "models"
    return "search" if row["method"] in SEARCHES else "draw" if row["prm"] == "none" else "score"


def _labelled(layout: Layout, name: str) -> Row:
    """Unpriced row of a labelled set, whose solutions every PRM reads once."""
    item, columns = layout.study.labelled[name], ["problem", "steps"]
    spec = labelled_spec(layout, name)
    path, told = layout.root / spec.product, "labelled solutions"
    if isinstance(item, HubLabelled) and not path.exists():
        solutions, each, length = item.solutions or hours.UNREAD[0], *hours.UNREAD[1:]
        steps, letters, told = [each] * solutions, solutions * length, "a set that is not fetched yet"
    else:
        frame = (
            tables.read("labelled", path, columns)
            if path.exists()
            else read_labelled([*map(Path, spec.sources)], item.format, item.solutions)
        )
        steps = [len(steps) for steps in frame["steps"]]
        letters = frame["problem"].str.len().sum() + frame["steps"].map(lambda steps: sum(map(len, steps))).sum()
    return {
        "benchmark": name,
        "policy": "none",
        "method": "labelled",
        "budget": 0,
        "responses": 0,
        "policy_tokens": 0.0,
        "prm_tokens": float(letters) / table()["expected"]["characters_per_token"],
        "tokens_from": told,
        "steps": steps,
    }


def _model(layout: Layout, job: Job) -> Row:
    """Row of a model that is trained, copied or fetched before anything else; training counts in FLOPs alone."""
    study, spec, name = layout.study, job.spec, str(job.of)
    item: Any = settings_of(study, name)
    count = _parameters(layout, name)
    place = ("policy", "prm") if name in study.policies else ("prm", "policy")
    trains = isinstance(spec, TrainPolicySpec) and find_shipped(spec.definition()) is None
    tokens = float(item.definition.training["tokens"]) if trains else 0.0
    fetched, converted = isinstance(spec, FetchSpec), isinstance(spec, ConvertSpec)
    return {
        "benchmark": "none",
        place[0]: name,
        place[1]: "none",
        "method": "train" if trains else "fetch" if fetched else "convert" if converted else "copy",
        "budget": 0,
        "responses": 0,
        "policy_tokens": 0.0,
        "prm_tokens": 0.0,
        "gpus": 0,
        **dict.fromkeys(("hours", "gpu_hours", "idle_hours", "cpu_hours"), 0.0),
        "flops": flops.training(count, tokens),
        "disk_gb": count * (2 if fetched or converted else 4) / 1e9,
        "tokens_from": "definition",
        "speed_from": "none",
    }


def _parameters(layout: Layout, name: str) -> float:
    """Parameters of a model: counted in its folder, else given, told by its name, or assumed."""
    study = layout.study
    item: Any = settings_of(study, name)
    if (made := made_model(layout, name)) is not None and (path := layout.root / made.product).exists():
        return float(parameters(path.parent))
    if item.source == "trained":
        return hours.defined(study, item.definition.model)
    if item.source == "openai":
        return item.parameters or 0.0
    return hours.billions(study, name, layout.root) * 1e9


def _flops(layout: Layout, name: str, tokens: float) -> float:
    """FLOPs of tokens through a model; of a mixture of experts, through those that a token meets."""
    item = settings_of(layout.study, name)
    return flops.inference(_parameters(layout, name), tokens, getattr(item, "active_parameters", None))


# -- prices --------------------------------------------------------------------------------------------------


def _priced(places: Places, known: Mapping[str, Measured], row: Row) -> Row:
    """The row with GPUs, hours, FLOPs and disk."""
    layout, overlap = places.layout, table()["speed"]["overlap"]
    used = {kind: (row[kind], row[f"{kind}_tokens"]) for kind in ("policy", "prm") if row[f"{kind}_tokens"] > 0}
    names = {kind: name for kind, (name, _) in used.items()}
    wanted = demand.of_job(layout.study, **names, root=layout.root, places=places).gpus
    busy: dict[str, float] = {}
    own: dict[str, int] = {}
    opened, sources = 0.0, set()
    for kind, (name, tokens) in used.items():
        if hours.elsewhere(layout.study, name):
            sources.add("a server elsewhere")
            continue
        if settings_of(layout.study, name).source not in WEIGHTS:
            continue
        own[kind] = demand.of_job(layout.study, **{kind: name}, root=layout.root, places=places).gpus
        draws = kind == "policy" or row.get("writes", False)
        size = _met(layout, name)
        rate, source = speeds.speed(layout, name, size, own[kind], draws, known)
        sources.add(source)
        busy[kind] = tokens / rate / 3600
        opened += hours.loading(_parameters(layout, name), own[kind])
    apart = len(own) == 2 and all(own.values()) and wanted == sum(own.values())
    time = opened + sum(busy.values()) - (overlap * min(busy.values()) if apart else 0.0)
    idle = sum((time - opened - busy[kind]) * own[kind] for kind in busy) if apart else 0.0
    return row | {
        "gpus": wanted,
        "hours": time,
        "gpu_hours": time * wanted,
        "idle_hours": idle,
        "cpu_hours": 0.0 if wanted else time,
        "flops": sum(_flops(layout, name, tokens) for name, tokens in used.values()),
        "disk_gb": row["policy_tokens"] * table()["expected"]["bytes_per_token"] / 1e9,
        "speed_from": " and ".join(sorted(sources)) or "none",
    }


def _met(layout: Layout, name: str) -> float:
    """Parameters of a model that a token meets: of a mixture of experts, not all."""
    active = getattr(settings_of(layout.study, name), "active_parameters", None)
    return float(active or _parameters(layout, name))
