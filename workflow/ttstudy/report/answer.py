"""The answer at the top of the report: two sentences and four key numbers, made from the results alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from ttstudy.kinds.methods import METHODS
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
    sentences: tuple[str, str]
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
    """One answer per benchmark, from the reference PRM's comparisons."""
    return [_answer(study, matrix, benchmark) for benchmark in study.benchmarks]


def _answer(study: views.StudyTables, matrix: pd.DataFrame, benchmark: str) -> Answer:
    prm = study.reference_prm
    here = matrix[(matrix["benchmark"] == benchmark) & (matrix["prm"] == prm)] if len(matrix) else matrix
    if not len(here):
        first = f"This study has no result on {benchmark} in which a policy used test-time scaling (TTS) with a PRM."
        return Answer(benchmark, (first, "There is nothing to weigh against larger policies yet."), ())
    _, one = study.one
    own = here[here["policy"] == here["larger"]].set_index("policy", drop=False)
    pairs = here[here["policy"] != here["larger"]]
    won = pairs[pairs["won"].astype(bool)]
    numbers, count = [], _count(won, pairs, one)
    if len(won):
        top = won.sort_values(["ratio", "difference"], ascending=False).iloc[0]
        first = (
            f"With test-time scaling (TTS) a small policy beats one up to {times(top['ratio'])} its size: on "
            f"{benchmark}, {top['policy']} ({si(study.parameters.get(top['policy'], 0))} parameters){_guided(top)} "
            f"gets {percent(top['tts'])} right, where one {one} of {top['larger']} gets {percent(top['cot'])}, "
            f"a difference of {points(top['difference'], top['low'], top['high'])}."
        )
        if top["policy"] in own.index:
            first += f" Its own {one} gets {percent(own.loc[top['policy'], 'cot'])}."
        numbers.append(KeyNumber(f"{top['ratio']:.2g}×", "largest gap in size that TTS overcomes", "small-large"))
    elif len(pairs):
        behind = pairs[~pairs["ahead"]]
        top = (behind if len(behind) else pairs).sort_values("difference", ascending=False).iloc[0]
        first = (
            f"Test-time scaling (TTS) takes no small policy past a larger one beyond chance here: on {benchmark}, the "
            f"nearest is {top['policy']}{_guided(top)}, {percent(top['tts'])} right, against {percent(top['cot'])} of "
            f"one {one} of {top['larger']} ({times(top['ratio'])} its size), a difference of "
            f"{points(top['difference'], top['low'], top['high'])}."
        )
        if top["policy"] in own.index:
            first += f" Its own {one} gets {percent(own.loc[top['policy'], 'cot'])}."
        numbers.append(KeyNumber("none", "gap in size that TTS overcomes beyond chance", "small-large"))
    else:
        top = own.sort_values("difference", ascending=False).iloc[0]
        first = (
            f"On {benchmark} there is no larger policy to compare with; test-time scaling (TTS){_guided(top)} takes "
            f"{top['policy']} from {percent(top['cot'])} right with one {one} to {percent(top['tts'])}, a difference "
            f"of {points(top['difference'], top['low'], top['high'])}."
        )
    second = _cost(top, count, one)
    return Answer(benchmark, (first, second), (*numbers, *_more_numbers(study, own, top)))


def _more_numbers(study: views.StudyTables, own: pd.DataFrame, top: pd.Series) -> Iterator[KeyNumber]:
    """What TTS adds to a policy, what the answer's comparison costs, and how many claims are supported."""
    short, one = study.one
    if len(own):
        best = own.sort_values("difference", ascending=False).iloc[0]
        text = f"{100 * best['difference']:+.1f}".replace("-", "−")
        label = f"the most that TTS adds to a policy’s own {short}: {best['policy']}"
        yield KeyNumber(f"{text} points", label, "small-large")
    if top["cot_flops"] > 0 and top["tts_flops"] > 0 and top["policy"] != top["larger"]:
        label = f"the compute of one {one} of {top['larger']} is in {top['policy']}’s answer"
        yield KeyNumber(f"{_factor(top['tts_flops'] / top['cot_flops'])}×", label, "flops")
    claims = study.table("claims")
    if len(claims):
        counts = cards.counted(claims)
        tested = sum(counts[verdict] for verdict in cards.MARKS)
        label = f"of {tested} claims tested here are supported, {counts['contradicted']} contradicted; "
        label += f"{counts['published']} rest on published numbers alone"
        yield KeyNumber(str(counts["supported"]), label, "claims")


def _count(won: pd.DataFrame, pairs: pd.DataFrame, one: str) -> str:
    """How many pairs are won, and in how many nothing was left to win: the smaller policy is ahead without TTS."""
    if not len(pairs):
        return ""
    verb = "is" if len(won) == 1 else "are"
    text = f"{len(won)} of {len(pairs)} pairs of a smaller with a larger policy {verb} won (Holm-corrected)"
    ahead = pairs[pairs["ahead"].astype(bool)]
    if len(ahead) == 1:
        pair = ahead.iloc[0]
        text += (
            f", not counting {pair['policy']} against {pair['larger']}, where the smaller one’s own {one} is ahead "
            f"already ({percent(pair['alone'])} against {percent(pair['cot'])})"
        )
    elif len(ahead):
        text += f", not counting {len(ahead)} in which the smaller one’s own {one} is ahead already"
    return text + "."


def _factor(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 99.5 else f"{ratio:.2g}"


def _cost(top: pd.Series, count: str, one: str) -> str:
    """What the comparison of the first sentence costs, and how many such comparisons there are."""
    ours, theirs = top["tts_flops"], top["cot_flops"]
    if not (ours > 0 and theirs > 0):
        return (
            f"That takes {_method(top)}; how many FLOPs is not known, since token or parameter counts are missing."
            + (f" In all, {count}" if count else "")
        )
    side = (
        f"{times(ours / theirs)} the compute of"
        if ours >= theirs
        else f"a factor of {_factor(theirs / ours)} less than"
    )
    side += f" that {one}" if top["policy"] != top["larger"] else f" its own {one}"
    text = f"That takes {_method(top)} and {exponent(ours)} FLOPs a problem, PRM and discarded tokens included, {side}"
    return text + (f"; {count}" if count else ".")


def _method(top: pd.Series) -> str:
    text = f"mostly {in_words(top['method'])} at N = {int(top['budget'])}"
    return text if _guided(top) else f"{text}, which uses no PRM,"


def _guided(top: pd.Series) -> str:
    """The PRM that is to be credited: none where the method that was chosen most often uses none."""
    return f" with {top['prm']}" if METHODS[top["method"]].judged == "prm" else ""
