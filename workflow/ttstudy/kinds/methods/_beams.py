"""How beam search and DVTS choose."""

from __future__ import annotations

from collections.abc import Sequence

from ttstudy.kinds.methods._method import Room, Some


def best(ended: Sequence[Some], drawn: Sequence[Some], room: Room) -> list[Some]:
    """The best paths: higher rank, higher value, earlier drawn."""
    contest, held, places = [*ended, *drawn], [], room.places
    if not room.refill:
        contest, held, places = [*drawn], [*ended], room.places - len(ended)
    return [*held, *sorted(contest, key=lambda path: (path.rank, -path.value, path.number))[:places]]
