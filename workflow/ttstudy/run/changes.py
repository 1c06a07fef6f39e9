"""What a run will do, and because of what, in words: which keys of the study, which files of code, which results.

The last report of a study says what it was made by: its configuration and its code, in `provenance.json`. Each key that
has changed since is laid over the old configuration alone, and the jobs that would then be others are its doing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ttstudy.dag import fingerprint, places, shards, todo
from ttstudy.dag.layout import Layout, jobs, makes, open_layout
from ttstudy.dag.specs import files as specs
from ttstudy.dag.todo import Left, Why
from ttstudy.errors import StudyError
from ttstudy.run import integrity, provenance
from ttstudy.study import Study, from_mapping

MOST = 12
"""Keys, and files of code, that are told apart; where more have changed, they are told together."""
_ONE, _SEVERAL = 0, 1
WORK = {
    "models": ("model to train, copy or fetch", "models to train, copy or fetch"),
    "data": ("table of problems or recorded responses to make", "tables of problems or recorded responses to make"),
    "shard": ("part of a long job to run", "parts of long jobs to run"),
    "draw": ("block of responses to draw", "blocks of responses to draw"),
    "search": ("search to run", "searches to run"),
    "score": ("block to score", "blocks to score"),
    "grade": ("table to grade", "tables to grade"),
    "label": ("block to label", "blocks to label"),
    "analysis": ("step of analysis", "steps of analysis"),
    "report": ("the report", "the report"),
}
"""Stages of a run, for one job and for several."""
_STAGE = {
    **dict.fromkeys(("train_policy", "train_reward_model", "fetch_model", "convert_model"), "models"),
    **dict.fromkeys(("benchmark", "recorded", "labelled"), "data"),
    **dict.fromkeys(("sample", "ask", "recorded_responses", "join_sample"), "draw"),
    **dict.fromkeys(("score", "score_labelled", "recorded_scores", "join_score"), "score"),
    "join_search": "search",
    **dict.fromkeys(("grade", "grade_search"), "grade"),
    **{name: name for name in ("search", "label", "report")},
}
_WORDS = {
    "texts": "templates, captions or published numbers have changed",
    "published": "published numbers have changed",
}
"""What a field of a spec means, where the configuration does not tell."""


def summary(layout: Layout) -> str:
    """A few lines: how much is left to do, and per cause, what."""
    damaged = [str(path) for path in integrity.set_aside_before(layout.root / layout.study.results)]
    within = [str(Path(path).relative_to(layout.root)) for path in damaged]
    left, every = todo.left(layout, [path for path in within if makes(layout, path)]), jobs(layout)
    report = every[-1].spec.outputs
    if not left:
        every = [job for job in every if not shards.of(job.spec)]
        return f"Nothing to do: {len(every)} jobs are done. Report: {report['report']}"
    first = f"To do: {len(left)} of {len(every)} jobs: {_work(left)}."
    causes = _causes(layout, left)
    if isinstance(causes, str):
        there = (layout.root / report["report"]).exists()
        return f"{first}\n{causes if there else 'There is no report of this study yet.'}"
    return "\n".join([first, "Because", *(f"  {cause}: {_work(some)}" for cause, some in causes.items())])


def _work(left: Iterable[Left]) -> str:
    """Jobs by stage, in words."""
    counts = Counter(
        "shard" if shards.of(item.job.spec) else _STAGE.get(item.job.rule, "analysis") for item in left
    )
    words = [
        name[_ONE] if stage == "report" else f"{counts[stage]} {name[_ONE if counts[stage] == 1 else _SEVERAL]}"
        for stage, name in WORK.items()
        if counts[stage]
    ]
    return ", ".join(words)


def _causes(layout: Layout, left: Sequence[Left]) -> dict[str, list[Left]] | str:
    """What is left to do by its cause; a job with several causes stands under each. A sentence where none is known."""
    before = _before(layout)
    if isinstance(before, str):
        return before
    old, code, versions = before
    found: dict[str, list[Left]] = {}
    mine: dict[str, list[str]] = {item.job.spec.product: [] for item in left}
    makers = {path: item.job.spec.product for item in left for path in item.job.spec.outputs.values()}
    was = old.model_dump(mode="json") | {"results": layout.study.results}
    known = _digests(was, layout)
    for cause, touches in [*_keys(layout, was, known), *_files(code), *_versions(versions)]:
        for item in left:  # in the order of the DAG: what comes after one that is touched is touched as well
            product = item.job.spec.product
            after = (makers.get(file.path) for file in item.job.spec.inputs)
            if touches(item) or any(one is not None and cause in mine[one] for one in after):
                mine[product].append(cause)
                found.setdefault(cause, []).append(item)
    for item in left:
        if not mine[item.job.spec.product]:
            new = known is not None and item.job.spec.product not in known
            cause = "several of these together" if new and found else _otherwise(layout, item)
            found.setdefault(cause, []).append(item)
    return found


def _before(layout: Layout) -> tuple[Study, Mapping[str, str], Mapping[str, int]] | str:
    """Configuration, code and versions of the study's last report; why not, where they are none that can be read."""
    path = places.PROVENANCE.format(folder=layout.folder)
    try:
        known = json.loads((layout.root / path).read_text(encoding="utf-8"))
        config = dict(known["config"])
        for group in (group for (group,) in _ORDERED):
            # JSON keeps the configuration with its keys sorted; a record of before 0.2 does not tell their order.
            names = known.get("order", {}).get(group) or [n for n in getattr(layout.study, group) if n in config[group]]
            config[group] = {name: config[group][name] for name in [*names, *config[group]]}
        return from_mapping(config, path), dict(known["code"]), dict(known.get("step_versions", {}))
    except StudyError as error:
        return f"The last report was made by a configuration that is none any more: {error}."
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"What the last report was made by is not known: {path} is gone or cannot be read."


Touches = Callable[[Left], bool]
_ORDERED = (("benchmarks",), ("policies",), ("prms",))
"""Maps of the configuration whose order the tables keep."""


def _keys(
    layout: Layout, was: Mapping[str, Any], base: Mapping[str, str] | None
) -> Iterator[tuple[str, Touches]]:
    """Keys that changed since `was`, whose jobs had the digests `base`, in words; each with what it alone changes."""
    now = layout.study.model_dump(mode="json")
    changed = list(_changed(was, now))
    if not changed:
        return
    if base is None or len(changed) > MOST:
        more = " ..." if len(changed) > MOST else ""
        yield "; ".join(words for words, _ in changed[:MOST]) + more, lambda _item: True
        return
    for words, path in changed:
        alone = _digests(_laid(was, now, path), layout)
        if alone is None:  # a change that cannot stand alone
            yield words, lambda _item: True
            continue
        touched = {product for product, digest in alone.items() if base.get(product) != digest}
        yield words, partial(_is_in, touched)


def _is_in(products: set[str], item: Left) -> bool:
    return item.job.spec.product in products


def _is_of(steps: set[str], item: Left) -> bool:
    return item.job.spec.step in steps


def _digests(config: Mapping[str, Any], layout: Layout) -> dict[str, str] | None:
    try:
        laid = jobs(open_layout(from_mapping(config), layout.root))
    except StudyError:
        return None
    return {job.spec.product: job.spec.digest for job in laid}


def _changed(was: Any, now: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(change in words, path of its key) wherever two configurations differ."""
    name = ".".join(path)
    if isinstance(was, dict) and isinstance(now, dict):
        for key in [*was, *(key for key in now if key not in was)]:
            if key not in now:
                yield f"{name}.{key} is gone".lstrip("."), (*path, key)
            elif key not in was:
                yield f"{name}.{key} is new".lstrip("."), (*path, key)
            else:
                yield from _changed(was[key], now[key], (*path, key))
        if path in _ORDERED and list(was) != list(now) and set(was) == set(now):
            yield f"{name}: another order", path
    elif was != now:
        if isinstance(was, list) and isinstance(now, list):
            new, gone = [x for x in now if x not in was], [x for x in was if x not in now]
            words = [f"{_listed(new)} new"] * bool(new) + [f"{_listed(gone)} gone"] * bool(gone)
            yield f"{name}: {', '.join(words) or 'another order'}", path
        else:
            yield f"{name}: {_short(now)}, was {_short(was)}", path


def _listed(values: Sequence[Any]) -> str:
    return f"{', '.join(map(_short, values))} {'is' if len(values) == 1 else 'are'}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else text[:57] + "..."


def _laid(was: Mapping[str, Any], now: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """The old configuration with one key as the new one has it."""
    result, key = dict(was), path[0]
    if len(path) > 1:
        result[key] = _laid(was[key], now[key], path[1:])
    elif key in now:
        result[key] = now[key]
    else:
        del result[key]
    return result


def _files(code: Mapping[str, str]) -> Iterator[tuple[str, Touches]]:
    """Changed files of code, each with what its steps would change."""
    now = provenance.code()
    changed: dict[str, set[str]] = {}
    for name in sorted({*code, *now}):
        path = fingerprint.ROOT / name
        gathers = path.with_name("__init__.py")
        if name not in now and gathers.is_file() and fingerprint.registry(gathers):
            path = gathers  # what was a file of a registry was code of all that reads its folder
        steps = {step for step in fingerprint.WRITES | {"report": ()} if path in fingerprint.computes(step)}
        if code.get(name) != now.get(name) and steps:
            changed[name] = steps
    if len(changed) > MOST:
        yield f"{len(changed)} files of code have changed", partial(_is_of, set().union(*changed.values()))
        return
    for name, steps in changed.items():
        yield f"{name} {'has changed' if name in now else 'is gone'}", partial(_is_of, steps)


def _versions(versions: Mapping[str, int]) -> Iterator[tuple[str, Touches]]:
    """Steps whose version was raised, each with what it would change."""
    for step, number in fingerprint.VERSIONS.items():
        if step in versions and versions[step] != number:
            words = f"fingerprint.VERSIONS[{step!r}]: {number}, was {versions[step]}"
            yield words, partial(_is_of, {step})


def _otherwise(layout: Layout, item: Left) -> str:
    """Why a job runs that no key and no file tells: from its old spec, or from what is there."""
    if item.why is Why.BEFORE or item.why is Why.MISSING:
        return {Why.BEFORE: "what they are made from is made anew", Why.MISSING: "not there"}[item.why]
    if item.why is Why.OTHER and item.made_by is not None:
        found = specs.of_digest(layout.root / layout.study.results, item.made_by)
        if found is None:
            return str(item.why.value)
        old = found["spec"]
        new = json.loads(specs.text(item.job.spec))["spec"]
        for field, words in _WORDS.items():
            if field in new and old.get(field) != new[field]:
                return words
    return str(item.why.value)
