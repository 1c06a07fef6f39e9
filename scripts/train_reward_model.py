"""Train a PRM of the miniature by its definition, or take the shipped checkpoint that has the same one."""

import argparse
import os
from pathlib import Path

from ttstudy import progress, steps
from ttstudy.miniature import shipping
from ttstudy.study import StudyError


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
    retrain = args.retrain or bool(os.environ.get("TTSTUDY_RETRAIN"))

    with steps.log(args.log) as log:

        def train(folder: Path) -> None:
            from ttstudy.miniature.reward_models import train_reward_model

            total = int(args.spec["training"]["tokens"])
            with progress.bar(f"train {args.name}", total, log) as update:
                train_reward_model(
                    args.spec, dict(args.policy), folder, lambda seen, _, loss: update(min(seen, total), seen)
                )

        try:
            shipped = shipping.copy_or_train(args.spec, args.output, train, retrain)
        except (ValueError, KeyError, TypeError) as error:
            raise StudyError(f"prms.{args.name}.definition: {error}") from error
        if log is not None:
            source = f"the shipped checkpoint {shipped}" if shipped else "trained"
            print(f"{args.name}: {source}", file=log)


if __name__ == "__main__":
    steps.main(step)
