r"""One spelling for what is typed in many: a boxed answer as plain, undecorated LaTeX.

Only decoration goes: math delimiters, spacing, sizes, fonts, other scripts' digits and signs, thousands marks that
cannot be anything else (`{,}`, `,\!`, `\,`), a closing full stop, "The answer is". What carries meaning (brackets,
percent, units, words) stays. All rules are linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction

LONGEST = 2000
Match = re.Match[str]


def _table(pairs: str) -> dict[str, str]:
    """Words of a text, the first of each two to the second."""
    words = pairs.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_CHARACTERS = _table(r"""
    − - – - — - ‐ - ‑ - × \times · \cdot ⋅ \cdot ∗ * ÷ / ∕ / ⁄ / √ \sqrt ∛ \sqrt[3] ∜ \sqrt[4] ∞ \infty ≤ \le ⩽ \le
    ≥ \ge ⩾ \ge ≠ \ne ≈ \approx ∪ \cup ∩ \cap ∈ \in ∖ \setminus ± \pm ∓ \mp ° \degree º \degree ∅ \emptyset ′ ' ’ '
    ‘ ' “ " ” " 。 . 、 , ∠ \angle △ \triangle ⟨ \langle ⟩ \rangle ⌊ \lfloor ⌋ \rfloor ⌈ \lceil ⌉ \rceil … \ldots
    ⋯ \ldots ℤ \mathbb{Z} ℕ \mathbb{N} ℚ \mathbb{Q} ℂ \mathbb{C} ℝ \mathbb{R} α \alpha β \beta γ \gamma δ \delta
    ε \epsilon θ \theta λ \lambda μ \mu π \pi ρ \rho σ \sigma φ \phi ω \omega Δ \Delta
""")
_MONEY = _table("€ euros £ sterling ¥ yen ￥ yen ₹ rupees ¢ cents")
_SIGNS = str.maketrans(
    {sign: f"{plain} " if plain[0] == "\\" else plain for sign, plain in _CHARACTERS.items()}
    | {sign: rf"\text{{ {name}}}" for sign, name in _MONEY.items()}
)
_COMMANDS = _table(r"""
    dfrac \frac tfrac \frac cfrac \frac dbinom \binom tbinom \binom leq \le leqslant \le geq \ge geqslant \ge neq \ne
    lbrace \{ rbrace \} varnothing \emptyset backslash \setminus ast \cdot lvert \vert rvert \vert dots \ldots
    cdots \ldots dotsc \ldots land \text{and} wedge \text{and} lor \text{or} vee \text{or} iff \text{or} lt < gt >
    Bbb \mathbb bar \overline infin \infty colon : varphi \phi varepsilon \epsilon vartheta \theta lbrack [ rbrack ]
    lparen ( rparen ) simeq \approx percent % cents \text{cents}
""")
_FOREIGN_UNITS = _table("""
    平方厘米 cm^2 平方米 m^2 立方厘米 cm^3 立方米 m^3 厘米 cm 毫米 mm 千米 km 公里 km 米 m 千克 kg 公斤 kg 克 g
    升 liters 小时 hours 分钟 minutes 秒 seconds 天 days 年 years 度 degrees 元 yuan 円 yen 원 won 日 days
    시간 hours 분 minutes
""")
"""Units of other scripts, the longer before the shorter."""
_COUNTERS = "个個只条本枚人名位张張种種次件颗棵块辆把杯명개번마리つ回匹冊台歳岁"
_FONTS = (
    "text|textbf|textit|textrm|textnormal|textsf|texttt|mbox|hbox|mathrm|mathbf|mathit|mathsf|mathnormal"
    "|operatorname|boldsymbol|bm|emph|underline"
)
_RATED = r"(m|km|cm|mm|mi|miles|ft|feet|L|mL|g|kg)\s*/\s*(s|sec|min|h|hr|hour|L|mL)"
_LISTED = r"aligned|align|alignedat|gathered|gather|split|eqnarray|cases|array|dcases"
_ONE = r"\s*(?:\{(\w+)\}|(\w))\s*"
_PAIR = r"([^\[\]]{1,80}[,;][^\[\]]{1,80})"
CLOSING = " .,;:"


def _normal(match: Match) -> str:
    return unicodedata.normalize("NFKC", match[0])


def _system(match: Match) -> str:
    """Equations of a system as a list; a table of cases with conditions, and a matrix, stay."""
    kind, inner = match[1], match[2]
    rows = [row for row in re.split(r"\\\\(?:\s*\[[^\]]*\])?", inner) if row.strip()]
    conditions = any(re.search(r"&(?!\s*[=<>])", row) for row in rows)
    if kind == "array" and "=" not in inner or kind in ("cases", "dcases", "array") and conditions:
        return match[0]
    return ", ".join(row.replace("&", " ").strip(" ,;") for row in rows)


def _chosen(match: Match) -> str:
    r"""`C_{10}^3`, `C^3_{10}`: of two numbers the larger is chosen from."""
    parts = [part for part in match.groups() if part]
    whole, chosen = parts if match[1] or match[2] else parts[::-1]
    if whole.isdigit() and chosen.isdigit() and int(whole) < int(chosen):
        whole, chosen = chosen, whole
    return rf"\binom{{{whole}}}{{{chosen}}}"


def _undelimited(text: str) -> str:
    r"""Take math delimiters away and keep prices: a lone `$` in front of a number is `\$`."""
    text = re.sub(r"\\[()\[\]]|\$\$", " ", text)
    if len(re.findall(r"(?<!\\)\$", text)) % 2 and re.match(r"\s*-?\$\s*[\d.]", text):
        text = text.replace("$", r"\$", 1)
    return re.sub(r"(?<!\\)\$", " ", text)


def _arc(match: Match) -> str:
    """Degrees, minutes and seconds of an angle as degrees."""
    angle = int(match[1]) + Fraction(int(match[2]), 60) + Fraction(int(match[3] or 0), 3600)
    return rf"\frac{{{angle.numerator}}}{{{angle.denominator}}}\degree "


def _repeating(match: Match) -> str:
    r"""A repeating decimal as a fraction.

    Digits under a bar, between dots (`0.\dot{1}\dot{2}`), in brackets after the point (`0.(3)`), or a block that stands
    twice before an ellipsis.
    """
    whole, decimals, twice, marked = match.groups()
    block = twice or re.sub(r"\D", "", re.sub(r"\\[a-z]+", "", marked))
    tail = Fraction(int(block), (10 ** len(block) - 1) * 10 ** len(decimals))
    value = Fraction(f"{whole or 0}.{decimals or 0}") + tail
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def _mixed(match: Match) -> str:
    r"""`2\frac{1}{3}`, `2 1/3`: a mixed number, where its fraction is a proper one."""
    whole, above, below = (int(part) for part in match.groups() if part)
    return rf"\frac{{{whole * below + above}}}{{{below}}}" if 0 < above < below else match[0]


def _half_line(match: Match) -> str:
    sign = match[1] or match[2]
    if sign in (">", "+", "<", "-"):
        return r"(0,\infty)" if sign in ">+" else r"(-\infty,0)"
    return r"[0,\infty)" if "g" in sign else r"(-\infty,0]"


def _domain(match: Match) -> str:
    """Which whole numbers a parameter of the formula runs over goes; of a name that is not there, it stays."""
    return "" if re.search(rf"(?<!\\)\b{match[1]}|\d{match[1]}", match.string[: match.start()]) else match[0]


def _rounded(match: Match) -> str:
    """A rounded value behind the exact one goes."""
    return "" if re.search(r"\d|\\pi", match.string[: match.start()]) else match[0]


Rule = tuple[re.Pattern[str], str | Callable[[Match], str]]


def _rules(*rows: tuple[str, str | Callable[[Match], str]]) -> list[Rule]:
    return [(re.compile(pattern, re.S), by) for pattern, by in rows]


RULES = _rules(
    # raised, lowered and full-width characters, fractions of one character
    (r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda m: f"^{{{_normal(m)}}}"),
    (r"[₀₁₂₃₄₅₆₇₈₉₊₋ₙ]+", lambda m: f"_{{{_normal(m)}}}"),
    (r"[！-～]+", _normal),
    (r"[½⅓⅔¼¾⅕-⅞]", lambda m: r"\frac{{{}}}{{{}}}".format(*_normal(m).split("⁄"))),
    # units, counters and words of other scripts
    (
        rf"(?<=[\d)}}])\s*(?:({'|'.join(_FOREIGN_UNITS)})|(?:[{_COUNTERS}]|通り|가지))+(?=$|[\s,;。.或和与])",
        lambda m: rf"\text{{ {_FOREIGN_UNITS[m[1]]}}}" if m[1] else "",
    ),
    ("或者?", r"\\text{ or }"),
    ("[和与]|및|と", r"\\text{ and }"),
    # systems of equations, combinations
    (
        rf"(?:\\left\s*)?(?:\\\{{|\\lbrace)?\s*\\begin\s*\{{({_LISTED})\*?\}}(?:\s*\{{[lcr|@ ]*\}})?(.*?)"
        r"\\end\s*\{\1\*?\}\s*(?:\\right\s*\.)?",
        _system,
    ),
    (rf"(?<![A-Za-z\\])C\s*(?:_{_ONE}\^{_ONE}|\^{_ONE}_{_ONE})", _chosen),
    # space below a matrix's row, marks that a proof is done, currencies before the number
    (r"\\\\\s*\[\s*-?[\d.]+\s*[a-z]{2}\s*\]", r"\\\\ "),
    (r"(?:\s*(?:\\(?:checkmark|blacksquare|square|qed)(?![A-Za-z])|[✓✔✅■∎]))++\s*$", ""),
    (
        r"\\text\s*\{\s*(?:US|A|C|HK)?\s*\\\$\s*\}|(?<![A-Za-z\\{])(?:(?:USD|US(?=\s*\\?\$))\s*)++\\?\$?\s*(?=[\d.])",
        r"\\$",
    ),
    (r"([€£¥₹])\s*(\d[\d.,]*)", r"\2\1"),
    (r"(?<=\d)\.{3,}", r"\\ldots "),
    (f"[{''.join(_CHARACTERS | _MONEY)}]", lambda m: m[0].translate(_SIGNS)),
    (r"^.*$", lambda m: _undelimited(m[0])),
    (r"(?<=\d)(?:\{,\}|\{\\,\}|,\s*\\[!,]|\\[, ;]|~)\s*(?=\d{3}(?!\d))|\\!", ""),  # thousands
    (r"\\(?:left|right)\s*([<>])", lambda m: r"\langle " if m[1] == "<" else r"\rangle "),
    (r"\\(?:left|right|middle)(?![A-Za-z])\s*\.|\\(?:left|right|middle|[bB]igg?[lrm]?)(?![A-Za-z])", ""),
    (r"\\(?:boxed|fbox)(?![A-Za-z])|\\(?:text)?color\s*\{\w*\}", ""),
    (r"\\([A-Za-z]+)", lambda m: _COMMANDS.get(m[1], m[0])),
    (r"\\(?:mathbf|boldsymbol|bm|vec|hat)\s*(?:\{\s*\\?([a-z])(?:math)?\s*\}|\s([a-z])(?![a-z]))", r"\1\2"),
    (rf"\\(?:{_FONTS})(?![A-Za-z])\s*\*?\s*(?=\{{)", r"\\text"),
    (r"\\text\s*\{\s*(\\text\s*\{[^{}]*\})\s*\}", r"\1"),
    (
        r"\\frac\s*\{\s*\\text\s*\{([A-Za-z ]+)\}\s*\}\s*\{\s*\\text\s*\{([A-Za-z ]+)\}\s*\}",
        r"\\text{ \1/\2}",
    ),
    (r"\\(?:pmod|mod)\s*(?:\{\s*(\w+)\s*\}|(\w))", r"\\pmod{\1\2}"),
    (r"(?:\{\})?[_^]\s*(\{\w+\}|\w+?)\s*C\s*_\s*(\{\w+\}|\w)", r"\\binom{\1}{\2}"),
    (r"(?<![A-Za-z\\])C\((\d+),\s*(\d+)\)", r"\\binom{\1}{\2}"),
    (r"\{?([^{}\\]{1,40})\\choose(?![A-Za-z])([^{}\\]{1,40})\}?", r"\\binom{\1}{\2}"),
    (
        r"\^\s*(?:\{\s*\\(?:circ|degree)\s*\}|\\(?:circ|degree)(?![A-Za-z]))"
        r"|\\(?:circ|degrees?|textdegree)(?![A-Za-z])",
        r"\\degree ",
    ),
    (
        r"(?<!\\)\\[,;:> ]|\\(?:quad|qquad|space|thinspace|enspace|hfill|newline|large|Large|LARGE|huge|Huge|small|tiny"
        r"|bf|rm|it|displaystyle|textstyle|scriptstyle|limits|nonumber|,)(?![A-Za-z])|~|\s+",
        " ",
    ),
    (r"(?<![\d.,/^_}\\])[1-9]\d{0,2}(?: \d{3})+(?![\d/.])", lambda m: m[0].replace(" ", "")),  # thousands
    (
        r"(?<![\d.])(\d{1,30})?\.(\d{0,60}?)(?:(\d{1,50}?)\3+\s*\\ldots(?![A-Za-z])"
        r"|((?:\\overline|\\dot)\s*(?:\{\d{1,50}\}|\d)(?:\d*\s*\\dot\s*(?:\{\d\}|\d))?|(?<=\.)\(\d{1,50}\)))",
        _repeating,
    ),
    (
        r"(?<![\d.,^_/])(\d{1,30})\s*\\frac\s*(?:\{\s*(\d{1,30})\s*\}|(\d))\s*(?:\{\s*(\d{1,30})\s*\}|(\d))"
        r"|(?<![\d.,^_/])(\d{1,30}) (\d{1,30})/(\d{1,30})(?![\d.])",
        _mixed,
    ),
    (r"\^\s*(?:\{\s*)?(?:\\(?:text|mathsf|intercal|top)?\s*\{?\s*T?\s*\}?|T)(?:\s*\})?(?=\s*$)", "^T"),
    (r"(\d+)\s*\\degree\s*(\d{1,2})\s*(?:'|\\prime|\\text\{\s*minutes\s*\})(?:\s*(\d{1,2})\s*(?:''|\"))?", _arc),
    # brackets turned outwards
    (rf"(?<![\d)}}\]])\]{_PAIR}([\[\]])", lambda m: f"({m[1]}" + (")" if m[2] == "[" else "]")),
    (rf"(?<![\d)}}\]])\[{_PAIR}\[", r"[\1)"),
    (
        r"\\mathbb\s*\{?\s*R\s*\}?\s*(?:_\s*\{?\s*(>|<|\\geq?|\\leq?|\\geqslant|\\leqslant|\+|-)\s*0?\s*\}?"
        r"|\^\s*\{?\s*([+-])\s*\}?)",
        _half_line,
    ),
    (
        r"(?:\s|,|;|\\text\s*\{\s*,?\s*(?:where|for|with)?\s*(?:any|all|some|an)?\s*(?:integers?)?\s*\}|\(|\bwhere\b"
        r"|\bfor\b)+\s*([a-zA-Z])\s*\\in\s*\\mathbb\s*\{?\s*[ZN]\s*\}?(?:\s*[_^]\s*(?:\{[^{}]*\}|\S))?\s*\)?\s*$",
        _domain,
    ),
    (
        r"(?:\\text\s*\{\s*,?\s*(?:or|which is)?\s*(?:approximately|about|approx\.?)\s*\}|\\approx(?![A-Za-z]))"
        r"\s*-?\\?\$?[\d.,]+(?:\s*\\text\s*\{[^{}]*\})?\s*$",
        _rounded,
    ),
    # the name of a part of the problem, `(a) 8`
    (r"^(?:\\text\s*\{\s*\(([a-h])\)\s*\}(?=\s*[-\w$\\])|\(([a-h])\)(?=\s+[-\d$\\]))\s*", ""),
    (rf"(?<=\d)\s*\b{_RATED}(\^\s*\{{?[23]\}}?)?[\s.,;:]*$", r"\\text{ \1/\2}\3"),
)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ud800-\udfff]"
)
_LEAD = re.compile(
    r"^(?:(?:so|thus|hence|therefore)\b,?\s*)?(?:(?:the|my|our)\s+)?(?:(?:final|correct)\s+)?"
    r"(?:answer|result|solution|value)\s*(?:(?:is|are|equals)\b|[:=])\s*(?:choice|option)?\s*:?\s*",
    re.I,
)


def braced(text: str, start: int) -> int:
    """Index just after the brace that closes the one at `start`, or -1; escaped braces do not count."""
    depth = 0
    for mark in re.compile(r"\\.|[{}]", re.S).finditer(text, start):
        depth += (mark[0] == "{") - (mark[0] == "}")
        if depth == 0 and mark[0] == "}":
            return mark.end()
    return -1


def trim(text: str) -> str:
    """Take away spaces and closing punctuation at both ends; a decimal point in front stays."""
    before, layers = None, 8
    while text != before:
        before = text
        text = text.strip().rstrip(CLOSING).lstrip(" ,;:")
        while text.endswith("\\"):
            text = text[:-1].rstrip(CLOSING)
        if len(text) > 4 and text.startswith("**") and text.endswith("**"):
            text = text[2:-2]
        if len(text) > 2 and text[0] == text[-1] and text[0] in "`\"'_*":
            text = text[1:-1]
        if layers and text.startswith("{") and braced(text, 0) == len(text):
            text, layers = text[1:-1], layers - 1
    return text


def clean(answer: str) -> str:
    """Return the answer in one spelling (see the module's words); never raises.

    What is longer than 2 000 characters is no answer that a person would write: only its spaces are evened out.
    """
    text = _CONTROL.sub("", answer)
    if len(text) > LONGEST:
        return " ".join(text.split())
    for pattern, by in RULES:
        text = pattern.sub(by, text)
    text = trim(text)
    return trim(_LEAD.sub("", text, count=1)) or text
