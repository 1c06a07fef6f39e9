"""Where the results of a study lay before specs were typed: the layout of commit 43d49e7, frozen.

Its folders' names had digests of other texts than today's, in which every option stood, defaults too. Each text is
written out here, field by field, with the values that the study has today: what was made by exactly these is what
`ttstudy.run.migration` brings over. `Later` where a study asks for what there was not then: nothing of that time fits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from ttstudy.dag import fingerprint
from ttstudy.dag.inputs import benchmark_spec, imported_spec, labelled_spec
from ttstudy.dag.layout import Layout
from ttstudy.dag.models import judge, settings_of
from ttstudy.dag.specs.records import deciding
from ttstudy.study import (
    CheckpointPolicy,
    CheckpointPRM,
    FileBenchmark,
    GGUFPolicy,
    HubBenchmark,
    HubLabelled,
    HubPolicy,
    HubPRM,
    MiniatureBenchmark,
    OpenAIPolicy,
    RecordedBenchmark,
    RecordedPolicy,
    RecordedPRM,
    TrainedPolicy,
    TrainedPRM,
)
from ttstudy.study.prms import LocalPRM
from ttstudy.study.sampling import SamplingSettings

SEARCHES_THEN = ("beam_search", "dvts")
"""All the searches that there were."""
FORMATS = {"rlhflow": 2}
"""Versions of PRM formats that were not 1; every step's version was 1."""
_DRAWN_BY = {
    *("source", "definition", "path", "id", "revision", "parameters", "active_parameters", "pretraining_tokens"),
    *("prompt", "sampling", "engine", "device", "dtype", "vllm"),
}
_ASKED_BY = {
    *("source", "model", "base_url", "reasoning", "system", "prompt", "sampling"),
    *("parameters", "active_parameters", "pretraining_tokens"),
}
_JUDGED_BY = {"source", "definition", "policies", "path", "id", "revision", "format", "engine", "vllm", "column"} | {
    *("parameters", "active_parameters"),
}


class Later(Exception):
    """A study wants something that results of then cannot be."""


def _checkpoint(folder: Path) -> str:
    """Digest of a checkpoint that is given: of a large file, its size, its first 16 MiB and its last one counted."""
    told = []
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".jinja", ".model"):
            size = path.stat().st_size
            total = sha256(str(size).encode())
            with path.open("rb") as stream:
                total.update(stream.read(2**24))
                if size > 2**24:
                    stream.seek(-(2**20), 2)
                    total.update(stream.read())
            told.append(f"{path.name} {total.hexdigest()}")
    return sha256("\n".join(told).encode()).hexdigest()[:16]


def _digest(spec: Mapping[str, Any]) -> str:
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return sha256(text.encode()).hexdigest()[:8]


def _of_then(section: BaseModel, names: Iterable[str]) -> None:
    """Later where a section says something, other than a default, for which there was no word then."""
    if unknown := set(deciding(section)) - set(names):
        raise Later(f"{', '.join(sorted(unknown))} came later")


def _in_text(section: BaseModel, also: Iterable[str] = (), /, **then: Any) -> dict[str, Any]:
    """A section's fields that were in a text, and (`then`) the defaults of any that there is no longer."""
    _of_then(section, {*then, *also})
    return {name: getattr(section, name, default) for name, default in then.items()}


def _step(step: str) -> dict[str, Any]:
    """How a text named its step; Later where the step gives other results since."""
    if fingerprint.VERSIONS[step] != 1:
        raise Later(f"{step} gives other results now")
    return {"step": step, "version": 1}


class Legacy:
    """Paths of a study's results in the old layout; whoever asks catches `Later`."""

    def __init__(self, layout: Layout) -> None:
        """The study as it is today, and the digests of the files that it names."""
        self.layout, self.study = layout, layout.study
        self.results = layout.study.results

    # -- models and data -----------------------------------------------------------------------------------------

    def _definition(self, name: str) -> dict[str, Any]:
        settings = settings_of(self.study, name)
        assert isinstance(settings, TrainedPolicy | TrainedPRM)
        told = _in_text(settings.definition, model={}, training={}, seed=0, version=1)
        definition = {"task": self.study.miniature.task} | told
        if isinstance(settings, TrainedPRM):
            definition["policies"] = {policy: _digest(self._definition(policy)) for policy in sorted(settings.policies)}
        return definition

    def _model(self, name: str) -> str:
        """Digest of a policy or PRM; of a recorded policy, that of its file."""
        settings = settings_of(self.study, name)
        if isinstance(settings, TrainedPolicy | TrainedPRM):
            return _digest(self._definition(name))
        if isinstance(settings, HubPolicy | HubPRM):
            return _digest({"step": "fetch_model", "id": settings.id, "revision": settings.revision})
        if isinstance(settings, GGUFPolicy):
            raise Later("policies of GGUF files came later")
        if isinstance(settings, RecordedPolicy):
            return self._recorded(name, "policies")
        assert isinstance(settings, CheckpointPolicy | CheckpointPRM), name
        return _checkpoint(self.layout.root / settings.path)

    def checkpoint(self, name: str) -> str:
        """Folder of a model that a step makes."""
        settings = settings_of(self.study, name)
        if isinstance(settings, HubPolicy | HubPRM):
            return f"{self.results}/models/hub/{settings.id.split('/')[1]}-{self._model(name)}"
        group = "prms" if isinstance(settings, TrainedPRM) else "policies"
        return f"{self.results}/models/{group}/{name}-{self._model(name)}"

    def _recorded(self, name: str, group: str) -> str:
        file = imported_spec(self.layout, name, group)
        return _digest(_step("recorded") | {"form": file.form, "sha256": file.sha256})

    def imported(self, name: str, group: str) -> str:
        """Table of a file of recorded responses."""
        return f"{self.results}/imported/{self._recorded(name, group)}.parquet"

    def _problems(self, name: str) -> str:
        settings, made = self.study.benchmarks[name], benchmark_spec(self.layout, name)
        spec: dict[str, Any] = {"source": settings.source} | _step("benchmark")
        also = ("source", "path", "task")
        if isinstance(settings, RecordedBenchmark):
            _of_then(settings, also)
            spec["path"] = self._recorded(name, "benchmarks")
        elif isinstance(settings, MiniatureBenchmark):
            spec |= _in_text(settings, also, split="test", problems=None, seed=None)
            spec["task"] = settings.task or self.study.miniature.task
        elif isinstance(settings, FileBenchmark):
            spec |= _in_text(settings, also, columns={}, problems=None)
            spec |= {"path": next(iter(made.sources)), "sha256": made.content}
        elif isinstance(settings, HubBenchmark):
            spec |= _in_text(settings, also, id="", revision=None, columns={}, problems=None, file=None, split="test")
        if (expected := getattr(settings, "sha256", None)) is not None:
            spec["expected"] = expected
        return _digest(spec)

    def benchmark(self, name: str) -> str:
        """Table of a benchmark."""
        return f"{self.results}/benchmarks/{name}-{self._problems(name)}.parquet"

    def _solutions(self, name: str) -> str:
        made, settings = labelled_spec(self.layout, name), self.study.labelled[name]
        if isinstance(settings, HubLabelled):
            raise Later  # there were none of the hub then
        told = _in_text(settings, ("path",), format="plain", solutions=None)
        told["format"] = told["format"] or "plain"  # found out, where the file tells it
        return _digest(_step("labelled") | told | {"path": next(iter(made.sources)), "sha256": made.sha256})

    def labelled(self, name: str) -> str:
        """Folder of labelled solutions."""
        return f"{self.results}/labelled/{name}-{self._solutions(name)}"

    # -- what models make ----------------------------------------------------------------------------------------

    def _drawing(self, benchmark: str, policy: str, use: Literal["cot", "responses", "search"]) -> dict[str, Any]:
        settings = self.study.policies[policy]
        if isinstance(settings, RecordedPolicy):
            return {
                "benchmark": self._problems(benchmark),
                "policy": self._model(policy),
                "engine": "recorded",
                "pilot": self.study.pilot_samples,
            }
        wanted = SamplingSettings.model_validate(self.study.sampling_of(policy, use))
        drawing = {
            "seeds": [self.study.seed, benchmark, policy],
            "benchmark": self._problems(benchmark),
            "prompt": settings.prompt,
            "sampling": _in_text(wanted, temperature=None, top_p=1.0, top_k=0, max_tokens=None),
        }
        if isinstance(settings, OpenAIPolicy):
            _of_then(settings, _ASKED_BY)
            endpoint = {name: getattr(settings, name) for name in ("model", "base_url", "reasoning")}
            return drawing | {"engine": "openai", "endpoint": endpoint, "system": settings.system}
        _of_then(settings, _DRAWN_BY)
        drawing |= {"policy": self._model(policy), "dtype": getattr(settings, "dtype", "float32")}
        if settings.engine == "vllm":
            then = {"tensor_parallel": 1, "max_model_len": None, "enforce_eager": False, "batch_invariant": False}
            options = _in_text(settings.sections["vllm"], **then)
            return drawing | {"engine": "vllm", "vllm": options}
        # A device that is the CPU was not told.
        return drawing | {"engine": "transformers"} | ({} if settings.device == "cpu" else {"device": settings.device})

    def _pool(self, benchmark: str, policy: str, pool: str) -> str:
        spec = self._drawing(benchmark, policy, "cot" if pool == "cot" else "responses")
        step = {"recorded": "recorded_responses", "openai": "ask"}.get(spec["engine"], "sample")
        return _digest(spec | _step(step) | {"pool": pool})

    def pool(self, benchmark: str, policy: str, pool: str) -> str:
        """Folder of a pool of responses: `pilot`, `cot` or `samples`."""
        return f"{self.results}/{benchmark}/{policy}/{pool}-{self._pool(benchmark, policy, pool)}"

    def _judging(self, prm: str) -> dict[str, Any]:
        settings = self.study.prms[prm]
        _of_then(settings, _JUDGED_BY)
        form = getattr(settings, "format", None)
        if any(version != FORMATS.get(name, 1) for name, version in judge(self.layout, prm).formats.items()):
            raise Later("its PRM's format is read otherwise now")
        # The version was told by the format's name, or by the owner of a hub model that has none.
        family = form or str(getattr(settings, "id", "")).partition("/")[0].lower()
        told = {"prm": self._model(prm), "format": form}
        told |= {"format_version": FORMATS[family]} if family in FORMATS else {}
        if isinstance(settings, LocalPRM) and settings.engine == "vllm":
            options = _in_text(settings.sections["vllm"], tensor_parallel=1, enforce_eager=False)
            told["scoring"] = {"engine": "vllm"} | options
        return told

    def scores(self, benchmark: str, policy: str, prm: str, pool: str) -> str:
        """Name, in the pool's folder `scores`, of the folder of a PRM's scores."""
        settings = self.study.prms[prm]
        spec: dict[str, Any] = {"responses": self._pool(benchmark, policy, pool)}
        if isinstance(settings, RecordedPRM):
            _of_then(settings, _JUDGED_BY)
            spec |= _step("recorded_scores") | {"column": settings.column or prm}
        else:
            spec |= _step("score") | self._judging(prm)
        return f"{prm}-{_digest(spec)}"

    def labelled_scores(self, name: str, prm: str) -> str:
        """Name, in the set's folder `scores`, of the table of a PRM's scores of labelled solutions."""
        spec = _step("score") | {"responses": self._solutions(name)} | self._judging(prm)
        return f"{prm}-{_digest(spec)}.parquet"

    def search(self, benchmark: str, policy: str, prm: str, method: str) -> str:
        """Folder of one method's searches with a PRM."""
        options = _in_text(
            self.study.search,
            beam_width=4,
            score="last",
            answers="beams",
            semantics="default",
            refill=True,
            dedup=False,
            stop_on_boxed=False,
            lookahead=0,
            max_depth=40,
        )
        spec = self._drawing(benchmark, policy, "search") | _step("search") | self._judging(prm)
        spec |= {"method": method, "options": options}
        return f"{self.results}/{benchmark}/{policy}/{method}/{prm}-{_digest(spec)}"
