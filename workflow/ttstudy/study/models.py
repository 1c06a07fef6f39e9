"""What policies and PRMs share: where their weights come from and which engine runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, Field, create_model, model_validator

from ttstudy.kinds.engines import ENGINES, LOCAL_POLICIES, LOCAL_PRMS, Serving
from ttstudy.study.fields import FREE, HubSource, Options, Section, unshadowed


class Definition(Section):
    """What decides a trained checkpoint's bytes; see `ttstudy.miniature`."""

    model: Options = Field(description="its shape")
    training: Options = Field(description="how it is trained")
    seed: int = Field(ge=0, lt=2**63, description="of its training")
    version: int = Field(default=1, ge=1, le=1_000_000, description="raise it to train again with new code")


def _section(engine: str, serving: Serving, end: str) -> type[Section]:
    """The section of an engine's options; its name ends in `end`."""
    fields: dict[str, Any] = {
        key: (
            Annotated[option.type, FREE] if option.free else option.type,
            Field(default=option.default, ge=option.least, gt=option.above, le=option.most, description=option.about),
        )
        for key, option in serving.options.items()
    }
    said = f"Options of engine {engine}. Those marked FREE change no result and may differ from run to run."
    return create_model(f"{engine.title()}{end}", __base__=Section, __doc__=said, __module__=__name__, **fields)


def _sections(servings: Mapping[str, Serving], end: str) -> dict[str, type[Section]]:
    return {name: _section(name, serving, end) for name, serving in servings.items() if serving.options}


POLICY_OPTIONS = _sections(LOCAL_POLICIES, "Options")
"""Sections of the engines that draw, by the engine's name; none of an engine without options."""
PRM_OPTIONS = _sections(LOCAL_PRMS, "PRMOptions")
"""Those of the engines that score."""


def fields_of(sections: Mapping[str, type[Section]], base: type[BaseModel]) -> dict[str, Any]:
    """Fields of a model that has a section for each engine with options, as `pydantic.create_model` takes them.

    `base` is what the model is made from.
    """
    return {
        name: (sections[name], Field(default=sections[name](), description=f"options of engine {name}"))
        for name in unshadowed(base, sections, "engines")
    }


def told(servings: Mapping[str, Serving]) -> Any:
    """The field `engine`."""
    said = "; ".join(f"{name}: {ENGINES[name].about}" for name in servings)
    return Field(default="transformers", validate_default=True, description=said)


class OnEngine(Section):
    """A model whose weights are here, and what runs it; with a section for each engine that has options."""

    servings: ClassVar[Mapping[str, Serving]]
    engine: str

    @property
    def sections(self) -> dict[str, Section]:
        """Every engine's section, by its name."""
        return {name: getattr(self, name) for name, serving in self.servings.items() if serving.options}

    @property
    def options(self) -> dict[str, Any]:
        """Options of the engine that is used."""
        return self.sections[self.engine].model_dump() if self.engine in self.sections else {}

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        # Compared by value: a configuration that was written out in full, defaults too, must be readable again.
        for name, section in self.sections.items():
            if name != self.engine and section != type(section)():
                raise ValueError(
                    f"has options under `{name}`, but its engine is {self.engine}; add `engine: {name}`"
                )
        for key, option in self.servings[self.engine].options.items():
            if option.required and self.options[key] is None:
                raise ValueError(f"`{self.engine}.{key}` is missing: engine {self.engine} needs the {option.about}")
        if (source := getattr(self, "source", None)) and source not in (known := ENGINES[self.engine].sources):
            raise ValueError(f"engine {self.engine} runs models of source {', '.join(known)}, not {source}")
        return self


class HubModel(HubSource):
    """A checkpoint of the hub, whose size may be told before it is there."""

    parameters: float | None = Field(default=None, gt=0, le=1e15, description="for the plan, before it is fetched")
    active_parameters: float | None = Field(default=None, gt=0, le=1e15, description="of a mixture of experts")
