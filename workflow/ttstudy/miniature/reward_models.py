"""Training of the miniature's process reward models on exactly labelled rollouts.

A PRM is a policy's body with new layers on top and the head of a published layout, `qwen` or `skywork`. The new
layers are needed: a language model's judgement of a token exists only in its last layer, one position earlier; to
compare it with the token and to combine the comparisons over a solution takes further layers. Labels are strict
and reach past the first error (there every step is wrong), so the last score values the whole prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ttstudy.analysis.statistics import area_under_curve
from ttstudy.kinds.formats import FORMATS
from ttstudy.miniature import task as tasks
from ttstudy.miniature import tokenizer as tokens
from ttstudy.miniature.network import Parameters, Weights, deeper, forward, fused_shapes, load, logits
from ttstudy.miniature.rollouts import EngineOf, Example, Rollout, collect, encode, keep_steps, transformers_engine
from ttstudy.miniature.training import Clock, Progress, Schedule, optimise, record_of, write_model
from ttstudy.models.architecture import Architecture
from ttstudy.models.network import rms
from ttstudy.models.text import TextTokenizer
from ttstudy.policies.seeds import derive
from ttstudy.prms.formats import Format, make_format

ARCHITECTURES = {name: FORMATS[name].architectures[0] for name in ("qwen", "skywork")}
_IGNORED = -100


def initial_head(form: str, size: int, generator: torch.Generator) -> Weights:
    """Random head weights of a layout, under the names of its published checkpoints."""
    if form == "skywork":
        weight = torch.randn((1, size), generator=generator) / size**0.5
        return {"v_head.summary.weight": weight, "v_head.summary.bias": torch.zeros(1)}
    return {
        "score.0.weight": torch.randn((size, size), generator=generator) / size**0.5,
        "score.0.bias": torch.zeros(size),
        "score.2.weight": torch.randn((2, size), generator=generator) / size**0.5,
        "score.2.bias": torch.zeros(2),
    }


def head_logits(weights: Weights, states: Tensor) -> Tensor:
    """Log-odds [...] that a step is right, of normed hidden states [..., hidden]; the score is their sigmoid."""
    if "v_head.summary.weight" in weights:
        return functional.linear(states, weights["v_head.summary.weight"], weights["v_head.summary.bias"])[
            ..., 0
        ]
    inner = functional.linear(states, weights["score.0.weight"], weights["score.0.bias"]).relu()
    two = functional.linear(inner, weights["score.2.weight"], weights["score.2.bias"])
    return two[..., 1] - two[..., 0]


def prepare(
    rollouts: Sequence[Rollout],
    form: Format,
    text: TextTokenizer,
    rng: Random,
    whole: float,
    after: int,
    drop: float,
) -> list[Example]:
    """Different examples of rollouts, each cut somewhere past its first error (see `keep_steps`).

    `drop`: share of the rollouts with a wrong first step to leave out.
    """
    examples: dict[tuple[str, tuple[str, ...]], Example] = {}
    for rollout in rollouts:
        steps = keep_steps(rollout, rng, whole, after)
        left_out = rollout.wrong == 0 and rng.random() < drop
        key = (rollout.problem, rollout.steps[:steps])
        if not left_out and key not in examples:
            examples[key] = encode(rollout, form, steps, text.encode)
    return list(examples.values())


def shuffled(examples: Sequence[Example], size: int, seed: int) -> Iterator[list[Example]]:
    """Endless random batches of about `size` tokens; every epoch in another order."""
    rng = Random(seed)
    batch: list[Example] = []
    count = 0
    while True:
        for i in rng.sample(range(len(examples)), len(examples)):
            batch.append(examples[i])
            count += len(examples[i].ids)
            if count >= size:
                yield batch
                batch, count = [], 0


def stack(batch: Sequence[Example], pad: int, tail: float) -> dict[str, Tensor]:
    """Tensors [batch, length] of examples.

    `labels`: 1 up to the first wrong token. `steps` and `dense`: weights of score positions and of all other
    tokens of the solution, `tail` beyond the first wrong step. `next`: the next token where it is right, as the
    language model's target.
    """
    shape = (len(batch), max(len(example.ids) for example in batch))
    ids, following = np.full(shape, pad), np.full(shape, _IGNORED)
    labels, steps, dense = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    for row, example in enumerate(batch):
        length, wrong = len(example.ids), example.wrong_token
        ids[row, :length] = example.ids
        labels[row, :wrong] = 1
        dense[row, example.prompt : length] = 1
        steps[row, list(example.positions)] = 1
        if False in example.labels:
            end = example.positions[example.labels.index(False)] + 1
            dense[row, end:length] = tail
            steps[row, end:] *= tail
        dense[row, list(example.positions)] = 0
        following[row, example.prompt - 1 : wrong - 1] = example.ids[example.prompt : wrong]
    arrays = {"ids": ids, "labels": labels, "steps": steps, "dense": dense, "next": following}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


# long: one training from its definition to its record, in the order of its random draws
def train_reward_model(
    definition: Mapping[str, Any],
    policies: Mapping[str, Path | str],
    output_dir: Path | str,
    progress: Progress | None = None,
    engine_of: EngineOf = transformers_engine,
) -> dict[str, Any]:
    """Train a PRM by its definition and save it in its published layout; returns `training.json`.

    Definition: `task`; `model` (`body`: the policy it grows from, `layers`: how many are new, `format`);
    `training` (see `Schedule`; `rollouts` and `validation`: see `collect`, of train and validation problems;
    `micro`: tokens run at once; `whole`, `after`, `drop`: see `prepare`; `tail`: weight past the first wrong
    step; `dense`, `language`: weights of the token labels and of the language model's loss); `policies` {name:
    digest of its definition}; `seed`; `version`. The argument `policies` gives the folders of those policies;
    ValueError where one is missing or was trained by another definition.
    """
    torch.set_num_threads(1)
    clock = Clock()
    output = Path(output_dir)
    folders = teachers(definition, policies)
    task = tasks.Task.of(definition["task"])
    model, training, seed = definition["model"], dict(definition["training"]), int(definition["seed"])
    if model["format"] not in ARCHITECTURES:
        raise ValueError(f"format must be one of {', '.join(ARCHITECTURES)}, not {model['format']!r}")
    if model["body"] not in folders:
        raise ValueError(f"the PRM grows from the policy {model['body']}, which its `policies` do not name")
    schedule = Schedule.of(training)

    body_shape, body_weights = load(folders[model["body"]])
    generator = torch.Generator().manual_seed(seed)
    shape, weights = deeper(body_shape, body_weights, int(model["layers"]), generator)
    vocabulary = tokens.vocabulary(task.largest)
    for tag in (tokens.STEP, "\n"):  # these end a step for a PRM, as a blank line does for a policy
        weights["embed"][vocabulary[tag]] = weights["embed"][vocabulary["\n\n"]]
    head = initial_head(model["format"], shape.hidden, generator)
    parameters = Parameters({**fused_shapes(shape), **{name: tuple(value.shape) for name, value in head.items()}})
    parameters.fill({**weights, **head})
    body_norm = body_weights["norm"].clone()

    output.mkdir(parents=True, exist_ok=True)
    tokens.save(output, task.largest, shape.context, tokens.REWARD_TEMPLATE)
    text = TextTokenizer(output)
    form = make_format(model["format"], text)
    rollouts = collect(training["rollouts"], definition["task"], "train", folders, engine_of)
    examples = prepare(
        rollouts,
        form,
        text,
        Random(derive("prepare", seed)),
        training["whole"],
        training["after"],
        training["drop"],
    )
    if not examples:
        raise ValueError("the rollouts hold no steps to train on")
    source = shuffled(examples, schedule.batch, derive("order", seed))
    pad = vocabulary[tokens.PAD]

    def step() -> tuple[Tensor, int]:
        batch = sorted(next(source), key=lambda example: len(example.ids))
        micro: list[list[Example]] = [[]]
        for example in batch:
            if micro[-1] and len(example.ids) * (len(micro[-1]) + 1) > training["micro"]:
                micro.append([])
            micro[-1].append(example)
        parts = [stack(part, pad, training["tail"]) for part in micro]
        # Each loss is a mean over the whole batch, so that its cut into micro-batches does not matter.
        sums = {name: max(1.0, sum(float(part[name].sum()) for part in parts)) for name in ("steps", "dense")}
        spoken = max(1, sum(int((part["next"] != _IGNORED).sum()) for part in parts))
        total = torch.zeros(())
        for part in parts:
            middle, final = forward(shape, parameters.named, part["ids"], body_shape.layers)
            scores = head_logits(parameters.named, final)
            losses = functional.binary_cross_entropy_with_logits(scores, part["labels"], reduction="none")
            weight = part["steps"] / sums["steps"] + training["dense"] / sums["dense"] * part["dense"]
            normed = rms(middle, body_norm, shape.norm_eps)
            language = functional.cross_entropy(
                logits(parameters.named, normed).flatten(0, 1),
                part["next"].flatten(),
                ignore_index=_IGNORED,
                reduction="sum",
            )
            ((losses * weight).sum() + training["language"] / spoken * language).backward()
            total += (losses.detach() * part["steps"]).sum() / sums["steps"]
        return total, sum(len(example.ids) for example in batch)

    curve, seen = optimise(parameters, step, schedule, progress)

    def validate(saved: Weights) -> dict[str, Any]:
        fresh = collect(training["validation"], definition["task"], "validation", folders, engine_of)
        return evaluate(fresh, score_rollouts(shape, saved, fresh, form, text, pad))

    return write_model(
        output,
        definition=definition,
        kind="prm",
        shape=shape,
        weights=parameters.named,
        architecture=ARCHITECTURES[model["format"]],
        task=task,
        template=tokens.REWARD_TEMPLATE,
        tokens_seen=seen,
        curve=curve,
        validation=validate,
        clock=clock,
        extra={
            "rollouts": {
                "responses": len(rollouts),
                "examples": len(examples),
                "tokens": sum(len(example.ids) for example in examples),
                "right_steps": round(float(np.mean([label for e in examples for label in e.labels])), 4),
            },
        },
    )


def teachers(definition: Mapping[str, Any], policies: Mapping[str, Path | str]) -> dict[str, Path]:
    """Folders of the policies that a definition names, each trained by the definition whose digest is there."""
    folders = {}
    for name, digest in definition["policies"].items():
        if name not in policies:
            raise ValueError(f"it learns from the policy {name}, of which no checkpoint was given")
        folders[name] = Path(policies[name])
        found = record_of(folders[name])["digest"]
        if found != digest:
            raise ValueError(
                f"the checkpoint of {name} was trained by the definition {found}, not by {digest}"
            )
    return folders


@torch.no_grad()
def score_rollouts(
    shape: Architecture, weights: Weights, rollouts: Sequence[Rollout], form: Format, text: TextTokenizer, pad: int
) -> list[list[float]]:
    """A score per step of each rollout, in their order."""
    examples = [encode(rollout, form, len(rollout.steps), text.encode) for rollout in rollouts]
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].ids))
    scores: list[list[float]] = [[] for _ in examples]
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        ids = stack([examples[i] for i in chosen], pad, 1.0)["ids"]
        odds = head_logits(weights, forward(shape, weights, ids, shape.layers)[1]).sigmoid()
        for row, i in enumerate(chosen):
            scores[i] = odds[row, list(examples[i].positions)].tolist()
    return scores


def evaluate(rollouts: Sequence[Rollout], scores: Sequence[Sequence[float]]) -> dict[str, Any]:
    """How well step scores tell right from wrong, over all rollouts and for each policy's.

    `auc`: of the steps up to and including the first wrong one. `auc_all_steps`: of all steps. `auc_min`,
    `auc_last`: of a response's lowest and last score against its final answer.
    """

    def figures(chosen: Sequence[int]) -> dict[str, float | int | None]:
        upto = [
            (rollouts[i], scores[i], (rollouts[i].wrong or 0) + 1 if False in rollouts[i].labels else None)
            for i in chosen
        ]
        pooled = {
            "auc": [(a, b) for r, s, end in upto for a, b in zip(r.labels[:end], s[:end], strict=True)],
            "auc_all_steps": [(a, b) for r, s, _ in upto for a, b in zip(r.labels, s, strict=True)],
            "auc_min": [(r.correct, min(s)) for r, s, _ in upto],
            "auc_last": [(r.correct, s[-1]) for r, s, _ in upto],
        }
        found: dict[str, float | int | None] = {"responses": len(chosen)}
        for name, pairs in pooled.items():
            area = area_under_curve([a for a, _ in pairs], [b for _, b in pairs])
            found[name] = None if area is None else round(area, 4)
        return found

    names = sorted({rollout.policy for rollout in rollouts})
    return {
        **figures(range(len(rollouts))),
        "by_policy": {
            name: figures([i for i, rollout in enumerate(rollouts) if rollout.policy == name])
            for name in names
        },
    }
