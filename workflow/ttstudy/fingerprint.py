"""Code identity: a digest of a step's script and of the library modules it imports, comments and docstrings left out.

Steps that call a model do not use it: they carry an explicit version (`VERSIONS`), so that a refactor does not cost
GPU-days. `tests/model_steps.json` records the digest that each version had, and a test says when they part.
"""

from __future__ import annotations

import ast
import json
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

LIBRARY = Path(__file__).resolve().parent
ROOT = LIBRARY.parent.parent
SCRIPTS = ROOT / "scripts"

VERSIONS = {
    "ask": 1,
    "benchmark": 1,
    "labelled": 1,
    "recorded": 1,
    "recorded_responses": 1,
    "recorded_scores": 1,
    "sample": 1,
    "score": 1,
    "search": 1,
}
"""Raise a step's number when its results change on purpose: everything that it made is then made again."""

FORMATS = {"rlhflow": 2}
"""Versions above 1 of PRM formats: raise one when its token ids change, and only what its PRMs scored is made again."""


def _bare_string(item: ast.stmt) -> bool:
    value = item.value if isinstance(item, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


class _Bare(ast.NodeTransformer):
    """Removes docstrings (and other bare string statements), which decide nothing."""

    def _strip(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        kept = [item for item in node.body if not _bare_string(item)]  # type: ignore[attr-defined]
        node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
        return node

    visit_Module = visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _strip


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _file(module: str) -> Path | None:
    """Source of a library module; None for anything that is not ours."""
    parts = module.split(".")
    if parts[0] != "ttstudy":
        return None
    base = LIBRARY.joinpath(*parts[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Library files that a file imports, anywhere in it, lazily or not, with their packages' `__init__`."""
    package = ""
    if path.is_relative_to(LIBRARY):
        parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
        package = ".".join(parts if path.name == "__init__.py" else parts[:-1]).removesuffix(".__init__")
    modules: set[str] = set()
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, base]).strip(".")
            modules.update([base, *(f"{base}.{alias.name}" for alias in node.names)])
    found = set()
    for module in modules:
        parts = module.split(".")
        found.update(_file(".".join(parts[:end])) for end in range(1, len(parts) + 1))
    return frozenset(found - {None, path})


def closure(path: Path) -> list[Path]:
    """The file and every library file that it imports, directly or not, sorted."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        item = todo.pop()
        if item not in seen:
            seen.add(item)
            todo.extend(_imports(item))
    return sorted(seen)


def _empty(node: object) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def _told(node: object) -> str:
    """A syntax tree as text, the same under every Python that has its nodes: `ast.unparse` and `ast.dump` change."""
    if isinstance(node, ast.JoinedStr):  # Python 3.12 has empty texts in some
        return f"JoinedStr({_told([item for item in node.values if not _empty(item)])})"
    if isinstance(node, ast.AST):
        fields = [
            f"{name}={_told(value)}" for name, value in ast.iter_fields(node) if value is not None and value != []
        ]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_told, node))}]"
    return repr(node)


@cache
def digest(path: Path) -> str:
    """SHA-256 of one file's syntax tree without docstrings, comments and layout."""
    return sha256(_told(_Bare().visit(_parsed(path))).encode()).hexdigest()


@cache
def code(step: str) -> str:
    """Sixteen characters that change when the step `scripts/<step>.py`, or a module it imports, changes in code."""
    parts = [f"{path.relative_to(ROOT)} {digest(path)}" for path in closure(SCRIPTS / f"{step}.py")]
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def files(*patterns: str) -> str:
    """Digest of data files (templates, captions) by glob pattern below the repository root."""
    total = sha256()
    for path in sorted({path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}):
        total.update(f"{path.relative_to(ROOT)} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def record() -> dict[str, dict[str, str | int]]:
    """Version and code digest of each step that calls a model, as `tests/model_steps.json` keeps them."""
    return {step: {"version": version, "code": code(step)} for step, version in sorted(VERSIONS.items())}


if __name__ == "__main__":
    if sys.argv[1:] == ["--record"]:
        (ROOT / "tests" / "model_steps.json").write_text(json.dumps(record(), indent=1) + "\n")
    else:
        sys.exit("usage: python -m ttstudy.fingerprint --record  (after raising a version, or for a pure refactor)")
