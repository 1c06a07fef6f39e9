"""What was trained here, and at what cost."""

from __future__ import annotations

from ttstudy.report.blocks import Block, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import TRUST, Given, Section, Told


def _tell(given: Given) -> Told:
    frame = given.frame
    counts = frame["kind"].value_counts()
    frame = frame.sort_values(["kind", "parameters", "model"], kind="stable")
    frame = frame.assign(kind=frame["kind"].replace({"prm": "PRM"}))
    policies, prms, sizes = counts.get("policy", 0), counts.get("prm", 0), frame["parameters"].dropna()
    who = f"{policies} {'policy' if policies == 1 else 'policies'} and {prms} {'PRM' if prms == 1 else 'PRMs'}"
    finding = f"{who}, " + (
        f"{sizes.min():,.0f} to {sizes.max():,.0f} parameters." if len(sizes) else "of sizes that are not known here."
    )
    columns = [
        C("model", "Model"), C("kind", "Kind", facet=True), C("parameters", "Parameters", "count"),
        C("tokens", "Training tokens", "exponent"), C("flops", "Training FLOPs (6ND)", "exponent"),
        C("cpu_seconds", "CPU seconds", "seconds"), C("loss", "Final loss, nats", "number"),
        C("auc", "Step AUC", "auc"),
    ]  # fmt: skip
    return Told(finding, [Block(named_table("training-data", "Training of every model", columns, frame))])


SECTION = Section(
    title="Models and their training",
    short="Models and training",
    group=TRUST,
    place=60,
    view=lambda results, context: results.study.table("training"),
    tell=_tell,
    absent="No model was trained by this study; its checkpoints came from elsewhere.",
)
