"""Long jobs in shards: which are shared out, that no result changes, and that what was done stays done."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from tests.studies import ROOT, copy_repository, planned, smoke, snakemake, write
from ttstudy.dag import hours, shards, todo
from ttstudy.dag.layout import jobs, makes, open_layout
from ttstudy.data.revisions import load
from ttstudy.errors import StudyError
from ttstudy.run import changes, sharing
from ttstudy.study import from_mapping

SHORT: dict = {
    "max_job_hours": 3e-6,
    "budgets": {"majority": [2, 8], "best_of_n": [2, 8], "beam_search": [8]},
    "pairs": {"smoke-good": ["smoke-8k", "smoke-40k"], "smoke-undertrained": []},
}
"""Changes of the smoke study: less of it, and so few hours for a job that the larger ones are shared out."""


@pytest.fixture(scope="module")
def paper():
    return open_layout(load(ROOT / "workflow/studies/paper.yaml"), ROOT)


def test_no_job_of_the_papers_grid_is_expected_to_take_more_than_twelve_hours(paper):
    shared = [job for job in jobs(paper) if job.shards]
    assert {job.rule for job in shared} == {"join_search", "join_sample"}
    longest = 0.0
    for job in jobs(paper):
        if job.rule in ("sample", "score", "search"):
            opened, busy = hours.of_run(paper, job.of, job.prm)
            every = hours.problems(paper, job.cell.benchmark)
            longest = max(longest, opened + busy * len(shards.rows(shards.of(job.spec), every)) / every)
    assert 8 < longest <= 12


def test_shards_cover_every_problem_once_and_change_no_digest_of_a_whole_job(paper):
    study = paper.study.model_copy(update={"max_job_hours": 1e6})
    undivided = {job.spec.product: job for job in jobs(open_layout(study, ROOT))}
    assert not any(job.shards for job in undivided.values())
    for job in jobs(paper):
        if shards.of(job.spec) is None and job.rule != "report":  # which tells the limit
            other = undivided[job.spec.product]
            assert (job.spec.digest, job.spec.outputs) == (other.spec.digest, other.spec.outputs)
    parts = next(job.shards for job in jobs(paper) if len(job.shards) == 3)
    rows = [row for part in parts for row in shards.rows(shards.of(part), 500)]
    assert rows == list(range(500)) and len({part.digest for part in parts}) == 3
    assert parts[0].product.endswith(".shards/1-of-3.answers.parquet")


def test_the_number_of_shards_hangs_on_no_result_and_no_machine(paper, monkeypatch, tmp_path):
    def counts(root):
        return {job.spec.product: len(job.shards) for job in jobs(open_layout(paper.study, root))}

    monkeypatch.setattr("ttstudy.models.environment.cpu_build", lambda: True)
    assert counts(tmp_path) == counts(ROOT)


def _most_shared(found):
    """The search with the most shards."""
    return max((job for job in found if job.rule == "join_search"), key=lambda job: len(job.shards))


def test_results_in_shards_have_the_same_bytes_and_what_was_done_stays_done(finished, tmp_path):
    root = copy_repository(tmp_path / "shards", finished)
    shutil.copytree(finished / "results", root / "results")
    config, layout = write(root, smoke(**SHORT)), open_layout(from_mapping(smoke(**SHORT)), root)
    wanted = [
        next(job for job in jobs(layout) if job.rule == rule and len(job.shards) == 2)
        for rule in ("join_sample", "join_score", "join_search")
    ]
    targets, search = [job.spec.product for job in wanted], wanted[-1]
    before = {path: (root / path).read_bytes() for job in wanted for path in job.spec.outputs.values()}
    for path in before:
        (root / path).unlink()
    # A run that ends after one shard: what is left to do is the other, and to join them.
    snakemake(root, config, search.shards[0].product)
    rest = {"sample": 2, "score": 2, "search": 1, "join_sample": 1, "join_score": 1, "join_search": 1}
    assert planned(root, config, *targets) == rest
    assert "5 parts of long jobs to run" in changes.summary(layout)
    (root / search.shards[0].outputs["nodes"]).unlink()
    assert planned(root, config, *targets) == rest | {"search": 2}
    snakemake(root, config, *targets)
    assert {path: (root / path).read_bytes() for path in before} == before
    assert not list((root / "results/sums").rglob("*.shards"))  # their logs stay
    record, whole = (
        sharing.provenance.read(sharing.provenance.beside(folder / search.spec.product)) for folder in (root, finished)
    )
    assert (record["step"], record["tokens"], record["shards"]) == ("search", whole["tokens"], 2)
    # What a killed run left of shards asks for nothing where the whole is there, and is no result that is made again.
    left = root / search.shards[0].product
    left.parent.mkdir()
    shutil.copy(root / search.spec.product, left)
    assert planned(root, config, *targets) == {} and not makes(layout, search.shards[0].product)
    assert search.spec.product not in {item.job.spec.product for item in todo.left(layout)}


def test_shards_of_other_inputs_or_not_all_of_them_are_not_joined(finished, tmp_path, monkeypatch):
    layout = open_layout(from_mapping(smoke(**SHORT)), tmp_path)
    one = next(job for job in jobs(layout) if job.rule == "join_sample" and len(job.shards) == 2)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match="not all its shards, in order"):
        sharing.join(one.spec, one.shards[:1])
    with pytest.raises(StudyError, match="1-of-2.parquet: is not there"):
        sharing.join(one.spec, one.shards)


def test_a_shard_without_a_problem_writes_empty_tables(tmp_path, monkeypatch):
    layout = open_layout(from_mapping(smoke(**SHORT)), tmp_path)
    one = _most_shared(jobs(layout))
    monkeypatch.chdir(tmp_path)
    three = pd.DataFrame({"problem_id": list("abc")})
    taken = [sharing.share(part, three) for part in one.shards]
    assert sum(map(len, taken)) == 3 and pd.concat(taken)["problem_id"].tolist() == list("abc")
    empty = next(part for part, rows in zip(one.shards, taken, strict=True) if rows.empty)
    assert sharing.idle(empty, three.iloc[:0]) and not sharing.idle(one.spec, three.iloc[:0])
    assert all(len(pd.read_parquet(path)) == 0 for path in empty.outputs.values())
