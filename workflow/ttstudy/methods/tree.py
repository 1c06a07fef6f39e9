"""One search tree: its nodes, which of them are kept, which of them are answers. No model is called here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import nan
from random import Random
from typing import Protocol

from ttstudy.kinds.methods import Room
from ttstudy.kinds.scores import SCORES
from ttstudy.methods.options import Options
from ttstudy.policies.seeds import derive

OPEN = "open"
"""Finish of a step that ended at the separator and can be continued."""


class Scored(Protocol):
    """A step of which only the PRM's score matters."""

    @property
    def score(self) -> float:
        """In [0, 1]; NaN where it was never scored."""


@dataclass(slots=True, eq=False)
class Node:
    """One step that was drawn.

    `number` counts the nodes of its tree in the order of drawing: by depth, then attempt (reference semantics may
    draw again), then parent, then child; ties go to the lower number, whatever the batch. `index` is the child's
    number below its parent; first steps are numbered through all trees of a problem. `score` is the PRM's score of
    this step (NaN: never scored); `value` prunes.
    `rank` orders before value: 0 for a path that goes on or is complete, 1 for one that was cut (length,
    context, depth), 2 for one with a blank end. Nodes `out` of the contest are duplicates, look-ahead steps
    and, in reference semantics, steps that were cut. `overlong`: it ended past the PRM's context.
    """

    number: int
    parent: Node | None
    index: int
    depth: int
    text: str
    ids: tuple[int, ...]
    tokens: int
    logprob: float
    finish: str
    rank: int = 0
    out: bool = False
    kept: bool = False
    score: float = nan
    value: float = nan
    overlong: bool = False

    @property
    def open(self) -> bool:
        """Whether the path can be continued."""
        return self.finish == OPEN

    @property
    def finished(self) -> bool:
        """Whether the path to this node is a complete response."""
        return self.rank == 0 and self.finish != OPEN and not self.out

    def line(self) -> list[Node]:
        """Path from the first step to this node."""
        return [*self._upwards()][::-1]

    def _upwards(self) -> Iterator[Node]:
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


@dataclass(slots=True, eq=False)
class Expansion:
    """What is drawn in one round after the steps `line` of one tree; `prompt` are the ids that they end."""

    tree: Tree
    line: list[Node]
    prompt: tuple[int, ...]
    places: int = 1
    """How many times the path was kept."""
    children: list[Node] = field(default_factory=list)

    @property
    def parent(self) -> Node | None:
        """Node that is expanded; None at the root."""
        return self.line[-1] if self.line else None

    @property
    def steps(self) -> list[str]:
        """Texts of the steps so far."""
        return [node.text for node in self.line]

    @property
    def path(self) -> tuple[object, ...]:
        """Problem and child numbers from the root: what a seed is made of."""
        return (self.tree.problem_id, *(node.index for node in self.line))

    def follow(self, node: Node) -> Expansion:
        """The expansion of one more node."""
        return Expansion(self.tree, [*self.line, node], self.prompt + node.ids)


@dataclass(slots=True, eq=False)
class Tree:
    """One tree of one problem: `options.width` first steps, `options.slots` places for paths.

    `beams` are the paths kept: open or ended, as many times as they have places. `seed` begins the seeds of what a
    method draws to choose among paths.
    """

    problem_id: str
    problem: str
    prompt: tuple[int, ...]
    number: int
    options: Options
    seed: Sequence[object] = ()
    nodes: list[Node] = field(default_factory=list)
    beams: list[Node] = field(default_factory=list)
    passed: int = 0
    """How many of the beams, at their front, a pass of reference semantics has taken for answers."""

    @property
    def live(self) -> list[Node]:
        """Paths to expand, each once, in the order of drawing."""
        found = {node.number: node for node in self.beams if node.open}
        return [found[number] for number in sorted(found)]

    def expansions(self) -> list[Expansion]:
        """What is drawn next: the first steps, or candidates for every live path; nothing when done."""
        if not self.nodes:
            return [Expansion(self, [], self.prompt)]
        places = Counter(node.number for node in self.beams)
        lines = [node.line() for node in self.live]
        return [
            Expansion(self, line, sum((node.ids for node in line), self.prompt), places[line[-1].number])
            for line in lines
        ]

    def value(self, line: Sequence[Scored], score: float) -> float:
        """Value of a path whose steps so far are `line` and whose newest step has `score`."""
        return SCORES[self.options.score].of([*(node.score for node in line), score])

    def prune(self, expansions: Sequence[Expansion]) -> None:
        """Keep the paths that the method chooses among those that have ended and what was drawn."""
        options, ended, places = self.options, [node for node in self.beams if not node.open], self.options.slots
        drawn = [node for expansion in expansions for node in expansion.children if not node.out]
        if options.semantics == "reference":
            ended, drawn, places = self._reference_pass(drawn)
        room = Room(options.width, places, options.refill, options.own, lambda: self._random(drawn))
        kept = options.growth.select(ended, drawn, room)
        for node in kept:
            node.kept = True
        for expansion in expansions:
            for node in expansion.children:
                if not node.kept and not node.finished:
                    node.ids = ()  # never needed again: memory grows with what is kept
        self.beams = kept

    def _reference_pass(self, drawn: list[Node]) -> tuple[list[Node], list[Node], int]:
        """Answers so far, candidates that compete, and places for both, as a pass of the official code finds them.

        It goes through the paths kept last time, best first. One that has ended becomes an answer. One that goes on
        enters its candidates and counts the places that are free; paths that end behind it lower that count no more,
        so that there may be more paths than places. The pass ends, and the tree, with the last answer.
        """
        slots, room, going = self.options.slots, self.options.slots, set()
        answers, standing = self.beams[: self.passed], self.beams[self.passed :]
        for node in standing:
            if len(answers) == slots:
                break
            if node.open:
                room = slots - len(answers)
                going.add(node.number)
            else:
                answers.append(node)
        self.passed = len(answers)
        if self.passed == slots:
            return answers, [], slots
        contest = [node for node in drawn if node.parent is None or node.parent.number in going]
        return answers, contest, self.passed + room

    def _random(self, drawn: Sequence[Node]) -> Random:
        """Draws of this round: of the problem, the depth and, where there are several, the tree."""
        depth = max((node.depth for node in drawn), default=0)
        return Random(derive(*self.seed, "resample", self.problem_id, depth, *([self.number] if self.number else [])))

    def answers(self) -> list[Node]:
        """Last nodes of the responses that this tree returns; never none."""
        if self.options.semantics == "reference":
            return self.beams[: self.options.slots]
        finished = [node for node in self.beams if node.finished]
        if not finished:
            return self.beams
        if self.options.answers == "candidates":
            parents = {id(node.parent) for node in finished}
            pool = [node for node in self.nodes if node.finished and id(node.parent) in parents]
            return sorted(pool, key=lambda node: (-node.value, node.number))[: self.options.width]
        return finished
