"""Claims on what the skill of a PRM, and the vote, do to accuracy."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from ttstudy.analysis.claims.claim import Claim, Finding, Missing, on_problems, percent, points, recomputed
from ttstudy.analysis.claims.common import GUIDED, finding_above_zero, mean_over, resampled, spearman
from ttstudy.analysis.claims.evidence import Cell, Evidence, less
from ttstudy.analysis.claims.published import Published, counts, on_counts
from ttstudy.analysis.claims.verdict import judge, ranks_agree, turned
from ttstudy.analysis.statistics import Paired


def falls_with_n(published: Published) -> Finding:
    """AIME24 of Llama-3.2-1B at N = 512 against the default N."""
    late = published.accuracy("Table 3", "Llama-3.2-1B-Instruct", "AIME24", "512")
    early = published.accuracy("Table 3", "Llama-3.2-1B-Instruct", "AIME24")
    c = counts(late, early, "AIME24")
    return on_counts(
        counts(early, late, "AIME24").judged,
        f"AIME24 goes from {early:.1f} % to {late:.1f} % at N = 512, {c.b} to {c.a} of {c.problems} problems "
        f"(p = {c.p:.2g})",
        f"{early:.1f} % to {late:.1f} %",
        c,
    )


def _best_of_n(study: Evidence, policy: str, prm: str, vote: str, budget: int) -> pd.Series:
    """Best-of-N under one vote, mean over its scores."""
    return study.plain(policy, "best_of_n", budget, prm=prm, vote=vote)


def over_optimisation(study: Evidence) -> Finding:
    """With the worst PRM, PRM-Max loses accuracy as N grows."""
    prms = study.graded_prms()

    def fall(policy: str, prm: str) -> pd.Series:
        # one sample is no choice, and so no over-optimisation
        budgets = [budget for budget in study.budgets(policy, "best_of_n") if budget > 1]
        if len(budgets) < 2:
            raise Missing("best-of-N at two budgets above 1 or more")
        few, many = (_best_of_n(study, policy, prm, "prm_max", n) for n in (budgets[0], budgets[-1]))
        return less(few, many)

    falls = {prm: mean_over(study.shared_policies, partial(fall, prm=prm)) for prm in prms}
    gap = study.compare(falls[prms[-1]])
    ends = dict.fromkeys((prms[0], prms[-1]))
    shown = " and by ".join(f"{points(-falls[prm].mean())} with {prm}" for prm in ends)
    return on_problems(
        judge(gap),
        f"from the smallest to the largest N, PRM-Max of best-of-N changes by {shown}",
        "accuracy falls at N = 512",
        f"{points(-gap.difference)} with {prms[-1]}",
        turned(gap),
    )


CLAIM_26 = Claim(
    26,
    "Against an imperfect PRM more samples can lower accuracy (over-optimisation)",
    "Table 3",
    needs="best-of-N at several budgets with PRMs of measured skill",
    published=falls_with_n,
    study=over_optimisation,
    section="scaling",
)

CLAIM_27 = Claim(
    27,
    "The Deepseek PRM data have longer responses and steps than the Mistral data",
    "Table 1",
    needs="both public PRM data sets and the PRM's tokenizer",
)


def voting_sensitivity(published: Published) -> Finding:
    """Audit: ranges and Vote - Max gaps of Table 2."""
    spans, gaps = {}, {}
    for prm in ("Skywork-PRM-7B", "Qwen2.5-Math-PRM-7B"):
        rows = published.rows(where="Table 2", prm=prm)
        spans[prm] = rows["value"].max() - rows["value"].min()
        by_rule = {(s, v): x for s, v, x in zip(rows["score"], rows["vote"], rows["value"], strict=True)}
        gaps[prm] = [by_rule[s, "prm_vote"] - by_rule[s, "prm_max"] for s in ("min", "last", "avg")]
    skywork, qwen = spans
    good = min(gaps[skywork]) > 0 and spans[skywork] > spans[qwen] and max(map(abs, gaps[qwen])) <= 0.4
    shown = {prm: ", ".join(f"{gap:+.1f}" for gap in gaps[prm]) for prm in gaps}
    return recomputed(
        good,
        f"seven rules span {spans[skywork]:.1f} points with Skywork-7B and {spans[qwen]:.1f} with Qwen-7B; "
        f"vote minus max is {shown[skywork]} and {shown[qwen]} (min, last, avg)",
        f"{spans[skywork]:.1f} against {spans[qwen]:.1f} points",
    )


def votes_matter_with_weak_prm(study: Evidence) -> Finding:
    """PRM-Vote gains more over PRM-Max with the worst PRM than with the best."""
    prms = study.graded_prms()

    def gain(policy: str, prm: str) -> pd.Series:
        budget = study.budgets(policy, "best_of_n")[-1:]
        if not budget:
            raise Missing("best-of-N")
        vote, top = (_best_of_n(study, policy, prm, name, budget[0]) for name in ("prm_vote", "prm_max"))
        return (vote - top).dropna()

    good, bad = (mean_over(study.shared_policies, partial(gain, prm=prm)) for prm in (prms[0], prms[-1]))
    gap = study.compare(bad, good)
    text = f"vote less max is {points(good.mean())} with {prms[0]} and {points(bad.mean())} with {prms[-1]}"
    return finding_above_zero(gap, text, "+1.0 to +3.6 points (weak), -0.2 to +0.2 (strong)")


CLAIM_30 = Claim(
    30,
    "A weaker PRM is more sensitive to the vote",
    "Table 2",
    needs="best-of-N with PRMs of measured skill",
    audit=voting_sensitivity,
    study=votes_matter_with_weak_prm,
    section="votes",
)


def accuracy_follows_prm(study: Evidence) -> Finding:
    """TTS accuracy rises with the PRM's skill.

    What the claim speaks of are PRMs: their order is tested against all others (exactly), and over problems too.
    """
    prms = study.graded_prms(3)

    def value(policy: str, prm: str) -> pd.Series:
        budgets = [cell.budget for cell in study.grids if (cell.policy, cell.prm) == (policy, prm)]
        if not budgets:
            raise Missing(f"TTS of {policy} with {prm}")
        return study.values(Cell(policy, prm, max(budgets)), GUIDED)

    columns = [mean_over(study.shared_policies, partial(value, prm=prm)).rename(prm) for prm in prms]
    skill = np.array([study.quality[prm] for prm in prms])
    estimate, low, high = resampled(
        [pd.concat(columns, axis=1)], lambda accuracy: spearman(skill, accuracy), study.seed
    )
    chance = ranks_agree(np.array([column.mean() for column in columns]), skill, spearman)
    judged = judge(Paired(estimate, low, high, chance), None)
    shown = ", ".join(f"{c.name} ({study.quality[str(c.name)]:.3f}) {percent(c.mean())}" for c in columns)
    return Finding(
        judged.verdict,
        f"rank correlation {estimate:+.2f} with {study.skill[0]}, p = {chance:.2g} over {len(prms)} PRMs: {shown}",
        "7.66 ln(skill) + 44.31",
        f"{estimate:+.2f}",
        low,
        high,
        judged.p,
        "PRMs",
    )


CLAIM_31 = Claim(
    31,
    "TTS accuracy rises with the PRM's skill",
    "Figure 6",
    needs="TTS with three PRMs or more of measured skill",
    study=accuracy_follows_prm,
    unit="PRMs",
    section="prms",
)


def weak_guides_strong(study: Evidence) -> Finding:
    """A PRM smaller than the largest policy with best-of-N lifts it above that policy's majority."""
    sampled = [policy for policy in study.ladder(1) if study.budgets(policy, "best_of_n")]
    if not sampled:
        raise Missing("best-of-N")
    policy = sampled[-1]
    smaller = [prm for prm in study.quality if study.parameters.get(prm, np.inf) < study.parameters[policy]]
    if not smaller:
        raise Missing(f"a PRM of known skill that is smaller than {policy}")
    plain = study.budgets(policy, "majority")
    shared = [cell for cell in study.grids if cell.policy == policy and cell.prm in smaller and cell.budget in plain]
    if not shared:
        raise Missing(f"best-of-N with {smaller[0]} and majority of {policy} at one budget")
    # the best PRM that guided it, at the largest N
    cell = min(shared, key=lambda cell: (smaller.index(cell.prm), -cell.budget))
    gap = study.compare(study.values(cell, ["best_of_n"]), study.plain(policy, "majority", cell.budget))
    ratio = study.parameters[policy] / study.parameters[cell.prm]
    text = (
        f"with {cell.prm} best-of-N of {policy}, {ratio:.3g} times its size, is "
        f"{points(gap.difference)} from its majority at N = {cell.budget}"
    )
    return finding_above_zero(gap, text, "a 7B PRM guides a 72B policy")


CLAIM_41 = Claim(
    41,
    "A PRM can guide a much larger policy (weak to strong)",
    "section 6",
    needs="best-of-N with a PRM smaller than the policy, and majority",
    study=weak_guides_strong,
    section="scaling",
)
