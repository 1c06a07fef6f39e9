"""Which GPUs a job's models sit on, with how much of each: before a run by their sizes, in a job by what it sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttstudy.dag import models
from ttstudy.dag.layout import Layout
from ttstudy.dag.specs.generation import Drawing, Engine, Judge, ScoreSpec, SearchSpec
from ttstudy.dag.specs.records import Spec
from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES
from ttstudy.kinds.formats import FORMATS, HeadFormat, VerdictFormat
from ttstudy.models import budget, facts
from ttstudy.models.architecture import Architecture
from ttstudy.models.budget import Gpu, Load, Placement
from ttstudy.models.catalogue import format_of
from ttstudy.models.checkpoint import origin, read_config
from ttstudy.run import devices
from ttstudy.study.models import OnEngine

ASSUMED = 80
"""GB of a GPU where neither a site's file nor nvidia-smi tells."""
PLANNED = "TTSTUDY_GPU_PLANNED"
"""Environment variable by which the jobs of a run know the GPU that it was planned for: name and GiB."""
_SHARE = 0.9


# -- loads of a study --------------------------------------------------------------------------------------------


def _known(options: Mapping[str, Any], shape: Architecture) -> dict[str, Any]:
    """Of a load, what the options of its engine tell."""
    share = options.get("gpu_memory_utilization", _SHARE)
    return {
        "shape": shape,
        "longest": options.get("max_model_len") or shape.context,
        "tensor_parallel": options.get("tensor_parallel", 1),
        "data_parallel": options.get("data_parallel", 1),
        "sequences": options.get("max_num_seqs"),
        "eager": options.get("enforce_eager", False),
        "share": None if share == _SHARE else share,
        "kv_gib": options.get("kv_cache_gib") or options.get("prefix_cache_gib"),
    }


def of_policy(key: str, engine: Engine, shape: Architecture) -> Load:
    """What a policy puts on its GPUs."""
    numbers = 4 if engine.dtype == "float32" else 2
    return Load(key=key, engine=engine.kind, bytes=numbers, draws=True, **_known(engine.options, shape))


def of_prm(key: str, judge: Judge, form: str | None, shape: Architecture, numbers: int) -> Load:
    """What a PRM puts on its GPUs; `form`: its format, `numbers`: bytes of one weight."""
    known = FORMATS.get(form or "")
    if isinstance(known, VerdictFormat):  # it writes
        return Load(key=key, engine=judge.engine, bytes=numbers, draws=True, **_known(judge.options, shape))
    pooling = known.vllm if isinstance(known, HeadFormat) else None
    return Load(
        key=key,
        engine=judge.engine,
        bytes=numbers,
        draws=False,
        head=budget.head_weights(shape, form or ""),
        # vLLM reads two rows off a language-model head that it has loaded; other heads are loaded without it.
        vocabulary=judge.engine == "vllm" and (pooling is None or pooling.two_tokens is not None),
        **_known(judge.options, shape),
    )


def load(layout: Layout, name: str) -> Load | None:
    """What a model of a study puts on its GPUs; None where its sizes are not known before it is fetched."""
    settings = models.settings_of(layout.study, name)
    if not isinstance(settings, OnEngine):
        return None
    folder = (layout.root / models.weights(layout, name).path).parent
    id = getattr(settings, "id", None)
    shape = facts.shape_of(id, folder)
    if shape is None:
        return None
    if name in layout.study.policies:
        return of_policy(f"policies.{name}", models.engine(layout.study, name), shape)
    judge = models.judge(layout, name)
    return of_prm(f"prms.{name}", judge, judge.format, shape, facts.numbers_of(id, folder))


def _placed(gpu: Gpu, drawn: Load | None, read: Load | None, most: int | None) -> Placement:
    """See `budget.place`; a generative PRM on vLLM is in the process of the policy's engine, and so on its GPU."""
    placed = budget.place(gpu, drawn, read, most)
    if drawn and read and read.draws and read.engine == "vllm" and not placed.shared:
        raise StudyError(
            f"{read.key}: in a search a generative PRM on vLLM is on the policy's GPU, and {gpu.name} do not hold "
            "both; use GPUs with more memory, engine transformers with `device: cuda`, or a smaller model of the two"
        )
    return placed


class Places:
    """Seats of all jobs of a study on GPUs of one kind; `known`: how the kind is known, in words."""

    def __init__(self, layout: Layout, gpu: Gpu, known: str = "stated", most: int | None = None) -> None:
        """Nothing is placed before it is asked for. `most`: GPUs that a run may use."""
        self.layout, self.gpu, self.known, self.most = layout, gpu, known, most
        self._found: dict[tuple[str | None, str | None], Placement | StudyError | None] = {}

    def of(self, policy: str | None, prm: str | None) -> Placement | None:
        """Seats of a job's models that are on GPUs; None where the sizes of one are not known yet.

        StudyError where a model does not fit, with a setting that works.
        """
        if (policy, prm) not in self._found:
            try:
                self._found[policy, prm] = self._place(policy, prm)
            except StudyError as error:
                self._found[policy, prm] = error
        found = self._found[policy, prm]
        if isinstance(found, StudyError):
            raise found
        return found

    def _place(self, policy: str | None, prm: str | None) -> Placement | None:
        drawn, read = (None if name is None else load(self.layout, name) for name in (policy, prm))
        if (policy and drawn is None) or (prm and read is None):
            return None
        return _placed(self.gpu, drawn, read, self.most)


# -- the machine -------------------------------------------------------------------------------------------------


def listed() -> list[float]:
    """MiB of each GPU that nvidia-smi lists and this process may use; [] where it lists none."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    found = subprocess.run(query, capture_output=True, text=True)
    rows = [[part.strip() for part in line.split(",")] for line in found.stdout.splitlines()]
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = None if allowed is None else {name.strip() for name in allowed.split(",")}
    try:
        return [float(mib) for index, uuid, mib in rows if names is None or names & {index, uuid}]
    except ValueError:
        return []


def site_gpu(gb: float | None) -> tuple[Gpu, str]:
    """The GPU that a run is planned for, and how it is known: stated (`gb`), found by nvidia-smi, or assumed.

    A process of a run that was planned elsewhere, a Slurm job's, has it from there (`PLANNED`).
    """
    if (planned := os.environ.get(PLANNED)) is not None:
        name, _, gib = planned.rpartition(":")
        return Gpu(name, float(gib)), "as planned"
    if gb is not None:
        return Gpu.sold_with(gb), "stated in the site's file"
    if found := listed():
        return Gpu.listed_with(min(found)), "found by nvidia-smi"
    return Gpu.sold_with(ASSUMED), "assumed: state gpu_memory_gb in the site's file (TTSTUDY_SITE)"


# -- inside a job ------------------------------------------------------------------------------------------------


def seats(spec: Spec, policy: Path | None, prm: Path | None) -> Placement | None:
    """Seats of a job's models on the GPUs that it sees, by their own config.json; None where it has none.

    StudyError where they do not fit, before anything loads.
    """
    import torch

    if not torch.cuda.is_available() or not (count := torch.cuda.device_count()):
        return None
    smallest = min(torch.cuda.get_device_properties(number).total_memory for number in range(count)) / budget.GIB
    gpu = Gpu(f"{smallest:.1f} GiB", smallest)
    drawn: Load | None = None
    read: Load | None = None
    on_gpu = isinstance(spec, Drawing) and (not ENGINES[spec.engine.kind].devices or spec.engine.device == "cuda")
    if policy is not None and isinstance(spec, Drawing) and on_gpu and not ENGINES[spec.engine.kind].remote:
        if (shape := facts.shape_of(None, policy)) is None:
            return None
        drawn = of_policy(devices.models(spec)[0].key, spec.engine, shape)
    judge = spec.judge if isinstance(spec, ScoreSpec | SearchSpec) else None
    if prm is not None and judge is not None and judge.device != "cpu" and not ENGINES[judge.engine].remote:
        if (shape := facts.shape_of(None, prm)) is None:
            return None
        form = judge.format or format_of(origin(prm) or prm.name, read_config(prm))
        numbers = facts.numbers_of(None, prm)
        read = of_prm(devices.models(spec)[-1].key, judge, form, shape, numbers)
    return _placed(gpu, drawn, read, count) if drawn or read else None
