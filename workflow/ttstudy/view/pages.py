"""The viewer's pages as HTML. Text of models and problems reaches them escaped and of bounded length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ttstudy.answers.extraction import KINDS
from ttstudy.dag import rehearsed
from ttstudy.kinds.scores import SCORES
from ttstudy.view.picks import FILTERS, SORTS

FOLDER = Path(__file__).resolve().parents[3] / "reports" / "viewer"
STATIC = {"view.css": "text/css", "view.js": "text/javascript"}
"""Files that pages load, by name."""
LONGEST = 300_000
"""Characters of one text that a page shows."""
PREVIEW = 280
"""Characters of a text in a list."""
ENDS = {
    "length": "cut off at the token limit",
    "context": "cut off: the context was full",
    "depth": "cut off at the depth limit",
    "unknown": "how it ended is not known",
}


def render(template: str, **values: Any) -> bytes:
    """A page as bytes of UTF-8; all values are escaped."""
    text: str = _environment().get_template(f"{template}.html.j2").render(**values)
    return text.encode("utf-8", "replace")


def static(name: str) -> bytes:
    """A file that pages load."""
    return (FOLDER / name).read_bytes()


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "pairs": lambda names: [(name, name) for name in names],
        "without": lambda told, name: {key: value for key, value in told.items() if key != name},
    }
    environment.globals |= {
        "word": rehearsed.WORD,
        "said": rehearsed.SAID,
        "link": link,
        "filters": {name: item.words for name, item in FILTERS.items()},
        "sorts": SORTS,
        "score_labels": {name: score.look.label for name, score in SCORES.items()},
        "shade": shade,
        "number": number,
        "shortened": shortened,
    }
    return environment


def link(page: str, /, *asked: Mapping[str, Any], **more: Any) -> str:
    """Address of a page, beside the one that names it; what is empty, and what goes without saying, is left out."""
    whole = {name: value for each in (*asked, more) for name, value in each.items()}
    told = {name: value for name, value in whole.items() if value not in ("", None, "all", "drawn")}
    return f"{page}?{urlencode(told)}" if told else page


def shade(score: float | None) -> str:
    """Class of a score's colour."""
    return "sx" if score is None or score != score else f"s{min(4, max(0, int(score * 5)))}"


def number(score: float | None) -> str:
    """A score in two decimals; a dash where there is none."""
    return "–" if score is None or score != score else f"{score:.2f}"


def shortened(text: Any, longest: int = PREVIEW, around: str = "") -> str:
    """The beginning of a text on one line, or what stands around words in it."""
    text = "" if text is None else str(text)
    place = text.lower().find(around.lower()) if around else -1
    start = max(0, place - longest // 2) if place > longest - len(around) else 0
    piece = " ".join(text[start : start + longest].split())
    return f"{'… ' if start else ''}{piece}{' …' if start + longest < len(text) else ''}"


def steps(row: Mapping[str, Any], scores: Sequence[float] | None) -> tuple[list[tuple[str, float | None]], int]:
    """The steps of a response as far as a page shows them, each with its score, and how many characters more it has."""
    texts = [str(step) for step in row.get("steps") or []] or [str(row.get("response") or "")]
    known = [*(scores or [])][: len(texts)] + [None] * (len(texts) - len(scores or []))
    shown: list[tuple[str, float | None]] = []
    room = LONGEST
    for text, score in zip(texts, known, strict=True):
        if room <= 0 or len(shown) == _STEPS:
            break
        shown.append((text[:room], score))
        room -= len(text)
    whole, seen = sum(map(len, texts)), sum(len(text) for text, _ in shown)
    return shown, whole - seen


_STEPS = 5000
"""Steps of a response that a page shows."""


def ended(finish: str | None) -> str:
    """How a response ended, where that is worth a word."""
    return ENDS.get(str(finish), "")


def why(row: Mapping[str, Any]) -> str:
    """Why a text is the answer, and where it stands; "" where that is not known."""
    kind = row.get("found")
    if not kind:
        return ""
    place = row.get("place")
    where = "" if place is None or place != place else f", from character {int(place) + 1:,}"
    return f"{KINDS.get(kind, kind)}{where}"
