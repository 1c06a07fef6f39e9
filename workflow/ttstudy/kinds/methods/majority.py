"""Majority vote over N independent responses."""

from ttstudy.kinds.methods._method import Method
from ttstudy.kinds.registry import Look

METHOD = Method(
    look=Look(
        "Majority vote", "majority voting", "majority", colour="#0069b4", dark="#62b5f3", marker="o", dash=(0, (1, 1.2))
    ),
    rank=10,
    about="N independent responses; the answer that most of them give.",
    source="self-consistency: Wang et al. 2022, arXiv 2203.11171",
    draws="pool",
    simplicity=0,
    paper=True,
)
