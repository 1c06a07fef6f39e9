"""What takes the place of each model: a tiny random one of its architecture, tokenizer, chat template and PRM head."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from ttstudy.errors import StudyError
from ttstudy.kinds.formats import FORMATS, HeadFormat, VerdictFormat
from ttstudy.models.architecture import HEAD, Architecture, UnsupportedArchitectureError
from ttstudy.models.checkpoint import read_json
from ttstudy.run.rehearsal import tiny
from ttstudy.run.rehearsal.tokens import FAMILIES, Family, family_of

CONTEXT = 8192
"""Tokens of a stand-in's context at most: no rehearsal draws more."""
LLAMA: dict[str, Any] = {
    "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}  # fmt: skip
"""Of a model of which nothing is known."""
_CAUSAL = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
           "qwen3": "Qwen3ForCausalLM"}  # fmt: skip
WORDS = (" Then", " so", " we", " have", " 2", " 3", " +", " =", " x", " is")
VERDICTS = (r"\boxed{correct}", r"\boxed{incorrect}", " Yes", " No", "{Yes}", "{No}", "</analyze>")
"""What a generative PRM's stand-in writes beside words."""


@dataclass(frozen=True)
class StandIn:
    """A tiny model in the place of one: `name` in the study, and what it is, in words."""

    name: str
    config: Mapping[str, Any]
    family: Family
    form: str | None = None
    """Format of a PRM; None: a policy."""
    specials: tuple[str, ...] = ()
    """Special tokens that the model's own tokenizer has beside its family's."""
    template: str | None = None
    """The model's own chat template, where its folder is here."""
    why: str = ""
    """Why it is a Llama, where nothing tells what the model is."""
    answers: tuple[str, ...] = field(default=(), repr=False)

    def words(self) -> str:
        """What it is, in a line."""
        shape = Architecture.of({key: v for key, v in self.config.items() if key != "quantization_config"})
        parts = [
            f"{shape.model_type}, {shape.groups} query heads to a key of {shape.head_dim} numbers",
            "biases on queries, keys and values" if shape.qkv_bias else "",
            "tied embeddings" if shape.tied else "",
            f"{self.family.label} tokens" + (", its own chat template" if self.template else ""),
            f"head of the format {self.form}" if self.form else "",
            self.why,
        ]
        return "; ".join(filter(None, parts))

    def write(self, folder: Path) -> Path:
        """Write its checkpoint folder; the same stand-in gives the same bytes."""
        import torch

        seed = int(sha256(self.name.encode()).hexdigest()[:8], 16)
        form = FORMATS.get(self.form or "")
        tags = ["<extra_0>"] if self.form == "qwen" else []
        writes = form is None or isinstance(form, VerdictFormat)
        spoken = _spoken(self.answers, verdicts=form is not None) if writes else {}
        tokenizer = self.family.tokenizer(self.specials, [*tags, *spoken])
        # vLLM wants vocabularies of a round size.
        size = -(-tokenizer.get_vocab_size() // 64) * 64
        ends = [int(tokenizer.token_to_id(end) or 0) for end in self.family.ends]
        architecture = form.architectures[0] if form and form.architectures else _CAUSAL[self.config["model_type"]]
        config = tiny.shrunk(self.config, size, CONTEXT)
        config |= {"architectures": [architecture], "eos_token_id": ends[0]}
        tensors = dict(tiny.backbone(config, seed))
        wanted = {int(tokenizer.token_to_id(piece) or 0): share for piece, share in spoken.items()}
        if writes:
            wanted[ends[0]] = 0.12
        head: dict[str, tuple[int, ...]] = {}
        if isinstance(form, HeadFormat):
            hidden = int(config["hidden_size"])
            head = dict(zip(form.head.keys, form.head.shapes(hidden), strict=True)) if form.head.keys != (HEAD,) else {}
            head = head or {HEAD: (size, hidden)}
            tiny.judging(config, tensors, head, seed)
            config["tie_word_embeddings"] = config["tie_word_embeddings"] and HEAD not in head
        else:
            tiny.speaking(config, tensors, wanted, seed)
        settings = dict(self.family.settings)
        if self.template:
            settings["chat_template"] = self.template
        if self.form == "skywork":
            settings["bos_token"] = "<|im_start|>"
        (folder / "generation_config.json").parent.mkdir(parents=True, exist_ok=True)
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}), encoding="utf-8")
        tensors = {key: tensor.to(torch.bfloat16).contiguous() for key, tensor in tensors.items()}
        return tiny.write(folder, config, tokenizer, settings, tensors)


def _spoken(answers: Sequence[str], verdicts: bool) -> dict[str, float]:
    """Texts that a stand-in writes, each as one token, and their shares."""
    boxes = VERDICTS if verdicts else tuple(f"\\boxed{{{answer}}}" for answer in answers) or (r"\boxed{0}",)
    return dict.fromkeys(WORDS, 0.4 / len(WORDS)) | {"\n\n": 0.08} | dict.fromkeys(boxes, 0.35 / len(boxes))


def of_model(
    name: str,
    id: str | None,
    config: Mapping[str, Any] | None,
    form: str | None = None,
    prompt: str = "",
    folder: Path | None = None,
    answers: Sequence[str] = (),
) -> StandIn:
    """The stand-in of a policy, or of a PRM of a format.

    `config`: its config.json as far as it is known; `folder`: where the model itself is, if it is here; `answers`: what
    a policy's stand-in puts in boxes.
    """
    why, known = "", dict(config or {})
    try:
        Architecture.of({key: value for key, value in known.items() if key != "quantization_config"}, windows=False)
    except (UnsupportedArchitectureError, KeyError, TypeError) as error:
        what = "nothing here tells what it is" if config is None else f"our engine does not know it ({error})"
        why, known = f"a Llama stands in, since {what}", _guessed(id or name)
    family = {"math_shepherd": "mistral", "rlhflow": "llama3", "skywork": "qwen", "qwen": "qwen"}.get(form or "")
    family = family or family_of(id or name, known, prompt)
    specials, template = _own(folder) if folder is not None else ((), None)
    return StandIn(name, known, FAMILIES[family], form, specials, template, why, tuple(answers))


def _guessed(name: str) -> dict[str, Any]:
    """config.json of a model of which only the name is known."""
    kind = next((kind for kind in ("qwen3", "qwen2", "mistral") if kind in name.casefold()), "llama")
    return LLAMA | {"model_type": kind} | ({"head_dim": 128} if kind == "qwen3" else {})


def _own(folder: Path) -> tuple[tuple[str, ...], str | None]:
    """Special tokens and chat template of a folder's tokenizer, as far as it tells them."""
    specials: tuple[str, ...] = ()
    template: str | None = None
    with suppress(StudyError, KeyError, TypeError):
        found = read_json(folder / "tokenizer.json").get("added_tokens") or []
        specials = tuple(str(token["content"]) for token in found if token.get("special"))
    with suppress(StudyError):
        told = read_json(folder / "tokenizer_config.json").get("chat_template")
        template = told if isinstance(told, str) else None
    with suppress(OSError, UnicodeDecodeError):
        template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    return specials, template
