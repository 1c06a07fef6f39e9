"""Nothing in the source can run foreign code: read from its syntax trees."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.studies import ROOT

SOURCES = sorted([*(ROOT / "workflow/ttstudy").rglob("*.py"), *(ROOT / "scripts").glob("*.py")])
FORBIDDEN_CALLS = {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler",
                   "marshal.loads", "shelve.open", "joblib.load", "pd.read_pickle", "pandas.read_pickle",
                   "yaml.unsafe_load", "yaml.full_load"}  # fmt: skip
LOADERS = {"from_pretrained"}


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def risks(tree: ast.AST) -> list[tuple[int, str]]:
    """Lines that could run foreign code, and how."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                found.append((node.value.lineno, "trust_remote_code"))
        if isinstance(node, ast.Constant) and node.value == "trust_remote_code":
            found.append((node.lineno, "trust_remote_code"))
        if not isinstance(node, ast.Call):
            continue
        called = name_of(node.func)
        options = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
        if called in FORBIDDEN_CALLS:
            found.append((node.lineno, called))
        if called == "torch.load" and options.get("weights_only") is not True:
            found.append((node.lineno, "torch.load without weights_only"))
        if called.endswith(".load") and options.get("allow_pickle"):
            found.append((node.lineno, "allow_pickle"))
        if called in ("yaml.load", "yaml.load_all"):
            found.append((node.lineno, called))
        if options.get("shell"):
            found.append((node.lineno, "shell=True"))
        if called.rsplit(".", 1)[-1] in LOADERS and "Auto" in called and "Tokenizer" not in called:
            safe = options.get("use_safetensors") is True or "AutoConfig" in called
            if not safe or options.get("trust_remote_code") is not False:
                found.append((node.lineno, f"{called} without use_safetensors=True, trust_remote_code=False"))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_can_run_foreign_code(path: Path):
    assert risks(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "AutoModel.from_pretrained(x)",
        "AutoModel.from_pretrained(x, use_safetensors=True, trust_remote_code=True)",
        "torch.load(x)",
        "torch.load(x, weights_only=False)",
        "pickle.load(x)",
        "numpy.load(x, allow_pickle=True)",
        "yaml.load(x, Loader=yaml.Loader)",
        "subprocess.run(x, shell=True)",
        "eval(x)",
        "options = {'trust_remote_code': True}",
    ],
)
def test_the_reader_sees_what_it_looks_for(code):
    assert risks(ast.parse(code)) != []
