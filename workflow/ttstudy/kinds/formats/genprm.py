"""GenPRM: a dialogue in which each step is analysed and judged (arXiv 2504.00891, github.com/RyanLiu112/GenPRM).

The messages are those of its code, without the program that it may write to check a step: what a model writes is never
run here, and its code has this way too (`verify=False`). Published is the mean over samples of P(Yes) among Yes and No
in the last box of a step; the judgement is drawn at temperature 1, so that the share of yes estimates it without bias.
Its code leaves the template's opening of an answer out; here it stands, as when the model was trained.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ttstudy.kinds.formats._parts import Published, checked
from ttstudy.kinds.formats._verdicts import Ask, Judgement, VerdictFormat

SYSTEM = "You are a math teacher. Your task is to review and critique the paragraphs in solution step by step."
ANALYSE = "<analyze>\nLet's analyze the Paragraph {number} step by step: "
OUTPUT = "</analyze>\n<output>\n**Judgement**: $\\boxed"
_VERDICT = re.compile(r"\{?(yes|no)\}", re.IGNORECASE)


def verdict(answer: str) -> bool | None:
    """What stands in the box that the answer goes on with: `{Yes}` or `{No}`, in any case; None for anything else."""
    found = _VERDICT.match(answer.lstrip())
    return None if found is None else found[1].lower() == "yes"


def judge(problem: str, steps: Sequence[str]) -> Judgement:
    """Step by step, each with all that was said of those before it; no verdict is put down as a no."""
    chat = [{"role": "system", "content": SYSTEM}]
    found: list[bool | None] = []
    for number, step in enumerate(checked(steps), 1):
        chat.append({"role": "user", "content": f"Question: {problem}\n\n{step}" if number == 1 else step})
        begin = ANALYSE.format(number=number)
        analysis = yield Ask(begin, chat=tuple(chat), stop=("</analyze>",))
        found.append(verdict((yield Ask(OUTPUT, stop=("</output>",), most=8, plain=True))))
        said = f"{{{'Yes' if found[-1] else 'No'}}}$\n</output>\n"
        chat.append({"role": "assistant", "content": f"{begin}{analysis}{OUTPUT}{said}"})
    return found


GENPRM = VerdictFormat(
    label="GenPRM",
    published={f"GenPRM/GenPRM-{size}": Published() for size in ("1.5B", "7B", "32B")},
    judge=judge,
    temperature=0.6,
    top_p=0.95,
    top_k=20,
    max_tokens=2048,
    per_step=True,
)
