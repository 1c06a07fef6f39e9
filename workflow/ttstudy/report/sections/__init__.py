"""The sections of the report, one file each: its rows, sentences, figures and tables, and where it stands.

A file put here is a section more, a file taken out is one less: the page, its contents and its links follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttstudy.errors import StudyError
from ttstudy.kinds.registry import collected
from ttstudy.report.blocks import Results
from ttstudy.report.section import GROUPS, PAPER, Passage, Section

__all__ = ["SECTIONS", "absent", "build", "contents"]


def _place(item: tuple[str, Section]) -> tuple[int, str, int, str]:
    key, section = item
    known = GROUPS.index(section.group) if section.group in GROUPS else len(GROUPS)
    return known, section.group, section.place, key


TAKEN = frozenset(
    "absent answer appendix audit cite claims config downloads explorer limits main method provenance words".split()
)
"""Anchors that the page has itself."""


def anchored(found: Mapping[str, Section]) -> dict[str, Section]:
    """Sections of files by anchor, in the order of the page; StudyError where the page has an anchor itself."""
    if both := sorted(TAKEN & set(found)):
        raise StudyError(f"report/sections/{both[0]}.py: the page has a part `{both[0]}` already; rename the file")
    return dict(sorted(((name.replace("_", "-"), section) for name, section in found.items()), key=_place))


SECTIONS: dict[str, Section] = anchored(collected(__name__, __path__, Section))
"""Sections by anchor, in the order of the page."""


def build(results: Results, context: Mapping[str, Any]) -> list[Passage]:
    """All sections that have evidence, in the order of the page: those of the paper first."""
    made = (section.on_page(key, results, context) for key, section in SECTIONS.items())
    there = [passage for passage in made if passage is not None]
    return sorted(there, key=lambda passage: passage.part != PAPER)


def absent(passages: Sequence[Passage]) -> list[tuple[str, str]]:
    """(short title, why) of sections without evidence that say why they are not there."""
    there = {passage.key for passage in passages}
    return [(section.short, section.absent) for key, section in SECTIONS.items() if key not in there and section.absent]


def contents(passages: Sequence[Passage], part: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """The table of contents of a part's sections: (group, [(key, short title)])."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for passage in passages:
        if passage.part == part:
            section = SECTIONS[passage.key]
            groups.setdefault(section.group, []).append((passage.key, section.short))
    return list(groups.items())
