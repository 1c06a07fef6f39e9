"""Text of steps to token ids, and a chat template as fixed pieces around the text.

A chat template never sees a model's text: it is rendered once with placeholders, and the text is set between the
rendered pieces as plain text. Neither torch nor transformers is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ttstudy.models.chat import ChatTokenizer

_REMEMBERED = 100_000


class TextTokenizer:
    """Token ids of plain text: whatever the text looks like, it never becomes a control token.

    Control tokens are the tokenizer's special tokens, and those that a format protects.
    """

    def __init__(self, folder: str | Path, config: Mapping[str, Any] | None = None) -> None:
        """Read the folder's tokenizer; `config` is the content of its config.json, asked for `bos_token_id`."""
        self.folder = Path(folder)
        self._chat = ChatTokenizer(folder)
        self._config = config or {}
        self._raw = self._chat.tokenizer
        self._raw.encode_special_tokens = True  # spell special tokens out
        # A word-level vocabulary holds its control tokens as words, and one of them is every unknown word.
        self._unknown = self._chat.token_id("unk_token")
        self.encode = lru_cache(_REMEMBERED)(self._encode)
        added = self._raw.get_added_tokens_decoder().items()
        self._set_controls({token.content: id for id, token in added if token.special})

    def _set_controls(self, controls: dict[str, int]) -> None:
        self.controls = controls
        self._forbidden = frozenset(controls.values()) - {self._unknown}
        longest_first = sorted(controls, key=len, reverse=True)
        self._pattern = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")
        self.encode.cache_clear()

    def protect(self, tag: str) -> int:
        """Id of a tag (see `find`) that is a control token from now on, special in the tokenizer or not."""
        self._set_controls({**self.controls, tag: self.find(tag)})
        return self.controls[tag]

    def _encode(self, text: str) -> tuple[int, ...]:
        """Ids of `text` as plain text."""
        encoding = self._raw.encode(text, add_special_tokens=False)
        if self._forbidden.isdisjoint(encoding.ids):
            return tuple(encoding.ids)
        ids: list[int] = []
        for id, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            spelt = text[start:end] if id in self._forbidden else ""
            if not spelt:
                ids.append(id)
            for character in spelt:  # no control token is a single character
                ids += self._raw.encode(character, add_special_tokens=False).ids
        return tuple(ids)

    def encode_template(self, pieces: Sequence[str], texts: Sequence[str]) -> list[int]:
        """Ids of pieces[0] + texts[0] + pieces[1] + ...; control tokens are recognised in the pieces only.

        What stands between two control tokens is encoded as a whole, as it would be in place.
        """
        ids: list[int] = []
        plain = ""
        for number, piece in enumerate(pieces):
            start, *parts = self._pattern.split(piece) if self.controls else [piece]
            plain += start
            for control, following in zip(parts[::2], parts[1::2], strict=True):
                ids += (*self.encode(plain), self.controls[control])
                plain = following
            if number < len(texts):
                plain += texts[number]
        return [*ids, *self.encode(plain)]

    def find(self, *names: str) -> int:
        """Id of the first of `names` that the vocabulary holds, as a piece or as the only token of that text.

        ValueError where it holds none.
        """
        for name in names:
            if (id := self._raw.token_to_id(name)) is not None:
                return id
        for name in names:
            ids = self._raw.encode(name, add_special_tokens=False).ids
            if len(ids) == 1 and ids[0] != self._unknown:
                return ids[0]
        raise ValueError(f"The tokenizer in {self.folder} has no token {names[0]!r}, which this PRM format needs.")

    @property
    def bos(self) -> int:
        """Id of the token that begins a text; ValueError where neither configuration names one."""
        id = self._chat.token_id("bos_token")
        id = self._config.get("bos_token_id") if id is None else id
        if id is None:
            raise ValueError(f"{self.folder} names no bos_token, which this PRM format needs.")
        return id

    @staticmethod
    def hole(number: int) -> str:
        """Placeholder for text `number` of a chat, in private-use characters that no template writes."""
        return f"\ue000{number}\ue001"

    def chat_pieces(self, messages: Sequence[dict[str, str]], holes: int) -> list[str]:
        """The fixed pieces of a chat around its holes: pieces[i] stands before text i, the last one after all.

        The contents of `messages` hold `hole(0)`, `hole(1)`, ... in this order; ValueError where the folder has no
        template, or its template refuses, drops, repeats or moves a message.
        """
        if self._chat.template is None:
            raise ValueError(f"{self.folder} has no chat template, which this PRM format needs.")
        pieces = re.split("\ue000([0-9]+)\ue001", self._chat.render(messages))
        if pieces[1::2] != [str(number) for number in range(holes)]:
            raise ValueError(f"The chat template in {self.folder} drops, repeats or moves a message.")
        return pieces[::2]
