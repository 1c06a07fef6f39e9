"""What the study's words mean: the single answer, TTS, the reference PRM, a win. Whatever speaks of them asks here.

- The *single answer* is what a policy says without test-time scaling (`StudyTables.singles`).
- *TTS* is the compute-optimal strategy of a policy with a PRM (`TTS`, `choice.compute_optimal`); the methods that it
  may take are `kinds.methods.CHOSEN`. Claims that do not speak of one PRM let it choose the PRM too, in the same way.
- The *reference PRM* is the one whose numbers come first (`StudyTables.reference_prm`).
- A *win* is of a smaller policy with TTS over the single answer of a larger one (`WIN`, `won`).

The table `headline` has every such contest; `ttstudy.analysis.headline` computes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from ttstudy.kinds.methods import CHOSEN, METHODS

TTS = (
    "the compute-optimal strategy at the policy's largest N. Method, score and vote are chosen per difficulty level on "
    "four fifths of the problems. They are judged on the last fifth, over and over"
)
"""In the words of the report and of docs/results.md."""
WIN = (
    "A pair is won where three things are so. The smaller policy's own single answer is not ahead already. The 95 % "
    "interval of the difference lies above zero. And p stays below 0.05 after Holm's correction over all pairs of "
    "one PRM"
)
"""In the words of the report and of docs/results.md."""
SIGNIFICANT = 0.05
"""A p value below this is no chance."""
MARGIN = 0.05
"""A difference of accuracies whose whole interval lies within this of zero is none that matters: equivalent."""
RULE = (
    "A claim says that something is above zero. It is supported where the 95 % interval lies above zero and p below "
    f"{SIGNIFICANT}. It is contradicted where the interval lies below zero (and p is as small). It is equivalent where "
    f"the interval of a difference of accuracies lies within {100 * MARGIN:g} points of zero. Else it is undecided"
)
"""In the words of the report and of docs/results.md."""
CURVES = tuple(name for name in METHODS if name in CHOSEN)
"""Methods that draw N candidates and choose among them, in the order in which they are shown."""
CELL = ["benchmark", "policy", "prm", "method", "budget"]


def won(pairs: pd.DataFrame) -> pd.Series:
    """Which rows with ahead, low and p_holm are a win; one without p_holm, a policy against itself, is none."""
    return ~pairs["ahead"] & (pairs["low"] > 0) & (pairs["p_holm"] < SIGNIFICANT)


def tts(strategy: pd.DataFrame) -> pd.DataFrame:
    """Rows of a strategy table that are TTS, over all problems: at every N, for every PRM."""
    return strategy[(strategy["selection"] == "cross_fitted") & (strategy["level"] == "all")]


def per_problem(ledger: pd.DataFrame) -> pd.DataFrame:
    """The ledger with tokens and FLOPs of one problem, and `over_paper`: all FLOPs over those that the paper counts."""
    frame = ledger.copy()
    amounts = [c for c in frame if c.endswith(("tokens", "positions")) or c.startswith(("flops_", "prm_tokens"))]
    frame[amounts] = frame[amounts].astype(float).div(frame["problems"].clip(lower=1), axis=0)
    frame["over_paper"] = frame["flops_total"] / frame["flops_paper"].where(frame["flops_paper"] > 0)
    return frame


@dataclass(frozen=True)
class StudyTables:
    """The tables of a study with what is read off them once: orders, sizes and the headline rule.

    `score` and `vote` are the rule of the headline numbers (`score` and `vote` of the study's configuration); `seed` is
    the study's, so that folds and resamples are those of its tables.
    """

    tables: Mapping[str, pd.DataFrame]
    score: str = "last"
    vote: str = "prm_vote"
    seed: int = 0
    order: Mapping[str, list[str]] = field(default_factory=dict)
    """Order of `policies` and `prms` where sizes and AUC do not give one."""

    def table(self, name: str) -> pd.DataFrame:
        """A table, or an empty one where it is missing."""
        frame = self.tables.get(name)
        return pd.DataFrame() if frame is None else frame

    @cached_property
    def benchmarks(self) -> list[str]:
        """Names, in the order of the accuracy table."""
        frame = self.table("accuracy")
        return list(dict.fromkeys(frame["benchmark"])) if len(frame) else []

    @cached_property
    def parameters(self) -> dict[str, int]:
        """Parameters of every policy and PRM that the ledger or the training log knows."""
        known: dict[str, int] = {}
        ledger, training = self.table("ledger"), self.table("training")
        pairs = [training[["model", "parameters"]]] if len(training) else []
        if len(ledger):
            pairs += [ledger[[kind, f"{kind}_parameters"]].drop_duplicates() for kind in ("policy", "prm")]
        for pair in pairs:
            pair = pair.dropna()
            known.update(zip(pair.iloc[:, 0], pair.iloc[:, 1].astype(int), strict=True))
        return known

    @cached_property
    def singles(self) -> pd.DataFrame:
        """(benchmark, policy, method) of the single answer that test-time scaling is held against.

        That is the greedy response; where none was recorded, one sampled response (majority at N = 1), whose accuracy
        is the mean Pass@1 of the pool.
        """
        frame = self.table("accuracy")
        if not len(frame):
            return pd.DataFrame(columns=["benchmark", "policy", "method"])
        one = frame[(frame["method"] == "cot") | ((frame["method"] == "majority") & (frame["budget"] == 1))]
        one = one[["benchmark", "policy", "method"]].drop_duplicates()
        greedy = one["method"] == "cot"
        keys = ["benchmark", "policy"]
        return one[greedy | ~one.set_index(keys).index.isin(one[greedy].set_index(keys).index)]

    def single(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of accuracy or outcomes that are of the single answer."""
        rows = frame[(frame["method"] == "cot") | ((frame["method"] == "majority") & (frame["budget"] == 1))]
        return rows.merge(self.singles, on=["benchmark", "policy", "method"])

    @cached_property
    def answered(self) -> pd.DataFrame:
        """Rows of the accuracy table, over all problems, that are of the single answer; with `parameters`."""
        frame = self.table("accuracy")
        if not len(frame):
            return frame
        frame = self.single(frame[frame["level"] == "all"])
        return frame.assign(parameters=frame["policy"].map(self.parameters))

    @cached_property
    def one(self) -> tuple[str, str]:
        """What the single answer is called: (in headings, in sentences)."""
        methods = set(self.singles["method"])
        if methods == {"majority"}:
            return "Pass@1", "sampled answer"
        return ("CoT or Pass@1", "single answer") if "majority" in methods else ("CoT", "greedy answer")

    @cached_property
    def policies(self) -> list[str]:
        """Smallest first."""
        names = list(dict.fromkeys(self.table("accuracy").get("policy", [])))
        given = {name: i for i, name in enumerate(self.order.get("policies", []))}
        return sorted(names, key=lambda name: (self.parameters.get(name, 0), given.get(name, len(given)), name))

    @cached_property
    def auc(self) -> dict[str, float]:
        """Step AUC of each PRM on its validation rollouts, where the training log has it."""
        frame = self.table("training")
        if not len(frame) or "auc" not in frame:
            return {}
        frame = frame[(frame["kind"] == "prm") & frame["auc"].notna()]
        return dict(zip(frame["model"], frame["auc"].astype(float), strict=True))

    @cached_property
    def prms(self) -> list[str]:
        """By falling AUC where known, else as configured, else by name: never by the accuracy they lead to."""
        names = sorted(set(self.table("accuracy").get("prm", [])) - {"none"})
        given = {name: i for i, name in enumerate(self.order.get("prms", []))}
        return sorted(names, key=lambda name: (-self.auc.get(name, 0), given.get(name, len(given)), name))

    @property
    def reference_prm(self) -> str | None:
        """The PRM of the headline: first of `prms`, so it is not chosen by what is being shown."""
        return self.prms[0] if self.prms else None

    def headline(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of accuracy or outcomes under the headline rule: one (score, vote) for every method."""
        if not len(frame):
            return frame
        plain = frame["method"].isin(["cot", "majority", "coverage"])
        rule = (frame["score"] == self.score) & (frame["vote"] == self.vote)
        return frame[plain | rule]
