"""Where every file of a study lies, and the spec (all that decides its content) behind each path.

`Layout.jobs` is the DAG, told once: every job with its typed spec, which names what it reads and what it makes. Folders
of what models produced carry eight characters of their spec's hash, so two settings live side by side and studies share
what they have in common. Nothing here imports pandas or torch: every `snakemake` start pays for it.
"""

from __future__ import annotations

from pathlib import Path

from ttstudy.dag import contents
from ttstudy.dag.generation import blocks
from ttstudy.dag.report import Job, Report
from ttstudy.errors import StudyError
from ttstudy.study import Study

__all__ = ["Job", "Layout", "blocks", "open_layout"]


class Layout(Report):
    """Paths and specs of one study. `root` is the folder that relative paths in the configuration start from.

    Its base classes stand on each other in the order of the DAG, one module each: base, inputs, models, generation,
    analysis, diagnostics, report.
    """


def open_layout(study: Study, root: Path | str = ".") -> Layout:
    """The layout of a checked study; StudyError when a local file that it names is missing."""
    layout = Layout(study, Path(root))
    contents.remember(layout.root / study.results)
    try:
        for benchmark in study.benchmarks:
            layout.benchmark(benchmark)
        for name in study.labelled:
            layout.labelled(name)
        for name in study.policies:
            layout.model_file(name)
        for name in study.prms:
            layout.model_file(name)
            if name in study.policies:
                raise StudyError(f"prms.{name}: a policy has the same name; names are part of paths, so choose another")
    except OSError as error:
        raise StudyError(f"{error.filename}: cannot be read ({error.strerror})") from None
    return layout
