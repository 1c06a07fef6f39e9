"""Training of the miniature's policies: Llama-architecture language models of solutions, from nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ttstudy.miniature import task as tasks
from ttstudy.miniature import tokenizer as tokens
from ttstudy.miniature.network import (
    Parameters,
    Weights,
    architecture_of,
    forward,
    fused_shapes,
    initial_weights,
    logits,
)
from ttstudy.miniature.training import Clock, Progress, Schedule, optimise, write_model
from ttstudy.models.architecture import Architecture

Example = tuple[list[int], int]
"""Token ids of a problem with its solution, and how many of them are the prompt's."""

IGNORED = -100
_POOL = 4096


def examples(
    task: tasks.Task, split: tasks.Split, seed: int, vocabulary: Mapping[str, int]
) -> Iterator[Example]:
    """Endless problems of a split, each with one random valid solution, as token ids ending in end-of-text."""
    encoder = tokens.build(task.largest)
    bos, eos = vocabulary[tokens.BOS], vocabulary[tokens.EOS]
    for problem, expression, rng in tasks.stream(task, split, seed):
        prompt = encoder.encode(problem + "\n\n", add_special_tokens=False).ids
        answer = tasks.solution_text(tasks.solve(expression, rng, task.largest))
        yield [bos, *prompt, *encoder.encode(answer, add_special_tokens=False).ids, eos], len(prompt) + 1


def batches(source: Iterator[Example], size: int, seed: int) -> Iterator[list[Example]]:
    """Random batches of at most `size` tokens, padding included; examples of like length go together."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        pool = sorted(islice(source, _POOL), key=lambda example: len(example[0]))
        found: list[list[Example]] = [[]]
        for example in pool:
            if len(example[0]) * (len(found[-1]) + 1) > size and found[-1]:
                found.append([])
            found[-1].append(example)
        for i in torch.randperm(len(found), generator=generator).tolist():
            yield found[i]


def collate(batch: list[Example], pad: int) -> tuple[Tensor, Tensor]:
    """Inputs [batch, length] and targets of the same shape: the next token, `IGNORED` in prompts and padding."""
    length = max(len(ids) for ids, _ in batch) - 1
    inputs = torch.full((len(batch), length), pad)
    targets = torch.full((len(batch), length), IGNORED)
    for row, (ids, prompt) in enumerate(batch):
        inputs[row, : len(ids) - 1] = torch.tensor(ids[:-1])
        targets[row, prompt - 1 : len(ids) - 1] = torch.tensor(ids[prompt:])
    return inputs, targets


def language_loss(shape: Architecture, weights: Weights, inputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy (nats per token) of the solutions."""
    states = forward(shape, weights, inputs)[1]
    return functional.cross_entropy(
        logits(weights, states).flatten(0, 1), targets.flatten(), ignore_index=IGNORED
    )


def train_policy(
    definition: Mapping[str, Any], output_dir: Path | str, progress: Progress | None = None
) -> dict[str, Any]:
    """Train a policy by its definition and save it as a transformers checkpoint; returns `training.json`.

    Definition: `task` (see `Task`), `model` (`PolicyModel`), `training` (tokens, batch, rate,
    warmup, decay), `seed` (weights), `version`. The data depends on `training.data_seed` (0), not on `seed`:
    policies of one ladder read the same problems in the same batches.
    """
    torch.set_num_threads(1)
    clock = Clock()
    task = tasks.Task.of(definition["task"])
    training = dict(definition["training"])
    vocabulary = tokens.vocabulary(task.largest)
    shape = architecture_of(len(vocabulary), definition["model"])
    schedule = Schedule.of(training)
    parameters = Parameters(fused_shapes(shape))
    parameters.fill(initial_weights(shape, torch.Generator().manual_seed(int(definition["seed"]))))
    data_seed = int(training.get("data_seed", 0))
    pad = vocabulary[tokens.PAD]
    source = batches(examples(task, "train", data_seed, vocabulary), schedule.batch, data_seed)

    def step() -> tuple[Tensor, int]:
        batch = next(source)
        loss = language_loss(shape, parameters.named, *collate(batch, pad))
        loss.backward()
        return loss.detach(), sum(len(ids) for ids, _ in batch)

    curve, seen = optimise(parameters, step, schedule, progress)
    held_out = list(islice(examples(task, "validation", data_seed, vocabulary), 512))
    return write_model(
        Path(output_dir),
        definition=definition,
        kind="policy",
        shape=shape,
        weights=parameters.named,
        architecture="LlamaForCausalLM",
        task=task,
        template=tokens.POLICY_TEMPLATE,
        tokens_seen=seen,
        curve=curve,
        validation=lambda weights: {"loss": round(validation_loss(shape, weights, held_out, pad), 4)},
        clock=clock,
    )


@torch.no_grad()
def validation_loss(shape: Architecture, weights: Weights, held_out: list[Example], pad: int) -> float:
    """Mean cross-entropy of solutions in nats per token."""
    total, count = 0.0, 0
    for start in range(0, len(held_out), 64):
        inputs, targets = collate(held_out[start : start + 64], pad)
        scored = int((targets != IGNORED).sum())
        total += float(language_loss(shape, weights, inputs, targets)) * scored
        count += scored
    return total / count
