"""Names that steps and rules agree on. Nothing of ours is imported here: every start of Snakemake reads it."""

from __future__ import annotations

STUDY_TABLES = (
    *("accuracy", "outcomes", "difficulty", "ledger", "counts", "training", "strategy", "optimism"),
    *("predicted", "adaptive", "efficiency", "headline", "diagnostics"),
)
"""Tables of a study that the claims are judged by."""
HEADLINE_TABLES = ("headline", "frontier", "gains", "best_methods", "prm_effect", "votes", "matched")
"""Tables that the report's headline and its first sections show, made together."""
GRADER_TABLES = ("graders", "grader_accuracy", "grader_answers")
"""Tables that set the study's grader beside the other one."""
FLAW_TABLES = ("diagnostics", "prm_skill", "calibration", "failures", "cases")
"""Tables about the PRMs' flaws, made together."""

LEVELS = ("easy", "medium", "hard")
FLAWS = ("over_criticism", "error_neglect", "localisation_bias", "localisation_late", "length_bias")
CAUSES = ("not_drawn", "pruned", "over_criticism", "error_neglect", "localisation_bias", "length_bias")
"""Words of the columns of these names."""
