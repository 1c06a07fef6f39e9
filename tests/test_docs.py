"""README and docs: their links lead somewhere, their commands exist, and their pieces of studies are studies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ttstudy.study import from_mapping

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted((ROOT / "docs").glob("*.md"))
TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}
BLOCKS = [
    pytest.param(block, id=f"{name} {number}")
    for name, text in TEXTS.items()
    if name not in ("CONTRIBUTING.md", "docs/cost.md")  # run by test_contributing.py; of resources.yaml
    for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL), 1)
]
AROUND = {
    "study": "docs",
    "benchmarks": {"some": {"source": "file", "path": "problems.jsonl"}},
    "policies": {"some": {"source": "checkpoint", "path": "some-policy"}},
    "prms": {"some-prm": {"source": "checkpoint", "path": "some-prm", "format": "qwen"}},
    "budgets": {"majority": [4]},
}
"""What a piece of a study stands in."""


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_to_files_that_are_there(name):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", TEXTS[name])
    here = [link for link in links if not link.startswith("http")]
    assert [link for link in here if not ((ROOT / name).parent / link).exists()] == []


def test_commands_and_scripts_that_are_named_exist():
    whole = "\n".join(TEXTS.values())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", whole, flags=re.MULTILINE)) <= targets
    for script in set(re.findall(r"\bscripts/(\w+\.py)", whole)):
        assert (ROOT / "scripts" / script).exists(), script


@pytest.mark.parametrize("block", BLOCKS)
def test_pieces_of_studies_are_read_as_they_stand(block):
    piece = yaml.safe_load(block)
    study = from_mapping(AROUND | piece)
    for section, entries in piece.items():
        assert getattr(study, section) is not None
        if isinstance(entries, dict) and section in ("benchmarks", "policies", "prms", "labelled"):
            assert set(entries) <= set(getattr(study, section))


def test_readme_is_read_in_a_few_minutes():
    assert len(TEXTS["README.md"].split()) < 1800
