"""The light tokenizer: the chats that transformers renders, and no special tokens out of user text."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_engines_checkpoint import SPECIAL, write_tokenizer
from ttstudy.models.chat import ChatTokenizer

CHATS = [
    [{"role": "user", "content": "  Compute 12 + 3.\n"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "the answer"}],
    [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three é 日本"},
    ],
    [{"role": "user", "content": "one"}, {"role": "assistant", "content": "Step 1.\n\n"}],
]
KEEPS_BLANKS = (
    "{{ bos_token }}{%- for m in messages %}"
    "{% if loop.first and m.role == 'system' %}{% continue %}{% endif %}"
    "<|{{ m['role'] }}|>{{ m['content'] }}{% generation %}{% if m.role == 'assistant' %}<eos>{% endif %}"
    "{% endgeneration %}{% endfor %}{{ {'a': '<'} | tojson }}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@pytest.mark.parametrize("template", [None, KEEPS_BLANKS], ids=["trims", "keeps blanks"])
@pytest.mark.parametrize("chat", CHATS, ids=["user", "system", "turns", "open"])
def test_ids_are_those_of_apply_chat_template(
    tmp_path: Path, chat: list[dict[str, str]], template: str | None
) -> None:
    from transformers import PreTrainedTokenizerFast

    write_tokenizer(tmp_path)
    if template is not None:
        (tmp_path / "chat_template.jinja").write_text(template)
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    open_ended = chat[-1]["role"] == "assistant"
    expected = theirs.apply_chat_template(
        chat, add_generation_prompt=not open_ended, continue_final_message=open_ended, return_dict=False
    )
    ids = ChatTokenizer(tmp_path).encode_chat(chat)
    assert ids == expected
    assert ids.count(0) == 1 and ids[0] == 0


@pytest.mark.parametrize("mark", SPECIAL)
def test_a_special_token_in_a_message_is_text(tmp_path: Path, mark: str) -> None:
    write_tokenizer(tmp_path)
    chat = ChatTokenizer(tmp_path)
    harmless = chat.encode_chat([{"role": "user", "content": "What is X to the answer?"}])
    ids = chat.encode_chat([{"role": "user", "content": f"What is {mark} to the answer?"}])
    special = [index for index in ids if index < len(SPECIAL)]
    assert special == [index for index in harmless if index < len(SPECIAL)]
    assert chat.decode(ids) == f"What is {mark} to the answer?"
    # What surrounds it is cut into the same tokens as ever.
    spelled = chat.encode_text(mark)
    assert all(index >= len(SPECIAL) for index in spelled)
    at = harmless.index(chat.encode("X")[0])
    assert ids[:at] == harmless[:at] and ids[-(len(harmless) - at - 1) :] == harmless[at + 1 :]


_NAMES = ["\ue0020\ue003", "\ue002\ue0021\ue003\ue002", "\ue0000\ue001", "\ue000\ue0001\ue001\ue000"]


@pytest.mark.parametrize("names", _NAMES)
def test_a_text_cannot_name_a_special_token_by_the_names_that_stand_in_for_them(tmp_path: Path, names: str) -> None:
    write_tokenizer(tmp_path)
    chat = ChatTokenizer(tmp_path)
    text = f"{names}{SPECIAL[-1]}{names}{SPECIAL[0]}{names}"
    assert all(index >= len(SPECIAL) for index in chat.encode_text(text))
    ids = chat.encode_chat([{"role": "user", "content": text}, {"role": "assistant", "content": text}])
    plain = chat.encode_chat([{"role": "user", "content": "X"}, {"role": "assistant", "content": "X"}])
    assert [i for i in ids if i < len(SPECIAL)] == [i for i in plain if i < len(SPECIAL)]
    assert chat.decode(ids).count(text) == 2


def test_without_a_template_the_contents_follow_the_bos(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, template=None)
    chat = ChatTokenizer(tmp_path)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go <eos>"}]
    ids = chat.encode_chat(messages)
    assert ids[0] == 0 and all(index >= len(SPECIAL) for index in ids[1:])
    assert chat.decode(ids) == "Be brief.\n\nGo <eos>\n\n"
    opened = chat.encode_chat([*messages, {"role": "assistant", "content": "Step"}])
    assert chat.decode(opened) == "Be brief.\n\nGo <eos>\n\nStep"


def test_the_date_in_a_template_is_pinned(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, template="{{ strftime_now('%d %b %Y') }}{{ messages[0].content }}")
    assert ChatTokenizer(tmp_path).render([{"role": "user", "content": "."}]) == "26 Jul 2024."


def test_a_template_may_refuse_and_may_not_reach_out(tmp_path: Path) -> None:
    message = [{"role": "user", "content": "x"}]
    write_tokenizer(tmp_path, template="{{ raise_exception('no system role') }}")
    with pytest.raises(ValueError, match="refuses this chat: no system role"):
        ChatTokenizer(tmp_path).encode_chat(message)
    write_tokenizer(tmp_path, template="{{ ''.__class__.__mro__ }}")
    with pytest.raises(ValueError, match="unsafe"):
        ChatTokenizer(tmp_path).encode_chat(message)
    write_tokenizer(tmp_path, template="{% if %}")
    with pytest.raises(ValueError, match="not valid Jinja"):
        ChatTokenizer(tmp_path).encode_chat(message)
    with pytest.raises(ValueError, match="at least one message"):
        ChatTokenizer(tmp_path).encode_chat([])


def test_named_templates_and_token_dictionaries_of_older_checkpoints(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    config = json.loads(file.read_text())
    config["bos_token"] = {"content": "<bos>", "special": True}
    config["chat_template"] = [
        {"name": "tool_use", "template": "no"},
        {"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}"},
    ]
    file.write_text(json.dumps(config))
    chat = ChatTokenizer(tmp_path)
    assert chat.encode_chat([{"role": "user", "content": "a"}]) == [0, *chat.encode("a")]
    assert chat.token_id("bos_token") == 0 and chat.token_id("mask_token") is None


def test_it_needs_no_torch(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    code = (
        "import sys; from ttstudy.models.chat import ChatTokenizer;"
        f"ChatTokenizer({str(tmp_path)!r}).encode_chat([dict(role='user', content='x')]);"
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_text_ends_at_what_the_model_and_its_tokenizer_call_an_end_as_in_vllm(tmp_path):
    """vLLM stops at generation_config's ids and at the tokenizer's own."""
    write_tokenizer(tmp_path)
    chat = ChatTokenizer(tmp_path)
    own = chat.token_id("eos_token")
    assert chat.ends() == chat.ends([own]) == (own,)
    assert chat.ends((own + 3, own + 1)) == (own + 3, own + 1, own)
    assert chat.ends((own + 3, own)) == (own + 3, own)
