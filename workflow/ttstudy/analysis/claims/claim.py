"""What a claim is, what a check of it finds, and how verdicts are put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ttstudy.analysis.claims.verdict import Judged, Verdict
from ttstudy.analysis.statistics import Paired

if TYPE_CHECKING:
    from ttstudy.analysis.claims.evidence import Evidence
    from ttstudy.analysis.claims.published import Published


class Missing(Exception):
    """A claim cannot be tested; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Outcome of one check. `low` and `high` bound `ours`, in the unit that `ours` is written in.

    `unit` is what chance draws, and would draw anew: "problems", "PRMs", "policies"; empty where it draws nothing, as
    in a sum that is recomputed. `p` is that of the verdict (see `verdict.Judged`).
    """

    verdict: Verdict
    text: str
    published: str | None = None
    ours: str | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement: where it is made, how it is tested, what a full test needs, and where its evidence is shown.

    A file of this folder defines claims at its top level, each beside the checks that judge it.
    """

    number: int
    title: str
    source: str
    needs: str
    """What a full test takes; "nothing ..." where there is nothing that a study could add."""
    audit: Callable[[Published], Finding] | None = None
    """Recomputes the published numbers; it always runs, and what it finds always counts."""
    published: Callable[[Published], Finding] | None = None
    """What the published counts alone can carry: stands in until the study's test can run."""
    study: Callable[[Evidence], Finding] | None = None
    """Looks for the mechanism, or for the paper's own models, in a study's tables; Missing says what it lacks."""
    on: tuple[str, ...] = ()
    """Benchmarks that `study` tests it on; else the study's largest."""
    unit: Literal["problems", "policies", "PRMs"] = "problems"
    """What chance draws in `study`: what its power hangs on, before the run."""
    section: str = ""
    """Key of the report's section that shows the evidence of `study`."""
    question: bool = False
    """Whether it is the study's own question: its card comes first."""

    def where(self, verdict: str, needs: str | None) -> Literal["tested", "published", "not_run"]:
        """Where it was judged: `tested` on a study's own models, on the `published` numbers alone, or `not_run`.

        `needs` is what its row says of a test that could not run; None where nothing was missing.
        """
        if verdict == "not run":
            return "not_run"
        return "tested" if self.study is not None and needs is None else "published"


def on_problems(
    judged: Judged, text: str, published: str | None, ours: str, bounds: Paired, scale: float = 100
) -> Finding:
    """Finding on what is drawn anew with the problems; `bounds`, times `scale`, are those of `ours`."""
    low, high = scale * bounds.low, scale * bounds.high
    return Finding(judged.verdict, text, published, ours, low, high, judged.p, "problems")


def recomputed(good: bool, text: str, published: str | None = None, ours: str | None = None) -> Finding:
    """Finding of a sum that is done again: chance plays no part in it."""
    return Finding("supported" if good else "contradicted", text, published, ours)


def points(value: float) -> str:
    """A difference of accuracies in percentage points, with its sign."""
    return f"{round(100 * value, 1) + 0.0:+.1f} points"


def percent(value: float) -> str:
    """A share in percent."""
    return f"{100 * value:.1f} %"
