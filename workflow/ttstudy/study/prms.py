"""PRMs, by where their weights or their recorded scores are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, create_model, model_validator

from ttstudy.kinds.engines import ENGINES, LOCAL_PRMS, Serving
from ttstudy.kinds.formats import FORMATS, VerdictFormat
from ttstudy.study.fields import FilePath, Name, OneOf, Section
from ttstudy.study.models import PRM_OPTIONS, Definition, HubModel, OnEngine, fields_of, told

Format = Annotated[str, OneOf(FORMATS)]
"""Input formats; `ttstudy.models.catalogue` tells them of models that are known."""
_FAMILIES = ", ".join(f"{name}: {form.label}" for name, form in FORMATS.items())


Overflow = Literal["score", "cut", "windows", "refuse"]
"""What becomes of a solution that is longer than its PRM's context; see `ttstudy.prms.scorer`."""
_HEEDING = " or ".join(name for name in LOCAL_PRMS if ENGINES[name].devices)


class _LocalPRM(OnEngine):
    """A PRM whose weights are here: what runs it."""

    servings: ClassVar[Mapping[str, Serving]] = LOCAL_PRMS
    engine: Annotated[str, OneOf(LOCAL_PRMS)] = told(LOCAL_PRMS)
    device: Literal["cpu", "cuda"] | None = Field(
        default=None, description=f"where the {_HEEDING} engine runs; null: a GPU above 0.1 billion parameters"
    )

    overflow: Overflow = Field(
        default="score",
        description="what becomes of a solution longer than the PRM's context; score: it is read on, as the paper's "
        "code does; cut: steps past it get 0; windows: they are read after the problem and the steps that fit; "
        "refuse: the run stops",
    )

    @model_validator(mode="after")
    def _device_fits(self) -> Self:
        if not ENGINES[self.engine].devices and self.device is not None:
            raise ValueError(
                f"`device` is for the {_HEEDING} engine; {ENGINES[self.engine].label} finds its GPUs itself, so leave "
                "it out"
            )
        return self

    @property
    def gpus(self) -> int:
        """GPUs that the engine is told to take; 0: by the PRM's size."""
        return LOCAL_PRMS[self.engine].gpus(self.options, "")


if TYPE_CHECKING:
    LocalPRM = _LocalPRM
else:
    LocalPRM = create_model(
        "LocalPRM",
        __base__=_LocalPRM,
        __doc__=_LocalPRM.__doc__,
        __module__=__name__,
        **fields_of(PRM_OPTIONS, _LocalPRM),
    )


class Verdicts(Section):
    """How a generative PRM judges a solution. Its own tokens are counted as a PRM's, so more judgements cost more."""

    samples: int = Field(default=4, ge=1, le=1024, description="judgements; a step's score is the share that say yes")
    temperature: float | None = Field(
        default=None, ge=0, le=100, description="of what it writes before it decides; null: as published"
    )
    max_tokens: int | None = Field(default=None, ge=1, le=10**6, description="of one answer; null: as published")


class GivenPRM(LocalPRM):
    """A PRM that others trained."""

    format: Format | None
    verdicts: Verdicts = Field(default=Verdicts(), description="options of a generative format")

    @property
    def known_format(self) -> str | None:
        """Its format, where the configuration tells it."""
        published = (name for name, form in FORMATS.items() if getattr(self, "id", None) in form.published)
        return self.format or next(published, None)

    @model_validator(mode="after")
    def _verdicts_fit(self) -> GivenPRM:
        if self.verdicts != Verdicts() and not isinstance(FORMATS.get(self.known_format or ""), VerdictFormat):
            names = [name for name, form in FORMATS.items() if isinstance(form, VerdictFormat)]
            raise ValueError(
                f"has options under `verdicts`, which only PRMs of the formats {', '.join(names)} have; name its "
                "`format`, or leave them out"
            )
        return self

    @model_validator(mode="after")
    def _overflow_fits(self) -> GivenPRM:
        if self.overflow == "windows" and isinstance(FORMATS.get(self.known_format or ""), VerdictFormat):
            raise ValueError(
                "has `overflow: windows`, but a PRM that writes its verdicts judges a solution whole; set it to score, "
                "cut or refuse"
            )
        return self


class TrainedPRM(LocalPRM):
    """A PRM of the miniature, trained by the DAG or shipped."""

    source: Literal["trained"]
    definition: Definition = Field(description="what decides its weights")
    policies: list[Name] = Field(min_length=1, description="policies whose checkpoints it is trained from")


class CheckpointPRM(GivenPRM):
    """A PRM checkpoint folder on this machine."""

    source: Literal["checkpoint"]
    path: FilePath = Field(description="folder with config.json, *.safetensors, tokenizer.json")
    format: Format | None = Field(
        default=None, description=f"input format; only needed where config.json does not tell ({_FAMILIES})"
    )


class HubPRM(HubModel, GivenPRM):
    """A PRM of the Hugging Face hub, fetched at a pinned commit into `results/models/hub/`."""

    format: Format | None = Field(
        default=None, description=f"input format; only needed where neither the id nor config.json tells ({_FAMILIES})"
    )


ScoreKind = Literal["probability", "logit", "outcome"]
"""What recorded scores are; see `ttstudy.data.recorded.scores`."""


class RecordedPRM(Section):
    """A PRM whose scores stand in the recorded policies' files, in the column `scores.COLUMN`."""

    source: Literal["recorded"]
    column: str | None = Field(
        default=None, min_length=1, max_length=200, description="what follows `scores.`; null: the PRM's name"
    )
    score_kind: ScoreKind = Field(
        default="probability",
        description="probability, logit: one for each step; outcome: one for the whole response, on any scale",
    )
    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for FLOPs; null: not known")


PRM = Annotated[TrainedPRM | CheckpointPRM | HubPRM | RecordedPRM, Field(discriminator="source")]
