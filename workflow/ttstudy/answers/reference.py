r"""The reference grader: what the official code of arXiv 2502.06703 does, habits and all, for parity only.

Written from a description of its behaviour, not from its code. Its habits are kept because published numbers
were made with them: the last number of a response counts where there is no box; unit words are dropped even
inside formulas (`\text{east}` becomes empty, `\pm` loses its letters); a number may be off by 1e-4 or by a
factor of 100; a mixed number is read as a product; brackets are ignored; the order of a list counts. Its one
fatal habit, that hostile text hangs it for ever, is not kept: every text is worked on once, by itself, in a
worker with limits; comparing two is then comparing what was found.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from ttstudy.answers.cleaning import LONGEST
from ttstudy.answers.patterns import PLAIN as NUMBER
from ttstudy.answers.units import UNITS
from ttstudy.answers.verdicts import same

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


@lru_cache(maxsize=50_000)
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


Comparison = tuple[tuple[str, str], ...]


def comparisons(answer: str, gold: str) -> bool | list[Comparison]:
    """Verdict on two normalised answers, or what algebra must say first.

    They are then equal where each of the comparisons holds; one holds where the texts of any of its pairs have
    equal values (`values_equal` of what `value` gives for each).
    """
    verdict = decided(answer, gold)
    if verdict is not None:
        return verdict
    pairs = _elements(answer, gold)
    if pairs is not None:
        needed: list[Comparison] = []
        for one, other in pairs:
            inner = comparisons(one, other)
            if inner is False:
                return False
            needed += [] if inner is True else inner
        return needed or True
    if answer.count("=") == 1 and gold.count("=") == 1:
        one, other = (f"({left})-({right})" for left, right in (text.split("=") for text in (answer, gold)))
        return [((one, other), (f"-({one})", other))]
    for equation, plain in ((answer, gold), (gold, answer)):
        left, mark, right = equation.partition("=")
        if mark and "=" not in plain and len(left.strip()) <= 2:
            return comparisons(right, plain) if equation is answer else comparisons(plain, right)
    return [((answer, gold),)]


def _elements(answer: str, gold: str) -> list[tuple[str, str]] | None:
    """Pairs of elements of two tuples, sets or matrices of one size, brackets aside; None for others."""
    matrices = [matrix for text in (answer, gold) if (matrix := MATRIX.fullmatch(text))]
    if len(matrices) == 2:
        rows = [[row.split("&") for row in matrix[1].strip().split("\\\\") if row.strip()] for matrix in matrices]
        if [len(row) for row in rows[0]] != [len(row) for row in rows[1]]:
            return None
        flat = [[cell.strip() for row in one for cell in row] for one in rows]
        return list(zip(*flat, strict=True))
    if all(text[:1] in "([{" and text[-1:] in ")]}" and len(text) > 2 for text in (answer, gold)):
        parts = [text[1:-1].split(",") for text in (answer, gold)]
        if len(parts[0]) == len(parts[1]) > 1:
            return list(zip(*parts, strict=True))
    return None


def leading(text: str) -> str:
    """What the official code reads of a text: up to a comma outside brackets, a mixed number as a product."""
    part = text.split(",", 1)[0] if text[:1] not in "([{" else text
    return re.sub(r"(\d)\\frac", r"\1 \\cdot \\frac", part)


def value(text: str) -> str:
    """Text that is the same for normalised answers of equal value, `t:` and the text itself where it has none.

    For a worker. Our own reader takes nearly all; a computer algebra system, the one of the official code, the rest.
    """
    from ttstudy.answers import algebra, formulas, tokens

    part = leading(text)
    if len(part) > LONGEST:
        return f"t:{text}"
    try:
        (node,) = formulas.read(tokens.tokenize(part))
    except (ValueError, LookupError, ArithmeticError, RecursionError):
        node = algebra.library(part)
    found = f"t:{text}" if node is None else algebra.key(node)
    return f"t:{text}" if found.startswith("t:") else found


def values_equal(one: str, other: str) -> bool:
    """Say whether two values are equal: exactly, or as numbers within the tolerance."""
    if same(one, other):
        return True
    left, right = _float(one), _float(other)
    return left is not None and right is not None and close(left, right)


def _float(value: str) -> float | None:
    kind, _, digits = value.partition(":")
    try:
        if kind == "q":
            above, _, below = digits.partition("/")
            return int(above, 16) / int(below, 16)
        return float(digits) if kind == "r" else None
    except OverflowError:
        return None


def equal(answer: str, gold: str) -> bool:
    """Verdict on two normalised answers, in this process: for text that can be trusted."""
    needed = comparisons(answer, gold)
    if isinstance(needed, bool):
        return needed
    return all(
        any(values_equal(value(one), value(other)) for one, other in pairs)
        for pairs in needed
    )
