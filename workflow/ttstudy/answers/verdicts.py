r"""Verdicts and vote classes from keys, and the keys of plain numbers: all that the parent process works out itself.

Every answer has one exact key and some loose ones, which say what a person may leave out: the unit of a quantity, the
name before an equals sign, the brackets of a tuple, the choice letter's text. Answers are equivalent where the exact
keys are the same, or one's exact key is a loose key of the other; what both state must agree, so 15 is 15 cm and 15 in,
but 15 cm is not 15 in. Symmetric by construction, and each answer is worked on once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ttstudy.answers.cleaning import clean

COMMON = 3
"""Points at which two formulas must have values to be compared."""
_INTEGER = re.compile(r"([+-]?)\s*(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?\.?")
_FRACTION = re.compile(r"([+-]?)\s*(?:\\frac\s*\{\s*([+-]?)\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|(\d+)\s*/\s*(\d+))")
_PAIR = re.compile(r"(\d{1,3}),(\d{3})")


@dataclass(frozen=True)
class Keys:
    """Exact key of an answer, and the loose keys of what it says beyond need."""

    exact: str
    loose: frozenset[str] = frozenset()


def simple(text: str) -> Fraction | None:
    """Exact value of a plain integer, decimal or fraction of integers, else None: most answers end here."""
    if len(text) > 200:
        return None
    if (match := _INTEGER.fullmatch(text)) and (match[2] or match[3]):
        number = Fraction((match[2] or "0").replace(",", "") + (match[3] or ""))
        return -number if match[1] == "-" else number
    if (match := _FRACTION.fullmatch(text)) and int(match[4] or match[6]):
        number = Fraction(int(match[3] or match[5]), int(match[4] or match[6]))
        return -number if (match[1] == "-") != (match[2] == "-") else number
    return None


def number_key(value: Fraction) -> str:
    """Key of an exact value."""
    return f"q:{value.numerator:x}/{value.denominator:x}"


def show_number(value: Fraction) -> str:
    """A rational number as LaTeX, lowest terms."""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{'-' if value < 0 else ''}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def ordered(opening: str, closing: str, items: Sequence[str]) -> str:
    """Key of items in order."""
    return f"{opening}{';'.join(items)}{closing}"


def unordered(items: Sequence[str], *, braces: bool) -> str:
    """Key of items in any order; in braces repeats do not count."""
    return "{" + ";".join(sorted(set(items) if braces else items)) + "}"


def plain_keys(answer: str) -> Keys | None:
    """Keys of a plain number; None for all other text. A number with one comma may be two: 3,100 is also 3 and 100."""
    text = clean(answer)
    if (number := simple(text)) is None:
        return None
    pair = _PAIR.fullmatch(text)
    parts = [number_key(Fraction(part)) for part in pair.groups()] if pair else []
    return Keys(number_key(number), frozenset((unordered(parts, braces=False),) if parts else ()))


def meet(one: Keys, other: Keys) -> bool:
    """Say whether two answers are equivalent."""
    states = {_states(one), _states(other)}
    if states == {"names", "list"} and any(key[0] == "(" for key in one.loose & other.loose):
        # x = 3, y = 2 and the list 3, 2: the values in the order of their names.
        return True
    if states == {"name", "unit"} and one.loose & other.loose:
        # x = 90 and 90 degrees: each leaves out what only the other states.
        return True
    looser = [(one.exact, key) for key in other.loose] + [(other.exact, key) for key in one.loose]
    return any(same(*pair) for pair in [(one.exact, other.exact), *looser])


def _states(keys: Keys) -> str:
    """What an answer states beside its value: a name or names without units, a unit, nothing of a list."""
    if keys.exact.startswith("{"):
        names = "e:" in keys.exact or "n:" in keys.exact
        return "names" if names else "" if "u:" in keys.exact else "list"
    named = keys.exact.startswith("e:") or keys.exact.startswith("n:") and ":u:" not in keys.exact
    return "unit" if keys.exact.startswith("u:") else "name" if named else ""


def same(one: str, other: str) -> bool:
    """Same key, or the same values at all points where both have one (three at least)."""
    if one == other:
        return True
    if not (one.startswith("v:") and other.startswith("v:")) or "?" not in one + other:
        return False
    pairs = [(a, b) for a, b in zip(one[2:].split("|"), other[2:].split("|"), strict=False) if "?" not in (a, b)]
    return len(pairs) >= COMMON and all(a == b for a, b in pairs)


def classes(keys: Sequence[Keys]) -> list[int]:
    """Class number of each answer, by its keys: 0, 1, ... in order of first appearance.

    Answers with the same exact key are one class. A class whose answers leave something out (a unit, a name)
    joins the one that states it, where just one does: then, and only then, is it clear what was left out. The
    classes depend neither on the order of the answers nor on how many there are of each.
    """
    exact = sorted({key.exact for key in keys})
    parent = {key: key for key in exact}

    def root(key: str) -> str:
        while parent[key] != key:
            key = parent[key]
        return key

    formulas = [key for key in exact if key.startswith("v:")]
    for key in (key for key in formulas if "?" in key):
        for other in formulas:
            if same(key, other) and root(key) != root(other):
                parent[max(root(key), root(other))] = min(root(key), root(other))
    stated: dict[str, set[str]] = defaultdict(set)
    for key in set(keys):
        for loose in key.loose:
            if loose in parent and root(loose) != root(key.exact):
                stated[root(loose)].add(root(key.exact))
    spoken = {key.exact: key for key in keys}
    for bare, fuller in sorted(stated.items()):
        full = sorted({root(key) for key in fuller})
        # x = 90 and 90 degrees state different things of one answer; 15 cm and 15 in of two.
        if all(meet(spoken[one], spoken[other]) for at, one in enumerate(full) for other in full[:at]):
            for key in full:
                if root(bare) != root(key):
                    parent[root(bare)] = root(key)
    numbers: dict[str, int] = {}
    return [numbers.setdefault(root(key.exact), len(numbers)) for key in keys]
