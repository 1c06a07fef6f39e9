"""What another training seed would change: policies that differ in nothing else, set beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

_KIND = ["benchmark", "prm", "method", "budget", "score", "vote"]


def with_training(spread: pd.DataFrame, accuracy: pd.DataFrame, families: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Table `spread` with `training_sd` for the policies of families, which differ by their training seed alone.

    It is the standard deviation of a family's accuracies on the same problems, less what the draws of each add to it;
    that stays in where a cell was drawn once. None where a policy of the family has no such cell. Without families the
    table is as it was.
    """
    if not families:
        return spread
    family = {policy: place for place, policies in enumerate(families) for policy in policies}
    whole = accuracy.loc[accuracy["level"] == "all", [*_KIND, "policy", "accuracy"]]
    cells = spread.merge(whole, on=[*_KIND, "policy"], how="left").assign(
        family=lambda frame: frame["policy"].map(family),
        drawn=lambda frame: (frame["run_sd"] ** 2 / frame["draws"]).fillna(0.0),
    )
    groups = cells.groupby(["family", *_KIND], observed=True, sort=False)
    between = groups["accuracy"].transform("var") - groups["drawn"].transform("mean")
    complete = groups["policy"].transform("size") == cells["family"].map(dict(enumerate(map(len, families))))
    return spread.assign(training_sd=between.clip(lower=0.0).pow(0.5).round(12).where(complete).to_numpy())
