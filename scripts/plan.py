"""Say what a study will cost before it runs: print it by policy, PRM and method, and write the whole table."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from ttstudy import demand, plan, steps, tables
from ttstudy.layout import open_layout
from ttstudy.study import from_mapping

SHOWN = 60


def step() -> None:
    """Reckon, write, print."""
    parser = steps.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path, help="the plan's table; a CSV file is written beside it")
    args = parser.parse_args()
    layout = open_layout(from_mapping(args.spec))
    frame = plan.plan(layout)
    tables.write("plan", frame, args.output)
    frame.to_csv(args.output.with_suffix(".csv"), index=False, lineterminator="\n")
    show(frame, args.output)


def show(frame, output: Path) -> None:
    """Every row where they are few, else the sums over N; then the total and what it rests on."""
    keys = ["benchmark", "policy", "prm", "method"]
    rows = frame if len(frame) <= SHOWN else frame.groupby(keys, sort=False, as_index=False).agg(_shown(frame))
    table = Table(title="what is left to do", title_justify="left", show_footer=True)
    sums = plan.total(frame)
    for name in ["benchmark", "policy", "PRM", "method", "N"]:
        table.add_column(name, footer="total" if name == "benchmark" else "")
    for name, key in NUMBERS.items():
        table.add_column(name, justify="right", footer=_number(key, sums[key]) if key in sums else "")
    for row in rows.to_dict("records"):
        table.add_row(*(str(row[key]) for key in [*keys, "budget"]), *(_number(k, row[k]) for k in NUMBERS.values()))
    console = Console(width=None if Console().is_terminal else 180)
    console.print(table)
    speed = demand.table()["speed"]
    tokens_from, speed_from = (", ".join(sorted(set(frame[name]))) for name in ("tokens_from", "speed_from"))
    lines = [
        f"Tokens from: {tokens_from}. Speed: {speed_from} (assumed: {speed['drawing']:.0%} of {speed['peak_tflops']} "
        f"TFLOP/s drawing, {speed['reading']:.0%} reading; put what you measure into workflow/resources.yaml).",
        f"{int(sums['jobs_done'])} of {int(sums['jobs'] + sums['jobs_done'])} jobs that call a model are done. "
        f"Whole table: {output}",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


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


def _shown(frame) -> dict[str, str]:
    return {"budget": "max", "gpus": "max"} | dict.fromkeys(plan.TOTALS, "sum")


def _number(key: str, value: float) -> str:
    if key == "disk_gb":
        return f"{value:,.1f} GB" if value >= 0.1 else f"{value * 1000:,.1f} MB"
    if key == "flops":
        return f"{value:.1e}" if value else "0"
    return f"{value:,.1f}" if key == "gpu_hours" else f"{value:,.0f}"


if __name__ == "__main__":
    steps.main(step)
