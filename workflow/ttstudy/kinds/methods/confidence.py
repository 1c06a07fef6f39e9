"""Confidence votes: N independent responses, weighed by how sure the policy was of each. No PRM is asked."""

from ttstudy.kinds.methods._method import Method
from ttstudy.kinds.registry import Look

METHOD = Method(
    look=Look(
        "Confidence vote",
        "confidence votes",
        "confidence",
        colour="#b3261e",
        dark="#ff8a80",
        marker="p",
        dash=(0, (4, 1, 1, 1)),
    ),
    rank=15,
    about="N independent responses; how sure the policy was of each chooses the answer.",
    source="Kang et al. 2025, arXiv 2502.18581; Fu et al. 2025, arXiv 2508.15260",
    draws="pool",
    judged="confidence",
)
