"""What a study will cost, before it costs it: jobs, responses, tokens, GPU-hours, FLOPs and disk by method and N.

Tokens come from the pilot where it is there, else from priors; speed from measurements that the table of resources
holds, else from a share of a GPU's peak. What is on disk already is taken off. No network, no model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ttstudy.analysis import flops
from ttstudy.analysis.diagnostics.labelled import read_labelled
from ttstudy.dag import cells, todo
from ttstudy.dag.cells import Cell, PoolBlock, Search
from ttstudy.dag.inputs import benchmark_spec, labelled_spec
from ttstudy.dag.layout import Job, Layout, jobs
from ttstudy.dag.models import made_model, settings_of
from ttstudy.dag.specs.generation import ScoreSpec, SearchSpec
from ttstudy.dag.specs.inputs import FetchSpec, TrainPolicySpec
from ttstudy.dag.specs.records import Spec
from ttstudy.data import tables
from ttstudy.data.columns import COLUMNS
from ttstudy.errors import StudyError
from ttstudy.kinds.formats import FORMATS, VerdictFormat
from ttstudy.miniature.shipping import find_shipped
from ttstudy.models.checkpoint import parameters
from ttstudy.run import admission, demand
from ttstudy.run.placing import Places, site_gpu

Row = dict[str, Any]
SPENT = ["responses", "policy_tokens", "prm_tokens", "gpu_hours", "flops", "disk_gb"]
TOTALS = ["jobs", "jobs_done", *SPENT]


@dataclass(frozen=True)
class Expected:
    """Of one policy on one benchmark: problems, means of a response, the share of N responses' steps that differ."""

    problems: int
    response_tokens: float
    prompt_tokens: float
    distinct: Callable[[int], float]
    source: str
    steps: float


def plan(
    layout: Layout, settings: Mapping[str, Any] | None = None, places: Places | None = None
) -> pd.DataFrame:
    """The `plan` table: one row for each job that calls a model, or makes one.

    N of a pool's block is the number of responses that are there with it. Of a labelled set, `benchmark` is its name,
    the method `labelled`. `settings` is the table of resources; `places`: the GPUs to plan for, by default the site's.
    """
    settings = demand.table() if settings is None else settings
    places = site_places(layout) if places is None else places
    undone = {job.job.spec.product for job in todo.left(layout)}
    every = jobs(layout)
    made = [job for job in every if isinstance(job.spec, TrainPolicySpec | FetchSpec)]
    rows = [_left(_model(layout, job), job, undone) for job in made]
    for cell in cells.cells(layout.study):
        mine = [job for job in every if job.cell == cell]
        expected = expectation(layout, settings, cell, mine)
        rows += [_priced(places, settings, _left(row, job, undone)) for job in mine for row in _called(job, expected)]
    for name in layout.study.labelled:
        row = _labelled(layout, settings, name)
        scored = [job for job in every if job.rule == "score_labelled" and job.of == name]
        for job in scored:
            written = sum(_written(job.spec, steps) for steps in row["steps"])
            mine = {"prm": job.prm, "prm_tokens": row["prm_tokens"] + written, "writes": bool(written)}
            rows.append(_priced(places, settings, _left(row | mine, job, undone)))
    columns = [column.split(":")[0] for column in COLUMNS["plan"].split()]
    return pd.DataFrame(rows, columns=columns)


def site_places(layout: Layout) -> Places:
    """A study's jobs on the GPUs of the site: stated, found by nvidia-smi, or assumed."""
    return Places(layout, *site_gpu(demand.read_site().gpu_memory_gb))


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


def refuse_above(layout: Layout, limit: float) -> None:
    """StudyError when what is left of a study needs more GPU-hours than `limit`."""
    hours = total(plan(layout))["gpu_hours"]
    if hours > limit:
        raise StudyError(
            f"max_gpu_hours: this run needs about {hours:,.0f} GPU-hours, and the study allows {limit:,.0f}; see "
            "`snakemake plan`, then raise the limit or make the study smaller"
        )


# -- expectations --------------------------------------------------------------------------------------------


def expectation(layout: Layout, settings: Mapping[str, Any], cell: Cell, mine: Iterable[Job]) -> Expected:
    """From the pilot's responses where they are there, else from the benchmark and priors; `mine`: the cell's jobs."""
    priors, (benchmark, policy) = settings["expected"], cell
    problems = _problems(layout, priors, benchmark)
    pilots = [job for job in mine if isinstance(job.of, PoolBlock) and job.of.pool == "pilot"]
    path = layout.root / pilots[0].spec.product if pilots else None
    columns = ["problem_id", "sample", "prompt_tokens", "response_tokens", "steps"]
    frame = tables.read("responses", path, columns) if path is not None and path.exists() else None
    # Tokens of recorded responses may not be known.
    steps = float(priors.get("steps", 8.0))
    if frame is not None and frame[["prompt_tokens", "response_tokens"]].notna().all(axis=None):
        count = frame["problem_id"].nunique()
        drawn, asked = frame["response_tokens"].mean(), frame["prompt_tokens"].mean()
        return Expected(count, drawn, asked, _distinct(frame), "pilot", frame["steps"].map(len).mean())
    settings_of_policy = layout.study.policies[policy]
    if settings_of_policy.source == "recorded":
        drawn = priors["response_tokens"]["default"]
        return Expected(problems, drawn, priors["prompt_tokens"], lambda n: 1.0, "prior", steps)
    limit = layout.study.sampling_of(policy, "responses")["max_tokens"]
    if settings_of_policy.source == "trained" and layout.study.benchmarks[benchmark].source == "miniature":
        prompt, response = _solution_tokens(layout, benchmark)
        return Expected(problems, min(response, limit), prompt, lambda n: 1.0, "reference solutions", steps)
    tokens = priors["response_tokens"]
    response = tokens.get(getattr(settings_of_policy, "prompt", "default"), tokens["default"])
    return Expected(problems, min(response, limit), priors["prompt_tokens"], lambda n: 1.0, "prior", steps)


def _problems(layout: Layout, priors: Mapping[str, Any], benchmark: str) -> int:
    path = layout.root / benchmark_spec(layout, benchmark).product
    if path.exists():
        return len(tables.read("benchmark", path, ["problem_id"]))
    item = layout.study.benchmarks[benchmark]
    if (given := getattr(item, "problems", None)) is not None:
        return int(given)
    if item.source == "file":
        from ttstudy.data import benchmarks

        return len(benchmarks.read_file(layout.root / item.path, {str(k): v for k, v in item.columns.items()}))
    text = f"{benchmark} {getattr(item, 'id', '')}".lower()
    known = priors["problems"]
    return int(next((count for name, count in known.items() if name.lower() in text), known["default"]))


def _solution_tokens(layout: Layout, benchmark: str) -> tuple[float, float]:
    """Mean tokens of the miniature's problems and of their solutions, some of them solved for it."""
    from random import Random

    from ttstudy.miniature import task, tokenizer

    item: Any = layout.study.benchmarks[benchmark]
    options = item.task or layout.study.miniature.task
    drawn = task.problems(item.seed, item.split, min(item.problems, 50), options)
    largest = task.Task.of(options).largest
    encoder = tokenizer.build(largest)
    solved = [task.solve(task.parse_problem(row.problem), Random(0), largest) for row in drawn]
    prompts = [len(encoder.encode(row.problem).ids) for row in drawn]
    lengths = [len(encoder.encode(task.solution_text(steps)).ids) + 1 for steps in solved]
    return sum(prompts) / len(prompts), sum(lengths) / len(lengths)


def _distinct(pilot: pd.DataFrame) -> Callable[[int], float]:
    """Share of the text of N responses to a problem that is in no other one's beginning: a search reads it once.

    From the pilot's responses for N up to their number, beyond by the slope of its last doubling.
    """
    groups = [list(group) for _, group in pilot.groupby("problem_id", sort=False)["steps"]]
    most = min(map(len, groups))
    shares = {}
    sizes = [size for size in (1, 2, 4, 8, 16, 32, 64) if size <= most]
    for size in sizes:
        seen = whole = 0
        for group in groups:
            beginnings: set[str] = set()
            for steps in group[:size]:
                beginning = ""
                for step in steps:
                    beginning += step
                    whole += len(step)
                    if beginning not in beginnings:
                        beginnings.add(beginning)
                        seen += len(step)
        shares[size] = seen / whole if whole else 1.0
    slope = shares[sizes[-1]] / shares[sizes[-2]] if len(sizes) > 1 else 1.0

    def share(n: int) -> float:
        below = max(size for size in sizes if size <= max(1, n))
        result, size = shares[below], below
        while size * 2 <= n:
            result, size = result * slope, size * 2
        return result

    return share


# -- jobs ----------------------------------------------------------------------------------------------------


def _called(job: Job, expected: Expected) -> Iterator[Row]:
    """The unpriced row of a job of a cell that calls a model: what it draws and reads. Of what was recorded, none."""
    whole = expected.prompt_tokens + expected.response_tokens
    run, written = job.of, _written(job.spec, expected.steps)
    if isinstance(run, PoolBlock) and job.rule in ("sample", "ask"):
        count = run.last + 1 - run.first
        yield _row(run.cell, run.pool, run.last + 1, expected, "none", count, expected.response_tokens)
    elif isinstance(run, PoolBlock) and job.rule == "score":
        count = run.last + 1 - run.first
        method = "best_of_n" if run.pool == "samples" else run.pool
        row = _row(run.cell, method, run.last + 1, expected, job.prm, read=count * (whole + written))
        yield row | {"writes": bool(written)}
    elif isinstance(run, Search) and job.rule == "search":
        read = run.budget * expected.response_tokens * expected.distinct(run.budget)
        if written:  # a generative PRM judges each candidate, and reads what comes before it anew
            read += run.budget * expected.steps * (_written(job.spec, 1) + whole / 2)
        row = _row(run.cell, run.method, run.budget, expected, run.prm, run.budget, expected.response_tokens, read)
        yield row | {"writes": bool(written)}


def _written(spec: Spec, steps: float) -> float:
    """Tokens that a job's generative PRM writes of a solution of so many steps if no answer ends early; else 0."""
    judge = spec.judge if isinstance(spec, ScoreSpec | SearchSpec) else None
    form = FORMATS.get(judge.format or "") if judge else None
    if judge is None or judge.verdicts is None or not isinstance(form, VerdictFormat):
        return 0.0
    answers = judge.verdicts.samples * (steps if form.per_step else 1)
    return answers * (judge.verdicts.max_tokens or form.max_tokens)


def _row(
    cell: Cell,
    method: str,
    budget: int,
    expected: Expected,
    prm: str = "none",
    draws: int = 0,
    drawn: float = 0,
    read: float = 0,
) -> Row:
    """For each problem, `draws` responses of `drawn` tokens are drawn and `read` tokens read by the PRM."""
    return cell._asdict() | {
        "prm": prm,
        "method": method,
        "budget": budget,
        "responses": draws * expected.problems,
        "policy_tokens": draws * drawn * expected.problems,
        "prm_tokens": read * expected.problems,
        "tokens_from": expected.source,
    }


def _labelled(layout: Layout, settings: Mapping[str, Any], name: str) -> Row:
    """Unpriced row of a labelled set, whose solutions every PRM reads once."""
    item, columns = layout.study.labelled[name], ["problem", "steps"]
    path = layout.root / labelled_spec(layout, name).product
    there = path.exists()
    form, most = item.format, item.solutions
    frame = tables.read("labelled", path, columns) if there else read_labelled(layout.root / item.path, form, most)
    letters = frame["problem"].str.len().sum() + frame["steps"].map(lambda steps: sum(map(len, steps))).sum()
    return {
        "benchmark": name,
        "policy": "none",
        "method": "labelled",
        "budget": 0,
        "responses": 0,
        "policy_tokens": 0.0,
        "prm_tokens": float(letters) / settings["expected"]["characters_per_token"],
        "tokens_from": "labelled solutions",
        "steps": [len(steps) for steps in frame["steps"]],
    }


def _model(layout: Layout, job: Job) -> Row:
    """Row of a model that is trained, copied or fetched before anything else; training counts in FLOPs alone."""
    study, spec, name = layout.study, job.spec, str(job.of)
    item: Any = settings_of(study, name)
    count = _parameters(layout, name)
    place = ("policy", "prm") if name in study.policies else ("prm", "policy")
    trains = isinstance(spec, TrainPolicySpec) and find_shipped(spec.definition()) is None
    tokens = float(item.definition.training["tokens"]) if trains else 0.0
    fetched = isinstance(spec, FetchSpec)
    return {
        "benchmark": "none",
        place[0]: name,
        place[1]: "none",
        "method": "train" if trains else "fetch" if fetched else "copy",
        "budget": 0,
        "responses": 0,
        "policy_tokens": 0.0,
        "prm_tokens": 0.0,
        "gpus": 0,
        "gpu_hours": 0.0,
        "flops": flops.training(count, tokens),
        "disk_gb": count * (2 if fetched else 4) / 1e9,
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
        return _of_definition(study, item.definition.model)
    if item.source == "openai":
        return item.parameters or 0.0
    return demand.billions(study, name, layout.root) * 1e9


def _flops(layout: Layout, name: str, tokens: float) -> float:
    """FLOPs of tokens through a model; of a mixture of experts, through those that a token meets."""
    item = settings_of(layout.study, name)
    return flops.inference(_parameters(layout, name), tokens, getattr(item, "active_parameters", None))


def _of_definition(study: Any, model: Mapping[str, Any]) -> float:
    """Weights in the layers of a miniature definition; its embeddings are few."""
    if "body" in model:
        body = study.policies[model["body"]].definition.model
        return _of_definition(study, body | {"layers": model.get("layers", body["layers"])})
    hidden, shared = model["hidden"], model["kv_heads"] / model["heads"]
    return float(model["layers"] * (hidden * hidden * (2 + 2 * shared) + 3 * hidden * model["ffn"]))


# -- prices --------------------------------------------------------------------------------------------------


def _priced(places: Places, settings: Mapping[str, Any], row: Row) -> Row:
    """The row with GPUs, GPU-hours, FLOPs and disk."""
    layout = places.layout
    study, speed = layout.study, settings["speed"]
    policy = row["policy"] if row["policy_tokens"] else None
    prm = row["prm"] if row["prm_tokens"] else None
    wanted = demand.of_job(study, policy, prm, settings, layout.root, places)
    hours, sources = 0.0, set()
    for kind, name, tokens, share in (
        ("policy", policy, row["policy_tokens"], "drawing"),
        ("prm", prm, row["prm_tokens"], "drawing" if row.get("writes") else "reading"),
    ):
        if name is not None and demand.elsewhere(study, name):
            sources.add("a server elsewhere")
            continue
        if name is None or wanted.gpus == 0:
            continue
        own = demand.of_job(study, **{kind: name}, rows=settings, root=layout.root, places=places).gpus
        item = settings_of(study, name)
        rate = speed["measured"].get(getattr(item, "id", name))
        sources.add("assumed" if rate is None else "measured")
        if rate is None and own:
            peak = speed["peak_tflops"] * 1e12 * own
            rate = speed[share] * peak / _flops(layout, name, 1)
        hours += tokens / rate / 3600 if rate else 0.0
    used = [(name, tokens) for name, tokens in ((policy, row["policy_tokens"]), (prm, row["prm_tokens"])) if name]
    return row | {
        "gpus": wanted.gpus,
        "gpu_hours": hours * wanted.gpus,
        "flops": sum(_flops(layout, name, tokens) for name, tokens in used),
        "disk_gb": row["policy_tokens"] * settings["expected"]["bytes_per_token"] / 1e9,
        "speed_from": " and ".join(sorted(sources)) or "none",
    }
