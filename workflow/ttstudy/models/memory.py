"""Memory that is free for caches, on the machine or on a GPU."""

from __future__ import annotations

from pathlib import Path

from ttstudy.models.budget import GIB, PREFIXES

SHARE = 4
"""A cache takes this part of what is free: other jobs run beside it. Half of it on a GPU, which is the job's own."""
LEAST = 0.5
"""GiB that a cache takes all the same."""
_LIMITS = (
    ("memory.max", "memory.current"),  # of a control group, version 2, as Slurm and containers set them
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),  # version 1
)


def for_prefixes(device: str) -> float:
    """GiB for the prefix cache of a PRM in a search, once its weights are loaded."""
    if device.startswith("cuda"):
        import torch

        left: int = torch.cuda.mem_get_info(torch.device(device))[0]
        return left / GIB / 2
    return min(PREFIXES, max(LEAST, free() / SHARE))


def free(root: Path = Path("/")) -> float:
    """GiB that this process may still take: of the machine and of its control group; 0 where nothing tells."""
    found = []
    meminfo = root / "proc/meminfo"
    if meminfo.is_file():
        rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        found += [int(rows["MemAvailable"].split()[0]) * 1024] if "MemAvailable" in rows else []
    for folder in _groups(root):
        for limit, used in _LIMITS:
            try:
                found.append(int((folder / limit).read_text()) - int((folder / used).read_text()))
            except (OSError, ValueError):  # no such file, or `max`: no limit
                continue
    return max(0, min(found)) / GIB if found else 0.0


def _groups(root: Path) -> list[Path]:
    """Folders of this process's control groups, and of those around them."""
    told = root / "proc/self/cgroup"
    lines = told.read_text().splitlines() if told.is_file() else []
    found = []
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds in ("", "memory"):
            top = root / "sys/fs/cgroup" / kinds
            own = top / path.lstrip("/")
            found += [top, *(each for each in (own, *own.parents) if top in each.parents)]
    return found
