"""Equations, inequalities and membership; sets of real numbers, which sympy solves for and joins."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import sympy
from sympy import Interval, S

from ttstudy.answers import forms
from ttstudy.answers.algebra import Node
from ttstudy.answers.forms import Form
from ttstudy.answers.formulas import read_one
from ttstudy.answers.tokens import RELATIONS, Token, Unread, split_top

Compose = Callable[[list[Token]], Form]
_RELATIONS = {"<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge, "!=": sympy.Ne}
_CALLED = re.compile(r"(?:\\(?:gcd|lcm|min|max|deg|Pr|phi|sigma|tau)|[A-Z]+|[a-z ]{2,})[(\[].*[)\]]")
"""What is asked for by name, whatever is in its brackets: `P(X>2)`, `\\gcd(12,18)`."""
_ASKED = re.compile(
    r".+\\bmod(?:\d+|[a-z])|\\frac\{?(?:\\overline|[A-Z{}])+|\\frac\{d\^?\d?[a-zA-Z]\}\{d[a-zA-Z]\^?\d?\}"
)
"""Other values that are asked for: `N \\bmod 7`, `\\frac{AB}{CD}`, `\\frac{dy}{dx}`."""
_NAME = re.compile(
    r"(?!\d)(?:\\(?!frac|sqrt|pi(?![a-zA-Z])|[pm]{2}(?![a-zA-Z]))[A-Za-z]+|\\[{}]|[A-Za-z+_{}(),|'^*/ -]"
    r"|(?<=[_{(^,])\d+|(?<=[{(]-)\d+)+"
)


def related(tokens: list[Token], compose: Compose) -> Form | None:
    """Equations, inequalities, chains of them, and membership; None for anything else. `compose` reads a side."""
    pieces = split_top(tokens, lambda token: token.text in RELATIONS and token.kind in ("op", "cmd"))
    if len(pieces) == 1:
        return None
    signs = [RELATIONS[mark.text] for _, mark in pieces if mark]
    sides = [piece for piece, _ in pieces]
    if signs[-1] == "in":
        return forms.named(name_of(sides[-2]) or "", compose(sides[-1]))
    if set(signs) == {"="}:
        return _equation(sides, compose)
    if "=" in signs or "in" in signs:
        raise Unread("mixed relations")
    return _inequalities([read_one(side) for side in sides], signs)


def name_of(tokens: list[Token]) -> str | None:
    """Name that stands for the answer: a variable, f(x), a sum or tuple of variables, words; else None."""
    text = "".join(token.text for token in tokens)
    # A segment and its length, an angle and its measure, a figure and its area [ABC] go by one name.
    text = re.sub(r"^(?:m(?=\\angle)|\\overline|\\vec)", "", text)
    text = re.sub(r"^[{[]([^][{}]*)[]}]$", r"\1", text)
    return text if any(pattern.fullmatch(text) for pattern in (_CALLED, _ASKED, _NAME)) else None


def _equation(sides: list[list[Token]], compose: Compose) -> Form:
    names, last = [name_of(side) for side in sides], sides[-1]
    if len(set(names[:-1])) > 1 and all(len(side) == 1 and side[0].kind == "symbol" for side in sides[:-1]):
        # x = y = z = 0 gives each its value.
        return forms.items(tuple(forms.named(name or "", compose(last)) for name in names[:-1]))
    name = names[0]
    if name is not None:
        # A function's rule may speak of its variable; x + y = 2x gives no value.
        rule = re.match(r"\\frac\{d|[A-Za-z][^(]*\(.*\)$", name)
        own = {token.text for token in _without_subscripts(sides[0]) if token.kind == "symbol"}
        if len(sides) > 2 or rule or not own & {token.text for token in last if token.kind == "symbol"}:
            return forms.named(name, compose(last))
    nodes = [read_one(side) for side in sides]
    if all(node.is_number for node in nodes):
        if any(forms.value(node).keys != forms.value(nodes[-1]).keys for node in nodes):
            raise Unread("sides that differ")
        return forms.value(nodes[-1])
    if len(nodes) > 2:
        raise Unread("chain of equations")
    return forms.equation(nodes[0] - nodes[1])


def _without_subscripts(tokens: list[Token]) -> list[Token]:
    texts = [token.text for token in tokens]
    return [token for at, token in enumerate(tokens) if "_" not in texts[max(at - 2, 0) : at]]


def _inequalities(nodes: list[Node], signs: list[str]) -> Form:
    names = set().union(*(node.free_symbols for node in nodes))
    if len(names) == 1:
        name = names.pop()
        found = [solve(nodes[k], nodes[k + 1], sign, name) for k, sign in enumerate(signs)]
        if None not in found:
            return forms.named(str(name), forms.real_set(sympy.Intersection(*found)))
    if len(signs) > 1 or signs[0] == "!=":
        raise Unread("inequalities")
    greater, less = nodes if signs[0][0] == ">" else nodes[::-1]
    return forms.inequality(greater - less, strict=len(signs[0]) == 1)


def solve(left: Node, right: Node, sign: str, name: Node) -> Any:
    """Set where an inequality holds that is linear, or a polynomial of factors up to squares, absolute values aside.

    None for others: the roots of those take time that nobody bounds.
    """
    if left.has(sympy.oo) or right.has(sympy.oo):
        return S.Reals
    plain = (left - right).replace(sympy.Abs, lambda inner: inner)
    if not plain.is_polynomial(name) or not plain.has(name):
        return None
    polynomial = sympy.Poly(plain, name)
    rational = all(coefficient.is_Rational for coefficient in polynomial.coeffs())
    if polynomial.degree() > 1 and not (rational and all(p.degree() < 3 for p, _ in polynomial.factor_list()[1])):
        return None
    relation = _RELATIONS[sign](left, right)
    if relation in (sympy.true, sympy.false):
        return S.Reals if relation else S.EmptySet
    return sympy.solve_univariate_inequality(relation, name, relational=False)


def as_set(form: Form) -> Any:
    """Read a form as a set of real numbers: an interval, a set of numbers; None where it is none."""
    form = form.bare
    if form.kind == "set":
        return form.inner
    parts = form.inner if form.kind in ("bracket", "items") else (form,)
    if not all(part.kind == "value" and part.inner.is_number for part in parts):
        return None
    nodes = [part.inner for part in parts]
    if form.kind != "bracket":
        return sympy.FiniteSet(*nodes)
    if len(nodes) != 2 or form.name[0] not in "([" or form.name[1] not in ")]":
        return None
    return Interval(*nodes, form.name[0] == "(", form.name[1] == ")")


def join(operation: str, parts: list[Form]) -> Form:
    """Union (`cup`), intersection (`cap`) or difference (`minus`) of forms."""
    sets = [as_set(part) for part in parts]
    if None in sets:
        if operation == "cup" and all(part.braced for part in parts):
            return forms.items(tuple(item for part in parts for item in part.inner), braces=True)
        raise Unread("sets that are not of real numbers")
    return forms.real_set({"cup": sympy.Union, "cap": sympy.Intersection, "minus": sympy.Complement}[operation](*sets))


def can_be_empty(parts: list[Form]) -> bool:
    """Say whether nothing is in all of these sets, or they are no sets of numbers."""
    sets = [as_set(part) for part in parts]
    return None in sets or sympy.Intersection(*sets) is S.EmptySet
