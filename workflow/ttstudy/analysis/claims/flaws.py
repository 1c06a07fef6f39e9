"""Claims on the flaws of PRMs, and on what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from ttstudy.analysis.claims.claim import Claim, Finding, Missing, on_problems, points
from ttstudy.analysis.claims.common import mean_over
from ttstudy.analysis.claims.evidence import Cell, Evidence, less
from ttstudy.analysis.claims.verdict import every, judge, known, most, turned
from ttstudy.kinds.methods import PAPER_SEARCHES

LABELS = "steps labelled right or wrong, scored by the PRMs (table diagnostics)"


def flaw(name: str, least: float, what: str) -> Callable[[Evidence], Finding]:
    """A PRM flaw in the diagnostics table: every PRM's rate, and whether most PRMs are clearly above `least`.

    Over all policies of each benchmark, where the table has such rows. What the claim speaks of are PRMs: they are
    counted, so that one bad PRM (or two that are bad on purpose) do not make it, nor one good PRM unmake it.
    """

    def check(study: Evidence) -> Finding:
        table = study.table("diagnostics")
        rows = table[table["flaw"] == name] if "flaw" in table else table.iloc[:0]
        if "policy" in rows:
            rows = rows[rows["policy"] == "all"]
        if rows.empty:
            raise Missing(f"{name} in the diagnostics table (step labels)")
        rows = rows.sort_values("value", kind="stable")
        worst: pd.Series = rows.iloc[-1]
        above = rows[["value", "low", "high"]].to_numpy(dtype=float) - least
        seen = [judge(known(*one.tolist()), None) for one in above]
        clear = sum(one.verdict == "supported" for one in seen)
        judged = most(seen)
        where = f" on {worst['benchmark']}" if "benchmark" in rows and rows["benchmark"].nunique() > 1 else ""
        of = "PRMs" if not where else "pairs of a PRM and labelled problems"
        ends = (worst, rows.iloc[0]) if len(rows) > 1 and not where else (worst,)
        span = " and ".join(f"{row['value']:.3f} ({row['prm']}{where})" for row in ends)
        return Finding(
            judged.verdict,
            f"{what}: highest{' and lowest' if len(ends) > 1 else ''} {span}; it is clearly above {least:g} for "
            f"{clear} of {len(rows)} {of}; the claim needs most",
            f"above {least:g}",
            f"{worst['value']:.3f} ({worst['prm']})",
            float(worst["low"]),
            float(worst["high"]),
            judged.p,
            "PRMs",
        )

    return check


CLAIM_18 = Claim(
    18,
    "PRMs criticise right steps (over-criticism)",
    "article; Figure 13",
    needs=LABELS,
    study=flaw("over_criticism", 0.02, "share of right steps scored below 0.5"),
    unit="PRMs",
    section="flaws",
)

CLAIM_19 = Claim(
    19,
    "PRMs overlook wrong steps (error neglect)",
    "article; Figures 14 and 15",
    needs=LABELS,
    study=flaw("error_neglect", 0.02, "share of first wrong steps scored above 0.5"),
    unit="PRMs",
    section="flaws",
)

CLAIM_20 = Claim(
    20,
    "PRMs put the error at the wrong step (localisation bias)",
    "article; Figure 16",
    needs=LABELS,
    study=flaw(
        "localisation_bias", 0.02, "share of first errors that score above a right step before them"
    ),
    unit="PRMs",
    section="flaws",
)

CLAIM_21 = Claim(
    21,
    "PRMs score a step by its length",
    "article; Figures 17 and 18",
    needs=LABELS,
    study=flaw("length_bias", 0.0, "fall of the score when a step is twice as long"),
    unit="PRMs",
    section="flaws",
)


def flaws_hurt_search(study: Evidence) -> Finding:
    """A worse PRM costs the searches accuracy, and more of it than best-of-N."""
    prms = study.graded_prms()

    def loss(policy: str, methods: Sequence[str]) -> pd.Series:
        cells = [Cell(policy, prm, study.contested(policy, prm)) for prm in (prms[0], prms[-1])]
        good, bad = (study.values(cell, methods) for cell in cells)
        return less(good, bad)

    searched = mean_over(study.shared_policies, lambda policy: loss(policy, PAPER_SEARCHES))
    sampled = mean_over(study.shared_policies, lambda policy: loss(policy, ["best_of_n"]))
    gap = study.compare(searched, sampled)
    judged = every([judge(study.compare(searched)), judge(gap)])
    text = (
        f"from {prms[0]} to {prms[-1]} search changes by {points(-searched.mean())}, best-of-N by "
        f"{points(-sampled.mean())}; search less best-of-N is {points(-gap.difference)}"
    )
    return on_problems(judged, text, "flaws distort search", f"{points(-gap.difference)}", turned(gap))


CLAIM_22 = Claim(
    22,
    "Flaws of the PRM cost search accuracy, and more than best-of-N",
    "article; appendix C",
    needs="best-of-N and a search with PRMs of measured skill",
    study=flaws_hurt_search,
    section="prms",
)
