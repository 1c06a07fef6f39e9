"""Trees at their own pace: each goes on as soon as what it wished for is drawn and scored, and waits for no other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from ttstudy.methods.growing import Draws, Grower, Growing, Scores, Siblings
from ttstudy.methods.options import Options
from ttstudy.methods.tree import Tree
from ttstudy.policies.protocol import Completion, Engine, Request
from ttstudy.policies.stream import stream_of
from ttstudy.prms.protocol import RewardModel, check_scores
from ttstudy.prms.turns import scoring_of

TREES = 16
"""Problems in work at least, at any N: while one waits for its longest step, others draw."""


@dataclass(slots=True)
class Counters:
    """What a problem, or a whole search, cost, as the engine and the PRM counted it."""

    problems: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    """Prompts as sent, the steps so far included: one per request."""
    response_tokens: int = 0
    """Tokens generated, kept or not."""
    discarded_tokens: int = 0
    """Those of them that are in no answer."""
    prm_tokens: int = 0
    prm_tokens_reencoded: int = 0
    """What a PRM would run that encodes every candidate's prefix anew; 0 where the PRM does not count it."""
    prm_scored: int = 0
    """Candidates, and steps ahead of them, that the PRM was asked about."""
    prm_overlong: int = 0
    """Those of them that ended past its context."""


@dataclass(slots=True, eq=False)
class Entry:
    """A problem to search: `number` is the caller's."""

    number: int
    problem_id: str
    problem: str
    prompt: tuple[int, ...]
    grower: Grower
    seed: Sequence[object]
    trees: list[Tree] = field(init=False)
    cost: Counters = field(default_factory=Counters)
    growing: int = 0
    """Trees that are not grown yet."""

    def plant(self) -> None:
        """Its trees, still without a node."""
        options = self.grower.options
        self.trees = [
            Tree(self.problem_id, self.problem, self.prompt, number, options, self.seed)
            for number in range(options.trees)
        ]
        self.growing = len(self.trees)


@dataclass(slots=True, eq=False)
class _Task:
    """A tree under way, and how many of its wishes are not done."""

    entry: Entry
    life: Growing
    lane: int
    waiting: int = 0
    size: int = 0
    """Candidates of those that it has in all."""
    kept: int = 0
    """Tokens of the paths that these continue."""


@dataclass(slots=True)
class Watch:
    """How a search went: seconds on the wall, of which policy and PRM had nothing to do, and calls of the PRM."""

    seconds: float = 0.0
    policy_idle: float = 0.0
    prm_idle: float = 0.0
    prm_calls: int = 0
    tokens: int = 0
    """Tokens drawn so far."""


class Pace:
    """All problems of a search, or of several, on one policy and one PRM.

    Problems enter in their order as places get free; those that have begun go first, so that what they read stays in
    the caches of both models. Nothing that is drawn or scored depends on who enters or ends when.
    """

    def __init__(
        self, engine: Engine, reward_model: RewardModel, watch: Watch, progress: Callable[[int], None] | None = None
    ) -> None:
        """Start with no problem; `progress` is told the tokens drawn so far as candidates end."""
        self.reward_model, self.watch, self.progress = reward_model, watch, progress
        self.stream, self.scoring = stream_of(engine), scoring_of(reward_model)
        self._wanted: deque[tuple[_Task, Draws, int, Request]] = deque()
        """Candidates to be drawn."""
        self._flying: dict[int, tuple[_Task, Draws, int]] = {}
        """Those that the policy draws, by number."""
        self._numbers = count()
        self._ready: deque[tuple[_Task, Scores, Siblings]] = deque()
        """Candidates to be scored."""
        self._unscored = 0
        """How many they are."""
        self._judged: list[tuple[_Task, Scores, Siblings]] = []
        """Those that the PRM scores."""
        self._work = 0
        """Candidates of all rounds under way, at whatever stage."""
        self._capacity: float = getattr(reward_model, "capacity", None) or float("inf")
        """Tokens whose states the PRM can keep."""
        self._kept = 0
        """Tokens of the paths of all live trees, as the policy counts them."""
        self._live = 0
        """Problems that have entered and not ended."""
        self._ended: list[Entry] = []

    def search(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The problems as they end."""
        coming, clock, busy = iter(entries), time.perf_counter(), self.scoring.busy
        following, drawing = next(coming, None), 0.0
        while following is not None or self._live:
            while following is not None and self._has_room(following.grower.options):
                self._enter(following)
                following = next(coming, None)
            self._submit()
            if self._is_turn():
                self._judge()
            if self._judged and (self.scoring.done() or not self._flying):
                self._note_scores()
            elif self._flying:
                start = time.perf_counter()
                completions = self.stream.poll()
                drawing += time.perf_counter() - start
                self._note(completions)
            if self._ended:
                ended, self._ended = self._ended, []
                yield from ended
        watch = self.watch
        seconds = time.perf_counter() - clock
        watch.seconds += seconds
        watch.policy_idle += seconds - drawing
        watch.prm_idle += seconds - (self.scoring.busy - busy)
        watch.prm_calls = self.scoring.calls

    def _has_room(self, options: Options) -> bool:
        """Whether one more problem may enter: by what the policy can draw at a time, and what memory bounds."""
        stream, work = self.stream, self._work + options.budget
        if not self._work:
            return True
        if work > min(options.max_live, max(stream.ahead, TREES * options.budget)):
            return False
        return work <= stream.places or 2 * self._kept <= self._capacity  # trees that have begun still grow

    def _enter(self, entry: Entry) -> None:
        self._live += 1
        entry.plant()
        lane = next(self._numbers)
        for tree in entry.trees:
            self._advance(_Task(entry, entry.grower.grow(tree), lane))

    def _advance(self, task: _Task) -> None:
        """Let a tree go on, all of whose wishes are done, until it has others or is grown."""
        self._work -= task.size
        self._kept -= task.kept
        task.size = task.kept = task.waiting = 0
        while not task.waiting:
            wishes = next(task.life, None)
            if wishes is None:
                task.entry.growing -= 1
                if not task.entry.growing:
                    self._live -= 1
                    self._ended.append(task.entry)
                return
            for wish in wishes:
                task.waiting += wish.left > 0
                task.size += wish.left
                if isinstance(wish, Draws):
                    path = {node for expansion, _ in wish.jobs for node in expansion.line}
                    task.kept += len(task.entry.prompt) + sum(node.tokens for node in path)
                    requests = task.entry.grower.requests(wish)
                    self._wanted += [(task, wish, place, request) for place, request in enumerate(requests)]
                else:
                    self._unscored += wish.left
                    self._ready += [(task, wish, item) for item in wish.items]
        self._work += task.size
        self._kept += task.kept

    def _submit(self) -> None:
        """Hand the policy what is wanted, those who have waited longest first."""
        while self._wanted:
            task = self._wanted[0][0]
            room = task.entry.grower.options.max_live - len(self._flying)
            jobs: list[tuple[int, Request]] = []
            while self._wanted and self._wanted[0][0] is task and len(jobs) < room:
                _, draws, place, request = self._wanted.popleft()
                jobs.append((number := next(self._numbers), request))
                self._flying[number] = (task, draws, place)
            if not jobs:
                return
            task.entry.cost.requests += len(jobs)
            self.stream.submit(jobs, task.lane)

    def _note(self, completions: Sequence[tuple[int, Completion]]) -> None:
        """Give trees what was drawn for them."""
        for number, completion in completions:
            task, draws, place = self._flying.pop(number)
            draws.completions[place] = completion
            cost = task.entry.cost
            cost.prompt_tokens += completion.prompt_tokens
            cost.response_tokens += completion.tokens
            self.watch.tokens += completion.tokens
            draws.left -= 1
            if not draws.left:
                self._grant(task)
        if completions and self.progress is not None:
            self.progress(self.watch.tokens)

    def _grant(self, task: _Task) -> None:
        task.waiting -= 1
        if not task.waiting:
            self._advance(task)

    def _is_turn(self) -> bool:
        """Whether the PRM scores now: where it is apart, when it can; else when enough of the places stand empty."""
        if not self._ready or self._judged:
            return False
        flying, stream = len(self._flying), self.stream
        if self.scoring.apart or not flying:
            return True
        return flying <= (1 - stream.slack) * min(flying + self._unscored, stream.places)

    def _judge(self) -> None:
        """Hand the PRM what is ready, siblings together; they are parted only where `max_live` is smaller."""
        room = self._ready[0][0].entry.grower.options.max_live
        while self._ready and room:
            task, scores, (problem, steps, nodes) = self._ready.popleft()
            if self._judged and len(nodes) > room:
                self._ready.appendleft((task, scores, (problem, steps, nodes)))
                break
            if len(nodes) > room:
                self._ready.appendleft((task, scores, (problem, steps, nodes[room:])))
                nodes = nodes[:room]
            self._judged.append((task, scores, (problem, steps, nodes)))
            room -= len(nodes)
            self._unscored -= len(nodes)
        items = [(problem, steps, [node.text for node in nodes]) for _, _, (problem, steps, nodes) in self._judged]
        self.scoring.start(items)

    def _note_scores(self) -> None:
        """Give trees the scores of their candidates."""
        judged, self._judged = self._judged, []
        scored = self.scoring.result()
        results = zip(judged, scored.scores, scored.tokens, scored.reencoded, strict=True)
        for (task, wish, (problem, steps, nodes)), values, tokens, reencoded in results:
            where = f"a search on the problem {problem[:60]!r}"
            check_scores(self.reward_model.name, values, [node.text for node in nodes], where)
            for node, score in zip(nodes, values, strict=True):
                node.score = float(score)
                node.overlong = self.reward_model.overlong(problem, [*steps, node.text]) > 0
            cost = task.entry.cost
            cost.prm_tokens += tokens
            cost.prm_tokens_reencoded += reencoded
            cost.prm_scored += len(nodes)
            cost.prm_overlong += sum(node.overlong for node in nodes)
            wish.left -= len(nodes)
            if not wish.left:
                self._grant(task)
