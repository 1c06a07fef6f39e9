r"""What kind of thing an answer is: a value, a quantity, a list, a point, an interval, a relation, words ...

`parse` reads an answer into one of the forms below and never fails: what it cannot read is `Opaque`. `show`
prints a form so that `parse` gives it back. What may be left out of an answer (a unit, a name) and what may
not (a base, a bracket, an order) is decided in `keys`. POLICY.md has the rules in words, with examples.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from ttstudy.answers import expressions as ex
from ttstudy.answers.cleaning import LONGEST, braced, clean, trim
from ttstudy.answers.tokens import FUNCTIONS, RELATIONS, Token, Unread, is_word, read, split_top, tokenize
from ttstudy.answers.units import SCALES, unit


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


@dataclass(frozen=True)
class RealSet:
    """Union of intervals and points of the line: (low, high, low closed, high closed), None for infinity."""

    pieces: tuple[tuple[ex.Node | None, ex.Node | None, bool, bool], ...]


@dataclass(frozen=True)
class SetExpression:
    """Sets joined by an operation whose end points are no plain numbers: left for the worker to sort out."""

    operation: str
    parts: tuple[Form, ...]


@dataclass(frozen=True)
class Matrix:
    """Rows of expressions; `row` or `column` vectors are matrices."""

    rows: tuple[tuple[ex.Node, ...], ...]


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
    | Opaque
)

OPENING = {"(": ")", "[": "]", r"\{": r"\}", r"\langle": r"\rangle"}
DIGIT_WORDS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen twenty".split()
    )
}
TENS = {
    word: 10 * value
    for value, word in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), start=3)
} | {"twenty": 20}
THOUSANDS = re.compile(r"(?<![\d.,_])\d{1,3}(?:,\d{3})+(?![\d,])(?!\.\d*,)")
PLAIN = re.compile(r"([+-]?)\s*(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?\.?")
SIMPLE = re.compile(r"([+-]?)\s*(?:\\frac\s*\{\s*([+-]?)\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|(\d+)\s*/\s*(\d+))")
CLOCK = re.compile(r"(\d{1,2}):(\d\d)\s*(?:\\text\{)?\s*([ap])\.?\s*m\b\.?\s*\}?\.?", re.I)
ALL_REALS = {"all real numbers", "all real number", "all reals", "real numbers", "real number"}
ARTICLE = re.compile(r"^(?:an?|the)\s+")
TEXT_LEAD = re.compile(r"\\text\s*\{[A-Za-z' ,]*\b(?:is|are|equals|be)\s*:?\s*\}")
BASE_WORDS = re.compile(
    r"\(?\s*([0-9A-Za-z]+)\s*\)?\s*_?\s*\{?\s*\(?\s*(?:\\text\s*\{)?\s*\(?\s*(?:in\s+)?base[\s-]*\}?\s*"
    r"(?:\\text\s*\{)?\s*(\w+)\s*\}?\s*\)?\s*\}?",
    re.I,
)
SENTENCE = re.compile(r"^[A-Za-z][A-Za-z' ]*\s(?:is|are|equals)\s+(?=[^a-zA-Z\s])")


def value(number: Fraction | int) -> Value:
    """Form of a rational number."""
    return Value(ex.number(number))


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
        return Opaque(re.sub(r" (?=\W)|(?<=\W) ", "", text))


def structure(text: str) -> Form:
    """Form of a cleaned text; raises `Unread`."""
    if not text:
        raise Unread("nothing")
    if clock := CLOCK.fullmatch(text):
        return Words(f"{int(clock[1])}:{clock[2]} {clock[3].lower()}m")
    if (base := BASE_WORDS.fullmatch(text)) and (known := _base_of(base[2])):
        return Based(base[1].upper().lstrip("0") or "0", known)
    if (lead := TEXT_LEAD.match(text)) and lead.end() < len(text):
        text = trim(text[lead.end() :])
    if (sentence := SENTENCE.match(text)) and "\\" not in sentence[0]:
        text = trim(text[sentence.end() :])
    if (words := _words(text)) is not None:
        return words
    if (choice := _choice(text)) is not None:
        return choice
    text = (
        THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
        if not re.search(r"[(\[{]", text)
        else text
    )
    return compose(tokenize(text))


def _words(text: str) -> Form | None:
    r"""Words, a choice letter or a number word; None where the text is mathematics."""
    inner = text
    if text.startswith(r"\text{") and braced(text, 5) == len(text):
        inner = trim(text[6:-1])
    marked = inner is not text
    if re.fullmatch(r"[A-Za-z](?:\s*-\s*[A-Za-z])+", inner):
        return compose(tokenize(inner))
    if choice := re.fullmatch(r"\(?\s*([A-Z])\s*\)", inner):
        return Choice(choice[1])
    if re.search(r"(?<![A-Za-z])[A-Za-z]!", inner):
        return None
    if re.fullmatch(r"[A-Za-z' .-]+(?:,[A-Za-z' .-]+)+", inner) and re.search(r"[A-Za-z]{3}", inner):
        parts = [part for part in re.split(r",|\band\b|\bor\b", inner) if part.strip()]
        return Items(tuple(parse(rf"\text{{{part}}}") for part in parts), braces=False)
    if re.search(r"\\(?![ ])|[\d=<>+*/^_{}()\[\]|,;]", inner):
        if marked and not re.search(r"[A-Za-z]{2}", re.sub(r"\\[A-Za-z]+", "", inner)):
            return structure(inner)
        return None
    if re.search(r"\b(?:or|and)\b", inner, re.I) and " " in inner:
        parts = [part for part in re.split(r"\s*\b(?:or|and)\b\s*", inner, flags=re.I) if part.strip()]
        if len(parts) > 1:
            return Items(tuple(parse(part) for part in parts), braces=False)
    plain = " ".join(re.sub(r"[.!?\"']", "", inner).casefold().split())
    plain = ARTICLE.sub("", plain)
    if not plain or not re.search(r"[a-z]", plain):
        return None
    if plain in ALL_REALS:
        return RealSet(((None, None, False, False),))
    if (number := _number_word(plain)) is not None:
        return value(number)
    plain = _singular(plain)
    run = inner.replace(" ", "")
    if not marked and run.isalpha() and len(run) <= 3 and run == inner and is_word(run):
        return Words(plain)
    if not marked:
        if len(run) == 1 or " " not in inner.strip() and _command_name(run):
            return None
        if (
            len(run) <= 3
            and run.isascii()
            and run.isalpha()
            or not run.isalpha()
            and "-" in run
            and len(run) <= 5
        ):
            return None
        if (
            run.isalpha()
            and run.isascii()
            and len(run) <= 6
            and all(t.kind == "symbol" for t in tokenize(inner))
        ):
            return None
        if "-" in run and all(len(part) <= 3 for part in re.split(r"[-\s]+", inner)):
            return None
    elif len(run) == 1:
        return Choice(run) if run.isupper() else Value(ex.symbol(run)) if run.isascii() else Words(plain)
    elif len(run) <= 3 and run.isascii() and run.isalpha():
        return Words(plain, ex.mul(*map(ex.symbol, run)))
    return Words(plain)


def _singular(plain: str) -> str:
    """A phrase with its last word in the singular: "no solutions" is "no solution"; single words stay."""
    if " " in plain and len(plain) > 3 and plain[-1] == "s" and plain[-2] not in "s ":
        return plain[:-1]
    return plain


def _base_of(word: str) -> int | None:
    """Base as written, in digits or as a word."""
    return int(word) if word.isdigit() and len(word) < 3 else DIGIT_WORDS.get(word.lower())


def _command_name(run: str) -> bool:
    return any(token.kind == "cmd" for token in tokenize(run)) if run.isascii() and run.isalpha() else False


def _number_word(plain: str) -> int | None:
    if plain in DIGIT_WORDS:
        return DIGIT_WORDS[plain]
    tens, _, digit = plain.replace("-", " ").partition(" ")
    if tens in TENS and (not digit or 1 <= DIGIT_WORDS.get(digit, 0) <= 9):
        return TENS[tens] + DIGIT_WORDS.get(digit, 0)
    return None


CHOICE = re.compile(r"(?:\\text\s*\{\s*)?\(\s*([A-Z])\s*\)\s*\.?\s*\}?\s*(.*)", re.S)
LETTER = re.compile(r"(?:\\text\s*\{\s*([A-Z])\s*[.):]?\s*\}|([A-Z])\s*[.):])\s*(.*)", re.S)


def _choice(text: str) -> Form | None:
    """`(B)`, `(B) 12`, `B. 12`: a choice and what stands beside it; None for anything else."""
    for pattern in (CHOICE, LETTER):
        match = pattern.fullmatch(text)
        if match is None:
            continue
        letter = next(group for group in match.groups()[:-1] if group)
        rest = trim(match.groups()[-1].removeprefix("}"))
        if not rest:
            return Choice(letter)
        if (
            pattern is CHOICE
            and r"\text" not in text[:6]
            and not text[match.end(1) :].lstrip(") ").startswith("\\text")
            and not re.match(r"\(\s*[A-Z]\s*\)\s+[\d\\$A-Za-z]", text)
        ):
            return None
        if re.match(r"[-+*/^_=<>!,]", rest):
            return None
        return Choice(letter, parse(rest))
    return None


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
    forms = [compose(part) for part in parts]
    if all(
        isinstance(form, RealSet | SetExpression | Inequality) or _set_like(form) for form in forms
    ) and any(isinstance(_bare(form), RealSet | SetExpression) for form in forms):
        joint = "cap" if "and" in marks and "or" not in marks else "cup"
        names = {form.name for form in forms if isinstance(form, Named)}
        joined = join(joint, [_bare(form) for form in forms])
        return Named(names.pop(), joined) if len(names) == 1 else joined
    return _same_names(forms)


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


def _name(tokens: list[Token]) -> str | None:
    """Name that stands for the answer: a variable, f(x), a sum or tuple of variables, words; else None."""
    texts = [token.text for token in tokens]
    if not tokens or any(token.kind == "number" for token in tokens[:1]):
        return None
    if all(token.kind == "text" for token in tokens):
        return " ".join(texts).casefold()
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
        if token.kind == "number" and at and (texts[at - 1] in ("_", "{", "(") or texts[at - 1] == "^"):
            continue
        return None
    return "".join(texts)


def _equation(sides: list[list[Token]]) -> Form:
    name = _name(sides[0])
    last = sides[-1]
    if len(sides) == 2 and (plain := _two_sided(sides, name)) is not None:
        return plain
    applied = len(sides[0]) > 3 and sides[0][1].text == "(" and sides[0][-1].text == ")"
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


def _two_sided(sides: list[list[Token]], name: str | None) -> Form | None:
    """Read `5 = x` as `x = 5`; None where the left side is the name."""
    if name is None and (other := _name(sides[1])) is not None and len(sides[1]) <= 4:
        form = compose(sides[0])
        if isinstance(form, Value) and not ex.symbols(form.node):
            return Named(other, form)
    return None


def _mentions(tokens: list[Token], name: list[Token]) -> bool:
    """Say whether the right side speaks of a variable of the left, as in x + y = 2x."""
    variables = {token.text for token in name if token.kind == "symbol"}
    return bool(variables & {token.text for token in tokens if token.kind == "symbol"})


FLIP = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!="}


def _inequalities(sides: list[list[Token]], signs: list[str]) -> Form:
    nodes = [_one(side) for side in sides]
    variables = frozenset().union(*(ex.symbols(node) for node in nodes))
    if len(variables) == 1:
        name = next(iter(variables))
        solved = [_half_line(nodes[k], nodes[k + 1], sign, name) for k, sign in enumerate(signs)]
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


def _half_line(left: ex.Node, right: ex.Node, sign: str, name: str) -> Form | None:
    """Solve a linear inequality in one variable, or one in its absolute value; None for others."""
    x = ex.symbol(name)
    for side, other, relation in ((left, right, sign), (right, left, FLIP[sign])):
        if side[:2] == ("f", "abs") and not ex.symbols(other):
            if relation == "!=":
                return None
            halves = [
                _half_line(side[2][0], other, relation, name),
                _half_line(side[2][0], ex.negate(other), FLIP[relation], name),
            ]
            return None if None in halves else join("cap" if relation[0] == "<" else "cup", halves)
    if (
        "infty" in (node[1] for node in (left, right) if node[0] == "s")
        or ex.has(left, "infty")
        or ex.has(right, "infty")
    ):
        return RealSet(((None, None, False, False),))
    difference = ex.add(left, ex.negate(right))
    terms = difference[1] if difference[0] == "+" else (difference,)
    slope = [ex.split(term)[0] for term in terms if ex.split(term)[1] == x]
    rest = [term for term in terms if ex.split(term)[1] != x]
    if len(slope) != 1 or any(ex.symbols(term) for term in rest):
        return None
    root = ex.mul(ex.number(-1 / slope[0]), ex.add(*rest) if rest else ex.ZERO)
    relation = FLIP[sign] if slope[0] < 0 else sign
    closed = relation in ("<=", ">=")
    if relation == "!=":
        return RealSet(((None, root, False, False), (root, None, False, False)))
    return RealSet(((None, root, False, closed),) if relation[0] == "<" else ((root, None, closed, False),))


SET_OPERATIONS = {r"\cup": "cup", r"\cap": "cap", r"\setminus": "minus"}


def _joined(tokens: list[Token]) -> Form | None:
    """Unions, intersections and differences, from left to right."""
    pieces = split_top(tokens, lambda token: token.text in SET_OPERATIONS)
    if len(pieces) == 1:
        return None
    result = compose(pieces[0][0])
    for (_, mark), (piece, _) in zip(pieces, pieces[1:], strict=False):
        result = join(SET_OPERATIONS[mark.text], [result, compose(piece)])
    return result


def as_set(form: Form) -> RealSet | None:
    """Read a form as a set of real numbers: an interval, a set of numbers; None where it is none."""
    if isinstance(form, RealSet):
        return form
    if isinstance(form, Bracket) and len(form.items) == 2 and form.opening in "([" and form.closing in ")]":
        ends = []
        for item in form.items:
            if not isinstance(item, Value) or ex.symbols(item.node):
                return None
            ends.append(None if ex.has(item.node, "infty") else item.node)
        return RealSet(
            (
                (
                    ends[0],
                    ends[1],
                    form.opening == "[" and ends[0] is not None,
                    form.closing == "]" and ends[1] is not None,
                ),
            )
        )
    if isinstance(form, Items) and all(
        isinstance(item, Value) and not ex.symbols(item.node) for item in form.items
    ):
        return RealSet(tuple((item.node, item.node, True, True) for item in form.items))
    if isinstance(form, Value) and not ex.symbols(form.node):
        return RealSet(((form.node, form.node, True, True),))
    return None


def join(operation: str, parts: list[Form]) -> Form:
    """Union (`cup`), intersection (`cap`) or difference (`minus`) of forms."""
    sets = [part if isinstance(part, SetExpression) else as_set(part) for part in parts]
    if any(part is None for part in sets):
        if operation == "cup" and all(isinstance(part, Items) and part.braces for part in parts):
            return Items(tuple(item for part in parts for item in part.items), braces=True)
        raise Unread("sets that are not of real numbers")
    form = SetExpression(operation, tuple(sets))
    return settle(form, lambda node: node[1] if node[0] == "n" else None) or form


def settle(form: Form, number) -> RealSet | None:
    """Write a set expression as separate pieces in order, given the end points' values; None without these.

    The line is cut at all end points; a set is then which points and which gaps it holds.
    """
    points: dict = {}

    def collect(part: Form) -> bool:
        if isinstance(part, SetExpression):
            return all(collect(inner) for inner in part.parts)
        for low, high, _, _ in part.pieces:
            for end in (low, high):
                if end is not None:
                    known = number(end)
                    if known is None:
                        return False
                    points.setdefault(known, end)
        return True

    if not collect(form):
        return None
    order = sorted(points)
    rank = {known: at for at, known in enumerate(order)}

    def cells(part: Form) -> set[int]:
        # Cell 2k+1 is point k, cell 2k the gap below it; the last gap reaches to infinity.
        if isinstance(part, SetExpression):
            held = [cells(inner) for inner in part.parts]
            if part.operation == "cup":
                return set().union(*held)
            if part.operation == "cap":
                return set.intersection(*held)
            return held[0].difference(*held[1:])
        found: set[int] = set()
        for low, high, from_low, to_high in part.pieces:
            start = 0 if low is None else 2 * rank[number(low)] + (1 if from_low else 2)
            stop = 2 * len(order) if high is None else 2 * rank[number(high)] + (1 if to_high else 0)
            found |= set(range(start, stop + 1))
        return found

    held = cells(form)
    pieces, at, last = [], 0, 2 * len(order)
    while at <= last:
        if at not in held:
            at += 1
            continue
        end = at
        while end + 1 in held and end < last:
            end += 1
        low = None if at == 0 else points[order[(at - 1) // 2]]
        high = None if end == last else points[order[end // 2 if end % 2 == 0 else (end - 1) // 2]]
        pieces.append((low, high, at % 2 == 1, end % 2 == 1))
        at = end + 1
    return RealSet(tuple(pieces))


def _single(tokens: list[Token]) -> Form:
    """A form with no comma, relation or set operation outside brackets."""
    texts = [token.text for token in tokens]
    first, last = tokens[0], tokens[-1]
    if texts in ([r"\emptyset"], [r"\{", r"\}"]):
        return Items((), braces=True)
    if texts == [r"\mathbb{R}"]:
        return RealSet(((None, None, False, False),))
    if all(token.kind == "text" for token in tokens):
        words = _words(rf"\text{{{' '.join(token.text for token in tokens)}}}")
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


MATRICES = ("matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array")


def _matrix(tokens: list[Token]) -> Form | None:
    """A matrix, with the factor that may stand before it."""
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
    return Matrix(tuple(tuple(ex.mul(factor, cell) for cell in row) for row in cells))


def _based(tokens: list[Token]) -> Form | None:
    r"""`52_8`, `(52)_{8}`, `52_{\text{eight}}`, `1A_{16}`."""
    at = next((k for k, token in enumerate(tokens) if token.text == "_"), None)
    if at is None or at == 0:
        return None
    digits, base = tokens[:at], tokens[at + 1 :]
    if digits[0].text in ("(", "{") and digits[-1].text in (")", "}"):
        digits = digits[1:-1]
    if base and base[0].text == "{" and base[-1].text == "}":
        base = base[1:-1]
    if len(base) != 1 or not digits or any(token.kind not in ("number", "symbol") for token in digits):
        return None
    run = "".join(token.text for token in digits).upper()
    number = _base_of(base[0].text)
    if number is None or not run[0].isdigit() and not any(c.isdigit() for c in run) or not run.isalnum():
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


def _with_unit(inner: Form, written: str, base: str, size: Fraction) -> Form:
    if isinstance(inner, Value):
        return Quantity(inner, written, base, size)
    if isinstance(inner, Items):
        return Items(tuple(_with_unit(item, written, base, size) for item in inner.items), inner.braces)
    raise Unread("unit of no value")


def show(form: Form) -> str:
    """LaTeX of a form, the same for forms that differ in spelling only; `parse` gives the form back."""
    match form:
        case Value(node):
            return ex.show(node)
        case Quantity(inner, _, base, size):
            name, _, power = base.partition("^")
            amount = ex.show(ex.mul(inner.node, ex.number(size)))
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
            return f"{ex.show(_leading_one(node, signed=False))}=0"
        case Inequality(node, strict):
            return f"{ex.show(_leading_one(node, signed=True))}{'>' if strict else '>='}0"
        case RealSet(pieces):
            return r"\cup ".join(map(_show_piece, pieces)) if pieces else r"\emptyset "
        case SetExpression(operation, parts):
            joint = {"cup": r"\cup ", "cap": r"\cap ", "minus": r"\setminus "}[operation]
            return joint.join(map(show, parts))
        case Matrix(rows):
            body = r" \\ ".join(" & ".join(map(ex.show, row)) for row in rows)
            return rf"\begin{{pmatrix}}{body}\end{{pmatrix}}"
        case Ratio(parts):
            return ":".join(map(ex.show, parts))
        case Opaque(text):
            return text


def _leading_one(node: ex.Node, *, signed: bool) -> ex.Node:
    """Scale a sum so that its first term has coefficient 1 (or -1, where the sign matters)."""
    first = node[1][0] if node[0] == "+" else node
    lead = ex.split(first)[0]
    return ex.mul(ex.number(1 / (abs(lead) if signed else lead)), node) if lead else node


def _show_piece(piece: tuple) -> str:
    low, high, from_low, to_high = piece
    if low is not None and low == high:
        return rf"\{{{ex.show(low)}\}}"
    start = r"-\infty" if low is None else ex.show(low)
    stop = r"\infty" if high is None else ex.show(high)
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
