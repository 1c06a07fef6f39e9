"""The HTML report: one self-contained file, made from a study's tables.

Nothing in it runs but this package's own script, nothing is loaded from elsewhere, and the same tables give the same
bytes. All text of models, data and configuration is escaped; it reaches the page only as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ttstudy.analysis.definitions import RULE
from ttstudy.report import (
    answer,
    cards,
    downloads,
    explorer,
    headline,
    method,
    page,
    paper,
    provenance,
    sections,
    views,
)
from ttstudy.report.blocks import Results
from ttstudy.report.figures import Figure
from ttstudy.report.section import APPENDIX, PAPER
from ttstudy.report.sections import data

__all__ = ["LARGEST", "ReportError", "build"]

LARGEST = 15_000_000
"""Bytes of the whole file."""
PUBLISHED = page.TEMPLATES.parent / "published.csv"
"""The paper's numbers, each with its place in the paper."""


class ReportError(ValueError):
    """The report cannot be built; one sentence says why."""


def build(
    tables: Mapping[str, pd.DataFrame],
    context: Mapping[str, Any],
    output: Path | str,
    figures: Path | str | None = None,
) -> None:
    """Write a study's report, and its figures as SVG files where a folder is given; files appear whole or not at all.

    `tables` are named as in `ttstudy.data.tables` (`benchmark` with a column `benchmark` more), with the optional
    `optimism`, `graders`, `grader_accuracy`, `grader_answers`, `explorer`, `nodes` and `counts`; a missing or empty
    one costs its section only.
    `context` gives study, question, config (YAML text), date, command, versions, commit, seeds, hardware, steps (rule,
    jobs, seconds, cached), libraries (by rule and name), checksums, `headline` (the score and vote of the headline
    numbers) and `order` (names of policies and prms as configured), `taken_in` (of each recorded policy: form, rows,
    left_out, unknown_ends, uneven, skip_broken), `pilot` (samples), `times` (`behind.times`), `timed`
    (`matched.timed`), `charged` (`behind.charged`), `prices` (by policy, as configured) and `trial` ((taken, all)
    problems by benchmark); any of them may be missing.
    """
    html, drawn = render(tables, context)
    content = html.encode("utf-8", "replace")
    if len(content) > LARGEST:
        raise ReportError(f"the report would have {len(content):,} bytes, above {LARGEST:,}; give it fewer samples")
    if figures is not None:
        Path(figures).mkdir(parents=True, exist_ok=True)  # also where nothing was drawn
        for old in set(Path(figures).glob("*.svg")) - {Path(figures) / f"{figure.key}.svg" for figure in drawn}:
            old.unlink()  # of an earlier state of the study: figures of two reports are none
    for figure in drawn if figures is not None else []:
        page.write(Path(figures or "") / f"{figure.key}.svg", figure.standalone.encode("utf-8", "replace"))
    page.write(Path(output), content)


def render(tables: Mapping[str, pd.DataFrame], context: Mapping[str, Any]) -> tuple[str, list[Figure]]:
    """The report as one HTML text, and the figures in it."""
    rule, seed = context.get("headline") or {}, (context.get("seeds") or {}).get("study", 0)
    study = views.StudyTables(
        tables, rule.get("score", "last"), rule.get("vote", "prm_vote"), seed, context.get("order") or {}
    )
    results = Results.of(study)
    samples = explorer.build(study.table("explorer"), study.table("nodes"))
    top, body = headline.blocks(results), sections.build(results, context)
    told = study.table("claims")
    anchors = {passage.key for passage in body} | {"method"} | ({"claims"} if len(told) else set())
    figures = [block.figure for block in [*top, *(b for s in body for b in s.blocks)] if block.figure]
    html = page.render(
        "report.html.j2",
        study=study,
        name=context.get("study", "study"),
        question=context.get("question", "How far does a small language model get with test-time scaling?"),
        answers=answer.answers(study, results.matrix),
        headline=top,
        accepted=data.accepted(study.table("examination")),
        claims=cards.cards(told, anchors),
        verdicts=cards.in_words(told),
        rule=RULE,
        anchors=anchors,
        paper=[passage for passage in body if passage.part == PAPER],
        appendix=[passage for passage in body if passage.part != PAPER],
        contents={part: sections.contents(body, part) for part in (PAPER, APPENDIX)},
        method=method.sentences(study, context),
        methods=method.ways(study),
        models=method.models(study),
        limits=method.limits(study, body),
        absent=[*([] if len(told) else [("Claims", "This study has no table of claims.")]), *sections.absent(body)],
        audit=cards.tables(told),
        beside=paper.statement(study, pd.read_csv(PUBLISHED)),
        unlike=paper.unlike(pd.read_csv(PUBLISHED)),
        explorer=samples,
        words=explorer.WORDS,
        start=_start(study, results.matrix),
        downloads=downloads.packed(tables),
        provenance=provenance.of(context),
        facts=_facts(study, context),
        made=provenance.made(context),
    )
    return html, figures


def _start(study: views.StudyTables, matrix: pd.DataFrame) -> str:
    """The policy that test-time scaling with the reference PRM helps most: where the explorer opens."""
    if not len(matrix):
        return ""
    own = matrix[(matrix["prm"] == study.reference_prm) & (matrix["policy"] == matrix["larger"])]
    return str(own.loc[own["difference"].idxmax(), "policy"]) if len(own) else ""


def _facts(study: views.StudyTables, context: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The size of the study in a line; of a trial, that it is one."""
    frame = study.table("accuracy")
    problems = (
        frame.loc[frame["level"] == "all"].groupby("benchmark", sort=False)["problems"].max() if len(frame) else {}
    )
    whole = {name: f"of {of:,} " for name, (_, of) in (context.get("trial") or {}).items()}
    facts = [(f"{count:,}", f"{whole.get(name, '')}problems of {name}") for name, count in dict(problems).items()]
    for names, one, several in ((study.policies, "policy", "policies"), (study.prms, "PRM", "PRMs")):
        facts += [(str(len(names)), one if len(names) == 1 else several)] if names else []
    if len(frame) and frame["budget"].max() > 1:
        facts.append((f"{frame['budget'].max():,}", "candidate solutions at most"))
    return facts
