"""The HTML report: one self-contained file, made from a study's tables.

Nothing in it runs but this package's own script, nothing is loaded from elsewhere, and the same tables give the same
bytes. All text of models, data and configuration is escaped; it reaches the page only as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ttstudy.figures import Figure
from ttstudy.report import answer, downloads, explorer, page, paper, sections, views
from ttstudy.report.cells import Column, Table

__all__ = ["LARGEST", "ReportError", "build"]

LARGEST = 15_000_000
"""Bytes of the whole file."""
EVIDENCE = {
    1: "small-large", 2: "small-large", 3: "levels", 5: "scaling", 6: "prms", 7: "scaling", 8: "small-large",
    9: "small-large", 10: "small-large", 12: "gains", 13: "gains", 14: "flops", 15: "small-large", 16: "small-large",
    18: "flaws", 19: "flaws", 20: "flaws", 21: "flaws",
    22: "prms", 24: "small-large", 26: "scaling", 28: "flops", 29: "flops", 30: "votes", 31: "prms", 32: "scaling",
    33: "prms", 34: "levels", 35: "levels", 36: "levels", 37: "cot", 38: "gains", 39: "gains", 40: "optimism",
    41: "scaling", 45: "small-large",
}  # fmt: skip
"""Section in which the evidence for a claim stands."""
AUDITED = frozenset({4, 11, 12, 13, 14, 42, 43, 44})
"""Claims for which the published numbers are recomputed whatever a study runs."""
_AUDIT_ONLY = frozenset({4, 11, 42, 43, 44})


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

    `tables` are named as in `ttstudy.tables` (`benchmark` with a column `benchmark` more), with the optional
    `optimism`, `graders`, `grader_accuracy`, `grader_answers`, `explorer`, `nodes` and `counts`; a missing or empty
    one costs its section only.
    `context` gives study, question, config (YAML text), versions, commit, seeds, hardware, steps (rule, jobs,
    seconds, cached), libraries (by rule and name), checksums, `headline` (the score and vote of the headline numbers)
    and `order` (names of policies and prms as configured); any of them may be missing.
    """
    html, drawn = render(tables, context)
    content = html.encode("utf-8", "replace")
    if len(content) > LARGEST:
        raise ReportError(f"the report would have {len(content):,} bytes, above {LARGEST:,}; give it fewer samples")
    for figure in drawn if figures is not None else []:
        page.write(Path(figures) / f"{figure.key}.svg", figure.standalone.encode("utf-8", "replace"))
    page.write(Path(output), content)


def render(tables: Mapping[str, pd.DataFrame], context: Mapping[str, Any]) -> tuple[str, list[Figure]]:
    """The report as one HTML text, and the figures in it."""
    rule, seed = context.get("headline") or {}, (context.get("seeds") or {}).get("study", 0)
    study = views.Study(
        tables, rule.get("score", "last"), rule.get("vote", "prm_vote"), seed, context.get("order") or {}
    )
    results = sections.Results.of(study)
    samples = explorer.build(study.table("explorer"), study.table("nodes"))
    commit = str(context.get("commit") or "").removesuffix("+changes").replace("unknown", "")
    headline, body = sections.headline(results), sections.build(results, context)
    figures = [block.figure for block in [*headline, *(b for s in body for b in s.blocks)] if block.figure]
    html = page.render(
        "report.html.j2",
        study=study,
        name=context.get("study", "study"),
        question=context.get("question", "How far does a small language model get with test-time scaling?"),
        answers=answer.answers(study, results.matrix),
        headline=headline,
        claims=_claims(study.table("claims")),
        sections=body,
        contents=sections.contents(body),
        audit=_audit(study.table("claims")),
        beside=paper.told(study, pd.read_csv(PUBLISHED)),
        explorer=samples,
        downloads=downloads.packed(tables),
        provenance=_provenance(context),
        facts=_facts(study),
        commit=commit,
        changed=str(context.get("commit") or "").endswith("+changes"),
        rerun=[*([f"git checkout {commit}"] if commit else []), *context.get("rerun", ["make study"])],
    )
    return html, figures


def _claims(frame: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Cards by number: tested here, checked on the published numbers alone, and not run."""
    out: dict[str, list[dict[str, Any]]] = {"tested": [], "published": [], "not_run": []}
    for row in frame.sort_values("claim", kind="stable").to_dict("records") if len(frame) else []:
        card = {key: None if pd.isna(value) else value for key, value in row.items()}
        number, low, high = int(card["claim"]), card.get("low"), card.get("high")
        card["interval"] = None if low is None or high is None else f"{_short(low)} to {_short(high)}"
        card["published"], card["ours"] = (_short(card.get(key)) for key in ("published", "ours"))
        card["mark"] = {"holds": "✓", "fails": "✗", "not significant": "≈"}.get(card["verdict"], "○")
        group = "tested"
        if card["verdict"] == "not run":
            group = "not_run"
        elif number in _AUDIT_ONLY or card.get("needs"):
            group = "published"
        card["evidence"] = EVIDENCE.get(number, "claims-table") if group == "tested" else "audit"
        out[group].append(card)
    return out


def _short(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{float(value):.4g}".replace("-", "−")


_CLAIM_COLUMNS = [
    Column("claim", "Claim", "plain"), Column("title", "What it says"), Column("source", "Source"),
    Column("verdict", "Verdict", facet=True), Column("published", "Published"), Column("ours", "Ours"),
    Column("low", "95 % low", "number"), Column("high", "95 % high", "number"), Column("text", "Finding"),
    Column("needs", "Needs"),
]  # fmt: skip


def _audit(frame: pd.DataFrame) -> dict[str, Table | None]:
    """The claims that published numbers alone decide, and the table of all claims."""
    if not len(frame):
        return {"arithmetic": None, "all": None}
    frame = frame.sort_values("claim", kind="stable")
    known = [column for column in _CLAIM_COLUMNS if column.name in frame]
    checked = frame[(frame["claim"].isin(AUDITED) | frame["needs"].notna()) & (frame["verdict"] != "not run")]
    short = [column for column in known if column.name not in ("needs", "low", "high")]
    table = Table(
        "audit-data",
        "Claims checked on the published numbers: what follows from them and what does not",
        short,
        checked,
    )
    return {
        "arithmetic": table if len(checked) else None,
        "all": Table("claims-data", "All claims with their verdicts", known, frame, folded=True),
    }


def _facts(study: views.Study) -> list[tuple[str, str]]:
    """The size of the study in a line."""
    frame = study.table("accuracy")
    problems = (
        frame.loc[frame["level"] == "all"].groupby("benchmark", sort=False)["problems"].max() if len(frame) else {}
    )
    facts = [(f"{count:,}", f"problems of {name}") for name, count in dict(problems).items()]
    for names, one, several in ((study.policies, "policy", "policies"), (study.prms, "PRM", "PRMs")):
        facts.append((str(len(names)), one if len(names) == 1 else several))
    if len(frame):
        facts.append((f"{frame['budget'].max():,}", "candidate solutions at most"))
    return facts


_STEPS = "Jobs behind this report by rule, how many were found ready when it was made, and what they took when they ran"


def _provenance(context: Mapping[str, Any]) -> dict[str, Any]:
    """Where the numbers come from, as tables and text; what the context lacks is left out."""
    tables = []
    versions = context.get("versions") or {}
    if versions:
        frame = pd.DataFrame({"name": list(versions), "version": [str(v) for v in versions.values()]})
        tables.append(
            Table("versions-data", "Versions", [Column("name", "Program"), Column("version", "Version")], frame)
        )
    steps = pd.DataFrame(list(context.get("steps") or []))
    if len(steps):
        libraries = context.get("libraries") or {}
        steps["libraries"] = [_plain(libraries.get(rule, "")) for rule in steps["rule"]]
        columns = [
            Column("rule", "Rule"), Column("jobs", "Jobs", "count"), Column("cached", "found ready", "count"),
            Column("unrecorded", "without record", "count"), Column("seconds", "Seconds", "seconds"),
            Column("cpu_seconds", "CPU seconds", "seconds"), Column("tokens", "Tokens", "count"),
            Column("peak_bytes", "Peak memory, bytes", "exponent"), Column("libraries", "Drawn or scored with"),
        ]  # fmt: skip
        tables.append(Table("steps-data", _STEPS, [c for c in columns if c.name in steps], steps))
    checksums = context.get("checksums") or {}
    if checksums:
        frame = pd.DataFrame({"path": list(checksums), "sha256": [str(v) for v in checksums.values()]})
        columns = [Column("path", "File"), Column("sha256", "SHA-256")]
        tables.append(Table("checksums-data", "Checksums", columns, frame, folded=True))
    facts = [(label, _plain(context.get(key))) for key, label in (
        ("study", "Study"), ("commit", "Commit"), ("seeds", "Seeds"), ("hardware", "Hardware"),
    ) if context.get(key) not in (None, "", {}, [])]  # fmt: skip
    return {"facts": facts, "tables": tables, "config": context.get("config") or ""}


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
