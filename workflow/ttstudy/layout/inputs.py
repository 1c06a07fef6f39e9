"""What a study starts from: recorded responses, benchmarks and labelled solutions."""

from __future__ import annotations

import os

from ttstudy import fingerprint
from ttstudy.errors import StudyError
from ttstudy.layout.contents import content, given
from ttstudy.layout.specs import Specs, remembered
from ttstudy.study import FileBenchmark, RecordedBenchmark
from ttstudy.study.fields import plain_path


class Inputs(Specs):
    """Files that people give, checked and read into tables."""

    @remembered
    def _imported(self, path: str, key: str) -> str:
        """Digest of a file of recorded responses, by its content: wherever it lies, what follows is the same."""
        if path.startswith("$"):
            name, path = path[1:], os.environ.get(path[1:], "")
            if not path:
                raise StudyError(f"{key}: the environment variable {name} is not set; set it to the file's path")
            try:
                plain_path(path)
            except ValueError as error:
                raise StudyError(f"{key}: {name}: {error}") from None
        file = given(self.root / path, key)
        spec = {"step": "recorded", "version": fingerprint.VERSIONS["recorded"], "form": file.suffix}
        digest = self._named(spec | {"sha256": content(file)})
        self._files[digest] = str(file)
        return digest

    def recorded_file(self, digest: str) -> str:
        """The file of recorded responses that a digest of `imported` stands for."""
        self.spec(digest)
        return self._files[digest]

    def imported(self, name: str, group: str = "policies") -> str:
        """Path of the checked table of a recorded policy's, or benchmark's, file."""
        settings = getattr(self.study, group)[name]
        return f"{self.study.results}/imported/{self._imported(settings.path, f'{group}.{name}.path')}.parquet"

    @remembered
    def _benchmark_digest(self, benchmark: str) -> str:
        settings = self.study.benchmarks[benchmark]
        spec = settings.model_dump() | {"step": "benchmark", "version": fingerprint.VERSIONS["benchmark"]}
        if (expected := spec.pop("sha256", None)) is not None:
            spec["expected"] = expected
        if isinstance(settings, RecordedBenchmark):
            spec["path"] = self._imported(settings.path, f"benchmarks.{benchmark}.path")
        elif isinstance(settings, FileBenchmark):
            path = given(self.root / settings.path, f"benchmarks.{benchmark}.path")
            spec["sha256"] = content(path)
            spec["path"] = str(path)
        elif settings.source == "miniature":
            spec["task"] = settings.task or self.study.miniature.task
        return self._named(spec)

    def benchmark(self, benchmark: str) -> str:
        """Path of a benchmark's table."""
        return f"{self.study.results}/benchmarks/{benchmark}-{self._benchmark_digest(benchmark)}.parquet"

    def benchmark_source(self, benchmark: str) -> list[str]:
        """What a benchmark's table is made from, where a step of the study makes that."""
        recorded = isinstance(self.study.benchmarks[benchmark], RecordedBenchmark)
        return [self.imported(benchmark, "benchmarks")] if recorded else []

    def _labelled_digest(self, name: str) -> str:
        settings = self.study.labelled[name]
        path = given(self.root / settings.path, f"labelled.{name}.path")
        spec = settings.model_dump() | {"step": "labelled", "version": fingerprint.VERSIONS["labelled"]}
        return self._named(spec | {"path": str(path), "sha256": content(path)})

    def labelled(self, name: str) -> str:
        """Path of a labelled set's solutions."""
        return f"{self.study.results}/labelled/{name}-{self._labelled_digest(name)}/solutions.parquet"
