"""Drafts of studies: a commented file that runs as it is, from a few words of what is wanted."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import yaml

from ttstudy.errors import StudyError
from ttstudy.run import gpus
from ttstudy.study import from_mapping

WIDTH = 4
"""Candidates per kept beam and step, the default of `search.beam_width`."""
CPU = Path("/proc/cpuinfo")
_PORTS = {"11434": "ollama", "1234": "lmstudio", "8080": "llama.cpp", "8000": "vllm"}
"""Where local servers answer unless they are told otherwise."""
_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class Wanted(NamedTuple):
    """What a draft is about."""

    study: str
    policies: tuple[str, ...]
    """Ids of the hub, folders of checkpoints, GGUF files, or addresses of servers."""
    model: str | None = None
    """The model's name at an address."""
    prms: tuple[str, ...] = ()
    benchmark: str | None = None
    """A file of problems; None: generated ones."""
    largest: int = 16
    folder: Path = Path()
    """Where the draft will lie: its paths start there."""

    def path(self, given: str) -> str:
        """A path of ours as the draft has it."""
        return given if Path(given).is_absolute() else os.path.relpath(given, self.folder)


def draft(wanted: Wanted) -> str:
    """The text of the study's file; StudyError where it would be none."""
    text = "\n".join(_lines(wanted)) + "\n"
    from_mapping(yaml.safe_load(text), "the draft")
    return text


def _lines(wanted: Wanted) -> Iterator[str]:
    searched = bool(wanted.prms) and not all(map(_address, wanted.policies))
    powers = [n for n in (1, 4, 16, 64, 256, 1024) if n < wanted.largest] + [wanted.largest]
    beams = [n for n in powers if n % WIDTH == 0]
    yield "# Written by `ttstudy init`; change what you like. What each key means: workflow/schemas/study.schema.json."
    policies, prms = _names(wanted)
    yield f"study: {_quoted(_name(wanted.study))}   # its folder: results/studies/{_name(wanted.study)}"
    yield ""
    yield "benchmarks:"
    if wanted.benchmark is None:
        yield "  words: {source: generated, problems: 100, seed: 1, depth: [2, 6]}   # new to every model; depth: steps"
    else:
        yield f"  {_quoted(_name(Path(wanted.benchmark).stem))}:"
        yield "    source: file"
        path = _quoted(wanted.path(wanted.benchmark))
        yield f"    path: {path}   # needs problem_id, problem, answer; `columns` names others"
    yield ""
    yield "policies:                # models that write solutions"
    for name, policy in policies.items():
        yield from _policy(name, policy, wanted)
    if wanted.prms:
        yield ""
        yield "prms:                    # process reward models: score each step of a solution"
        for name, prm in prms.items():
            yield f"  {_quoted(name)}: {_weights(prm, wanted)}   # its input format is known by its name or config"
    yield ""
    yield "budgets:                 # N: solutions that a method may draw for one problem"
    yield f"  majority: {powers}"
    if wanted.prms:
        yield f"  best_of_n: {powers}"
    if searched and beams:
        yield f"  beam_search: {beams}   # multiples of {WIDTH}"
        yield f"  dvts: {beams}"
    yield ""
    yield "pilot_samples: 8         # solutions per problem that tell how hard it is, and nothing else"
    if wanted.prms:
        yield "score: last              # of a solution: its last step's score; or min, avg"
        yield "vote: prm_vote           # answers add their solutions' scores; or prm_max, majority"


def _names(wanted: Wanted) -> tuple[dict[str, str], dict[str, str]]:
    """Policies and PRMs by names that all differ: of a path or id the last part, the last two, or with a number."""
    taken: set[str] = set()

    def named(models: Sequence[str]) -> dict[str, str]:
        found = {}
        for model in dict.fromkeys(models):
            if _address(model) and wanted.model is None:
                raise StudyError(f"--policy {model}: is an address; name the model there with --model")
            parts = [str(wanted.model)] if _address(model) else list(Path(model).parts)
            short, long = _name(parts[-1]), _name("-".join(parts[-2:]))
            name = next(one for one in chain((short, long), (f"{long[:60]}-{n}" for n in count(2)))
                        if one.casefold() not in taken)  # fmt: skip
            taken.add(name.casefold())
            found[name] = model
        return found

    return named(wanted.policies), named(wanted.prms)


def _policy(name: str, policy: str, wanted: Wanted) -> Iterator[str]:
    model = wanted.model
    if _address(policy):
        yield f"  {_quoted(name)}:"
        yield "    source: openai       # the key is in the environment variable OPENAI_API_KEY; null: none is needed"
        yield f"    model: {_quoted(str(model))}"
        yield f"    base_url: {_quoted(policy)}"
        yield f"    key_variable: {'null' if re.match('https?://(localhost|127[.])', policy) else 'OPENAI_API_KEY'}"
        if (local := re.match(r"https?://(?:localhost|127[.][0-9.]+):(\d+)", policy)) and local[1] in _PORTS:
            yield f"    server: {_PORTS[local[1]]}   # what answers there, so that its own samplers are turned off"
        yield f"    prompt: {_family(str(model))}"
        return
    yield "  # prompt: what is asked beside the problem (plain: nothing)"
    yield f"  {_quoted(name)}: {_weights(policy, wanted, f'prompt: {_family(policy)}')}"


def _weights(model: str, wanted: Wanted, *more: str) -> str:
    """The entry of a model whose weights run here."""
    if Path(model).is_dir():
        told = ["source: checkpoint", f"path: {_quoted(wanted.path(model))}"]
        if more and not gpus.visible() and _halves():
            told.append("dtype: bfloat16")
    elif model.endswith(".gguf") and Path(model).is_file():
        told = ["source: gguf", f"path: {_quoted(wanted.path(model))}"]
    elif re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", model):
        told = ["source: hub", f"id: {_quoted(model)}"]
    else:
        raise StudyError(f"{model}: is neither a folder, nor a GGUF file, nor an id of the hub, owner/name")
    engine = ["engine: vllm"] if gpus.visible() else []
    return "{" + ", ".join([*told, *more, *engine]) + "}"


def _halves() -> bool:
    """Whether this machine's CPU multiplies bfloat16 by itself: about twice as fast as float32 then."""
    with suppress(OSError):
        return re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", CPU.read_text(encoding="utf-8")) is not None
    return False


def _family(model: str) -> str:
    """The prompt family of a model by its name; one that asks for a box where the name tells none."""
    name = model.lower()
    if "deepseek-r1" in name:
        return "deepseek-r1"
    return "llama" if "llama" in name else "qwen"


def _address(policy: str) -> bool:
    return policy.startswith(("http://", "https://"))


def _name(text: str) -> str:
    return _NAME.sub("-", text).strip("-.") or "study"


def _quoted(text: str) -> str:
    """A text as YAML takes it for one: `no`, `123` and `2024-02-03` in quotes."""
    plain = re.fullmatch(r"[A-Za-z][\w./-]*", text, re.ASCII) and yaml.safe_load(text) == text
    return text if plain else json.dumps(text, ensure_ascii=False)
