"""The whole study: its sections, how they fit together, and what follows from them for each policy."""

from __future__ import annotations

from collections.abc import Iterator
from os.path import normpath
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ttstudy.errors import meant
from ttstudy.kinds.engines import ENGINES, Engine
from ttstudy.kinds.methods import METHODS, POOLED, SEARCHES, growth_of
from ttstudy.kinds.scores import SCORES
from ttstudy.study import pairing
from ttstudy.study.benchmarks import Benchmark, LabelledSolutions
from ttstudy.study.fields import FilePath, Grader, JudgedVote, Name, Options, Score, Section, Severe
from ttstudy.study.methods import Budgets, Difficulty, Runs, Search
from ttstudy.study.pairing import PolicyPattern, PRMPattern
from ttstudy.study.policies import Policy, PromptedPolicy, RecordedPolicy, TrainedPolicy
from ttstudy.study.prms import PRM, RecordedPRM
from ttstudy.study.sampling import SAMPLING, Sampling, SamplingChange, SamplingSettings

RESERVED = (
    *("benchmarks", "imported", "labelled", "models", "studies", "logs", "retrained", "cache", "comparisons"),
    *("specs", "rehearsals"),
)
"""Folders of `results/` that a benchmark may not be named after."""


Use = Literal["cot", "responses", "search"]
USES: tuple[Use, ...] = get_args(Use)


class Miniature(Section):
    """Options shared by the miniature's task, policies and PRMs."""

    task: Options = Field(default_factory=dict, description="options of the task that models are trained on")


class Study(Section):
    """A whole study. Lists and maps are grids: every benchmark with every policy, PRM, method and budget."""

    base: str | None = Field(default=None, description="another study's file, of which this one is a variation")
    study: Name = Field(description="its name, and that of its folder in results/studies")
    question: str = Field(
        default="When does a small policy with test-time compute beat a larger one, and at what cost?",
        max_length=1000,
        description="what the report opens with",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="every response and search node derives its own from it")
    results: Annotated[FilePath, AfterValidator(normpath)] = Field(
        default="results", description="folder of everything a run makes"
    )
    benchmarks: dict[Name, Benchmark] = Field(min_length=1, description="sets of problems, by name")
    limit: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="for a trial: at most so many problems of each benchmark, the same in every study, drawn by their "
        "texts; a larger limit takes over what is drawn",
    )
    policies: dict[Name, Policy] = Field(min_length=1, description="models that write responses, by name")
    prms: dict[Name, PRM] = Field(default_factory=dict, description="process reward models, by name")
    pairs: dict[PRMPattern, list[PolicyPattern]] | None = Field(
        default=None,
        description="exceptions to every PRM with every policy; PRM: the policies that it scores and searches with, or "
        "`not NAME` for all but some; * in a name stands for any characters",
    )
    labelled: dict[Name, LabelledSolutions] = Field(
        default_factory=dict, description="solutions labelled step by step, on which PRMs are diagnosed"
    )
    budgets: Budgets = Field(description="N, by method; a method that is left out is not run")
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
    primary_claims: list[Annotated[int, Field(ge=1, le=9999)]] = Field(
        default_factory=list,
        description="claims fixed before the run: one family, corrected together; all others are exploratory",
    )
    runs: Runs = Field(default=Runs(), description="how often is drawn what chance decides")
    sampling: Sampling = Field(default=Sampling(), description="how tokens are drawn, by use")
    pilot_samples: int = Field(
        default=16,
        ge=0,
        le=1_000_000,
        description="responses per problem for difficulty alone; 0: the pool's own tell it, as the report says",
    )
    first_block: int | None = Field(
        default=None,
        ge=1,
        le=10**6,
        description="pool blocks end at this, 2x, 4x ... responses, the last one whole; null: at 64, 128 ..., and no "
        "response is drawn beyond the largest budget",
    )
    score: Score = Field(default="last", validate_default=True, description="PRM score of the headline numbers")
    vote: JudgedVote = Field(default="prm_vote", validate_default=True, description="vote of the headline numbers")
    grader: Grader = Field(default="strict", description="grader of all accuracies; the report compares all three")
    extraction: Literal["conclusion", "boxed", "last_number"] = Field(
        default="conclusion",
        description="only a marked answer (`boxed`), else what the last sentence concludes, or the last number",
    )
    unfinished_thinking: bool = Field(
        default=False, description="an answer in thinking that never ended counts; without it there is none"
    )
    cut_responses: bool = Field(
        default=False,
        description="a response that was cut off counts by what it ends with; without it, by an answer marked before",
    )
    accept_findings: list[Severe] = Field(
        default_factory=list,
        description="findings about the data that would stop the study; the report then says so on its first line",
    )
    search: Search = Field(default=Search(), description="options of searches")
    difficulty: Difficulty = Field(default=Difficulty(), description="how problems are told easy, medium and hard")
    max_gpu_hours: float | None = Field(
        default=None, ge=0, description="a run whose plan (`snakemake plan`) needs more does not start"
    )
    max_job_hours: float = Field(
        default=12, gt=0, description="what is planned for longer is shared out by problems; changes no result"
    )
    miniature: Miniature = Field(default=Miniature(), description="options shared by the miniature's models")

    @model_validator(mode="after")
    def _fits_together(self) -> Study:
        # In this order: of several mistakes the first is told.
        self._policies_named()
        self._beams_filled()
        self._names_free()
        self._prms_named()
        self._pairs_named()
        self._recorded_fits()
        self._temperatures_fit()
        self._runs_differ()
        return self

    def _policies_named(self) -> None:
        for key in ("budgets_of", "references"):
            for policy in getattr(self, key):
                if policy not in self.policies:
                    raise ValueError(f"{key}: {policy!r} is not defined under policies{meant(policy, self.policies)}")
        if both := sorted(set(self.budgets_of) & set(self.references)):
            raise ValueError(f"budgets_of.{both[0]}: this policy is one of `references`, which draw no pool")
        if set(self.references) == set(self.policies):
            raise ValueError("references: every policy is one, so there is nothing to compare; leave one out")

    def _beams_filled(self) -> None:
        if self.search.score not in SCORES:  # its default, which nothing else checks
            raise ValueError(f"search.score: there is no {self.search.score!r}; name one of {', '.join(SCORES)}")
        width = self.search.beam_width
        for place, method, budgets in self._searches():
            for budget in budgets if growth_of(method).beams else []:
                if budget % width:
                    raise ValueError(f"{place}.{method}: {budget} is not a multiple of search.beam_width ({width})")

    def _names_free(self) -> None:
        for group in ("benchmarks", "policies", "prms", "labelled"):
            seen: dict[str, str] = {}
            for name in getattr(self, group):
                if (other := seen.setdefault(name.casefold(), name)) != name:
                    raise ValueError(
                        f"{group}.{name}: differs from {other!r} only in upper and lower case, which some file systems "
                        "take for the same; choose another name"
                    )
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

    def _prms_named(self) -> None:
        for place, budgets in self._every_budgets():
            needs_prm = [method for method in budgets.methods if METHODS[method].judged == "prm"]
            if needs_prm and not self.prms:
                raise ValueError(f"prms: none is defined, but {place}.{needs_prm[0]} needs one")
        for prm, settings in self.prms.items():
            if prm == "none":
                raise ValueError("prms.none: tables say `none` where no PRM is used; choose another name")
            if len(set(getattr(settings, "policies", []))) < len(getattr(settings, "policies", [])):
                raise ValueError(f"prms.{prm}.policies: lists a policy twice")
            for policy in getattr(settings, "policies", []):
                if policy not in self.policies:
                    hint = meant(policy, self.policies)
                    raise ValueError(f"prms.{prm}.policies: {policy!r} is not defined under policies{hint}")
                if not isinstance(self.policies[policy], TrainedPolicy):
                    raise ValueError(f"prms.{prm}.policies: {policy!r} is not a trained policy")

    def _pairs_named(self) -> None:
        if (wrong := pairing.mistake(self.pairs or {}, self.prms, self.policies)) is not None:
            raise ValueError(wrong)

    def _recorded_fits(self) -> None:
        for name, benchmark in self.benchmarks.items():
            told = getattr(benchmark, "policy", None)
            if told is not None and not isinstance(self.policies.get(told), RecordedPolicy):
                recorded = [name for name, item in self.policies.items() if isinstance(item, RecordedPolicy)]
                hint = meant(str(told), recorded)
                raise ValueError(f"benchmarks.{name}.policy: {told!r} is no recorded policy under policies{hint}")
        for policy, settings in self.policies.items():
            recorded = isinstance(settings, RecordedPolicy)
            if isinstance(settings, RecordedPolicy) and policy in self.references and not settings.greedy:
                raise ValueError(f"references: {policy!r} has no greedy responses recorded, so it cannot be one")
            if recorded and policy not in self.references and not self.budgets_for(policy).pool:
                self._no_pool(policy)
            for prm in self.prms_of(policy):
                if isinstance(self.prms[prm], RecordedPRM) and not recorded:
                    raise ValueError(
                        f"prms.{prm}: its scores are recorded, but the policy {policy!r} is not; "
                        f"list only recorded policies under pairs.{prm}"
                    )
        searched = next(self._searches(), None)
        if searched and not any(self.can_search(policy) for policy in self.policies):
            raise ValueError(f"{'.'.join(searched[:2])}: no policy here can be searched with; leave this method out")

    def _no_pool(self, policy: str) -> None:
        """Refuse a recorded policy of which nothing is asked but what is not there."""
        settings = self.policies[policy]
        if not getattr(settings, "greedy", False):
            needs = " or budgets.".join(POOLED)
            raise ValueError(f"policies.{policy}: recorded responses need budgets.{needs}, or `greedy: true`")
        if self.pilot_samples:
            raise ValueError(
                f"policies.{policy}: has no budgets, so only its greedy responses are judged; set `pilot_samples: 0`"
            )

    def _temperatures_fit(self) -> None:
        for policy, settings in self.policies.items():
            engine = self.engine_of(policy)
            if not isinstance(settings, PromptedPolicy) or engine is None or engine.hottest is None:
                continue
            for use in USES:
                if (temperature := self.sampling_of(policy, use)["temperature"]) > engine.hottest:
                    raise ValueError(
                        f"policies.{policy}: draws {use} at temperature {temperature:g}, and {engine.label} takes at "
                        f"most {engine.hottest:g}; set policies.{policy}.sampling.{use}.temperature lower, or another "
                        "engine"
                    )

    def _runs_differ(self) -> None:
        for policy, settings in self.policies.items() if self.runs.searches > 1 else ():
            searched = any(self.budgets_for(policy).of(method) for method in SEARCHES) and self.prms_of(policy)
            if not searched or not isinstance(settings, PromptedPolicy) or not self.can_search(policy):
                continue
            if not self.sampling_of(policy, "search")["temperature"]:
                raise ValueError(
                    f"runs.searches: {policy} is searched with at temperature 0, where every run is the same; set it "
                    "to 1, or raise the temperature"
                )

    def _every_budgets(self) -> Iterator[tuple[str, Budgets]]:
        """(key, budgets) of the study and of each policy that has its own."""
        yield "budgets", self.budgets
        yield from ((f"budgets_of.{name}", budgets) for name, budgets in self.budgets_of.items())

    def _searches(self) -> Iterator[tuple[str, str, list[int]]]:
        """(key, method, budgets) of every search in the configuration."""
        for place, budgets in self._every_budgets():
            for method in SEARCHES:
                if budgets.of(method):
                    yield place, method, budgets.of(method)

    def budgets_for(self, policy: str) -> Budgets:
        """Budgets of one policy: its own, the study's, or none for a reference."""
        return Budgets() if policy in self.references else self.budgets_of.get(policy, self.budgets)

    def pool_of(self, policy: str) -> int:
        """Responses of a policy's pool per problem (0: no pool); of recorded ones there are no more than there are."""
        times = 1 if isinstance(self.policies[policy], RecordedPolicy) else self.runs.samples
        return times * self.budgets_for(policy).pool

    @property
    def retrained(self) -> list[list[str]]:
        """Policies that differ in nothing but the seed that they were trained with, two or more together."""
        found: dict[str, list[str]] = {}
        for name, policy in self.policies.items():
            if isinstance(policy, TrainedPolicy):
                found.setdefault(policy.model_dump_json(exclude={"definition": {"seed"}}), []).append(name)
        return [names for names in found.values() if len(names) > 1]

    @property
    def methods(self) -> list[str]:
        """Methods that are run with some policy, in the order in which they are shown; CoT and bounds are always."""
        run = {method for budgets in (self.budgets, *self.budgets_of.values()) for method in budgets.methods}
        return [name for name, method in METHODS.items() if name in run or not method.budgeted]

    def sampling_of(self, policy: str, use: Use) -> dict[str, Any]:
        """Settings for one policy and use: the study's or its prompt family's, its own changes applied."""
        settings = self.policies[policy]
        assert isinstance(settings, PromptedPolicy), policy
        given: SamplingSettings | None = getattr(self.sampling, use)
        base = SAMPLING[settings.prompt][use] if given is None else given.model_dump()
        change: SamplingChange = getattr(settings.sampling, use)
        return base | change.model_dump(exclude_none=True)

    def can_search(self, policy: str) -> bool:
        """Whether a policy can go on from a partial response: recorded ones and those behind endpoints cannot."""
        engine = self.engine_of(policy)
        return engine is not None and not engine.no_search

    def engine_of(self, model: str) -> Engine | None:
        """What runs a policy or PRM; None where it was run elsewhere and recorded."""
        settings: Policy | PRM = self.policies.get(model) or self.prms[model]
        return ENGINES.get(getattr(settings, "engine", settings.source))

    @property
    def scoring_prms(self) -> list[str]:
        """PRMs that can score any text: all but recorded ones."""
        return [prm for prm, settings in self.prms.items() if not isinstance(settings, RecordedPRM)]

    def prms_of(self, policy: str) -> list[str]:
        """PRMs that judge and steer a policy; none for a reference."""
        if policy in self.references:
            return []
        return [prm for prm in self.prms if policy in pairing.paired(self.pairs or {}, prm, [*self.policies])]
