"""Train a PRM of the miniature by its definition, or take the shipped checkpoint that has the same one."""

import argparse
from pathlib import Path

from ttstudy import steps
from ttstudy.miniature import shipping


def named_folder(text: str) -> tuple[str, Path]:
    """NAME=DIR as a pair."""
    name, sign, folder = text.partition("=")
    if not (name and sign and folder):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=DIR")
    return name, Path(folder)


def step() -> None:
    """Write the checkpoint folder."""
    parser = steps.parser(__doc__)
    parser.add_argument("--name", default="prm", help="the PRM's name, for messages")
    parser.add_argument(
        "--policy",
        action="extend",
        nargs="+",
        type=named_folder,
        default=[],
        metavar="NAME=DIR",
        help="checkpoint folder of a policy that the definition names",
    )
    parser.add_argument("--output", required=True, type=Path, help="checkpoint folder to write")
    parser.add_argument("--retrain", action="store_true", help="train even where a shipped checkpoint fits")
    args = parser.parse_args()

    def train(folder: Path, progress: shipping.Progress) -> None:
        from ttstudy.miniature.reward_models import train_reward_model

        train_reward_model(args.spec, dict(args.policy), folder, progress)

    shipping.training_step(args, "prms", train)


if __name__ == "__main__":
    steps.main(step)
