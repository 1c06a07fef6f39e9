"""The answer at the top of the report: a sentence, what stands behind it, and key numbers, from the results alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from ttstudy.kinds.methods import CEILINGS, METHODS
from ttstudy.report import cards, views
from ttstudy.report.blocks import in_words
from ttstudy.report.cells import exponent, si


@dataclass(frozen=True)
class KeyNumber:
    """A number, what it is, and where its evidence stands."""

    value: str
    label: str
    section: str


@dataclass(frozen=True)
class Answer:
    """What the study says on one benchmark."""

    benchmark: str
    sentences: tuple[str, ...]
    """The answer first, then what stands behind it."""
    numbers: tuple[KeyNumber, ...]


def percent(share: float) -> str:
    """A share as `62.1 %`, with a space that does not break."""
    return f"{100 * share:.1f}\u00a0%"


def points(share: float, low: float | None = None, high: float | None = None) -> str:
    """A difference of shares as `+8.0 points (95 % interval 1.2 to 15.1)`."""
    text = f"{100 * share:+.1f} points".replace("-", "−")
    if low is not None and high is not None:
        text += f" (95 % interval {100 * low:.1f} to {100 * high:.1f})".replace("-", "−")
    return text


def times(ratio: float) -> str:
    """A factor as `8.1 times`."""
    return f"{ratio:,.0f} times" if ratio >= 99.5 else f"{ratio:.2g} times"


def answers(study: views.StudyTables, matrix: pd.DataFrame) -> list[Answer]:
    """One answer per benchmark, from the reference PRM's comparisons; without a PRM, from votes or single answers."""
    return [_answer(study, matrix, benchmark) for benchmark in study.benchmarks]


def _answer(study: views.StudyTables, matrix: pd.DataFrame, benchmark: str) -> Answer:
    here = matrix
    if len(matrix):
        here = matrix[(matrix["benchmark"] == benchmark) & (matrix["prm"] == study.reference_prm)]
    if not len(here):
        return _plain(study, benchmark)
    _, one = study.one
    own = here[here["policy"] == here["larger"]].set_index("policy", drop=False)
    pairs = here[here["policy"] != here["larger"]]
    won = pairs[pairs["won"].astype(bool)]
    if len(won):
        top = won.sort_values(["ratio", "difference"], ascending=False).iloc[0]
        lead = (
            f"{top['policy']} with test-time scaling (TTS) beats {top['larger']}, {times(top['ratio'])} its size: "
            f"{percent(top['tts'])} against {percent(top['cot'])} right on {benchmark}."
        )
        size = si(study.parameters.get(top["policy"], 0))
        told = [f"{top['policy']} ({size} parameters) answers{_guided(top)}.", f"{top['larger']} gives one {one}."]
        told = told if _guided(top) else told[1:]
    elif len(pairs):
        behind = pairs[~pairs["ahead"]]
        top = (behind if len(behind) else pairs).sort_values("difference", ascending=False).iloc[0]
        lead = f"On {benchmark}, no small policy with test-time scaling (TTS) beats a larger one beyond chance."
        told = [
            f"The nearest is {top['policy']}{_guided(top)}: {percent(top['tts'])} right, against "
            f"{percent(top['cot'])} of one {one} of {top['larger']}, {times(top['ratio'])} its size."
        ]
    else:
        top = own.sort_values("difference", ascending=False).iloc[0]
        lead = (
            f"On {benchmark}, test-time scaling (TTS){_guided(top)} takes {top['policy']} from {percent(top['cot'])} "
            f"to {percent(top['tts'])} right."
        )
        told = ["There is no larger policy to compare with."]
    told.append(f"The difference is {points(top['difference'], top['low'], top['high'])}.")
    if len(pairs) and top["policy"] in own.index:
        told.append(f"Its own {one} gets {percent(own.loc[top['policy'], 'cot'])}.")
    told += [*_cost(top, one), *_count(won, pairs, one)]
    return Answer(benchmark, (lead, *told), tuple(_numbers(study, own, pairs, won, top)))


def _plain(study: views.StudyTables, benchmark: str) -> Answer:
    """The answer of a study without a contest: by its vote, by what its PRM chooses, or by single answers alone."""
    singles = study.answered[study.answered["benchmark"] == benchmark].set_index("policy", drop=False)
    drawn = views.drawn(study, benchmark)
    tops = drawn[drawn["budget"] == drawn.groupby("policy")["budget"].transform("max")] if len(drawn) else drawn
    both = tops[tops["policy"].isin(singles.index)] if len(tops) else tops
    _, one = study.one
    if len(both):
        gains = both["accuracy"].to_numpy() - singles.loc[both["policy"], "accuracy"].to_numpy()
        top, gain = both.iloc[int(gains.argmax())], float(gains.max())
        before = percent(singles.loc[top["policy"], "accuracy"])
        how = in_words(top["method"]) + (f" with {top['prm']}" if top["prm"] != "none" else "")
        after = percent(top["accuracy"])
        does = f"takes {top['policy']} from {before} to {after} right" if gain > 0 else (
            f"gives {top['policy']} nothing: {after} right, against {before} of one {one}"
        )  # fmt: skip
        lead = f"On {benchmark}, {how} at N = {int(top['budget'])} {does}."
        told = [f"The 95 % interval of {after} is {100 * top['low']:.1f} to {100 * top['high']:.1f}."]
        if top["prm"] == "none":
            told.append("No PRM was asked: this is a vote alone.")
        number = KeyNumber(points(gain).removesuffix(" points") + " points", f"the most that it adds: {top['policy']}",
                           "scaling")  # fmt: skip
        best = both.loc[both["accuracy"].idxmax()]
        return Answer(benchmark, (lead, *told), (number, *_plain_numbers(study, benchmark, best)))
    if len(singles) or len(drawn):
        best = (singles if len(singles) else drawn).sort_values("accuracy", ascending=False).iloc[0]
        what = f"one {one}" if len(singles) else f"{in_words(best['method'])} at N = {int(best['budget'])}"
        several = f", the best of {len(singles)} policies," if len(singles) > 1 else ""
        lead = f"On {benchmark}, {best['policy']}{several} gets {percent(best['accuracy'])} right with {what}."
        told = [f"The 95 % interval is {100 * best['low']:.1f} to {100 * best['high']:.1f}."]
        if len(singles):
            told.append("Nothing was drawn beside it: test-time scaling cannot be judged here.")
        return Answer(benchmark, (lead, *told), tuple(_plain_numbers(study, benchmark, best)))
    return Answer(benchmark, (f"This study has no accuracy on {benchmark} yet.",), ())


def _plain_numbers(study: views.StudyTables, benchmark: str, best: pd.Series) -> Iterator[KeyNumber]:
    """The best accuracy, the bound that choosing could reach, how many problems, and the claims."""
    yield KeyNumber(percent(best["accuracy"]), f"right at best: {best['policy']}", "scaling")
    bound = views.scaling(study)
    bound = bound[(bound["benchmark"] == benchmark) & bound["method"].isin(CEILINGS)] if len(bound) else bound
    if len(bound):
        top = bound.loc[bound["accuracy"].idxmax()]
        label = f"of problems have a right response among {int(top['budget'])} of {top['policy']}"
        yield KeyNumber(percent(top["accuracy"]), label, "scaling")
    yield KeyNumber(f"{int(best['problems']):,}", f"problems of {benchmark}", "method")
    yield from _claims(study)


def _numbers(
    study: views.StudyTables, own: pd.DataFrame, pairs: pd.DataFrame, won: pd.DataFrame, top: pd.Series
) -> Iterator[KeyNumber]:
    """The gap that is overcome, the pairs won, what TTS adds and costs, and how many claims are supported."""
    short, one = study.one
    if len(won):
        yield KeyNumber(f"{top['ratio']:.2g}×", "largest gap in size that TTS overcomes", "small-large")
    elif len(pairs):
        yield KeyNumber("none", "gap in size that TTS overcomes beyond chance", "small-large")
    if not len(pairs):
        yield KeyNumber(percent(top["tts"]), f"right with TTS: {top['policy']}", "gains")
        yield KeyNumber(f"{int(top['problems']):,}", f"problems of {top['benchmark']}", "method")
    else:
        yield KeyNumber(f"{len(won)} of {len(pairs)}", "pairs of a smaller and a larger policy are won", "small-large")
    if len(own):
        best = own.sort_values("difference", ascending=False).iloc[0]
        text = f"{100 * best['difference']:+.1f}".replace("-", "−")
        label = f"the most that TTS adds to a policy’s own {short}: {best['policy']}"
        yield KeyNumber(f"{text} points", label, "small-large")
    if top["cot_flops"] > 0 and top["tts_flops"] > 0:
        whose = f"one {one} of {top['larger']}" if top["policy"] != top["larger"] else f"its own {one}"
        label = f"the compute of {whose} is in {top['policy']}’s answer"
        yield KeyNumber(f"{_factor(top['tts_flops'] / top['cot_flops'])}×", label, "flops")
    yield from _claims(study)


def _claims(study: views.StudyTables) -> Iterator[KeyNumber]:
    claims = study.table("claims")
    counts = cards.counted(claims) if len(claims) else {}
    tested = sum(counts.get(verdict, 0) for verdict in cards.MARKS)
    if tested:
        label = f"claims tested here are supported, {counts['contradicted']} contradicted"
        yield KeyNumber(f"{counts['supported']} of {tested}", label, "claims")


def _count(won: pd.DataFrame, pairs: pd.DataFrame, one: str) -> Iterator[str]:
    """How many pairs are won, and in how many nothing was left to win: the smaller policy is ahead without TTS."""
    if not len(pairs):
        return
    verb = "is" if len(won) == 1 else "are"
    yield f"{len(won)} of {len(pairs)} pairs of a smaller with a larger policy {verb} won (Holm-corrected)."
    ahead = pairs[pairs["ahead"].astype(bool)]
    if len(ahead) == 1:
        pair = ahead.iloc[0]
        yield (
            f"{pair['policy']} against {pair['larger']} does not count: the smaller one’s own {one} is ahead already "
            f"({percent(pair['alone'])} against {percent(pair['cot'])})."
        )
    elif len(ahead):
        yield f"{len(ahead)} pairs do not count: the smaller one’s own {one} is ahead already."


def _factor(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 99.5 else f"{ratio:.2g}"


def _cost(top: pd.Series, one: str) -> Iterator[str]:
    """What the comparison of the first sentence costs."""
    ours, theirs = top["tts_flops"], top["cot_flops"]
    if not (ours > 0 and theirs > 0):
        yield f"That takes {_method(top)}."
        yield "How many FLOPs is not known, since token or parameter counts are missing."
        return
    side = f"{times(ours / theirs)} as many as" if ours >= theirs else f"{_factor(theirs / ours)} times fewer than"
    side += f" that {one}" if top["policy"] != top["larger"] else f" its own {one}"
    yield f"That takes {_method(top)}."
    yield f"It costs {exponent(ours)} FLOPs a problem, {side}, with the PRM and discarded tokens counted."


def _method(top: pd.Series) -> str:
    text = f"mostly {in_words(top['method'])} at N = {int(top['budget'])}"
    return text if _guided(top) else f"{text}, which uses no PRM"


def _guided(top: pd.Series) -> str:
    """The PRM that is to be credited: none where the method that was chosen most often uses none."""
    return f" with {top['prm']}" if METHODS[top["method"]].judged == "prm" else ""
