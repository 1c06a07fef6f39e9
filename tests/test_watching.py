"""What a run tells: time left from finished steps, one sentence for each failure, a live page that is no report."""

from __future__ import annotations

import json
import logging
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.studies import smoke
from ttstudy.dag.layout import Layout, jobs
from ttstudy.run import live, provenance, watching
from ttstudy.run.watching import Clock, Failure, Running, State, in_words
from ttstudy.study import from_mapping


@pytest.fixture()
def layout(tmp_path) -> Layout:
    return Layout(from_mapping(smoke()), tmp_path)


def test_time_left_is_learned_from_steps_that_ended_and_not_told_where_it_is_not_known(layout):
    every = jobs(layout)
    clock = Clock(layout, every, every)
    assert clock.remaining({}, 2) == (None, len(every))
    for job in every[:-4]:
        clock.ended(job.spec.product, 10.0)
    assert clock.remaining({}, 1) == (None, 4), "the last steps are of kinds that never ran"
    provenance_of = layout.root / every[-1].spec.product
    provenance_of.parent.mkdir(parents=True)
    provenance.write(provenance_of, {"step": "report", "seconds": 30.0})
    told = watching.elsewhere(str(layout.root / "results"))
    known = Clock(layout, every, every[-1:])
    assert known.remaining({}, 2) == (30.0, 0) and known.remaining({every[-1].spec.product: 12.0}, 2) == (18.0, 0)
    assert list(told) == [("report", 30.0)]
    other = Clock(Layout(layout.study, layout.root / "other"), every, every[-1:], [("report", 7.0)])
    assert other.remaining({}, 1) == (7.0, 0)
    other.ended(every[-1].spec.product, 1.0)
    assert other.remaining({}, 1) == (None, 0), "nothing is left, and nothing is said of it"


def test_steps_of_the_same_models_are_timed_apart(layout):
    samples = [job for job in jobs(layout) if job.rule == "sample"]
    mine = [job for job in samples if job.cell.policy == "smoke-8k"]
    theirs = [job for job in samples if job.cell.policy == "smoke-40k"]
    clock = Clock(layout, [], samples)
    clock.ended(mine[0].spec.product, 2.0)
    assert clock.expected(theirs[0]) == 2.0, "better than nothing"
    clock.ended(theirs[0].spec.product, 20.0)
    assert (clock.expected(mine[1]), clock.expected(theirs[1])) == (2.0, 20.0)
    seconds, untimed = clock.remaining({}, 2)
    assert (seconds, untimed) == (max(20.0, (2 * 2.0 + 2 * 20.0) / 2), 0)


@pytest.mark.parametrize(
    ("seconds", "untimed", "words"),
    [
        (None, 3, ""),
        (10, 0, ", less than a minute left"),
        (360, 0, ", about 6 min left"),
        (360, 1, ", about 6 min left and 1 step never timed"),
        (3 * 3600, 2, ", about 3.0 h left and 2 steps never timed"),
        (3 * 86400, 0, ", about 3.0 days left"),
    ],
)
def test_time_left_in_words(seconds, untimed, words):
    assert in_words(seconds, untimed) == words


def event(name: str, message: str | None = None, **told) -> logging.LogRecord:
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, message, None, None)
    record.__dict__.update(event=name, **told)
    return record


def test_each_distinct_failure_is_told_once_and_what_was_tried_again_and_ended_well_is_none(layout, tmp_path, capsys):
    states = []
    watch = watching.Watch(Clock(layout, [], []), str, lambda state: states.append(state.done))
    logs = [tmp_path / f"{number}.log" for number in range(5)]
    for number, words in enumerate(("error: p.jsonl: row 3 is bad", "error: p.jsonl: row 3 is bad", "fine", "", "")):
        logs[number].write_text(f"begun\n{words}\n")
        told = {
            "jobid": number,
            "rule_name": "sample",
            "wildcards": {"policy": "q"},
            "output": ["o"],
            "log": [logs[number]],
        }
        watch.emit(event("job_info", **told))
        said = {2: "died with <Signals.SIGKILL: 9>.", 3: "returned non-zero exit status 1."}.get(
            number, "exit status 1"
        )
        watch.emit(event("error", f"CalledProcessError: {said}"))
        watch.emit(event("job_error", jobid=number, rule_name="sample", log=[logs[number]], indent=False))
    watch.emit(event("job_info", **(told | {"jobid": 4})))
    watch.emit(event("job_finished", job_id=4))
    watch.end(well=False)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == [
        "error: p.jsonl: row 3 is bad",
        "error: it was ended by SIGKILL; the system does so where memory runs out: run fewer jobs at once",
        "error: it ended with a defect of the program, which the lines above and Snakemake's log tell of",
    ]
    assert lines[1] == f"    in sample (q) and 1 more; log: {logs[0]}" and "CalledProcess" not in "".join(lines)
    assert states and watch.state.ended == "failed"


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)


def test_the_live_page_is_marked_as_unfinished_until_the_run_is_done_and_escapes_what_others_wrote(layout, tmp_path):
    log = tmp_path / "l.log"
    log.write_text("first\nsample: 3/16 <script>alert(1)</script>\n")
    write = live.writer(layout)
    state = State(
        3, 10, {1: Running("sample (q)", "o", str(log), 0.0)}, {2: Failure("score", "<img src=x>", "l")}, 360.0, 1
    )
    for ended, mark, fresh in (
        ("", "this run goes on", 2),
        ("failed", "ended with failures", 0),
        ("stopped", "was stopped", 0),
    ):
        state.ended = ended
        write(state)
        page = (layout.root / layout.folder / live.NAME).read_text()
        assert "UNFINISHED" in page and mark in page and "<title>smoke: unfinished" in page
        assert Tags(page).found.count("script") * 2 == fresh and "img" not in Tags(page).found
        assert "3/16 &lt;script&gt;" in page and ("about 6 min left and 1 step never timed" in page) is (ended == "")
    state.ended = "done"
    write(state)
    page = (layout.root / layout.folder / live.NAME).read_text()
    assert "UNFINISHED" not in page and 'href="report.html"' in page and "location.reload" not in page


def test_accuracy_so_far_is_that_of_the_reports_table(finished):
    folder = finished / "results" / "studies" / "smoke"
    study = from_mapping(json.loads((folder / "study.json").read_text()))
    rows = live._accuracies(Layout(study, finished), {})
    import pandas as pd

    table = pd.read_parquet(folder / "tables" / "accuracy.parquet")
    table = table[table["level"] == "all"]
    assert rows and len(rows) > 8
    for benchmark, policy, _, prm, budget, accuracy, interval, problems in rows:
        mine = table[(table["benchmark"] == benchmark) & (table["policy"] == policy) & (table["budget"] == int(budget))]
        mine = mine[mine["prm"] == (prm if prm != "–" else "none")]
        shown = [
            (f"{100 * row.accuracy:.1f} %", f"{100 * row.low:.1f} to {100 * row.high:.1f}", str(row.problems))
            for row in mine.itertuples()
        ]
        assert (accuracy, interval, problems) in shown
    assert "The run is done" in (folder / live.NAME).read_text()
    assert Path(folder / "report.html").exists()
