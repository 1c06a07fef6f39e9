"""Stop texts: noticing with little work per token that a completion's text now holds one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ttstudy.models.chat import ChatTokenizer

_UNSURE = "\ufffd"  # what a part of a character decodes to


class Pieces:
    """What each token adds to a text, worked out when first asked for."""

    def __init__(self, chat: ChatTokenizer) -> None:
        """Start knowing none."""
        self._chat = chat
        self._known: dict[int, str] = {}
        self._anchor: tuple[int, str] | None = None

    def __getitem__(self, token: int) -> str:
        """Text that `token` adds after another token; a replacement character where that cannot be told."""
        piece = self._known.get(token)
        if piece is None:
            anchor, before = self._anchor_token()
            text = self._chat.decode([anchor, token])
            piece = text[len(before) :] if text.startswith(before) else _UNSURE
            self._known[token] = piece
        return piece

    def _anchor_token(self) -> tuple[int, str]:
        """A token of plain letters, before which any other can stand."""
        if self._anchor is None:
            self._anchor = (0, self._chat.decode([0]))
            for token in range(min(1000, self._chat.vocabulary)):
                text = self._chat.decode([token])
                if text.isalnum() and text.isascii():
                    self._anchor = (token, text)
                    break
        return self._anchor


class StopTexts:
    """One request's stop texts over a vocabulary."""

    def __init__(self, texts: tuple[str, ...], pieces: Pieces, chat: ChatTokenizer, vocabulary: int) -> None:
        """`vocabulary`: number of tokens that the model can draw."""
        self.texts = texts
        self._pieces = pieces
        self._chat = chat
        self._last = {text[-1] for text in texts}
        self._longest = max(len(text) for text in texts)
        self._may_end = np.full(vocabulary, -1, np.int8)  # -1: not asked yet

    def may_end(self, tokens: np.ndarray) -> np.ndarray:
        """Which of `tokens` [n] could complete a stop text: bool [n]."""
        state = self._may_end[tokens]
        if (state < 0).any():
            for token in np.unique(tokens[state < 0]).tolist():
                piece = self._pieces[token]
                self._may_end[token] = _UNSURE in piece or not self._last.isdisjoint(piece)
            state = self._may_end[tokens]
        return state > 0

    def ended(self, ids: list[int]) -> bool:
        """Whether the text of `ids`, whose last token `may_end`, holds a stop text."""
        tail = ""
        for token in reversed(ids):
            tail = self._pieces[token] + tail
            if len(tail) >= self._longest + len(self._pieces[ids[-1]]):
                break
        if _UNSURE not in tail and not any(text in tail for text in self.texts):
            return False
        text = self._chat.decode(ids)
        return any(stop in text for stop in self.texts)
