"""Scoring on a running vLLM server: it gives the hidden state of a last token, and the head runs here in fp32.

The server pools the last token (`--convert embed`), which reads its cache of prefixes, so a search sends only ids that
it has sent before and a step more. A whole solution is asked for step by step: each beginning is in the cache by then.
`ttstudy.prms.serving` says how a PRM's server is started.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ttstudy.errors import StudyError
from ttstudy.kinds.formats import Encoded
from ttstudy.models.devices import Running
from ttstudy.policies.server import Server
from ttstudy.prms import heads
from ttstudy.prms.engine import Siblings
from ttstudy.prms.vllm import weights_of

if TYPE_CHECKING:
    from ttstudy.prms import Opening

_TOGETHER = 32
"""Sequences of one request."""


def open_served(opening: Opening, **options: Any) -> ServedScoring:
    """Scoring on the server that the options name, with the head of the checkpoint that is here."""
    head = heads.load_head(opening.format, opening.encoder, opening.checkpoint, "cpu")
    count = weights_of(opening.checkpoint)
    if head.keys == (heads.LM_KEY,):
        count += sum(weight.numel() for weight in head.weights.values())
    dtype = opening.dtype or opening.checkpoint.dtype or "as the server has it"
    return ServedScoring(Server(**options), head, opening.checkpoint.config, count, dtype)


class ServedScoring:
    """Scores of encoded steps by a server; see `ttstudy.prms.engine.ScoringEngine`.

    `tokens` counts what the server must run for these sequences alone: what is in no whole block of its cache. It tells
    no client what it really ran, which is less where another job has asked the same, and more where it has forgotten.
    """

    shares = False

    def __init__(
        self, server: Server, head: heads.Head, config: Mapping[str, Any], parameters: int, dtype: str
    ) -> None:
        """Start with nothing known to be in the cache."""
        self.server, self.head, self.hidden = server, head, int(config["hidden_size"])
        self.parameters = parameters
        self.context = min(int(config.get("max_position_embeddings") or 2**31), server.context)
        self.tokens = 0
        self.running = Running(server.words, "elsewhere", dtype)
        self._block = server.block()
        self._known: set[int] = set()

    def run(self, batch: Sequence[Encoded], problems: Sequence[int]) -> list[list[float]]:
        """Score at each position of each sequence."""
        wanted = [[tuple(each.ids[: position + 1]) for position in each.positions] for each in batch]
        scores = self._scores([ids for beginnings in wanted for ids in beginnings])
        return [[scores[ids] for ids in beginnings] for beginnings in wanted]

    def run_last(self, groups: Sequence[Siblings]) -> list[list[float]]:
        """Score at the end of each candidate of each group; equal candidates are asked for once."""
        wanted = [[(*group.ids, *suffix) for suffix in group.suffixes] for group in groups]
        scores = self._scores([ids for candidates in wanted for ids in candidates])
        return [[scores[ids] for ids in candidates] for candidates in wanted]

    def _scores(self, sequences: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], float]:
        """Score at the last token of each."""
        distinct = list(dict.fromkeys(sequences))
        if not distinct:
            return {}
        if (length := max(map(len, distinct))) > self.server.context:
            raise StudyError(
                f"A solution of {length} tokens is longer than the server at {self.server.url} takes, "
                f"{self.server.context}; start it with a larger `--max-model-len`, or set the PRM's `overflow: cut`"
            )
        chunks = [distinct[start : start + _TOGETHER] for start in range(0, len(distinct), _TOGETHER)]
        answers = self.server.ask(
            "/pooling", [_body(chunk) for chunk in chunks], lambda number, answer: self._states(answer, chunks[number])
        )
        states = [state for each in answers for state in each]
        self.tokens += sum(map(self._new, distinct))
        return dict(zip(distinct, heads.score(self.head, torch.from_numpy(np.stack(states))), strict=True))

    def _states(self, answer: Any, chunk: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        rows = sorted(answer["data"], key=lambda row: row["index"])
        states = [np.frombuffer(base64.b64decode(row["data"]), dtype="<f4") for row in rows]
        for state in states:
            if state.shape != (self.hidden,):
                raise StudyError(
                    f"The server at {self.server.url} gave {state.size} numbers where this PRM has hidden states of "
                    f"{self.hidden}: it serves another model, or pools otherwise; start it as `python -m "
                    "ttstudy.prms.serving FOLDER` says"
                )
        if len(states) != len(chunk):
            raise StudyError(f"The server at {self.server.url} gave {len(states)} states for {len(chunk)} sequences")
        return states

    def _new(self, ids: tuple[int, ...]) -> int:
        """Tokens of a sequence that are in no block which was sent before; from now on its blocks are."""
        size = self._block
        hashes = [hash(ids[:end]) for end in range(size, len(ids) + 1, size)]
        whole = (len(ids) - 1) // size  # the last token is always run
        hits = next((n for n, each in enumerate(hashes[:whole]) if each not in self._known), whole)
        self._known.update(hashes)
        return len(ids) - hits * size

    def forget(self) -> None:
        """See `ScoringEngine.forget`; what the server keeps is not this job's."""
        self.tokens = 0
        self._known.clear()

    def close(self) -> None:
        """Nothing is kept open."""


def _body(chunk: Sequence[tuple[int, ...]]) -> dict[str, Any]:
    return {
        "input": [list(ids) for ids in chunk],
        "task": "embed",
        "use_activation": False,  # as they are, not made one long
        "encoding_format": "base64",
        "embed_dtype": "float32",
        "add_special_tokens": False,
    }
