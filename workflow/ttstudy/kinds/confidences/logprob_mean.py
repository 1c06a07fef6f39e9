"""Mean log-probability of the tokens: every response of every study has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ttstudy.kinds.confidences._confidence import Confidence
from ttstudy.kinds.registry import Look

if TYPE_CHECKING:
    import numpy as np


def _of_columns(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    import numpy as np

    return columns["logprob"] / np.maximum(columns["response_tokens"], 1)


CONFIDENCE = Confidence(
    look=Look("Mean log-probability", "mean log-probability"),
    about="the mean log-probability of its tokens; it weighs its exponential, the geometric mean of the probabilities",
    source="normalised weighted sum: Wang et al. 2022, arXiv 2203.11171, table 1; Taubenfeld et al. 2025, "
    "arXiv 2502.06233",
    rank=10,
    log_weight=lambda confidences: confidences,
    columns=("logprob", "response_tokens"),
    of_columns=_of_columns,
)
