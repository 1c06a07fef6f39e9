"""Label every step of a block of miniature responses right or wrong, exactly."""

from pathlib import Path

from ttstudy.analysis.diagnostics.labels import label_responses
from ttstudy.dag.specs.generation import LabelSpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: LabelSpec, _log: Path | None) -> None:
    """Label a block."""
    problems = tables.of("benchmark", spec.benchmark).set_index("problem_id")["problem"]
    responses = tables.of("responses", spec.responses, ["problem_id", "sample", "steps"])
    tables.write("labels", label_responses(responses, problems), spec.outputs["output"])


if __name__ == "__main__":
    steps.main(LabelSpec, step)
