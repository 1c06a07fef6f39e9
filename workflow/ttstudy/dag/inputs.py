"""What a study starts from: recorded responses, benchmarks and labelled solutions."""

from __future__ import annotations

import os

from ttstudy.dag import fingerprint
from ttstudy.dag.base import Base, remembered
from ttstudy.dag.contents import content, given
from ttstudy.dag.specs.inputs import BenchmarkSpec, LabelledSpec, RecordedSpec
from ttstudy.errors import StudyError
from ttstudy.study import FileBenchmark, MiniatureBenchmark, RecordedBenchmark, RecordedPolicy
from ttstudy.study.fields import plain_path


class Inputs(Base):
    """Files that people give, checked and read into tables."""

    @remembered
    def recorded_spec(self, path: str, key: str) -> RecordedSpec:
        """Spec of a table of recorded responses: by the file's content, wherever it lies."""
        if path.startswith("$"):
            name, path = path[1:], os.environ.get(path[1:], "")
            if not path:
                raise StudyError(f"{key}: the environment variable {name} is not set; set it to the file's path")
            try:
                plain_path(path)
            except ValueError as error:
                raise StudyError(f"{key}: {name}: {error}") from None
        file = given(self.root / path, key)
        spec = RecordedSpec(
            version=fingerprint.VERSIONS["recorded"],
            form=file.suffix,
            sha256=content(file),
            source=str(file),
            outputs={},
        )
        return spec.named(output=f"{self.study.results}/imported/{spec.folder}.parquet")

    def imported_spec(self, name: str, group: str = "policies") -> RecordedSpec:
        """Spec of the checked table of a recorded policy's, or benchmark's, file."""
        settings = self.study.policies[name] if group == "policies" else self.study.benchmarks[name]
        assert isinstance(settings, RecordedPolicy | RecordedBenchmark)
        return self.recorded_spec(settings.path, f"{group}.{name}.path")

    def imported(self, name: str, group: str = "policies") -> str:
        """Path of that table."""
        return self.imported_spec(name, group).product

    @remembered
    def benchmark_spec(self, benchmark: str) -> BenchmarkSpec:
        """Spec of a benchmark's table."""
        settings = self.study.benchmarks[benchmark]
        spec = BenchmarkSpec(settings=settings, version=fingerprint.VERSIONS["benchmark"], outputs={})
        if isinstance(settings, RecordedBenchmark):
            spec = spec.model_copy(update={"recorded": self.imported_spec(benchmark, "benchmarks").file()})
        elif isinstance(settings, FileBenchmark):
            path = given(self.root / settings.path, f"benchmarks.{benchmark}.path")
            spec = spec.model_copy(update={"content": content(path), "source": str(path)})
        elif isinstance(settings, MiniatureBenchmark):
            task = settings.task or self.study.miniature.task
            spec = spec.model_copy(update={"settings": settings.model_copy(update={"task": task})})
        return spec.named(output=f"{self.study.results}/benchmarks/{benchmark}-{spec.folder}.parquet")

    def benchmark(self, benchmark: str) -> str:
        """Path of a benchmark's table."""
        return self.benchmark_spec(benchmark).product

    @remembered
    def labelled_spec(self, name: str) -> LabelledSpec:
        """Spec of a labelled set's solutions."""
        settings = self.study.labelled[name]
        path = given(self.root / settings.path, f"labelled.{name}.path")
        spec = LabelledSpec(
            settings=settings,
            version=fingerprint.VERSIONS["labelled"],
            sha256=content(path),
            source=str(path),
            outputs={},
        )
        return spec.named(output=f"{self.study.results}/labelled/{name}-{spec.folder}/solutions.parquet")

    def labelled(self, name: str) -> str:
        """Path of a labelled set's solutions."""
        return self.labelled_spec(name).product
