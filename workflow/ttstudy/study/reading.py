"""From a mapping to a checked study: variations laid over their base, mistakes in words, and the JSON Schema."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ttstudy.errors import StudyError, meant
from ttstudy.study.whole import Study
from ttstudy.study.yamlfile import read_yaml

_HINTS = {
    "extra_forbidden": "unknown key; see workflow/schemas/study.schema.json for those there are",
    "missing": "is missing; give it a value",
}
_SOURCES = ("miniature", "generated", "file", "hub", "recorded", "trained", "checkpoint", "gguf", "openai")
_PATTERNS = {
    "id": "is not an id of the hub, owner/name",
    "sha256": "is not a SHA-256 of 64 hex digits",
    "checksums": "is not a SHA-256 of 64 hex digits",
    "key_variable": "it must be the NAME of an environment variable that holds the key, not the key",
    "published": "is no day or month; write YYYY-MM-DD or YYYY-MM",
    "cutoff": "is no day or month; write YYYY-MM-DD or YYYY-MM",
    "revision": "is not a commit of 40 hex digits; leave it out and run scripts/pin_revisions.py",
}


def _tagged(place: Sequence[Any]) -> bool:
    """Whether a path's third part is a source, by which pydantic chose what the entry must look like."""
    return len(place) > 2 and place[0] in ("benchmarks", "policies", "prms", "labelled") and place[2] in _SOURCES


def _sentence(error: Mapping[str, Any], hints: bool) -> str:
    loc = list(error["loc"])
    if _tagged(loc):
        del loc[2]
    path = ".".join(str(part) for part in loc if part != "[key]")
    kind, context = error["type"], error.get("ctx", {})
    if hints and kind == "extra_forbidden" and (near := meant(str(loc[-1]), _keys_at(error["loc"][:-1]))):
        text = f"unknown key{near}"
    elif kind in _HINTS:
        text = _HINTS[kind]
    elif kind == "value_error":
        text = str(context.get("error", error["msg"]))
        return f"{path}: {text}" if path else text
    elif kind == "union_tag_invalid":
        near = meant(str(context.get("tag")), _quoted(str(context.get("expected_tags"))))
        text = f"source {context.get('tag')!r} is not one of {context.get('expected_tags')}{near}"
    elif kind == "union_tag_not_found":
        text = "needs a `source`"
    elif kind == "string_pattern_mismatch":
        wanted = "is not a name: use letters, digits, dot, dash and underscore, at most 64"
        key = path.rsplit(".", 1)[-1]
        # What stands there in the place of a variable's name may be the key itself.
        text = _PATTERNS[key] if key == "key_variable" else f"{error.get('input')!r} {_PATTERNS.get(key, wanted)}"
    else:
        near = meant(str(error.get("input")), _quoted(str(context.get("expected")))) if kind == "literal_error" else ""
        text = f"{error['msg'][0].lower()}{error['msg'][1:]} (got {_given(path, error.get('input'))}){near}"
    return f"{path}: {text}"


def _quoted(text: str) -> list[str]:
    """The names that pydantic tells in quotes."""
    return re.findall("'([^']*)'", text)


def _given(path: str, value: Any) -> str:
    """What was given, in words: the kind alone of what may hold a key, or where the key itself may stand."""
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    return type(value).__name__ if path.endswith("key_variable") else repr(value)[:60]


def _keys_at(place: Sequence[Any]) -> set[str]:
    """Keys that a study may have at a place: by its schema, along the path that pydantic took to it."""
    whole = Study.model_json_schema()

    def opened(node: Any, tag: str | None) -> Iterator[dict[str, Any]]:
        """What a node may be; of several, told apart by `source`, the one with the tag."""
        if "$ref" in node:
            yield from opened(whole["$defs"][node["$ref"].rsplit("/", 1)[-1]], tag)
            return
        inner = [each for name in ("anyOf", "oneOf", "allOf") for each in node.get(name, ())]
        mapping = node.get("discriminator", {}).get("mapping", {})
        if tag in mapping:
            inner = [{"$ref": mapping[tag]}]
        for each in inner:
            yield from opened(each, tag)
        if not inner:
            yield node

    nodes: list[dict[str, Any]] = [whole]
    for number, part in enumerate(place):
        if number == 2 and _tagged(place):  # it has chosen already
            continue
        below: list[dict[str, Any]] = []
        after = place[number + 1] if number + 1 < len(place) else None
        for node in nodes:
            named = [*node.get("patternProperties", {}).values(), node.get("additionalProperties"), node.get("items")]
            for inner in [node.get("properties", {}).get(part)] if part in node.get("properties", {}) else named:
                if isinstance(inner, dict):
                    below += opened(inner, after if isinstance(after, str) else None)
        nodes = below
    return {key for node in nodes for key in node.get("properties", ())}


def from_mapping(config: Mapping[str, Any], source: str = "configuration") -> Study:
    """The checked study of a mapping; StudyError names `source`, each bad key's path and what is wanted."""
    try:
        return Study.model_validate(dict(config))
    except ValidationError as error:
        found = sentences(error, hints=True)
        more = f"; and {len(found) - 4} more mistakes" if len(found) > 4 else ""
        raise StudyError(f"{source}: " + "; ".join(found[:4]) + more) from None


def sentences(error: ValidationError, before: str = "", hints: bool = False) -> list[str]:
    """Each mistake of a validation in words, its path with `before` put before it; `hints`: it is one of a `Study`."""
    return sorted({before + _sentence(item, hints) for item in error.errors()})


def with_base(config: Mapping[str, Any], folder: Path, root: Path = Path()) -> dict[str, Any]:
    """The mapping laid over the file that its `base` names, key by key; null removes.

    `folder`: that of the study's file. Every path of a file starts from the folder that the file lies in; in what is
    returned they start from `root`.
    """
    config = _placed(config, folder, root)
    base = config.pop("base", None)
    if base is None:
        return config
    if not isinstance(base, str):
        raise StudyError(f"base: must be the path of another study's file, not {base!r}")
    path = folder / base
    return _laid_over(with_base(_once(path), path.parent, root), config)


_WITH_PATHS = ("benchmarks", "policies", "prms", "labelled")


def _placed(config: Mapping[str, Any], folder: Path, root: Path) -> dict[str, Any]:
    """The mapping with its paths as they are from `root`; what is no path stays, to be told of later."""
    there, here = folder.resolve(), root.resolve()
    start = os.path.relpath(there, here) if there.is_relative_to(here) else str(there)
    config = dict(config)
    for section in _WITH_PATHS if start != "." else ():
        if isinstance(entries := config.get(section), Mapping):
            config[section] = {
                name: dict(entry) | {"path": _from(start, entry["path"])}
                if isinstance(entry, Mapping) and "path" in entry
                else entry
                for name, entry in entries.items()
            }
    return config


def _from(start: str, path: Any) -> Any:
    """A path, or a list of them, that starts elsewhere; what a variable of the environment holds is not moved."""
    if isinstance(path, list):
        return [_from(start, each) for each in path]
    if not isinstance(path, str) or not path or path.strip() != path or path[0] in "$~-/":
        return path
    return os.path.normpath(os.path.join(start, path))


def _once(path: Path) -> dict[str, Any]:
    content = read_yaml(path)
    if "base" in content:
        raise StudyError(f"{path}: has a `base` itself; a study may vary one that stands on its own")
    return content


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _laid_over(result[key], value) if both else value
    # `null` takes an entry of the base away: a benchmark, a policy, a method.
    return {key: value for key, value in result.items() if value is not None}


def schema() -> str:
    """JSON Schema (2020-12) of a study, as text ending in a newline; a study with a `base` need not be whole."""
    content = Study.model_json_schema() | {"title": "ttstudy study"}
    required = content.pop("required")
    content |= {"if": {"required": ["base"]}, "then": {"required": ["study"]}, "else": {"required": required}}
    return json.dumps(content, indent=1, sort_keys=True) + "\n"
