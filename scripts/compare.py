"""Compare finished studies: differences, costs, verdicts and what was changed, as tables and one page."""

import json
from pathlib import Path

from ttstudy.analysis import compared, comparison
from ttstudy.dag import sides
from ttstudy.dag.specs.analysis import CompareSpec
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.report import comparison as page
from ttstudy.run import steps


def read(name: str, folder: Path) -> comparison.Finished:
    """A side's tables, and its provenance where there is one."""
    paths = {key: folder / "tables" / f"{key}.parquet" for key in (*sides.NEEDED, *sides.ALSO)}
    there = {key: path for key, path in paths.items() if key in sides.NEEDED or path.is_file()}
    found = {key: tables.read(key, path, foreign=True) for key, path in there.items()}
    path = folder / "provenance.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: not readable JSON ({error}); delete it, or run that study's report again") from None
    return comparison.Finished(name, found, known if isinstance(known, dict) else {})


def step(spec: CompareSpec, _log: Path | None) -> None:
    """Read every side, compare, write tables and page."""
    folders, place = dict(spec.sides), Path(spec.outputs["tables"])
    baseline, *candidates = [read(name, Path(folder)) for name, folder in folders.items()]
    found = compared.tables(baseline, candidates)
    place.mkdir(parents=True, exist_ok=True)
    for name, frame in found.items():
        frame.to_parquet(place / f"{name}.parquet", index=False)
    page.build(baseline, candidates, found, folders, Path(spec.outputs["report"]))


if __name__ == "__main__":
    steps.main(CompareSpec, step)
