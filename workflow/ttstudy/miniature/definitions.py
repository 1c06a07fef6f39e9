"""What a definition of the miniature may say, checked without torch: types, ranges, and names that must be there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Size = Annotated[int, Field(ge=1, le=65536)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1000)]
Tokens = Annotated[int, Field(ge=1, le=10**12)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Temperature = Annotated[float, Field(ge=0, le=5)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


class TaskOptions(_Section):
    """Options of `miniature.task.Task`, none of them required."""

    operations: Annotated[list[Annotated[int, Field(ge=1, le=200)]], Field(min_length=2, max_length=2)] = [1, 10]
    largest: int = Field(default=99, ge=20, le=99)
    products: float = Field(default=0.3, ge=0, le=0.9)
    tilt: float = Field(default=0.0, ge=-20, le=20)


class PolicyModel(_Section):
    """Shape of a policy; see `miniature.network.architecture_of`."""

    hidden: Size
    layers: Size
    heads: Size
    kv_heads: Size
    ffn: Size
    context: Annotated[int, Field(ge=16, le=1_000_000)] = 256
    theta: float = Field(default=10000.0, gt=0)
    epsilon: float = Field(default=1e-6, gt=0)
    biased: bool = False


class Training(_Section):
    """Length and rate of a training; see `miniature.training.Schedule`."""

    tokens: Tokens
    batch: Annotated[int, Field(ge=1, le=10**8)]
    rate: float = Field(gt=0, le=10)
    warmup: int = Field(default=50, ge=1, le=10**6)
    decay: float = Field(default=0.5, gt=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0, le=10)


class PolicyTraining(Training):
    """Training of a policy."""

    data_seed: Seed = 0


class Rollouts(_Section):
    """Responses that a PRM learns from; see `miniature.rollouts.collect`."""

    policies: Annotated[dict[str, Annotated[int, Field(ge=1, le=10**7)]], Field(min_length=1)]
    samples: Annotated[int, Field(ge=1, le=10_000)]
    temperature: Temperature
    seed: Seed
    task: dict[str, Any] = {}


class PRMModel(_Section):
    """What a PRM grows from."""

    body: str
    layers: Annotated[int, Field(ge=0, le=1000)]
    format: Literal["qwen", "skywork"]


class PRMTraining(Training):
    """Training of a PRM; see `miniature.reward_models.train_reward_model`."""

    micro: Annotated[int, Field(ge=1, le=10**8)]
    whole: Share
    after: Annotated[int, Field(ge=0, le=10_000)]
    drop: Share
    tail: Weight
    dense: Weight
    language: Weight
    rollouts: Rollouts
    validation: Rollouts


Section = type[_Section]


def check_task(options: Mapping[str, Any]) -> None:
    """pydantic's ValidationError, or ValueError, for options that make no task."""
    checked = TaskOptions.model_validate(dict(options))
    if checked.operations[0] > checked.operations[1]:
        raise ValueError(f"operations must be [fewest, most], not {checked.operations}")


def check_model(options: Mapping[str, Any]) -> PolicyModel:
    """A policy's shape; the same errors."""
    shape = PolicyModel.model_validate(dict(options))
    if shape.hidden % (2 * shape.heads) or shape.heads % shape.kv_heads:
        raise ValueError(
            f"hidden ({shape.hidden}) must be an even multiple of heads ({shape.heads}), and heads a multiple of "
            f"kv_heads ({shape.kv_heads})"
        )
    return shape
