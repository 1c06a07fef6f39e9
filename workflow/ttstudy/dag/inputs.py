"""What a study starts from: recorded responses, benchmarks and labelled solutions."""

from __future__ import annotations

import os
from pathlib import Path

from ttstudy.dag import fingerprint, places
from ttstudy.dag.contents import contents, found
from ttstudy.dag.context import Layout, remembered
from ttstudy.dag.specs.inputs import BenchmarkSpec, LabelledSpec, RecordedSpec
from ttstudy.errors import StudyError
from ttstudy.study import FileBenchmark, HubLabelled, MiniatureBenchmark, RecordedBenchmark, RecordedPolicy, RecordedPRM
from ttstudy.study.fields import pattern_path
from ttstudy.study.intake import Intake


def recorded_files(layout: Layout, settings: Intake, key: str) -> list[Path]:
    """The files of recorded responses that a section names, itself or by variables of the environment."""
    assert settings.path is not None, key
    named = [settings.path] if isinstance(settings.path, str) else settings.path
    paths = []
    for path in named:
        if path.startswith("$"):
            name, path = path[1:], os.environ.get(path[1:], "")
            if not path:
                raise StudyError(f"{key}: the environment variable {name} is not set; set it to the file's path")
            try:
                pattern_path(path)
            except ValueError as error:
                raise StudyError(f"{key}: {name}: {error}") from None
        paths.append(path)
    return found(layout.root, paths, key)


@remembered
def imported_spec(layout: Layout, name: str, group: str = "policies") -> RecordedSpec:
    """Spec of the checked table of a recorded policy's, or benchmark's, files: by their content, wherever they lie."""
    settings = layout.study.policies[name] if group == "policies" else layout.study.benchmarks[name]
    if isinstance(settings, RecordedBenchmark) and settings.policy is not None:
        return imported_spec(layout, settings.policy)
    assert isinstance(settings, RecordedPolicy | RecordedBenchmark)
    files = recorded_files(layout, settings, f"{group}.{name}.path")
    together, each = contents(files)
    used = (prm for prm in layout.study.prms.items() if isinstance(prm[1], RecordedPRM))
    kinds: dict[str, str] = {prm.column or name: prm.score_kind for name, prm in used if isinstance(prm, RecordedPRM)}
    spec = RecordedSpec(
        version=fingerprint.VERSIONS["recorded"],
        form=files[0].suffix,
        sha256=together,
        sources=each,
        source_format=settings.format,
        columns=settings.columns,
        skip_broken=settings.skip_broken,
        skipped_by=kinds if settings.skip_broken else {},
        score_kinds=kinds,
        outputs={},
    )
    return spec.named(output=places.RECORDED.format(results=layout.study.results, spec=spec.folder))


@remembered
def benchmark_spec(layout: Layout, benchmark: str) -> BenchmarkSpec:
    """Spec of a benchmark's table."""
    settings = layout.study.benchmarks[benchmark]
    spec = BenchmarkSpec(
        settings=settings, version=fingerprint.VERSIONS["benchmark"], limit=layout.study.limit, outputs={}
    )
    if isinstance(settings, RecordedBenchmark):
        spec = spec.model_copy(update={"recorded": imported_spec(layout, benchmark, "benchmarks").file()})
    elif isinstance(settings, FileBenchmark):
        together, each = contents(found(layout.root, settings.path, f"benchmarks.{benchmark}.path"))
        spec = spec.model_copy(update={"content": together, "sources": each})
    elif isinstance(settings, MiniatureBenchmark):
        task = settings.task or layout.study.miniature.task
        spec = spec.model_copy(update={"settings": settings.model_copy(update={"task": task})})
    names = {"results": layout.study.results, "benchmark": benchmark, "spec": spec.folder}
    return spec.named(output=places.BENCHMARK.format(**names))


@remembered
def labelled_spec(layout: Layout, name: str) -> LabelledSpec:
    """Spec of a labelled set's solutions."""
    settings = layout.study.labelled[name]
    spec = LabelledSpec(
        # The plain form, named or found out, is the same.
        settings=settings.model_copy(update={"format": None}) if settings.format == "plain" else settings,
        version=fingerprint.VERSIONS["labelled"],
        outputs={},
    )
    if not isinstance(settings, HubLabelled):
        together, each = contents(found(layout.root, settings.path, f"labelled.{name}.path"))
        spec = spec.model_copy(update={"sha256": together, "sources": each})
    names = {"results": layout.study.results, "labelled": name, "spec": spec.folder}
    return spec.named(output=places.LABELLED.format(**names))
