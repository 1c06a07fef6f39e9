"""Process reward models known by name, and how any other one's format is told from its configuration.

Imports nothing of ours, no tokenizers and no torch: the layout asks it at every start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

FormatName = Literal["math_shepherd", "rlhflow", "skywork", "qwen"]
FORMATS: tuple[FormatName, ...] = get_args(FormatName)
"""Input formats; their versions are `ttstudy.dag.fingerprint.FORMATS`."""

QWEN_SYSTEM = r"Please reason step by step, and put your final answer within \boxed{}."
"""System message of Qwen2.5-Math-PRM (its model card)."""


@dataclass(frozen=True, slots=True)
class Known:
    """A model on the Hugging Face hub.

    `system`: system message of its chat, for format qwen only. `revision`: the commit that was checked; None where
    none is recorded yet, and then the caller names one.
    """

    format: FormatName
    system: str | None = None
    revision: str | None = None


CATALOGUE: dict[str, Known] = {
    "peiyi9979/math-shepherd-mistral-7b-prm": Known("math_shepherd"),
    "RLHFlow/Llama3.1-8B-PRM-Mistral-Data": Known("rlhflow"),
    "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data": Known("rlhflow"),
    "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B": Known("skywork"),
    "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-7B": Known("skywork"),
    "Qwen/Qwen2.5-Math-PRM-7B": Known("qwen", QWEN_SYSTEM),
    "Qwen/Qwen2.5-Math-PRM-72B": Known("qwen", QWEN_SYSTEM),
    "Qwen/Qwen2.5-Math-7B-PRM800K": Known("qwen", QWEN_SYSTEM),
    "Gen-Verse/ReasonFlux-PRM-7B": Known("qwen", None),
}
"""The seven PRMs of the study (arXiv 2502.06703, section 4.1), and two more that share a format."""

_ARCHITECTURES: dict[str, FormatName] = {
    "Qwen2ForProcessRewardModel": "qwen",
    "Qwen2ForPrmModel": "skywork",
}


def format_of(name: str, config: Mapping[str, Any]) -> FormatName:
    """Format of a model by its name in the catalogue or its architecture; never a guess.

    ValueError where the architecture could be any format, e.g. LlamaForCausalLM.
    """
    if name in CATALOGUE:
        return CATALOGUE[name].format
    architecture = (config.get("architectures") or ["no architecture"])[0]
    if architecture in _ARCHITECTURES:
        return _ARCHITECTURES[architecture]
    raise ValueError(
        f"The PRM format of {name} cannot be told from {architecture}: pass format= one of {', '.join(FORMATS)}."
    )


def pinned(name: str, revision: str | None) -> str:
    """Commit at which a hub model is read: 40 hex digits, given or in the catalogue; ValueError otherwise."""
    known = CATALOGUE.get(name)
    revision = revision or (known.revision if known else None)
    if revision is None:
        raise ValueError(f"No commit is recorded for {name}: pass revision= with the 40 hex digits of one.")
    if not re.fullmatch("[0-9a-f]{40}", revision):
        raise ValueError(f"The revision of {name} must be a commit of 40 hex digits, not {revision!r}.")
    return revision
