"""Responses that are given twice: files that hold nothing but what another one has, and rows that are repeated."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ttstudy.errors import StudyError

LONG = 200
"""Characters of a response from which two that are drawn are hardly ever one text."""
_LEAST = 3
"""Long responses of a file before it can be called a copy."""
_TOLD = 3
"""Files that are told of, of those that may be copies."""


class Copies:
    """Counts texts that are there twice, of responses that no number tells apart."""

    def __init__(self, several: bool) -> None:
        """`several`: whether there is more than one file."""
        self.several, self.again = several, 0
        self.alike: list[str] = []
        self._seen: set[int] = set()
        self._of: dict[Path, set[int]] = {}
        self._long: Counter[Path] = Counter()

    def add(self, file: Path, problem: str, response: str) -> None:
        """A response without a number of its own, in the order of the files."""
        key = hash((problem, response))
        if len(response) >= LONG:
            self._long[file] += 1
            self.again += key in self._seen
            self._seen.add(key)
        if self.several:
            self._of.setdefault(file, set()).add(key)

    def refuse(self) -> None:
        """StudyError where a file is a copy of another, or a part of it: it would count as samples of its own.

        Of few or short responses, which honest seeds may share, it is told.
        """
        having: dict[int, list[tuple[int, Path]]] = {}
        for at, (file, texts) in enumerate(self._of.items()):
            for text in texts:
                having.setdefault(text, []).append((at, file))
        for at, (file, mine) in enumerate(self._of.items()):
            # Only what has one of its texts can have all; of two that are the same the later one is the copy.
            others = having[next(iter(mine))] if len(mine) > 1 else []
            inside = (o for n, o in others if mine < self._of[o] or n < at and mine == self._of[o])
            other = next(inside, None)
            if other is None:
                continue
            what = f"all its responses are in {other.name} too, word for word"
            if self._long[file] >= _LEAST:
                raise StudyError(f"{file}: {what}; give one of the two files")
            self.alike.append(f"{file.name}: {what}; if it is a copy, give one of the two files")

    def told(self) -> list[str]:
        """A sentence on rows that are repeated."""
        if not self.again:
            return self.alike[:_TOLD]
        what = "1 long response repeats" if self.again == 1 else f"{self.again:,} long responses repeat"
        what += " an earlier one of the same problem word for word; each counts as a sample of its own"
        return [*self.alike[:_TOLD], what]
