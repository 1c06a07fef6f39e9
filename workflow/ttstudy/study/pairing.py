"""Which PRM goes with which policy: every one with every one, unless `pairs` says otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import StringConstraints

from ttstudy.errors import meant

NOT = "not "
PRMPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*][A-Za-z0-9._*-]{0,63}$")]
"""A name in which `*` stands for any characters."""
PolicyPattern = Annotated[str, StringConstraints(pattern=r"^(not )?[A-Za-z0-9*][A-Za-z0-9._*-]{0,63}$")]
"""The same; after `not `, what is taken away."""
Pairs = Mapping[str, Sequence[str]]


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that a pattern stands for."""
    wanted = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    return [name for name in names if wanted.fullmatch(name)]


def paired(pairs: Pairs, prm: str, policies: Sequence[str]) -> list[str]:
    """The policies that a PRM goes with, in their order.

    An exact name goes before a pattern, and a longer pattern before a shorter. An entry that only takes away takes
    away from all; an empty one leaves none.
    """
    keys = [key for key in pairs if matching(key, [prm])]
    if not keys:
        return list(policies)
    told = pairs[max(keys, key=lambda key: ("*" not in key, len(key)))]
    wanted = [entry for entry in told if not entry.startswith(NOT)]
    base = {name for entry in wanted or (["*"] if told else []) for name in matching(entry, policies)}
    gone = {name for entry in told if entry.startswith(NOT) for name in matching(entry.removeprefix(NOT), policies)}
    return [name for name in policies if name in base - gone]


def mistake(pairs: Pairs, prms: Iterable[str], policies: Iterable[str]) -> str | None:
    """What is wrong with the names of `pairs`, in one sentence; None where nothing is."""
    prms, policies = list(prms), list(policies)
    for key, entries in pairs.items():
        if not matching(key, prms):
            if "*" in key:
                return f"pairs.{key}: no PRM under prms is named like this"
            return f"pairs.{key}: this PRM is not defined under prms{meant(key, prms)}"
        if len(set(entries)) < len(entries):
            return f"pairs.{key}: lists a policy twice"
        for entry in entries:
            name = entry.removeprefix(NOT)
            if not matching(name, policies):
                if "*" in name:
                    return f"pairs.{key}: no policy under policies is named like {name!r}"
                return f"pairs.{key}: policy {name!r} is not defined under policies{meant(name, policies)}"
    return None
