"""Code identity: a digest of what a step computes with, in its script and the library modules that it imports.

Left out is what decides no result: comments and docstrings, what an error says, how arguments are told, and plumbing
(`PLUMBING`). Of the contracts of tables, those that the step writes are in.

Steps that call a model do not use it: they carry an explicit version (`VERSIONS`), so that a refactor does not cost
GPU-days. `tests/model_steps.json` records the digest that each version had, and a test says when they part.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from ttstudy.kinds.confidences import CONFIDENCES, STORED
from ttstudy.kinds.formats import FORMATS
from ttstudy.kinds.methods import METHODS, SEARCHES
from ttstudy.vocabulary import FLAW_TABLES, GRADER_TABLES, HEADLINE_TABLES

LIBRARY = Path(__file__).resolve().parents[1]
ROOT = LIBRARY.parent.parent
SCRIPTS = ROOT / "scripts"
KINDS = LIBRARY / "kinds"
"""Folders of files of one kind: to import one of them is to import every file in it."""

_OPENER = re.compile(r"ttstudy(?:\.\w+)+:\w+")
"""What is imported by its name, when it is wanted (`ttstudy.kinds.registry.named`)."""

VERSIONS = {
    "ask": 1,
    "benchmark": 1,
    "convert_model": 1,
    "labelled": 1,
    "recorded": 1,
    "recorded_responses": 1,
    "recorded_scores": 1,
    "sample": 1,
    "score": 1,
    "search": 1,
}
"""Raise a step's number when its results change on purpose: everything that it made is then made again."""

PLUMBING = {
    "ttstudy.dag": "specs, digests, paths, stamps: what of them decides is told in the specs",
    "ttstudy.data.columns": "contracts of tables; those of what a step writes are in its digest",
    "ttstudy.data.contracts": "refusals: they change no row",
    "ttstudy.errors": "what errors say",
    "ttstudy.run": "steps, logs, progress, provenance, integrity, plans, machines",
    "ttstudy.study": "the configuration; what of it decides is in the specs",
}
"""Modules, and packages with all that is in them, that decide no result, and why."""

_JOINED = ("outcomes", "difficulty", "ledger", "counts", "overlong", "spread")
WRITES: dict[str, tuple[str, ...]] = {
    "grade": ("grades",),
    "label": ("labels",),
    "examine": ("examination",),
    "findings": ("examination",),
    "difficulty": ("difficulty",),
    "outcomes": ("outcomes", "spread"),
    "ledger": ("ledger", "counts", "overlong"),
    "adaptive": ("predicted", "adaptive"),
    "explorer": ("explorer", "trees"),
    "training": ("training",),
    "accuracy": ("accuracy", *_JOINED),
    "graders": GRADER_TABLES,
    "diagnostics": FLAW_TABLES,
    "strategy": ("strategy", "optimism", "predicted", "adaptive", "efficiency"),
    "headline": HEADLINE_TABLES,
    "claims": ("claims",),
}
"""Tables that a step writes: a column that changes its kind changes what they hold."""


def _bare_string(item: ast.stmt) -> bool:
    value = item.value if isinstance(item, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


class _Bare(ast.NodeTransformer):
    """Removes docstrings (and other bare string statements), which decide nothing."""

    def _strip(self, node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.body = [item for item in node.body if not _bare_string(item)] or [ast.Pass()]
        return node

    visit_Module = visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _strip

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Without statements that declare an argument."""
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument":
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Without the words of what is raised: they change no result. What is raised may be caught, so it stays."""
        if isinstance(node.exc, ast.Call):
            call = _Wordless().visit(node.exc)
            return ast.Raise(exc=call, cause=node.cause)
        return node


class _Lookless(ast.NodeTransformer):
    """Empties `Look(...)`: colours and labels are the report's matter."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "Look":
            return ast.Constant(value=None)
        return self.generic_visit(node)


class _Wordless(ast.NodeTransformer):
    """Empties every text."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(value="") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant(value="")


def _parsed(path: Path) -> ast.Module:
    if path == LIBRARY / "__init__.py":  # a door for people: every import goes through it, and no step asks for more
        return ast.Module(body=[], type_ignores=[])
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
    return _told(path) | (frozenset(_modules(path.parent)) - {path} if registry(path) else frozenset())


def _modules(folder: Path) -> list[Path]:
    """Modules in a folder, as Python finds them: none is what an editor or a file system keeps beside them."""
    return sorted(path for path in folder.glob("*.py") if path.stem.isidentifier())


def registry(path: Path) -> bool:
    """Whether a file is a registry: the `__init__` of a folder whose files it collects, whatever their names."""
    return path.name == "__init__.py" and any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("collected", "gathered")
        for node in ast.walk(_parsed(path))
    )


def member(path: Path) -> str | None:
    """A kind's file as `folder/name` (methods/dvts); None for any other file."""
    if path.parent.parent != KINDS or path.name.startswith("_"):
        return None
    return f"{path.parent.name}/{path.stem}"


@cache
def _told(path: Path) -> frozenset[Path]:
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
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _OPENER.fullmatch(node.value):
            modules.add(node.value.partition(":")[0])
    found: set[Path | None] = set()
    for module in modules:
        parts = module.split(".")
        found.update(_file(".".join(parts[:end])) for end in range(1, len(parts) + 1))
    return frozenset(file for file in found if file not in (None, path))


def closure(
    path: Path, through: Callable[[Path], bool] = lambda _: True, only: Collection[str] | None = None
) -> list[Path]:
    """The file and every library file that it imports, directly or not (only `through` some of them), sorted.

    Of files of kinds it has, where `only` is given, those named there (methods/dvts).
    """
    seen: set[Path] = set()
    todo = [path]
    while todo:
        item = todo.pop()
        if only is not None and item != path and member(item) not in (None, *only):
            continue
        if item not in seen:
            seen.add(item)
            todo.extend(_imports(item) if through(item) else ())
    return sorted(seen)


def _empty(node: object) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def _spelled(node: object) -> str:
    """A syntax tree as text, the same under every Python that has its nodes: `ast.unparse` and `ast.dump` change."""
    if isinstance(node, ast.JoinedStr):  # Python 3.12 has empty texts in some
        return f"JoinedStr({_spelled([item for item in node.values if not _empty(item)])})"
    if isinstance(node, ast.AST):
        fields = [
            f"{name}={_spelled(value)}" for name, value in ast.iter_fields(node) if value is not None and value != []
        ]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_spelled, node))}]"
    return repr(node)


@cache
def digest(path: Path, looks: bool = False) -> str:
    """SHA-256 of one file's syntax tree without docstrings, comments and layout; `looks`: with how things look."""
    bare = _Bare().visit(_parsed(path))
    return sha256(_spelled(bare if looks else _Lookless().visit(bare)).encode()).hexdigest()


def _is_plumbing(path: Path) -> bool:
    if not path.is_relative_to(LIBRARY):
        return False
    parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
    return any(".".join(parts[:end]) in PLUMBING for end in range(1, len(parts) + 1))


def computes(step: str, only: Collection[str] | None = None) -> list[Path]:
    """The step's script and the library files that it computes with; none that only plumbing imports.

    `only`: see `closure`.
    """
    return _computing(SCRIPTS / f"{step}.py", only)


def _computing(path: Path, only: Collection[str] | None) -> list[Path]:
    found = closure(path, lambda item: not _is_plumbing(item), only)
    return [item for item in found if not _is_plumbing(item)]


def members(folder: str) -> list[str]:
    """Every file of a folder of kinds, as `only` names them."""
    found = (member(path) for path in _modules(KINDS / folder))
    return [name for name in found if name is not None]


def _text(node: ast.expr, known: Mapping[str, str]) -> str:
    """A text in the source, put together of texts and names of texts."""
    if isinstance(node, ast.BinOp):
        return _text(node.left, known) + _text(node.right, known)
    return known[node.id] if isinstance(node, ast.Name) else str(ast.literal_eval(node))


@cache
def contracts() -> dict[str, str]:
    """Columns of every table, read from the source: to import it would be to import pandas."""
    known: dict[str, str] = {}
    for node in _parsed(LIBRARY / "data/columns.py").body:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        name, value = node.targets[0].id, node.value
        if name == "COLUMNS" and isinstance(value, ast.Dict):
            pairs = zip(value.keys, value.values, strict=True)
            return {_text(key, known): _text(item, known) for key, item in pairs if key is not None}
        if isinstance(value, ast.Constant | ast.BinOp):
            known[name] = _text(value, known)
    raise LookupError("columns.COLUMNS")


PACKAGES = {"grade": ("math-verify", "latex2sympy2_extended", "sympy")}
"""Libraries whose judgement a step takes over: another version may say otherwise."""


@cache
def code(step: str, only: frozenset[str] | None = None) -> str:
    """Sixteen characters that change when what the step `scripts/<step>.py` computes with changes.

    `only`: the files of kinds that it uses, where it does not use all.
    """
    found = computes(step, only)
    looks = any(path.is_relative_to(LIBRARY / "report") for path in found)
    parts = [f"{path.relative_to(ROOT)} {digest(path, looks)}" for path in found]
    parts += [f"{name} {version(name)}" for name in PACKAGES.get(step, ())]
    parts += [f"{name} {contracts()[name]}" for name in WRITES.get(step, ())]
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def files(*patterns: str) -> str:
    """Digest of data files (templates, captions) by glob pattern below the repository root."""
    total = sha256()
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    # An editor's own files are none of them.
    for path in sorted(path for path in found if path.name[0] not in ".#" and path.name[-1] != "~"):
        total.update(f"{path.relative_to(ROOT)} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def used(methods: Iterable[str]) -> frozenset[str]:
    """What `only` names for a study of these methods: their files, and all those of the other folders."""
    others = (folder.name for folder in KINDS.iterdir() if folder.is_dir() and folder.name != "methods")
    return frozenset([*(f"methods/{name}" for name in methods), *(name for each in others for name in members(each))])


@cache
def code_of(name: str) -> str:
    """Sixteen characters that change when what a file of kinds (methods/dvts) computes with changes."""
    found = _computing(KINDS / f"{name}.py", (name,))
    return sha256("\n".join(f"{path.relative_to(ROOT)} {digest(path)}" for path in found).encode()).hexdigest()[:16]


def record() -> dict[str, dict[str, str | int]]:
    """Version and code digest of each step that calls a model, and of what stands in a file of its own for them.

    `tests/model_steps.json` keeps them.
    """
    found: dict[str, dict[str, str | int]] = {
        step: {"version": version, "code": code(step, frozenset())} for step, version in VERSIONS.items()
    }
    searches = {f"methods/{name}": METHODS[name].version for name in SEARCHES}
    formats = {f"formats/{name}": form.version for name, form in FORMATS.items()}
    scores = dict.fromkeys(members("scores"), VERSIONS["search"])  # searches choose by them
    kept = {f"confidences/{name}": CONFIDENCES[name].version for name in STORED}
    engines = dict.fromkeys(members("engines"), VERSIONS["sample"])
    for name, number in (searches | formats | scores | kept | engines).items():
        found[name] = {"version": number, "code": code_of(name)}
    return dict(sorted(found.items()))


if __name__ == "__main__":
    if sys.argv[1:] == ["--record"]:
        (ROOT / "tests" / "model_steps.json").write_text(json.dumps(record(), indent=1) + "\n")
    else:
        sys.exit("usage: python -m ttstudy.dag.fingerprint --record  (after raising a version, or for a pure refactor)")
