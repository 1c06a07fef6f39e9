"""What becomes of a job of a cluster that has ended: by Slurm's state, and by what the step itself left a note of.

Between a step and the process that submitted it stand two more Snakemakes, which make every status a 1. So a step that
fails leaves its status and sentence in a file that carries its Slurm job's number.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from ttstudy.dag import writing
from ttstudy.errors import Ending, one_line

NOTES = "TTSTUDY_CLUSTER"
"""Environment variable: folder for the notes, in jobs that the cluster's executor submitted."""
GONE, HELD = "GONE", "HELD"
"""States of a job that Slurm remembers nothing of, and of one whose node did not start it: Slurm queues it again and
holds it until somebody releases it."""


_HELD = re.compile("requeued[ _]held|JobHoldMaxRequeue", re.IGNORECASE)
_HOLDING = ("REQUEUE_HOLD", "SPECIAL_EXIT", "LAUNCH_FAILED")


def seen(state: str, reason: str) -> str:
    """A job's state, by the first word of Slurm's and the reason of one that waits: HELD where it waits for ever."""
    return HELD if state in _HOLDING or _HELD.search(reason) else state


class Note(NamedTuple):
    """What a step left: its status (None: a defect, with a traceback), and why in words."""

    status: int | None
    words: str


def in_cluster() -> bool:
    """Whether this process belongs to a job that the cluster's executor submitted."""
    return bool(os.environ.get(NOTES)) and "SLURM_JOB_ID" in os.environ


def note(status: int | None, words: str) -> None:
    """Leave a note of how this process ends; nothing where it is in no such job."""
    if not in_cluster():
        return
    place = _place(Path(os.environ[NOTES]), os.environ["SLURM_JOB_ID"])
    with suppress(OSError):  # a full disk may be the reason
        writing.write(place, json.dumps({"status": status, "words": one_line(words)}))


def read(folder: Path, job: str) -> Note | None:
    """The note of a Slurm job's step; None where it left none."""
    with suppress(OSError, ValueError, TypeError):
        told = Note(**json.loads(_place(folder, job).read_text(encoding="utf-8")))
        return told if told.status is None or isinstance(told.status, int) else None
    return None


def forget(folder: Path, job: str) -> None:
    """Remove a job's note."""
    with suppress(OSError):
        _place(folder, job).unlink(missing_ok=True)


def _place(folder: Path, job: str) -> Path:
    return folder / f"ended-{job}.json"


class Move(Enum):
    """What to do with a job."""

    WAIT = "it is still on its way"
    DONE = "its results are there"
    AGAIN = "submit it again as it is, which counts as no attempt"
    MORE = "an attempt has failed; the next one asks for more time and memory"
    STOP = "the same again would end the same"


class Rule(NamedTuple):
    """What to do, and for what reason in words; how often at most, and with which pause before (seconds, doubling)."""

    move: Move
    words: str
    most: int = 0
    pause: float = 0


_BY_STATE: Mapping[str, Rule] = {
    "COMPLETED": Rule(Move.DONE, "ended well"),
    "PREEMPTED": Rule(Move.AGAIN, "was preempted", 50),
    "NODE_FAIL": Rule(Move.AGAIN, "lost its node", 20, 15),
    "BOOT_FAIL": Rule(Move.AGAIN, "got a node that did not boot", 20, 15),
    HELD: Rule(Move.AGAIN, "was not started by its node, and would be held for ever", 20, 15),
    "REVOKED": Rule(Move.AGAIN, "was taken back by the federation", 20, 15),
    GONE: Rule(Move.AGAIN, "is known to Slurm no more, and its results are not there", 20, 15),
    # Once: a job that hangs is cancelled to have it started anew, and a second time to be rid of it.
    "CANCELLED": Rule(Move.AGAIN, "was cancelled by hand; cancel it once more to stop it for good", 1),
    "TIMEOUT": Rule(Move.MORE, "ran out of time"),
    "DEADLINE": Rule(Move.MORE, "met its deadline"),
    "OUT_OF_MEMORY": Rule(Move.MORE, "ran out of memory"),
}
"""By Slurm's state; FAILED is looked at more closely."""
ENDED = (*_BY_STATE, "FAILED")
_SILENT = Rule(Move.MORE, "was killed without a word, which a lack of memory does")
_DEFECT = Rule(Move.AGAIN, "met an error of the program", 1, 15)
_BY_STATUS: Mapping[int, Rule] = {
    Ending.MISTAKE: Rule(Move.STOP, "found a mistake"),
    Ending.MEMORY: Rule(Move.MORE, "ran out of memory"),
    Ending.HELD: Rule(Move.AGAIN, "found its output held by another process", 50, 60),
    Ending.MACHINE: Rule(Move.AGAIN, "had trouble with its machine or disk", 6, 60),
}
"""By the status that a failed step left a note of."""


def rule(state: str, left: Note | None) -> Rule:
    """The rule for a job in a state of Slurm's (its first word), whose step left a note or none."""
    if state not in ENDED:
        return Rule(Move.WAIT, state.lower())
    if state in ("FAILED", GONE) and left is not None:
        found = _DEFECT if left.status is None else _BY_STATUS.get(left.status, _DEFECT)
        return found._replace(words=f"{found.words} ({left.words})")
    return _SILENT if state == "FAILED" else _BY_STATE[state]


def bounded(found: Rule, times: int) -> tuple[Rule, float]:
    """A rule after so many times that it was followed for one job, which may be its end; and the pause in seconds."""
    if found.move is not Move.AGAIN:
        return found, 0.0
    if times >= found.most:
        return Rule(Move.STOP, f"{found.words}, {times + 1} times"), 0.0
    return found, min(900.0, found.pause * 2**times)
