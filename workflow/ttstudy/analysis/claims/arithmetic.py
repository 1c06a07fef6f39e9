"""Checks on published numbers alone: recomputed averages, ratios and fits, and what their counts can carry.

Nothing here looks at a study. Accuracies are percentages of 500 (MATH-500) or 30 (AIME24) problems; two of
them are compared by Fisher's test on those counts, since the published numbers do not say which problems
were solved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from ttstudy.analysis import flops
from ttstudy.analysis.claims.evidence import PROBLEMS, Counts, Finding, Published, Verdict, counts
from ttstudy.analysis.definitions import SIGNIFICANT

TRAINED = {
    "Llama-3.2-3B-Instruct": (3e9, 9e12),
    "Llama-3.1-405B-Instruct": (405e9, 15e12),
    "DeepSeek-R1-Distill-Qwen-7B": (7e9, 18e12),
    "DeepSeek-R1": (671e9, 14.8e12),
}
"""Nominal parameters and pretraining tokens by the models' cards; R1 with all experts, as in Table 4."""
R1_ACTIVE = 37e9
CHECKPOINTS = {
    "Llama-3.2-3B-Instruct": 3.21e9,
    "Llama-3.1-405B-Instruct": 406e9,
    "DeepSeek-R1-Distill-Qwen-7B": 7.62e9,
    "DeepSeek-R1": 671e9,
}
"""Parameters that the checkpoints have, in place of the sizes in their names."""
PRM_SIZES = (7e9, 72e9)
_HALF_UNIT = 0.05 + 1e-9
"""Rounding of a number printed with one decimal."""

Check = Callable[[Published], Finding]


class Side(NamedTuple):
    """A published accuracy: where, of what, at which budget, with which PRM."""

    where: str
    policy: str
    budget: str = ""
    prm: str = ""
    method: str = ""

    def accuracy(self, published: Published, benchmark: str) -> float:
        """In percent."""
        wanted = {key: text for key, text in (("prm", self.prm), ("method", self.method)) if text}
        return published.accuracy(self.where, self.policy, benchmark, self.budget, **wanted)


def versus(*contests: tuple[Side, Side, str], remark: str = "") -> Check:
    """The first side of each (side, side, benchmark) beats the second: the weakest of the verdicts."""

    def check(published: Published) -> Finding:
        results = []
        for a, b, benchmark in contests:
            left, right = a.accuracy(published, benchmark), b.accuracy(published, benchmark)
            results.append((left, right, benchmark, counts(left, right, benchmark)))
        texts = [
            f"{left:.1f} % against {right:.1f} % on {benchmark} is {c.a} against {c.b} of {c.problems} "
            f"problems (p = {c.p:.2g})"
            for left, right, benchmark, c in results
        ]
        verdict = _contest([(left, right, c) for left, right, _, c in results])
        first = results[0]
        return Finding(
            verdict,
            "; ".join(texts) + remark,
            ", ".join(f"{left:.1f} % > {right:.1f} %" for left, right, _, _ in results),
            f"{first[3].difference:+.1f} points",
            first[3].low,
            first[3].high,
        )

    return check


def _contest(results: Sequence[tuple[float, float, Counts]]) -> Verdict:
    if any(left < right for left, right, _ in results):
        return "fails"
    if any(left == right or c.p >= SIGNIFICANT for left, right, c in results):
        return "not significant"
    return "holds"


def size_range(published: Published) -> Finding:
    """Claim 4: policies of 0.5B to 72B and PRMs of 1.5B to 72B."""
    policies = [_billions(name) for name in published.rows(where="Table 5")["policy"].unique()]
    names = set(published.table["prm"]) - {""}
    prms = [size for size in map(_billions, sorted(names)) if size]
    found = (min(policies), max(policies), min(prms), max(prms))
    return Finding(
        "holds" if found == (0.5, 72.0, 1.5, 72.0) else "fails",
        f"the models named have {found[0]:g}B to {found[1]:g}B (policies) and "
        f"{found[2]:g}B to {found[3]:g}B (PRMs)",
        "0.5B to 72B, 1.5B to 72B",
        f"{found[0]:g}B to {found[1]:g}B, {found[2]:g}B to {found[3]:g}B",
    )


def _billions(name: str) -> float:
    match = re.search(r"(\d+(?:\.\d+)?)B", name)
    return float(match.group(1)) if match else 0.0


def size_ratio_gain(published: Published) -> Finding:
    """Claim 11: a size ratio of 135 is 487.0 % above one of 23."""
    ratio, earlier = published.value("size_ratio"), published.value("earlier_size_ratio")
    stated = published.value("size_ratio_gain")
    gain, exact = 100 * (ratio / earlier - 1), 100 * (ratio / (70 / 3) - 1)
    good = abs(gain - stated) <= _HALF_UNIT and abs(405 / 3 - ratio) < 0.5
    return Finding(
        "holds" if good else "fails",
        f"{ratio:g} / {earlier:g} - 1 is {gain:.2f} %; with 70B / 3B in place of the rounded {earlier:g} it "
        f"is {exact:.1f} %",
        f"{stated:.1f} %",
        f"{gain:.2f} %",
    )


def gains_over_cot(published: Published) -> Finding:
    """Claim 12, audit: each gain in Table 5 is (TTS - CoT) / CoT, and falls with size in each family."""
    stated = published.rows(where="Table 5", quantity="gain_over_cot")
    errors = {}
    for policy, gain in zip(stated["policy"], stated["value"], strict=True):
        cot = published.accuracy("Table 5", policy, budget="1", method="cot")
        tts = published.accuracy("Table 5", policy, method="tts")
        errors[policy] = abs(100 * (tts - cot) / cot - gain)
    worst = max(errors, key=lambda name: errors[name])
    by_policy = dict(zip(stated["policy"], stated["value"], strict=True))
    text = f"the {len(errors)} gains of Table 5 follow from its columns, and fall from size to size in each family"
    rises = []
    for family in ("Llama", "Qwen"):
        sized = sorted((_billions(name), name) for name in by_policy if name.startswith(family))
        rises += [b for (_, a), (_, b) in pairwise(sized) if by_policy[b] >= by_policy[a]]
    if rises:
        text = f"the {len(errors)} gains of Table 5 follow from its columns, but do not fall at {', '.join(rises)}"
    if errors[worst] > 0.06:
        text = f"the gain printed for {worst} is {errors[worst]:.1f} points off its own columns"
    good = errors[worst] <= 0.06 and not rises
    shown = ", ".join(
        f"{by_policy[p]:+.1f} % ({p})" for p in ("Llama-3.2-1B-Instruct", "Qwen2.5-72B-Instruct")
    )
    return Finding("holds" if good else "fails", text, shown)


def efficiency_of_256(published: Published) -> Finding:
    """Claim 13, audit: whether a gain above 256 can come from the budgets that the paper lists."""
    budgets = published.rows(where="Section 4.1", quantity="budget")
    usual = budgets[budgets["remark"] == ""]["value"]
    reachable = usual.max() / usual.min()
    gains = published.rows(where="Table 5", quantity="efficiency_gain")
    top = gains["value"].max()
    shown = gains[gains["value"] == top].iloc[0]
    low = gains.loc[gains["value"].idxmin()]
    return Finding(
        "holds" if reachable >= top else "fails",
        f"budgets from {usual.min():g} to {usual.max():g} give at most {reachable:g}x, so {shown['relation']}"
        f"{top:g}x needs a budget that is not listed; {low['policy']} is at {low['value']:g}x, below 1"
        if reachable < top
        else f"budgets from {usual.min():g} to {usual.max():g} can give {reachable:g}x; {low['policy']} is "
        f"at {low['value']:g}x",
        f"{shown['relation']}{top:g}x",
        f"at most {reachable:g}x",
    )


def compute_table(published: Published) -> Finding:
    """Claim 14, audit: Table 4 recomputed, and what it leaves out."""
    worst, models, totals, inferences = 0.0, {}, [], []
    for name, (size, tokens) in TRAINED.items():
        kinds = ("training_flops", "inference_flops", "total_flops")
        trained, inferred, total = (published.value(kind, where="Table 4", policy=name) for kind in kinds)
        worst = max(
            worst, abs(flops.training(size, tokens) / trained - 1), abs((trained + inferred) / total - 1)
        )
        models[name] = flops.Model(name, size, tokens, inferred / (2 * size))
        totals.append(total)
        inferences.append(inferred)
    low, high = published.rows(where="article", quantity="total_compute_ratio")["value"]
    totals = [totals[1] / totals[0], totals[3] / totals[2]]
    inferences = [inferences[1] / inferences[0], inferences[3] / inferences[2]]
    small, large, distilled, r1 = models.values()
    guided = [small._replace(prm_parameters=size, prm_tokens=small.inference_tokens) for size in PRM_SIZES]
    with_prm = [large.inference / model.inference for model in guided]
    active = r1._replace(active=R1_ACTIVE).total / distilled.total
    true = [model._replace(parameters=CHECKPOINTS[name]).total for name, model in models.items()]
    good = worst <= 0.005 and all(low <= total <= high for total in totals)
    return Finding(
        "holds" if good else "fails",
        f"6ND gives the training FLOPs within {100 * worst:.1f} %; the total ratios are {totals[0]:.1f}x and "
        f"{totals[1]:.1f}x, the inference ratios {inferences[0]:.2f}x and {inferences[1]:.2f}x; one PRM pass "
        f"over the first pair's tokens makes its inference ratio {with_prm[0]:.2f}x (7B) or "
        f"{with_prm[1]:.3f}x (72B), and R1's 37B active parameters make the second total {active:.1f}x; with the "
        f"checkpoints' own parameter counts the totals are {true[1] / true[0]:.1f}x and {true[3] / true[2]:.1f}x",
        f"{low:g}x to {high:g}x",
        f"{totals[0]:.1f}x and {totals[1]:.1f}x",
    )


def beats_trained_reasoners(published: Published) -> Finding:
    """Claim 15: Qwen2.5-7B with TTS against five models trained to reason; both PRMs and benchmarks."""
    rivals = [p for p in published.rows(method="trained_reasoner")["policy"].unique() if "Distill" not in p]
    results, ties = [], []
    for prm in ("7B PRM", "72B PRM"):
        for benchmark in PROBLEMS:
            ours = published.accuracy("Table 6", "Qwen2.5-7B-Instruct", benchmark, method="tts", prm=prm)
            for rival in rivals:
                theirs = published.accuracy("Table 6", rival, benchmark)
                results.append((ours, theirs, counts(ours, theirs, benchmark)))
                if ours == theirs:
                    ties.append(f"{rival} on {benchmark} with the {prm}")
    sure = sum(c.p < SIGNIFICANT and left > right for left, right, c in results)
    lost = sum(left < right for left, right, _ in results)
    text = f"of {len(results)} comparisons {sure} are significant, {lost} lost"
    text += f", and one is a tie ({ties[0]})" if len(ties) == 1 else f", {len(ties)} tied"
    example = counts(
        published.accuracy("Table 6", "Qwen2.5-7B-Instruct", method="tts", prm="7B PRM"),
        published.accuracy("Table 6", "Qwen2.5-7B-SimpleRL"),
        "MATH-500",
    )
    return Finding(
        _contest(results),
        text,
        _pair(published),
        f"{example.difference:+.1f} points (p = {example.p:.2g})",
        example.low,
        example.high,
    )


def _pair(published: Published) -> str:
    ours = published.accuracy("Table 6", "Qwen2.5-7B-Instruct", method="tts", prm="7B PRM")
    return f"{ours:.1f} % > {published.accuracy('Table 6', 'Qwen2.5-7B-SimpleRL'):.1f} % (SimpleRL)"


def below_distillation(published: Published) -> Finding:
    """Claim 16: near R1-Distill-Qwen-7B on MATH-500 (5 points), clearly below it on AIME24."""
    near, below = [], []
    for prm in ("7B PRM", "72B PRM"):
        for benchmark, results in (("MATH-500", near), ("AIME24", below)):
            ours = published.accuracy("Table 6", "Qwen2.5-7B-Instruct", benchmark, method="tts", prm=prm)
            theirs = published.accuracy("Table 6", "DeepSeek-R1-Distill-Qwen-7B", benchmark)
            results.append((theirs, ours, counts(theirs, ours, benchmark)))
    verdict = _contest(below) if all(abs(left - right) <= 5 for left, right, _ in near) else "fails"
    first = below[0][2]
    return Finding(
        verdict,
        f"{near[0][1]:.1f} % and {near[1][1]:.1f} % against {near[0][0]:.1f} % on MATH-500; on AIME24 "
        f"{first.b} and {below[1][2].b} against {first.a} of {first.problems} problems (p = {first.p:.2g} "
        f"and {below[1][2].p:.2g})",
        f"{near[0][1]:.1f} % ~ {near[0][0]:.1f} %, {below[0][1]:.1f} % < {below[0][0]:.1f} %",
        f"{-first.difference:+.1f} points on AIME24",
        -first.high,
        -first.low,
    )


def between_rl_and_distillation(published: Published) -> Finding:
    """Claim 17: follows from 15 and 16, and is a comparison of different base models."""
    above, below = beats_trained_reasoners(published), below_distillation(published)
    order: list[Verdict] = ["fails", "not significant", "holds"]
    return Finding(
        min(above.verdict, below.verdict, key=order.index),
        f"rests on claims 15 ({above.verdict}) and 16 ({below.verdict}), and not on a controlled comparison: "
        "the models start from different base models",
    )


def falls_with_n(published: Published) -> Finding:
    """Claim 26, published side: AIME24 of Llama-3.2-1B at N = 512 against the default N."""
    late = published.accuracy("Table 3", "Llama-3.2-1B-Instruct", "AIME24", "512")
    early = published.accuracy("Table 3", "Llama-3.2-1B-Instruct", "AIME24")
    c = counts(late, early, "AIME24")
    verdict: Verdict = "fails" if late >= early else "holds" if c.p < SIGNIFICANT else "not significant"
    return Finding(
        verdict,
        f"AIME24 goes from {early:.1f} % to {late:.1f} % at N = 512, {c.b} to {c.a} of {c.problems} problems "
        f"(p = {c.p:.2g})",
        f"{early:.1f} % to {late:.1f} %",
        f"{c.difference:+.1f} points",
        c.low,
        c.high,
    )


def voting_sensitivity(published: Published) -> Finding:
    """Claim 30, audit: ranges and Vote - Max gaps of Table 2."""
    spans, gaps = {}, {}
    for prm in ("Skywork-PRM-7B", "Qwen2.5-Math-PRM-7B"):
        rows = published.rows(where="Table 2", prm=prm)
        spans[prm] = rows["value"].max() - rows["value"].min()
        by_rule = {(s, v): x for s, v, x in zip(rows["score"], rows["vote"], rows["value"], strict=True)}
        gaps[prm] = [by_rule[s, "prm_vote"] - by_rule[s, "prm_max"] for s in ("min", "last", "avg")]
    skywork, qwen = spans
    good = min(gaps[skywork]) > 0 and spans[skywork] > spans[qwen] and max(map(abs, gaps[qwen])) <= 0.4
    shown = {prm: ", ".join(f"{gap:+.1f}" for gap in gaps[prm]) for prm in gaps}
    return Finding(
        "holds" if good else "fails",
        f"seven rules span {spans[skywork]:.1f} points with Skywork-7B and {spans[qwen]:.1f} with Qwen-7B; "
        f"vote minus max is {shown[skywork]} and {shown[qwen]} (min, last, avg)",
        f"{spans[skywork]:.1f} against {spans[qwen]:.1f} points",
    )


def averages(published: Published) -> Finding:
    """Claim 42: each printed average is the mean of its two cells."""
    wrong, checked = [], 0
    for where in ("Table 3", "Table 6"):
        means = published.rows(where=where, benchmark="mean")
        for row in means.itertuples():
            cells = [
                published.accuracy(where, row.policy, b, row.budget, method=row.method, prm=row.prm)
                for b in PROBLEMS
            ]
            mean = sum(cells) / 2
            checked += 1
            if abs(mean - row.value) > _HALF_UNIT:
                name = row.policy + (f" with the {row.prm}" if row.prm else "")
                wrong.append(f"{where}, {name}: {row.value:.1f} printed, {mean:.2f} computed")
    text = "; ".join(wrong) if wrong else f"all {checked} averages are the means of their cells"
    return Finding("fails" if wrong else "holds", text, f"{checked} averages", f"{len(wrong)} wrong")


def agreement(published: Published) -> Finding:
    """Claim 43: the same cell has the same number wherever it is printed."""
    rows = published.rows(quantity="accuracy")
    rows = rows[
        rows["where"].isin(["Table 3", "Table 5", "Table 6", "Figure 1"]) & (rows["benchmark"] != "mean")
    ]
    # Table 3's extra budget and Table 6's two PRMs are cells of their own
    rows = rows[(rows["budget"].isin(["", "1"])) & (rows["prm"] == "")]
    rows = rows[~((rows["where"] == "Table 5") & (rows["method"] == "majority"))]
    clashes, compared = [], 0
    for (policy, benchmark, _), part in rows.groupby(["policy", "benchmark", "method"]):
        if part["where"].nunique() < 2:
            continue
        compared += 1
        if part["value"].max() - part["value"].min() > 1e-9:
            shown = ", ".join(f"{w} {x:.1f}" for w, x in zip(part["where"], part["value"], strict=True))
            clashes.append(f"{policy} on {benchmark}: {shown}")
    text = "; ".join(clashes) if clashes else f"all {compared} cells that are printed twice agree"
    return Finding(
        "fails" if clashes else "holds", text, f"{compared} cells", f"{len(clashes)} in disagreement"
    )


def single_runs(published: Published) -> Finding:
    """Claim 44: the authors' own accuracies are whole numbers of problems, as one run gives them."""
    rows = published.rows(quantity="accuracy")
    rows = rows[rows["benchmark"].isin(list(PROBLEMS)) & (rows["where"] != "Table 2")]
    odd_own, odd_reference = [], set()
    for row in rows.itertuples():
        n = PROBLEMS[row.benchmark]
        whole = abs(100 * round(row.value * n / 100) / n - row.value) <= _HALF_UNIT
        if not whole and row.method in ("tts", "cot", "majority"):
            odd_own.append(f"{row.policy} {row.value:g} on {row.benchmark}")
        elif not whole:
            odd_reference.add(f"{row.policy} {row.value:g}")
    text = (
        "each accuracy of the authors' own is a whole number of problems: no averaging over seeds is visible"
    )
    if odd_own:
        text = f"not a whole number of problems: {odd_own[0]}"
    return Finding(
        "fails" if odd_own else "holds",
        f"{text}; borrowed or averaged: {', '.join(sorted(odd_reference))}",
        None,
        f"{len(odd_own)} of the authors', {len(odd_reference)} of the references",
    )
