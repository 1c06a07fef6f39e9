"""A site's file as Slurm tells it: partitions, kinds of GPUs, memory and time limits, for a person to look through."""

from __future__ import annotations

import getpass
import json
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import yaml

from ttstudy.errors import StudyError

FORMAT = "%R|%a|%D|%G|%m|%c|%l"
"""What is asked of sinfo: partition, state, nodes, generic resources, MB and cores of a node, time limit."""
_GPU = re.compile(r"\bgpu:(?:([A-Za-z0-9][A-Za-z0-9_.-]*):)?([0-9]{1,4})(?=[(,]|$)")
_NUMBER = re.compile(r"([0-9]{1,12})\+?")
_TIME = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")


class Nodes(NamedTuple):
    """Nodes of one kind in a partition."""

    partition: str
    number: int
    gpu_model: str | None
    gpus: int
    memory_gb: float
    cores: int
    hours: float | None
    """The longest that a job may take; None: no limit."""


def ask(*command: str) -> str:
    """Output of a command of Slurm; StudyError where it is not here or fails."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except FileNotFoundError:
        raise StudyError(f"{command[0]}: Slurm is not here; run this on a login node of the cluster") from None
    except (OSError, subprocess.SubprocessError) as error:
        words = str(getattr(error, "stderr", "") or error).strip().splitlines()
        raise StudyError(f"{command[0]}: Slurm does not answer ({words[0] if words else 'no word'})") from None
    return run.stdout


def nodes(text: str) -> list[Nodes]:
    """What `sinfo --noconvert -h -o FORMAT` says; partitions that take no jobs, and other lines, are left out."""
    found = []
    for line in text.splitlines():
        words = [word.strip() for word in line.split("|")]
        if len(words) != FORMAT.count("|") + 1 or words[1] != "up":
            continue
        partition, _, count, gres, memory, cores, limit = words
        numbers = [_NUMBER.fullmatch(word) for word in (count, memory, cores)]
        if not all(numbers):  # of nodes that are not there yet, N/A
            continue
        many, megabytes, each = (int(number[1]) for number in numbers if number)
        model, number = _gpus(gres)
        found.append(Nodes(partition, many, model, number, megabytes / 1000, each, hours(limit)))
    return found


def _gpus(gres: str) -> tuple[str | None, int]:
    """Model and number of a node's GPUs, of `gpu:a100:4(S:0-1),shard:8`; of several models, the first."""
    found = _GPU.search(gres)
    return (found[1], int(found[2])) if found else (None, 0)


def hours(limit: str) -> float | None:
    """Hours of a time limit of Slurm, `1-12:00:00`; None for `infinite` and the like."""
    found = _TIME.fullmatch(limit)
    if found is None:
        return None
    days, hour, minutes, seconds = (int(part or 0) for part in found.groups())
    return 24 * days + hour + minutes / 60 + seconds / 3600


def accounts() -> list[str]:
    """Accounts that Slurm lets this user charge; [] where it keeps none."""
    command = ("sacctmgr", "-n", "-P", "show", "associations", f"user={getpass.getuser()}", "format=account")
    try:
        return list(dict.fromkeys(filter(None, ask(*command).split())))
    except StudyError:
        return []


def file(found: Sequence[Nodes], accounts: Sequence[str] = ()) -> str:
    """The site's file, as YAML with what else there is in comments; StudyError where no partition takes jobs."""
    if not found:
        raise StudyError("sinfo: no partition takes jobs now; write the site's file by hand")
    with_gpus = sorted((one for one in found if one.gpus), key=lambda one: -one.number * one.gpus)
    without = sorted((one for one in found if not one.gpus), key=lambda one: -one.number) or list(found)
    gpu, cpu = (with_gpus[0] if with_gpus else None), without[0]
    limits = [one.hours for one in (gpu, cpu) if one is not None and one.hours is not None]
    # A kind of GPU is asked for only where there are several: else any will do.
    several = gpu and len({one.gpu_model for one in with_gpus if one.partition == gpu.partition}) > 1
    lines = {
        "cpu_partition": (cpu.partition, _also(cpu, without)),
        "gpu_partition": (gpu.partition if gpu else None, _also(gpu, with_gpus) if gpu else "no partition has GPUs"),
        "account": (accounts[0] if accounts else None, f"also: {', '.join(accounts[1:])}" if accounts[1:] else ""),
        "gpu_model": (gpu.gpu_model if gpu and several else None, _models(with_gpus)),
        "gpu_memory_gb": (None, "of a GPU as it is sold, which Slurm does not tell: 24, 40, 80, 96, 141 ..."),
        "gpus_per_node": (gpu.gpus if gpu else 8, ""),
        "cpus_per_gpu": (max(1, min(8, gpu.cores // gpu.gpus)) if gpu else None, ""),
        "longest_hours": (min(limits) if limits else None, "the shorter of their time limits" if limits else ""),
        "scratch": (None, "a folder on the nodes' own disks, such as $TMPDIR/models, if they have some"),
    }
    head = f"# What Slurm says on {platform.node()}. Look through it; workflow/profiles/slurm/site.yaml has more keys."
    return "\n".join([head, *(_line(key, *said) for key, said in lines.items()), ""])


def _line(key: str, value: str | float | None, words: str) -> str:
    told = "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, str) and (value[:1].isdigit() or yaml.safe_load(value) != value):
        told = json.dumps(value)  # a name that YAML takes for a number or the like
    return f"{key}: {told}".ljust(30) + f"  # {words}" if words else f"{key}: {told}"


def _words(one: Nodes) -> str:
    gpus = f", {one.gpus} {one.gpu_model or 'GPU'} each" if one.gpus else ""
    limit = "no time limit" if one.hours is None else f"{one.hours:g} h at most"
    return f"{one.partition} ({one.number} nodes of {one.memory_gb:.0f} GB and {one.cores} cores{gpus}, {limit})"


def _also(chosen: Nodes, all_of_them: Iterable[Nodes]) -> str:
    others = [_words(one) for one in all_of_them if one != chosen]
    return "; also: ".join([_words(chosen).removeprefix(f"{chosen.partition} ").strip("()"), *others[:6]])


def _models(with_gpus: Iterable[Nodes]) -> str:
    names = dict.fromkeys(one.gpu_model for one in with_gpus if one.gpu_model)
    return f"there are: {', '.join(map(str, names))}" if names else ""


def found_here() -> str:
    """The site's file of the cluster that this machine is a part of."""
    return file(nodes(ask("sinfo", "--noconvert", "-h", "-o", FORMAT)), accounts())
