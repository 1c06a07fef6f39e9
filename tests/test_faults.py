"""Runs that are killed, damaged, starved and crowded: the next one ends in the bytes of an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import faults, paths
from tests.endpoint import Proxy
from tests.hub_server import COMMIT, Repository, serving
from tests.studies import ROOT, environment, given_file, snakemake, step_command
from ttstudy.dag import stamps
from ttstudy.dag.cells import Cell, PoolBlock
from ttstudy.dag.generation import scores_spec
from ttstudy.dag.layout import open_layout
from ttstudy.dag.specs.records import Spec
from ttstudy.data import tables
from ttstudy.data.revisions import load
from ttstudy.errors import Ending, StudyError
from ttstudy.prms.protocol import check_scores
from ttstudy.run import integrity
from ttstudy.run.runlock import hold_results
from ttstudy.study import from_mapping

KILLS = int(os.environ.get("TTSTUDY_KILLS", 4))
"""`TTSTUDY_KILLS=20` for the long run."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A finished run, whose temporary folder was its own; it must leave no file there and no process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    root, config = faults.set_up(folder / "run")
    (folder / "tmp").mkdir()
    run = faults.Run(root, config, TMPDIR=str(folder / "tmp"))
    assert run.process.wait(timeout=900) == 0
    assert [path for path in (folder / "tmp").rglob("*") if path.is_file()] == []
    assert faults.processes_of(run.process.pid) == {}
    return root


def test_a_run_in_other_blocks_on_one_core_ends_in_the_same_bytes_but_for_what_they_were_made_from(
    undisturbed, tmp_path
):
    search = faults.study()["search"] | {"problems_per_block": 4}
    root, config = faults.set_up(tmp_path / "run", first_block=1, search=search)
    snakemake(root, config, cores=1)
    again, first = faults.unstamped(root), faults.unstamped(undisturbed)
    assert again.keys() == first.keys() and len(first) >= 10
    assert [name for name in first if again[name] != first[name]] == []
    contents = [[stamp.content for stamp in faults.stamps_of(folder).values()] for folder in (root, undisturbed)]
    assert contents[0] == contents[1] and len(contents[0]) == len(first)


def test_killed_at_random_moments_a_run_ends_in_the_same_bytes(undisturbed, tmp_path):
    choice = random.Random(20250206)
    root, config = faults.set_up(tmp_path / "run0")
    kills, before = 0, {}
    while kills < KILLS:
        run = faults.Run(root, config, TTSTUDY_RESPONSES_PER_PART="4")
        if not run.wait_for_jobs():  # this study is finished: go on with another
            run.process.wait()
            assert run.process.returncode == 0
            assert faults.final(root) == faults.final(undisturbed)
            root, config = faults.set_up(tmp_path / f"run{kills}")
            before = {}
            continue
        try:
            run.process.wait(timeout=choice.uniform(0, 6))
        except subprocess.TimeoutExpired:
            kills += 1
        # Of what was whole at the last kill, no more is made again than what was in flight.
        now = faults.made(root)
        assert len(faults.jobs_of(faults.redone(before, now))) <= faults.CORES
        before = now
        if kills % 4 == 3:
            run.kill_a_job(choice)
            before = {}  # the run itself went on
        else:
            run.kill()
    faults.again(root, config)
    assert len(faults.jobs_of(faults.redone(before, faults.made(root)))) <= faults.CORES
    assert faults.final(root) == faults.final(undisturbed)
    assert not list(root.glob("results/**/.*.parts")) and not list(root.glob("results/**/*.damaged"))


def test_damaged_outputs_are_named_and_made_again(undisturbed, tmp_path):
    root, config = faults.finished_copy(undisturbed, tmp_path / "run")
    results = root / "results"
    cut = next(results.glob("sums/tiny/samples-*/0002-0003.parquet"))
    cut.write_bytes(cut.read_bytes()[:-30])
    flipped = results / "studies/faults/tables/accuracy.parquet"
    content = bytearray(flipped.read_bytes())
    content[200] ^= 0xFF
    flipped.write_bytes(bytes(content))
    unreadable = next(results.glob("sums/tiny/beam_search/*/0004.nodes.parquet"))
    unreadable.unlink()
    unreadable.symlink_to(unreadable)  # nobody, not even root, reads a link to itself
    page = results / "studies/faults/report.html"
    page.write_bytes(page.read_bytes()[:5000])
    before = faults.made(root)
    output = faults.again(root, config)
    for path in (cut, flipped, unreadable, page):
        assert f"damaged: {path.relative_to(root)}: " in output
        assert integrity.fault(path) is None
    assert faults.final(root) == faults.final(undisturbed)
    again = {path.name for path in faults.redone(before, faults.made(root))}
    assert "0000-0001.parquet" not in again and "0000-0000.parquet" not in again  # other blocks, the greedy response
    assert faults.planned(root, config) == {}


@pytest.mark.parametrize("change", ["truncated", "emptied", "one byte"])
def test_every_kind_of_result_tells_whether_it_is_whole(undisturbed, tmp_path, change):
    provenance = undisturbed / "results/studies/faults/provenance.json"
    assert integrity.fault(provenance) is None and json.loads(provenance.read_text())["study"] == "faults"
    figures = sorted((undisturbed / "results/studies/faults/figures").glob("*.svg"))
    pages = [undisturbed / "results/studies/faults/report.html", *figures[:1]]
    tables = [undisturbed / "results" / path for path in ("studies/faults/tables/ledger.parquet",)]
    for path in [*pages, *tables]:
        assert integrity.fault(path) is None
        content = bytearray(path.read_bytes())
        if change == "one byte":
            content[60] ^= 1  # in a page: the footer is checked by its structure alone
        (tmp_path / path.name).write_bytes(
            content if change == "one byte" else content[: -9 if change[0] == "t" else 0]
        )
        assert integrity.fault(tmp_path / path.name) is not None
    folder = tmp_path / "model"
    shutil.copytree(ROOT / "workflow/checkpoints/mini-20k", folder)
    integrity.write_checksums(folder)
    assert integrity.fault(folder / "training.json") is None
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-5] ^= 1
    (folder / "model.safetensors").write_bytes(weights if change == "one byte" else weights[:-9])
    assert "model.safetensors" in integrity.fault(folder / "training.json")


def step(root: Path, spec: Spec, folder: Path, before: str = "") -> subprocess.CompletedProcess:
    """Run a step by hand, its spec's file in `folder`; `before` is Python code that runs first in its process."""
    _, *line = step_command(spec, folder)
    code = f"{before}\nimport runpy, sys\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", code, *line],
        cwd=root,
        env=environment() | {"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        timeout=300,
    )


def one_sentence(run: subprocess.CompletedProcess, *words: str, status: int = Ending.MISTAKE) -> None:
    assert run.returncode == status, run.stderr
    assert run.stderr.startswith("error: ") and run.stderr.count("\n") == 1, run.stderr
    assert all(word in run.stderr for word in words), run.stderr


def test_an_input_that_is_damaged_after_the_start_is_never_read(undisturbed, tmp_path):
    responses = next(undisturbed.glob("results/sums/tiny/samples-*/0000-0001.parquet"))
    copy = tmp_path / "responses.parquet"
    content = bytearray(responses.read_bytes())
    content[300] ^= 0xFF
    copy.write_bytes(bytes(content))
    layout = open_layout(from_mapping(faults.study()), undisturbed)
    spec = paths.graded(layout, "sums", "tiny", "samples")
    moved = spec.responses.model_copy(update={"path": str(copy)})
    outputs = {grader: str(tmp_path / f"{grader}.parquet") for grader in spec.outputs}
    run = step(undisturbed, spec.model_copy(update={"responses": moved, "outputs": outputs}), tmp_path)
    one_sentence(run, str(copy), "run again")
    assert not any(Path(path).exists() for path in outputs.values())
    assert not copy.exists() and copy.with_name("responses.parquet.damaged").exists()


def score(root: Path, prm: Path, output: Path, before: str = "") -> subprocess.CompletedProcess:
    layout = open_layout(from_mapping(faults.study()), root)
    spec = scores_spec(layout, PoolBlock(Cell("sums", "tiny"), "samples", 0, 1), "judge")
    judge = spec.judge.model_copy(update={"checkpoint": given_file(prm / "config.json")})
    spec = spec.model_copy(update={"judge": judge, "outputs": {"output": str(output)}})
    return step(root, spec, output.parent, before)


def test_a_prm_that_gives_no_numbers_stops_its_step(undisturbed, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    prm = tmp_path / "prm"
    shutil.copytree(ROOT / "workflow/checkpoints/prm-undertrained", prm)
    weights = load_file(prm / "model.safetensors")
    save_file(
        {name: torch.full_like(value, float("nan")) for name, value in weights.items()}, prm / "model.safetensors"
    )
    output = tmp_path / "scores.parquet"
    one_sentence(score(undisturbed, prm, output), "PRM prm gave step 1 of problem ", "nan, which is not in [0, 1]")
    assert not output.exists()


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([0.5], "1 scores for the 2 steps"),
        ([0.5, 0.5, 0.5], "3 scores"),
        ([], "0 scores"),
        ([0.1, 1.1], "step 2 of r1"),
    ],
)
def test_too_few_too_many_or_odd_scores_are_refused(scores, words):
    with pytest.raises(StudyError, match=words):
        check_scores("judge", scores, ["a", "b"], "r1")


def test_memory_that_runs_out_in_a_job_costs_that_job(undisturbed, tmp_path):
    prm = ROOT / "workflow/checkpoints/prm-undertrained"
    starve = (
        "import resource, torch, pandas, pandera.pandas, pyarrow.parquet\n"
        "import ttstudy.prms.native as engine\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "def starved(*a, **k):\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (used, used))\n"
        "    return torch.zeros(2**28)\n"
        "engine.NativeScoring.run = starved\n"
    )
    output = tmp_path / "scores.parquet"
    starved = score(undisturbed, prm, output, before=starve)
    one_sentence(starved, "out of memory", "run again to go on", status=Ending.MEMORY)
    assert not output.exists()
    assert score(undisturbed, prm, output).returncode == 0
    first = next(undisturbed.glob("results/sums/tiny/samples-*/scores/*/0000-0001.parquet"))
    assert output.read_bytes() == first.read_bytes()


def test_a_full_disk_is_named_and_room_is_all_it_takes(undisturbed, tmp_path):
    root, config = faults.finished_copy(undisturbed, tmp_path / "run")
    results, kept = root / "results", tmp_path / "kept"
    (results / "studies/faults/report.html").unlink()
    shutil.rmtree(results / "studies/faults/figures")
    results.rename(kept)
    results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(results)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", str(results)], check=True)
        size = shutil.disk_usage(results).used + 2**17
        subprocess.run(["mount", "-o", f"remount,size={size}", str(results)], check=True)
        output = snakemake(root, config, ok=False)
        assert "No space left on device; make room and run again to go on" in output and "Traceback" not in output
        subprocess.run(["mount", "-o", "remount,size=64m", str(results)], check=True)
        output = faults.again(root, config)
        assert integrity.fault(results / "studies/faults/report.html") is None
        assert faults.final(root) == faults.final(undisturbed)
    finally:
        subprocess.run(["umount", str(results)], check=True)


def test_a_hub_that_is_lost_in_a_fetch_is_asked_again_for_what_was_not_whole(tmp_path):
    """`snakemake fetch` of a model and a data set: the network goes in the middle of the second file of weights."""
    from safetensors.numpy import save

    weights = save({"layer.weight": np.arange(6_000_000, dtype=np.float32)})
    first, second = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    model = {"config.json": b'{"model_type": "llama"}', "tokenizer.json": b"{}", second: weights}
    model |= {first: save({"first": np.ones(9, dtype=np.float32)})}
    problems = {"test.jsonl": b'{"problem_id": "a", "problem": "1+1?", "answer": 2}\n'}
    repositories = {
        ("models", "far/model"): Repository(model, lost={second: [11_000_000]}, last=True),
        ("datasets", "far/sums"): Repository(problems),
    }
    root, config = faults.set_up(
        tmp_path / "run", prms={}, budgets={"majority": [2]},
        benchmarks={"sums": {"source": "hub", "id": "far/sums", "revision": COMMIT}},
        policies={"tiny": {"source": "hub", "id": "far/model", "revision": COMMIT}},
    )  # fmt: skip
    with serving(repositories) as hub:
        variables = hub.environment(tmp_path / "home")
        output = snakemake(root, config, "fetch", ok=False, env=variables)
        told = {line for line in output.splitlines() if line.startswith("error: ")}
        assert any("far/model: " in line and "run `snakemake fetch` again" in line for line in told), output
        assert len(told) <= 2 and "Traceback" not in output  # one for each of the two that were fetched
        assert not list(root.glob("results/models/hub/*/fetched.json"))
        hub.down, before = False, len(hub.requests)
        snakemake(root, config, "fetch", env=variables)
        again = [line.split()[1] for line in hub.requests[before:] if re.match("GET /far/model/resolve/", line)]
        assert [path.rsplit("/", 1)[1] for path in again] == [second]
        (folder,) = root.glob("results/models/hub/model-*/")
        (table,) = root.glob("results/benchmarks/sums-*.parquet")
        undisturbed = faults.set_up(tmp_path / "undisturbed")[0]
        shutil.copy(config, undisturbed)
        snakemake(undisturbed, undisturbed / "study.yaml", "fetch", env=variables | {"HF_HOME": str(tmp_path / "h")})
    for path in [*folder.iterdir(), table]:
        if not path.name.startswith(".") or path.name == stamps.CHECKPOINT:
            assert path.read_bytes() == (undisturbed / path.relative_to(root)).read_bytes(), path
    assert {path.name for path in folder.iterdir()} == {*model, "fetched.json", stamps.CHECKPOINT}


def canned(asked: dict) -> dict:
    """An endpoint's answer, which its request alone decides."""
    text = asked["messages"][-1]["content"] + f"\n\n\\boxed{{{asked['seed'] % 7}}}"
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    return {"model": "far", "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": len(text)}}


def test_an_endpoint_that_stops_in_a_study_is_asked_again_for_what_was_not_answered(tmp_path):
    far = {"source": "openai", "model": "far", "base_url": "$TTSTUDY_TEST_FAR", "key_variable": None}
    changes = {
        "prms": {},
        "first_block": 4,
        "budgets": {"majority": [4]},
        "policies": {"far": far | {"attempts": 2, "concurrency": 2}},
    }
    root, config = faults.set_up(tmp_path / "run", **changes)
    proxy, drawn = Proxy(0), 6 * (4 + 4 + 1)  # pilot, pool and greedy responses to six problems
    proxy.answering, proxy.stops_after = canned, 15
    table = "results/studies/faults/tables/accuracy.parquet"
    with proxy.running() as url:
        far = {"TTSTUDY_TEST_FAR": url}
        output = snakemake(root, config, table, ok=False, env=far)
        told = {line for line in output.splitlines() if line.startswith("error: ")}
        assert len(told) == 1 and "Traceback" not in output, output
        assert "policies.far: the endpoint failed 2 times in a row" in min(told)
        assert "run again later: the responses that have arrived are kept" in min(told)
        assert not (root / table).exists() and 15 <= proxy.delivered.total() <= 16
        proxy.stops_after = None
        snakemake(root, config, table, env=far)
        # Of what was answered, nothing is asked for again but what was under way when the run ended.
        assert len(proxy.delivered) == drawn and proxy.delivered.total() <= drawn + 2
        # What stands on the responses is a function of them: they are what an undisturbed run has to have, too.
        undisturbed, config = faults.set_up(tmp_path / "undisturbed", **changes)
        layout = open_layout(load(config), undisturbed)
        pools = [path for pool in ("pilot", "cot", "samples") for path in paths.pools(layout, "sums", "far", pool)]
        snakemake(undisturbed, config, *pools, env=far)
    assert len(pools) == 3 and tables.read("accuracy", root / table)["accuracy"].between(0, 1).all()
    for path in pools:
        assert (root / path).read_bytes() == (undisturbed / path).read_bytes()


def test_a_lock_that_is_held_names_its_holder_and_one_that_is_left_blocks_nobody(tmp_path):
    code = "import sys; from ttstudy.run.runlock import hold_results; hold_results(sys.argv[1]); "
    code += "print('held', flush=True)"
    holder = subprocess.Popen(
        [sys.executable, "-c", code + "; sys.stdin.read()", str(tmp_path)],
        env=environment() | {"PYTHONPATH": str(ROOT / "workflow")}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(StudyError, match=rf"another run \(process {holder.pid} on .*wait for it, end it, or give"):
        hold_results(tmp_path)
    holder.kill()
    holder.wait()
    assert (tmp_path / ".run.lock").read_text().startswith(str(holder.pid))
    hold_results(tmp_path)
    assert (tmp_path / ".run.lock").read_text().startswith(str(os.getpid()))


def test_what_a_run_makes_is_the_users_and_nobody_elses_to_write(tmp_path):
    code = (
        "import os, pandas as pd; from pathlib import Path; os.umask(0o027)\n"
        "from ttstudy.data import tables; from ttstudy.run import runlock\n"
        "from ttstudy.report import page; root = Path(os.sys.argv[1])\n"
        "row = {'problem_id': ['a'], 'problem': ['b'], 'answer': ['c'], 'level': [None], 'subject': [None]}\n"
        "tables.write('benchmark', pd.DataFrame(row), root / 'a/b.parquet'); page.write(root / 'a/b.html', b'x')\n"
        "runlock.hold_results(root / 'c')"
    )
    environ = environment() | {"PYTHONPATH": str(ROOT / "workflow")}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environ, check=True)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"a": 0o750, "b.parquet": 0o640, "b.html": 0o640, "c": 0o750, ".run.lock": 0o640}


def test_no_result_is_world_writable(undisturbed):
    assert [path for path in (undisturbed / "results").rglob("*") if path.stat().st_mode & 0o002] == []
