r"""From text to form: `parse` reads an answer, outermost structure first, and never fails.

What it cannot read is `Opaque`. Lists, sets and brackets are read here; equations and inequalities in `relations`,
units, currencies and bases in `quantities`, matrices in `matrices`, words in `wording`, expressions in `formulas`. Sets
of numbers are worked out in `sets`.
"""

from __future__ import annotations

import re
from fractions import Fraction

from ttstudy.answers import matrices, quantities, relations, wording
from ttstudy.answers.cleaning import LONGEST, clean, trim
from ttstudy.answers.forms import (
    Bracket,
    Form,
    Inequality,
    Items,
    Matrix,
    Named,
    Opaque,
    Ratio,
    RealSet,
    SetExpression,
    Value,
    value,
)
from ttstudy.answers.formulas import read, read_one
from ttstudy.answers.sets import can_be_empty, join
from ttstudy.answers.tokens import RELATIONS, Token, Unread, closes, split_top, tokenize

OPENING = {"(": ")", "[": "]", r"\{": r"\}", r"\langle": r"\rangle"}
THOUSANDS = re.compile(r"(?<![\d.,_])\d{1,3}(?:,\d{3})+(?![\d,])(?!\.\d*,)")
PLAIN = re.compile(r"([+-]?)\s*(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?\.?")
SIMPLE = re.compile(r"([+-]?)\s*(?:\\frac\s*\{\s*([+-]?)\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|(\d+)\s*/\s*(\d+))")
TEXT_LEAD = re.compile(
    r"\\text\s*\{\s*(?:about|approximately|exactly|all|[A-Za-z' ,]*(?:\b(?:is|are|equals|be)\s*:?|[A-Za-z]{2}:))\s*\}"
)
EXCEPT = re.compile(
    r"(?:\\text\s*\{\s*)?all\s+real(?:s|\s+numbers|\s+values)?(?:\s+[a-z]\b)?\s*,?\s*(?:except|but|other than)"
    r"(?:\s+for)?(?:\s*\}|\b)\s*(.+)",
    re.I | re.S,
)
SUCH_THAT = re.compile(r"\\mid(?![A-Za-z])|(?<!\\)\|")
REALS = RealSet(((None, None, False, False),))


def simple(text: str) -> Fraction | None:
    """Exact value of a plain integer, decimal or fraction of integers, else None: most answers end here."""
    if len(text) > 200:
        return None
    if (match := PLAIN.fullmatch(text)) and (match[2] or match[3]):
        number = Fraction((match[2] or "0").replace(",", "") + (match[3] or ""))
        return -number if match[1] == "-" else number
    if match := SIMPLE.fullmatch(text):
        above, below = match[3] or match[5], match[4] or match[6]
        if int(below):
            number = Fraction(int(above), int(below))
            return -number if (match[1] == "-") != (match[2] == "-") else number
    return None


def parse(answer: str) -> Form:
    """Form of an answer as written; never raises, and takes bounded time."""
    text = clean(answer)
    if (number := simple(text)) is not None:
        return value(number)
    if len(text) > LONGEST:
        return Opaque(text)
    try:
        return structure(text)
    except (ValueError, LookupError, ArithmeticError, RecursionError, StopIteration):
        # Whatever goes wrong in reading says the same: this is not an answer that the rules read.
        if text.startswith(r"\{"):
            text = SUCH_THAT.sub(":", text)
        return wording.phrase(text) or Opaque(re.sub(r" (?=\W)|(?<=\W) ", "", text))


def structure(text: str) -> Form:
    """Form of a cleaned text; raises `Unread`."""
    if not text:
        raise Unread("nothing")
    if (known := wording.fixed(text)) is not None:
        return known
    if but := EXCEPT.fullmatch(text):
        return join("minus", [REALS, _bare(structure(but[1].removesuffix("}") if "{" not in but[1] else but[1]))])
    if (lead := TEXT_LEAD.match(text)) and lead.end() < len(text):
        text = trim(text[lead.end() :])
    if (words := wording.worded(text, parse, structure)) is not None:
        return words
    if (choice := wording.choice(text, parse)) is not None:
        return choice
    return compose(tokenize(_without_thousands_marks(text)))


def _without_thousands_marks(text: str) -> str:
    r"""Text without the commas of `26,000`, but for those in brackets, which stand between the items there."""
    if "," not in text:
        return text
    kept, depth = [], 0
    for piece in re.split(r"(\\?[(\[{]|\\?[)\]}])", text):
        # Plain braces only group: `\frac{20,000}{3}`.
        if piece in ("(", "[", r"\{", r"\[", r"\("):
            depth += 1
        elif piece in (")", "]", r"\}", r"\]", r"\)"):
            depth = max(depth - 1, 0)
        kept.append(piece if depth else THOUSANDS.sub(lambda match: match[0].replace(",", ""), piece))
    return "".join(kept)


def compose(tokens: list[Token]) -> Form:
    """Form of tokens, outermost structure first; raises `Unread`."""
    if not tokens:
        raise Unread("nothing")
    while len(tokens) > 1 and tokens[0].text in ("=", r"\approx", r"\equiv", ":"):
        tokens = tokens[1:]
    if (items := _listed(tokens)) is not None:
        return items
    if (related := relations.related(tokens, compose)) is not None:
        return related
    if (joined := _joined(tokens)) is not None:
        return joined
    return _single(tokens)


def _is_comma(token: Token) -> bool:
    return (
        token.text in (",", ";")
        and token.kind == "op"
        or token.kind == "text"
        and token.text.lower().strip(" ,") in ("and", "or")
    )


def _listed(tokens: list[Token]) -> Form | None:
    """Items between commas, "and", "or"."""
    pieces = split_top(tokens, _is_comma)
    if len(pieces) == 1:
        return None
    marks = [mark.text.lower().strip(" ,") for _, mark in pieces if mark]
    parts = [piece for piece, _ in pieces if piece]
    if len(parts) == 1:
        return compose(parts[0])
    unequal = _unequal(parts)
    forms = [compose(part) for part in unequal or parts]
    if all(isinstance(form, RealSet | SetExpression | Inequality) or _set_like(form) for form in forms) and any(
        isinstance(_bare(form), RealSet | SetExpression) for form in forms
    ):
        names = {form.name for form in forms if isinstance(form, Named)}
        parts_of = [_bare(form) for form in forms]
        joint = "cap" if unequal or "and" in marks and "or" not in marks else "cup"
        if "or" not in marks and all(map(_set_like, forms)) and not can_be_empty(parts_of):
            # x > 0, x < 5: all hold, unless nothing satisfies them all (x < 2, x > 3).
            joint = "cap"
        joined = join(joint, parts_of)
        return Named(names.pop(), joined) if len(names) == 1 else joined
    if set(marks) == {"and"} and (whole := quantities.sum_of_units(forms)) is not None:
        return whole
    if "or" in marks and len({form.name.partition("_")[0] for form in forms if isinstance(form, Named)}) > 1:
        raise Unread("one of several names")
    return _same_names(forms)


def _unequal(parts: list[list[Token]]) -> list[list[Token]] | None:
    r"""Parts of `x \ne 1, 2` or `x \ne 1, x \ne 2`, each with its own sign; None for other lists."""
    texts = [[token.text for token in part] for part in parts]
    if r"\ne" not in texts[0] or any(RELATIONS.get(text, "!=") != "!=" for part in texts for text in part):
        return None
    start = parts[0][: texts[0].index(r"\ne") + 1]
    return [part if r"\ne" in row else [*start, *part] for part, row in zip(parts, texts, strict=True)]


def _bare(form: Form) -> Form:
    return form.form if isinstance(form, Named) else form


def _set_like(form: Form) -> bool:
    return isinstance(form, Named) and isinstance(form.form, RealSet | SetExpression)


def _same_names(forms: list[Form]) -> Form:
    """`x = 1, x = 2` and `x = 1, 2` are the values 1, 2 of x; values of several names are a tuple of them."""
    names = [form.name for form in forms if isinstance(form, Named)]
    flat: list[Form] = []
    for form in forms:
        inner = _bare(form) if len(set(names)) <= 1 else form
        flat += inner.items if isinstance(inner, Items) and not inner.braces else [inner]
    if names and len(set(names)) == 1 and (len(names) == len(forms) or isinstance(forms[0], Named)):
        return Named(names[0], Items(tuple(flat), braces=False))
    return Items(tuple(flat), braces=False)


SET_OPERATIONS = {r"\cup": "cup", r"\cap": "cap", r"\setminus": "minus"}


def _joined(tokens: list[Token]) -> Form | None:
    """Unions, intersections and differences, from left to right."""
    # A minus before a brace takes a set away.
    tokens = [
        Token("cmd", r"\setminus") if token.text == "-" and at and after.text == r"\{" else token
        for at, (token, after) in enumerate(zip(tokens, [*tokens[1:], Token("end", "")], strict=True))
    ]
    pieces = split_top(tokens, lambda token: token.text in SET_OPERATIONS)
    if len(pieces) == 1:
        return None
    result = compose(pieces[0][0])
    for (_, mark), (piece, _) in zip(pieces, pieces[1:], strict=False):
        assert mark is not None
        result = join(SET_OPERATIONS[mark.text], [result, compose(piece)])
    return result


def _single(tokens: list[Token]) -> Form:
    """A form with no comma, relation or set operation outside brackets."""
    texts = [token.text for token in tokens]
    first, last = tokens[0], tokens[-1]
    if texts in ([r"\emptyset"], [r"\{", r"\}"]):
        return Items((), braces=True)
    if texts == [r"\mathbb{R}"]:
        return REALS
    if all(token.kind == "text" for token in tokens):
        words = wording.worded(rf"\text{{{' '.join(token.text for token in tokens)}}}", parse, structure)
        if words is not None:
            return words
    if len(tokens) > 5 and texts[-2:] == ["^", "T"] and first.text in "([" and closes(tokens[:-2]):
        inner = [piece for piece, _ in split_top(tokens[1:-3], _is_comma)]
        if len(inner) > 1:
            return Matrix(tuple((read_one(piece),) for piece in inner))
    if first.text in OPENING and closes(tokens) and last.text in (")", "]", r"\}", r"\rangle"):
        bracket = _bracketed(tokens)
        if bracket is not None:
            return bracket
    if (matrix := matrices.matrix(tokens)) is not None:
        return matrix
    if (based := quantities.based(tokens)) is not None:
        return based
    if (quantity := quantities.quantity(tokens, _single)) is not None:
        return quantity
    if ":" in texts:
        parts = split_top(tokens, lambda token: token.text == ":")
        return Ratio(tuple(read_one(part) for part, _ in parts))
    nodes = read(tokens)
    if len(nodes) == 1 or nodes[0] == nodes[1]:
        return Value(nodes[0])
    return Items(tuple(Value(node) for node in nodes), braces=False)


def _bracketed(tokens: list[Token]) -> Form | None:
    opening, closing, inner = tokens[0].text, tokens[-1].text, tokens[1:-1]
    pieces = [piece for piece, _ in split_top(inner, lambda token: token.text in (",", ";") and token.kind == "op")]
    if opening == r"\{" and closing == r"\}":
        if any(token.text in ("|", r"\mid", ":") for token in inner):
            bar = next(at for at, token in enumerate(inner) if token.text in ("|", r"\mid", ":"))
            return compose(inner[bar + 1 :])
        if len(pieces) == 1 and any(RELATIONS.get(token.text, "=") not in ("=", "in") for token in inner):
            return compose(inner)
        flat: list[Form] = []
        for piece in pieces:
            form = compose(piece)
            flat += form.items if isinstance(form, Items) and not form.braces else [form]
        return Items(tuple(flat), braces=True)
    if len(pieces) == 1:
        if inner and inner[0].text in OPENING and closes(inner) and len(inner) > 3:
            return compose(inner)
        if any(token.text in RELATIONS or token.text in SET_OPERATIONS for token in inner):
            return compose(inner)
        return None
    items = tuple(compose(piece) for piece in pieces)
    if opening == r"\langle":
        opening, closing = "<", ">"
    if opening == "[" and closing == "]" and len(items) != 2:
        return Items(items, braces=False)
    return Bracket(opening, closing, items)
