"""Whether a job's results are there as its spec wants them: whole, of this spec, and made from what its inputs hold."""

from __future__ import annotations

from pathlib import Path

from ttstudy.dag import stamps
from ttstudy.dag.specs.records import Spec
from ttstudy.run import integrity


def stands(spec: Spec, root: Path = Path()) -> bool:
    """Whether nothing is left to do for a spec; paths are below `root`."""
    if not all((root / path).exists() for path in spec.outputs.values()):
        return False
    there = {name: stamps.of(root / path) for name, path in spec.outputs.items()}
    now = stamps.inputs(spec, lambda path: stamps.of(root / path))
    for name, stamp in there.items():
        if stamp is None or stamp[:2] != (spec.digest, name):
            return False
        if not stamps.agree(stamp.inputs, now, lambda _place: None):
            return False
    return all(_whole(root / path) for path in spec.outputs.values())


def _whole(path: Path) -> bool:
    files = sorted(path.glob("*.svg")) if path.is_dir() else [path]
    return all(integrity.fault(file) is None for file in files)
