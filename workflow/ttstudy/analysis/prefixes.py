"""What a PRM reads of a problem's solutions when it reads nothing twice: their distinct prefixes, of any method.

A solution begins as others do: with the problem, and with steps that others have too. Samples of best-of-N and paths
of a search are put into one kind of trie, problem by problem, whose edges are the texts of steps. No table has the ids
that a PRM reads, so its size is in characters, a mark after each step included; `rate` says how many tokens the PRM
that read these texts took for a character. The same prefixes so cost the same, whichever method met them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ttstudy.analysis.flops import positions

MARK = 1
"""Characters that stand for what a format puts after a step."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Distinct prefixes of all problems, one entry each: arrays of one length.

    `draws` is the number of draws of the prefix's problem (its responses, or independent trees), `times` how many of
    them have the prefix; the last step of it is from `start` to `stop`, in characters.
    """

    draws: np.ndarray
    times: np.ndarray
    start: np.ndarray
    stop: np.ndarray

    def read(self, drawn: int) -> tuple[float, float]:
        """Characters that `drawn` draws of each problem have, each prefix once, and the keys that they meet.

        Expected numbers over all ways to draw; keys are those of `flops.positions`, of characters.
        """
        share = seen(self.draws, self.times, drawn)
        return float(share @ (self.stop - self.start)), float(share @ positions(self.start, self.stop))


def seen(draws: np.ndarray, times: np.ndarray, drawn: int) -> np.ndarray:
    """Chance that at least one of `drawn` of `draws` is among those `times` that have something: as Pass@k counts."""
    from scipy.special import gammaln

    none = draws - times
    left = np.minimum(drawn, draws)
    rest = np.maximum(none - left, 0)
    log = gammaln(none + 1) - gammaln(rest + 1) - gammaln(draws + 1) + gammaln(draws - left + 1)
    return np.where(none >= left, -np.expm1(np.minimum(log, 0.0)), 1.0)


@dataclass(slots=True)
class Trie:
    """Collects prefixes; `problems` gives the length of each problem's text."""

    problems: Mapping[str, int]
    _rows: list[np.ndarray] = field(default_factory=list)
    _draws: dict[str, int] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def add_responses(self, responses: pd.DataFrame) -> pd.Series:
        """Put in whole solutions, a draw each (problem_id, sample, steps); the key of each, missing without steps."""
        rows: list[tuple[int, int, int, int, int]] = []
        keys: list[int | None] = []
        for problem, steps in zip(responses["problem_id"], responses["steps"], strict=True):
            number, draw = self._number(problem), self._draw(problem)
            key, stop = hash(problem), self.problems[problem]
            if len(steps):
                rows.append((key, number, draw, 0, stop))
            for step in steps:
                key, start, stop = _longer(key, stop, step)
                rows.append((key, number, draw, start, stop))
            keys.append(key if len(steps) else None)
        self._keep(rows)
        return pd.Series(keys, responses.index, dtype="Int64")

    def add_nodes(self, nodes: pd.DataFrame) -> float:
        """Put in the trees of a search, a draw each (problem_id, tree, node, parent, text, score): what a PRM read.

        That is every node that has a score, and what leads to it. Returns the characters of all such nodes, each with
        all that leads to it: what is read where every candidate's prefix is read anew.
        """
        rows: list[tuple[int, int, int, int, int]] = []
        anew = 0
        nodes = nodes.sort_values(["problem_id", "tree", "node"], kind="stable")
        for (problem, _), tree in nodes.groupby(["problem_id", "tree"], sort=False):
            number, draw = self._number(problem), self._draw(problem)
            parents, scored = tree["parent"].to_list(), tree["score"].notna().to_list()
            read = list(scored)
            for place in range(len(parents) - 1, -1, -1):
                if read[place] and parents[place] >= 0:
                    read[parents[place]] = True
            begun = hash(problem), self.problems[problem]
            if any(read):
                rows.append((begun[0], number, draw, 0, begun[1]))
            ends: list[tuple[int, int]] = []
            for text, parent, known, judged in zip(tree["text"], parents, read, scored, strict=True):
                key, stop = begun if parent < 0 else ends[parent]
                if text:
                    key, start, stop = _longer(key, stop, text)
                    if known:
                        rows.append((key, number, draw, start, stop))
                        anew += stop if judged else 0
                ends.append((key, stop))
        self._keep(rows)
        return float(anew)

    def prefixes(self) -> Prefixes:
        """All that was put in."""
        table = np.concatenate(self._rows) if self._rows else np.empty((0, 5), dtype=np.int64)
        # a tree may have one text twice, a response has each prefix once
        table = table[np.lexsort((table[:, 2], table[:, 0], table[:, 1]))]
        same = (table[1:, :3] == table[:-1, :3]).all(axis=1)
        table = table[np.concatenate([[True], ~same])] if len(table) else table
        first = np.flatnonzero(np.concatenate([[True], (table[1:, :2] != table[:-1, :2]).any(axis=1)])[: len(table)])
        times = np.diff(np.append(first, len(table)))
        kept = table[first]
        # keys differ from process to process: sums are in an order that does not hang on them
        order = np.lexsort((times, kept[:, 4], kept[:, 3], kept[:, 1]))
        kept, times = kept[order], times[order]
        by_number = np.array(list(self._draws.values()), dtype=np.int64)
        draws = by_number[kept[:, 1]] if len(kept) else kept[:, 1]
        return Prefixes(draws, times, kept[:, 3].astype(float), kept[:, 4].astype(float))

    def _number(self, problem: str) -> int:
        return self._numbers.setdefault(problem, len(self._numbers))

    def _draw(self, problem: str) -> int:
        """Number of the next draw of a problem."""
        self._draws[problem] = self._draws.get(problem, 0) + 1
        return self._draws[problem] - 1

    def _keep(self, rows: Sequence[tuple[int, int, int, int, int]]) -> None:
        if rows:
            self._rows.append(np.array(rows, dtype=np.int64))


def _longer(key: int, stop: int, step: str) -> tuple[int, int, int]:
    """Key of a prefix with one more step, and where that step begins and ends."""
    text = step.strip()
    return hash((key, text)), stop, stop + len(text) + MARK


@dataclass(frozen=True, slots=True)
class Samples:
    """The pool as a PRM meets it: its prefixes, and one row for each solution that differs from all others.

    `solutions`: problem_id, sample, key (missing where there is no step to read).
    """

    prefixes: Prefixes
    solutions: pd.DataFrame
    _shared: dict[int, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Iterable[pd.DataFrame], problems: Mapping[str, int]) -> Samples:
        """From the pool in parts, which need not be in memory together (problem_id, sample, steps)."""
        trie = Trie(problems)
        told = [part[["problem_id", "sample"]].assign(key=trie.add_responses(part)) for part in parts]
        return cls(trie.prefixes(), pd.concat(told, ignore_index=True))

    def shared(self, budget: int) -> tuple[float, float]:
        """`Prefixes.read` of `budget` samples of each problem: the same for every PRM, so worked out once."""
        if budget not in self._shared:
            self._shared[budget] = self.prefixes.read(budget)
        return self._shared[budget]

    def read_by(self, scores: pd.DataFrame) -> Read:
        """What a PRM read of the solutions, by its table `scores`."""
        tokens = scores["prm_tokens"].astype(float)
        met = scores["prm_positions"] if "prm_positions" in scores else positions(0, tokens)
        told = scores[["problem_id", "sample"]].assign(prm_tokens=tokens, prm_positions=met.astype(float))
        rows = self.solutions.dropna(subset=["key"]).merge(told, on=["problem_id", "sample"], validate="1:1")
        known = not rows["prm_tokens"].isna().any()
        # every prefix of a draw is an entry of the trie, `times` over
        length = float(self.prefixes.times @ (self.prefixes.stop - self.prefixes.start))
        rate = float(rows["prm_tokens"].sum()) / length if known and len(rows) else float("nan")
        found = rows.groupby(["problem_id", "key"]).agg(
            times=("sample", "size"), tokens=("prm_tokens", "mean"), met=("prm_positions", "mean")
        )
        found = found.sort_values(["problem_id", "tokens", "met", "times"])
        draws = self.solutions.groupby("problem_id").size()
        of_problem = draws.reindex(found.index.get_level_values("problem_id")).to_numpy()
        run = scores["prm_tokens_run"] if "prm_tokens_run" in scores else tokens
        shares = bool(run.notna().all() and ((run > 0) & (run < tokens)).any())
        return Read(self, found.assign(draws=of_problem), known, rate, shares)


@dataclass(frozen=True, slots=True)
class Read:
    """What a PRM read of a pool. `solutions`: times, tokens, met, draws of each that differs from all others.

    `known`: whether its tokens are; `rate`: tokens that it took for a character, missing where they are not; `shares`:
    whether its engine ran once what solutions begin with alike.
    """

    samples: Samples
    solutions: pd.DataFrame
    known: bool
    rate: float
    shares: bool = False

    def as_run(self, budget: int) -> tuple[float, float]:
        """Tokens that the PRM runs for `budget` samples of each problem, and the keys that they meet.

        Equal solutions are run once, and by an engine that shares every distinct prefix: how many tokens that is, is
        told by their characters, so that it does not hang on the blocks in which a pool was scored. Missing where
        tokens are not known.
        """
        if not self.known:
            return float("nan"), float("nan")
        tokens, met = self._whole(budget)
        if not self.shares:
            return tokens, met
        read, keys = self.samples.shared(budget)
        return min(tokens, self.rate * read), min(met, self.rate**2 * keys)

    def _whole(self, budget: int) -> tuple[float, float]:
        """Tokens and keys of all solutions that differ, each run by itself."""
        found = self.solutions
        share = seen(found["draws"].to_numpy(), found["times"].to_numpy(), budget)
        return float(share @ found["tokens"].to_numpy(float)), float(share @ found["met"].to_numpy(float))
