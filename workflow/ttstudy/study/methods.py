"""What is done with the models: budgets of the methods, options of search, levels of difficulty."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ttstudy.study.fields import FREE, Score, Section

BudgetList = Annotated[list[Annotated[int, Field(gt=0, le=1_000_000)]], Field(min_length=1)]


class Budgets(Section):
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


class Search(Section):
    """Beam search and DVTS; see `ttstudy.methods` for what each option means and why it has its default."""

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
        description="most candidates in one model call: bounds memory, changes no node and no answer",
    )
    problems_per_block: Annotated[int, FREE] = Field(
        default=50, ge=1, le=10**6, description="problems searched, and saved, together"
    )


class Difficulty(Section):
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
