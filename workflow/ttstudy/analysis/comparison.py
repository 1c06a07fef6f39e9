"""What differs between finished studies: paired differences per cell, costs, verdicts, and what was changed.

Every candidate is compared with the baseline. A cell is one (benchmark, policy, PRM, method, N, score, vote); it is
compared on the problems that both sides have, told apart by id and, where known, by text. All cells of all candidates
in which any problem's value differs are one family (Holm): a cell that is equal on every problem cannot be tested, and
a family is not made larger by what could never be found (Tarone 1990).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ttstudy.analysis import accuracy, statistics

CELL = list(accuracy.CELL)
GROUP = ["benchmark", "policy", "prm", "method"]
ALPHA = 0.05
EQUAL = 1e-12
"""Values nearer than this are the same."""
LEAST = 1e-3
"""A difference of accuracies below a tenth of a point is no change, however sure: no table shows it."""


@dataclass(frozen=True)
class Finished:
    """A finished study: its name, its tables by name, and its provenance (empty where it is not known)."""

    name: str
    tables: Mapping[str, pd.DataFrame] = field(repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def problems(self, benchmark: str) -> dict[str, str]:
        """Digest of the text and key of each problem, by id; empty where the provenance does not tell."""
        return dict(self.provenance.get("problems", {}).get(benchmark, {}))

    @property
    def headline(self) -> tuple[str, str]:
        """Score and vote of its headline numbers."""
        rule = self.provenance.get("headline", {})
        return str(rule.get("score", "last")), str(rule.get("vote", "prm_vote"))


def tables(baseline: Finished, candidates: Sequence[Finished], seed: int = 0) -> dict[str, pd.DataFrame]:
    """Every table of the comparison by name: cells, groups, methods, costs, verdicts, changes, problems, unshared."""
    compared = cells(baseline, candidates, seed)
    return {
        "cells": compared,
        "groups": groups(compared),
        "methods": methods(baseline, candidates, seed),
        "costs": costs(baseline, candidates),
        "verdicts": verdicts(baseline, candidates),
        "changes": changes(baseline, candidates),
        "problems": problems(baseline, candidates),
        "unshared": unshared(baseline, candidates),
    }


def cells(baseline: Finished, candidates: Sequence[Finished], seed: int = 0) -> pd.DataFrame:
    """Every cell that baseline and candidate have in common, over the problems they have in common.

    Columns: candidate, CELL, problems, before, after (accuracies of these problems), difference (after - before), low,
    high (95 %, Tango's score interval), p (sign-flip test), p_holm, verdict (worse | better | unclear | equal),
    headline (whether the baseline's headline rule made it).
    """
    parts = [
        part.assign(candidate=candidate.name)
        for candidate in candidates
        for part in _compare(baseline, candidate, seed)
    ]
    columns = ["candidate", *CELL, "problems", "before", "after", "difference", "low", "high", "p", "moved"]
    frame = judged(pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns))
    score, vote = baseline.headline
    plain = frame["prm"].eq("none") & frame["score"].eq("none")
    frame["headline"] = plain | (frame["score"].eq(score) & frame["vote"].eq(vote))
    return frame.sort_values(["candidate", *CELL], kind="stable").reset_index(drop=True)


def judged(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with difference, p and moved: p_holm over all that moved, and the verdict in place of moved."""
    frame = frame.assign(p_holm=np.nan)
    moved = frame["moved"].astype(bool)
    frame.loc[moved, "p_holm"] = statistics.holm(frame.loc[moved, "p"].tolist())
    sure = (frame["p_holm"] < ALPHA) & (frame["difference"].abs() >= LEAST)
    down, up = sure & (frame["difference"] < 0), sure & (frame["difference"] > 0)
    frame["verdict"] = np.select([down, up, moved], ["worse", "better", "unclear"], "equal")
    return frame.drop(columns="moved")


def _compare(baseline: Finished, candidate: Finished, seed: int) -> list[pd.DataFrame]:
    parts = []
    after = dict(list(candidate.tables["outcomes"].groupby(GROUP[:2], observed=True)))
    for key, mine in baseline.tables["outcomes"].groupby(GROUP[:2], observed=True):
        if key not in after:
            continue
        a, b = accuracy.wide(after[key]), accuracy.wide(mine)
        rows = shared_problems(baseline, candidate, str(key[0]), list(b.index), list(a.index))
        columns = b.columns.intersection(a.columns, sort=False)
        a, b = a.reindex(index=rows, columns=columns), b.reindex(index=rows, columns=columns)
        parts += [part.assign(benchmark=key[0], policy=key[1]) for part in paired(a, b, seed)]
    return parts


def paired(after: pd.DataFrame, before: pd.DataFrame, seed: int) -> Iterator[pd.DataFrame]:
    """Differences of the columns of two grids of one shape, each over the problems that have a value on both sides."""
    there = (after.notna() & before.notna()).to_numpy()
    for mask in np.unique(there, axis=1).T if there.size else []:
        if mask.any():
            rows, chosen = np.flatnonzero(mask), np.flatnonzero((there == mask[:, None]).all(axis=0))
            yield _differences(after.iloc[rows, chosen], before.iloc[rows, chosen], seed)


def _differences(after: pd.DataFrame, before: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Differences of the columns of two grids over the same problems."""
    a, b = after.to_numpy(dtype=float), before.to_numpy(dtype=float)
    frame = after.columns.to_frame(index=False)
    frame["problems"], frame["before"], frame["after"] = len(a), b.mean(axis=0), a.mean(axis=0)
    moved = (np.abs(a - b) > EQUAL).any(axis=0)
    frame["moved"] = moved
    frame["difference"] = frame["low"] = frame["high"] = 0.0
    frame["p"] = 1.0
    if moved.any():
        gap = statistics.paired_difference(a[:, moved], b[:, moved], seed=seed)
        frame.loc[moved, "difference"] = np.atleast_1d(gap.difference)
        frame.loc[moved, "low"], frame.loc[moved, "high"] = np.atleast_1d(gap.low), np.atleast_1d(gap.high)
        # Drawn sign flips end at 1 in 10,000, too coarse for a large family; Hoeffding's bound goes on from there.
        gaps = a[:, moved] - b[:, moved]
        bound = 2 * np.exp(-(gaps.sum(axis=0) ** 2) / (2 * (gaps**2).sum(axis=0)))
        frame.loc[moved, "p"] = np.minimum(np.atleast_1d(gap.p), bound)
    return frame


def methods(baseline: Finished, candidates: Sequence[Finished], seed: int = 0) -> pd.DataFrame:
    """What it comes to: each method's mean difference over its headline cells of a benchmark, of any policy, PRM and N.

    Columns: candidate, benchmark, method, cells, problems, before, after, difference, low, high (paired by problem).
    """
    rows = []
    for candidate in candidates:
        sides = [_headline_outcomes(study, baseline.headline) for study in (baseline, candidate)]
        for key in [key for key in sides[0] if key in sides[1]]:
            before, after = sides[0][key], sides[1][key]
            columns = before.columns.intersection(after.columns, sort=False)
            ids = shared_problems(baseline, candidate, key[0], list(before.index), list(after.index))
            b, a = (frame.reindex(index=ids, columns=columns) for frame in (before, after))
            whole = (a.notna() & b.notna()).all(axis=1) if len(columns) else pd.Series(False, ids)
            if not whole.any():
                continue
            b, a = b[whole].mean(axis=1).to_numpy(float), a[whole].mean(axis=1).to_numpy(float)
            gap = statistics.paired_difference(a, b, seed=seed)
            means = float(b.mean()), float(a.mean()), gap.difference, gap.low, gap.high
            rows.append((candidate.name, *key, len(columns), len(a), *means))
    names = "candidate benchmark method cells problems before after difference low high".split()
    return pd.DataFrame(rows, columns=names)


def _headline_outcomes(study: Finished, rule: tuple[str, str]) -> dict[tuple[str, str], pd.DataFrame]:
    """By (benchmark, method): a row per problem, a column per cell that a headline rule (score, vote) made."""
    outcomes = study.tables["outcomes"]
    ruled = outcomes["score"].eq(rule[0]) & outcomes["vote"].eq(rule[1])
    chosen = outcomes[ruled | (outcomes["prm"].eq("none") & outcomes["score"].eq("none"))]
    keys = ["policy", "prm", "budget", "score", "vote"]
    return {
        (str(benchmark), str(method)): part.set_index(["problem_id", *keys])["value"].unstack(keys).sort_index()
        for (benchmark, method), part in chosen.groupby(["benchmark", "method"], observed=True, sort=False)
    }


def shared_problems(
    baseline: Finished, candidate: Finished, benchmark: str, before: Sequence[str], after: Sequence[str]
) -> list[str]:
    """Ids that both sides have and, where both tell, with the same text and the same key."""
    mine, theirs = baseline.problems(benchmark), candidate.problems(benchmark)
    both = set(before) & set(after)
    return sorted(i for i in both if i not in mine or i not in theirs or mine[i] == theirs[i])


def problems(baseline: Finished, candidates: Sequence[Finished]) -> pd.DataFrame:
    """Problems of each benchmark on either side: candidate, benchmark, before, after, paired, known (its texts)."""
    rows = []
    for candidate in candidates:
        sides = [
            {str(b): sorted(set(part["problem_id"])) for b, part in study.tables["outcomes"].groupby("benchmark")}
            for study in (baseline, candidate)
        ]
        for benchmark in dict.fromkeys([*sides[0], *sides[1]]):
            before, after = sides[0].get(benchmark, []), sides[1].get(benchmark, [])
            paired = shared_problems(baseline, candidate, benchmark, before, after)
            known = bool(baseline.problems(benchmark)) and bool(candidate.problems(benchmark))
            rows.append((candidate.name, benchmark, len(before), len(after), len(paired), known))
    return pd.DataFrame(rows, columns=["candidate", "benchmark", "before", "after", "paired", "known"])


def groups(compared: pd.DataFrame) -> pd.DataFrame:
    """What moved beyond chance, by candidate, benchmark, policy, PRM and method; the worst first.

    Each group is told by its clearest cell: smallest p, then largest difference, the headline rule first among equals.
    Columns: those of `cells`, and `cells` and `moved` (how many the group has, and how many moved beyond chance).
    """
    key = ["candidate", *GROUP]
    sure = compared[compared["verdict"].isin(["worse", "better"])]
    if not len(sure):
        return sure.assign(cells=[], moved=[])
    size = sure.assign(size=-sure["difference"].abs(), other=~sure["headline"])
    first = size.sort_values(["p_holm", "size", "other"], kind="stable").drop_duplicates([*key, "verdict"])
    counts = sure.groupby([*key, "verdict"], observed=True).size().rename("moved").reset_index()
    every = compared.groupby(key, observed=True).size().rename("cells").reset_index()
    out = first.drop(columns=["size", "other"]).merge(counts, on=[*key, "verdict"]).merge(every, on=key)
    return out.sort_values("difference", kind="stable").reset_index(drop=True)


def unshared(baseline: Finished, candidates: Sequence[Finished]) -> pd.DataFrame:
    """Groups of cells that only one side has: candidate, GROUP, side (of the cells), cells."""
    rows = []
    for candidate in candidates:
        sides = [study.tables["accuracy"] for study in (baseline, candidate)]
        keys = [set(map(tuple, frame.loc[frame["level"] == "all", CELL].to_numpy())) for frame in sides]
        for name, alone in ((baseline.name, keys[0] - keys[1]), (candidate.name, keys[1] - keys[0])):
            rows += [(candidate.name, *cell[:4], name) for cell in sorted(alone)]
    frame = pd.DataFrame(rows, columns=["candidate", *GROUP, "side"])
    return frame.groupby(list(frame.columns), sort=False).size().rename("cells").reset_index()


def costs(baseline: Finished, candidates: Sequence[Finished]) -> pd.DataFrame:
    """FLOPs per problem of shared cells that changed: candidate, GROUP, budget, before, after, ratio; dearer first."""
    key = [*GROUP, "budget"]
    parts = []

    def priced(study: Finished) -> pd.DataFrame:
        frame = study.tables.get("ledger")
        if frame is None or not len(frame):
            return pd.DataFrame(columns=[*key, "flops"])
        return frame.assign(flops=frame["flops_total"] / frame["problems"].clip(lower=1))[[*key, "flops"]]

    before = priced(baseline)
    for candidate in candidates:
        both = before.merge(priced(candidate), on=key, suffixes=("_before", "_after"))
        parts.append(both.assign(candidate=candidate.name))
    frame = pd.concat(parts, ignore_index=True).rename(columns={"flops_before": "before", "flops_after": "after"})
    frame["ratio"] = frame["after"] / frame["before"].where(frame["before"] > 0)
    frame = frame[~np.isclose(frame["before"].astype(float), frame["after"].astype(float), rtol=1e-9)]
    columns = ["candidate", *key, "before", "after", "ratio"]
    return frame.sort_values("ratio", ascending=False, kind="stable").reset_index(drop=True)[columns]


def verdicts(baseline: Finished, candidates: Sequence[Finished]) -> pd.DataFrame:
    """Claims whose verdict is not the same: candidate, claim, title, before, after, ours_before, ours_after."""
    parts = []
    for candidate in candidates:
        before, after = (study.tables.get("claims") for study in (baseline, candidate))
        if before is None or after is None or not len(before) or not len(after):
            continue
        both = before.merge(after, on="claim", suffixes=("_before", "_after"))
        both = both[both["verdict_before"] != both["verdict_after"]]
        parts.append(both.assign(candidate=candidate.name))
    columns = {"candidate": "candidate", "claim": "claim", "title_after": "title", "verdict_before": "before",
               "verdict_after": "after", "ours_before": "ours_before", "ours_after": "ours_after"}  # fmt: skip
    if not parts:
        return pd.DataFrame(columns=list(columns.values()))
    frame = pd.concat(parts, ignore_index=True)[list(columns)].rename(columns=columns)
    return frame.sort_values(["candidate", "claim"]).reset_index(drop=True)


KINDS = ("config", "code", "versions", "libraries", "commit", "seeds", "hardware")


def changes(baseline: Finished, candidates: Sequence[Finished]) -> pd.DataFrame:
    """What is not the same in configuration, code, versions, libraries that drew, commit, seeds and hardware.

    Columns: candidate, kind, name (path in the configuration, file or program), before, after (None: not there).
    A side without provenance contributes no rows; `known` of the caller's page says so.
    """
    rows = []
    for candidate in candidates:
        if not (baseline.provenance and candidate.provenance):
            continue
        for kind in KINDS:
            sides = [_flat(study.provenance.get(kind)) for study in (baseline, candidate)]
            for name in dict.fromkeys([*sides[0], *sides[1]]):
                before, after = sides[0].get(name), sides[1].get(name)
                if before != after and (kind, name) not in _NAMES:
                    rows.append((candidate.name, kind, name or kind, before, after))
    return pd.DataFrame(rows, columns=["candidate", "kind", "name", "before", "after"])


_NAMES = {("config", "study"), ("config", "results"), ("config", "question")}
"""What two studies differ in without differing."""


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Leaves of a nested value by dotted path, as text; a list of plain values is one leaf."""
    if isinstance(value, Mapping):
        out: dict[str, str] = {}
        for key, item in value.items():
            out |= _flat(item, f"{path}.{key}" if path else str(key))
        return out or ({path: "{}"} if path else {})
    if value is None:
        return {} if not path else {path: "null"}
    return {path: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
