"""A real small model: its recorded run is replayed to its numbers; two problems are drawn anew where it is here."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from tests.studies import ROOT, copy_repository, snakemake
from tests.test_gguf import smollm2
from ttstudy.answers.extraction import extract
from ttstudy.data import converting, generated
from ttstudy.data.revisions import load
from ttstudy.policies.native import NativeEngine
from ttstudy.policies.sampling import draw

STUDIES = ROOT / "workflow/studies"
RECORDED = pd.read_parquet(STUDIES / "laptop/responses.parquet")


def test_the_recorded_run_of_a_real_model_is_replayed_to_the_numbers_that_it_had(tmp_path):
    root = copy_repository(tmp_path / "replay")
    snakemake(root, root / "workflow/studies/laptop-recorded.yaml")
    folder = root / "results/studies/laptop-recorded"
    wanted = pd.read_csv(STUDIES / "laptop/accuracy.csv", keep_default_na=False)
    keys = ["method", "budget", "score", "vote", "level"]
    found = pd.read_parquet(folder / "tables/accuracy.parquet")
    both = wanted.merge(found, on=keys, suffixes=("", "_found"), validate="one_to_one")
    assert len(both) == len(wanted) == len(found)
    for name in ("problems", "accuracy", "low", "high"):
        assert (both[name] - both[f"{name}_found"]).abs().max() < 1e-9, name
    page = (folder / "report.html").read_text()
    assert "13.3 %" in page and "10.0 %" in page


def test_the_recorded_run_is_of_the_study_that_ships():
    study = load(STUDIES / "laptop.yaml")
    words, policy = study.benchmarks["words"], study.policies["smollm2-135m"]
    problems = [*generated.problems(words.seed, words.problems, words.depth, words.largest)]
    texts = RECORDED.drop_duplicates("problem_id").set_index("problem_id")["problem"]
    assert dict(texts) == {one.problem_id: one.problem for one in problems}
    drawn = study.pilot_samples + study.budgets_for("smollm2-135m").pool
    counts = RECORDED[~RECORDED["greedy"]].groupby("problem_id").size()
    assert set(counts) == {drawn} and RECORDED["greedy"].sum() == words.problems
    assert policy.source == "gguf" and RECORDED["logprob"].lt(0).all()


def test_two_problems_of_it_are_drawn_anew_by_the_model_itself(tmp_path):
    converting.convert(smollm2(), "bfloat16", tmp_path / "model")
    study = load(STUDIES / "laptop.yaml")
    policy = study.policies["smollm2-135m"]
    examples = [(one.problem, one.response) for one in policy.examples]
    settings = SimpleNamespace(model_dump=lambda: study.sampling_of("smollm2-135m", "responses"))
    spec = SimpleNamespace(prompt=policy.prompt, thinking="template", system=None, examples=examples, stop=(), pool="x",
                           confidence=None, seeds=(1, "words", "p"), sampling=settings)  # fmt: skip
    problems = RECORDED.drop_duplicates("problem_id").head(2)
    frame = draw(NativeEngine(tmp_path / "model", dtype="bfloat16"), problems, range(4), spec)
    answers = [extract(text, "conclusion") for text in frame["response"]]
    assert sum(answer is not None for answer in answers) >= 6 and frame["finish"].eq("eos").sum() >= 6
    # The prompt's tokens, and so the tokenizer, template and examples, are those of the recorded run.
    known = RECORDED.drop_duplicates("problem_id").set_index("problem_id")["prompt_tokens"]
    assert frame.set_index("problem_id")["prompt_tokens"].eq(known.reindex(frame["problem_id"])).all()
