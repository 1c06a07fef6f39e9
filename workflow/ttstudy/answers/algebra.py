r"""Expressions of sympy: built within bounds, compared by their values at fixed points, printed as LaTeX.

Equal expressions have equal values at every point; the texts of these values are the keys that answers are compared
by. What hostile text could blow up (towers, factorials, long numbers) is refused before sympy works it out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import sympy
from sympy import I, Rational, oo

from ttstudy.answers.cleaning import LONGEST
from ttstudy.answers.tokens import CALLED, TooLarge, Unread
from ttstudy.answers.verdicts import number_key

Node = Any
"""An expression of sympy, which has no types."""
POINTS = 12
DIGITS = 100
SHOWN = 60
BITS = 200_000
LARGEST = 10**30
WHOLE = frozenset("nkm")
"""Names of whole numbers: (-1)^n and cos(n pi) are the same."""
FUNCTIONS: dict[str, Callable[..., Node]] = {
    name: getattr(sympy, name.replace("arc", "a"))
    for name in [*CALLED - {"ln", "cis"}, "factorial", "factorial2", "binomial", "floor", "ceiling", "Abs"]
} | {"ln": sympy.log, "log": lambda x, base=10: sympy.log(x, base), "cis": lambda x: sympy.exp(sympy.I * x)}


def bits(node: Node) -> int:
    """Length of the longest number in an expression."""
    return max((max(n.p.bit_length(), n.q.bit_length()) for n in node.atoms(Rational)), default=0)


def _steps(node: Node) -> int:
    """How many powers with exponents that are no small number stand one in another's exponent."""
    exponents = [power.exp for power in node.atoms(sympy.Pow, sympy.exp)]
    return max((1 + _steps(part) for part in exponents if not part.is_Rational or bits(part) > 8), default=0)


def power(base: Node, exponent: Node) -> Node:
    """Power; raises `TooLarge`, or ZeroDivisionError for 0 to a power that is not positive."""
    if base.is_zero and not exponent.is_positive:
        raise ZeroDivisionError
    if exponent.is_number and exponent.is_Rational and bits(base) * abs(exponent) > BITS or _steps(exponent) > 1:
        raise TooLarge
    if exponent.is_number and not exponent.is_Rational and bits(exponent) > 64:
        raise TooLarge
    return base**exponent


def apply(name: str, *arguments: Node) -> Node:
    """A function's value or expression; raises `TooLarge`."""
    if name in ("factorial", "factorial2", "binomial") and any(x.is_number and abs(x) > 3000 for x in arguments):
        raise TooLarge
    return power(sympy.E, arguments[0]) if name == "exp" else FUNCTIONS[name](*arguments)


def checked(node: Node) -> Node:
    """The expression; raises `Unread` where it has no value, or an infinity within."""
    if node.has(sympy.nan, sympy.zoo) or node.has(oo, -oo) and node not in (oo, -oo) or bits(node) > BITS:
        raise Unread("no value")
    return node


def point(name: str, index: int) -> Rational:
    """Value of a variable at test point `index`: fixed, rational; above 0 at even points, at odd ones of either sign.

    Of each two letters the signs differ at some point, so that |xy| is not xy; n, k and m are whole.
    """
    digest = blake2b(f"{name}/{index}".encode(), digest_size=8).digest()
    size = Rational(int.from_bytes(digest[:6], "little") % 41 + 3, 7 if index % 4 < 2 else 11)
    if name in WHOLE:
        size = Rational(digest[0] % 23 + 2)
    letter = ord(name[0]) % 62 + 1 if len(name) == 1 else digest[7] % 62 + 1
    return -size if index % 2 and letter >> index // 2 & 1 else size


def _real_root(root: Node) -> Node:
    """An odd root of a negative number is the real one, as school books have it."""
    return (-1) ** root.exp.p * (-root.base) ** root.exp


def _is_odd_root(node: Node) -> bool:
    return bool(node.is_Pow and node.exp.is_Rational and node.exp.q > 1 and node.exp.q % 2 and node.base.is_negative)


def _rational(value: Node) -> Fraction | None:
    """The simple fraction that a number of many digits is, or None."""
    full = Fraction(str(value))
    if abs(full) > LARGEST or full and abs(full) < Fraction(1, LARGEST):
        return None
    near = full.limit_denominator(LARGEST)
    return near if abs(full - near) <= abs(near) * Fraction(1, 10**75) else None


def _part(value: Node, scale: Node) -> str:
    if abs(value) <= scale * Rational(1, 10**70):
        return number_key(Fraction(0))
    fraction = _rational(value)
    return number_key(fraction) if fraction is not None else f"r:{sympy.Float(value, SHOWN)}"


def value_key(value: Node, *, complex_values: bool = True) -> str:
    """Text of a number, equal for equal ones: exact where it is a fraction, else 60 digits; "?" where it has none."""
    if value.is_Rational:
        return number_key(Fraction(value.p, value.q)) if bits(value) < BITS else "?"
    if value.has(sympy.zoo, sympy.nan, oo):
        return "?"
    value = value.replace(_is_odd_root, _real_root)
    real, imaginary = sympy.N(value, DIGITS, maxn=600).as_real_imag()
    if not (real.is_Float or real.is_Rational) or not (imaginary.is_Float or imaginary.is_Rational):
        return "?"
    scale = max(abs(real), abs(imaginary))
    if scale < Rational(1, 10**400):
        return number_key(Fraction(0))  # what is left when equal numbers are subtracted
    parts = _part(real, scale), _part(imaginary, scale)
    if parts[1] == number_key(Fraction(0)):
        return parts[0]
    return f"c:{parts[0]},{parts[1]}" if complex_values else "?"


def values(node: Node) -> list[Node]:
    """Values of an expression at the test points; one where it has no variable."""
    names = sorted(node.free_symbols, key=str)
    if not names:
        return [node]
    return [node.xreplace({name: point(str(name), index) for name in names}) for index in range(POINTS)]


@lru_cache(maxsize=2000)
def key(node: Node) -> str:
    """Key of an expression: its value, or its values at fixed points; the text of one that has no values."""
    if node.is_Symbol:
        return f"s:{node}"
    if node in (oo, -oo):
        return "+inf" if node == oo else "-inf"
    return sampled(node)


def sampled(node: Node, factor: Callable[[Node], Node] | None = None) -> str:
    """Values of an expression as one text, also of a single variable: `q:`, `r:`, `c:` for one, `v:` for several.

    "?" stands where there is no real value. What is known up to a `factor` is divided by that of its first value.
    """
    found = values(node)
    if factor and len(found) > 1:
        pivot = next((value for value in found if value_key(value) not in ("?", number_key(Fraction(0)))), None)
        found = found if pivot is None else [value / factor(pivot) for value in found]
    shown = [value_key(value, complex_values=len(found) == 1 or node.has(I)) for value in found]
    if set(shown) == {"?"}:
        return f"t:{latex(node)}"
    return shown[0] if len(set(shown)) == 1 else "v:" + "|".join(shown)


def scaled(node: Node, *, signed: bool) -> str:
    """Key of an expression that is known up to a factor (positive where `signed`): a difference of sides."""
    return sampled(node, (lambda value: abs(sympy.re(value))) if signed else lambda value: value)


def latex(node: Node) -> str:
    """LaTeX of an expression, which reads as the expression; digits beyond all length for a number of that kind."""
    if bits(node) > 3 * LONGEST:
        return "9" * (LONGEST + 1)
    text: str = sympy.latex(node, ln_notation=True, inv_trig_style="full")
    return re.sub(r"\\(?:left|right)(?![A-Za-z])| (?=[)\]}])|(?<=^-) |(?<=[({]-) ", "", text)


def library(text: str) -> Node | None:
    """What latex2sympy reads a text as, worked out (sums, integrals, limits); None where it does not."""
    from latex2sympy2_extended import latex2sympy

    try:
        found = latex2sympy(text)
        if not isinstance(found, sympy.Expr):
            return None
        node = checked(found.doit())
        return None if node.is_finite is False else node
    except MemoryError:
        raise
    except Exception:
        # A system that stumbles over a text does not read it: the text is then compared as text.
        return None


def verified(pair: str) -> bool:
    """What Math-Verify says of a gold answer and an answer, given as a JSON list of both."""
    import json

    import math_verify

    gold, answer = (math_verify.parse(f"${text}$", parsing_timeout=None) for text in json.loads(pair))
    return bool(math_verify.verify(gold, answer, timeout_seconds=None))
