"""Word problems from a seed: read and solved again from their English alone, new by the seed, the same for ever."""

from __future__ import annotations

import re
from fractions import Fraction
from hashlib import sha256

import pytest

from ttstudy.data.generated import _PEOPLE, KINDS, problems
from ttstudy.study import StudyError, from_mapping

PEOPLE = {person.split()[0]: person.split()[1] for person in _PEOPLE}
TIMES = {"twice": 2, "three times": 3, "four times": 4, "five times": 5}
PARTS = {"half": 2, "a third": 3, "a quarter": 4, "a fifth": 5}
SENTENCES = [
    (r"[A-Z]\w+ has (\d+) \w+\.", lambda have, n: int(n)),
    (r"[A-Z]\w+ gives (?:him|her) (\d+) more \w+\.", lambda have, n: have + int(n)),
    (r"(?:He|She) buys (\d+) \w+ of (\d+) \w+\.", lambda have, n, m: have + int(n) * int(m)),
    (r"(?:He|She) loses (\d+) of the \w+\.", lambda have, n: have - int(n)),
    (r"(?:He|She) gives (half|a \w+) of the \w+ to \w+\.", lambda have, part: have - Fraction(have, PARTS[part])),
    (r"(?:He|She) wins as many \w+ as s?he already has\.", lambda have: 2 * have),
    (r"(?:He|She) fills boxes with (\d+) \w+ each, as many as can be filled\.", lambda have, n: have % int(n)),
]


def told(text: str) -> tuple[int, list[int]]:
    """A chain's answer, and every number on the way, by reading one sentence after another."""
    *sentences, question = re.findall(r"[^.?]+[.?]", text)
    have, steps = 0, []
    for sentence in sentences:
        found = [(re.fullmatch(form, sentence.strip()), then) for form, then in SENTENCES]
        ((match, then),) = [(match, then) for match, then in found if match]
        have = then(have, *match.groups())
        steps.append(have)
    assert question.strip().startswith("How many ")
    return have, steps


def together(text: str) -> tuple[int, list[int]]:
    first = re.match(r"(\w+) has (\d+) \w+\. ", text)
    has = {first[1]: int(first[2])}
    comparison = r"(\w+) has ([\w ]+?) (as many|more|fewer) \w+ (?:as|than) (\w+)\."
    for name, words, how, other in re.findall(comparison, text):
        more = {"more": 1, "fewer": -1}.get(how, 0)
        has[name] = has[other] + more * int(words) if more else TIMES[words] * has[other]
    alone = re.search(r"does (\w+) have\?$", text)
    return (has[alone[1]] if alone else sum(has.values())), [*has.values(), sum(has.values())]


def unknown(text: str) -> tuple[int, list[int]]:
    """The number that somebody thought of, from the end backwards."""
    chain, result = re.search(r"of a number\. (?:He|She) (.*)\. The result is (\d+)\.", text).groups()
    value, steps = Fraction(int(result)), [int(result)]
    for step in reversed(chain.split(", then ")):
        what, number = re.fullmatch(r"(\w+) (?:(?:it|the result) by )?(\d+)", step).groups()
        number = int(number)
        back = {"adds": value - number, "subtracts": value + number, "divides": value * number}
        value = back.get(what, value / number)
        steps.append(value)
    return value, steps


@pytest.mark.parametrize(("seed", "depth", "largest"), [(0, (1, 1), 100), (1, (2, 6), 999), (2, (12, 20), 5000)])
def test_every_answer_follows_from_the_words_and_no_number_on_the_way_is_too_large(seed, depth, largest):
    found = list(problems(seed, 400, depth, largest))
    assert len({one.problem for one in found}) == len({one.problem_id for one in found}) == 400
    assert {one.subject for one in found} == set(KINDS)
    for one in found:
        answer, steps = {"together": together, "unknown": unknown}.get(one.subject, told)(one.problem)
        assert one.answer == str(answer), one
        assert all(0 <= step <= largest and step == int(step) for step in steps), (one, steps)
        assert depth[0] <= int(one.level) <= depth[1]
        assert not re.search(r"\b1 (more|fewer|\w+s\b)", one.problem), one


def test_she_is_never_one_of_two():
    for one in problems(5, 600, (3, 8), 999):
        if " gives him " in one.problem or " gives her " in one.problem or " to " in one.problem:
            named = [name for name in PEOPLE if re.search(rf"\b{name}\b", one.problem)]
            assert len({PEOPLE[name] for name in named}) == len(named) == 2, one


def test_a_seed_means_the_same_problems_for_ever_and_another_one_others():
    rows = "\n".join("\t".join(one) for one in problems(7, 60, (2, 6), 999))
    digest = sha256(rows.encode()).hexdigest()
    assert digest == "308f1d5a4ffa5e86f95803aca623eb5ca064d46044c8a99f9e9eecb3b1860ce7"
    assert not {one.problem for one in problems(7, 60, (2, 6), 999)} & {
        one.problem for one in problems(8, 60, (2, 6), 999)
    }


def test_a_depth_that_cannot_be_is_one_sentence():
    policy = {"source": "openai", "model": "m"}
    study = {"study": "s", "policies": {"p": policy}, "budgets": {"majority": [2]}}
    for depth in ([6, 2], [0, 2], [2, 21]):
        words = {"source": "generated", "problems": 2, "seed": 0, "depth": depth}
        with pytest.raises(StudyError, match=r"benchmarks\.words(\.depth\.\d)?: "):
            from_mapping(study | {"benchmarks": {"words": words}})
