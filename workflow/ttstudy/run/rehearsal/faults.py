"""What would go wrong with a study at full size, told before anything is paid for.

Three kinds: what fails, what differs from what the study asks for, and what is to be done before it starts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ttstudy.dag.inputs import benchmark_spec, labelled_spec
from ttstudy.dag.layout import Layout, open_layout
from ttstudy.data import revisions
from ttstudy.data.prompts import FAMILIES
from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES
from ttstudy.models import environment, facts, resources
from ttstudy.run import plan, preflight
from ttstudy.run.placing import Places
from ttstudy.run.rehearsal import recording
from ttstudy.study import (
    FileBenchmark,
    MiniatureBenchmark,
    OpenAIPolicy,
    Study,
    from_mapping,
)
from ttstudy.study.fields import VARIABLE
from ttstudy.study.models import OnEngine
from ttstudy.study.whole import Use

_LONGEST_PROBLEM = 1500
"""Characters of a long problem of competitions, where no file tells."""


def of_inputs(layout: Layout) -> list[str]:
    """What everything that the study points at is not as it should be, a sentence each."""
    missing = [name for name in recording.variables(layout.study) if not os.environ.get(name)]
    found = []
    for look in preflight.looks(layout):
        try:
            look()
        except StudyError as error:
            found.append(str(error))
    # A variable that is not set is no fault: see `before`.
    unset = [f"the environment variable {name} is not set" for name in missing]
    return [text for text in dict.fromkeys(found) if not any(words in text for words in unset)]


def mended(layout: Layout, made: dict[str, Any]) -> Layout:
    """The full-size study as a whole layout: what is missing is replaced by what takes no file and as many jobs.

    `made`: the rehearsed study, whose recorded responses stand in for those that are not here.
    """
    study = layout.study
    told = study.model_dump(mode="json", exclude_unset=True, exclude={"base"})
    for name, settings in study.benchmarks.items():
        if isinstance(settings, FileBenchmark) and _absent(partial(benchmark_spec, layout, name)):
            told["benchmarks"][name] = {"source": "miniature", "problems": settings.problems or 500, "seed": 0}
    for group in ("policies", "prms"):
        for name, item in getattr(study, group).items():
            if getattr(item, "source", "") in ("checkpoint", "gguf") and not (layout.root / item.path).exists():
                entry = {key: value for key, value in told[group][name].items() if key not in ("path", "source")}
                told[group][name] = entry | {"source": "hub", "id": f"missing/{name}"}
    for group, name in recording.sections(study):
        if recording.at_hand(layout, group, name) is None:
            told[group][name] |= {"path": made[group][name]["path"]}
    if gone := [name for name in study.labelled if _absent(partial(labelled_spec, layout, name))]:
        told["labelled"] = {name: item for name, item in told["labelled"].items() if name not in gone}
    return open_layout(from_mapping(told), layout.root)


def _absent(spec: Callable[[], object]) -> bool:
    """Whether files are not there that a spec is of."""
    try:
        spec()
    except StudyError:
        return True
    return False


def before(study: Study, file: str) -> Iterator[str]:
    """What is to be done before the study starts: pins, variables, programs."""
    pins = list(revisions.pins(study.model_dump()))
    if loose := sorted({pin.id for pin in pins if pin.revision is None}):
        yield f"pin {len(loose)} models and data sets of the hub: `python scripts/pin_revisions.py {file}`"
    variables: dict[str, str] = {}
    for name, policy in study.policies.items():
        if isinstance(policy, OpenAIPolicy):
            if VARIABLE.fullmatch(policy.base_url):
                variables.setdefault(policy.base_url[1:], f"the address of the endpoint of policies.{name}")
            if policy.key_variable is not None:
                variables.setdefault(policy.key_variable, f"the key of the endpoint of policies.{name}")
    for name, item in (*study.policies.items(), *study.prms.items()):
        url = item.options.get("url") if isinstance(item, OnEngine) else None
        if url and VARIABLE.fullmatch(url):
            variables.setdefault(url[1:], f"the address of the server of {name}")
    for variable in recording.variables(study):
        variables.setdefault(variable, "the file of recorded responses")
    for variable, what in variables.items():
        if not os.environ.get(variable):
            yield f"set {variable}: {what}"
    engines = [item.engine for item in (*study.policies.values(), *study.prms.values()) if isinstance(item, OnEngine)]
    if any(ENGINES[engine].vllm_environment for engine in engines) and environment.vllm_python() is None:
        yield "install vLLM where the GPUs are: `make vllm`"


# -- contexts ----------------------------------------------------------------------------------------------------


def contexts(layout: Layout) -> tuple[list[str], list[str]]:
    """Prompts and solutions against contexts: (what leaves no room at all, what is cut or unscored)."""
    failing: list[str] = []
    differing: dict[str, list[str]] = {}
    longest: dict[str, int] = {}
    for name, settings in layout.study.policies.items():
        if not isinstance(settings, OnEngine):
            continue
        context, key, own = _context(layout, name, "policies")
        prompt = _prompt(layout, name)
        uses: tuple[Use, ...] = ("cot",) if name in layout.study.references else ("cot", "responses")
        most = max(layout.study.sampling_of(name, use)["max_tokens"] for use in uses)
        longest[name] = prompt + most if context is None else min(prompt + most, context)
        if context is None:
            continue
        if own is not None and context > own:
            failing.append(f"{key}: {context:,} tokens are more than the model's own context, {own:,}; lower it")
        if prompt >= context:
            failing.append(
                f"{key}: a prompt of about {prompt:,} tokens does not fit into the context of {context:,}, so nothing "
                "is drawn; raise it"
            )
        elif prompt + most > context:
            text = f"a long prompt and {most:,} new tokens are more than the context of {context:,}"
            differing.setdefault(f"{text}, where responses end", []).append(key)
    for name, prm in layout.study.prms.items():
        context, key, _ = _context(layout, name, "prms") if isinstance(prm, OnEngine) else (None, "", None)
        judged = [longest.get(policy, 0) for policy in layout.study.policies if name in layout.study.prms_of(policy)]
        if context is not None and max(judged, default=0) > context:
            text = f"solutions of up to {max(judged):,} tokens are longer than its context of {context:,}"
            overflow = getattr(prm, "overflow", "score")
            if overflow == "refuse":
                failing.append(f"{key}: {text}, and `overflow: refuse` ends the job at the first; choose another")
            else:
                differing.setdefault(f"{text}; `overflow: {overflow}` decides their scores", []).append(key)
    return failing, [f"{_several(keys)}: {text}" for text, keys in differing.items()]


def _several(keys: list[str]) -> str:
    """A few keys in words."""
    return keys[0] if len(keys) == 1 else f"{keys[0]} and {len(keys) - 1} more"


def _context(layout: Layout, name: str, group: str) -> tuple[int | None, str, int | None]:
    """Context of a model on its engine, the key that decides it, and the model's own context; None: not known."""
    settings = getattr(layout.study, group)[name]
    given = layout.root / settings.path if settings.source in ("checkpoint", "gguf") else None
    shape = facts.shape_of(getattr(settings, "id", None), given)
    own = None if shape is None else shape.context
    stated = settings.options.get("max_model_len")
    if settings.source == "trained":
        own = settings.definition.model.get("context", own)
    if stated:
        return stated, f"{group}.{name}.{settings.engine}.max_model_len", own
    return own, f"{group}.{name}", own


def _prompt(layout: Layout, name: str) -> int:
    """Tokens of a policy's longest prompt, about."""
    settings = layout.study.policies[name]
    family = FAMILIES[getattr(settings, "prompt", "plain")]
    examples = getattr(settings, "examples", [])
    own = getattr(settings, "system", None)
    letters = len((family.system or "") if own is None else own) + len(family.after)
    letters += sum(len(one.problem) + len(one.response) for one in examples)
    per_token = float(resources.table()["expected"]["characters_per_token"])
    longest = 0
    for name, benchmark in layout.study.benchmarks.items():
        if isinstance(benchmark, MiniatureBenchmark):
            longest = max(longest, 20)
        elif isinstance(benchmark, FileBenchmark) and not _absent(partial(benchmark_spec, layout, name)):
            from ttstudy.data import benchmarks

            columns = {str(ours): theirs for ours, theirs in benchmark.columns.items()}
            frame = benchmarks.read_file([*map(Path, benchmark_spec(layout, name).sources)], columns)
            longest = max(longest, int(frame["problem"].str.len().max()))
        else:
            longest = max(longest, _LONGEST_PROBLEM)
    return int((letters + longest) / per_token)


# -- time --------------------------------------------------------------------------------------------------------


def stages(seats: Places) -> list[dict[str, Any]]:
    """Each stage of the full-size study by the plan: jobs, tokens, GPU-hours and FLOPs; the largest first."""
    frame = plan.plan(seats.layout, places=seats)
    if frame.empty:
        return []
    sums = frame.groupby("method", sort=False).agg(
        {"jobs": "sum", "policy_tokens": "sum", "prm_tokens": "sum", "gpu_hours": "sum", "flops": "sum"}
    )
    rows = sums.reset_index().rename(columns={"method": "stage"})
    return [dict(row) for row in rows.sort_values("gpu_hours", ascending=False, kind="stable").to_dict("records")]


def over_limit(study: Study, hours: float) -> list[str]:
    """Whether the plan needs more than the study allows."""
    limit = study.max_gpu_hours
    if limit is None or hours <= limit:
        return []
    return [f"max_gpu_hours: the run needs about {hours:,.0f} GPU-hours, and the study allows {limit:,.0f}; raise it"]

