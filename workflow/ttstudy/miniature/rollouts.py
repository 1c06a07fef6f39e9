"""Solutions sampled from the miniature's policies, with an exact label for every step and every token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from ttstudy.data.prompts import split_steps
from ttstudy.miniature import task as tasks
from ttstudy.policies.protocol import Engine, Request, Sampling
from ttstudy.policies.seeds import derive
from ttstudy.prms.formats import Format

EngineOf = Callable[[Path], Engine]


@dataclass(frozen=True, slots=True)
class Rollout:
    """One sampled response, from the prompt only: its steps and whether each is right (see `check_steps`)."""

    policy: str
    problem: str
    answer: str
    steps: tuple[str, ...]
    labels: tuple[bool, ...]

    @property
    def wrong(self) -> int | None:
        """Index of the first wrong step, None where there is none."""
        return self.labels.index(False) if False in self.labels else None

    @property
    def correct(self) -> bool:
        """Whether the last step boxes the right answer, however it was reached."""
        return self.steps[-1].endswith(rf"\boxed{{{self.answer}}}")


@dataclass(frozen=True, slots=True)
class Example:
    """A rollout as a PRM reads it.

    `positions` are the indices in `ids` of the steps' scores. `wrong_token` is the index of the first token after
    which no right continuation is left, len(ids) where there is none. `prompt` tokens come before the first step.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    labels: tuple[bool, ...]
    prompt: int
    wrong_token: int


def transformers_engine(folder: Path) -> Engine:
    """The study's CPU engine on a checkpoint folder."""
    from ttstudy.policies.native import NativeEngine

    return NativeEngine(folder)


def sample_rollouts(
    policy: str,
    engine: Engine,
    problems: Sequence[tasks.Problem],
    samples: int,
    temperature: float,
    seed: int,
) -> list[Rollout]:
    """`samples` labelled responses to each problem; empty responses are left out."""
    sampling = Sampling(temperature=temperature, max_tokens=192)
    prompts = [tuple(engine.encode_chat([{"role": "user", "content": row.problem}])) for row in problems]
    requests = [
        Request(prompt, sampling, derive("rollout", seed, policy, row.problem, sample))
        for row, prompt in zip(problems, prompts, strict=True)
        for sample in range(samples)
    ]
    rollouts = []
    for i, completion in enumerate(engine.generate(requests)):
        row = problems[i // samples]
        if steps := split_steps(completion.text):
            labels = tasks.check_steps(row.problem, steps)
            rollouts.append(Rollout(policy, row.problem, row.answer, tuple(steps), tuple(labels)))
    return rollouts


def collect(
    plan: Mapping[str, Any],
    task: Mapping[str, Any],
    split: tasks.Split,
    policies: Mapping[str, Path],
    engine_of: EngineOf = transformers_engine,
) -> list[Rollout]:
    """Rollouts of a plan: `policies` {name: problems}, `samples`, `temperature`, `seed`, and `task`.

    `task` (optional) changes some of the task's options, e.g. to short problems. Each policy has its own problems.
    ValueError for a policy without a folder.
    """
    options = {**task, **plan.get("task", {})}
    rollouts: list[Rollout] = []
    # Not in the mapping's order: a definition is the same definition after its keys were sorted.
    for name, count in sorted(plan["policies"].items(), key=lambda item: (len(item[0]), item[0])):
        if name not in policies:
            raise ValueError(f"its rollouts are of the policy {name}, which its `policies` do not name")
        own = derive("problems", plan["seed"], name)
        problems = tasks.problems(own, split, count, options)
        engine = engine_of(Path(policies[name]))
        rollouts += sample_rollouts(
            name, engine, problems, plan["samples"], plan["temperature"], plan["seed"]
        )
    return rollouts


def keep_steps(rollout: Rollout, rng: Random, whole: float, after: int) -> int:
    """How many steps of a rollout to train on: all with probability `whole`, else up to `after` past the error."""
    if rollout.wrong is None or rng.random() < whole:
        return len(rollout.steps)
    return min(len(rollout.steps), rollout.wrong + 1 + rng.randint(0, after))


def shared_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Number of equal elements at the start of both."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


def encode(rollout: Rollout, form: Format, steps: int, text_ids: Callable[[str], Sequence[int]]) -> Example:
    """The first `steps` steps of a rollout in a PRM's format, with exact token labels.

    `text_ids` gives the token ids of a step's text, as the format encodes them.
    """
    encoded = form.encode(rollout.problem, rollout.steps[:steps])
    first = encoded.positions[0] - len(text_ids(rollout.steps[0]))
    wrong_token = len(encoded.ids)
    if rollout.wrong is not None and rollout.wrong < steps:
        start = first if rollout.wrong == 0 else encoded.positions[rollout.wrong - 1] + 1
        text = encoded.ids[start : encoded.positions[rollout.wrong]]
        legal = legal_steps(rollout.problem, rollout.steps[: rollout.wrong])
        wrong_token = start + max((shared_prefix(text, text_ids(step)) for step in legal), default=0)
    return Example(tuple(encoded.ids), tuple(encoded.positions), rollout.labels[:steps], first, wrong_token)


def legal_steps(problem: str, steps: Iterable[str]) -> list[str]:
    """Texts of all right steps after these, which must be right themselves."""
    expression = tasks.parse_problem(problem)
    for step in steps:
        expression = next(legal.rest for legal in tasks.reductions(expression) if legal.text == step)
    return [legal.text for legal in tasks.reductions(expression)]
