"""The method and the limits of a study, as its short paper has them: sentences and tables made from its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ttstudy.kinds.methods import GREEDY, METHODS
from ttstudy.kinds.scores import SCORES
from ttstudy.kinds.votes import VOTES
from ttstudy.report.blocks import joined
from ttstudy.report.cells import Column, Table
from ttstudy.report.section import TRUST, Passage
from ttstudy.report.sections import SECTIONS
from ttstudy.report.views import StudyTables

TOLD = 2
"""Sentences of a section that the limits quote."""


def sentences(study: StudyTables, context: Mapping[str, Any]) -> list[str]:
    """How the study was made, one short sentence after another."""
    accuracy = study.table("accuracy")
    if not len(accuracy):
        return []
    whole = accuracy[accuracy["level"] == "all"]
    sizes = whole.groupby("benchmark", sort=False)["problems"].max()
    short, one = study.one
    told = [f"The problems are {joined([f'{count:,} of {name}' for name, count in sizes.items()])}."]
    told.append(f"The baseline is one {one} of each policy ({short}).")
    drawn = sorted({int(n) for n in whole["budget"]} - {1})
    if drawn:
        told.append(f"Test-time scaling (TTS) draws N candidates a problem, with N from {drawn[0]} to {drawn[-1]}.")
    if len(study.prms):
        rule, score = VOTES.get(study.vote), SCORES.get(study.score)
        if rule and score:
            told.append(f"Where nothing else is said, the answer is {rule.about}.")
            told.append(f"A response’s score is {score.about}.")
        told.append("TTS is the compute-optimal strategy: the method, score and vote that do best for each difficulty.")
        told.append("They are chosen on four fifths of the problems and judged on the last fifth, over and over.")
        told.append(f"The first PRM shown is {study.reference_prm}: {_first(study)}.")
    if context.get("pilot"):
        told.append(f"Difficulty is known from a pilot of {context['pilot']} more responses a problem.")
    told.append("Intervals are 95 %, over problems. Differences are paired problem by problem.")
    told.append("Where many comparisons are made, p is Holm-corrected.")
    if len(study.table("ledger")):
        told.append("FLOPs count every generated token, of the policy and of the PRM.")
    return told


def _first(study: StudyTables) -> str:
    return "it tells right steps from wrong ones best" if study.auc else "it is configured first"


def ways(study: StudyTables) -> list[tuple[str, str]]:
    """Methods of the study but the greedy answer, and what they do."""
    there = set(study.table("accuracy").get("method", ()))
    shown = (method for name, method in METHODS.items() if name in there and name != GREEDY)
    return [(method.look.label, method.about) for method in shown]


def models(study: StudyTables) -> Table | None:
    """Every policy and PRM with its size."""
    rows = [(name, "policy", study.parameters.get(name)) for name in study.policies]
    rows += [(name, "PRM", study.parameters.get(name)) for name in study.prms]
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=["model", "kind", "parameters"]).astype({"parameters": float})
    frame["auc"] = [study.auc.get(name) for name in frame["model"]]
    columns = [Column("model", "Model"), Column("kind", "Kind"), Column("parameters", "Parameters", "size"),
               Column("auc", "Step AUC", "auc")]  # fmt: skip
    known = [column for column in columns if frame[column.name].notna().any()]
    return Table("models-data", "Models of this study", known, frame)


def limits(study: StudyTables, passages: Sequence[Passage]) -> list[tuple[str, str, str]]:
    """What the results do not show: (words, what is said of it, the section that has it; "" where none has)."""
    out = []
    if len(study.benchmarks) == 1:
        out.append(("One benchmark", f"Everything here is about {study.benchmarks[0]}. Another task may differ.", ""))
    told = "Intervals speak for other problems of this kind. They do not speak for models trained again."
    out.append(("Intervals", told, ""))
    for passage in passages:
        if SECTIONS[passage.key].group == TRUST and passage.finding:
            out.append((SECTIONS[passage.key].short, first(passage.finding), passage.key))
    return out


def first(text: str, most: int = TOLD) -> str:
    """The first sentences of a text."""
    return " ".join(re.split(r"(?<=[.?!])\s+(?=[A-Z“])", text)[:most])
