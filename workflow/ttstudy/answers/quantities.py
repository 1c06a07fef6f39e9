"""Values with something beside them: a unit, a currency sign, a base."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from ttstudy.answers import expressions as ex
from ttstudy.answers import wording
from ttstudy.answers.forms import Based, Form, Items, Quantity, Value
from ttstudy.answers.tokens import FUNCTIONS, Token, Unread
from ttstudy.answers.units import SCALES, known, unit

Single = Callable[[list[Token]], Form]


def based(tokens: list[Token]) -> Form | None:
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


def quantity(tokens: list[Token], single: Single) -> Form | None:
    """A value with a unit behind it, or a currency sign before it; None where there is neither.

    `single` reads what stands without them.
    """
    texts = [token.text for token in tokens]
    if r"\$" in texts[:2] and texts.count(r"\$") == 1:
        rest = [token for token in tokens if token.text != r"\$"]
        inner = single(rest)
        if isinstance(inner, Quantity):
            inner = inner.value
        if not isinstance(inner, Value):
            raise Unread("price")
        return Quantity(inner, "dollar", "dollar", Fraction(1))
    if r"\$" in texts:
        if texts[-1] == r"\$":
            return quantity([tokens[-1], *tokens[:-1]], single)
        raise Unread("price")
    if r"\degree" in texts:
        at = texts.index(r"\degree")
        rest = tokens[at + 1 :]
        if any(token.text[1:] in FUNCTIONS for token in tokens):
            return None
        if rest and not all(token.kind == "text" or token.text in "CF" for token in rest):
            tokens, rest = [token for token in tokens if token.text != r"\degree"], []
            at = len(tokens)
        inner = single(tokens[:at])
        name = "degree" + "".join(token.text for token in rest).lower().replace("celsius", "c").replace(
            "fahrenheit", "f"
        )
        return _with_unit(inner, name, name, Fraction(1))
    start = next((at for at, token in enumerate(tokens) if token.kind == "text"), None)
    if start is None:
        return None
    if (sum_of := _compound(tokens, single)) is not None:
        return sum_of
    if start == 0:
        raise Unread("words before a value")
    phrase, power = _unit_phrase(tokens[start:])
    phrase = re.sub(r"\bper cent\b", "percent", phrase, flags=re.I)
    if not known(phrase):
        # A word that is not known may say anything of the number: nothing is left out.
        raise Unread("unknown words")
    inner = single(tokens[:start])
    if all(word in ("only", "exactly") for word in phrase.split()):
        return inner
    scale, _, others = phrase.partition(" ")
    if (size := SCALES.get(scale.lower())) and isinstance(inner, Value) and power is None:
        inner, phrase = Value(ex.mul(inner.node, ex.number(size))), others.removeprefix("of ")
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


def _unit_phrase(tokens: list[Token]) -> tuple[str, int | None]:
    """The words of a unit in lower case, and the power that stands behind them; raises `Unread` for other things."""
    words: list[str] = []
    power: int | None = None
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "text":
            words.append(token.text)
        elif token.text == "/" or token.text == r"\cdot":
            words.append("per" if token.text == "/" else "")
        elif token.text == "^" and at + 1 < len(tokens):
            stop = at + 1
            exponent = [t.text for t in tokens[stop : stop + 4]]
            if exponent == ["{", "-", "1", "}"] and words:
                at, words[-1:] = at + 5, ["per", words[-1]]
                continue
            exponent = exponent[:3]
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
    phrase = " ".join(" ".join(words).replace("/", " per ").split())
    phrase = phrase[1:-1] if phrase.startswith("(") and phrase.endswith(")") else phrase
    phrase = " ".join(word if len(word) < 3 else word.lower() for word in phrase.split())
    if re.search(r"\d", phrase) and not re.search(r"\^\s*\{?\d\}?$", phrase):
        raise Unread("numbers among words")
    if match := re.search(r"\s*\^\s*\{?(\d)\}?$", phrase):
        phrase, power = phrase[: match.start()], int(match[1])
    return phrase, power


def _compound(tokens: list[Token], single: Single) -> Quantity | None:
    """Read `5 ft 6 in`: quantities of one kind in a row are their sum; None for others."""
    starts = [
        at for at, token in enumerate(tokens) if not at or token.kind == "number" and tokens[at - 1].kind == "text"
    ]
    if len(starts) < 2:
        return None
    parts = [quantity(tokens[start:stop], single) for start, stop in zip(starts, [*starts[1:], None], strict=True)]
    kind = _one_kind(parts)
    return None if kind is None else _total(kind)


def sum_of_units(forms: list[Form]) -> Quantity | None:
    """Read `2 hours and 30 minutes`, `5 dollars and 25 cents`: one kind, the larger unit first; else None."""
    kind = _one_kind(forms)
    if kind is None:
        return None
    sizes = [form.size for form in kind]
    if any(small >= large for large, small in zip(sizes, sizes[1:], strict=False)):
        return None
    return _total(kind)


def _one_kind(forms: Sequence[Form | None]) -> list[Quantity] | None:
    """The forms, where all are quantities of one kind."""
    found = [form for form in forms if isinstance(form, Quantity) and form.base == getattr(forms[0], "base", None)]
    return found if len(found) == len(forms) else None


def _total(forms: list[Quantity]) -> Quantity:
    total = ex.add(*(ex.mul(form.value.node, ex.number(form.size)) for form in forms))
    return Quantity(Value(total), forms[0].base, forms[0].base, Fraction(1))


def _with_unit(inner: Form, written: str, base: str, size: Fraction) -> Form:
    if isinstance(inner, Value):
        return Quantity(inner, written, base, size)
    if isinstance(inner, Items):
        return Items(tuple(_with_unit(item, written, base, size) for item in inner.items), inner.braces)
    raise Unread("unit of no value")
