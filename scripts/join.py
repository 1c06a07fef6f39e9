"""Join what the shards of a long job made into the tables of the job, as if it had been one."""

import argparse
from pathlib import Path

from ttstudy.dag import contents, shards
from ttstudy.dag.specs import files as specs
from ttstudy.run import sharing
from ttstudy.run.telling import told


def main() -> None:
    """Read the spec of the job, and join its shards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="file in results/specs: the job that was shared out")
    parser.add_argument("--log", type=Path, help="file for what goes wrong")
    parser.add_argument("--shards", required=True, type=int, help="how many shards it has")
    args = parser.parse_args()

    def join() -> None:
        contents.remember(args.spec.parent.parent.parent)
        spec = specs.read_any(args.spec)
        sharing.join(spec, shards.split(spec, args.shards))

    told(join, args.log)


if __name__ == "__main__":
    main()
