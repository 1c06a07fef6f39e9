"""The sides of a comparison: which finished studies are meant, and what they are called. Paths alone, no tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttstudy.dag import fingerprint, places, stamps
from ttstudy.dag.contents import content
from ttstudy.dag.specs.analysis import CompareSpec
from ttstudy.dag.specs.records import File
from ttstudy.errors import StudyError

NEEDED = ("accuracy", "outcomes")
"""Tables without which nothing can be compared."""
LONGEST = 255
"""Characters of a folder's name, on every file system."""
ALSO = ("ledger", "claims")
"""Tables that are compared where both sides have them."""


@dataclass(frozen=True)
class Side:
    """One finished study: its folder (with `tables/`) and a name that no other side has."""

    name: str
    folder: Path

    def files(self) -> list[str]:
        """What there is to read: tables, and `provenance.json` from the study's report."""
        found = [places.TABLE.format(folder=self.folder, table=name) for name in (*NEEDED, *ALSO)]
        found.append(places.PROVENANCE.format(folder=self.folder))
        return [path for path in found if Path(path).is_file()]


def named(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Sides as `--config baseline=A candidate=B` names them (`candidate=B,C` for more); empty where neither is given.

    StudyError where one of the two is missing.
    """
    given = {key: config[key] for key in ("baseline", "candidate") if config.get(key) not in (None, "")}
    if not given:
        return {}
    for key in ("baseline", "candidate"):
        if key not in given:
            raise StudyError(f"{key} is not given; a comparison needs --config baseline=FOLDER candidate=FOLDER")
    texts = {key: value if isinstance(value, list) else str(value).split(",") for key, value in given.items()}
    if len(texts["baseline"]) > 1:
        raise StudyError("baseline: name one study; more than one can be the candidate (candidate=A,B)")
    return {key: [str(text).strip() for text in value] for key, value in texts.items()}


def find(key: str, text: str, results: Path = Path("results")) -> Path:
    """Folder of the study that a text means: a study's folder, a results folder with one study, or a study's name."""
    if not text or not text.isprintable() or any(len(part) > LONGEST for part in Path(text).parts):
        raise StudyError(f"{key}: {text[:80]!r} is no folder; give a finished study's folder or its name")
    for folder in (Path(text), Path(places.STUDY.format(results=results, study=text))):
        if (folder / "tables").is_dir():
            break
    else:
        studies = sorted(path.parent for path in Path(text).glob("studies/*/tables"))
        if len(studies) > 1:
            names = ", ".join(str(path) for path in studies)
            raise StudyError(f"{key}: {text} holds {len(studies)} studies; name one of {names}")
        if not studies:
            raise StudyError(f"{key}: no study in {text}, nor one of this name in {results}/studies; run it first")
        folder = studies[0]
    for name in NEEDED:
        if not Path(places.TABLE.format(folder=folder, table=name)).is_file():
            raise StudyError(f"{key}: {folder} has no tables/{name}.parquet; finish that study first")
        if stamps.note(Path(places.TABLE.format(folder=folder, table=name)), "rehearsal") is not None:
            raise StudyError(f"{key}: {folder} is a rehearsal, of tiny stand-ins; compare studies that were run")
    return folder


def open_sides(texts: Mapping[str, Sequence[str]], results: Path = Path("results")) -> list[Side]:
    """The sides, baseline first, named by their folders' last part, and by as many parts as tell them apart."""
    folders = [find(key, text, results) for key, some in texts.items() for text in some]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise StudyError(f"candidate: {folders[-1]} is compared with itself; name two different studies")
    parts = [folder.resolve().parts for folder in folders]
    kept = [tuple(part for part in path if part != "studies") for path in parts]
    length = next(n for n in range(1, 99) if len({path[-n:] for path in kept}) == len(kept))
    # Parts that all names share tell nobody anything.
    names = ["/".join(path[-length:]) for path in kept]
    while all("/" in name for name in names) and len({name.rsplit("/", 1)[1] for name in names}) == 1:
        names = [name.rsplit("/", 1)[0] for name in names]
    return [Side(name, folder) for name, folder in zip(names, folders, strict=True)]


def output(sides: Sequence[Side], results: str = "results") -> str:
    """Folder of the comparison's files."""
    slug = "--".join(re.sub(r"[^A-Za-z0-9._-]+", "-", side.name).strip("-.") for side in sides)
    return f"{results}/comparisons/{slug[:120]}"


def spec(sides: Sequence[Side]) -> CompareSpec:
    """Spec of a comparison; templates count as code, and the sides' files by their content."""
    return CompareSpec(
        code=fingerprint.code("compare"),
        texts=fingerprint.files("reports/templates/**/*"),
        sides=[(side.name, str(side.folder)) for side in sides],
        read=[File(path=path, digest=content(Path(path)), given=True) for side in sides for path in side.files()],
        outputs={"report": f"{output(sides)}/comparison.html", "tables": f"{output(sides)}/tables"},
    )
