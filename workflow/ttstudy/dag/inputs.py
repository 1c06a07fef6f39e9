"""What a study starts from: recorded responses, benchmarks and labelled solutions."""

from __future__ import annotations

import os

from ttstudy.dag import fingerprint, places
from ttstudy.dag.contents import content, given
from ttstudy.dag.context import Layout, remembered
from ttstudy.dag.specs.inputs import BenchmarkSpec, LabelledSpec, RecordedSpec
from ttstudy.errors import StudyError
from ttstudy.study import FileBenchmark, MiniatureBenchmark, RecordedBenchmark, RecordedPolicy
from ttstudy.study.fields import plain_path


@remembered
def recorded_spec(layout: Layout, path: str, key: str) -> RecordedSpec:
    """Spec of a table of recorded responses: by the file's content, wherever it lies."""
    if path.startswith("$"):
        name, path = path[1:], os.environ.get(path[1:], "")
        if not path:
            raise StudyError(f"{key}: the environment variable {name} is not set; set it to the file's path")
        try:
            plain_path(path)
        except ValueError as error:
            raise StudyError(f"{key}: {name}: {error}") from None
    file = given(layout.root / path, key)
    spec = RecordedSpec(
        version=fingerprint.VERSIONS["recorded"],
        form=file.suffix,
        sha256=content(file),
        source=str(file),
        outputs={},
    )
    return spec.named(output=places.RECORDED.format(results=layout.study.results, spec=spec.folder))


def imported_spec(layout: Layout, name: str, group: str = "policies") -> RecordedSpec:
    """Spec of the checked table of a recorded policy's, or benchmark's, file."""
    settings = layout.study.policies[name] if group == "policies" else layout.study.benchmarks[name]
    assert isinstance(settings, RecordedPolicy | RecordedBenchmark)
    return recorded_spec(layout, settings.path, f"{group}.{name}.path")


@remembered
def benchmark_spec(layout: Layout, benchmark: str) -> BenchmarkSpec:
    """Spec of a benchmark's table."""
    settings = layout.study.benchmarks[benchmark]
    spec = BenchmarkSpec(settings=settings, version=fingerprint.VERSIONS["benchmark"], outputs={})
    if isinstance(settings, RecordedBenchmark):
        spec = spec.model_copy(update={"recorded": imported_spec(layout, benchmark, "benchmarks").file()})
    elif isinstance(settings, FileBenchmark):
        path = given(layout.root / settings.path, f"benchmarks.{benchmark}.path")
        spec = spec.model_copy(update={"content": content(path), "source": str(path)})
    elif isinstance(settings, MiniatureBenchmark):
        task = settings.task or layout.study.miniature.task
        spec = spec.model_copy(update={"settings": settings.model_copy(update={"task": task})})
    names = {"results": layout.study.results, "benchmark": benchmark, "spec": spec.folder}
    return spec.named(output=places.BENCHMARK.format(**names))


@remembered
def labelled_spec(layout: Layout, name: str) -> LabelledSpec:
    """Spec of a labelled set's solutions."""
    settings = layout.study.labelled[name]
    path = given(layout.root / settings.path, f"labelled.{name}.path")
    spec = LabelledSpec(
        settings=settings,
        version=fingerprint.VERSIONS["labelled"],
        sha256=content(path),
        source=str(path),
        outputs={},
    )
    names = {"results": layout.study.results, "labelled": name, "spec": spec.folder}
    return spec.named(output=places.LABELLED.format(**names))
