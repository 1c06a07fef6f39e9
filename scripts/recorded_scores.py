"""Take a PRM's step scores of a block of responses from recorded ones."""

from pathlib import Path

from ttstudy import recorded, steps, tables
from ttstudy.specs.kinds import RecordedScoresSpec


def step(spec: RecordedScoresSpec, _log: Path | None) -> None:
    """Select the scores that belong to the block's responses."""
    responses = steps.read("responses", spec.responses, ["problem_id", "sample", "recorded"])
    found = steps.read("recorded", spec.recorded)
    tables.write("scores", recorded.scores(found, responses, spec.column), spec.outputs["output"])


if __name__ == "__main__":
    steps.main(RecordedScoresSpec, step)
