"""How one tree grows: what it wants drawn and scored next, round by round, told to whoever has it done."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ttstudy.methods.options import REFERENCE_TRIES, Options
from ttstudy.methods.tree import OPEN, Expansion, Node, Tree
from ttstudy.policies.protocol import Completion, Request, Sampling
from ttstudy.policies.seeds import derive

Job = tuple[Expansion, int]
"""A candidate to draw: what it continues, and its child number there."""
Siblings = tuple[str, list[str], list[Node]]
"""Candidates to score: the problem, the steps before them, their nodes."""


@dataclass(slots=True, eq=False)
class Draws:
    """Candidates that a tree wants drawn; `completions` are filled in as they come."""

    jobs: Sequence[Job]
    sampling: Sampling
    completions: list[Completion | None] = field(init=False)
    left: int = field(init=False)
    """Those that have not come."""

    def __post_init__(self) -> None:
        """Nothing has come."""
        self.left = len(self.jobs)
        self.completions = [None] * self.left

    def drawn(self) -> Iterator[tuple[Job, Completion]]:
        """Jobs with their completions, in order."""
        for job, completion in zip(self.jobs, self.completions, strict=True):
            assert completion is not None
            yield job, completion


@dataclass(slots=True, eq=False)
class Scores:
    """Candidates that a tree wants scored."""

    items: Sequence[Siblings]
    left: int = field(init=False)
    """Candidates that have no score yet."""

    def __post_init__(self) -> None:
        """Nothing is scored; what has no candidate is left out."""
        self.items = [item for item in self.items if item[2]]
        self.left = sum(len(nodes) for _, _, nodes in self.items)


Wish = Draws | Scores
Growing = Generator[list[Wish], None, None]
"""The life of a tree: it goes on once all that it wished for is done, and ends when it is grown."""


class Grower:
    """What trees of one search want of their models.

    Args:
        options: of the search.
        seed: names and numbers that begin every node's seed.
        context: tokens that the policy can hold.
    """

    def __init__(self, options: Options, seed: Sequence[object], context: int) -> None:
        """Prepare how candidates are drawn."""
        self.options, self.context = options, context
        self.reference = options.semantics == "reference"
        self.seed = (*seed, "search")
        stop = (options.separator,)
        self.sampling = Sampling(options.temperature, options.top_p, options.top_k, options.max_step_tokens, stop)
        self.greedy = Sampling(max_tokens=options.max_step_tokens, stop=stop)

    def grow(self, tree: Tree) -> Growing:
        """Rounds of a tree: draw the candidates, look ahead of them, score them, keep the best."""
        while expansions := tree.expansions():
            yield from self._draw(expansions)
            candidates = Scores(list(self._candidates(expansions)))
            if self.options.lookahead:
                ahead = yield from self._look_ahead(expansions, candidates)
                yield [Scores(list(_tips(ahead)))]
            else:
                ahead = []
                yield [candidates]
            for expansion in expansions:
                self._evaluate(expansion)
            for expansion, child, steps in ahead:
                child.value = tree.value(expansion.line, steps[-1].score)
            tree.prune(expansions)

    def requests(self, draws: Draws) -> list[Request]:
        """The requests of what a tree wants drawn, each with its own seed."""
        return [
            Request(prompt, draws.sampling, derive(*path, index))
            for expansion, group in groupby(draws.jobs, key=lambda job: job[0])
            for prompt, path in [(expansion.prompt, (*self.seed, *expansion.path))]
            for _, index in group
        ]

    def _draw(self, expansions: Sequence[Expansion]) -> Growing:
        """Children of every expansion; in reference semantics drawn again while all of them were cut."""
        pending = expansions
        for attempt in range(REFERENCE_TRIES if self.reference else 1):
            draws = Draws([(e, index) for e in pending for index in self._indices(e, attempt)], self.sampling)
            yield [draws]
            for (expansion, index), completion in draws.drawn():
                expansion.children.append(self._node(expansion, index, completion))
            for expansion in pending:
                self._sift(expansion, forced=attempt > 0 and expansion.parent is None)
            pending = [e for e in pending if all(child.out for child in e.children)]
            if not pending:
                return
        for expansion in pending:
            assert expansion.parent is not None
            expansion.parent.finish = expansion.children[-1].finish  # no way on: the beam ends as it is

    def _look_ahead(
        self, expansions: Sequence[Expansion], candidates: Scores
    ) -> Generator[list[Wish], None, list[tuple[Expansion, Node, list[Node]]]]:
        """Greedy steps after every open candidate, at most k: (expansion, candidate, steps with a text).

        The candidates are scored meanwhile, and so before what follows them: the PRM has read them by then.
        """
        ahead: list[tuple[Expansion, Node, list[Node]]] = [
            (expansion, child, [])
            for expansion in expansions
            for child in expansion.children
            if child.finish == OPEN and not child.out
        ]
        tips = [(expansion.follow(child), steps) for expansion, child, steps in ahead]
        wishes: list[Wish] = [candidates]
        for _ in range(self.options.lookahead):
            draws = Draws([(tip, 0) for tip, _ in tips], self.greedy)
            yield [*wishes, draws]
            wishes, following = [], []
            for (tip, steps), (_, completion) in zip(tips, draws.drawn(), strict=True):
                node = self._node(tip, 0, completion)
                node.out = True
                steps += [node] if node.text else []
                if node.finish == OPEN:
                    following.append((tip.follow(node), steps))
                node.ids = ()
            tips = following
        return [(expansion, child, steps) for expansion, child, steps in ahead if steps]

    def _candidates(self, expansions: Sequence[Expansion]) -> Iterator[Siblings]:
        """Candidates that a PRM can score, siblings together."""
        for expansion in expansions:
            steps = expansion.steps
            if all(steps):  # blank ones occur in reference semantics only
                scorable = [child for child in expansion.children if child.text and not child.out]
                yield expansion.tree.problem, steps, scorable

    def _indices(self, expansion: Expansion, attempt: int) -> range:
        """Child numbers of one attempt; a further one counts on, so that its seeds are its own."""
        number, count = attempt, expansion.places * self.options.children
        if expansion.parent is None:
            number, count = expansion.tree.number, self.options.width
        first = number * count
        if expansion.parent is None and attempt:  # numbers that no tree's first draw has, however many trees there are
            return range(-1 - first, -1 - first - count, -1)
        return range(first, first + count)

    def _node(self, expansion: Expansion, index: int, completion: Completion) -> Node:
        """The node of a completion: how its path stands after it."""
        options = self.options
        depth = len(expansion.line) + 1
        text = completion.text.removesuffix(options.separator).strip()
        finish: str = completion.finish
        if finish == "stop":
            if options.stop_on_boxed and r"\boxed" in text:
                finish = "stop"
            elif depth >= options.max_depth:
                finish = "depth"
            elif len(expansion.prompt) + completion.tokens >= self.context:
                finish = "context"
            elif text or self.reference:
                finish = OPEN
        rank, out = 0, False
        if self.reference:
            out = completion.finish in ("length", "context")
        elif not text and not (finish == "eos" and expansion.line):
            rank = 2
        elif finish in ("length", "context", "depth"):
            rank = 1
        node = Node(
            number=len(expansion.tree.nodes),
            parent=expansion.parent,
            index=index,
            depth=depth,
            text=text,
            ids=completion.ids,
            tokens=completion.tokens,
            logprob=float(sum(completion.logprobs)),
            finish=finish,
            rank=rank,
            out=out,
        )
        expansion.tree.nodes.append(node)
        return node

    def _sift(self, expansion: Expansion, forced: bool) -> None:
        """Mark what takes no part: duplicates. `forced`: the second draw of a reference root, taken whole.

        There the last of equal steps says how the path goes on, elsewhere the first.
        """
        children = expansion.children
        if forced:
            last = {child.text: child for child in children[-self.options.width :]}
            for child in last.values():
                child.out = False
            for child in children:
                child.out = last.get(child.text) is not child
        elif self.options.dedup:
            texts: set[str] = set()
            for child in children:
                if not child.out:
                    child.out = child.text in texts
                    texts.add(child.text)

    def _evaluate(self, expansion: Expansion) -> None:
        """Scores that no PRM gives, then values.

        A blank step has its parent's score (0 at the root) and adds nothing to the path; what takes no part has that
        of the sibling with its text that does, and none where there is none; in reference semantics a blank step and
        all after it have 0.
        """
        tree, line = expansion.tree, expansion.line
        blank_before = not all(node.text for node in line)
        twins: dict[str, float] = {}
        for child in sorted(expansion.children, key=lambda child: child.out):
            before = line
            if child.out:
                child.score = twins.get(child.text, child.score)
            elif self.reference and (blank_before or not child.text):
                child.score = 0.0
            elif not child.text:
                child.score = line[-1].score if line else 0.0
                before = line[:-1]
            twins.setdefault(child.text, child.score)
            child.value = tree.value(before, child.score)


def _tips(ahead: Sequence[tuple[Expansion, Node, list[Node]]]) -> Iterator[Siblings]:
    """The last steps ahead, each to be scored after all before it."""
    for expansion, child, steps in ahead:
        before = [*expansion.steps, child.text, *(node.text for node in steps[:-1])]
        yield expansion.tree.problem, before, steps[-1:]
