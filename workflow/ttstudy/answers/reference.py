r"""The reference grader: what the official code of arXiv 2502.06703 does, habits and all, for parity only.

Written from a description of its behaviour, not from its code. Its habits are kept because published numbers
were made with them: the last number of a response counts where there is no box; unit words are dropped even
inside formulas (`\text{east}` becomes empty, `\pm` loses its letters); a number may be off by 1e-4 or by a
factor of 100; a mixed number is read as a product; brackets are ignored; the order of a list counts. Its one
fatal habit, that hostile text hangs it for ever, is not kept: `equal` runs in a worker with limits.
"""

from __future__ import annotations

import math
import re
from typing import Any

from ttstudy.answers.extraction import NUMBER
from ttstudy.answers.units import UNITS

STEP_MARK = "ки"
PHRASES = ("he answer is", "final answer is", "答案是")
TOLERANCE = 1e-4
EATEN = sorted(
    set(UNITS) | {"east", "west", "north", "south", "a", "c", "am", "pm", "o", "t", "per", "sq", "square"},
    key=lambda word: (-len(word), word),
)
UNIT = re.compile(rf"(^|\W)(?:{'|'.join(map(re.escape, EATEN))})($|\W)")
WORDS = {
    word: str(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
}
FRACTION = re.compile(r"\\frac(?!\{)(.)\s*(?:(\{)|(.))?")
MATRIX = re.compile(r"\\begin\{[pb]matrix\}(.*?)\\end\{[pb]matrix\}", re.S)


def extract(response: str) -> str:
    """Answer as the official code finds and normalises it; "" where the response has none."""
    text = response.replace(STEP_MARK, "")
    if "final answer is $" in text and "$. I hope" in text:
        found = text.split("final answer is $", 1)[1].split("$. I hope", 1)[0].strip()
    elif "boxed" in text:
        found = _boxed(text.rsplit("boxed", 1)[1])
    else:
        phrase = next((phrase for phrase in PHRASES if phrase in text), None)
        if phrase is not None:
            found = text.rsplit(phrase, 1)[1].strip()
        else:
            numbers = [match[0] for match in NUMBER.finditer(text.replace(",", "")) if match[0]]
            found = numbers[-1] if numbers else ""
    found = re.sub(r"\n\s*", "", found).removeprefix(":").removesuffix(".").removesuffix("/")
    return normalise(found)


def _boxed(rest: str) -> str:
    """Content of the brace that `rest` starts with, to the end of the text where it is not closed."""
    if not rest.startswith("{"):
        return rest.split("$", 1)[0].strip()
    depth = 0
    for at, mark in enumerate(rest):
        depth += (mark == "{") - (mark == "}")
        if depth == 0:
            return rest[1:at]
    return rest[1:]


def normalise(text: str) -> str:
    """Spelling that the official code compares; drops more than it should, as said above."""
    text = text.strip().replace("\n", "").rstrip(".").replace("\\!", "")
    text = re.sub(r"\\begin\{array\}\{.*?\}", lambda _: r"\begin{pmatrix}", text)
    text = text.replace(r"\end{array}", r"\end{pmatrix}").replace("bmatrix", "pmatrix")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac")
    for long, short in (
        (r"\neq", r"\ne"),
        (r"\leq", r"\le"),
        (r"\geq", r"\ge"),
        (r"\left", ""),
        (r"\right", ""),
        (r"\{", "{"),
        (r"\}", "}"),
    ):
        text = text.replace(long, short)
    without = re.sub(r"\\text\{[^{}]*\}$", "", text).strip()
    text = without or text
    for _ in range(2):
        text = UNIT.sub(r"\1\2", text)
    text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?", "", text).replace(r"\$", "").replace("$", "")
    text = text.replace(r"\(", "").replace(r"\)", "")
    text = WORDS.get(text.strip().lower(), text)
    text = re.sub(r"\\text\{([^{}]*)\}", r"\1", text)
    for prefix in ("x=", "y=", "z=", r"x\in", r"y\in", r"z\in", r"x \in"):
        text = text.replace(prefix, "")
    text = text.replace(r"\%", "").replace("%", "").replace(" .", " 0.").replace("{.", "{0.")
    if len(text) > 2 and text[0] + text[-1] in ("{}", "()", "[]") and text[1:-1].isalnum():
        text = text[1:-1]
    text = re.sub(r"(?<!\\)infinity|(?<!\\)inf(?!ty)", lambda _: r"\infty", text)
    text = text.replace("and", "").replace(r"\mathbf", "").replace('"', "").replace("'", "")
    text = re.sub(r"\\mbox\{[^{}]*\}", "", text)
    if "j" in text and "i" not in text:
        text = text.replace("j", "i")
    text = re.sub(r"(\d)\.0+(?=\D|$)", r"\1", text)
    if not text:
        return text
    if text.startswith("."):
        text = "0" + text
    left, mark, right = text.partition("=")
    if mark and "=" not in right and len(left.strip()) <= 2:
        text = right
    text = re.sub(r"\\sqrt\s*(\w+)", r"\\sqrt{\1}", text).replace(" ", "")
    text = FRACTION.sub(_braced_fraction, text)
    return re.sub(r"^(-?\d+)/(-?\d+)$", r"\\frac{\1}{\2}", text)


def _braced_fraction(match: re.Match[str]) -> str:
    above, brace, below = match.groups()
    return rf"\frac{{{above}}}" + ("{" if brace else f"{{{below}}}" if below else "")


def _number(text: str) -> float | None:
    """Number as the official code reads one: commas anywhere are dropped, a percent sign divides by 100."""
    plain = text.replace(",", "")
    percent = plain.endswith("%")
    try:
        value = float(plain.removesuffix("%").removesuffix("\\"))
    except ValueError:
        return None
    return value / 100 if percent else value


def close(one: float, other: float) -> bool:
    """Equal up to the relative tolerance of the official code."""
    return math.isclose(one, other, rel_tol=TOLERANCE)


def decided(answer: str, gold: str) -> bool | None:
    """Verdict by text and by number, None where it takes algebra."""
    if answer.strip().lower() == gold.strip().lower():
        return True
    if gold in "ABCDE" and len(gold) == 1:
        letters = re.findall(r"\b[A-E]\b", answer.upper())
        if letters and letters[-1] == gold:
            return True
    one, other = _number(answer), _number(gold)
    if one is not None and other is not None:
        return any(close(one, scale * other) for scale in (0.01, 1, 100))
    if not answer.strip() or not gold.strip():
        return False
    bare = [re.sub(r"[\[\](){}]", "", text).lower() for text in (answer, gold)]
    if bare[0] == bare[1]:
        return True
    return None


def equal(answer: str, gold: str) -> bool:
    """Verdict of the reference grader on two normalised answers; may take long, so run it in a worker."""
    verdict = decided(answer, gold)
    if verdict is not None:
        return verdict
    pairs = _elements(answer, gold)
    if pairs is not None:
        return all(equal(one, other) for one, other in pairs)
    if answer.count("=") == 1 and gold.count("=") == 1:
        one, other = (f"({left})-({right})" for left, right in (text.split("=") for text in (answer, gold)))
        return _symbolic(one, other) or _symbolic(f"-({one})", other)
    for equation, plain in ((answer, gold), (gold, answer)):
        left, mark, right = equation.partition("=")
        if mark and "=" not in plain and len(left.strip()) <= 2:
            return equal(right, plain) if equation is answer else equal(plain, right)
    return _symbolic(answer, gold)


def _elements(answer: str, gold: str) -> list[tuple[str, str]] | None:
    """Pairs of elements of two tuples, sets or matrices of one size, brackets aside; None for others."""
    matrices = [MATRIX.fullmatch(text) for text in (answer, gold)]
    if all(matrices):
        rows = [
            [row.split("&") for row in matrix[1].strip().split("\\\\") if row.strip()] for matrix in matrices
        ]
        if [list(map(len, row)) for row in rows[:1]] != [list(map(len, row)) for row in rows[1:]]:
            return None
        flat = [[cell.strip() for row in one for cell in row] for one in rows]
        return list(zip(*flat, strict=True))
    if all(text[:1] in "([{" and text[-1:] in ")]}" and len(text) > 2 for text in (answer, gold)):
        parts = [text[1:-1].split(",") for text in (answer, gold)]
        if len(parts[0]) == len(parts[1]) > 1:
            return list(zip(*parts, strict=True))
    return None


def _parse(text: str) -> Any:
    """Expression of a text by the first of two readers that takes it, else the text."""
    from latex2sympy2_extended import latex2sympy
    from sympy.parsing.sympy_parser import parse_expr

    leading = text.split(",", 1)[0] if text[:1] not in "([{" else text
    leading = re.sub(r"(\d)\\frac", r"\1 \\cdot \\frac", leading)
    # Python's own reader evaluates names, so only plain arithmetic may reach it.
    safe = re.fullmatch(r"[\da-z+\-*/(). ^]{1,200}", leading) and not re.search(
        r"[a-z]{2}|\.\s*[a-z_]", leading
    )
    for reader in (latex2sympy, parse_expr if safe else None):
        if reader is None:
            continue
        try:
            return reader(leading)
        except Exception:
            continue
    return text


def _symbolic(answer: str, gold: str) -> bool:
    from sympy import N, simplify

    one, other = _parse(answer), _parse(gold)
    for check in (
        lambda: one == other or str(one) == str(other),
        lambda: bool(one.equals(other)) or simplify(one - other) == 0,
        lambda: close(float(N(one)), float(N(other))),
    ):
        try:
            if check():
                return True
        except Exception:
            continue
    return False
