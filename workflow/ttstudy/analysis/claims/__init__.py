"""Claims: the statements of the paper and of an article on it, each beside the checks that judge it.

A file of this folder is a theme. A claim that is put into one, or into a file of its own, is judged by every study and
stands on every page; taken out it leaves no trace. What a claim is, and its three tests (an audit of the published
numbers, a study's, the published counts alone), says `ttstudy.analysis.claims.claim`; `verdict` beside it says how an
estimate becomes a verdict: `supported`, `contradicted`, `equivalent`, `undecided`, or `not run` without a test. The
weakest verdict of the tests that ran is the claim's. Where only published numbers were there to test, `needs` says what
a full test takes.

A study names its primary claims before it runs. Those that its own models test are one family: a verdict of theirs
stands where its p value stays below 0.05 after Holm's correction. All others are exploratory, each at 5 % of its own.

The numbers follow the claims of arXiv 2502.06703 and the article as the project lists them; 45 is our own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import pandas as pd

from ttstudy.analysis.claims.claim import Claim, Finding, Missing
from ttstudy.analysis.claims.evidence import Evidence
from ttstudy.analysis.claims.published import PUBLISHED, Published
from ttstudy.analysis.claims.verdict import weakest
from ttstudy.analysis.definitions import SIGNIFICANT
from ttstudy.analysis.statistics import holm
from ttstudy.errors import StudyError
from ttstudy.kinds.gathering import gathered

__all__ = [
    "CLAIMS", "COLUMNS", "PUBLISHED", "Claim", "Evidence", "Finding", "Published", "check_primary", "numbered",
    "verdicts",
]  # fmt: skip


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

COLUMNS = [
    *("claim", "title", "source", "verdict", "role", "unit", "p", "p_holm", "published", "ours", "low", "high"),
    *("text", "needs"),
]


def check_primary(primary: Collection[int]) -> None:
    """StudyError for a primary claim that there is not, or that no study tests."""
    for number in primary:
        claim = CLAIMS.get(number)
        if claim is None or claim.study is None:
            tested = ", ".join(str(known) for known, one in CLAIMS.items() if one.study is not None)
            why = "there is no such claim" if claim is None else "no study tests it"
            raise StudyError(f"primary_claims: {number}: {why}; name some of {tested}")


def verdicts(
    tables: dict[str, pd.DataFrame] | None = None,
    published: pd.DataFrame | None = None,
    seed: int = 0,
    primary: Collection[int] = (),
) -> pd.DataFrame:
    """One row per claim (columns `COLUMNS`), from a study's tables by contract name; any may be absent.

    Used are outcomes, ledger, training, difficulty, headline, diagnostics, prm_skill. `published`, or a table of that
    name, replaces reports/published.csv. `primary` are the claims that were named before the run.
    """
    check_primary(primary)
    tables = dict(tables or {})
    given = tables.pop("published", None)
    numbers = Published(given if published is None else published)
    study = Evidence(tables, seed, published=numbers)
    found = {number: _found(claim, study, numbers) for number, claim in CLAIMS.items()}
    family = [n for n in found if n in primary and found[n].tested and found[n].shown.p is not None]
    adjusted = dict(zip(family, holm([found[n].shown.p or 0.0 for n in family]).tolist(), strict=True))
    rows = [_row(CLAIMS[number], one, number in primary, adjusted.get(number)) for number, one in found.items()]
    return pd.DataFrame(rows, columns=COLUMNS).astype({name: float for name in ("p", "p_holm", "low", "high")})


@dataclass(frozen=True, slots=True)
class _Found:
    """What the tests of a claim found; the last is the one that is shown."""

    findings: list[Finding]
    needs: str | None
    tested: bool
    """Whether the study's own test ran."""

    @property
    def shown(self) -> Finding:
        if self.findings:
            return self.findings[-1]
        defined = self.needs is not None and self.needs.startswith("nothing")
        text = "a definition: there is nothing to test" if defined else "not tested: it needs what is named under needs"
        return Finding("not run", text)


def _found(claim: Claim, study: Evidence, numbers: Published) -> _Found:
    findings: list[Finding] = []
    needs: str | None = None
    tested = False
    if claim.audit is not None:
        findings.append(claim.audit(numbers))
    if claim.study is not None:
        try:
            findings.append(claim.study(study))
            tested = True
        except Missing as error:
            needs = f"{claim.needs} (missing: {error})"
            if claim.published is not None:
                findings.append(claim.published(numbers))
    elif claim.published is not None:
        findings.append(claim.published(numbers))
        needs = claim.needs
    elif claim.audit is None:
        needs = claim.needs
    return _Found(findings, needs, tested)


def _row(claim: Claim, found: _Found, primary: bool, adjusted: float | None) -> dict[str, object]:
    shown, findings = found.shown, found.findings
    texts = [finding.text for finding in findings] or [shown.text]
    if adjusted is not None and adjusted >= SIGNIFICANT and shown.verdict not in ("undecided", "not run"):
        texts[-1] += f", alone {shown.verdict}, but not after Holm's correction over the primary claims"
        findings = [*findings[:-1], replace(shown, verdict="undecided")]
    text = "; ".join(texts)
    return {
        "claim": claim.number,
        "title": claim.title,
        "source": claim.source,
        "verdict": weakest(finding.verdict for finding in findings),
        "role": "primary" if primary else "exploratory" if shown.unit else "exact" if findings else "none",
        "unit": shown.unit,
        "p": shown.p,
        "p_holm": adjusted,
        "published": next((f.published for f in findings if f.published), None),
        "ours": shown.ours,
        "low": shown.low,
        "high": shown.high,
        "text": text[:1].upper() + text[1:] + ".",
        "needs": found.needs,
    }
