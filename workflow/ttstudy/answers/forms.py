r"""What kind of thing an answer is (a value, a quantity, a list, an interval, words ...), with its keys and its text.

One constructor for each kind. It says what the exact key is and what may be left out (the loose keys: `verdicts`), and
prints the form so that `reading.parse` gives it back. POLICY.md has the rules in words, with examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from sympy import Rational

from ttstudy.answers import algebra
from ttstudy.answers.algebra import Node
from ttstudy.answers.formulas import read_one
from ttstudy.answers.tokens import Unread, tokenize
from ttstudy.answers.verdicts import Keys, ordered, unordered


@dataclass(frozen=True)
class Form:
    """A kind of answer; `inner` is what others are made of it: an expression, a set, parts, the form behind a name."""

    kind: str
    keys: Keys
    shown: str
    inner: Any = None
    name: str = ""
    size: Node = 1

    @property
    def bare(self) -> Form:
        """The form behind a name."""
        return self.inner if self.kind == "named" else self

    @property
    def braced(self) -> bool:
        """Say whether it is a set of items in braces."""
        return self.kind == "items" and self.name == "{"

    @property
    def is_set(self) -> bool:
        """Say whether it is a set or a bracket: a set of it is another thing."""
        return self.braced or self.kind in ("set", "bracket")


def _form(kind: str, exact: str, shown: str, loose: set[str] | frozenset[str] = frozenset(), **more: Any) -> Form:
    return Form(kind, Keys(exact, frozenset(loose)), shown, **more)


def value(node: Node) -> Form:
    """A number or a formula; a variable has its values as a loose key, for formulas that amount to it."""
    loose = {algebra.sampled(node)} if node.is_Symbol else set()
    return _form("value", algebra.key(node), algebra.latex(node), loose, inner=node)


def number(size: Fraction | int) -> Form:
    """A rational number."""
    return value(Rational(size.numerator, size.denominator))


def quantity(node: Node, written: str, base: str, size: Fraction | int = 1) -> Form:
    """A value in a unit as written: `size` of it in `base` units. "5 m" with a bare letter looks like five times m."""
    total = node * Rational(size.numerator, size.denominator)
    loose = {algebra.key(node)} | ({algebra.key(node * sympy.Symbol(written))} if len(written) == 1 else set())
    name, _, power = base.partition("^")
    amount = f"({algebra.latex(total)})" if total.is_Add else algebra.latex(total)
    shown = rf"{amount}\text{{ {name}}}" + (f"^{{{power}}}" if power else "")
    return _form("quantity", f"u:{base}:{algebra.key(total)}", shown, loose, inner=node, name=base, size=total)


def based(digits: str, base: int) -> Form:
    """Digits with a base written under them, which is never left out."""
    return _form("based", f"b:{base}:{digits}", f"{digits}_{{{base}}}")


def words(text: str, letters: Node | None = None, *, plain: bool = False) -> Form:
    """Words; `letters` is the product that they may be too."""
    loose = {algebra.key(letters)} if letters is not None else set()
    if text in ("no solution", "no real solution"):
        loose |= {unordered([], braces=True), "w:no solution"}
    return _form("words", f"w:{text}", text if plain else rf"\text{{{text}}}", loose)


def choice(letter: str, beside: Form | None = None) -> Form:
    """The letter of a multiple choice; the text beside it may be left out."""
    loose = {f"s:{letter}"} | ({beside.keys.exact, *beside.keys.loose} if beside else set())
    shown = rf"\text{{({letter})}}" + (f" {beside.shown}" if beside else "")
    return _form("choice", f"choice:{letter}", shown, loose, inner=letter)


def _plain(parts: tuple[Form, ...]) -> list[str]:
    """Keys of parts without their units and names."""
    loose = [[key for key in part.keys.loose if key[:2] not in ("e:", "n:")] for part in parts]
    pairs = zip(parts, loose, strict=True)
    return [part.keys.exact if part.is_set else min(keys, default=part.keys.exact) for part, keys in pairs]


def bracket(opening: str, closing: str, parts: tuple[Form, ...]) -> Form:
    """Items in order between brackets: a point, a tuple, an interval."""
    exact = [part.keys.exact for part in parts]
    loose = {ordered(opening, closing, _plain(parts))} | ({ordered("(", ")", exact)} if opening == "<" else set())
    shown = ",".join(part.shown for part in parts)
    shown = rf"\langle {shown}\rangle" if opening == "<" else f"{opening}{shown}{closing}"
    key = ordered(opening, closing, exact)
    return _form("bracket", key, shown, loose - {key}, inner=parts, name=opening + closing)


def items(parts: tuple[Form, ...], *, braces: bool = False) -> Form:
    """Items in any order: a bare list, or a set in braces. The values of several names are in the names' order."""
    names = [part.name for part in parts if part.kind == "named"]
    if not braces and len(names) == len(parts):
        parts = tuple(sorted(parts, key=lambda part: (part.name.startswith("\\"), part.name.lower())))
    exact, plain = [part.keys.exact for part in parts], _plain(parts)
    key, loose = unordered(exact, braces=braces), {ordered("(", ")", plain)}
    if len({name.partition("_")[0] for name in names}) < 2:
        # x = 3, y = 2 is not 2, 3 (but x_1 and x_2 are roots of one x).
        loose.add(unordered(plain, braces=braces))
    loose.add(unordered([_without_unit(part).keys.exact for part in parts], braces=braces))
    if exact == plain:
        loose = set()
    if not braces and len(parts) > 1:
        loose.add(ordered("(", ")", exact))
    if not braces and len(parts) == 1 or len(set(plain)) == 1 and not parts[0].is_set:
        loose.add(exact[0] if len(set(exact)) == 1 else plain[0])
    texts = [part.shown for part in parts]
    shown = rf"\{{{','.join(sorted(set(texts)))}\}}" if braces else ", ".join(sorted(texts))
    return _form("items", key, shown, loose - {key}, inner=parts, name="{" if braces else "")


def _without_unit(form: Form) -> Form:
    if form.kind == "named" and form.inner.kind == "quantity":
        return named(form.name, value(form.inner.inner))
    return form


def named(name: str, inner: Form) -> Form:
    """A form with the name that stands before its equals sign, `x = 5`, `x in [0, 1]`; the name may be left out."""
    if not name:
        return inner
    loose = {inner.keys.exact, *inner.keys.loose}
    key, joint = f"n:{name}:{inner.keys.exact}", r"\in " if inner.is_set else "="
    if inner.kind == "quantity":
        loose.add(named(name, value(inner.inner)).keys.exact)
    parts = name.strip("()").split(",")
    if inner.kind == "bracket" and len(parts) == len(inner.inner) > 1:
        key = items(tuple(named(*pair) for pair in zip(parts, inner.inner, strict=True))).keys.exact
    if inner.kind == "value":
        loose |= {residue for residue in [_residue(inner.inner)] if residue}
        try:
            key = f"e:{algebra.scaled(read_one(tokenize(name)) - inner.inner, signed=False)}"
        except Unread:
            pass
    return _form("named", key, f"{name}{joint}{inner.shown}", loose, inner=inner, name=name)


def _residue(node: Node) -> str | None:
    """Key of the residue that a linear form in a whole number stands for, 3k + 1; None for other nodes."""
    names = node.free_symbols
    if len(names) != 1 or str(next(iter(names))) not in algebra.WHOLE or not node.is_polynomial():
        return None
    slope, constant = node.coeff(next(iter(names))), node.subs(next(iter(names)), 0)
    linear = sympy.expand(node - slope * next(iter(names)) - constant) == 0
    if not linear or not slope.is_Integer or not constant.is_Integer or abs(slope) < 2:
        return None
    return f"w:{constant % abs(slope)} mod {abs(slope)}"


def equation(node: Node) -> Form:
    """An equation, as an expression that is zero, up to a factor."""
    return _form("equation", f"e:{algebra.scaled(node, signed=False)}", f"{algebra.latex(_lead(node))}=0")


def inequality(node: Node, *, strict: bool) -> Form:
    """An expression that is above zero (or zero where not strict), up to a positive factor."""
    shown = f"{algebra.latex(_lead(node, signed=True))}{'>' if strict else '>='}0"
    return _form("inequality", f"i:{strict}:{algebra.scaled(node, signed=True)}", shown)


def _lead(node: Node, *, signed: bool = False) -> Node:
    """A sum without the factor that its terms share, and without a minus in front where the sign does not matter."""
    node = node.primitive()[1]
    return -node if not signed and node.could_extract_minus_sign() else node


def real_set(held: Any) -> Form:
    """A set of real numbers, as sympy has it: pieces and points of the line."""
    if held is sympy.S.EmptySet or isinstance(held, sympy.FiniteSet):
        return items(tuple(value(point) for point in held), braces=True)
    pieces = [_piece(piece) for piece in (held.args if isinstance(held, sympy.Union) else [held])]
    key = pieces[0][0] if len(pieces) == 1 else "U:" + " ".join(sorted(key for key, _ in pieces))
    return _form("set", key, r"\cup ".join(shown for _, shown in pieces), inner=held)


def _piece(piece: Any) -> tuple[str, str]:
    if isinstance(piece, sympy.FiniteSet):
        points = real_set(piece)
        return points.keys.exact, points.shown
    if piece == sympy.S.Reals:
        piece = sympy.Interval(-sympy.oo, sympy.oo)
    if not isinstance(piece, sympy.Interval):
        raise Unread("no interval")
    marks = "(" if piece.left_open else "[", ")" if piece.right_open else "]"
    ends = [value(piece.start), value(piece.end)]
    shown = f"{marks[0]}{ends[0].shown},{ends[1].shown}{marks[1]}"
    return ordered(*marks, [end.keys.exact for end in ends]), shown


def matrix(cells: Any) -> Form:
    """A matrix of sympy; a point may stand for a row or a column."""
    keys = [[algebra.key(cell) for cell in cells.row(k)] for k in range(cells.rows)]
    flat = [key for row in keys for key in row]
    loose = {ordered("(", ")", flat), ordered("<", ">", flat)} if len(flat) > 1 else {flat[0]}
    body = r" \\ ".join(" & ".join(map(algebra.latex, cells.row(k))) for k in range(cells.rows))
    shown = rf"\begin{{pmatrix}}{body}\end{{pmatrix}}"
    loose = loose if 1 in cells.shape else set()
    return _form("matrix", "m:" + ";".join(map(",".join, keys)), shown, loose, inner=cells)


def ratio(parts: list[Node]) -> Form:
    """Parts of a ratio a : b (: c), up to a common factor; of two parts it may be a quotient."""
    first = parts[0]
    shares = [algebra.key(part / first) for part in parts] if first != 0 else ["0"]
    loose = {algebra.key(first / parts[1])} if len(parts) == 2 and parts[1] != 0 else set()
    return _form("ratio", f"ratio:{':'.join(shares)}", ":".join(map(algebra.latex, parts)), loose)


def clock(hours: int, minutes: int) -> Form:
    """Hours and minutes, `12:00`; another ratio may take them for one, another clock may not."""
    loose = {ratio([sympy.Integer(hours), sympy.Integer(minutes)]).keys.exact}
    return _form("clock", f"clock:{hours}:{minutes:02d}", f"{hours}:{minutes:02d}", loose)


def opaque(text: str) -> Form:
    """Text that none of the rules reads."""
    return _form("opaque", f"t:{''.join(text.split())}", text)
