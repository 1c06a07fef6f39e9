"""Train a policy of the miniature by its definition, or take the shipped checkpoint that has the same one."""

from pathlib import Path

from ttstudy.dag.specs.inputs import TrainPolicySpec
from ttstudy.miniature import shipping
from ttstudy.run import steps


def step(spec: TrainPolicySpec, log_path: Path | None) -> None:
    """Write the checkpoint folder."""

    def train(folder: Path, progress: shipping.Progress) -> None:
        from ttstudy.miniature.policies import train_policy

        train_policy(spec.definition(), folder, progress)

    shipping.training_step(spec, log_path, "policies", train)


if __name__ == "__main__":
    steps.main(TrainPolicySpec, step)
