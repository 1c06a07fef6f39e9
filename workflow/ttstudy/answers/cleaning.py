r"""One spelling for what is typed in many: a boxed answer as plain, undecorated LaTeX.

Only decoration goes: math delimiters, spacing, sizes, fonts, Unicode look-alikes, thousands marks that cannot
be anything else (`{,}`, `,\!`, `\,`), markdown stars, a closing full stop, "The answer is". Nothing that
carries meaning (brackets, percent, units, words) is dropped here; all rules are linear in the length of the
text.
"""

from __future__ import annotations

import re

from ttstudy.answers.writings import plain, settled

UNICODE = {
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "×": r"\times ",
    "·": r"\cdot ",
    "⋅": r"\cdot ",
    "∗": "*",
    "÷": "/",
    "∕": "/",
    "⁄": "/",
    "√": r"\sqrt ",
    "∞": r"\infty ",
    "≤": r"\le ",
    "⩽": r"\le ",
    "≥": r"\ge ",
    "⩾": r"\ge ",
    "≠": r"\ne ",
    "≈": r"\approx ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∈": r"\in ",
    "∖": r"\setminus ",
    "±": r"\pm ",
    "∓": r"\mp ",
    "°": r"\degree ",
    "º": r"\degree ",
    "∅": r"\emptyset ",
    "′": "'",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "。": ".",
    "∠": r"\angle ",
    "△": r"\triangle ",
    "⟨": r"\langle ",
    "⟩": r"\rangle ",
    "⌊": r"\lfloor ",
    "⌋": r"\rfloor ",
    "⌈": r"\lceil ",
    "⌉": r"\rceil ",
    "€": r"\text{ euros}",
    "£": r"\text{ sterling}",
    "¥": r"\text{ yen}",
    "₹": r"\text{ rupees}",
    "½": r"\frac{1}{2}",
    "⅓": r"\frac{1}{3}",
    "⅔": r"\frac{2}{3}",
    "¼": r"\frac{1}{4}",
    "¾": r"\frac{3}{4}",
    "⅕": r"\frac{1}{5}",
    "⅛": r"\frac{1}{8}",
    "…": r"\ldots ",
    "⋯": r"\ldots ",
    "¢": r"\text{ cents}",
} | {
    letter: rf"\{name} "
    for letter, name in zip(
        "αβγδεθλμπρσφωΔ",
        "alpha beta gamma delta epsilon theta lambda mu pi rho sigma phi omega Delta".split(),
        strict=True,
    )
}
TRANSLATE = str.maketrans(UNICODE)

FONTS = (
    "text|textbf|textit|textrm|textnormal|textsf|texttt|mbox|hbox|mathrm|mathbf|mathit|mathsf|mathnormal"
    "|operatorname|boldsymbol|bm|emph|underline"
)
SPACE = re.compile(
    r"(?<!\\)\\[,;:> ]|\\(?:quad|qquad|space|thinspace|enspace|hfill|newline"
    r"|large|Large|LARGE|huge|Huge|small|tiny|bf|rm|it|displaystyle|textstyle"
    r"|scriptstyle|limits|nonumber|,)(?![A-Za-z])|~|\s+"
)
SIZE = re.compile(
    r"\\(?:left|right|middle)(?![A-Za-z])\s*\.|\\(?:left|right|middle|[bB]igg?[lrm]?)(?![A-Za-z])"
)
GROUP = re.compile(r"(?<=\d)(?:\{,\}|\{\\,\}|,\s*\\[!,]|\\[, ;]|~)\s*(?=\d{3}(?!\d))")
SPACED = re.compile(r"(?<![\d.,/^_}\\])[1-9]\d{0,2}(?: \d{3})+(?![\d/.])")
FONT = re.compile(rf"\\(?:{FONTS})(?![A-Za-z])\s*\*?\s*(?=\{{)")
NAMES = {
    "dfrac": "frac",
    "tfrac": "frac",
    "cfrac": "frac",
    "dbinom": "binom",
    "tbinom": "binom",
    "leq": "le",
    "leqslant": "le",
    "geq": "ge",
    "geqslant": "ge",
    "neq": "ne",
    "lbrace": "{",
    "rbrace": "}",
    "varnothing": "emptyset",
    "backslash": "setminus",
    "ast": "cdot",
    "lvert": "vert",
    "rvert": "vert",
    "dots": "ldots",
    "cdots": "ldots",
    "dotsc": "ldots",
    "land": "text{ and }",
    "lor": "text{ or }",
    "wedge": "text{ and }",
    "vee": "text{ or }",
    "lt": "<",
    "gt": ">",
    "Bbb": "mathbb",
    "bar": "overline",
    "infin": "infty",
    "colon": ":",
    "varphi": "phi",
    "varepsilon": "epsilon",
    "vartheta": "theta",
    "lbrack": "[",
    "rbrack": "]",
    "lparen": "(",
    "rparen": ")",
    "simeq": "approx",
    "iff": "text{ or }",
    "percent": "%",
    "cents": "text{ cents}",
    "arccos": "arccos",
}
BARE = {"lt", "gt", "colon", "lbrack", "rbrack", "lparen", "rparen", "percent"}
CURRENCY = re.compile(r"([€£¥₹])\s*(\d[\d.,]*)")
DOLLARS = re.compile(
    r"\\text\s*\{\s*(?:US|A|C|HK)?\s*\\\$\s*\}"
    r"|(?<![A-Za-z\\{])(?:(?:USD|US(?=\s*\\?\$))\s*)++\\?\$?\s*(?=[\d.])"
)
ROW_GAP = re.compile(r"\\\\\s*\[\s*-?[\d.]+\s*[a-z]{2}\s*\]")
"""A line break of a matrix with the space below it, `\\\\[4pt]`."""
ANGLE = re.compile(r"\\(?:left|right)\s*([<>])")
NESTED = re.compile(r"\\text\s*\{\s*(\\text\s*\{[^{}]*\})\s*\}")
UNIT_RATE = re.compile(r"\\frac\s*\{\s*\\text\s*\{([A-Za-z ]+)\}\s*\}\s*\{\s*\\text\s*\{([A-Za-z ]+)\}\s*\}")
MODULUS = re.compile(r"\\(?:pmod|mod)\s*(?:\{\s*(\w+)\s*\}|(\w))")
DONE = re.compile(r"(?:\s*(?:\\(?:checkmark|blacksquare|square|qed)(?![A-Za-z])|[✓✔✅■∎]))++\s*$")
RELATION = re.compile(r"[=<>]|\\(?:le|ge|ne|equiv)(?![A-Za-z])")
FOR_ALL = re.compile(r"(?:\\text ?\{[ ,]*|\b)for (?:all|every|any|each)\b")
ENDLESS = re.compile(r"(?<=\d)\.{3,}")
COMBINATIONS = (
    re.compile(r"(?:\{\})?[_^]\s*(\{\w+\}|\w+?)\s*C\s*_\s*(\{\w+\}|\w)"),
    re.compile(r"(?<![A-Za-z\\])C\((\d+),\s*(\d+)\)"),
    re.compile(r"\{?([^{}\\]{1,40})\\choose(?![A-Za-z])([^{}\\]{1,40})\}?"),
)
COLOR = re.compile(r"\\(?:text)?color\s*\{\w*\}")
LETTER = re.compile(r"\\(?:mathbf|boldsymbol|bm|vec|hat)\s*(?:\{\s*\\?([a-z])(?:math)?\s*\}|\s([a-z])(?![a-z]))")
RATE = re.compile(
    r"(?<=\d)\s*\b(m|km|cm|mm|mi|miles|ft|feet|L|mL|g|kg)\s*/\s*(s|sec|min|h|hr|hour|L|mL)(\^\s*\{?[23]\}?)?\s*$"
)
TRANSPOSED = re.compile(
    r"\^\s*(?:\{\s*)?(?:\\(?:text|mathsf|intercal|top)?\s*\{?\s*T?\s*\}?|T)(?:\s*\})?(?=\s*$)"
)
BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])")
LONGEST = 2000
COMMAND = re.compile(r"\\([A-Za-z]+)")
DEGREE = re.compile(
    r"\^\s*(?:\{\s*\\(?:circ|degree)\s*\}|\\(?:circ|degree)(?![A-Za-z]))"
    r"|\\(?:circ|degrees?|textdegree)(?![A-Za-z])"
)
DELIMITER = re.compile(r"\\[()\[\]]|\$\$")
LEAD = re.compile(
    r"^(?:(?:so|thus|hence|therefore)\b,?\s*)?(?:(?:the|my|our)\s+)?(?:(?:final|correct)\s+)?"
    r"(?:answer|result|solution|value)\s*(?:(?:is|are|equals)\b|[:=])\s*(?:choice|option)?\s*:?\s*",
    re.I,
)
CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ud800-\udfff]"
)
CLOSING = " .,;:"


def _rename(match: re.Match[str]) -> str:
    name = match[1]
    if name not in NAMES:
        return match[0]
    return NAMES[name] if name in BARE else "\\" + NAMES[name]


def braced(text: str, start: int) -> int:
    """Index just after the brace that closes the one at `start`, or -1; escaped braces do not count."""
    depth, at = 0, start
    while at < len(text):
        mark = text[at]
        if mark == "\\":
            at += 1
        elif mark == "{":
            depth += 1
        elif mark == "}":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return -1


def _dollars(text: str) -> str:
    r"""Take math delimiters away and keep prices: a lone `$` in front of a number is `\$`."""
    text = DELIMITER.sub(" ", text)
    bare = re.findall(r"(?<!\\)\$", text)
    if len(bare) % 2 and re.match(r"\s*-?\$\s*[\d.]", text):
        text = text.replace("$", r"\$", 1)
    return re.sub(r"(?<!\\)\$", " ", text)


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
        for mark in ("`", '"', "'", "_", "*"):
            if len(text) > 2 and text[0] == mark == text[-1]:
                text = text[1:-1]
        if layers and text.startswith("{") and braced(text, 0) == len(text):
            text, layers = text[1:-1], layers - 1
    return text


def clean(answer: str) -> str:
    """Return the answer in one spelling (see the module's words); never raises.

    What is longer than 2 000 characters is no answer that a person would write: only its spaces are evened
    out.
    """
    text = CONTROL.sub("", answer)
    if len(text) > LONGEST:
        return " ".join(text.split())
    text = plain(text)
    text = DOLLARS.sub(r"\\$", DONE.sub("", ROW_GAP.sub(r"\\\\ ", text)))
    text = ENDLESS.sub(r"\\ldots ", CURRENCY.sub(r"\2\1", text)).translate(TRANSLATE)
    text = _dollars(text)
    text = GROUP.sub("", text).replace("\\!", "")
    text = ANGLE.sub(lambda match: r"\langle " if match[1] == "<" else r"\rangle ", text)
    text = COLOR.sub("", BOX.sub("", SIZE.sub("", text)))
    text = FONT.sub(r"\\text", LETTER.sub(r"\1\2", COMMAND.sub(_rename, text)))
    text = UNIT_RATE.sub(r"\\text{ \1/\2}", NESTED.sub(r"\1", text))
    text = MODULUS.sub(r"\\pmod{\1\2}", text)
    for pattern in COMBINATIONS:
        text = pattern.sub(r"\\binom{\1}{\2}", text)
    text = DEGREE.sub(r"\\degree ", text)
    text = re.sub(r"\{\s*([,:])\s*\}", r"\1", text)
    text = SPACED.sub(lambda match: match[0].replace(" ", ""), SPACE.sub(" ", text))
    end = FOR_ALL.search(text)
    if end and "=" in text[: end.start()] and not RELATION.search(text, end.end()):
        # f(x) = 2x holds for all x that it is asked for; "for all x < 0" would say less.
        text = text[: end.start()]
    text = settled(TRANSPOSED.sub("^T", text))
    text = trim(RATE.sub(r"\\text{ \1/\2}\3", trim(text)))
    return trim(LEAD.sub("", text, count=1)) or text
