"""Log-probability of the whole response: short responses are likelier."""

from __future__ import annotations

from ttstudy.kinds.confidences._confidence import Confidence
from ttstudy.kinds.registry import Look

CONFIDENCE = Confidence(
    look=Look("Log-probability", "log-probability"),
    about="the log-probability of the whole response; it weighs its exponential, the probability",
    source="unnormalised weighted sum: Wang et al. 2022, arXiv 2203.11171, table 1",
    rank=20,
    log_weight=lambda confidences: confidences,
    columns=("logprob",),
    of_columns=lambda columns: columns["logprob"],
)
