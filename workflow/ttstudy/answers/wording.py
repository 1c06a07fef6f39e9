"""Words: names and properties, number words, ordinals, dates, times, and the letters of a multiple choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from ttstudy.answers import expressions as ex
from ttstudy.answers.cleaning import braced, trim
from ttstudy.answers.forms import Based, Choice, Clock, Form, Items, Quantity, Ratio, RealSet, Value, Words, value
from ttstudy.answers.tokens import is_word, tokenize
from ttstudy.answers.units import SCALES, unit
from ttstudy.answers.units import known as is_known

Reader = Callable[[str], Form]

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
LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
ORDINALS = {
    word: value
    for value, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(), start=1
    )
}
SHARES = {"half": 2, "quarter": 4} | {word: value for word, value in ORDINALS.items() if value > 2}
MONTHS = "january february march april may june july august september october november december".split()

HOURS = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
CONGRUENT = re.compile(r"(?:[A-Za-z]\s*\\equiv\s*)?(-?\d+)\s*(?:\\pmod\s*\{\s*(\d+)\s*\}|mod (\d+))")
CLOCK = re.compile(r"(\d{1,2})(?::(\d\d))?\s*(?:\\text\s*\{)?\s*([ap])\.?\s*m\b\.?\s*\}?\.?", re.I)
ORDINAL = re.compile(
    r"(\d+)\s*\^?\s*\{?\s*(?:\\text\s*\{)?\s*(?:st|nd|rd|th)\s*\}?\s*\}?(?:\s*(?:\\text\s*\{)?\s*([A-Za-z]+)\s*\}?)?"
)
_MONTH = rf"({'|'.join(month[:3] + f'(?:{month[3:]})?' for month in MONTHS)})\.?"
_DAY, _YEAR = r"(\d{1,2})(?:st|nd|rd|th)?", r"(?:\s*,?\s*(\d{4}))?"
DATES = (
    re.compile(rf"{_MONTH}\s+{_DAY}{_YEAR}", re.I),
    re.compile(rf"(?P<day>{_DAY})\s+(?:of\s+)?(?P<month>{_MONTH}){_YEAR}", re.I),
)
OR_MORE = re.compile(r"(\d+)\s*(?:\\text\s*\{)?\s*or (more|greater|less|fewer|higher|lower)\s*\}?")
OUT_OF = re.compile(r"(\d+)\s*(?:\\text\s*\{)?\s*out of\b\s*\}?\s*(\d+)")
RATIO = re.compile(r"(\d+)\s*(?:\\text\s*\{\s*to\s*\}|\bto\b)\s*(\d+)")
BASE_WORDS = re.compile(
    r"\(?\s*([0-9A-Za-z]+)\s*\)?\s*_?\s*\{?\s*\(?\s*(?:\\text\s*\{)?\s*\(?\s*(?:in\s+)?base[\s-]*\}?\s*"
    r"(?:\\text\s*\{)?\s*(\w+)\s*\}?\s*\)?\s*\}?",
    re.I,
)
PHRASE = re.compile(r"[A-Za-z][\w ,.'&-]*")
ALL_REALS = {"all real numbers", "all real number", "all reals", "real numbers", "real number"}
ARTICLE = re.compile(r"^(?:an?|the)\s+")
OPTION = re.compile(
    r"(?:\\text\s*\{\s*)?(?:(?:option|choice|answer|graph|figure)\s*)\}?\s*(?:\\text\s*\{\s*)?"
    r"\(?\s*([A-Z])\s*\)?\s*\}?",
    re.I,
)
SEVERAL = re.compile(r"(?:,|\band\b|\bor\b|\\text\s*\{\s*(?:and|or)\s*\})+")
CHOICE = re.compile(r"(?:\\text\s*\{\s*)?\(\s*([A-Z])\s*\)\s*\.?\s*\}?\s*(.*)", re.S)
LETTER = re.compile(r"(?:\\text\s*\{\s*([A-Z])\s*[.):]?\s*\}|([A-Z])\s*[.):])\s*(.*)", re.S)


def unwrapped(text: str) -> str:
    r"""Content of a text that is one `\text{...}`, else the text."""
    return trim(text[6:-1]) if text.startswith(r"\text{") and braced(text, 5) == len(text) else text


def fixed(text: str) -> Form | None:
    """Read what has a pattern of its own (a time, a date, an ordinal, a base, `2 to 3`), else None."""
    plain = unwrapped(text)
    if clock := CLOCK.fullmatch(plain):
        return Words(f"{int(clock[1])}:{clock[2] or '00'} {clock[3].lower()}m")
    if hours := HOURS.fullmatch(plain):
        return Clock(int(hours[1]), int(hours[2]))
    if congruent := CONGRUENT.fullmatch(plain):
        residue, modulus = int(congruent[1][:30]), int((congruent[2] or congruent[3])[:30])
        return Words(f"{residue % modulus} mod {modulus}") if modulus else None
    if (date := _date(plain)) is not None:
        return date
    if (ordinal := ORDINAL.fullmatch(plain)) and (not ordinal[2] or is_known(ordinal[2])):
        return _ordinal(int(ordinal[1][:30]))
    if bound := OR_MORE.fullmatch(plain):
        return Words(f"{int(bound[1][:30])} or {bound[2]}")
    if (share := OUT_OF.fullmatch(plain)) and int(share[2][:30]):
        return value(Fraction(int(share[1][:30]), int(share[2][:30])))
    if ratio := RATIO.fullmatch(plain):
        return Ratio((ex.number(int(ratio[1][:30])), ex.number(int(ratio[2][:30]))))
    if (base := BASE_WORDS.fullmatch(text)) and (known := base_of(base[2])):
        return Based(base[1].upper().lstrip("0") or "0", known)
    return None


def _date(text: str) -> Form | None:
    if match := DATES[0].fullmatch(text):
        month, day, year = match.groups()
    elif match := DATES[1].fullmatch(text):
        month, day, year = match["month"], match[2], match.groups()[-1]
    else:
        return None
    full = next(name for name in MONTHS if name.startswith(month[:3].lower()))
    return Words(f"{full} {int(day)}" + (f" {year}" if year else ""))


def _ordinal(number: int) -> Form:
    return Quantity(value(number), "ordinal", "ordinal", Fraction(1))


def base_of(word: str) -> int | None:
    """Base as written, in digits or as a word."""
    return int(word) if word.isdigit() and len(word) < 3 else DIGIT_WORDS.get(word.lower())


def number_word(plain: str) -> Fraction | None:
    """Value of a number in words ("two hundred and five", "minus three", "two thirds"), else None."""
    words = plain.replace("-", " ").split()
    if not words or len(words) > 12:
        return None
    if words[0] in ("negative", "minus"):
        number = number_word(" ".join(words[1:]))
        return None if number is None else -number
    if len(words) > 1 and (below := SHARES.get(words[-1].removesuffix("s"))):
        above = 1 if words[:-1] in (["a"], ["an"]) else _whole(words[:-1])
        return None if above is None else Fraction(above, below)
    whole = _whole(words)
    return None if whole is None else Fraction(whole)


def _whole(words: list[str]) -> int | None:
    """Whole number in words, largest part first."""
    total = group = 0
    limit = 10**15
    before = ""
    for word in words:
        if word in TENS:
            if before in DIGIT_WORDS:
                return None
            group += TENS[word]
        elif word in DIGIT_WORDS:
            digit = DIGIT_WORDS[word]
            if before in TENS and not 1 <= digit <= 9 or before in DIGIT_WORDS and before not in TENS:
                return None
            group += digit
        elif word == "hundred" and before in DIGIT_WORDS and 1 <= group <= 99:
            group *= 100
        elif word in LARGE and group and LARGE[word] < limit:
            limit = LARGE[word]
            total, group = total + group * limit, 0
        elif word != "and" or before != "hundred" and before not in LARGE:
            return None
        before = word
    return None if before in ("and", "") else total + group


def worded(text: str, read: Reader, structure: Reader) -> Form | None:
    r"""Words, a list of words, a choice letter or a number word; None where the text is mathematics.

    `read` gives the form of a part, `structure` that of mathematics in text font.
    """
    inner = unwrapped(text)
    marked = inner is not text
    if re.fullmatch(r"[A-Za-z](?:\s*-\s*[A-Za-z])+", inner):
        return structure(inner.replace(" ", "")) if marked else None
    if lettered := LETTERED.fullmatch(inner):
        return Choice(lettered[1], read(lettered[2]))
    if option := OPTION.fullmatch(text) or OPTION.fullmatch(inner):
        return Choice(option[1].upper())
    if choice := re.fullmatch(r"\(?\s*([A-Z])\s*\)", inner):
        return Choice(choice[1])
    if re.search(r"(?<![A-Za-z])[A-Za-z]!", inner):
        return None
    if re.fullmatch(r"[A-Za-z' .-]+(?:,[A-Za-z' .-]+)+", inner) and re.search(r"[A-Za-z]{3}", inner):
        parts = [part for part in re.split(r",|\band\b|\bor\b", inner) if part.strip()]
        return Items(tuple(read(rf"\text{{{part}}}") for part in parts), braces=False)
    if re.search(r"\\(?![ ])|[\d=<>+*/^_{}()\[\]|,;]", inner):
        if marked and (re.match(r"[-+]?[\d.]", inner) or not re.search(r"[A-Za-z]{2}", _bare(inner))):
            return structure(inner)
        return None
    plain = " ".join(re.sub(r"[.!?\"']", "", inner).casefold().split())
    plain = SAYS.sub("", plain)
    plain = ARTICLE.sub("", plain) if not plain.startswith(("a half", "a third", "a quarter")) else plain
    if not plain or not re.search(r"[a-z]", plain):
        return None
    if (number := number_word(plain)) is not None:
        return value(number)
    if re.search(r"\b(?:or|and)\b", inner, re.I) and " " in inner:
        parts = [part for part in re.split(r"\s*\b(?:or|and)\b\s*", inner, flags=re.I) if part.strip()]
        if len(parts) > 1:
            return Items(tuple(read(part) for part in parts), braces=False)
    if plain in ("infinity", "positive infinity", "negative infinity"):
        infinity = ex.symbol("infty")
        return Value(ex.negate(infinity) if plain.startswith("negative") else infinity)
    if plain == "empty set":
        return Items((), braces=True)
    if plain in ALL_REALS:
        return RealSet(((None, None, False, False),))
    if plain in ORDINALS:
        return _ordinal(ORDINALS[plain])
    if (counted := _counted(plain)) is not None:
        return counted
    return _plain_words(inner.removesuffix(" only"), _one_phrase(plain.removesuffix(" only")), marked=marked)


def _counted(plain: str) -> Form | None:
    """Read "two lines", "half a dozen": a number in words and what is counted; None for other words."""
    words = ["half", *plain.split()[2:]] if re.match(r"half an? ", plain) else plain.split()
    for size in range(min(len(words) - 1, 6), 0, -1):
        head, rest = words[:size], " ".join(words[size:])
        number = Fraction(1, 2) if head == ["half"] else number_word(" ".join(head))
        if number is None or head[-1] == "and" or not is_known(rest):
            continue
        if rest in SCALES:
            return value(number * SCALES[rest])
        base, scale = unit(rest)
        return None if base == "percent" else Quantity(value(number), rest, base, scale)
    return None


def _bare(text: str) -> str:
    return re.sub(r"\\[A-Za-z]+", "", text)


def _plain_words(inner: str, plain: str, *, marked: bool) -> Form | None:
    """Words in one spelling; None where bare letters may be a product of variables."""
    run = inner.replace(" ", "")
    letters = run.isalpha() and run.isascii()
    if marked:
        if len(run) == 1:
            return Choice(run) if run.isupper() else Value(ex.symbol(run)) if run.isascii() else Words(plain)
        if not letters or is_word(run) or len(run) > (8 if run.isupper() else 3):
            return Words(plain)
        return Words(plain, ex.symbol(run) if run.isupper() and len(run) > 2 else ex.mul(*map(ex.symbol, run)))
    if run.isalpha() and len(run) <= 3 and run == inner and is_word(run):
        return Words(plain)
    if len(run) == 1 or " " not in inner.strip() and _command_name(run):
        return None
    if len(run) <= 3 and letters and not is_word(run) or not run.isalpha() and "-" in run and len(run) <= 5:
        return None
    if letters and len(run) <= 6 and all(token.kind == "symbol" for token in tokenize(inner)):
        return None
    if "-" in run and all(len(part) <= 3 for part in re.split(r"[-\s]+", inner)):
        return None
    return Words(plain)


def _one_phrase(plain: str) -> str:
    """A phrase in the spelling that stands for all of its meaning."""
    one = _singular(plain)
    return SAME.get(one, one)


def _singular(plain: str) -> str:
    """A phrase with its last word in the singular: "no solutions" is "no solution"; single words stay."""
    if " " in plain and len(plain) > 3 and plain[-1] == "s" and plain[-2] not in "s ":
        return plain[:-1]
    return plain


def _command_name(run: str) -> bool:
    return any(token.kind == "cmd" for token in tokenize(run)) if run.isascii() and run.isalpha() else False


def phrase(text: str) -> Form | None:
    """Words with numbers among them ("Room 12"), which are no mathematics; None for any other text."""
    inner = unwrapped(text)
    if not PHRASE.fullmatch(inner) or not any(is_word(run) for run in re.findall(r"[A-Za-z]{3,}", inner)):
        return None
    return Words(" ".join(re.sub(r"[^\w &-]", " ", inner).casefold().split()))


LETTERED = re.compile(r"([A-J])\s*[:.)]\s+((?=.*[A-Za-z]{3})\S.*)", re.S)
SAYS = re.compile(r"^(?:there (?:is|are|exists?)|it is|this is|they are)\s+", re.I)
SAME = {
    "does not exist": "dne",
    "doesnt exist": "dne",
    "infinitely many solution": "infinitely many",
    "infinitely many real solution": "infinitely many",
    "infinite solution": "infinitely many",
}
"""Phrases of one meaning, in the singular."""


def choice(text: str, read: Reader) -> Form | None:
    """`(B)`, `(B) 12`, `B. 12`: a choice and what stands beside it, `(A) or (B)`: several; else None."""
    parts = [part.strip(" {}") for part in SEVERAL.split(unwrapped(text)) if part.strip()] if len(text) < 200 else []
    if len(parts) > 1 and all(re.fullmatch(r"(?:\\text\s*\{\s*)?\(\s*[A-Z]\s*\)", part) for part in parts):
        return Items(tuple(Choice(re.sub(r"[^A-Z]", "", part.replace(r"\text", ""))) for part in parts), braces=False)
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
        return Choice(letter, read(rest))
    return None
