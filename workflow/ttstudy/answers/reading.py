r"""From text to form: `parse` reads an answer, outermost structure first, and never fails.

What it cannot read is `Opaque`. Sets of numbers are worked out in `sets`, words in `wording`, expressions in
`formulas`.
"""

from __future__ import annotations

import re
from fractions import Fraction

from ttstudy.answers import expressions as ex
from ttstudy.answers import wording
from ttstudy.answers.cleaning import LONGEST, clean, trim
from ttstudy.answers.forms import (
    Based,
    Bracket,
    Equation,
    Form,
    Inequality,
    Items,
    Matrix,
    Named,
    Opaque,
    Quantity,
    Ratio,
    RealSet,
    SetExpression,
    Value,
    value,
)  # fmt: skip
from ttstudy.answers.formulas import read
from ttstudy.answers.sets import can_be_empty, join, solve
from ttstudy.answers.tokens import FUNCTIONS, RELATIONS, Token, Unread, split_top, tokenize
from ttstudy.answers.units import SCALES, unit

OPENING = {"(": ")", "[": "]", r"\{": r"\}", r"\langle": r"\rangle"}
THOUSANDS = re.compile(r"(?<![\d.,_])\d{1,3}(?:,\d{3})+(?![\d,])(?!\.\d*,)")
PLAIN = re.compile(r"([+-]?)\s*(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?\.?")
SIMPLE = re.compile(r"([+-]?)\s*(?:\\frac\s*\{\s*([+-]?)\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|(\d+)\s*/\s*(\d+))")
TEXT_LEAD = re.compile(
    r"\\text\s*\{\s*(?:about|approximately|exactly|all|[A-Za-z' ,]*(?:\b(?:is|are|equals|be)\s*:?|[A-Za-z]{2}:))\s*\}"
)
SENTENCE = re.compile(r"^[A-Za-z][A-Za-z' ]*\s(?:is|are|equals)\s+(?=[^a-zA-Z\s])")
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
    if (sentence := SENTENCE.match(text)) and "\\" not in sentence[0]:
        text = trim(text[sentence.end() :])
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
    for splitter in (_listed, _related, _joined):
        form = splitter(tokens)
        if form is not None:
            return form
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
    if all(
        isinstance(form, RealSet | SetExpression | Inequality) or _set_like(form) for form in forms
    ) and any(isinstance(_bare(form), RealSet | SetExpression) for form in forms):
        names = {form.name for form in forms if isinstance(form, Named)}
        parts_of = [_bare(form) for form in forms]
        joint = "cap" if unequal or "and" in marks and "or" not in marks else "cup"
        if "or" not in marks and all(map(_set_like, forms)) and not can_be_empty(parts_of):
            # x > 0, x < 5: all hold, unless nothing satisfies them all (x < 2, x > 3).
            joint = "cap"
        joined = join(joint, parts_of)
        return Named(names.pop(), joined) if len(names) == 1 else joined
    if set(marks) == {"and"} and (whole := _sum_of_units(forms)) is not None:
        return whole
    return _same_names(forms)


def _sum_of_units(forms: list[Form]) -> Quantity | None:
    """Read `2 hours and 30 minutes`, `5 dollars and 25 cents`: one kind, the larger unit first; else None."""
    if not all(isinstance(form, Quantity) and form.base == forms[0].base for form in forms):
        return None
    sizes = [form.size for form in forms]
    if any(small >= large for large, small in zip(sizes, sizes[1:], strict=False)):
        return None
    total = ex.add(*(ex.mul(form.value.node, ex.number(form.size)) for form in forms))
    return Quantity(Value(total), forms[0].base, forms[0].base, Fraction(1))


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


def _related(tokens: list[Token]) -> Form | None:
    """Equations, inequalities, chains of them, and membership."""
    pieces = split_top(tokens, lambda token: token.text in RELATIONS and token.kind in ("op", "cmd"))
    if len(pieces) == 1:
        return None
    signs = [RELATIONS[mark.text] for _, mark in pieces if mark]
    sides = [piece for piece, _ in pieces]
    if signs[-1] == "in":
        return Named(_name(sides[-2]) or "", compose(sides[-1]))
    if set(signs) == {"="}:
        return _equation(sides)
    if "=" in signs or "in" in signs:
        raise Unread("mixed relations")
    return _inequalities(sides, signs)


def _names_a_value(tokens: list[Token]) -> bool:
    r"""Say whether these are no equation's side but what is asked for: `P(X>2)`, `\gcd(12,18)`, `\frac{AB}{CD}`."""
    first, texts = tokens[0], [token.text for token in tokens]
    if len(tokens) > 3 and texts[1] in ("(", "[") and _closes(tokens[1:]):
        return first.kind == "text" or first.text in COMMAND_NAMES or first.kind == "symbol" and first.text.isupper()
    if r"\bmod" in texts[1:-1]:
        return texts.index(r"\bmod") == len(texts) - 2
    letters = [token for token in tokens if token.kind != "op" and token.text not in (r"\frac", r"\overline")]
    return first.text == r"\frac" and all(token.kind == "symbol" and token.text.isupper() for token in letters)


def _without_area_brackets(tokens: list[Token]) -> list[Token]:
    """`[ABC]`, the area of ABC, as the letters."""
    inner = tokens[1:-1]
    area = len(inner) > 2 and tokens[0].text + tokens[-1].text == "[]"
    return inner if area and all(token.kind == "symbol" and token.text.isupper() for token in inner) else tokens


def _name(tokens: list[Token]) -> str | None:
    """Name that stands for the answer: a variable, f(x), a sum or tuple of variables, words; else None."""
    tokens = _without_area_brackets(tokens)
    texts = [token.text for token in tokens]
    if not tokens or any(token.kind == "number" for token in tokens[:1]):
        return None
    if match := re.fullmatch(r"\\frac\{d\^?\d?([a-zA-Z])\}\{d([a-zA-Z])\^?\d?\}", "".join(texts)):
        return match[0]
    while texts[0] in (r"\overline", r"\vec", "m") and len(tokens) > 1 and (
        texts[0] != "m" or texts[1] == r"\angle"
    ):
        # A segment and its length, an angle and its measure go by one name.
        tokens, texts = tokens[1:], texts[1:]
    while len(tokens) > 2 and texts[0] == "{" and texts[-1] == "}":
        tokens, texts = tokens[1:-1], texts[1:-1]
    if all(token.kind == "text" for token in tokens):
        return " ".join(texts).casefold()
    if _names_a_value(tokens):
        return "".join(texts)
    allowed = {
        "(",
        ")",
        "+",
        "_",
        "{",
        "}",
        ",",
        "|",
        "'",
        r"\angle",
        r"\triangle",
        r"\overline",
        r"\{",
        r"\}",
        r"\prime",
        r"\measuredangle",
        "^",
        "-",
        r"\cdot",
        "*",
        "/",
        r"\vec",
        r"\hat",
        r"\det",
        r"\min",
        r"\max",
    }
    for at, token in enumerate(tokens):
        if (
            token.kind == "symbol"
            or token.kind == "cmd"
            and re.fullmatch(r"\\[a-zA-Z]+", token.text)
            and token.text not in (r"\frac", r"\sqrt", r"\pi", r"\pm")
        ):
            continue
        if token.kind == "text" or token.text in allowed:
            continue
        if token.kind == "number" and at and ("".join(texts[:at]).endswith(("_", "{", "(", "^", "{-", "(-", ","))):
            continue
        return None
    return "".join(texts)


def _equation(sides: list[list[Token]]) -> Form:
    name = _name(sides[0])
    last = sides[-1]
    if len(sides) == 2 and (plain := _two_sided(sides, name)) is not None:
        return plain
    chain = [_name(side) for side in sides[:-1]]
    if len(set(chain)) > 1 and all(len(side) == 1 and side[0].kind == "symbol" for side in sides[:-1]):
        # x = y = z = 0 gives each its value.
        form = compose(last)
        return Items(tuple(Named(variable or "", form) for variable in chain), braces=False)
    applied = _applied(sides[0]) or (name or "").startswith(r"\frac{d")
    if name is not None and not (len(sides) == 2 and not applied and _mentions(last, sides[0])):
        form = compose(last)
        return Named(name, form)
    nodes = [read(side) for side in sides]
    if any(len(node) > 1 for node in nodes):
        raise Unread("plus-minus in an equation")
    first = [node[0] for node in nodes]
    if all(not ex.symbols(node) for node in first):
        if len(set(first)) > 1 and not all(ex.add(first[-1], ex.negate(node)) == ex.ZERO for node in first):
            raise Unread("sides that differ")
        return Value(first[-1])
    if len(first) > 2:
        raise Unread("chain of equations")
    return Equation(ex.add(first[0], ex.negate(first[1])))


def _applied(tokens: list[Token]) -> bool:
    """Say whether these are a function of something: f(x), f^{-1}(x), a_n(x)."""
    start = next((at for at, token in enumerate(tokens) if token.text == "("), 0)
    marks = {"^", "_", "{", "}", "'", "-", r"\prime"}
    head = all(token.text in marks or token.kind in ("number", "symbol") for token in tokens[1:start])
    return 0 < start and tokens[0].kind == "symbol" and head and tokens[-1].text == ")"


def _two_sided(sides: list[list[Token]], name: str | None) -> Form | None:
    """Read `5 = x` as `x = 5`; None where the left side is the name."""
    if name is None and (other := _name(sides[1])) is not None and len(sides[1]) <= 4:
        form = compose(sides[0])
        if isinstance(form, Value) and not ex.symbols(form.node):
            return Named(other, form)
    return None


def _mentions(tokens: list[Token], name: list[Token]) -> bool:
    """Say whether the right side speaks of a variable of the left, as in x + y = 2x."""
    variables = {
        token.text
        for at, token in enumerate(name)
        if token.kind == "symbol" and "_" not in [before.text for before in name[max(at - 2, 0) : at]]
    }
    return bool(variables & {token.text for token in tokens if token.kind == "symbol"})


def _inequalities(sides: list[list[Token]], signs: list[str]) -> Form:
    nodes = [_one(side) for side in sides]
    variables = frozenset().union(*(ex.symbols(node) for node in nodes))
    if len(variables) == 1:
        name = next(iter(variables))
        solved = [solve(nodes[k], nodes[k + 1], sign, name) for k, sign in enumerate(signs)]
        if all(part is not None for part in solved):
            return Named(name, join("cap", solved) if len(solved) > 1 else solved[0])
    if len(signs) > 1 or signs[0] == "!=":
        raise Unread("inequalities")
    greater, less = (nodes[0], nodes[1]) if signs[0][0] == ">" else (nodes[1], nodes[0])
    return Inequality(ex.add(greater, ex.negate(less)), strict=len(signs[0]) == 1)


def _one(tokens: list[Token]) -> ex.Node:
    nodes = read(tokens)
    if len(nodes) > 1:
        raise Unread("plus-minus")
    return nodes[0]

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
    if first.text in OPENING and _closes(tokens) and last.text in (")", "]", r"\}", r"\rangle"):
        bracket = _bracketed(tokens)
        if bracket is not None:
            return bracket
    if (matrix := _matrix(tokens)) is not None:
        return matrix
    if (based := _based(tokens)) is not None:
        return based
    if (quantity := _quantity(tokens)) is not None:
        return quantity
    if ":" in texts:
        parts = split_top(tokens, lambda token: token.text == ":")
        return Ratio(tuple(_one(part) for part, _ in parts))
    nodes = read(tokens)
    if len(nodes) == 1 or nodes[0] == nodes[1]:
        return Value(nodes[0])
    return Items(tuple(Value(node) for node in nodes), braces=False)


def _closes(tokens: list[Token]) -> bool:
    """Say whether the first bracket is closed by the last token."""
    depth = 0
    for at, token in enumerate(tokens):
        opens = token.text in (
            "(",
            "[",
            "{",
            r"\{",
            r"\langle",
            r"\lfloor",
            r"\lceil",
        ) or token.text.startswith(r"\begin")
        closes = token.text in (
            ")",
            "]",
            "}",
            r"\}",
            r"\rangle",
            r"\rfloor",
            r"\rceil",
        ) or token.text.startswith(r"\end")
        depth += opens - closes
        if depth == 0:
            return at == len(tokens) - 1
    return False


def _bracketed(tokens: list[Token]) -> Form | None:
    opening, closing, inner = tokens[0].text, tokens[-1].text, tokens[1:-1]
    pieces = [
        piece for piece, _ in split_top(inner, lambda token: token.text in (",", ";") and token.kind == "op")
    ]
    if opening == r"\{" and closing == r"\}":
        if any(token.text in ("|", r"\mid", ":") for token in inner):
            bar = next(at for at, token in enumerate(inner) if token.text in ("|", r"\mid", ":"))
            return compose(inner[bar + 1 :])
        flat: list[Form] = []
        for piece in pieces:
            form = compose(piece)
            flat += form.items if isinstance(form, Items) and not form.braces else [form]
        return Items(tuple(flat), braces=True)
    if len(pieces) == 1:
        if any(token.text in RELATIONS or token.text in SET_OPERATIONS for token in inner):
            return compose(inner)
        return None
    items = tuple(compose(piece) for piece in pieces)
    if opening == r"\langle":
        opening, closing = "<", ">"
    if opening == "[" and closing == "]" and len(items) != 2:
        return Items(items, braces=False)
    return Bracket(opening, closing, items)


COMMAND_NAMES = (r"\gcd", r"\lcm", r"\min", r"\max", r"\deg", r"\Pr", r"\phi", r"\sigma", r"\tau")
MATRICES = ("vmatrix", "matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array")


def _matrix(tokens: list[Token]) -> Form | None:
    """A matrix with the factor that may stand before it, or a determinant."""
    if tokens[0].text + tokens[-1].text in ("()", "[]") and len(tokens) > 3:
        if any(
            tokens[1].text == rf"\begin{{{kind}}}" and tokens[-2].text == rf"\end{{{kind}}}"
            for kind in ("array", "matrix", "smallmatrix")
        ):
            tokens = tokens[1:-1]
    starts = [
        at for at, token in enumerate(tokens) if token.kind == "env" and token.text.startswith(r"\begin")
    ]
    if not starts:
        return None
    start = starts[0]
    if len(starts) > 1 or tokens[-1].kind != "env" and tokens[-1].text not in (")", "]"):
        raise Unread("several environments")
    kind = tokens[start].text[7:-1]
    if kind not in MATRICES:
        raise Unread("environment")
    stop = next(
        at for at, token in enumerate(tokens) if token.kind == "env" and token.text.startswith(r"\end")
    )
    before = [token for token in tokens[:start] if token.text not in (r"\cdot", r"\times")]
    if stop != len(tokens) - 1 or any(token.text in ("(", "[") for token in before):
        raise Unread("matrix in an expression")
    factor = ex.number(-1) if [t.text for t in before] == ["-"] else _one(before) if before else ex.ONE
    inner = tokens[start + 1 : stop]
    if kind == "array" and inner and inner[0].text == "{":
        inner = inner[next(at for at, token in enumerate(inner) if token.text == "}") + 1 :]
    rows = [piece for piece, _ in split_top(inner, lambda token: token.text == "\\\\") if piece]
    cells = [[_one(cell) for cell, _ in split_top(row, lambda token: token.text == "&")] for row in rows]
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


def _based(tokens: list[Token]) -> Form | None:
    r"""`52_8`, `(52)_{8}`, `52_{\text{eight}}`, `1A_{16}`."""
    at = next((k for k, token in enumerate(tokens) if token.text == "_"), None)
    if at is None or at == 0:
        return None
    digits, base = tokens[:at], tokens[at + 1 :]
    if digits[0].text == r"\overline":
        digits = digits[1:]
    if digits[0].text in ("(", "{") and digits[-1].text in (")", "}"):
        digits = digits[1:-1]
    for opening, closing in ("{}", "()"):
        if base and base[0].text == opening and base[-1].text == closing:
            base = base[1:-1]
    if len(base) != 1 or not digits or any(token.kind not in ("number", "symbol", "text") for token in digits):
        return None
    run = "".join(token.text for token in digits).upper()
    number = wording.base_of(base[0].text)
    if number is None or not run.isalnum():
        return None
    if not any(digit.isdigit() for digit in run) and (len(run) < 2 or any(int(digit, 36) >= number for digit in run)):
        # x_2 is a variable; FF_{16} is not.
        return None
    return Based(run.lstrip("0") or "0", number)


def _quantity(tokens: list[Token]) -> Form | None:
    """A value with a unit behind it, or a currency sign before it; None where there is neither."""
    texts = [token.text for token in tokens]
    if r"\$" in texts[:2] and texts.count(r"\$") == 1:
        rest = [token for token in tokens if token.text != r"\$"]
        inner = _single(rest)
        if isinstance(inner, Quantity):
            inner = inner.value
        if not isinstance(inner, Value):
            raise Unread("price")
        return Quantity(inner, "dollar", "dollar", Fraction(1))
    if r"\$" in texts:
        if texts[-1] == r"\$":
            return _quantity([tokens[-1], *tokens[:-1]])
        raise Unread("price")
    if r"\degree" in texts:
        at = texts.index(r"\degree")
        rest = tokens[at + 1 :]
        if any(token.text[1:] in FUNCTIONS for token in tokens):
            return None
        if rest and not all(token.kind == "text" or token.text in "CF" for token in rest):
            tokens, rest = [token for token in tokens if token.text != r"\degree"], []
            at = len(tokens)
        inner = _single(tokens[:at])
        name = "degree" + "".join(token.text for token in rest).lower().replace("celsius", "c").replace(
            "fahrenheit", "f"
        )
        return _with_unit(inner, name, name, Fraction(1))
    start = next((at for at, token in enumerate(tokens) if token.kind == "text"), None)
    if start is None:
        return None
    if (sum_of := _compound(tokens)) is not None:
        return sum_of
    if start == 0:
        raise Unread("words before a value")
    words: list[str] = []
    power = None
    at = start
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "text":
            words.append(token.text)
        elif token.text == "/" or token.text == r"\cdot":
            words.append("per" if token.text == "/" else "")
        elif token.text == "^" and at + 1 < len(tokens):
            stop = at + 1
            exponent = [t.text for t in tokens[stop : stop + 3]]
            if exponent[0] == "{" and exponent[-1] == "}":
                at, digit = at + 3, exponent[1]
            else:
                at, digit = at + 1, exponent[0]
            if not digit.isdigit() or len(digit) > 2:
                raise Unread("unit power")
            power = int(digit)
        elif token.kind == "symbol" and words and words[-1] == "per":
            words.append(token.text)
        else:
            raise Unread("words inside")
        at += 1
    phrase = " ".join(" ".join(words).replace("/", " per ").split()).lower()
    if re.search(r"\d", phrase) and not re.search(r"\^\s*\{?\d\}?$", phrase):
        raise Unread("numbers among words")
    if match := re.search(r"\s*\^\s*\{?(\d)\}?$", phrase):
        phrase, power = phrase[: match.start()], int(match[1])
    if wording.STATES.match(phrase):
        raise Unread("no unit")
    inner = _single(tokens[:start])
    scale, _, others = phrase.partition(" ")
    if scale in SCALES and isinstance(inner, Value) and power is None:
        inner, phrase = Value(ex.mul(inner.node, ex.number(SCALES[scale]))), others
        if not phrase:
            return inner
    if not isinstance(inner, Value):
        if isinstance(inner, Quantity) and inner.base == "dollar":
            return inner
        if isinstance(inner, Based):
            raise Unread("base and words")
        return _with_unit(inner, phrase, phrase, Fraction(1))
    base, size = unit(phrase, power)
    if base == "percent":
        return Value(ex.mul(inner.node, ex.number(Fraction(1, 100))))
    shown = phrase if power is None else f"{phrase}^{power}"
    return Quantity(inner, shown, base, size)


def _compound(tokens: list[Token]) -> Quantity | None:
    """Read `5 ft 6 in`: quantities of one kind in a row are their sum; None for others."""
    starts = [
        at for at, token in enumerate(tokens) if not at or token.kind == "number" and tokens[at - 1].kind == "text"
    ]
    if len(starts) < 2:
        return None
    parts = [_quantity(tokens[start:stop]) for start, stop in zip(starts, [*starts[1:], None], strict=True)]
    if not all(isinstance(part, Quantity) and part.base == parts[0].base for part in parts):
        return None
    total = ex.add(*(ex.mul(part.value.node, ex.number(part.size)) for part in parts))
    return Quantity(Value(total), parts[0].base, parts[0].base, Fraction(1))


def _with_unit(inner: Form, written: str, base: str, size: Fraction) -> Form:
    if isinstance(inner, Value):
        return Quantity(inner, written, base, size)
    if isinstance(inner, Items):
        return Items(tuple(_with_unit(item, written, base, size) for item in inner.items), inner.braces)
    raise Unread("unit of no value")
