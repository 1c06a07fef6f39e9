"""Values of expressions: exact fractions where they are rational, else 150 digits, at fixed points.

Equal expressions have equal values at every point; the texts of these values are what answers are compared by.
mpmath is imported in the functions that need it: in the worker.
"""

from __future__ import annotations

from fractions import Fraction
from hashlib import blake2b
from typing import Any

from ttstudy.answers.expressions import CONSTANTS, Node, has, symbols, too_long

POINTS = 12
DIGITS = 150
SHOWN = 60
LARGEST = 10**30
Real = Any
"""A fraction, or a number of mpmath, which has no types."""


WHOLE = frozenset("nkm")
"""Names of whole numbers: (-1)^n and cos(n pi) are the same."""


def point(name: str, index: int) -> Fraction:
    """Value of a variable at test point `index`: fixed, rational; above 0 at even points, at odd ones of either sign.

    Of each two letters the signs differ at some point, so that |xy| is not xy; n, k and m are whole.
    """
    digest = blake2b(f"{name}/{index}".encode(), digest_size=8).digest()
    size = Fraction(int.from_bytes(digest[:6], "little") % 41 + 3, 7 if index % 4 < 2 else 11)
    if name in WHOLE:
        size = Fraction(digest[0] % 23 + 2)
    letter = ord(name[0]) % 62 + 1 if len(name) == 1 else digest[7] % 62 + 1
    return -size if index % 2 and letter >> index // 2 & 1 else size


def exact(node: Node, values: dict[str, Fraction]) -> Fraction | None:
    """Exact value of a node of numbers, variables, sums, products and whole powers; None for any other."""
    kind = node[0]
    if kind == "n":
        number: Fraction = node[1]
        return number
    if kind == "s":
        return values.get(node[1])
    if kind == "f":
        return None
    if kind == "^":
        base, exponent = exact(node[1], values), node[2]
        if base is None or exponent[0] != "n" or exponent[1].denominator != 1 or abs(exponent[1]) > 100:
            return None
        if base == 0 and exponent[1] < 0:
            return None
        return Fraction(base ** int(exponent[1]))
    total = Fraction(kind == "*")
    for part in node[1]:
        if (known := exact(part, values)) is None:
            return None
        total = total * known if kind == "*" else total + known
        if too_long(total):
            return None
    return total


# long: one case for each kind of node, a line or two each
def evaluate(node: Node, values: dict[str, Fraction]) -> Real:
    """Value of a node as an mpmath number; OverflowError beyond 10^(10^9), ValueError where it has none."""
    import mpmath
    from mpmath import mp

    def within(value: Real) -> Real:
        size = mp.mag(value) if value and mp.isfinite(value) else 0
        if not mp.isfinite(value):
            raise ValueError("no finite value")
        if abs(size) > 4 * 10**9:
            raise OverflowError("too large to compare by value")
        return value

    functions = {
        "sin": mp.sin,
        "cos": mp.cos,
        "tan": mp.tan,
        "cot": mp.cot,
        "sec": mp.sec,
        "csc": mp.csc,
        "arcsin": mp.asin,
        "arccos": mp.acos,
        "arctan": mp.atan,
        "arccot": mp.acot,
        "arcsec": mp.asec,
        "arccsc": mp.acsc,
        "sinh": mp.sinh,
        "cosh": mp.cosh,
        "tanh": mp.tanh,
        "ln": mp.log,
        "abs": mp.fabs,
        "floor": mp.floor,
        "ceil": mp.ceil,
        "factorial": mp.factorial,
        "binom": mp.binomial,
    }
    noise = mp.mpf(10) ** -120
    periodic = {"sin", "cos", "tan", "cot", "sec", "csc"}

    def value_of(node: Node) -> Real:
        kind = node[0]
        if kind == "n":
            return mp.mpf(node[1].numerator) / node[1].denominator
        if kind == "s":
            if node[1] == "pi":
                return mp.pi + 0
            if node[1] == "e":
                return mp.e + 0
            if node[1] == "i":
                return mp.mpc(0, 1)
            if node[1] == "infty":
                raise ValueError("infinity has no value")
            value = values[node[1]]
            return mp.mpf(value.numerator) / value.denominator
        if kind == "+":
            parts = [value_of(part) for part in node[1]]
            total, largest = mp.fsum(parts), max(abs(part) for part in parts)
            # What is left when equal numbers are subtracted is nothing.
            return within(total if abs(total) > largest * noise else mp.zero)
        if kind == "*":
            return within(mp.fprod([value_of(part) for part in node[1]]))
        if kind == "^":
            base, exponent = value_of(node[1]), value_of(node[2])
            if base and abs(mp.re(exponent)) * (abs(mp.mag(base)) + 1) > 4 * 10**9:
                raise OverflowError("too large to compare by value")
            if (
                node[2][0] == "n"
                and node[2][1].denominator % 2
                and node[2][1].denominator > 1
                and mp.im(base) == 0
                and base < 0
            ):
                # An odd root of a negative number is the real one, as school books have it.
                root = -mp.power(-base, mp.mpf(1) / node[2][1].denominator)
                return within(root ** node[2][1].numerator)
            return within(mp.power(base, exponent))
        arguments = [value_of(argument) for argument in node[2]]
        if node[1] in periodic and any(mp.mag(argument) > 200 for argument in arguments if argument):
            raise OverflowError("angle too large to compare by value")
        if node[1] in ("factorial", "binom") and any(abs(argument) > 10**7 for argument in arguments):
            raise OverflowError("too large to compare by value")
        if node[1] == "log":
            if len(arguments) == 2:
                return within(mp.log(arguments[0]) / mp.log(arguments[1]))
            return within(mp.log10(arguments[0]))
        if node[1] not in functions:
            raise ValueError(f"no value for {node[1]}")
        value = within(functions[node[1]](*arguments))
        return value if abs(value) > noise or node[1] not in periodic else mp.zero

    try:
        with mp.workdps(DIGITS):
            return value_of(node)
    except (ZeroDivisionError, mpmath.libmp.NoConvergence, TypeError) as error:
        raise ValueError("no value") from error


def rational(value: Real) -> Fraction | None:
    """Return the fraction that a number is, where one of at most 30 digits fits to 110 digits; else None."""
    from mpmath import mp

    with mp.workdps(DIGITS):
        if mp.im(value):
            if abs(mp.im(value)) > mp.mpf(10) ** -100 * max(1, abs(mp.re(value))):
                return None
        value = mp.mpf(mp.re(value))
        if not value:
            return Fraction(0)
        if abs(mp.mag(value)) > 400:
            return None
        sign, mantissa, exponent, _ = value._mpf_
        full = Fraction(int(mantissa)) * (Fraction(2) ** exponent)
        near: Fraction = full.limit_denominator(LARGEST)
        if near and abs(full - near) < near * Fraction(1, 10**110):
            return -near if sign else near
    return None


def shown_fraction(value: Fraction) -> str:
    """Text of an exact value."""
    return f"q:{value.numerator:x}/{value.denominator:x}"


def shown_value(value: Real) -> str:
    """Text of a value, equal for equal values: an exact fraction where it is one, else 60 digits."""
    from mpmath import mp

    fraction = rational(value)
    if fraction is not None:
        return shown_fraction(fraction)
    with mp.workdps(DIGITS):
        parts = (mp.re(value), mp.im(value))
        largest = max(abs(part) for part in parts)
        parts = [part if abs(part) > largest * mp.mpf(10) ** -90 else mp.mpf(0) for part in parts]
        real, imaginary = (mp.nstr(part, SHOWN) for part in parts)
    return f"r:{real}" if imaginary == "0.0" else f"c:{real},{imaginary}"


class Undecided(Exception):
    """The value takes more than exact arithmetic: ask the worker."""


def values(node: Node, *, numeric: bool) -> list[Real | None]:
    """Values of a node at the test points (one where it has no variable), None where it has no real one.

    Exact fractions where the node is rational; else numbers of 150 digits where `numeric`, or `Undecided`.
    Raises OverflowError where a value is too large.
    """
    names = sorted(symbols(node))
    found: list[Real | None] = []
    for index in range(POINTS if names else 1):
        at = {name: point(name, index) for name in names}
        value = exact(node, at)
        if value is not None and value.denominator > LARGEST and names:
            value = None
        if value is None:
            if not numeric:
                raise Undecided
            try:
                value = evaluate(node, at)
            except ValueError:
                value = None
        found.append(value)
    return found


def texts(found: list[Real | None], *, complex_values: bool) -> str:
    """Values as one text: `q:`, `r:`, `c:` for one, `v:` for several; "?" where there is no real value."""
    shown = []
    for value in found:
        text = (
            "?"
            if value is None
            else shown_fraction(value)
            if isinstance(value, Fraction)
            else shown_value(value)
        )
        shown.append("?" if text.startswith("c:") and not complex_values and len(found) > 1 else text)
    if set(shown) == {"?"}:
        raise ValueError("no real value at any point")
    return shown[0] if len(set(shown)) == 1 else "v:" + "|".join(shown)


def sample(node: Node, *, numeric: bool = True) -> str:
    """Text that is the same for equal expressions: the value, or the values at eight fixed points.

    A value that is not real at a point (the root of a negative variable) says nothing about that point.
    Raises OverflowError or ValueError where there is no value, `Undecided` where it takes numerics and these
    are off.
    """
    if node[0] == "s" and node[1] not in CONSTANTS:
        return f"s:{node[1]}"
    return texts(values(node, numeric=numeric), complex_values=has(node, "i"))


def sample_up_to_factor(node: Node, *, numeric: bool = True, signed: bool = False) -> str:
    """As `sample`, for what is known up to a factor only (positive where `signed`): a difference of sides."""
    from_points = values(node, numeric=numeric)
    pivot = next((value for value in from_points if value), None)
    if pivot is None or len(from_points) == 1:
        return texts(from_points, complex_values=has(node, "i"))
    if signed and isinstance(pivot, Fraction):
        pivot = abs(pivot)
    elif signed:
        from mpmath import mp

        pivot = abs(mp.re(pivot))
    scaled = [None if value is None else _quotient(value, pivot) for value in from_points]
    return texts(scaled, complex_values=has(node, "i"))


def _quotient(value: Real, pivot: Real) -> Real:
    if isinstance(value, Fraction) and isinstance(pivot, Fraction):
        return value / pivot
    from mpmath import mp

    with mp.workdps(DIGITS):
        above, below = (
            mp.mpf(v.numerator) / v.denominator if isinstance(v, Fraction) else v for v in (value, pivot)
        )
        return above / below
