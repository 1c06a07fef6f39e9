"""Equations, inequalities and membership: what stands at either side of a sign, and the name that an answer has."""

from __future__ import annotations

import re
from collections.abc import Callable

from ttstudy.answers import expressions as ex
from ttstudy.answers.forms import Equation, Form, Inequality, Items, Named, Value
from ttstudy.answers.formulas import read, read_one
from ttstudy.answers.sets import join, solve
from ttstudy.answers.tokens import RELATIONS, Token, Unread, closes, split_top

Compose = Callable[[list[Token]], Form]
_COMMANDS = (r"\gcd", r"\lcm", r"\min", r"\max", r"\deg", r"\Pr", r"\phi", r"\sigma", r"\tau")
"""Functions whose value is asked for by name."""
_IN_NAMES = frozenset({
    "(", ")", "+", "_", "{", "}", ",", "|", "'",
    r"\angle", r"\triangle", r"\overline", r"\{", r"\}", r"\prime", r"\measuredangle", "^", "-",
    r"\cdot", "*", "/", r"\vec", r"\hat", r"\det", r"\min", r"\max",
})  # fmt: skip
"""What may stand in a name beside symbols."""


def related(tokens: list[Token], compose: Compose) -> Form | None:
    """Equations, inequalities, chains of them, and membership; None for anything else. `compose` reads a side."""
    pieces = split_top(tokens, lambda token: token.text in RELATIONS and token.kind in ("op", "cmd"))
    if len(pieces) == 1:
        return None
    signs = [RELATIONS[mark.text] for _, mark in pieces if mark]
    sides = [piece for piece, _ in pieces]
    if signs[-1] == "in":
        return Named(_name(sides[-2]) or "", compose(sides[-1]))
    if set(signs) == {"="}:
        return _equation(sides, compose)
    if "=" in signs or "in" in signs:
        raise Unread("mixed relations")
    return _inequalities(sides, signs)


def _names_a_value(tokens: list[Token]) -> bool:
    r"""Say whether these are no equation's side but what is asked for: `P(X>2)`, `\gcd(12,18)`, `\frac{AB}{CD}`."""
    first, texts = tokens[0], [token.text for token in tokens]
    if len(tokens) > 3 and texts[1] in ("(", "[") and closes(tokens[1:]):
        return first.kind == "text" or first.text in _COMMANDS or first.kind == "symbol" and first.text.isupper()
    if r"\bmod" in texts[1:-1]:
        return texts.index(r"\bmod") == len(texts) - 2
    letters = [token for token in tokens if token.kind != "op" and token.text not in (r"\frac", r"\overline")]
    return first.text == r"\frac" and all(token.kind == "symbol" and token.text.isupper() for token in letters)


def _without_area_brackets(tokens: list[Token]) -> list[Token]:
    """`[ABC]`, the area of ABC, as the letters."""
    inner = tokens[1:-1]
    area = sum(len(token.text) for token in inner) > 2 and tokens[0].text + tokens[-1].text == "[]"
    return inner if area and all(token.kind == "symbol" and token.text.isupper() for token in inner) else tokens


def _name(tokens: list[Token]) -> str | None:
    """Name that stands for the answer: a variable, f(x), a sum or tuple of variables, words; else None."""
    tokens = _without_area_brackets(tokens)
    texts = [token.text for token in tokens]
    if not tokens or any(token.kind == "number" for token in tokens[:1]):
        return None
    if match := re.fullmatch(r"\\frac\{d\^?\d?([a-zA-Z])\}\{d([a-zA-Z])\^?\d?\}", "".join(texts)):
        return match[0]
    while texts[0] in (r"\overline", r"\vec", "m") and len(tokens) > 1 and (
        texts[0] != "m" or texts[1] == r"\angle"
    ):
        # A segment and its length, an angle and its measure go by one name.
        tokens, texts = tokens[1:], texts[1:]
    while len(tokens) > 2 and texts[0] == "{" and texts[-1] == "}":
        tokens, texts = tokens[1:-1], texts[1:-1]
    if all(token.kind == "text" for token in tokens):
        return " ".join(texts).casefold()
    if _names_a_value(tokens):
        return "".join(texts)
    for at, token in enumerate(tokens):
        if (
            token.kind == "symbol"
            or token.kind == "cmd"
            and re.fullmatch(r"\\[a-zA-Z]+", token.text)
            and token.text not in (r"\frac", r"\sqrt", r"\pi", r"\pm")
        ):
            continue
        if token.kind == "text" or token.text in _IN_NAMES:
            continue
        if token.kind == "number" and at and ("".join(texts[:at]).endswith(("_", "{", "(", "^", "{-", "(-", ","))):
            continue
        return None
    return "".join(texts)


def _equation(sides: list[list[Token]], compose: Compose) -> Form:
    name = _name(sides[0])
    last = sides[-1]
    if len(sides) == 2 and (plain := _two_sided(sides, name, compose)) is not None:
        return plain
    chain = [_name(side) for side in sides[:-1]]
    if len(set(chain)) > 1 and all(len(side) == 1 and side[0].kind == "symbol" for side in sides[:-1]):
        # x = y = z = 0 gives each its value.
        form = compose(last)
        return Items(tuple(Named(variable or "", form) for variable in chain), braces=False)
    applied = _applied(sides[0]) or (name or "").startswith(r"\frac{d")
    if name is not None and not (len(sides) == 2 and not applied and _mentions(last, sides[0])):
        form = compose(last)
        return Named(name, form)
    nodes = [read(side) for side in sides]
    if any(len(node) > 1 for node in nodes):
        raise Unread("plus-minus in an equation")
    first = [node[0] for node in nodes]
    if all(not ex.symbols(node) for node in first):
        if len(set(first)) > 1 and not all(ex.add(first[-1], ex.negate(node)) == ex.ZERO for node in first):
            raise Unread("sides that differ")
        return Value(first[-1])
    if len(first) > 2:
        raise Unread("chain of equations")
    return Equation(ex.add(first[0], ex.negate(first[1])))


def _applied(tokens: list[Token]) -> bool:
    """Say whether these are a function of something: f(x), f^{-1}(x), a_n(x)."""
    start = next((at for at, token in enumerate(tokens) if token.text == "("), 0)
    marks = {"^", "_", "{", "}", "'", "-", r"\prime"}
    head = all(token.text in marks or token.kind in ("number", "symbol") for token in tokens[1:start])
    return 0 < start and tokens[0].kind == "symbol" and head and tokens[-1].text == ")"


def _two_sided(sides: list[list[Token]], name: str | None, compose: Compose) -> Form | None:
    """Read `5 = x` as `x = 5`; None where the left side is the name."""
    if name is None and (other := _name(sides[1])) is not None and len(sides[1]) <= 4:
        form = compose(sides[0])
        if isinstance(form, Value) and not ex.symbols(form.node):
            return Named(other, form)
    return None


def _mentions(tokens: list[Token], name: list[Token]) -> bool:
    """Say whether the right side speaks of a variable of the left, as in x + y = 2x."""
    variables = {
        token.text
        for at, token in enumerate(name)
        if token.kind == "symbol" and "_" not in [before.text for before in name[max(at - 2, 0) : at]]
    }
    return bool(variables & {token.text for token in tokens if token.kind == "symbol"})


def _inequalities(sides: list[list[Token]], signs: list[str]) -> Form:
    nodes = [read_one(side) for side in sides]
    variables = frozenset().union(*(ex.symbols(node) for node in nodes))
    if len(variables) == 1:
        name = next(iter(variables))
        found = [solve(nodes[k], nodes[k + 1], sign, name) for k, sign in enumerate(signs)]
        solved = [part for part in found if part is not None]
        if len(solved) == len(found):
            return Named(name, join("cap", solved) if len(solved) > 1 else solved[0])
    if len(signs) > 1 or signs[0] == "!=":
        raise Unread("inequalities")
    greater, less = (nodes[0], nodes[1]) if signs[0][0] == ">" else (nodes[1], nodes[0])
    return Inequality(ex.add(greater, ex.negate(less)), strict=len(signs[0]) == 1)
