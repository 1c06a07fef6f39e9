"""Whether this process rehearses a study: what it writes then is of random stand-ins, and no result.

A rehearsal sets one environment variable for all its processes. Digests, stamps, tables and pages are marked by it, so
that nothing of a rehearsal is ever taken for a result: a real study finds it made by something else, and a comparison
refuses it.
"""

from __future__ import annotations

import os
from pathlib import Path

from ttstudy.errors import StudyError

VARIABLE = "TTSTUDY_REHEARSAL"
"""Environment variable with the name of the study that is rehearsed."""
WORD = "REHEARSAL"
"""Stands on everything that could be taken for a result; also the file in a rehearsal's folder of results."""
SAID = "Tiny stand-ins for the models, few problems, few tokens: no number here is a result."


def name() -> str | None:
    """The study that this process rehearses; None in a real run."""
    return os.environ.get(VARIABLE) or None


def marked(text: str) -> str:
    """A title or a caption, with the word before it in a rehearsal."""
    return f"{WORD} · {text}" if name() else text


def holds(results: Path) -> bool:
    """Whether a folder of results is a rehearsal's."""
    return (results / WORD).is_file()


def refuse_mixture(results: Path) -> None:
    """StudyError where a real run would work in a rehearsal's folder of results, or a rehearsal in a real one."""
    there = holds(results)
    if there and name() is None:
        raise StudyError(f"results: {results} holds a rehearsal, of tiny stand-ins; give another folder")
    if name() and not there:
        raise StudyError(f"results: {results} is no rehearsal's folder; a rehearsal never works in a real one")
