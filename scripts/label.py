"""Label every step of a block of miniature responses right or wrong, exactly."""

from pathlib import Path

from ttstudy import steps, tables
from ttstudy.diagnostics.labels import label_responses
from ttstudy.specs.kinds import LabelSpec


def step(spec: LabelSpec, _log: Path | None) -> None:
    """Label a block."""
    problems = steps.read("benchmark", spec.benchmark).set_index("problem_id")["problem"]
    responses = steps.read("responses", spec.responses, ["problem_id", "sample", "steps"])
    tables.write("labels", label_responses(responses, problems), spec.outputs["output"])


if __name__ == "__main__":
    steps.main(LabelSpec, step)
