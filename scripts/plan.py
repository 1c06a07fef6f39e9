"""Say what a study will cost before it runs: print it by policy, PRM and method, and write the whole table."""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from ttstudy.dag.layout import open_layout
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.run import demand, plan
from ttstudy.run.placing import Places
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
        places = plan.site_places(layout)
        frame = plan.plan(layout, places=places)
        tables.write("plan", frame, args.output)
        frame.to_csv(args.output.with_suffix(".csv"), index=False, lineterminator="\n")
        show(frame, args.output)
        seat(places)

    told(reckon)


def show(frame: pd.DataFrame, output: Path) -> None:
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
    console = Console(width=None if Console().is_terminal else 180)
    console.print(table)
    speed = demand.table()["speed"]
    tokens_from, speed_from = (
        ", ".join(sorted(set(frame[name]) - {"none", "definition"})) for name in ("tokens_from", "speed_from")
    )
    over = [{"prm": "PRMs", "budget": "N", "policy": "policies"}.get(k, f"{k}s") for k in LEVELS[0] if k not in keys]
    lines = [
        *([f"Sums over {', '.join(over)}; GPUs: the most of one job."] if over else []),
        *([f"Tokens from: {tokens_from}."] if tokens_from else []),
        f"Speed: {speed_from} (assumed: {speed['drawing']:.0%} of {speed['peak_tflops']} TFLOP/s drawing, "
        f"{speed['reading']:.0%} reading; put what you measure into workflow/resources.yaml)."
        if speed_from
        else "No GPU is asked for.",
        f"{int(sums['jobs_done'])} of {int(sums['jobs'] + sums['jobs_done'])} jobs that call or make a model are done. "
        f"Whole table: {output}",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


def seat(places: Places) -> None:
    """Where the models of each kind of job sit; StudyError for what does not fit, a sentence each."""
    rows, refused = plan.placed(places)
    if not rows:
        return
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
    console = Console(width=None if Console().is_terminal else 180)
    console.print(table)
    if refused:
        raise StudyError("\n".join(["these jobs cannot run as the study has them:", *refused]))


NUMBERS = {
    "jobs": "jobs",
    "responses": "responses",
    "policy tokens": "policy_tokens",
    "PRM tokens": "prm_tokens",
    "GPUs": "gpus",
    "GPU-hours": "gpu_hours",
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
    return f"{value:,.1f}" if key == "gpu_hours" else f"{value:,.0f}"


if __name__ == "__main__":
    main()
