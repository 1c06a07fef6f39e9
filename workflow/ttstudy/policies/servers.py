"""What local servers behind an OpenAI-compatible endpoint are sent, so that they draw as the study says.

Each has samplers of its own that are on unless a request turns them off: llama.cpp's server, asked by the standard's
keys alone, keeps 40 tokens and those above 0.05 of the likeliest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ttstudy.policies.protocol import Sampling


class Server(NamedTuple):
    """A kind of server."""

    off: dict[str, Any]
    """Keys that turn its own samplers off."""
    every: int | None
    """How `top_k` says that all tokens are kept; None: it takes no `top_k`."""
    left: tuple[str, ...] = ()
    """Settings that it chooses by itself, whatever a request says."""


_PENALTIES = {"presence_penalty": 0.0, "frequency_penalty": 0.0}
SERVERS: dict[str, Server] = {
    # tools/server/README.md of llama.cpp; llama-cpp-python's server takes those that it knows.
    "llama.cpp": Server(
        _PENALTIES
        | {"min_p": 0.0, "typical_p": 1.0, "top_n_sigma": -1.0, "repeat_penalty": 1.0, "mirostat": 0}
        | {"dry_multiplier": 0.0, "xtc_probability": 0.0, "dynatemp_range": 0.0},
        every=0,
    ),
    # docs/openai.md of ollama: `/v1` takes the standard's keys alone; the rest is the Modelfile's.
    "ollama": Server(_PENALTIES, None, ("top_k", "min_p", "repeat_penalty")),
    "lmstudio": Server(_PENALTIES | {"repeat_penalty": 1.0}, 0, ("min_p",)),
    "vllm": Server(_PENALTIES | {"min_p": 0.0, "repetition_penalty": 1.0}, every=-1),
}


def keys(server: str | None, sampling: Sampling) -> dict[str, Any]:
    """What a request says beside temperature, top_p and max_tokens."""
    if server is None:
        # Not of the standard; some servers know it.
        return {"top_k": sampling.top_k} if sampling.top_k else {}
    known = SERVERS[server]
    return known.off | ({} if known.every is None else {"top_k": sampling.top_k or known.every})


def left(server: str | None) -> tuple[str, ...]:
    """Settings that a server is left to choose; of one that nobody named, nobody knows."""
    return ("samplers that the standard does not name (`server` names what answers)",) if server is None else SERVERS[
        server
    ].left
