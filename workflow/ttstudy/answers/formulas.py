r"""The reader that turns tokens into expressions, by recursive descent."""

from __future__ import annotations

import re
from fractions import Fraction

from ttstudy.answers import expressions as ex
from ttstudy.answers.tokens import DEEPEST, FUNCTIONS, GREEK, Token, Unread


def literal(text: str) -> Fraction:
    """Value of a number as typed (digits, a point, an exponent); raises `Unread` where it is too long."""
    if len(text) > 3000:
        raise Unread("too many digits")
    mantissa, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent[:9])) > 3000:
        raise Unread("too many digits")
    whole, _, decimals = mantissa.partition(".")
    value = Fraction(int((whole + decimals) or "0"), 10 ** len(decimals))
    return value * Fraction(10) ** int(exponent) if exponent else value


class Reader:
    """Recursive reader of one expression; `sign` is what a plus-minus stands for (+1 or -1)."""

    def __init__(self, tokens: list[Token], sign: int = 1) -> None:
        """Start at the first token."""
        self.tokens, self.sign, self.at, self.bars, self.depth = tokens, sign, 0, 0, 0

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

    def all(self) -> ex.Node:
        """Whole of the tokens as one expression."""
        if not self.tokens:
            raise Unread("nothing")
        try:
            node = self.sum()
        except (ZeroDivisionError, OverflowError, RecursionError) as error:
            raise Unread(str(error)) from error
        if self.peek().kind != "end":
            raise Unread(f"unexpected {self.peek().text}")
        return node

    def sum(self) -> ex.Node:
        """Terms joined by + and -."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise Unread("too deep")
        nodes = [self.term()]
        while (mark := self.peek().text) in ("+", "-", r"\pm", r"\mp") and self.peek().kind in ("op", "cmd"):
            self.take()
            node = self.term()
            nodes.append(ex.negate(node) if self._minus(mark) else node)
        self.depth -= 1
        return ex.add(*nodes)

    def _minus(self, mark: str) -> bool:
        return mark == "-" or mark == r"\pm" and self.sign < 0 or mark == r"\mp" and self.sign > 0

    def signed(self) -> ex.Node:
        """Factor with its signs."""
        negative = False
        while (mark := self.peek().text) in ("+", "-", r"\pm", r"\mp"):
            self.take()
            negative ^= self._minus(mark)
        node = self.powered()
        return ex.negate(node) if negative else node

    def term(self) -> ex.Node:
        """Factors joined by times, over or nothing."""
        node = self.signed()
        while True:
            mark = self.peek()
            if mark.text in ("*", r"\cdot", r"\times"):
                self.take()
                node = ex.mul(node, self.signed())
            elif mark.text in ("/", r"\div"):
                self.take()
                node = ex.divide(node, self.signed())
            elif self.starts_factor():
                node = ex.mul(node, self.powered())
            else:
                return node

    def starts_factor(self) -> bool:
        """Say whether the token at hand can begin a factor that is written without a times sign."""
        token = self.peek()
        if token.kind in ("symbol",):
            return True
        if token.kind == "number":
            return self.tokens[self.at - 1].kind != "number"
        if token.text == "|":
            return not self.bars
        if token.kind == "cmd":
            name = token.text[1:]
            return (
                name in FUNCTIONS
                or name in GREEK
                or name in ("frac", "sqrt", "pi", "binom", "lfloor", "lceil", "infty", "operatorname", "vert")
            )
        return token.text in ("(", "{", "[")

    def powered(self) -> ex.Node:
        """Atom with its exponent, factorial, percent."""
        node = self.atom()
        while True:
            mark = self.peek().text
            if mark == "^":
                self.take()
                if self.peek().text in ("'", r"\prime"):
                    raise Unread("prime")
                node = ex.power(node, self.argument(signed=True))
            elif mark == "!":
                self.take()
                if self.peek().text == "!":
                    raise Unread("double factorial")
                node = ex.function("factorial", node)
            elif mark == r"\degree":
                # An angle inside a formula, as in sin 30 degrees.
                self.take()
                node = ex.mul(node, ex.PI, ex.number(Fraction(1, 180)))
            elif mark in ("%", r"\%"):
                self.take()
                node = ex.mul(node, ex.number(Fraction(1, 100)))
            else:
                return node

    def argument(self, *, signed: bool = False, digit: bool = False) -> ex.Node:
        """Read what a command takes: a braced expression or one token (one digit where `digit`)."""
        if self.peek().text == "{":
            return self.group("{", "}")
        if signed and self.peek().text in ("-", "+"):
            minus = self.take().text == "-"
            node = self.argument()
            return ex.negate(node) if minus else node
        token = self.peek()
        if digit and token.kind == "number" and len(token.text) > 1:
            if not token.text.isdigit():
                raise Unread("fraction without braces")
            self.tokens = [
                *self.tokens[: self.at],
                *(Token("number", d) for d in token.text),
                *self.tokens[self.at + 1 :],
            ]
        return self.atom()

    def group(self, opening: str, closing: str) -> ex.Node:
        """Bracketed expression."""
        self.take(opening)
        bars, self.bars = self.bars, 0
        node = self.sum()
        self.bars = bars
        self.take(closing)
        return node

    def atom(self) -> ex.Node:
        """Number, symbol, bracket, root, fraction, function or absolute value."""
        token = self.peek()
        if token.kind == "number":
            return self.numeral()
        if token.kind == "symbol":
            self.take()
            return ex.symbol(self.subscripted(token.text))
        if token.text in ("(", "{"):
            return self.group(token.text, ")" if token.text == "(" else "}")
        if token.text == "[":
            return self.group("[", "]")
        if token.text in ("|", r"\vert", r"\|"):
            self.take()
            self.bars += 1
            node = self.sum()
            self.bars -= 1
            self.take(token.text)
            return ex.function("abs", node)
        if token.kind != "cmd":
            raise Unread(f"unexpected {token.text}")
        self.take()
        name = token.text[1:]
        if name == "frac":
            above = self.argument(digit=True)
            return ex.divide(above, self.argument(digit=True))
        if name == "binom":
            return ex.function("binom", self.argument(digit=True), self.argument(digit=True))
        if name == "sqrt":
            return self.root()
        if name == "pi":
            return ex.PI
        if name == "infty":
            return ex.symbol("infty")
        if name in ("lfloor", "lceil"):
            self.at -= 1
            return ex.function(
                "floor" if name == "lfloor" else "ceil", self.group(token.text, rf"\r{name[1:]}")
            )
        if name in GREEK:
            return ex.symbol(self.subscripted(name))
        if name in FUNCTIONS:
            return self.applied(name)
        raise Unread(f"unknown command {token.text}")

    def numeral(self) -> ex.Node:
        """Read a number: plain, with repeating decimals, or mixed with a proper fraction."""
        token = self.take()
        value = literal(token.text)
        decimals = token.text.partition(".")[2]
        if "." in token.text and (block := self.repeating(decimals)):
            if self.peek(-1).text == r"\ldots":
                value = literal(token.text.removesuffix(block))
                decimals = decimals.removesuffix(block)
            return ex.number(value + Fraction(int(block), (10 ** len(block) - 1) * 10 ** len(decimals)))
        if token.text.isdigit():
            proper = self.proper_fraction()
            if proper is not None:
                return ex.number(value + proper)
        return ex.number(value)

    def repeating(self, decimals: str) -> str:
        r"""Digits that repeat for ever, "" where none do.

        Digits under a bar, between dots (`0.\dot{1}\dot{2}`), in brackets after the point (`0.(3)`), or the
        shortest block that stands twice at the end of the decimals before an ellipsis.
        """
        mark = self.peek().text
        if mark == r"\overline":
            self.take()
            block = self.digits()
        elif mark == r"\dot":
            self.take()
            block = self.digits()
            if self.peek().kind == "number" and self.peek(1).text == r"\dot":
                block += self.take().text
            if self.peek().text == r"\dot":
                self.take()
                block += self.digits()
        elif mark == "(" and not decimals and self.peek(1).kind == "number" and self.peek(2).text == ")":
            block = self.tokens[self.at + 1].text
            self.at += 3
        elif mark == r"\ldots":
            self.take()
            lengths = range(1, min(len(decimals) // 2, 50) + 1)
            block = next((decimals[-k:] for k in lengths if decimals[-k:] == decimals[-2 * k : -k]), "x")
        else:
            return ""
        if not block.isdigit() or len(block) > 50:
            raise Unread("repeating decimals")
        return block

    def digits(self) -> str:
        """Digits in braces, or one number as it stands."""
        if self.peek().text != "{":
            return self.take().text
        self.take()
        digits = self.take().text
        self.take("}")
        return digits

    def proper_fraction(self) -> Fraction | None:
        r"""Read the fraction of a mixed number, `\frac{1}{2}` or `1/2` after a whole number, else None."""
        ahead = [self.peek(k) for k in range(7)]
        texts = [token.text for token in ahead]
        if texts[0] == r"\frac":
            if texts[1] == "{" and texts[3:5] == ["}", "{"] and texts[6] == "}":
                above, below, size = texts[2], texts[5], 7
            elif texts[1].isdigit() and len(texts[1]) == 2:
                above, below, size = texts[1][0], texts[1][1], 2
            elif texts[1] == "{" and texts[3] == "}":
                above, below, size = texts[2], texts[4], 5
            elif texts[1].isdigit() and len(texts[1]) == 1 and texts[2] == "{" and texts[4] == "}":
                above, below, size = texts[1], texts[3], 5
            else:
                above, below, size = texts[1], texts[2], 3
        elif ahead[0].kind == "number" and texts[1] == "/":
            above, below, size = texts[0], texts[2], 3
        else:
            return None
        if (
            not (above.isdigit() and below.isdigit())
            or len(above + below) > 30
            or not 0 < int(above) < int(below)
        ):
            return None
        self.at += size
        return Fraction(int(above), int(below))

    def subscripted(self, name: str) -> str:
        """Name of a variable with its subscript, if it has one."""
        if self.peek().text != "_":
            return name
        self.take()
        if self.peek().text == "{":
            self.take()
            parts = []
            while self.peek().text != "}":
                parts.append(self.take().text)
            self.take("}")
        else:
            parts = [self.take().text]
        if not all(re.fullmatch(r"\w+", part) for part in parts):
            raise Unread("subscript")
        return f"{name}_{{{''.join(parts)}}}"

    def root(self) -> ex.Node:
        """Square root, or the root whose degree stands in brackets."""
        degree = ex.number(2)
        if self.peek().text == "[":
            degree = self.group("[", "]")
        return ex.power(self.argument(), ex.divide(ex.ONE, degree))

    def applied(self, name: str) -> ex.Node:
        """Return a function of its argument, with the exponent or base that may stand before it."""
        base = exponent = None
        if name == "log" and self.peek().text == "_":
            self.take()
            base = self.argument()
        if self.peek().text == "^":
            self.take()
            exponent = self.argument(signed=True)
        if self.peek().text == "(":
            argument = self.group("(", ")")
        else:
            argument = self.powered_or_signed()
            while self.starts_factor() and self.peek().text[1:] not in FUNCTIONS and self.peek().text != "(":
                argument = ex.mul(argument, self.powered())
            while self.peek().text == "/" and self.peek(1).kind == "number":
                self.take()
                argument = ex.divide(argument, self.powered())
        if exponent == ex.number(-1) and name in ("sin", "cos", "tan", "cot", "sec", "csc"):
            return ex.function(f"arc{name}", argument)
        if name == "cis":
            return ex.power(ex.E, ex.mul(ex.IMAGINARY, argument))
        node = ex.function(name, argument) if base is None else ex.function("log", argument, base)
        return node if exponent is None else ex.power(node, exponent)

    def powered_or_signed(self) -> ex.Node:
        """First factor of an argument without brackets; may have a minus."""
        if self.peek().text == "-":
            self.take()
            return ex.negate(self.powered())
        return self.powered()


def read(tokens: list[Token]) -> list[ex.Node]:
    """Expressions that the tokens stand for: one, or two where there is a plus-minus; raises `Unread`."""
    if any(token.text in (r"\pm", r"\mp") for token in tokens):
        return [Reader(tokens, sign).all() for sign in (1, -1)]
    return [Reader(tokens).all()]


def read_one(tokens: list[Token]) -> ex.Node:
    """The one expression that the tokens stand for; raises `Unread`."""
    nodes = read(tokens)
    if len(nodes) > 1:
        raise Unread("plus-minus")
    return nodes[0]
