"""Where every file of a study lies, and the spec (all that decides its content) behind each path.

The rules ask this module two things: the path of an input, and the canonical spec of an output. Paths of what models
produced carry eight characters of their spec's hash, so two settings live side by side and studies share what they
have in common. Nothing here imports pandas or torch: every `snakemake` start pays for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, wraps
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Literal

from ttstudy import fingerprint
from ttstudy.errors import StudyError
from ttstudy.specs import argument, canonical, digest8
from ttstudy.study import (
    GRADERS,
    FileBenchmark,
    HubBenchmark,
    HubPolicy,
    HubPRM,
    MiniatureBenchmark,
    OpenAIPolicy,
    RecordedBenchmark,
    RecordedPolicy,
    RecordedPRM,
    Study,
    TrainedPolicy,
    TrainedPRM,
)

POOLS = ("pilot", "cot", "samples")
SEARCHES = ("beam_search", "dvts")
STUDY_TABLES = (
    *("accuracy", "outcomes", "difficulty", "ledger", "counts", "training", "strategy", "optimism"),
    *("predicted", "adaptive", "efficiency", "diagnostics"),
)
"""Tables of a study that the claims are judged by."""
GRADER_TABLES = ("graders", "grader_accuracy", "grader_answers")
"""Tables that set the study's grader beside the other one."""
FLAW_TABLES = ("diagnostics", "prm_skill", "calibration", "failures", "cases")
"""Tables about the PRMs' flaws, made together."""
_HEAD = 2**20
_DIGEST = re.compile(r"[-/]([0-9a-f]{8})(?=[/.])")


@cache
def _file_digest(path: Path) -> str:
    """SHA-256 of a small file, or of the size, head and tail of a large one (weights)."""
    total = sha256(str(path.stat().st_size).encode())
    with path.open("rb") as stream:
        total.update(stream.read(16 * _HEAD))
        if path.stat().st_size > 16 * _HEAD:
            stream.seek(-_HEAD, 2)
            total.update(stream.read())
    return total.hexdigest()


@cache
def _content(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def remembered(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of `Layout` whose answers are kept: a study does not change, and rules ask the same again and again."""

    @wraps(method)
    def answer(self: Layout, *names: str | None, **more: str | None) -> Any:
        key = (method.__name__, *names, *more.items())
        if key not in self._kept:
            self._kept[key] = method(self, *names, **more)
        return self._kept[key]

    return answer


def checkpoint_digest(folder: Path, key: str) -> str:
    """Digest of a checkpoint folder's configuration, tokenizer and weights; StudyError when it is not one."""
    if not (folder / "config.json").is_file():
        raise StudyError(f"{key}: {folder} holds no config.json; give a Hugging Face checkpoint folder")
    if not any(folder.glob("*.safetensors")):
        raise StudyError(f"{key}: {folder} holds no *.safetensors; save the checkpoint as safetensors first")
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".jinja", ".model"))
    return sha256("\n".join(f"{path.name} {_file_digest(path)}" for path in files).encode()).hexdigest()[:16]


def blocks(size: int, first: int) -> list[tuple[int, int]]:
    """Nested sample blocks (first, last) that cover a pool: ends at `first`, 2 `first`, 4 `first` and so on.

    The last block is always whole, so that a larger budget adds blocks and never cuts one anew.
    """
    edges = [0]
    while edges[-1] < size:
        edges.append(2 * edges[-1] or first)
    return [(start, stop - 1) for start, stop in zip(edges, edges[1:], strict=False)]


@dataclass
class Layout:
    """Paths and specs of one study. `root` is the folder that relative paths in the configuration start from."""

    study: Study
    root: Path = field(default_factory=Path)
    _specs: dict[str, str] = field(default_factory=dict)
    _files: dict[str, str] = field(default_factory=dict)
    _kept: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    # -- specs -------------------------------------------------------------------------------------------------

    def _named(self, spec: dict[str, Any]) -> str:
        name = digest8(spec)
        self._specs[name] = canonical(spec)
        return name

    def spec(self, digest: str) -> str:
        """The canonical spec whose first eight hash characters these are."""
        try:
            return self._specs[digest]
        except KeyError:
            raise StudyError(
                f"nothing in this configuration has the spec {digest}; ask for a path that `snakemake -n` lists"
            ) from None

    def knows(self, path: str) -> bool:
        """Whether every spec that a path names, and the study, are of this configuration."""
        own = path.startswith(f"{self.folder}/") or not path.startswith(f"{self.study.results}/studies/")
        return own and all(digest in self._specs for digest in _DIGEST.findall(path))

    def _light(self, step: str, **settings: Any) -> str:
        return argument(canonical({"step": step, "code": fingerprint.code(step)} | settings))

    # -- inputs of everything ----------------------------------------------------------------------------------

    def _imported(self, path: str, key: str) -> str:
        """Digest of a file of recorded responses, by its content: wherever it lies, what follows is the same."""
        if path.startswith("$"):
            name, path = path[1:], os.environ.get(path[1:], "")
            if not path:
                raise StudyError(f"{key}: the environment variable {name} is not set; set it to the file's path")
        file = self.root / path
        if not file.is_file():
            raise StudyError(f"{key}: there is no file {file}")
        spec = {"step": "recorded", "version": fingerprint.VERSIONS["recorded"], "form": file.suffix}
        digest = self._named(spec | {"sha256": _content(file)})
        self._files[digest] = str(file)
        return digest

    def recorded_file(self, digest: str) -> str:
        """The file of recorded responses that a digest of `imported` stands for."""
        self.spec(digest)
        return self._files[digest]

    def imported(self, name: str, group: str = "policies") -> str:
        """Path of the checked table of a recorded policy's, or benchmark's, file."""
        settings = getattr(self.study, group)[name]
        return f"{self.study.results}/imported/{self._imported(settings.path, f'{group}.{name}.path')}.parquet"

    @remembered
    def _benchmark_digest(self, benchmark: str) -> str:
        settings = self.study.benchmarks[benchmark]
        spec = settings.model_dump() | {"step": "benchmark", "version": fingerprint.VERSIONS["benchmark"]}
        if (expected := spec.pop("sha256", None)) is not None:
            spec["expected"] = expected
        if isinstance(settings, RecordedBenchmark):
            spec["path"] = self._imported(settings.path, f"benchmarks.{benchmark}.path")
        elif isinstance(settings, FileBenchmark):
            path = self.root / settings.path
            if not path.is_file():
                raise StudyError(f"benchmarks.{benchmark}.path: there is no file {path}")
            spec["sha256"] = sha256(path.read_bytes()).hexdigest()
            spec["path"] = str(path)
        elif settings.source == "miniature":
            spec["task"] = settings.task or self.study.miniature.task
        return self._named(spec)

    def benchmark(self, benchmark: str) -> str:
        """Path of a benchmark's table."""
        return f"{self.study.results}/benchmarks/{benchmark}-{self._benchmark_digest(benchmark)}.parquet"

    def benchmark_source(self, benchmark: str) -> list[str]:
        """What a benchmark's table is made from, where a step of the study makes that."""
        recorded = isinstance(self.study.benchmarks[benchmark], RecordedBenchmark)
        return [self.imported(benchmark, "benchmarks")] if recorded else []

    def _definition(self, name: str) -> dict[str, Any]:
        """Training definition of a policy or PRM; a PRM's names the definitions of the policies it learns from."""
        settings = self.study.policies.get(name) or self.study.prms[name]
        definition = {"task": self.study.miniature.task} | settings.definition.model_dump()
        if isinstance(settings, TrainedPRM):
            definition["policies"] = {
                policy: digest8(self._definition(policy)) for policy in sorted(settings.policies)
            }
        return definition

    @remembered
    def _model_digest(self, name: str, group: str) -> str:
        settings = (self.study.policies if group == "policies" else self.study.prms)[name]
        if isinstance(settings, TrainedPolicy | TrainedPRM):
            return self._named(self._definition(name))
        if isinstance(settings, HubPolicy | HubPRM):
            return self._named({"step": "fetch_model", "id": settings.id, "revision": settings.revision})
        if isinstance(settings, RecordedPolicy):
            return self._imported(settings.path, f"{group}.{name}.path")
        return checkpoint_digest(self.root / settings.path, f"{group}.{name}.path")

    def _model(self, name: str, group: str) -> str:
        settings = (self.study.policies if group == "policies" else self.study.prms)[name]
        if isinstance(settings, TrainedPolicy | TrainedPRM):
            return f"{self.study.results}/models/{group}/{name}-{self._model_digest(name, group)}/training.json"
        if isinstance(settings, RecordedPolicy):
            return self.imported(name)
        digest = self._model_digest(name, group)
        if isinstance(settings, HubPolicy | HubPRM):
            return f"{self.study.results}/models/hub/{settings.id.split('/')[1]}-{digest}/fetched.json"
        return str(self.root / settings.path / "config.json")

    def policy(self, policy: str) -> str:
        """A file of the policy's checkpoint folder: `training.json`, `fetched.json` (hub) or `config.json` (given).

        Of a recorded policy, the table of its responses.
        """
        return self._model(policy, "policies")

    def prm(self, prm: str) -> str:
        """A file of the PRM's checkpoint folder: `training.json`, `fetched.json` (hub) or `config.json` (given)."""
        return self._model(prm, "prms")

    def fetched(self) -> list[str]:
        """Everything that comes from the hub: checkpoint folders' records and benchmarks, each once."""
        study = self.study
        models = [self.policy(name) for name, item in study.policies.items() if isinstance(item, HubPolicy)]
        models += [self.prm(name) for name, item in study.prms.items() if isinstance(item, HubPRM)]
        tables = [self.benchmark(name) for name, item in study.benchmarks.items() if isinstance(item, HubBenchmark)]
        return [*dict.fromkeys(models), *tables]

    def recorded_prm(self, prm: str) -> bool:
        """Whether a PRM is there by its recorded scores alone."""
        return isinstance(self.study.prms[prm], RecordedPRM)

    def teachers(self, prm: str) -> list[str]:
        """Checkpoints that a trained PRM learns from."""
        return [self.policy(policy) for policy in sorted(self.study.prms[prm].policies)]

    # -- generation --------------------------------------------------------------------------------------------

    def _drawing(self, benchmark: str, policy: str, use: Literal["cot", "responses", "search"]) -> dict[str, Any]:
        settings = self.study.policies[policy]
        if isinstance(settings, RecordedPolicy):
            return {
                "benchmark": self._benchmark_digest(benchmark),
                "policy": self._model_digest(policy, "policies"),
                "engine": "recorded",
                "pilot": self.study.pilot_samples,
            }
        if isinstance(settings, OpenAIPolicy):
            return {
                "seeds": [self.study.seed, benchmark, policy],
                "benchmark": self._benchmark_digest(benchmark),
                "engine": "openai",
                "endpoint": settings.model_dump(include={"model", "base_url", "reasoning"}),
                "prompt": settings.prompt,
                "system": settings.system,
                "sampling": self.study.sampling_of(policy, use),
            }
        return {
            "seeds": [self.study.seed, benchmark, policy],
            "benchmark": self._benchmark_digest(benchmark),
            "policy": self._model_digest(policy, "policies"),
            **settings.engine_spec,
            "dtype": getattr(settings, "dtype", "float32"),
            "prompt": settings.prompt,
            "sampling": self.study.sampling_of(policy, use),
        }

    def machine(self, name: str) -> str:
        """Options of a model's engine that change no result, as canonical JSON: a resource, no part of a spec."""
        return canonical(getattr(self.study.policies.get(name) or self.study.prms[name], "machine", {}))

    def _judging(self, prm: str) -> dict[str, Any]:
        """What of a PRM decides its scores."""
        settings = self.study.prms[prm]
        more = getattr(settings, "engine_spec", {})
        return {"prm": self._model_digest(prm, "prms"), "format": getattr(settings, "format", None), **more}

    @remembered
    def pool_folder(self, benchmark: str, policy: str, pool: str) -> str:
        """Folder of a pool of responses: `pilot`, `cot` (one greedy response) or `samples`."""
        spec = self._drawing(benchmark, policy, "cot" if pool == "cot" else "responses")
        step = {"recorded": "recorded_responses", "openai": "ask"}.get(spec["engine"], "sample")
        spec |= {"step": step, "version": fingerprint.VERSIONS[step], "pool": pool}
        return f"{self.study.results}/{benchmark}/{policy}/{pool}-{self._named(spec)}"

    def pool_blocks(self, policy: str, pool: str) -> list[tuple[int, int]]:
        """Blocks (first, last sample index) of a policy's pool."""
        if pool == "samples":
            size = self.study.budgets_for(policy).pool
            return blocks(size, self.study.first_block) if size else []
        return [(0, 0 if pool == "cot" else self.study.pilot_samples - 1)]

    def responses(self, benchmark: str, policy: str, pool: str, block: tuple[int, int]) -> str:
        """Path of one block's responses."""
        return f"{self.pool_folder(benchmark, policy, pool)}/{block[0]:04d}-{block[1]:04d}.parquet"

    def scores(self, benchmark: str, policy: str, prm: str, block: tuple[int, int], pool: str = "samples") -> str:
        """Path of a PRM's step scores of one block of a pool."""
        folder = self.pool_folder(benchmark, policy, pool)
        settings = self.study.prms[prm]
        spec: dict[str, Any] = {"responses": folder.rsplit("-", 1)[1]}
        if isinstance(settings, RecordedPRM):
            version = fingerprint.VERSIONS["recorded_scores"]
            spec |= {"step": "recorded_scores", "version": version, "column": settings.column or prm}
        else:
            spec |= {
                "step": "score",
                "version": fingerprint.VERSIONS["score"],
                **self._judging(prm),
            }
        return f"{folder}/scores/{prm}-{self._named(spec)}/{block[0]:04d}-{block[1]:04d}.parquet"

    def _labelled_digest(self, name: str) -> str:
        settings = self.study.labelled[name]
        path = self.root / settings.path
        if not path.is_file():
            raise StudyError(f"labelled.{name}.path: there is no file {path}")
        spec = settings.model_dump() | {"step": "labelled", "version": fingerprint.VERSIONS["labelled"]}
        return self._named(spec | {"path": str(path), "sha256": sha256(path.read_bytes()).hexdigest()})

    def labelled(self, name: str) -> str:
        """Path of a labelled set's solutions."""
        return f"{self.study.results}/labelled/{name}-{self._labelled_digest(name)}/solutions.parquet"

    def labelled_scores(self, name: str, prm: str) -> str:
        """Path of a PRM's step scores of a labelled set."""
        solutions = self._labelled_digest(name)
        spec = {
            "step": "score",
            "version": fingerprint.VERSIONS["score"],
            "responses": solutions,
            **self._judging(prm),
        }
        return f"{self.study.results}/labelled/{name}-{solutions}/scores/{prm}-{self._named(spec)}.parquet"

    def labels(self, responses: str) -> str:
        """Path of the step labels of a block of responses."""
        return f"{responses.removesuffix('.parquet')}.labels.parquet"

    def label_spec(self) -> str:
        """Spec of labelling steps."""
        return self._light("label")

    @remembered
    def search_folder(self, benchmark: str, policy: str, prm: str, method: str) -> str:
        """Folder of one method's searches with a PRM, one set of files per budget."""
        options = self.study.search.model_dump(exclude={"problems_per_block", "max_live"})
        spec = self._drawing(benchmark, policy, "search") | {
            "step": "search",
            "version": fingerprint.VERSIONS["search"],
            **self._judging(prm),
            "method": method,
            "options": options,
        }
        return f"{self.study.results}/{benchmark}/{policy}/{method}/{prm}-{self._named(spec)}"

    def search_budgets(self, policy: str, method: str) -> list[int]:
        """Budgets that are run: every one of beam search; the largest of DVTS, whose trees serve the smaller."""
        budgets = sorted(getattr(self.study.budgets_for(policy), method) or [])
        return budgets if method == "beam_search" else budgets[-1:]

    def search(self, benchmark: str, policy: str, prm: str, method: str, budget: int, table: str = "answers") -> str:
        """Path of a search's `answers`, `nodes` or `cost` table."""
        return f"{self.search_folder(benchmark, policy, prm, method)}/{int(budget):04d}.{table}.parquet"

    # -- grading -----------------------------------------------------------------------------------------------

    @property
    def gradings(self) -> list[str]:
        """Endings of the grades of a responses table, one per grader: every response is graded with each."""
        return [f"{grader}-{self.study.extraction}.parquet" for grader in GRADERS]

    @property
    def other_grader(self) -> str:
        """The grader that is not the study's."""
        return next(grader for grader in GRADERS if grader != self.study.grader)

    def grades(self, responses: str, grader: str | None = None) -> str:
        """Path of the grades of a responses table, by the study's grader unless another is named."""
        stem = responses.removesuffix(".parquet").removesuffix(".answers")
        return f"{stem}.{grader or self.study.grader}-{self.study.extraction}.parquet"

    def grade_spec(self) -> str:
        """Spec of grading."""
        return self._light("grade", graders=list(GRADERS), extraction=self.study.extraction)

    # -- analysis ----------------------------------------------------------------------------------------------

    @property
    def folder(self) -> str:
        """Folder of this study's own files."""
        return f"{self.study.results}/studies/{self.study.study}"

    def table(self, name: str) -> str:
        """Path of one of the study's tables."""
        return f"{self.folder}/tables/{name}.parquet"

    def cell(self, name: str, benchmark: str, policy: str) -> str:
        """Path of one (benchmark, policy) part of a study table."""
        return f"{self.folder}/cells/{benchmark}/{policy}.{name}.parquet"

    def cells(self, name: str) -> list[str]:
        """All parts of a study table."""
        return [self.cell(name, benchmark, policy) for benchmark, policy in self.pairs()]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every (benchmark, policy)."""
        return ((benchmark, policy) for benchmark in self.study.benchmarks for policy in self.study.policies)

    def pools(self, benchmark: str, policy: str, pool: str) -> list[str]:
        """Responses of every block of a pool: none for the CoT of a policy recorded without greedy responses.

        A reference has no pilot: its CoT stands in, so that its levels are those of its one answer.
        """
        if pool == "pilot" and policy in self.study.references:
            pool = "cot"
        if pool == "cot" and not getattr(self.study.policies[policy], "greedy", True):
            return []
        return [self.responses(benchmark, policy, pool, block) for block in self.pool_blocks(policy, pool)]

    def searches(self, policy: str) -> Iterator[tuple[str, str, int]]:
        """Every (prm, method, budget) that is run with a policy."""
        for prm in self.study.prms_of(policy) if self.study.can_search(policy) else []:
            for method in SEARCHES:
                for budget in self.search_budgets(policy, method):
                    yield prm, method, budget

    @remembered
    def sources(self, benchmark: str, policy: str, grader: str | None = None) -> dict[str, Any]:
        """Files behind one (benchmark, policy), by what they are: what the analysis steps read."""
        pool = [
            {
                "samples": list(block),
                "responses": responses,
                "grades": self.grades(responses, grader),
                "scores": {
                    prm: self.scores(benchmark, policy, prm, block)
                    for prm in self.study.prms_of(policy)
                    if self.study.budgets_for(policy).best_of_n
                },
            }
            for block, responses in zip(
                self.pool_blocks(policy, "samples"), self.pools(benchmark, policy, "samples"), strict=True
            )
        ]
        single: dict[str, dict[str, Any]] = {
            name: {"responses": path, "grades": self.grades(path, grader)}
            for name in (("cot",) if policy in self.study.references else ("pilot", "cot"))
            for path in self.pools(benchmark, policy, name)
        }
        if self.study.difficulty.label_free == "prm" and "pilot" in single:
            block = self.pool_blocks(policy, "pilot")[0]
            single["pilot"]["scores"] = {
                prm: self.scores(benchmark, policy, prm, block, "pilot") for prm in self.study.prms_of(policy)
            }
        searches = []
        for prm, method, budget in self.searches(policy):
            answers = self.search(benchmark, policy, prm, method, budget)
            searches.append(
                {
                    "prm": prm,
                    "method": method,
                    "budget": budget,
                    "answers": answers,
                    "grades": self.grades(answers, grader),
                    "nodes": self.search(benchmark, policy, prm, method, budget, "nodes"),
                    "cost": self.search(benchmark, policy, prm, method, budget, "cost"),
                }
            )
        return single | {"samples": pool, "searches": searches}

    def files(self, benchmark: str, policy: str, *kinds: str, grader: str | None = None) -> list[str]:
        """Paths in `sources` of the given kinds (responses, grades, scores, answers, nodes, cost)."""
        sources = self.sources(benchmark, policy, grader)
        single = [sources[name] for name in ("pilot", "cot") if name in sources]
        rows: Sequence[dict[str, Any]] = [*single, *sources["samples"], *sources["searches"]]
        return [path for row in rows for kind in kinds if kind in row for path in _paths(row[kind])]

    def model_file(self, name: str) -> str | None:
        """Checkpoint file of a policy or PRM, or table of recorded responses; None for endpoints, recorded scores."""
        if name in self.study.policies:
            return None if isinstance(self.study.policies[name], OpenAIPolicy) else self.policy(name)
        return None if self.recorded_prm(name) else self.prm(name)

    def model_files(self, *names: str) -> list[str]:
        """Those of several models (default: all) that are files."""
        return [file for name in names or self._models() if (file := self.model_file(name))]

    def _models(self) -> list[str]:
        return [*self.study.policies, *self.study.prms]

    def _model_spec(self, name: str) -> dict[str, Any]:
        """What the configuration knows of a model's size and training, and where its checkpoint tells the rest."""
        settings = self.study.policies.get(name) or self.study.prms[name]
        kind = "policy" if name in self.study.policies else "prm"
        known = {key: getattr(settings, key, None) for key in ("parameters", "active_parameters", "pretraining_tokens")}
        return {"kind": kind, "path": None if settings.source == "recorded" else self.model_file(name)} | known

    def report(self) -> str:
        """The report, last file of the DAG."""
        return f"{self.folder}/report.html"

    def provenance(self) -> str:
        """Where the results came from, as JSON; comparisons read it."""
        return f"{self.folder}/provenance.json"

    def products(self) -> Iterator[tuple[str, Path]]:
        """(step, first output) of every job behind the report, in the order of the DAG."""
        for rule, names in (("train_policy", self.study.policies), ("train_reward_model", self.study.prms)):
            paths = self.model_files(*names) if names else []
            yield from ((rule, Path(path).parent) for path in paths if path.endswith("/training.json"))
            yield from (("fetch_model", Path(path).parent) for path in paths if path.endswith("/fetched.json"))
        yield from (("benchmark", Path(self.benchmark(name))) for name in self.study.benchmarks)
        for rule, kind in (("sample", "responses"), ("search", "answers"), ("score", "scores"), ("grade", "grades")):
            for benchmark, policy in self.pairs():
                yield from ((rule, Path(path)) for path in self.files(benchmark, policy, kind, grader=GRADERS[0]))
        flaws = self.diagnostics_sources()
        yield from (("label", Path(block["labels"])) for cell in flaws["cells"] for block in cell["pool"])
        for labelled in flaws["labelled"]:
            yield "labelled", Path(labelled["solutions"])
            yield from (("score", Path(path)) for path in labelled["scores"].values())
        for rule in ("difficulty", "outcomes", "ledger", "adaptive", "explorer"):
            yield from ((rule, Path(path)) for path in self.cells(rule))
        for rule in ("training", "accuracy", "graders", "diagnostics", "strategy", "claims"):
            yield rule, Path(self.table(rule))

    def difficulty_spec(self, benchmark: str, policy: str) -> str:
        """Spec of the difficulty levels of one (benchmark, policy)."""
        settings = self.study.difficulty.model_dump(mode="json", exclude={"label_free"})
        return self._light("difficulty", benchmark=benchmark, policy=policy, difficulty=settings)

    def adaptive_spec(self, benchmark: str, policy: str) -> str:
        """Spec of the label-free levels and adaptive budgets of one (benchmark, policy)."""
        settings = self.study.difficulty.model_dump(mode="json", exclude={"label_free"})
        headline = {"score": self.study.score, "vote": self.study.vote}
        return self.cell_spec("adaptive", benchmark, policy, difficulty=settings, headline=headline)

    def cell_spec(self, step: str, benchmark: str, policy: str, **settings: Any) -> str:
        """Spec of a step over one (benchmark, policy): which files it reads, and what they are."""
        return self._light(
            step,
            benchmark=benchmark,
            policy=policy,
            sources=self.sources(benchmark, policy),
            budgets=self.study.budgets_for(policy).model_dump(exclude_none=True),
            beam_width=self.study.search.beam_width,
            seed=self.study.seed,
            **settings,
        )

    def ledger_spec(self, benchmark: str, policy: str) -> str:
        """Spec of the FLOPs ledger of one (benchmark, policy)."""
        models = {name: self._model_spec(name) for name in (policy, *self.study.prms_of(policy))}
        return self.cell_spec("ledger", benchmark, policy, models=models)

    def training_spec(self) -> str:
        """Spec of the table of models."""
        models = {name: self._model_spec(name) for name in self._models()}
        return self._light("training", models=models)

    def study_spec(self, step: str, **settings: Any) -> str:
        """Spec of a step over the whole study."""
        headline = {"score": self.study.score, "vote": self.study.vote}
        return self._light(step, study=self.study.study, seed=self.study.seed, headline=headline, **settings)

    def claims_spec(self) -> str:
        """Spec of the verdicts: the published numbers count as code (as an input, a fresh clone would rerun them)."""
        return self.study_spec("claims", published=fingerprint.files("reports/published.csv"))

    def graders_spec(self) -> str:
        """Spec of the comparison of graders: what both graded, and the files behind each cell under the other."""
        cells = []
        for benchmark, policy in self.pairs():
            used, other = (self.sources(benchmark, policy, name) for name in (None, self.other_grader))
            graded = []
            for one, two in zip(_graded(used), _graded(other), strict=True):
                graded.append(one | {"other": two["grades"]})
            budgets = self.study.budgets_for(policy).model_dump(exclude_none=True)
            cell = {"benchmark": benchmark, "policy": policy, "graded": graded, "sources": other, "budgets": budgets}
            cells.append(cell)
        return self.study_spec(
            "graders",
            grader=self.study.grader,
            other=self.other_grader,
            cells=cells,
            benchmarks={benchmark: self.benchmark(benchmark) for benchmark in self.study.benchmarks},
            beam_width=self.study.search.beam_width,
        )

    def diagnosed(self) -> list[tuple[str, str]]:
        """Every (benchmark, policy) whose steps can be labelled exactly and are scored by a PRM."""
        return [
            (benchmark, policy)
            for benchmark, policy in self.pairs()
            if isinstance(self.study.benchmarks[benchmark], MiniatureBenchmark) and self.study.prms_of(policy)
        ]

    def diagnostics_sources(self) -> dict[str, Any]:
        """Files behind the flaws of the PRMs: labelled pools and searches, and labelled sets."""
        cells = []
        for benchmark, policy in self.diagnosed():
            sources = self.sources(benchmark, policy)
            pool = [block for block in sources["samples"] if block["scores"]]
            cells.append(
                {
                    "benchmark": benchmark,
                    "policy": policy,
                    "problems": self.benchmark(benchmark),
                    "pool": [block | {"labels": self.labels(block["responses"])} for block in pool],
                    "searches": sources["searches"],
                }
            )
        sets = [
            {
                "name": name,
                "solutions": self.labelled(name),
                "scores": {prm: self.labelled_scores(name, prm) for prm in self.study.scoring_prms},
            }
            for name in self.study.labelled
        ]
        return {"cells": cells, "labelled": sets}

    def diagnostics_inputs(self) -> list[str]:
        """Every file of `diagnostics_sources`."""
        sources = self.diagnostics_sources()
        paths: list[str] = []
        for cell in sources["cells"]:
            paths.append(cell["problems"])
            for block in cell["pool"]:
                paths += [block["labels"], block["responses"], *block["scores"].values()]
            for search in cell["searches"]:
                paths += [search[kind] for kind in ("answers", "grades", "nodes")]
        for labelled in sources["labelled"]:
            paths += [labelled["solutions"], *labelled["scores"].values()]
        return list(dict.fromkeys(paths))

    def diagnostics_spec(self) -> str:
        """Spec of the flaws of the PRMs."""
        options = self.study.search.model_dump(exclude={"problems_per_block", "max_live"})
        return self.study_spec("diagnostics", search=options, **self.diagnostics_sources())

    def report_spec(self) -> str:
        """Spec of the report: templates and published numbers count as code."""
        return self.study_spec(
            "report",
            files=fingerprint.files("reports/templates/**/*", "reports/captions/**/*", "reports/published.csv"),
            config=self.study.model_dump(mode="json"),
            # Canonical JSON sorts keys; the report shows models in the order of the configuration.
            order={"policies": list(self.study.policies), "prms": list(self.study.prms)},
            tables=self.table("{name}"),
            samples={"explorer": self.cells("explorer"), "nodes": self.cells("trees")},
            benchmarks={benchmark: self.benchmark(benchmark) for benchmark in self.study.benchmarks},
        )


def _graded(sources: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What an accuracy rests on, each with the paths of its grades: the greedy response, the pool, each search."""
    if "cot" in sources:
        yield {"source": "cot", "prm": "none", "budget": 1, "grades": [sources["cot"]["grades"]]}
    if blocks := sources["samples"]:
        size = blocks[-1]["samples"][1] + 1
        yield {"source": "samples", "prm": "none", "budget": size, "grades": [block["grades"] for block in blocks]}
    for search in sources["searches"]:
        keys = {key: search[key] for key in ("prm", "budget")}
        yield {"source": search["method"], "grades": [search["grades"]]} | keys


def _paths(item: str | dict[str, str]) -> Iterable[str]:
    return item.values() if isinstance(item, dict) else [item]


def open_layout(study: Study, root: Path | str = ".") -> Layout:
    """The layout of a checked study; StudyError when a local file that it names is missing."""
    layout = Layout(study, Path(root))
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
