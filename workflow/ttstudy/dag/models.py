"""Policies and PRMs: where their checkpoints lie, and what of them decides the results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttstudy.dag import fingerprint, places
from ttstudy.dag.contents import checkpoint_digest, file_digest, given
from ttstudy.dag.context import Layout, remembered
from ttstudy.dag.inputs import imported_spec
from ttstudy.dag.specs.analysis import Sized
from ttstudy.dag.specs.generation import Engine, Judge
from ttstudy.dag.specs.inputs import ConvertSpec, FetchSpec, TrainPolicySpec, TrainPRMSpec
from ttstudy.dag.specs.records import File, Spec
from ttstudy.kinds.formats import FORMATS, VerdictFormat
from ttstudy.models.catalogue import format_of
from ttstudy.models.checkpoint import read_json
from ttstudy.study import (
    CheckpointPolicy,
    CheckpointPRM,
    GGUFPolicy,
    HubPolicy,
    HubPRM,
    OpenAIPolicy,
    RecordedPolicy,
    RecordedPRM,
    Study,
    TrainedPolicy,
    TrainedPRM,
)
from ttstudy.study.policies import LocalPolicy, Policy
from ttstudy.study.prms import PRM, GivenPRM, LocalPRM


def settings_of(study: Study, name: str) -> Policy | PRM:
    """A model's section of the configuration."""
    return study.policies.get(name) or study.prms[name]


@remembered
def training_of(layout: Layout, name: str) -> TrainPolicySpec:
    """Spec of a trained policy's, or PRM's, checkpoint."""
    settings = settings_of(layout.study, name)
    assert isinstance(settings, TrainedPolicy | TrainedPRM), name
    known: dict[str, Any] = {
        "name": name,
        "task": dict(layout.study.miniature.task),
        "model": settings.definition.model,
        "training": settings.definition.training,
        "seed": settings.definition.seed,
        "version": settings.definition.version,
        "outputs": {},
    }
    if isinstance(settings, TrainedPRM):
        teachers = {policy: training_of(layout, policy) for policy in sorted(settings.policies)}
        spec: TrainPolicySpec = TrainPRMSpec(
            policies={policy: taught.folder for policy, taught in teachers.items()},
            teachers={policy: taught.file() for policy, taught in teachers.items()},
            **known,
        )
    else:
        spec = TrainPolicySpec(**known)
    names = {"results": layout.study.results, "spec": spec.folder}
    if isinstance(settings, TrainedPRM):
        return spec.named(output=places.TRAINED_PRM.format(prm=name, **names))
    return spec.named(output=places.TRAINED_POLICY.format(policy=name, **names))


@remembered
def fetching(layout: Layout, name: str) -> FetchSpec:
    """Spec of a model's checkpoint of the hub."""
    settings = settings_of(layout.study, name)
    assert isinstance(settings, HubPolicy | HubPRM), name
    id, revision = settings.id, settings.revision
    spec = FetchSpec(id=id, revision=revision, checksums=settings.checksums, outputs={})
    names = {"results": layout.study.results, "model": id.split("/")[1], "spec": spec.folder}
    return spec.named(output=places.FETCHED.format(**names))


@remembered
def converting(layout: Layout, name: str) -> ConvertSpec:
    """Spec of the checkpoint folder that is made of a policy's GGUF file."""
    settings = layout.study.policies[name]
    assert isinstance(settings, GGUFPolicy), name
    path = given(layout.root / settings.path, f"policies.{name}.path")
    file = File(path=str(path), digest=file_digest(path)[:16], given=True)
    version = fingerprint.VERSIONS["convert_model"]
    spec = ConvertSpec(version=version, weights=file, dtype=settings.dtype, outputs={})
    names = {"results": layout.study.results, "model": name, "spec": spec.folder}
    return spec.named(output=places.CONVERTED.format(**names))


@remembered
def made_model(layout: Layout, name: str) -> Spec | None:
    """Spec of the job that makes a model's checkpoint; None where it is given, or there is none."""
    settings = settings_of(layout.study, name)
    if isinstance(settings, TrainedPolicy | TrainedPRM):
        return training_of(layout, name)
    if isinstance(settings, HubPolicy | HubPRM):
        return fetching(layout, name)
    if isinstance(settings, GGUFPolicy):
        return converting(layout, name)
    return None


@remembered
def checkpoint(layout: Layout, name: str) -> File | None:
    """A file of a policy's or PRM's checkpoint folder: `training.json`, `fetched.json` or (given) `config.json`.

    Of a recorded policy, the table of its responses; None for endpoints and recorded scores.
    """
    settings = settings_of(layout.study, name)
    if isinstance(settings, OpenAIPolicy | RecordedPRM):
        return None
    if isinstance(settings, RecordedPolicy):
        return imported_spec(layout, name).file()
    if (spec := made_model(layout, name)) is not None:
        return spec.file()
    assert isinstance(settings, CheckpointPolicy | CheckpointPRM), name
    group = "policies" if name in layout.study.policies else "prms"
    folder = layout.root / settings.path
    digest = checkpoint_digest(folder, f"{group}.{name}.path")
    return File(path=str(folder / "config.json"), digest=digest, given=True)


def weights(layout: Layout, name: str) -> File:
    """The checkpoint of a model that has one."""
    file = checkpoint(layout, name)
    assert file is not None, name
    return file


def engine(study: Study, policy: str) -> Engine:
    """What draws from a policy whose weights are here."""
    settings = study.policies[policy]
    assert isinstance(settings, LocalPolicy)
    dtype = settings.dtype if isinstance(settings, CheckpointPolicy | HubPolicy | GGUFPolicy) else "float32"
    return Engine(kind=settings.engine, device=settings.device, dtype=dtype, **settings.sections)


@remembered
def judge(layout: Layout, prm: str) -> Judge:
    """What reads with a PRM whose weights are here."""
    settings = layout.study.prms[prm]
    assert isinstance(settings, LocalPRM)
    form = settings.format if isinstance(settings, GivenPRM) else None
    read = _formats(layout, settings, form)
    versions = {name: FORMATS[name].version for name in sorted(read) if FORMATS[name].version != 1}
    writes = len(read) == 1 and isinstance(FORMATS[read[0]], VerdictFormat)
    return Judge(
        checkpoint=weights(layout, prm),
        # Told or found out, it is the same format, and the same digest.
        format=read[0] if len(read) == 1 else None,
        formats=versions,
        engine=settings.engine,
        device=settings.device,
        verdicts=settings.verdicts if writes and isinstance(settings, GivenPRM) else None,
        seed=layout.study.seed if writes else None,
        overflow=settings.overflow,
        **settings.sections,
    )


def _formats(layout: Layout, settings: LocalPRM, form: str | None) -> list[str]:
    """The format that a PRM reads in; all, where only a checkpoint tells that is not here yet."""
    if form is not None:
        return [form]
    if isinstance(settings, TrainedPRM):
        return [name for name in FORMATS if name == settings.definition.model.get("format")]
    config: Mapping[str, Any] = {}
    name = settings.id if isinstance(settings, HubPRM) else ""
    if isinstance(settings, CheckpointPRM):
        config = read_json(layout.root / settings.path / "config.json")
    try:
        return [format_of(name, config)]
    except ValueError:
        return list(FORMATS)


def models(study: Study) -> list[str]:
    """Every policy and PRM."""
    return [*study.policies, *study.prms]


def sized(layout: Layout, *names: str) -> dict[str, Sized]:
    """What the configuration knows of models' size and training, and where their checkpoints tell the rest."""
    found = {}
    for name in sorted(names):
        settings = settings_of(layout.study, name)
        keys = ("parameters", "active_parameters", "pretraining_tokens")
        found[name] = Sized(
            kind="policy" if name in layout.study.policies else "prm",
            checkpoint=None if settings.source == "recorded" else checkpoint(layout, name),
            **{key: getattr(settings, key, None) for key in keys},
        )
    return found
