r"""Which part of a sentence is its answer: a bold value, a formula, a number with its unit, a letter, a few words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ttstudy.answers import patterns


@dataclass(frozen=True)
class Found:
    """An answer as written, why it was taken (of `extraction.KINDS`) and where it stands in the text."""

    answer: str
    kind: str
    start: int
    end: int

    def moved(self, offset: int, kind: str = "") -> Found:
        """The same in a text that begins so many characters earlier, taken for another reason where `kind` is given."""
        return Found(self.answer, kind or self.kind, self.start + offset, self.end + offset)


def _taken(match: re.Match[str], kind: str = "words") -> Found:
    """What a pattern found: its group, of several the one that is there, without spaces at the ends."""
    group = match.lastindex or 0
    text = match[group].rstrip()
    start = match.end(group) - len(match[group].lstrip()) if text else match.start(group)
    return Found(text.lstrip(), kind, start, match.start(group) + len(text))


def formulas(text: str) -> list[Found]:
    """Formulas between their delimiters that say more than a name."""
    found = []
    for match in patterns.FORMULA.finditer(text):
        if not _is_money(match):
            group = match.lastindex or 0
            found.append(_side(Found(match[group], "formula", match.start(group), match.end(group))))
    return found


def _side(span: Found) -> Found:
    """The end of a chain of equations; an equation of a name and its value stays whole, and so does an exact value."""
    parts, at, depth = [], 0, 0
    text = span.answer
    for mark in re.finditer(
        r"\\(?:begin|end)\b|\\left\b|\\right\b|\\approx(?![A-Za-z])|\\(?:[{}]|[A-Za-z]+)|[{}()\[\]=≈]", text
    ):
        token = mark[0]
        if token in "{([" or token == r"\begin":
            depth += 1
        elif token in "})]" or token == r"\end":
            depth = max(depth - 1, 0)
        elif token in ("=", "≈", r"\approx") and depth == 0:
            parts.append((at, mark.start(), token))
            at = mark.end()
    if not parts or r"\begin" in text:
        return _tight(span, 0, len(text))
    sides = [(start, end) for start, end, _ in parts] + [(at, len(text))]
    marks = [token for _, _, token in parts]
    last = len(sides) - 1
    while last and marks[last - 1] != "=" and (last > 1 or not patterns.NAME.fullmatch(text[slice(*sides[0])].strip())):
        last -= 1
    if len(sides) == 2 and "," not in text and last == 1:
        left, right = (set(re.findall(r"[A-Za-z]", _bare(text[slice(*side)]))) for side in sides)
        # "pi r^2 = 9 pi" gives a value; "y + 1 = 3x" is an equation, and a name may stay.
        if left and (patterns.NAME.fullmatch(text[slice(*sides[0])].strip()) or right or len(left) > 1):
            return _tight(span, 0, len(text))
    if any("," in text[slice(*side)] for side in sides[:-1]):
        return _tight(span, 0, len(text))
    return _tight(span, *sides[last])


def _bare(text: str) -> str:
    """A formula without words and commands: letters that are left are names."""
    return re.sub(
        r"\\(?:text|mathrm|operatorname)\s*\{[^{}]*\}|\\(?![a-z]*(?:alpha|beta|gamma|theta|phi|lambda|omega|angle))[A-Za-z]+",
        " ",
        text,
    )


def _tight(span: Found, start: int, end: int) -> Found:
    r"""Part of a span without spaces and closing marks at its ends."""
    text = span.answer[start:end]
    left = len(text) - len(re.sub(r"^(?:[\s,;]|\\[,;:! ]|\\q?quad)+", "", text))
    text = text[left:]
    text = re.sub(r"(?:[\s.,;]|\\[,;:! ]|\\q?quad|\\\\)+$", "", text)
    return Found(text, span.kind, 0, len(text)).moved(span.start + start + left)


def trivial(span: Found) -> bool:
    """Say whether a formula only names something: a letter, a function of one, a triangle."""
    named = re.fullmatch(r"(?!.*text)\\?[A-Za-z]+(?:_\{?\w+\}?)?(?:\([^=]*\))?", span.answer.strip())
    says = r"\d|\\(?:frac|sqrt|pi|infty|emptyset|text|begin|pm|mathbb)|[=<>]|\\(?:le|ge|ne|in)"
    return bool(named) or not re.search(says, span.answer)


def numbers(text: str) -> list[Found]:
    """Numbers of a text with their units, outside formulas."""
    blank = patterns.FORMULA.sub(lambda match: match[0] if _is_money(match) else " " * len(match[0]), text)
    found = []
    for match in patterns.NUMBER.finditer(blank):
        shown = match[0]
        left = len(shown) - len(shown.lstrip())
        shown = shown.strip().rstrip(".,")
        if ordinal := re.match(r"(?:st|nd|rd|th)\b", blank[match.end() :]):
            if not patterns.VERB.search(re.sub(r"\bthe\s+$", "", blank[: match.start()])):
                continue
            shown += ordinal[0]
        found.append(Found(shown, "number", 0, len(shown)).moved(match.start() + left))
    return found


def _outside(text: str) -> list[Found]:
    """Points and numbers of a text, outside formulas."""
    found = patterns.POINT.finditer(patterns.FORMULA.sub(_blank, text))
    points = [Found(match[0], "formula", *match.span()) for match in found]
    return points + [n for n in numbers(text) if not any(p.start <= n.start < p.end for p in points)]


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _is_money(match: re.Match[str]) -> bool:
    return match["d"] is not None and bool(
        re.search(r"[A-Za-z]{2,} +[A-Za-z]{2,}", re.sub(r"\\text\s*\{[^{}]*\}", "", match["d"]))
    )


def _bold(text: str) -> Found | None:
    """The bold value of a text; the last of several."""
    found = None
    for match in patterns.BOLD.finditer(text):
        whole = _taken(match, "bold")
        word, some = re.match(rf"{patterns.NUMBER_WORD}\b", whole.answer, re.I), numbers(whole.answer)
        span = _taken(word) if word else stated(whole.answer, strict=True) or (some[0] if len(some) == 1 else None)
        if re.fullmatch(r"[A-Za-z]+(?: [A-Za-z]+){0,2}", whole.answer) and not word:
            # Bold words are a heading, or what a verb says.
            said = patterns.VERB.search(f"{text[: match.start()].rstrip()} ")
            span = Found(whole.answer, "bold", 0, len(whole.answer)) if said else None
        found = span.moved(whole.start, "bold") if span else found
    return found


def stated(text: str, *, strict: bool = False, before: str = "") -> Found | None:
    """The answer that follows a label; None where there is none. With `strict` a sentence is none."""
    lead = re.match(
        r"\s*(?:[*_:：=]+\s*)*(?:(?:approximately|about|exactly|simply|just|only|therefore|thus)\s+)*", text
    )
    offset = lead.end() if lead else 0
    rest = text[offset:]
    rest = re.sub(r"[\s.]*\bI hope it is correct\W*$", "", rest, flags=re.I)
    found = _leading(rest)
    if found is None and not strict:
        end = patterns.SENTENCE_END.search(rest)
        sentence = rest[: end.start()] if end else rest
        found = in_sentence(sentence, lone=False, before=before)
        if found is None and not patterns.POLITE.match(sentence):
            plain = patterns.TAIL.sub("", sentence).strip(" *_`\"'")
            if plain and len(plain.split()) <= 8 and re.search(r"\w", plain) and not plain.endswith(":"):
                found = Found(plain, "words", 0, len(plain)).moved(sentence.index(plain))
    if found is None and (name := patterns.NAMED.match(rest)):
        found = _taken(name)
    return found.moved(offset) if found and re.search(r"[^\W_]|\\", found.answer) else None


def _leading(text: str) -> Found | None:
    """The value that a text starts with: formulas, bold, a number, a letter, plain mathematics; None for other text."""
    if (math := patterns.FORMULA.match(text)) and not _is_money(math):
        line = text.partition("\n\n")[0]
        last = _grouped(line, formulas(line), commas=True)[0]
        return None if trivial(last) and re.search(r"\w", line[math.end() :]) else last
    end = patterns.SENTENCE_END.search(text)
    line = (text[: end.start()] if end else text).rstrip(" *_`")
    plain = patterns.TAIL.sub("", line).rstrip(" ,;*_`")
    if (letter := patterns.CHOICE.match(plain)) and not re.match(r"\s*[-+*/^=]", plain[letter.end() :]):
        return _taken(letter)
    if _mathematics(plain) and not re.search(r"\d[^,=]* an? ", plain):
        return Found(plain, "formula", 0, len(plain))
    if (number := patterns.NUMBER.match(plain)) and not re.match(r"\s*[-+*/^=×x(]\s*[\d(]", plain[number.end() :]):
        return Found(number[0].strip(" .,"), "number", 0, len(number[0].rstrip(" .,")))
    return None


_LETTERS = re.compile(
    r"\\[A-Za-z]+|\\text\s*\{[^{}]*\}|\b(?:and|or|sqrt|pi|sin|cos|tan|log|ln|exp|infinity|frac)\b|(?:或|和)"
)


def _mathematics(text: str) -> bool:
    """Say whether a text without delimiters is one value or formula, with no other word than a unit."""
    if not text or not re.search(r"\d|[A-Za-z]", text) or len(text) > 300:
        return False
    bare = re.sub(rf"(?<=[\d)}}\s])(?:{patterns.UNIT})", " ", _LETTERS.sub(" ", text), flags=re.I)
    return not re.search(r"[A-Za-z]{2}|[^\x00-\x7f−–×÷·√π∞≤≥≠°∪∩½¼¾⅓⅔²³€£¥₹，（）：０-９]", bare) and bool(
        re.search(r"\d|^[A-Za-z]$|[=^\\]|^\w[_(]", text)
    )


def in_sentence(sentence: str, *, lone: bool, before: str = "") -> Found | None:
    """The value that a sentence states; `before` is the text that leads to it. None where nothing says which it is."""
    if bold := _bold(sentence):
        return bold
    if count := patterns.COUNT.search(sentence):
        return _taken(count)
    every = [f for f in formulas(sentence) if f.answer and not trivial(f)] + _outside(sentence)
    every = _grouped(sentence, sorted(every, key=lambda s: s.start)[-60:])
    if every and patterns.CONCLUDES.search(sentence) and (kind := patterns.KIND.search(sentence.rstrip(" .*!"))):
        return _taken(kind)
    every = [s for s in every if not patterns.DENIED.search(_before(sentence, s))]
    if len(every) > 1:
        every = [s for s in every if "=" not in s.answer or not patterns.WHEN.search(_before(sentence, s))] or every
        every = [s for s in every if not patterns.EQUALS.search(_before(sentence, s))] or every
    if len(every) > 1:
        told = [s for s in every if _told(_before(sentence, s))]
        if lone and not patterns.CONCLUDES.search(sentence) and "=" not in sentence and every[-1] not in told:
            # Several numbers and no working: nothing says which of them is the answer.
            return None
        if told:
            return told[-1]
        results = patterns.RESULT.findall(before + sentence)
        same = [s for s in every if results and _amount(s.answer) == _amount(results[-1])]
        if same:
            return same[-1]
        first = [s for s in every if not patterns.ASIDE.search(_before(sentence, s))]
        return (first or every)[-1]
    if every:
        return every[0]
    if letter := patterns.CHOICE.search(sentence):
        return _taken(letter)
    word = patterns.SAID.search(sentence)
    if word is None and patterns.CONCLUDES.search(sentence):
        word = patterns.WORDS.search(sentence.rstrip(" .*!"))
    return _taken(word) if word else None


def _before(sentence: str, span: Found) -> str:
    """What stands before a value, without the mark that opens it."""
    return re.sub(r"(?:\\[(\[]|\$+|\*\*)\s*$", "", sentence[max(0, span.start - 120) : span.start])


def _grouped(sentence: str, spans: list[Found], *, commas: bool = False) -> list[Found]:
    """Values with nothing but "and", "or" (with `commas`: or a comma) between the last two are one: `$2$ and $-5$`."""
    chains: list[list[Found]] = []
    for span in spans:
        if chains and patterns.JOINT.fullmatch(sentence[chains[-1][-1].end : span.start]):
            chains[-1].append(span)
        else:
            chains.append([span])
    found = []
    for chain in chains:
        first, last = chain[0], chain[-1]
        listed = len(chain) > 1 and (commas or re.search(r"\b(?:and|or)\b", sentence[chain[-2].end : last.start]))
        names = [span.answer.partition("=")[0].strip() for span in chain if "=" in span.answer]
        if listed and all(map(patterns.NAME.fullmatch, names)):
            found.append(Found(sentence[first.start : last.end], first.kind, first.start, last.end))
        else:
            found += chain
    return found


def _told(before: str) -> bool:
    """Say whether what stands before a value is a verb that gives it; "that are 6 inches long" describes a thing."""
    verb = patterns.VERB.search(before)
    return verb is not None and not re.search(
        r"\b(?:that|who|if|when|where|whose \w+)\s*$", before[: verb.start()], re.I
    )


def _amount(text: str) -> float | None:
    match = re.search(r"-?(?:\d[\d,]*)?\.?\d+", text.replace("{,}", ","))
    return float(match[0].replace(",", "")[:300]) if match else None


def concluded(text: str) -> Found | None:
    """What the last sentence of a text concludes, after courtesies and remarks; None where it concludes nothing."""
    body = text.rstrip()
    if len(re.findall(r"\\\[|\\\(", body)) != len(re.findall(r"\\\]|\\\)", body)) or body.count("$$") % 2:
        # It ends inside a formula: it was cut.
        return None
    sentences = _sentences(body)
    for at in range(len(sentences) - 1, max(len(sentences) - 7, -1), -1):
        start, sentence = sentences[at]
        if (
            patterns.POLITE.match(sentence)
            or re.fullmatch(r"[\W_]*(?:\([^()]*\))?[\W_]*", sentence)
            and not patterns.FORMULA.search(sentence)
        ):
            continue
        shown = sentence.rstrip()
        if at == len(sentences) - 1 and (shown.endswith((":", ",")) or _next_item(shown, body)):
            return None
        found = in_sentence(sentence, lone=at == 0, before=body[max(0, start - 4000) : start])
        if found:
            return found.moved(start)
        if patterns.CONCLUDES.search(sentence) or at == len(sentences) - 1 and re.search(r"\w$", body):
            # It concludes in words that are not read, or it was cut.
            return None
    return None


def _next_item(sentence: str, body: str) -> bool:
    """Say whether a text ends with the number of its next item."""
    number = re.fullmatch(r"\W*(\d{1,2})\.?", sentence)
    return number is not None and re.search(rf"^\W*{int(number[1]) - 1}\. ", body, re.M) is not None


def _sentences(text: str) -> list[tuple[int, str]]:
    """Last sentences of a text with their places; a formula on its own line belongs to what leads to it."""
    cut = max(0, len(text) - 4000)
    tail = text[cut:]
    hidden = patterns.FORMULA.sub(lambda match: match[0] if _is_money(match) else "x" * len(match[0]), tail)
    found, at = [], 0
    for end in re.finditer(rf"{patterns.SENTENCE_END.pattern}|\n", hidden):
        piece = hidden[at : end.start()].rstrip(" *_")
        rest = hidden[end.end() :].lstrip()
        if (
            piece.endswith((":", "：", ","))
            or "\n" in end[0]
            and patterns.FORMULA.match(tail, end.end() + len(hidden[end.end() :]) - len(rest))
            and not _ends(piece)
        ):
            continue
        found.append((cut + at, tail[at : end.start()]))
        at = end.end()
    found.append((cut + at, tail[at:]))
    return [(start, piece) for start, piece in found if piece.strip()]


def _ends(piece: str) -> bool:
    return not piece or piece[-1] in ".!?。" or piece.endswith("x")
