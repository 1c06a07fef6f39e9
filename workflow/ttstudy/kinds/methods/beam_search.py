"""Beam search: one tree, of whose candidates the best N / M go on at every step."""

from ttstudy.kinds.methods._beams import best
from ttstudy.kinds.methods._method import Growth, Method
from ttstudy.kinds.registry import Look

METHOD = Method(
    look=Look("Beam search", "beam search", "beam", colour="#00825c", dark="#3fc797", marker="D"),
    rank=30,
    about="N first steps; at each step the best N/M by the PRM go on, with M candidates each.",
    source="Snell et al. 2024, arXiv 2408.03314; arXiv 2502.06703, section 2.2",
    draws="search",
    judged="prm",
    simplicity=30,
    paper=True,
    growth=Growth(select=best, beams=True),
)
