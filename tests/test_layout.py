"""Paths and specs: what changes a path, and what does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import paths
from tests.test_study import small
from ttstudy.dag.cells import blocks
from ttstudy.dag.inputs import benchmark_spec
from ttstudy.dag.layout import jobs, maker, open_layout
from ttstudy.dag.models import checkpoint, weights
from ttstudy.dag.specs import files
from ttstudy.dag.specs.records import canonical, deciding
from ttstudy.errors import StudyError
from ttstudy.study import from_mapping


def layout_of(config: dict, root="."):
    return open_layout(from_mapping(config), root)


def changed(change) -> tuple:
    """Layouts of the small study before and after a change to its mapping."""
    config = copy.deepcopy(small())
    change(config)
    return layout_of(small()), layout_of(config)


def pool(layout, name: str) -> str:
    """Folder of a pool of the small study."""
    return paths.pool_folder(layout, "sums", "tiny", name)


def search(layout, method: str) -> str:
    """Folder of a method's searches in the small study."""
    return paths.search_folder(layout, "sums", "tiny", "good", method)


@given(st.integers(1, 5000), st.integers(1, 300))
def test_blocks_cover_the_pool_without_gap_and_the_last_is_whole(size, first):
    found = blocks(size, first)
    assert found[0][0] == 0
    assert all(after[0] == before[1] + 1 for before, after in zip(found, found[1:], strict=False))
    assert found[-1][1] + 1 >= size
    assert found[0][1] + 1 == first


@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(1, 200))
def test_a_larger_pool_keeps_the_blocks_of_a_smaller_one(a, b, first):
    small_pool, large_pool = sorted([blocks(a, first), blocks(b, first)], key=len)
    assert large_pool[: len(small_pool)] == small_pool


def test_a_budget_changes_no_path_that_was_there():
    before, after = (
        layout_of(small() | {"first_block": 64, "budgets": small()["budgets"] | {"majority": majority}})
        for majority in ([4], [4, 1024])
    )
    assert paths.pools(after, "sums", "tiny", "samples")[0] == paths.pools(before, "sums", "tiny", "samples")[0]
    assert len(paths.pools(after, "sums", "tiny", "samples")) > len(paths.pools(before, "sums", "tiny", "samples"))
    one, two = (paths.searches(layout, "sums", "tiny", "good", "dvts") for layout in (before, after))
    assert one[8].product == two[8].product


def test_an_engine_moves_its_policys_responses_and_only_options_that_decide_them_do():
    def folders(policy: dict) -> tuple:
        layout = changed(lambda c: c["policies"]["tiny"].update(policy))[1]
        return pool(layout, "cot"), search(layout, "dvts")

    plain, vllm = folders({}), folders({"engine": "vllm"})
    assert folders({"engine": "transformers", "device": "cpu"}) == plain
    assert not set(plain) & set(vllm)
    machine = {"data_parallel": 8, "gpu_memory_utilization": 0.5, "max_num_seqs": 64, "kv_cache_gib": 2}
    assert folders({"engine": "vllm", "vllm": machine}) == vllm
    deciding = {"tensor_parallel": 2, "max_model_len": 128, "batch_invariant": True, "enforce_eager": True}
    assert len({vllm, *(folders({"engine": "vllm", "vllm": {key: value}}) for key, value in deciding.items())}) == 5


def test_a_prms_engine_moves_its_scores_and_searches_and_only_options_that_decide_them_do():
    def folders(prm: dict) -> tuple[str, ...]:
        layout = changed(lambda c: c["prms"]["good"].update(prm))[1]
        scores = paths.scores(layout, "sums", "tiny", "good")
        return scores, search(layout, "dvts"), pool(layout, "cot")

    plain, vllm = folders({}), folders({"engine": "vllm"})
    assert folders({"engine": "transformers"}) == plain
    assert set(plain) & set(vllm) == {plain[2]}
    machine = {"max_model_len": 4096, "gpu_memory_utilization": 0.5, "kv_cache_gib": 2}
    assert folders({"engine": "vllm", "vllm": machine}) == vllm
    deciding = {"tensor_parallel": 2, "enforce_eager": True}
    found = [folders({"engine": "vllm", "vllm": {key: value}}) for key, value in deciding.items()]
    assert len({vllm[:2], *(each[:2] for each in found)}) == 3


def test_an_endpoints_pool_moves_with_its_model_and_not_with_how_it_is_asked():
    def pools(**settings) -> tuple[str, str]:
        config = copy.deepcopy(small())
        config["policies"]["far"] = {"source": "openai", "model": "m"} | settings
        layout = layout_of(config)
        assert checkpoint(layout, "far") is None and not paths.sources(layout, "sums", "far").searches
        return paths.pool_folder(layout, "sums", "far", "samples"), pool(layout, "samples")

    plain = pools()
    asking = {"concurrency": 1, "requests_per_minute": 5.0, "timeout_s": 9.0, "attempts": 2, "key_variable": None}
    assert pools(**asking, parameters=1e9, pretraining_tokens=1e12) == plain
    deciding = {"model": "n", "base_url": "http://host/v1", "reasoning": True, "system": "Think.", "prompt": "qwen"}
    moved = [pools(**{key: value}) for key, value in deciding.items()]
    assert len({plain, *moved}) == 6 and {tiny for _, tiny in moved} == {plain[1]}


def test_temperature_of_responses_moves_responses_and_scores_but_not_cot_search_or_models():
    before, after = changed(
        lambda c: c["policies"]["tiny"].update(sampling={"responses": {"temperature": 0.9}})
    )
    assert pool(after, "samples") != pool(before, "samples")
    assert pool(after, "pilot") != pool(before, "pilot")
    assert paths.scores(after, "sums", "tiny", "good") != paths.scores(before, "sums", "tiny", "good")
    assert pool(after, "cot") == pool(before, "cot")
    assert search(after, "dvts") == search(before, "dvts")
    assert weights(after, "tiny").path == weights(before, "tiny").path


def test_a_policys_definition_moves_the_prm_that_learns_from_it():
    before, after = changed(lambda c: c["policies"]["tiny"]["definition"].update(seed=2))
    assert weights(after, "tiny").path != weights(before, "tiny").path
    assert weights(after, "good").path != weights(before, "good").path


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(search={"problems_per_block": 3}),
        lambda c: c.update(first_block=16),
        lambda c: c.update(difficulty={"thresholds": [60, 20]}),
        lambda c: c.update(vote="prm_max"),
        lambda c: c.update(question="Why?"),
    ],
    ids=["problems_per_block", "first_block", "difficulty", "vote", "question"],
)
def test_settings_of_work_and_analysis_move_no_model_output(change):
    before, after = changed(change)
    assert pool(after, "samples") == pool(before, "samples")
    assert search(after, "beam_search") == search(before, "beam_search")


def test_every_spec_is_found_by_its_outputs_and_read_back_from_its_file_as_it_was(tmp_path):
    layout = layout_of(small())
    every = jobs(layout)
    assert {job.spec.step for job in every} > {"sample", "score", "search", "grade", "accuracy", "report"}
    assert len({job.spec.digest for job in every}) == len(every)
    for job in every:
        assert all(maker(layout, path) == job for path in job.spec.outputs.values())
        path = files.place(tmp_path, job.spec)
        files.write(job.spec, path)
        read = files.read(path, type(job.spec))
        assert read == job.spec and read.digest == job.spec.digest and files.text(read) == Path(path).read_text()
        # What decides is plain values: JSON gives the same back.
        assert json.loads(canonical(deciding(job.spec))) == deciding(read)
    with pytest.raises(StudyError, match="nothing in this configuration makes 00000000"):
        maker(layout, "00000000")


def test_a_local_benchmark_moves_with_its_content(tmp_path):
    config = small()
    config["benchmarks"] = {"mine": {"source": "file", "path": "mine.jsonl"}}
    path = tmp_path / "mine.jsonl"
    path.write_text('{"problem_id": 1, "problem": "1+1?", "answer": 2}\n')
    first = benchmark_spec(layout_of(config, tmp_path), "mine").product
    path.write_text('{"problem_id": 1, "problem": "1+2?", "answer": 3}\n')
    assert benchmark_spec(layout_of(config, tmp_path), "mine").product != first


def test_missing_local_files_are_named_with_their_key(tmp_path):
    config = small()
    config["benchmarks"] = {"mine": {"source": "file", "path": "no.jsonl"}}
    with pytest.raises(StudyError, match=r"benchmarks\.mine\.path: there is no file"):
        layout_of(config, tmp_path)
    config = small()
    config["policies"]["given"] = {"source": "checkpoint", "path": "nowhere"}
    with pytest.raises(StudyError, match=r"policies\.given\.path: .*holds no config\.json"):
        layout_of(config, tmp_path)
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "nowhere" / "config.json").write_text("{}")
    with pytest.raises(StudyError, match="holds no .*safetensors"):
        layout_of(config, tmp_path)


def test_a_policy_and_a_prm_may_not_share_a_name():
    config = small()
    config["prms"] = {"tiny": config["prms"]["good"]}
    with pytest.raises(StudyError, match="same name"):
        layout_of(config)
