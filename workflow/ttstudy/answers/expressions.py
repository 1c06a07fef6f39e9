r"""Expressions: trees, simplified while they are built, printed as LaTeX and evaluated to 150 digits.

A node is a tuple: ("n", Fraction) a rational number; ("s", name) a symbol (`pi`, `e`, `i` are the constants);
("+", nodes) and ("*", nodes); ("^", base, exponent); ("f", name, nodes) a function. The constructors `add`,
`mul` and `power` keep one form for what differs only in order, like terms, integer powers, square factors
under roots and short products of sums, so equal trees mean equal values. Unequal trees say nothing: `sample`
decides, by the value at fixed points. Everything is bounded (digits, terms, magnitude), so hostile towers
stay unevaluated.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from hashlib import blake2b
from math import comb, factorial, isqrt, lcm

BITS = 6_000
TERMS = 64
POINTS = 8
DIGITS = 150
SHOWN = 60
LARGEST = 10**30
ZERO, ONE = ("n", Fraction(0)), ("n", Fraction(1))
HALF = Fraction(1, 2)
PI, E, IMAGINARY = ("s", "pi"), ("s", "e"), ("s", "i")
CONSTANTS = {"pi", "e", "i", "infty"}

Node = tuple


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


def term_key(node: Node) -> tuple:
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
    terms: dict[Node, Fraction] = {}
    for node in nodes:
        for part in node[1] if node[0] == "+" else (node,):
            coefficient, rest = split(part)
            terms[rest] = terms.get(rest, Fraction(0)) + coefficient
    parts = [_scale(coefficient, rest) for rest, coefficient in terms.items() if coefficient]
    if not parts:
        return ZERO
    if len(parts) == 1:
        return parts[0]
    return ("+", tuple(sorted(parts, key=term_key)))


def _scale(coefficient: Fraction, node: Node) -> Node:
    if coefficient == 1:
        return node
    if node[0] == "n":
        return ("n", node[1] * coefficient)
    if coefficient == 0:
        return ZERO
    if node[0] == "+":
        return ("+", tuple(_scale(coefficient * c, rest) for c, rest in map(split, node[1])))
    if node[0] == "*":
        inner, rest = split(node)
        return _scale(coefficient * inner, rest) if inner != 1 else ("*", (("n", coefficient), *node[1]))
    return ("*", (("n", coefficient), node))


def negate(node: Node) -> Node:
    """Minus a node."""
    return _scale(Fraction(-1), node)


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
        folded, rest = Fraction(1), []
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
        return _scale(coefficient, factors[0])
    factors.sort(key=text_of)
    return ("*", tuple(factors)) if coefficient == 1 else ("*", (number(coefficient), *factors))


def _terms(node: Node) -> tuple[Node, ...]:
    return node[1] if node[0] == "+" else (node,)


def _base(node: Node) -> Node:
    return node[1] if node[0] == "^" else node


def _below(node: Node) -> bool:
    """Say whether this factor stands under a fraction line together with a sum."""
    return node[0] == "^" and node[1][0] == "+"


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
            lambda one, other: add(*(mul(a, b) for a in _terms(one) for b in _terms(other))),
            [base] * int(value),
        )
    if base[0] == "+" and whole and value < 0:
        lead = split(base[1][0])[0]
        if lead != 1:
            # One form for (2x+2)^-1 and (x+1)^-1 / 2.
            return _scale(lead ** int(value), ("^", _scale(1 / lead, base), exponent))
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
    return _scale(outside, root)


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
        return node[1] == name
    if kind == "n":
        return False
    parts = node[2] if kind == "f" else node[1:] if kind == "^" else node[1]
    return any(has(part, name) for part in parts)


# Polynomials in one variable


def coefficients(node: Node, name: str) -> list[Fraction] | None:
    """Coefficients of a polynomial of degree 1 to 12 in one variable, lowest first; None for other nodes."""
    found: dict[int, Fraction] = {}
    for term in _terms(node):
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
    rest, counts = list(polynomial), {}
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
                roots.append((about, add(number(middle), _scale(share, root)), 1))
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
    tried = {
        Fraction(sign * above, below)
        for above in _divisors(whole[0])
        for below in _divisors(whole[-1])
        for sign in (1, -1)
    }
    return found + [root for root in sorted(tried) if not _value_at(polynomial, root)]


def _divisors(value: int) -> list[int]:
    value = abs(value)
    small = [k for k in range(1, isqrt(value) + 1) if value % k == 0]
    return small + [value // k for k in small]


# Printing


def show_number(value: Fraction) -> str:
    """A rational number as LaTeX, lowest terms."""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{'-' if value < 0 else ''}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def show(node: Node) -> str:
    """LaTeX of a node; parsing it gives the node back."""
    kind = node[0]
    if kind == "n":
        return show_number(node[1])
    if kind == "s":
        return node[1] if len(node[1]) == 1 or node[1].startswith("\\") or "_" in node[1] else f"\\{node[1]}"
    if kind == "+":
        pieces = [show(term) for term in node[1]]
        return pieces[0] + "".join(piece if piece.startswith("-") else f"+{piece}" for piece in pieces[1:])
    if kind == "f":
        if node[1] in ("floor", "ceil"):
            return rf"\l{node[1]} {show(node[2][0])} \r{node[1]}"
        if node[1] == "abs":
            inner = show(node[2][0])
            return f"|({inner})|" if "|" in inner else f"|{inner}|"
        if node[1] == "binom":
            return rf"\binom{{{show(node[2][0])}}}{{{show(node[2][1])}}}"
        if node[1] == "factorial":
            return f"({show(node[2][0])})!"
        if node[1] == "log" and len(node[2]) == 2:
            return rf"\log_{{{show(node[2][1])}}}({show(node[2][0])})"
        return rf"\{node[1]}({show(node[2][0])})"
    if kind == "^":
        if node[2] == number(HALF):
            return rf"\sqrt{{{show(node[1])}}}"
        base = show(node[1])
        plain = node[1][0] == "s" or node[1][0] == "n" and base.isdigit()
        return f"{base if plain else f'({base})'}^{{{show(node[2])}}}"
    return _show_product(node)


def _show_product(node: Node) -> str:
    coefficient, _ = split(node)
    factors = node[1][1:] if node[1][0][0] == "n" else node[1]
    radicand, others = 1, []
    for factor in factors:
        if (
            factor[0] == "^"
            and factor[1][0] == "n"
            and factor[2] == number(HALF)
            and factor[1][1].denominator == 1
            and factor[1][1] > 0
        ):
            radicand *= int(factor[1][1])
        else:
            others.append(factor)
    pieces = [] if radicand == 1 else [rf"\sqrt{{{radicand}}}"]
    for factor in others:
        shown = show(factor)
        pieces.append(f"({shown})" if factor[0] == "+" else shown)
    body = pieces[0]
    for piece in pieces[1:]:
        body += (
            "" if piece[0] == "\\" else r"\cdot " if piece[0].isdigit() or body[-1].isdigit() else " "
        ) + piece
    if coefficient == 1:
        return body
    if coefficient == -1:
        return f"-{body}"
    if coefficient.denominator != 1:
        above = abs(coefficient.numerator)
        sign = "-" if coefficient < 0 else ""
        shown = body if above == 1 else _joined(str(above), body)
        return rf"{sign}\frac{{{shown}}}{{{coefficient.denominator}}}"
    return _joined(show_number(coefficient), body)


def _joined(amount: str, body: str) -> str:
    return amount + (r"\cdot " if body[0].isdigit() or body[0] == "(" else "") + body


def _degree(node: Node) -> Fraction:
    kind = node[0]
    if kind == "s":
        return Fraction(node[1] not in CONSTANTS)
    if kind == "^" and node[2][0] == "n":
        return _degree(node[1]) * node[2][1]
    if kind == "*":
        return sum((_degree(factor) for factor in node[1]), Fraction(0))
    return Fraction(0)


# Numbers of a node, for the worker (mpmath is imported there only)


def point(name: str, index: int) -> Fraction:
    """Value of a variable at test point `index`: fixed, rational; above 0 at even points, any sign at odd."""
    digest = blake2b(f"{name}/{index}".encode(), digest_size=8).digest()
    size = Fraction(int.from_bytes(digest[:6], "little") % 41 + 3, 7 if index % 4 < 2 else 11)
    return -size if index % 2 and digest[7] % 2 == 0 else size


def exact(node: Node, values: dict[str, Fraction]) -> Fraction | None:
    """Exact value of a node of numbers, variables, sums, products and whole powers; None for any other."""
    kind = node[0]
    if kind == "n":
        return node[1]
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
        return base ** int(exponent[1])
    parts = [exact(part, values) for part in node[1]]
    if any(part is None for part in parts):
        return None
    total = Fraction(kind == "*")
    for part in parts:
        total = total * part if kind == "*" else total + part
        if too_long(total):
            return None
    return total


def evaluate(node: Node, values: dict[str, Fraction]):
    """Value of a node as an mpmath number; OverflowError beyond 10^(10^9), ValueError where it has none."""
    import mpmath
    from mpmath import mp

    def within(value):
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

    def value_of(node):
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


def rational(value) -> Fraction | None:
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
        near = full.limit_denominator(LARGEST)
        if near and abs(full - near) < near * Fraction(1, 10**110):
            return -near if sign else near
    return None


def shown_fraction(value: Fraction) -> str:
    """Text of an exact value."""
    return f"q:{value.numerator:x}/{value.denominator:x}"


def shown_value(value) -> str:
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


def values(node: Node, *, numeric: bool) -> list:
    """Values of a node at the test points (one where it has no variable), None where it has no real one.

    Exact fractions where the node is rational; else numbers of 150 digits where `numeric`, or `Undecided`.
    Raises OverflowError where a value is too large.
    """
    names = sorted(symbols(node))
    found: list = []
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


def texts(found: list, *, complex_values: bool) -> str:
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


def _quotient(value, pivot):
    if isinstance(value, Fraction) and isinstance(pivot, Fraction):
        return value / pivot
    from mpmath import mp

    with mp.workdps(DIGITS):
        above, below = (
            mp.mpf(v.numerator) / v.denominator if isinstance(v, Fraction) else v for v in (value, pivot)
        )
        return above / below
