"""What a study will cost, before it costs it: jobs, responses, tokens, GPU-hours, FLOPs and disk by method and N.

Tokens come from the pilot where it is there, else from priors; speed from measurements that the table of resources
holds, else from a share of a GPU's peak. What is on disk already is taken off. No network, no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ttstudy.analysis import flops
from ttstudy.analysis.diagnostics.labelled import read_labelled
from ttstudy.dag import todo
from ttstudy.dag.layout import Layout
from ttstudy.dag.specs.records import File
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.miniature.shipping import find_shipped
from ttstudy.models.checkpoint import parameters
from ttstudy.run import demand

Row = dict[str, Any]
TOTALS = ["jobs", "jobs_done", "responses", "policy_tokens", "prm_tokens", "gpu_hours", "flops", "disk_gb"]


@dataclass(frozen=True)
class Expected:
    """Of one policy on one benchmark: problems, mean tokens, and the share of N responses' steps that differ."""

    problems: int
    response_tokens: float
    prompt_tokens: float
    distinct: Callable[[int], float]
    source: str


def plan(layout: Layout, settings: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """The `plan` table: one row for each job that calls a model, or makes one.

    N of a pool's block is the number of responses that are there with it. Of a labelled set, `benchmark` is its name,
    the method `labelled`. `settings` is the table of resources.
    """
    settings = demand.table() if settings is None else settings
    undone = {path for job in todo.left(layout) for path in job.job.spec.outputs.values()}
    rows = [*_models(layout, undone)]
    for benchmark, policy in layout.pairs():
        expected = expectation(layout, settings, benchmark, policy)
        for row in _cell(layout, benchmark, policy, expected, undone):
            rows.append(_priced(layout, settings, row))
    rows += [_priced(layout, settings, row) for row in _labelled(layout, settings, undone)]
    columns = [column.split(":")[0] for column in tables.COLUMNS["plan"].split()]
    return pd.DataFrame(rows, columns=columns)


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


def expectation(layout: Layout, settings: Mapping[str, Any], benchmark: str, policy: str) -> Expected:
    """From the pilot's responses where they are there, else from the benchmark and priors."""
    priors = settings["expected"]
    problems = _problems(layout, priors, benchmark)
    pilot = layout.sources(benchmark, policy).pilot
    path = layout.root / pilot.responses.path if pilot else None
    columns = ["problem_id", "sample", "prompt_tokens", "response_tokens", "steps"]
    frame = tables.read("responses", path, columns) if path is not None and path.exists() else None
    # Tokens of recorded responses may not be known.
    if frame is not None and frame[["prompt_tokens", "response_tokens"]].notna().all(axis=None):
        count = frame["problem_id"].nunique()
        return Expected(
            count, frame["response_tokens"].mean(), frame["prompt_tokens"].mean(), _distinct(frame), "pilot"
        )
    settings_of_policy = layout.study.policies[policy]
    if settings_of_policy.source == "recorded":
        return Expected(problems, priors["response_tokens"]["default"], priors["prompt_tokens"], lambda n: 1.0, "prior")
    limit = layout.study.sampling_of(policy, "responses")["max_tokens"]
    if settings_of_policy.source == "trained" and layout.study.benchmarks[benchmark].source == "miniature":
        prompt, response = _solution_tokens(layout, benchmark)
        return Expected(problems, min(response, limit), prompt, lambda n: 1.0, "reference solutions")
    tokens = priors["response_tokens"]
    response = tokens.get(getattr(settings_of_policy, "prompt", "default"), tokens["default"])
    return Expected(problems, min(response, limit), priors["prompt_tokens"], lambda n: 1.0, "prior")


def _problems(layout: Layout, priors: Mapping[str, Any], benchmark: str) -> int:
    path = layout.root / layout.benchmark(benchmark)
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
    return next((count for name, count in known.items() if name.lower() in text), known["default"])


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


def _cell(layout: Layout, benchmark: str, policy: str, expected: Expected, undone: set[str]) -> Iterator[Row]:
    """Unpriced rows of one (benchmark, policy): what each job draws and reads."""
    sources = layout.sources(benchmark, policy)
    drawn = expected.response_tokens
    base = {"benchmark": benchmark, "policy": policy, "tokens_from": expected.source}

    def row(
        method: str, prm: str, budget: int, file: File, count: int, policy_tokens: float, prm_tokens: float
    ) -> Row:
        done = file.path not in undone
        left = 0 if done else 1
        return base | {
            "prm": prm,
            "method": method,
            "budget": budget,
            "jobs": left,
            "jobs_done": 1 - left,
            "responses": left * count * expected.problems,
            "policy_tokens": left * policy_tokens * expected.problems,
            "prm_tokens": left * prm_tokens * expected.problems,
        }

    # Reading what was recorded calls no model.
    draws = layout.study.policies[policy].source != "recorded"
    whole = expected.prompt_tokens + expected.response_tokens

    def scores(method: str, last: int, count: int, files: Mapping[str, File]) -> Iterator[Row]:
        for prm, file in files.items():
            if not layout.recorded_prm(prm):
                yield row(method, prm, last, file, 0, 0, count * whole)

    for name, count in (("pilot", layout.study.pilot_samples), ("cot", 1)):
        if (single := getattr(sources, name)) is not None:
            if draws:
                yield row(name, "none", count, single.responses, count, count * drawn, 0)
            yield from scores(name, count, count, single.scores)
    for block in sources.samples:
        first, last = block.samples
        count = last + 1 - first
        if draws:
            yield row("samples", "none", last + 1, block.responses, count, count * drawn, 0)
        yield from scores("best_of_n", last + 1, count, block.scores)
    for search in sources.searches:
        budget = search.budget
        read = budget * expected.response_tokens * expected.distinct(budget)
        yield row(search.method, search.prm, budget, search.answers, budget, budget * drawn, read)


def _labelled(layout: Layout, settings: Mapping[str, Any], undone: set[str]) -> Iterator[Row]:
    """Unpriced rows of the labelled sets, whose solutions every PRM reads once."""
    for name, item in layout.study.labelled.items():
        path = layout.root / layout.labelled(name)
        columns = ["problem", "steps"]
        there = path.exists()
        form, most = item.format, item.solutions
        frame = tables.read("labelled", path, columns) if there else read_labelled(layout.root / item.path, form, most)
        letters = frame["problem"].str.len().sum() + frame["steps"].map(lambda steps: sum(map(len, steps))).sum()
        for prm in layout.study.scoring_prms:
            left = int(layout.labelled_scores(name, prm) in undone)
            yield {
                "benchmark": name,
                "policy": "none",
                "prm": prm,
                "method": "labelled",
                "budget": 0,
                "jobs": left,
                "jobs_done": 1 - left,
                "responses": 0,
                "policy_tokens": 0.0,
                "prm_tokens": left * float(letters) / settings["expected"]["characters_per_token"],
                "tokens_from": "labelled solutions",
            }


def _models(layout: Layout, undone: set[str]) -> Iterator[Row]:
    """Rows of models that are trained, copied or fetched before anything else; training counts in FLOPs alone."""
    study = layout.study
    seen = set()
    for name, item in [*study.policies.items(), *study.prms.items()]:
        if item.source not in ("trained", "hub"):
            continue
        path = layout.policy(name) if name in study.policies else layout.prm(name)
        if path in seen:
            continue
        seen.add(path)
        left = int(path in undone)
        parameters = _parameters(layout, name)
        place = ("policy", "prm") if name in study.policies else ("prm", "policy")
        trains = item.source == "trained" and find_shipped(layout.training_of(name).definition()) is None
        tokens = float(item.definition.training["tokens"]) if trains else 0.0
        yield {
            "benchmark": "none",
            place[0]: name,
            place[1]: "none",
            "method": "train" if trains else "fetch" if item.source == "hub" else "copy",
            "budget": 0,
            "jobs": left,
            "jobs_done": 1 - left,
            "responses": 0,
            "policy_tokens": 0.0,
            "prm_tokens": 0.0,
            "gpus": 0,
            "gpu_hours": 0.0,
            "flops": left * flops.training(parameters, tokens),
            "disk_gb": left * parameters * (2 if item.source == "hub" else 4) / 1e9,
            "tokens_from": "definition",
            "speed_from": "none",
        }


def _parameters(layout: Layout, name: str) -> float:
    """Parameters of a model: counted in its folder, else given, told by its name, or assumed."""
    study = layout.study
    item = study.policies.get(name) or study.prms[name]
    if item.source in ("trained", "hub"):
        path = layout.root / (layout.policy(name) if name in study.policies else layout.prm(name))
        if path.exists():
            return float(parameters(path.parent))
    if item.source == "trained":
        return _of_definition(study, item.definition.model)
    if item.source == "openai":
        return item.parameters or 0.0
    return demand.billions(study, name, layout.root) * 1e9


def _flops(layout: Layout, name: str, tokens: float) -> float:
    """FLOPs of tokens through a model; of a mixture of experts, through those that a token meets."""
    item = layout.study.policies.get(name) or layout.study.prms[name]
    return flops.inference(_parameters(layout, name), tokens, getattr(item, "active_parameters", None))


def _of_definition(study: Any, model: Mapping[str, Any]) -> float:
    """Weights in the layers of a miniature definition; its embeddings are few."""
    if "body" in model:
        body = study.policies[model["body"]].definition.model
        return _of_definition(study, body | {"layers": model.get("layers", body["layers"])})
    hidden, shared = model["hidden"], model["kv_heads"] / model["heads"]
    return float(model["layers"] * (hidden * hidden * (2 + 2 * shared) + 3 * hidden * model["ffn"]))


# -- prices --------------------------------------------------------------------------------------------------


def _priced(layout: Layout, settings: Mapping[str, Any], row: Row) -> Row:
    """The row with GPUs, GPU-hours, FLOPs and disk."""
    study, speed = layout.study, settings["speed"]
    policy = row["policy"] if row["policy_tokens"] else None
    prm = row["prm"] if row["prm_tokens"] else None
    wanted = demand.of_job(study, policy, prm, settings, layout.root)
    hours, sources = 0.0, set()
    for kind, name, tokens, share in (
        ("policy", policy, row["policy_tokens"], "drawing"),
        ("prm", prm, row["prm_tokens"], "reading"),
    ):
        if name is None or wanted.gpus == 0:
            continue
        own = demand.of_job(study, **{kind: name}, rows=settings, root=layout.root).gpus
        item = study.policies.get(name) or study.prms[name]
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
