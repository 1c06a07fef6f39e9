"""Which part of a study's grid a rehearsal runs: every model, rule and PRM format, at few N and with few pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ttstudy.dag import shards
from ttstudy.dag.layout import Layout, jobs
from ttstudy.kinds.methods import BUDGETED
from ttstudy.study import Study
from ttstudy.study.methods import Budgets

WIDTH = 4
"""Beam width of a rehearsal, or the study's where that is less."""


@dataclass(frozen=True)
class Sampled:
    """What of a grid is run."""

    wide: str
    """The policy that is run with every PRM that the study pairs it with, at two budgets of each method."""
    pairs: dict[str, list[str]]
    """PRM: policies."""
    budgets: dict[str, list[int]]
    budgets_of: dict[str, dict[str, list[int]]]


def sample(study: Study) -> Sampled:
    """The part of a study that is rehearsed."""
    scaled = [name for name in study.policies if name not in study.references]
    with_prms = {name: study.prms_of(name) for name in scaled}

    def reach(name: str) -> tuple[bool, int]:
        return study.can_search(name), len(with_prms[name])

    wide = max(scaled, key=reach)
    pairs: dict[str, list[str]] = {prm: [wide] for prm in with_prms[wide]}
    for name in scaled:
        if name != wide and with_prms[name]:
            # The least used first, so that every PRM meets another policy before one meets a third.
            prm = min(with_prms[name], key=lambda prm: len(pairs.get(prm, [])))
            pairs.setdefault(prm, []).append(name)
    for prm in study.prms:  # what only an endpoint's or nobody's responses are scored with
        pairs.setdefault(prm, next(([name] for name in scaled if prm in with_prms[name]), []))
    width = min(study.search.beam_width, WIDTH)
    own = {
        name: _small(study.budgets_for(name), width, two=False)
        for name in study.budgets_of
        if name != wide and name not in study.references
    }
    own[wide] = _small(study.budgets_for(wide), width, two=True)
    return Sampled(wide, pairs, _small(study.budgets, width, two=False), own)


def _small(budgets: Budgets, width: int, two: bool) -> dict[str, list[int]]:
    """Budgets of the same methods: 1 where it is among them, and so many of one width, or of one and two of them.

    What was one N for several methods still is: they are compared at equal N.
    """
    given = {method: sorted(budgets.of(method)) for method in BUDGETED if budgets.of(method)}
    shared = Counter(n for wanted in given.values() for n in wanted)
    largest = max(shared, key=lambda n: (shared[n], n), default=1)
    found = {}
    for method, wanted in given.items():
        if two:
            small = {min(n, width * (2 if n >= largest else 1)) for n in wanted}
        else:
            small = {min(wanted[-1], width)} | ({1} & set(wanted))
        found[method] = sorted(small)
    return found


def by_rule(layout: Layout) -> Counter[str]:
    """Jobs of a study by rule; one that is shared out is one, since so few problems share nothing out."""
    return Counter(job.rule.removeprefix("join_") for job in jobs(layout) if not shards.of(job.spec))


def left_out(study: Study, taken: Sampled) -> Iterable[str]:
    """What of the grid is not run, in sentences."""
    every = sum(len(study.prms_of(name)) for name in study.policies)
    run = sum(map(len, taken.pairs.values()))
    if run < every:
        yield (
            f"{run} of {every} pairs of a PRM and a policy were run: {taken.wide} with every PRM, each other policy "
            "with one."
        )
    every_n = {n for own in (study.budgets, *study.budgets_of.values()) for method in BUDGETED for n in own.of(method)}
    few_n = {n for own in (taken.budgets, *taken.budgets_of.values()) for budgets in own.values() for n in budgets}
    full, small = sorted(every_n), sorted(few_n)
    if small != full:
        yield f"N was {_listed(small)} in the place of {_listed(full)}; two of them for {taken.wide} alone."


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
