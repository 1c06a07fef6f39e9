"""Names that steps and rules agree on. Nothing of ours is imported here: every start of Snakemake reads it."""

from __future__ import annotations

STUDY_TABLES = (
    *("accuracy", "outcomes", "difficulty", "ledger", "counts", "training", "strategy", "optimism"),
    *("predicted", "adaptive", "efficiency", "headline", "diagnostics", "prm_skill"),
)
"""Tables of a study that the claims are judged by."""
HEADLINE_TABLES = (
    *("headline", "frontier", "gains", "best_methods", "prm_effect", "votes", "matched", "fronts", "confidence"),
    "contamination",
)
"""Tables that the report's headline and its first sections show, made together."""
GRADER_TABLES = ("graders", "grader_accuracy", "grader_answers")
"""Tables that set the study's grader beside the other ones."""
FLAW_TABLES = ("diagnostics", "prm_skill", "calibration", "failures", "cases")
"""Tables about the PRMs' flaws, made together."""

NEVER = "never"
"""When problems were published that are made from a seed: in nobody's training data."""

LEVELS = ("easy", "medium", "hard")
"""Words of the columns of these names."""
NO_ERROR = -1
"""`first_error` of a solution without one."""
