"""Values with something beside them: a unit, a currency sign, a base."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ttstudy.answers import forms, wording
from ttstudy.answers.forms import Form
from ttstudy.answers.tokens import CALLED, Token, Unread
from ttstudy.answers.units import SCALES, known, unit

Single = Callable[[list[Token]], Form]
_BASED = re.compile(r"(?:\\overline)?[({]?([0-9A-Za-z]+)[)}]?_(?:\{\(?(\w+)\)?\}|\((\w+)\)|(\w+))")
_POWER = re.compile(r"(.*?)\s*\^\s*\{?(\d\d?)\}?")


def based(tokens: list[Token]) -> Form | None:
    r"""`52_8`, `(52)_{8}`, `52_{\text{eight}}`, `1A_{16}`."""
    match = _BASED.fullmatch("".join(token.text for token in tokens))
    base = wording.base_of(match[2] or match[3] or match[4]) if match else None
    if match is None or base is None:
        return None
    digits = match[1].upper()
    variable = not re.search(r"\d", digits) and (len(digits) < 2 or any(int(digit, 36) >= base for digit in digits))
    return None if variable else forms.based(digits.lstrip("0") or "0", base)  # x_2 is a variable; FF_{16} is not


def quantity(tokens: list[Token], single: Single) -> Form | None:
    """A value with a unit behind it, or a currency sign before it; None where there is neither.

    `single` reads what stands without them.
    """
    texts = [token.text for token in tokens]
    if r"\$" in texts:
        if texts.count(r"\$") > 1 or texts.index(r"\$") not in (0, 1, len(texts) - 1):
            raise Unread("price")
        inner = single([token for token in tokens if token.text != r"\$"])
        if inner.kind not in ("value", "quantity"):
            raise Unread("price")
        return forms.quantity(inner.inner, "dollar", "dollar")
    if r"\degree" in texts and not any(token.text[1:] in CALLED for token in tokens):
        at = texts.index(r"\degree")
        scale = "".join(texts[at + 1 :]).lower()
        if scale and scale not in ("c", "f", "celsius", "fahrenheit"):
            return _in_unit(single([token for token in tokens if token.text != r"\degree"]), "degree")
        return _in_unit(single(tokens[:at]), "degree" + scale[:1])
    start = next((at for at, token in enumerate(tokens) if token.kind == "text"), None)
    if start is None or r"\degree" in texts:
        return None
    if (total := _compound(tokens, single)) is not None:
        return total
    if start == 0:
        raise Unread("words before a value")
    phrase, power = _unit_phrase(tokens[start:])
    if not known(phrase):
        # A word that is not known may say anything of the number: nothing is left out.
        raise Unread("unknown words")
    return _counted(single(tokens[:start]), phrase, power)


def _counted(inner: Form, phrase: str, power: int | None) -> Form:
    """A form in the unit that a phrase says, or so many dozens, tenths, per cent of it."""
    scale, _, others = phrase.partition(" ")
    if scale in SCALES and inner.kind == "value" and power is None:
        inner, phrase = forms.value(inner.inner * SCALES[scale].numerator / SCALES[scale].denominator), others
        if not (phrase := phrase.removeprefix("of ")):
            return inner
    if inner.kind != "value":
        return inner if inner.name == "dollar" else _in_unit(inner, phrase)
    base, size = unit(phrase, power)
    if base == "percent":
        return forms.value(inner.inner / 100)
    return forms.quantity(inner.inner, phrase if power is None else f"{phrase}^{power}", base, size)


def _unit_phrase(tokens: list[Token]) -> tuple[str, int | None]:
    """The words of a unit in lower case, and the power that stands behind them; raises `Unread` for other things."""
    text = "".join(f" {token.text} " if token.kind == "text" else token.text for token in tokens)
    text = re.sub(r"([a-zA-Z]+) *\^\{-1\}", r"per \1", text.replace(r"\cdot", " ")).replace("/", " per ")
    text = re.sub(r"^\s*\((.*)\)\s*$", r"\1", text)
    match = _POWER.fullmatch(text.strip())
    phrase, power = (match[1], int(match[2])) if match else (text, None)
    words = [word if len(word) < 3 else word.lower() for word in phrase.split()]
    if not all(re.fullmatch(r"[^\W\d]+[.]?|[^\W\d]+(?:['-][^\W\d]+)*", word) for word in words):
        raise Unread("no unit")
    return re.sub(r"\bper cent\b", "percent", " ".join(words)), power


def _compound(tokens: list[Token], single: Single) -> Form | None:
    """Read `5 ft 6 in`: quantities of one kind in a row are their sum; None for others."""
    pairs = enumerate(zip(tokens[1:], tokens, strict=False), start=1)
    starts = [0, *(at for at, (token, before) in pairs if token.kind == "number" and before.kind == "text")]
    if len(starts) < 2:
        return None
    parts = [quantity(tokens[start:stop], single) for start, stop in zip(starts, [*starts[1:], None], strict=True)]
    return sum_of_units(parts)


def sum_of_units(parts: Sequence[Form | None]) -> Form | None:
    """`2 hours and 30 minutes`, `5 dollars and 25 cents`: quantities of one kind, the larger unit first; else None."""
    found = [part for part in parts if part is not None and part.kind == "quantity"]
    if len({part.name for part in found}) != 1:
        return None
    sizes = [part.size / part.inner if part.inner != 0 else 0 for part in found]
    if len(found) < len(parts) or any(small >= large for large, small in zip(sizes, sizes[1:], strict=False)):
        return None
    return forms.quantity(sum(part.size for part in found), found[0].name, found[0].name)


def _in_unit(inner: Form, name: str) -> Form:
    if inner.kind == "value":
        return forms.quantity(inner.inner, name, name)
    raise Unread("unit of no value")
