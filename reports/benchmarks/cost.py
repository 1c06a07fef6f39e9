"""The plan of the paper's grid beside what search-and-learn states for its own runs: writes the tables of docs/cost.md.

    PYTHONPATH=workflow .venv/bin/python reports/benchmarks/cost.py

Nothing is measured: both tables follow from the study, workflow/resources.yaml and what was published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ttstudy.dag import hours
from ttstudy.dag.cells import Cell, PoolBlock, Search
from ttstudy.dag.layout import Layout, open_layout
from ttstudy.data.revisions import load
from ttstudy.models.budget import Gpu
from ttstudy.models.resources import table
from ttstudy.run import plan
from ttstudy.run.placing import Places

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "cost.md"
CELL, PRM, N = Cell("MATH-500", "Llama-3.2-1B-Instruct"), "RLHFlow-PRM-Deepseek-8B", 256
"""What search-and-learn's recipes run by default."""
H100 = 989.4
"""TFLOP/s, dense bfloat16, of an H100 SXM: NVIDIA's data sheet. The plan's A100 stands in the table of resources."""


class Published(NamedTuple):
    """Hours on one H100 as search-and-learn's recipes/README.md states them for 500 problems."""

    method: str
    words: str
    hours: float


PUBLISHED = (
    Published("best_of_n", "~3", 3.0),
    Published("beam_search", "~60+", 60.0),
    Published("dvts", "~60+", 60.0),
)


def study() -> Layout:
    """The paper's grid, of which nothing is done."""
    return open_layout(load(ROOT / "workflow/studies/paper.yaml"), ROOT / "nothing-is-here")


def planned(layout: Layout, method: str) -> tuple[float, float]:
    """Hours of drawing and of reading on the plan's GPU, of one method at N."""
    expected = hours.assumed(layout, CELL)
    if method == "best_of_n":
        block = PoolBlock(CELL, "samples", 0, N - 1)
        works = [hours.work(layout, block, "", expected), hours.work(layout, block, PRM, expected)]
    else:
        works = [hours.work(layout, Search(CELL, PRM, method, N), "", expected)]
    found = []
    for name, draws in ((CELL.policy, True), (PRM, False)):
        tokens = sum(work.drawn if draws else work.read for work in works)
        rate = hours.assumed_speed(hours.weights(layout, name), hours.gpus(layout, name), draws)
        found.append(tokens / rate / 3600)
    return found[0], found[1]


def beside_published(layout: Layout) -> Iterator[str]:
    """Lines of the table: a method, what is published, what the plan says."""
    yield f"| N = {N}, 500 problems | published, H100 | planned, A100 | planned, H100 | published / planned |"
    yield "|---|--:|--:|--:|--:|"
    faster = H100 / table()["speed"]["peak_tflops"]
    for known in PUBLISHED:
        drawing, reading = planned(layout, known.method)
        there = drawing + reading
        here = there / faster
        parts = f"drawing {drawing:.1f}, PRM {reading:.1f}"
        yield (
            f"| {known.method} | {known.words} h | {there:.1f} h ({parts}) | {here:.1f} h | {known.hours / here:.0f} |"
        )


def whole_grid(frame: pd.DataFrame) -> Iterator[str]:
    """Lines of the table: GPU-hours of the paper's grid by stage, its longest job and its days."""
    stages = [plan.stage(row) for row in frame.to_dict("records")]
    yield "| stage | jobs | GPU-hours | of them idle | longest job |"
    yield "|---|--:|--:|--:|--:|"
    for stage, words in (("draw", "drawing"), ("score", "scoring"), ("search", "searching")):
        mine = frame[[each == stage for each in stages]]
        yield (
            f"| {words} | {len(mine):,} | {mine['gpu_hours'].sum():,.0f} | {mine['idle_hours'].sum():,.0f} "
            f"| {mine['hours'].max():.1f} h |"
        )
    days = " and ".join(f"{plan.days(frame, gpus):,.0f} days on {gpus}" for gpus in (8, 64))
    yield f"| all | {len(frame):,} | {frame['gpu_hours'].sum():,.0f} | {frame['idle_hours'].sum():,.0f} | {days} GPUs |"


def tables() -> dict[str, str]:
    """Both tables by name."""
    layout = study()
    frame = plan.plan(layout, Places(layout, Gpu.sold_with(80)), {})
    return {"published": "\n".join(beside_published(layout)), "grid": "\n".join(whole_grid(frame))}


def filled(page: str, found: dict[str, str]) -> str:
    """The page with its tables as they are now."""
    for name, text in found.items():
        page, count = re.subn(rf"(<!-- {name} -->\n)(?:\|.*\n)*", rf"\g<1>{text}\n", page)
        assert count == 1, f"{PAGE.name}: has no place `<!-- {name} -->`"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(), tables()))
