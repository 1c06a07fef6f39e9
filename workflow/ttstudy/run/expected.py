"""What a study's responses will be like: from the pilot where it is there, else from its benchmark and priors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ttstudy.dag import hours, shards
from ttstudy.dag.cells import Cell, PoolBlock
from ttstudy.dag.hours import Expected
from ttstudy.dag.inputs import benchmark_spec
from ttstudy.dag.layout import Job, Layout
from ttstudy.data import tables


def expectation(layout: Layout, cell: Cell, mine: Iterable[Job]) -> Expected:
    """From the pilot's responses where they are there, else from the benchmark and priors; `mine`: the cell's jobs."""
    benchmark, policy = cell
    count = problems(layout, benchmark)
    prior = replace(hours.assumed(layout, cell), problems=count)
    whole = [job for job in mine if not shards.of(job.spec)]
    pilots = [job for job in whole if isinstance(job.of, PoolBlock) and job.of.pool == "pilot"]
    path = layout.root / pilots[0].spec.product if pilots else None
    columns = ["problem_id", "sample", "prompt_tokens", "response_tokens", "steps"]
    frame = tables.read("responses", path, columns) if path is not None and path.exists() else None
    # Tokens of recorded responses may not be known.
    if frame is not None and frame[["prompt_tokens", "response_tokens"]].notna().all(axis=None):
        drawn, asked = frame["response_tokens"].mean(), frame["prompt_tokens"].mean()
        return Expected(count, drawn, asked, _distinct(frame), "pilot", frame["steps"].map(len).mean())
    if layout.study.policies[policy].source == "trained" and layout.study.benchmarks[benchmark].source == "miniature":
        asked, drawn = _solution_tokens(layout, benchmark)
        longest = layout.study.sampling_of(policy, "responses")["max_tokens"]
        return replace(prior, response_tokens=min(drawn, longest), prompt_tokens=asked, source="reference solutions")
    return prior


def problems(layout: Layout, benchmark: str) -> int:
    """Problems of a benchmark: those of its table where it is there, or of its file."""
    path = layout.root / benchmark_spec(layout, benchmark).product
    if path.exists():
        return len(tables.read("benchmark", path, ["problem_id"]))
    item = layout.study.benchmarks[benchmark]
    if item.source == "file" and getattr(item, "problems", None) is None:
        from ttstudy.data import benchmarks

        files = [*map(Path, benchmark_spec(layout, benchmark).sources)]
        columns = {str(k): v for k, v in getattr(item, "columns", {}).items()}
        return len(benchmarks.drawn(benchmarks.read_file(files, columns), layout.study.limit))
    return hours.problems(layout, benchmark)


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
