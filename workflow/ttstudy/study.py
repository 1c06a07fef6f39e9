"""The study's configuration: typed, checked before anything runs, exported as a JSON Schema for editors.

`from_mapping(mapping)` checks a mapping that is already there (Snakemake's `config`); `ttstudy.revisions.load(path)`
reads a study's file. Every mistake becomes a `StudyError` whose text names the key by its path and says what is wanted.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from ttstudy.errors import StudyError
from ttstudy.prompts import SAMPLING
from ttstudy.yamlfile import read_yaml

__all__ = ["Study", "StudyError", "from_mapping", "read_yaml", "schema", "with_base"]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""A name used in paths: letters, digits, dot, dash, underscore; starts with a letter or digit."""

HubId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""An id of the Hugging Face hub, owner/name."""
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
"""A commit; branches and tags move, so they are none."""

Score = Literal["min", "last", "avg"]
Grader = Literal["strict", "reference"]
GRADERS: tuple[str, ...] = get_args(Grader)
RESERVED = ("benchmarks", "imported", "labelled", "models", "studies", "logs", "retrained", "cache")
"""Folders of `results/` that a benchmark may not be named after."""


def _plain_path(path: str) -> str:
    """A path that shells, arguments and Snakemake's patterns take as it is."""
    odd = next((character for character in path if not character.isprintable() or character in "{}*?\"'\\$`"), None)
    if odd is not None:
        raise ValueError(f"a path may not hold {odd!r}")
    if path.strip() != path or path[:1] in ("-", "~"):
        raise ValueError(f"a path may not start with {path[:1]!r} or end with a space; write it out")
    return path


def _plain(options: Any, place: str = "") -> Any:
    """Options that JSON can hold: finite numbers, texts, truth values, null, lists, and maps of names."""
    if isinstance(options, dict):
        for key, value in options.items():
            if not isinstance(key, str):
                raise ValueError(f"{place}{key!r} is not a name")
            _plain(value, f"{place}{key}: ")
    elif isinstance(options, list):
        for value in options:
            _plain(value, place)
    elif not (options is None or isinstance(options, str | int) or isinstance(options, float) and isfinite(options)):
        raise ValueError(f"{place}{str(options)[:40]!r} is not a finite number, a text, true, false or null")
    return options


VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
Options = Annotated[dict[str, Any], AfterValidator(_plain)]
"""Options that are checked where they are used; see `ttstudy.miniature.definitions`."""
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_plain_path)]
RecordedPath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000),
    AfterValidator(lambda path: path if VARIABLE.fullmatch(path) else _plain_path(path)),
    Field(description="JSONL or Parquet file, or $NAME: the environment variable NAME holds its path"),
]


class _Section(BaseModel):
    # Strict: `yes` is no number, "4" is none, and true is not 1.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MiniatureBenchmark(_Section):
    """Problems of the miniature arithmetic task, made from a seed."""

    source: Literal["miniature"]
    split: Literal["test", "validation"] = "test"
    problems: int = Field(gt=0, le=100_000, description="number of problems")
    seed: int = Field(ge=0, lt=2**63, description="seed of the problems")
    task: Options = Field(default_factory=dict, description="options of the task; empty: as `miniature.task`")


class _Table(_Section):
    columns: dict[Literal["problem_id", "problem", "answer", "level", "subject"], str] = Field(
        default_factory=dict, description="our column name: the file's column name, where they differ"
    )
    problems: int | None = Field(default=None, gt=0, le=10_000_000, description="use only the first so many problems")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="of the normalised table, all problems in order; the benchmark step's log tells it"
    )

    @model_validator(mode="after")
    def _one_column_each(self) -> _Table:
        if len(set(self.columns.values())) < len(self.columns):
            raise ValueError("columns names one column of the file twice")
        return self


class FileBenchmark(_Table):
    """Problems from a JSONL or Parquet file with columns problem_id, problem, answer (level, subject optional)."""

    source: Literal["file"]
    path: FilePath = Field(description="JSONL or Parquet file")


class _Hub(_Section):
    source: Literal["hub"]
    id: HubId = Field(description="owner/name on the Hugging Face hub")
    revision: Commit | None = Field(
        default=None, description="commit of 40 hex digits; null: from the lock file that pin_revisions.py writes"
    )


class HubBenchmark(_Hub, _Table):
    """Problems from a JSONL or Parquet file of a data set on the Hugging Face hub."""

    file: FilePath | None = Field(default=None, description="file in the data set; null: the split's only one")
    split: str = Field(default="test", min_length=1, description="split whose file is taken where `file` is null")


class RecordedBenchmark(_Section):
    """The problems of a file of recorded responses (see `ttstudy.recorded`)."""

    source: Literal["recorded"]
    path: RecordedPath


Benchmark = Annotated[
    MiniatureBenchmark | FileBenchmark | HubBenchmark | RecordedBenchmark, Field(discriminator="source")
]


class SamplingSettings(_Section):
    """How tokens are drawn."""

    temperature: float = Field(ge=0, le=5, description="0 is greedy decoding")
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0, le=1_000_000, description="0 keeps every token")
    max_tokens: int = Field(gt=0, le=1_000_000, description="most tokens of a response (of a step, in search)")


class Sampling(_Section):
    """Settings by use; null: those of the policy's prompt family (`ttstudy.prompts.SAMPLING`)."""

    cot: SamplingSettings | None = Field(default=None, description="one greedy response")
    responses: SamplingSettings | None = Field(default=None, description="pilot and pool")
    search: SamplingSettings | None = Field(default=None, description="steps")


class SamplingChange(_Section):
    """One policy's own settings; what is not given stays as in `sampling`."""

    temperature: float | None = Field(default=None, ge=0, le=5)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0, le=1_000_000)
    max_tokens: int | None = Field(default=None, gt=0, le=1_000_000)


class SamplingChanges(_Section):
    """One policy's own settings by use."""

    cot: SamplingChange = SamplingChange()
    responses: SamplingChange = SamplingChange()
    search: SamplingChange = SamplingChange()


class Definition(_Section):
    """What decides a trained checkpoint's bytes; see `ttstudy.miniature`."""

    model: Options
    training: Options
    seed: int = Field(ge=0, lt=2**63)
    version: int = Field(default=1, ge=1, le=1_000_000, description="raise it to train again with new code")


class _Vllm(_Section):
    tensor_parallel: int = Field(default=1, ge=1, le=64, description="GPUs that share one copy of the weights")
    max_model_len: int | None = Field(default=None, ge=16, description="context in tokens; null: the model's own")
    enforce_eager: bool = Field(default=False, description="no compilation: slower, quicker to start (always on a CPU)")
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1, description="share of each GPU's memory")
    kv_cache_gib: float | None = Field(default=None, gt=0, description="cache in GiB; null: what fits (CPU: 1)")


class VllmOptions(_Vllm):
    """Options of the vLLM engine. Those of `MACHINE` change no result and may differ from run to run."""

    data_parallel: int = Field(default=1, ge=1, le=64, description="copies, each a process with GPUs of its own")
    batch_invariant: bool = Field(default=False, description="the same bits whatever the batch, on a GPU; slower")
    max_num_seqs: int | None = Field(default=None, ge=1, description="most responses drawn together; null: vLLM's own")

    MACHINE: ClassVar = frozenset({"data_parallel", "gpu_memory_utilization", "max_num_seqs", "kv_cache_gib"})


class VllmPRMOptions(_Vllm):
    """Options of a PRM on vLLM, as `VllmOptions`. A solution is scored whole or not at all, whatever the context."""

    MACHINE: ClassVar = frozenset({"max_model_len", "gpu_memory_utilization", "kv_cache_gib"})


class _OnEngine(_Section):
    """A model whose weights are here, and what runs it. Subclasses have `vllm`, options of their own."""

    engine: Literal["transformers", "vllm"] = Field(
        default="transformers", description="transformers: CPU or one GPU; vllm: GPUs (and CPU, `make vllm-cpu`)"
    )
    vllm: Any

    @model_validator(mode="after")
    def _options_fit(self) -> _OnEngine:
        # Compared by value: a configuration that was written out in full, defaults too, must be readable again.
        if self.engine != "vllm" and self.vllm != type(self.vllm)():
            raise ValueError("has options under `vllm`, but its engine is transformers; add `engine: vllm`")
        return self

    @property
    def machine(self) -> dict[str, Any]:
        """Options of the engine that change no result."""
        return self.vllm.model_dump(include=set(self.vllm.MACHINE)) if self.engine == "vllm" else {}


class _PolicyCommon(_Section):
    prompt: Literal["plain", "llama", "qwen", "deepseek-r1"] = Field(
        default="plain", description="instruction given with the problem; plain gives none"
    )
    sampling: SamplingChanges = SamplingChanges()


class _LocalPolicy(_PolicyCommon, _OnEngine):
    """A policy whose weights are here: what runs it, and where."""

    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where the transformers engine runs")
    vllm: VllmOptions = Field(default=VllmOptions(), description="options of engine vllm")

    @model_validator(mode="after")
    def _device_fits(self) -> _LocalPolicy:
        if self.engine == "vllm" and self.device != "cpu":
            raise ValueError("`device` is for the transformers engine; vLLM finds its GPUs itself, so leave it out")
        return self

    @property
    def engine_spec(self) -> dict[str, Any]:
        """What of the engine decides the responses."""
        if self.engine == "vllm":
            return {"engine": "vllm", "vllm": self.vllm.model_dump(exclude=set(VllmOptions.MACHINE))}
        return {"engine": "transformers"} | ({"device": self.device} if self.device != "cpu" else {})

    @property
    def gpus(self) -> int:
        """GPUs that a step of this policy takes."""
        if self.engine == "vllm":
            return self.vllm.tensor_parallel * self.vllm.data_parallel
        return int(self.device == "cuda")


class TrainedPolicy(_LocalPolicy):
    """A policy of the miniature ladder, trained by the DAG or shipped."""

    source: Literal["trained"]
    definition: Definition


class CheckpointPolicy(_LocalPolicy):
    """A Hugging Face checkpoint folder on this machine."""

    source: Literal["checkpoint"]
    path: FilePath = Field(description="folder with config.json, *.safetensors, tokenizer.json")
    dtype: Literal["float32", "bfloat16"] = "float32"
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")


class _HubModel(_Hub):
    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for the plan, before it is fetched")
    active_parameters: float | None = Field(default=None, gt=0, le=1e15, description="of a mixture of experts")


class HubPolicy(_HubModel, _LocalPolicy):
    """A model of the Hugging Face hub, fetched at a pinned commit into `results/models/hub/`."""

    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")


class RecordedPolicy(_Section):
    """A policy of which only responses are there, in a file; it can be voted on, never searched with."""

    source: Literal["recorded"]
    path: RecordedPath
    greedy: bool = Field(default=False, description="the file marks one greedy response per problem, for CoT")
    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for FLOPs; null: not known")
    active_parameters: float | None = Field(default=None, gt=0, le=1e15, description="of a mixture of experts")
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")


class OpenAIPolicy(_PolicyCommon):
    """A model behind an OpenAI-compatible endpoint; it can be voted on, never searched with."""

    source: Literal["openai"]
    model: str = Field(min_length=1, max_length=200, description="the model's name at the endpoint")
    base_url: str = Field(
        default="https://api.openai.com/v1",
        max_length=1000,
        description="address before /chat/completions, or $NAME: the environment variable NAME holds it",
    )
    key_variable: EnvironmentName | None = Field(
        default="OPENAI_API_KEY", description="environment variable that holds the key; null: the endpoint needs none"
    )
    reasoning: bool = Field(default=False, description="a model that thinks first: no temperature, thoughts count")
    system: str | None = Field(default=None, max_length=20_000, description="in the place of the family's instruction")
    concurrency: int = Field(default=16, ge=1, le=1000, description="most requests under way")
    requests_per_minute: float | None = Field(default=None, gt=0, le=1e6, description="most requests begun")
    timeout_s: float = Field(default=600, gt=0, le=86_400, description="longest silence of the endpoint, in seconds")
    attempts: int = Field(default=12, ge=1, le=1000, description="tries of one request before the job gives up")
    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for FLOPs; null: not known")
    active_parameters: float | None = Field(default=None, gt=0, le=1e15, description="of a mixture of experts")
    pretraining_tokens: float | None = Field(default=None, gt=0, le=1e18, description="for the FLOPs table's 6ND")

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if VARIABLE.fullmatch(value):
            return value
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", value):
            raise ValueError(
                "must be $NAME or an address like https://host/v1, without user, key or query: the key comes from "
                "the environment variable that `key_variable` names"
            )
        return value

    @property
    def machine(self) -> dict[str, Any]:
        """How the endpoint is asked: nothing of it changes a result."""
        return self.model_dump(include={"key_variable", "concurrency", "requests_per_minute", "timeout_s", "attempts"})


Policy = Annotated[
    TrainedPolicy | CheckpointPolicy | HubPolicy | RecordedPolicy | OpenAIPolicy, Field(discriminator="source")
]


class _LocalPRM(_OnEngine):
    """A PRM whose weights are here: what runs it."""

    vllm: VllmPRMOptions = Field(default=VllmPRMOptions(), description="options of engine vllm")

    @property
    def engine_spec(self) -> dict[str, Any]:
        """What of the engine decides the scores; nothing where it is transformers."""
        if self.engine != "vllm":
            return {}
        return {"scoring": {"engine": "vllm"} | self.vllm.model_dump(exclude=set(VllmPRMOptions.MACHINE))}

    @property
    def gpus(self) -> int:
        """GPUs that the engine is told to take; 0: by the PRM's size."""
        return self.vllm.tensor_parallel if self.engine == "vllm" else 0


class TrainedPRM(_LocalPRM):
    """A PRM of the miniature, trained by the DAG or shipped."""

    source: Literal["trained"]
    definition: Definition
    policies: list[Name] = Field(min_length=1, description="policies whose checkpoints it is trained from")


class CheckpointPRM(_LocalPRM):
    """A PRM checkpoint folder on this machine."""

    source: Literal["checkpoint"]
    path: FilePath
    format: Literal["math_shepherd", "rlhflow", "skywork", "qwen"] | None = Field(
        default=None, description="input format; only needed where config.json does not tell"
    )


class HubPRM(_HubModel, _LocalPRM):
    """A PRM of the Hugging Face hub, fetched at a pinned commit into `results/models/hub/`."""

    format: Literal["math_shepherd", "rlhflow", "skywork", "qwen"] | None = Field(
        default=None, description="input format; only needed where neither the id nor config.json tells"
    )


class RecordedPRM(_Section):
    """A PRM whose step scores stand in the recorded policies' files, in the column `scores.COLUMN`."""

    source: Literal["recorded"]
    column: str | None = Field(
        default=None, min_length=1, max_length=200, description="what follows `scores.`; null: the PRM's name"
    )
    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for FLOPs; null: not known")


PRM = Annotated[TrainedPRM | CheckpointPRM | HubPRM | RecordedPRM, Field(discriminator="source")]


class Labelled(_Section):
    """Solutions whose first wrong step is known, from a JSONL or Parquet file; every PRM scores them."""

    path: FilePath = Field(description="JSONL or Parquet file")
    format: Literal["plain", "processbench", "prm800k"] = Field(
        default="plain", description="plain: problem, steps, first_error (-1 or null: none), policy where known"
    )
    solutions: int | None = Field(default=None, gt=0, description="use only the first so many solutions")


BudgetList = Annotated[list[Annotated[int, Field(gt=0, le=1_000_000)]], Field(min_length=1)]


class Budgets(_Section):
    """Candidate solutions N that each method may draw for a problem. A method that is left out is not run."""

    majority: BudgetList | None = None
    best_of_n: BudgetList | None = None
    beam_search: BudgetList | None = None
    dvts: BudgetList | None = None

    @property
    def pool(self) -> int:
        """Responses needed per problem: the largest budget of majority and best-of-N (0: no pool)."""
        return max([*(self.majority or []), *(self.best_of_n or [])], default=0)

    @model_validator(mode="after")
    def _distinct(self) -> Budgets:
        for method in ("majority", "best_of_n", "beam_search", "dvts"):
            budgets = getattr(self, method) or []
            if len(set(budgets)) != len(budgets):
                raise ValueError(f"{method} lists a budget twice")
        return self


class Search(_Section):
    """Beam search and DVTS; see `ttstudy.search` for what each option means and why it has its default."""

    beam_width: int = Field(default=4, ge=1, le=1024, description="M: candidates drawn per kept beam and step")
    score: Score = Field(default="last", description="PRM score by which beams are pruned")
    answers: Literal["beams", "candidates"] = Field(
        default="beams",
        description="beams: the N/M kept beams, as published; candidates: finished siblings of theirs too",
    )
    semantics: Literal["default", "reference"] = Field(
        default="default", description="reference: the official code's behaviour, whatever the options below say"
    )
    refill: bool = Field(
        default=True,
        description="a finished beam competes for its slot at every depth, so that the best N/M are kept; false: it "
        "holds the slot for good",
    )
    dedup: bool = Field(
        default=False, description="drop siblings with equal steps; not in the paper, and it makes N mean less"
    )
    stop_on_boxed: bool = Field(
        default=False, description="end a path at a boxed text; a boxed intermediate result would end it half-way"
    )
    lookahead: int = Field(
        default=0, ge=0, le=1000, description="k greedy steps rolled out before a candidate is scored"
    )
    max_depth: int = Field(default=40, ge=1, le=10_000, description="steps of the longest path")
    max_live: int = Field(
        default=4096, ge=1, le=10**6, description="most candidates in one model call: bounds memory, changes no result"
    )
    problems_per_block: int = Field(default=50, ge=1, le=10**6, description="problems searched, and saved, together")


class Difficulty(_Section):
    """Levels by a policy's own Pass@1 on the pilot (paper, section 3.2)."""

    scheme: Literal["absolute", "quantile"] = "absolute"
    label_free: Literal["agreement", "prm"] = Field(
        default="agreement",
        description="levels predicted without labels: from the pilot's agreement, or with every PRM's scores of it too",
    )
    thresholds: tuple[float, float] = Field(
        default=(50, 10), strict=False, description="percent: easy at or above the first, hard below the second"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Difficulty:
        easy, hard = self.thresholds
        if not 100 > easy > hard > 0:
            raise ValueError("thresholds must fall and lie between 0 and 100, as in [50, 10]")
        return self


class Miniature(_Section):
    """Options shared by the miniature's task, policies and PRMs."""

    task: Options = Field(default_factory=dict)


class Study(_Section):
    """A whole study. Lists and maps are grids: every benchmark with every policy, PRM, method and budget."""

    base: str | None = Field(default=None, description="another study's file, of which this one is a variation")
    study: Name
    question: str = Field(
        default="When does a small policy with test-time compute beat a larger one, and at what cost?", max_length=1000
    )
    seed: int = Field(default=0, ge=0, lt=2**63)
    results: FilePath = Field(default="results", description="folder of everything a run makes")
    benchmarks: dict[Name, Benchmark] = Field(min_length=1)
    policies: dict[Name, Policy] = Field(min_length=1)
    prms: dict[Name, PRM] = Field(default_factory=dict)
    pairs: dict[Name, list[Name]] | None = Field(
        default=None, description="PRM: policies whose responses it scores and searches; null: every policy"
    )
    labelled: dict[Name, Labelled] = Field(
        default_factory=dict, description="solutions labelled step by step, on which PRMs are diagnosed"
    )
    budgets: Budgets
    budgets_of: dict[Name, Budgets] = Field(
        default_factory=dict, description="policy: its own budgets, in the place of `budgets`"
    )
    references: list[Name] = Field(
        default_factory=list, description="policies that answer once (CoT) and are only compared with"
    )
    published: list[Annotated[str, StringConstraints(min_length=1, max_length=100)]] = Field(
        default_factory=list,
        description="models of reports/published.csv whose published accuracies the report shows beside ours",
    )
    sampling: Sampling = Sampling()
    pilot_samples: int = Field(default=16, ge=1, le=1_000_000, description="responses per problem for difficulty alone")
    first_block: int = Field(default=64, ge=1, le=10**6, description="pool blocks end at this, 2x, 4x ... responses")
    score: Score = Field(default="last", description="PRM score of the headline numbers")
    vote: Literal["prm_max", "prm_vote"] = Field(default="prm_vote", description="vote of the headline numbers")
    grader: Grader = Field(default="strict", description="grader of all accuracies; the report compares both")
    extraction: Literal["boxed", "last_number"] = "boxed"
    search: Search = Search()
    difficulty: Difficulty = Difficulty()
    max_gpu_hours: float | None = Field(
        default=None, ge=0, description="a run whose plan (`snakemake plan`) needs more does not start"
    )
    miniature: Miniature = Miniature()

    @model_validator(mode="after")
    def _fits_together(self) -> Study:
        self._policies_named()
        width = self.search.beam_width
        for place, method, budgets in self._searches():
            for budget in budgets:
                if budget % width:
                    raise ValueError(f"{place}.{method}: {budget} is not a multiple of search.beam_width ({width})")
        for benchmark in self.benchmarks:
            if benchmark in RESERVED:
                raise ValueError(f"benchmarks.{benchmark}: this name is kept for a folder of results; choose another")
        for name in self.labelled:
            if name in self.benchmarks:
                raise ValueError(f"labelled.{name}: a benchmark has the same name; choose another")
            if not self.scoring_prms:
                raise ValueError(f"labelled.{name}: no PRM is defined under prms that could score it")
        if "all" in self.policies:
            raise ValueError("policies.all: this name stands for all policies together; choose another")
        needs_prm = [m for m in ("best_of_n", "beam_search", "dvts") if getattr(self.budgets, m)]
        if needs_prm and not self.prms:
            raise ValueError(f"prms: none is defined, but budgets.{needs_prm[0]} needs one")
        for prm, settings in self.prms.items():
            if prm == "none":
                raise ValueError("prms.none: tables say `none` where no PRM is used; choose another name")
            if len(set(getattr(settings, "policies", []))) < len(getattr(settings, "policies", [])):
                raise ValueError(f"prms.{prm}.policies: lists a policy twice")
            for policy in getattr(settings, "policies", []):
                if policy not in self.policies:
                    raise ValueError(f"prms.{prm}.policies: {policy!r} is not defined under policies")
                if not isinstance(self.policies[policy], TrainedPolicy):
                    raise ValueError(f"prms.{prm}.policies: {policy!r} is not a trained policy")
        for prm, policies in (self.pairs or {}).items():
            if prm not in self.prms:
                raise ValueError(f"pairs.{prm}: this PRM is not defined under prms")
            if len(set(policies)) < len(policies):
                raise ValueError(f"pairs.{prm}: lists a policy twice")
            for policy in policies:
                if policy not in self.policies:
                    raise ValueError(f"pairs.{prm}: policy {policy!r} is not defined under policies")
        self._recorded_fits()
        return self

    def _recorded_fits(self) -> None:
        for policy, settings in self.policies.items():
            recorded = isinstance(settings, RecordedPolicy)
            if recorded and policy in self.references and not settings.greedy:
                raise ValueError(f"references: {policy!r} has no greedy responses recorded, so it cannot be one")
            if recorded and policy not in self.references and not self.budgets_for(policy).pool:
                raise ValueError(f"policies.{policy}: recorded responses need budgets.majority or budgets.best_of_n")
            for prm in self.prms_of(policy):
                if isinstance(self.prms[prm], RecordedPRM) and not recorded:
                    raise ValueError(
                        f"prms.{prm}: its scores are recorded, but the policy {policy!r} is not; "
                        f"list only recorded policies under pairs.{prm}"
                    )
        searched = next(self._searches(), None)
        if searched and not any(self.can_search(policy) for policy in self.policies):
            raise ValueError(f"{'.'.join(searched[:2])}: no policy here can be searched with; leave this method out")

    def _policies_named(self) -> None:
        for key in ("budgets_of", "references"):
            for policy in getattr(self, key):
                if policy not in self.policies:
                    raise ValueError(f"{key}: {policy!r} is not defined under policies")
        if both := sorted(set(self.budgets_of) & set(self.references)):
            raise ValueError(f"budgets_of.{both[0]}: this policy is one of `references`, which draw no pool")
        if set(self.references) == set(self.policies):
            raise ValueError("references: every policy is one, so there is nothing to compare; leave one out")

    def _searches(self) -> Iterator[tuple[str, str, list[int]]]:
        """(key, method, budgets) of every search in the configuration."""
        every = {"budgets": self.budgets} | {f"budgets_of.{name}": item for name, item in self.budgets_of.items()}
        for place, budgets in every.items():
            for method in ("beam_search", "dvts"):
                if getattr(budgets, method):
                    yield place, method, getattr(budgets, method)

    def budgets_for(self, policy: str) -> Budgets:
        """Budgets of one policy: its own, the study's, or none for a reference."""
        return Budgets() if policy in self.references else self.budgets_of.get(policy, self.budgets)

    def sampling_of(self, policy: str, use: Literal["cot", "responses", "search"]) -> dict[str, Any]:
        """Settings for one policy and use: the study's or its prompt family's, its own changes applied."""
        settings = self.policies[policy]
        given: SamplingSettings | None = getattr(self.sampling, use)
        base = SAMPLING[settings.prompt][use] if given is None else given.model_dump()
        change: SamplingChange = getattr(settings.sampling, use)
        return base | change.model_dump(exclude_none=True)

    def can_search(self, policy: str) -> bool:
        """Whether a policy can go on from a partial response: recorded ones and those behind endpoints cannot."""
        return not isinstance(self.policies[policy], RecordedPolicy | OpenAIPolicy)

    @property
    def scoring_prms(self) -> list[str]:
        """PRMs that can score any text: all but recorded ones."""
        return [prm for prm, settings in self.prms.items() if not isinstance(settings, RecordedPRM)]

    def prms_of(self, policy: str) -> list[str]:
        """PRMs that judge and steer a policy; none for a reference."""
        if policy in self.references:
            return []
        return [prm for prm in self.prms if self.pairs is None or policy in self.pairs.get(prm, [])]


_HINTS = {
    "extra_forbidden": "unknown key; see workflow/schemas/study.schema.json for those there are",
    "missing": "is missing; give it a value",
}


_PATTERNS = {
    "id": "is not an id of the hub, owner/name",
    "revision": "is not a commit of 40 hex digits; leave it out and run scripts/pin_revisions.py",
}


def _sentence(error: Mapping[str, Any]) -> str:
    loc = list(error["loc"])
    if len(loc) > 2 and loc[0] in ("benchmarks", "policies", "prms") and loc[2] != "[key]":
        del loc[2]  # the source, by which pydantic chose what the entry must look like
    path = ".".join(str(part) for part in loc if part != "[key]")
    kind, context = error["type"], error.get("ctx", {})
    if kind in _HINTS:
        text = _HINTS[kind]
    elif kind == "value_error":
        text = str(context.get("error", error["msg"]))
        return f"{path}: {text}" if path else text
    elif kind == "union_tag_invalid":
        text = f"source {context.get('tag')!r} is not one of {context.get('expected_tags')}"
    elif kind == "union_tag_not_found":
        text = "needs a `source`"
    elif kind == "string_pattern_mismatch":
        wanted = "is not a name: use letters, digits, dot, dash and underscore, at most 64"
        text = f"{error.get('input')!r} {_PATTERNS.get(path.rsplit('.', 1)[-1], wanted)}"
    else:
        value = repr(error.get("input"))
        text = f"{error['msg'][0].lower()}{error['msg'][1:]} (got {value[:60]})"
    return f"{path}: {text}"


def from_mapping(config: Mapping[str, Any], source: str = "configuration") -> Study:
    """The checked study of a mapping; StudyError names `source`, each bad key's path and what is wanted."""
    try:
        return Study.model_validate(dict(config))
    except ValidationError as error:
        found = sentences(error)
        more = f"; and {len(found) - 4} more mistakes" if len(found) > 4 else ""
        raise StudyError(f"{source}: " + "; ".join(found[:4]) + more) from None


def sentences(error: ValidationError, before: str = "") -> list[str]:
    """Each mistake of a validation in words, its path with `before` put before it."""
    return sorted({before + _sentence(item) for item in error.errors()})


def with_base(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The mapping laid over the file that its `base` names (relative to `folder`), key by key; null removes."""
    config = dict(config)
    base = config.pop("base", None)
    if base is None:
        return config
    if not isinstance(base, str):
        raise StudyError(f"base: must be the path of another study's file, not {base!r}")
    path = folder / base
    return _laid_over(with_base(_once(path), path.parent), config)


def _once(path: Path) -> dict[str, Any]:
    content = read_yaml(path)
    if "base" in content:
        raise StudyError(f"{path}: has a `base` itself; a study may vary one that stands on its own")
    return content


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _laid_over(result[key], value) if both else value
    # `null` takes an entry of the base away: a benchmark, a policy, a method.
    return {key: value for key, value in result.items() if value is not None}


def schema() -> str:
    """JSON Schema (2020-12) of a study, as text ending in a newline; a study with a `base` need not be whole."""
    content = Study.model_json_schema() | {"title": "ttstudy study"}
    required = content.pop("required")
    content |= {"if": {"required": ["base"]}, "then": {"required": ["study"]}, "else": {"required": required}}
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--schema"]:
        sys.stdout.write(schema())
    else:
        sys.exit("usage: python -m ttstudy.study --schema > workflow/schemas/study.schema.json")
