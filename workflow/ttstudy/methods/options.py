"""What a search may do: a frozen record of plain JSON values, each with its default and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ttstudy.data.prompts import SEPARATOR
from ttstudy.kinds.methods import SEARCHES, Growth, growth_of
from ttstudy.kinds.scores import SCORES
from ttstudy.study.methods import SEMANTICS

if TYPE_CHECKING:
    from ttstudy.study.methods import Search
    from ttstudy.study.sampling import SamplingSettings

REFERENCE: dict[str, Any] = {
    "score": "last",
    "answers": "beams",
    "refill": False,
    "dedup": True,
    "stop_on_boxed": True,
    "lookahead": 0,
}
"""What `semantics="reference"` sets (official code of arXiv 2502.06703, commit 0ee2578)."""

REFERENCE_TRIES = 3
"""Draws that the official code makes for one expansion before it gives a beam up; the root has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of one search. ValueError where they contradict each other.

    A search grows trees of a width W (first steps) with B places for paths that are kept. Beam search is one tree
    with W = N and B = W / M, DVTS is N / M independent trees with W = M and B = 1; a method without beams is one
    tree with W = B = N. How places are given is the method's own (`ttstudy.kinds.methods`).
    """

    method: str

    budget: int
    """N: candidates drawn at the first depth, and at most so many at every later one. With beams a multiple of M."""

    beam_width: int = 4
    """M: candidates drawn per kept beam. 4 in the paper. A method without beams draws one per place."""

    semantics: Literal["default", "reference"] = "default"
    """`reference` follows the official code and overrules the options in `REFERENCE`, whatever they say.

    Besides them: a step cut by length or context is thrown away; an expansion that yields nothing is drawn
    again, three times in all, then the beam ends as it is (at the root: twice, and the second draw is taken
    whole); a blank step is a step with score 0, and so is all that follows it; every ended path is an answer,
    complete or not; places are counted as a pass goes through the beams, so that more may go on than there are
    places (`Tree.prune`). Not copied: unseeded draws, the order of ties across parents (ours is the order of
    drawing), and what that code draws after its last answer, only to drop it. See docs/reference.md.
    """

    score: str = "last"
    """How step scores make the value that prunes, one of `ttstudy.kinds.scores`.

    PRM-Last: the paper's and the official code's choice.
    """

    answers: Literal["beams", "candidates"] = "beams"
    """`beams`: the kept beams, at most N / M; `candidates`: with them the finished steps drawn in the same
    expansions, at most N.

    Beams by default: they are what the algorithm selects and what was published, and siblings share all but
    their last step, so that a vote over candidates would count one line of thought up to M times. An
    unfinished beam is an answer only where its tree has no finished one.
    """

    refill: bool = True
    """A finished beam competes for its slot at every depth, and a better open one may take the slot.

    False: it holds its slot for good and the search goes on with the rest (official code). True by default:
    "the best N / M of all beams" then holds at every depth, whichever beam finishes first.
    """

    dedup: bool = False
    """Drop a sibling whose step equals an earlier one's. Off: not in the paper, and it makes N mean less."""

    stop_on_boxed: bool = False
    r"""A step with \boxed ends its path. Off: a boxed intermediate result would end a solution half-way."""

    lookahead: int = 0
    """k: greedy steps rolled out from each open candidate, whose value is the score at their end.

    Source: Snell et al., arXiv 2408.03314, section 5.2. Off: the paper has none, and it costs up to k + 1
    times the tokens. The steps ahead are nodes too (never kept); only the last of them is scored.
    """

    max_depth: int = 40
    """Steps of the longest path, as in the official code."""

    max_step_tokens: int = 2048
    """Tokens of the longest step, as in the official code; the engine's context bounds the whole response."""

    temperature: float = 0.7
    """Above 0, since candidates must differ. 0.7 in the paper."""

    top_p: float = 1.0
    """1 in the paper: no cut."""

    top_k: int = 0
    """0 in the paper: no cut."""

    separator: str = SEPARATOR
    """Text that ends a step and stays in it."""

    own: Mapping[str, Any] = field(default_factory=dict)
    """The method's own options; those left out have their defaults."""

    max_live: int = 4096
    """Most candidates that the engine, or the PRM, has at a time. Bounds memory and decides no step and no score.

    Where a PRM keeps too few of the prefixes that it has read (its cache overflows, or its engine has none), it
    decides how often one is read again, and so `Counters.prm_tokens`.
    """

    def __post_init__(self) -> None:
        """Apply `reference`, then check."""
        choices = {
            "method": SEARCHES,
            "semantics": tuple(SEMANTICS),
            "score": tuple(SCORES),
            "answers": ("beams", "candidates"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"search.{name} is {getattr(self, name)!r}; use one of {', '.join(allowed)}")
        if self.semantics == "reference":
            for name, value in REFERENCE.items():
                object.__setattr__(self, name, value)
        for name in ("budget", "beam_width", "max_depth", "max_step_tokens", "max_live"):
            if getattr(self, name) < 1:
                raise ValueError(f"search.{name} is {getattr(self, name)}; it must be at least 1")
        object.__setattr__(self, "own", {name: o.default for name, o in self.growth.options.items()} | {**self.own})
        if unknown := set(self.own) - set(self.growth.options):
            raise ValueError(f"search.{self.method} has no option {min(unknown)!r}")
        if self.growth.beams and self.budget % self.beam_width:
            raise ValueError(
                f"search budget {self.budget} is not a multiple of the beam width {self.beam_width}; "
                f"use {self.beam_width}, {2 * self.beam_width}, ..."
            )
        if not self.growth.beams and (self.semantics, self.answers, self.refill) != ("default", "beams", True):
            raise ValueError(f"{self.method} keeps no beams, which search.semantics, answers and refill are about")
        if self.lookahead < 0:
            raise ValueError(f"search.lookahead is {self.lookahead}; it must be 0 or more")
        if not self.temperature > 0:
            raise ValueError("search.temperature must be above 0: at 0 all candidates of a beam are the same")
        if not self.separator:
            raise ValueError("search.separator is empty; a step must end at some text")

    @classmethod
    def of(
        cls, method: str, budget: int, settings: Search, sampling: SamplingSettings | None = None
    ) -> Options:
        """Options of a search as a study has them; without `sampling`, for a look at a finished search."""
        drawn = {} if sampling is None else sampling.model_dump()
        if "max_tokens" in drawn:
            drawn["max_step_tokens"] = drawn.pop("max_tokens")
        sections = {name for name in SEARCHES if growth_of(name).options}
        shared = settings.of(method).model_dump(exclude={"problems_per_block", *sections})
        return cls(method=method, budget=budget, own=settings.own(method), **shared, **drawn)

    @property
    def growth(self) -> Growth:
        """How the method's trees grow."""
        return growth_of(self.method)

    @property
    def trees(self) -> int:
        """Independent trees per problem."""
        return self.budget // self.beam_width if self.growth.independent else 1

    @property
    def width(self) -> int:
        """W: first steps per tree."""
        return self.budget // self.trees

    @property
    def slots(self) -> int:
        """B: paths kept per tree."""
        return self.width // self.beam_width if self.growth.beams else self.width

    @property
    def children(self) -> int:
        """Candidates drawn per place that a path has."""
        return self.beam_width if self.growth.beams else 1

    def spec(self) -> dict[str, Any]:
        """All that decides the result, as plain JSON values: every option but `max_live`."""
        return {name: value for name, value in asdict(self).items() if name != "max_live"}
