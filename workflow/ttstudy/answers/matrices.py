"""Matrices, and determinants of numbers."""

from __future__ import annotations

from ttstudy.answers import expressions as ex
from ttstudy.answers.forms import Form, Matrix, Value
from ttstudy.answers.formulas import read_one
from ttstudy.answers.tokens import Token, Unread, split_top

MATRICES = ("vmatrix", "matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array")


def matrix(tokens: list[Token]) -> Form | None:
    """A matrix with the factor that may stand before it, or a determinant."""
    if tokens[0].text + tokens[-1].text in ("()", "[]") and len(tokens) > 3:
        if any(tokens[1].text == rf"\begin{{{kind}}}" and tokens[-2].text == rf"\end{{{kind}}}" for kind in MATRICES):
            tokens = tokens[1:-1]
    transposed = len(tokens) > 2 and tokens[-2].text == "^" and tokens[-1].text in ("T", r"\top")
    if transposed:
        form = matrix(tokens[:-2])
        return Matrix(tuple(zip(*form.rows, strict=True))) if isinstance(form, Matrix) else None
    starts = [at for at, token in enumerate(tokens) if token.kind == "env" and token.text.startswith(r"\begin")]
    if not starts:
        return None
    start = starts[0]
    if len(starts) > 1 or tokens[-1].kind != "env" and tokens[-1].text not in (")", "]"):
        raise Unread("several environments")
    kind = tokens[start].text[7:-1]
    if kind not in MATRICES:
        raise Unread("environment")
    stop = next(at for at, token in enumerate(tokens) if token.kind == "env" and token.text.startswith(r"\end"))
    before = [token for token in tokens[:start] if token.text not in (r"\cdot", r"\times")]
    if stop != len(tokens) - 1 or any(token.text in ("(", "[") for token in before):
        raise Unread("matrix in an expression")
    factor = ex.number(-1) if [t.text for t in before] == ["-"] else read_one(before) if before else ex.ONE
    inner = tokens[start + 1 : stop]
    if kind == "array" and inner and inner[0].text == "{":
        inner = inner[next(at for at, token in enumerate(inner) if token.text == "}") + 1 :]
    rows = [piece for piece, _ in split_top(inner, lambda token: token.text == "\\\\") if piece]
    cells = [[read_one(cell) for cell, _ in split_top(row, lambda token: token.text == "&")] for row in rows]
    if not cells or len({len(row) for row in cells}) > 1:
        raise Unread("ragged matrix")
    if kind == "vmatrix":
        return Value(ex.mul(factor, _determinant(cells)))
    return Matrix(tuple(tuple(ex.mul(factor, cell) for cell in row) for row in cells))


def _determinant(cells: list[list[ex.Node]]) -> ex.Node:
    if len(cells) != len(cells[0]) or len(cells) > 4:
        raise Unread("determinant")
    if len(cells) == 1:
        return cells[0][0]
    minors = [[row[:k] + row[k + 1 :] for row in cells[1:]] for k in range(len(cells))]
    terms = [ex.mul(cell, _determinant(minor)) for cell, minor in zip(cells[0], minors, strict=True)]
    return ex.add(*(ex.negate(term) if k % 2 else term for k, term in enumerate(terms)))
