r"""Expressions: trees, simplified while they are built.

A node is a tuple: ("n", Fraction) a rational number; ("s", name) a symbol (`pi`, `e`, `i` are the constants);
("+", nodes) and ("*", nodes); ("^", base, exponent); ("f", name, nodes) a function. The constructors `add`,
`mul` and `power` keep one form for what differs only in order, like terms, integer powers, square factors
under roots and short products of sums, so equal trees mean equal values. Unequal trees say nothing:
`values.sample` decides, by the value at fixed points. Everything is bounded (digits, terms, magnitude), so
hostile towers stay unevaluated.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from math import comb, factorial
from typing import Any

BITS = 6_000
TERMS = 64
ZERO, ONE = ("n", Fraction(0)), ("n", Fraction(1))
HALF = Fraction(1, 2)
PI, E, IMAGINARY = ("s", "pi"), ("s", "e"), ("s", "i")
CONSTANTS = {"pi", "e", "i", "infty"}

Node = tuple[Any, ...]
"""A kind and what it has: a number "n", a name "s", terms "+", factors "*", base and exponent "^", a function "f"."""


def number(value: Fraction | int) -> Node:
    """Node of a rational number."""
    return ("n", Fraction(value))


def symbol(name: str) -> Node:
    """Node of a variable or a named constant."""
    return ("s", name)


def function(name: str, *arguments: Node) -> Node:
    """Node of a function, folded where the value is a small exact number."""
    first = arguments[0]
    exact = all(argument[0] == "n" for argument in arguments)
    if exact:
        value = first[1]
        if name == "abs":
            return number(abs(value))
        if name == "floor":
            return number(value.__floor__())
        if name == "ceil":
            return number(value.__ceil__())
        if name == "factorial" and value.denominator == 1 and 0 <= value <= 1000:
            return number(factorial(int(value)))
        if (
            name == "binom"
            and all(a[1].denominator == 1 for a in arguments)
            and 0 <= arguments[1][1] <= value <= 2000
        ):
            return number(comb(int(value), int(arguments[1][1])))
    if name == "exp":
        return power(E, first)
    return ("f", name, tuple(arguments))


def text_of(node: Node) -> str:
    """Sort key of a node: any fixed total order will do."""
    return repr(node)


def term_key(node: Node) -> tuple[Fraction, bool, str]:
    """Place of a term in a sum: by degree, plain numbers before roots; a coefficient makes no difference."""
    _, rest = split(node)
    return -_degree(rest), rest != ONE, repr(rest)


def split(node: Node) -> tuple[Fraction, Node]:
    """Coefficient and rest of a term."""
    if node[0] == "n":
        return node[1], ONE
    if node[0] == "*" and node[1][0][0] == "n":
        rest = node[1][1:]
        return node[1][0][1], rest[0] if len(rest) == 1 else ("*", rest)
    return Fraction(1), node


def add(*nodes: Node) -> Node:
    """Sum, with like terms together."""
    found: dict[Node, Fraction] = {}
    for node in nodes:
        for part in node[1] if node[0] == "+" else (node,):
            coefficient, rest = split(part)
            found[rest] = found.get(rest, Fraction(0)) + coefficient
    parts = [scale(coefficient, rest) for rest, coefficient in found.items() if coefficient]
    if not parts:
        return ZERO
    if len(parts) == 1:
        return parts[0]
    return ("+", tuple(sorted(parts, key=term_key)))


def scale(coefficient: Fraction, node: Node) -> Node:
    """A rational multiple of a node."""
    if coefficient == 1:
        return node
    if node[0] == "n":
        return ("n", node[1] * coefficient)
    if coefficient == 0:
        return ZERO
    if node[0] == "+":
        return ("+", tuple(scale(coefficient * c, rest) for c, rest in map(split, node[1])))
    if node[0] == "*":
        inner, rest = split(node)
        return scale(coefficient * inner, rest) if inner != 1 else ("*", (("n", coefficient), *node[1]))
    return ("*", (("n", coefficient), node))


def negate(node: Node) -> Node:
    """Minus a node."""
    return scale(Fraction(-1), node)


def mul(*nodes: Node) -> Node:
    """Product, with powers of one base together and short products of sums written out."""
    coefficient = Fraction(1)
    powers: dict[Node, Fraction] = {}
    others: list[Node] = []
    queue = list(nodes)
    while queue:
        node = queue.pop()
        if node[0] == "*":
            queue.extend(node[1])
        elif node[0] == "n":
            coefficient *= node[1]
            if too_long(coefficient):
                raise OverflowError("too many digits")
        elif node[0] == "^" and node[2][0] == "n":
            powers[node[1]] = powers.get(node[1], Fraction(0)) + node[2][1]
        elif node[0] == "^":
            others.append(node)
        else:
            powers[node] = powers.get(node, Fraction(0)) + 1
    if not coefficient:
        return ZERO
    factors: list[Node] = []
    exponents: dict[Node, list[Node]] = {}
    for node in others:
        exponents.setdefault(node[1], []).append(node[2])
    for base, parts in exponents.items():
        powers_of_base = powers.pop(base, Fraction(0))
        factors.append(power(base, add(*parts, number(powers_of_base))))
    for base, exponent in powers.items():
        if exponent:
            factors.append(power(base, number(exponent)))
    if any(f[0] in "n*" or f == IMAGINARY and exponents for f in factors):
        folded = Fraction(1)
        rest: list[Node] = []
        for factor in factors:
            inner, left = split(factor)
            folded *= inner
            rest += left[1] if left[0] == "*" else [] if left == ONE else [left]
        coefficient *= folded
        factors = rest
        if len({_base(f) for f in factors}) < len(factors):
            return mul(number(coefficient), *factors)
    sums = [f for f in factors if f[0] == "+"]
    if sums and len(sums) > 1 - (len(factors) > 1) and not any(_below(f) for f in factors):
        if reduce(lambda size, s: size * len(s[1]), sums, 1) <= TERMS:
            plain = [f for f in factors if f[0] != "+"]
            products = [[number(coefficient), *plain]]
            for one in sums:
                products = [[*product, term] for product in products for term in one[1]]
            return add(*(mul(*product) for product in products))
    if not factors:
        return number(coefficient)
    if len(factors) == 1:
        return scale(coefficient, factors[0])
    factors.sort(key=text_of)
    return ("*", tuple(factors)) if coefficient == 1 else ("*", (number(coefficient), *factors))


def terms(node: Node) -> tuple[Node, ...]:
    """Terms of a sum; any other node is its own only term."""
    return node[1] if node[0] == "+" else (node,)


def _base(node: Node) -> Node:
    return node[1] if node[0] == "^" else node


def _below(node: Node) -> bool:
    """Say whether this factor stands under a fraction line together with a sum."""
    return bool(node[0] == "^" and node[1][0] == "+")


def too_long(value: Fraction) -> bool:
    """Say whether a number has more digits than an answer can have."""
    return value.numerator.bit_length() > BITS or value.denominator.bit_length() > BITS


def divide(above: Node, below: Node) -> Node:
    """Quotient; raises ZeroDivisionError where the divisor is the number 0."""
    return mul(above, power(below, number(-1)))


def power(base: Node, exponent: Node) -> Node:
    """Power, exact where base and exponent are small numbers."""
    if exponent == ZERO and base != ZERO:
        return ONE
    if exponent == ONE or base == ONE:
        return base
    if exponent[0] != "n":
        return ("^", base, exponent)
    value = exponent[1]
    whole = value.denominator == 1
    if base[0] == "n":
        return _number_power(base[1], value)
    if base == IMAGINARY and whole:
        return (ONE, IMAGINARY, number(-1), ("*", (number(-1), IMAGINARY)))[int(value) % 4]
    if base[0] == "^" and base[2][0] == "n" and whole:
        return power(base[1], number(base[2][1] * value))
    if base[0] == "^" and base[1] == E and whole:
        return power(E, mul(base[2], exponent))
    if base[0] == "*":
        if whole:
            return mul(*(power(factor, exponent) for factor in base[1]))
        coefficient, rest = split(base)
        if abs(coefficient) != 1:
            # A positive factor may leave a root; a sign may not.
            inside = rest if coefficient > 0 else negate(rest)
            return mul(_number_power(abs(coefficient), value), power(inside, exponent))
    if base[0] == "+" and whole and 2 <= value <= 8 and len(base[1]) ** int(value) <= TERMS:
        return reduce(
            lambda one, other: add(*(mul(a, b) for a in terms(one) for b in terms(other))),
            [base] * int(value),
        )
    if base[0] == "+" and whole and value < 0:
        lead = split(base[1][0])[0]
        if lead != 1:
            # One form for (2x+2)^-1 and (x+1)^-1 / 2.
            return scale(lead ** int(value), ("^", scale(1 / lead, base), exponent))
    return ("^", base, exponent)


def _number_power(base: Fraction, exponent: Fraction) -> Node:
    if base == 0:
        if exponent <= 0:
            raise ZeroDivisionError("zero to a power that is not positive")
        return ZERO
    if exponent.denominator == 1:
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if size * abs(exponent) > BITS:
            return ("^", number(base), number(exponent))
        return number(base ** int(exponent))
    if base < 0:
        if exponent.denominator == 2:
            return mul(power(IMAGINARY, number(exponent.numerator)), _number_power(-base, exponent))
        return ("^", number(base), number(exponent))
    if max(base.numerator, base.denominator) > 10**12 or exponent.denominator > 12 or abs(exponent) > 100:
        return ("^", number(base), number(exponent))
    outside = Fraction(1)
    inside: list[Node] = []
    for part, sign in ((base.numerator, 1), (base.denominator, -1)):
        for prime, count in factors_of(part):
            total = count * sign * exponent
            outside *= Fraction(prime) ** (total // 1)
            if total % 1:
                inside.append(("^", number(prime), number(total % 1)))
    if not inside:
        return number(outside)
    inside.sort(key=text_of)
    root = inside[0] if len(inside) == 1 else ("*", tuple(inside))
    return scale(outside, root)


def factors_of(value: int) -> list[tuple[int, int]]:
    """Prime factors below 10^4 with their counts, and what is left as one more factor."""
    found: list[tuple[int, int]] = []
    prime = 2
    while prime * prime <= value and prime < 10_000:
        count = 0
        while value % prime == 0:
            value //= prime
            count += 1
        if count:
            found.append((prime, count))
        prime += 1 + (prime > 2)
    if value > 1:
        found.append((value, 1))
    return found


def symbols(node: Node) -> frozenset[str]:
    """Names of the variables of a node; constants are not variables."""
    kind = node[0]
    if kind == "s":
        return frozenset() if node[1] in CONSTANTS else frozenset((node[1],))
    if kind == "n":
        return frozenset()
    parts = node[2] if kind == "f" else node[1:] if kind == "^" else node[1]
    return frozenset().union(*(symbols(part) for part in parts))


def has(node: Node, name: str) -> bool:
    """Say whether a symbol (a constant counts) stands anywhere in a node."""
    kind = node[0]
    if kind == "s":
        return bool(node[1] == name)
    if kind == "n":
        return False
    parts = node[2] if kind == "f" else node[1:] if kind == "^" else node[1]
    return any(has(part, name) for part in parts)


def _degree(node: Node) -> Fraction:
    kind = node[0]
    if kind == "s":
        return Fraction(node[1] not in CONSTANTS)
    if kind == "^" and node[2][0] == "n":
        return _degree(node[1]) * Fraction(node[2][1])
    if kind == "*":
        return sum((_degree(factor) for factor in node[1]), Fraction(0))
    return Fraction(0)
