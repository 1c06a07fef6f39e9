"""Word problems made from a seed: new to every model, with whole-number answers and a depth that is chosen.

Each kind is a chain of steps in plain English; `depth` counts them. No number on the way is above `largest`, so that
difficulty comes from the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random
from typing import NamedTuple

_PEOPLE = (
    *("Ann she her", "Ben he him", "Carla she her", "David he him", "Emma she her", "Felix he him", "Grace she her"),
    *("Hugo he him", "Irene she her", "Jonas he him", "Karim he him", "Lena she her", "Marta she her", "Noah he him"),
    *("Olga she her", "Peter he him", "Rosa she her", "Samir he him", "Tara she her", "Viktor he him"),
)
_THINGS = (
    *("apples", "beads", "books", "buttons", "candles", "cards", "coins", "cups", "eggs", "keys", "lemons", "marbles"),
    *("nails", "pears", "pencils", "plums", "ribbons", "seeds", "shells", "stamps", "stickers", "stones", "tiles"),
)
_PACKS = ("bags", "boxes", "packs", "baskets")
_TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}
_PARTS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth"}
_LEAST_STEP = 2
"""No step adds or takes less: 'one apples' is no English."""


class Problem(NamedTuple):
    """One row of a benchmark."""

    problem_id: str
    problem: str
    answer: str
    level: str
    """The depth, as text."""
    subject: str
    """The kind."""


class _Person(NamedTuple):
    name: str
    they: str
    them: str


def _people(rng: Random, count: int) -> list[_Person]:
    return [_Person(*one.split()) for one in rng.sample(_PEOPLE, count)]


_Ways = dict[str, tuple[str, int]]
"""By what is done: how it is told, and the number after it."""
_UNDOES = {"more": "less", "less": "more", "times": "part", "part": "times"}


def _chosen(rng: Random, ways: _Ways, before: str) -> tuple[str, str, int]:
    """What is done, told and left; not what was done before, nor what would undo it, where there is another way."""
    others = [name for name in ways if name not in (before, _UNDOES.get(before))] or [*ways]
    name = rng.choice(others)
    return name, *ways[name]


def _plus_and_minus(rng: Random, have: int, largest: int, more: str, less: str) -> _Ways:
    """Adding and taking away, told with the number in place of `{}`."""
    ways: _Ways = {}
    if have + _LEAST_STEP <= largest:
        number = rng.randint(_LEAST_STEP, min(99, largest - have))
        ways["more"] = more.format(number), have + number
    if have >= 2 * _LEAST_STEP:
        number = rng.randint(_LEAST_STEP, min(99, have - _LEAST_STEP))
        ways["less"] = less.format(number), have - number
    return ways


def _parts(have: int) -> list[int]:
    return [part for part in _PARTS if have % part == 0 and have // part >= _LEAST_STEP]


def _chain(rng: Random, depth: int, largest: int) -> tuple[list[str], int, _Person, str]:
    """Sentences of a chain of so many changes, the number at its end, whose it is, and of what."""
    (who,) = _people(rng, 1)
    # Of two who are both "she", nobody knows which one is meant.
    other = _Person(*rng.choice([one for one in _PEOPLE if who.they != one.split()[1]]).split())
    they, things, have = who.they.capitalize(), rng.choice(_THINGS), rng.randint(4, min(60, largest))
    told, done = [f"{who.name} has {have} {things}."], ""
    for _ in range(depth):
        more, less = f"{other.name} gives {who.them} {{}} more {things}.", f"{they} loses {{}} of the {things}."
        ways = _plus_and_minus(rng, have, largest, more, less)
        packs, each = rng.randint(2, 9), rng.randint(2, 12)
        if have + packs * each <= largest:
            bought = f"{they} buys {packs} {rng.choice(_PACKS)} of {each} {things}."
            ways["packs"] = bought, have + packs * each
        if parts := _parts(have):
            part = rng.choice(parts)
            given = f"{they} gives {_PARTS[part]} of the {things} to {other.name}."
            ways["part"] = given, have - have // part
        if 2 * have <= largest:
            ways["times"] = f"{they} wins as many {things} as {who.they} already has.", 2 * have
        done, sentence, have = _chosen(rng, ways, done)
        told.append(sentence)
    return told, have, who, things


def _stock(rng: Random, depth: int, largest: int) -> tuple[str, int]:
    told, have, who, things = _chain(rng, depth, largest)
    return " ".join([*told, f"How many {things} does {who.name} have now?"]), have


def _leftover(rng: Random, depth: int, largest: int) -> tuple[str, int]:
    told, have, who, things = _chain(rng, depth - 1, largest)
    each = rng.randint(3, 12)
    told.append(f"{who.they.capitalize()} fills boxes with {each} {things} each, as many as can be filled.")
    return " ".join([*told, f"How many {things} are left over?"]), have % each


def _unknown(rng: Random, depth: int, largest: int) -> tuple[str, int]:
    (who,) = _people(rng, 1)
    start = value = rng.randint(2, min(50, largest))
    told: list[str] = []
    done = ""
    for _ in range(depth):
        ways = _plus_and_minus(rng, value, largest, "adds {}", "subtracts {}")
        it, times = "the result" if told else "it", rng.randint(2, 6)
        if value * times <= largest:
            ways["times"] = f"multiplies {it} by {times}", value * times
        if parts := _parts(value):
            part = rng.choice(parts)
            ways["part"] = f"divides {it} by {part}", value // part
        done, step, value = _chosen(rng, ways, done)
        told.append(step)
    chain = ", then ".join(told)
    asked = f"{who.name} thinks of a number. {who.they.capitalize()} {chain}. The result is {value}."
    return f"{asked} What number did {who.name} think of?", start


def _together(rng: Random, depth: int, largest: int) -> tuple[str, int]:
    """Comparisons along a row of people, and their sum as the last step; of one step, a comparison alone."""
    people = _people(rng, max(2, depth))
    things, most = rng.choice(_THINGS), largest // len(people)
    have = rng.randint(_LEAST_STEP, max(_LEAST_STEP, min(30, most)))
    told, total, done = [f"{people[0].name} has {have} {things}."], have, ""
    for before, person in pairwise(people):
        ways = _plus_and_minus(rng, have, most, f"{{}} more {things} than", f"{{}} fewer {things} than")
        if larger := [times for times in _TIMES if times * have <= most]:
            times = rng.choice(larger)
            ways["times"] = f"{_TIMES[times]} as many {things} as", times * have
        done, words, have = _chosen(rng, ways, done)
        told.append(f"{person.name} has {words} {before.name}.")
        total += have
    if depth == 1:
        return " ".join([*told, f"How many {things} does {people[-1].name} have?"]), have
    return " ".join([*told, f"How many {things} do they have altogether?"]), total


KINDS: dict[str, Callable[[Random, int, int], tuple[str, int]]] = {
    "stock": _stock,
    "leftover": _leftover,
    "unknown": _unknown,
    "together": _together,
}
"""Kinds of problems: from a generator of random numbers, a depth and the largest number, a text and its answer."""


def problems(seed: int, count: int, depth: tuple[int, int], largest: int) -> Iterator[Problem]:
    """So many different problems: kinds take turns, depths are drawn evenly from `depth`, fewest to most."""
    rng, seen = Random(f"ttstudy word problems {seed}"), set[str]()
    while len(seen) < count:
        kind, steps = [*KINDS][len(seen) % len(KINDS)], rng.randint(*depth)
        text, answer = KINDS[kind](rng, steps, largest)
        if text not in seen:
            yield Problem(f"word-{len(seen):05d}", text, str(answer), str(steps), kind)
            seen.add(text)
