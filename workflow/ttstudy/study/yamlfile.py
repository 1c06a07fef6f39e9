"""Study files: YAML (or JSON) as plain data, refused with file and line where it is anything else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ttstudy.errors import StudyError

LARGEST_YAML = 2**20
"""Bytes of a study file."""
LARGEST_NUMBER = 40
"""Characters of a number."""
MOST_VALUES = 100_000
"""Keys and values once every alias is written out."""
DEEPEST = 60
_BAD = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
"""What is not seen, or changes how the rest is seen: control characters, breaks of lines and directions of writing."""
_OLD_NUMBER = re.compile(r"[-+]?(0[0-9_]+|[0-9_]+(:[0-5]?[0-9])+)")
"""Whole numbers that YAML 1.1 reads to base 8 or 60."""


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error, not a silent overwrite."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As the base class does; a value that cannot be made is named by its line."""
        try:
            return super().construct_object(node, deep=deep)
        except StudyError:
            raise
        except (ValueError, TypeError, OverflowError) as error:
            raise _at(node, f"{str(node.value)[:40]!r} cannot be read ({error})") from None


def _at(node: yaml.Node, text: str) -> StudyError:
    return StudyError(f"line {node.start_mark.line + 1}: {text}")


def _mapping(loader: _StrictLoader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool):
            raise _at(key_node, "a key must be a plain word")
        if key in seen:
            raise _at(key_node, f"key {key!r} is given twice")
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=deep)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _check(node: yaml.Node, sizes: dict[int, int], depth: int = 0) -> int:
    """Number of values below a node with every alias written out; StudyError where that is no configuration.

    Aliases cost nothing to load, but whatever prints or hashes the result would write each of them out.
    """
    if depth > DEEPEST:
        raise _at(node, "nested too deeply; this is not a study configuration")
    if id(node) in sizes:
        if sizes[id(node)] == 0:
            raise _at(node, "an anchor holds itself; write the values out")
        return sizes[id(node)]
    sizes[id(node)] = 0
    if isinstance(node, yaml.ScalarNode):
        if _BAD.search(node.value):
            raise _at(node, "a control character in the text; write it without")
        plain = node.tag == "tag:yaml.org,2002:str"
        if not plain and len(node.value) > LARGEST_NUMBER:
            raise _at(node, f"{node.value[:20]}... is too long for a number")
        if node.tag == "tag:yaml.org,2002:int" and _OLD_NUMBER.fullmatch(node.value):
            raise _at(node, f"YAML reads {node.value} to base 8 or 60; write the number in decimal digits")
        size = 1
    else:
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(child,) for child in node.value]
        children = [child for pair in pairs for child in pair]
        size = 1 + sum(_check(child, sizes, depth + 1) for child in children)
    if size > MOST_VALUES:
        raise _at(node, f"more than {MOST_VALUES:,} values once its aliases are written out")
    sizes[id(node)] = size
    return size


def _content(text: str) -> Any:
    if odd := _BAD.search(text):
        line = text[: odd.start()].count("\n") + 1
        raise StudyError(f"line {line}: a control character in the text; write it without")
    loader = _StrictLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def read_yaml(path: Path | str) -> dict[str, Any]:
    """The mapping in a YAML file; StudyError for a missing, huge, malformed or duplicated-key file."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise StudyError(f"{path}: is not a file; give a study configuration file")
        if path.stat().st_size > LARGEST_YAML:
            raise StudyError(f"{path}: larger than {LARGEST_YAML // 2**20} MiB; this is not a study configuration")
        text = path.read_text(encoding="utf-8-sig")
    except StudyError:
        raise
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise StudyError(f"{path}: line {line} is not UTF-8 text; save the file as UTF-8") from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror}); give a study configuration file") from None
    except ValueError:
        raise StudyError(f"{path}: is not a path; give a study configuration file") from None
    try:
        content = _content(text)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise StudyError(f"{path}: line {line}: a control character in the text; write it without") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f" line {mark.line + 1}:" if mark else ""
        raise StudyError(f"{path}:{where} not valid YAML ({getattr(error, 'problem', error)})") from None
    except RecursionError:
        raise StudyError(f"{path}: nested too deeply; this is not a study configuration") from None
    if not isinstance(content, dict):
        raise StudyError(f"{path}: must be a mapping of keys to values, starting with `study: NAME`")
    if "__use_yte__" in content:
        raise StudyError(f"{path}: __use_yte__ would run code; a study is plain data, so write the values out")
    return content
