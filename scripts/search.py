"""Search with a PRM: beam search or DVTS at one budget, all problems of a block together."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from ttstudy import steps, tables
from ttstudy.engines import environment, open_policy
from ttstudy.progress import bar
from ttstudy.prompts import messages
from ttstudy.rewards import open_prm, scoring_engine
from ttstudy.search import Options, run


def step() -> None:
    """Search block by block, saving each; a killed run goes on from the last block."""
    parser = steps.parser(__doc__)
    parser.add_argument("--budget", required=True, type=int)
    parser.add_argument("--benchmark", required=True, type=Path)
    parser.add_argument("--policy", required=True, type=Path, help="checkpoint folder")
    parser.add_argument("--machine", type=json.loads, default={}, help="engine options that change no byte (JSON)")
    parser.add_argument("--prm", required=True, type=Path, help="checkpoint folder")
    parser.add_argument("--prm-machine", type=json.loads, default={}, help="as --machine, of the PRM's engine (JSON)")
    parser.add_argument("--problems-per-block", type=int, default=50)
    parser.add_argument("--max-live", type=int, default=4096, help="most candidates in one model call")
    parser.add_argument("--answers", required=True, type=Path)
    parser.add_argument("--nodes", required=True, type=Path)
    parser.add_argument("--cost", required=True, type=Path)
    args = parser.parse_args()
    environment.enter(args.spec["engine"], scoring_engine(args.spec))
    spec = args.spec
    sampling = dict(spec["sampling"])
    options = Options(
        method=spec["method"],
        budget=args.budget,
        max_step_tokens=sampling.pop("max_tokens"),
        max_live=args.max_live,
        **spec["options"],
        **sampling,
    )
    problems = tables.read("benchmark", args.benchmark)
    label = f"{spec['method']} N={args.budget} {args.answers.parent.name}"
    clock = steps.stopwatch()
    with steps.log(args.log) as log, bar(label, len(problems), log) as progress:
        with steps.opening(args.policy):
            engine = open_policy(args.policy, spec, args.machine)
        with steps.opening(args.prm):
            reward_model = open_prm(args.prm, spec, args.prm_machine)
        done = tokens = 0

        def compute(rows: list[int]) -> dict[str, pd.DataFrame]:
            nonlocal done, tokens
            items = [
                (row.problem_id, row.problem, engine.encode_chat(messages(spec["prompt"], row.problem)))
                for row in problems.iloc[rows].itertuples()
            ]
            result = run(
                items, engine, reward_model, options, spec["seeds"], lambda _depth, _open, n: progress(done, tokens + n)
            )
            done += len(items)
            tokens += result.counters.response_tokens
            progress(done, tokens)
            return {"answers": result.answers, "nodes": result.nodes, "cost": pd.DataFrame([asdict(result.counters)])}

        frames = steps.in_parts(args.answers, list(range(len(problems))), args.problems_per_block, compute)
        # Totals, so that the table does not tell how the problems were cut into blocks.
        cost = frames["cost"].sum().to_frame().T.drop(columns=["engine_calls", "prm_calls"])
        tables.write("search_cost", cost, args.cost)
        tables.write("nodes", frames["nodes"], args.nodes)
        tables.write("search_responses", frames["answers"], args.answers)
        steps.took(tokens=cost["response_tokens"].sum())
        steps.finish(args.answers)
        if log is not None:
            calls = frames["cost"][["engine_calls", "prm_calls"]].sum().to_dict()
            print(f"{label}: {tokens:,} tokens drawn in {clock()}; {calls}", file=log)


if __name__ == "__main__":
    steps.main(step)
