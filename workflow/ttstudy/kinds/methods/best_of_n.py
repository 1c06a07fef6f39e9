"""Best-of-N: N independent responses, judged whole by a PRM."""

from ttstudy.kinds.methods._method import Method
from ttstudy.kinds.registry import Look

METHOD = Method(
    look=Look("Best-of-N", "best-of-N", colour="#c2500a", dark="#f59058", marker="^", dash=(0, (5, 1.6))),
    rank=20,
    about="N independent responses; a PRM's scores choose the answer.",
    source="Lightman et al. 2023, arXiv 2305.20050",
    draws="pool",
    judged="prm",
    simplicity=10,
    paper=True,
)
