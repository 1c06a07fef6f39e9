"""Where every kind of file lies: one pattern each. Specs fill in their names, rules leave them as wildcards.

`results` is the results folder, `folder` the study's own in it; `spec` is the eight characters of a spec
(`Spec.folder`), so that two settings lie side by side.
"""

from __future__ import annotations

import re
from string import Formatter

# What is given from outside, read into tables.
RECORDED = "{results}/imported/{spec}.parquet"
BENCHMARK = "{results}/benchmarks/{benchmark}-{spec}.parquet"
LABELLED = "{results}/labelled/{labelled}-{spec}/solutions.parquet"

# Checkpoints: the file that stands for all in its folder.
TRAINED_POLICY = "{results}/models/policies/{policy}-{spec}/training.json"
TRAINED_PRM = "{results}/models/prms/{prm}-{spec}/training.json"
FETCHED = "{results}/models/hub/{model}-{spec}/fetched.json"
CONVERTED = "{results}/models/gguf/{model}-{spec}/fetched.json"

# What models make. Scores lie in the folder of the responses that they score.
RESPONSES = "{results}/{benchmark}/{policy}/{pool}-{spec}/{first}-{last}.parquet"
SCORES = "{results}/{benchmark}/{policy}/{pool}-{drawn}/scores/{prm}-{spec}/{first}-{last}.parquet"
LABELLED_SCORES = "{results}/labelled/{labelled}-{solutions}/scores/{prm}-{spec}.parquet"
SEARCH = "{results}/{benchmark}/{policy}/{method}/{prm}-{spec}/{budget}.{table}.parquet"

# One study's own: its folder, and what is in it.
STUDY = "{results}/studies/{study}"
CELL = "{folder}/cells/{benchmark}/{policy}.{table}.parquet"
TABLE = "{folder}/tables/{table}.parquet"
REPORT = "{folder}/report.html"
FIGURES = "{folder}/figures"
PROVENANCE = "{folder}/provenance.json"

# What is told of a table of responses lies beside it.
LABELS = "labels.parquet"
GRADES = "{grader}-{extraction}.parquet"

# Of a result that several jobs make, each some of it: their parts lie in a folder named after the whole.
SHARDS = ".shards"
SHARD = SHARDS + "/{number}-of-{count}"
ANY_SHARD = r"(\.shards/[0-9]+-of-[0-9]+)?"
"""Regular expression of what comes between the name and the ending of a result, or of a shard of it."""

DIGITS = "[0-9]{4,9}"
"""Regular expression of a number in a path."""


def number(count: int) -> str:
    """A sample's index, or a budget, as paths have it."""
    return f"{count:04d}"


def beside(path: str, ending: str) -> str:
    """Path, or pattern, of what lies beside a table of responses or a search's answers: `ending` in place of theirs."""
    return f"{path.removesuffix('.parquet').removesuffix('.answers')}.{ending}"


def shard(path: str, part: str) -> str:
    """Path, or pattern, of one shard's part of a result, or of what lies beside it: `part` is `SHARD` filled in."""
    folder, _, name = path.rpartition("/")
    stem, _, ending = name.partition(".")
    return f"{folder}/{stem}{part}.{ending}"


def parent(path: str) -> str:
    """Folder of a path, or of a pattern."""
    return path.rpartition("/")[0]


def names(pattern: str, path: str, **known: str) -> dict[str, str] | None:
    """What a path has for each name of its pattern but those that are known; None for a path of another kind."""
    forms = {"spec": "[0-9a-f]{8}", "drawn": "[0-9a-f]{8}"} | dict.fromkeys(("first", "last", "budget"), DIGITS)
    text = "".join(
        re.escape(between) + (re.escape(known[name]) if name in known else f"(?P<{name}>{forms.get(name, '[^/]+')})")
        if name
        else re.escape(between)
        for between, name, _, _ in Formatter().parse(pattern)
    )
    found = re.fullmatch(text, path)
    return found.groupdict() if found else None


def wildcards(pattern: str, **known: str) -> str:
    """A pattern with what is known filled in, and a wildcard of Snakemake for every other name."""
    names = {name: f"{{{name}}}" for _, name, _, _ in Formatter().parse(pattern) if name}
    return pattern.format(**names | known)
