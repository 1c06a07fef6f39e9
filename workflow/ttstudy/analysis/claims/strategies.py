"""Claims on which method is best, for which policy, PRM and level.

Differences are between values on the same problems. The contrasts are the smallest and largest policies, and the best
and worst PRMs by step AUC: these models as they are, so what is drawn by chance are problems.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics, strategy
from ttstudy.analysis.claims.claim import Claim, Finding, Missing, on_problems, points, recomputed
from ttstudy.analysis.claims.common import GUIDED, mean_over, opposite_signs, search_lead, spearman
from ttstudy.analysis.claims.evidence import Cell, Evidence, average, less
from ttstudy.analysis.claims.verdict import Judged, above, every, judge
from ttstudy.analysis.definitions import MARGIN, SIGNIFICANT
from ttstudy.analysis.statistics import Paired
from ttstudy.kinds.methods import PAPER_SEARCHES
from ttstudy.vocabulary import LEVELS


class _Duel(NamedTuple):
    policy: str
    prm: str
    level: str
    budget: int
    better: str
    worse: str
    difference: float
    p: float
    small: bool
    """Whether the whole interval lies within `MARGIN` of zero."""


def depends_on_all_three(study: Evidence) -> Finding:
    """The best method changes with the policy, the PRM and the level, the other two held fixed.

    That no order is seen to turn round says nothing against it: contradicted it cannot be, only equivalent, where no
    two methods differ by more than the margin anywhere.
    """
    duels = _duels(study)
    axes: list[Judged] = []
    texts = []
    for axis, name in enumerate(("policy", "PRM", "difficulty")):
        moves = [
            (a, b)
            for a, b in combinations(duels, 2)
            if {a.better, a.worse} == {b.better, b.worse}
            and (a.better, a.budget) == (b.worse, b.budget)
            and all((a[k] == b[k]) == (k != axis) for k in range(3))
        ]
        sure = [(a, b) for a, b in moves if a.p < SIGNIFICANT and b.p < SIGNIFICANT]
        p = min((max(a.p, b.p) for a, b in moves), default=1.0)
        axes.append(Judged("supported" if sure else "equivalent" if all(d.small for d in duels) else "undecided", p))
        shown = max(sure or moves, key=lambda pair: min(x.difference for x in pair), default=None)
        if shown is None:
            texts.append(f"{name}: no two cells prefer different methods")
        else:
            a, b = shown
            sense = "reversed beyond chance" if sure else "reversed within the noise"
            texts.append(f"{name}: {a.better} over {a.worse} at {a[axis]}, {sense} at {b[axis]}")
    seen = f"{sum(axis.verdict == 'supported' for axis in axes)} of 3"
    judged = every(axes)
    stated = "the best method depends on all three"
    return Finding(judged.verdict, "; ".join(texts), stated, seen, p=judged.p, unit="problems")


def _duels(study: Evidence) -> list[_Duel]:
    """Every two method families in every (policy, PRM, level) cell; p adjusted (Holm) over those that differ at all."""
    found: list[_Duel] = []
    for policy in study.policies:
        for prm in sorted({cell.prm for cell in study.grids if cell.policy == policy}):
            try:
                cell = Cell(policy, prm, study.contested(policy, prm))
            except Missing:
                continue
            grid = study.grids[cell]
            families = [m for m in GUIDED if m in study.methods(cell)]
            values = pd.concat([study.values(cell, [m]) for m in families], axis=1).to_numpy()
            for level in LEVELS:
                rows = grid.levels == level
                if rows.sum() < 2:
                    continue
                for a, b in combinations(range(len(families)), 2):
                    gap = statistics.paired_difference(values[rows, a], values[rows, b], seed=study.seed)
                    better, worse = (families[a], families[b])[:: 1 if gap.difference > 0 else -1]
                    small = -MARGIN < gap.low and gap.high < MARGIN
                    lead = abs(gap.difference)
                    found.append(_Duel(policy, prm, level, cell.budget, better, worse, lead, gap.p, small))
    if not found:
        raise Missing("two guided methods at one budget")
    apart = [k for k, duel in enumerate(found) if duel.difference]
    adjusted = dict(zip(apart, statistics.holm([found[k].p for k in apart]).tolist(), strict=True))
    return [duel._replace(p=adjusted.get(k, 1.0)) for k, duel in enumerate(found)]


CLAIM_3 = Claim(
    3,
    "The best method depends on the policy, the PRM and the difficulty",
    "article; sections 4.1 to 4.3",
    needs="guided methods at one budget for several policies, PRMs and levels",
    study=depends_on_all_three,
    section="levels",
)


def search_helps_small(study: Evidence) -> Finding:
    """With the best PRM, search leads best-of-N for the smallest policy and trails it for the largest."""
    prm = study.graded_prms(1)[0]
    leads = {}
    for policy in study.ladder():
        try:
            leads[policy] = search_lead(study, policy, prm)
        except Missing:
            continue
    if len(leads) < 2:
        raise Missing(f"best-of-N and a search with {prm} for policies of two sizes")
    names = list(leads)
    means = np.array([leads[name].mean() for name in names])
    rho = spearman(np.array([study.parameters[name] for name in names]), means)
    small, large = leads[names[0]], leads[names[-1]]
    gap = study.compare(small, large)
    judged = opposite_signs(study.compare(small), study.compare(large), gap)
    text = (
        f"with {prm} search leads best-of-N by {points(means[0])} for {names[0]} and {points(means[-1])} for "
        f"{names[-1]} (rank correlation with size {rho:+.2f})"
    )
    ours = f"{points(gap.difference)} between the two"
    return on_problems(judged, text, "search for small, best-of-N for large", ours, gap)


CLAIM_5 = Claim(
    5,
    "Search is better for small policies, best-of-N for large ones",
    "article; Figure 7",
    needs="best-of-N and a search with one good PRM for policies of several sizes",
    study=search_helps_small,
    section="scaling",
)


def search_needs_good_prm(study: Evidence) -> Finding:
    """Search leads best-of-N with the best PRM and trails it with the worst."""
    prms = study.graded_prms()
    good, bad = (
        mean_over(study.shared_policies, partial(search_lead, study, prm=prm))
        for prm in (prms[0], prms[-1])
    )
    gap = study.compare(good, bad)
    judged = opposite_signs(study.compare(good), study.compare(bad), gap)
    text = (
        f"over the policies that all PRMs share, search leads best-of-N by {points(good.mean())} with {prms[0]} and "
        f"{points(bad.mean())} with {prms[-1]}"
    )
    ours = f"{points(gap.difference)} between the two"
    return on_problems(judged, text, "the sign changes with the PRM", ours, gap)


CLAIM_6 = Claim(
    6,
    "Search is better with a good PRM, best-of-N with a poor one",
    "article; Figures 4 and 5",
    needs="best-of-N and a search with PRMs of measured skill",
    study=search_needs_good_prm,
    section="prms",
)


def sampling_ignores_prm(study: Evidence) -> Finding:
    """Best-of-N draws the same samples under every PRM, search does not."""
    table = study.table("ledger")
    table = table[(table["prm"] != "none") & table["response_tokens"].notna()]
    keys = ["benchmark", "policy", "method", "budget"]
    spread = table.groupby(keys)["response_tokens"].agg(["nunique", "size"]).reset_index()
    spread = spread[spread["size"] > 1]
    sampled, searched = (spread[spread["method"].isin(names)] for names in (["best_of_n"], PAPER_SEARCHES))
    if sampled.empty or searched.empty:
        raise Missing("best-of-N and a search with at least two PRMs in the ledger")
    same, differ = int((sampled["nunique"] == 1).sum()), int((searched["nunique"] > 1).sum())
    good = same == len(sampled) and differ == len(searched)
    return recomputed(
        good,
        f"best-of-N spends the same tokens under every PRM in {same} of {len(sampled)} cells, search "
        f"different ones in {differ} of {len(searched)}",
        "sampling does not depend on the PRM, search does",
        f"{same}/{len(sampled)} and {differ}/{len(searched)}",
    )


CLAIM_7 = Claim(
    7,
    "The target of search depends on the PRM, that of sampling does not",
    "article; equation 3",
    needs="best-of-N and a search under two PRMs",
    study=sampling_ignores_prm,
    section="scaling",
)


def difficulty_pattern(study: Evidence) -> Finding:
    """The best method per size class and level is the paper's; sizes moved onto its scale."""
    prm = study.graded_prms(1)[0]
    scale = strategy.on_paper_scale(study.parameters, set(study.ladder()))
    cells, hits, names, gaps = 0, 0, [], []
    for policy in study.ladder():
        try:
            cell = Cell(policy, prm, study.contested(policy, prm))
            families = pd.concat([study.values(cell, [method]).rename(method) for method in GUIDED], axis=1)
        except Missing:
            continue
        grid = study.grids[cell]
        for level in LEVELS:
            rows = families[grid.levels == level]
            if len(rows) < 2:
                continue
            claimed = _paper_pattern(scale[policy], level)
            rivals = [method for method in GUIDED if method != claimed]
            cells += 1
            hits += bool(rows[claimed].mean() >= rows[rivals].mean().max())
            for rival in rivals:
                names.append(f"{policy}/{level}")
                gap = statistics.paired_difference(rows[claimed].to_numpy(), rows[rival].to_numpy(), seed=study.seed)
                gaps.append(gap)
    if not gaps:
        raise Missing(f"best-of-N, beam search and DVTS with {prm} at one budget")
    worst = min(gaps, key=lambda gap: gap.difference)
    # of so many comparisons some would be lost by chance alone: `every` corrects for their number
    found = [judge(gap) for gap in gaps]
    judged = every(found)
    adjusted = statistics.holm([gap.p for gap in gaps])
    lost = [
        name
        for name, one, p in zip(names, found, adjusted, strict=True)
        if one.verdict == "contradicted" and p < SIGNIFICANT
    ]
    against = list(dict.fromkeys(lost))
    text = f"the paper's method is the best, or level with it, in {hits} of {cells} cells"
    text += (
        f", and worse than another beyond chance in {', '.join(against)}"
        if against
        else ", and nowhere worse beyond chance"
    )
    return on_problems(
        judged,
        text + "; sizes all below 0.1B are moved onto the paper's scale",
        "best-of-N, DVTS or beam search by size and level",
        f"{hits} of {cells}; at worst {points(worst.difference)}",
        worst,
    )


def _paper_pattern(parameters: float, level: str) -> str:
    """Best method that the paper finds (section 4.3)."""
    if parameters < 7e9:
        return "best_of_n" if level == "easy" else "beam_search"
    if parameters <= strategy.UP_TO_32B:
        return "beam_search" if level == "hard" else "dvts"
    return "best_of_n"


CLAIM_34 = Claim(
    34,
    "Best-of-N, beam search or DVTS is best by size and level as the paper lists",
    "section 4.3; Figures 8 and 9",
    needs="best-of-N, beam search and DVTS with one good PRM for several policies",
    study=difficulty_pattern,
    section="levels",
)


def fixed_rule_suffices(study: Evidence) -> Finding:
    """The authors' rule by size against the cross-fitted choice; the optimism of the naive one."""
    scale = strategy.on_paper_scale(study.parameters, set(study.ladder()))
    prm = study.graded_prms(1)[0]
    gaps, promised = [], []
    for policy in study.ladder():
        budgets = [cell.budget for cell in study.grids if (cell.policy, cell.prm) == (policy, prm)]
        cell = Cell(policy, prm, max(budgets, default=0))
        grid = study.grids.get(cell)
        found = None if grid is None else strategy.author_gap(grid, scale[policy], seed=study.seed)
        if grid is not None and found is not None:
            gaps.append(pd.Series(found[0], index=grid.problem_ids))
            gaps[-1].attrs["extra"] = found[1]
            naive = pd.Series(strategy.naive(grid)[0], index=grid.problem_ids)
            promised.append(less(naive, study.values(cell, by_level=True)))
    if not gaps:
        raise Missing(f"the methods of the authors' rule with {prm}")
    gap, optimism = study.compare(average(gaps)), average(promised).mean()
    judged = no_worse(gap)
    text = (
        f"with {prm} the rule by size is {points(gap.difference)} from the choice made on other problems; "
        f"the choice made on the same problems promises {points(optimism)} too much; sizes all below 0.1B "
        "are moved onto the paper's scale"
    )
    return on_problems(judged, text, "the rule is compute-optimal", points(gap.difference), gap)


def no_worse(gap: Paired) -> Judged:
    """Verdict on a claim that nothing is better: contradicted below zero, supported less than `MARGIN` below it."""
    below = judge(gap, None)
    if below.verdict == "contradicted":
        return below
    near = judge(above(gap, -MARGIN), None)
    return near if near.verdict == "supported" else Judged("undecided", below.p)


CLAIM_40 = Claim(
    40,
    "A fixed rule by policy size is the compute-optimal strategy",
    "GitHub issues 1 and 4",
    needs="best-of-N, beam search and DVTS with one good PRM for several policies",
    study=fixed_rule_suffices,
    section="optimism",
)
