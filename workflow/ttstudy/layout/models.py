"""Policies and PRMs: where their checkpoints lie, and what of them decides the results."""

from __future__ import annotations

from typing import Any

from ttstudy.fingerprint import FORMATS
from ttstudy.layout.contents import checkpoint_digest
from ttstudy.layout.inputs import Inputs
from ttstudy.layout.specs import remembered
from ttstudy.specs import canonical, digest8
from ttstudy.study import (
    HubBenchmark,
    HubPolicy,
    HubPRM,
    OpenAIPolicy,
    RecordedPolicy,
    RecordedPRM,
    TrainedPolicy,
    TrainedPRM,
)


class Models(Inputs):
    """Policies and PRMs, trained, fetched or given."""

    def _definition(self, name: str) -> dict[str, Any]:
        """Training definition of a policy or PRM; a PRM's names the definitions of the policies it learns from."""
        settings = self.study.policies.get(name) or self.study.prms[name]
        definition = {"task": self.study.miniature.task} | settings.definition.model_dump()
        if isinstance(settings, TrainedPRM):
            definition["policies"] = {policy: digest8(self._definition(policy)) for policy in sorted(settings.policies)}
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

    def machine(self, name: str) -> str:
        """Options of a model's engine that change no result, as canonical JSON: a resource, no part of a spec."""
        return canonical(getattr(self.study.policies.get(name) or self.study.prms[name], "machine", {}))

    def _judging(self, prm: str) -> dict[str, Any]:
        """What of a PRM decides its scores."""
        settings = self.study.prms[prm]
        form = getattr(settings, "format", None)
        # A hub model may leave its format to the catalogue, where the owner of such a one bears the format's name.
        family = form or str(getattr(settings, "id", "")).partition("/")[0].lower()
        version = {"format_version": FORMATS[family]} if family in FORMATS else {}
        more = getattr(settings, "engine_spec", {})
        return {"prm": self._model_digest(prm, "prms"), "format": form, **version, **more}

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
