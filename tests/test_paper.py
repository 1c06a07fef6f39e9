"""The paper's grid as a study: whole, named as the claims name its models, and planned without network or GPU."""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests import paths
from tests.studies import ROOT
from ttstudy.dag.cells import Run, cells
from ttstudy.dag.layout import open_layout
from ttstudy.data import benchmarks, published, tables
from ttstudy.data.revisions import load
from ttstudy.kinds.formats import FORMATS
from ttstudy.study import FileBenchmark

SHARED = Path(os.environ.get("TTSTUDY_SHARED", ROOT.parent / "shared")) / "data"
FILES = {"MATH-500": "math500.jsonl", "AIME24": "aime24.jsonl", "AMC23": "amc23.jsonl"}
STUDIES = {name: load(ROOT / f"workflow/studies/{name}.yaml") for name in ("paper", "paper-newer", "paper-reference")}


@pytest.fixture()
def paper(monkeypatch):
    def refuse(*arguments, **settings):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return open_layout(STUDIES["paper"], ROOT)


def test_the_grid_is_the_papers_and_needs_no_network_to_be_planned(paper):
    study = paper.study
    scaled = [name for name in study.policies if name not in study.references]
    assert (len(scaled), len(study.references), len(study.prms)) == (12, 9, 7)
    assert study.budgets.pool == 256 and study.budgets_for("Llama-3.2-1B-Instruct").pool == 512
    ran = Counter(job.spec.step for job in paths.whole(paper))
    instruct = [name for name in scaled if "Distill" not in name]
    # Beam search at each budget, DVTS at the largest, for every PRM, on both benchmarks; one budget more for the 1B.
    assert ran["search"] == 2 * 7 * (len(instruct) * (4 + 1) + 1)
    assert {paper.study.policies[name].prompt for name in scaled} == {"llama", "qwen", "deepseek-r1"}
    distill = study.sampling_of("DeepSeek-R1-Distill-Qwen-7B", "cot")
    assert (distill["temperature"], distill["top_p"], distill["max_tokens"]) == (0.6, 0.95, 32768)


def test_the_papers_own_choices_draw_the_same_responses_and_search_and_grade_otherwise(paper):
    """All but the distillates', whose thoughts the official code does not begin."""
    other = open_layout(STUDIES["paper-reference"], ROOT)

    def made(layout, step):
        runs = {(job.of, job.prm): job.spec.product for job in paths.whole(layout) if job.spec.step == step}
        drawn = {run: product for run, product in runs.items() if isinstance(run[0], Run)}  # a labelled set is not
        return {run: product for run, product in drawn.items() if "Distill" not in run[0].cell.policy}

    assert made(paper, "sample") == made(other, "sample") and made(paper, "score").keys() == made(other, "score").keys()
    ours, theirs = made(paper, "search"), made(other, "search")
    assert ours.keys() == theirs.keys() and not set(ours.values()) & set(theirs.values())
    assert other.study.grader == "reference"


def test_a_format_whose_ids_changed_moves_what_its_prms_scored_and_nothing_else(paper, monkeypatch):
    def folders():
        layout = open_layout(STUDIES["paper"], ROOT)
        benchmark, policy = cells(layout.study)[0]
        return {prm: paths.search_folder(layout, benchmark, policy, prm, "dvts") for prm in STUDIES["paper"].prms}

    before = folders()
    monkeypatch.setitem(FORMATS, "rlhflow", replace(FORMATS["rlhflow"], version=99))
    moved = {prm for prm, folder in folders().items() if folder != before[prm]}
    assert moved == {prm for prm in before if prm.startswith("RLHFlow")} and len(moved) == 2


def test_models_are_named_as_the_published_numbers_name_them(paper):
    known = {row["policy"] for row in published._rows()}
    assert set(paper.study.policies) <= known
    published.check(paper.study.published)
    assert not set(paper.study.published) & set(paper.study.policies)
    sizes = {name: getattr(item, "parameters", None) for name, item in paper.study.policies.items()}
    unknown = {name for name, size in sizes.items() if size is None}
    assert unknown == {"GPT-4o", "o1", "o1-mini", "o1-preview"}  # not published, so not known
    assert paper.study.policies["DeepSeek-R1"].active_parameters == 37e9


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs copies of the benchmarks ({SHARED})")
@pytest.mark.parametrize("name", FILES)
def test_its_benchmarks_are_read_with_their_levels_and_subjects(tmp_path, name):
    settings = next(study.benchmarks[name] for study in STUDIES.values() if name in study.benchmarks)
    rows = [json.loads(line) for line in (SHARED / FILES[name]).read_text().splitlines()]
    for index, row in enumerate(rows):
        # In the hub's files levels are numbers, competitions have ids, and AMC23 asks a `question`.
        row |= {"level": int(str(row["level"])[-1])} if "level" in row else {"id": index}
        row |= {settings.columns.get("problem", "problem"): row["problem"]}
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    section = FileBenchmark(
        source="file", path=str(tmp_path / "b.jsonl"), columns=settings.columns, sha256=settings.sha256
    )
    frame, _ = benchmarks.load(section, [section.path])
    assert len(frame) == len(rows) and len(tables.check("benchmark", frame))
    if name == "MATH-500":
        assert settings.sha256 and frame["level"].value_counts().sort_index().tolist() == [43, 90, 105, 128, 134]
        assert frame["subject"].nunique() == 7
    if name == "AMC23":
        assert frame["answer"].iloc[0] == "27"
