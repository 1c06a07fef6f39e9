"""Searches with one's own policy and PRM: text in, text out, any model behind it.

    found = run(["Compute 2+2."], MyPolicy(), MyPRM(), method="beam_search", budget=4)

A policy of one's own says the next step of a solution, a PRM of one's own scores steps. Both may be those that ttstudy
opens, too: `open_engine`, `open_reward_model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

from ttstudy.data.prompts import messages
from ttstudy.errors import StudyError, meant
from ttstudy.kinds.methods import SEARCHES
from ttstudy.methods import run as searching
from ttstudy.methods.options import Options
from ttstudy.models.devices import Running
from ttstudy.policies.protocol import Completion, Engine, Progress, Request
from ttstudy.prms.protocol import RewardModel, check_scores

END_OF_PROMPT, END_OF_TEXT = 0x110000, 0x110001
"""Ids behind those of all characters."""
CONTEXT = 10**7


@runtime_checkable
class Policy(Protocol):
    """What a policy of one's own offers."""

    def next_step(self, problem: str, steps: Sequence[str], seed: int) -> tuple[str, bool]:
        """One more step after `steps`, and whether the solution ends with it; equal seeds should give equal steps."""


@runtime_checkable
class Judge(Protocol):
    """What a PRM of one's own offers."""

    def score(self, problem: str, steps: Sequence[str]) -> Sequence[float]:
        """A score in [0, 1] for each step."""


def run(
    problems: Sequence[str] | Mapping[str, str],
    policy: Policy | Engine,
    prm: Judge | RewardModel,
    method: str = "beam_search",
    budget: int = 16,
    seed: int = 0,
    prompt: str = "plain",
    **options: Any,
) -> searching.SearchResult:
    """Search every problem; `answers` and `nodes` are DataFrames, `counters` says what it cost.

    Args:
        problems: texts, or texts by problem_id.
        policy: of one's own (`next_step`), or an engine of `open_engine`.
        prm: of one's own (`score`), or one of `open_reward_model`.
        method: a search of `ttstudy.kinds.methods`.
        budget: N, for beam search and DVTS a multiple of `beam_width`.
        seed: begins every node's seed: the same seed, the same search.
        prompt: family of an engine's prompt: plain, llama, qwen or deepseek-r1.
        options: those of `ttstudy.methods.options.Options`, such as beam_width, max_depth, score and temperature.

    Raises:
        StudyError: no such method or option, or a PRM whose scores are not one in [0, 1] per step.
    """
    if method not in SEARCHES:
        raise StudyError(f"method: {method!r} is no search; there are {', '.join(SEARCHES)}{meant(method, SEARCHES)}")
    known = set(Options.__dataclass_fields__) - {"method", "budget"}
    for name in options:
        if name not in known:
            raise StudyError(f"{name}: is no option of a search{meant(name, known)}")
    own = not hasattr(policy, "generate")
    engine: Any = _OwnPolicy(cast("Policy", policy)) if own else policy
    model: Any = prm if hasattr(prm, "score_last_batch") else _OwnPRM(prm)
    texts = dict(problems) if isinstance(problems, Mapping) else {str(n): text for n, text in enumerate(problems)}
    family = "plain" if own else prompt
    items = [(name, text, engine.encode_chat(messages(family, text))) for name, text in texts.items()]
    try:
        longest = {"max_step_tokens": CONTEXT} if own else {}
        wanted = Options(method=method, budget=budget, **longest | options)
    except ValueError as error:
        raise StudyError(f"options: {error}") from None
    return searching.run(items, engine, model, wanted, (seed,))


class _OwnPolicy:
    """A policy of one's own as an engine whose tokens are characters."""

    name, parameters, context = "own", 0, CONTEXT
    running = Running("own", "cpu", "none")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def encode_chat(self, chat: Sequence[dict[str, str]]) -> list[int]:
        """The problem, and a mark behind it."""
        return [*map(ord, chat[-1]["content"]), END_OF_PROMPT]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return "".join(chr(each) for each in ids if each < END_OF_PROMPT)

    def generate(self, requests: Sequence[Request], progress: Progress | None = None) -> list[Completion]:
        """A step for each request, cut where it is longer than asked for."""
        found = []
        for request in requests:
            (separator,) = request.sampling.stop or ("\n\n",)
            place = request.prompt.index(END_OF_PROMPT)
            before = [step for step in self.decode(request.prompt[place:]).split(separator) if step]
            text, ends = self.policy.next_step(self.decode(request.prompt[:place]), before, request.seed)
            text = text.replace(separator, "\n") + ("" if ends else separator)
            ids = (*map(ord, text), *([END_OF_TEXT] if ends else []))[: request.sampling.max_tokens]
            whole = len(ids) == len(text) + ends
            finish = ("eos" if ends else "stop") if whole else "length"
            found.append(
                Completion(ids, self.decode(ids), (0.0,) * len(ids), cast("Any", finish), len(request.prompt))
            )
        return found


class _OwnPRM:
    """A PRM of one's own as a reward model; what it reads is not counted."""

    name, parameters, tokens = "own", 0, 0

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    def counts(self, problem: str, steps: Sequence[str]) -> Mapping[str, float]:
        """Nothing is known of tokens."""
        return {"prm_tokens": 0, "overlong": 0}

    def overlong(self, problem: str, steps: Sequence[str]) -> int:
        """No solution is too long."""
        return 0

    def score(self, problem: str, steps: Sequence[str]) -> list[float]:
        """Checked scores."""
        found = [float(score) for score in self.judge.score(problem, list(steps))]
        check_scores(type(self.judge).__name__, found, steps, f"the problem {problem[:60]!r}")
        return found

    def score_last_batch(self, items: Sequence[tuple[str, Sequence[str], Sequence[str]]]) -> list[list[float]]:
        """The last score of each candidate with what comes before it."""
        return [[self.score(text, [*prefix, each])[-1] for each in more] for text, prefix, more in items]
