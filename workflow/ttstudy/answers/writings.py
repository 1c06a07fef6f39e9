r"""Writings of other places and habits, as the plain LaTeX that the reader knows.

Full-width and raised digits, brackets turned outwards, counters and units of Chinese, Japanese and Korean, systems of
equations in an environment, minutes of an angle, combinations.
"""

from __future__ import annotations

import re
from fractions import Fraction

_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "₀₁₂₃₄₅₆₇₈₉₊₋ₙ"
_PLAIN = "0123456789+-n"
RAISED, LOWERED = re.compile(f"[{_RAISED}]+"), re.compile(f"[{_LOWERED}]+")
WIDE = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {
    "∛": r"\sqrt[3]",
    "∜": r"\sqrt[4]",
    "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}",
    "ℂ": r"\mathbb{C}",
    "ℝ": r"\mathbb{R}",
    "、": ",",
    "＄": r"\$",
    "￥": r"\text{ yen}",
}
_WIDE = str.maketrans(dict[str, str | int | None](WIDE))
COUNTERS = "个個只条本枚人名位张張种種次件颗棵块辆把杯명개번가지마리つ回通り匹冊台歳岁"
UNITS = {
    "平方厘米": "cm^2", "平方米": "m^2", "立方厘米": "cm^3", "立方米": "m^3", "厘米": "cm", "毫米": "mm", "千米": "km",
    "公里": "km", "米": "m", "千克": "kg", "公斤": "kg", "克": "g", "升": "liters", "小时": "hours", "分钟": "minutes",
    "秒": "seconds", "天": "days", "年": "years", "度": "degrees", "元": "yuan", "円": "yen", "원": "won", "日": "days",
    "시간": "hours", "분": "minutes",
}  # fmt: skip
"""Units of other scripts, the longer before the shorter."""
_FOREIGN = re.compile(rf"(?<=[\d)}}])\s*(?:({'|'.join(UNITS)})|(?:[{COUNTERS}]|通り|가지))+(?=$|[\s,;。.或和与])")
_WORDS = (
    (re.compile("或者?"), r"\text{ or }"),
    (re.compile("[和与]|및|と"), r"\text{ and }"),
    (re.compile("^[无無]解$"), "no solution"),
)
_LISTED = r"aligned|align|alignedat|gathered|gather|split|eqnarray|cases|array|dcases"
SYSTEM = re.compile(
    rf"(?:\\left\s*)?(?:\\\{{|\\lbrace)?\s*\\begin\s*\{{({_LISTED})\*?\}}(?:\s*\{{[lcr|@ ]*\}})?(.*?)"
    r"\\end\s*\{\1\*?\}\s*(?:\\right\s*\.)?",
    re.S,
)
OUTWARD = re.compile(
    r"(?<![\d)}\]])(?:\](?P<a>[^\[\]]{1,80}[,;][^\[\]]{1,80})(?P<b>[\[\]])|\[(?P<c>[^\[\]]{1,80}[,;][^\[\]]{1,80})\[)"
)
ARC = re.compile(
    r"(\d+)\s*\\degree\s*(\d{1,2})\s*(?:'|\\prime|\\text\{\s*minutes\s*\})(?:\s*(\d{1,2})\s*(?:''|\"))?"
)
_ONE = r"\s*(?:\{(\w+)\}|(\w))\s*"
CHOSEN = re.compile(rf"(?<![A-Za-z\\])C\s*(?:_{_ONE}\^{_ONE}|\^{_ONE}_{_ONE})")
HALF_LINE = re.compile(
    r"\\mathbb\s*\{?\s*R\s*\}?\s*(?:_\s*\{?\s*(?P<sign>>|<|\\geq?|\\leq?|\\geqslant|\\leqslant|\+|-)\s*0?\s*\}?"
    r"|\^\s*\{?\s*(?P<up>[+-])\s*\}?)"
)
DOMAIN = re.compile(
    r"(?:\s|,|;|\\quad|\\text\s*\{\s*,?\s*(?:where|for|with)?\s*(?:any|all|some|an)?\s*(?:integers?)?\s*\}|\(|\bwhere\b"
    r"|\bfor\b)+\s*([a-zA-Z])\s*\\in\s*\\mathbb\s*\{?\s*[ZN]\s*\}?(?:\s*[_^]\s*(?:\{[^{}]*\}|\S))?\s*\)?\s*$"
)
"""Which whole numbers a parameter runs over."""
ROUNDED = re.compile(
    r"(?:\\text\s*\{\s*,?\s*(?:or|which is)?\s*(?:approximately|about|approx\.?)\s*\}|\\approx(?![A-Za-z]))"
    r"\s*-?\\?\$?[\d.,]+(?:\s*\\text\s*\{[^{}]*\})?\s*$"
)
"""A rounded value behind the exact one."""
PART = re.compile(r"^(?:\\text\s*\{\s*\(([a-h])\)\s*\}(?=\s*[-\w$\\])|\(([a-h])\)(?=\s+[-\d$\\]))\s*")
"""The name of a part of the problem, `(a) 8`."""


def plain(text: str) -> str:
    """A text with these writings as plain LaTeX."""
    text = RAISED.sub(lambda m: "^{" + m[0].translate(str.maketrans(_RAISED, _PLAIN)) + "}", text)
    text = LOWERED.sub(lambda m: "_{" + m[0].translate(str.maketrans(_LOWERED, _PLAIN)) + "}", text)
    text = text.translate(_WIDE)
    if not text.isascii():
        text = _FOREIGN.sub(lambda m: rf"\text{{ {UNITS[m[1]]}}}" if m[1] else "", text)
        for pattern, word in _WORDS:
            text = pattern.sub(word.replace("\\", r"\\"), text)
    text = SYSTEM.sub(_system, text)
    return CHOSEN.sub(_chosen, text)


def _system(match: re.Match[str]) -> str:
    """Equations of a system as a list; a table of cases with conditions, and a matrix, stay."""
    kind, inner = match[1], match[2]
    rows = [row for row in re.split(r"\\\\(?:\s*\[[^\]]*\])?", inner) if row.strip()]
    if kind == "array" and "=" not in inner:
        return match[0]
    if kind in ("cases", "dcases", "array") and any(re.search(r"&(?!\s*[=<>])", row) for row in rows):
        return match[0]
    return ", ".join(row.replace("&", " ").strip(" ,;") for row in rows)


def _chosen(match: re.Match[str]) -> str:
    parts = [part for part in match.groups() if part]
    above, below = parts if match[1] or match[2] else parts[::-1]
    if above.isdigit() and below.isdigit() and int(above) < int(below):
        above, below = below, above
    return rf"\binom{{{above}}}{{{below}}}"


def settled(text: str) -> str:
    """As `plain`, for what shows after a text is cleaned of its decoration."""
    text = ARC.sub(_arc, text)
    text = OUTWARD.sub(_inward, text)
    text = HALF_LINE.sub(_half_line, text)
    domain = DOMAIN.search(text)
    if domain and re.search(rf"(?<!\\)\b{domain[1]}|\d{domain[1]}", text[: domain.start()]):
        text = text[: domain.start()]
    if (rounded := ROUNDED.search(text)) and re.search(r"\d|\\pi", text[: rounded.start()]):
        text = text[: rounded.start()]
    return PART.sub("", text)


def _arc(match: re.Match[str]) -> str:
    angle = int(match[1]) + Fraction(int(match[2]), 60) + Fraction(int(match[3] or 0), 3600)
    return rf"\frac{{{angle.numerator}}}{{{angle.denominator}}}\degree "


def _inward(match: re.Match[str]) -> str:
    if match["a"]:
        return f"({match['a']}" + (")" if match["b"] == "[" else "]")
    return f"[{match['c']})"


def _half_line(match: re.Match[str]) -> str:
    sign = match["sign"] or match["up"]
    if sign in (">", "+"):
        return r"(0,\infty)"
    if sign in ("<", "-"):
        return r"(-\infty,0)"
    return r"[0,\infty)" if "g" in sign else r"(-\infty,0]"
