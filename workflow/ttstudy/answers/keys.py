r"""Keys: two answers are equivalent where their keys meet.

Every form has one exact key and some loose ones. The loose keys say what a person may leave out: the unit of
a quantity, the name before an equals sign, the brackets of a tuple, the choice letter's text. Answers are
equivalent where the exact keys are the same, or one's exact key is a loose key of the other; what both state
must agree, so 15 is 15 cm and 15 in, but 15 cm is not 15 in. Symmetric by construction, and each answer is
worked on once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ttstudy.answers import expressions as ex
from ttstudy.answers import forms as fm
from ttstudy.answers import latex, values
from ttstudy.answers.cleaning import clean
from ttstudy.answers.formulas import read
from ttstudy.answers.reading import parse, simple
from ttstudy.answers.sets import settle
from ttstudy.answers.showing import show
from ttstudy.answers.tokens import Unread, tokenize

COMMON = 3
PAIR = re.compile(r"(\d{1,3}),(\d{3})")


@dataclass(frozen=True)
class Keys:
    """Exact key of an answer, and the loose keys of what it says beyond need."""

    exact: str
    loose: frozenset[str] = frozenset()


def meet(one: Keys, other: Keys) -> bool:
    """Say whether two answers are equivalent."""
    if same(one.exact, other.exact):
        return True
    states = {_states(one), _states(other)}
    if states == {"names", "list"} and any(key[0] == "(" for key in one.loose & other.loose):
        # x = 3, y = 2 and the list 3, 2: the values in the order of their names.
        return True
    if states == {"name", "unit"} and one.loose & other.loose:
        # x = 90 and 90 degrees: each leaves out what only the other states.
        return True
    return any(same(one.exact, key) for key in other.loose) or any(
        same(other.exact, key) for key in one.loose
    )


def _states(keys: Keys) -> str:
    """What an answer states beside its value: a name or names without units, a unit, nothing of a list."""
    named = keys.exact.startswith("e:") or keys.exact.startswith("n:") and ":u:" not in keys.exact
    if keys.exact.startswith("{"):
        names = "e:" in keys.exact or "n:" in keys.exact
        return "names" if names else "" if "u:" in keys.exact else "list"
    return "unit" if keys.exact.startswith("u:") else "name" if named else ""


def same(one: str, other: str) -> bool:
    """Same key, or the same values at all points where both have one (three at least)."""
    if one == other:
        return True
    if not (one.startswith("v:") and other.startswith("v:")) or "?" not in one + other:
        return False
    pairs = [
        (a, b) for a, b in zip(one[2:].split("|"), other[2:].split("|"), strict=False) if "?" not in (a, b)
    ]
    return len(pairs) >= COMMON and all(a == b for a, b in pairs)


def keys_of(
    answer: str, *, numeric: bool = False, fallback: Callable[[str], str | None] | None = None
) -> Keys:
    """Keys of an answer as written.

    With `numeric` off only exact arithmetic is done, in bounded time; raises `values.Undecided` where more is
    needed. With it on (in a worker) values are taken to 150 digits; `fallback` reads text that our rules do
    not.
    """
    keys = _Keys(numeric, fallback).of(parse(answer))
    return _or_list(keys, clean(answer))


def plain_keys(answer: str) -> Keys | None:
    """Keys of a plain number, which any process may work out; None for all other text."""
    text = clean(answer)
    number = simple(text)
    return None if number is None else _or_list(Keys(values.shown_fraction(number)), text)


def _or_list(keys: Keys, text: str) -> Keys:
    """A number with one comma may be a list of two: 3,100 is also 3 and 100."""
    pair = PAIR.fullmatch(text)
    if pair is None:
        return keys
    parts = [values.shown_fraction(Fraction(part)) for part in pair.groups()]
    return Keys(keys.exact, keys.loose | {_unordered(parts, braces=False)})


class _Keys:
    def __init__(self, numeric: bool, fallback: Callable[[str], str | None] | None) -> None:
        self.numeric, self.fallback = numeric, fallback

    def leaf(self, node: ex.Node) -> str:
        if node[0] == "n":
            return values.shown_fraction(node[1])
        if node == ex.symbol("infty"):
            return "+inf"
        if node == ex.negate(ex.symbol("infty")):
            return "-inf"
        try:
            return values.sample(node, numeric=self.numeric)
        except (OverflowError, ValueError):
            return f"t:{latex.show(node)}"

    def sampled(self, node: ex.Node) -> frozenset[str]:
        """Values of a variable, which is its own key: formulas that amount to it have these."""
        if node[0] != "s" or node[1] in ex.CONSTANTS:
            return frozenset()
        return frozenset((values.texts(values.values(node, numeric=False), complex_values=False),))

    def scaled(self, node: ex.Node, *, signed: bool) -> str:
        try:
            return values.sample_up_to_factor(node, numeric=self.numeric, signed=signed)
        except (OverflowError, ValueError):
            return f"t:{latex.show(node)}"

    def of(self, form: fm.Form) -> Keys:
        match form:
            case fm.Value(node):
                return Keys(self.leaf(node), self.sampled(node))
            case fm.Quantity(inner, written, base, size):
                loose = {self.leaf(inner.node)}
                if len(written) == 1:
                    # "5 m" with a bare letter looks like five times m.
                    loose.add(self.leaf(ex.mul(inner.node, ex.symbol(written))))
                return Keys(f"u:{base}:{self.leaf(ex.mul(inner.node, ex.number(size)))}", frozenset(loose))
            case fm.Based(digits, base):
                return Keys(f"b:{base}:{digits}")
            case fm.Words("no solution" | "no real solution" as words):
                return Keys(f"w:{words}", frozenset((_unordered([], braces=True), "w:no solution")))
            case fm.Words(words, letters):
                return Keys(
                    f"w:{words}", frozenset() if letters is None else frozenset((self.leaf(letters),))
                )
            case fm.Choice(letter, beside):
                loose = {f"s:{letter}"}
                if beside is not None:
                    side = self.of(beside)
                    loose |= {side.exact, *side.loose}
                return Keys(f"choice:{letter}", frozenset(loose))
            case fm.Bracket(opening, closing, items):
                return self.bracket(opening, closing, items)
            case fm.Items(items, braces):
                return self.items(items, braces)
            case fm.Named(name, inner):
                return self.named(name, inner)
            case fm.Equation(node):
                return Keys(f"e:{self.scaled(node, signed=False)}")
            case fm.Inequality(node, strict):
                return Keys(f"i:{strict}:{self.scaled(node, signed=True)}")
            case fm.RealSet(pieces):
                return self.real_set(pieces)
            case fm.SetExpression():
                return self.set_expression(form)
            case fm.Matrix(rows):
                return self.matrix(rows)
            case fm.Ratio(parts):
                first = parts[0]
                shares = [self.leaf(ex.divide(part, first)) for part in parts] if first != ex.ZERO else ["0"]
                loose = (
                    {self.leaf(ex.divide(first, parts[1]))}
                    if len(parts) == 2 and parts[1] != ex.ZERO
                    else set()
                )
                return Keys(f"ratio:{':'.join(shares)}", frozenset(loose))
            case fm.Clock(hours, minutes):
                ratio = fm.Ratio((ex.number(hours), ex.number(minutes)))
                return Keys(f"clock:{hours}:{minutes:02d}", frozenset((self.of(ratio).exact,)))
            case fm.Opaque(text):
                return self.opaque(text)

    def plain(self, items: tuple[fm.Form, ...]) -> tuple[list[str], list[str]]:
        """Exact keys of items, and their keys without units and names."""
        found = [self.of(item) for item in items]
        bare = [{key for key in one.loose if key[:2] not in ("e:", "n:")} for one in found]
        return [one.exact for one in found], [
            one.exact if _is_set(item) else min(loose, default=one.exact)
            for item, one, loose in zip(items, found, bare, strict=True)
        ]

    def bracket(self, opening: str, closing: str, items: tuple[fm.Form, ...]) -> Keys:
        exact, plain = self.plain(items)
        loose = set() if exact == plain else {_ordered(opening, closing, plain)}
        if opening == "<":
            loose.add(_ordered("(", ")", exact))
        return Keys(_ordered(opening, closing, exact), frozenset(loose))

    def items(self, items: tuple[fm.Form, ...], braces: bool) -> Keys:
        exact, plain = self.plain(items)
        names = [item.name for item in items if isinstance(item, fm.Named)]
        if not braces and len(names) == len(items):
            # Of several names the values stand in the order of the names: y = 3, x = 2 is (2, 3).
            order = sorted(range(len(items)), key=lambda k: _place(names[k]))
            exact, plain = [exact[k] for k in order], [plain[k] for k in order]
        loose = set() if exact == plain else {_unordered(plain, braces), _ordered("(", ")", plain)}
        if len({item.name.partition("_")[0] for item in items if isinstance(item, fm.Named)}) > 1:
            # Values of several names have an order: x = 3, y = 2 is not 2, 3 (but x_1 and x_2 are roots of one x).
            loose.discard(_unordered(plain, braces))
        without_units = tuple(
            fm.Named(item.name, item.form.value)
            if isinstance(item, fm.Named) and isinstance(item.form, fm.Quantity)
            else item
            for item in items
        )
        if without_units != items:
            loose.add(_unordered(self.plain(without_units)[0], braces))
        if not braces and len(items) > 1:
            loose.add(_ordered("(", ")", exact))
        if not braces and len(items) == 1 or len(set(plain)) == 1 and not _is_set(items[0]):
            loose.add(exact[0] if len(set(exact)) == 1 else plain[0])
        return Keys(_unordered(exact, braces), frozenset(loose))

    def named(self, name: str, inner: fm.Form) -> Keys:
        found = self.of(inner)
        loose = frozenset((found.exact, *found.loose))
        if not name:
            return found
        if isinstance(inner, fm.Quantity):
            loose |= {self.named(name, inner.value).exact}
        if isinstance(inner, fm.Value) and (residue := _residue(inner.node)):
            loose |= {residue}
        names = name.strip("()").split(",")
        if isinstance(inner, fm.Bracket) and len(names) == len(inner.items) > 1:
            parts = tuple(fm.Named(*pair) for pair in zip(names, inner.items, strict=True))
            return Keys(self.items(parts, braces=False).exact, loose)
        if isinstance(inner, fm.Value):
            try:
                sides = read(tokenize(name))
                difference = ex.add(sides[0], ex.negate(inner.node))
                return Keys(f"e:{self.scaled(difference, signed=False)}", loose)
            except (Unread, ZeroDivisionError, OverflowError):
                pass
        return Keys(f"n:{name}:{found.exact}", loose)

    def piece(self, piece: fm.Piece) -> str:
        low, high, from_low, to_high = piece
        ends = ("-inf" if low is None else self.leaf(low), "+inf" if high is None else self.leaf(high))
        if ends[0] == ends[1]:
            return _unordered(ends[:1], braces=True)
        return _ordered("[" if from_low else "(", "]" if to_high else ")", ends)

    def real_set(self, pieces: tuple[fm.Piece, ...]) -> Keys:
        if pieces and all(low is not None and low == high for low, high, _, _ in pieces):
            return self.items(tuple(fm.Value(low) for low, _, _, _ in pieces if low is not None), braces=True)
        if len(pieces) == 1:
            return Keys(self.piece(pieces[0]))
        if not pieces:
            return Keys(_unordered([], braces=True))
        return Keys("U:" + " ".join(sorted(map(self.piece, pieces))))

    def set_expression(self, form: fm.SetExpression) -> Keys:
        if not self.numeric:
            raise values.Undecided
        from mpmath import mp

        def number(node: ex.Node) -> Any:
            value = values.evaluate(node, {})
            fraction = values.rational(value)
            with mp.workdps(values.SHOWN):
                return (
                    +mp.re(value) if fraction is None else mp.mpf(fraction.numerator) / fraction.denominator
                )

        try:
            settled = settle(form, number)
            if settled is not None:
                return self.of(settled)
        except (OverflowError, ValueError):
            pass
        return Keys(f"t:{show(form)}")

    def matrix(self, rows: tuple[tuple[ex.Node, ...], ...]) -> Keys:
        cells = [[self.leaf(cell) for cell in row] for row in rows]
        loose = set()
        if len(cells) == 1 or len(cells[0]) == 1:
            flat = [cell for row in cells for cell in row]
            loose = {_ordered("(", ")", flat), _ordered("<", ">", flat)} if len(flat) > 1 else {flat[0]}
        return Keys("m:" + ";".join(",".join(row) for row in cells), frozenset(loose))

    def opaque(self, text: str) -> Keys:
        if self.fallback is not None:
            found = self.fallback(text)
            if found is not None:
                return Keys(found)
        elif not self.numeric and needs_algebra(text):
            raise values.Undecided
        return Keys(f"t:{''.join(text.split())}")


def _residue(node: ex.Node) -> str | None:
    """Key of the residue that a linear form in a whole number stands for, 3k + 1; None for other nodes."""
    terms = [ex.split(term) for term in ex.terms(node)]
    slopes = [slope for slope, rest in terms if rest[0] == "s" and rest[1] in values.WHOLE]
    consts = [size for size, rest in terms if rest == ex.ONE]
    whole = all(size.denominator == 1 for size, _ in terms)
    if not whole or len(slopes) != 1 or len(slopes) + len(consts) != len(terms) or abs(slopes[0]) < 2:
        return None
    modulus = abs(int(slopes[0]))
    return f"w:{int(sum(consts)) % modulus} mod {modulus}"


def _is_set(form: fm.Form) -> bool:
    """Say whether a form is a set: a set of it is another one."""
    return isinstance(form, fm.Items) and form.braces or isinstance(form, fm.RealSet | fm.Bracket)


def _place(name: str) -> tuple[bool, str]:
    """Place of a name among others: by the alphabet, Greek letters last."""
    return name.startswith("\\"), name.lower()


UNFINISHED = (r"\text", r"\$", r"\ldots", "...", "?")
"""Marks of a text that a larger system would read a part of."""


def needs_algebra(text: str) -> bool:
    """Say whether text that our rules do not read may be mathematics for a larger system: no words in it."""
    if len(text) > 300 or text.count("{") > 60 or any(mark in text for mark in UNFINISHED):
        return False
    bare = re.sub(r"\\[A-Za-z]+", " ", text)
    return not re.search(r"[A-Za-z]{3}", bare) and bool(re.search(r"[\dA-Za-z]", bare)) and "\\" in text


def _ordered(opening: str, closing: str, items: list[str] | tuple[str, ...]) -> str:
    return f"{opening}{';'.join(items)}{closing}"


def _unordered(items: list[str] | tuple[str, ...], braces: bool) -> str:
    return "{" + ";".join(sorted(set(items) if braces else items)) + "}"
