"""What only a computer algebra system reads (sums, integrals, limits): for the worker, which has limits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ttstudy.answers import values
from ttstudy.answers.keys import needs_algebra


def strict_key(text: str) -> str | None:
    """Key of mathematics beyond our reader, read by math-verify; None where that does not read it either."""
    if not needs_algebra(text):
        return None
    import math_verify

    return _sampled(
        lambda: math_verify.parse(
            f"${text}$",
            extraction_config=[math_verify.LatexExtractionConfig()],
            fallback_mode="no_fallback",
            parsing_timeout=None,
        )[0]
    )


def reference_key(text: str) -> str | None:
    """Key of a text by the reader that the official code uses; None where that does not read it."""
    from latex2sympy2_extended import latex2sympy

    return _sampled(lambda: latex2sympy(text))


def verified(pair: str) -> bool:
    """What Math-Verify says of a gold answer and an answer, given as a JSON list of both."""
    import json

    import math_verify

    gold, answer = (math_verify.parse(f"${text}$", parsing_timeout=None) for text in json.loads(pair))
    return bool(math_verify.verify(gold, answer, timeout_seconds=None))


def _sampled(read: Any) -> str | None:
    """Values of what is read at the test points, as `expressions.texts` gives them; None where there are none."""
    import sympy

    try:
        found = read()
        return _values(found.doit()) if isinstance(found, sympy.Expr) else None
    except MemoryError:
        raise
    except Exception:
        # A system that stumbles over a text does not read it: the text is then compared as text.
        return None


def _values(expression: Any) -> str | None:
    import sympy
    from mpmath import mp

    names = sorted(expression.free_symbols, key=str)
    found: list[Any] = []
    for index in range(values.POINTS if names else 1):
        at = {name: values.point(str(name), index) for name in names}
        value = expression.subs({name: sympy.Rational(v.numerator, v.denominator) for name, v in at.items()})
        if value.is_Rational:
            found.append(Fraction(int(value.p), int(value.q)))
            continue
        real, imaginary = sympy.N(value, values.DIGITS).as_real_imag()
        if not all(part.is_Float or part.is_Rational for part in (real, imaginary)):
            return None
        with mp.workdps(values.DIGITS):
            found.append(mp.mpc(str(real), str(imaginary)))
    return values.texts(found, complex_values=expression.has(sympy.I))
