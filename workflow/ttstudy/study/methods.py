"""What is done with the models: budgets of the methods, options of search, levels of difficulty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model, model_validator

from ttstudy.kinds.methods import BUDGETED, METHODS, POOLED, SEARCHES, Option, growth_of
from ttstudy.kinds.votes import VOTES
from ttstudy.study.fields import FREE, Score, Section, unshadowed

SEMANTICS = {"default": 1, "reference": 2}
"""Ways to search, with a version each: raise it when results change on purpose, and those searches are made again."""

BudgetList = Annotated[list[Annotated[int, Field(gt=0, le=1_000_000)]], Field(min_length=1)]


class _Budgets(Section):
    """Candidate solutions N that each method may draw for a problem. A method that is left out is not run."""

    def of(self, method: str) -> list[int]:
        """A method's budgets; none where it is left out."""
        return getattr(self, method) or []

    @property
    def methods(self) -> list[str]:
        """Methods that are run, in the order in which they are shown."""
        return [method for method in BUDGETED if self.of(method)]

    @property
    def pooled(self) -> list[int]:
        """Every budget of a method that shares the pool, from the smallest."""
        return sorted({budget for method in POOLED for budget in self.of(method)})

    @property
    def pool(self) -> int:
        """Responses needed per problem: the largest budget of the methods that share the pool (0: no pool)."""
        return max(self.pooled, default=0)

    @property
    def scored(self) -> bool:
        """Whether PRMs score the pool."""
        return any(self.of(method) for method in POOLED if METHODS[method].judged == "prm")

    @model_validator(mode="after")
    def _distinct(self) -> _Budgets:
        for method in BUDGETED:
            if len(set(self.of(method))) != len(self.of(method)):
                raise ValueError(f"{method} lists a budget twice")
        return self

    @model_validator(mode="after")
    def _voted(self) -> _Budgets:
        for method in self.methods:
            if all(vote.judged != METHODS[method].judged for vote in VOTES.values()):
                raise ValueError(f"{method} has no vote, since no file of kinds/votes is judged as it is; add one")
        return self


if TYPE_CHECKING:
    Budgets = _Budgets
else:
    Budgets = create_model(
        "Budgets",
        __base__=_Budgets,
        __doc__=_Budgets.__doc__,
        __module__=__name__,
        **{
            method: (BudgetList | None, Field(default=None, description=METHODS[method].about))
            for method in unshadowed(_Budgets, BUDGETED, "methods")
        },
    )


class _Search(Section):
    """Searches; see `ttstudy.methods` for what each option means and why it has its default."""

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
    max_live: Annotated[int, FREE] = Field(
        default=4096,
        ge=1,
        le=10**6,
        description="most candidates that are drawn and scored at a time: bounds memory, changes no node and no answer",
    )
    problems_per_block: Annotated[int | None, FREE] = Field(
        default=None,
        ge=1,
        le=10**6,
        description="problems that have ended and are saved together: what a killed job loses, beside those under way. "
        "null: as many as have 1024 candidate solutions. Every problem is searched at its own pace, so that this "
        "decides neither speed nor any result",
    )

    def of(self, method: str) -> _Search:
        """The options that one method has: what it does not heed is at its default, and so decides nothing of it."""
        unheeded = {name for name in SEARCHES if name != method and growth_of(name).options}
        if not growth_of(method).beams:
            unheeded |= BEAMS
        return self.model_copy(update={name: type(self).model_fields[name].get_default() for name in unheeded})

    def own(self, method: str) -> dict[str, Any]:
        """A method's own options."""
        return getattr(self, method).model_dump() if growth_of(method).options else {}


BEAMS = frozenset({"beam_width", "answers", "semantics", "refill"})
"""Options of searches that keep beams."""


def _section(method: str, options: Mapping[str, Option]) -> Any:
    """The section `search.METHOD` of a method's own options."""
    name = "".join(word.title() for word in method.split("_"))
    fields: dict[str, Any] = {
        key: (type(option.default), Field(option.default, gt=option.above, le=option.most, description=option.about))
        for key, option in options.items()
    }
    model = create_model(
        name, __base__=Section, __doc__=f"Options of {METHODS[method].look.words} alone.", __module__=__name__, **fields
    )
    return (model, Field(default=model(), description=f"options of {METHODS[method].look.words} alone"))


if TYPE_CHECKING:
    Search = _Search
else:
    Search = create_model(
        "Search",
        __base__=_Search,
        __doc__=_Search.__doc__,
        __module__=__name__,
        **{
            name: _section(name, growth_of(name).options)
            for name in unshadowed(_Search, (name for name in SEARCHES if growth_of(name).options), "methods")
        },
    )


class Runs(Section):
    """How often is drawn what chance decides: each run has seeds of its own, and their mean counts."""

    searches: int = Field(default=1, ge=1, le=100, description="runs of every search")
    samples: int = Field(default=1, ge=1, le=100, description="the pool is so many times the largest budget")


class Difficulty(Section):
    """Levels by a policy's own Pass@1 on the pilot (paper, section 3.2)."""

    scheme: Literal["absolute", "quantile"] = Field(
        default="absolute", description="by thresholds, or a third of the problems each"
    )
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
