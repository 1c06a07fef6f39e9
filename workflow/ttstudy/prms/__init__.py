"""Process reward models: formats, heads and scoring engines behind one way to open them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES, LOCAL_PRMS
from ttstudy.kinds.formats import FORMATS, VerdictFormat
from ttstudy.kinds.registry import named
from ttstudy.models.catalogue import CATALOGUE, find_folder, format_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ttstudy.dag.specs.generation import Judge
    from ttstudy.models.budget import Seat
    from ttstudy.models.checkpoint import Checkpoint
    from ttstudy.prms.engine import ScoringEngine
    from ttstudy.prms.formats import Format
    from ttstudy.prms.judging import JudgeScorer, Settings
    from ttstudy.prms.scorer import StepScorer
    from ttstudy.study.prms import Overflow

__all__ = [
    "CATALOGUE",
    "FORMATS",
    "open_counter",
    "open_prm",
    "open_reward_model",
]

BATCH_TOKENS = {"cpu": 4096, "cuda": 32768}


def open_reward_model(
    path_or_name: str | Path,
    format: str | None = None,
    engine: str = "transformers",
    *,
    name: str | None = None,
    revision: str | None = None,
    text: Mapping[str, Any] | None = None,
    verdicts: Settings | None = None,
    cache: str | Path | None = None,
    device: str = "auto",
    dtype: str | None = None,
    batch_tokens: int | None = None,
    overflow: Overflow = "score",
    backbone: Literal["auto", "light", "transformers"] = "auto",
    visible: str | None = None,
    **options: Any,
) -> StepScorer | JudgeScorer:
    """Open a process reward model (PRM) without running any code of its checkpoint.

    Args:
        path_or_name: checkpoint folder, or model id of the Hugging Face hub.
        format: name in `ttstudy.kinds.formats`; needed where neither the id nor the architecture in config.json tells.
        engine: name in `ttstudy.kinds.engines` (`vllm`: in the Python that has it; see `ttstudy.models.environment`).
        name: for tables; the folder's name or the id by default.
        revision: commit (40 hex digits) of a hub model.
        text: options of the format, e.g. `system` of qwen; by default those of the model in the catalogue, or none.
        verdicts: of a generative format: how often and how it judges; see `ttstudy.prms.judging`.
        cache: where `.bin` weights are written as safetensors, by default `safetensors/` in the checkpoint folder.
        device: `auto` is the last GPU, where there is one.
        dtype: `float32`, `bfloat16` or `float16`; by default float32 on a CPU and the checkpoint's on a GPU.
        batch_tokens: tokens of one forward pass.
        overflow: what becomes of a solution longer than the model's context (see `ttstudy.prms.scorer`).
        backbone: `light` is our own forward pass (Llama, Mistral, Qwen2), `transformers` is AutoModel, `auto` the
            first that can run the checkpoint. For engine `transformers`.
        visible: CUDA_VISIBLE_DEVICES of a process of its own; None: in this process.
        options: of the engine; of `vllm` see `ttstudy.prms.vllm.VllmScoring`. `max_model_len`, tokens of the
            longest solution, is by default the model's context.

    Raises:
        ValueError: a format that cannot be told, a tensor that is missing or does not belong, a tokenizer without
            the tokens of the format, a hub id without a commit, an unknown option, a format that vLLM cannot read.
    """
    if engine not in LOCAL_PRMS:
        raise ValueError(f"Unknown PRM engine {engine!r}; there are {', '.join(LOCAL_PRMS)}.")
    if strange := sorted(set(options) - set(LOCAL_PRMS[engine].options)):
        raise TypeError(f"{', '.join(strange)}: no option of engine {engine}.")
    from ttstudy.models.checkpoint import Checkpoint, origin
    from ttstudy.prms.judging import JudgeScorer
    from ttstudy.prms.scorer import StepScorer

    folder, name = find_folder(path_or_name, revision), name or Path(path_or_name).name
    checkpoint = Checkpoint(folder, cache)
    hub_id = origin(folder) or str(path_or_name)
    format = format or format_of(hub_id, checkpoint.config)
    if isinstance(form := FORMATS.get(format), VerdictFormat):
        checkpoint.close()
        return JudgeScorer(*_writer(checkpoint, name, engine, device, dtype, options), form, verdicts, overflow)
    if verdicts is not None:
        raise ValueError(f"verdicts: the format {format} reads its scores off and writes none; leave them out.")
    _, encoder, text = _encoding(hub_id, checkpoint, format, text)
    opening = Opening(
        checkpoint, format, encoder, cache, device, dtype, batch_tokens, backbone, visible, text
    )
    scoring: ScoringEngine = named(LOCAL_PRMS[engine].opens)(opening, **options)
    checkpoint.close()
    return StepScorer(name, encoder, scoring, overflow)


@dataclass(frozen=True, slots=True)
class Opening:
    """What an engine opens a PRM with; see `open_reward_model`."""

    checkpoint: Checkpoint
    format: str
    encoder: Format
    cache: str | Path | None
    device: str
    dtype: str | None
    batch_tokens: int | None
    backbone: str
    visible: str | None
    text: Mapping[str, Any]


def open_native(opening: Opening, prefix_cache_gib: float | None = None) -> ScoringEngine:
    """Scoring on our own forward pass, or on AutoModel where the checkpoint is of another family."""
    if opening.visible is not None:
        return _apart(opening, "transformers", {"prefix_cache_gib": prefix_cache_gib})
    import torch

    from ttstudy.models.network import dtype_of
    from ttstudy.prms import heads
    from ttstudy.prms.backbone import Backbone
    from ttstudy.prms.hf import TransformersScoring
    from ttstudy.prms.native import NativeScoring

    checkpoint, device = opening.checkpoint, _device(opening.device)
    kind = torch.device(device).type
    precision = dtype_of(opening.dtype or ("float32" if kind == "cpu" else checkpoint.dtype))
    budget = opening.batch_tokens or BATCH_TOKENS.get(kind, BATCH_TOKENS["cpu"])
    head = heads.load_head(opening.format, opening.encoder, checkpoint, device)
    if _known_backbone(checkpoint, head.keys, opening.backbone):
        return NativeScoring(Backbone(checkpoint, device, precision), head, budget, prefix_cache_gib)
    return TransformersScoring(checkpoint, head, head.keys, device, precision, budget, prefix_cache_gib)


def _apart(opening: Opening, engine: str, options: Mapping[str, Any]) -> ScoringEngine:
    """The same in a process of its own."""
    from ttstudy.prms.apart import Apart

    assert opening.visible is not None
    names = ["format", "dtype", "cache", "text", "device", "batch_tokens", "backbone"]
    known = {name: getattr(opening, name) for name in names}
    return Apart(opening.visible, opening.checkpoint.folder, {"engine": engine} | known | dict(options))


def visible_to(numbers: Sequence[int]) -> str:
    """CUDA_VISIBLE_DEVICES for a process that has these of the GPUs that this one sees."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number) for number in range(max(numbers) + 1)] if given is None else given.split(",")
    return ",".join(names[number].strip() for number in numbers)


def _device(name: str) -> str:
    """Of `auto` the last GPU: in a search the policy's engine takes the first ones."""
    import torch

    if name != "auto":
        return name
    return f"cuda:{torch.cuda.device_count() - 1}" if torch.cuda.is_available() else "cpu"


def open_vllm(opening: Opening, **options: Any) -> ScoringEngine:
    """Scoring on vLLM; ValueError where the head or the backbone is not whole."""
    if opening.backbone != "auto":
        raise ValueError("backbone is an option of engine transformers; leave it out with engine vllm.")
    if opening.visible is not None:
        return _apart(opening, "vllm", options)
    from ttstudy.models.network import dtype_of
    from ttstudy.prms import heads
    from ttstudy.prms.vllm import VllmScoring, on_cpu

    checkpoint = opening.checkpoint
    head = heads.load_head(opening.format, opening.encoder, checkpoint, "cpu")
    _known_backbone(checkpoint, head.keys, "auto")
    dtype = opening.dtype or ("float32" if on_cpu() else checkpoint.dtype or "bfloat16")
    dtype_of(dtype)
    return VllmScoring(checkpoint, opening.format, dtype, opening.cache, **options)


def _writer(
    checkpoint: Checkpoint, name: str, engine: str, device: str, dtype: str | None, options: Mapping[str, Any]
) -> tuple[Any, int | None]:
    """The engine that a generative PRM writes on; and its longest text, where the machine decides that."""
    from ttstudy.policies.opening import open_engine
    from ttstudy.prms.vllm import on_cpu

    serving = ENGINES[engine].policies
    assert serving is not None, engine
    options = {name: value for name, value in options.items() if name in serving.options}
    own = options.get("max_model_len")
    longest = own if own and own < (checkpoint.config.get("max_position_embeddings") or 2**31) else None
    if ENGINES[engine].devices:
        options = {**options, "device": _device(device)}
    cpu = on_cpu() if ENGINES[engine].vllm_environment else options.get("device") == "cpu"
    chosen = dtype or ("float32" if cpu else checkpoint.dtype or "bfloat16")
    return open_engine(checkpoint.folder, engine, name, dtype=chosen, **options), longest


def open_prm(
    path: str | Path, judge: Judge, seat: Seat | None = None, apart: bool = False, patched: bool = False
) -> StepScorer | JudgeScorer:
    """The PRM that a step's spec asks for, whose checkpoint's folder is `path`.

    `seat`: its GPUs and its share of them, where it has some; what it says changes no result. `apart`: another engine
    runs in this process, so one that finds its GPUs itself gets a process of its own. `patched`: the other one has put
    kernels of its own in torch's place on GPUs (vLLM's batch_invariant), so any PRM on a GPU gets one: its scores are
    those of a scoring step.
    """
    if patched and judge.verdicts is not None and seat is not None:
        raise StudyError(
            "vllm.batch_invariant: it changes torch's kernels for the whole job, and a PRM that writes its verdicts "
            "would run in it; leave batch_invariant out, or search with a PRM of another format"
        )
    options = judge.options
    if judge.device == "cpu":
        options["device"] = "cpu"
    elif seat is not None and ENGINES[judge.engine].devices:
        options |= {"device": f"cuda:{seat.devices[0]}", "prefix_cache_gib": seat.cache_gib}
        if patched:
            options |= {"device": "cuda:0", "visible": visible_to(seat.devices)}
    elif seat is not None and not ENGINES[judge.engine].remote:
        options["gpu_memory_utilization"] = seat.share
        if apart and judge.verdicts is None:
            options["visible"] = visible_to(seat.devices)
    if judge.verdicts is not None:
        from ttstudy.prms.judging import Settings

        options["verdicts"] = Settings(**judge.verdicts.model_dump(), seed=judge.seed or 0)
    return open_reward_model(
        path, format=judge.format, engine=judge.engine, overflow=judge.overflow, **options
    )


def open_counter(folder: Path, judge: Judge) -> StepScorer:
    """The PRM of a spec without its weights: it cannot score, but tell what is run (`StepScorer.run_of`)."""
    from ttstudy.models.architecture import UnsupportedArchitectureError
    from ttstudy.models.checkpoint import Checkpoint, origin
    from ttstudy.prms.backbone import architecture_of
    from ttstudy.prms.engine import Counting
    from ttstudy.prms.scorer import StepScorer

    checkpoint = Checkpoint(folder, None)
    _, encoder, _ = _encoding(origin(folder) or str(folder), checkpoint, judge.format, None)
    shares = LOCAL_PRMS[judge.engine].opens == f"{__name__}:{open_native.__name__}"
    try:
        architecture_of(checkpoint)
    except UnsupportedArchitectureError:
        shares = False
    checkpoint.close()
    context = int(checkpoint.config.get("max_position_embeddings") or 2**31)
    return StepScorer(folder.name, encoder, Counting(context, shares), judge.overflow)


def _encoding(
    hub_id: str, checkpoint: Checkpoint, format: str | None, text: Mapping[str, Any] | None
) -> tuple[str, Format, Mapping[str, Any]]:
    """A PRM's format, what makes its ids, and the options of its texts."""
    from ttstudy.models.text import TextTokenizer
    from ttstudy.prms.formats import make_format

    format, known = format or format_of(hub_id, checkpoint.config), CATALOGUE.get(hub_id)
    if text is None:
        text = known.options if known and known.format == format else {}
    return format, make_format(format, TextTokenizer(checkpoint.folder, checkpoint.config), **text), text


def _known_backbone(checkpoint: Checkpoint, head_keys: Sequence[str], backbone: str) -> bool:
    """Whether our own forward pass runs the checkpoint; ValueError where a tensor is missing or one too many."""
    from ttstudy.models.architecture import UnsupportedArchitectureError
    from ttstudy.prms.backbone import architecture_of

    try:
        architecture = architecture_of(checkpoint)
    except UnsupportedArchitectureError:
        if backbone == "light":
            raise
        return False
    if backbone == "transformers":
        return False
    prefix = checkpoint.backbone_prefix()
    checkpoint.check_keys([prefix + key for key in architecture.tensors()], head_keys)
    return True
