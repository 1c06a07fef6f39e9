"""Search with a PRM: beam search or DVTS at one budget, all problems of a block together."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd

from ttstudy.dag.specs.generation import SearchSpec
from ttstudy.data import tables
from ttstudy.data.prompts import messages
from ttstudy.methods.options import Options
from ttstudy.methods.run import run
from ttstudy.policies.opening import open_policy
from ttstudy.prms import open_prm
from ttstudy.run import sharing, steps
from ttstudy.run.progress import bar


def step(spec: SearchSpec, log_path: Path | None) -> None:
    """Search block by block, saving each; a killed run goes on from the last block."""
    steps.enter(spec)
    options = Options.of(spec.method, spec.budget, spec.options, spec.sampling)
    problems = sharing.share(spec, tables.of("benchmark", spec.benchmark))
    if sharing.idle(spec, problems):
        return
    output = Path(spec.outputs["answers"])
    policy, prm = steps.folder(spec.policy), steps.folder(spec.judge.checkpoint)
    label = f"{spec.method} N={spec.budget} {output.parent.name}/{output.stem}"
    clock = steps.stopwatch()
    with steps.log(log_path) as log, bar(label, len(problems), log) as progress:
        seat, apart = steps.seats(spec, policy, prm)
        engine = steps.policy(spec, policy, seat, open_policy)
        patched = bool(spec.engine.options.get("batch_invariant"))
        reward_model = steps.prm(spec, prm, apart, partial(open_prm, apart=True, patched=patched))
        done = tokens = 0

        def compute(rows: list[int]) -> dict[str, pd.DataFrame]:
            nonlocal done, tokens
            items = [
                (row.problem_id, row.problem, engine.encode_chat(messages(spec.prompt, row.problem, spec.thinking)))
                for row in problems.iloc[rows].itertuples()
            ]
            result = run(
                items, engine, reward_model, options, spec.seeds, lambda _depth, _open, n: progress(done, tokens + n)
            )
            done += len(items)
            tokens += result.counters.response_tokens
            progress(done, tokens)
            return {"answers": result.answers, "nodes": result.nodes, "cost": pd.DataFrame([asdict(result.counters)])}

        frames = steps.in_parts(output, list(range(len(problems))), spec.options.problems_per_block, compute)
        # Totals, so that the table does not tell how the problems were cut into blocks.
        cost = frames["cost"].sum().to_frame().T.drop(columns=["engine_calls", "prm_calls"])
        tables.write("search_cost", cost, spec.outputs["cost"])
        tables.write("nodes", frames["nodes"], spec.outputs["nodes"])
        tables.write("search_responses", frames["answers"], output)
        steps.took(tokens=cost["response_tokens"].sum())
        steps.finish(output)
        if log is not None:
            calls = frames["cost"][["engine_calls", "prm_calls"]].sum().to_dict()
            print(f"{label}: {tokens:,} tokens drawn in {clock()}; {calls}", file=log)
            if over := int(cost["prm_overlong"].iloc[0]):
                print(
                    f"{label}: {over:,} of {cost['prm_scored'].iloc[0]:,} candidates end past the PRM's context, "
                    f"{reward_model.context:,} tokens; overflow: {spec.judge.overflow}",
                    file=log,
                )


if __name__ == "__main__":
    steps.main(SearchSpec, step)
