"""How many tokens a PRM reads in a search: the one account behind the plan, held to the engines' own counters.

Every token is read once, but for what the engine's cache keeps in blocks: see `Serving.block` and `HeadFormat.markup`
in `ttstudy.kinds`. Measured in `reports/benchmarks/prm_reads.md`, where caches are large enough.
"""

from __future__ import annotations

from ttstudy.kinds.engines import LOCAL_PRMS
from ttstudy.kinds.formats import FORMATS, HeadFormat

SEPARATOR = 1
"""Tokens of a drawn step that no PRM reads: the line breaks at its end."""


def in_search(
    engine: str,
    form: str | None,
    *,
    drawn: float,
    candidates: float,
    problem: float,
    siblings: float = 4,
    block: int | None = None,
) -> float:
    """Tokens that a PRM with a head reads in a search on one problem.

    Args:
        engine, form: names in `ttstudy.kinds`; of a form that is not known yet, a tag per step is assumed.
        drawn: tokens of all candidates that differ, as the policy drew them (the same tokens are assumed in the PRM).
        candidates: steps among them.
        problem: tokens of the problem and what stands around it.
        siblings: candidates per parent (M of beam search).
        block: of the engine's cache, where it is not the usual one.
    """
    known = FORMATS.get(form or "")
    own, shared = (known.markup - known.between, known.between) if isinstance(known, HeadFormat) else (1, 0)
    size = LOCAL_PRMS[engine].block if block is None else block
    if size > 1:  # only whole blocks are shared
        own, shared = own + shared, 0
    again = (size - 1) / 2
    return problem + drawn + candidates * (own - SEPARATOR + again + shared / siblings)


def per_drawn(engine: str, form: str | None, *, step: float, siblings: float = 4, block: int | None = None) -> float:
    """Tokens read per token drawn, problems left out, for steps of `step` tokens."""
    return in_search(engine, form, drawn=step, candidates=1, problem=0, siblings=siblings, block=block) / step
