"""Policies, by where their weights, their endpoint or their recorded responses are."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from ttstudy.study.fields import FREE, VARIABLE, EnvironmentName, FilePath, RecordedPath, Section, printable
from ttstudy.study.models import Definition, HubModel, OnEngine, VllmOptions
from ttstudy.study.sampling import SamplingChanges


class PromptedPolicy(Section):
    """A policy that is asked: what it is told beside the problem, and how its tokens are drawn."""

    prompt: Literal["plain", "llama", "qwen", "deepseek-r1"] = Field(
        default="plain", description="instruction given with the problem; plain gives none"
    )
    sampling: SamplingChanges = SamplingChanges()


class LocalPolicy(PromptedPolicy, OnEngine):
    """A policy whose weights are here: what runs it, and where."""

    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where the transformers engine runs")
    vllm: VllmOptions = Field(default=VllmOptions(), description="options of engine vllm")

    @model_validator(mode="after")
    def _device_fits(self) -> LocalPolicy:
        if self.engine == "vllm" and self.device != "cpu":
            raise ValueError("`device` is for the transformers engine; vLLM finds its GPUs itself, so leave it out")
        return self

    @property
    def gpus(self) -> int:
        """GPUs that a step of this policy takes."""
        if self.engine == "vllm":
            return self.vllm.tensor_parallel * self.vllm.data_parallel
        return int(self.device == "cuda")


class TrainedPolicy(LocalPolicy):
    """A policy of the miniature ladder, trained by the DAG or shipped."""

    source: Literal["trained"]
    definition: Definition


class CheckpointPolicy(LocalPolicy):
    """A Hugging Face checkpoint folder on this machine."""

    source: Literal["checkpoint"]
    path: FilePath = Field(description="folder with config.json, *.safetensors, tokenizer.json")
    dtype: Literal["float32", "bfloat16"] = "float32"
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")


class HubPolicy(HubModel, LocalPolicy):
    """A model of the Hugging Face hub, fetched at a pinned commit into `results/models/hub/`."""

    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")


class RecordedPolicy(Section):
    """A policy of which only responses are there, in a file; it can be voted on, never searched with."""

    source: Literal["recorded"]
    path: RecordedPath
    greedy: bool = Field(default=False, description="the file marks one greedy response per problem, for CoT")
    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for FLOPs; null: not known")
    active_parameters: float | None = Field(default=None, gt=0, le=1e15, description="of a mixture of experts")
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")


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


class OpenAIPolicy(PromptedPolicy, Endpoint):
    """A model behind an OpenAI-compatible endpoint; it can be voted on, never searched with."""

    source: Literal["openai"]
    system: str | None = Field(default=None, max_length=20_000, description="in the place of the family's instruction")
    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for FLOPs; null: not known")
    active_parameters: float | None = Field(default=None, gt=0, le=1e15, description="of a mixture of experts")
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint alone."""
        return Endpoint.model_validate(self.model_dump(include=set(Endpoint.model_fields)))


Policy = Annotated[
    TrainedPolicy | CheckpointPolicy | HubPolicy | RecordedPolicy | OpenAIPolicy, Field(discriminator="source")
]
