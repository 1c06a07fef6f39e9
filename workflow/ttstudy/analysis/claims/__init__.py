"""Claims: the statements of the paper and of an article on it, each with a test, and the verdicts.

A claim may have up to three tests:
- `audit` recomputes the published numbers; it always runs, and what it finds always counts;
- `study` looks for the mechanism, or for the paper's own models, in a study's tables;
- `published` asks what the published counts alone can carry; it stands in until the study's test can run.
  The weakest verdict of those that ran is the claim's. Where only published numbers were there to test,
  `needs` says what a full test takes. Verdicts: `holds`; `not significant` (the order is as claimed, but
  the interval covers zero, or p is 0.05 or more); `fails`; `not run`.

The numbers follow the claims of arXiv 2502.06703 and the article as the project lists them; 45 is our own.
"""

from __future__ import annotations

import pandas as pd

from ttstudy.analysis.claims.evidence import PUBLISHED, Evidence, Finding, Missing, Published, Verdict
from ttstudy.analysis.claims.registry import REGISTRY, Claim

__all__ = ["COLUMNS", "PUBLISHED", "REGISTRY", "Claim", "Evidence", "Finding", "Published", "verdicts"]

COLUMNS = ["claim", "title", "source", "verdict", "published", "ours", "low", "high", "text", "needs"]
_WEAKEST: list[Verdict] = ["fails", "not significant", "holds"]


def verdicts(
    tables: dict[str, pd.DataFrame] | None = None, published: pd.DataFrame | None = None, seed: int = 0
) -> pd.DataFrame:
    """One row per claim (columns `COLUMNS`), from a study's tables by contract name; any may be absent.

    Used are outcomes, ledger, training, difficulty and diagnostics. `published`, or a table of that name,
    replaces reports/published.csv.
    """
    tables = dict(tables or {})
    given = tables.pop("published", None)
    study, numbers = Evidence(tables, seed), Published(given if published is None else published)
    return pd.DataFrame([_row(claim, study, numbers) for claim in REGISTRY], columns=COLUMNS)


def _row(claim: Claim, study: Evidence, numbers: Published) -> dict[str, object]:
    findings: list[Finding] = []
    needs: str | None = None
    if claim.audit is not None:
        findings.append(claim.audit(numbers))
    if claim.study is not None:
        try:
            findings.append(claim.study(study, numbers))
        except Missing as error:
            needs = f"{claim.needs} (missing: {error})"
            if claim.published is not None:
                findings.append(claim.published(numbers))
    elif claim.published is not None:
        findings.append(claim.published(numbers))
        needs = claim.needs
    elif claim.audit is None:
        needs = claim.needs
    untested = "not tested: it needs what is named under needs"
    if needs is not None and needs.startswith("nothing"):
        untested = "a definition: there is nothing to test"
    shown = findings[-1] if findings else Finding("not run", untested)
    text = "; ".join(finding.text for finding in findings) or shown.text
    return {
        "claim": claim.number,
        "title": claim.title,
        "source": claim.source,
        "verdict": min((f.verdict for f in findings), key=_WEAKEST.index, default="not run"),
        "published": next((f.published for f in findings if f.published), None),
        "ours": shown.ours,
        "low": shown.low,
        "high": shown.high,
        "text": text[:1].upper() + text[1:] + ".",
        "needs": needs,
    }
