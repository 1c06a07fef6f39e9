"""Train a policy of the miniature by its definition, or take the shipped checkpoint that has the same one."""

from pathlib import Path

from ttstudy import steps
from ttstudy.miniature import shipping


def step() -> None:
    """Write the checkpoint folder."""
    parser = steps.parser(__doc__)
    parser.add_argument("--name", default="policy", help="the policy's name, for messages")
    parser.add_argument("--output", required=True, type=Path, help="checkpoint folder to write")
    parser.add_argument("--retrain", action="store_true", help="train even where a shipped checkpoint fits")
    args = parser.parse_args()

    def train(folder: Path, progress: shipping.Progress) -> None:
        from ttstudy.miniature.policies import train_policy

        train_policy(args.spec, folder, progress)

    shipping.training_step(args, "policies", train)


if __name__ == "__main__":
    steps.main(step)
