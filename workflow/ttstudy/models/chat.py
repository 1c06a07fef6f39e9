"""The tokenizer and chat template of a checkpoint folder, without transformers and without torch."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ttstudy.models.checkpoint import read_json

PINNED_DATE = datetime(2024, 7, 26)
"""What `strftime_now` says in a chat template: today's date would make every day's prompts differ."""

_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_TAG = "CONTINUE_FINAL_MESSAGE_TAG "  # the mark transformers puts at the end of an open last message


def _read_json(path: Path) -> dict[str, Any]:
    """Content of a JSON file, empty where there is none."""
    return read_json(path) if path.is_file() else {}


def _run(character: str, texts: Sequence[str]) -> str:
    """The shortest run of a private-use character that none of the texts holds."""
    run = character
    while any(run in text for text in texts):
        run += character
    return run


class ChatTokenizer:
    """Text to ids and back for one checkpoint folder (tokenizer.json, tokenizer_config.json, chat template).

    Renders chats exactly as transformers' `apply_chat_template` does, but text of a message that looks like a
    special token stays text. `FileNotFoundError` where the folder holds no tokenizer.json.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the tokenizer and the template."""
        from tokenizers import Tokenizer

        self.path = Path(path)
        file = self.path / "tokenizer.json"
        if not file.is_file():
            raise FileNotFoundError(
                f"{self.path} holds no tokenizer.json; save the tokenizer there with "
                "AutoTokenizer.from_pretrained(...).save_pretrained(folder)."
            )
        self.tokenizer = Tokenizer.from_file(str(file))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        config = _read_json(self.path / "tokenizer_config.json")
        legacy = _read_json(self.path / "special_tokens_map.json")
        self.special: dict[str, str] = {}
        for name in _NAMES:
            value = config.get(name, legacy.get(name))
            value = value.get("content") if isinstance(value, dict) else value
            if value is not None:
                self.special[name] = value
        self.template = self._read_template(config)
        self._blinded: dict[str, Any] = {}
        self._special_texts = [
            token.content for token in self.tokenizer.get_added_tokens_decoder().values() if token.special
        ]

    def _read_template(self, config: dict[str, Any]) -> str | None:
        """The default chat template: chat_template.jinja goes before tokenizer_config.json."""
        file = self.path / "chat_template.jinja"
        if file.is_file():
            return file.read_text(encoding="utf-8")
        template = config.get("chat_template")
        if isinstance(template, list):  # several named templates
            named = {entry["name"]: entry["template"] for entry in template}
            template = named.get("default")
        return template

    @property
    def vocabulary(self) -> int:
        """Number of tokens, added ones included."""
        return self.tokenizer.get_vocab_size(with_added_tokens=True)

    def token_id(self, name: str) -> int | None:
        """Id of a named special token ("bos_token", "eos_token", ...), None where the tokenizer has none."""
        text = self.special.get(name)
        return None if text is None else self.tokenizer.token_to_id(text)

    def ends(self, told: Sequence[int] = ()) -> tuple[int, ...]:
        """End-of-text ids: those that the model's own configuration tells, and the tokenizer's, as vLLM takes both."""
        end = self.token_id("eos_token")
        return tuple(told) if end is None or end in told else (*told, end)

    def encode(self, text: str) -> list[int]:
        """Ids of a text in which special tokens are recognised; none are added."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def encode_text(self, text: str) -> list[int]:
        """Ids of a text in which nothing is a special token; none are added."""
        tokenizer = self._blind(_run("\ue002", [text])) if self._looks_special(text) else self.tokenizer
        return tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens left out."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True)

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Ids of a chat, ready for the answer; a last message of the assistant stays open to be continued.

        Without a chat template: BOS (if any), then the contents, each followed by a blank line.
        """
        if not messages:
            raise ValueError("A chat needs at least one message.")
        if self.template is None:
            bos = self.token_id("bos_token")
            text = "".join(message["content"] + "\n\n" for message in messages[:-1])
            last = messages[-1]
            text += last["content"] if last["role"] == "assistant" else last["content"] + "\n\n"
            return ([] if bos is None else [bos]) + self.encode_text(text)
        contents = [message["content"] for message in messages]
        hidden: dict[str, str] = {}
        opening, start = _run("\ue000", contents), _run("\ue002", contents)
        shown = [dict(each, content=self._hide(each["content"], hidden, opening)) for each in messages]
        rendered = self.render(shown)
        if not hidden:
            return self.encode(rendered)
        # The template's own special tokens get private names; what looks like them in the messages is text.
        private = self._private(start)
        rendered = self._special_pattern.sub(lambda match: private[match.group()], rendered)
        for mark, text in hidden.items():
            rendered = rendered.replace(mark, text)
        ids: list[int] = self._blind(start).encode(rendered, add_special_tokens=False).ids
        return ids

    def render(self, messages: Sequence[dict[str, str]]) -> str:
        """Text of a chat as the template writes it, with the special tokens spelled out."""
        chat = [dict(message) for message in messages]
        last = chat[-1]["content"]
        open_ended = chat[-1]["role"] == "assistant"
        if open_ended:
            chat[-1]["content"] = last + _TAG
        try:
            text: str = self._compiled.render(
                messages=chat,
                tools=None,
                documents=None,
                add_generation_prompt=not open_ended,
                **self.special,
            )
        except Exception as error:  # a template may raise anything
            raise ValueError(f"The chat template of {self.path} refuses this chat: {error}") from error
        if not open_ended:
            return text
        end = text.rfind(_TAG.strip())
        if end < 0 or last.strip() not in text:
            raise ValueError(f"The chat template of {self.path} drops the assistant's open message.")
        # A template that trims contents also trimmed the tag's blank, and so the message's own blanks.
        return text[:end] if text[end:].startswith(_TAG) else text[:end].rstrip()

    def _looks_special(self, text: str) -> bool:
        return any(special in text for special in self._special_texts)

    def _hide(self, content: str, hidden: dict[str, str], opening: str) -> str:
        """The content with each special-token text replaced by a mark that begins with `opening`, noted in `hidden`."""
        if not self._looks_special(content):
            return content

        def mark(match: re.Match[str]) -> str:
            name = f"{opening}{len(hidden)}\ue001"
            hidden[name] = match.group()
            return name

        return self._special_pattern.sub(mark, content)

    @cached_property
    def _special_pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self._special_texts, key=len, reverse=True)
        return re.compile("|".join(re.escape(text) for text in longest_first))

    def _private(self, start: str) -> dict[str, str]:
        """A private name for each special token; `start`: what no text to be encoded holds."""
        return {text: f"{start}{index}\ue003" for index, text in enumerate(self._special_texts)}

    def _blind(self, start: str) -> Any:
        """The same tokenizer with its special tokens renamed, so that their usual spelling is mere text."""
        if start not in self._blinded:
            self._blinded[start] = self._renamed(self._private(start))
        return self._blinded[start]

    def _renamed(self, private: dict[str, str]) -> Any:
        """The tokenizer with other names for its special tokens."""
        from tokenizers import Tokenizer

        data = json.loads(self.tokenizer.to_str())
        data["post_processor"] = None  # it names special tokens, and only adds some
        model = data["model"]
        unknown = model.get("unk_token")  # the model itself looks this one up by name
        names = {old: new for old, new in private.items() if old != unknown}
        for token in data["added_tokens"]:
            token["content"] = names.get(token["content"], token["content"])
        vocabulary = model.get("vocab")
        if isinstance(vocabulary, dict):
            model["vocab"] = {names.get(text, text): index for text, index in vocabulary.items()}
        elif isinstance(vocabulary, list):  # unigram: [text, score] pairs
            model["vocab"] = [[names.get(text, text), score] for text, score in vocabulary]
        return Tokenizer.from_str(json.dumps(data))

    @cached_property
    def _compiled(self) -> Any:
        """The template in the sandbox that transformers uses, with the date pinned."""
        import jinja2.ext
        from jinja2 import TemplateError, TemplateSyntaxError, nodes
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        class Generation(jinja2.ext.Extension):
            """`{% generation %}` marks the assistant's own text for training; here it is transparent."""

            tags = {"generation"}

            def parse(self, parser: Any) -> Any:
                line = next(parser.stream).lineno
                body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
                return nodes.Scope(body).set_lineno(line)

        def raise_exception(message: str) -> None:
            raise TemplateError(message)

        def tojson(
            value: Any,
            ensure_ascii: bool = False,
            indent: int | None = None,
            separators: tuple[str, str] | None = None,
            sort_keys: bool = False,
        ) -> str:
            return json.dumps(
                value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
            )

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
        )
        environment.filters["tojson"] = tojson
        environment.globals["raise_exception"] = raise_exception
        environment.globals["strftime_now"] = PINNED_DATE.strftime
        try:
            return environment.from_string(self.template or "")
        except TemplateSyntaxError as error:
            raise ValueError(f"The chat template of {self.path} is not valid Jinja: {error}") from None


class Chatting:
    """What every engine with a tokenizer of its own, `chat`, does with chats."""

    chat: ChatTokenizer

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Token ids of the chat prompt, one BOS where the model has one, ready for the answer."""
        return self.chat.encode_chat(messages)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens left out."""
        return self.chat.decode(ids)
