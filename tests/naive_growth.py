"""REBASE and particle filtering written from their papers: one problem, one request and one PRM call at a time.

An oracle for `ttstudy.methods` and the methods' files in `ttstudy.kinds`. It shares steps, scores and seeds with the
naive search; how a tree grows is written here, with plain lists and exact fractions.

Sources: Wu et al., arXiv 2408.00724, section 3.1.2, and thu-wyz/inference_scaling, commit 0fe7da9, `rebase.py`; Puri
et al., arXiv 2502.01618 v4, section 3.1 and algorithm 1, and the code under the paper's name, commit f75d461.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, exp
from random import Random

from tests.naive_search import Node, Tree
from ttstudy.policies.seeds import derive


class Grown(Tree):
    """One tree of one problem without beams, whose choice is a softmax of the `heat` given."""

    def __init__(self, engine, prm, options, seed, problem, heat: float) -> None:
        self.heat = heat
        super().__init__(engine, prm, options, seed, problem, 0)

    def _children(self, chosen: list) -> list[Node]:
        """A child for every time that a path was chosen: parents by number, then children."""
        if chosen == [None]:
            return self._expand(None, self.options.budget)
        parents = sorted({id(node): node for node in chosen}.values(), key=lambda node: node.number)
        return [child for node in parents for child in self._expand(node, sum(node is other for other in chosen))]

    def _answers(self, standing: list[Node] | None) -> list[Node]:
        assert standing is not None
        return [node for node in standing if node.rank == 0] or standing


class Rebase(Grown):
    """N first steps; then every depth has N children less one for each path that has ended, shared by score."""

    def shares(self, nodes: list[Node], children: int) -> list[tuple[Node, int]]:
        """Section 3.1.2, equation 1, rounded as the code does: the best first, up, and so on with what is left."""
        shared = []
        weights = {id(node): Fraction(exp((node.value - max(n.value for n in nodes)) / self.heat)) for node in nodes}
        waiting = sorted(nodes, key=lambda node: (-node.value, node.number))
        while waiting:
            total = sum(weights[id(node)] for node in waiting)
            share = ceil(children * weights[id(waiting[0])] / total) if children else 0
            shared.append((waiting.pop(0), share))
            children -= share
        return shared

    def _grow(self, beams: list, ended: list[Node], depth: int) -> list[Node]:
        children = self._children(beams)
        ended = ended + [node for node in children if node.finish != "open"]
        live = [node for node in children if node.finish == "open"]
        chosen = []
        for node, share in self.shares(live, self.options.budget - len(ended)):
            chosen += [node] * share
        for node in [*ended, *chosen]:
            node.kept = True
        return self._grow(chosen, ended, depth + 1) if chosen else ended


class ParticleFilter(Grown):
    """N particles; while one can go on, N are drawn anew in proportion to their odds of being right, then step."""

    def weight(self, node: Node, best: float) -> float:
        """softmax(logit / T), as a power of odds; `best` are the highest among the particles."""
        return (odds(node.value) / best) ** (1 / self.heat)

    def _grow(self, beams: list, ended: list[Node], depth: int) -> list[Node]:
        particles = ended + self._children(beams)
        if any(node.finish == "open" for node in particles):
            best = max(odds(node.value) for node in particles)
            weights = [self.weight(node, best) for node in particles]
            dice = Random(derive(*self.seed, "resample", self.problem_id, depth))
            particles = dice.choices(particles, weights=weights, k=self.options.budget)
        for node in particles:
            node.kept = True
        live = [node for node in particles if node.finish == "open"]
        if not live:
            return particles
        return self._grow(live, [node for node in particles if node.finish != "open"], depth + 1)


def odds(score: float) -> float:
    """Of a score, as the code bounds it."""
    tiny = 2.0**-52
    score = min(max(score, tiny), 1 - tiny)
    return score / (1 - score)


def grown(problem, engine, prm, options, seed, heat: float) -> Grown:
    """The tree of one problem (id, text, prompt ids) by the method of the options."""
    kind = {"rebase": Rebase, "particle_filtering": ParticleFilter}[options.method]
    return kind(engine, prm, options, seed, problem, heat)
