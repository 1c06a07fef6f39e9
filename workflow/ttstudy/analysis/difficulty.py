"""Difficulty: the level of each problem for one policy, by that policy's own Pass@1 on a pilot pool.

The study (arXiv 2502.06703, section 3.2) sets easy at 50-100 %, medium at 10-50 %, hard at 0-10 %, and does
not say to which side a bound belongs. Here a bound belongs to the easier level: easy from 50 %, medium from
10 %.

Pass@1 on k pilot samples is itself an estimate. With a beta prior fitted to all problems of the policy, the
posterior of a problem with c of k correct is Beta(a + c, b + k - c); its mean is the shrunk estimate, and
the mass outside the level is the probability that the problem was put into a wrong one (Kazdan et al. 2025,
arXiv 2510.05197, use the same prior for Pass@k). The pilot must not be the pool that is analysed later: a
problem called hard because its samples happened to fail would then seem to be hard for every method that
uses those samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from ttstudy.methods import voting
from ttstudy.vocabulary import LEVELS

Scheme = Literal["absolute", "quantile"]
_EASY, _MEDIUM, _HARD = LEVELS


def level_of(pass_at_1: np.ndarray, thresholds: tuple[float, float] = (50, 10)) -> np.ndarray:
    """Level of shares in [0, 1]; `thresholds` in percent, each belonging to the easier level."""
    easy, hard = thresholds[0] / 100, thresholds[1] / 100
    rounding = 1e-9
    share = np.asarray(pass_at_1, dtype=float)
    return np.where(share >= easy - rounding, _EASY, np.where(share >= hard - rounding, _MEDIUM, _HARD))


def levels(
    grades: pd.DataFrame,
    thresholds: tuple[float, float] = (50, 10),
    scheme: Scheme = "absolute",
    estimate: Literal["raw", "shrunk"] = "raw",
) -> pd.DataFrame:
    """Difficulty of every problem in the grades of one policy's pilot.

    Columns: problem_id, samples, correct, pass_at_1, level, shrunk (posterior mean of Pass@1), low and high
    (95 % of the posterior), misbinned (probability that the true Pass@1 lies in another level). `estimate`
    says which of the two decides the level. Scheme "quantile" ranks the policy's problems and cuts them into
    thirds (thresholds are not used; problems with equal Pass@1 share a level, so thirds may be uneven).
    ValueError for thresholds that do not fall.
    """
    easy, hard = thresholds
    if not 100 >= easy > hard >= 0:
        raise ValueError(f"thresholds must fall from 100 to 0 percent, as in (50, 10), not ({easy}, {hard})")
    table = (
        grades.groupby("problem_id", sort=True)["correct"].agg(samples="size", correct="sum").reset_index()
    )
    samples, correct = table["samples"].to_numpy(), table["correct"].to_numpy().astype(int)
    table["correct"] = correct
    table["pass_at_1"] = correct / samples
    a, b = beta_prior(correct, samples)
    shrunk = (a + correct) / (a + b + samples)
    basis = shrunk if estimate == "shrunk" else table["pass_at_1"].to_numpy()
    if scheme == "quantile":
        easy, hard = thirds(basis)
    elif scheme != "absolute":
        raise ValueError(f"the scheme must be absolute or quantile, not {scheme!r}")
    cuts = (easy / 100, hard / 100)
    table["level"] = level_of(basis, (100 * cuts[0], 100 * cuts[1]))
    table["shrunk"] = shrunk
    table["low"], table["high"] = _central(a + correct, b + samples - correct)
    table["misbinned"] = _misbinned(table["level"].to_numpy(), a + correct, b + samples - correct, cuts)
    return table.astype({"level": "str"})


def thirds(pass_at_1: np.ndarray) -> tuple[float, float]:
    """Thresholds, in percent, that cut problems into thirds; equal shares go to the easier level."""
    ranked = 100 * np.sort(pass_at_1)[::-1]
    size = len(ranked)
    return float(ranked[-(-size // 3) - 1]), float(ranked[-(-2 * size // 3) - 1])


def beta_prior(correct: np.ndarray, samples: np.ndarray) -> tuple[float, float]:
    """Parameters, within [0.05, 500], of the beta prior under which the counts are likeliest."""
    from scipy.optimize import minimize
    from scipy.special import betaln

    correct, samples = np.asarray(correct, dtype=float), np.asarray(samples, dtype=float)

    def loss(logs: np.ndarray) -> float:
        a, b = np.exp(logs)
        return -float((betaln(a + correct, b + samples - correct) - betaln(a, b)).sum())

    bound = (np.log(0.05), np.log(500.0))
    a, b = np.exp(minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[bound, bound]).x)
    # the optimiser's last digits depend on the machine; four significant ones say all that is known
    return float(f"{a:.4g}"), float(f"{b:.4g}")


def _central(a: np.ndarray, b: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Bounds that leave equal shares of a beta distribution outside."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    return np.round(betaincinv(a, b, tail), 12), np.round(betaincinv(a, b, 1 - tail), 12)


def _misbinned(level: np.ndarray, a: np.ndarray, b: np.ndarray, cuts: tuple[float, float]) -> np.ndarray:
    from scipy.special import betainc

    above_easy, above_hard = 1 - betainc(a, b, cuts[0]), 1 - betainc(a, b, cuts[1])
    inside = np.select(
        [level == _EASY, level == _MEDIUM], [above_easy, above_hard - above_easy], 1 - above_hard
    )
    return np.round(np.clip(1 - inside, 0, 1), 12)


def label_free(
    grades: pd.DataFrame,
    scores: pd.DataFrame | None = None,
    thresholds: tuple[float, float] = (50, 10),
    scheme: Scheme = "absolute",
) -> pd.DataFrame:
    """Difficulty predicted without an answer key, from the pilot's agreement and a PRM's scores if given.

    The predicted Pass@1 is the share of the leading answer (by the sum of PRM scores; by count without a
    PRM) times how far that answer is trusted: the mean PRM-Min of its responses, or its share again without
    a PRM. The `correct` column of the grades is not read. Scheme "quantile" cuts the predictions into thirds.
    Columns: problem_id, agreement, trust, predicted, level.
    """
    blind = grades.assign(correct=False)
    pool = voting.Pool.build(blind, scores)
    rows = []
    for i, problem in enumerate(pool.problem_ids):
        classes = pool.answer_class[i]
        kept = classes >= 0
        size = int(pool.sizes[i])
        if not kept.any():
            rows.append((problem, 0.0, 0.0))
            continue
        counts = np.bincount(classes[kept])
        if pool.scores:
            worth = np.clip(pool.scores["min"][i, kept], 0, None)
            sums = np.bincount(classes[kept], weights=worth)
            leader = int(sums.argmax())
            trust = float(sums[leader] / max(counts[leader], 1))
        else:
            leader = int(counts.argmax())
            trust = counts[leader] / size
        rows.append((problem, counts[leader] / size, trust))
    table = pd.DataFrame(rows, columns=["problem_id", "agreement", "trust"])
    table["predicted"] = (table["agreement"] * table["trust"]).clip(0, 1)
    expected = table["predicted"].to_numpy()
    table["level"] = level_of(expected, thirds(expected) if scheme == "quantile" else thresholds)
    return table.astype({"problem_id": "str", "level": "str"})


def predicted(
    grades: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    known: pd.DataFrame,
    thresholds: tuple[float, float] = (50, 10),
    scheme: Scheme = "absolute",
) -> pd.DataFrame:
    """Label-free levels from a pilot's grades alone (prm "none") and with each PRM's scores, beside the true ones.

    `known` is the difficulty table of the same pilot. Columns: prm, those of `label_free`, true_level and misbinned
    (probability that the true level itself is wrong).
    """
    truth = known.set_index("problem_id")[["level", "misbinned"]].rename(columns={"level": "true_level"})
    parts = [("none", None), *scores.items()]
    tables = [label_free(grades, table, thresholds, scheme).assign(prm=prm) for prm, table in parts]
    return pd.concat(tables, ignore_index=True).join(truth, on="problem_id")
