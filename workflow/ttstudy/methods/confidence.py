"""How sure a policy was of each response of a pool, as votes weigh it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ttstudy.kinds.confidences import CONFIDENCES, STORED

KEYS = ("problem_id", "sample")
_COMMON = dict.fromkeys(column for kind in CONFIDENCES.values() for column in kind.columns)
COLUMNS = (*KEYS, *_COMMON, *(f"{name}?" for name in STORED))
"""Columns of responses that confidences follow from, as `tables.read` is asked for them."""


def of(responses: pd.DataFrame) -> pd.DataFrame:
    """The log-weight of each response by each confidence that is known of all of them: `KEYS`, and a column for each.

    One that is missing for some response is left out: what the others would be worth without it is not known.
    """
    found = responses[list(KEYS)].copy()
    for name, kind in CONFIDENCES.items():
        needed = kind.columns if kind.of_columns is not None else (name,)
        if not set(needed) <= set(responses):
            continue
        columns = {column: responses[column].to_numpy(dtype=float, na_value=np.nan) for column in needed}
        values = kind.of_columns(columns) if kind.of_columns is not None else columns[name]
        if np.isfinite(values).all():
            found[name] = kind.log_weight(values)
    return found
