"""Why searches fail: the round in which a tree lost its last right path, pruned again with repaired scores.

A tree fails when none of its answers is right. The last round whose candidates held a right path decides whose
failure it is. If the pruning dropped them all where a PRM without flaws would have kept one (right steps score 1,
wrong ones 0, on the same candidates), it is the PRM's: `pruned`. Else the policy drew no right step after it, never
finished it or was cut off: `not_drawn`. A pruned round is pruned again with the PRM's own scores, of which one flaw
only is repaired, as its file in `kinds/flaws` says; the flaw explains the failure when a right path is kept then. Flaws
may explain the same failure, so their shares need not add up to that of `pruned`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.diagnostics.labels import lengths, right_nodes
from ttstudy.kinds.flaws import CAUSES, FLAWS, MENDED, NOT_DRAWN, PRUNED, Flaw, Round, Scored
from ttstudy.methods.options import Options
from ttstudy.methods.tree import OPEN, Expansion, Node, Tree

Repair = Callable[[Scored], list[float]]


def _clean(path: Scored) -> list[float]:
    return [float(right) for right in path.right]


def _mending(flaw: Flaw, known: Round) -> Repair:
    assert flaw.repair is not None
    repair = flaw.repair
    return lambda path: repair(path, known)


def replayable(options: Options) -> bool:
    """Whether a nodes table tells all that a choice was made by: not so with duplicates or look-ahead left out."""
    return (
        options.growth.replayable
        and options.semantics == "default"
        and not options.dedup
        and not options.lookahead
    )


class Replay:
    """One tree, rebuilt from its rows of a `nodes` table, whose rounds can be pruned again.

    Args:
        nodes: rows of one tree in the order of drawing.
        problem: its text.
        options: of the search; see `replayable`.
    """

    def __init__(self, nodes: pd.DataFrame, problem: str, options: Options) -> None:
        """Build the nodes; scores and ranks as they were."""
        self.options = options
        self.right = right_nodes(nodes, problem)
        self.nodes: dict[int, Node] = {}
        columns = ("node", "parent", "depth", "text", "tokens", "score", "kept", "finish")
        self.was_kept = dict(zip(nodes["node"], nodes["kept"], strict=True))
        for number, parent, depth, text, tokens, score, _, finish in zip(*(nodes[c] for c in columns), strict=True):
            rank = 0
            if not text and not (finish == "eos" and depth > 1):
                rank = 2
            elif finish in ("length", "context", "depth"):
                rank = 1
            self.nodes[number] = Node(
                number=number, parent=self.nodes.get(parent), index=number, depth=depth, text=text, ids=(),
                tokens=tokens, logprob=0.0, finish=finish, rank=rank, score=score,
            )  # fmt: skip

    def rounds(self) -> list[tuple[list[Node], list[Node]]]:
        """Per depth: the beams before it, and the candidates drawn; prunes with the scores as they were."""
        found = []
        beams: list[Node] = []
        for depth in range(1, max((node.depth for node in self.nodes.values()), default=0) + 1):
            drawn = [node for node in self.nodes.values() if node.depth == depth]
            found.append((beams, drawn))
            beams = self.prune(beams, drawn)
        return found

    def prune(self, beams: Sequence[Node], drawn: Sequence[Node], repair: Repair | None = None) -> list[Node]:
        """Beams after a round, by `search.tree.Tree.prune`, with values of repaired scores."""
        tree = Tree("", "", (), 0, self.options, beams=list(beams))
        for node in [*beams, *drawn]:
            path = self.path(node)
            scores = repair(path) if repair else path.scores
            node.value = tree.value(_Step.of(scores[:-1]), scores[-1]) if scores else 0.0
        tree.prune([Expansion(tree, [], (), children=list(drawn))])
        return tree.beams

    def path(self, node: Node) -> Scored:
        """Scores of the steps up to a node; a blank step adds none (see `search`)."""
        line = [each for each in node.line() if each.text]
        sizes = [log2(size) for size in lengths([each.text for each in line])]
        return Scored([each.score for each in line], [self.right[each.number] for each in line], sizes)

    def causes(self, measured: Mapping[str, float]) -> dict[str, bool]:
        """What explains that no answer is right (see the module); `measured`: this PRM's flaws."""
        # Beams that are still open are not candidates: their continuations are.
        contests = [([node for node in beams if node.finish != OPEN], drawn) for beams, drawn in self.rounds()]
        last = next(
            (both for both in reversed(contests) if any(self.right[node.number] for part in both for node in part)),
            None,
        )
        found = dict.fromkeys(CAUSES, False)
        if last is None or self._keeps_right(*last, None) or not self._keeps_right(*last, _clean):
            return found | {NOT_DRAWN: True}
        sizes = [size for node in last[1] for size in self.path(node).sizes[-1:]]
        size = float(np.mean(sizes)) if sizes else 0.0
        for name in MENDED:
            found[name] = self._keeps_right(*last, _mending(FLAWS[name], Round(measured.get(name, 0.0), size)))
        return found | {PRUNED: True}

    def _keeps_right(self, beams: Sequence[Node], drawn: Sequence[Node], repair: Repair | None) -> bool:
        return any(self.right[node.number] for node in self.prune(beams, drawn, repair))


@dataclass
class _Step:
    """A step of which only the score matters."""

    score: float

    @classmethod
    def of(cls, scores: Sequence[float]) -> list[_Step]:
        return [cls(score) for score in scores]


def explain(
    nodes: pd.DataFrame,
    failed: set[tuple[str, int]],
    problems: Mapping[str, str],
    options: Options,
    measured: Mapping[str, float],
) -> pd.DataFrame:
    """Causes of the failed trees (problem_id, tree) of one search: columns problem_id, tree and `CAUSES` (bool)."""
    rows = []
    chosen = nodes[[key in failed for key in zip(nodes["problem_id"], nodes["tree"], strict=True)]]
    for (problem_id, tree), part in chosen.groupby(["problem_id", "tree"], sort=True):
        causes = Replay(part.sort_values("node"), problems[problem_id], options).causes(measured)
        rows.append({"problem_id": problem_id, "tree": tree, **causes})
    return pd.DataFrame(rows, columns=["problem_id", "tree", *CAUSES])


def failure_table(causes: pd.DataFrame, trees: int, seed: int = 0) -> pd.DataFrame:
    """Share of failures by cause, with intervals over problems: columns trees, failures, cause, share, low, high."""
    rows = []
    for cause in CAUSES if len(causes) else ():
        values = causes[cause].to_numpy(dtype=float)
        low, high = statistics.interval(values, seed=seed, clusters=causes["problem_id"].tolist())
        rows.append((trees, len(causes), cause, float(values.mean()), low, high))
    return pd.DataFrame(rows, columns=["trees", "failures", "cause", "share", "low", "high"])
