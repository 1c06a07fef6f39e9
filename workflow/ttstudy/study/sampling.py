"""How tokens are drawn, for each use of a policy."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ttstudy.study.fields import Section

_TOP_P = "the likeliest tokens that have this share of the probability; 1 keeps all"


class SamplingSettings(Section):
    """How tokens are drawn."""

    temperature: float = Field(ge=0, le=5, description="0 is greedy decoding")
    top_p: float = Field(default=1.0, gt=0, le=1, description=_TOP_P)
    top_k: int = Field(default=0, ge=0, le=1_000_000, description="0 keeps every token")
    max_tokens: int = Field(gt=0, le=1_000_000, description="most tokens of a response (of a step, in search)")


class TokenConfidence(Section):
    """What tables of responses keep, beside log-probabilities, of how sure a policy was: for confidence votes."""

    likeliest: int = Field(
        default=20, ge=1, le=20, description="k: DeepConf's token confidence is a mean over the k likeliest tokens"
    )
    group: int = Field(default=2048, ge=1, le=1_000_000, description="tokens in a row that DeepConf takes together")


class Sampling(Section):
    """Settings by use; null: those of the policy's prompt family (`ttstudy.study.sampling.SAMPLING`)."""

    cot: SamplingSettings | None = Field(default=None, description="one greedy response")
    responses: SamplingSettings | None = Field(default=None, description="pilot and pool")
    search: SamplingSettings | None = Field(default=None, description="steps")
    confidence: TokenConfidence | None = Field(
        default=None, description="keep how sure the policy was of each response of a pool; null: log-probability alone"
    )


class SamplingChange(Section):
    """One policy's own settings; what is not given stays as in `sampling`."""

    temperature: float | None = Field(default=None, ge=0, le=5, description="0 is greedy decoding")
    top_p: float | None = Field(default=None, gt=0, le=1, description=_TOP_P)
    top_k: int | None = Field(default=None, ge=0, le=1_000_000, description="0 keeps every token")
    max_tokens: int | None = Field(default=None, gt=0, le=1_000_000, description="most tokens of a response, or step")


class SamplingChanges(Section):
    """One policy's own settings by use."""

    cot: SamplingChange = Field(default=SamplingChange(), description="of the one greedy response")
    responses: SamplingChange = Field(default=SamplingChange(), description="of pilot and pool")
    search: SamplingChange = Field(default=SamplingChange(), description="of steps")


def _settings(temperature: float, max_tokens: int, top_p: float = 1.0) -> dict[str, Any]:
    return {"temperature": temperature, "top_p": top_p, "top_k": 0, "max_tokens": max_tokens}


_PAPER = {"cot": _settings(0.0, 8192), "responses": _settings(0.7, 8192), "search": _settings(0.7, 2048)}
SAMPLING: dict[str, dict[str, dict[str, Any]]] = {
    "plain": {"cot": _settings(0.0, 512), "responses": _settings(0.7, 512), "search": _settings(0.7, 128)},
    "boxed": {"cot": _settings(0.0, 512), "responses": _settings(0.7, 512), "search": _settings(0.7, 128)},
    "llama": _PAPER,
    "qwen": _PAPER,
    # One setting for all: its CoT is a sample, too.
    "deepseek-r1": dict.fromkeys(_PAPER, _settings(0.6, 32768, 0.95)),
}
"""Sampling by family and use where a study gives none: the official code's (`scripts/run.sh`, `evaluate.py`)."""
