"""CONTRIBUTING.md, done as it says: one file each, a run to the report, and taken away without a trace."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.studies import planned, smoke, snakemake, tables, write

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"```(python|yaml)\n# (\S+)\n(.*?)```", PAGE, flags=re.DOTALL)
FILES = {path: text for kind, path, text in BLOCKS if kind == "python"}
CHANGES = [yaml.safe_load(text) for kind, path, text in BLOCKS if path == "study.yaml"]


def with_additions() -> dict:
    """The smoke study with what the page adds to a study."""
    config = smoke()
    for change in CHANGES:
        for key, entries in change.items():
            config[key] = config.get(key, {}) | entries
    return config


@pytest.fixture(scope="module")
def added(finished, tmp_path_factory) -> Path:
    """A finished smoke study in which the page's files were added, and which was run again."""
    from tests.studies import copy_repository

    root = copy_repository(tmp_path_factory.mktemp("contributing") / "clone", finished)
    shutil.copytree(finished / "results", root / "results", symlinks=True)
    for name, model in (("policy", "smoke-8k"), ("prm", "smoke-undertrained")):
        (checkpoint,) = {path.parent for path in (root / "results/models").rglob("config.json") if model in str(path)}
        shutil.copytree(checkpoint, root / "own" / name, ignore=shutil.ignore_patterns(".stamp", "training.json"))
    for path, text in FILES.items():
        (root / path).write_text(text)
    snakemake(root, write(root, with_additions()))
    return root


def read(root: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(root / "results/studies/smoke/tables" / f"{name}.parquet")


def page(root: Path) -> str:
    return (root / "results/studies/smoke/report.html").read_text()


def test_the_page_shows_one_file_for_each_thing_that_can_be_added():
    folders = {str(Path(path).parent).removeprefix("workflow/ttstudy/") for path in FILES}
    kinds = {f"kinds/{name}" for name in ("methods", "scores", "votes", "formats", "engines")}
    assert folders >= kinds | {"analysis/claims", "report/sections"}
    assert len(FILES) == len(folders)
    for heading, text in re.findall(r"^## (An? .*?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE):
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        assert len([line for line in prose.splitlines() if line.strip()]) <= 10, heading


def test_a_method_has_rows_of_its_own_in_every_table_and_a_line_with_its_colour(added):
    for name in ("outcomes", "accuracy", "ledger", "counts", "matched"):
        rows = read(added, name).query("method == 'parallel'")
        assert len(rows) and rows["prm"].nunique() == 3, name
    ledger = read(added, "ledger").query("budget == 8").set_index(["policy", "prm", "method"])["response_tokens"]
    pool = ledger.xs("best_of_n", level="method")
    walked = ledger.xs("parallel", level="method")
    assert (walked / pool.reindex(walked.index)).between(0.7, 1.4).all()  # as many whole responses
    assert "Parallel paths" in page(added) and "#1f4e79" in page(added)


def test_a_score_and_a_vote_have_accuracies_and_columns_in_the_report(added):
    accuracy = read(added, "accuracy").query("level == 'all' and method == 'best_of_n' and budget == 8")
    assert {"product", "last", "min", "avg"} == set(accuracy["score"])
    assert {"prm_mean", "prm_max", "prm_vote"} == set(accuracy["vote"])
    assert {"product_prm_vote", "last_prm_mean", "product_prm_mean"} <= set(read(added, "votes").columns)
    assert 'data-name="product_prm_mean"' in page(added)


def test_a_format_reads_as_its_file_says(added):
    path = min((added / "results").rglob("scores/blind-*/*.parquet"))
    blind = pd.read_parquet(path)
    (other,) = path.parents[1].glob(f"smoke-undertrained-*/{path.name}")
    seeing = pd.read_parquet(other)
    keys = ["problem_id", "sample"]
    both = blind.merge(seeing, on=keys, suffixes=("", "_seeing"))
    assert len(both) == len(blind) == len(seeing)
    assert (both["prm_tokens"] < both["prm_tokens_seeing"]).all()  # without the problem's tokens
    assert any(list(a) != list(b) for a, b in zip(both["step_scores"], both["step_scores_seeing"], strict=True))


def test_an_engine_draws_what_its_options_say(added):
    (path,) = (added / "results/sums/parrot").glob("cot-*/0000-0000.parquet")
    assert set(pd.read_parquet(path)["response"]) == {r"\boxed{7}"}
    accuracy = read(added, "accuracy").query("policy == 'parrot' and level == 'all'")
    assert {"cot", "majority", "best_of_n", "beam_search", "parallel"} <= set(accuracy["method"])
    assert accuracy["accuracy"].nunique() == 1  # it says one thing, however often


def test_a_claim_has_a_card_that_leads_to_the_section_with_its_evidence(added):
    row = read(added, "claims").set_index("claim").loc[901]
    assert (row["verdict"], row["text"]) == ("supported", "The study has 3 policies.")
    card = re.search(r'<li[^>]* id="claim-901">(.*?)</li>', page(added), re.DOTALL)[1]
    assert "Several policies were run" in card and 'href="#most-n"' in card
    section = re.sub(r"</?a\b[^>]*>", "", page(added).split('<section id="most-n"')[1].split("</section>")[0])
    assert "Largest budgets" in section and "The largest N is 8." in section
    assert '<a href="#most-n">The largest N</a>' in page(added)


def test_taken_away_they_leave_no_trace(added, finished, tmp_path):
    root = tmp_path / "clone"
    shutil.copytree(added, root, symlinks=True)
    for path in FILES:
        (root / path).unlink()
    config = write(root, smoke())
    plan = planned(root, config)
    assert not {"train_policy", "train_reward_model", "sample", "score", "search", "grade", "grade_search"} & set(plan)
    snakemake(root, config)
    assert tables(root) == tables(finished)
    # But for where the results came from, the command that made the page, and the page's own stamp.
    ours = re.compile(
        r'<section id="provenance".*?</section>|ttstudy run \w+\.yaml|<!-- (ttstudy|sha256).*?-->', re.DOTALL
    )
    assert ours.sub("", page(root)) == ours.sub("", page(finished))
