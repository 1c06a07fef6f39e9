"""The first look at what a policy writes: two problems, four samples of each, before the rest is waited for.

The samples are the pool's own first ones, so that nothing is drawn twice. They are told in one paragraph; a policy
whose first responses give no answer at all is stopped, since every number made of them would be 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ttstudy.answers.extraction import CUT, extract
from ttstudy.dag.specs.generation import AskSpec, Reading, SampleSpec
from ttstudy.errors import StudyError
from ttstudy.run import steps

PROBLEMS, SAMPLES = 2, 4
ENOUGH = 32
"""Responses of which none has an answer before a job is stopped: fewer than 9 % can have one then (95 % confidence)."""
NIGHT = 8.0
"""Hours from which a job is told to be long."""
WAYS = ("conclusion", "boxed", "last_number")
Text = tuple[str, bool]
"""A response, and whether it was cut off."""


def first(samples: int, wanted: Sequence[int]) -> list[int]:
    """Those of the wanted places, problem by problem with so many samples each, that are looked at first."""
    return [place for place in wanted if place < PROBLEMS * samples and place % samples < SAMPLES]


class Probe:
    """Looks at responses as they end."""

    def __init__(
        self,
        policy: str,
        benchmark: str,
        reading: Reading,
        looked: Sequence[int],
        left: int,
        tell: Callable[[str], None],
    ) -> None:
        """`looked`: places that are told of; `left`: responses that the job draws."""
        self.policy, self.benchmark, self.reading, self.left = policy, benchmark, reading, left
        self._tell, self._began, self._looked = tell, time.monotonic(), set(looked)
        self._first: list[Text] = []
        self._texts: list[Text] = []
        self._tokens = 0

    @classmethod
    def of(cls, spec: SampleSpec | AskSpec, looked: Sequence[int], left: int, log: Path | None) -> Probe | None:
        """That of a job, which tells the user; None where the job is not looked at."""
        if spec.reading is None:
            return None
        _, benchmark, policy = spec.seeds
        return cls(policy, benchmark, spec.reading, looked, left, lambda text: steps.tell([text], log))

    def saw(self, place: int, text: str, finish: str, tokens: int | None, drawn: int) -> None:
        """A response has ended; `drawn`: tokens that were drawn by now, those of others too. StudyError: see module."""
        if len(self._texts) >= ENOUGH and place not in self._looked:
            return
        self._texts.append((text, finish in CUT))
        if place in self._looked:
            self._first.append(self._texts[-1])
            self._tokens += tokens or 0
            if len(self._first) == len(self._looked) and self.reading.tells:
                self._tell(self.paragraph(drawn))
        if len(self._texts) == ENOUGH and not self._found(self._texts) and not self.reading.accepted:
            raise StudyError(
                f"policies.{self.policy}: none of {ENOUGH} responses to {self.benchmark} gives an answer under "
                f"`extraction: {self.reading.extraction}`{self._more()}. {self._advice(self._texts)}. What was drawn "
                "is kept; `accept_findings: [no_answer]` goes on as it is"
            )

    def paragraph(self, drawn: int) -> str:
        """What was seen of the first, in sentences."""
        count, cut, found = len(self._first), sum(cut for _, cut in self._first), self._found(self._first)
        seconds, each = max(time.monotonic() - self._began, 1e-9), self._tokens / count
        told = (
            f"{self.policy} on {self.benchmark}, a first look at {count} responses: {found} have an answer "
            f"(extraction: {self.reading.extraction}), {cut} were cut off, {each:,.0f} tokens each"
        )
        if drawn:
            hours = (self.left * each - drawn) / (drawn / seconds) / 3600
            told += f"; {drawn / seconds:,.0f} tokens/s, so that this job takes about {_duration(hours)} more"
            told += ": longer than a night, so think of fewer problems or a smaller N" if hours > NIGHT else ""
        return f"{told}." if found else f"{told}. {self._advice(self._first)}."

    def _found(self, texts: Sequence[Text], extraction: str = "") -> int:
        """How many of some texts have an answer."""
        how, ends = extraction or self.reading.extraction, self.reading.cut
        answers = (
            extract(text, how, unfinished=self.reading.unfinished, cut=cut and not ends) for text, cut in texts
        )
        return sum(answer is not None for answer in answers)

    def _more(self) -> str:
        """What would find answers."""
        others = {way: self._found(self._texts, way) for way in WAYS if way != self.reading.extraction}
        best = max(others, key=lambda way: others[way])
        return f"; `{best}` finds {others[best]}" if others[best] else ""

    def _advice(self, texts: Sequence[Text]) -> str:
        cut = sum(cut for _, cut in texts)
        if 2 * cut > len(texts):
            return f"{cut} of {len(texts)} were cut off: raise sampling.responses.max_tokens"
        if self.reading.boxed:
            return "Give `examples` of what an answer looks like, or change `extraction`"
        return "Ask for a box (`prompt: boxed`), give `examples`, or change `extraction`"


def _duration(hours: float) -> str:
    minutes = max(0.0, hours) * 60
    if minutes < 1.5:
        return "a minute"
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{hours:.1f} hours"
