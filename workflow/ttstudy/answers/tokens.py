r"""Tokens of a cleaned answer: numbers, symbols, commands, words, brackets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ttstudy.answers.cleaning import braced
from ttstudy.answers.units import UNITS

MOST = 400
DEEPEST = 40
CALLED = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh ln log exp cis".split()
)
"""Functions by their names."""
GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi "
    "psi omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell hbar".split()
)
_ALIASES = {"infinity": "infty", "lg": "log", "asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_BARE = CALLED | {*_ALIASES, *"sqrt pi theta alpha beta gamma lambda infty frac cup cap".split()}
_SHORT = frozenset(
    "yes no odd red one two six ten all any and or per none men sun mon tue wed thu fri sat cat dog tie dne "
    "nor not on is of if to the out cup box day way map pie".split()
)
RELATIONS = {
    "=": "=", r"\approx": "=", r"\equiv": "=", r"\in": "in", r"\ne": "!=", "!=": "!=",
    "<": "<", ">": ">", r"\le": "<=", "<=": "<=", r"\ge": ">=", ">=": ">=",
}  # fmt: skip
OPEN = {"(": ")", "[": "]", "{": "}", r"\{": r"\}", r"\langle": r"\rangle"}
OPEN |= {r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}
_SCANNER = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+(?![\d.]))?)
  | (?P<env>\\(?:begin|end)\s*\{\s*[A-Za-z]+\*?\s*\})
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

    @property
    def turn(self) -> int:
        """1 where it opens a bracket or an environment, -1 where it closes one, else 0."""
        if self.kind == "env":
            return 1 if self.text.startswith(r"\begin") else -1
        return (self.text in OPEN) - (self.text in OPEN.values())


class Unread(ValueError):
    """The text is nothing that the rules read."""


class TooLarge(Unread):
    """The text has numbers that nobody should work out."""


def is_word(run: str) -> bool:
    """Say whether a run of bare letters is a word rather than a product of variables."""
    if len(run) <= 3:
        return run.lower() in _SHORT or len(run) == 3 and run.istitle() and run[1] in "aeiou"
    alphabet = all(ord(b) - ord(a) == 1 for a, b in zip(run, run[1:], strict=False))
    return not alphabet and any(letter in "aeiouyAEIOUY" for letter in run)


def tokenize(text: str) -> list[Token]:
    """Tokens of a cleaned answer; raises `Unread` for what is no mathematics, too long or too deep."""
    tokens: list[Token] = []
    at = depth = 0
    while at < len(text):
        match = _SCANNER.match(text, at)
        if match is None:
            raise Unread(f"unknown character at {at}")
        at, kind = match.end(), match.lastgroup or ""
        if kind == "text":
            start, at = at, braced(text, at)
            if at < 0:
                raise Unread("unbalanced text")
            tokens += _words(text[start + 1 : at - 1])
        elif kind == "word":
            tokens += _run(match[0], tokens)
        elif kind != "space":
            written = rf"\mathbb{{{match['field']}}}" if kind == "field" else "^" if match[0] == "**" else match[0]
            written = re.sub(r"[\s*]", "", written) if kind == "env" else written
            tokens.append(Token("cmd" if kind == "field" else kind, written))
            depth += tokens[-1].turn
        if len(tokens) > MOST or abs(depth) > DEEPEST:
            raise Unread("too long or too deep")
    if depth:
        raise Unread("unbalanced")
    return tokens


def _words(content: str) -> list[Token]:
    r"""Tokens of `\text{content}`: mathematics set in text font is mathematics; letters are words."""
    plain = content.strip().rstrip(".,;:!")
    if content in CALLED:
        return [Token("cmd", f"\\{content}")]
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
    if run in _BARE:
        return [Token("cmd", f"\\{_ALIASES.get(run, run)}")]
    for name in ("sqrt", "pi"):
        if run.endswith(name) and len(run) - len(name) <= 2:
            return [*(Token("symbol", letter) for letter in run[: -len(name)]), Token("cmd", f"\\{name}")]
    last = before[-1] if before else Token("op", "")
    unit = last.kind in ("number", "text") or last.text in ("}", ")")
    if len(run) > 1 and (last.kind == "text" or unit and run.lower() in UNITS) or run.lower() in ("or", "and"):
        return [Token("text", run)]
    if is_word(run):
        return [Token("text", run)]
    # A figure's name, a code: its letters keep their order.
    return [Token("symbol", part) for part in ([run] if len(run) > 2 and run.isupper() else run)]


def split_top(tokens: list[Token], is_mark: Callable[[Token], bool]) -> list[tuple[list[Token], Token | None]]:
    """Pieces between the marks that stand outside all brackets, each with the mark that follows it."""
    pieces: list[tuple[list[Token], Token | None]] = [([], None)]
    depth = 0
    for token in tokens:
        depth += token.turn
        if depth == 0 and is_mark(token):
            pieces[-1] = (pieces[-1][0], token)
            pieces.append(([], None))
        else:
            pieces[-1][0].append(token)
    return pieces


def closes(tokens: list[Token]) -> bool:
    """Say whether the first bracket is closed by the last token."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += token.turn
        if depth == 0:
            return at == len(tokens) - 1
    return False
