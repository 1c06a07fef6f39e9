"""Speed of beam search and DVTS beside best-of-N, and beside the same search one problem at a time.

    python reports/benchmarks/search.py --policy FOLDER --prm FOLDER [--problems 50] [--budgets 4 16 64]

CPU seconds of one thread, all in one run on the miniature's test problems; writes search.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "workflow"))

from ttstudy.data.prompts import messages, split_steps  # noqa: E402
from ttstudy.methods.options import Options  # noqa: E402
from ttstudy.methods.run import run  # noqa: E402
from ttstudy.miniature import task  # noqa: E402
from ttstudy.models.checkpoint import parameters  # noqa: E402
from ttstudy.policies.native import NativeEngine  # noqa: E402
from ttstudy.policies.protocol import Engine, Request, Sampling  # noqa: E402
from ttstudy.policies.seeds import derive  # noqa: E402
from ttstudy.prms import open_reward_model  # noqa: E402
from ttstudy.prms.protocol import RewardModel  # noqa: E402


class Timed:
    """A model whose calls are timed: CPU seconds spent in `methods`, its stream's too; everything else as it is."""

    def __init__(self, model, *methods: str) -> None:
        self.model, self.methods = model, methods
        self.seconds = 0.0

    def __getattr__(self, name: str):
        found = getattr(self.model, name)
        return self._timed(found) if name in self.methods else found

    def stream(self):
        """The model's stream, timed into this."""
        stream = self.model.stream()
        stream.poll = self._timed(stream.poll)
        return stream

    def _timed(self, call: Callable) -> Callable:
        def timed(*args):
            start = time.process_time()
            try:
                return call(*args)
            finally:
                self.seconds += time.process_time() - start

        return timed


@dataclass
class Timing:
    """What one method took, and for how many generated tokens."""

    method: str
    budget: int
    problems: int
    tokens: int
    depth: int
    policy: float
    prm: float
    total: float
    wall: float

    @property
    def microseconds(self) -> float:
        """CPU microseconds per generated token, the PRM's included."""
        return 1e6 * self.total / self.tokens


def best_of_n(problems: Sequence, engine: Engine, prm: RewardModel, budget: int) -> tuple[int, int]:
    """Draw and score N responses per problem; tokens and depth (1)."""
    sampling = Sampling(temperature=0.7, max_tokens=192)
    requests = [
        Request(tuple(prompt), sampling, derive("benchmark", problem_id, sample))
        for problem_id, _, prompt in problems
        for sample in range(budget)
    ]
    completions = engine.generate(requests)
    texts = [problem for _, problem, _ in problems for _ in range(budget)]
    solutions = [(text, split_steps(done.text)) for text, done in zip(texts, completions, strict=True)]
    prm.score_batch([(text, steps) for text, steps in solutions if steps])
    return sum(done.tokens for done in completions), 1


def search(method: str, block: int) -> Callable:
    """A search in blocks of so many problems; tokens and depth of the deepest tree."""

    def work(problems: Sequence, engine: Engine, prm: RewardModel, budget: int) -> tuple[int, int]:
        options = Options(method=method, budget=budget, max_step_tokens=64)
        tokens = depth = 0
        for start in range(0, len(problems), block):
            result = run(problems[start : start + block], engine, prm, options, ("benchmark",))
            tokens += result.counters.response_tokens
            depth = max(depth, int(result.nodes["depth"].max()))
        return tokens, depth

    return work


def measure(name: str, work: Callable, problems: Sequence, args: argparse.Namespace, budget: int) -> Timing:
    """One method with freshly opened models, so that no cache of an earlier one helps."""
    engine = Timed(NativeEngine(args.policy), "generate")
    prm = Timed(open_reward_model(args.prm, args.format), "score_batch", "score_last_batch")
    work(problems[:1], engine, prm, 4)  # lazy set-up is not measured
    engine.seconds = prm.seconds = 0.0
    cpu, wall = time.process_time(), time.perf_counter()
    tokens, depth = work(problems, engine, prm, budget)
    return Timing(
        name,
        budget,
        len(problems),
        tokens,
        depth,
        engine.seconds,
        prm.seconds,
        time.process_time() - cpu,
        time.perf_counter() - wall,
    )


def report(timings: list[Timing], args: argparse.Namespace) -> str:
    """The page: one table, ratios against best-of-N and against one problem at a time."""
    policy, prm = (f"{folder.name} ({parameters(folder):,} parameters)" for folder in (args.policy, args.prm))
    lines = [
        "# Speed of search",
        "",
        f"Policy {policy}, PRM {prm}, transformers engine, float32, one thread. CPU seconds of the whole process, "
        "models freshly opened for each row; the PRM's time is included, best-of-N's too. A token is a generated "
        "one, kept or not. Made by `python reports/benchmarks/search.py --policy FOLDER --prm FOLDER`.",
        "",
        "| N | method | problems | depth | tokens | policy s | PRM s | all s | µs/token "
        "| against best-of-N | slower one problem at a time |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    by_key = {(timing.method, timing.budget): timing for timing in timings}
    for timing in timings:
        base = by_key["best_of_n", timing.budget]
        alone = by_key.get((f"{timing.method}, one at a time", timing.budget))
        slower = f"{alone.microseconds / timing.microseconds:.1f}x" if alone else ""
        lines.append(
            f"| {timing.budget} | {timing.method} | {timing.problems} | {timing.depth} "
            f"| {timing.tokens:,} | {timing.policy:.2f} | {timing.prm:.2f} | {timing.total:.2f} "
            f"| {timing.microseconds:.1f} | {timing.microseconds / base.microseconds:.2f}x | {slower} |"
        )
    searches = [t for t in timings if t.method in ("beam_search", "dvts")]
    dearest = max(t.microseconds / by_key["best_of_n", t.budget].microseconds for t in searches)
    gains = []
    for budget in dict.fromkeys(t.budget for t in searches):
        found = [t for t in searches if t.budget == budget]
        alone = [by_key[f"{t.method}, one at a time", budget].microseconds / t.microseconds for t in found]
        gains.append(f"{min(alone):.1f} to {max(alone):.1f} times at N = {budget}")
    lines += [
        "",
        f"A token of a search costs at most {dearest:.2f} times one of best-of-N at the same N. All problems together "
        f"are faster than one at a time by {', '.join(gains)}. The larger N is, the better a single problem fills the "
        "batch by itself, and the less there is to gain. What it brings that no tree waits for another: pace.md.",
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, required=True, help="checkpoint folder of a miniature policy")
    parser.add_argument("--prm", type=Path, required=True, help="checkpoint folder of a miniature PRM")
    parser.add_argument("--format", help="PRM format, where its config.json does not tell")
    parser.add_argument("--problems", type=int, default=50)
    parser.add_argument("--budgets", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--alone", type=int, default=6, help="problems searched one at a time")
    parser.add_argument("--output", type=Path, default=HERE / "search.md")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    engine = NativeEngine(args.policy)
    problems = [
        (row.problem_id, row.problem, engine.encode_chat(messages("plain", row.problem)))
        for row in task.problems(seed=7, split="test", count=args.problems)
    ]
    timings = []
    for budget in args.budgets:
        timings.append(measure("best_of_n", best_of_n, problems, args, budget))
        for method in ("beam_search", "dvts"):
            timings.append(measure(method, search(method, len(problems)), problems, args, budget))
            few = problems[: args.alone]
            timings.append(measure(f"{method}, one at a time", search(method, 1), few, args, budget))
    text = report(timings, args)
    args.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
