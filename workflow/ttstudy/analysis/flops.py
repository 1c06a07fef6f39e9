"""Compute: floating-point operations of training and inference, the ledger of a study, and what they buy.

Four conventions stand side by side (`CONVENTIONS`), each for every method. The paper's (arXiv 2502.06703, table 4,
after Snell et al. 2024, arXiv 2408.03314): training costs 6 N D, inference 2 N D with D the tokens that the policy
generates. The others add what that leaves out: prompts, every pass of the PRM, attention, and they count the active
parameters of a mixture of experts. They differ in what is read twice. Tokens are totals over problems; FLOPs likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from ttstudy.analysis.statistics import CONFIDENCE, resample_weights

TOKENS = ["prompt_tokens", "response_tokens", "discarded_tokens", "prm_tokens", "prm_tokens_reencoded"]
POSITIONS = ["prompt_positions", "policy_positions", "prm_positions"]
"""Sums over tokens of the number of keys each meets: of the prompts, of what the policy generates, of the PRM."""
COLUMNS = [
    *("benchmark", "policy", "prm", "method", "budget", "problems"),
    *TOKENS,
    *("policy_parameters", "prm_parameters", "flops_policy", "flops_prompt", "flops_prm", "flops_total"),
    *("flops_paper", "flops_attention"),
]
CONVENTIONS = {
    "flops_paper": ("paper", "the policy's generated tokens alone, 2ND"),
    "flops_total": ("as run", "all that was run, with what sharing these engines did"),
    "flops_reencoded": ("read anew", "every request's prompt and every candidate's prefix read again: no sharing"),
    "flops_shared": ("shared", "every distinct prefix read once, samples of best-of-N too"),
}
"""By column of the ledger: name of a convention, and what it counts."""


def training(parameters: float, tokens: float) -> float:
    """6 N D: forward and backward pass of N parameters over D tokens."""
    return 6.0 * parameters * tokens


def inference(parameters: float, tokens: float, active: float | None = None) -> float:
    """2 N D: forward pass over D tokens; of the `active` parameters, where a token meets only those."""
    return 2.0 * (parameters if active is None else active) * tokens


Amount = TypeVar("Amount", float, pd.Series)


def positions(start: Amount | float, stop: Amount) -> Amount:
    """Sum of the positions of the tokens from `start` to `stop` of a sequence: how many keys they meet in all."""
    return (stop * stop - start * start) / 2


def attention(layers: int, width: int, met: float) -> float:
    """Attention's own operations for tokens that meet `met` keys in all (see `positions`).

    A token at position p meets p keys and p values of `width` (heads times their size) in each layer, two operations
    each: 4 L d p. Kaplan et al. 2020 (arXiv 2001.08361), table 1, counts the same term per token; 2 N leaves it out.
    """
    return 4.0 * layers * width * met


# -- the ledger ----------------------------------------------------------------------------------------------


def ledger(
    cells: pd.DataFrame,
    active: Mapping[str, float] | None = None,
    shapes: Mapping[str, tuple[int, int] | None] | None = None,
) -> pd.DataFrame:
    """The ledger's rows: cells with their token totals, and the FLOPs of each part.

    `cells` has benchmark, policy, prm, method, budget, problems, the token columns, policy_parameters and
    prm_parameters (0 without a PRM). `active` gives the active parameters of the models that are mixtures
    of experts; flops_paper keeps all parameters, as the study's table does.

    `shapes` gives (layers, width) of the models that are known, and the columns POSITIONS the keys that their tokens
    meet: their attention is part of flops_policy, flops_prompt and flops_prm, so of flops_total, and never of
    flops_paper. flops_attention is the part of flops_total that it takes; it is missing where that of a model of the
    cell is not known, and flops_total is then without it.

    flops_prm_reencoded is what the PRM would take if it read every candidate's prefix anew, as the official code does;
    flops_reencoded is all with it, and with every request's prompt anew. flops_prm_shared is what it would take if it
    read every distinct prefix once; flops_shared is all with that. ValueError for negative tokens.
    """
    table = cells.copy()
    for column in TOKENS:
        table[column] = table[column].astype(float)
        if (table[column] < 0).any():
            raise ValueError(f"{column} is negative in the cell {table[table[column] < 0].iloc[0]['method']}")
    active = dict(active or {})
    policy = _active(table["policy"], table["policy_parameters"], active)
    prm = _active(table["prm"], table["prm_parameters"], active)
    per_key = {name: attention(*shape, 1.0) for name, shape in (shapes or {}).items() if shape} | {"none": 0.0}
    owners = zip(POSITIONS, ("policy", "policy", "prm"), strict=True)
    met = [table[owner].map(per_key).astype(float) * table.get(column, np.nan) for column, owner in owners]
    extra_prompt, extra_policy, extra_prm = (part.fillna(0.0) for part in met)
    table["flops_policy"] = inference(1, policy * table["response_tokens"]) + extra_policy
    table["flops_prompt"] = inference(1, policy * table["prompt_tokens"]) + extra_prompt
    table["flops_prm"] = inference(1, prm * table["prm_tokens"]) + extra_prm
    table["flops_total"] = table["flops_policy"] + table["flops_prompt"] + table["flops_prm"]
    table["flops_paper"] = inference(1, table["policy_parameters"] * table["response_tokens"])
    table["flops_attention"] = sum(met)
    keys = [column.map(per_key).astype(float) for column in (table["policy"], table["prm"])]

    def read(size: pd.Series, per_key: pd.Series, what: str) -> pd.Series:
        tokens, met = (table.get(what.format(unit), pd.Series(np.nan, table.index)) for unit in ("tokens", "positions"))
        return inference(1, size * tokens.astype(float)) + (per_key * met).fillna(0.0)

    table["flops_prm_reencoded"] = read(prm, keys[1], "prm_{}_reencoded")
    table["flops_prm_shared"] = read(prm, keys[1], "prm_{}_shared")
    prompts_anew = read(policy, keys[0], "prompt_{}_reencoded")
    table["flops_reencoded"] = table["flops_policy"] + prompts_anew + table["flops_prm_reencoded"]
    table["flops_shared"] = table["flops_policy"] + table["flops_prompt"] + table["flops_prm_shared"]
    return table[[*COLUMNS, *(column for column in table if column not in COLUMNS)]]


def _active(names: pd.Series, parameters: pd.Series, active: dict[str, float]) -> pd.Series:
    return pd.Series(
        [active.get(n, p) for n, p in zip(names, parameters, strict=True)], names.index, dtype=float
    )


class Model(NamedTuple):
    """What one side of a comparison costs: a policy, the tokens it infers, and the PRM beside it."""

    name: str
    parameters: float
    pretraining_tokens: float
    inference_tokens: float
    active: float | None = None
    """Active parameters of a mixture of experts: they count in both training and inference."""
    prm_parameters: float = 0.0
    prm_tokens: float = 0.0
    prm_training_tokens: float = 0.0

    @property
    def training(self) -> float:
        """FLOPs of pretraining the policy and training the PRM."""
        size = self.parameters if self.active is None else self.active
        return training(size, self.pretraining_tokens) + training(
            self.prm_parameters, self.prm_training_tokens
        )

    @property
    def inference(self) -> float:
        """FLOPs of the policy's tokens and the PRM's."""
        return inference(self.parameters, self.inference_tokens, self.active) + inference(
            self.prm_parameters, self.prm_tokens
        )

    @property
    def total(self) -> float:
        """Training and inference together."""
        return self.training + self.inference


def pareto(points: pd.DataFrame, cost: str = "flops_total", gain: str = "accuracy") -> pd.DataFrame:
    """The points that no other beats: none is as cheap and better, or cheaper and as good. Sorted by cost.

    Of equal points the first stays; rows keep their index.
    """
    ordered = points.sort_values([cost, gain], ascending=[True, False], kind="stable")
    best = ordered[gain].cummax().shift(fill_value=-np.inf)
    return ordered[ordered[gain] > best]


# -- efficiency gain -----------------------------------------------------------------------------------------


_ROUNDING = 1e-9
"""Difference below which two accuracies are the same mean, added in another order."""


class Gain(NamedTuple):
    """Efficiency gain over majority voting, and how it is to be read.

    kind "equal": TTS reaches the accuracy at budget `reached`. "at least": its smallest budget is better
    already, so the gain is a lower bound. "never reached": no budget gets there; value and reached are 0
    and infinite.
    """

    value: float
    kind: Literal["equal", "at least", "never reached"]
    peak: float
    """Budget at which the majority is best (the smallest of them)."""
    reached: float


def efficiency_gain(
    majority_budgets: Sequence[float],
    majority: Sequence[float],
    tts_budgets: Sequence[float],
    tts: Sequence[float],
) -> Gain:
    """Budget of the majority's best accuracy over the budget at which TTS is as good.

    The rule of the study's authors (GitHub RyanLiu112/compute-optimal-tts, issue 11): linear interpolation
    between the two nearest TTS budgets. The first crossing counts, should the TTS curve cross more than
    once. Accuracies that differ by rounding are equal: the cross-fitted choice is often the majority vote itself.
    """
    majority, tts = np.asarray(majority, dtype=float), np.asarray(tts, dtype=float)
    order = np.argsort(majority_budgets)
    budgets, curve = np.asarray(majority_budgets, dtype=float)[order], majority[order]
    target = float(curve.max())
    peak = float(budgets[(curve >= target - _ROUNDING).argmax()])
    order = np.argsort(tts_budgets)
    budgets, curve = np.asarray(tts_budgets, dtype=float)[order], tts[order]
    enough = np.flatnonzero(curve >= target - _ROUNDING)
    if not len(enough):
        return Gain(0.0, "never reached", peak, float("inf"))
    k = int(enough[0])
    if k == 0:
        kind: Literal["equal", "at least"] = "equal" if curve[0] <= target + _ROUNDING else "at least"
        return Gain(peak / float(budgets[0]), kind, peak, float(budgets[0]))
    part = min(1.0, (target - curve[k - 1]) / (curve[k] - curve[k - 1]))
    reached = float(budgets[k - 1] + part * (budgets[k] - budgets[k - 1]))
    return Gain(peak / reached, "equal", peak, reached)


class GainInterval(NamedTuple):
    """Efficiency gain with its bootstrap interval; shares of resamples that gave a bound or never reached."""

    gain: Gain
    low: float
    high: float
    at_least: float
    never_reached: float


def efficiency_interval(
    majority_budgets: Sequence[float],
    majority: np.ndarray,
    tts_budgets: Sequence[float],
    tts: np.ndarray,
    confidence: float = CONFIDENCE,
    resamples: int = 1000,
    seed: int = 0,
) -> GainInterval:
    """Efficiency gain from values [P, budgets] on the same problems, with a percentile bootstrap interval.

    A resample in which TTS never gets there counts as 0; one that gives a lower bound counts as that bound,
    so the upper end is then a lower bound too (see `at_least`). The interval is widened to hold the
    estimate.
    """
    weights = resample_weights(len(majority), resamples, seed) / len(majority)
    curves_m, curves_t = weights @ np.asarray(majority), weights @ np.asarray(tts)
    gains = [
        efficiency_gain(majority_budgets, m, tts_budgets, t) for m, t in zip(curves_m, curves_t, strict=True)
    ]
    gain = efficiency_gain(majority_budgets, np.mean(majority, axis=0), tts_budgets, np.mean(tts, axis=0))
    found = np.array([g.value for g in gains])
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    share = [sum(g.kind == kind for g in gains) / len(gains) for kind in ("at least", "never reached")]
    return GainInterval(gain, min(float(low), gain.value), max(float(high), gain.value), *share)
