"""The answer at the top of the report: two sentences and four key numbers, made from the results alone."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ttstudy.report import views
from ttstudy.report.cells import exponent, si

VERDICTS = ("holds", "not significant", "fails", "not run")


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


def answers(study: views.Study, matrix: pd.DataFrame) -> list[Answer]:
    """One answer per benchmark, from the reference PRM's comparisons."""
    return [_answer(study, matrix, benchmark) for benchmark in study.benchmarks]


def _answer(study: views.Study, matrix: pd.DataFrame, benchmark: str) -> Answer:
    prm = study.reference_prm
    here = matrix[(matrix["benchmark"] == benchmark) & (matrix["prm"] == prm)] if len(matrix) else matrix
    if not len(here):
        first = f"This study has no result on {benchmark} in which a policy used test-time scaling (TTS) with a PRM."
        return Answer(benchmark, (first, "There is nothing to weigh against larger policies yet."), ())
    short, one = study.one
    own = here[here["policy"] == here["larger"]]
    pairs = here[here["policy"] != here["larger"]]
    won = pairs[(pairs["difference"] > 0) & (pairs["p_holm"] < 0.05)]
    numbers = []
    if len(won):
        top = won.sort_values(["ratio", "difference"], ascending=False).iloc[0]
        first = (
            f"With test-time scaling (TTS) a small policy beats one up to {times(top['ratio'])} its size: on "
            f"{benchmark}, "
            f"{top['policy']} ({si(study.parameters.get(top['policy'], 0))} parameters) with {prm} gets "
            f"{percent(top['tts'])} right, where one {one} of {top['larger']} gets {percent(top['cot'])}, "
            f"a difference of {points(top['difference'], top['low'], top['high'])}."
        )
        greedy = own.loc[own["policy"] == top["policy"], "cot"]
        if len(greedy) and greedy.iloc[0] >= top["cot"]:
            first += f" Its own {one}, {percent(greedy.iloc[0])}, is ahead already."
        numbers.append(KeyNumber(f"{top['ratio']:.2g}×", "largest gap in size that TTS overcomes", "small-large"))
    elif len(pairs):
        top = pairs.sort_values("difference", ascending=False).iloc[0]
        first = (
            "No small policy with test-time scaling (TTS) beats a larger one beyond chance here: on "
            f"{benchmark}, the nearest is "
            f"{top['policy']} with {prm}, {percent(top['tts'])} right, against {percent(top['cot'])} of one "
            f"{one} of "
            f"{top['larger']} ({times(top['ratio'])} its size), a difference of "
            f"{points(top['difference'], top['low'], top['high'])}."
        )
        numbers.append(KeyNumber("none", "gap in size that TTS overcomes beyond chance", "small-large"))
    else:
        top = own.sort_values("difference", ascending=False).iloc[0]
        first = (
            f"On {benchmark} there is no larger policy to compare with; test-time scaling (TTS) with {prm} takes "
            f"{top['policy']} from {percent(top['cot'])} right with one {one} to {percent(top['tts'])}, a difference "
            f"of {points(top['difference'], top['low'], top['high'])}."
        )
    second = _cost(top, len(won), len(pairs), one)
    if len(own):
        best = own.sort_values("difference", ascending=False).iloc[0]
        text = f"{100 * best['difference']:+.1f}".replace("-", "−")
        numbers.append(KeyNumber(f"{text} points", f"TTS against own {short}, most: {best['policy']}", "small-large"))
    if top["cot_flops"] > 0 and top["tts_flops"] > 0 and top["policy"] != top["larger"]:
        label = f"compute of that answer against {top['larger']}’s"
        numbers.append(KeyNumber(f"{_factor(top['tts_flops'] / top['cot_flops'])}×", label, "flops"))
    claims = study.table("claims")
    if len(claims):
        tested = claims[(claims["verdict"] != "not run") & claims["needs"].isna()]
        label = f"of {len(tested)} claims tested hold; {len(claims) - len(tested)} need other models"
        numbers.append(KeyNumber(str(int((tested["verdict"] == "holds").sum())), label, "claims"))
    return Answer(benchmark, (first, second), tuple(numbers))


def _factor(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 99.5 else f"{ratio:.2g}"


def _cost(top: pd.Series, won: int, pairs: int, one: str) -> str:
    """What the comparison of the first sentence costs, and how many such comparisons there are."""
    count = f"{won} of {pairs} pairs of a smaller with a larger policy are won (Holm-corrected)." if pairs else ""
    ours, theirs = top["tts_flops"], top["cot_flops"]
    if not (ours > 0 and theirs > 0):
        return (
            f"That takes {_method(top)}; how many FLOPs is not known, since token or parameter counts are missing."
            + (f" In all, {count}" if pairs else "")
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
    names = {"majority": "majority voting", "best_of_n": "best-of-N", "beam_search": "beam search", "dvts": "DVTS"}
    return f"{names.get(top['method'], top['method'])}, mostly, at N = {int(top['budget'])}"
