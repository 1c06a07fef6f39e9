"""Whether the responses of a pool belong to other problems than those that they stand under.

An answer that equals another problem's gold answer is a hit there. By itself it says little: small numbers are common,
and weak policies give them everywhere. Two tests correct for that; each has a false-alarm rate of at most
`FALSE_ALARM` in a pool, however weak its policy is, as long as its guesses are no likelier to be gold than not.

- By text: a response that hits problem j and stands under i is held against the words that one of the two has alone,
  so that the first part of a longer problem is not nearer by being shorter. Of pairs (i, j), each counted once, at
  most half resemble j more where the response was written for i: a sign test.
- By answers alone, where gold answers are whole numbers: how common such a number is shows in the numbers beside it.
  A trial is a gold answer; it is won where other problems' responses give it more often than both its neighbours,
  by more than its own problem's do. At most half are won where answers are near a gold by accident: a sign test again.
  Beside it at least `HALF` of what the pool gives must be hits, and own ones no more frequent than by chance, or
  a policy that guesses round numbers would look alike.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum, log

FALSE_ALARM = 1e-5
"""Most pools in which a test sees other problems' responses that are not there."""
HALF = 1 / 3
"""Least share of answers that are hits, each gold answer counted for one problem's responses at most."""
BY_CHANCE = 3.0
"""Own hits up to so many times as many as chance gives tell nothing of their problem."""
PER_PAIR = 4
"""Responses of a pair of problems that are held against their texts."""
_UNSPACED = r"\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
"""Letters of scripts that put no space between words: Thai, Kana, Han."""
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_LEADING = re.compile(r"(-?\d{1,18})(?:\\text\{.*|\s.*)?", re.S)


def _words(text: str) -> set[str]:
    """Words of a text, without case."""
    return set(_WORD.findall(text.casefold()))


def bare(form: str) -> str:
    """A canonical form without the unit behind a whole number."""
    found = _LEADING.fullmatch(form)
    return found[1] if found else form


@dataclass(frozen=True)
class Verdict:
    """What a pool's hits say: `misplaced` where one of the tests is sure."""

    answered: int
    own: int
    others: int
    """Responses that give their own problem's gold answer, and another one's."""
    pairs: int
    nearer: int
    """Pairs of problems whose texts were held against responses, and those that speak for the other problem."""
    misplaced: bool


@dataclass
class Hits:
    """Counts answers that are gold answers of their own or of other problems, response by response.

    `golds`: canonical forms by problem; only those that one problem alone has are counted. `texts`: the problems.
    """

    golds: Sequence[str]
    texts: Sequence[str]
    answered: int = 0
    own: Counter[int] = field(default_factory=Counter)
    right: int = 0
    elsewhere: Counter[int] = field(default_factory=Counter)
    given: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Answers of whole numbers, by problem."""
    per_problem: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Index the gold answers, and how telling the words of the problems are."""
        forms = [bare(form) for form in self.golds]
        count = Counter(forms)
        self._distinct = {form: place for place, form in enumerate(forms) if form and count[form] == 1}
        self._known = set(forms)
        self._words = [_words(text) for text in self.texts]
        often = Counter(word for words in self._words for word in words)
        self._weight = {word: log(len(self.texts) / times) for word, times in often.items()}
        self._leaning: dict[tuple[int, int], list[float]] = defaultdict(list)

    def add(self, problem: int, form: str | None, correct: bool, response: str) -> None:
        """One response under a problem, by place: the canonical form of its answer, and whether that is right."""
        self.per_problem[problem] += 1
        if form is None:
            return
        self.answered += 1
        form = bare(form)
        self.given[problem, form] += 1
        there = self._distinct.get(form)
        if correct:
            self.right += 1
            self.own[problem] += self._distinct.get(bare(self.golds[problem])) == problem
        elif there is not None and there != problem:
            self.elsewhere[there] += 1
            leaning = self._leaning[problem, there]
            if len(leaning) < PER_PAIR:
                leaning.append(self._nearer(response, problem, there))

    def _nearer(self, response: str, own: int, other: int) -> float:
        """1 where a response has the other problem's wording, -1 where its own, 0 where the wording does not say.

        Only words that one of the two has alone can tell: a text whose words lie within the other's never is nearer.
        The other's must weigh more, and be a larger part of what is the other's alone; else it is not the other's.
        """
        said = _words(response)
        # What it answers with would speak for a problem that happens to name it.
        for place in (own, other):
            said -= _words(self.golds[place])
        mine, theirs = self._words[own] - self._words[other], self._words[other] - self._words[own]
        if not mine or not theirs:
            return 0.0
        for_own, for_other = self._weigh(mine & said), self._weigh(theirs & said)
        if not for_own and not for_other:
            return 0.0
        more = for_other > for_own and for_other * self._weigh(mine) > for_own * self._weigh(theirs)
        return 1.0 if more else -1.0

    def _weigh(self, words: set[str]) -> float:
        return fsum(self._weight[word] for word in words)  # of a set, in whatever order

    def verdict(self) -> Verdict:
        """What the counted responses say together."""
        leanings = [sum(found) for found in self._leaning.values() if abs(sum(found)) > 1e-9]
        nearer = sum(leaning > 0 for leaning in leanings)
        by_text = improbable(nearer, len(leanings))
        return Verdict(
            answered=self.answered,
            own=self.right,
            others=sum(self.elsewhere.values()),
            pairs=len(leanings),
            nearer=nearer,
            misplaced=by_text or self._by_answers(),
        )

    def _by_answers(self) -> bool:
        problems = len(self.golds)
        most = max(self.per_problem.values(), default=0)
        total = {place: self.own[place] + self.elsewhere[place] for place in self._distinct.values()}
        reachable = sum(min(count, most) for count in total.values())
        by_chance = sum(total.values()) / problems if problems else 0.0
        if reachable < HALF * self.answered or sum(self.own.values()) > BY_CHANCE * by_chance:
            return False
        everywhere: Counter[str] = Counter()
        for (_, form), count in self.given.items():
            everywhere[form] += count
        won = lost = 0
        for form, place in self._distinct.items():
            beside = [
                everywhere[near] - self.given[place, near]
                for near in (str(int(form) - 1), str(int(form) + 1))
                if near not in self._known
            ] if _LEADING.fullmatch(form) else []  # fmt: skip
            if beside and total[place] + max(beside):
                ahead = self.elsewhere[place] - max(beside) > self.own[place]
                won, lost = won + ahead, lost + (not ahead)
        return improbable(won, won + lost)


def improbable(won: int, trials: int) -> bool:
    """Whether so many of the trials are won with a chance of at most `FALSE_ALARM`, each with one half or less."""
    from scipy.stats import binom

    return trials > 0 and float(binom.sf(won - 1, trials, 0.5)) <= FALSE_ALARM
