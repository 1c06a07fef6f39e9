"""What a policy is told and sent, and the first look at what it writes."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from scripts import plan
from tests.paths import blocks
from tests.studies import smoke
from ttstudy.dag.layout import open_layout
from ttstudy.dag.specs.generation import Reading
from ttstudy.data import prompts
from ttstudy.errors import StudyError
from ttstudy.policies import servers
from ttstudy.policies.openai import Endpoint
from ttstudy.policies.protocol import Completion, Sampling
from ttstudy.policies.sampling import drawing
from ttstudy.policies.stream import drawn
from ttstudy.run import demand
from ttstudy.run.probe import ENOUGH, Probe, first
from ttstudy.study import from_mapping

SHOWN = [("1+1?", "It is \\boxed{2}.")]


def roles(*told) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in prompts.messages(*told)]


def test_own_system_text_and_examples_stand_before_the_problem():
    box = prompts.FAMILIES["boxed"].after
    assert "\\boxed{}" in box and prompts.FAMILIES["boxed"].system is None
    turns = [("user", f"1+1?{box}"), ("assistant", SHOWN[0][1]), ("user", f"2+2?{box}")]
    assert roles("boxed", "2+2?", "template", "Add.", SHOWN) == [("system", "Add."), *turns]
    assert roles("boxed", "2+2?", "template", None, SHOWN) == turns
    assert roles("qwen", "2+2?", "template", "") == [("user", "2+2?")]
    assert roles("qwen", "2+2?")[0][0] == "system"


SAMPLING = Sampling(3.0, max_tokens=40, stop=("\n\n\n",))
SENT = {
    "llama.cpp": {"top_k": 0, "min_p": 0.0, "typical_p": 1.0, "repeat_penalty": 1.0, "xtc_probability": 0.0},
    "ollama": {"presence_penalty": 0.0, "frequency_penalty": 0.0},
    "lmstudio": {"top_k": 0, "repeat_penalty": 1.0},
    "vllm": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
}


@pytest.mark.parametrize("server", SENT)
def test_a_named_server_is_sent_every_sampler_turned_off(server):
    body = Endpoint("far", "m", "http://localhost/v1", server).body([], SAMPLING, 7)
    assert body.items() >= SENT[server].items() and body["stop"] == ["\n\n\n"] and body["temperature"] == 3.0
    assert Endpoint("far", "m", "x", server).body([], Sampling(top_k=5), 7).get("top_k") in (5, None)
    left = servers.left(server)
    assert not set(left) & set(body) and (server in ("ollama", "lmstudio")) == bool(left)


def test_a_server_that_nobody_names_is_sent_the_standard_alone():
    body = Endpoint("far", "m", "http://localhost/v1").body([], Sampling(0.7), 7)
    assert set(body) == {"model", "messages", "n", "max_tokens", "temperature", "top_p", "seed", "logprobs"}
    assert servers.left(None)


def test_the_first_samples_of_two_problems_are_looked_at():
    assert first(16, range(64)) == [0, 1, 2, 3, 16, 17, 18, 19]
    assert first(2, range(8)) == [0, 1, 2, 3] and first(16, [2, 3, 40]) == [2, 3]


def test_every_first_block_is_looked_at_and_the_pilot_alone_is_told(tmp_path):
    layout = open_layout(from_mapping(smoke(extraction="boxed")), tmp_path)
    policy = next(iter(layout.study.policies))
    (pilot,), (cot,) = (blocks(layout, "sums", policy, pool) for pool in ("pilot", "cot"))
    pool = blocks(layout, "sums", policy, "samples")
    assert pilot.reading == Reading(extraction="boxed", tells=True) and cot.reading is None
    assert [block.reading and block.reading.tells for block in pool] == [False, *[None] * (len(pool) - 1)]
    assert pilot.model_copy(update={"reading": None}).digest == pilot.digest


def look(texts, reading=None, finish="eos", left=1000):
    told = []
    probe = Probe("p", "b", reading or Reading(extraction="conclusion"), range(8), left, told.append)
    for place, text in enumerate(texts):
        probe.saw(place, text, finish, 100, 100 * (place + 1))
    return told


def test_a_small_policy_on_the_cpu_asks_for_no_gpu_and_is_planned_in_cpu_hours():
    given = {"source": "hub", "id": "some/smollm2-135m", "parameters": 1.35e8}
    study = from_mapping(smoke(policies={"small": given}, prms={}, labelled={}, budgets={"majority": [1, 4, 16]}))
    assert demand.of_job(study, "small").gpus == 0
    (line,) = plan._here({"cpu_hours": 40.0, "gpu_hours": 0.0}, 2)
    assert "20.0 hours on this machine's 2 cores: longer than a night" in line
    assert "night" not in plan._here({"cpu_hours": 4.0, "gpu_hours": 0.0}, 2)[0]
    assert plan._here({"cpu_hours": 40.0, "gpu_hours": 1.0}, 2) == []


SENTENCE = "Tom has 3 apples and buys 4 more, so he has 3 + 4 = 7 apples now."


def test_what_the_first_responses_are_like_is_one_paragraph():
    (told,) = look(["\\boxed{7}"] * 7 + ["No."])
    assert "8 responses: 7 have an answer (extraction: conclusion), 0 were cut off, 100 tokens each" in told
    assert "tokens/s" in told and "a night" not in told and "boxed`" not in told
    (told,) = look(["No."] * 8)
    assert "0 have an answer" in told and "`prompt: boxed`" in told
    assert look(["No."] * 8, Reading(extraction="conclusion", tells=False)) == []
    (told,) = look([SENTENCE] * 8, Reading(extraction="conclusion"), left=10**15)
    assert "longer than a night" in told


def test_a_policy_that_never_gives_an_answer_is_stopped_with_what_to_change():
    with pytest.raises(StudyError, match=f"none of {ENOUGH} responses to b gives an answer") as stop:
        look([SENTENCE] * ENOUGH, Reading(extraction="boxed"))
    assert f"`conclusion` finds {ENOUGH}" in str(stop.value) and "prompt: boxed" in str(stop.value)
    with pytest.raises(StudyError, match="raise sampling.responses.max_tokens"):
        look(["so he has"] * ENOUGH, finish="length")
    assert len(look([SENTENCE] * (ENOUGH - 1), Reading(extraction="boxed"))) == 1
    assert len(look([SENTENCE] * 99, Reading(extraction="boxed", accepted=True))) == 1
    assert len(look(["No."] * 31 + ["It is 7."] + ["No."] * 40)) == 1


class Parrot:
    """An engine of one stream; what joins later ends first."""

    def __init__(self):
        self.places, self.ahead, self.slack, self.tokens, self.jobs, self.seen = 1, 1, 1.0, 0, [], []

    def stream(self):
        return self

    def encode_chat(self, messages):
        return [len(messages[-1]["content"])]

    def decode(self, ids):
        return ""

    def submit(self, jobs, lane=0):
        self.jobs += jobs
        self.seen.append(len(jobs))

    def poll(self):
        number, request = self.jobs.pop()
        self.tokens += 1
        return [(number, Completion((1,), f"{request.seed}", (0.0,), "eos", 1))]


def test_those_that_are_looked_at_are_begun_first_and_nothing_hangs_on_the_order():
    problems = pd.DataFrame({"problem_id": ["a", "bb"], "problem": ["x", "yy"]})
    spec = SimpleNamespace(prompt="plain", thinking="template", system=None, examples=(), stop=(), confidence=None,
                           seeds=(0, "b", "p"), pool="samples", sampling=smoke_sampling())  # fmt: skip
    whole = dict(drawing(Parrot(), problems, range(4), spec))
    some = dict(drawing(Parrot(), problems, range(4), spec, [5, 1, 7], first=1))
    assert some == {place: whole[place] for place in (1, 5, 7)} and len(whole) == 8
    parrot = Parrot()
    requests = [SimpleNamespace(prompt=(n // 4,), seed=n) for n in range(8)]
    told = []
    found = dict(drawn(parrot, requests, lambda *counts: told.append(counts), 5, first=2))
    assert [found[number].text for number in range(8)] == [str(number) for number in range(8)]
    assert parrot.seen == [2, 2, 1, 3] and told[-1] == (8, 8)


def smoke_sampling():
    from ttstudy.study.sampling import SamplingSettings

    return SamplingSettings(temperature=0.7, max_tokens=5)
