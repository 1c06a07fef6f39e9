r"""Find the answer that a response gives.

The rules, in order:
1. The last box: `\boxed{...}` or `\fbox{...}` with balanced braces and something in it; `\boxed 7` counts.
   One box, never all of them: a reasoning model's earlier boxes are drafts.
2. No box, but the last line is a labelled answer ("**Answer:** 12", "Final answer: 12"): what it says.
3. Anything else has no answer (policy `boxed`, the default): a response cut short would else score by luck.
   Policy `conclusion` takes the number that the last line concludes with: of its numbers the one in bold, else the
   one that the text's last equals sign gives ("... = 64. So she pays 64 for 16 glasses."), else the last. Policy
   `last_number` takes the last number of the text, whatever it says, as the official code does.
"""

from __future__ import annotations

import re
from fractions import Fraction

BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
BRACE = re.compile(r"\\.|[{}]", re.S)
UNBRACED = re.compile(r"[^\s{}$\\]+|\\[A-Za-z]+")
LABEL = re.compile(r"^[\s*_#>-]*(?:final\s+)?answer\s*[*_]*\s*:\s*[*_]*\s*(\S.*?)[\s*_]*$", re.I)
HOPE = re.compile(r"[\s.]*\bI hope it is correct\W*$", re.I)
NUMBER = re.compile(r"-?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:/\d+)?")
BOLD = re.compile(r"\*\*([^*]+)\*\*")
RESULT = re.compile(
    r"(?:=|≈|\\approx)(?:\\[$(,;! ]|\\text\s*\{[^{}]*\}|[\s{*$(])*+(-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?)"
)
POLICIES = ("boxed", "conclusion", "last_number")


def closings(text: str) -> dict[int, int]:
    """Index of each opening brace -> index of the closing one, in one pass; escaped braces do not count."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for mark in BRACE.finditer(text):
        if mark[0] == "{":
            opened.append(mark.start())
        elif mark[0] == "}" and opened:
            pairs[opened.pop()] = mark.start()
    return pairs


def last_box(response: str) -> str | None:
    """Content of the last box that is closed and not empty, or None."""
    found, at = None, 0
    pairs = closings(response) if BOX.search(response) else {}
    while match := BOX.search(response, at):
        at = match.end()
        if response[at : at + 1] == "{":
            end = pairs.get(at)
            if end is None:
                # One unclosed brace must not hide a box that stands inside it.
                continue
            content = response[at + 1 : end].strip()
            at = end
        else:
            bare = UNBRACED.match(response, at)
            content = bare[0].rstrip(".,;:") if bare else ""
        found = content or found
    return found


def last_number(response: str) -> str | None:
    """Return the last number as written (with thousands commas, decimals, a simple fraction), or None."""
    found = numbers(response)
    return found[-1] if found else None


def numbers(text: str) -> list[str]:
    """Numbers of a text as written, in order."""
    return [match[0] for match in NUMBER.finditer(text) if match[0]]


def conclusion(response: str) -> str | None:
    """Return the number that the last line concludes with (see the module's words), or None without numbers."""
    last = response.strip().rpartition("\n")[2]
    stated = numbers(last)
    if not stated:
        return last_number(response)
    bold = [number for match in BOLD.finditer(last) for number in numbers(match[1])]
    if len(set(bold)) == 1:
        return bold[0]
    result = None
    for match in RESULT.finditer(response):
        result = match[1]
    found = [number for number in stated if result is not None and _value(number) == _value(result)]
    return found[-1] if found else stated[-1]


def _value(number: str) -> Fraction | str:
    """Value of a number as written; the text itself where it has none (1/0) or is beyond all use."""
    try:
        return Fraction(number.replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return number


def extract(response: str, policy: str = "boxed") -> str | None:
    """Answer of a response by the rules of this module, or None where it gives none.

    Raises ValueError for a policy other than `boxed`, `conclusion` or `last_number`.
    """
    if policy not in POLICIES:
        raise ValueError(f"extraction is one of {', '.join(POLICIES)}, not {policy!r}")
    if (box := last_box(response)) is not None:
        return box
    lines = response.strip().splitlines()
    if lines and (label := LABEL.match(lines[-1][:2000])):
        return HOPE.sub("", label[1])
    if policy == "conclusion":
        return conclusion(response)
    return last_number(response) if policy == "last_number" else None
