"""Ask the hub for the newest commit of every model and data set of a study, and write them beside the study."""

import argparse
from pathlib import Path

from ttstudy import study
from ttstudy.data import hub, revisions
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
    wanted = {(pin.kind, pin.id) for pin in revisions.pins(config) if pin.revision is None}
    wanted -= set() if args.update else {(kind, id) for kind in lock for id in lock[kind]}
    for kind, id in sorted(wanted):
        lock[kind][id] = hub.commit(kind, id)
        print(f"{id}: {lock[kind][id]}")
        revisions.write_lock(lock_path, lock)
    print(f"{lock_path}: {sum(map(len, lock.values()))} commits, {len(wanted)} asked for now")


if __name__ == "__main__":
    told(step)
