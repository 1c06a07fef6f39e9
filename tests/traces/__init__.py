"""Searches written out, to be replayed in any code: what was drawn, how it was scored, what was kept and answered.

`python -m tests.traces` writes them anew, with the search of `tests/naive_search.py`, which is written from the
protocol's text. README.md beside this file says how to read one.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import naive_search
from tests.test_search import ScriptedPolicy, ScriptedPRM
from ttstudy.methods.options import Options
from ttstudy.methods.run import SearchResult, run
from ttstudy.policies.seeds import derive

FOLDER = Path(__file__).parent
COUNT = 60
"""Traces in each file."""
KINDS = [(semantics, method) for semantics in ("default", "reference") for method in ("beam_search", "dvts")]
LONGEST = 12
"""Tokens of a step, of which each is a character."""
LETTERS = "abcdefgh"


def _policy(dice: random.Random) -> Any:
    """What a policy says after a text and a seed: it ends, is cut, repeats itself, goes blank, each at its own rate."""
    end, cut = dice.choice([0.1, 0.3, 0.6]), dice.choice([0, 0, 0.3, 0.9])
    blank, boxed = dice.choice([0, 0, 0.1]), dice.choice([0, 0.1])
    letters, salt = LETTERS[: dice.choice([2, 8])], dice.random()

    def tell(text: str, request: Any) -> str:
        draw = random.Random(f"{text}|{request.seed}|{salt}")
        word = "" if draw.random() < blank else "".join(draw.choices(letters, k=draw.choice([1, 2, 3])))
        word += "\\boxed{1}" if draw.random() < boxed else ""
        if draw.random() < cut:
            return word.ljust(LONGEST + 1, "z")
        return word if draw.random() < end else f"{word}\n\n"

    return tell


class _Noted(ScriptedPolicy):
    """A policy that notes what it says, by the seed it was asked with."""

    def __init__(self, tell: Any) -> None:
        super().__init__(tell)
        self.said: dict[int, Any] = {}

    def generate(self, requests, progress=None):
        drawn = super().generate(requests, progress)
        self.said |= {request.seed: completion for request, completion in zip(requests, drawn, strict=True)}
        return drawn


def made(kind: tuple[str, str], number: int) -> dict[str, Any]:
    """One trace."""
    semantics, method = kind
    name = f"{semantics}-{method}-{number:03d}"
    dice = random.Random(name)
    budget = [4, 8, 16, 32, 64][number % 5]
    told = {"method": method, "budget": budget, "beam_width": 4, "semantics": semantics}
    told |= {"max_depth": dice.choice([3, 6, 40])}
    policy, noise = _Noted(_policy(dice)), dice.random()
    scores: dict[tuple[str, ...], float] = {}

    def judge(problem: str, steps: list[str]) -> float:
        return scores.setdefault(tuple(steps), random.Random(f"{noise}|{'|'.join(steps)}").random())

    options = Options(**told, max_step_tokens=LONGEST)
    trees = naive_search.search((name, "problem", tuple(map(ord, "Q"))), policy, ScriptedPRM(judge), options, ())
    nodes = [(number, node) for number, tree in enumerate(trees) for node in tree.nodes]
    answers = [(number, node) for number, tree in enumerate(trees) for node in tree.answers]

    def spoken(node: Any) -> list[str]:
        return [each.text for each in node.line() if each.text or semantics == "reference"]

    return {
        "trace": name,
        "options": told,
        "draws": [
            {"tree": tree, "path": list(node.path), "text": node.drawn.text, "finish": node.drawn.finish}
            for tree, node in nodes
        ],
        "scores": [{"steps": list(steps), "score": score} for steps, score in scores.items()],
        "kept": sorted([tree, *node.path] for tree, node in nodes if node.kept),
        "answers": [{"tree": tree, "steps": spoken(node), "finish": node.finish} for tree, node in answers],
    }


def read(kind: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """The traces of a file."""
    for line in _file(kind).read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def replayed(trace: dict[str, Any]) -> SearchResult:
    """Our search on a trace; KeyError where it draws or scores what the trace has not."""
    draws = {derive("search", trace["trace"], *draw["path"]): draw for draw in trace["draws"]}
    scores = {tuple(row["steps"]): row["score"] for row in trace["scores"]}

    def tell(text: str, request: Any) -> str:
        draw = draws[request.seed]
        return draw["text"] + "z" * (draw["finish"] == "length")

    policy, prm = ScriptedPolicy(tell), ScriptedPRM(lambda problem, steps: scores[tuple(steps)])
    options = Options(**trace["options"], max_step_tokens=LONGEST)
    return run([(trace["trace"], "problem", tuple(map(ord, "Q")))], policy, prm, options)


def _file(kind: tuple[str, str]) -> Path:
    return FOLDER / f"{'-'.join(kind)}.jsonl"


def write() -> None:
    """Write every file anew."""
    for kind in KINDS:
        lines = [json.dumps(made(kind, number), separators=(",", ":")) for number in range(COUNT)]
        _file(kind).write_text("\n".join(lines) + "\n", encoding="utf-8")
