"""Engines, one file each: what a configuration calls it, which models it runs, how it is told, how it is opened."""

from __future__ import annotations

from ttstudy.kinds.engines._engine import WEIGHTS, Engine, Option, Serving
from ttstudy.kinds.registry import collected

__all__ = ["ENGINES", "LOCAL_POLICIES", "LOCAL_PRMS", "WEIGHTS", "Engine", "Option", "Serving", "in_vllm"]

ENGINES = collected(__name__, __path__, Engine)
"""By name, as `engine` of a policy or PRM gives it, or the `source` of a policy whose weights are not here."""
LOCAL_POLICIES = {name: item.policies for name, item in ENGINES.items() if item.local and item.policies is not None}
"""How the engines that run weights here draw."""
LOCAL_PRMS = {name: item.prms for name, item in ENGINES.items() if item.local and item.prms is not None}
"""How they score."""


def in_vllm(*names: str) -> bool:
    """Whether a step with these engines runs in vLLM's environment."""
    return any(ENGINES[name].vllm_environment for name in names if name in ENGINES)
