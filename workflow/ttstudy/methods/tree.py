"""One search tree: its nodes, which of them are kept, which of them are answers. No model is called here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import nan

from ttstudy.kinds.scores import SCORES
from ttstudy.methods.options import Options

OPEN = "open"
"""Finish of a step that ended at the separator and can be continued."""


@dataclass(slots=True, eq=False)
class Node:
    """One step that was drawn.

    `number` counts the nodes of its tree in the order of drawing: by depth, then attempt (reference semantics may
    draw again), then parent, then child; ties go to the lower number, whatever the batch. `index` is the child's
    number below its parent; first steps are numbered through all trees of a problem. `score` is the PRM's score of
    this step (NaN: never scored); `value` prunes.
    `rank` orders before value: 0 for a path that goes on or is complete, 1 for one that was cut (length,
    context, depth), 2 for one with a blank end. Nodes `out` of the contest are duplicates, look-ahead steps
    and, in reference semantics, steps that were cut.
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
    """One tree of one problem: `options.width` first steps, `options.slots` beams."""

    problem_id: str
    problem: str
    prompt: tuple[int, ...]
    number: int
    options: Options
    nodes: list[Node] = field(default_factory=list)
    beams: list[Node] = field(default_factory=list)

    @property
    def live(self) -> list[Node]:
        """Beams to expand, in the order of drawing."""
        return sorted((node for node in self.beams if node.finish == OPEN), key=lambda node: node.number)

    def expansions(self) -> list[Expansion]:
        """What is drawn next: the first steps, or candidates for every live beam; nothing when done."""
        lines = [node.line() for node in self.live] if self.nodes else [[]]
        return [Expansion(self, line, sum((node.ids for node in line), self.prompt)) for line in lines]

    def value(self, line: Sequence[Node], score: float) -> float:
        """Value of a path whose steps so far are `line` and whose newest step has `score`."""
        return SCORES[self.options.score].of([*(node.score for node in line), score])

    def prune(self, expansions: Sequence[Expansion]) -> None:
        """Keep the best beams: higher rank, higher value, earlier drawn."""
        held = [node for node in self.beams if node.finish != OPEN]
        contest = [node for expansion in expansions for node in expansion.children if not node.out]
        places = self.options.slots
        if self.options.refill:
            contest = held + contest
            held = []
        else:
            places -= len(held)
        chosen = sorted(contest, key=lambda node: (node.rank, -node.value, node.number))[:places]
        for node in chosen:
            node.kept = True
        for expansion in expansions:
            for node in expansion.children:
                if not node.kept and not node.finished:
                    node.ids = ()  # never needed again: memory grows with what is kept
        self.beams = held + chosen

    def answers(self) -> list[Node]:
        """Last nodes of the responses that this tree returns; never none."""
        if self.options.semantics == "reference":
            return self.beams
        finished = [node for node in self.beams if node.finished]
        if not finished:
            return self.beams
        if self.options.answers == "candidates":
            parents = {id(node.parent) for node in finished}
            pool = [node for node in self.nodes if node.finished and id(node.parent) in parents]
            return sorted(pool, key=lambda node: (-node.value, node.number))[: self.options.width]
        return finished
