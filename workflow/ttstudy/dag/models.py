"""Policies and PRMs: where their checkpoints lie, and what of them decides the results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttstudy.dag.base import remembered
from ttstudy.dag.contents import checkpoint_digest
from ttstudy.dag.inputs import Inputs
from ttstudy.dag.specs.analysis import Sized
from ttstudy.dag.specs.generation import Engine, Judge
from ttstudy.dag.specs.inputs import FetchSpec, TrainPolicySpec, TrainPRMSpec
from ttstudy.dag.specs.records import File, Spec
from ttstudy.kinds.formats import FORMATS
from ttstudy.models.catalogue import format_of
from ttstudy.models.checkpoint import read_json
from ttstudy.study import (
    CheckpointPolicy,
    CheckpointPRM,
    HubBenchmark,
    HubPolicy,
    HubPRM,
    OpenAIPolicy,
    RecordedPolicy,
    RecordedPRM,
    TrainedPolicy,
    TrainedPRM,
)
from ttstudy.study.policies import LocalPolicy, Policy
from ttstudy.study.prms import PRM, LocalPRM


class Models(Inputs):
    """Policies and PRMs, trained, fetched or given."""

    def settings_of(self, name: str) -> Policy | PRM:
        """A model's section of the configuration."""
        return self.study.policies.get(name) or self.study.prms[name]

    @remembered
    def training_of(self, name: str) -> TrainPolicySpec:
        """Spec of a trained policy's, or PRM's, checkpoint."""
        settings = self.settings_of(name)
        assert isinstance(settings, TrainedPolicy | TrainedPRM), name
        known: dict[str, Any] = {
            "name": name,
            "task": dict(self.study.miniature.task),
            "model": settings.definition.model,
            "training": settings.definition.training,
            "seed": settings.definition.seed,
            "version": settings.definition.version,
            "outputs": {},
        }
        if isinstance(settings, TrainedPRM):
            teachers = {policy: self.training_of(policy) for policy in sorted(settings.policies)}
            spec: TrainPolicySpec = TrainPRMSpec(
                policies={policy: taught.folder for policy, taught in teachers.items()},
                teachers={policy: taught.file() for policy, taught in teachers.items()},
                **known,
            )
        else:
            spec = TrainPolicySpec(**known)
        group = "prms" if isinstance(settings, TrainedPRM) else "policies"
        return spec.named(output=f"{self.study.results}/models/{group}/{name}-{spec.folder}/training.json")

    @remembered
    def fetching(self, id: str, revision: str | None) -> FetchSpec:
        """Spec of a checkpoint of the hub."""
        spec = FetchSpec(id=id, revision=revision, outputs={})
        return spec.named(output=f"{self.study.results}/models/hub/{id.split('/')[1]}-{spec.folder}/fetched.json")

    @remembered
    def made_model(self, name: str) -> Spec | None:
        """Spec of the job that makes a model's checkpoint; None where it is given, or there is none."""
        settings = self.settings_of(name)
        if isinstance(settings, TrainedPolicy | TrainedPRM):
            return self.training_of(name)
        if isinstance(settings, HubPolicy | HubPRM):
            return self.fetching(settings.id, settings.revision)
        return None

    @remembered
    def checkpoint(self, name: str) -> File | None:
        """A file of a policy's or PRM's checkpoint folder: `training.json`, `fetched.json` or (given) `config.json`.

        Of a recorded policy, the table of its responses; None for endpoints and recorded scores.
        """
        settings = self.settings_of(name)
        if isinstance(settings, OpenAIPolicy | RecordedPRM):
            return None
        if isinstance(settings, RecordedPolicy):
            return self.imported_spec(name).file()
        if (spec := self.made_model(name)) is not None:
            return spec.file()
        assert isinstance(settings, CheckpointPolicy | CheckpointPRM), name
        group = "policies" if name in self.study.policies else "prms"
        folder = self.root / settings.path
        digest = checkpoint_digest(folder, f"{group}.{name}.path")
        return File(path=str(folder / "config.json"), digest=digest, given=True)

    def weights(self, name: str) -> File:
        """The checkpoint of a model that has one."""
        file = self.checkpoint(name)
        assert file is not None, name
        return file

    def policy(self, policy: str) -> str:
        """Path of a file of the policy's checkpoint folder; of a recorded policy, of the table of its responses."""
        return self.weights(policy).path

    def prm(self, prm: str) -> str:
        """Path of a file of the PRM's checkpoint folder."""
        return self.weights(prm).path

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

    def engine(self, policy: str) -> Engine:
        """What draws from a policy whose weights are here."""
        settings = self.study.policies[policy]
        assert isinstance(settings, LocalPolicy)
        dtype = settings.dtype if isinstance(settings, CheckpointPolicy | HubPolicy) else "float32"
        return Engine(kind=settings.engine, device=settings.device, dtype=dtype, vllm=settings.vllm)

    @remembered
    def judge(self, prm: str) -> Judge:
        """What reads with a PRM whose weights are here."""
        settings = self.study.prms[prm]
        assert isinstance(settings, LocalPRM)
        form = settings.format if isinstance(settings, CheckpointPRM | HubPRM) else None
        read = self._formats(settings, form)
        versions = {name: FORMATS[name].version for name in sorted(read) if FORMATS[name].version != 1}
        return Judge(
            checkpoint=self.weights(prm),
            # Told or found out, it is the same format, and the same digest.
            format=read[0] if len(read) == 1 else None,
            formats=versions,
            engine=settings.engine,
            vllm=settings.vllm,
        )

    def _formats(self, settings: LocalPRM, form: str | None) -> list[str]:
        """The format that a PRM reads in; all, where only a checkpoint tells that is not here yet."""
        if form is not None:
            return [form]
        if isinstance(settings, TrainedPRM):
            return [name for name in FORMATS if name == settings.definition.model.get("format")]
        config: Mapping[str, Any] = {}
        name = settings.id if isinstance(settings, HubPRM) else ""
        if isinstance(settings, CheckpointPRM):
            config = read_json(self.root / settings.path / "config.json")
        try:
            return [format_of(name, config)]
        except ValueError:
            return list(FORMATS)

    def model_file(self, name: str) -> str | None:
        """Path of a model's checkpoint file, or table of recorded responses; None where it has neither."""
        file = self.checkpoint(name)
        return None if file is None else file.path

    def models(self) -> list[str]:
        """Every policy and PRM."""
        return [*self.study.policies, *self.study.prms]

    def sized(self, *names: str) -> dict[str, Sized]:
        """What the configuration knows of models' size and training, and where their checkpoints tell the rest."""
        found = {}
        for name in sorted(names):
            settings = self.settings_of(name)
            keys = ("parameters", "active_parameters", "pretraining_tokens")
            found[name] = Sized(
                kind="policy" if name in self.study.policies else "prm",
                checkpoint=None if settings.source == "recorded" else self.checkpoint(name),
                **{key: getattr(settings, key, None) for key in keys},
            )
        return found
