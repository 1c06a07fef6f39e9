"""Loads: each set of models once, counted before a run and after it."""

from __future__ import annotations

from pathlib import Path

from ttstudy.dag.layout import jobs, open_layout
from ttstudy.data.revisions import load
from ttstudy.run import loads

ROOT = Path(__file__).resolve().parent.parent


def test_the_paper_loads_a_model_2002_times_where_each_job_does_and_92_sets_where_workers_keep_them():
    layout = open_layout(load(ROOT / "workflow/studies/paper.yaml"), ROOT)
    found = loads.expected(jobs(layout))
    assert found.apart == 2002
    assert found.workers == 70 + 15 + 7  # pairs, policies and PRMs alone
    assert found.models == 2 * 70 + 15 + 7


def test_a_spec_tells_its_models_as_its_file_does():
    layout = open_layout(load(ROOT / "workflow/studies/smoke.yaml"), ROOT)
    for job in jobs(layout):
        assert loads.of_spec(job.spec) == loads.models(job.spec.model_dump(mode="json")), job.rule
