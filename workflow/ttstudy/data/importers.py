"""One file, and a study that fits it, of what a program wrote: for a run that is to be kept apart from its source."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ttstudy.data import recorded
from ttstudy.kinds.sources import SCORES

_LONGEST_NAME = 54
"""Characters of a study's name that leave room for what is put behind it in names of benchmarks and policies."""


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table of recorded responses in the plain form; what is not known is left out."""
    found = []
    for row in frame.rename(columns={"response_tokens": "tokens"}).to_dict("records"):
        given: dict[str, Any] = {str(name): value for name, value in row.items()}
        known: dict[str, Any] = {k: v for k, v in given.items() if isinstance(v, list) or (v is not None and v == v)}
        known |= {name: int(known[name]) for name in ("tokens", "prompt_tokens") if name in known}
        found.append({name: value for name, value in known.items() if (name, value) != ("finish", "unknown")})
    return found


def renamed(frame: pd.DataFrame, prm: str | None) -> pd.DataFrame:
    """The table with the scores of its one PRM under another name."""
    have = recorded.prms(frame)
    return frame.rename(columns={SCORES + have[0]: SCORES + prm}) if prm is not None and len(have) == 1 else frame


def score_kind(frame: pd.DataFrame, prm: str) -> str:
    """What a column of scores must be, by its numbers."""
    rows = frame.loc[~frame["greedy"], ["steps", SCORES + prm]].itertuples(index=False)
    pairs = [(len(steps), list(values)) for steps, values in rows if isinstance(values, list)]
    if any(len(values) != steps for steps, values in pairs):
        return "outcome"
    return "probability" if all(0 <= value <= 1 for _, values in pairs for value in values) else "logit"


def counts(frame: pd.DataFrame) -> tuple[int, bool]:
    """(fewest samples of a problem, whether every problem has a greedy response)."""
    ids = frame["problem_id"].unique()
    drawn = frame[~frame["greedy"]]["problem_id"].value_counts().reindex(ids).fillna(0)
    return int(drawn.min()), set(frame[frame["greedy"]]["problem_id"]) == set(ids)


def study_name(text: str) -> str:
    """A name that a study can have, from any text."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_LONGEST_NAME].strip("._-")
    return name or "recorded"


def study(name: str, path: Path | Sequence[Path], kinds: Mapping[str, str], samples: int, greedy: bool) -> str:
    """YAML of a study of files of recorded responses: `samples` of every problem, `kinds` of scores by PRM."""
    pilot = 0 if samples < 16 else min(8, samples // 4)
    size = samples - pilot
    budgets = [n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if n < size] + ([size] if size else [])
    voted = [n for n in budgets if n > 1]
    paths = [str(path)] if isinstance(path, Path) else [*map(str, path)]
    policy: dict[str, Any] = {"source": "recorded", "path": paths[0] if len(paths) == 1 else paths}
    content = {
        "study": name,
        "question": "What do voting and reward models gain over one sampled answer?",
        "benchmarks": {f"{name}-problems": {"source": "recorded", "policy": f"{name}-policy"}},
        "policies": {f"{name}-policy": policy | ({"greedy": True} if greedy else {})},
        "prms": {prm: _prm(prm, kind) for prm, kind in kinds.items()} if voted else {},
        "budgets": ({"majority": budgets} if budgets else {}) | ({"best_of_n": voted} if kinds and voted else {}),
        "pilot_samples": pilot,
        "first_block": max(1, size),
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def _prm(prm: str, kind: str) -> dict[str, str]:
    return {"source": "recorded"} | ({"score_kind": kind} if kind != "probability" else {})
