"""Ask the hub for the newest commit of every model and data set of a study and its files' SHA-256; write them down.

The lock file stands beside the study. What it says already is kept, and held against what the hub says now.
"""

import argparse
from pathlib import Path

from ttstudy import study
from ttstudy.data import pinning, revisions
from ttstudy.run.telling import told


def step() -> None:
    """Pin what is not pinned yet; with --update, everything that the study itself does not pin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="the study's file")
    parser.add_argument("--update", action="store_true", help="move pinned ones to the newest commit, too")
    args = parser.parse_args()
    lock_path = revisions.lock_path(args.config)
    lock = revisions.read_lock(lock_path)
    config = study.with_base(study.read_yaml(args.config), args.config.parent)
    study.from_mapping(config, str(args.config))
    asked = set()
    for pin in sorted(revisions.pins(config)):
        # several files of one data set are pinned at one commit
        keeps = pin.revision is None and (not args.update or pin.id in asked)
        known = lock[pin.kind].get(pin.id) if keeps else None
        asked.add(pin.id)
        found = pinning.asked(pin, known)
        if found.warning:
            print(f"{pin.id}: {found.warning}")
        if pin.revision is None or found.entry.checksums:
            lock[pin.kind][pin.id] = found.entry
            print(f"{pin.id}: {found.entry.revision}, {len(found.entry.checksums)} checksums")
            revisions.write_lock(lock_path, lock)
    print(f"{lock_path}: {sum(map(len, lock.values()))} commits")


if __name__ == "__main__":
    told(step)
