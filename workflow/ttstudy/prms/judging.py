"""Generative PRMs: judgements that a PRM writes, on the engines that draw from policies.

A solution is judged `samples` times. A judgement is a dialogue that its format leads (`ttstudy.kinds.formats`); all of
them are answered together, round by round. Each answer has a seed of its own, derived from the study's seed, the number
of the judgement and the tokens before it: neither the other solutions, nor their order, nor what was judged before
decides a token. A step's score is the share of its judgements that say yes; one that says nothing says no, and is
counted (`no_verdict` in the table of scores). So does one for which the context has no room left, of which no model can
say anything, and its step is counted too (`overlong`): `overflow: score` and `cut` are the same here.

Tokens. A judgement reads its prompt and generates; what it has read or written before is in its cache, as a policy's
is. The first prompt of a solution is read once for all of its judgements; solutions that begin alike share nothing.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ttstudy.errors import StudyError
from ttstudy.kinds.formats import Ask, Judgement, VerdictFormat
from ttstudy.models.devices import Running
from ttstudy.policies.protocol import Completion, Request, Sampling
from ttstudy.policies.protocol import Engine as PolicyEngine
from ttstudy.policies.seeds import derive
from ttstudy.prms.engine import common_length

if TYPE_CHECKING:
    from ttstudy.models.chat import ChatTokenizer
    from ttstudy.study.prms import Overflow

Solution = tuple[str, tuple[str, ...]]
REMEMBERED = 1 << 24
"""Tokens of answers that are kept: of a dialogue on a prefix that a search comes back to."""


class Engine(PolicyEngine, Protocol):
    """An engine with its checkpoint's tokenizer."""

    chat: ChatTokenizer

    def forget(self) -> None:
        """See `ttstudy.policies.vllm.VllmEngine.forget`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a judge draws: number of judgements of a solution, and what the format says where None is given."""

    samples: int = 4
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int = 0


@dataclass(slots=True)
class _Cost:
    """What the judgements of one solution take together: tokens of prompts, and of answers, each once.

    `positions`: the keys that those tokens meet in all (see `ttstudy.analysis.flops.positions`).
    """

    tokens: int = 0
    positions: float = 0.0
    prompts: set[tuple[int, ...]] = field(default_factory=set)
    answers: set[int] = field(default_factory=set)

    def add(self, start: int, stop: int) -> None:
        """Tokens of a sequence from `start` to `stop`."""
        self.tokens += stop - start
        self.positions += (stop * stop - start * start) / 2


@dataclass(slots=True)
class _Dialogue:
    """A judgement under way: `ids` is all that the judge has read and written."""

    judgement: Judgement
    number: int
    cost: _Cost
    ask: Ask
    ids: tuple[int, ...] = ()
    verdicts: list[bool | None] = field(default_factory=list)
    done: bool = False
    full: bool = False
    """The context was full before it had ended."""

    def go_on(self, text: str) -> None:
        """Tell the format what was written; note its next question or its verdicts."""
        try:
            self.ask = self.judgement.send(text)
        except StopIteration as end:
            self.verdicts, self.done = end.value, True


@dataclass(slots=True)
class _Answer:
    """What was written before a stop text: its tokens, their text, and how many were generated in all."""

    ids: array[int]
    text: str
    generated: int
    full: bool


class JudgeScorer:
    """The RewardModel of every generative PRM (see `ttstudy.prms.protocol`).

    Args:
        engine: what draws.
        longest: of an engine that was opened for less than the model's context, that many tokens; a dialogue that
            does not fit is then an error, since its end would hang on the machine. None: what does not fit is cut.
        format: what is asked, and how answers are read.
        settings: how often and how.
        overflow: `refuse` is a StudyError where a judgement does not fit into the context.
    """

    def __init__(
        self,
        engine: Engine,
        longest: int | None,
        format: VerdictFormat,
        settings: Settings | None = None,
        overflow: Overflow = "score",
    ) -> None:
        """Start with no token counted."""
        if overflow == "windows":
            raise ValueError("overflow: a PRM that writes its verdicts has no windows; use score, cut or refuse.")
        self.overflow = overflow
        self.name, self.format, self.engine, self.settings = engine.name, format, engine, settings or Settings()
        self.longest = longest
        self.tokens = 0
        """Tokens read and generated so far."""
        self.tokens_reencoded = 0
        """What an engine without a cache would run, and a judge that remembers nothing."""
        self._answers: OrderedDict[int, _Answer] = OrderedDict()
        self._remembered = 0
        self._counts: dict[Solution, dict[str, float]] = {}
        self._request(self._begun(("?", ("!",)))[0])  # a chat template that refuses this chat is told now

    @property
    def parameters(self) -> int:
        """Weights of the model."""
        return self.engine.parameters

    @property
    def running(self) -> Running:
        """What it writes on."""
        return self.engine.running

    @property
    def context(self) -> int:
        """Largest number of tokens, read and generated."""
        return self.engine.context

    def forget(self) -> None:
        """Be as one that has just been opened; see `StepScorer.forget`."""
        self.tokens = self.tokens_reencoded = self._remembered = 0
        self._answers.clear()
        self._counts = {}
        self.engine.forget()

    def counts(self, problem: str, steps: Sequence[str]) -> dict[str, float]:
        """Of a solution of the last `score_batch`: tokens that judging it took, and verdicts that could not be read.

        `prm_positions`: the keys that those tokens meet, each judgement being a sequence of its own.
        """
        return self._counts[problem, tuple(steps)]

    def overlong(self, problem: str, steps: Sequence[str]) -> int:
        """Of a solution of the last call: steps that a judgement said nothing of, since the context was full."""
        return int(self._counts[problem, tuple(steps)]["overlong"])

    def score(self, problem: str, steps: Sequence[str]) -> list[float]:
        """One score in [0, 1] per step: the share of judgements that say yes."""
        return self.score_batch([(problem, steps)])[0]

    def score_batch(self, items: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        """`score` of many (problem, steps); equal items are judged once. ValueError for no steps or a blank one."""
        if any(isinstance(steps, str) for _, steps in items):
            raise ValueError("Steps must be a list of texts, not one text.")
        keys: list[Solution] = [(problem, tuple(steps)) for problem, steps in items]
        dialogues = {key: self._begun(key) for key in keys}
        self._lead([dialogue for each in dialogues.values() for dialogue in each])
        self._counts = {}
        scores = {}
        for (problem, steps), mine in dialogues.items():
            table = [dialogue.verdicts for dialogue in mine]
            lost = sum(verdict is None for verdicts in table for verdict in verdicts)
            scores[problem, steps] = [
                sum(verdicts[step] is True for verdicts in table) / len(table) for step in range(len(steps))
            ]
            self._counts[problem, steps] = {
                "prm_tokens": mine[0].cost.tokens,
                "prm_positions": mine[0].cost.positions,
                "no_verdict": lost,
                "overlong": self._past(problem, steps, mine),
            }
        return [list(scores[key]) for key in keys]

    def _past(self, problem: str, steps: Sequence[str], dialogues: Sequence[_Dialogue]) -> int:
        """Steps for whose verdict the context had no room in some judgement; StudyError where that is refused."""
        full = [dialogue.verdicts for dialogue in dialogues if dialogue.full]
        if full and self.overflow == "refuse":
            raise StudyError(
                f"{self.name}: judging a solution fills its context, {self.context} tokens, and `overflow` says "
                f"refuse; set it to score. The problem begins: {problem[:60]!r}"
            )
        return sum(any(verdicts[step] is None for verdicts in full) for step in range(len(steps)))

    def score_last(self, problem: str, prefix: Sequence[str], candidates: Sequence[str]) -> list[float]:
        """Score of each candidate as the next step after `prefix`."""
        return self.score_last_batch([(problem, prefix, candidates)])[0]

    def score_last_batch(self, items: Sequence[tuple[str, Sequence[str], Sequence[str]]]) -> list[list[float]]:
        """`score_last` of many: the same numbers as `score(problem, [*prefix, candidate])[-1]`."""
        if any(isinstance(candidates, str) for _, _, candidates in items):
            raise ValueError("Candidates must be a list of texts, not one text.")
        whole = [(problem, [*prefix, each]) for problem, prefix, candidates in items for each in candidates]
        last = iter([scores[-1] for scores in self.score_batch(whole)])
        return [[next(last) for _ in candidates] for _, _, candidates in items]

    def _begun(self, solution: Solution) -> list[_Dialogue]:
        """The judgements of a solution, each with its first question."""
        cost = _Cost()
        judgements = [self.format.judge(*solution) for _ in range(self.settings.samples)]
        return [_Dialogue(judgement, number, cost, next(judgement)) for number, judgement in enumerate(judgements)]

    def _lead(self, dialogues: Sequence[_Dialogue]) -> None:
        """Answer all that is asked, until every dialogue has ended."""
        open_ = list(dialogues)
        while open_:
            requests = [self._request(dialogue) for dialogue in open_]
            new = {request.seed: request for request in requests if request.seed not in self._answers}
            told: set[tuple[int, ...]] = set()
            for dialogue, request in zip(open_, requests, strict=True):
                known = common_length(dialogue.ids, request.prompt)
                if request.prompt not in dialogue.cost.prompts:
                    dialogue.cost.prompts.add(request.prompt)
                    dialogue.cost.add(known, len(request.prompt))
                self.tokens_reencoded += len(request.prompt)
                if request.seed in new and request.prompt not in told:
                    told.add(request.prompt)
                    self.tokens += len(request.prompt) - known
            answers = self._answered(new)
            for dialogue, request in zip(open_, requests, strict=True):
                answer = answers.get(request.seed) or self._answers[request.seed]
                if request.seed not in dialogue.cost.answers:
                    dialogue.cost.answers.add(request.seed)
                    dialogue.cost.add(len(request.prompt), len(request.prompt) + answer.generated)
                self.tokens_reencoded += answer.generated
                dialogue.ids = (*request.prompt, *answer.ids)
                dialogue.full |= answer.full
                dialogue.go_on(answer.text)
            self._remember(answers)
            open_ = [dialogue for dialogue in open_ if not dialogue.done]

    def _request(self, dialogue: _Dialogue) -> Request:
        """The next request of a dialogue; its seed tells it from every other one."""
        ask, form, settings = dialogue.ask, self.format, self.settings
        before = dialogue.ids if ask.chat is None else self.engine.encode_chat([dict(each) for each in ask.chat])
        prompt = (*before, *self.engine.chat.encode_text(ask.begin))
        temperature = form.temperature if settings.temperature is None else settings.temperature
        drawn = (1.0, 1.0, 0) if ask.plain else (temperature, form.top_p, form.top_k)
        most = settings.max_tokens or form.max_tokens
        sampling = Sampling(*drawn, max_tokens=min(most, ask.most or most), stop=ask.stop)
        if self.longest is not None and len(prompt) + sampling.max_tokens > self.longest:
            raise StudyError(
                f"A judgement of {len(prompt)} tokens that may write {sampling.max_tokens} more is longer than vLLM "
                f"was opened for, {self.longest}; give the PRM a larger max_model_len (under `vllm` in a study) or a "
                "smaller verdicts.max_tokens."
            )
        # What is drawn without chance is the same for every judgement.
        number = dialogue.number if sampling.temperature > 0 else 0
        return Request(prompt, sampling, derive("judgement", settings.seed, number, prompt))

    def _answered(self, requests: dict[int, Request]) -> dict[int, _Answer]:
        """Answers by seed, drawn in one call of the engine."""
        if not requests:
            return {}
        completions = self.engine.generate(list(requests.values()))
        self.tokens += sum(completion.tokens for completion in completions)
        pairs = zip(requests.values(), completions, strict=True)
        return {request.seed: self._before_stop(completion, request.sampling.stop) for request, completion in pairs}

    def _before_stop(self, completion: Completion, stop: Sequence[str]) -> _Answer:
        """What stands before the first stop text. A token that holds a part of it is dropped whole."""
        ids = list(completion.ids[:-1] if completion.finish == "eos" else completion.ids)
        ends = [place for each in stop if (place := completion.text.find(each)) >= 0]
        text = completion.text[: min(ends)] if ends else completion.text
        while ends and ids and len(self.engine.decode(ids)) > len(text):
            ids.pop()
        return _Answer(array("q", ids), text, completion.tokens, completion.finish == "context")

    def _remember(self, answers: dict[int, _Answer]) -> None:
        """Keep answers, and of all kept the latest."""
        self._answers.update(answers)
        self._remembered += sum(len(answer.ids) + 1 for answer in answers.values())
        while self._remembered > REMEMBERED:
            _, oldest = self._answers.popitem(last=False)
            self._remembered -= len(oldest.ids) + 1
