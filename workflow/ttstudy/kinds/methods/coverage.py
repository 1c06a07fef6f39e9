"""Coverage: whether any of N responses is right, a bound on what choosing among them can reach."""

from ttstudy.kinds.methods._method import Method
from ttstudy.kinds.registry import Look

METHOD = Method(
    look=Look(
        "Coverage: any response right", "coverage", colour="#8b929c", dark="#8b95a1", marker=None, dash=(0, (1, 2.5))
    ),
    rank=900,
    about="Whether any of N responses is right: a bound that no choice among them can pass.",
    source="Pass@N: Chen et al. 2021, arXiv 2107.03374",
    draws="pool",
    budgeted=False,
    ceiling=True,
    paper=True,
)
