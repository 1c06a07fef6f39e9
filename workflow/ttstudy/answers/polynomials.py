"""Polynomials in one variable: coefficients and real roots, exactly."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from math import isqrt, lcm

from ttstudy.answers.expressions import HALF, ONE, Node, add, number, power, scale, split, symbol, terms

MOST = 1_000
"""Candidates for a rational root that are tried."""


def coefficients(node: Node, name: str) -> list[Fraction] | None:
    """Coefficients of a polynomial of degree 1 to 12 in one variable, lowest first; None for other nodes."""
    found: dict[int, Fraction] = {}
    for term in terms(node):
        coefficient, rest = split(term)
        if rest == ONE:
            degree = 0
        elif rest == symbol(name):
            degree = 1
        elif rest[0] == "^" and rest[1] == symbol(name) and rest[2][0] == "n":
            degree = rest[2][1]
        else:
            return None
        if degree.denominator != 1 or not 0 <= degree <= 12:
            return None
        found[int(degree)] = coefficient
    top = max(found, default=0)
    return [found.get(degree, Fraction(0)) for degree in range(top + 1)] if top else None


def real_roots(polynomial: list[Fraction]) -> list[tuple[Node, int]] | None:
    """Real roots, in order, each with its count; None where one is neither rational nor a quadratic's."""
    rest = list(polynomial)
    counts: dict[Fraction, int] = {}
    for root in _rational_roots(rest):
        while len(rest) > 1 and not _value_at(rest, root):
            counts[root] = counts.get(root, 0) + 1
            rest = _divided(rest, root)
    roots = [(float(root), number(root), count) for root, count in counts.items()]
    if len(rest) == 3:
        c, b, a = rest
        discriminant = b * b - 4 * a * c
        if discriminant > 0:
            root, middle = power(number(discriminant), number(HALF)), -b / (2 * a)
            for share in (1 / (2 * a), -1 / (2 * a)):
                about = float(middle) + float(share) * float(discriminant) ** 0.5
                roots.append((about, add(number(middle), scale(share, root)), 1))
    elif len(rest) != 1:
        return None
    roots.sort(key=lambda root: root[0])
    if any(second[0] - first[0] < 1e-9 for first, second in zip(roots, roots[1:], strict=False)):
        return None
    return [(node, count) for _, node, count in roots]


def _value_at(polynomial: list[Fraction], x: Fraction) -> Fraction:
    return reduce(lambda value, coefficient: value * x + coefficient, reversed(polynomial), Fraction(0))


def _divided(polynomial: list[Fraction], root: Fraction) -> list[Fraction]:
    quotient: list[Fraction] = []
    for coefficient in reversed(polynomial[1:]):
        quotient.append(coefficient + (quotient[-1] * root if quotient else 0))
    return quotient[::-1]


def _rational_roots(polynomial: list[Fraction]) -> list[Fraction]:
    """Candidates p/q for rational roots that are roots; none where the numbers are too large to try."""
    common = lcm(*(coefficient.denominator for coefficient in polynomial))
    whole = [int(coefficient * common) for coefficient in polynomial]
    found = [Fraction(0)] if not whole[0] else []
    while not whole[0]:
        whole = whole[1:]
    if max(abs(whole[0]), abs(whole[-1])) > 10**6:
        return found
    above_all, below_all = _divisors(whole[0]), _divisors(whole[-1])
    if len(above_all) * len(below_all) > MOST:
        return found
    tried = {
        Fraction(sign * above, below)
        for above in above_all
        for below in below_all
        for sign in (1, -1)
    }
    return found + [root for root in sorted(tried) if not _value_at(polynomial, root)]


def _divisors(value: int) -> list[int]:
    value = abs(value)
    small = [k for k in range(1, isqrt(value) + 1) if value % k == 0]
    return small + [value // k for k in small]
