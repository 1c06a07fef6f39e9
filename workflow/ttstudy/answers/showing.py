"""How a form is printed: the same text for forms that differ in spelling only."""

from __future__ import annotations

from ttstudy.answers import expressions as ex
from ttstudy.answers import latex
from ttstudy.answers.cleaning import LONGEST, clean
from ttstudy.answers.forms import (
    Based,
    Bracket,
    Choice,
    Clock,
    Equation,
    Form,
    Inequality,
    Items,
    Matrix,
    Named,
    Opaque,
    Piece,
    Quantity,
    Ratio,
    RealSet,
    SetExpression,
    Value,
    Words,
)
from ttstudy.answers.reading import parse
from ttstudy.answers.wording import CLOCK


def show(form: Form) -> str:
    """LaTeX of a form, the same for forms that differ in spelling only; `parse` gives the form back."""
    match form:
        case Value(node):
            return latex.show(node)
        case Quantity(inner, _, base, size):
            name, _, power = base.partition("^")
            amount = latex.show(ex.mul(inner.node, ex.number(size)))
            amount = f"({amount})" if inner.node[0] == "+" else amount
            return rf"{amount}\text{{ {name}}}" + (f"^{{{power}}}" if power else "")
        case Based(digits, base):
            return f"{digits}_{{{base}}}"
        case Words(words):
            return words if CLOCK.fullmatch(words) else rf"\text{{{words}}}"
        case Choice(letter, beside):
            return rf"\text{{({letter})}}" + ("" if beside is None else f" {show(beside)}")
        case Bracket(opening, closing, items):
            inner = ",".join(map(show, items))
            return rf"\langle {inner}\rangle" if opening == "<" else f"{opening}{inner}{closing}"
        case Items(items, braces):
            shown = sorted(set(map(show, items)) if braces else map(show, items))
            return rf"\{{{','.join(shown)}\}}" if braces else ", ".join(shown)
        case Named(name, inner):
            if (
                isinstance(inner, RealSet | Bracket | SetExpression)
                or isinstance(inner, Items)
                and inner.braces
            ):
                return rf"{name}\in {show(inner)}" if name else show(inner)
            return f"{name}={show(inner)}" if name else show(inner)
        case Equation(node):
            return f"{latex.show(_leading_one(node, signed=False))}=0"
        case Inequality(node, strict):
            return f"{latex.show(_leading_one(node, signed=True))}{'>' if strict else '>='}0"
        case RealSet(pieces):
            return r"\cup ".join(map(_show_piece, pieces)) if pieces else r"\emptyset "
        case SetExpression(operation, parts):
            joint = {"cup": r"\cup ", "cap": r"\cap ", "minus": r"\setminus "}[operation]
            return joint.join(map(show, parts))
        case Matrix(rows):
            body = r" \\ ".join(" & ".join(map(latex.show, row)) for row in rows)
            return rf"\begin{{pmatrix}}{body}\end{{pmatrix}}"
        case Clock(hours, minutes):
            return f"{hours}:{minutes:02d}"
        case Ratio(parts):
            return ":".join(map(latex.show, parts))
        case Opaque(text):
            return text


def _leading_one(node: ex.Node, *, signed: bool) -> ex.Node:
    """Scale a sum so that its first term has coefficient 1 (or -1, where the sign matters)."""
    first = node[1][0] if node[0] == "+" else node
    lead = ex.split(first)[0]
    return ex.mul(ex.number(1 / (abs(lead) if signed else lead)), node) if lead else node


def _show_piece(piece: Piece) -> str:
    low, high, from_low, to_high = piece
    if low is not None and low == high:
        return rf"\{{{latex.show(low)}\}}"
    start = r"-\infty" if low is None else latex.show(low)
    stop = r"\infty" if high is None else latex.show(high)
    return f"{'[' if from_low else '('}{start},{stop}{']' if to_high else ')'}"


def canonical(answer: str) -> str:
    """Vote-class key of an answer: one text for all spellings that the rules of form decide to be equal.

    Idempotent: the key of a key is itself. Takes bounded time and calls no computer algebra.
    """
    shown = answer
    for _ in range(5):
        before, shown = shown, show(parse(shown))
        if len(shown) > LONGEST:
            # Written out it would be too long to be read again: such an answer is its own spelling.
            return clean(before)
        if shown == before:
            break
    return shown
