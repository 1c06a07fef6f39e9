"""Expressions as LaTeX, one text for one tree."""

from __future__ import annotations

from fractions import Fraction

from ttstudy.answers.expressions import HALF, Node, number, split


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
        as_is = len(node[1]) == 1 or node[1].isupper() or node[1].startswith("\\") or "_" in node[1]
        return node[1] if as_is else f"\\{node[1]}"
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
