"""One definition of TTS and of a win, in tables, answer, claims and documentation; the report computes neither."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ttstudy.analysis import claims, definitions, headline
from ttstudy.analysis.accuracy import accuracy_table
from ttstudy.analysis.definitions import StudyTables
from ttstudy.dag import fingerprint
from ttstudy.data import tables
from ttstudy.report import answer, views
from ttstudy.report.blocks import Results
from ttstudy.report.sections import SECTIONS
from ttstudy.vocabulary import HEADLINE_TABLES

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "workflow" / "ttstudy"
SIZES = {"small": 1e6, "middle": 1e7, "large": 1e8}
PRMS = {"good": 0.95, "better": 0.7}
"""By step AUC: `good` is the reference PRM, whatever the other one leads to."""


def outcomes(cells: dict[tuple, np.ndarray], benchmark: str = "toy") -> pd.DataFrame:
    """Value of each problem by (policy, prm, method, budget, score, vote)."""
    names = ["policy", "prm", "method", "budget", "score", "vote"]
    frames = [
        pd.DataFrame({"problem_id": [f"p{i:03d}" for i in range(len(value))], "level": "easy", "value": value}).assign(
            benchmark=benchmark, **dict(zip(names, cell, strict=True))
        )
        for cell, value in cells.items()
    ]
    return pd.concat(frames, ignore_index=True)


def made(cells: dict[tuple, np.ndarray], **order: list[str]) -> dict[str, pd.DataFrame]:
    """The tables of a study of these values, its headline with them."""
    values = outcomes(cells)
    models = pd.DataFrame({
        "model": [*SIZES, *PRMS], "kind": ["policy"] * 3 + ["prm"] * 2, "parameters": [*SIZES.values(), 1e5, 1e5],
        "tokens": 1.0, "flops": 1.0, "loss": 1.0, "auc": [None] * 3 + list(PRMS.values()),
    })  # fmt: skip
    known = {"outcomes": values, "accuracy": accuracy_table(values), "training": models}
    found = headline.tables(StudyTables(known, order=order))
    return known | {name: tables.check(name, frame) for name, frame in found.items()}


def contest(seed: int, greedy: bool = True) -> dict[tuple, np.ndarray]:
    """Three policies; the PRM that is not the reference leads to much more, and the large policy is between the two."""
    rng = np.random.default_rng(seed)
    base = rng.random(80)
    cells: dict[tuple, np.ndarray] = {}
    for policy, (one, good, better) in {
        "small": (0.1, 0.35, 0.9), "middle": (0.2, 0.4, 0.9), "large": (0.6, 0.7, 0.9)
    }.items():  # fmt: skip
        single = ("cot", 1, "none", "none") if greedy else ("majority", 1, "none", "majority")
        cells[policy, "none", *single] = (base < one).astype(float)
        cells[policy, "good", "best_of_n", 4, "last", "prm_vote"] = (base < good).astype(float)
        cells[policy, "better", "best_of_n", 4, "last", "prm_vote"] = (rng.random(80) < better).astype(float)
    return cells


@pytest.mark.parametrize("greedy", [True, False], ids=["greedy", "one sampled answer"])
@pytest.mark.parametrize("seed", range(3))
def test_the_answer_and_claim_45_speak_of_the_same_pairs(seed, greedy):
    """They differed: the claim took the best PRM and greedy answers alone, and won pairs that the answer had not."""
    found = made(contest(seed, greedy))
    pairs = found["headline"].query("policy != larger and reference")
    assert set(pairs["prm"]) == {"good"} and len(pairs) == 3
    rest = found["headline"].query("policy != larger and not reference")
    assert rest["won"].sum() > pairs["won"].sum()
    claim = claims.verdicts(found).set_index("claim").loc[45]
    told = " ".join(answer.answers(StudyTables(found), found["headline"])[0].sentences)
    won = int(pairs["won"].sum())
    open_ = int((~pairs["ahead"]).sum())
    assert f"of {open_} pairs in which the larger policy is ahead without TTS {won} are won" in claim["text"]
    assert re.search(rf"\b{won} of 3 pairs of a smaller with a larger policy (is|are) won", told)
    assert (claim["verdict"] == "supported") == (won > 0)


def test_a_win_takes_an_interval_above_zero_and_holms_correction():
    pairs = pd.DataFrame({"low": [0.01, 0.01, -0.01, 0.01, 0.01], "p_holm": [0.049, 0.05, 0.001, np.nan, 0.001]})
    pairs["ahead"] = [False] * 4 + [True]
    assert definitions.won(pairs).tolist() == [True, False, False, False, False]


def test_a_policy_that_was_ahead_already_has_overcome_nothing():
    cells = contest(0)
    cells["small", "none", "cot", 1, "none", "none"] = np.ones(80)
    pairs = made(cells)["headline"].query("reference and policy != larger").set_index(["policy", "larger"])
    assert pairs.loc[("small", "large"), "ahead"] and not pairs.loc[("middle", "large"), "ahead"]
    assert pairs.loc[("small", "large"), "alone"] == 1.0


def test_without_an_auc_the_configured_order_names_the_reference_prm():
    cells = contest(1)
    known = made(cells)
    known["training"] = known["training"].assign(auc=None)
    for first in ("good", "better"):
        order = {"prms": [first, *(name for name in PRMS if name != first)]}
        table = headline.headline(StudyTables(known, order=order))
        assert set(table.loc[table["reference"], "prm"]) == {first}


def test_a_study_without_prms_has_every_table_and_no_row_that_needs_one():
    cells = {key: value for key, value in contest(0).items() if key[1] == "none"}
    found = made(cells)
    assert {name: len(found[name]) for name in HEADLINE_TABLES} == dict.fromkeys(HEADLINE_TABLES, 0)


def test_what_the_report_shows_are_rows_of_the_tables():
    found = made(contest(2))
    study = StudyTables(found)
    for key, name in {"small-large": "headline", "votes": "votes", "prms": "prm_effect"}.items():
        columns = list(found[name].columns)
        shown = SECTIONS[key].view(Results.of(study), {})[columns].sort_values(tables.KEYS[name]).reset_index(drop=True)
        pd.testing.assert_frame_equal(shown, found[name].sort_values(tables.KEYS[name]).reset_index(drop=True))
    assert set(views.gains(study)["prm"]) <= {"good"}


# -- no second definition ----------------------------------------------------------------------------------------------


def _calls(path: Path) -> set[str]:
    """Names of what a module calls."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            target = node.func
            found.add(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""))
    return found


COMPUTES = {"paired_difference", "interval", "holm", "resample_weights", "cross_fit", "choice_variance", "wilson",
            "compute_optimal", "efficiency_interval", "pareto", "grids"}  # fmt: skip


@pytest.mark.parametrize("path", sorted((LIBRARY / "report").rglob("*.py")), ids=lambda path: path.name)
def test_the_report_computes_no_interval_no_p_and_no_choice(path):
    assert not _calls(path) & COMPUTES
    computing = r"analysis(\.| import )(statistics|choice|strategy|headline|leads)\b|\bscipy\b"
    assert not re.search(computing, path.read_text())


def test_what_views_load_holds_no_statistics():
    loaded = fingerprint.closure(LIBRARY / "analysis" / "definitions.py")
    assert not {path.name for path in loaded} & {"statistics.py", "choice.py", "strategy.py", "flops.py"}
    assert not any("scipy" in path.read_text() for path in loaded)


WORDS = {
    # A comparison of two studies has a family of its own.
    r"p_holm\"\] *<|\.p *< *SIGNIFICANT.*low|low.*\.p *< *SIGNIFICANT": {
        "analysis/definitions.py", "analysis/comparison.py",
    },
    r"== *\"cross_fitted\"": {"analysis/definitions.py"},
    r"\bcross_fit\(": {"analysis/choice.py", "analysis/strategy.py"},
}
"""What defines a win, which rows are TTS, and how it is fitted: the only modules that may say so."""


@pytest.mark.parametrize("pattern", WORDS)
def test_a_win_and_tts_are_defined_in_one_place(pattern):
    said = {str(path.relative_to(LIBRARY)) for path in LIBRARY.rglob("*.py") if re.search(pattern, path.read_text())}
    assert said == WORDS[pattern]


def test_the_documentation_quotes_the_definitions():
    text = " ".join((ROOT / "docs/results.md").read_text().split())
    assert definitions.TTS in text and definitions.WIN in text
