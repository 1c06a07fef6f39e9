"""Checkpoints of transformers: Llama's family on our own batched forward pass, all others on transformers' models."""

from ttstudy.kinds.engines._engine import Engine, Serving

ENGINE = Engine(
    label="transformers",
    about="CPU or one GPU",
    policies=Serving(opens="ttstudy.policies.native:NativeEngine", gpus=lambda options, device: int(device == "cuda")),
    prms=Serving(opens="ttstudy.prms:open_native"),
    devices=True,
)
