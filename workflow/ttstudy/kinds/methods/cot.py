"""One greedy response: chain of thought, the base that test-time scaling is measured from."""

from ttstudy.kinds.methods._method import Method
from ttstudy.kinds.registry import Look

METHOD = Method(
    look=Look("CoT (greedy)", "one greedy answer", colour="#3d444d", dark="#d5dbe2", marker="s"),
    rank=0,
    about="One response, each token the likeliest.",
    source="Wei et al. 2022, arXiv 2201.11903",
    draws="greedy",
    budgeted=False,
    paper=True,
)
