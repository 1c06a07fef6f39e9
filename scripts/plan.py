"""Say what a study will cost before it runs: print it by policy, PRM and method, and write the whole table."""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from ttstudy.analysis import power
from ttstudy.dag import shards, todo
from ttstudy.dag.layout import Layout, jobs, open_layout
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.models.resources import table as resources
from ttstudy.run import expected, loads, plan, speeds
from ttstudy.run.placing import Places
from ttstudy.run.probe import NIGHT
from ttstudy.run.telling import told
from ttstudy.study import from_mapping

SHOWN = 100
"""Most rows of a table that is printed; the file has them all."""
LEVELS = (
    ["benchmark", "policy", "prm", "method", "budget"],
    ["benchmark", "policy", "prm", "method"],
    ["policy", "prm", "method"],
    ["policy", "method"],
    ["policy"],
)
"""By what the printed rows tell themselves apart: the first of these that is not too long."""


def main() -> None:
    """Reckon, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="the study as JSON, as the Snakefile writes it")
    parser.add_argument("output", type=Path, help="the plan's table; a CSV file is written beside it")
    args = parser.parse_args()

    def reckon() -> None:
        layout = open_layout(from_mapping(json.loads(args.study.read_text(encoding="utf-8"))))
        places, known = plan.site_places(layout), plan.measured(layout)
        frame = plan.plan(layout, places, known)
        tables.write("plan", frame, args.output)
        frame.to_csv(args.output.with_suffix(".csv"), index=False, lineterminator="\n")
        show(frame, args.output, speeds.words(known))
        tell_power(layout)
        refused = seat(places)
        if frame["gpus"].any():
            break_down(frame)
            console().print("\n".join(sums(layout, frame)), highlight=False, soft_wrap=True)
        if refused:
            raise StudyError("\n".join(["these jobs cannot run as the study has them:", *refused]))

    told(reckon)


def show(frame: pd.DataFrame, output: Path, measured: list[str]) -> None:
    """Every row where they are few, else sums over N, benchmarks, PRMs; then the total and what it rests on."""
    if frame.empty:
        print(f"No step of this study calls a model: there is nothing to plan. Table: {output}")
        return
    made = frame["method"].isin(["fetch", "copy", "train"])
    for keys in LEVELS:
        if len(keys) < 4:
            frame = frame.assign(policy=frame["policy"].mask(made, "none"))
        rows = frame.groupby(keys, sort=False, as_index=False).agg({"gpus": "max"} | dict.fromkeys(plan.TOTALS, "sum"))
        if len(rows) <= SHOWN:
            break
    table = Table(title="what is left to do", title_justify="left", show_footer=True)
    sums = plan.total(frame)
    for key in keys:
        table.add_column({"prm": "PRM", "budget": "N"}.get(key, key), footer="total" if key == keys[0] else "")
    for name, key in NUMBERS.items():
        table.add_column(name, justify="right", footer=_number(key, sums[key]) if key in sums else "")
    for row in rows.to_dict("records"):
        words = ("" if row[key] in ("none", 0) else str(row[key]) for key in keys)
        table.add_row(*words, *(_number(key, row[key]) for key in NUMBERS.values()))
    console().print(table)
    tokens_from, speed_from = (
        ", ".join(sorted(set(frame[name]) - {"none", "definition"})) for name in ("tokens_from", "speed_from")
    )
    over = [{"prm": "PRMs", "budget": "N", "policy": "policies"}.get(k, f"{k}s") for k in LEVELS[0] if k not in keys]
    lines = [
        *([f"Sums over {', '.join(over)}; GPUs: the most of one job."] if over else []),
        *([f"Tokens from: {tokens_from}."] if tokens_from else []),
        *([f"Speed: {speed_from}."] if speed_from else []),
        *([_assumed(frame)] if "assumed" in speed_from else []),
        *measured,
        *_here(sums),
        *plan.prices(frame),
        f"{int(sums['jobs_done'])} of {int(sums['jobs'] + sums['jobs_done'])} jobs that call or make a model are done. "
        f"Whole table: {output}",
    ]
    console().print("\n".join(lines), highlight=False, soft_wrap=True)


def _here(sums: Mapping[str, float], cores: int | None = None) -> list[str]:
    """How long the work on CPUs takes this machine, and whether that is longer than a night."""
    cores = cores or os.cpu_count() or 1
    hours = sums["cpu_hours"] / cores
    if sums["gpu_hours"] or hours < 0.1:
        return []
    night = ": longer than a night, so think of fewer problems or a smaller N" if hours > NIGHT else ""
    return [f"About {hours:,.1f} hours on this machine's {cores} cores{night}."]


def tell_power(layout: Layout) -> None:
    """What each primary claim can detect with these problems, policies and PRMs; nothing where none is named."""
    study = layout.study
    problems = {name: expected.problems(layout, name) for name in study.benchmarks}
    found = power.primary(study.primary_claims, problems, len(study.policies) - len(study.references), len(study.prms))
    if not found:
        return
    table = Table(title="what the primary claims can tell", title_justify="left")
    for name in ("claim", "tested on", "detects", power.heading()):
        table.add_column(name)
    for one in found:
        table.add_row(f"{one.claim} {one.title}", *power.words(one))
    console().print(table)
    console().print(power.footnote(len(found)), highlight=False, soft_wrap=True)


def _assumed(frame: pd.DataFrame) -> str:
    """What is assumed of speeds that nobody measured."""
    speed = resources()["speed"]
    words: list[str] = []
    if frame["gpu_hours"].any():
        share = f"{speed['drawing']:.0%} drawing, {speed['reading']:.0%} reading"
        words.append(f"of a GPU's {speed['peak_tflops']} TFLOP/s {share}")
    if frame["cpu_hours"].any():
        share = f"{speed['cpu_tflops']['drawing']:g} drawing, {speed['cpu_tflops']['reading']:g} reading"
        words.append(f"TFLOP/s of a CPU core {share}")
    return f"Assumed: {'; '.join(words)}. Put what you measure into workflow/resources.yaml, under speed.measured."


STAGES = {"draw": "drawing", "score": "scoring", "search": "searching"}


def break_down(frame: pd.DataFrame) -> None:
    """GPU-hours by policy, by PRM, and in all, for each stage."""
    frame = frame.assign(stage=[plan.stage(row) for row in frame.to_dict("records")])
    table = Table(title="GPU-hours by model and stage", title_justify="left")
    for name in ("model", *STAGES.values(), "all"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for group, words in (("policy", "policy"), ("prm", "PRM")):
        for name, mine in frame[frame[group] != "none"].groupby(group, sort=False):
            if mine["gpu_hours"].sum():
                table.add_row(f"{words} {name}", *_hours(mine))
    table.add_row("every job once", *_hours(frame), style="bold")
    console().print(table)


def _hours(frame: pd.DataFrame) -> list[str]:
    found = [frame.loc[frame["stage"] == stage, "gpu_hours"].sum() for stage in STAGES]
    return [f"{hours:,.1f}" for hours in (*found, sum(found))]


def sums(layout: Layout, frame: pd.DataFrame) -> list[str]:
    """The longest job, loads of models, idle GPUs, and days on 8 and on 64 GPUs, a line each."""
    longest = frame.loc[frame["hours"].idxmax()]
    names = [str(longest[name]) for name in ("benchmark", "policy", "prm", "method") if longest[name] != "none"]
    parts = sum(1 for item in jobs(layout) if shards.of(item.spec) is not None)
    found = loads.expected(item.job for item in todo.left(layout))
    load = resources()["loading"]
    lines = [
        f"Longest job: {longest['hours']:.1f} h, {' '.join(names)}, N = {longest['budget']}; longer ones than "
        f"max_job_hours ({layout.study.max_job_hours:g}) are shared out by problems ({parts} shards).",
        f"Loads: {found.apart:,} models where every job loads its own, {found.models:,} where one worker serves all "
        f"jobs with the same models. A load is assumed to take {load['seconds']:g} s and its weights at "
        f"{load['gb_per_second']:g} GB/s; the hours here have every job load its own.",
    ]
    if idle := frame["idle_hours"].sum():
        lines.append(
            f"Idle: {idle:,.0f} of the GPU-hours, where policy and PRM of a search have GPUs of their own and wait for "
            "each other."
        )
    for gpus in (8, 64):
        days = plan.days(frame, gpus)
        busy = "" if not days else f" ({frame['gpu_hours'].sum() / (24 * days * gpus):.0%} of them at work)"
        lines.append(
            f"On {gpus} GPUs: a job wants more than there are."
            if days is None
            else f"On {gpus} GPUs: {days:,.1f} days, every job on as many as it wants, the longest first{busy}."
        )
    return lines


def console() -> Console:
    """Where the plan is printed: as wide as the terminal, or wide enough."""
    return Console(width=None if Console().is_terminal else 180)


def seat(places: Places) -> list[str]:
    """Show where the models of each kind of job sit; what does not fit, a sentence each."""
    rows, refused = plan.placed(places)
    if not rows:
        return []
    alike: dict[tuple[str, str, int, str], list[dict[str, Any]]] = {}
    for row in rows:  # policies that sit alike with a PRM are one row
        alike.setdefault((row["step"], row["prm"], row["gpus"], row["where"]), []).append(row)
    table = Table(title=f"places on GPUs of {places.gpu.name} ({places.known})", title_justify="left")
    for name in ("step", "policy", "PRM"):
        table.add_column(name)
    for name in ("jobs", "GPUs"):
        table.add_column(name, justify="right")
    table.add_column("where")
    for (step, prm, gpus, where), same in alike.items():
        policies = ", ".join(row["policy"] for row in same)
        table.add_row(step, policies, prm, str(sum(row["jobs"] for row in same)), str(gpus or "?"), where)
    console().print(table)
    return refused


NUMBERS = {
    "jobs": "jobs",
    "responses": "responses",
    "policy tokens": "policy_tokens",
    "PRM tokens": "prm_tokens",
    "GPUs": "gpus",
    "GPU-hours": "gpu_hours",
    "CPU-hours": "cpu_hours",
    "FLOPs": "flops",
    "disk": "disk_gb",
}


def _number(key: str, value: float) -> str:
    if key == "disk_gb":
        return f"{value:,.1f} GB" if value >= 0.1 else f"{value * 1000:,.1f} MB"
    if key == "flops":
        return f"{value:.1e}" if value else "0"
    if key in ("policy_tokens", "prm_tokens") and value >= 1e7:
        return f"{value / 1e6:,.0f} M"
    return f"{value:,.1f}" if key in ("gpu_hours", "cpu_hours") else f"{value:,.0f}"


if __name__ == "__main__":
    main()
