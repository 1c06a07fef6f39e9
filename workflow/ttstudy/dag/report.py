"""Specs of the verdicts and of the report: what reads most of a study's tables."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ttstudy.dag import fingerprint, places
from ttstudy.dag.analysis import (
    accuracy_spec,
    findings_spec,
    graders_spec,
    headline_spec,
    of_study,
    parts,
    strategy_spec,
    training_spec,
)
from ttstudy.dag.context import Layout, remembered
from ttstudy.dag.diagnostics import diagnostics_spec
from ttstudy.dag.inputs import benchmark_spec, imported_spec
from ttstudy.dag.specs.analysis import ClaimsSpec, ReportSpec
from ttstudy.dag.specs.records import File, Spec, canonical, digest8
from ttstudy.study import RecordedPolicy
from ttstudy.vocabulary import FLAW_TABLES, GRADER_TABLES, HEADLINE_TABLES, STUDY_TABLES

TABLE_STEPS = (
    *(training_spec, accuracy_spec, findings_spec, graders_spec, strategy_spec, headline_spec),
    diagnostics_spec,
)
"""What makes the specs of the steps that make the study's tables, but for the claims, which read most of them."""


def _tables(layout: Layout) -> dict[str, File]:
    """The study's tables but for the claims, as a step reads them."""
    return {name: spec.file(name) for make in TABLE_STEPS for spec in [make(layout)] for name in spec.outputs}


@remembered
def claims_spec(layout: Layout) -> ClaimsSpec:
    """Spec of the verdicts; the published numbers count as code."""
    tables = _tables(layout)
    return ClaimsSpec(
        seed=layout.study.seed,
        published=fingerprint.files("reports/published.csv"),
        tables={name: tables[name] for name in STUDY_TABLES},
        primary=sorted(set(layout.study.primary_claims)),
        **of_study(layout, "claims"),
    )


def report_spec(layout: Layout, behind: Iterable[Spec]) -> ReportSpec:
    """Spec of the report, with the jobs behind it: templates and published numbers count as code."""
    study, tables = layout.study, _tables(layout)
    told = study.model_dump(mode="json")
    pages = {"report": places.REPORT, "figures": places.FIGURES, "provenance": places.PROVENANCE}
    return ReportSpec(
        code=fingerprint.code("report"),
        texts=fingerprint.files("reports/templates/**/*", "reports/captions/**/*", "reports/published.csv"),
        headline={"score": study.score, "vote": study.vote},
        config=json.loads(canonical(told)),  # keys sorted, as the page has them
        # Values at their default are left out: a release that adds an option shall make no page anew.
        decided=digest8(study.model_dump(mode="json", exclude_defaults=True, exclude={"results"})),
        order={name: list(getattr(study, name)) for name in ("benchmarks", "policies", "prms")},
        tables={
            **{name: tables[name] for name in (*STUDY_TABLES, *HEADLINE_TABLES, *GRADER_TABLES, *FLAW_TABLES)},
            **{name: tables[name] for name in ("overlong", "examination", "spread")},
            "claims": claims_spec(layout).file(),
        },
        explorer=parts(layout, "explorer"),
        trees=parts(layout, "trees"),
        benchmarks={name: benchmark_spec(layout, name).file() for name in sorted(study.benchmarks)},
        recorded={
            name: imported_spec(layout, name).file()
            for name, policy in sorted(study.policies.items())
            if isinstance(policy, RecordedPolicy)
        },
        jobs=[(spec.step, spec.product) for spec in behind],
        outputs={name: place.format(folder=layout.folder) for name, place in pages.items()},
    )
