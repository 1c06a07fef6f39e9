"""Deliberate faults of a reward model: the conformance checks catch each one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import pytest
import torch

from ttstudy.kinds.formats import Encoded
from ttstudy.prms import open_reward_model

from .rewards_checkpoints import LAYOUTS, Shelf
from .rewards_conformance import failed_checks


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("checkpoints"))


def off_by_one(model) -> None:
    """Scores are read at the token before the right one."""
    encode = model.format.encode

    def faulty(problem, steps):
        right = encode(problem, steps)
        return replace(right, positions=[position - 1 for position in right.positions])

    model.format.encode = faulty


def swapped_tokens(model) -> None:
    """The probability of the bad token instead of the good one."""
    weights = model.engine.head.weights
    weights["good_and_bad"] = weights["good_and_bad"].flip(0)


def swapped_classes(model) -> None:
    """The probability of class 0 instead of class 1."""
    right = model.engine.head
    model.engine.head = lambda hidden: 1 - right(hidden)


def no_bos(model) -> None:
    """The token that begins a text is missing."""
    encode, stem = model.format.encode, model.format.stem

    def faulty(problem, steps):
        right = encode(problem, steps)
        return Encoded(right.ids[1:], [position - 1 for position in right.positions])

    model.format.encode, model.format.stem = faulty, lambda problem: stem(problem)[1:]


def other_bos(model) -> None:
    """Skywork's texts begin with the token that ends Qwen2's texts."""
    model.format.bos = model.format.tokenizer.find("<|endoftext|>")


def other_system_prompt(model) -> None:
    """The chat has another system message."""
    model.format._head = model.format._head.replace("reason", "think")


def left_padding(model) -> None:
    """Sequences of a batch are aligned on the right, without a mask."""
    run = model.engine.run

    def faulty(batch):
        width = max(len(each.ids) for each in batch)
        padded = []
        for each in batch:
            lead = width - len(each.ids)
            padded.append(Encoded([0] * lead + each.ids, [lead + position for position in each.positions]))
        return run(padded)

    model.engine.run = faulty


def kept_line_breaks(model) -> None:
    """A line break inside one of Skywork's steps stays one."""

    class Kept(str):
        def replace(self, *_):
            return self

        def strip(self, *_):
            return self

    encode = model.format.encode
    model.format.encode = lambda problem, steps: encode(problem, [Kept(step) for step in steps])


def other_separator(model) -> None:
    """Math-Shepherd's steps are separated as in search-and-learn, by a blank line."""
    text = model.format._text
    model.format._text = lambda plain: text("\n" + plain if plain.startswith("\n") else plain)


def parsed_special_tokens(model) -> None:
    """Text that looks like a control token becomes one."""
    tokenizer = model.format.tokenizer
    tokenizer._raw.encode_special_tokens = False
    tokenizer._forbidden = frozenset()
    tokenizer.encode.cache_clear()


def searched_positions(model) -> None:
    """Positions are where the tag's id is found."""
    encode, tag = model.format.encode, model.format.tag

    def faulty(problem, steps):
        ids = encode(problem, steps).ids
        return Encoded(ids, [place for place, id in enumerate(ids) if id == tag])

    model.format.encode = faulty


def joined_steps(model) -> None:
    """Skywork's steps are tokenised together with their line breaks."""
    form = model.format

    def faulty(problem, steps):
        ids, positions = form.stem(problem), []
        for step in steps:
            ids += form._text(step.strip().replace("\n", " ") + "\n")
            positions.append(len(ids) - 1)
        return Encoded(ids, positions)

    form.encode = faulty


def forgotten_prefix(model) -> None:
    """Siblings are scored without the steps before them."""
    siblings = model._siblings

    def faulty(problem, encoded):
        right = siblings(problem, encoded)
        return replace(right, ids=right.ids[: right.cuts[0]], cuts=right.cuts[:1])

    model._siblings = faulty


def confused_prefixes(model) -> None:
    """Prefixes of the same length are taken for one another."""
    states = model.engine._states
    get, put = states.get, states.put

    def short(key):
        return None if key is None else len(key).to_bytes(4, "little")

    states.get = lambda key: get(short(key))
    states.put = lambda key, parent, *rest: put(short(key), short(parent), *rest)


def random_head(model) -> None:
    """A head that was never loaded."""
    weights = model.engine.head.weights
    weights["weight_2"] = torch.randn(weights["weight_2"].shape, generator=torch.Generator().manual_seed(5))


def skipped_blank_steps(model) -> None:
    """Blank steps get no score."""
    encode = model.format.encode
    model.format.encode = lambda problem, steps: encode(problem, [s for s in steps if s.strip()] or ["."])


FAULTS: list[tuple[str, Callable]] = [
    ("qwen", off_by_one),
    ("rlhflow", off_by_one),
    ("rlhflow", swapped_tokens),
    ("math_shepherd", swapped_tokens),
    ("qwen", swapped_classes),
    ("math_shepherd", no_bos),
    ("skywork-1.5b", no_bos),
    ("skywork-1.5b", other_bos),
    ("qwen", other_system_prompt),
    ("qwen", left_padding),
    ("skywork-1.5b", kept_line_breaks),
    ("math_shepherd", other_separator),
    ("qwen", parsed_special_tokens),
    ("rlhflow", parsed_special_tokens),
    ("math_shepherd", searched_positions),
    ("skywork-1.5b", joined_steps),
    ("qwen", forgotten_prefix),
    ("rlhflow", confused_prefixes),
    ("qwen", random_head),
    ("qwen", skipped_blank_steps),
]


@lru_cache
def healthy(shelf: Shelf, name: str):
    """A model with no fault, to show that the checks do not fail by themselves."""
    model = open_reward_model(shelf.folder(name), format=LAYOUTS[name].format, device="cpu")
    assert failed_checks(model, shelf.reference(name), shelf.solutions[:8]) == set()


@pytest.mark.parametrize(("name", "fault"), FAULTS, ids=[f"{fault.__name__}-{name}" for name, fault in FAULTS])
def test_each_deliberate_fault_is_caught(shelf: Shelf, name: str, fault: Callable) -> None:
    healthy(shelf, name)
    model = open_reward_model(shelf.folder(name), format=LAYOUTS[name].format, device="cpu")
    fault(model)
    assert failed_checks(model, shelf.reference(name), shelf.solutions[:8])
