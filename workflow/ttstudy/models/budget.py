"""GPU memory, added up before anything loads: weights, caches, activations and graphs of the engines of one job.

Sources: vLLM 0.32, `v1/worker/gpu_worker.py` (determine_available_memory: a share of the whole device, less weights,
the peak of a profiled pass and the CUDA graphs, is KV cache), `v1/worker/utils.py` (request_memory: the share must be
free when an engine starts), `v1/core/kv_cache_utils.py` (one request of max_model_len must fit), `engine/arg_utils.py`
(get_batch_defaults), `model_executor/models/{llama,qwen2}.py` (tensor parallel). No GPU was at hand:
`tests/test_budget.py` holds weights and cache against what logs of vLLM on A100 and A10G tell; what is `ASSUMED` here
was not measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from ttstudy.errors import StudyError
from ttstudy.models.architecture import QKV, Architecture

GIB = 2**30
SOLD = {24: (23028, 22.0), 40: (40536, 39.3), 80: (81559, 79.1), 96: (97871, 94.6), 141: (143771, 139.0)}
"""By the GB that a GPU is sold with: MiB that nvidia-smi lists (A10, A100, H100, GH200, H200), GiB that a process sees.

Logs of vLLM say 22.07, 39.39 and 79.14 to 79.33; the last two are 0.99 of what is listed.
"""
SEEN = 0.98
"""Share of what nvidia-smi lists that a process sees, of any other GPU."""
LARGEST, USUAL = 0.95, 0.9
"""Share of a device that engines may fill together, and that one alone takes where that is enough. ASSUMED."""
CONTEXT, COMMUNICATION, GRAPHS = 0.6, 1.0, 1.0
"""GiB of a process's CUDA context; of NCCL beside it where GPUs work together; of vLLM's CUDA graphs. ASSUMED."""
PREFIXES = 8.0
"""GiB that a PRM's prefix cache asks for where it shares a device (`reports/benchmarks/prm_reads.md`)."""
CACHES = 4.0
"""GiB of caches below which an engine takes more of its device, and two engines do not share one. ASSUMED."""
WIDTHS = (1, 2, 4, 8, 16, 32, 64)
"""Widths of tensor parallel that are tried."""
OWN = 70.0
"""GiB of weights on one GPU by which a PRM's width is chosen where the study says none, as on GPUs of 80 GB."""


@dataclass(frozen=True)
class Gpu:
    """A GPU: what it is called by, and the GiB of it that a process sees."""

    name: str
    gib: float

    @classmethod
    def sold_with(cls, gb: float) -> Gpu:
        """A GPU that is sold with so many GB."""
        return cls(f"{gb:g} GB", SOLD[int(gb)][1] if gb in SOLD else gb * 1e9 / GIB * SEEN)

    @classmethod
    def listed_with(cls, mib: float) -> Gpu:
        """A GPU of which nvidia-smi lists so many MiB."""
        sold = next((gb for gb, (listed, _) in SOLD.items() if 0.98 * listed <= mib <= 1.07 * listed), None)
        return cls.sold_with(sold) if sold else cls(f"{mib / 1024:.0f} GiB", mib * SEEN / 1024)

    @property
    def large(self) -> bool:
        """Whether vLLM takes its larger batches by default, as on H100 (an A100's are smaller: counted alike)."""
        return self.gib >= 70


@dataclass(frozen=True, kw_only=True)
class Load:
    """A model on an engine. `key` names it in the study; `bytes` of one weight; `longest`, tokens of a sequence.

    `draws`: a policy, else a PRM, whose head has `head` weights; `vocabulary`: whether the language-model head is
    there; `share`, `kv_gib`: where the study gives gpu_memory_utilization or kv_cache_gib.
    """

    key: str
    shape: Architecture
    engine: str
    bytes: int
    longest: int
    draws: bool
    tensor_parallel: int = 1
    data_parallel: int = 1
    sequences: int | None = None
    eager: bool = False
    head: int = 0
    vocabulary: bool = True
    share: float | None = None
    kv_gib: float | None = None

    @property
    def gpus(self) -> int:
        """GPUs that the engine takes."""
        return self.tensor_parallel * self.data_parallel if self.engine == "vllm" else 1

    def widened(self, width: int) -> Load:
        """The same on vLLM with another width of tensor parallel."""
        return replace(self, engine="vllm", tensor_parallel=width)

    def eased(self, gpu: Gpu) -> Load:
        """The same with fewer sequences at a time, where vLLM's own number would keep it from fitting."""
        if not self.draws or self.sequences or self.engine != "vllm":
            return self
        fewer = (self, *(replace(self, sequences=count) for count in (256, 64)))
        return next((load for load in fewer if load.least(gpu) <= (self.share or LARGEST) * gpu.gib), self)

    # -- GiB on each of its GPUs -----------------------------------------------------------------------------------

    def weights(self) -> float:
        """Of weights: matrices are divided, key-value heads as far as there are some, vectors are not."""
        shape, width = self.shape, self.tensor_parallel if self.engine == "vllm" else 1
        copies = max(1, width / shape.kv_heads)
        count = 0.0
        for name, size in replace(shape, layers=1).tensors().items():
            times = shape.layers if name.startswith("layers.") else 1
            of_keys = name.rpartition(".")[0].endswith(QKV[1:])
            divided = len(size) > 1 or name.endswith(".bias")
            count += times * math.prod(size) * (copies if of_keys else 1) / (width if divided else 1)
        if self.vocabulary and not shape.tied:
            count += shape.vocabulary * shape.hidden / width
        return (count * self.bytes + self.head * 4) / GIB

    def token(self) -> float:
        """Of keys and values of one token."""
        width = self.tensor_parallel if self.engine == "vllm" else 1
        heads = max(1, self.shape.kv_heads // width)
        return 2 * self.shape.layers * heads * self.shape.head_dim * self.bytes / GIB

    def least_cache(self) -> float:
        """Of one sequence of full length, without which vLLM does not start."""
        return self.longest * self.token() if self.engine == "vllm" else 0.5

    def passing(self, gpu: Gpu) -> float:
        """Of the largest pass: inputs and outputs of a layer's MLP, and of a policy fp32 logits, three times."""
        shape, width = self.shape, self.tensor_parallel if self.engine == "vllm" else 1
        tokens = 32768 if self.engine != "vllm" else 16384 if gpu.large else 8192
        if not self.draws:
            tokens = max(tokens, self.longest, 16384)
        inner = tokens * (2 * shape.hidden + 3 * shape.feed_forward / width) * self.bytes
        sequences = self.sequences or (1024 if gpu.large else 256)
        return (inner + (sequences * shape.vocabulary * 12 if self.draws else 0)) / GIB

    def fixed(self, gpu: Gpu) -> float:
        """Of all but its caches."""
        graphs = 0.0 if self.eager or self.engine != "vllm" else GRAPHS
        together = COMMUNICATION if self.engine == "vllm" and self.tensor_parallel > 1 else 0.0
        return self.weights() + self.passing(gpu) + CONTEXT + together + graphs

    def least(self, gpu: Gpu) -> float:
        """The least that it works with."""
        return self.fixed(gpu) + max(self.least_cache(), self.kv_gib or 0)

    def divides(self, width: int) -> bool:
        """Whether vLLM can give each of `width` GPUs its part of the heads."""
        heads, kv_heads = self.shape.heads, self.shape.kv_heads
        return heads % width == 0 and (kv_heads % width == 0 or width % kv_heads == 0)

    def width_for(self, gpu: Gpu) -> int | None:
        """The smallest width of tensor parallel with which it fits; None where none does."""
        able = (w for w in WIDTHS if self.divides(w))
        return next((w for w in able if self.widened(w).eased(gpu).least(gpu) <= LARGEST * gpu.gib), None)


class Seat(NamedTuple):
    """Where a model sits: GPUs of the job, the share of each that is its own, and GiB of its cache on each."""

    devices: tuple[int, ...]
    share: float
    cache_gib: float
    sequences: int | None = None
    """Responses drawn together, where fewer than vLLM's own number; None: as the study has it."""


class Placement(NamedTuple):
    """The engines of one job on its GPUs; None: not part of the job, or not on a GPU."""

    gpu: Gpu
    gpus: int
    policy: Seat | None
    prm: Seat | None

    @property
    def shared(self) -> bool:
        """Whether policy and PRM are on one GPU."""
        return bool(self.policy and self.prm and set(self.policy.devices) & set(self.prm.devices))

    def words(self) -> str:
        """Each model's GPUs, its share of them, and its cache on each."""
        told = []
        for name, seat in (("policy", self.policy), ("PRM", self.prm)):
            if seat is not None:
                on = f"{seat.devices[0]}" if len(seat.devices) == 1 else f"{seat.devices[0]}-{seat.devices[-1]}"
                few = f", {seat.sequences} responses at a time" if seat.sequences else ""
                told.append(f"{name} {seat.share:.2f} of GPU {on}, cache {seat.cache_gib:.1f} GiB{few}")
        return "; ".join(told)


def place(gpu: Gpu, policy: Load | None = None, prm: Load | None = None, most: int | None = None) -> Placement:
    """Seats of a job's models on as few GPUs of a kind as hold them, at most `most`.

    StudyError names the model that does not fit, what it wants, and a setting that works.
    """
    policy = policy and policy.eased(gpu)
    loads = [load for load in (policy, prm) if load is not None]
    for load in loads:
        _fits(load, gpu, most)
    if policy is not None and prm is not None and policy.gpus == prm.gpus == 1:
        together = _together(gpu, policy, prm)
        if together is not None:
            return together
    needed = sum(load.gpus for load in loads)
    if most is not None and needed > most:
        raise StudyError(
            f"{_widths(loads)}: {needed} GPUs of {gpu.name} are wanted, and this run may use {most} (`--resources "
            "gpu=`, the profile's `resources`, CUDA_VISIBLE_DEVICES or what nvidia-smi lists); give it more, use GPUs "
            "with more memory, or take the pair out of the study (`pairs`)"
        )
    seats: list[Seat | None] = []
    first = 0
    for item in (policy, prm):
        seats.append(None if item is None else _alone(item, gpu, first))
        first += 0 if item is None else item.gpus
    return Placement(gpu, needed, seats[0], seats[1])


def _widths(loads: list[Load]) -> str:
    return ", ".join(f"{load.key} {load.gpus}" for load in loads)


def _alone(load: Load, gpu: Gpu, first: int) -> Seat:
    """A seat on devices of its own, from `first` on."""
    enough = USUAL * gpu.gib - load.fixed(gpu) >= max(load.least_cache(), load.kv_gib or 0, CACHES)
    share = load.share or (USUAL if enough else LARGEST)
    room = share * gpu.gib - load.fixed(gpu)
    # Our own engine's pool grows, and what it leaves behind may not be used again: half of the room is its own.
    cache = load.kv_gib or (room if load.engine == "vllm" else max(min(PREFIXES, room), room / 2))
    return Seat(tuple(range(first, first + load.gpus)), share, cache, load.sequences)


def _together(gpu: Gpu, policy: Load, prm: Load) -> Placement | None:
    """Both on one device, each with its share; None where too little is left for their caches."""
    if policy.share is not None or prm.share is not None:
        return _as_told(gpu, policy, prm)
    least = policy.least(gpu) + prm.least(gpu)
    room = LARGEST * gpu.gib - least
    if room < CACHES:
        return None
    of_prm = min(PREFIXES, prm.least_cache() + room / 2) if prm.kv_gib is None else prm.kv_gib
    part = prm.fixed(gpu) + max(of_prm, prm.least_cache())
    share = math.ceil(part / gpu.gib * 1000) / 1000
    rest = math.floor((LARGEST - share) * 1000) / 1000
    cache = policy.kv_gib or rest * gpu.gib - policy.fixed(gpu)
    of_prm = max(of_prm, prm.least_cache())
    return Placement(gpu, 1, Seat((0,), rest, cache, policy.sequences), Seat((0,), share, of_prm))


def _as_told(gpu: Gpu, policy: Load, prm: Load) -> Placement | None:
    """On one device with the shares that the study gives, or what they leave; None where that is too little."""
    needs = {load.key: load.least(gpu) / gpu.gib for load in (policy, prm)}
    of_prm = prm.share or max(needs[prm.key], LARGEST - policy.share if policy.share else 0.0)
    of_policy = policy.share or LARGEST - of_prm
    if of_policy + of_prm > 1 - CONTEXT / gpu.gib or of_policy < needs[policy.key] or of_prm < needs[prm.key]:
        return None
    seats = (
        Seat((0,), share, load.kv_gib or share * gpu.gib - load.fixed(gpu), load.sequences)
        for load, share in ((policy, of_policy), (prm, of_prm))
    )
    return Placement(gpu, 1, *seats)


def _fits(load: Load, gpu: Gpu, most: int | None) -> None:
    """StudyError where one of a model's GPUs cannot hold its part."""
    width = load.tensor_parallel
    if load.engine == "vllm" and not load.divides(width):
        able = ", ".join(str(w) for w in WIDTHS if load.divides(w))
        raise StudyError(
            f"{load.key}.vllm.tensor_parallel: {width} GPUs cannot share {load.shape.heads} attention heads and "
            f"{load.shape.kv_heads} key-value heads; set it to one of {able}"
        )
    limit = load.share or LARGEST
    if load.least(gpu) <= limit * gpu.gib:
        return
    parts = (
        f"{load.weights():.1f} GiB of weights, {load.passing(gpu):.1f} of the largest pass and "
        f"{max(load.least_cache(), load.kv_gib or 0):.1f} of cache"
    )
    needs = (
        f"{load.key}: needs {load.least(gpu):.1f} GiB ({parts}) on {_each(load)} of {gpu.name}, of which "
        f"{limit * gpu.gib:.1f} can be used"
    )
    raise StudyError(f"{needs}; {_advice(load, gpu, most)}")


def _each(load: Load) -> str:
    return "one GPU" if load.gpus == 1 else f"each of {load.gpus} GPUs"


def _advice(load: Load, gpu: Gpu, most: int | None) -> str:
    """A setting that works."""
    if load.share is not None and load.least(gpu) <= LARGEST * gpu.gib:
        return f"set {load.key}.vllm.gpu_memory_utilization: {math.ceil(load.least(gpu) / gpu.gib * 100) / 100:g}"
    width = load.width_for(gpu)
    if width is None or (most is not None and width > most):
        return f"no tensor_parallel up to {most or WIDTHS[-1]} makes it fit; use GPUs with more memory, or more of them"
    engine = "" if load.engine == "vllm" else f"{load.key}.engine: vllm and "
    return f"set {engine}{load.key}.vllm.tensor_parallel: {width}"


def own_width(load: Load) -> int:
    """Width of tensor parallel of a PRM of which the study says none: by its weights alone.

    It decides digests, so it hangs on no machine and on no number that is assumed.
    """
    return next((w for w in WIDTHS if load.divides(w) and load.widened(w).weights() <= OWN), 1)


def head_weights(shape: Architecture, form: str) -> int:
    """Weights of a PRM's own head by its format, those of the vocabulary left out."""
    return shape.hidden * (shape.hidden + 3) + 2 if form == "qwen" else shape.hidden + 1

