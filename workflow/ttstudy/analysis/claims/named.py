"""Checks that need the paper's own models, under their own names, on its benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.claims.evidence import Evidence, Finding, Missing, Published, Verdict, judge, percent, points

Check = Callable[[Evidence, Published], Finding]
TABLE_5 = "Table 5"


def _on(study: Evidence, policy: str, benchmark: str) -> Evidence:
    """The study seen on one benchmark; Missing when the policy has no outcomes there."""
    outcomes = study.table("outcomes")
    if not ((outcomes["policy"] == policy) & (outcomes["benchmark"] == benchmark)).any():
        raise Missing(f"outcomes of {policy} on {benchmark}")
    return Evidence(study.tables, study.seed, benchmark)


def contest(small: str, large: str, *benchmarks: str, budget: int | None = None) -> Check:
    """TTS of a named policy against the CoT of another on the same problems, or its published number."""

    def check(study: Evidence, published: Published) -> Finding:
        gaps = {
            benchmark: _gap(study, published, small, large, benchmark, budget) for benchmark in benchmarks
        }
        verdicts = [judge(gap.difference, gap.low, gap.high) for gap in gaps.values()]
        order: list[Verdict] = ["fails", "not significant", "holds"]
        first = next(iter(gaps.values()))
        text = ", ".join(f"{points(gap.difference)} on {name}" for name, gap in gaps.items())
        return Finding(
            min(verdicts, key=order.index),
            f"in this study {small} with TTS is {text} from {large}",
            None,
            points(first.difference),
            100 * first.low,
            100 * first.high,
        )

    return check


def _gap(
    study: Evidence, published: Published, small: str, large: str, benchmark: str, budget: int | None
) -> statistics.Paired:
    side = _on(study, small, benchmark)
    tts, _ = side.tts(small, budget)
    try:
        return side.compare(tts, side.plain(large, "cot"))
    except Missing:
        reference = published.accuracy("Table 3", large, benchmark) / 100
    low, high = statistics.interval(tts.to_numpy(), seed=study.seed, extra=tts.attrs.get("extra", 0.0))
    return statistics.Paired(tts.mean() - reference, low - reference, high - reference, np.nan)


def column(method: Literal["cot", "majority", "tts"]) -> Check:
    """A column of Table 5: the published accuracy lies in the interval of ours, for each policy run."""

    def check(study: Evidence, published: Published) -> Finding:
        rows = published.rows(where=TABLE_5, quantity="accuracy", method=method)
        inside, outside, shown = 0, [], []
        for policy, stated in zip(rows["policy"], rows["value"] / 100, strict=True):
            try:
                side = _on(study, policy, "MATH-500")
                values = side.tts(policy)[0] if method == "tts" else side.plain(policy, method)
            except Missing:
                continue
            extra = values.attrs.get("extra", 0.0)
            low, high = statistics.interval(values.to_numpy(), seed=study.seed, extra=extra)
            good = low <= stated <= high
            inside += good
            outside += [] if good else [policy]
            shown.append((policy, stated, float(values.mean()), low, high))
        if not shown:
            raise Missing("policies of Table 5 on MATH-500")
        text = f"the published accuracy lies in our interval for {inside} of {len(shown)} policies"
        policy, stated, mean, low, high = shown[0]
        return Finding(
            "fails" if outside else "holds",
            text + (f", not for {', '.join(outside)}" if outside else ""),
            f"{percent(stated)} ({policy})",
            f"{percent(mean)} ({policy})",
            100 * low,
            100 * high,
        )

    return check


def token_ratio(costly: str, frugal: str, low: float, high: float, wanted: str) -> Check:
    """Ratio of the tokens that beam search generates under two named PRMs at equal N."""

    def check(study: Evidence, published: Published) -> Finding:
        table = study.table("ledger")
        table = table[(table["method"] == "beam_search") & table["prm"].isin([costly, frugal])]
        pivot = table.pivot_table(
            index=["benchmark", "policy", "budget"], columns="prm", values="response_tokens"
        )
        pivot = pivot.reindex(columns=[costly, frugal]).dropna()
        if pivot.empty:
            raise Missing(f"beam search with {costly} and {frugal} at equal N")
        ratios = pivot[costly] / pivot[frugal]
        ratio = float(np.exp(np.log(ratios).mean()))
        return Finding(
            "holds" if low <= ratio <= high else "fails",
            f"beam search generates {ratio:.2f}x the tokens under {costly} (mean of {len(ratios)} cells)",
            wanted,
            f"{ratio:.2f}x",
            float(ratios.min()),
            float(ratios.max()),
        )

    return check


def mostly_easy(study: Evidence, published: Published) -> Finding:
    """Claim 35: Qwen2.5-72B's Pass@1 exceeds 80 % on 76.2 % of MATH-500."""
    policy, table = "Qwen2.5-72B-Instruct", study.table("difficulty")
    if "policy" not in table:
        raise Missing("difficulty by policy")
    rows = table[(table["policy"] == policy) & (table["benchmark"] == "MATH-500")]
    if rows.empty:
        raise Missing(f"difficulty of {policy} on MATH-500")
    stated = published.value("problems_with_pass_at_1_above_80") / 100
    share = (rows["pass_at_1"] > 0.8).to_numpy(dtype=float)
    low, high = statistics.interval(share, seed=study.seed)
    return Finding(
        "holds" if low <= stated <= high else "fails",
        f"Pass@1 exceeds 80 % on {percent(share.mean())} of {len(rows)} problems",
        percent(stated),
        percent(share.mean()),
        100 * low,
        100 * high,
    )


def flaw(name: str, least: float, what: str) -> Check:
    """A PRM flaw in the diagnostics table: every PRM's rate, and whether one is clearly above `least`.

    Over all policies of each benchmark, where the table has such rows.
    """

    def check(study: Evidence, published: Published) -> Finding:
        table = study.table("diagnostics")
        rows = table[table["flaw"] == name] if "flaw" in table else table.iloc[:0]
        if "policy" in rows:
            rows = rows[rows["policy"] == "all"]
        if rows.empty:
            raise Missing(f"{name} in the diagnostics table (step labels)")
        rows = rows.sort_values("value", kind="stable")
        worst: pd.Series = rows.iloc[-1]
        clear = int((rows["low"] > least).sum())
        verdict: Verdict = "holds" if clear else "not significant" if worst["value"] > least else "fails"
        where = f" on {worst['benchmark']}" if "benchmark" in rows and rows["benchmark"].nunique() > 1 else ""
        of = "PRMs" if not where else "pairs of a PRM and labelled problems"
        each = ", ".join(f"{row.prm} {row.value:.3f}" for row in rows.itertuples()) if not where else ""
        return Finding(
            verdict,
            f"{what}: highest {worst['value']:.3f} ({worst['prm']}{where}), clearly above {least:g} for {clear} of "
            f"{len(rows)} {of}" + (f" ({each})" if each else ""),
            f"above {least:g}",
            f"{worst['value']:.3f} ({worst['prm']})",
            float(worst["low"]),
            float(worst["high"]),
        )

    return check
