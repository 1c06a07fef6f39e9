"""Claims: the statements of the paper and of an article on it, each beside the checks that judge it.

A file of this folder is a theme. A claim that is put into one, or into a file of its own, is judged by every study and
stands on every page; taken out it leaves no trace. What a claim is, and its three tests (an audit of the published
numbers, a study's, the published counts alone), says `ttstudy.analysis.claims.claim`. The weakest verdict of the tests
that ran is the claim's. Where only published numbers were there to test, `needs` says what a full test takes. Verdicts:
`holds`; `not significant` (the order is as claimed, but the interval covers zero, or p is 0.05 or more); `fails`;
`not run`.

The numbers follow the claims of arXiv 2502.06703 and the article as the project lists them; 45 is our own.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ttstudy.analysis.claims.claim import Claim, Finding, Missing, weakest
from ttstudy.analysis.claims.evidence import Evidence
from ttstudy.analysis.claims.published import PUBLISHED, Published
from ttstudy.errors import StudyError
from ttstudy.kinds.gathering import gathered

__all__ = ["CLAIMS", "COLUMNS", "PUBLISHED", "Claim", "Evidence", "Finding", "Published", "numbered", "verdicts"]


def numbered(found: Iterable[tuple[str, Claim]]) -> dict[int, Claim]:
    """Claims, each with the file that it is from, by rising number; StudyError where two have one number."""
    files: dict[int, str] = {}
    known: dict[int, Claim] = {}
    for file, claim in found:
        if claim.number in known:
            both = file if file == files[claim.number] else f"{files[claim.number]} and {file}"
            raise StudyError(f"{both}: two claims have the number {claim.number}; give one of them a free one")
        files[claim.number], known[claim.number] = file, claim
    return dict(sorted(known.items()))


CLAIMS: dict[int, Claim] = numbered(gathered(__name__, __path__, Claim))
"""Every claim by its number, in rising order."""

COLUMNS = ["claim", "title", "source", "verdict", "published", "ours", "low", "high", "text", "needs"]


def verdicts(
    tables: dict[str, pd.DataFrame] | None = None, published: pd.DataFrame | None = None, seed: int = 0
) -> pd.DataFrame:
    """One row per claim (columns `COLUMNS`), from a study's tables by contract name; any may be absent.

    Used are outcomes, ledger, training, difficulty, headline and diagnostics. `published`, or a table of that name,
    replaces reports/published.csv.
    """
    tables = dict(tables or {})
    given = tables.pop("published", None)
    numbers = Published(given if published is None else published)
    study = Evidence(tables, seed, published=numbers)
    return pd.DataFrame([_row(claim, study, numbers) for claim in CLAIMS.values()], columns=COLUMNS)


def _row(claim: Claim, study: Evidence, numbers: Published) -> dict[str, object]:
    findings: list[Finding] = []
    needs: str | None = None
    if claim.audit is not None:
        findings.append(claim.audit(numbers))
    if claim.study is not None:
        try:
            findings.append(claim.study(study))
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
        "verdict": weakest(finding.verdict for finding in findings),
        "published": next((f.published for f in findings if f.published), None),
        "ours": shown.ours,
        "low": shown.low,
        "high": shown.high,
        "text": text[:1].upper() + text[1:] + ".",
        "needs": needs,
    }
