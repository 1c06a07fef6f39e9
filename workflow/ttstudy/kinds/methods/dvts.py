"""DVTS, diverse verifier tree search: N / M trees apart, of which each keeps one path."""

from ttstudy.kinds.methods._beams import best
from ttstudy.kinds.methods._method import Growth, Method
from ttstudy.kinds.registry import Look

METHOD = Method(
    look=Look("DVTS", colour="#a1458a", dark="#e193cb", marker="v", dash=(0, (6, 1.4, 1, 1.4))),
    rank=40,
    about="Diverse verifier tree search: N/M separate trees; in each, the best of M candidates by the PRM goes on.",
    source="Beeching et al. 2024, Hugging Face; arXiv 2502.06703, section 2.2",
    draws="search",
    judged="prm",
    simplicity=20,
    paper=True,
    growth=Growth(select=best, beams=True, independent=True),
)
