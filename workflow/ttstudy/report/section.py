"""What a section of the report is: a file of `sections/` defines one, and the page has it where it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ttstudy.report.blocks import Block, Results
from ttstudy.report.views import StudyTables

DATA, AGAINST = "Before any number", "Small against large"
DECIDES, TRUST = "What decides it", "How far to trust it"
GROUPS = (DATA, AGAINST, DECIDES, TRUST)
"""Groups of sections in the order of the page; a section may open another one, which comes after these."""
PAPER, APPENDIX = "paper", "appendix"
"""Parts of the page: the short paper, and what is closed until it is asked for, and not printed."""


@dataclass(frozen=True)
class Given:
    """What a section is made from."""

    frame: pd.DataFrame
    """What its view found."""
    results: Results
    context: Mapping[str, Any]
    """As `report.build` has it."""

    @property
    def study(self) -> StudyTables:
        """The study's tables."""
        return self.results.study


@dataclass(frozen=True)
class Told:
    """What a section says: `finding` is the sentence under the heading, `method` says how it was made."""

    finding: str
    blocks: Sequence[Block] = field(default_factory=list)
    method: str = ""


@dataclass(frozen=True)
class Passage:
    """A section as it stands on a page, where `key` is its anchor; the rest as in `Told` and `Section`."""

    key: str
    title: str
    finding: str
    blocks: Sequence[Block] = field(default_factory=list)
    method: str = ""
    part: str = APPENDIX


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section. The name of its file is its anchor, with hyphens for underscores."""

    title: str | Callable[[Results], str]
    """The heading."""
    short: str
    """The entry in the table of contents."""
    group: str
    place: int
    """Among the sections of its group, by rising number."""
    view: Callable[[Results, Mapping[str, Any]], pd.DataFrame]
    """The rows that it is about, from the tables and the report's context."""
    tell: Callable[[Given], Told]
    """Its sentences, figures and tables, where the view has rows."""
    absent: str = ""
    """What the page says where the view has no rows, and so no section; "" says nothing."""
    part: str = APPENDIX
    """`PAPER` for what belongs into the short paper."""

    def on_page(self, key: str, results: Results, context: Mapping[str, Any]) -> Passage | None:
        """The section of a study; None where it has no evidence."""
        frame = self.view(results, context)
        if not len(frame):
            return None
        title = self.title if isinstance(self.title, str) else self.title(results)
        told = self.tell(Given(frame, results, context))
        return Passage(key, title, told.finding, told.blocks, told.method, self.part)
