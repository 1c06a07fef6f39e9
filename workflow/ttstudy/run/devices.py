"""GPUs that a job was given, and what its process sees of them: none runs on a CPU without a word."""

from __future__ import annotations

import os
from typing import NamedTuple

from ttstudy.dag.specs.generation import Drawing, ScoreSpec, SearchSpec
from ttstudy.dag.specs.records import Spec
from ttstudy.errors import StudyError
from ttstudy.run import gpus


class Asked(NamedTuple):
    """A model of a job: its key in the study, its engine, and the device that it is told (None: by its size)."""

    key: str
    engine: str
    device: str | None


def models(spec: Spec) -> list[Asked]:
    """The policy and the PRM that a job opens."""
    found = []
    if isinstance(spec, Drawing):
        found.append(Asked(f"policies.{spec.seeds[2]}", spec.engine.kind, spec.engine.device))
    if isinstance(spec, ScoreSpec | SearchSpec):
        parts = spec.product.split("/")
        search = -2 if spec.shard is None else -3
        at = search if isinstance(spec, SearchSpec) else parts.index("scores") + 1 if "scores" in parts[:-1] else None
        name = "" if at is None else parts[at].removesuffix(".parquet").rpartition("-")[0]
        # A step may be run by hand, with its output anywhere.
        found.append(Asked(f"prms.{name or 'PRM'}", spec.judge.engine, spec.judge.device))
    return found


def require(spec: Spec) -> None:
    """StudyError where a job was given GPUs, or names one, and its process sees fewer."""
    asked = models(spec)
    named = any(model.engine == "transformers" and model.device == "cuda" for model in asked)
    given = max(int(os.environ.get(gpus.ASKED) or 0), int(named))
    if not given:
        return
    import torch

    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if seen < given:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        words = "not set" if visible is None else f"{visible!r}"
        raise StudyError(
            f"{_keys(asked)}: this job was given {gpus.number(given)} (CUDA_VISIBLE_DEVICES is {words}), and torch "
            f"{torch.__version__} sees {seen or 'none'}: its driver is older than torch's CUDA, this torch is a CPU "
            f"build, or the device may not be opened; {_advice(asked)}"
        )
    if any(model.engine == "vllm" for model in asked):
        from vllm.platforms import current_platform

        if current_platform.is_cpu():
            raise StudyError(
                f"{_keys(asked)}: this job was given {gpus.number(given)}, and the vLLM here is its CPU build; "
                "install the one for GPUs with `make vllm`"
            )


def _keys(asked: list[Asked]) -> str:
    return " and ".join(model.key for model in asked)


def _advice(asked: list[Asked]) -> str:
    here = [f"{model.key}.device: cpu" for model in asked if model.engine == "transformers"]
    if not here:
        return "compare `nvidia-smi` with `make vllm`'s torch"
    return f"compare `nvidia-smi` with torch's CUDA, or set {' and '.join(here)} for results of the CPU"
