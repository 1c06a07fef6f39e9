"""Train a PRM of the miniature by its definition, or take the shipped checkpoint that has the same one."""

from pathlib import Path

from ttstudy.dag.specs.inputs import TrainPRMSpec
from ttstudy.miniature import shipping
from ttstudy.run import steps


def step(spec: TrainPRMSpec, log_path: Path | None) -> None:
    """Write the checkpoint folder."""
    teachers = {name: Path(file.path).parent for name, file in spec.teachers.items()}

    def train(folder: Path, progress: shipping.Progress) -> None:
        from ttstudy.miniature.reward_models import train_reward_model

        train_reward_model(spec.definition(), teachers, folder, progress)

    shipping.training_step(spec, log_path, "prms", train)


if __name__ == "__main__":
    steps.main(TrainPRMSpec, step)
