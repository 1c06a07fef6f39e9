"""The sections of the report: for each, a sentence made from the data, figures and tables, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttstudy.report.cells import Column as C
from ttstudy.report.figures import compute
from ttstudy.report.sections import against, decides, flaws, trust
from ttstudy.report.sections.parts import ACCURACY, METHOD, POLICY, Block, N, Results, Section, each

__all__ = ["CONTENTS", "Block", "Results", "Section", "build", "contents", "headline"]

CONTENTS = {
    "Small against large": {
        "small-large": "Small + TTS against large", "scaling": "Accuracy against N", "cot": "One greedy answer",
        "gains": "CoT, majority, optimal", "flops": "What it costs", "published": "Published beside ours",
    },
    "What decides it": {
        "levels": "Difficulty and method", "groups": "Subjects and levels", "prms": "The PRM",
        "votes": "Score and vote",
    },
    "How far to trust it": {
        "flaws": "PRM diagnostics", "optimism": "Choosing on the test set", "adaptive": "Predicted difficulty",
        "graders": "Where graders disagree", "counts": "Cut and unanswered", "training": "Models and training",
    },
}  # fmt: skip
"""Order of the sections, in groups, with the short titles of the table of contents; others come last in their order."""


def headline(results: Results) -> list[Block]:
    """The headline figure of each benchmark, with its data."""
    points_ = results.frontier
    columns = [
        POLICY, C("kind", "Kind", facet=True), METHOD, N, C("flops", "FLOPs per problem", "exponent"), *ACCURACY,
        C("pareto", "On the Pareto front", "flag"),
    ]  # fmt: skip
    if not len(points_):
        return []
    policies, one = results.study.policies, results.study.one
    return each(
        results.study, points_, "headline", columns, lambda b, k: compute.headline(points_, b, policies, k, one)
    )


def build(results: Results, context: Mapping[str, Any]) -> list[Section]:
    """All sections between the claims and the explorer, in the order of the report."""
    makers = (
        against.small_large, against.scaling, against.cot, against.gains, against.flops, against.published,
        decides.levels, decides.groups, decides.prms, decides.votes,
        flaws.section, trust.optimism, trust.adaptive, trust.graders, trust.counts, trust.training,
    )  # fmt: skip
    built = [section for make in makers if (section := make(results, context)) is not None]
    order = {key: place for place, key in enumerate(key for group in CONTENTS.values() for key in group)}
    return sorted(built, key=lambda section: order.get(section.key, len(order)))


def contents(sections: Sequence[Section]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The table of contents of these sections: (group, [(key, short title)])."""
    titles = {section.key: section.title for section in sections}
    groups = [
        (name, [(key, short) for key, short in group.items() if key in titles]) for name, group in CONTENTS.items()
    ]
    known = {key for group in CONTENTS.values() for key in group}
    rest = [(key, title) for key, title in titles.items() if key not in known]
    return [(name, group) for name, group in [*groups, ("More", rest)] if group]
