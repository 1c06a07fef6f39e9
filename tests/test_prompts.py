"""Prompts and sampling by family: the paper's, and used where a study gives none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml

from tests.studies import ROOT
from tests.test_engines_checkpoint import make_checkpoint, write_tokenizer
from tests.test_study import small
from ttstudy.data import prompts
from ttstudy.errors import StudyError
from ttstudy.models.chat import ChatTokenizer
from ttstudy.policies.protocol import begins
from ttstudy.study import from_mapping
from ttstudy.study.policies import PromptedPolicy
from ttstudy.study.sampling import SAMPLING

BOXED = r"Please reason step by step, and put your final answer within \boxed{}."
# What Llama-3.2's template does with the date and with a system message, shortened.
LLAMA = (
    "{{ bos_token }}{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] | trim %}"
    "{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}"
    "Today Date: {{ date_string }}\n\n{{ system }}"
    "{% for m in messages %}|{{ m['role'] }}|{{ m['content'] | trim }}{% endfor %}"
)


def test_every_family_of_the_configuration_has_its_prompt_and_its_sampling():
    families = set(get_args(PromptedPolicy.model_fields["prompt"].annotation))
    assert families == set(prompts.FAMILIES) == set(SAMPLING)


def test_messages_are_put_where_each_family_wants_them():
    def shape(family: str) -> list[tuple[str, str]]:
        return [(message["role"], message["content"]) for message in prompts.messages(family, "2+2?")]

    assert shape("plain") == [("user", "2+2?")]
    assert shape("qwen") == [("system", BOXED), ("user", "2+2?")]
    assert shape("deepseek-r1") == [("user", f"2+2?\n{BOXED}")]
    (role, text), user = shape("llama")
    assert role == "system" and user == ("user", "2+2?")
    assert text.startswith("Solve the following math problem efficiently and clearly:\n\n- For simple problems")
    assert text.endswith("Where [answer] is just the final number or expression that solves the problem.")
    assert "Therefore, the final answer is: $\\boxed{answer}$. I hope it is correct." in text


def test_the_date_in_a_llama_prompt_is_the_same_every_day_and_bos_is_there_once(tmp_path: Path):
    write_tokenizer(tmp_path, template=LLAMA)
    chat = ChatTokenizer(tmp_path)
    text = chat.render(prompts.messages("llama", "2+2?"))
    assert "Today Date: 26 Jul 2024" in text and text.count("Solve the following") == 1
    ids = chat.encode_chat(prompts.messages("llama", "2+2?"))
    assert ids.count(chat.token_id("bos_token")) == 1


@pytest.mark.parametrize(
    ("family", "use", "settings"),
    [
        ("llama", "cot", (0.0, 1.0, 8192)),
        ("qwen", "responses", (0.7, 1.0, 8192)),
        ("qwen", "search", (0.7, 1.0, 2048)),
        ("deepseek-r1", "cot", (0.6, 0.95, 32768)),
        ("deepseek-r1", "responses", (0.6, 0.95, 32768)),
        ("deepseek-r1", "search", (0.6, 0.95, 32768)),
        ("plain", "responses", (0.7, 1.0, 512)),
    ],
)
def test_a_family_samples_as_the_paper_does_unless_the_study_says_otherwise(family, use, settings):
    config = small()
    config["policies"]["tiny"]["prompt"] = family
    found = from_mapping(config).sampling_of("tiny", use)
    assert (found["temperature"], found["top_p"], found["max_tokens"], found["top_k"]) == (*settings, 0)
    config["sampling"] = {use: {"temperature": 1.0, "max_tokens": 99}}
    config["policies"]["tiny"]["sampling"] = {use: {"top_p": 0.5}}
    found = from_mapping(config).sampling_of("tiny", use)
    assert (found["temperature"], found["top_p"], found["max_tokens"]) == (1.0, 0.5, 99)


# What R1-Distill's template does since February 2025, shortened.
R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}<|user|>{{ m['content'] }}{% else %}"
    "<|assistant|>{{ m['content'].split('</think>')[-1] }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "thinking", "end"),
    [
        (R1, "template", "<|assistant|><think>\n"),
        (R1, "open", "<|assistant|><think>\n"),
        (R1, "none", "<|assistant|>"),
        (R1.replace("<think>\n", ""), "template", "<|assistant|>"),
        (R1.replace("<think>\n", ""), "open", "<|assistant|><think>\n"),
    ],
)
def test_thoughts_are_begun_as_the_study_says_and_told_in_the_response(tmp_path: Path, template, thinking, end):
    write_tokenizer(tmp_path, template=template)
    chat = ChatTokenizer(tmp_path)
    asked = prompts.messages("plain", "one", thinking)
    assert chat.render(asked) == f"{chat.special['bos_token']}<|user|>one{end}"
    ids = chat.encode_chat(asked)
    assert ids.count(chat.token_id("bos_token")) == 1
    assert begins(chat, ids) == ("<think>\n" if "<think>" in end else "")


def test_a_study_says_whether_thoughts_are_begun_and_a_changed_mind_draws_anew():
    mapping = small()
    policy = next(iter(mapping["policies"]))
    with pytest.raises(StudyError, match="thinking"):
        from_mapping(mapping | {"policies": {policy: mapping["policies"][policy] | {"thinking": "yes"}}})


def test_prompts_shows_what_each_policy_is_asked_with_and_stops_at_two_begins(tmp_path: Path):
    for name, template in {"distill": R1, "twice": "{{ bos_token }}" + R1}.items():
        make_checkpoint(tmp_path / name)
        write_tokenizer(tmp_path / name, template=template)
    policies = {
        "distill": {"source": "checkpoint", "path": "distill", "prompt": "deepseek-r1", "thinking": "none"},
        "served": {"source": "openai", "model": "m", "base_url": "http://localhost:1/v1", "prompt": "qwen"},
        "away": {"source": "hub", "id": "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"},
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps({"problem": "1+1", "answer": "2"}))
    benchmarks = {"mine": {"source": "file", "path": "rows.jsonl"}}
    study = {"study": "s", "benchmarks": benchmarks, "policies": policies, "budgets": {"majority": [4]}}

    def shown() -> subprocess.CompletedProcess[str]:
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
        command = [sys.executable, str(ROOT / "scripts" / "prompts.py"), "study.yaml", "--problem", "one"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    told = shown()
    assert told.returncode == 0, told.stderr
    distill, served, away = told.stdout.strip().split("\n\n")
    assert rf"text: '<bos><|user|>one\n{BOXED}<|assistant|>'".replace("\\boxed", "\\\\boxed") in distill
    assert "1 BOS" in distill and "ids: [" in distill
    assert "system: " in served and "cannot be seen from here" in served
    assert "trained from Qwen/Qwen2.5-Math-7B" in away and "fetch or train it first" in away
    policies["twice"] = {"source": "checkpoint", "path": "twice"}
    told = shown()
    assert told.returncode == 1 and "the prompt holds 2 BOS tokens; mend its chat template" in told.stderr
