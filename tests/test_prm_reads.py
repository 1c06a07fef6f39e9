"""Tokens that a PRM reads in a search: the plan's account against the engines' counters, and what memory is free."""

from __future__ import annotations

from random import Random

import pytest

from tests.rewards_checkpoints import LAYOUTS, Shelf
from ttstudy.methods.options import Options
from ttstudy.methods.run import run
from ttstudy.models import memory, reads
from ttstudy.policies.protocol import Completion
from ttstudy.prms import open_reward_model

WORDS = "the sum of first ten odd numbers is so we have then add it and know that x y".split()
NAMES = ["math_shepherd", "rlhflow", "skywork-1.5b", "qwen"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("checkpoints"))


class Writer:
    """A policy that writes steps of random words, in the PRM's own tokens."""

    name, parameters, context = "writer", 1, 1 << 20

    def __init__(self, encode):
        self.encode = encode

    def decode(self, ids):
        return ""

    def generate(self, requests, progress=None):
        found = []
        for request in requests:
            draw = Random(request.seed)
            text = " ".join(draw.choice(WORDS) for _ in range(draw.randint(8, 20)))
            last = draw.random() < 0.2
            ids = (*self.encode(text), 0)
            ends = (text, (0.0,) * len(ids), "eos") if last else (f"{text}\n\n", (0.0,) * len(ids), "stop")
            found.append(Completion(ids, *ends, len(request.prompt)))
        return found


@pytest.mark.filterwarnings("ignore:A solution of")
@pytest.mark.parametrize("backbone", ["light", "transformers"])
@pytest.mark.parametrize("name", NAMES)
def test_the_plans_account_of_a_search_is_what_the_prm_reads(shelf, name, backbone):
    form = LAYOUTS[name].format
    prm = open_reward_model(shelf.folder(name), form, device="cpu", backbone=backbone)
    texts = [f"What is {n}*6+5, and the sum of the first {n} odd numbers?" for n in range(3)]
    problems = [(f"p{n}", text, range(40)) for n, text in enumerate(texts)]
    writer = Writer(prm.format.tokenizer.encode)
    found = run(problems, writer, prm, Options(method="beam_search", budget=16, max_depth=6), ("s",))
    asked = sum(len(prm.format.stem(text)) for text in texts)
    drawn = found.counters.response_tokens
    planned = reads.in_search("transformers", form, drawn=drawn, candidates=len(found.nodes), problem=asked)
    assert found.counters.prm_tokens == pytest.approx(planned, rel=0.05)
    assert drawn < found.counters.prm_tokens < 1.5 * drawn < found.counters.prm_tokens_reencoded


def test_blocks_of_a_cache_are_read_again_for_every_candidate():
    for form in ("qwen", "skywork", "math_shepherd"):
        more = reads.per_drawn("vllm", form, step=40) - reads.per_drawn("transformers", form, step=40)
        assert more == pytest.approx(7.5 / 40)
    assert reads.per_drawn("vllm", "qwen", step=40, block=32) == pytest.approx(1 + 15.5 / 40)
    assert reads.per_drawn("vllm", None, step=40) == reads.per_drawn("vllm", "qwen", step=40)


def machine(folder, available: int, **limits: str):
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/meminfo").write_text(f"MemTotal: 9999999 kB\nMemAvailable: {available} kB\n")
    (folder / "proc/self/cgroup").write_text("4:memory:/job\n0::/slurm/job_1/step_0\n")
    job = folder / "sys/fs/cgroup/slurm/job_1"
    job.mkdir(parents=True)
    for name, text in limits.items():
        (job / f"memory.{name}").write_text(text)
    return folder


def test_free_memory_is_the_least_of_the_machines_and_the_jobs(tmp_path):
    assert memory.free(machine(tmp_path / "a", 8 * 2**20)) == 8
    assert memory.free(machine(tmp_path / "b", 8 * 2**20, max="max", current="5")) == 8
    limits = {"max": str(6 * 2**30), "current": str(2**30)}
    assert memory.free(machine(tmp_path / "c", 8 * 2**20, **limits)) == 5
    assert memory.free(tmp_path / "nothing") == 0


def test_a_prefix_cache_takes_a_part_of_what_is_free_within_bounds(monkeypatch):
    for free, gib in ((100, 8), (16, 4), (0.1, 0.5)):
        monkeypatch.setattr(memory, "free", lambda free=free: free)
        assert memory.for_prefixes("cpu") == gib
