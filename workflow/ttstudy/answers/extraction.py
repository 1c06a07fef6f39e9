r"""Find the answer that a response states last, and say why it is that one.

Thinking is no part of what a response says (`thinking`). Of what is said, the last of these counts, wherever it stands:
a box (boxes side by side are joined), an answer tag, `#### ...`, a label ("Final answer: ...", in many languages), a
statement ("the answer is ..."). One that the response takes back and does not restore is a draft. Where there is none,
the sentence that the response ends with may conclude: its bold value, its last formula or number (policy
`conclusion`, the default). With `boxed` only what is marked as the answer counts; with `last_number` the last number
of the text stands in for it, whatever it says, as in the official code of arXiv 2502.06703.
"""

from __future__ import annotations

import re

from ttstudy.answers.patterns import CONCLUDES, PLAIN
from ttstudy.answers.sentences import Found, concluded, stated
from ttstudy.answers.thinking import said

CUT = ("length", "context", "depth")
"""Ends of a response that was cut off."""
POLICIES = ("conclusion", "boxed", "last_number")
KINDS = {
    "box": "the last box",
    "boxes": "the last boxes, side by side",
    "tag": "the last answer tag",
    "marker": "what follows the last ####",
    "label": "the last line that is labelled as the answer",
    "statement": "the last sentence that says what the answer is",
    "bold": "the bold value of the last sentence",
    "formula": "the last formula of the last sentence",
    "number": "the number that the last sentence concludes with",
    "last": "the last number of the text",
    "words": "the words that the last sentence concludes with",
}
"""Why a text was taken for the answer."""
CLOSED = ("box", "boxes", "tag")
"""Of these, marks that say themselves where the answer ends."""


BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])[ \t]*")
BRACE = re.compile(r"\\.|[{}]", re.S)
UNBRACED = re.compile(
    r"-?\d[\d.,/]*\d|-?\d|\\d?frac\s*(?:\d\s*\d|\{[^{}]*\}\s*\{[^{}]*\})|\\[A-Za-z]+|[A-Za-z](?![A-Za-z])"
)
BESIDE = re.compile(
    r"(?:[ \t,;、，$~]|\\[,;:! ()\[\]]|\\q?quad|\band\b|\bor\b|\\text\s*\{\s*,?\s*(?:and|or)\s*,?\s*\}|[和或])*"
)
"""What stands between boxes that are one answer."""
SAME_NAME = re.compile(r"([A-Za-z])(?:_\{?\w\}?)?\s*=\s*$")
TAG = re.compile(r"<\s*(?:final_?)?answer\s*>(.{0,2000}?)<\s*/\s*(?:final_?)?answer\s*>", re.I | re.S)
MARKER = re.compile(r"^(?:.*?[^#\n])?####[ \t]*([^#\s][^\n]{0,200})$", re.M)
_DECORATION = r"[ \t*_#>|~`•✅✔☑️️:：\-–—]"
_NAMES = (
    r"answers?|ans|solution set|最终答案|最后答案|答案|正确答案|解答|答|答え|정답|답|답변|r[ée]ponses?|respuestas?"
    r"|antworten|antwort|rispost[ae]|respostas?|ответы?|відповідь|відповіді|jawaban|đáp (?:án|số)|odpowied[źz]|odpověď"
    r"|cevap|yanıt|svar|vastaus|antwoord|απάντηση|válasz|răspuns(?:ul)?|الإجابة|الجواب|उत्तर|คำตอบ|תשובה|উত্তর"
)
_FINAL = (
    r"final|my|correct|the|la|le|el|die|der|das|il|a|o|final[ea]?|endg[üu]ltige|definitiva|correcta|correcte|richtige"
    r"|letzte|окончательный|итоговый|правильный|最终|最后|正确|최종|النهائية"
)
LABEL = re.compile(
    rf"^{_DECORATION}{{0,12}}(?:(?:so|thus|hence|therefore|then|综上|因此|所以|于是|故)[,，\s]{{0,4}})?"
    rf"(?:(?:{_FINAL})\s{{0,4}}){{0,3}}(?:{_NAMES})(?:\s+(?:finale?s?|definitiva|number|choice|correcta))?"
    r"\s{0,4}(?:\([^()\n]{1,20}\)\s{0,4})?[*_]{0,3}[ \t]{0,8}"
    r"(?:[:：]|(?:是|为|は|은|는)[:：]?|$)[*_]{0,3}"
    r"|(?:故|应|答案)选择?\s{0,4}[:：]?"
    r"|(?:答案|答え)(?:应该|应)?\s{0,4}(?:是|为|は)\s{0,4}[:：]?",
    re.I | re.M,
)
STATEMENT = re.compile(
    r"(?:\b(?:the|my|our|your|this|an?|so|final|correct|right|,)\s+|(?:^|[.!?\n*])\s{0,8})"
    r"(?:final |correct |right |possible )?"
    r"(?:answers?|(?<=correct )(?:choice|option|statement)|(?<=right )(?:choice|option))"
    r"(?:\s+(?:to|of|for|in)\s[^.:\n$]{1,80}?)?"
    r"\s+(?:is|are|must be|would be|should be|will be|remains|equals)(?![A-Za-z])"
    r"(?:\s*(?:thus|therefore|then|hence|indeed|still|simply|just|also|exactly|given by|option|choice))*\s*:?"
    r"|\bI\s+(?:choose|select|pick)\s+(?:option|choice)?"
    r"|(?<![A-Za-z])(?:la respuesta|la r[ée]ponse|die antwort|la risposta|a resposta)(?:\s+\w+)?\s+"
    r"(?:es|est|ist|è|é)(?!\w)\s*:?",
    re.I,
)
TRIED = 20
"""Most labels that are read, from the last one back."""
RETRACTED = re.compile(
    r"\bwait\b(?=\s*[,.!…—-])|\b(?:hold on|scratch that|on second thought)\b"
    r"|\b(?:that|this|it|which)(?:'s| is| was| seems| looks)\s+"
    r"(?:wrong|incorrect|not (?:right|correct|possible|valid)|a (?:slip|mistake))\b"
    r"|\b(?:that|this|it) (?:fails|does not work|doesn't work|can(?:not|'t) be (?:right|correct))\b"
    r"|\bI (?:made|see) (?:a|an|my) (?:mistake|error)"
    r"|\blet(?:'s| me| us) (?:try again|start over|re-?do|recompute|recalculate|reconsider|correct)",
    re.I,
)
RESTORED = re.compile(
    r"\b(?:is|are|was|indeed|still|remains?|it's|looks|be) (?:indeed |still |the )?"
    r"(?:correct|right|confirmed|consistent|valid|fine|good)\b"
    r"|\bconfirm(?:s|ed)?\b|\bchecks out\b|\bverified\b|\bas (?:before|expected)\b",
    re.I,
)


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


def boxes(text: str) -> list[tuple[int, int, int, int]]:
    """Closed boxes that hold something: start and end of each, start and end of its content; outermost ones only."""
    found: list[tuple[int, int, int, int]] = []
    pairs = closings(text) if BOX.search(text) else {}
    at = 0
    while match := BOX.search(text, at):
        at = start = match.end()
        if text[start : start + 1] == "{":
            closed = pairs.get(start)
            if closed is None:
                # One unclosed brace must not hide a box that stands inside it.
                continue
            at, begin, end = closed + 1, start + 1, closed
        elif bare := UNBRACED.match(text, start):
            at, begin, end = bare.end(), start, bare.end()
        else:
            continue
        inner = text[begin:end]
        if inner.strip():
            begin += len(inner) - len(inner.lstrip())
            found.append((match.start(), at, begin, begin + len(inner.strip())))
    return found


def _last_boxes(text: str) -> Found | None:
    """The last box, with those that stand right before it."""
    every = boxes(text)
    if not every:
        return None
    group = [every[-1]]
    for box in reversed(every[:-1]):
        gap = text[box[1] : group[0][0]]
        named = SAME_NAME.search(gap)
        if named and not re.search(rf"{named[1]}(?:_\{{?\w\}}?)?\s*=\s*$", text[max(0, box[0] - 20) : box[0]]):
            break
        if len(gap) > 60 or not BESIDE.fullmatch(gap[: named.start()] if named else gap):
            break
        group.insert(0, box)
    parts = list(dict.fromkeys(text[begin:end] for _, _, begin, end in group))
    answer = ", ".join(parts)
    return Found(answer, "boxes" if len(parts) > 1 else "box", group[0][2], group[-1][3])


def _marked(text: str) -> Found | None:
    """The last answer that is marked as one; of two that overlap, the inner one."""
    found = [box] if (box := _last_boxes(text)) else []
    inside = [(start, end) for start, end, _, _ in boxes(text)]
    readers = ((TAG, _tag), (MARKER, _marker), (LABEL, _label), (STATEMENT, _statement))
    for pattern, read in readers:
        for match in list(pattern.finditer(text))[:-TRIED:-1]:
            if any(begin <= match.start() < end for begin, end in inside[-50:]):
                continue
            if one := read(text, match):
                found.append(one)
                break
    return max(found, key=lambda one: (one.end, one.start)) if found else None


def _tag(text: str, match: re.Match[str]) -> Found | None:
    inner = match[1].strip()
    if not inner or boxes(inner) or not (span := stated(inner)):
        return None
    return span.moved(match.start(1) + match[1].index(inner), "tag")


def _marker(text: str, match: re.Match[str]) -> Found | None:
    if boxes(match[1]) or not (span := stated(match[1], strict=True)):
        return None
    if span.kind == "words" and len(span.answer) > 1 and text[match.end() :].strip():
        # A heading: more follows.
        return None
    return span.moved(match.start(1), "marker")


def _label(text: str, match: re.Match[str], kind: str = "label") -> Found | None:
    start, rest = _content(text, match.end(), across=kind == "label")
    before = text[max(0, match.start() - 4000) : match.start()]
    if boxes(rest) or not (span := stated(rest, strict=kind == "statement", before=before)):
        return None
    return span.moved(start, kind)


def _statement(text: str, match: re.Match[str]) -> Found | None:
    return _label(text, match, "statement")


def _content(text: str, at: int, *, across: bool) -> tuple[int, str]:
    """What follows a label: the rest of its line or, where that is empty, the next lines up to a blank one."""
    pattern = r"[ \t*_]*(?:\n[\s*_>]*(?:[-•]\s+)?)?" if across else r"[ \t]*(?:\n\s*(?=\\\[|\$\$|\\\())?"
    skip = re.compile(pattern).match(text, at)
    start = skip.end() if skip else at
    rest = text[start : start + 2000]
    display = re.match(r"\s*(?:\\\[.*?\\\]|\$\$.*?\$\$)", rest, re.S)
    return start, display[0] if display else rest.partition("\n")[0]


def find(response: str, policy: str = "conclusion", *, unfinished: bool = False, cut: bool = False) -> Found | None:
    """The answer of a response, why it was taken and where it stands; None where the response states none.

    `unfinished` credits a response that is still thinking at its end with what it thinks. Of a response that was
    `cut` only an answer counts that was marked, and ended, before: it has concluded nothing. Raises ValueError for an
    unknown policy.
    """
    if policy not in POLICIES:
        raise ValueError(f"extraction is one of {', '.join(POLICIES)}, not {policy!r}")
    text, thinking = said(response)
    if thinking:
        if not unfinished:
            return None
        text = response
    marked = _marked(text)
    if marked and cut and marked.kind not in CLOSED and not text[marked.end :].strip():
        return None  # the rest of it may be what was cut
    after = text[marked.end :] if marked else text
    # Farther away, what is wrong is something else: an option, another way.
    taken_back = list(RETRACTED.finditer(after[:400]))
    stands = marked is not None and not (taken_back and not RESTORED.search(after, taken_back[-1].end()))
    if marked and stands and marked.kind != "statement":
        return marked
    if policy == "last_number" and not stands and not cut:
        numbers = list(PLAIN.finditer(text))
        return Found(numbers[-1][0], "last", numbers[-1].start(), numbers[-1].end()) if numbers else None
    later = policy == "conclusion" and not cut
    span = concluded(after) if later else None
    if marked and stands:
        # What an early sentence called the answer may be that of a part: a later "so ..." says it anew.
        return span.moved(marked.end) if span and _anew(after, marked, span) else marked
    return span.moved(marked.end if marked else 0) if span else None


def _anew(after: str, marked: Found, span: Found) -> bool:
    """Say whether a later sentence, in another paragraph, concludes something else than what is marked."""
    line = after[after.rfind("\n", 0, span.start) + 1 : span.end]
    return "\n" in after[: span.start].strip() and bool(CONCLUDES.search(line)) and marked.answer not in line


def extract(response: str, policy: str = "conclusion", *, unfinished: bool = False, cut: bool = False) -> str | None:
    """Answer of a response, None where it states none; `find` says why it is that one."""
    found = find(response, policy, unfinished=unfinished, cut=cut)
    return found.answer if found else None
