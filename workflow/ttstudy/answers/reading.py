r"""From text to form: `parse` reads an answer, outermost structure first, and never fails.

What it cannot read is opaque. Lists, sets, brackets and matrices are read here; equations and inequalities in
`relations`, units, currencies and bases in `quantities`, words in `wording`, expressions in `formulas`.
"""

from __future__ import annotations

import re
from functools import lru_cache

import sympy

from ttstudy.answers import algebra, forms, quantities, relations, wording
from ttstudy.answers.cleaning import LONGEST, clean, trim
from ttstudy.answers.forms import Form
from ttstudy.answers.formulas import read, read_one
from ttstudy.answers.tokens import OPEN, RELATIONS, Token, TooLarge, Unread, closes, split_top, tokenize
from ttstudy.answers.verdicts import Keys, plain_keys, simple

_THOUSANDS = re.compile(r"(?<![\d.,_])\d{1,3}(?:,\d{3})+(?![\d,])(?!\.\d*,)")
_TEXT_LEAD = re.compile(
    r"\\text\s*\{\s*(?:about|approximately|exactly|all|[A-Za-z' ,]*(?:\b(?:is|are|equals|be)\s*:?|[A-Za-z]{2}:))\s*\}"
)
_SUCH_THAT = ("|", r"\mid", ":")
_SET_OPERATIONS = {r"\cup": "cup", r"\cap": "cap", r"\setminus": "minus"}
_MATRICES = tuple(rf"\begin{{{kind}matrix}}" for kind in ("v", "", "p", "b", "B", "small")) + (r"\begin{array}",)
_UNFINISHED = (r"\text", r"\$", r"\ldots", "...", "?")
"""Marks of a text that a larger system would read a part of."""


def keys_of(answer: str) -> Keys:
    """Keys of an answer as written."""
    return plain_keys(answer) or parse(answer).keys


def canonical(answer: str) -> str:
    """One text for all spellings that the rules of form decide to be equal; the form of a form is itself."""
    shown = answer
    for _ in range(5):
        before, shown = shown, parse(shown).shown
        if len(shown) > LONGEST:
            # Written out it would be too long to be read again: such an answer is its own spelling.
            return clean(before)
        if shown == before:
            break
    return shown


@lru_cache(maxsize=500)
def parse(answer: str) -> Form:
    """Form of an answer as written; never raises."""
    text = clean(answer)
    if (number := simple(text)) is not None:
        return forms.number(number)
    if len(text) > LONGEST:
        return forms.opaque(text)
    try:
        return structure(text)
    except TooLarge:
        return forms.opaque(text)
    except (ValueError, LookupError, ArithmeticError, RecursionError, TypeError, AttributeError, NotImplementedError):
        # Whatever goes wrong in reading says the same: this is not an answer that the rules read.
        if _for_library(text) and (node := algebra.library(text)) is not None:
            return forms.value(node)
        if text.startswith(r"\{"):
            text = re.sub(r"\\mid(?![A-Za-z])|(?<!\\)\|", ":", text)
        return forms.opaque(re.sub(r" (?=\W)|(?<=\W) ", "", text))


def _for_library(text: str) -> bool:
    """Say whether text that our rules do not read may be mathematics for a larger system: no words in it."""
    if len(text) > 300 or text.count("{") > 60 or any(mark in text for mark in _UNFINISHED):
        return False
    bare = re.sub(r"\\[A-Za-z]+", " ", text)
    return not re.search(r"[A-Za-z]{3}", bare) and bool(re.search(r"[\dA-Za-z]", bare)) and "\\" in text


def structure(text: str) -> Form:
    """Form of a cleaned text; raises `Unread`."""
    if (known := wording.fixed(text)) is not None:
        return known
    if (lead := _TEXT_LEAD.match(text)) and lead.end() < len(text):
        text = trim(text[lead.end() :])
    found = wording.worded(text, parse, structure) or wording.choice(text, parse)
    return found or compose(tokenize(_without_thousands_marks(text)))


def _without_thousands_marks(text: str) -> str:
    r"""Text without the commas of `26,000`, but for those in brackets, which stand between the items there."""
    kept, depth = [], 0
    for piece in re.split(r"(\\?[(\[{]|\\?[)\]}])", text):
        # Plain braces only group: `\frac{20,000}{3}`.
        depth = max(depth + (piece in ("(", "[", r"\{")) - (piece in (")", "]", r"\}")), 0)
        kept.append(piece if depth else _THOUSANDS.sub(lambda match: match[0].replace(",", ""), piece))
    return "".join(kept)


def compose(tokens: list[Token]) -> Form:
    """Form of tokens, outermost structure first; raises `Unread`."""
    while len(tokens) > 1 and tokens[0].text in ("=", r"\approx", r"\equiv", ":"):
        tokens = tokens[1:]
    if not tokens:
        raise Unread("nothing")
    return _listed(tokens) or relations.related(tokens, compose) or _joined(tokens) or _single(tokens)


def _comma(token: Token) -> bool:
    return token.text in (",", ";") and token.kind == "op"


def _listed(tokens: list[Token]) -> Form | None:
    """Items between commas, "and", "or"."""
    words = ("and", "or")
    pieces = split_top(tokens, lambda t: _comma(t) or t.kind == "text" and t.text.lower().strip(" ,") in words)
    if len(pieces) == 1:
        return None
    marks = [mark.text.lower().strip(" ,") for _, mark in pieces if mark]
    parts = [piece for piece, _ in pieces if piece]
    if len(parts) == 1:
        return compose(parts[0])
    unequal = _unequal(parts)
    found = [compose(part) for part in unequal or parts]
    names = {form.name for form in found if form.kind == "named"}
    sets = [form.bare.kind == "set" for form in found]
    if any(sets) and all(held or form.kind == "inequality" for held, form in zip(sets, found, strict=True)):
        both = unequal or "and" in marks and "or" not in marks
        if "or" not in marks and all(form.kind == "named" for form in found):
            # x > 0, x < 5: all hold, unless nothing satisfies them all (x < 2, x > 3).
            both = both or not relations.can_be_empty(found)
        joined = relations.join("cap" if both else "cup", found)
        return forms.named(names.pop(), joined) if len(names) == 1 else joined
    if set(marks) == {"and"} and (whole := quantities.sum_of_units(found)) is not None:
        return whole
    if "or" in marks and len({name.partition("_")[0] for name in names}) > 1:
        raise Unread("one of several names")
    return _same_names(found)


def _unequal(parts: list[list[Token]]) -> list[list[Token]] | None:
    r"""Parts of `x \ne 1, 2` or `x \ne 1, x \ne 2`, each with its own sign; None for other lists."""
    texts = [[token.text for token in part] for part in parts]
    if r"\ne" not in texts[0] or any(RELATIONS.get(text, "!=") != "!=" for part in texts for text in part):
        return None
    start = parts[0][: texts[0].index(r"\ne") + 1]
    return [part if r"\ne" in row else [*start, *part] for part, row in zip(parts, texts, strict=True)]


def _flat(found: list[Form]) -> tuple[Form, ...]:
    """Forms with the items of bare lists among them in their place."""
    lists = [form.inner if form.kind == "items" and not form.braced else (form,) for form in found]
    return tuple(item for part in lists for item in part)


def _same_names(found: list[Form]) -> Form:
    """`x = 1, x = 2` and `x = 1, 2` are the values 1, 2 of x; values of several names are a tuple of them."""
    names = [form.name for form in found if form.kind == "named"]
    flat = _flat([form.bare if len(set(names)) <= 1 else form for form in found])
    if len(set(names)) == 1 and (len(names) == len(found) or found[0].kind == "named"):
        return forms.named(names[0], forms.items(flat))
    return forms.items(flat)


def _joined(tokens: list[Token]) -> Form | None:
    """Unions, intersections and differences, from left to right; a minus before a brace takes a set away."""
    after = [*(token.text for token in tokens[1:]), ""]
    minus = Token("cmd", r"\setminus")
    tokens = [
        minus if token.text == "-" and at and after[at] == r"\{" else token for at, token in enumerate(tokens)
    ]
    pieces = split_top(tokens, lambda token: token.text in _SET_OPERATIONS)
    if len(pieces) == 1:
        return None
    result = compose(pieces[0][0])
    for (_, mark), (piece, _) in zip(pieces, pieces[1:], strict=False):
        result = relations.join(_SET_OPERATIONS[mark.text if mark else ""], [result, compose(piece)])
    return result


def _single(tokens: list[Token]) -> Form:
    """A form with no comma, relation or set operation outside brackets."""
    texts = [token.text for token in tokens]
    if texts in ([r"\emptyset"], [r"\{", r"\}"], [r"\mathbb{R}"]):
        return forms.real_set(sympy.S.Reals if texts == [r"\mathbb{R}"] else sympy.S.EmptySet)
    readers = (_bracketed, _matrix, quantities.based, lambda part: quantities.quantity(part, _single))
    if (found := next((form for reader in readers if (form := reader(tokens)) is not None), None)) is not None:
        return found
    if ":" in texts:
        return forms.ratio([read_one(part) for part, _ in split_top(tokens, lambda token: token.text == ":")])
    nodes = list(dict.fromkeys(read(tokens)))
    return forms.value(nodes[0]) if len(nodes) == 1 else forms.items(tuple(map(forms.value, nodes)))


def _bracketed(tokens: list[Token]) -> Form | None:
    opening, closing, inner = tokens[0].text, tokens[-1].text, tokens[1:-1]
    if opening not in ("(", "[", r"\{", r"\langle") or not closes(tokens):
        return None
    texts = [token.text for token in inner]
    pieces = [piece for piece, _ in split_top(inner, _comma)]
    if opening == r"\{":
        bar = next((at for at, text in enumerate(texts) if text in _SUCH_THAT), None)
        if bar is not None:
            return compose(inner[bar + 1 :])
        if len(pieces) == 1 and any(RELATIONS.get(text, "=") not in ("=", "in") for text in texts):
            return compose(inner)
        return forms.items(_flat([compose(piece) for piece in pieces]), braces=True)
    if len(pieces) == 1:
        # Brackets around brackets, a relation or an operation on sets say nothing.
        nested = len(inner) > 3 and inner[0].text in OPEN and inner[0].text != "{" and closes(inner)
        return compose(inner) if nested or any(text in RELATIONS or text in _SET_OPERATIONS for text in texts) else None
    found = tuple(compose(piece) for piece in pieces)
    if opening == "[" and closing == "]" and len(found) != 2:
        return forms.items(found)
    return forms.bracket("<", ">", found) if opening == r"\langle" else forms.bracket(opening, closing, found)


def _matrix(tokens: list[Token]) -> Form | None:
    """A matrix with the factor before it, transposed or not, a column `(3,4)^T`, or a determinant."""
    if len(tokens) > 2 and tokens[-2].text == "^" and tokens[-1].text in ("T", r"\top"):
        if tokens[0].text in ("(", "[") and closes(tokens[:-2]) and len(parts := split_top(tokens[1:-3], _comma)) > 1:
            return forms.matrix(sympy.Matrix([read_one(part) for part, _ in parts]))
        form = _matrix(tokens[:-2])
        return forms.matrix(form.inner.T) if form and form.kind == "matrix" else None
    if tokens[0].text + tokens[-1].text in ("()", "[]") and len(tokens) > 3 and tokens[1].text in _MATRICES:
        tokens = tokens[1:-1]
    start = next((at for at, token in enumerate(tokens) if token.kind == "env"), None)
    if start is None:
        return None
    before = [token for token in tokens[:start] if token.text not in (r"\cdot", r"\times")]
    inner = tokens[start + 1 : -1]
    if tokens[start].text not in _MATRICES or tokens[-1].kind != "env" or any(token.kind == "env" for token in inner):
        raise Unread("environment")
    factor = read_one([*before, Token("number", "1")] if before and before[-1].text == "-" else before) if before else 1
    if tokens[start].text == r"\begin{array}" and inner[0].text == "{":
        inner = inner[[token.text for token in inner].index("}") + 1 :]
    rows = [piece for piece, _ in split_top(inner, lambda token: token.text == "\\\\") if piece]
    cells = [[read_one(cell) for cell, _ in split_top(row, lambda token: token.text == "&")] for row in rows]
    found = factor * sympy.Matrix(cells)
    if tokens[start].text != r"\begin{vmatrix}":
        return forms.matrix(found)
    if found.rows > 4:
        raise Unread("determinant")
    return forms.value(factor * sympy.Matrix(cells).det())
