"""What a study can tell before it runs: the difference that each primary claim can detect, and what that would take.

Two methods answer the same n problems; on a share d of them one is right and the other is not, and their accuracies
differ by D. The test that no problem favours either (McNemar's) detects D with power B at level a where

    D sqrt(n) = z(1 - a/2) sqrt(d) + z(B) sqrt(d - D^2)

(Connor 1987, Biometrics 43, 207-211). d is not known before the run: two values bound it. A claim on the order of K
policies or PRMs is tested against all K! orders, so no result can be rarer than 2 / K!.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import factorial, isnan, nan, sqrt
from statistics import NormalDist
from typing import NamedTuple

from ttstudy.analysis.claims import CLAIMS
from ttstudy.analysis.definitions import MARGIN, SIGNIFICANT

POWER = 0.8
"""Chance that a difference of the size told is found."""
DIFFER = (0.1, 0.3)
"""Shares of problems on which two methods differ: methods that are much alike, and ones that are not."""


class Tells(NamedTuple):
    """What a primary claim can tell: of problems, the detectable differences for `DIFFER`; of units, if any can."""

    claim: int
    title: str
    unit: str
    size: int
    """Problems of the smallest benchmark that it is tested on, or policies, or PRMs."""
    benchmark: str
    detects: tuple[float, float] = (nan, nan)
    """Differences of accuracies, corrected for the number of primary claims; missing where none is found."""
    takes: tuple[int, int] = (0, 0)
    """Problems that a difference of `MARGIN` would take; or units for any order to be beyond chance, twice."""


def detectable(problems: int, differ: float, level: float) -> float:
    """The smallest difference that is found with `POWER`; NaN where even the largest, `differ` itself, is not."""
    one, two = NormalDist().inv_cdf(1 - level / 2), NormalDist().inv_cdf(POWER)
    under = problems * one**2 - (problems + two**2) * (one**2 - two**2)
    found = sqrt(differ) * (sqrt(problems) * one + sqrt(max(under, 0.0))) / (problems + two**2)
    return found if found <= differ else nan


def needed(difference: float, differ: float, level: float) -> int:
    """Problems that it takes to find a difference with `POWER`."""
    one, two = NormalDist().inv_cdf(1 - level / 2), NormalDist().inv_cdf(POWER)
    root = (one * sqrt(differ) + two * sqrt(max(differ - difference**2, 0.0))) / difference
    return int(root**2) + 1


def fewest(level: float) -> int:
    """Policies or PRMs of which one order in both directions is rarer than `level`."""
    count = 2
    while 2 / factorial(count) >= level:
        count += 1
    return count


def primary(claims: Sequence[int], problems: Mapping[str, int], policies: int, prms: int) -> list[Tells]:
    """What each primary claim can tell; `problems` by benchmark, in the study's order.

    Levels are Holm's strictest: that of the first of all these claims. Those that no study tests are left out.
    """
    tested = [CLAIMS[number] for number in sorted(claims) if CLAIMS[number].study is not None]
    level = SIGNIFICANT / max(1, len(tested))
    found = []
    for claim in tested:
        if claim.unit != "problems":
            count, least = (policies if claim.unit == "policies" else prms), fewest(level)
            found.append(Tells(claim.number, claim.title, claim.unit, count, "", takes=(least, least)))
            continue
        names = [name for name in claim.on if name in problems] or [max(problems, key=lambda name: problems[name])]
        smallest = min(names, key=lambda name: problems[name])
        detects = tuple(detectable(problems[smallest], differ, level) for differ in DIFFER)
        takes = tuple(needed(MARGIN, differ, level) for differ in DIFFER)
        found.append(
            Tells(claim.number, claim.title, claim.unit, problems[smallest], smallest, detects, takes)  # type: ignore[arg-type]
        )
    return found


def words(one: Tells) -> tuple[str, str, str]:
    """What it is tested on, what it can detect, and what more would take: as the plan says it."""
    if one.unit != "problems":
        can = "a perfect order" if one.size >= one.takes[0] else "nothing: no order of so few is beyond chance"
        return f"{one.size} {one.unit}", can, f"{one.takes[0]} {one.unit} at least"
    low, high = (f"{100 * found:.1f}" for found in one.detects)
    can = f"{low} to {high} points"
    if isnan(one.detects[0]):
        can = f"{high} points, if the sides differ much" if not isnan(one.detects[1]) else "nothing: too few problems"
    takes = f"{one.takes[0]:,} to {one.takes[1]:,}"
    return f"{one.size} problems of {one.benchmark}", can, takes


def heading() -> str:
    """Over what more would take."""
    return f"{100 * MARGIN:g} points would take"


def footnote(claims: int) -> str:
    """What the numbers of so many claims rest on."""
    low, high = (f"{100 * differ:g}" for differ in DIFFER)
    return (
        f"With {100 * POWER:g} % power, corrected for {claims} primary claims (Holm), where {low} to {high} % of the "
        "problems are answered right by one side alone. What another draw would change is in it; what training a model "
        "again would change is not."
    )
