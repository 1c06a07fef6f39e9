"""Submissions that Slurm refuses: for now, and they wait, or for good."""

from __future__ import annotations

import re
from collections.abc import Callable

from ttstudy.errors import one_line

_FOR_GOOD = re.compile(
    r"invalid (account|partition|qos|feature|license|generic resource|job constraint|reservation|wckey|time|node)"
    r"|invalid (option|argument|--)|unrecognized option"
    r"|requested node configuration is not available|memory specification can not be satisfied"
    r"|requested time limit is invalid|(cpu|node) count specification|access/permission denied|user not permitted"
    r"|invalid account or account/partition combination|unable to open file|no such file"
    r"|memory required by task is not available|group not permitted|more processors requested than permitted"
    r"|requested nodes not in this partition|access denied to requested reservation|per ?job ?limit|perjob",
    re.IGNORECASE,
)
"""What Slurm (src/common/slurm_errno.c, 22.05) says of a request that it will never take."""
_LIMITS = re.compile(r"(accounting|qos)[ /]*(policy|max)|limit|queue full|too many", re.IGNORECASE)
"""What it says of too many jobs; sites' own plugins say it in their words."""
_AWAY = re.compile(
    r"contact slurm|socket timed out|unable to establish|zero bytes|connection (refused|reset|timed out)"
    r"|temporarily unable|resource temporarily|partition not available|inactive or drain|not responding"
    r"|(slurm|backup) controller|slurmctld|munge|protocol authentication|slurm\.conf",
    re.IGNORECASE,
)
_FIRST, _MOST, _TRIES = 5.0, 300.0, 12
"""Seconds of the first pause and of the longest; refusals of an unknown kind before a job is given up."""


class Patience:
    """How long a refused submission waits, and when it is given up."""

    def __init__(self, others: Callable[[], bool]) -> None:
        """`others`: whether jobs of ours are with Slurm, so that a limit on their number may be why."""
        self._others = others
        self._pause = _FIRST / 2
        self._unknown = 0
        self._last = ""
        self.first = False
        """Whether this refusal's words are new."""

    def after(self, said: str) -> tuple[float | None, str]:
        """Seconds to wait after a refusal, None to give up; and Slurm's words."""
        lines = [line for line in said.splitlines() if line.strip()]
        words = one_line(re.sub(r"^sbatch: (error: )?", "", lines[-1] if lines else "no reason given"), 300)
        self.first, self._last = words != self._last, words
        if _FOR_GOOD.search(said) and not _AWAY.search(said):
            return None, words
        if not (_AWAY.search(said) or _LIMITS.search(said) and self._others()):
            self._unknown += 1
            if self._unknown >= _TRIES:
                return None, f"{words} ({self._unknown} times)"
        self._pause = min(_MOST, 2 * self._pause)
        return self._pause, words
