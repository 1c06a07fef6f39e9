"""Trees at their own pace beside rounds: all trees draw one step, then all are scored, then all draw the next.

    python reports/benchmarks/pace.py --policy FOLDER --prm FOLDER [--problems 50 200] [--budgets 4 16]

On a simulated clock (two devices, or one that policy and PRM share), then for real on the CPU engine and, where it is
installed, on vLLM's CPU build. Writes pace.md beside this file.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pandas as pd

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parents[1] / "workflow"
sys.path.insert(0, str(LIBRARY))

from ttstudy.methods.options import Options  # noqa: E402
from ttstudy.methods.run import SearchResult, run  # noqa: E402
from ttstudy.policies.protocol import Completion, Request  # noqa: E402
from ttstudy.prms.turns import Item, Scored  # noqa: E402

# -- a simulated clock -------------------------------------------------------------------------------------------------

PLACES = 256
STEP_S, ROW_S = 0.008, 0.00004
"""One token in every row: of 7B on a large GPU, read once whatever the rows, and each row's own share."""
CALL_S, TOKEN_S = 0.005, 0.00004
"""A call of a 7B PRM: fixed, and for each token read."""
BLOCK = 50
"""Problems searched together in rounds, as a study had it by default."""


class Clock:
    """Seconds so far, and those in which each model was at work."""

    def __init__(self) -> None:
        self.now = self.policy = self.prm = 0.0
        self.until = float("inf")  # when the PRM's call ends that goes on beside the policy


class SimulatedPolicy:
    """Steps of log-normal lengths (median 33 tokens), one in ten the last, a share of them runaways."""

    name, parameters, context = "simulated", 1, 10**6

    def __init__(self, clock: Clock, runaway: float) -> None:
        self.clock, self.runaway = clock, runaway

    def decode(self, ids: Sequence[int]) -> str:
        return ""

    def drawn(self, request: Request) -> Completion:
        """What a request will come to: a function of its seed."""
        dice = random.Random(request.seed)
        length, last = max(3, int(dice.lognormvariate(3.5, 0.55))), dice.random() < 0.1
        finish = "eos" if last else "stop"
        if dice.random() < self.runaway:
            length, finish = 2048, "length"
        text = f"x{request.seed}" + ("\n\n" if finish == "stop" else "")
        return Completion((1,) * length, text, (-1.0,) * length, finish, len(request.prompt))


class Rounds(SimulatedPolicy):
    """A policy that gives nothing back before all of it is drawn."""

    def generate(self, requests: Sequence[Request], progress: object = None) -> list[Completion]:
        stream = SimulatedStream(self)
        stream.submit(list(enumerate(requests)))
        done = {}
        while len(done) < len(requests):
            done.update(stream.poll())
        return [done[number] for number in range(len(requests))]


class Streaming(SimulatedPolicy):
    """A policy that others may join while it draws."""

    def stream(self) -> SimulatedStream:
        return SimulatedStream(self)


class SimulatedStream:
    """Continuous batching: up to `PLACES` rows, each a token further in every step."""

    def __init__(self, policy: SimulatedPolicy) -> None:
        self.policy, self.places, self.tokens = policy, PLACES, 0
        self.ahead, self.slack = 2 * PLACES, 0.5
        self.queue: list[tuple[int, Completion]] = []
        self.rows: dict[int, tuple[Completion, int]] = {}  # with the step at which each ends
        self.steps = 0

    def submit(self, jobs: Sequence[tuple[int, Request]], lane: int = 0) -> None:
        self.queue += [(number, self.policy.drawn(request)) for number, request in jobs]

    def poll(self) -> list[tuple[int, Completion]]:
        """As many steps as nothing happens in: until a row ends, or the PRM's call does."""
        clock = self.policy.clock
        while self.queue and len(self.rows) < PLACES:
            number, completion = self.queue.pop(0)
            self.rows[number] = (completion, self.steps + completion.tokens)
        step = STEP_S + ROW_S * len(self.rows)
        count = min(end for _, end in self.rows.values()) - self.steps
        if clock.now < clock.until < float("inf"):
            count = min(count, int((clock.until - clock.now) / step) + 1)
        self.steps += count
        clock.now += count * step
        clock.policy += count * step
        ended = [(number, done) for number, (done, end) in self.rows.items() if end == self.steps]
        for number, _ in ended:
            del self.rows[number]
        return ended


class SimulatedPRM:
    """A PRM whose calls take a fixed time and so much a token; `apart` on a device of its own."""

    name, parameters, tokens = "simulated", 1, 0

    def __init__(self, clock: Clock, token_s: float, apart: bool) -> None:
        self.clock, self.token_s, self.apart = clock, token_s, apart
        self.busy, self.calls, self.lengths = 0.0, 0, {}

    def scoring(self) -> SimulatedPRM:
        return self

    def overlong(self, problem: str, steps: Sequence[str]) -> int:
        return 0

    def start(self, items: Sequence[Item]) -> None:
        dice = [random.Random(candidate) for _, _, candidates in items for candidate in candidates]
        tokens = sum(33 * each.lognormvariate(0, 0.55) for each in dice)
        self.scores = [[random.Random(candidate + "s").random() for candidate in each] for _, _, each in items]
        seconds = CALL_S + self.token_s * tokens
        self.clock.prm += seconds
        self.calls += 1
        self.clock.until = self.clock.now + seconds
        if not self.apart:
            self.clock.now = self.clock.until

    def done(self) -> bool:
        return self.clock.now >= self.clock.until

    def result(self) -> Scored:
        self.clock.now = max(self.clock.now, self.clock.until)
        self.clock.until = float("inf")
        nothing = [0] * len(self.scores)
        return Scored(self.scores, nothing, nothing)


def simulated(budget: int, runaway: float, token_s: float, apart: bool, rounds: bool) -> Clock:
    """The clock after a beam search of 500 problems (200 at N = 64)."""
    clock, count = Clock(), 500 if budget < 64 else 200
    policy = (Rounds if rounds else Streaming)(clock, runaway)
    prm = SimulatedPRM(clock, token_s, apart and not rounds)
    problems = [(f"p{i}", f"problem {i}", (1,) * 150) for i in range(count)]
    block = BLOCK if rounds else count
    for start in range(0, count, block):
        run(problems[start : start + block], policy, prm, Options(method="beam_search", budget=budget), ("s",))
    return clock


def simulations() -> Iterator[str]:
    """Rows of the table: hours in rounds and at trees' own pace, and how idle each device is."""
    cases = itertools.product(("7B", "of equal work"), (True, False), (4, 16, 64), (0.0, 0.001))
    for kind, apart, budget, runaway in cases:
        token_s = TOKEN_S
        if kind != "7B":  # both would take as long, were neither to wait
            probe = simulated(budget, runaway, token_s, True, False)
            token_s *= probe.policy / probe.prm
        old, new = (simulated(budget, runaway, token_s, apart, rounds) for rounds in (True, False))
        idle = []
        for clock in (old, new):
            shares = [clock.policy, clock.prm] if apart else [clock.policy + clock.prm]
            idle += [f"{1 - busy / clock.now:.0%}" for busy in shares] + [""] * (not apart)
        yield (
            f"| {kind} | {'apart' if apart else 'shared'} | {budget} | {runaway:.1%} | {old.now:,.0f} | {new.now:,.0f} "
            f"| {old.now / new.now:.2f}x | {' | '.join(idle)} |"
        )


# -- for real ----------------------------------------------------------------------------------------------------------


class Unhurried:
    """An engine without its stream: all trees wait for the longest step of a round."""

    def __init__(self, engine) -> None:
        self.engine = engine

    def __getattr__(self, name: str):
        if name == "stream":
            raise AttributeError(name)
        return getattr(self.engine, name)


def same(parts: Sequence[SearchResult], whole: SearchResult) -> bool:
    """Whether searches of some problems each gave the bits of one of all of them."""
    nodes, answers = (
        pd.concat([getattr(part, table) for part in parts], ignore_index=True) for table in ("nodes", "answers")
    )
    return nodes.equals(whole.nodes) and answers.equals(whole.answers)


def measured(args: argparse.Namespace) -> list[dict]:
    """Seconds of each search in rounds and at trees' own pace, by turns."""
    from ttstudy.data.prompts import messages
    from ttstudy.miniature import task
    from ttstudy.policies.opening import open_engine
    from ttstudy.prms import open_reward_model

    engine = open_engine(args.policy, args.engine)
    every = [
        (row.problem_id, row.problem, engine.encode_chat(messages("plain", row.problem)))
        for row in task.problems(seed=7, split="test", count=max(args.problems))
    ]
    rows = []
    for count, budget, method in itertools.product(args.problems, args.budgets, ("beam_search", "dvts")):
        problems, options = every[:count], Options(method=method, budget=budget, max_step_tokens=60, max_depth=20)
        found, seconds = {}, {"rounds": [], "pace": []}
        for _ in range(args.repetitions):
            for name, policy, block in (("rounds", Unhurried(engine), BLOCK), ("pace", engine, count)):
                prm = open_reward_model(args.prm)
                run(problems[:2], policy, prm, Options(method="beam_search", budget=4, max_step_tokens=8))
                start = time.process_time()
                blocks = [problems[first : first + block] for first in range(0, count, block)]
                found[name] = [run(block, policy, prm, options, ("benchmark",)) for block in blocks]
                seconds[name].append(time.process_time() - start)
        (whole,), parts = found["pace"], found["rounds"]
        rows.append(
            {"problems": count, "method": method, "budget": budget, "tokens": whole.counters.response_tokens}
            | {"same": same(parts, whole)}
            | seconds
        )
    return rows


def real(args: argparse.Namespace) -> Iterator[str]:
    """Rows of the table, each engine in a process of its own."""
    from ttstudy.models.environment import ENVIRONMENT, vllm_python

    pythons = {"transformers": Path(sys.executable), "vllm": vllm_python()}
    for engine, python in pythons.items():
        if python is None:
            continue
        given = ["--policy", args.policy, "--prm", args.prm, "--problems", *args.problems, "--budgets", *args.budgets]
        line = [python, __file__, *given, "--repetitions", args.repetitions, "--engine", engine]
        env = ENVIRONMENT | os.environ | {"PYTHONPATH": str(LIBRARY)}
        told = subprocess.run([str(word) for word in line], env=env, check=True, capture_output=True, text=True).stdout
        for row in json.loads(told.splitlines()[-1]):
            old, new = min(row["rounds"]), min(row["pace"])
            ratios = [before / after for before, after in zip(row["rounds"], row["pace"], strict=True)]
            yield (
                f"| {engine} | {row['problems']} | {row['method']} | {row['budget']} | {row['tokens']:,} "
                f"| {1e6 * old / row['tokens']:.0f} | {1e6 * new / row['tokens']:.0f} | {old / new:.2f}x "
                f"| {min(ratios):.2f} to {max(ratios):.2f} | {'yes' if row['same'] else 'no'} |"
            )


PAGE = """# Trees at their own pace

In rounds all trees draw one step, then all are scored; a long step holds everyone, and policy and PRM never work at
once. At its own pace each tree goes on as soon as its own candidates are drawn and scored.

Made {today} on {hardware} by `python reports/benchmarks/pace.py --policy {policy} --prm {prm}`.

## On a simulated clock

Beam search of 500 problems (200 at N = 64), steps of log-normal length (median 33 tokens, one in ten the last), a share
of them runaways of 2,048 tokens. A policy step takes {step:g} ms and {row:g} ms a row, up to {places} rows; a call of
the PRM {call:g} ms and {token:g} ms a token, or so much that PRM and policy have equal work. Rounds are of {block}
problems, as they were by default. Idle: share of the time in which a device did nothing; where the two are apart, the
one with less work must wait for the other.

| PRM | devices | N | runaways | s, rounds | s, pace | speed-up | idle, rounds: policy | PRM | pace: policy | PRM |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
{simulated}

## For real

Problems of the miniature, policy {policy}, PRM {prm} on our own engine, both on one core; CPU seconds of one process,
the best of {repetitions} repetitions by turns. Rounds are in blocks of {block}. `pairs` are the ratios of neighbouring
repetitions. `same bits`: nodes and answers.

| engine | problems | method | N | tokens | us/token in rounds | us/token at own pace | speed-up | pairs | same bits |
|---|--:|---|--:|--:|--:|--:|--:|---|---|
{real}
"""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, required=True, help="checkpoint folder of a miniature policy")
    parser.add_argument("--prm", type=Path, required=True, help="checkpoint folder of a miniature PRM")
    parser.add_argument("--problems", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--budgets", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--engine", help="measure this one alone, and print JSON")
    parser.add_argument("--simulate", action="store_true", help="print the simulations alone")
    parser.add_argument("--output", type=Path, default=HERE / "pace.md")
    args = parser.parse_args()
    if args.engine:
        print(json.dumps(measured(args)))
        return
    if args.simulate:
        for row in simulations():
            print(row, flush=True)
        return
    from ttstudy.run.provenance import hardware

    text = PAGE.format(
        today=date.today(),
        hardware=hardware(),
        policy=args.policy.name,
        prm=args.prm.name,
        **{"step": 1e3 * STEP_S, "row": 1e3 * ROW_S, "call": 1e3 * CALL_S, "token": 1e3 * TOKEN_S},
        **{"places": PLACES, "block": BLOCK},
        simulated="\n".join(simulations()),
        repetitions=args.repetitions,
        real="\n".join(real(args)),
    )
    args.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
