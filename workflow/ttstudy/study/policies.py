"""Policies, by where their weights, their endpoint or their recorded responses are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, create_model, field_validator, model_validator

from ttstudy.kinds.engines import ENGINES, LOCAL_POLICIES, Serving
from ttstudy.study.fields import (
    FILES,
    FREE,
    VARIABLE,
    Day,
    EnvironmentName,
    FilePath,
    OneOf,
    RecordedPaths,
    Section,
    Thinking,
    printable,
)
from ttstudy.study.intake import Intake
from ttstudy.study.models import POLICY_OPTIONS, Definition, HubModel, OnEngine, fields_of, told
from ttstudy.study.sampling import SamplingChanges

CUTOFF = "day or month up to which its training data reach; held against each benchmark's `published`"


Family = Literal["plain", "boxed", "llama", "qwen", "deepseek-r1"]


class Example(Section):
    """A problem with a response to it, shown to a policy before its own problem."""

    problem: str = Field(min_length=1, max_length=20_000)
    response: str = Field(min_length=1, max_length=100_000)


class PromptedPolicy(Section):
    """A policy that is asked: what it is told beside the problem, and how its tokens are drawn."""

    prompt: Family = Field(
        default="plain", description="instruction given with the problem; plain gives none, boxed asks for a box"
    )
    system: str | None = Field(
        default=None, max_length=20_000, description="in the place of the family's system text; '' gives none"
    )
    examples: list[Example] = Field(
        default_factory=list, max_length=64, description="few-shot examples, as earlier turns of the chat"
    )
    stop: list[Annotated[str, StringConstraints(min_length=1, max_length=200)]] = Field(
        default_factory=list, max_length=4, description="texts that end a response; a search cuts steps by itself"
    )
    sampling: SamplingChanges = Field(default=SamplingChanges(), description="where it differs from the study's")


_HEEDING = " or ".join(name for name in LOCAL_POLICIES if ENGINES[name].devices)


class _LocalPolicy(PromptedPolicy, OnEngine):
    """A policy whose weights are here: what runs it, and where."""

    servings: ClassVar[Mapping[str, Serving]] = LOCAL_POLICIES
    engine: Annotated[str, OneOf(LOCAL_POLICIES)] = told(LOCAL_POLICIES)
    thinking: Thinking = Field(
        default="template",
        description="whether the prompt begins a reasoning model's <think>: as its chat template has it, always, never",
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description=f"where the {_HEEDING} engine runs")

    @model_validator(mode="after")
    def _device_fits(self) -> Self:
        if not ENGINES[self.engine].devices and self.device != "cpu":
            raise ValueError(
                f"`device` is for the {_HEEDING} engine; {ENGINES[self.engine].label} finds its GPUs itself, so leave "
                "it out"
            )
        return self

    @property
    def gpus(self) -> int:
        """GPUs that a step of this policy takes."""
        return LOCAL_POLICIES[self.engine].gpus(self.options, self.device)


if TYPE_CHECKING:
    LocalPolicy = _LocalPolicy
else:
    LocalPolicy = create_model(
        "LocalPolicy",
        __base__=_LocalPolicy,
        __doc__=_LocalPolicy.__doc__,
        __module__=__name__,
        **fields_of(POLICY_OPTIONS, _LocalPolicy),
    )


class TrainedPolicy(LocalPolicy):
    """A policy of the miniature ladder, trained by the DAG or shipped."""

    source: Literal["trained"]
    definition: Definition = Field(description="what decides its weights")


class CheckpointPolicy(LocalPolicy):
    """A Hugging Face checkpoint folder on this machine."""

    source: Literal["checkpoint"]
    path: FilePath = Field(description="folder with config.json, *.safetensors, tokenizer.json")
    dtype: Literal["float32", "bfloat16"] = Field(default="float32", description="numbers that it computes with")
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")
    cutoff: Annotated[Day | None, FREE] = Field(default=None, description=CUTOFF)


class HubPolicy(HubModel, LocalPolicy):
    """A model of the Hugging Face hub, fetched at a pinned commit into `results/models/hub/`."""

    dtype: Literal["float32", "bfloat16"] = Field(default="bfloat16", description="numbers that it computes with")
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")
    cutoff: Annotated[Day | None, FREE] = Field(default=None, description=CUTOFF)


class GGUFPolicy(LocalPolicy):
    """A GGUF file, as llama.cpp has them, of which a checkpoint folder in `results/models/gguf/` is made once."""

    source: Literal["gguf"]
    path: FilePath = Field(description="file NAME.gguf; its tokenizer and chat template are in it")
    prompt: Family = Field(
        default="boxed", description="instruction given with the problem; plain gives none, boxed asks for a box"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        default="bfloat16", description="what its weights are undone to, and run in"
    )
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")
    cutoff: Annotated[Day | None, FREE] = Field(default=None, description=CUTOFF)


class RecordedPolicy(Intake):
    """A policy of which only responses are there, in files; it can be voted on, never searched with."""

    source: Literal["recorded"]
    path: Annotated[RecordedPaths, FREE] = Field(description=f"{FILES}; $NAME: the environment variable NAME holds it")
    greedy: bool = Field(
        default=False, description="the files mark one greedy response per problem, or have no other, for CoT"
    )
    uneven: bool = Field(
        default=False, description="problems may have fewer responses than the largest budget: all of them are taken"
    )
    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for FLOPs; null: not known")
    active_parameters: float | None = Field(default=None, gt=0, le=1e15, description="of a mixture of experts")
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")
    cutoff: Annotated[Day | None, FREE] = Field(default=None, description=CUTOFF)


class Endpoint(Section):
    """An OpenAI-compatible endpoint: which model answers, and how it is asked (marked FREE: changes no result)."""

    model: Annotated[str, AfterValidator(printable)] = Field(
        min_length=1, max_length=200, description="the model's name at the endpoint"
    )
    base_url: str = Field(
        default="https://api.openai.com/v1",
        max_length=1000,
        description="address before /chat/completions, or $NAME: the environment variable NAME holds it",
    )
    key_variable: Annotated[EnvironmentName | None, FREE] = Field(
        default="OPENAI_API_KEY", description="environment variable that holds the key; null: the endpoint needs none"
    )
    server: Literal["llama.cpp", "ollama", "lmstudio", "vllm"] | None = Field(
        default=None, description="what answers there: it is sent all sampling keys that it knows; null: the standard's"
    )
    reasoning: bool = Field(default=False, description="a model that thinks first: no temperature, thoughts count")
    concurrency: Annotated[int, FREE] = Field(default=16, ge=1, le=1000, description="most requests under way")
    requests_per_minute: Annotated[float | None, FREE] = Field(
        default=None, gt=0, le=1e6, description="most requests begun"
    )
    timeout_s: Annotated[float, FREE] = Field(
        default=600, gt=0, le=86_400, description="longest silence of the endpoint, in seconds; an answer may take six"
    )
    attempts: Annotated[int, FREE] = Field(
        default=12, ge=1, le=1000, description="tries of one request before the job gives up"
    )

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if VARIABLE.fullmatch(value):
            return value
        found = re.fullmatch(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::(\d{1,5}))?(?:/[^\s?#@]*)?", value)
        if found is None or int(found[1] or 1) not in range(1, 2**16):
            raise ValueError(
                "must be $NAME or an address like https://host/v1, without user, key or query: the key comes from "
                "the environment variable that `key_variable` names"
            )
        return value


class Price(Section):
    """What an endpoint charges for a million tokens."""

    input: float = Field(ge=0, le=1e6, description="of prompts")
    output: float = Field(ge=0, le=1e6, description="of responses, thoughts too")
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] = Field(
        default="USD", description="three capital letters, as USD or EUR"
    )

    def of(self, read: float, written: float) -> float:
        """The price of so many tokens of prompts and of responses."""
        return (read * self.input + written * self.output) / 1e6


def money(amount: float) -> str:
    """An amount as it is told: two decimals, and of less than a tenth what is not zero."""
    return f"{amount:,.2f}" if amount >= 0.1 or not amount else f"{amount:.2g}"


class OpenAIPolicy(PromptedPolicy, Endpoint):
    """A model behind an OpenAI-compatible endpoint; it can be voted on, never searched with."""

    source: Literal["openai"]
    price: Annotated[Price | None, FREE] = Field(
        default=None, description="per million tokens; the plan and the report then tell what the responses cost"
    )
    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for FLOPs; null: not known")
    active_parameters: float | None = Field(default=None, gt=0, le=1e15, description="of a mixture of experts")
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")
    cutoff: Annotated[Day | None, FREE] = Field(default=None, description=CUTOFF)

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint alone."""
        return Endpoint.model_validate(self.model_dump(include=set(Endpoint.model_fields)))


Policy = Annotated[
    TrainedPolicy | CheckpointPolicy | HubPolicy | GGUFPolicy | RecordedPolicy | OpenAIPolicy,
    Field(discriminator="source"),
]
