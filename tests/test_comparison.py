"""Comparisons: a planted difference is named with its size and interval, and nothing else is."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import report_world
from reading import too_long
from report_browser import Browser
from test_report import AXE, Page, needs_chromium, unpack, violations

from studies import copy_repository, environment
from ttstudy.analysis import accuracy, compared, comparison, statistics
from ttstudy.dag import sides
from ttstudy.errors import StudyError
from ttstudy.report import comparison as page
from ttstudy.report.compared import sentences

POLICIES = {"mini-20k": 20_416, "mini-180k": 183_760}
PRMS = {name: report_world.PRMS[name] for name in ("prm-good", "prm-ood")}
PLANTED = ("miniature", "mini-20k", "prm-good", "best_of_n")
HOSTILE = "<script>window.ran=1</script>=1+1"


def planted(outcomes: pd.DataFrame, shift: float) -> pd.DataFrame:
    """Outcomes with every value of one group moved by `shift`, less where that leaves [0, 1]."""
    here = (outcomes[["benchmark", "policy", "prm", "method"]] == PLANTED).all(axis=1)
    return outcomes.assign(value=outcomes["value"].where(~here, (outcomes["value"] + shift).clip(0, 1)))


def noisy(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of another seed: values a little off, by nothing on average."""
    move = pd.Series(np.random.default_rng(3).uniform(-0.05, 0.05, len(outcomes)), outcomes.index)
    inside = outcomes["value"].between(0.05, 0.95)
    return outcomes.assign(value=outcomes["value"] + move.where(inside, 0))


@pytest.fixture(scope="module")
def studies() -> dict[str, comparison.Finished]:
    tables = report_world.world(problems=80, policies=POLICIES, prms=PRMS, budgets=(4, 16), explored=0)
    known = {"config": {"study": "a", "search": {"beam_width": 4, "tags": ["x"]}, "gone": 1}, "commit": "1",
             "versions": {"torch": "2.13.0"}, "headline": {"score": "last", "vote": "prm_vote"},
             "code": {"workflow/ttstudy/methods/pool.py": "0"}, "hardware": ["cpu"], "seeds": {"study": 0},
             "problems": {"miniature": dict.fromkeys(tables["benchmark"]["problem_id"], "digest")}}  # fmt: skip
    known["libraries"] = {"sample": {"vllm": "0.32.0"}}
    changed = json.loads(json.dumps(known)) | {"commit": "2", "code": {"workflow/ttstudy/methods/pool.py": "1"}}
    changed["libraries"] = {"sample": {"vllm": "0.33.0"}}
    changed["config"] = {"study": "b", "search": {"beam_width": 8, "tags": ["x"]}, "new": HOSTILE}
    worse = dict(tables) | {"outcomes": planted(tables["outcomes"], -0.12)}
    better = dict(tables) | {"outcomes": planted(noisy(tables["outcomes"]), 0.15)}
    return {
        "base": comparison.Finished("base", tables, known),
        "worse": comparison.Finished("worse", worse, changed),
        "better": comparison.Finished("better", better, changed),
        "noise": comparison.Finished("noise", dict(tables) | {"outcomes": noisy(tables["outcomes"])}, known),
    }


def test_a_planted_difference_is_named_with_its_size_and_interval_and_nothing_else(studies):
    found = compared.tables(studies["base"], [studies["worse"]])
    groups = found["groups"]
    assert len(groups) == 1 and tuple(groups.iloc[0][comparison.GROUP]) == PLANTED
    row = groups.iloc[0]
    assert row["verdict"] == "worse" and row["moved"] == row["cells"] == 18  # 2 budgets, 3 scores, 3 votes
    # Its size and interval are those of the paired comparison, made here from the outcomes themselves.
    grids = [
        accuracy.wide(studies[name].tables["outcomes"].query("policy == 'mini-20k'"))[tuple(row[comparison.CELL[1:]])]
        for name in ("worse", "base")
    ]
    gap = statistics.paired_difference(*(grid.to_numpy() for grid in grids))
    assert row["difference"] == gap.difference == pytest.approx(grids[0].mean() - grids[1].mean())
    assert (row["low"], row["high"]) == (gap.low, gap.high) and row["high"] < 0
    told = sentences(found, studies["base"], [studies["worse"]])[0][1]
    assert told[0].startswith("worse differs from base in 3 settings and in code")
    text = " ".join(told)
    assert "In 1 group of cells worse is worse than base beyond chance. It is: mini-20k" in text
    assert f"−{-100 * row['difference']:.1f} points (95 % interval −{-100 * row['low']:.1f}" in text
    assert "and 18 moved beyond chance." in text and "within chance" not in text
    quoted = found["headline"].query("verdict != 'equal'")
    assert set(quoted["method"]) == {"best_of_n"} and set(quoted["budget"]) == {4, 16}
    assert set(found["cells"].loc[found["cells"]["verdict"] == "worse", "method"]) == {"best_of_n"}
    assert not len(found["costs"]) and not len(found["verdicts"]) and not len(found["unshared"])


def test_noise_alone_is_no_finding_and_a_gain_in_noise_is_the_only_one(studies):
    quiet = comparison.cells(studies["base"], [studies["noise"]])
    assert set(quiet["verdict"]) == {"unclear", "equal"} and quiet["p"].min() < 0.05
    loud = comparison.groups(comparison.cells(studies["base"], [studies["better"]]))
    assert [tuple(row) for row in loud[comparison.GROUP].to_numpy()] == [PLANTED] and set(loud["verdict"]) == {"better"}


def test_what_no_table_would_show_is_no_change_however_sure_it_is(studies):
    base = studies["base"]
    outcomes = base.tables["outcomes"]
    lower = outcomes.assign(value=(outcomes["value"] - 1e-4).clip(0, 1))
    moved = comparison.Finished("moved", base.tables | {"outcomes": lower}, base.provenance)
    cells = comparison.cells(base, [moved])
    assert (cells["p_holm"] < 0.05).any() and set(cells["verdict"]) <= {"unclear", "equal"}
    told = sentences(compared.tables(base, [moved]), base, [moved])[0][1]
    assert "No cell of moved differs from base beyond chance." in told


def test_regressions_come_first_and_candidates_stand_side_by_side(studies):
    candidates = [studies["better"], studies["worse"]]
    found = comparison.tables(studies["base"], candidates)
    assert list(found["groups"]["verdict"]) == ["worse", "better"]
    apart = comparison.cells(studies["base"], [studies["worse"]])
    together = found["cells"][found["cells"]["candidate"] == "worse"].reset_index(drop=True)
    # One family: correcting over both candidates never makes a p value smaller.
    both = together["p_holm"].notna()
    assert (together.loc[both, "p_holm"] >= apart.loc[both, "p_holm"]).all()
    family = ["p_holm", "verdict"]
    pd.testing.assert_frame_equal(together.drop(columns=family), apart.drop(columns=family))


def test_what_was_changed_is_told_from_the_provenance(studies):
    frame = comparison.changes(studies["base"], [studies["worse"]])
    told = {(r.kind, r.name): (r.before, r.after) for r in frame.fillna("").itertuples(index=False)}
    assert told == {
        ("config", "search.beam_width"): ("4", "8"),
        ("config", "gone"): ("1", ""),
        ("config", "new"): ("", HOSTILE),
        ("code", "workflow/ttstudy/methods/pool.py"): ("0", "1"),
        ("libraries", "sample.vllm"): ("0.32.0", "0.33.0"),
        ("commit", "commit"): ("1", "2"),
    }


def test_only_problems_with_the_same_text_are_paired_and_the_rest_is_told(studies):
    base = studies["base"]
    ids = list(base.tables["benchmark"]["problem_id"])
    known = {"problems": {"miniature": dict.fromkeys(ids, "digest") | {ids[0]: "another"}}}
    outcomes = base.tables["outcomes"]
    here = outcomes[(outcomes["problem_id"] != ids[1]) & (outcomes["prm"] != "prm-ood")]
    accuracy = base.tables["accuracy"][base.tables["accuracy"]["prm"] != "prm-ood"]
    ledger = base.tables["ledger"].assign(flops_total=base.tables["ledger"]["flops_total"] * 2)
    claims = base.tables["claims"].assign(verdict=["contradicted", *base.tables["claims"]["verdict"][1:]])
    tables = {"outcomes": here, "accuracy": accuracy, "ledger": ledger, "claims": claims}
    other = comparison.Finished("other", tables, known)
    found = comparison.tables(base, [other])
    assert found["problems"].iloc[0].to_dict() == {
        "candidate": "other", "benchmark": "miniature", "before": 80, "after": 79, "paired": 78, "known": True,
    }  # fmt: skip
    assert set(found["cells"]["problems"]) == {78}
    assert set(found["unshared"]["prm"]) == {"prm-ood"} and set(found["unshared"]["side"]) == {"base"}
    assert found["costs"]["ratio"].tolist() == pytest.approx([2.0] * len(found["costs"])) and len(found["costs"])
    assert found["verdicts"][["claim", "before", "after"]].to_numpy().tolist() == [[1, "supported", "contradicted"]]


def test_sides_are_found_by_folder_results_folder_and_name_and_told_apart(tmp_path):
    for place in ("a/studies/mini", "b/studies/mini", "b/studies/other"):
        (tmp_path / place / "tables").mkdir(parents=True)
        for name in sides.NEEDED:
            (tmp_path / place / "tables" / f"{name}.parquet").touch()
    a, b = tmp_path / "a", tmp_path / "b"
    found = sides.open_sides({"baseline": [str(a)], "candidate": [str(b / "studies/mini"), "other"]}, b)
    assert [side.name for side in found] == ["a/mini", "b/mini", "b/other"]
    assert [side.name for side in sides.open_sides({"baseline": ["mini"], "candidate": ["other"]}, b)] == [
        "mini", "other"]  # fmt: skip
    assert [s.name for s in sides.open_sides({"baseline": [str(a)], "candidate": ["mini"]}, b)] == ["a", "b"]
    for texts, words in (
        ({"baseline": [str(b)], "candidate": ["mini"]}, "holds 2 studies; name one of"),
        ({"baseline": ["none"], "candidate": ["mini"]}, "no study in none"),
        ({"baseline": ["mini"], "candidate": ["mini"]}, "compared with itself"),
    ):
        with pytest.raises(StudyError, match=words):
            sides.open_sides(texts, b)
    with pytest.raises(StudyError, match="candidate is not given"):
        sides.named({"baseline": "x"})


@pytest.fixture(scope="module")
def run(studies, tmp_path_factory) -> Path:
    """A repository in which `snakemake compare` has run on two folders that hold tables and provenance alone."""
    root = copy_repository(tmp_path_factory.mktemp("compare"))
    shutil.rmtree(root / "workflow/studies")
    (root / "config.yaml").unlink()
    # The baseline's name is the later one in the alphabet: which side is which is not a matter of names.
    for folder, name in (("z-base", "base"), ("worse", "worse")):
        for key in (*sides.NEEDED, *sides.ALSO):
            path = root / f"elsewhere/{folder}/tables/{key}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            studies[name].tables[key].to_parquet(path, index=False)
        path.parent.parent.joinpath("provenance.json").write_text(json.dumps(studies[name].provenance))
    assert "(100%) done" in compare(root, "baseline=elsewhere/z-base", "candidate=elsewhere/worse")
    return root


def compare(root: Path, *named: str, ok: bool = True) -> str:
    import subprocess
    import sys

    command = [str(Path(sys.executable).parent / "snakemake"), "--profile", "workflow/profiles/default", "compare"]
    more = ["--config", *named] if named else []
    done = subprocess.run([*command, *more], cwd=root, env=environment(), capture_output=True, text=True, timeout=600)
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_comparison_needs_two_folders_and_no_configuration(run, studies):
    folder = run / "results/comparisons/z-base--worse"
    html = (folder / "comparison.html").read_text(encoding="utf-8")
    shown = Page(html)
    text = " ".join("".join(shown.text).split())
    assert "In 1 group of cells worse is worse than z-base beyond chance." in text and HOSTILE in text
    assert "window.ran" not in "".join(body for given, body in shown.scripts if given.get("type") != "application/json")
    # Every number is its table's.
    cells = pd.read_parquet(folder / "tables/cells.parquet")
    table = shown.table("cells-data")
    assert len(table) == len(cells)
    np.testing.assert_array_equal(
        np.sort(table["difference"].to_numpy()), np.sort(cells["difference"].to_numpy(dtype=float))
    )
    packed = {given["data-download"]: body for given, body in shown.scripts if "data-download" in given}
    assert "'=" not in unpack(json.loads(packed["changes.csv"])).decode() and "cells.parquet" in packed
    assert "Nothing to be done" in compare(run, "baseline=elsewhere/z-base", "candidate=elsewhere/worse")


def test_a_comparison_that_cannot_be_made_says_why(run):
    assert "no study in nowhere" in compare(run, "baseline=nowhere", "candidate=elsewhere/z-base", ok=False)


@needs_chromium
def test_the_page_of_a_comparison_works_offline_and_on_a_phone(run):
    path = run / "results/comparisons/z-base--worse/comparison.html"
    with Browser(390, 844) as browser:
        browser.open(path)
        browser.until("document.querySelector('#cells-data input') !== null")
        browser.js("(() => { const i = document.querySelector('#cells-data input'); i.value = 'worse'; "
                   "i.dispatchEvent(new Event('input')); })()")  # fmt: skip
        browser.until("document.querySelector('#cells-data output').textContent.startsWith('18 of')")
        assert browser.js("document.documentElement.scrollWidth") <= 390
        assert browser.js("typeof window.ran") == "undefined"
        assert browser.requests == [path.as_uri()] and browser.problems == []


@needs_chromium
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed (npm ci --prefix tests/axe)")
def test_axe_finds_nothing_wrong_in_the_page_of_a_comparison(run):
    with Browser() as browser:
        browser.open(run / "results/comparisons/z-base--worse/comparison.html")
        browser.js("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        browser.call("Runtime.evaluate", expression=AXE.read_text(encoding="utf-8"))
        assert violations(browser) == []


def test_each_methods_mean_difference_is_told_and_named_the_defects_cost_where_only_they_differ(studies):
    base, worse = studies["base"], studies["worse"]
    frame = comparison.tables(base, [worse])["methods"].set_index("method")
    assert frame.loc["best_of_n", "difference"] < 0 and frame.loc["best_of_n", "high"] < 0
    assert (frame.drop(index="best_of_n")["difference"] == 0).all()
    outcomes = base.tables["outcomes"].query("method == 'best_of_n' and score == 'last' and vote == 'prm_vote'")
    assert frame.loc["best_of_n", "before"] == pytest.approx(outcomes["value"].mean())
    assert frame.loc["best_of_n", "cells"] == len(outcomes[comparison.CELL].drop_duplicates())

    def titled(before: dict, after: dict) -> str:
        sides = [replace(side, provenance=side.provenance | {"config": config})
                 for side, config in ((base, before), (worse, after))]  # fmt: skip
        found = comparison.tables(sides[0], sides[1:])
        return page._methods(found["methods"], found["changes"], ["worse"]).title

    plain = {"search": {"semantics": "default"}, "grader": "strict"}
    assert titled(plain, {"search": {"semantics": "reference"}, "grader": "reference"}).endswith("defects cost")
    for other in ({"grader": "reference"}, {"search": {"semantics": "reference"}, "seed": 1}):
        assert titled(plain, plain | other) == "What it comes to, by method"


def test_a_difference_in_vote_alone_shows_what_it_does_to_the_headline(studies, tmp_path):
    base = studies["base"]

    def by(vote: str) -> dict:
        config = base.provenance["config"] | {"vote": vote}
        return base.provenance | {"config": config, "headline": {"score": "last", "vote": vote}}

    mine, other = replace(base, provenance=by("prm_vote")), replace(base, name="other", provenance=by("prm_max"))
    found = compared.tables(mine, [other])
    assert set(found["cells"]["verdict"]) == {"equal"} and not len(found["verdicts"])
    assert set(found["tts"]["verdict"]) == {"equal"}
    # Each side's accuracy is that of its own rule.
    outcomes = base.tables["outcomes"].query("policy == 'mini-20k' and prm == 'prm-good' and method == 'dvts'")
    rows = found["headline"].query("policy == 'mini-20k' and prm == 'prm-good' and method == 'dvts'")
    row = rows[rows["budget"] == 16].iloc[0]
    for side, vote in (("before", "prm_vote"), ("after", "prm_max")):
        ruled = outcomes.query("budget == 16 and score == 'last' and vote == @vote")
        assert row[side] == pytest.approx(ruled["value"].mean()) and row[f"rule_{side}"] == f"last / {vote}"
    assert row["difference"] == pytest.approx(row["after"] - row["before"])
    assert row["low"] <= row["difference"] <= row["high"]
    moved = found["headline"].query("verdict != 'equal'")
    assert len(moved) and set(moved["method"]) <= {"best_of_n", "beam_search", "dvts"}  # a majority asks for no vote
    turned = found["answers"]
    assert len(turned) and (turned["gained"] + turned["lost"] + turned["same"] == turned["problems"]).all()
    told = sentences(found, mine, [other])[0][1]
    assert told[0] == "other differs from base in “vote” (prm_vote, now prm_max) only."
    assert told[1].startswith(f"Of {len(found['headline'])} headline accuracies, ")
    page.build(mine, [other], found, {"base": "a", "other": "b"}, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    keys = re.findall(r'<section id="([\w-]+)"', html)
    assert keys[:4] == ["changes", "headline", "tts", "answers"] and '<figure id="figure-headline"' in html
    assert too_long(html) == []


def test_three_studies_stand_on_one_page_each_with_its_own_sentences(studies, tmp_path):
    base, candidates = studies["base"], [studies["better"], studies["worse"]]
    found = compared.tables(base, candidates)
    page.build(base, candidates, found, {}, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    leads = re.findall(r'<p class="answer lead">(.*?)</p>', html)
    assert [lead.split()[0] for lead in leads] == ["better", "worse"] and too_long(html) == []
    shown = Page(html)
    for table in ("headline-data", "tts-data", "cells-data"):
        assert set(shown.table(table)["candidate"]) == {"better", "worse"}
