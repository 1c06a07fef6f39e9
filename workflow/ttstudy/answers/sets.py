"""Sets of real numbers: inequalities solved, unions, intersections and differences worked out."""

from __future__ import annotations

from collections.abc import Callable
from math import e, fsum, pi, prod
from typing import Any

from ttstudy.answers import expressions as ex
from ttstudy.answers.forms import Bracket, Form, Items, Piece, RealSet, SetExpression, Value
from ttstudy.answers.polynomials import coefficients, real_roots
from ttstudy.answers.tokens import Unread

FLIP = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!="}


def solve(left: ex.Node, right: ex.Node, sign: str, name: str) -> Form | None:
    """Solve a linear inequality in one variable, or one in its absolute value; None for others."""
    x = ex.symbol(name)
    for side, other, relation in ((left, right, sign), (right, left, FLIP[sign])):
        if side[:2] == ("f", "abs") and not ex.symbols(other):
            if relation == "!=":
                return None
            first = solve(side[2][0], other, relation, name)
            second = solve(side[2][0], ex.negate(other), FLIP[relation], name)
            if first is None or second is None:
                return None
            return join("cap" if relation[0] == "<" else "cup", [first, second])
    if (
        "infty" in (node[1] for node in (left, right) if node[0] == "s")
        or ex.has(left, "infty")
        or ex.has(right, "infty")
    ):
        return RealSet(((None, None, False, False),))
    difference = ex.add(left, ex.negate(right))
    terms = difference[1] if difference[0] == "+" else (difference,)
    slope = [ex.split(term)[0] for term in terms if ex.split(term)[1] == x]
    rest = [term for term in terms if ex.split(term)[1] != x]
    if len(slope) != 1 or any(ex.symbols(term) for term in rest):
        return _polynomial_set(difference, sign, name)
    root = ex.mul(ex.number(-1 / slope[0]), ex.add(*rest) if rest else ex.ZERO)
    relation = FLIP[sign] if slope[0] < 0 else sign
    closed = relation in ("<=", ">=")
    if relation == "!=":
        return RealSet(((None, root, False, False), (root, None, False, False)))
    return RealSet(((None, root, False, closed),) if relation[0] == "<" else ((root, None, closed, False),))


def as_set(form: Form) -> RealSet | None:
    """Read a form as a set of real numbers: an interval, a set of numbers; None where it is none."""
    if isinstance(form, RealSet):
        return form
    if isinstance(form, Bracket) and len(form.items) == 2 and form.opening in "([" and form.closing in ")]":
        ends = []
        for item in form.items:
            if not isinstance(item, Value) or ex.symbols(item.node):
                return None
            ends.append(None if ex.has(item.node, "infty") else item.node)
        return RealSet(
            (
                (
                    ends[0],
                    ends[1],
                    form.opening == "[" and ends[0] is not None,
                    form.closing == "]" and ends[1] is not None,
                ),
            )
        )
    if isinstance(form, Items):
        nodes = [item.node for item in form.items if isinstance(item, Value) and not ex.symbols(item.node)]
        return RealSet(tuple((node, node, True, True) for node in nodes)) if len(nodes) == len(form.items) else None
    if isinstance(form, Value) and not ex.symbols(form.node):
        return RealSet(((form.node, form.node, True, True),))
    return None


def join(operation: str, parts: list[Form]) -> Form:
    """Union (`cup`), intersection (`cap`) or difference (`minus`) of forms."""
    sets = _sets(parts)
    if sets is None:
        braced = [part for part in parts if isinstance(part, Items) and part.braces]
        if operation == "cup" and len(braced) == len(parts):
            return Items(tuple(item for part in braced for item in part.items), braces=True)
        raise Unread("sets that are not of real numbers")
    form = SetExpression(operation, tuple(sets))
    return settle(form, lambda node: node[1] if node[0] == "n" else None) or form


def _sets(parts: list[Form]) -> list[RealSet | SetExpression] | None:
    """The forms as sets of real numbers; None where one is none."""
    sets = [part if isinstance(part, SetExpression) else as_set(part) for part in parts]
    found = [part for part in sets if part is not None]
    return found if len(found) == len(sets) else None


def can_be_empty(parts: list[Form]) -> bool:
    """Say whether nothing may be in all of these sets: so it is, or their ends' order is not seen at once."""
    sets = _sets(parts)
    if sets is None:
        return True
    met = settle(SetExpression("cap", tuple(sets)), roughly)
    return met is None or not met.pieces


def roughly(node: ex.Node) -> float | None:
    """Value of a sum or product of numbers and roots as a float, None for other nodes."""
    kind = node[0]
    try:
        if kind == "n":
            return float(node[1])
        if kind == "s":
            return {"pi": pi, "e": e}.get(node[1])
        if kind == "^" and (base := roughly(node[1])) is not None and base > 0 and node[2][0] == "n":
            return float(base ** float(node[2][1]))
        if kind in "+*":
            found = [size for part in node[1] if (size := roughly(part)) is not None]
            return None if len(found) < len(node[1]) else fsum(found) if kind == "+" else prod(found)
    except OverflowError:
        return None
    return None


def settle(form: RealSet | SetExpression, number: Callable[[ex.Node], Any]) -> RealSet | None:
    """Write a set expression as separate pieces in order, given the end points' values; None without these.

    The line is cut at all end points; a set is then which points and which gaps it holds.
    """
    points: dict[Any, ex.Node] = {}

    def collect(part: RealSet | SetExpression) -> bool:
        if isinstance(part, SetExpression):
            return all(collect(inner) for inner in part.parts)
        for low, high, _, _ in part.pieces:
            for end in (low, high):
                if end is not None:
                    known = number(end)
                    if known is None:
                        return False
                    points.setdefault(known, end)
        return True

    if not collect(form):
        return None
    order = sorted(points)
    rank = {known: at for at, known in enumerate(order)}

    def cells(part: RealSet | SetExpression) -> set[int]:
        # Cell 2k+1 is point k, cell 2k the gap below it; the last gap reaches to infinity.
        if isinstance(part, SetExpression):
            held = [cells(inner) for inner in part.parts]
            if part.operation == "cup":
                return set().union(*held)
            if part.operation == "cap":
                return set.intersection(*held)
            return held[0].difference(*held[1:])
        found: set[int] = set()
        for low, high, from_low, to_high in part.pieces:
            start = 0 if low is None else 2 * rank[number(low)] + (1 if from_low else 2)
            stop = 2 * len(order) if high is None else 2 * rank[number(high)] + (1 if to_high else 0)
            found |= set(range(start, stop + 1))
        return found

    return _pieces(cells(form), [points[known] for known in order])


def _pieces(held: set[int], ends: list[ex.Node]) -> RealSet:
    """The set that holds these cells: cell 2k+1 is point k of `ends`, cell 2k the gap below it."""
    pieces: list[Piece] = []
    at, last = 0, 2 * len(ends)
    while at <= last:
        if at not in held:
            at += 1
            continue
        end = at
        while end + 1 in held and end < last:
            end += 1
        low = None if at == 0 else ends[(at - 1) // 2]
        high = None if end == last else ends[end // 2 if end % 2 == 0 else (end - 1) // 2]
        pieces.append((low, high, at % 2 == 1, end % 2 == 1))
        at = end + 1
    return RealSet(tuple(pieces))


def _polynomial_set(node: ex.Node, sign: str, name: str) -> RealSet | None:
    """Where a polynomial in one variable is below, above or beside zero; None where its roots are not found."""
    polynomial = coefficients(node, name)
    roots = None if polynomial is None else real_roots(polynomial)
    if polynomial is None or roots is None:
        return None
    positive = polynomial[-1] > 0
    wanted = {"<": (False,), ">": (True,), "!": (False, True)}[sign[0]]
    held: set[int] = set()
    for at in range(len(roots), -1, -1):
        # From above the largest root downwards, each root of odd count turns the sign.
        if positive in wanted:
            held.add(2 * at)
        if at:
            positive ^= roots[at - 1][1] % 2 == 1
            if sign in ("<=", ">="):
                held.add(2 * at - 1)
    return _pieces(held, [root for root, _ in roots])
