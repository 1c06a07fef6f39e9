"""The house: wings in the order of the DAG, and nothing at the top but words."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parent.parent / "workflow" / "ttstudy"
WINGS = (
    *("vocabulary", "errors", "study", "models", "dag", "data", "answers", "policies", "prms", "methods", "analysis"),
    *("run", "report"),
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
        assert {_wing(other) for other in _imports(path)} <= {"answers", "errors"}, path.name


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
