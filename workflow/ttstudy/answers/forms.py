r"""What kind of thing an answer is: a value, a quantity, a list, a point, an interval, a relation, words ...

`reading.parse` reads an answer into one of these forms, `showing.show` prints one so that `parse` gives it back.
What may be left out of an answer (a unit, a name) and what may not (a base, a bracket, an order) is decided in
`keys`. POLICY.md has the rules in words, with examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ttstudy.answers import expressions as ex


@dataclass(frozen=True)
class Value:
    """An expression: a number, or anything with variables."""

    node: ex.Node


@dataclass(frozen=True)
class Quantity:
    """A value in a unit: `size` of the unit as written, in `base` units."""

    value: Value
    written: str
    base: str
    size: Fraction


@dataclass(frozen=True)
class Based:
    """Digits with a base written under them."""

    digits: str
    base: int


@dataclass(frozen=True)
class Words:
    """Words, compared without case, punctuation and article; `letters`: the product that they may be too."""

    words: str
    letters: ex.Node | None = None


@dataclass(frozen=True)
class Choice:
    """The letter of a multiple choice, and the text beside it."""

    letter: str
    beside: Form | None = None


@dataclass(frozen=True)
class Bracket:
    """Items in order between brackets: a point, a tuple, or an interval."""

    opening: str
    closing: str
    items: tuple[Form, ...]


@dataclass(frozen=True)
class Items:
    """Items in any order: a bare list (`braces` false) or a set."""

    items: tuple[Form, ...]
    braces: bool


@dataclass(frozen=True)
class Named:
    """A form with the name that stands before its equals sign, `x = 5` or `x in [0, 1]`."""

    name: str
    form: Form


@dataclass(frozen=True)
class Equation:
    """An equation, as an expression that is zero, up to a factor."""

    node: ex.Node


@dataclass(frozen=True)
class Inequality:
    """`node` > 0 (or >= 0 where not strict), up to a positive factor."""

    node: ex.Node
    strict: bool


Piece = tuple[ex.Node | None, ex.Node | None, bool, bool]
"""An interval or a point of the line: (low, high, low closed, high closed), None for infinity."""


@dataclass(frozen=True)
class RealSet:
    """Union of pieces."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class SetExpression:
    """Sets joined by an operation whose end points are no plain numbers: left for the worker to sort out."""

    operation: str
    parts: tuple[RealSet | SetExpression, ...]


@dataclass(frozen=True)
class Matrix:
    """Rows of expressions; `row` or `column` vectors are matrices."""

    rows: tuple[tuple[ex.Node, ...], ...]


@dataclass(frozen=True)
class Clock:
    """Hours and minutes, `12:00`; another ratio may take them for one, another clock may not."""

    hours: int
    minutes: int


@dataclass(frozen=True)
class Ratio:
    """Parts of a ratio a : b (: c), up to a common factor."""

    parts: tuple[ex.Node, ...]


@dataclass(frozen=True)
class Opaque:
    """Text that none of the rules reads."""

    text: str


Form = (
    Value
    | Quantity
    | Based
    | Words
    | Choice
    | Bracket
    | Items
    | Named
    | Equation
    | Inequality
    | RealSet
    | SetExpression
    | Matrix
    | Ratio
    | Clock
    | Opaque
)

def value(number: Fraction | int) -> Value:
    """Form of a rational number."""
    return Value(ex.number(number))
