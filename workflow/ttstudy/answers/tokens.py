r"""Tokens of a cleaned answer: numbers, symbols, commands, words, brackets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ttstudy.answers.cleaning import braced
from ttstudy.answers.units import UNITS

MOST = 400
DEEPEST = 40

FUNCTIONS = set(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh ln log exp cis".split()
)
GREEK = set(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi "
    "psi omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell hbar".split()
)
BARE_NAMES = FUNCTIONS | {
    "sqrt",
    "pi",
    "theta",
    "alpha",
    "beta",
    "gamma",
    "lambda",
    "infinity",
    "infty",
    "frac",
    "cup",
    "lg",
    "asin",
    "acos",
    "atan",
    "cap",
}
ALIASES = {"infinity": "infty", "lg": "log", "asin": "arcsin", "acos": "arccos", "atan": "arctan"}
SHORT = set(
    "yes no odd red one two six ten all any and or per none men sun mon tue wed thu fri sat cat dog tie dne "
    "nor not on is of if to the out cup box day way map pie".split()
)
RELATIONS = {
    "=": "=",
    "<": "<",
    ">": ">",
    r"\le": "<=",
    r"\ge": ">=",
    r"\ne": "!=",
    r"\in": "in",
    r"\approx": "=",
    r"\equiv": "=",
    "<=": "<=",
    ">=": ">=",
    "!=": "!=",
}
OPEN = {"(", "[", "{", r"\{", r"\langle", r"\lfloor", r"\lceil", r"\begin"}
CLOSE = {")", "]", "}", r"\}", r"\rangle", r"\rfloor", r"\rceil", r"\end"}

SCANNER = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+(?![\d.]))?)
  | \\(?P<env>begin|end)\s*\{\s*(?P<name>[A-Za-z]+)\*?\s*\}
  | \\text\s*(?=\{)(?P<text>)
  | \\mathbb\s*\{?\s*(?P<field>[RNZQC])\s*\}?
  | (?P<cmd>\\[A-Za-z]+|\\[{}$\\|%&\#_]|\\\\)
  | (?P<word>[A-Za-z]+)
  | (?P<op><=|>=|!=|\*\*|[-+*/^_()\[\]{}|!,;:=<>&%$'"?.])
""",
    re.X,
)


class Token(NamedTuple):
    """One token: its kind (`number`, `symbol`, `cmd`, `text`, `env`, `op`) and its text."""

    kind: str
    text: str


class Unread(ValueError):
    """The text is no expression that this module reads."""


def is_word(run: str) -> bool:
    """Say whether a run of bare letters is a word rather than a product of variables."""
    if len(run) <= 3:
        return run.lower() in SHORT or len(run) == 3 and run.istitle() and run[1] in "aeiou"
    alphabet = all(ord(b) - ord(a) == 1 for a, b in zip(run, run[1:], strict=False))
    return not alphabet and any(letter in "aeiouyAEIOUY" for letter in run)


def tokenize(text: str) -> list[Token]:
    """Tokens of a cleaned answer; raises `Unread` for what is no mathematics, too long or too deep."""
    tokens: list[Token] = []
    at = depth = 0
    while at < len(text):
        match = SCANNER.match(text, at)
        if match is None:
            raise Unread(f"unknown character at {at}")
        at = match.end()
        kind = match.lastgroup
        if kind == "space":
            continue
        if kind == "text":
            end = braced(text, at)
            if end < 0:
                raise Unread("unbalanced text")
            content = text[at + 1 : end - 1]
            at = end
            tokens += [Token("cmd", f"\\{content}")] if content in FUNCTIONS else _words(content)
        elif match["env"]:
            tokens.append(Token("env", f"\\{match['env']}{{{match['name']}}}"))
            depth += 1 if match["env"] == "begin" else -1
        elif match["field"]:
            tokens.append(Token("cmd", rf"\mathbb{{{match['field']}}}"))
        elif kind == "word":
            tokens += _run(match["word"], tokens)
        else:
            token = Token({"number": "number", "cmd": "cmd"}.get(kind or "", "op"), match[0])
            if token.text == "**":
                token = Token("op", "^")
            tokens.append(token)
            depth += (token.text in OPEN) - (token.text in CLOSE)
        if len(tokens) > MOST or abs(depth) > DEEPEST:
            raise Unread("too long or too deep")
    if depth:
        raise Unread("unbalanced")
    return tokens


def _words(content: str) -> list[Token]:
    r"""Tokens of `\text{content}`: mathematics set in text font is mathematics; letters are words."""
    plain = content.strip().rstrip(".,;:!")
    if not plain:
        return []
    if plain in ("i", "e", "d") or not re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z$%]+", "", plain)):
        return tokenize(plain)
    *start, last = plain.split()
    if start and last in ("and", "or"):
        return [Token("text", " ".join(start)), Token("text", last)]
    return [Token("text", " ".join(plain.split()))]


def _run(run: str, before: list[Token]) -> list[Token]:
    """Tokens of a run of bare letters: a function name, a unit after a number, a word, or variables."""
    if run in BARE_NAMES:
        return [Token("cmd", f"\\{ALIASES.get(run, run)}")]
    for name in ("sqrt", "pi"):
        if run.endswith(name) and len(run) - len(name) <= 2:
            return [*(Token("symbol", letter) for letter in run[: -len(name)]), Token("cmd", f"\\{name}")]
    if before and before[-1].kind == "text" and len(run) > 1:
        return [Token("text", run)]
    after_value = bool(before) and (
        before[-1].kind == "number" or before[-1].text in ("}", ")") or before[-1].kind == "text"
    )
    if (
        run.lower() in ("or", "and")
        or is_word(run)
        or (len(run) > 1 and after_value and run.lower() in UNITS)
    ):
        return [Token("text", run)]
    if len(run) > 2 and run.isupper():
        # A figure's name, a code: its letters keep their order.
        return [Token("symbol", run)]
    return [Token("symbol", letter) for letter in run]


def split_top(tokens: list[Token], is_mark: Callable[[Token], bool]) -> list[tuple[list[Token], Token | None]]:
    """Pieces between the marks that stand outside all brackets, each with the mark that follows it."""
    pieces: list[tuple[list[Token], Token | None]] = []
    piece: list[Token] = []
    depth = 0
    for token in tokens:
        if token.text in OPEN or token.kind == "env" and token.text.startswith(r"\begin"):
            depth += 1
        elif token.text in CLOSE or token.kind == "env":
            depth -= 1
        if depth == 0 and is_mark(token):
            pieces.append((piece, token))
            piece = []
        else:
            piece.append(token)
    pieces.append((piece, None))
    return pieces

OPENS = ("(", "[", "{", r"\{", r"\langle", r"\lfloor", r"\lceil")
CLOSES = (")", "]", "}", r"\}", r"\rangle", r"\rfloor", r"\rceil")


def closes(tokens: list[Token]) -> bool:
    """Say whether the first bracket is closed by the last token."""
    depth = 0
    for at, token in enumerate(tokens):
        opens = token.text in OPENS or token.text.startswith(r"\begin")
        closed = token.text in CLOSES or token.text.startswith(r"\end")
        depth += opens - closed
        if depth == 0:
            return at == len(tokens) - 1
    return False
