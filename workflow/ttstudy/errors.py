"""Mistakes told to people: one printable line, whatever text of others is quoted in it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from enum import IntEnum

_LONGEST = 2000


def one_line(text: str, longest: int = _LONGEST) -> str:
    r"""The text on one line of at most so many characters; what does not print is spelled out (\x1b, \u200b)."""
    if len(text) > longest:
        text = text[: longest - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class StudyError(ValueError):
    """A mistake in configuration or data, told in one sentence that names the key, or the file and its line."""

    def __init__(self, message: str) -> None:
        """`message` may quote text that others wrote."""
        super().__init__(one_line(message))


def meant(name: str, known: Iterable[str]) -> str:
    """What to add to the sentence about a name that nobody knows: the likeliest that was meant, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f"; did you mean {near[0]!r}?" if near else ""


class HeldError(StudyError):
    """Another process makes what this one would make."""


_MACHINE = {
    errno.ENOSPC: "make room and run again to go on",
    errno.EDQUOT: "make room and run again to go on",
    errno.EROFS: "give a `results` folder that can be written",
    errno.EACCES: "give yourself the right to it and run again",
    errno.EPERM: "give yourself the right to it and run again",
    errno.EIO: "the disk fails; check it and run again",
    errno.ENOMEM: "out of memory; run fewer jobs at once",
    errno.EMFILE: "too many open files; run fewer jobs at once",
}
"""What to do where the machine, not the study, is at fault."""
_NO_MEMORY = re.compile("out of memory|allocate memory", re.IGNORECASE)
"""What torch says."""


def sentence(error: Exception) -> str | None:
    """What an error says to people in one line; None where it is a defect of ours, to be seen with its traceback."""
    if isinstance(error, StudyError):
        return str(error)
    if isinstance(error, MemoryError) or isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)):
        return "out of memory; run fewer jobs at once (--cores), or smaller blocks, and run again to go on"
    if isinstance(error, OSError) and error.errno in _MACHINE:
        return one_line(f"{error.filename or 'writing'}: {error.strerror}; {_MACHINE[error.errno]}")
    return None


class Ending(IntEnum):
    """Exit status of a step that did not end well, by what is to be done about it."""

    MISTAKE = 1
    """In the study, its data or a checkpoint, or a defect of ours: the same again ends the same."""
    MEMORY = 71
    """Too little memory, of the host or of a GPU: more may do."""
    HELD = 73
    """Another process makes this output."""
    MACHINE = 74
    """The disk is full or fails, or there are too many open files: later it may do."""


_NOT_THE_MACHINE = (errno.EROFS, errno.EACCES, errno.EPERM)


def ending(error: Exception) -> Ending:
    """How a process ends for an error that `sentence` has words for."""
    if isinstance(error, StudyError):
        return Ending.HELD if isinstance(error, HeldError) else Ending.MISTAKE
    if isinstance(error, OSError) and error.errno != errno.ENOMEM:
        return Ending.MISTAKE if error.errno in _NOT_THE_MACHINE else Ending.MACHINE
    return Ending.MEMORY
