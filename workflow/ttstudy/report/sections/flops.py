"""FLOPs per problem by what they are spent on, ours and as the paper counts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ttstudy.kinds.methods import BUDGETED
from ttstudy.report.answer import percent
from ttstudy.report.blocks import METHOD, POLICY, PRM, Block, N, cell, joined, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import plain
from ttstudy.report.figures.style import GRID, LOOKS, PARTS, Figure, canvas, render, seaborn
from ttstudy.report.section import AGAINST, PAPER, Given, Section, Told


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    scaled = frame[(frame["prm"] != "none") & (frame["flops_total"] > 0)]
    finding = "Costs per problem, every generated token counted."
    unknown = sorted(set(frame.loc[frame["flops_total"].isna(), "policy"]))
    if unknown:
        finding = (
            f"FLOPs of {joined(unknown)} are not known. The responses came without token counts, or the models "
            "without parameter counts. What is missing below is not known, never zero."
        )
    elif len(scaled):
        prm_share = scaled["flops_prm"] / scaled["flops_total"]
        finding = (
            f"The full count (prompts, PRM and attention too) is {scaled['over_paper'].median():.2g} times the paper's "
            f"in the median cell with a PRM, and {scaled['over_paper'].max():,.3g} times at most. The PRM takes "
            f"{percent(prm_share.median())} of it in the median."
        )
    priced = frame[frame["flops_total"].notna()]
    aside = priced[priced["flops_attention"].isna()]
    if len(aside):
        finding += (
            f" {len(aside)} cells, of {joined(sorted(set(aside['policy'])))}, are without the attention of a model. No "
            "checkpoint tells its layers, and their totals are so much too small."
        )
    elif len(priced):
        share = priced["flops_attention"] / priced["flops_total"]
        finding += f" Attention is {percent(share.median())} of the full count in the median, "
        finding += f"{percent(share.max())} at most."
    columns = [
        *cell(study), PRM, METHOD, N,
        C("response_tokens", "Tokens generated", "amount"), C("discarded_tokens", "of them discarded", "amount"),
        C("prm_tokens", "PRM tokens", "amount"), C("flops_policy", "Policy FLOPs", "exponent"),
        C("flops_prompt", "Prompt FLOPs", "exponent"), C("flops_prm", "PRM FLOPs", "exponent"),
        C("flops_prm_reencoded", "PRM FLOPs, prefixes read anew", "exponent"),
        C("flops_prm_shared", "PRM FLOPs, shared", "exponent"),
        C("flops_total", "All FLOPs", "exponent"), C("flops_attention", "of them attention", "exponent"),
        C("flops_reencoded", "All, read anew", "exponent"), C("flops_shared", "All, shared", "exponent"),
        C("flops_paper", "FLOPs as the paper counts", "exponent"),
        C("over_paper", "All / paper", "ratio"),
    ]  # fmt: skip
    blocks = []
    prm = study.reference_prm
    for number, benchmark in enumerate(study.benchmarks):
        if prm and len(scaled[(scaled["benchmark"] == benchmark) & (scaled["prm"] == prm)]):
            figure = _figure(frame, benchmark, prm, study.policies, f"flops-{number}")
            shares = [C(part, f"{part} FLOPs", "exponent") for part in ("prompt", "kept", "discarded", "PRM")]
            parts = [POLICY, METHOD, N, *shares, C("flops_total", "All FLOPs", "exponent")]
            table = named_table(f"flops-{number}-data", figure.title, parts, figure.data, folded=True)
            blocks.append(Block(table, figure))
    blocks.append(Block(named_table("ledger-data", "The ledger, per problem", columns, frame, folded=True)))
    method = (
        "A forward pass costs 2 FLOPs per parameter and token, and attention 4 per layer, unit of width, token and key "
        "that the token meets. The paper counts 2ND on the policy's response tokens. The full count adds prompts, the "
        "PRM and attention, and includes tokens of beams that were dropped. The PRM's attention in a search is the "
        "policy's keys per token, for the tokens that the PRM read. All FLOPs are those of what was run. Read anew, "
        "every request's prompt and every candidate's prefix is read again. Shared, every distinct prefix is read "
        "once, those of whole responses too. Prefixes are the texts of steps, at the PRM's tokens per character."
    )
    return Told(finding, blocks, method)


def _figure(frame: pd.DataFrame, benchmark: str, prm: str, policies: Sequence[str], key: str) -> Figure:
    """Where the FLOPs of a problem go at each method's largest N, with one PRM."""
    from matplotlib.ticker import EngFormatter

    seaborn()
    frame = frame[(frame["benchmark"] == benchmark) & frame["prm"].isin([prm, "none"])]
    frame = frame[frame["method"].isin(BUDGETED)]
    frame = frame[frame["budget"] == frame.groupby("method", observed=True)["budget"].transform("max")].copy()
    lost = frame["discarded_tokens"] / frame["response_tokens"].where(frame["response_tokens"] > 0, 1)
    frame["prompt"], frame["PRM"] = frame["flops_prompt"], frame["flops_prm"]
    frame["discarded"] = frame["flops_policy"] * lost
    frame["kept"] = frame["flops_policy"] - frame["discarded"]
    methods = [name for name in LOOKS if name in set(frame["method"])]
    shown = [name for name in policies if name in set(frame["policy"])]
    figure = canvas(720, 80 + 24 * len(shown) * len(methods) + 12 * len(shown))
    axes = figure.subplots()
    names: list[str] = []
    place: list[float] = []
    at = 0.0
    for policy in shown:
        for method in methods:
            row = frame[(frame["policy"] == policy) & (frame["method"] == method)]
            if len(row):
                left = 0.0
                for part, (colour, hatch) in PARTS.items():
                    size = float(row[part].iloc[0])
                    first = part if not names else None
                    axes.barh(
                        at, size, left=left, color=colour, hatch=hatch, edgecolor=GRID, lw=0.3, height=0.8, label=first
                    )
                    left += size
                names.append(plain(f"{policy}  {LOOKS[method].label}, N = {int(row['budget'].iloc[0])}"))
                place.append(at)
                at += 1
        at += 0.5
    axes.set_yticks(place, names, fontsize=10.5)
    axes.set_ylim(at - 0.5, -0.7)
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("FLOPs per problem")
    labels = {"prompt": "prompt", "kept": "tokens in returned answers", "discarded": "discarded tokens", "PRM": "PRM"}
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, [labels[text] for text in texts], loc="outside upper left", ncols=4)
    description = (
        f"Compute of one problem of {benchmark} by method at its largest N with {prm}, split into prompt, tokens of "
        "returned answers, discarded tokens and PRM."
    )
    columns = ["policy", "method", "budget", *PARTS, "flops_total"]
    return render(figure, key, f"Where the compute goes on {benchmark}", description, frame[columns])


SECTION = Section(
    title="What it costs",
    short="What it costs",
    group=AGAINST,
    place=50,
    part=PAPER,
    view=lambda results, context: results.costs,
    tell=_tell,
    absent="The FLOPs ledger of this study is missing or empty.",
)
