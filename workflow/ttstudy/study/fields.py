"""Kinds of values that the sections of a configuration are made of, and what every section is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from enum import Enum
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    WrapValidator,
)
from pydantic_core import CoreSchema, core_schema

from ttstudy.errors import StudyError
from ttstudy.kinds.scores import SCORES
from ttstudy.kinds.votes import VOTES

_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def _portable(name: str) -> str:
    """A name that a folder can have on every system, and that no run gives to what it sets aside."""
    if _DEVICES.fullmatch(name):
        raise ValueError(f"{name!r} is a device on Windows, where no folder can have this name; choose another")
    if name.endswith((".", ".damaged")):
        raise ValueError(f"{name!r} may not end in '.' or '.damaged'; choose another name")
    return name


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"), AfterValidator(_portable)]
"""A name used in paths: letters, digits, dot, dash, underscore; starts with a letter or digit."""

HubId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""An id of the Hugging Face hub, owner/name."""
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
"""A commit; branches and tags move, so they are none."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

if TYPE_CHECKING:
    Score = str
    JudgedVote = str
else:
    Score = Literal[tuple(SCORES)]
    JudgedVote = Literal[tuple(name for name, vote in VOTES.items() if vote.judged == "prm")]
    """A vote that goes by the scores of a PRM."""


def _written(value: Any) -> Any:
    """A date, or a year, that YAML has read, as it is written."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def _there_is(day: str) -> str:
    """A day that the calendar has."""
    try:
        date.fromisoformat(f"{day}-01"[:10])
    except ValueError:
        raise ValueError(f"{day!r} is no day of the calendar") from None
    return day


Day = Annotated[
    str,
    BeforeValidator(_written),
    StringConstraints(pattern="^[0-9]{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?$"),
    AfterValidator(_there_is),
]
"""A day, or a month: YYYY-MM-DD, YYYY-MM."""
Thinking = Literal["template", "open", "none"]
"""Whether the prompt begins a reasoning model's thoughts: as its chat template has it, always, or never."""
Grader = Literal["strict", "reference", "math-verify"]
GRADERS: tuple[str, ...] = get_args(Grader)
Severe = Literal["interleaved", "no_answer"]
"""Findings about the data that stop a study which does not accept them."""
SEVERE: tuple[Severe, ...] = get_args(Severe)
FINDINGS: tuple[str, ...] = (
    *SEVERE,
    *("empty", "thinking", "cut", "unmarked", "cut_credited", "other_language", "unequal_samples"),
    *("identical_samples", "duplicate_problems", "shared_problems", "overlong"),
)
"""What the data of a study are examined for (`ttstudy.analysis.examination`)."""


def plain_path(path: str) -> str:
    """A path that shells, arguments and Snakemake's patterns take as it is."""
    odd = next((character for character in path if not character.isprintable() or character in "{}*?\"'\\$`"), None)
    if odd is not None:
        raise ValueError(f"a path may not hold {odd!r}")
    if path.strip() != path or path[:1] in ("-", "~"):
        raise ValueError(f"a path may not start with {path[:1]!r} or end with a space; write it out")
    return path


def pattern_path(path: str) -> str:
    """A path that may have `*` and `?` in it, which stand for other characters of a file's name."""
    plain_path(path.replace("*", "x").replace("?", "x"))
    return path


def printable(text: str) -> str:
    """A text of one line without control characters."""
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be one line of plain characters, without blanks around it")
    return text


def _inside(path: str) -> str:
    """A path that stays below the folder that it starts from."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("must be a path inside the data set, without `..`")
    return path


def _plain(options: Any, place: str = "") -> Any:
    """Options that JSON can hold: finite numbers, texts, truth values, null, lists, and maps of names."""
    if isinstance(options, dict):
        for key, value in options.items():
            if not isinstance(key, str):
                raise ValueError(f"{place}{key!r} is not a name")
            _plain(value, f"{place}{key}: ")
    elif isinstance(options, list):
        for value in options:
            _plain(value, place)
    elif not (options is None or isinstance(options, str | int) or isinstance(options, float) and isfinite(options)):
        raise ValueError(f"{place}{str(options)[:40]!r} is not a finite number, a text, true, false or null")
    return options


VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
"""The environment variable that holds a value, in the place of the value."""
Options = Annotated[dict[str, Any], AfterValidator(_plain)]
"""Options that are checked where they are used; see `ttstudy.miniature.definitions`."""
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(plain_path)]
InnerPath = Annotated[FilePath, AfterValidator(_inside)]


def _paths(value: Any, handler: Any, variables: bool) -> str | list[str]:
    """A path, or several; each a pattern, or (where `variables`) the name of a variable that holds it."""
    paths = value if isinstance(value, list) else [value]
    if not paths or not all(isinstance(path, str) and 0 < len(path) <= 1000 for path in paths):
        raise ValueError("must be a path of at most 1,000 characters, or a list of them")
    for path in paths:
        if not (variables and VARIABLE.fullmatch(path)):
            pattern_path(path)
    found: str | list[str] = handler(value)
    return found


Paths = Annotated[str | list[str], WrapValidator(partial(_paths, variables=False))]
"""A file, several, a pattern with `*` and `?`, or a folder of files."""
RecordedPaths = Annotated[str | list[str], WrapValidator(partial(_paths, variables=True))]
"""The same, or $NAME: the environment variable NAME holds the path."""
FILES = "JSON lines, a JSON array, CSV or Parquet, packed by gzip or not; several in a list, by a pattern or a folder"


class OneOf:
    """Of a text: one of the names of a registry, as `Literal` would have it if they were known when this is read."""

    def __init__(self, names: Iterable[str | None]) -> None:
        """`names`, in the order in which they are told."""
        self.names = list(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """See pydantic."""
        return core_schema.literal_schema(self.names)


class Mark(Enum):
    """What a field has to do with a result; a field without a mark decides it."""

    FREE = "changes no result"
    OWN = "tells one result of a folder from the next"


FREE, OWN = Mark.FREE, Mark.OWN


class Section(BaseModel):
    """A part of a configuration: no key but its own, nothing changed once it is checked."""

    # Strict: `yes` is no number, "4" is none, and true is not 1.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def unshadowed(base: type[BaseModel], names: Iterable[str], folder: str) -> list[str]:
    """Names of things of a folder of `kinds`, as keys of a section; StudyError for one that the section has already."""
    names = list(names)
    for name in names:
        if name in base.model_fields or hasattr(base, name):
            raise StudyError(
                f"workflow/ttstudy/kinds/{folder}/{name}.py: `{name}` is another thing in "
                f"`{base.__name__.strip('_')}` already; rename the file"
            )
    return names


class HubSource(Section):
    """Something of the Hugging Face hub, at a commit."""

    source: Literal["hub"]
    id: HubId = Field(description="owner/name on the Hugging Face hub")
    revision: Commit | None = Field(
        default=None, description="commit of 40 hex digits; null: from the lock file that pin_revisions.py writes"
    )
    checksums: Annotated[dict[InnerPath, Sha256], FREE] = Field(
        default_factory=dict,
        description="SHA-256 by file, without which none is taken; empty: from the lock file, where it has some",
    )
