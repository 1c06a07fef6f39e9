"""The house: wings in the order of the DAG, nothing at the top but words, rooms of a size to be read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parent.parent / "workflow" / "ttstudy"
WINGS = (
    *("vocabulary", "errors", "answers", "kinds", "study", "models", "dag", "data", "policies", "prms", "methods"),
    *("analysis", "run", "report", "view"),
)
"""In the order in which data flows; a wing imports from itself and from those before it."""
BESIDE = "miniature"
"""The small world that trains and runs on a CPU: any wing may ask it for its problems."""
MODULES = sorted(LIBRARY.rglob("*.py"))


def _wing(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def _file(module: str) -> Path | None:
    base = LIBRARY.parent.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _imports(path: Path) -> set[Path]:
    """Modules of ours that a file imports, anywhere in it, for types too."""
    found: set[Path | None] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {_file(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import hides which wing it is from"
            found |= {_file(f"{node.module}.{alias.name}") or _file(str(node.module)) for alias in node.names}
    return {item for item in found if item is not None and item.is_relative_to(LIBRARY)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_a_module_imports_from_its_wing_and_those_before_it(path):
    mine = _wing(path)
    if mine in (BESIDE, "__init__"):
        return
    for other in _imports(path):
        wing = _wing(other)
        allowed = wing == BESIDE or WINGS.index(wing) <= WINGS.index(mine)
        assert allowed, f"{path.relative_to(LIBRARY)} imports {other.relative_to(LIBRARY)} of a later wing"


def test_the_answers_know_nothing_of_the_study():
    for path in (LIBRARY / "answers").glob("*.py"):
        assert {_wing(other) for other in _imports(path)} == {"answers"} or not _imports(path), path.name


def test_only_words_stand_at_the_top():
    assert {path.name for path in LIBRARY.glob("*.py")} == {"__init__.py", "errors.py", "vocabulary.py"}
    assert {path.name for path in LIBRARY.iterdir() if path.is_dir()} - {"__pycache__"} == {*WINGS[2:], BESIDE}
    for name in ("errors", "vocabulary"):
        assert not _imports(LIBRARY / f"{name}.py")


def test_no_module_goes_round_in_a_circle():
    known: dict[Path, set[Path]] = {}

    def behind(path: Path, way: tuple[Path, ...]) -> set[Path]:
        assert path not in way, " -> ".join(str(item.relative_to(LIBRARY)) for item in (*way, path))
        if path not in known:
            known[path] = set()
            for other in _at_load(path):
                known[path] |= {other} | behind(other, (*way, path))
        return known[path]

    for path in MODULES:
        behind(path, ())


def _at_load(path: Path) -> set[Path]:
    """Modules of ours that a file imports when it is loaded."""
    found: set[Path | None] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {_file(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {_file(f"{node.module}.{alias.name}") or _file(str(node.module)) for alias in node.names}
    return {item for item in found if item is not None and item.is_relative_to(LIBRARY) and item != path}


LINES, LONG = 400, 60
"""Most lines of a file, and of a function without its docstring."""
OURS = [*MODULES, *sorted((LIBRARY.parent.parent / "scripts").rglob("*.py"))]


def _long_functions(text: str) -> list[tuple[str, int]]:
    """Functions over the limit that give no reason in a comment `# long: ...` directly above them."""
    lines, found = text.splitlines(), []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        start = min([node.lineno, *(item.lineno for item in node.decorator_list)])
        length = (node.end_lineno or 0) - start + 1
        first = node.body[0]
        if ast.get_docstring(node, clean=False) is not None:
            length -= (first.end_lineno or 0) - first.lineno + 1
        if length > LONG and not re.match(r"\s*# long: \S", lines[start - 2] if start > 1 else ""):
            found.append((node.name, length))
    return found


@pytest.mark.parametrize("path", OURS, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_file_and_its_functions_can_be_read_at_one_sitting(path):
    text = path.read_text()
    assert len(text.splitlines()) <= LINES, f"{path.name}: split it by matter"
    assert not _long_functions(text), f"{path.name}: shorten, or say why in a line `# long: reason` above"


def test_a_long_function_is_found_and_its_reason_is_heard():
    long = "def f():\n    '''Says.\n\n    More.'''\n" + "    x = 1\n" * LONG
    assert _long_functions(long) == [("f", LONG + 1)]
    assert not _long_functions("# long: a table of cases\n" + long)
    assert not _long_functions(long.replace("    x = 1\n", "", 1))
