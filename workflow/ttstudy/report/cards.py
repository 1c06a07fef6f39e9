"""The claims on the page: a card each, in three groups, and the tables of them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import pandas as pd

from ttstudy.analysis.claims import CLAIMS
from ttstudy.kinds.methods import METHODS
from ttstudy.report.cells import Column, Table
from ttstudy.report.figures.style import LOOKS

MARKS = {"supported": "✓", "contradicted": "✗", "equivalent": "=", "undecided": "≈"}
"""Sign of each verdict of a claim that was tested, in the order in which they are counted."""


def group(claim: int, verdict: str, needs: Any) -> str:
    """Where a claim was judged: `tested` here, on the `published` numbers alone, or `not_run`."""
    return CLAIMS[claim].where(verdict, None if pd.isna(needs) else str(needs))


def counted(frame: pd.DataFrame) -> dict[str, int]:
    """Claims tested here by verdict, in the order of `MARKS`, then how many were `published` alone and `not_run`."""
    out = dict.fromkeys((*MARKS, "published", "not_run"), 0)
    for row in frame.itertuples(index=False):
        where = group(int(row.claim), row.verdict, row.needs)
        out[row.verdict if where == "tested" else where] += 1
    return out


def in_words(frame: pd.DataFrame) -> str:
    """The verdicts of the claims tested here, counted in a sentence."""
    counts = counted(frame) if len(frame) else {}
    tested = sum(counts.get(verdict, 0) for verdict in MARKS)
    if not tested:
        return ""
    parts = [f"{counts[verdict]} {'is' if counts[verdict] == 1 else 'are'} {verdict}" for verdict in MARKS]
    text = f"Of {tested} claims tested on this study’s own models, {', '.join(parts[:-1])} and {parts[-1]}."
    primary = int((frame["role"] == "primary").sum())
    if primary:
        text += (
            f" {primary} {'is' if primary == 1 else 'are'} primary: named before the run, and corrected together "
            "(Holm). The others are exploratory, each tested at 5 % of its own."
        )
    else:
        text += " No claim was named before the run: all are exploratory, each tested at 5 % of its own."
    return text


def cards(frame: pd.DataFrame, anchors: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Cards by group, the study's own question first and then by number; `anchors` are the sections of the page."""
    out: dict[str, list[dict[str, Any]]] = {"tested": [], "published": [], "not_run": [], "any": []}
    rows = frame.to_dict("records") if len(frame) else []
    for row in sorted(rows, key=lambda row: (not CLAIMS[int(row["claim"])].question, row["claim"])):
        card: dict[str, Any] = {str(key): None if pd.isna(value) else value for key, value in row.items()}
        number, where = int(card["claim"]), group(int(card["claim"]), card["verdict"], card.get("needs"))
        card["interval"] = _interval(card.get("low"), card.get("high"), str(card.get("ours") or ""))
        for key in ("published", "ours", "text", "needs"):
            card[key] = _written(card.get(key))
        card["mark"] = MARKS.get(card["verdict"], "○")
        evidence = CLAIMS[number].section if where == "tested" else "audit"
        card["evidence"] = evidence if evidence in (*anchors, "audit") else "claims-table"
        out[where].append(card)
        out["any"].append(card)
    return out


def _interval(low: float | None, high: float | None, ours: str) -> str | None:
    """The bounds, as exact as the number that they bound is written, and in its unit."""
    if low is None or high is None:
        return None
    if "points" in ours or ours.endswith("%"):
        ends, unit = (f"{low:.1f}", f"{high:.1f}"), " points" if "points" in ours else " %"
    else:
        ends, unit = (f"{low:.3g}", f"{high:.3g}"), "x" if re.search(r"\dx\b", ours) else ""
    return _written(f"{ends[0]} to {ends[1]}{unit}")


_MINUS = re.compile(r"(?<![\w.)-])-(?=\d)")
_NAMES = {
    name: look.label if look.label.isupper() else look.label[:1].lower() + look.label[1:]
    for name, look in LOOKS.items()
    if METHODS[name].budgeted and ("_" in name or look.label.lower() == name)
}
"""Methods as a sentence has them. One that is named by a plain word (majority) is a word there already."""
_LACKING = re.compile(r" \(missing: (.*)\)$")
_PARTS = re.compile(r"; ([a-z])([a-z]+(?![\w-]))|; (?=\S)")
"""Where a text goes on behind a semicolon: a sentence of its own, with a capital where a plain word begins it."""
_METHODS = re.compile(rf"(?<![\w-])({'|'.join(_NAMES)})(?![\w-])")


def _written(value: Any) -> str | None:
    """Text of a claim as a reader wants it: minus signs, and methods by their names."""
    if value is None:
        return None
    text = value if isinstance(value, str) else f"{float(value):.4g}"
    text = _LACKING.sub(lambda found: f". Missing: {found[1]}", text)
    text = _PARTS.sub(lambda found: f". {(found[1] or '').upper()}{found[2] or ''}", text)
    return _METHODS.sub(lambda found: _NAMES[found[0]], _MINUS.sub("−", text))


def _told(value: Any) -> str | None:
    """Text of a claim in short sentences; None where there is none."""
    return None if pd.isna(value) else _written(value)


_COLUMNS = [
    Column("claim", "Claim", "plain"), Column("title", "What it says"), Column("verdict", "Verdict", facet=True),
    Column("ours", "Ours"), Column("low", "95 % low", "number"), Column("high", "95 % high", "number"),
    Column("p", "p", "p"), Column("p_holm", "p, Holm", "p"), Column("role", "Role", facet=True),
    Column("unit", "Drawn by chance"), Column("published", "Published"),
    Column("text", "Finding"), Column("source", "Source"),
    Column("needs", "Needs"),
]  # fmt: skip


def tables(frame: pd.DataFrame) -> dict[str, Table | None]:
    """`arithmetic`: the claims that published numbers alone decide; `all`: every claim."""
    if not len(frame):
        return {"arithmetic": None, "all": None}
    frame = frame.sort_values("claim", kind="stable")
    frame = frame.assign(**{name: frame[name].map(_told) for name in ("text", "needs")})
    known = [column for column in _COLUMNS if column.name in frame]
    audited = frame["claim"].isin([number for number, claim in CLAIMS.items() if claim.audit is not None])
    checked = frame[(audited | frame["needs"].notna()) & (frame["verdict"] != "not run")]
    caption = "Claims checked on the published numbers: what follows from them and what does not"
    order = ("claim", "title", "verdict", "text", "published", "ours", "source")
    short = [column for name in order for column in known if column.name == name]
    return {
        "arithmetic": Table("audit-data", caption, short, checked) if len(checked) else None,
        "all": Table("claims-data", "All claims with their verdicts", known, frame, folded=True),
    }
