"""What training a policy and training a PRM share: the optimiser loop, the clock, and the saved folder."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttstudy.dag.specs.records import digest8
from ttstudy.miniature import tokenizer as tokens
from ttstudy.miniature.network import Parameters, Weights, config_of, from_checkpoint, to_checkpoint
from ttstudy.miniature.task import Task
from ttstudy.models.architecture import Architecture

Progress = Callable[[int, int, float], None]
"""Called with (tokens trained on so far, tokens in all, latest mean loss)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Length and learning rate of a training: warm-up, constant, then linear decay to 2 % at the end."""

    tokens: int
    batch: int
    """Most tokens in a batch, padding included."""
    rate: float
    warmup: int = 50
    """Optimiser steps."""
    decay: float = 0.5
    """Share of the tokens over which the rate falls."""
    weight_decay: float = 0.01

    @classmethod
    def of(cls, training: Mapping[str, Any]) -> Schedule:
        """Schedule of a definition's `training` section; other keys there are for others."""
        return cls(**{key: training[key] for key in cls.__slots__ if key in training})

    def rate_at(self, step: int, seen: int) -> float:
        """Learning rate of an optimiser step after so many tokens."""
        left = max(0.0, 1 - seen / self.tokens)
        return self.rate * min(1.0, (step + 1) / self.warmup, 0.02 + 0.98 * left / self.decay)


class Clock:
    """CPU and wall seconds since it was made."""

    def __init__(self) -> None:
        """Start both."""
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def read(self) -> dict[str, float]:
        """`cpu_seconds` and `wall_seconds`."""
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        return {"cpu_seconds": round(cpu, 2), "wall_seconds": round(wall, 2)}


class Optimiser:
    """Muon for the layers' matrices, AdamW for embeddings, norms, biases and heads.

    Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon; update scale of arXiv 2502.16982) needs about a
    third of AdamW's tokens here. The matrices of one kind are orthogonalised together, in float32:
    `torch.optim.Muon` takes them one by one in bfloat16, which is several times slower on a CPU.
    """

    def __init__(self, parameters: Parameters, weight_decay: float, momentum: float = 0.95) -> None:
        """State for these parameters."""
        self._parameters = parameters
        self._weight_decay, self._momentum = weight_decay, momentum
        self._first = torch.zeros_like(parameters.gradient)
        self._adam = torch.optim.AdamW(
            [parameters.plain], betas=(0.9, 0.98), weight_decay=weight_decay, fused=True
        )
        parameters.plain.grad = parameters.plain_gradient

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update from the gradients, which are clipped to norm 1 before and zero afterwards."""
        gradient = self._parameters.gradient
        gradient.mul_((1.0 / (gradient.norm() + 1e-6)).clamp(max=1.0))
        self._adam.param_groups[0]["lr"] = rate
        self._adam.step()
        self._first.lerp_(gradient, 1 - self._momentum)
        looked_ahead = gradient.lerp(self._first, self._momentum)
        for start, stop, shape in self._parameters.stacks:
            update = orthogonal(looked_ahead[start:stop].view(shape))
            weights = self._parameters.flat[start:stop].view(shape)
            weights.mul_(1 - rate * self._weight_decay).add_(
                update, alpha=-0.2 * rate * math.sqrt(max(shape[1:]))
            )
        gradient.zero_()


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearest orthogonal matrices of [count, rows, columns], roughly: Newton-Schulz iteration of order five."""
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.transpose(1, 2)
    wide = wide / (wide.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(steps):
        square = wide @ wide.transpose(1, 2)
        square = torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315)
        wide = torch.baddbmm(wide, square, wide, beta=3.4445)
    return wide if matrices.shape[1] <= matrices.shape[2] else wide.transpose(1, 2)


def optimise(
    parameters: Parameters,
    step: Callable[[], tuple[Tensor, int]],
    schedule: Schedule,
    progress: Progress | None = None,
) -> tuple[list[list[float]], int]:
    """Run the optimiser until the schedule's tokens are used up.

    `step` adds the gradients of one batch and returns its loss and number of tokens. Returns the loss curve, up
    to about 50 pairs of (tokens, mean loss since the pair before), and the tokens used.
    """
    torch.use_deterministic_algorithms(True)
    optimiser = Optimiser(parameters, schedule.weight_decay)
    seen, steps = 0, 0
    curve: list[list[float]] = []
    recent: list[Tensor] = []
    while seen < schedule.tokens:
        loss, count = step()
        optimiser.step(schedule.rate_at(steps, seen))
        seen, steps = seen + count, steps + 1
        recent.append(loss)
        if seen >= schedule.tokens * (len(curve) + 1) / 50:
            mean = float(torch.stack(recent).mean())
            if not math.isfinite(mean):
                raise RuntimeError(f"training diverged after {seen} tokens: the loss is {mean}")
            curve.append([seen, round(mean, 4)])
            recent = []
            if progress is not None:
                progress(seen, schedule.tokens, mean)
    return curve, seen


def write_model(
    output: Path,
    *,
    definition: Mapping[str, Any],
    kind: str,
    shape: Architecture,
    weights: Weights,
    architecture: str,
    task: Task,
    template: str,
    tokens_seen: int,
    curve: list[list[float]],
    validation: Callable[[Weights], dict[str, Any]],
    clock: Clock,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Save a trained model as a folder that transformers loads, with its record and card; returns the record.

    Weights are rounded to bfloat16, and `validation` is measured on the rounded ones: the saved model is the
    model. `training.json` holds no clock time; `timing.json` holds nothing else.
    """
    from safetensors.torch import save_file

    output.mkdir(parents=True, exist_ok=True)
    saved = to_checkpoint(shape, weights)
    save_file(saved, output / "model.safetensors", metadata={"format": "pt"})
    rounded = from_checkpoint(shape, saved)
    rounded.update({name: value.float() for name, value in saved.items() if name in weights})
    ids = tokens.vocabulary(task.largest)
    config = config_of(shape, architecture, ids[tokens.BOS], ids[tokens.EOS], ids[tokens.PAD])
    write_json(output / "config.json", config)
    if kind == "policy":
        special = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
        write_json(output / "generation_config.json", {**special, "max_length": shape.context})
    tokens.save(output, task.largest, shape.context, template)
    total = sum(value.numel() for value in saved.values())
    embedding = shape.vocabulary * shape.hidden
    record = {
        "definition": dict(definition),
        "digest": digest8(definition),
        "kind": kind,
        "parameters": {"total": total, "non_embedding": total - embedding},
        "tokens": tokens_seen,
        "flops": 6 * total * tokens_seen,
        "loss": curve[-1][1],
        "loss_curve": curve,
        "validation": validation(rounded),
        **(extra or {}),
    }
    write_json(output / "training.json", record)
    (output / "README.md").write_text(model_card(record), encoding="utf-8")
    write_json(output / "timing.json", clock.read())
    return record


def record_of(folder: Path) -> dict[str, Any]:
    """`training.json` of a model folder; ValueError where there is none."""
    file = folder / "training.json"
    if not file.is_file():
        raise ValueError(f"{folder} is not a model of the miniature: it has no training.json")
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys and a final line break."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def model_card(record: Mapping[str, Any]) -> str:
    """README.md of a model: what it is, how it was trained, its scores, and what it is for."""
    return (_policy_card if record["kind"] == "policy" else _reward_card)(record)


_FRONT = "---\nlicense: mit\nlibrary_name: transformers\ntags: [ttstudy, miniature, {tag}]\n---\n"


def _training_lines(record: Mapping[str, Any]) -> str:
    definition, count = record["definition"], record["parameters"]
    task = definition["task"]
    low, high = task.get("operations", Task().operations)
    return (
        f"- Parameters: {count['total']:,}, {count['non_embedding']:,} of them not embeddings\n"
        f"- Training tokens: {record['tokens']:,}; FLOPs (6ND): {record['flops']:.3g}; one CPU thread\n"
        f"- Task: {low} to {high} operations, numbers up to {task.get('largest', Task().largest)}\n"
        f"- Definition digest: `{record['digest']}`; everything else is in `training.json`\n"
    )


def _policy_card(record: Mapping[str, Any]) -> str:
    return (
        _FRONT.format(tag="policy")
        + f"# A policy of the miniature: {record['parameters']['total']:,} parameters\n\n"
        "A Llama-architecture language model that solves integer arithmetic step by step: it rewrites the whole\n"
        "expression at each step and boxes the answer in the last one.\n\n"
        "```\nCompute 3*6+27-14.\n\n3*6=18, so 18+27-14\n\n27-14=13, so 18+13\n\n18+13=31, so \\boxed{31}\n```\n\n"
        "Trained from nothing on generated problems, each with one random valid solution.\n\n"
        + _training_lines(record)
        + f"- Validation loss: {record['validation']['loss']} nats per solution token\n\n"
        "Use: the study of test-time scaling that it comes with. It knows this one task and nothing else, and it\n"
        "makes mistakes by design. Licence: MIT.\n"
    )


def _reward_card(record: Mapping[str, Any]) -> str:
    definition, scores = record["definition"], record["validation"]
    model, rollouts = definition["model"], definition["training"]["rollouts"]
    rows = {"all": scores, **scores["by_policy"]}
    teachers = ", ".join(sorted(rollouts["policies"]))
    shown = "".join(
        f"| {name} | {row['responses']} | {row['auc']} | {row['auc_min']} | {row['auc_last']} |\n"
        for name, row in rows.items()
    )
    return (
        _FRONT.format(tag="process-reward-model")
        + f"# A process reward model of the miniature: {record['parameters']['total']:,} parameters\n\n"
        f"Scores each step of a solution to the miniature's arithmetic task, in the `{model['format']}` layout. It\n"
        f"grew from the policy {model['body']} by {model['layers']} new layers and a head, and was trained on exact\n"
        f"step labels of responses sampled from the prompt by {teachers}: a step is right if\n"
        "it is a legal reduction, keeps the value, and follows right steps only.\n\n"
        + _training_lines(record)
        + f"- Rollouts: {record['rollouts']['responses']:,} responses, temperature {rollouts['temperature']}\n\n"
        "Scores on fresh responses to validation problems (area under the ROC curve):\n\n"
        "| responses of | number | steps up to the first error | lowest score, answer | last score, answer |\n"
        "|---|---|---|---|---|\n"
        + shown
        + "\nUse: steering and judging the miniature's policies in the study that it "
        "comes with; nothing else.\nLicence: MIT.\n"
    )
