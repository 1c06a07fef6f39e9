"""The few jobs of a rehearsal that run on vLLM's CPU build: one policy, a PRM of each format, one search.

Every start of vLLM takes about as long as twenty other jobs, so all else runs on our own engine.
"""

from __future__ import annotations

import copy
from typing import Any

from ttstudy.dag.cells import PoolBlock, Search
from ttstudy.dag.layout import Job, Layout, jobs
from ttstudy.kinds.formats import FORMATS, HeadFormat
from ttstudy.kinds.methods import GUIDED, SEARCHES
from ttstudy.models import environment
from ttstudy.run.rehearsal.shrunk import Shrunk
from ttstudy.study import Study
from ttstudy.study.models import OnEngine
from ttstudy.study.prms import GivenPRM

ROOM = {"max_model_len": 2048}


def on_vllm(study: Study, found: Shrunk) -> dict[str, Any] | None:
    """The rehearsed study with nothing but what runs on vLLM; None where nothing does, or vLLM is not here."""
    if not environment.cpu_build():
        return None
    policies = [name for name, item in study.policies.items() if isinstance(item, OnEngine) and item.engine == "vllm"]
    policies = [name for name in policies if study.can_search(name) and name not in study.references]
    prms = _of_each_format(study)
    if not policies or not prms:
        return None
    policy = found.taken.wide if found.taken.wide in policies else policies[0]
    told = copy.deepcopy(found.study)
    benchmark = list(told["benchmarks"])[-1]
    for gone in ("references", "published", "labelled", "budgets_of"):
        told.pop(gone, None)
    budgets = told["budgets"]
    searched = next((method for method in SEARCHES if method in budgets), None)
    width = told["search"]["beam_width"]
    return told | {
        "study": f"{told['study'][:58]}-vllm",
        "benchmarks": {benchmark: told["benchmarks"][benchmark]},
        "policies": {policy: _engine(told["policies"][policy], {"enforce_eager": True, "kv_cache_gib": 0.25})},
        "prms": {name: _engine(told["prms"][name], {}) for name in prms},
        "pairs": dict.fromkeys(prms, [policy]),
        "budgets": {GUIDED: [width]} | ({searched: [width]} if searched else {}),
    }


def _engine(entry: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in entry.items() if key != "device"}
    return kept | {"engine": "vllm", "vllm": ROOM | more}


def _of_each_format(study: Study) -> list[str]:
    """A PRM on vLLM of each format that it pools; the first of each."""
    found: dict[str, str] = {}
    for name, item in study.prms.items():
        if isinstance(item, GivenPRM) and item.engine == "vllm":
            form = item.known_format or ""
            known = FORMATS.get(form)
            if isinstance(known, HeadFormat) and known.vllm is not None:
                found.setdefault(form, name)
    return list(found.values())


def wanted_of(layout: Layout) -> list[Job]:
    """The jobs that are run: the first block of the pool, each PRM's scores of it, and one search."""
    blocks = [job for job in jobs(layout) if isinstance(job.of, PoolBlock) and job.of.pool == "samples"]
    drawn = [job for job in blocks if job.rule == "sample"][:1]
    scored = [job for job in blocks if job.rule == "score"]
    searched = [job for job in jobs(layout) if isinstance(job.of, Search) and job.rule == "search"][:1]
    return [*drawn, *scored, *searched]
