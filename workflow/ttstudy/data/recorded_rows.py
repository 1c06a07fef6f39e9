"""One row of recorded responses, checked: what it must have, what it may have, and what is wrong with it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from ttstudy.answers.gold import gold
from ttstudy.data.intake import REQUIRED
from ttstudy.data.prompts import split_steps
from ttstudy.data.reading import BrokenRow
from ttstudy.data.rows import odd_id
from ttstudy.kinds.confidences import STORED
from ttstudy.kinds.sources import SCORES

_ENDS = {
    "eos": "eos end_turn eos_token stop_token end_id endoftext complete completed finish finished",
    "stop": "stop stop_sequence stop_str stop_string stop_word stop_words word",
    "length": "length max_length max_len max_tokens max_output_tokens max_new_tokens max_completion_tokens "
    "max_gen_tokens max_response_length token_limit max_token_limit limit length_limit length_capped truncated "
    "truncation incomplete cut_off cutoff overlong",
    "context": "context context_length context_length_exceeded context_window model_length max_model_len "
    "max_context_length model_context_window_exceeded",
}
FINISHES = {word: end for end, words in _ENDS.items() for word in words.split()}
"""How a response ended, by the words of engines and APIs; all others (content_filter, abort ...) are not known here."""
LONGEST_TEXT = 2_000_000
"""Characters of one text."""
GREATEST = 1e300


def checked(
    content: Mapping[str, Any], kinds: Mapping[str, str] | None, finishes: Counter[str]
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """A row in our form, and its scores by PRM; BrokenRow says what is wrong with it.

    `kinds`: see `intake.Given`. Ends of responses that are not known are counted in `finishes`.
    """
    for name in (*REQUIRED, "problem_id"):
        if _missing(content.get(name)):
            raise BrokenRow(f"no {name}")
    problem_id, problem, answer = _identity(content)
    greedy = content.get("greedy")
    if not _missing(greedy) and not isinstance(greedy, bool | np.bool_):
        raise BrokenRow(f"greedy is {_shown(greedy)}, not true or false")
    greedy = False if _missing(greedy) else bool(greedy)
    response = text_of(content, "response")
    steps = content.get("steps")
    if _missing(steps):
        steps = split_steps(response)
    elif not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise BrokenRow("steps is not a list of texts")
    elif not steps and response.strip():
        raise BrokenRow("steps is empty, but the response is not")
    scores = {name: scores_of(name, values, len(steps), kinds) for name, values in scored(content)}
    row = {
        "problem_id": problem_id,
        "problem": problem,
        "answer": answer,
        "level": None if _missing(content.get("level")) else text_of(content, "level"),
        "subject": None if _missing(content.get("subject")) else text_of(content, "subject"),
        # One greedy response per problem, whatever its number.
        "sample": 0 if greedy else _count(content, "sample"),
        "greedy": greedy,
        "response": response,
        "steps": [clean(step) for step in steps],
        "prompt_tokens": None if _missing(content.get("prompt_tokens")) else _count(content, "prompt_tokens"),
        "response_tokens": None if _missing(content.get("tokens")) else _count(content, "tokens"),
        **_sure(content),
        "finish": _finish(content.get("finish"), finishes),
    }
    return row, scores


def _identity(content: Mapping[str, Any]) -> tuple[str, str, str]:
    """Id, text and gold answer of the problem."""
    listed = content["answer"]
    if isinstance(listed, list) and listed and all(isinstance(item, str | int | float) for item in listed):
        content = {**content, "answer": ", ".join(map(str, listed))}
    problem_id, problem, answer = (text_of(content, name) for name in ("problem_id", "problem", "answer"))
    for name, value in (("problem_id", problem_id), ("problem", problem), ("answer", answer)):
        if not value.strip():
            raise BrokenRow(f"{name} is empty")
    try:
        answer = gold(answer)
    except ValueError as error:
        raise BrokenRow(f"answer {error}") from None
    if reason := odd_id(problem_id):
        raise BrokenRow(f"problem_id {reason}")
    return problem_id, problem, answer


def _finish(value: Any, finishes: Counter[str]) -> str:
    if _missing(value):
        return "unknown"
    if isinstance(value, Mapping):  # as SGLang tells it: {"type": "length", "length": 512}
        value = value.get("type")
    if not isinstance(value, str):
        raise BrokenRow(f"finish is {_shown(value)}, not a text")
    # Enumerations print themselves: FinishReason.MAX_TOKENS, <FinishReason.LENGTH: 1>, FINISH_REASON_STOP.
    name = re.sub(r"[\s-]+", "_", value.strip().strip("<>").split(":")[0].rpartition(".")[2].strip().lower())
    name = name.removeprefix("finish_reason_")
    if name not in FINISHES and name not in ("", "unknown"):
        finishes[name[:40]] += 1
    return FINISHES.get(name, "unknown")


def _sure(content: Mapping[str, Any]) -> dict[str, float | None]:
    """The log-probability, None where there is none, and the confidences that there are."""
    numbers = {name: content.get(name) for name in ("logprob", *STORED)}
    numbers = {name: None if _missing(value) else value for name, value in numbers.items()}
    for name, value in numbers.items():
        if value is not None and not (number(value) and abs(value) < GREATEST):
            raise BrokenRow(f"{name} is {_shown(value)}, not a number")
    found = {name: float(value) for name, value in numbers.items() if value is not None}
    return {"logprob": None, **found}


def scored(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(PRM, values) of a row, from `scores.PRM` columns and from an object `scores`."""
    nested = content.get("scores")
    if not _missing(nested) and not isinstance(nested, Mapping):
        mend = "name the PRM with `columns: {scores.PRM: scores}`"
        raise BrokenRow(f"scores is not an object of PRMs and their step scores; {mend}")
    given = {name.removeprefix(SCORES): value for name, value in content.items() if name.startswith(SCORES)}
    within: Mapping[str, Any] = nested if isinstance(nested, Mapping) and not _missing(nested) else {}
    for name in (*within, *given):
        if not name.strip() or name in within and name in given:
            raise BrokenRow(f"{SCORES}{name} is there twice" if name.strip() else f"{SCORES} names no PRM")
        if clean(name) != name:
            raise BrokenRow(f"{SCORES}{name!a} names no PRM: it is no text")
    for name, value in {**within, **given}.items():
        if not _missing(value):
            yield name, value


def scores_of(prm: str, values: Any, steps: int, kinds: Mapping[str, str] | None) -> list[float]:
    """Scores of a response, as its PRM's kind has them; of a PRM that the study does not use, any numbers."""
    kind = "probability" if kinds is None else kinds.get(prm)
    if number(values) and kind in ("outcome", None):
        values = [values]
    if not isinstance(values, list) or not all(map(number, values)):
        raise BrokenRow(f"{SCORES}{prm} is not a list of numbers{_instead(kind, values)}")
    if kind == "outcome" and len(values) != 1:
        raise BrokenRow(f"{SCORES}{prm} has {len(values)} numbers, but an outcome has one for the whole response")
    if kind in ("probability", "logit") and len(values) != steps:
        raise BrokenRow(f"{SCORES}{prm} has {len(values)} numbers for {steps} steps{_instead(kind, values)}")
    if odd := [value for value in values if not abs(value) < GREATEST]:  # a NaN too
        raise BrokenRow(f"{SCORES}{prm} has {_shown(odd[0])}, which is not a finite number")
    if kind == "probability" and (odd := [value for value in values if not 0 <= value <= 1]):
        raise BrokenRow(f"{SCORES}{prm} has {_shown(odd[0])}, which is not between 0 and 1{_instead(kind, values)}")
    return [float(value) for value in values]


def _instead(kind: str | None, values: Any) -> str:
    """Which kind of scores these may be."""
    if kind == "outcome":
        return ""
    if number(values) or isinstance(values, list) and len(values) == 1 and number(values[0]):
        return "; of a reward model that scores whole responses, set its `score_kind: outcome`"
    odd = isinstance(values, list) and all(map(number, values)) and any(not 0 <= value <= 1 for value in values)
    return "; of logits, set the PRM's `score_kind: logit`" if odd and kind == "probability" else ""


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def number(value: Any) -> bool:
    """Whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_of(content: Mapping[str, Any], name: str) -> str:
    """A column as text, whole numbers without a point; BrokenRow where it is no text."""
    value = content[name]
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name}.{key}" for key in list(value)[:6])
        mend = f"name the text in it with `columns: {{{name}: ...}}`"
        raise BrokenRow(f"{name} is not a text but an object; {mend} (it has: {inner})")
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise BrokenRow(f"{name} is not a text")
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise BrokenRow(f"{name} is {_shown(value)}, not a finite number")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    if len(text) > LONGEST_TEXT:
        raise BrokenRow(f"{name} is longer than {LONGEST_TEXT:,} characters")
    return clean(text)


def clean(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates, which JSON allows, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _count(content: Mapping[str, Any], name: str) -> int:
    value = content[name]
    if not number(value) or not 0 <= value < 2**53 or value != int(value):
        raise BrokenRow(f"{name} is {_shown(value)}, not a whole number from 0")
    return int(value)


def _shown(value: Any) -> str:
    return repr(value)[:40]
