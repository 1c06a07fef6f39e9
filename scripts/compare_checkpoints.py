"""Say whether retrained checkpoints hold the same bytes as the shipped ones; exit status 1 when some do not."""

import argparse
import json
import sys
from pathlib import Path

FILES = ("model.safetensors", "config.json", "tokenizer.json")


def main() -> None:
    """Compare folder by folder, by model name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("retrained", type=Path, help="results/retrained/models")
    parser.add_argument("shipped", type=Path, help="workflow/checkpoints")
    args = parser.parse_args()
    different = 0
    for record in sorted(args.retrained.glob("*/*/training.json")):
        name = record.parent.name.rsplit("-", 1)[0]
        shipped = args.shipped / name
        if not shipped.is_dir():
            print(f"{name}: not shipped")
            continue
        if json.loads((shipped / "training.json").read_text())["digest"] != record.parent.name.rsplit("-", 1)[1]:
            print(f"{name}: the shipped checkpoint has another definition")
            continue
        changed = [file for file in FILES if (record.parent / file).read_bytes() != (shipped / file).read_bytes()]
        different += bool(changed)
        print(f"{name}: {'differs in ' + ', '.join(changed) if changed else 'same bytes as shipped'}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
