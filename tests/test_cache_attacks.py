"""What an adversary tried: old numbers by a back door, jobs that fail each other, results that are not as they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import paths
from tests.studies import copy_repository, environment, planned, smoke, snakemake, write
from ttstudy.dag import contents, stamps, todo
from ttstudy.dag.inputs import imported_spec
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.dag.models import weights
from ttstudy.dag.report import claims_spec
from ttstudy.dag.specs import files as specs
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.run import changes, integrity, scratch
from ttstudy.study import from_mapping


def layout_of(root: Path, config: dict):
    return open_layout(from_mapping(config), root)


def remade(path: Path) -> None:
    """The table made again by its own spec, with other rows."""
    old, frame = stamps.of(path), pd.read_parquet(path)
    table = pa.Table.from_pandas(frame.iloc[::-1].reset_index(drop=True), preserve_index=False)
    told = old._replace(content=stamps.of_rows(table)).text()
    tables.keep(table.replace_schema_metadata({**table.schema.metadata, stamps.KEY: told}), path)


def why(root: Path, config: dict) -> dict[str, set[todo.Why]]:
    found: dict[str, set[todo.Why]] = {}
    for item in todo.left(layout_of(root, config)):
        found.setdefault(item.job.rule, set()).add(item.why)
    return found


# -- one of what a result was made from is gone ------------------------------------------------------------------------


def test_what_changed_is_seen_though_another_input_is_gone(clone):
    layout = layout_of(clone, smoke())
    shutil.rmtree((clone / weights(layout, "smoke-40k").path).parent)
    stamp = (clone / weights(layout, "smoke-8k").path).parent / stamps.CHECKPOINT
    told = json.loads(stamp.read_text())
    stamp.write_text(json.dumps(told | {"content": "0" * 32}))
    found = why(clone, smoke())
    assert {"train_reward_model", "training", "sample", "search", "report"} <= set(found)
    # Snakemake does the same.
    assert set(planned(clone, write(clone, smoke()))) == set(found)


def test_what_changed_is_seen_though_what_came_between_is_gone(clone):
    layout = layout_of(clone, smoke())
    (block,) = paths.pools(layout, "sums", "smoke-8k", "samples")
    remade(clone / block)
    for path in (clone / block).parent.rglob("*"):
        if path.is_file() and path != clone / block and path.name[0] != ".":
            path.unlink()  # grades, labels, scores
    assert {"grade", "score", "outcomes", "report"} <= set(why(clone, smoke()))


def test_a_search_whose_tree_was_purged_is_searched_again_when_its_prm_changed(clone):
    layout = layout_of(clone, smoke())
    for path in clone.glob("results/sums/*/*/*/*.nodes.parquet"):
        path.unlink()
    assert planned(clone, write(clone, smoke())) == {}
    stamp = (clone / weights(layout, "smoke-good").path).parent / stamps.CHECKPOINT
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"content": "0" * 32}))
    assert planned(clone, write(clone, smoke()))["search"] == 8  # those without a tree are needed anew as well


@pytest.mark.parametrize("lost", ["provenance.json", "figures", "report.html"])
def test_a_report_that_lost_a_part_is_made_again(clone, lost):
    path = clone / "results/studies/smoke" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for change in ({}, {"question": "Why?"}):
        config = smoke(**change)
        assert planned(clone, write(clone, config, "changed.yaml")) == {"report": 1}
        assert set(why(clone, config)) == {"report"}


# -- files that are given ----------------------------------------------------------------------------------------------


def test_a_file_that_changes_between_plan_and_job_makes_no_table(tmp_path):
    root = copy_repository(tmp_path / "clone")
    row = {"problem_id": "p", "problem": "1+1?", "answer": "2", "sample": 0, "response": "\\boxed{2}"}
    rows = [row | {"sample": sample} for sample in range(4)]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "study": "s", "pilot_samples": 2, "first_block": 2, "budgets": {"majority": [2]},
        "benchmarks": {"b": {"source": "recorded", "path": "rows.jsonl"}},
        "policies": {"p": {"source": "recorded", "path": "rows.jsonl"}},
    }  # fmt: skip
    snakemake(root, write(root, config), "--until", "recorded")
    spec = imported_spec(layout_of(root, config), "p")
    (root / spec.product).unlink()
    good = (root / "rows.jsonl").read_text()
    (root / "rows.jsonl").write_text(good.replace("boxed{2}", "boxed{3}"))
    (told,) = (path for path in root.glob("results/specs/*/*.json") if specs.content(path)["step"] == "recorded")
    run = subprocess.run(
        [sys.executable, "scripts/recorded.py", "--spec", str(told)],
        cwd=root, env=environment() | {"PYTHONPATH": "workflow"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1 and "rows.jsonl: has changed since this run was planned" in run.stderr
    assert not (root / spec.product).exists()


def test_any_byte_of_given_weights_decides(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(os.urandom(2**20) * 24)
    before = contents.checkpoint_digest(tmp_path, "policies.p.path")
    with weights.open("r+b") as stream:
        stream.seek(20 * 2**20)
        stream.write(b"another middle")
    assert contents.checkpoint_digest(tmp_path, "policies.p.path") != before


def test_the_digest_of_large_weights_is_remembered_with_the_results(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"x" * (17 * 2**20))
    (tmp_path / "results").mkdir()
    contents.remember(tmp_path / "results")
    first = contents.checkpoint_digest(folder, "policies.p.path")
    kept = json.loads((tmp_path / "results/.given.json").read_text())
    assert any("model.safetensors" in key for key in kept)
    monkeypatch.setattr(contents, "_known", {})
    contents.remember(tmp_path / "results")
    read: list[Path] = []
    opened = contents._opened
    monkeypatch.setattr(contents, "_opened", lambda path: read.append(path) or opened(path))
    assert contents.checkpoint_digest(folder, "policies.p.path") == first and not read


def test_a_copy_on_a_nodes_disk_is_of_the_weights_that_are_there_now(tmp_path):
    source = tmp_path / "results/models/prms/prm-0123abcd"
    source.mkdir(parents=True)
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"step": "score", "spec": {"judge": {"path": str(source / "training.json")}}}))

    def made(weights: str) -> str:
        (source / "training.json").write_text("{}")
        (source / "model.safetensors").write_text(weights)
        stamp = stamps.Stamp("a" * 32, "output", "", stamps.of_checkpoint(source))
        (source / stamps.CHECKPOINT).write_text(stamp.text())
        (copy,) = scratch.staged(spec, str(tmp_path / "scratch")).values()
        return (Path(copy) / "model.safetensors").read_text()

    assert made("first") == "first" and made("second") == "second"


@pytest.mark.parametrize("listed", [True, False])
def test_a_copy_whose_bytes_went_wrong_on_the_way_is_not_used(tmp_path, monkeypatch, capsys, listed):
    source = tmp_path / "results/models/prms/prm-0123abcd"
    source.mkdir(parents=True)
    (source / "training.json").write_text("{}")
    (source / "model.safetensors").write_text("weights")
    if listed:
        integrity.write_checksums(source)
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"step": "score", "spec": {"judge": {"path": str(source / "training.json")}}}))
    whole, faults = shutil.copytree, [1, 2, 3]

    def broken(origin, target):
        whole(origin, target)
        if faults:
            faults.pop()
            (target / "model.safetensors").write_text("weighty")

    monkeypatch.setattr(shutil, "copytree", broken)
    assert scratch.staged(spec, str(tmp_path / "scratch")) == {str(source): str(source)}
    assert "model.safetensors is not what it was copied from, twice" in capsys.readouterr().err
    ((_, copy),) = scratch.staged(spec, str(tmp_path / "scratch")).items()  # the third try fails, the fourth does not
    assert copy != str(source) and (Path(copy) / "model.safetensors").read_text() == "weights"


# -- results that are not what they say --------------------------------------------------------------------------------


def test_rows_that_were_edited_by_hand_are_damage(tmp_path, finished):
    path = tmp_path / "accuracy.parquet"
    shutil.copy(finished / "results/studies/smoke/tables/accuracy.parquet", path)
    assert integrity.fault(path) is None
    table = pq.read_table(path)
    shares = pa.array([1.0] * table.num_rows)
    edited = table.set_column(table.column_names.index("accuracy"), "accuracy", shares)
    pq.write_table(edited, path, write_page_checksum=True)  # the stamp stays
    assert integrity.fault(path) == "its rows are not those that its stamp tells of"


def test_a_page_of_thousands_of_files_says_what_made_it(tmp_path):
    # Its stamp names what each held; a report of the paper's grid reads a hundred, a larger study's thousands.
    stamp = stamps.Stamp("a" * 32, "report", "0123456789abcdef" * 20_000, "b" * 32)
    page = b"<p>" + b"x" * 2**21 + b"</p>"
    told = integrity.sealed(page + f"<!-- ttstudy {stamp.text()} -->\n".encode())
    (tmp_path / "report.html").write_bytes(told)
    assert stamps.of(tmp_path / "report.html") == stamp and integrity.fault(tmp_path / "report.html") is None


@pytest.mark.parametrize("text", ["[" * 100_000, "null", '{"spec": 1}', "{", '{"spec":"a"}'])
def test_a_stamp_that_is_none_is_none(tmp_path, text):
    table = pa.table({"a": [1]}).replace_schema_metadata({stamps.KEY: text})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.json").write_text(f'{{"{stamps.KEY}": {text}}}')
    (tmp_path / "a.html").write_bytes(f"<p></p><!-- ttstudy {text[:200]} -->\n".encode())
    assert [stamps.of(tmp_path / name) for name in ("a.parquet", "a.json", "a.html")] == [None] * 3


@pytest.mark.parametrize(
    "text", ['{"step": "report"}', '{"step": ["report"]}', '{"step": "report", "spec": [1]}', "[[["]
)
def test_an_old_spec_that_cannot_be_read_is_one_sentence(tmp_path, text):
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(StudyError, match="not a spec"):
        specs.content(tmp_path / "spec.json")


def test_a_folder_in_the_place_of_a_spec_is_one_sentence(tmp_path, finished):
    spec = claims_spec(layout_of(finished, smoke()))
    (tmp_path / "spec.json").mkdir()
    with pytest.raises(StudyError, match="cannot be written"):
        specs.write(spec, tmp_path / "spec.json")


# -- jobs that fail each other -----------------------------------------------------------------------------------------


def test_two_names_for_one_model_and_one_file_run_side_by_side(tmp_path):
    root = copy_repository(tmp_path / "clone")
    row = {"problem_id": "p", "problem": "1+1?", "answer": "2", "response": "\\boxed{2}"}
    (root / "rows.jsonl").write_text("".join(json.dumps(row | {"sample": n}) + "\n" for n in range(4)))
    recorded = {"source": "recorded", "path": "rows.jsonl"}
    config = {
        "study": "s", "pilot_samples": 2, "first_block": 2, "budgets": {"majority": [2]}, "results": "./out/",
        "benchmarks": {"b": recorded, "c": recorded}, "policies": {"p": recorded, "q": recorded},
    }  # fmt: skip
    snakemake(root, write(root, config))
    assert planned(root, write(root, config)) == {}
    accuracy = pd.read_parquet(root / "out/studies/s/tables/accuracy.parquet")
    assert set(accuracy["policy"]) == {"p", "q"} and set(accuracy["benchmark"]) == {"b", "c"}


def test_no_two_jobs_of_a_study_share_a_file_of_a_spec():
    policy = smoke()["policies"]["smoke-8k"]
    config = smoke(policies=smoke()["policies"] | {"twin": policy | {"sampling": {"responses": {"top_k": 3}}}})
    every = jobs(open_layout(from_mapping(config)))
    assert len({specs.place("results", job.spec) for job in every}) == len(every)


@pytest.mark.parametrize("results", ["./out", "out/", "a//b", "./a/../out"])
def test_a_results_folder_is_the_same_however_it_is_written(results):
    layout = open_layout(from_mapping(smoke(results=results)))
    assert layout.study.results in ("out", "a/b") and jobs(layout)[-1].spec.product.startswith(layout.study.results)


# -- what is said before -----------------------------------------------------------------------------------------------


def test_a_damaged_result_is_counted_and_so_is_what_it_costs(clone):
    path = clone / "results/studies/smoke/tables/accuracy.parquet"
    path.rename(path.with_name(path.name + integrity.DAMAGED))
    assert "To do: " in changes.summary(layout_of(clone, smoke()))


def test_a_version_that_was_raised_is_said(finished, monkeypatch):
    from ttstudy.dag import fingerprint

    monkeypatch.setitem(fingerprint.VERSIONS, "search", 2)
    lines = changes.summary(layout_of(finished, smoke())).splitlines()
    (line,) = (line for line in lines if "fingerprint.VERSIONS" in line)
    assert line.startswith("  fingerprint.VERSIONS['search']: 2, was 1: 8 searches to run")
    assert line.endswith("steps of analysis, the report")


def test_an_order_that_the_tables_keep_is_said(finished):
    policies = dict(reversed(smoke()["policies"].items()))
    lines = changes.summary(layout_of(finished, smoke(policies=policies))).splitlines()
    assert any(line.startswith("  policies: another order: ") for line in lines)


def test_a_format_that_is_named_or_found_out_is_the_same_format(tmp_path):
    known = {"source": "hub", "id": "Qwen/Qwen2.5-Math-PRM-7B", "revision": "1" * 40}
    found = {
        paths.scores(open_layout(from_mapping(smoke(prms={"prm": known | told})), tmp_path), "sums", "smoke-8k", "prm")
        for told in ({}, {"format": "qwen"})
    }
    assert len(found) == 1
