"""The truth about what is done is in the results: not in Snakemake's records, in file times, or in a path alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import paths
from tests.studies import (
    another_prm,
    copy_repository,
    environment,
    planned,
    recorded_study,
    smoke,
    snakemake,
    write,
)
from ttstudy.dag import stamps, todo
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.dag.specs import files as specs
from ttstudy.dag.specs.generation import GradeSpec
from ttstudy.data import tables
from ttstudy.study import from_mapping

PAGE = "results/studies/smoke/report.html"


CHANGES = {
    "nothing": {},
    "majority": {"budgets": smoke()["budgets"] | {"majority": [2, 8, 16]}},
    "seed": {"seed": 8},
    "grader": {"grader": "reference"},
    "pilot": {"pilot_samples": 4},
    "prm": {"prms": another_prm()},
}
ANALYSIS = ["outcomes", "ledger", "adaptive", "explorer"]
WHOLE = ["accuracy", "findings", "graders", "strategy", "headline", "claims", "report"]
EXPECTED = {
    "nothing": {},
    "majority": {"sample": 2, "grade": 2, "examine": 2, "score": 4, "label": 2, "diagnostics": 1}
    | dict.fromkeys(ANALYSIS, 2) | dict.fromkeys(WHOLE, 1),
    "seed": {"sample": 6, "grade": 6, "score": 4, "search": 8, "grade_search": 8, "label": 2, "diagnostics": 1,
             "examine": 2, "difficulty": 2} | dict.fromkeys(ANALYSIS, 2) | dict.fromkeys(WHOLE, 1),
    "grader": {"examine": 2, "difficulty": 2, "diagnostics": 1} | dict.fromkeys(ANALYSIS, 2) | dict.fromkeys(WHOLE, 1),
    "pilot": {"sample": 2, "grade": 2, "examine": 2, "difficulty": 2}
    | dict.fromkeys(ANALYSIS, 2) | dict.fromkeys(WHOLE, 1),
    "prm": {"train_reward_model": 1, "training": 1, "score": 2, "search": 4, "grade_search": 4, "diagnostics": 1}
    | dict.fromkeys(ANALYSIS, 2) | dict.fromkeys(WHOLE, 1),
}  # fmt: skip


def _with_records(finished: Path, root: Path) -> str:
    for name in ("results", ".snakemake"):
        shutil.copytree(finished / name, root / name, symlinks=True)
    return "results"


def _without_records(finished: Path, root: Path) -> str:
    shutil.copytree(finished / "results", root / "results")
    return "results"


def _other_times(finished: Path, root: Path) -> str:
    # As `cp -r` leaves them, file by file as it comes.
    shutil.copytree(finished / "results", root / "results", copy_function=shutil.copy)
    return "results"


def _times_by_name(finished: Path, root: Path) -> str:
    # As a purge's `touch` or `rsync -r` leave them: an order that has nothing to do with what was made when.
    _with_records(finished, root)
    for order, path in enumerate(sorted(path for path in (root / "results").rglob("*") if path.is_file())):
        os.utime(path, (1_700_000_000 + order, 1_700_000_000 + order))
    return "results"


def _turned_back(finished: Path, root: Path) -> str:
    # Every input newer than what was made from it.
    _without_records(finished, root)
    made = sorted((path for path in (root / "results").rglob("*") if path.is_file()), key=lambda p: p.stat().st_mtime)
    for order, path in enumerate(made):
        os.utime(path, (1_700_000_000 - order, 1_700_000_000 - order))
    return "results"


def _shared(finished: Path, root: Path) -> str:
    # A second clone on one results folder; the first has no records of the second.
    shutil.copytree(finished / "results", root.parent / "shared")
    return str(root.parent / "shared")


@pytest.mark.parametrize(
    "state", [_with_records, _without_records, _other_times, _times_by_name, _turned_back, _shared],
    ids=lambda state: state.__name__.strip("_"),
)  # fmt: skip
def test_the_same_change_plans_the_same_jobs_whatever_records_and_times_say(finished, tmp_path, state):
    root = copy_repository(tmp_path / "clone", finished)
    results = state(finished, root)
    for name, change in CHANGES.items():
        config = smoke(**change) | {"results": results}
        # The list that plans and summaries read is Snakemake's own.
        left = todo.left(open_layout(from_mapping(config), root))
        assert Counter(item.job.rule for item in left) == EXPECTED[name], name
        # Records are Snakemake's; of times it is asked about one change alone, since a dry run takes seconds.
        if state in (_with_records, _without_records) or name == "majority":
            assert planned(root, write(root, config, "changed.yaml")) == EXPECTED[name], name


def test_every_result_says_what_made_it(finished):
    layout = open_layout(from_mapping(smoke()), finished)
    for job in jobs(layout):
        for name, path in job.spec.outputs.items():
            told = stamps.of(finished / path)
            assert told is not None and told[:2] == (job.spec.digest, name), path
            assert told.inputs == stamps.inputs(job.spec, lambda file: stamps.of(finished / file)), path
        kept = specs.read(finished / specs.place("results", job.spec), type(job.spec))
        assert kept == job.spec
    page = (finished / PAGE).read_text()
    assert jobs(layout)[-1].spec.digest in page


# -- wrong numbers under a new label -----------------------------------------------------------------------------------


def _touch_by_name(root: Path) -> None:
    for order, path in enumerate(sorted(path for path in (root / "results").rglob("*") if path.is_file())):
        os.utime(path, (1_700_000_000 + order, 1_700_000_000 + order))


RELABELLED = (
    ({"budgets": {"majority": [1, 3]}}, ["outcomes", "ledger", "explorer"]),
    ({"budgets": {"majority": [1, 3]}, "extraction": "boxed"}, ["grade", "difficulty"]),
)
"""Changes of the recorded study, and where a run of each stops."""


def _run(root: Path, change: dict) -> Path:
    copy_repository(root)
    snakemake(root, write(root, recorded_study(root) | change, "s.yaml"))
    return root


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """A repository with the recorded study as it was."""
    return _run(tmp_path_factory.mktemp("first"), {})


@pytest.fixture(scope="module")
def anew(tmp_path_factory) -> list[Path]:
    """For each change, a repository in which nothing but the changed study ever ran."""
    return [_run(tmp_path_factory.mktemp("anew"), change) for change, _ in RELABELLED]


@pytest.mark.parametrize("records", [True, False], ids=["records", "no records"])
def test_a_run_that_stopped_before_accuracy_shows_no_old_number_under_a_new_label(first, anew, tmp_path, records):
    root = tmp_path / "clone"
    shutil.copytree(first, root, symlinks=True)
    for (change, until), fresh in zip(RELABELLED, anew, strict=True):
        changed = write(root, recorded_study(root) | change, "s.yaml")
        snakemake(root, changed, "--until", *until)
        _touch_by_name(root)
        if not records:
            shutil.rmtree(root / ".snakemake")
        snakemake(root, changed)
        accuracy = pd.read_parquet(root / "results/studies/s/tables/accuracy.parquet")
        assert sorted(set(accuracy["budget"])) == [1, 3]
        for path in (fresh / "results/studies/s/tables").glob("*.parquet"):
            pd.testing.assert_frame_equal(
                pd.read_parquet(path), pd.read_parquet(root / "results/studies/s/tables" / path.name), check_exact=True
            )
        assert planned(root, changed) == {}


# -- what is there is not what it was, or not what it seems ------------------------------------------------------------


def _blocks(layout, pool: str = "samples") -> list[str]:
    return paths.pools(layout, "sums", "smoke-8k", pool)


def _rewritten(path: Path, change) -> None:
    """The same table made again by the same spec, with other rows: what a GPU does that draws a block a second time."""
    old, frame = stamps.of(path), pd.read_parquet(path)
    table = pa.Table.from_pandas(change(frame), preserve_index=False)
    told = old._replace(content=stamps.of_rows(table)).text()
    tables.keep(table.replace_schema_metadata({**table.schema.metadata, stamps.KEY: told}), path)


def test_a_block_that_was_drawn_again_otherwise_is_graded_and_scored_again(clone):
    (block,) = _blocks(open_layout(from_mapping(smoke()), clone))
    _rewritten(clone / block, lambda frame: frame.assign(response=frame["response"].iloc[::-1].to_list()))
    plan = planned(clone, write(clone, smoke()))
    assert plan.pop("grade") == plan.pop("label") == 1 and plan.pop("score") == 2
    assert "sample" not in plan and "search" not in plan and plan["report"] == 1


def test_a_block_that_was_drawn_again_alike_costs_nothing(clone):
    (block,) = _blocks(open_layout(from_mapping(smoke()), clone))
    _rewritten(clone / block, lambda frame: frame)
    assert planned(clone, write(clone, smoke())) == {}


def test_a_file_under_the_name_of_another_is_noticed(clone):
    layout = open_layout(from_mapping(smoke()), clone)
    graded = paths.graded(layout, "sums", "smoke-8k", "cot")
    shutil.copy(clone / graded.outputs["strict"], clone / graded.outputs["reference"])
    other = paths.cell(layout, "outcomes", "sums", "smoke-40k")
    shutil.copy(clone / other, clone / paths.cell(layout, "outcomes", "sums", "smoke-8k"))
    plan = planned(clone, write(clone, smoke()))
    assert plan["grade"] == 1 and plan["outcomes"] == 1 and plan["report"] == 1 and "sample" not in plan


def test_a_result_that_does_not_say_what_made_it_is_made_again(clone):
    layout = open_layout(from_mapping(smoke()), clone)
    path = clone / paths.table(layout, "accuracy")
    pd.read_parquet(path).to_parquet(path, index=False)
    plan = planned(clone, write(clone, smoke()))
    assert plan["accuracy"] == plan["report"] == 1 and "outcomes" not in plan and "training" not in plan


def test_what_nothing_needs_any_more_may_be_gone(clone):
    layout = open_layout(from_mapping(smoke()), clone)
    (clone / _blocks(layout)[0]).unlink()
    shutil.rmtree(clone / "results/specs")
    assert planned(clone, write(clone, smoke())) == {}
    # A PRM that comes later needs the block; drawn again alike, nothing that was made of it is made again.
    plan = planned(clone, write(clone, smoke(prms=another_prm()), "changed.yaml"))
    assert plan["sample"] == 1


def test_weights_that_were_removed_to_make_room_cost_no_response(clone):
    shutil.rmtree(clone / "results/models")
    assert planned(clone, write(clone, smoke())) == {}
    budgets = smoke()["budgets"] | {"majority": [2, 8, 16]}
    plan = planned(clone, write(clone, smoke(budgets=budgets), "changed.yaml"))
    # Trained once more for the new blocks; the searches and the old blocks stay.
    assert plan.pop("train_policy") == plan.pop("train_reward_model") == 2
    assert plan == {"training": 1} | EXPECTED["majority"] or plan == EXPECTED["majority"]
    changed = write(clone, smoke(budgets=budgets), "changed.yaml")
    snakemake(clone, changed)
    assert planned(clone, changed) == {}


def test_a_step_refuses_an_input_of_another_spec(clone):
    layout = open_layout(from_mapping(smoke()), clone)
    good = paths.graded(layout, "sums", "smoke-8k", "cot")
    wrong = good.responses.model_copy(update={"digest": "0" * 32})
    outputs = {"strict": "one.parquet", "reference": "two.parquet"}
    specs.write(good.model_copy(update={"responses": wrong, "outputs": outputs}), clone / "spec.json")
    text = (clone / "spec.json").read_text()
    digest = GradeSpec.model_validate(json.loads(text)["spec"]).digest
    (clone / "spec.json").write_text(json.dumps(json.loads(text) | {"digest": digest}))
    run = subprocess.run(
        [sys.executable, "scripts/grade.py", "--spec", "spec.json"], cwd=clone, capture_output=True, text=True,
        env=environment() | {"PYTHONPATH": "workflow"},
    )  # fmt: skip
    assert run.returncode == 1 and run.stderr.count("\n") == 1 and not (clone / "one.parquet").exists()
    assert "was made by other settings or code than grade asks for; start the study again" in run.stderr


def test_old_settings_and_new_ones_stand_side_by_side(finished, tmp_path):
    """Another seed and back: what models made the first time is found again."""
    layout, other = (open_layout(from_mapping(smoke(**change)), finished) for change in ({}, {"seed": 8}))
    mine = {job.spec.product for job in jobs(layout) if job.rule in ("sample", "search", "score")}
    theirs = {job.spec.product for job in jobs(other) if job.rule in ("sample", "search", "score")}
    assert mine and not mine & theirs


def test_metadata_of_tables_is_theirs_alone(finished):
    """A table read and written elsewhere loses nothing but its stamp."""
    path = finished / "results/studies/smoke/tables/accuracy.parquet"
    assert stamps.KEY.encode() in pq.read_metadata(path).metadata
