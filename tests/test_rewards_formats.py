"""Formats of process reward models: ids and positions, whatever the text."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ttstudy.models.catalogue import CATALOGUE, format_of, pinned
from ttstudy.models.text import TextTokenizer
from ttstudy.prms.formats import make_format

from .conftest import ROOT
from .rewards_checkpoints import LAYOUTS, Shelf
from .rewards_conformance import HOSTILE

NAMES = ["math_shepherd", "rlhflow", "skywork-1.5b", "qwen"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="module")
def formats(shelf: Shelf) -> dict:
    return {name: make_format(LAYOUTS[name].format, TextTokenizer(shelf.folder(name))) for name in NAMES}


fragments = st.sampled_from([*HOSTILE, "3*6=18", " ки", "\n\n", "▁", "é", "🙂", "\\boxed{1}", "<|im_", "end|>", " "])
texts = st.lists(st.one_of(fragments, st.text(max_size=8)), min_size=1, max_size=4).map("".join)
steps_of = st.lists(texts.filter(str.strip), min_size=1, max_size=4)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(problem=texts, steps=steps_of)
def test_no_text_moves_a_score_or_makes_a_control_token(formats, name, problem, steps) -> None:
    form = formats[name]
    tokenizer = form.tokenizer
    controls = set(tokenizer.controls.values()) - {tokenizer.controls.get("<unk>")}
    encoded = form.encode(problem, steps)
    assert len(encoded.positions) == len(steps)
    assert encoded.positions[-1] == len(encoded.ids) - 1
    for k in range(1, len(steps)):
        shorter = form.encode(problem, steps[:k])
        assert encoded.ids[: len(shorter.ids)] == shorter.ids and len(shorter.ids) < len(encoded.ids)
        assert encoded.positions[:k] == shorter.positions
    plain = form.encode("Add.", ["One."] * len(steps))
    assert sum(id in controls for id in encoded.ids) == sum(id in controls for id in plain.ids)
    expected = {"rlhflow": None}.get(name, getattr(form, "tag", None))
    if expected is not None:
        assert all(encoded.ids[position] == expected for position in encoded.positions)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [[], [""], ["First.", " \n\t"], "not a list"])
def test_no_steps_blank_steps_and_bare_text_are_refused(formats, name, steps) -> None:
    with pytest.raises(ValueError, match="[Ss]tep"):
        formats[name].encode("Add 1 and 1.", steps)


def test_a_stem_is_what_encodings_of_the_problem_begin_with(formats) -> None:
    for form in formats.values():
        stem = form.stem("What is 3*6+5?")
        for step in ("First, 3*6=18.", "So 23.", "x"):
            ids = form.encode("What is 3*6+5?", [step]).ids
            assert ids[: len(stem) - 1] == stem[:-1] and len(stem) > 5


@pytest.mark.parametrize("problem", ["What is 3*6+5? ", "What is 3*6+5?\n", " \nWhat is 3*6+5?"])
@pytest.mark.parametrize("keeps", [False, True], ids=["trims", "keeps blanks"])
def test_blanks_around_a_problem_are_those_that_the_template_writes(shelf, tmp_path, problem, keeps) -> None:
    from transformers import AutoTokenizer

    folder = shutil.copytree(shelf.folder("rlhflow"), tmp_path / "rlhflow")
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    if keeps:
        settings["chat_template"] = settings["chat_template"].replace(" | trim", "")
        file.write_text(json.dumps(settings))
    turns = [f"{problem} First.", "+", "Then.", "+"]
    chat = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]
    theirs = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    whole = theirs.encode(theirs.apply_chat_template(chat, tokenize=False), add_special_tokens=False)
    encoded = make_format("rlhflow", TextTokenizer(folder)).encode(problem, ["First.", "Then."])
    assert encoded.ids == whole[: len(encoded.ids)]
    assert whole[len(encoded.ids) :] == theirs.encode("+<|eot_id|>", add_special_tokens=False)
    assert encoded.positions[-1] == len(encoded.ids) - 1


def test_a_tokenizer_without_the_formats_tokens_is_refused_in_one_sentence(shelf: Shelf) -> None:
    qwen = TextTokenizer(shelf.folder("skywork-1.5b"))
    for name, token in {"qwen": "<extra_0>", "math_shepherd": "ки"}.items():
        with pytest.raises(ValueError, match=f"has no token '.?{token}'"):
            make_format(name, qwen)


def edited(shelf: Shelf, folder: Path, name: str, **settings_: object) -> TextTokenizer:
    """Tokenizer of a copied checkpoint whose tokenizer_config.json was changed."""
    shutil.copytree(shelf.folder(name), folder)
    file = folder / "tokenizer_config.json"
    changed = {**json.loads(file.read_text()), **settings_}
    file.write_text(json.dumps({key: value for key, value in changed.items() if value is not None}))
    return TextTokenizer(folder, {"bos_token_id": None})


def test_a_missing_bos_or_template_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="names no bos_token"):
        make_format("skywork", edited(shelf, tmp_path / "a", "skywork-1.5b", bos_token=None))
    with pytest.raises(ValueError, match="no chat template"):
        make_format("qwen", edited(shelf, tmp_path / "b", "qwen", chat_template=None))


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{% if m.role != 'user' %}{{ m.content }}{% endif %}{% endfor %}",
        "{{ messages[-1].content }}{{ messages[0].content }}",
        "{{ raise_exception('no system message, please') }}",
    ],
)
def test_a_template_that_drops_moves_or_refuses_messages_is_refused(shelf, tmp_path, template) -> None:
    tokenizer = edited(shelf, tmp_path / "t", "qwen", chat_template=template)
    with pytest.raises(ValueError, match="chat template"):
        make_format("qwen", tokenizer)


def test_the_system_message_may_be_another_or_none(shelf: Shelf) -> None:
    tokenizer = TextTokenizer(shelf.folder("qwen"))
    ids = [make_format("qwen", tokenizer, system=system).encode("p", ["s"]).ids for system in (None, "Be brief.")]
    assert len(ids[0]) < len(ids[1])
    with pytest.raises(ValueError, match="no option"):
        make_format("skywork", tokenizer, system=None)


def test_the_format_is_told_by_the_catalogue_or_the_architecture_and_never_guessed() -> None:
    assert len(CATALOGUE) == 15
    assert format_of("launch/ThinkPRM-7B", {"architectures": ["Qwen2ForCausalLM"]}) == "thinkprm"
    assert format_of("Qwen/Qwen2.5-Math-PRM-72B", {}) == "qwen"
    assert format_of("mine", {"architectures": ["Qwen2ForProcessRewardModel"]}) == "qwen"
    assert format_of("mine", {"architectures": ["Qwen2ForPrmModel"]}) == "skywork"
    for config in ({"architectures": ["LlamaForCausalLM"]}, {"architectures": ["Qwen2ForCausalLM"]}, {}):
        with pytest.raises(ValueError, match="pass format="):
            format_of("mine", config)


def test_a_hub_model_needs_a_commit() -> None:
    commit = "0123456789abcdef" * 2 + "01234567"
    assert pinned("Qwen/Qwen2.5-Math-PRM-7B", commit) == commit
    with pytest.raises(ValueError, match="revision="):
        pinned("Qwen/Qwen2.5-Math-PRM-7B", None)
    with pytest.raises(ValueError, match="40 hex digits"):
        pinned("Qwen/Qwen2.5-Math-PRM-7B", "main")


def test_formats_import_neither_torch_nor_transformers() -> None:
    code = "import sys, ttstudy.prms; sys.exit(bool({'torch', 'transformers', 'tokenizers'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
