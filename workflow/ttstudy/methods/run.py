"""Search step by step: the problems of a search, as they end, and the tables that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from ttstudy.methods.growing import Grower
from ttstudy.methods.options import Options
from ttstudy.methods.pace import Counters, Entry, Pace, Watch
from ttstudy.policies.protocol import Engine, begins
from ttstudy.prms.protocol import RewardModel

if TYPE_CHECKING:
    import pandas as pd

NODE_COLUMNS = "problem_id tree node parent depth text tokens score kept finish overlong".split()
ANSWER_COLUMNS = (
    "problem_id sample response steps prompt_tokens response_tokens logprob finish tree step_scores node"
).split()

Problem = tuple[str, str, Sequence[int]]
"""(problem_id, problem, ids of its chat prompt)."""

Progress = Callable[[int, int], None]
"""Called now and then with (problems that have ended, tokens generated so far)."""


COUNTERS = [each.name for each in fields(Counters)]


@dataclass(slots=True)
class Found:
    """What a search found for one problem: rows of the tables, with the columns of the same name above."""

    nodes: list[tuple[Any, ...]]
    answers: list[tuple[Any, ...]]
    counters: Counters


@dataclass(slots=True)
class SearchResult:
    """Tables `nodes` and `search_responses` (see `ttstudy.data.tables`), and what they cost.

    In `nodes`, `node` counts from 0 within (problem_id, tree). `answers` has one more column, `node`: the
    last node of the response. Rows follow the order of the problems given, then trees, then nodes or rank.
    """

    nodes: pd.DataFrame
    answers: pd.DataFrame
    counters: Counters


def search(
    problems: Iterable[Problem],
    engine: Engine,
    reward_model: RewardModel,
    options: Options,
    seed: Sequence[object] = (),
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Iterator[tuple[int, Found]]:
    """Search problems together; each with its place in `problems`, as it ends.

    Every node is drawn with a seed of its own, `derive(*seed, "search", problem_id, *path)`, where `path` are
    the child numbers from the root, first steps being numbered through all trees (tree t of DVTS has those
    from t M to t M + M - 1). So neither the other problems of the call, nor who ends when, nor `max_live`
    decides a token. `seed` should name (study seed, benchmark, policy) but not the budget, the PRM or the
    method: all searches of a problem then start from the same draws (common random numbers), which pairs
    their comparison, and the trees of a small DVTS run are the first trees of a larger one.

    Args:
        problems: (problem_id, problem, ids of the chat prompt); ids must differ. Taken one by one, as places get free.
        engine: policy.
        reward_model: PRM; it sees (problem, stripped steps so far, stripped candidates).
        options: method, budget and what else decides the result.
        seed: names and numbers that begin every node's seed.
        progress: called as candidates end.
        watch: told how long policy and PRM had nothing to do.

    Raises:
        ValueError: two problems with one id, or a PRM score outside [0, 1].
    """
    grower = Grower(options, seed, engine.context)
    watch, ended, seen = watch or Watch(), 0, set[str]()

    def entries() -> Iterator[Entry]:
        for number, (problem_id, problem, prompt) in enumerate(problems):
            if problem_id in seen:
                raise ValueError(f"problem_id {problem_id!r} is given twice to one search")
            seen.add(problem_id)
            yield Entry(number, problem_id, problem, tuple(prompt), grower, seed)

    def tell(tokens: int) -> None:
        if progress is not None:
            progress(ended, tokens)

    for entry in Pace(engine, reward_model, watch, tell).search(entries()):
        ended += 1
        yield entry.number, _found(entry, engine)
        tell(watch.tokens)


def run(
    problems: Sequence[Problem],
    engine: Engine,
    reward_model: RewardModel,
    options: Options,
    seed: Sequence[object] = (),
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> SearchResult:
    """All that a search finds; see `search`."""
    import pandas as pd

    results = dict(search(problems, engine, reward_model, options, seed, progress, watch))
    found = [results[number] for number in range(len(problems))]
    nodes = [row for each in found for row in each.nodes]
    answers = [row for each in found for row in each.answers]
    counters = Counters(**{name: sum(getattr(each.counters, name) for each in found) for name in COUNTERS})
    return SearchResult(
        pd.DataFrame(nodes, columns=NODE_COLUMNS), pd.DataFrame(answers, columns=ANSWER_COLUMNS), counters
    )


def _found(entry: Entry, engine: Engine) -> Found:
    """Rows of a problem's finished trees."""
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
        for tree in entry.trees
        for node in tree.nodes
    ]
    answers: list[tuple[Any, ...]] = []
    returned_tokens = 0
    for tree in entry.trees:
        returned: dict[int, int] = {}
        for last in tree.answers():
            line = last.line()
            returned.update((node.number, node.tokens) for node in line)
            told = [node for node in line if node.text or tree.options.semantics == "reference"]
            answers.append(
                (
                    tree.problem_id,
                    len(answers),
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
        returned_tokens += sum(returned.values())
    cost = replace(entry.cost, problems=1, discarded_tokens=entry.cost.response_tokens - returned_tokens)
    return Found(nodes, answers, cost)
