"""The report: true to its tables, safe with hostile text, the same bytes every time, and working in a browser."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import re
import subprocess
import sys
import zlib
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import report_world
from reading import too_long
from report_browser import Browser, find

from ttstudy import report
from ttstudy.analysis import definitions, strategy
from ttstudy.data import published
from ttstudy.report import answer, cells, explorer, paper, views
from ttstudy.report.blocks import Results
from ttstudy.report.figures.style import LOOKS
from ttstudy.report.section import Given, Passage
from ttstudy.report.sections import SECTIONS
from ttstudy.report.sections.matched import MATCHES
from ttstudy.vocabulary import HEADLINE_TABLES

POLICIES = {"mini-20k": 20_416, "mini-180k": 183_760, "mini-1200k": 1_203_200}
PRMS = {name: report_world.PRMS[name] for name in ("prm-good", "prm-ood")}
VOID = {"meta", "link", "br", "input", "img", "hr"}


class Page(HTMLParser):
    """What a report holds: tags, attributes, tables, scripts, styles, text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self.tables: dict[str, dict[str, list]] = {}
        self.text: list[str] = []
        self._open: list[str] = []
        self._raw: list[str] | None = None
        self._table: dict[str, list] | None = None
        self._cell: dict | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.elements.append((tag, given))
        if tag in ("script", "style"):
            self._raw = []
            self.scripts.append((given, "")) if tag == "script" else None
        if tag == "table":
            self._table = {"names": [], "kinds": [], "rows": []}
            if "data-key" in given:
                self.tables[given["data-key"]] = self._table
        if tag == "th" and self._table is not None and "data-name" in given:
            self._table["names"].append(given["data-name"])
            self._table["kinds"].append(given["data-kind"])
        if tag == "tr" and self._table is not None:
            self._table["rows"].append([])
        if tag == "td" and self._table is not None:
            self._cell = {"text": "", "value": given.get("data-v")}
            self._table["rows"][-1].append(self._cell)

    def handle_endtag(self, tag):
        if tag == "script":
            self.scripts[-1] = (self.scripts[-1][0], "".join(self._raw or []))
        if tag == "style":
            self.styles.append("".join(self._raw or []))
        if tag in ("script", "style"):
            self._raw = None
        if tag == "td":
            self._cell = None
        if tag == "table" and self._table is not None:
            self._table["rows"] = [row for row in self._table["rows"] if row]
            self._table = None

    def handle_data(self, data):
        if self._raw is not None:
            self._raw.append(data)
            return
        self.text.append(data)
        if self._cell is not None:
            self._cell["text"] += data

    def table(self, key: str) -> pd.DataFrame:
        """A table with exact values, the packed rest included."""
        found = self.tables[key]
        rows = [[c["text"] if c["value"] is None else c["value"] for c in row] for row in found["rows"]]
        packed = [text for given, text in self.scripts if given.get("id") == f"{key}-more"]
        for row in json.loads(unpack(json.loads(packed[0]))) if packed else []:
            rows.append([c[1] if isinstance(c, list) else c for c in row])
        frame = pd.DataFrame(rows, columns=found["names"])
        for name, kind in zip(found["names"], found["kinds"], strict=True):
            if kind != "text":
                frame[name] = pd.to_numeric(frame[name].replace("", np.nan))
        return frame


def unpack(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


@pytest.fixture(scope="session")
def world() -> dict[str, pd.DataFrame]:
    return report_world.world(problems=60, policies=POLICIES, prms=PRMS, budgets=(4, 16), explored=2)


@pytest.fixture(scope="session")
def built(world, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    report.build(world, report_world.CONTEXT, path, path.parent / "figures")
    return path


@pytest.fixture(scope="session")
def page(built) -> Page:
    return Page(built.read_text(encoding="utf-8"))


def same(shown: pd.DataFrame, source: pd.DataFrame, keys: list[str], values: list[str]) -> None:
    """Every shown row is a row of the source, with equal numbers, and none is missing."""
    label = {look.label: name for name, look in LOOKS.items()}
    shown = shown.assign(**{c: shown[c].replace(label) for c in ("method",) if c in shown})
    assert len(shown) == len(source) > 0
    both = shown.merge(source, on=keys, suffixes=("", "_source"))
    assert len(both) == len(source)
    for value in values:
        np.testing.assert_array_equal(both[value].astype(float), both[f"{value}_source"].astype(float))


def test_figures_of_an_earlier_state_of_the_study_are_gone(world, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/old.svg").write_text("<svg/>")
    report.build(world, report_world.CONTEXT, tmp_path / "report.html", tmp_path / "figures")
    found = {path.name for path in (tmp_path / "figures").iterdir()}
    assert "old.svg" not in found and len(found) > 5


def test_accuracies_in_the_report_are_those_of_the_accuracy_table(page, world):
    accuracy = world["accuracy"][world["accuracy"]["level"] == "all"]
    interval = ["accuracy", "low", "high", "problems"]
    same(page.table("cot-data"), accuracy[accuracy["method"] == "cot"], ["benchmark", "policy"], interval)
    rule = (accuracy["score"] == "last") & (accuracy["vote"] == "prm_vote")
    curves = accuracy[(rule | accuracy["method"].isin(["majority", "coverage"])) & (accuracy["method"] != "cot")]
    same(page.table("scaling-0-data"), curves, ["policy", "prm", "method", "budget"], interval)


def test_how_far_runs_lie_apart_is_told_at_the_largest_budget_that_was_drawn_twice(page, world):
    spread = world["spread"]
    rule = (spread["score"] == "last") & (spread["vote"] == "prm_vote") | (spread["method"] == "majority")
    twice = spread[rule & spread["run_sd"].notna()]
    largest = twice[twice["budget"] == twice.groupby(["policy", "prm", "method"])["budget"].transform("max")]
    assert set(largest["method"]) == {"majority", "best_of_n", "dvts"}  # beam search was run once
    same(page.table("runs-data"), largest, ["policy", "prm", "method", "budget"], ["draws", "run_sd", "problem_sd"])


def test_votes_training_claims_counts_and_ledger_are_those_of_their_tables(page, world):
    accuracy = world["accuracy"]
    votes = page.table("votes-data")
    for score in ("min", "last", "avg"):
        cells_ = accuracy[
            (accuracy["level"] == "all") & (accuracy["score"] == score) & (accuracy["vote"] == "prm_max")
            & (accuracy["budget"] == 16)
        ]  # fmt: skip
        shown = votes.rename(columns={f"{score}_prm_max": "accuracy"})
        same(shown, cells_, ["policy", "prm", "method", "budget"], ["accuracy"])
    trained = page.table("training-data").assign(kind=lambda frame: frame["kind"].str.lower())
    same(trained, world["training"], ["model", "kind"], ["parameters", "tokens", "flops", "loss"])
    same(page.table("claims-data"), world["claims"].fillna({"low": np.nan}), ["claim", "title"], ["low", "high"])
    key = ["policy", "prm", "method", "budget"]
    same(page.table("counts-data"), world["counts"], key, ["responses", "cut", "no_answer", "timed_out"])
    same(page.table("overlong-data"), world["overlong"], key, ["scored", "overlong"])
    each = world["ledger"].copy()
    parts = [c for c in each.columns if c.startswith("flops_")]
    each[parts] = each[parts].div(each["problems"], axis=0)
    same(page.table("ledger-data"), each, key, parts)


def test_leads_over_best_of_n_are_differences_of_the_accuracies_shown(page, world):
    rule = "level == 'all' and (score == 'last' and vote == 'prm_vote' or method == 'majority')"
    known = world["accuracy"].query(rule).set_index(["policy", "prm", "method", "budget"])["accuracy"].to_dict()
    spent = world["ledger"].set_index(["policy", "prm", "method", "budget"])
    label = {look.label: name for name, look in LOOKS.items()}
    table = page.table("matched-0-data")
    columns = {
        "equal N": "flops_total", "equal generated tokens": "response_tokens", "equal FLOPs, as run": "flops_total",
        "equal FLOPs, read anew": "flops_reencoded", "equal FLOPs, shared": "flops_shared",
    }  # fmt: skip
    assert set(table["match"]) == set(columns) and len(table) > 20
    fractions = 0
    for row in table.itertuples():
        method, column = label[row.method], columns[row.match]
        guide, cost = "none" if method == "majority" else row.prm, (spent[column] / spent["problems"]).to_dict()
        base = (row.policy, row.prm, "best_of_n", row.budget)
        assert row.base_cost == pytest.approx(cost[base])
        assert row.difference == pytest.approx(row.accuracy - known[base], abs=1e-9)
        curve = {key[3]: cost[key] for key in cost if key[:3] == (row.policy, guide, method)}
        if row.spent in curve:
            assert row.accuracy == pytest.approx(known[row.policy, guide, method, row.spent], abs=1e-9)
            assert row.match == "equal N" or row.cost <= row.base_cost * (1 + 1e-9) or row.spent == min(curve)
        else:
            fractions += 1
            assert row.cost == pytest.approx(row.base_cost)
            below, above = (pick(n for n in curve if sign * (n - row.spent) < 0)
                            for pick, sign in ((max, 1), (min, -1)))  # fmt: skip
            ends = sorted(known[row.policy, guide, method, n] for n in (below, above))
            assert ends[0] - 1e-9 <= row.accuracy <= ends[1] + 1e-9
    assert fractions > 5
    fronts = page.table("fronts-0-data").assign(method=lambda frame: frame["method"].replace(label))
    assert set(fronts["match"]) == set(columns) - {"equal N"}
    wanted = world["fronts"].assign(match=world["fronts"]["match"].map(MATCHES))
    key = ["policy", "prm", "match", "method", "budget"]
    same(fronts, wanted, key, ["cost", "accuracy", "share", "best", "low", "high"])


def test_headline_gains_and_prms_are_those_of_accuracy_strategy_and_ledger(page, world):
    accuracy = world["accuracy"][world["accuracy"]["level"] == "all"]
    greedy = accuracy[accuracy["method"] == "cot"].set_index("policy")["accuracy"]
    fitted = world["strategy"].query("selection == 'cross_fitted' and prm == 'prm-good'")
    ledger = world["ledger"].assign(flops=world["ledger"]["flops_total"] / world["ledger"]["problems"])
    headline = page.table("headline-0-data")
    interval = ["accuracy", "low", "high"]
    tts, cot = headline[headline["kind"] == "tts"], headline[headline["kind"] == "cot"]
    same(cot, accuracy[accuracy["method"] == "cot"], ["policy", "method", "budget"], interval)
    same(tts, fitted, ["policy", "method", "budget"], interval)
    price = ledger[(ledger["method"] == "cot")]
    same(cot, price, ["policy", "method", "budget"], ["flops"])
    same(tts, ledger[ledger["prm"] == "prm-good"].merge(fitted, on=["policy", "method", "budget"]),
         ["policy", "method", "budget"], ["flops"])  # fmt: skip
    assert not any(  # nothing on the front is both dearer and no better than another
        ((headline["flops"] <= row.flops) & (headline["accuracy"] > row.accuracy)).any()
        for row in headline[headline["pareto"] == 1].itertuples()
    )
    top = fitted[fitted["budget"] == 16].set_index("policy")
    vote = accuracy[(accuracy["method"] == "majority") & (accuracy["budget"] == 16)].set_index("policy")["accuracy"]
    for row in page.table("gains-0-data").itertuples():
        assert (row.cot, row.majority) == (greedy[row.policy], vote[row.policy])
        assert (row.tts, row.tts_low, row.tts_high) == tuple(top.loc[row.policy, interval])
        assert row.gain == pytest.approx(row.tts / row.cot - 1)
    rule = (accuracy["score"] == "last") & (accuracy["vote"] == "prm_vote") & (accuracy["budget"] == 16)
    prms = page.table("prms-0-data")
    same(prms, accuracy[rule], ["policy", "prm", "method", "budget"], interval)
    np.testing.assert_allclose(prms["gain"], prms["accuracy"] - prms["policy"].map(greedy))
    trained = world["training"].dropna(subset="auc").rename(columns={"model": "prm"})
    same(prms.drop_duplicates("prm"), trained, ["prm"], ["auc"])


def test_levels_best_methods_costs_optimism_graders_and_audit_are_those_of_their_tables(page, world):
    difficulty, outcomes = world["difficulty"], world["outcomes"]
    counted = difficulty.groupby(["policy", "level"]).agg(problems=("level", "size"), pass_at_1=("pass_at_1", "mean"))
    levels = page.table("levels-0-data")
    same(levels[levels["problems"] > 0], counted.reset_index(), ["policy", "level"], ["problems", "pass_at_1"])
    assert levels.groupby("policy")["share"].sum().tolist() == pytest.approx([1.0] * len(POLICIES))
    label = {look.label: name for name, look in LOOKS.items()}
    ruled = outcomes.query("score == 'last' and vote == 'prm_vote' or method == 'majority'")
    best = page.table("best-0-data")
    assert len(best)
    for row in best.itertuples():
        here = ruled[(ruled["policy"] == row.policy) & (ruled["budget"] == row.budget)]
        here = here[here["prm"].isin([row.prm, "none"])]
        here = here if row.level == "all" else here[here["level"] == row.level]
        means = here.groupby("method")["value"].mean().sort_values(ascending=False)
        assert row.accuracy == pytest.approx(means.iloc[0]) == pytest.approx(means[label[row.method]])
        assert row.difference == pytest.approx(means.iloc[0] - means[label[row.second]])
        assert row.low <= row.difference <= row.high and bool(row.significant) == (row.low > 0)
    parts = page.table("flops-0-data")
    np.testing.assert_allclose(parts[["prompt", "kept", "discarded", "PRM"]].sum(axis=1), parts["flops_total"])
    ledger = world["ledger"].assign(flops_total=world["ledger"]["flops_total"] / world["ledger"]["problems"])
    shown = parts.assign(method=parts["method"].replace(label)).merge(
        ledger[ledger["prm"].isin(["prm-good", "none"])], on=["policy", "method", "budget"], suffixes=("", "_source")
    )
    assert len(shown) == len(parts)
    np.testing.assert_array_equal(shown["flops_total"], shown["flops_total_source"])
    key = ["policy", "prm", "budget"]
    same(page.table("optimism-0-data"), world["optimism"], key,
         ["naive", "cross_fitted", "optimism", "low", "high", "learning_loss", "error"])  # fmt: skip
    amounts = ["responses", "differ", "only_other", "only_grader"]
    summed = world["graders"].groupby("policy")[amounts].sum().reset_index()
    same(page.table("graders-data"), summed, ["policy"], amounts)
    cell = ["policy", "prm", "method", "budget"]
    effects = world["grader_accuracy"].query("changed > 0")
    same(page.table("graders-effect"), effects, cell, ["accuracy", "other", "difference", "changed"])
    same(page.table("graders-answers"), world["grader_answers"], ["policy", "problem_id", "answer"], ["responses"])
    spent = world["adaptive"].query("scheme == 'decided'").assign(scheme="stop when decided")
    shown = page.table("adaptive-0-data").query("scheme == 'stop when decided'")
    same(shown, spent, ["policy", "scheme", "budget"], ["spent", "accuracy", "fixed", "difference", "low", "high"])
    found = page.table("predicted-0-data").set_index(["policy", "level"])[["easy", "medium", "hard"]]
    wanted = world["predicted"].groupby(["policy", "true_level", "level"]).size()
    for (policy, level, predicted), count in wanted.items():
        assert found.loc[(policy, level), predicted] == count
    assert found.to_numpy().sum() == len(world["predicted"])
    audit = page.table("audit-data")
    told = world["claims"].set_index("claim")
    assert audit["claim"].tolist() == [8, 11, 14]
    assert audit["ours"].tolist() == [told.loc[claim, "ours"] for claim in audit["claim"]]


def test_flaws_of_prms_are_those_of_their_tables(page, world):
    key = ["prm", "policy"]
    same(page.table("prm-skill-data"), world["prm_skill"], key, ["auc", "f1", "low", "high", "f1_at_half"])
    told = page.table("diagnostics-data").assign(flaw=[flaw for flaw in world["diagnostics"]["flaw"]])
    same(told, world["diagnostics"], [*key, "flaw"], ["value", "low", "high", "count"])
    bins = world["calibration"].query("policy == 'all'")
    same(page.table("calibration-0-data"), bins, ["prm", "bin"], ["steps", "score", "right", "low", "high"])
    wide = page.table("failures-data")
    for row in world["failures"].itertuples():
        shown = wide[(wide["prm"] == row.prm) & (wide["policy"] == row.policy)]
        assert shown[row.cause].tolist() == [row.share] and shown["failures"].tolist() == [row.failures]


def test_published_accuracies_stand_beside_those_of_policies_with_the_papers_names(world):
    names = {"mini-20k": "Llama-3.2-1B-instruct", "miniature": "MATH-500"}
    tables = {
        name: frame.assign(**{c: frame[c].replace(names) for c in ("policy", "model", "benchmark") if c in frame})
        for name, frame in world.items()
    }
    shown = paper.beside(views.StudyTables(tables), pd.read_csv(report.PUBLISHED)).set_index(["where", "method"])
    assert set(shown["policy"]) == {"Llama-3.2-1B-instruct"} and set(shown["benchmark"]) == {"MATH-500"}
    five = shown.loc["Table 5"]
    assert five["published"].to_dict() == {
        "CoT (greedy)": 0.26, "Majority vote": 0.39, "Compute-optimal TTS": 0.662}  # fmt: skip
    accuracy = tables["accuracy"].query("policy == 'Llama-3.2-1B-instruct' and level == 'all'")
    greedy = accuracy.query("method == 'cot'").iloc[0]
    assert five.loc["CoT (greedy)", "ours"] == greedy["accuracy"]
    assert five.loc["CoT (greedy)", "inside"] == (greedy["low"] <= 0.26 <= greedy["high"])
    vote = accuracy.query("method == 'majority' and budget == 16").iloc[0]
    assert five.loc["Majority vote", "ours"] == vote["accuracy"]
    assert "no number of its own" in paper.statement(views.StudyTables(world), pd.read_csv(report.PUBLISHED))[0]


def view(world: dict[str, pd.DataFrame]) -> Results:
    """Results of which a section reads the study alone."""
    return Results(views.StudyTables(world), *[pd.DataFrame()] * 5)


def on_page(key: str, tables: dict[str, pd.DataFrame], context: dict | None = None) -> Passage | None:
    """A section of a study's page, which is in short sentences."""
    section = SECTIONS[key].on_page(key, view(tables), context or {})
    assert section is None or too_long(f"<p>{section.finding}</p><p>{section.method}") == []
    return section


def shown_in(section: Passage) -> pd.DataFrame:
    """Exact values of a section's one table, and the text of the others."""
    table = section.blocks[0].table
    rows = [[cell.text if cell.value is None else cell.value for cell in row] for row in table.rows]
    frame = pd.DataFrame(rows, columns=[column.name for column in table.columns])
    numbers = [column.name for column in table.columns if column.kind != "text"]
    return frame.assign(**{name: pd.to_numeric(frame[name]) for name in numbers})


def test_accuracies_by_subject_and_level_are_those_of_the_outcomes(world):
    problems = world["benchmark"]
    subjects = ["algebra" if place % 3 else "geometry" for place in range(len(problems))]
    levels = [str(1 + place % 2 * 9) for place in range(len(problems))]  # 1 and 10: as numbers, not as text
    problems = problems.assign(subject=subjects, level=levels)
    section = on_page("groups", world | {"benchmark": problems})
    shown = shown_in(section)
    assert len(shown) == 4 * len(POLICIES)
    assert shown.query("policy == 'mini-20k' and kind == 'level'")["group"].tolist() == ["1", "10"]
    rules = {
        "single": "method == 'cot'",
        "majority": "method == 'majority' and budget == 16",
        "guided": "method == 'best_of_n' and prm == 'prm-good' and score == 'last' and vote == 'prm_vote' "
        "and budget == 16",
    }
    for row in shown.itertuples():
        ids = problems.loc[problems[row.kind] == row.group, "problem_id"]
        assert row.problems == len(ids)
        mine = world["outcomes"].query("policy == @row.policy and problem_id in @ids")
        for column, rule in rules.items():
            assert getattr(row, column) == pytest.approx(mine.query(rule)["value"].mean(), abs=1e-12)
    least = shown[shown["kind"] == "level"].groupby("group")["single"].mean()
    assert f"({'level ' + least.idxmin()})" in section.finding and f"{100 * least.min():.1f}\u00a0%" in section.finding
    assert on_page("groups", world) is None  # one subject and one level are no groups


def test_published_accuracies_are_shown_as_published_and_ours_as_ours(world):
    names = {"miniature": "MATH-500"}
    tables = {
        name: frame.assign(benchmark=frame["benchmark"].replace(names)) if "benchmark" in frame else frame
        for name, frame in world.items()
    }
    theirs = published.accuracies(["GPT-4o", "Satori-Qwen-7B"])
    section = on_page("published", tables, {"published": theirs})
    shown = shown_in(section)
    assert set(shown["benchmark"]) == {"MATH-500"} and shown["accuracy"].is_monotonic_decreasing
    ours, other = shown[shown["source"] == "this study"], shown[shown["source"] != "this study"]
    accuracy = tables["accuracy"].query("level == 'all' and method == 'cot'").set_index("policy")
    greedy = ours[ours["what"] == "CoT"].set_index("model")
    assert greedy["accuracy"].to_dict() == accuracy["accuracy"].to_dict()
    assert greedy["low"].to_dict() == accuracy["low"].to_dict()
    fitted = tables["strategy"].query("selection == 'cross_fitted' and prm == 'prm-good' and level == 'all'")
    tts = ours[ours["what"] == "TTS, N = 16"].set_index("model")["accuracy"]
    assert tts.to_dict() == fitted.query("budget == 16").set_index("policy")["accuracy"].to_dict()
    assert other["low"].isna().all() and other["source"].str.startswith("published: ").all()
    for row in other.itertuples():
        known = theirs.query("model == @row.model and benchmark == @row.benchmark")
        assert row.accuracy in set(known["accuracy"])
    trained = other[other["what"] == "trained to reason"]
    assert set(trained["accuracy"]) == {0.836} and set(trained["model"]) == {"Satori-Qwen-7B"}
    assert section.finding.startswith("GPT-4o and Satori-Qwen-7B were not run: their accuracies are the published ones")
    assert on_page("published", world, {"published": theirs}) is None  # no benchmark of theirs
    assert on_page("published", tables) is None


CHECKED = set(
    "headline claims cot scaling matrix gains prms levels matched fronts best votes flops ledger optimism adaptive "
    "predicted training counts overlong runs graders graders-effect graders-answers prm-skill diagnostics calibration "
    "failures audit unlike versions steps checksums models".split()
)


def test_no_table_of_the_report_is_left_out_of_these_tests(page):
    assert {re.sub(r"(-\d+)?-data$", "", key) for key in page.tables} == CHECKED


def test_claim_cards_say_what_the_claims_table_says(built, world):
    html = built.read_text(encoding="utf-8")
    for row in world["claims"].itertuples():
        card = re.search(rf'<li[^>]* id="claim-{row.claim}">(.*?)</li>', html, re.DOTALL)[1]
        text = re.sub(r"<[^>]+>", "", card).replace("&gt;", ">").replace("−", "-")
        assert row.title in text
        if row.verdict != "not run":
            assert row.verdict in text and row.ours in text and row.text in text
            unit = " points" if "points" in row.ours else ""
            ends = [f"{end:.1f}" if unit else f"{end:.3g}" for end in (row.low, row.high)]
            assert pd.isna(row.low) or f"{ends[0]} to {ends[1]}{unit}" in text


def test_every_shown_number_is_its_exact_value_written_as_its_kind_says(page):
    seen = 0
    for found in page.tables.values():
        for row in found["rows"]:
            for shown, kind in zip(row, found["kinds"], strict=True):
                if shown["value"] in (None, ""):
                    assert shown["value"] is None or shown["text"] == cells.MISSING
                    continue
                value, seen = float(shown["value"]), seen + 1
                if kind in ("percent", "points", "gain"):
                    assert abs(float(shown["text"].replace("−", "-")) - 100 * value) <= 0.0501
                elif kind in ("count", "plain"):
                    assert float(shown["text"].replace(",", "")) == round(value)
                elif kind == "exponent" and "×" in shown["text"]:
                    digits, power = shown["text"].split("×10")
                    power = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
                    assert float(digits) * 10 ** int(power) == pytest.approx(value, rel=0.0051)
    assert seen > 1000


def test_small_against_large_is_the_cross_fitted_strategy_paired_with_cot(page, world):
    shown = page.table("matrix-0-data")
    row = shown[(shown["prm"] == "prm-good") & (shown["policy"] == "mini-20k") & (shown["larger"] == "mini-180k")].iloc[
        0
    ]
    selected = strategy.select(world["outcomes"], seed=0)
    cell = selected[
        (selected["policy"] == "mini-20k") & (selected["prm"] == "prm-good") & (selected["budget"] == 16)
        & (selected["level"] == "all") & (selected["selection"] == "cross_fitted")
    ]  # fmt: skip
    assert row["tts"] == pytest.approx(float(cell["accuracy"].iloc[0]), abs=1e-12)
    outcomes = world["outcomes"]
    cot = outcomes[(outcomes["policy"] == "mini-180k") & (outcomes["method"] == "cot")]["value"].mean()
    assert row["difference"] == pytest.approx(row["tts"] - cot)
    assert row["ratio"] == pytest.approx(183_760 / 20_416)
    assert row["low"] <= row["difference"] <= row["high"]


def test_the_answer_says_what_the_comparisons_say(world):
    study = views.StudyTables(world)
    matrix = views.matrix(study).drop(columns=["won", "ahead"])
    pairs = matrix[(matrix["prm"] == "prm-good") & (matrix["policy"] != matrix["larger"])]
    said = report_world.judged
    lost = said(matrix.assign(difference=-0.1, low=-0.2, high=-0.01, p_holm=0.001))
    won = said(matrix.assign(difference=0.1, low=0.05, high=0.15, p_holm=0.001, tts=0.7, cot=0.6, alone=0.6))
    unsure = said(matrix.assign(difference=0.1, low=0.01, high=0.19, p_holm=0.2))
    first = answer.answers(study, won)[0].sentences[0]
    assert first.startswith("mini-20k with test-time scaling (TTS) beats mini-1200k, 59 times its size: 70.0\u00a0%")
    behind = " ".join(answer.answers(study, won)[0].sentences[1:])
    assert "mini-20k (20.4k parameters) answers with prm-good." in behind
    assert "+10.0 points (95 % interval 5.0 to 15.0)" in behind and f"3 of {len(pairs)} pairs" in behind
    for frame in (lost, unsure):
        lead = answer.answers(study, frame)[0].sentences[0]
        assert lead == "On miniature, no small policy with test-time scaling (TTS) beats a larger one beyond chance."
    # A small policy that was ahead with one answer already has overcome nothing with TTS.
    led = answer.answers(study, said(won.assign(alone=0.65)))[0]
    told = " ".join(led.sentences)
    assert led.numbers[0].value == "none" and "no small policy with test-time scaling" in told
    assert "0 of 3 pairs" in told and "3 pairs do not count: the smaller one’s own greedy answer is ahead" in told


@pytest.mark.parametrize("larger", [True, False], ids=["against a larger policy", "alone"])
def test_no_prm_is_credited_where_the_method_that_was_chosen_uses_none(world, larger):
    study = views.StudyTables(world)
    matrix = views.matrix(study).assign(method="majority", difference=0.05, low=0.01, high=0.09, p_holm=0.2)
    matrix = matrix if larger else matrix[matrix["policy"] == matrix["larger"]]
    voted = " ".join(answer.answers(study, report_world.judged(matrix))[0].sentences)
    assert "prm-good" not in voted and "majority voting at N = 16, which uses no PRM." in voted
    guided = report_world.judged(matrix.assign(method="dvts"))
    assert "with prm-good" in " ".join(answer.answers(study, guided)[0].sentences)
    told = SECTIONS["small-large"].tell(Given(report_world.judged(matrix), Results.of(study), {}))
    assert "a vote without a PRM" in told.finding


def test_the_report_says_how_a_verdict_comes_about_and_never_that_a_claim_holds(built):
    html = built.read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", " ", re.sub(r"<script.*?</script>|<style.*?</style>", " ", html, flags=re.DOTALL))
    assert not re.search(r"\bholds?\b|not significant", text)
    assert definitions.RULE in " ".join(text.split()) and "1 is primary: named before the run" in text


def test_where_unlike_is_compared_with_unlike_is_told_with_its_source(page):
    numbers = pd.read_csv(report.PUBLISHED, keep_default_na=False)
    wanted = numbers[numbers["unlike"] != ""]
    shown = page.table("unlike-data")
    assert len(shown) == len(wanted) > 3 and shown["unlike"].tolist() == wanted["unlike"].tolist()
    assert shown["source"].tolist() == wanted["source"].tolist()


def test_the_page_loads_nothing_and_lets_only_its_own_script_and_style_run(page, built):
    policy = next(
        a["content"] for t, a in page.elements if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    running = [text for given, text in page.scripts if given.get("type") != "application/json"]
    assert len(running) == len(page.styles) == 1
    for kind, text in (("script", running[0]), ("style", page.styles[0])):
        digest = base64.b64encode(sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy
    assert "require-trusted-types-for 'script'" in policy
    for tag, given in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "img", "base", "form", "foreignobject")
        for name, value in given.items():
            assert not name.startswith("on") and name not in ("style", "src", "srcdoc", "action"), (tag, name)
            if name in ("href", "xlink:href"):
                assert value.startswith("#")
            assert not re.search(r"url\((?!#)", value or "")
    assert "url(" not in page.styles[0] and "@import" not in page.styles[0]
    assert built.stat().st_size < report.LARGEST


def test_links_lead_somewhere_and_ids_are_unique(page):
    ids = [given["id"] for _, given in page.elements if given.get("id")]
    assert len(ids) == len(set(ids))
    wanted = {given["href"][1:] for _, given in page.elements if (given.get("href") or "").startswith("#")}
    wanted |= {name for _, given in page.elements for name in (given.get("aria-labelledby") or "").split()}
    assert wanted <= set(ids)


def test_the_same_tables_give_the_same_bytes_in_another_process(world, built, tmp_path):
    script = (
        "import sys, pickle; from ttstudy import report; import report_world; "
        "report.build(pickle.load(open(sys.argv[1], 'rb')), report_world.CONTEXT, sys.argv[2])"
    )
    (tmp_path / "world.pickle").write_bytes(pickle.dumps(dict(reversed(world.items()))))
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path), "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", script, str(tmp_path / "world.pickle"), str(tmp_path / "again.html")]
    subprocess.run(command, check=True, env=environment, timeout=600)
    assert (tmp_path / "again.html").read_bytes() == built.read_bytes()


def test_packed_samples_survive_what_utf8_cannot_hold():
    assert json.loads(unpack(cells.pack({"text": "a\ud800b"}))) == {"text": "a?b"}


def test_missing_tables_cost_their_sections_only(world, tmp_path):
    needed = ("accuracy", "outcomes", "ledger", "frontier")
    report.build({name: world[name] for name in needed}, {}, tmp_path / "few.html")
    few = Page((tmp_path / "few.html").read_text(encoding="utf-8"))
    text = " ".join("".join(few.text).split())
    for sentence in (
        "This study has no table of claims.",
        "Difficulty was not measured in this study.",
        "No model was trained by this study",
        "Not there: this study did not count cut",
        "Not there: no samples were given to this report.",
        "Not there: no steps of this study are labelled right or wrong.",
        "Not there: the table of compute-optimal strategies is missing or empty.",
    ):
        assert sentence in text
    assert "headline-0-data" in few.tables
    report.build({name: frame[:0] for name, frame in world.items()}, {}, tmp_path / "empty.html")
    assert "This study has no results yet." in (tmp_path / "empty.html").read_text(encoding="utf-8")


def test_every_table_can_be_saved_and_is_whole(page, world):
    packed = {given["data-download"]: text for given, text in page.scripts if "data-download" in given}
    for name in ("accuracy", "outcomes", "claims", "benchmark", "difficulty"):
        frame = pd.read_parquet(io.BytesIO(unpack(json.loads(packed[f"{name}.parquet"]))))
        pd.testing.assert_frame_equal(frame, world[name].reset_index(drop=True), check_dtype=False)
        again = pd.read_csv(io.BytesIO(unpack(json.loads(packed[f"{name}.csv"]))), keep_default_na=False)
        assert list(again.columns) == list(world[name].columns) and len(again) == len(world[name])


def test_saved_text_cannot_run_in_a_spreadsheet():
    frame = pd.DataFrame({"text": ["=1+1", "+a", "-b", "@c", "\tx", " =d", "fine"], "number": [-1.5, 0, 1, 2, 3, 4, 5]})
    lines = cells.csv_bytes(frame).decode().split("\r\n")
    assert lines[1] == "'=1+1,-1.5"
    assert all(line.lstrip('"').startswith("'") for line in lines[1:7])
    assert lines[7] == "fine,5.0"


def test_samples_that_do_not_fit_are_left_out_evenly_and_it_is_said(world):
    whole = explorer.build(world["explorer"], world["nodes"])
    assert whole.note == "" and all(len(group["problems"]) == 2 for group in whole.index)
    size = sum(map(len, whole.blocks.values()))
    part = explorer.build(world["explorer"], world["nodes"], largest=int(size * 0.7))
    assert all(len(group["problems"]) == 1 for group in part.index)
    assert f"{len(whole.index)} of {2 * len(whole.index)}" in part.note


def test_too_large_a_report_is_refused_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(report, "LARGEST", 10)
    with pytest.raises(report.ReportError, match="above 10; give it fewer samples"):
        report.build({}, {}, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_flaws_are_told_with_intervals_and_worked_cases_show_scores_in_words_and_colour(page, built, world):
    told = page.tables["diagnostics-data"]
    assert len(told["rows"]) == len(world["diagnostics"]) and {"value", "low", "high"} <= set(told["names"])
    html = built.read_text(encoding="utf-8")
    section = html[html.index('<section id="flaws"') :].split("</section>")[0]
    steps = re.findall(r'<span class="score (s\d)" title="[^"]+">([\d.]+)</span><span dir="auto">(.*?)</span>', section)
    assert len(steps) == 3 * len(world["cases"])
    for colour, score, text in steps:  # the number and, at the error, a word: never colour alone
        assert colour == f"s{int(float(score) * 5)}" and ("first error" in text) == (score == "0.71")
    assert section.count("<figure") == 2 and all(prm in section for prm in PRMS)


HOSTILE = (
    "</script><script>window.ran=1</script><img src=x onerror=window.ran=2><svg "
    "onload=window.ran=3><style>*{display:none}"
    '</style><a href="javascript:window.ran=4">x</a> {{7*7}} {% raw %} <!-- ]]> &amp; &#x3c;b&#x3e; \u202eevil\u202c '
    "\u2028\u2029\x00\x1b[31m $\\frac{1}{2}$ \\boxed{<b>1</b>} '\";alert(1)//"
)


@pytest.fixture(scope="session")
def hostile(world, tmp_path_factory) -> Path:
    tables = {name: frame.copy() for name, frame in world.items()}
    for name, columns in {"explorer": ["problem", "gold", "response", "answer", "finish"], "nodes": ["text", "finish"],
                          "claims": ["title", "source", "published", "ours", "text", "needs"],
                          "cases": ["problem"], "benchmark": ["problem", "answer"],
                          "grader_answers": ["gold", "answer", "other_answer"]}.items():  # fmt: skip
        for column in columns:
            tables[name][column] = tables[name][column].where(tables[name][column].isna(), HOSTILE)
    tables["explorer"]["steps"] = [[HOSTILE, HOSTILE] for _ in range(len(tables["explorer"]))]
    tables["cases"]["steps"] = [[HOSTILE] * 3 for _ in range(len(tables["cases"]))]
    named = ("accuracy", "outcomes", "ledger", "strategy", "difficulty", "explorer", "nodes", "training", "counts")
    for name in (*named, *HEADLINE_TABLES):
        for column in ("policy", "prm", "model", "larger", "guide"):
            if column in tables[name]:
                names = {
                    "mini-20k": "<script>window.ran=5</script>$x_1$",
                    "prm-ood": '"><img src=x onerror=window.ran=6>',
                }
                tables[name][column] = tables[name][column].replace(names)
    text = HOSTILE
    context = report_world.CONTEXT | {
        "study": text, "question": text, "config": text, "commit": text, "hardware": text,
        "versions": {text: text}, "checksums": {text: text}, "seeds": {"study": 0, text: text},
        "order": {}, "steps": [{"rule": text, "jobs": 1, "seconds": 1.0, "cached": 0}],
        "libraries": {text: {text: text}},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    report.build(tables, context, path)
    return path


def test_hostile_text_adds_no_element_and_no_attribute(hostile, page):
    found = Page(hostile.read_text(encoding="utf-8"))
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in page.elements} | {"title"}
    assert {name for _, given in found.elements for name in given} == {
        name for _, given in page.elements for name in given
    }
    running = [text for given, text in found.scripts if given.get("type") != "application/json"]
    assert running == [text for given, text in page.scripts if given.get("type") != "application/json"]
    for given, text in found.scripts:
        if given.get("type") == "application/json":
            assert "<" not in text
            json.loads(text)
    assert "<script>window.ran=1</script>" in " ".join(found.text)
    assert "$x_1$" in " ".join(found.text)


needs_chromium = pytest.mark.skipif(
    find() is None, reason="Chromium is not installed (or TTSTUDY_CHROMIUM does not name it)"
)


@needs_chromium
def test_nothing_hostile_runs_in_a_browser_and_it_shows_as_text(hostile):
    with Browser() as browser:
        browser.open(hostile)
        browser.until("document.querySelectorAll('.response').length > 0")
        browser.js("document.querySelectorAll('details').forEach(d => d.open = true)")
        pick(browser, "Method", "beam_search")
        browser.until("document.querySelectorAll('.tree g[role=button]').length > 0")
        browser.js("document.querySelector('.tree g[role=button]').dispatchEvent(new Event('focus'))")
        assert browser.js("typeof window.ran") == "undefined"
        shown = browser.js("document.querySelector('.response .step span:last-child').textContent")
        assert shown.startswith("</script><script>window.ran=1</script><img src=x") and "\\boxed{<b>1</b>}" in shown
        assert "window.ran=2" in browser.js("document.querySelector('.told').textContent")
        assert browser.js("document.querySelectorAll('main img, main iframe, main script:not([type])').length") == 0
        assert browser.requests == [hostile.as_uri()]
        assert browser.problems == []


def pick(browser: Browser, label: str, value: str) -> None:
    """Choose an option of the explorer by its select's label."""
    browser.js(
        "(() => "
        "{ const label = [...document.querySelectorAll('#explorer-app label')].find(l => l.firstChild.textContent "
        f"=== {json.dumps(label)}); const s = label.querySelector('select'); s.value = {json.dumps(value)}; "
        "s.dispatchEvent(new Event('change')); })()"
    )


@needs_chromium
def test_a_reader_can_sort_filter_save_explore_print_and_use_a_phone(built, world):
    with Browser() as browser:
        browser.open(built)
        browser.until("document.querySelectorAll('.response').length > 0")

        def column(key: str, name: str) -> list[str]:
            return browser.js(
                f"(() => {{ const t = document.querySelector('table[data-key=\"{key}\"]'); "
                "const i = [...t.tHead.rows[0].cells]"
                f".findIndex(c => c.dataset.name === '{name}'); return [...t.tBodies[0].rows].filter(r => !r.hidden)"
                ".map(r => r.cells[i].dataset.v ?? r.cells[i].textContent); })()"
            )

        # a link into the appendix opens its part
        browser.js("location.hash = '#votes'")
        browser.until("document.querySelector('#votes > details').open")
        # sort by keyboard: focus the heading, press Enter
        browser.js("document.querySelector('#votes-data th[data-name=last_prm_vote] button').focus()")
        for _ in range(2):
            for kind in ("keyDown", "keyUp"):
                browser.call(
                    "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
                )
        browser.until("document.querySelector('#votes-data th[aria-sort=descending]') !== null")
        values = [float(v) for v in column("votes-data", "last_prm_vote")]
        assert values == sorted(values, reverse=True) and values != sorted(values)
        # filter
        browser.js(
            "(() => "
            "{ const i = document.querySelector('#votes-data input'); i.value = 'prm-ood DVTS'; "
            "i.dispatchEvent(new Event('input')); })()"
        )
        browser.until("document.querySelector('#votes-data output').textContent.startsWith('3 of 18')")
        assert set(column("votes-data", "prm")) == {"prm-ood"}
        # save what is filtered
        browser.js("window.saved = []; URL.createObjectURL = (blob) => "
                   "{ blob.text().then((t) => window.saved.push(t)); return 'blob:x'; };"
                   "HTMLAnchorElement.prototype.click = () => {};"
            "document.querySelector('#votes-data button.do').click()")  # fmt: skip
        browser.until("window.saved.length === 1")
        saved = pd.read_csv(io.StringIO(browser.js("window.saved[0]")))
        assert len(saved) == 3 and set(saved["method"]) == {"DVTS"}
        browser.js("[...document.querySelectorAll('td.save[data-name=claims] button')][0].click()")
        browser.until("window.saved.length === 2")
        assert len(pd.read_csv(io.StringIO(browser.js("window.saved[1]")))) == len(world["claims"])
        # explorer
        picked = browser.js("[...document.querySelectorAll('#explorer-app select')].slice(0, 4).map(s => s.value)")
        own = views.matrix(views.StudyTables(world)).query("policy == larger and prm == 'prm-good'").set_index("policy")
        assert picked == ["miniature", own["difference"].idxmax(), "beam_search", "prm-good"]  # where there is a tree
        pick(browser, "Policy", "mini-20k")
        pick(browser, "Method", "dvts")
        nodes = world["nodes"]
        first = nodes[(nodes["policy"] == "mini-20k") & (nodes["method"] == "dvts") & (nodes["prm"] == "prm-good")]
        first = first[first["problem_id"] == "miniature-0000"]
        browser.until(f"document.querySelectorAll('.tree g[role=button]').length === {len(first)}")
        # a link into a closed part opens it
        browser.js("location.hash = '#claim-9'")
        browser.until("document.getElementById('claim-9').closest('details').open")
        # what is far away is not drawn until it is needed, but all of it on paper
        drawn = "getComputedStyle(document.querySelector('#small-large')).contentVisibility"
        assert browser.js(drawn) == "auto"
        # dark theme, print, phone
        light = browser.js("getComputedStyle(document.body).backgroundColor")
        browser.media("dark")
        assert browser.js("getComputedStyle(document.body).backgroundColor") != light
        assert (
            browser.js("getComputedStyle(document.querySelector('#figure-headline-0 [stroke=\"#7a3fa0\"]')).stroke")
            == "rgb(192, 147, 230)"
        )
        browser.media("light", "print")
        assert browser.js("getComputedStyle(document.querySelector('nav')).display") == "none"
        assert browser.js(drawn) == "visible"
        browser.media()
        browser.size(390, 844)
        browser.open(built)
        assert browser.js("document.documentElement.scrollWidth") <= 390
        assert browser.requests == [built.as_uri()] * 2 and browser.problems == []


def test_the_graders_section_says_how_many_verdicts_and_accuracies_differ(world, page):
    text, frame, effects = "".join(page.text), world["graders"], world["grader_accuracy"]
    assert f"On {frame['differ'].sum():,} of {frame['responses'].sum():,} responses" in text
    first = effects.loc[effects["difference"].abs().idxmax()]
    assert f"the most by {100 * first['difference']:+.1f} points ({first['policy']}" in text


AXE = Path(__file__).resolve().parent / "axe/node_modules/axe-core/axe.min.js"


def violations(browser: Browser, rule: str | None = None) -> list[str]:
    """What axe-core finds wrong in the page (by all its rules, or by one), as `rule: element`."""
    options = json.dumps({"runOnly": [rule]} if rule else {})
    found = browser.js(f"axe.run(document, {options}).then((r) => ({{ passes: r.passes.length, violations: "
                       "r.violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.target)) }))")  # fmt: skip
    assert found["violations"] or found["passes"] >= (1 if rule else 20)
    return found["violations"]


@needs_chromium
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed (npm ci --prefix tests/axe)")
def test_axe_finds_nothing_that_a_screen_reader_or_the_eye_would_stumble_over(built):
    with Browser(390, 844) as browser:
        browser.media("dark")
        browser.open(built)
        browser.until("document.querySelectorAll('.response').length > 0")
        browser.js("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        pick(browser, "Method", "beam_search")
        browser.until("document.querySelectorAll('.tree g[role=button]').length > 0")
        browser.js("document.querySelector('#answer a.word').focus()")
        browser.until("!document.querySelector('.tip').hidden")
        browser.call("Runtime.evaluate", expression=AXE.read_text(encoding="utf-8"))
        assert violations(browser) == []
        browser.media("light")
        assert violations(browser, "color-contrast") == []
        # A page with a fault is told apart.
        browser.js("document.querySelector('.picker label').replaceWith(document.createElement('select'))")
        assert violations(browser, "select-name") != []
