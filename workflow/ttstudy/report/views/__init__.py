"""What each section of the report shows, as tables made from the study's tables. Accuracies are shares in [0, 1].

Nothing here draws or formats. Every view is a DataFrame that may be empty, in which case its section says so.
"""

from ttstudy.analysis.definitions import CURVES, StudyTables
from ttstudy.report.views.against import beside_published, costs, cot, frontier, gains, matrix, scaling
from ttstudy.report.views.decides import best_methods, groups, levels, prm_effect, votes
from ttstudy.report.views.tables import ordered
from ttstudy.report.views.trust import adaptive, grader_effects, optimism, predicted_levels

__all__ = [
    "CURVES",
    "StudyTables",
    "adaptive",
    "beside_published",
    "best_methods",
    "costs",
    "cot",
    "frontier",
    "gains",
    "grader_effects",
    "groups",
    "levels",
    "matrix",
    "optimism",
    "ordered",
    "predicted_levels",
    "prm_effect",
    "scaling",
    "votes",
]
