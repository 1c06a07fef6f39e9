"""Search step by step: all trees of all problems advance together, one step per round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ttstudy.methods.options import REFERENCE_TRIES, Options
from ttstudy.methods.tree import OPEN, Expansion, Node, Tree
from ttstudy.policies.protocol import Completion, Engine, Request, Sampling, begins
from ttstudy.policies.seeds import derive
from ttstudy.prms.protocol import RewardModel, check_scores

if TYPE_CHECKING:
    import pandas as pd

NODE_COLUMNS = "problem_id tree node parent depth text tokens score kept finish overlong".split()
ANSWER_COLUMNS = (
    "problem_id sample response steps prompt_tokens response_tokens logprob finish tree step_scores node"
).split()

Problem = tuple[str, str, Sequence[int]]
"""(problem_id, problem, ids of its chat prompt)."""

Progress = Callable[[int, int, int], None]
"""Called after every round with (depth, trees still searched, tokens generated so far)."""


@dataclass(slots=True)
class Counters:
    """What a search cost, as the engine and the PRM counted it."""

    problems: int = 0
    engine_calls: int = 0
    prm_calls: int = 0
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


@dataclass(slots=True)
class SearchResult:
    """Tables `nodes` and `search_responses` (see `ttstudy.data.tables`), and what they cost.

    In `nodes`, `node` counts from 0 within (problem_id, tree). `answers` has one more column, `node`: the
    last node of the response. Rows follow the order of the problems given, then trees, then nodes or rank.
    """

    nodes: pd.DataFrame
    answers: pd.DataFrame
    counters: Counters


def run(
    problems: Sequence[Problem],
    engine: Engine,
    reward_model: RewardModel,
    options: Options,
    seed: Sequence[object] = (),
    progress: Progress | None = None,
) -> SearchResult:
    """Search all problems together.

    Every node is drawn with a seed of its own, `derive(*seed, "search", problem_id, *path)`, where `path` are
    the child numbers from the root, first steps being numbered through all trees (tree t of DVTS has those
    from t M to t M + M - 1). So neither the other problems of the call, nor their order, nor `max_live`
    decides a token. `seed` should name (study seed, benchmark, policy) but not the budget, the PRM or the
    method: all searches of a problem then start from the same draws (common random numbers), which pairs
    their comparison, and the trees of a small DVTS run are the first trees of a larger one.

    Args:
        problems: (problem_id, problem, ids of the chat prompt); ids must differ.
        engine: policy.
        reward_model: PRM; it sees (problem, stripped steps so far, stripped candidates).
        options: method, budget and what else decides the result.
        seed: names and numbers that begin every node's seed.
        progress: called after every round.

    Raises:
        ValueError: two problems with one id, or a PRM score outside [0, 1].
    """
    seen: set[str] = set()
    for problem_id, _, _ in problems:
        if problem_id in seen:
            raise ValueError(f"problem_id {problem_id!r} is given twice to one search")
        seen.add(problem_id)
    trees = [
        Tree(problem_id, problem, tuple(prompt), number, options, seed)
        for problem_id, problem, prompt in problems
        for number in range(options.trees)
    ]
    rounds = _Rounds(engine, reward_model, options, seed)
    live, depth = trees, 0
    while live:
        depth += 1
        expansions = [expansion for tree in live for expansion in tree.expansions()]
        rounds.draw(expansions)
        rounds.score(expansions, rounds.look_ahead(expansions))
        for tree, group in groupby(expansions, key=lambda expansion: expansion.tree):
            tree.prune(list(group))
        live = [tree for tree in live if tree.live]
        if progress:
            progress(depth, len(live), rounds.counters.response_tokens)
    rounds.counters.problems = len(problems)
    return _result(trees, engine, rounds.counters)


class _Rounds:
    """The model calls of a search: draw the candidates of a round, look ahead of them, score them."""

    def __init__(self, engine: Engine, reward_model: RewardModel, options: Options, seed: Sequence[object]) -> None:
        self.engine = engine
        self.reward_model = reward_model
        self.options = options
        self.reference = options.semantics == "reference"
        self.seed = (*seed, "search")
        self.counters = Counters()
        stop = (options.separator,)
        self.sampling = Sampling(options.temperature, options.top_p, options.top_k, options.max_step_tokens, stop)
        self.greedy = Sampling(max_tokens=options.max_step_tokens, stop=stop)

    def draw(self, expansions: Sequence[Expansion]) -> None:
        """Children of every expansion; in reference semantics drawn again while all of them were cut."""
        pending = expansions
        for attempt in range(REFERENCE_TRIES if self.reference else 1):
            jobs = [(e, index) for e in pending for index in self._indices(e, attempt)]
            for (expansion, index), completion in self._generate(jobs, self.sampling):
                expansion.children.append(self._node(expansion, index, completion))
            for expansion in pending:
                self._sift(expansion, forced=attempt > 0 and expansion.parent is None)
            pending = [e for e in pending if all(child.out for child in e.children)]
            if not pending:
                return
        for expansion in pending:
            assert expansion.parent is not None
            expansion.parent.finish = expansion.children[-1].finish  # no way on: the beam ends as it is

    def look_ahead(self, expansions: Sequence[Expansion]) -> list[tuple[Expansion, Node, list[Node]]]:
        """Greedy steps after every open candidate, at most k: (expansion, candidate, steps with a text)."""
        if not self.options.lookahead:
            return []
        ahead: list[tuple[Expansion, Node, list[Node]]] = [
            (expansion, child, [])
            for expansion in expansions
            for child in expansion.children
            if child.finish == OPEN and not child.out
        ]
        tips = [(expansion.follow(child), steps) for expansion, child, steps in ahead]
        for _ in range(self.options.lookahead):
            completions = self._generate([(tip, 0) for tip, _ in tips], self.greedy)
            following = []
            for (tip, steps), (_, completion) in zip(tips, completions, strict=True):
                node = self._node(tip, 0, completion)
                node.out = True
                steps += [node] if node.text else []
                if node.finish == OPEN:
                    following.append((tip.follow(node), steps))
                node.ids = ()
            tips = following
        return [(expansion, child, steps) for expansion, child, steps in ahead if steps]

    def score(self, expansions: Sequence[Expansion], ahead: Sequence[tuple[Expansion, Node, list[Node]]]) -> None:
        """Scores and values of all candidates of a round, in one PRM call (more where `max_live` asks)."""
        jobs: list[tuple[str, list[str], list[Node]]] = []
        for expansion in expansions:
            steps = expansion.steps
            if all(steps):  # blank ones occur in reference semantics only
                scorable = [child for child in expansion.children if child.text and not child.out]
                jobs.append((expansion.tree.problem, steps, scorable))
        for expansion, child, steps in ahead:
            before = [*expansion.steps, child.text, *(node.text for node in steps[:-1])]
            jobs.append((expansion.tree.problem, before, steps[-1:]))
        for chunk in _chunks(jobs, self.options.max_live):
            before = self._prm_tokens()
            items = [(problem, steps, [node.text for node in nodes]) for problem, steps, nodes in chunk]
            scores = self.reward_model.score_last_batch(items)
            after = self._prm_tokens()
            self.counters.prm_tokens += after[0] - before[0]
            self.counters.prm_tokens_reencoded += after[1] - before[1]
            self.counters.prm_calls += 1
            for (problem, steps, nodes), values in zip(chunk, scores, strict=True):
                where = f"a search on the problem {problem[:60]!r}"
                check_scores(self.reward_model.name, values, [node.text for node in nodes], where)
                for node, score in zip(nodes, values, strict=True):
                    node.score = float(score)
                    node.overlong = self.reward_model.overlong(problem, [*steps, node.text]) > 0
                self.counters.prm_scored += len(nodes)
                self.counters.prm_overlong += sum(node.overlong for node in nodes)
        for expansion in expansions:
            self._evaluate(expansion)
        for expansion, child, steps in ahead:
            child.value = expansion.tree.value(expansion.line, steps[-1].score)

    def _prm_tokens(self) -> tuple[int, int]:
        return self.reward_model.tokens, getattr(self.reward_model, "tokens_reencoded", 0)

    def _indices(self, expansion: Expansion, attempt: int) -> range:
        """Child numbers of one attempt; a further one counts on, so that its seeds are its own."""
        number, count = attempt, expansion.places * self.options.children
        if expansion.parent is None:
            number, count = expansion.tree.number, self.options.width
        first = number * count
        if expansion.parent is None and attempt:  # numbers that no tree's first draw has, however many trees there are
            return range(-1 - first, -1 - first - count, -1)
        return range(first, first + count)

    def _generate(
        self, jobs: Sequence[tuple[Expansion, int]], sampling: Sampling
    ) -> Iterator[tuple[tuple[Expansion, int], Completion]]:
        """Jobs (expansion, child number) with their completions, in order; what they cost is counted."""
        counters = self.counters
        for start in range(0, len(jobs), self.options.max_live):
            chunk = jobs[start : start + self.options.max_live]
            requests = [
                Request(prompt, sampling, derive(*path, index))
                for expansion, group in groupby(chunk, key=lambda job: job[0])
                for prompt, path in [(expansion.prompt, (*self.seed, *expansion.path))]
                for _, index in group
            ]
            completions = self.engine.generate(requests)
            counters.engine_calls += 1
            counters.requests += len(chunk)
            for job, completion in zip(chunk, completions, strict=True):
                counters.prompt_tokens += completion.prompt_tokens
                counters.response_tokens += completion.tokens
                yield job, completion

    def _node(self, expansion: Expansion, index: int, completion: Completion) -> Node:
        """The node of a completion: how its path stands after it."""
        options = self.options
        depth = len(expansion.line) + 1
        text = completion.text.removesuffix(options.separator).strip()
        finish: str = completion.finish
        if finish == "stop":
            if options.stop_on_boxed and r"\boxed" in text:
                finish = "stop"
            elif depth >= options.max_depth:
                finish = "depth"
            elif len(expansion.prompt) + completion.tokens >= self.engine.context:
                finish = "context"
            elif text or self.reference:
                finish = OPEN
        rank, out = 0, False
        if self.reference:
            out = completion.finish in ("length", "context")
        elif not text and not (finish == "eos" and expansion.line):
            rank = 2
        elif finish in ("length", "context", "depth"):
            rank = 1
        node = Node(
            number=len(expansion.tree.nodes),
            parent=expansion.parent,
            index=index,
            depth=depth,
            text=text,
            ids=completion.ids,
            tokens=completion.tokens,
            logprob=float(sum(completion.logprobs)),
            finish=finish,
            rank=rank,
            out=out,
        )
        expansion.tree.nodes.append(node)
        return node

    def _sift(self, expansion: Expansion, forced: bool) -> None:
        """Mark what takes no part: duplicates. `forced`: the second draw of a reference root, taken whole.

        There the last of equal steps says how the path goes on, elsewhere the first.
        """
        children = expansion.children
        if forced:
            last = {child.text: child for child in children[-self.options.width :]}
            for child in last.values():
                child.out = False
            for child in children:
                child.out = last.get(child.text) is not child
        elif self.options.dedup:
            texts: set[str] = set()
            for child in children:
                if not child.out:
                    child.out = child.text in texts
                    texts.add(child.text)

    def _evaluate(self, expansion: Expansion) -> None:
        """Scores that no PRM gives, then values.

        A blank step has its parent's score (0 at the root) and adds nothing to the path; what takes no part has that
        of the sibling with its text that does, and none where there is none; in reference semantics a blank step and
        all after it have 0.
        """
        tree, line = expansion.tree, expansion.line
        blank_before = not all(node.text for node in line)
        twins: dict[str, float] = {}
        for child in sorted(expansion.children, key=lambda child: child.out):
            before = line
            if child.out:
                child.score = twins.get(child.text, child.score)
            elif self.reference and (blank_before or not child.text):
                child.score = 0.0
            elif not child.text:
                child.score = line[-1].score if line else 0.0
                before = line[:-1]
            twins.setdefault(child.text, child.score)
            child.value = tree.value(before, child.score)


def _chunks(
    jobs: Iterable[tuple[str, list[str], list[Node]]], size: int
) -> Iterator[list[tuple[str, list[str], list[Node]]]]:
    """The jobs in chunks of at most `size` candidates; the candidates of one parent may be parted."""
    chunk: list[tuple[str, list[str], list[Node]]] = []
    room = size
    for problem, steps, nodes in jobs:
        while nodes:
            chunk.append((problem, steps, nodes[:room]))
            nodes, room = nodes[room:], room - len(chunk[-1][2])
            if not room:
                yield chunk
                chunk, room = [], size
    if chunk:
        yield chunk


def _result(trees: Sequence[Tree], engine: Engine, counters: Counters) -> SearchResult:
    """Tables of the finished trees."""
    import pandas as pd

    nodes = [
        (
            tree.problem_id,
            tree.number,
            node.number,
            node.parent.number if node.parent else -1,
            node.depth,
            node.text,
            node.tokens,
            node.score,
            node.kept,
            node.finish,
            node.overlong,
        )
        for tree in trees
        for node in tree.nodes
    ]
    answers = []
    returned_tokens = 0
    for _, group in groupby(trees, key=lambda tree: tree.problem_id):
        sample = 0
        for tree in group:
            returned: dict[int, int] = {}
            for last in tree.answers():
                line = last.line()
                returned.update((node.number, node.tokens) for node in line)
                told = [node for node in line if node.text or tree.options.semantics == "reference"]
                answers.append(
                    (
                        tree.problem_id,
                        sample,
                        begins(engine, tree.prompt) + engine.decode([token for node in line for token in node.ids]),
                        [node.text for node in told],
                        len(tree.prompt),
                        sum(node.tokens for node in line),
                        sum(node.logprob for node in line),
                        last.finish,
                        tree.number,
                        [node.score for node in told],
                        last.number,
                    )
                )
                sample += 1
            returned_tokens += sum(returned.values())
    counters.discarded_tokens = counters.response_tokens - returned_tokens
    return SearchResult(
        pd.DataFrame(nodes, columns=NODE_COLUMNS), pd.DataFrame(answers, columns=ANSWER_COLUMNS), counters
    )
