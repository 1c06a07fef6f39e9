"""Claims on small policies with TTS against larger and stronger ones, and on our own ladder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ttstudy.analysis import statistics
from ttstudy.analysis.claims.claim import Claim, Finding, Missing, on_problems, points, recomputed
from ttstudy.analysis.claims.evidence import Evidence
from ttstudy.analysis.claims.published import (
    AIME,
    HALF_UNIT,
    MATH,
    PROBLEMS,
    Counts,
    Published,
    Side,
    counts,
    on_counts,
    versus,
)
from ttstudy.analysis.claims.verdict import Judged, above, every, judge, known, some, turned, weakest
from ttstudy.analysis.definitions import MARGIN

L1, L3, L405 = "Llama-3.2-1B-Instruct", "Llama-3.2-3B-Instruct", "Llama-3.1-405B-Instruct"
Q05, D15, D7 = "Qwen2.5-0.5B-Instruct", "DeepSeek-R1-Distill-Qwen-1.5B", "DeepSeek-R1-Distill-Qwen-7B"
Q7 = "Qwen2.5-7B-Instruct"
T3, T6, F1, README = "Table 3", "Table 6", "Figure 1", "deepseek-ai/DeepSeek-R1 README"
PAIR = "these models on these benchmarks: "


def small_beats_large(study: Evidence) -> Finding:
    """A policy with TTS beats the CoT of a larger one that is ahead without it, and of how much larger a one."""
    pairs = study.contests
    sure, open_ = pairs[pairs["won"]], pairs[~pairs["ahead"]]
    if open_.empty:
        raise Missing("a larger policy whose CoT is ahead of a smaller one's")
    shown = sure.loc[sure["ratio"].idxmax()] if len(sure) else open_.loc[open_["difference"].idxmax()]
    found = [judge(statistics.Paired(row.difference, row.low, row.high, row.p)) for row in open_.itertuples()]
    # a win is corrected over all pairs already, those that were ahead too
    judged = Judged("supported", float(sure["p_holm"].min())) if len(sure) else some(found)
    judged = judged if len(sure) or judged.verdict != "supported" else judged._replace(verdict="undecided")
    text = (
        f"with TTS at N = {shown['budget']} {shown['policy']} is {points(shown['difference'])} from the CoT of "
        f"{shown['larger']}, {shown['ratio']:.3g} times its size; of {len(open_)} pairs in which the larger policy is "
        f"ahead without TTS {len(sure)} are won, and {sum(one.verdict == 'contradicted' for one in found)} are lost"
    )
    ours = f"{points(shown['difference'])}, {shown['ratio']:.3g} times"
    return on_problems(judged, text, "135 times", ours, statistics.Paired(*shown[["difference", "low", "high", "p"]]))


CLAIM_45 = Claim(
    45,
    "A policy with TTS beats the CoT of a larger one (this study's own ladder)",
    "this study",
    needs="TTS and CoT of policies of several sizes",
    study=small_beats_large,
    section="small-large",
    question=True,
)


def contest(
    small: str, large: str, *benchmarks: str, budget: int | None = None, also: tuple[tuple[str, str], ...] = ()
) -> Callable[[Evidence], Finding]:
    """TTS of a named policy against the CoT of another on the same problems, or its published number.

    `also`: further ones that it must beat, each on one benchmark.
    """

    def check(study: Evidence) -> Finding:
        rivals = [*((large, benchmark) for benchmark in benchmarks), *also]
        gaps = [_gap(study.on(benchmark, small), small, rival, budget) for rival, benchmark in rivals]
        several = len({rival for rival, _ in rivals}) > 1
        text = ", ".join(
            f"{points(gap.difference)} on {benchmark}" + (f" from {rival}" if several else "")
            for gap, (rival, benchmark) in zip(gaps, rivals, strict=True)
        )
        return on_problems(
            every([judge(gap) for gap in gaps]),
            f"in this study {small} with TTS, the PRM chosen too, is {text}" + ("" if several else f" from {large}"),
            None,
            points(gaps[0].difference),
            gaps[0],
        )

    return check


def _gap(
    side: Evidence, small: str, large: str, budget: int | None = None, where: str = T3
) -> statistics.Paired:
    """TTS of one policy less the CoT of another, or less its published accuracy, on one benchmark.

    Of a published accuracy only the share is known: its own error is counted as if it were of other problems
    (Newcombe's way of putting two intervals together), which is no less than it is.
    """
    tts, _ = side.tts(small, budget)
    try:
        return side.compare(tts, side.plain(large, "cot"))
    except Missing:
        reference = side.published.accuracy(where, large, side.benchmark) / 100
    low, high = statistics.interval(tts.to_numpy(), seed=side.seed, extra=tts.attrs.get("extra", 0.0))
    least, most = (float(end) for end in statistics.wilson(reference, len(tts)))
    mean = float(tts.mean())
    gap = mean - reference
    return known(gap, gap - float(np.hypot(mean - low, most - reference)),
                 gap + float(np.hypot(high - mean, reference - least)))  # fmt: skip


CLAIM_1 = Claim(
    1,
    "A 1B policy with TTS beats a 405B one on MATH-500",
    "article; Table 3",
    needs=PAIR + f"{L1} at N = 512, {L405}",
    published=versus((Side(T3, L1, "512"), Side(T3, L405), MATH), remark="; on AIME24 it is behind"),
    study=contest(L1, L405, MATH, budget=512),
    on=(MATH,),
    section="small-large",
)

CLAIM_2 = Claim(
    2,
    "A 3B policy with TTS beats a 405B one on MATH-500 and AIME24",
    "article; Figure 1",
    needs=PAIR + f"{L3}, {L405}",
    published=versus(
        (Side(F1, L3), Side(F1, L405), MATH),
        (Side(F1, L3), Side(F1, L405), AIME),
        remark="; Table 3 prints 75.6 % for the first",
    ),
    study=contest(L3, L405, MATH, AIME),
    on=(MATH, AIME),
    section="small-large",
)

CLAIM_8 = Claim(
    8,
    "A 0.5B policy with TTS beats GPT-4o",
    "article; Table 3",
    needs=PAIR + f"{Q05}, GPT-4o",
    published=versus(
        (Side(T3, Q05), Side(T3, "GPT-4o"), MATH), (Side(T3, Q05), Side(T3, "GPT-4o"), AIME)
    ),
    study=contest(Q05, "GPT-4o", MATH, AIME),
    on=(MATH, AIME),
    section="small-large",
)

CLAIM_9 = Claim(
    9,
    "A 7B policy with TTS beats o1",
    "article; Figure 1",
    needs=PAIR + f"{D7}, o1",
    published=versus(
        (Side(F1, D7), Side(README, "o1"), MATH),
        (Side(F1, D7), Side(F1, "o1"), AIME),
        remark="; the paper prints 94.8 % for o1 on MATH-500, that of the o1 announced in September 2024: the one "
        "whose AIME24 it prints has 96.4 %; 83.3 % is the policy's published vote over 64 samples, against one of o1",
    ),
    study=contest(D7, "o1", MATH, AIME),
    on=(MATH, AIME),
    section="small-large",
)

CLAIM_10 = Claim(
    10,
    "A 7B policy with TTS beats DeepSeek-R1 on AIME24",
    "article; Figure 1",
    needs=PAIR + f"{D7}, DeepSeek-R1",
    published=versus(
        (Side(F1, D7), Side(F1, "DeepSeek-R1"), AIME),
        remark="; 83.3 % is the policy's published vote over 64 samples (cons@64; its pass@1 is 55.5 %), held against "
        "the pass@1 of R1; the policy is distilled from R1, and is behind it on MATH-500",
    ),
    study=contest(D7, "DeepSeek-R1", AIME),
    on=(AIME,),
    section="small-large",
)

CLAIM_24 = Claim(
    24,
    "A 3B policy with TTS beats GPT-4o",
    "abstract; Figure 1",
    needs=PAIR + f"{L3}, GPT-4o",
    published=versus(
        (Side(F1, L3), Side(F1, "GPT-4o"), MATH), (Side(F1, L3), Side(F1, "GPT-4o"), AIME)
    ),
    study=contest(L3, "GPT-4o", MATH, AIME),
    on=(MATH, AIME),
    section="small-large",
)

CLAIM_25 = Claim(
    25,
    "A 1.5B distillate with TTS beats o1-preview, and o1-mini on MATH-500",
    "Table 3; Figure 1",
    needs=PAIR + f"{D15}, o1-preview, o1-mini",
    published=versus(
        (Side(F1, D15), Side(F1, "o1-preview"), MATH),
        (Side(F1, D15), Side(F1, "o1-mini"), MATH),
        (Side(F1, D15), Side(F1, "o1-preview"), AIME),
        remark="; on AIME24 it is just behind o1-mini",
    ),
    study=contest(D15, "o1-preview", MATH, AIME, also=(("o1-mini", MATH),)),
    on=(MATH, AIME),
    section="small-large",
)


def size_ratio_gain(published: Published) -> Finding:
    """A size ratio of 135 is 487.0 % above one of 23."""
    ratio, earlier = published.value("size_ratio"), published.value("earlier_size_ratio")
    stated = published.value("size_ratio_gain")
    gain, exact = 100 * (ratio / earlier - 1), 100 * (ratio / (70 / 3) - 1)
    return recomputed(
        abs(gain - stated) <= HALF_UNIT and abs(405 / 3 - ratio) < 0.5,
        f"{ratio:g} / {earlier:g} - 1 is {gain:.2f} %; with 70B / 3B in place of the rounded {earlier:g} it "
        f"is {exact:.1f} %",
        f"{stated:.1f} %",
        f"{gain:.2f} %",
    )


CLAIM_11 = Claim(
    11,
    "The size ratio overcome rises from 23 to 135, by 487.0 %",
    "article; section 5.1",
    needs="nothing",
    audit=size_ratio_gain,
)


def trained_reasoners(published: Published) -> list[str]:
    """Models of Table 6 that reinforcement learning or search data taught to reason."""
    return [name for name in published.rows(method="trained_reasoner")["policy"].unique() if "Distill" not in name]


def beats_trained_reasoners(published: Published) -> Finding:
    """Qwen2.5-7B with TTS against five models trained to reason; both PRMs and benchmarks."""
    results, ties = [], []
    for prm in ("7B PRM", "72B PRM"):
        for benchmark in PROBLEMS:
            ours = published.accuracy("Table 6", "Qwen2.5-7B-Instruct", benchmark, method="tts", prm=prm)
            for rival in trained_reasoners(published):
                theirs = published.accuracy("Table 6", rival, benchmark)
                results.append((ours, theirs, counts(ours, theirs, benchmark)))
                if ours == theirs:
                    ties.append(f"{rival} on {benchmark} with the {prm}")
    sides = [c.judged.verdict for *_, c in results]
    text = f"of {len(results)} comparisons {sides.count('supported')} are won beyond chance, and "
    text += f"{sides.count('contradicted')} lost"
    text += f", and one is a tie ({ties[0]})" if len(ties) == 1 else f", {len(ties)} tied"
    example = counts(
        published.accuracy("Table 6", "Qwen2.5-7B-Instruct", method="tts", prm="7B PRM"),
        published.accuracy("Table 6", "Qwen2.5-7B-SimpleRL"),
        "MATH-500",
    )
    return on_counts(every([c.judged for *_, c in results]), text, _pair(published), example)


def _pair(published: Published) -> str:
    ours = published.accuracy("Table 6", "Qwen2.5-7B-Instruct", method="tts", prm="7B PRM")
    return f"{ours:.1f} % > {published.accuracy('Table 6', 'Qwen2.5-7B-SimpleRL'):.1f} % (SimpleRL)"


def ours_beats_trained_reasoners(study: Evidence) -> Finding:
    """Qwen2.5-7B with TTS, as run here, against each of them: its own single answer, or its published accuracy."""
    gaps = {}
    for benchmark in PROBLEMS:
        side = study.on(benchmark, Q7)
        for rival in trained_reasoners(study.published):
            gaps[f"{rival} on {benchmark}"] = _gap(side, Q7, rival, where=T6)
    found = [judge(gap) for gap in gaps.values()]
    sides = [one.verdict for one in found]
    name = min(gaps, key=lambda key: gaps[key].difference)
    text = f"in this study {Q7} with TTS wins {sides.count('supported')} of {len(gaps)} comparisons beyond chance and "
    text += f"loses {sides.count('contradicted')}; at worst it is {points(gaps[name].difference)} from {name}"
    return on_problems(every(found), text, None, points(gaps[name].difference), gaps[name])


CLAIM_15 = Claim(
    15,
    "TTS beats policies trained to reason by reinforcement learning or search data",
    "article; Table 6",
    needs=PAIR + "Qwen2.5-7B-Instruct with TTS",
    published=beats_trained_reasoners,
    study=ours_beats_trained_reasoners,
    on=(MATH, AIME),
    section="small-large",
)


def below_distillation(published: Published) -> Finding:
    """Near R1-Distill-Qwen-7B on MATH-500 (5 points), clearly below it on AIME24."""
    near: list[tuple[float, float, Counts]] = []
    below: list[tuple[float, float, Counts]] = []
    for prm in ("7B PRM", "72B PRM"):
        for benchmark, results in (("MATH-500", near), ("AIME24", below)):
            ours = published.accuracy("Table 6", "Qwen2.5-7B-Instruct", benchmark, method="tts", prm=prm)
            theirs = published.accuracy("Table 6", "DeepSeek-R1-Distill-Qwen-7B", benchmark)
            results.append((theirs, ours, counts(theirs, ours, benchmark)))
    same = [near_by(statistics.Paired(c.difference / 100, c.low / 100, c.high / 100, c.p)) for *_, c in near]
    first = below[0][2]
    text = (
        f"{near[0][1]:.1f} % and {near[1][1]:.1f} % against {near[0][0]:.1f} % on MATH-500; on AIME24 "
        f"{first.b} and {below[1][2].b} against {first.a} of {first.problems} problems (p = {first.p:.2g} "
        f"and {below[1][2].p:.2g})"
    )
    stated = f"{near[0][1]:.1f} % ~ {near[0][0]:.1f} %, {below[0][1]:.1f} % < {below[0][0]:.1f} %"
    judged = every([*same, *(c.judged for *_, c in below)])
    shown = first._replace(difference=-first.difference, low=-first.high, high=-first.low)
    return on_counts(judged, text, stated, shown)


def near_by(gap: statistics.Paired) -> Judged:
    """Verdict on a claim that two accuracies are level: within `MARGIN` of each other."""
    inside = [judge(above(gap, -MARGIN), None), judge(above(turned(gap), -MARGIN), None)]
    return every(inside)


def ours_below_distillation(study: Evidence) -> Finding:
    """Qwen2.5-7B with TTS against R1-Distill-Qwen-7B's single answer, both as run here or as published."""
    near, below = (_gap(study.on(benchmark, Q7), Q7, D7, where=T6) for benchmark in (MATH, AIME))
    text = f"in this study {Q7} with TTS is {points(near.difference)} on {MATH} and {points(below.difference)} on "
    text += f"{AIME} from the single answer of {D7}"
    judged = every([near_by(near), judge(turned(below))])
    return on_problems(judged, text, None, points(below.difference), below)


CLAIM_16 = Claim(
    16,
    "TTS is level with R1-Distill-Qwen-7B on MATH-500 and behind it on AIME24",
    "article; Table 6",
    needs=PAIR + f"{Q7} with TTS, {D7}",
    published=below_distillation,
    study=ours_below_distillation,
    on=(MATH, AIME),
    section="small-large",
)


def between_rl_and_distillation(published: Published) -> Finding:
    """Follows from 15 and 16, and is a comparison of different base models."""
    return _both(beats_trained_reasoners(published), below_distillation(published))


def ours_between(study: Evidence) -> Finding:
    """The same of what was run here."""
    return _both(ours_beats_trained_reasoners(study), ours_below_distillation(study))


def _both(over: Finding, under: Finding) -> Finding:
    return Finding(
        weakest([over.verdict, under.verdict]),
        f"rests on claims 15 ({over.verdict}) and 16 ({under.verdict}), and not on a controlled comparison: "
        "the models start from different base models",
        p=max(over.p or 0.0, under.p or 0.0),
        unit="problems",
    )


CLAIM_17 = Claim(
    17,
    "TTS lies between training on search data and distillation from a strong reasoner",
    "article; section 5.4",
    needs=PAIR + f"{Q7} with TTS, {D7}",
    published=between_rl_and_distillation,
    study=ours_between,
    on=(MATH, AIME),
    section="small-large",
)
