"""Search with a PRM: one method at one budget, all problems together, each at its own pace."""

from collections.abc import Iterator
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

from ttstudy.dag.specs.generation import SearchSpec
from ttstudy.data import tables
from ttstudy.data.prompts import messages
from ttstudy.methods.options import Options
from ttstudy.methods.pace import Watch
from ttstudy.methods.run import ANSWER_COLUMNS, COUNTERS, NODE_COLUMNS, search
from ttstudy.policies.opening import open_policy
from ttstudy.prms import open_prm
from ttstudy.run import sharing, steps
from ttstudy.run.progress import bar

CANDIDATES_PER_BLOCK = 1024
"""Candidate solutions of the problems that are saved together, where the study does not say how many these are."""


def step(spec: SearchSpec, log_path: Path | None) -> None:
    """Search, saving the problems that have ended block by block; a killed run goes on with the others."""
    steps.enter(spec)
    options = Options.of(spec.method, spec.budget, spec.options, spec.sampling)
    problems = sharing.share(spec, tables.of("benchmark", spec.benchmark))
    if sharing.idle(spec, problems):
        return
    output = Path(spec.outputs["answers"])
    policy, prm = steps.folder(spec.policy), steps.folder(spec.judge.checkpoint)
    run = f", run {spec.run + 1}" if spec.run else ""
    label = f"{spec.method} N={spec.budget}{run} {output.parent.name}/{output.stem}"
    clock = steps.stopwatch()
    with steps.log(log_path) as log, bar(label, len(problems), log) as progress:
        seat, apart = steps.seats(spec, policy, prm)
        engine = steps.policy(spec, policy, seat, open_policy)
        patched = bool(spec.engine.options.get("batch_invariant"))
        reward_model = steps.prm(spec, prm, apart, partial(open_prm, apart=True, patched=patched))
        watch = Watch()

        def prompt(problem: str) -> list[int]:
            return engine.encode_chat(messages(spec.prompt, problem, spec.thinking, spec.system, spec.examples))

        def work(rows: list[int]) -> Iterator[tuple[int, dict[str, list[tuple[Any, ...]]]]]:
            done = len(problems) - len(rows)
            items = ((row.problem_id, row.problem, prompt(row.problem)) for row in problems.iloc[rows].itertuples())
            told = search(
                items, engine, reward_model, options, spec.seed, lambda n, tokens: progress(done + n, tokens), watch
            )
            for place, found in told:
                cost = [astuple(found.counters)]
                yield rows[place], {"answers": found.answers, "nodes": found.nodes, "cost": cost}

        columns = {"answers": ANSWER_COLUMNS, "nodes": NODE_COLUMNS, "cost": COUNTERS}
        block = spec.options.problems_per_block or max(1, CANDIDATES_PER_BLOCK // spec.budget)
        frames = steps.as_they_end(output, len(problems), block, columns, work)
        cost = frames["cost"].sum().to_frame().T
        tables.write("search_cost", cost, spec.outputs["cost"])
        tables.write("nodes", frames["nodes"], spec.outputs["nodes"])
        tables.write("search_responses", frames["answers"], output)
        steps.took(
            tokens=cost["response_tokens"].sum(),
            policy_idle_seconds=watch.policy_idle,
            prm_idle_seconds=watch.prm_idle,
        )
        steps.finish(output)
        if log is not None:
            idle = f"policy idle {watch.policy_idle:.1f} s, PRM idle {watch.prm_idle:.1f} s of {watch.seconds:.1f} s"
            print(f"{label}: {watch.tokens:,} tokens drawn in {clock()}; {idle}", file=log)
            if over := int(cost["prm_overlong"].iloc[0]):
                print(
                    f"{label}: {over:,} of {cost['prm_scored'].iloc[0]:,} candidates end past the PRM's context, "
                    f"{reward_model.context:,} tokens; overflow: {spec.judge.overflow}",
                    file=log,
                )


if __name__ == "__main__":
    steps.main(SearchSpec, step)
