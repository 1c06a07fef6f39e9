"""The formats of `ttstudy.kinds.formats`, opened by name on a checkpoint's tokenizer: pure encoders, no torch."""

from __future__ import annotations

from typing import Any

from ttstudy.kinds.formats import FORMATS, Encoder, HeadFormat
from ttstudy.models.text import TextTokenizer

Format = Encoder
"""How a problem and its steps become token ids."""


def make_format(name: str, tokenizer: TextTokenizer, **options: Any) -> Format:
    """Format by name; `options` are its own, e.g. `system` of qwen. ValueError for an unknown name or option."""
    if name not in FORMATS:
        raise ValueError(f"Unknown PRM format {name!r}; there are {', '.join(FORMATS)}.")
    form = FORMATS[name]
    if not isinstance(form, HeadFormat):
        raise ValueError(f"The format {name} has no score positions: its PRMs write their verdicts.")
    if strange := [option for option in options if option not in form.options]:
        raise ValueError(f"The format {name} has no option {strange[0]!r}.")
    return form.encoder(tokenizer, **options)
