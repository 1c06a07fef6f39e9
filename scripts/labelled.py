"""Read a set of solutions that are labelled step by step (ProcessBench, PRM800K or plain) into one table."""

from pathlib import Path

from ttstudy import steps, tables
from ttstudy.diagnostics import read_labelled


def step() -> None:
    """Read, check, write."""
    parser = steps.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    spec = args.spec
    tables.write("labelled", read_labelled(Path(spec["path"]), spec["format"], spec["solutions"]), args.output)


if __name__ == "__main__":
    steps.main(step)
