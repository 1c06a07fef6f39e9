"""What asks servers many things at a time has in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def passes(status: int) -> bool:
    """Whether what an answer of this HTTP status says may be gone at the next try."""
    return status >= 500 or status in (408, 409, 425, 429)


async def side_by_side(items: Iterable[Item], count: int, work: Callable[[Item], Awaitable[None]]) -> None:
    """Do something for every item, `count` at a time; the first error ends all of them."""
    queue = iter(items)

    async def worker() -> None:
        for item in queue:
            await work(item)

    tasks = [asyncio.create_task(worker()) for _ in range(count)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
