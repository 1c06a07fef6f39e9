"""The miniature's task: integer arithmetic solved one reduction per step, in any valid order.

A problem is `Compute 27+31-14-3*6+5.`; a solution rewrites the whole remaining expression at each step,

    3*6=18, so 27+31-14-18+5
    31-14=17, so 27+17-18+5
    ...
    26+5=31, so \\boxed{31}

with a blank line between steps. From every expression there are several legal steps, and they can be listed, so
each step of any text is exactly right or wrong (`check_steps`). Numbers are plain integers without a modulus:
their size is a smooth signal that small networks can learn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from random import Random
from typing import Any, Literal, NamedTuple

from ttstudy.data.prompts import SEPARATOR
from ttstudy.policies.seeds import derive

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_PROBLEM = re.compile(r"Compute ([0-9]+(?:[+*-][0-9]+)*)\.")
_LARGEST_FACTOR = 12


@dataclass(frozen=True, slots=True)
class Task:
    """How problems are drawn.

    `operations`: fewest and most operations; a number n of them is drawn with weight n ** `tilt`.
    `largest`: no number in a problem or its solutions is larger. `products`: share of terms that are products.
    """

    operations: tuple[int, int] = (1, 10)
    largest: int = 99
    products: float = 0.3
    tilt: float = 0.0

    @classmethod
    def of(cls, options: Mapping[str, Any] | None = None) -> Task:
        """Task of a plain dictionary; ValueError names what is wrong with it."""
        options = dict(options or {})
        unknown = sorted(set(options) - set(cls.__slots__))
        if unknown:
            raise ValueError(f"unknown task option {unknown[0]!r}; known: {', '.join(cls.__slots__)}")
        if "operations" in options:
            options["operations"] = tuple(options["operations"])
        task = cls(**options)
        low, high = task.operations
        if not 1 <= low <= high:
            raise ValueError(
                f"operations must be [fewest, most] with 1 <= fewest <= most, not [{low}, {high}]"
            )
        if not 20 <= task.largest <= 99:
            raise ValueError(f"largest must lie between 20 and 99, not {task.largest}")
        if not 0 <= task.products <= 0.9:
            raise ValueError(f"products must lie between 0 and 0.9, not {task.products}")
        return task

    def options(self) -> dict[str, Any]:
        """The plain dictionary that `Task.of` reads."""
        return {**asdict(self), "operations": list(self.operations)}


class Problem(NamedTuple):
    """One row of a benchmark."""

    problem_id: str
    problem: str
    answer: str
    level: str
    """Number of operations, as text."""


class Expression(NamedTuple):
    """Numbers and the operators between them: `numbers[i] operators[i] numbers[i + 1]`."""

    numbers: tuple[int, ...]
    operators: str

    def __str__(self) -> str:
        """Text, e.g. 3*6-5."""
        return str(self.numbers[0]) + "".join(
            f"{operator}{number}" for operator, number in zip(self.operators, self.numbers[1:], strict=True)
        )


class Reduction(NamedTuple):
    """One legal step: its text, its result, and the expression that is left."""

    text: str
    result: int
    rest: Expression


def parse_problem(problem: str) -> Expression:
    """Expression of a problem's text; ValueError if it is not one of this task."""
    match = _PROBLEM.fullmatch(problem)
    if match is None:
        raise ValueError(f"not a problem of the miniature task: {problem[:80]!r}")
    parts = re.findall(r"[0-9]+|[+*-]", match.group(1))
    return Expression(tuple(int(number) for number in parts[::2]), "".join(parts[1::2]))


def reductions(expression: Expression) -> list[Reduction]:
    """All legal steps from an expression, left to right; empty for a single number.

    Two neighbours are replaced by their result. A product may always be taken. A sum or difference may be taken
    if neither number is part of a product and no minus stands before it, and if the result is not negative.
    Every legal step keeps the value of the expression.
    """
    numbers, operators = expression
    found = []
    for i, operator in enumerate(operators):
        left, right = numbers[i], numbers[i + 1]
        if operator == "*":
            result = left * right
        else:
            before, after = operators[i - 1 : i] if i else "", operators[i + 1 : i + 2]
            if before in ("-", "*") or after == "*":
                continue
            result = left + right if operator == "+" else left - right
            if result < 0:
                continue
        rest = Expression(numbers[:i] + (result,) + numbers[i + 2 :], operators[:i] + operators[i + 1 :])
        shown = str(rest) if rest.operators else rf"\boxed{{{result}}}"
        found.append(Reduction(f"{left}{operator}{right}={result}, so {shown}", result, rest))
    return found


def evaluate(expression: Expression) -> int:
    """Value of an expression, products before sums."""
    total, sign, product = 0, 1, expression.numbers[0]
    for operator, number in zip(expression.operators, expression.numbers[1:], strict=True):
        if operator == "*":
            product *= number
        else:
            total += sign * product
            sign, product = (1 if operator == "+" else -1), number
    return total + sign * product


def check_steps(problem: str, steps: Sequence[str]) -> list[bool]:
    """Whether each step is right: a legal step from the expression before it, after right steps only.

    The text must match exactly; after the first wrong step every step is wrong, and so is a step after the answer.
    """
    expression: Expression | None = parse_problem(problem)
    labels = []
    for step in steps:
        step_of = {} if expression is None else {legal.text: legal.rest for legal in reductions(expression)}
        expression = step_of.get(step)
        labels.append(expression is not None)
    return labels


def first_error(problem: str, steps: Sequence[str]) -> int | None:
    """Index of the first wrong step; None if every step is right."""
    labels = check_steps(problem, steps)
    return labels.index(False) if False in labels else None


def solve(expression: Expression, rng: Random, largest: int = 99) -> list[str]:
    """Steps of one solution; at each step a legal one is drawn among those with a result up to `largest`."""
    steps = []
    while expression.operators:
        step = rng.choice([legal for legal in reductions(expression) if legal.result <= largest])
        steps.append(step.text)
        expression = step.rest
    return steps


def draw(task: Task, rng: Random, operations: int) -> Expression:
    """A random expression with so many operations.

    Every sum from the left lies in [0, largest], so no legal step leads into a dead end.
    """
    total, text_operators, left = 0, "", operations
    text_numbers: list[int] = []
    first = True
    while first or left:
        # A product term uses one operation itself and, unless it comes first, one to be joined.
        if left >= (1 if first else 2) and rng.random() < task.products:
            a = rng.randint(2, min(_LARGEST_FACTOR, task.largest // 2))
            b = rng.randint(2, min(_LARGEST_FACTOR, task.largest // a))
            factors, value, used = (a, b), a * b, 1
            signs = [sign for sign in (1, -1) if 0 <= total + sign * value <= task.largest]
            if not signs:
                continue
            sign = 1 if first else rng.choice(signs)
        else:
            target = rng.randint(0, task.largest)
            value, used = abs(target - total), 0
            if value == 0:
                continue
            factors, sign = (value,), 1 if target > total else -1
        if not first:
            text_operators += "+" if sign > 0 else "-"
            used += 1
        total += sign * value
        text_numbers.extend(factors)
        text_operators += "*" * (len(factors) - 1)
        left -= used
        first = False
    return Expression(tuple(text_numbers), text_operators)


def split_of(expression: Expression) -> Split:
    """The one split that an expression belongs to: 10 % test, 10 % validation, the rest train, by its hash."""
    bucket = blake2b(str(expression).encode(), digest_size=4).digest()[0] % 10
    return "test" if bucket == 0 else "validation" if bucket == 1 else "train"


def stream(task: Task, split: Split, seed: int) -> Iterator[tuple[str, Expression, Random]]:
    """Endless problems of a split, with the generator that drew them (for a solution's order)."""
    rng = Random(derive("miniature", split, seed))
    counts = list(range(task.operations[0], task.operations[1] + 1))
    weights = [count**task.tilt for count in counts]
    while True:
        expression = draw(task, rng, rng.choices(counts, weights)[0])
        if split_of(expression) == split:
            yield f"Compute {expression}.", expression, rng


def problems(seed: int, split: Split, count: int, options: Mapping[str, Any] | None = None) -> list[Problem]:
    """`count` different problems of a split. Splits are disjoint by construction; ValueError if they run out."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
    found: dict[str, Problem] = {}
    misses = 0
    for problem, expression, _ in stream(Task.of(options), split, seed):
        if len(found) == count:
            break
        if problem in found:
            misses += 1
            if misses > 1000 + 10 * count:
                raise ValueError(f"only {len(found)} different {split} problems found, {count} wanted")
            continue
        found[problem] = Problem(
            f"{split}-{len(found):05d}", problem, str(evaluate(expression)), str(len(expression.operators))
        )
    return list(found.values())


def solution_text(steps: Sequence[str]) -> str:
    """The response that a solver writes: steps with a blank line between them."""
    return SEPARATOR.join(steps)
