"""Beam search and DVTS written from the protocol's text: one problem, one request and one PRM call at a time.

An oracle for `ttstudy.methods`, with which it shares the seeds of requests and nothing else. What it knows of a tree is
the path from each node to its root; it keeps no table and no batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan

from ttstudy.policies.protocol import Completion, Request, Sampling
from ttstudy.policies.seeds import derive


@dataclass(eq=False)
class Node:
    """One step: `path` are its seed's numbers, `place` those of its siblings' order."""

    parent: Node | None
    path: tuple[int, ...]
    text: str
    drawn: Completion
    finish: str
    attempt: int = 0
    place: int = 0
    children: int = 0
    score: float = nan
    value: float = nan
    rank: int = 0
    alive: bool = True
    kept: bool = False
    rolled_out: bool = False
    number: tuple = field(default=(), init=False)

    def __post_init__(self) -> None:
        self.number = (len(self.path), self.attempt, self.parent.number if self.parent else (), abs(self.path[-1]))

    def line(self) -> list[Node]:
        """The nodes from the root's child to this one."""
        return [*(self.parent.line() if self.parent else []), self]

    def address(self) -> tuple[int, ...]:
        """Its place among its siblings, theirs, and so on."""
        return tuple(node.place for node in self.line())


class Tree:
    """One tree of one problem. `nodes` are in the order of drawing, `answers` in that of the answers' table."""

    def __init__(self, engine, prm, options, seed, problem, tree: int) -> None:
        self.engine, self.prm, self.options, self.seed, self.tree = engine, prm, options, seed, tree
        self.problem_id, self.problem, self.prompt = problem
        self.reference = options.semantics == "reference"
        trees = options.budget // options.beam_width if options.method == "dvts" else 1
        self.width = options.budget // trees
        self.beams = self.width // options.beam_width
        self.nodes: list[Node] = []
        self.answers = self._official() if self.reference else self._answers(self._grow([None], [], 1))

    def _ask(self, parent: Node | None, path: tuple[int, ...], sampling: Sampling, attempt: int = 0) -> Node:
        line = parent.line() if parent else []
        ids = tuple(self.prompt) + tuple(token for node in line for token in node.drawn.ids)
        seed = derive(*self.seed, "search", self.problem_id, *path)
        [drawn] = self.engine.generate([Request(ids, sampling, seed)])
        text, finish, depth = drawn.text.removesuffix(self.options.separator).strip(), drawn.finish, len(line) + 1
        if finish == "stop" and not (self.options.stop_on_boxed and "\\boxed" in text):
            if depth >= self.options.max_depth:
                finish = "depth"
            elif len(ids) + len(drawn.ids) >= self.engine.context:
                finish = "context"
            elif text or self.reference:
                finish = "open"
        node = Node(parent, path, text, drawn, finish, attempt)
        node.place = parent.children if parent else path[-1] - self.tree * self.width
        if not parent and path[-1] < 0:  # the second draw of a root
            node.place = -1 - path[-1] - self.tree * self.width
        if parent:
            parent.children += 1
        self.nodes.append(node)
        return node

    def _draw(self, parent: Node | None, count: int) -> list[Node]:
        """The children of a beam; in `reference`, drawn again where every one was cut, three times at most.

        A root is drawn twice at most, and the second time what comes is taken, the last of equal steps.
        """
        options = self.options
        stops = (options.separator,)
        sampling = Sampling(options.temperature, options.top_p, options.top_k, options.max_step_tokens, stops)
        children: list[Node] = []
        for attempt in range(3 if self.reference else 1):
            numbers = [attempt * count + number for number in range(count)]
            if not parent:
                numbers = [self.tree * count + number for number in range(count)]
            if not parent and attempt:
                numbers = [-1 - number for number in numbers]
            above = parent.path if parent else ()
            new = [self._ask(parent, (*above, number), sampling, attempt) for number in numbers]
            for place, node in enumerate(new):
                node.place += 0 if parent else attempt * count
                node.alive = not (self.reference and node.drawn.finish in ("length", "context"))
                if self.reference and not parent and attempt:
                    node.alive = not any(other.text == node.text for other in new[place + 1 :])
            children += new
            if options.dedup and not (attempt and not parent):
                seen: set[str] = set()
                for node in children:
                    if node.alive:
                        node.alive = node.text not in seen
                        seen.add(node.text)
            if any(node.alive for node in children):
                return children
        assert parent is not None
        parent.finish = children[-1].finish
        return children

    def _last(self, texts: list[str]) -> float:
        return self.prm.score_last_batch([(self.problem, texts[:-1], texts[-1:])])[0][0]

    def _together(self, before: list[float], last: float) -> float:
        scores = [*before, last]
        return {"last": last, "min": min(scores), "avg": sum(scores) / len(scores)}[self.options.score]

    def _judge(self, node: Node, siblings: list[Node]) -> None:
        before = node.parent.line() if node.parent else []
        counted = before
        if not node.alive:
            # What takes no part has the score of the sibling with its text that does; a cut step may have none.
            node.score = next((other.score for other in siblings if other.alive and other.text == node.text), nan)
        elif self.reference and not all(other.text for other in [*before, node]):
            node.score = 0.0
        elif not node.text:
            node.score = before[-1].score if before else 0.0
            counted = before[:-1]
        else:
            node.score = self._last([other.text for other in [*before, node]])
        if not self.reference:
            dead_end = not node.text and not (node.finish == "eos" and before)
            node.rank = 2 if dead_end else int(node.finish in ("length", "context", "depth"))
        node.value = self._together([other.score for other in counted], node.score)

    def _look_ahead(self, node: Node) -> None:
        """Prune by the score after greedy steps that are not kept."""
        greedy = Sampling(max_tokens=self.options.max_step_tokens, stop=(self.options.separator,))
        tip, steps = node, []
        for _ in range(self.options.lookahead):
            tip = self._ask(tip, (*tip.path, 0), greedy)
            tip.rolled_out = True
            steps += [tip] if tip.text else []
            if tip.finish != "open":
                break
        if steps:
            steps[-1].score = self._last([other.text for other in [*node.line(), *steps]])
            node.value = self._together([other.score for other in node.line()[:-1]], steps[-1].score)

    def _expand(self, parent: Node | None, count: int) -> list[Node]:
        """The children of a beam that take part, judged."""
        siblings = self._draw(parent, count)
        for node in sorted(siblings, key=lambda node: not node.alive):
            self._judge(node, siblings)
        for node in siblings:
            if self.options.lookahead and node.finish == "open" and node.alive:
                self._look_ahead(node)
        return [node for node in siblings if node.alive]

    def _grow(self, beams: list, ended: list[Node], depth: int) -> list[Node] | None:
        """The beams that stand at the end; None where each ended beam kept its slot."""
        children = []
        for beam in beams:
            children += self._expand(beam, self.options.beam_width if beam else self.width)
        ended = ended + [beam for beam in beams if beam and beam.finish != "open"]
        pool = ended + children if self.options.refill else children
        room = self.beams if self.options.refill else self.beams - len(ended)
        best = sorted(pool, key=lambda node: (node.rank, -node.value, node.number))[:room]
        for node in best:
            node.kept = True
        live = sorted((node for node in best if node.finish == "open"), key=lambda node: node.number)
        if live:
            done = [node for node in best if node.finish != "open"] + ([] if self.options.refill else ended)
            return self._grow(live, done, depth + 1)
        return best if self.options.refill else None

    def _official(self) -> list[Node]:
        """The answers of the official code: places are counted at each beam that goes on, and never again."""
        answers: list[Node] = []
        best = self._best(self._expand(None, self.width), self.beams)
        while best and len(answers) < self.beams:
            candidates, places = [], 0
            expanded = {id(beam): self._expand(beam, self.options.beam_width) for beam in self._in_order(best)}
            for beam in best:
                if len(answers) == self.beams:
                    break
                if beam.finish == "open":
                    places = self.beams - len(answers)
                    candidates += expanded[id(beam)]
                else:
                    answers.append(beam)
            best = [] if len(answers) == self.beams else self._best(candidates, places)
        return answers

    def _in_order(self, beams: list[Node]) -> list[Node]:
        return sorted((beam for beam in beams if beam.finish == "open"), key=lambda beam: beam.number)

    def _best(self, candidates: list[Node], places: int) -> list[Node]:
        best = sorted(candidates, key=lambda node: (-node.value, node.number))[:places]
        for node in best:
            node.kept = True
        return best

    def _answers(self, standing: list[Node] | None) -> list[Node]:
        if standing is None:
            ends = [node for node in self.nodes if node.kept and node.finish != "open"]
            ends.sort(key=lambda node: (len(node.path), node.rank, -node.value, node.number))
        else:
            ends = standing
        good = [node for node in ends if node.rank == 0 and node.alive]
        if not good:
            return ends
        if self.options.answers == "beams":
            return good
        parents = [id(node.parent) for node in good]
        siblings = [node for node in self.nodes if id(node.parent) in parents and not node.rolled_out]
        siblings = [node for node in siblings if node.finish != "open" and node.rank == 0 and node.alive]
        return sorted(siblings, key=lambda node: (-node.value, node.number))[: self.width]


def search(problem, engine, prm, options, seed) -> list[Tree]:
    """Every tree of one problem (id, text, prompt ids)."""
    trees = options.budget // options.beam_width if options.method == "dvts" else 1
    return [Tree(engine, prm, options, seed, problem, tree) for tree in range(trees)]
