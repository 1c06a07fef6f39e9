"""Take a block of responses from recorded ones: pilot, greedy CoT, or part of the pool."""

from pathlib import Path

from ttstudy.dag.specs.generation import RecordedResponsesSpec
from ttstudy.data import recorded, tables
from ttstudy.errors import StudyError
from ttstudy.run import steps


def step(spec: RecordedResponsesSpec, _log: Path | None) -> None:
    """Select the block's samples of every problem of the benchmark."""
    problems = tables.of("benchmark", spec.benchmark, ["problem_id", "problem"])
    found = tables.of("recorded", spec.policy)
    texts = problems.merge(found[["problem_id", "problem"]].drop_duplicates(), on="problem_id", how="left")
    other = texts[texts["problem_x"] != texts["problem_y"]]
    if len(other):
        raise StudyError(
            f"problem {other['problem_id'].iloc[0]!r} of the benchmark is not among the recorded ones, "
            "or has another text there; problems of a policy's own files are `{source: recorded, policy: NAME}`"
        )
    wanted = (spec.pool, spec.block, spec.pilot, spec.largest, spec.uneven)
    taken = recorded.responses(found, problems["problem_id"], *wanted)
    tables.write("responses", taken, spec.outputs["output"])


if __name__ == "__main__":
    steps.main(RecordedResponsesSpec, step)
