"""Checkpoints of transformers: Llama's family on our own batched forward pass, all others on transformers' models."""

from ttstudy.kinds.engines._engine import Engine, Option, Serving

ENGINE = Engine(
    label="transformers",
    about="CPU or one GPU",
    policies=Serving(opens="ttstudy.policies.native:NativeEngine", gpus=lambda options, device: int(device == "cuda")),
    prms=Serving(
        opens="ttstudy.prms:open_native",
        options={
            "prefix_cache_gib": Option(
                type=float | None,
                default=None,
                above=0,
                free=True,
                about="GiB for what a search comes back to; null: by free memory, at most 8",
            )
        },
    ),
    devices=True,
)
