"""Files of recorded responses, as a policy or a benchmark names them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ttstudy.errors import meant
from ttstudy.kinds.confidences import STORED
from ttstudy.kinds.sources import SCORES, SOURCES
from ttstudy.study.fields import FILES, FREE, OneOf, RecordedPaths, Section

COLUMNS = (
    *("problem_id", "problem", "answer", "response", "sample", "steps", "greedy", "tokens", "prompt_tokens"),
    *("logprob", "finish", "level", "subject"),
    *STORED,
)

def _columns(columns: dict[str, str]) -> dict[str, str]:
    """Columns of recorded responses, each at most once."""
    for name in columns:
        if name not in COLUMNS and not (name.startswith(SCORES) and name != SCORES):
            known = f"{', '.join(COLUMNS)}, {SCORES}PRM"
            raise ValueError(f"{name[:40]!r} is no column of recorded responses: {known}{meant(name, COLUMNS)}")
    return columns


class Intake(Section):
    """Files of recorded responses, and how they are read. What decides is in the spec of their table."""

    path: Annotated[RecordedPaths | None, FREE] = Field(
        default=None, description=f"{FILES}; $NAME: the environment variable NAME holds it"
    )
    format: Annotated[str | None, OneOf(["plain", *SOURCES, None]), FREE] = Field(
        default=None,
        description="whose output they are; null: known by its content; plain: a response a row, under our names",
    )
    columns: Annotated[dict[str, str], AfterValidator(_columns), FREE] = Field(
        default_factory=dict,
        description="our column: the file's, or a path in it (doc.question, resps[0]); a list is one of responses",
    )
    skip_broken: Annotated[int, FREE] = Field(
        default=0, ge=0, le=10**9, description="most rows that are left out, and counted, since they cannot be used"
    )

    @model_validator(mode="after")
    def _form_told_once(self) -> Self:
        if self.columns and self.format is not None:
            raise ValueError("has `columns` and `format`; the one or the other says how its files are read")
        return self
