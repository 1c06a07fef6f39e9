"""Results in an object store: two folders that share nothing go on with each other's work, to the same tables."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.studies import copy_repository, environment, smoke, snakemake, tables, write
from ttstudy.errors import StudyError
from ttstudy.run import store

S3 = Path(sys.prefix) / "s3"
"""Where `make test` puts Snakemake's S3 plugin and a server: beside the environment, or every start would load it."""

installed = pytest.mark.skipif(not (S3 / "moto").is_dir(), reason="no S3 server is installed (make test: .venv/s3)")


def tiny() -> dict:
    """One policy, a PRM with its body, one search: a few seconds of training."""
    study = smoke()
    policy, prm = study["policies"]["smoke-8k"], study["prms"]["smoke-undertrained"]
    prm["policies"] = ["smoke-8k"]
    prm["definition"]["training"]["validation"]["policies"] = {"smoke-8k": 30}
    study["benchmarks"]["sums"]["problems"] = 6
    budgets = {"majority": [2, 4], "best_of_n": [4], "beam_search": [4]}
    only = {"policies": {"smoke-8k": policy}, "prms": {"smoke-undertrained": prm}, "budgets": budgets}
    return study | only | {"pilot_samples": 4, "first_block": 4}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Environment of a run that has a store of its own, on a server of this machine."""
    log = tmp_path_factory.mktemp("s3") / "log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment() | {"PYTHONPATH": str(S3)}, stdout=stream, stderr=stream)
    try:
        deadline = time.monotonic() + 120
        while not (found := re.search(r"http://127.0.0.1:([0-9]+)", log.read_text())):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", store.ADDRESS: "s3://bucket/of-mine"}
        yield keys | {"PYTHONPATH": str(S3), "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": found[0]}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@installed
def test_two_folders_that_share_nothing_but_a_store_end_in_the_tables_of_one_folder(server, tmp_path):
    study = tiny()
    one, first, second, third = (copy_repository(tmp_path / name) for name in ("one", "first", "second", "third"))
    config = [write(root, study) for root in (one, first, second, third)][0].name
    snakemake(one, config)
    profile = ("--profile", "workflow/profiles/s3")
    snakemake(first, config, *profile, "--until", "sample", env=server)
    assert not (first / "results/studies/smoke/tables").exists()
    shutil.rmtree(first)
    # The second draws and trains nothing again, and has the weights with which it searches from the store.
    output = snakemake(second, config, *profile, env=server)
    assert "Retrieving from storage: s3://bucket/of-mine/results/models/policies/smoke-8k-" in output
    ran = set(re.findall(r"^(\w+) +\d+$", output, re.MULTILINE))  # of the table of jobs
    assert {"search", "score", "report"} <= ran and not {"sample", "train_policy", "benchmark"} & ran
    assert len(tables(one)) > 5 and tables(second) == tables(one)

    # A third, in which nothing is, plans from what the objects say of themselves.
    def left(**changes):
        write(third, study | changes)
        return _planned(third, config, server)

    assert left() == {}
    assert not list((third / ".store").rglob("*.parquet"))
    changed = left(search={"max_depth": 7})
    assert changed["search"] == changed["grade_search"] == 1 and "sample" not in changed and "accuracy" in changed


def _planned(root: Path, config: str, server: dict[str, str]) -> dict[str, int]:
    output = snakemake(root, config, "--profile", "workflow/profiles/s3", "--dry-run", env=server)
    counted = output.partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", counted, flags=re.MULTILINE)}


class _Provider:
    """As Snakemake's providers of storage say where local copies lie."""

    local_prefix = Path(".store/s3")

    def object(self, query: str):
        return type("Object", (), {"local_suffix": lambda self: query.removeprefix("s3://")})()


def test_the_results_folder_is_a_link_to_local_copies_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = store.Store(_Provider(), "s3://bucket/mine/", "results")
    here.link()
    here.link()
    Path("results/a").mkdir()
    assert (
        os.readlink("results") == ".store/s3/bucket/mine/results" and Path(".store/s3/bucket/mine/results/a").is_dir()
    )
    assert here.plain(".store/s3/bucket/mine/results/a/b.parquet") == "results/a/b.parquet"
    Path("other").mkdir()
    with pytest.raises(StudyError, match="results: other is there already"):
        store.Store(_Provider(), "s3://bucket/mine", "other").link()
    with pytest.raises(StudyError, match="give a relative path"):
        store.Store(_Provider(), "s3://bucket/mine", "/data/results")
    assert store.place("results/models/hub/x-01234567/fetched.json") == "results/models/hub/x-01234567"


def test_a_run_without_an_address_says_what_to_export(monkeypatch):
    monkeypatch.delenv(store.ADDRESS, raising=False)
    with pytest.raises(StudyError, match="export TTSTUDY_STORE=s3://"):
        store.address()
