"""What an engine is: facts that configuration, plan, rules and steps read without opening it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

WEIGHTS = ("trained", "checkpoint", "hub", "gguf")
"""Sources of models whose weights are here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option of an engine's section, `policies.NAME.ENGINE` or `prms.NAME.ENGINE`."""

    type: Any
    """As an annotation: int, or int | None."""
    default: Any
    about: str
    least: float | None = None
    above: float | None = None
    most: float | None = None
    free: bool = False
    """It changes no result, and may differ from run to run."""
    required: bool = False
    """A model on the engine must say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How an engine serves policies, or PRMs."""

    opens: str
    """`module:function`, imported when a model is opened.

    Of a policy: (folder, dtype=..., [device=...,] the options) to a `ttstudy.policies.protocol.Engine`. Of a PRM:
    (`ttstudy.prms.Opening`, the options) to a `ttstudy.prms.engine.ScoringEngine`.
    """
    options: Mapping[str, Option] = field(default_factory=dict)
    gpus: Callable[[Mapping[str, Any], str], int] = lambda options, device: 0
    """GPUs that a job takes, by the options and the device; 0: none, or (of a PRM) by its size."""
    block: int = 1
    """Tokens that its cache of prefixes keeps together: what of a prefix is in no whole block, each candidate of a
    search reads again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What runs models."""

    label: str
    about: str
    """For the description of `engine`."""
    policies: Serving | None = None
    prms: Serving | None = None
    sources: tuple[str, ...] = WEIGHTS
    """Sources of the models that it serves."""
    devices: bool = False
    """Heeds `device` of a policy; otherwise it finds its GPUs itself."""
    vllm_environment: bool = False
    """A step with it goes on in vLLM's environment, where that is another than this (`ttstudy.models.environment`)."""
    remote: bool = False
    """It runs on machines of its own: a job takes no GPU and loads no weights."""
    hottest: float | None = None
    """The highest temperature that it takes; None: any."""
    no_search: str = ""
    """Why its policies cannot be searched with; "" where they can."""

    @property
    def local(self) -> bool:
        """Whether it runs weights that are here."""
        return not set(self.sources).isdisjoint(WEIGHTS)
