"""What the hub says of a model or data set that is to be pinned: its commit, and the SHA-256 of files that are read.

Of large files the hub lists the SHA-256; small ones, of which it lists a git hash, are fetched and hashed.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ttstudy.data import fetching, hub
from ttstudy.data.revisions import Locked, Pin
from ttstudy.errors import StudyError


class Asked(NamedTuple):
    """What is to stand in the lock file, and what could not be had, in words."""

    entry: Locked
    warning: str


def asked(pin: Pin, known: Locked | None = None) -> Asked:
    """What the hub says now, beside what is `known`; StudyError where the two contradict each other."""
    revision = pin.revision or (known.revision if known else hub.commit(pin.kind, pin.id))
    listed = hub.listing(pin.kind, pin.id, revision)
    if pin.kind == "model":
        files = fetching.wanted_of_model(pin.id, listed)
    else:
        files = [hub.file_of_dataset(pin.id, listed, pin.file, pin.split)]
    small = [file for file in files if not file.sha256]
    found = {file.name: file.sha256 for file in files if file.sha256}
    built: dict[str, str] = {}
    warning = ""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        needs_tokenizer = pin.kind == "model" and not any(file.name == "tokenizer.json" for file in files)
        fetched = [*small, *(file for file in files if needs_tokenizer and file.name == "tokenizer.model")]
        try:
            hub.download(pin.kind, pin.id, revision, fetched, place)
        except StudyError as error:
            warning = f"{error}; {len(small)} small files are left without a checksum"
        else:
            found |= {file.name: hub.digest(place / file.name, sha256()) for file in small}
            if needs_tokenizer:
                built["tokenizer.json"] = fetching.build_tokenizer(pin.id, place)
    before = dict(known.checksums) if known else {}
    for name, checksum in before.items():
        if found.get(name, checksum) != checksum:
            raise StudyError(
                f"{pin.id}: the hub says that the SHA-256 of {name} at {revision[:12]} is {found[name]}, and the lock "
                f"file {checksum}; one of them is not what the model's authors gave: find out which before you go on"
            )
    source = known.source if known else "the hub, asked by pin_revisions.py"
    return Asked(Locked(revision, before | found, source, built), warning)
