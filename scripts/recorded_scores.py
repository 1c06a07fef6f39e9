"""Take a PRM's step scores of a block of responses from recorded ones."""

from pathlib import Path

from ttstudy.dag.specs.generation import RecordedScoresSpec
from ttstudy.data import recorded, tables
from ttstudy.run import steps


def step(spec: RecordedScoresSpec, _log: Path | None) -> None:
    """Select the scores that belong to the block's responses."""
    responses = tables.of("responses", spec.responses, ["problem_id", "sample", "recorded"])
    found = tables.of("recorded", spec.recorded)
    tables.write("scores", recorded.scores(found, responses, spec.column, spec.kind), spec.outputs["output"])


if __name__ == "__main__":
    steps.main(RecordedScoresSpec, step)
