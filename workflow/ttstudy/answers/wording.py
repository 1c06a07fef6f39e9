"""Words: names and properties, number words, ordinals, dates, times, and the letters of a multiple choice."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction

import sympy

from ttstudy.answers import forms
from ttstudy.answers.cleaning import braced, trim
from ttstudy.answers.forms import Form
from ttstudy.answers.tokens import is_word, tokenize
from ttstudy.answers.units import LARGE, SCALES, known, unit

Reader = Callable[[str], Form]

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_NUMBERS = {word: size for size, word in enumerate(_SMALL)} | {
    word: 10 * size for size, word in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), start=3)
}
_ORDINALS = {
    word: size
    for size, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(), start=1
    )
}
_SHARES = {"half": 2, "quarter": 4} | {word: size for word, size in _ORDINALS.items() if size > 2}
_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = rf"({'|'.join(month[:3] + f'(?:{month[3:]})?' for month in _MONTHS)})\.?"
_DAY, _YEAR = r"(\d{1,2})(?:st|nd|rd|th)?", r"(?:\s*,?\s*(\d{4}))?"
_TEXT = r"(?:\\text\s*\{)?\s*"
_SAYS = re.compile(r"^(?:there (?:is|are|exists?)|it is|this is|they are)\s+")
_ARTICLE = re.compile(r"^(?:an?|the)\s+(?!half|third|quarter)")
_OPTION = re.compile(
    rf"{_TEXT}(?:option|choice|answer|graph|figure)\s*\}}?\s*{_TEXT}\(?\s*([A-Z])\s*\)?\s*\}}?", re.I
)
_SEVERAL = re.compile(r"(?:,|\band\b|\bor\b|\\text\s*\{\s*(?:and|or)\s*\})+")
_LETTERED = re.compile(r"([A-J])\s*[:.)]\s+((?=.*[A-Za-z]{3})\S.*)", re.S)
_CHOICE = re.compile(r"(?:\\text\s*\{\s*)?\(\s*([A-Z])\s*\)\s*\.?\s*\}?\s*(.*)", re.S)
_LETTER = re.compile(r"(?:\\text\s*\{\s*([A-Z])\s*[.):]?\s*\}|([A-Z])\s*[.):])\s*(.*)", re.S)
_SAME = {
    "does not exist": "dne", "doesnt exist": "dne", "infinitely many solution": "infinitely many",
    "infinitely many real solution": "infinitely many", "infinite solution": "infinitely many",
}  # fmt: skip
"""Phrases of one meaning, in the singular."""
_MEANS = {
    "infinity": r"\infty", "positive infinity": r"\infty", "negative infinity": r"-\infty", "empty set": r"\emptyset",
    "all real numbers": r"\mathbb{R}", "all reals": r"\mathbb{R}", "real numbers": r"\mathbb{R}",
}  # fmt: skip
"""Words for what has a sign."""


def unwrapped(text: str) -> str:
    r"""Content of a text that is one `\text{...}`, else the text."""
    return trim(text[6:-1]) if text.startswith(r"\text{") and braced(text, 5) == len(text) else text


def base_of(word: str) -> int | None:
    """Base as written, in digits or as a word."""
    return int(word) if word.isdigit() and len(word) < 3 else _NUMBERS.get(word.lower())


def _congruent(match: re.Match[str]) -> Form | None:
    residue, modulus = int(match[1][:30]), int((match[2] or match[3])[:30])
    return forms.words(f"{residue % modulus} mod {modulus}") if modulus else None


def _date(month: str, day: str, year: str | None) -> Form:
    full = next(name for name in _MONTHS if name.startswith(month[:3].lower()))
    return forms.words(f"{full} {int(day)}" + (f" {year}" if year else ""))


def _ordinal(size: int) -> Form:
    return forms.quantity(sympy.Integer(size), "ordinal", "ordinal")


def _share(match: re.Match[str]) -> Form | None:
    return forms.number(Fraction(int(match[1][:30]), int(match[2][:30]))) if int(match[2][:30]) else None


def _based(match: re.Match[str]) -> Form | None:
    return forms.based(match[1].upper().lstrip("0") or "0", base) if (base := base_of(match[2])) else None


FIXED: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Form | None]]] = [
    (re.compile(pattern, re.I), build)
    for pattern, build in (
        (
            rf"(\d{{1,2}})(?::(\d\d))?\s*{_TEXT}([ap])\.?\s*m\b\.?\s*\}}?\.?",
            lambda m: forms.words(f"{int(m[1])}:{m[2] or '00'} {m[3].lower()}m", plain=True),
        ),
        (r"([01]?\d|2[0-4]):([0-5]\d)", lambda m: forms.clock(int(m[1]), int(m[2]))),
        (r"(?:[A-Za-z]\s*\\equiv\s*)?(-?\d+)\s*(?:\\pmod\s*\{\s*(\d+)\s*\}|mod (\d+))", _congruent),
        (rf"{_MONTH}\s+{_DAY}{_YEAR}", lambda m: _date(m[1], m[2], m[3])),
        (rf"{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}", lambda m: _date(m[2], m[1], m[3])),
        (
            rf"(\d+)\s*\^?\s*\{{?\s*{_TEXT}(?:st|nd|rd|th)\s*\}}?\s*\}}?(?:\s*{_TEXT}([A-Za-z]+)\s*\}}?)?",
            lambda m: _ordinal(int(m[1][:30])) if not m[2] or known(m[2]) else None,
        ),
        (
            rf"(\d+)\s*{_TEXT}or (more|greater|less|fewer|higher|lower)\s*\}}?",
            lambda m: forms.words(f"{int(m[1][:30])} or {m[2]}"),
        ),
        (rf"(\d+)\s*{_TEXT}out of\b\s*\}}?\s*(\d+)", _share),
        (
            r"(\d+)\s*(?:\\text\s*\{\s*to\s*\}|\bto\b)\s*(\d+)",
            lambda m: forms.ratio([sympy.Integer(m[1][:30]), sympy.Integer(m[2][:30])]),
        ),
        (
            r"\(?\s*([0-9A-Za-z]+)\s*\)?\s*_?\s*\{?\s*\(?\s*(?:\\text\s*\{)?\s*\(?\s*(?:in\s+)?base[\s-]*\}?\s*"
            r"(?:\\text\s*\{)?\s*(\w+)\s*\}?\s*\)?\s*\}?",
            _based,
        ),
    )
]


def fixed(text: str) -> Form | None:
    """Read what has a pattern of its own (a time, a date, an ordinal, a base, `2 to 3`), else None."""
    matches = ((build, pattern.fullmatch(form)) for pattern, build in FIXED for form in {unwrapped(text), text})
    return next((found for build, match in matches if match and (found := build(match))), None)


def number_word(plain: str) -> Fraction | None:
    """Value of a number in words ("two hundred and five", "minus three", "two thirds"), else None."""
    words = plain.replace("-", " ").split()
    if not words or len(words) > 12:
        return None
    if words[0] in ("negative", "minus"):
        number = number_word(" ".join(words[1:]))
        return None if number is None else -number
    below = _SHARES.get(words[-1].removesuffix("s")) if len(words) > 1 else None
    above = 1 if below and words[:-1] in (["a"], ["an"]) else _whole(words[:-1] if below else words)
    return None if above is None else Fraction(above, below or 1)


def _whole(words: list[str]) -> int | None:
    """Whole number in words, largest part first."""
    total = group = 0
    room: float = 1000  # what the next word must be below
    limit: float = math.inf
    for word in words:
        size = _NUMBERS.get(word)
        if size is not None and size < room:
            group += size
            room = 10 if size >= 20 else 0
        elif word == "hundred" and 0 < group < 100:
            group, room = 100 * group, 100
        elif word in LARGE and 0 < group and LARGE[word] < limit:
            limit = LARGE[word]
            total, group, room = total + group * LARGE[word], 0, 1000
        elif word != "and" or room < 100 or word is words[0]:
            return None
    return None if words[-1:] in ([], ["and"]) else total + group


def worded(text: str, read: Reader, structure: Reader) -> Form | None:
    r"""Words, a list of words, a choice letter or a number word; None where the text is mathematics.

    `read` gives the form of a part, `structure` that of mathematics in text font.
    """
    inner = unwrapped(text)
    marked = inner is not text
    if lettered := _LETTERED.fullmatch(inner):
        return forms.choice(lettered[1], read(lettered[2]))
    if option := _OPTION.fullmatch(text) or _OPTION.fullmatch(inner):
        return forms.choice(option[1].upper())
    if re.search(r"(?<![A-Za-z])[A-Za-z]!", inner):
        return None
    if re.fullmatch(r"[A-Za-z' .-]+(?:,[A-Za-z' .-]+)+", inner) and re.search(r"[A-Za-z]{3}", inner):
        parts = [part for part in re.split(r",|\band\b|\bor\b", inner) if part.strip()]
        return forms.items(tuple(read(rf"\text{{{part}}}") for part in parts))
    if re.search(r"\\(?![ ])|[\d=<>+*/^_{}()\[\]|,;]", inner):
        mathematics = re.match(r"[-+]?[\d.]", inner) or not re.search(r"[A-Za-z]{2}", re.sub(r"\\[A-Za-z]+", "", inner))
        return structure(inner) if marked and mathematics else None
    plain = " ".join(re.sub(r"[.!?\"']", "", inner).casefold().split())
    plain = _ARTICLE.sub("", _SAYS.sub("", plain))
    if not re.search(r"[a-z]", plain):
        return None
    if (number := number_word(plain)) is not None:
        return forms.number(number)
    if re.search(r"\b(?:or|and)\b", inner, re.I) and " " in inner:
        parts = [part for part in re.split(r"\s*\b(?:or|and)\b\s*", inner, flags=re.I) if part.strip()]
        if len(parts) > 1:
            return forms.items(tuple(map(read, parts)))
    if plain in _MEANS:
        return structure(_MEANS[plain])
    if plain in _ORDINALS:
        return _ordinal(_ORDINALS[plain])
    return _counted(plain) or _plain_words(inner.removesuffix(" only"), _one_phrase(plain), marked=marked)


def _counted(plain: str) -> Form | None:
    """Read "two lines", "half a dozen": a number in words and what is counted; None for other words."""
    words = re.sub("^half an? ", "half ", plain).split()
    for size in range(min(len(words) - 1, 6), 0, -1):
        number = Fraction(1, 2) if words[:size] == ["half"] else number_word(" ".join(words[:size]))
        rest = " ".join(words[size:])
        if number is None or not known(rest):
            continue
        if rest in SCALES:
            return forms.number(number * SCALES[rest])
        base, scale = unit(rest)
        amount = sympy.Rational(*number.as_integer_ratio())
        return None if base == "percent" else forms.quantity(amount, rest, base, scale)
    return None


def _plain_words(inner: str, plain: str, *, marked: bool) -> Form | None:
    """Words in one spelling; None where bare letters may be a product of variables."""
    run = inner.replace(" ", "")
    letters = run.isalpha() and run.isascii()
    if marked:
        if len(run) == 1 and run.isascii():
            return forms.choice(run) if run.isupper() else forms.value(sympy.Symbol(run))
        if not letters or is_word(run) or len(run) > (8 if run.isupper() else 3):
            return forms.words(plain)
        name = run.isupper() and len(run) > 2
        return forms.words(plain, sympy.Symbol(run) if name else sympy.Mul(*map(sympy.Symbol, run)))
    if letters and run == inner and len(run) <= 3 and is_word(run):
        return forms.words(plain)
    kinds = {token.kind for token in tokenize(inner)} if letters else set()
    if len(run) == 1 or letters and (len(run) <= 3 or "cmd" in kinds or len(run) <= 6 and kinds == {"symbol"}):
        return None
    if "-" in run and (len(run) <= 5 or all(len(part) <= 3 for part in re.split(r"[-\s]+", inner))):
        return None
    return forms.words(plain)


def _one_phrase(plain: str) -> str:
    """A phrase in the spelling that stands for all of its meaning, its last word in the singular; single words stay."""
    plain = plain.removesuffix(" only")
    one = plain[:-1] if " " in plain and plain[-1] == "s" and plain[-2] not in "s " else plain
    return _SAME.get(one, one)


def choice(text: str, read: Reader) -> Form | None:
    """`(B)`, `(B) 12`, `B. 12`: a choice and what stands beside it, `(A) or (B)`: several; else None."""
    parts = [part.strip(" {}") for part in _SEVERAL.split(unwrapped(text)) if part.strip()] if len(text) < 200 else []
    letters = [re.fullmatch(r"(?:\\text\s*\{\s*)?\(\s*([A-Z])\s*\)", part) for part in parts]
    if len(parts) > 1 and all(letters):
        return forms.items(tuple(forms.choice(letter[1]) for letter in letters if letter))
    for pattern in (_CHOICE, _LETTER):
        if not (match := pattern.fullmatch(text)):
            continue
        letter = next(group for group in match.groups() if group)
        rest = trim(match.groups()[-1].removeprefix("}"))
        if not rest:
            return forms.choice(letter)
        in_text = r"\text" in text[:6] or text[match.end(1) :].lstrip(") ").startswith(r"\text")
        apart = in_text or re.match(r"\(\s*[A-Z]\s*\)\s+[\d\\$A-Za-z]", text)
        if pattern is _CHOICE and not apart or re.match(r"[-+*/^_=<>!,]", rest):
            return None
        return forms.choice(letter, read(rest))
    return None
