"""A finished study as DataFrames: its tables, its problems, every response with its grade and scores, every tree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.dag import places, sides, stamps
from ttstudy.dag.specs import files as specs
from ttstudy.errors import StudyError, meant

if TYPE_CHECKING:
    import pandas as pd

KEY = ["problem_id", "sample"]
POOLS = ("pilot", "cot", "samples")


def load(study: str | Path, results: str | Path = "results") -> Finished:
    """A finished study by its folder (`results/studies/NAME`), or by its name below `results`.

    StudyError where there is none, or where it is not finished.
    """
    folder = sides.find("study", str(study), Path(results))
    if not (folder / "provenance.json").is_file():
        raise StudyError(f"study: {folder} has no provenance.json; run the study to its report first")
    return Finished(folder)


@dataclass(frozen=True)
class Finished:
    """A finished study. Each method gives a new DataFrame; a name that is not there is told, with the likeliest."""

    folder: Path

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Configuration, commit, versions, hardware, checksums."""
        found: dict[str, Any] = json.loads((self.folder / "provenance.json").read_text(encoding="utf-8"))
        return found

    @property
    def config(self) -> dict[str, Any]:
        """The study as it was checked, every default written out."""
        found: dict[str, Any] = self.provenance["config"]
        return found

    @property
    def name(self) -> str:
        """Name of the study."""
        return str(self.config["study"])

    @property
    def benchmarks(self) -> list[str]:
        """Names of the benchmarks."""
        return list(self.config["benchmarks"])

    @property
    def policies(self) -> list[str]:
        """Names of the policies."""
        return list(self.config["policies"])

    @property
    def prms(self) -> list[str]:
        """Names of the PRMs."""
        return list(self.config["prms"])

    @property
    def tables(self) -> list[str]:
        """Names of the study's tables; each is described on the page of tables."""
        return sorted(path.stem for path in (self.folder / "tables").glob("*.parquet"))

    def table(self, name: str) -> pd.DataFrame:
        """A table of the study: `accuracy`, `headline`, `claims`, `ledger`, `strategy` and others."""
        self._known("table", name, self.tables)
        return self._read(str(self.folder / "tables" / f"{name}.parquet"))

    @property
    def accuracy(self) -> pd.DataFrame:
        """Accuracy of every method at every N, by level of difficulty, with 95 % intervals."""
        return self.table("accuracy")

    @property
    def claims(self) -> pd.DataFrame:
        """Verdicts of the claims."""
        return self.table("claims")

    @property
    def ledger(self) -> pd.DataFrame:
        """Tokens and FLOPs of every method at every N, over all problems."""
        return self.table("ledger")

    def problems(self, benchmark: str | None = None) -> pd.DataFrame:
        """The problems: benchmark, problem_id, problem, answer, level, subject."""
        frames = [
            self._read(self._spec(cell, "explorer")["problems"]["path"]).assign(benchmark=cell[0])
            for cell in self._cells(benchmark, self.policies[0])
        ]
        return self._joined(frames, ["benchmark"])

    def responses(
        self, benchmark: str | None = None, policy: str | None = None, pool: str = "samples"
    ) -> pd.DataFrame:
        """Responses of a pool (samples, pilot, cot), of all benchmarks and policies or of one.

        A row has benchmark, policy, problem_id, sample, response, steps, tokens, the study's grade (answer, correct)
        and, for each PRM that scored it, `scores.PRM`: a score for each step.
        """
        self._known("pool", pool, POOLS)
        frames = []
        for cell in self._cells(benchmark, policy):
            sources = self._spec(cell, "outcomes")["sources"]
            for block in sources["samples"] if pool == "samples" else filter(None, [sources.get(pool)]):
                frame = self._graded(block["responses"], block["grades"])
                for prm, file in block["scores"].items():
                    scores = self._read(file["path"])[[*KEY, "step_scores"]]
                    frame = frame.merge(scores.rename(columns={"step_scores": f"scores.{prm}"}), on=KEY, how="left")
                frames.append(frame.assign(benchmark=cell[0], policy=cell[1]))
        return self._joined(frames, ["benchmark", "policy"])

    def searches(
        self, method: str | None = None, benchmark: str | None = None, policy: str | None = None,
        prm: str | None = None, budget: int | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Answers that searches returned, with grade, `step_scores`, method, prm, budget and run."""
        wanted = {"method": method, "prm": prm, "budget": budget}
        return self._searched("answers", wanted, benchmark, policy)

    def trees(
        self, method: str | None = None, benchmark: str | None = None, policy: str | None = None,
        prm: str | None = None, budget: int | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Every node of every search: its parent, text, tokens, score, and whether it was kept."""
        wanted = {"method": method, "prm": prm, "budget": budget}
        return self._searched("nodes", wanted, benchmark, policy)

    # -- below -------------------------------------------------------------------------------------------------

    def _searched(
        self, what: str, wanted: Mapping[str, Any], benchmark: str | None, policy: str | None
    ) -> pd.DataFrame:
        if wanted["prm"] is not None:
            self._known("prm", wanted["prm"], self.prms)
        frames, there = [], set()
        for cell in self._cells(benchmark, policy):
            for search in self._spec(cell, "outcomes")["sources"]["searches"]:
                there.add(search["method"])
                if any(value is not None and search[name] != value for name, value in wanted.items()):
                    continue
                graded = what == "answers"
                frame = self._graded(search[what], search["grades"]) if graded else self._read(search[what]["path"])
                told = {name: search[name] for name in ("prm", "method", "budget", "run")}
                frames.append(frame.assign(benchmark=cell[0], policy=cell[1], **told))
        if wanted["method"] is not None:
            self._known("method", wanted["method"], sorted(there))
        return self._joined(frames, ["benchmark", "policy", "prm", "method", "budget", "run"])

    def _graded(self, responses: Mapping[str, Any], grades: Mapping[str, Any]) -> pd.DataFrame:
        grade = self._read(grades["path"])[[*KEY, "answer", "correct"]]
        return self._read(responses["path"]).merge(grade, on=KEY, how="left")

    @staticmethod
    def _joined(frames: list[pd.DataFrame], first: list[str]) -> pd.DataFrame:
        """The frames below each other, these columns first."""
        import pandas as pd

        if not frames:
            return pd.DataFrame(columns=first)
        frame = pd.concat(frames, ignore_index=True)
        return frame[[*first, *(name for name in frame.columns if name not in first)]]

    def _cells(self, benchmark: str | None, policy: str | None) -> Iterator[tuple[str, str]]:
        for key, name, known in (("benchmark", benchmark, self.benchmarks), ("policy", policy, self.policies)):
            if name is not None:
                self._known(key, name, known)
        for one in self.benchmarks if benchmark is None else [benchmark]:
            for other in self.policies if policy is None else [policy]:
                yield one, other

    @staticmethod
    def _known(key: str, name: str, known: list[str] | tuple[str, ...]) -> None:
        if name not in known:
            raise StudyError(f"{key}: there is no {name!r}; there are {', '.join(known)}{meant(name, known)}")

    @property
    def _results(self) -> Path:
        return self.folder.parents[1]

    def _spec(self, cell: tuple[str, str], table: str) -> dict[str, Any]:
        """What a cell's table was made from, by the spec that its stamp names."""
        benchmark, policy = cell
        path = Path(places.CELL.format(folder=self.folder, benchmark=benchmark, policy=policy, table=table))
        stamp = stamps.of(path)
        found = None if stamp is None else specs.of_digest(self._results, stamp.spec)
        if found is None:
            missing = f"is not there, or what made it is not in {self._results}/specs"
            raise StudyError(f"{path}: {missing}; run the study again")
        spec: dict[str, Any] = found["spec"]
        return spec

    def _read(self, path: str) -> pd.DataFrame:
        """A table by its path in the run's own folder: results may lie elsewhere by now."""
        from ttstudy.data import tables

        told = str(self.config["results"]).rstrip("/") + "/"
        place = self._results / path.removeprefix(told) if path.startswith(told) else Path(path)
        try:
            return tables.load(place)
        except FileNotFoundError:
            raise StudyError(f"{place}: is not there; copy it too, or run the study again") from None
        except (OSError, ValueError) as error:
            raise StudyError(f"{place}: cannot be read ({str(error).splitlines()[0]})") from None
