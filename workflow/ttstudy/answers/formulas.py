r"""The reader that turns tokens into expressions of sympy, by recursive descent."""

from __future__ import annotations

import re
from fractions import Fraction

import sympy
from sympy import Rational, pi

from ttstudy.answers.algebra import Node, apply, checked, power
from ttstudy.answers.tokens import CALLED, GREEK, Token, Unread

_NAMED = {r"\lfloor": "floor", r"\lceil": "ceiling", "|": "Abs", r"\vert": "Abs", r"\|": "Abs"}
"""Functions that are written as brackets around their argument."""
_CONSTANTS = {"e": sympy.E, "i": sympy.I}
_FACTORS = {"frac", "sqrt", "pi", "binom", "lfloor", "lceil", "infty", "vert"} | CALLED | GREEK
"""Commands that can begin a factor."""


def literal(text: str) -> Rational:
    """Value of a number as typed (digits, a point, an exponent); raises `Unread` where it is too long."""
    mantissa, _, exponent = text.lower().partition("e")
    if len(text) > 3000 or exponent and abs(int(exponent[:9])) > 3000:
        raise Unread("too many digits")
    value = Fraction(mantissa) * Fraction(10) ** int(exponent or 0)
    return Rational(value.numerator, value.denominator)


class Reader:
    """Recursive reader of one expression; `sign` is what a plus-minus stands for (+1 or -1)."""

    def __init__(self, tokens: list[Token], sign: int = 1) -> None:
        """Start at the first token."""
        self.tokens, self.sign, self.at, self.bars = tokens, sign, 0, 0

    def peek(self, ahead: int = 0) -> Token:
        """Token at hand, or one of kind `end`."""
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else Token("end", "")

    def take(self, text: str | None = None) -> Token:
        """Step over the token at hand; raises `Unread` where it is not `text`."""
        token = self.peek()
        if token.kind == "end" or text is not None and token.text != text:
            raise Unread(f"expected {text}")
        self.at += 1
        return token

    def taken(self, *texts: str) -> bool:
        """Step over the token at hand if it is one of these."""
        found = self.peek().text in texts and self.peek().kind != "end"
        self.at += found
        return found

    def all(self) -> Node:
        """Whole of the tokens as one expression."""
        node = self.sum()
        if self.peek().kind != "end":
            raise Unread(f"unexpected {self.peek().text}")
        return checked(node)

    def sum(self) -> Node:
        """Terms joined by + and -."""
        node = self.term()
        while self.peek().text in ("+", "-", r"\pm", r"\mp"):
            node += self.turned() * self.term()
        return node

    def turned(self) -> int:
        """Sign that the signs at hand make together."""
        sign = 1
        while (mark := self.peek().text) in ("+", "-", r"\pm", r"\mp"):
            self.take()
            sign *= {"+": 1, "-": -1, r"\pm": self.sign, r"\mp": -self.sign}[mark]
        return sign

    def signed(self) -> Node:
        """Factor with its signs."""
        sign = self.turned()
        return sign * self.powered()

    def term(self) -> Node:
        """Factors joined by times, over or nothing."""
        node = self.signed()
        while True:
            if self.taken("*", r"\cdot", r"\times"):
                node *= self.signed()
            elif self.taken("/", r"\div"):
                node *= power(self.signed(), sympy.S.NegativeOne)
            elif self.starts_factor():
                node *= self.powered()
            else:
                return node

    def starts_factor(self) -> bool:
        """Say whether the token at hand can begin a factor that is written without a times sign."""
        token = self.peek()
        if token.kind == "number":
            return self.tokens[self.at - 1].kind != "number"
        if token.text == "|":
            return not self.bars
        known = token.kind == "cmd" and token.text[1:] in _FACTORS
        return known or token.kind == "symbol" or token.text in ("(", "{", "[")

    def powered(self) -> Node:
        """Atom with its exponent, factorial, percent, degrees."""
        node = self.atom()
        while True:
            if self.taken("^"):
                node = power(node, self.argument(signed=True))
            elif self.taken("!"):
                node = apply("factorial2" if self.taken("!") else "factorial", node)
            elif self.taken(r"\degree"):
                node *= pi / 180  # an angle inside a formula, as in sin 30 degrees
            elif self.taken("%", r"\%"):
                node /= 100
            else:
                return node

    def argument(self, *, signed: bool = False, digit: bool = False) -> Node:
        """Read what a command takes: a braced expression or one token (one digit where `digit`)."""
        if self.peek().text == "{":
            return self.group("{", "}")
        if signed and self.peek().text in ("-", "+"):
            return self.turned() * self.argument()
        if digit and self.peek().text.isdigit():
            digits = [Token("number", one) for one in self.peek().text]
            self.tokens = [*self.tokens[: self.at], *digits, *self.tokens[self.at + 1 :]]
        return self.atom()

    def group(self, opening: str, closing: str) -> Node:
        """Bracketed expression."""
        self.take(opening)
        bars, self.bars = self.bars, int(opening == closing)
        node = self.sum()
        self.bars = bars
        self.take(closing)
        return node

    def atom(self) -> Node:
        """Number, symbol, bracket, root, fraction, function or absolute value."""
        token = self.peek()
        name = token.text[1:]
        if token.kind == "number":
            return literal(self.take().text)
        if token.text in ("(", "{", "["):
            return self.group(token.text, {"(": ")", "{": "}", "[": "]"}[token.text])
        if token.text in _NAMED:
            closing = rf"\r{name[1:]}" if name in ("lfloor", "lceil") else token.text
            return apply(_NAMED[token.text], self.group(token.text, closing))
        if token.kind not in ("symbol", "cmd"):
            raise Unread(f"unexpected {token.text}")
        self.take()
        if token.kind == "symbol":
            return self.named(token.text)
        if name == "frac":
            above = self.argument(digit=True)
            return above * power(self.argument(digit=True), sympy.S.NegativeOne)
        if name == "binom":
            return apply("binomial", self.argument(digit=True), self.argument(digit=True))
        if name == "sqrt":
            degree = self.group("[", "]") if self.peek().text == "[" else sympy.Integer(2)
            return power(self.argument(), power(degree, sympy.S.NegativeOne))
        if name in ("pi", "infty"):
            return pi if name == "pi" else sympy.oo
        if name in GREEK:
            return self.named(name)
        if name in CALLED:
            return self.applied(name)
        raise Unread(f"unknown command {token.text}")

    def named(self, name: str) -> Node:
        """A variable with its subscript, if it has one, or a constant."""
        if not self.taken("_"):
            return _CONSTANTS.get(name) or sympy.Symbol(name)
        parts = []
        if self.taken("{"):
            while not self.taken("}"):
                parts.append(self.take().text)
        else:
            parts = [self.take().text]
        if not all(re.fullmatch(r"\w+", part) for part in parts):
            raise Unread("subscript")
        return sympy.Symbol(f"{name}_{{{''.join(parts)}}}")

    def applied(self, name: str) -> Node:
        """Return a function of its argument, with the exponent or base that may stand before it."""
        base = (self.argument(),) if name == "log" and self.taken("_") else ()
        exponent = self.argument(signed=True) if self.taken("^") else sympy.S.One
        if self.peek().text == "(":
            argument = self.group("(", ")")
        else:
            argument = self.signed()
            while self.starts_factor() and self.peek().text[1:] not in CALLED and self.peek().text != "(":
                argument *= self.powered()
            while self.peek().text == "/" and self.peek(1).kind == "number" and self.taken("/"):
                argument /= self.powered()
        if exponent == -1 and f"arc{name}" in CALLED:
            return apply(f"arc{name}", argument)
        return power(apply(name, argument, *base), exponent)


def read(tokens: list[Token]) -> list[Node]:
    """Expressions that the tokens stand for: one, or two where there is a plus-minus; raises `Unread`."""
    signs = (1, -1) if any(token.text in (r"\pm", r"\mp") for token in tokens) else (1,)
    try:
        return [Reader(tokens, sign).all() for sign in signs]
    except (ZeroDivisionError, OverflowError, RecursionError, TypeError) as error:
        raise Unread(str(error)) from error


def read_one(tokens: list[Token]) -> Node:
    """The one expression that the tokens stand for; raises `Unread`."""
    nodes = read(tokens)
    if len(nodes) > 1:
        raise Unread("plus-minus")
    return nodes[0]
