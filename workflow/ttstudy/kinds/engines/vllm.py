"""vLLM, offline."""

from ttstudy.kinds.engines._engine import Engine, Option, Serving

_LENGTH = "context in tokens; null: the model's own"
_SHARED = {
    "tensor_parallel": Option(type=int, default=1, least=1, most=64, about="GPUs that share one copy of the weights"),
    "max_model_len": Option(type=int | None, default=None, least=16, about=_LENGTH),
    "enforce_eager": Option(
        type=bool, default=False, about="no compilation: slower, quicker to start (always on a CPU)"
    ),
    "gpu_memory_utilization": Option(
        type=float, default=0.9, above=0, most=1, free=True, about="share of each GPU's memory"
    ),
    "kv_cache_gib": Option(
        type=float | None, default=None, above=0, free=True, about="cache in GiB; null: what fits (CPU: 1)"
    ),
}
_COPIES = Option(
    type=int, default=1, least=1, most=64, free=True, about="copies, each a process with GPUs of its own"
)
_INVARIANT = Option(type=bool, default=False, about="the same bits whatever the batch, on a GPU; slower")
_TOGETHER = Option(
    type=int | None, default=None, least=1, free=True, about="most responses drawn together; null: vLLM's own"
)

ENGINE = Engine(
    label="vLLM",
    about="GPUs (and CPU, `make vllm-cpu`)",
    vllm_environment=True,
    hottest=2.0,  # vLLM 0.32, sampling_params.py
    policies=Serving(
        opens="ttstudy.policies.replicas:open_vllm",
        options=_SHARED | {"data_parallel": _COPIES, "batch_invariant": _INVARIANT, "max_num_seqs": _TOGETHER},
        gpus=lambda options, device: int(options["tensor_parallel"] * options["data_parallel"]),
    ),
    prms=Serving(
        opens="ttstudy.prms:open_vllm",
        # A solution is scored whole or not at all, whatever the context.
        options=_SHARED
        | {"max_model_len": Option(type=int | None, default=None, least=16, free=True, about=_LENGTH)},
        gpus=lambda options, device: int(options["tensor_parallel"]),
        block=16,  # vLLM 0.32, config/cache.py; no attention on GPUs has smaller ones. Of the CPU build: 32
    ),
)
