"""Problems before a policy's training cut-off beside later ones, with policies that tell how much harder those are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.test_report import on_page
from ttstudy.analysis.contamination import COLUMNS, contamination, is_after
from ttstudy.analysis.definitions import StudyTables
from ttstudy.data import tables
from ttstudy.vocabulary import NEVER


@pytest.mark.parametrize(
    ("published", "cutoff", "after"),
    [
        ("2024-02-07", "2023-12", True), ("2024-02", "2024-02", False), ("2024-02-07", "2024-02", False),
        ("2024-03", "2024-02-28", True), ("2023-12-31", "2024-01-01", False), ("2024-02-08", "2024-02-07", True),
        ("2024-02-07", "2024-02-07", False), (NEVER, "2030-01", True),
    ],
)  # fmt: skip
def test_a_problem_in_doubt_counts_as_before(published, cutoff, after):
    assert is_after(published, cutoff) is after


def study(right: dict[str, dict[str, float]], problems: int = 40) -> StudyTables:
    """Greedy answers: `right` has the share of each policy on each benchmark."""
    rows = []
    for policy, shares in right.items():
        for benchmark, share in shares.items():
            for i in range(problems):
                rows.append((benchmark, policy, "none", "cot", 1, "none", "none", f"{benchmark}-{i}", "easy",
                             float(i < share * problems)))  # fmt: skip
    key = ["benchmark", "policy", "prm", "method", "budget", "score", "vote"]
    outcomes = pd.DataFrame(rows, columns=[*key, "problem_id", "level", "value"])
    accuracy = outcomes.groupby(key, as_index=False)["value"].mean().rename(columns={"value": "accuracy"})
    return StudyTables({"outcomes": outcomes, "accuracy": accuracy.assign(level="all", problems=problems)})


DAYS = {"AIME24": "2024-02-07", "AIME25": "2025-02-06"}


def test_a_fall_that_controls_do_not_share_is_told_beside_theirs():
    told = study({
        "seen": {"AIME24": 0.8, "AIME25": 0.3}, "old": {"AIME24": 0.5, "AIME25": 0.4},
        "new": {"AIME24": 0.6, "AIME25": 0.6}, "silent": {"AIME24": 0.5, "AIME25": 0.1},
    })  # fmt: skip
    cutoffs = {"seen": "2024-06", "old": "2023-12", "new": "2025-06"}
    (row,) = contamination(told, DAYS, cutoffs).to_dict("records")
    assert (row["policy"], row["before"], row["after"]) == ("seen", "AIME24", "AIME25")
    assert row["accuracy_before"] == 0.8 and row["accuracy_after"] == 0.3 and row["problems_after"] == 40
    assert row["difference"] == pytest.approx(-0.5) and row["low"] < -0.5 < row["high"] < 0
    # `old` saw neither and `new` may have seen both; of `silent` no cut-off is known.
    assert row["control"] == pytest.approx((-0.1 + 0.0) / 2) and row["controls"] == 2
    tables.check("contamination", contamination(told, DAYS, cutoffs))


def test_problems_from_a_seed_are_after_every_cutoff_and_what_is_on_one_side_has_no_row():
    told = study({"a": {"AIME24": 0.8, "words": 0.7}, "b": {"AIME24": 0.8}})
    found = contamination(told, DAYS | {"words": NEVER}, {"a": "2026-01", "b": "2026-01"})
    assert found[["policy", "before", "after", "controls"]].values.tolist() == [["a", "AIME24", "words", 0]]
    assert np.isnan(found["control"].item())
    assert list(contamination(told, {}, {"a": "2026-01"}).columns) == COLUMNS


def test_the_interval_covers_the_difference_of_two_sets_of_problems():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(300):
        outcomes = study({"a": {"AIME24": 1.0, "AIME25": 1.0}}, 30).table("outcomes")
        chance = outcomes["benchmark"].map({"AIME24": 0.7, "AIME25": 0.4})
        outcomes["value"] = (rng.random(len(outcomes)) < chance).astype(float)
        accuracy = outcomes.drop(columns=["problem_id", "value"]).drop_duplicates().assign(level="all", accuracy=0.5)
        row = contamination(StudyTables({"outcomes": outcomes, "accuracy": accuracy}), DAYS, {"a": "2024-06"}).iloc[0]
        inside.append(row["low"] <= -0.3 <= row["high"])
    assert 0.92 <= np.mean(inside) <= 0.99


def test_the_report_has_a_section_where_days_are_known(tmp_path):
    told = study({"seen": {"AIME24": 0.9, "AIME25": 0.2}})
    found = contamination(told, DAYS, {"seen": "2024-06"})
    world = {**told.tables, "contamination": found}
    section = on_page("contamination", world)
    assert section.finding.startswith(
        "The greedy answer is clearly worse on problems published after the training cut-off for 1 of 1 policies."
    )
    assert on_page("contamination", dict(told.tables)) is None
