r"""What a response thinks is not what it says: thinking is blanked by the markers that model families put around it.

Thinking that its prompt opened has only a closing mark. Thinking that is never closed is unfinished.
"""

from __future__ import annotations

import re

PAIRS = (
    # DeepSeek-R1, Qwen3, QwQ, Phi-4-reasoning, and tags of the same shape in prompts
    (
        r"<\s*(?:[a-z]+[:_])?(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis)\b[^<>\n]{0,40}>",
        r"<\s*/\s*(?:[a-z]+[:_])?(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis)\s*>",
    ),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),  # Sky-T1, OpenThinker
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),  # Command A
    (r"<\|(?:think|thinking)\|>", r"<\|(?:/|end_?)(?:think|thinking)\|>|<\|(?:think|thinking)_end\|>"),
    (r"\[THINK\]", r"\[/THINK\]"),  # Magistral
    (r"◁think▷", r"◁/think▷"),  # Kimi
    (r"<unused94>", r"<unused95>"),  # MedGemma
    (
        r"<\|channel\|>(?:analysis|commentary)",  # gpt-oss
        r"<\|channel\|>final(?:<\|message\|>)?|<\|end\|>(?:<\|start\|>assistant)?",
    ),
    (r"^\s*Here(?: is|'s) my thought process:", r"Here(?: is|'s) my response:"),  # Granite
)
_MARKS = [(re.compile(opening, re.I), re.compile(closing, re.I)) for opening, closing in PAIRS]
INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
END = re.compile(
    r"<\|?(?:end_of_text|im_end|endoftext|eot_id|end_of_solution|begin_of_solution|end|return|/s)\|?>|</s>"
)
"""Marks of a chat's turns, which say nothing."""


def said(response: str) -> tuple[str, bool]:
    """What a response says, with blanks of the same length where it thinks; and whether it is still thinking."""
    text, unfinished = INVISIBLE.sub(" ", response), False
    for opening, closing in _MARKS:
        kept, at = [], 0
        for end in closing.finditer(text):
            begin = opening.search(text, at, end.start())
            start = begin.start() if begin else at
            kept += [text[at:start], " " * (end.end() - start)]
            at = end.end()
        if begin := opening.search(text, at):
            unfinished = True
            kept += [text[at : begin.start()], " " * (len(text) - begin.start())]
            at = len(text)
        text = "".join(kept) + text[at:]
    return END.sub(lambda match: " " * len(match[0]), text), unfinished
