"""Text that models wrote is hostile: a study of it reaches its report, nothing in it executes, counts are right."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser

import pytest

from tests import hostile
from tests.studies import ROOT, copy_repository, snakemake, write
from ttstudy.data import tables

SECRET = "sk-ttstudy-marked-0123456789abcdef"
POOL = len(hostile.RESPONSES) // 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A study of the hostile file with a real PRM, run with a marked key in its environment; (root, output)."""
    root = copy_repository(tmp_path_factory.mktemp("hostile") / "run")
    rows, _ = hostile.records()
    hostile.write(root / "hostile.jsonl", rows)
    config = {
        "study": "hostile",
        "benchmarks": {"attacks": {"source": "recorded", "path": "hostile.jsonl"}},
        "policies": {"attacker": {"source": "recorded", "path": "hostile.jsonl"}},
        "prms": {"judge": {"source": "checkpoint", "path": str(ROOT / "workflow/checkpoints/prm-undertrained")}},
        "budgets": {"majority": [1, POOL], "best_of_n": [POOL]},
        "pilot_samples": 2,
        "first_block": POOL,
        "extraction": "boxed",
    }
    names = ("OPENAI_API_KEY", "HF_TOKEN", "WANDB_API_KEY")
    os.environ |= dict.fromkeys(names, SECRET)
    try:
        output = snakemake(root, write(root, config))
    finally:
        for name in names:
            del os.environ[name]
    return root, output


def test_every_response_is_counted_as_what_it_is(run):
    root, _ = run
    _, known = hostile.records()
    (path,) = root.glob("results/attacks/attacker/samples-*/*.strict-boxed.parquet")
    grades = tables.read("grades", path)
    assert len(grades) == len(known) == len(hostile.RESPONSES)
    found = [
        hostile.RIGHT if right else hostile.NONE if status == "no_answer" else hostile.WRONG
        for right, status in zip(grades["correct"], grades["status"], strict=True)
    ]
    names = list(hostile.RESPONSES)
    wrong = {name: (got, want) for name, got, want in zip(names, found, known, strict=True) if got != want}
    assert wrong == {}
    folder = root / "results/studies/hostile/tables"
    accuracy = tables.read("accuracy", folder / "accuracy.parquet")
    rows = accuracy[(accuracy["level"] == "all") & (accuracy["budget"] == 1)]
    one = rows[rows["method"] == "majority"]["accuracy"].iloc[0]
    assert one == pytest.approx(known.count(hostile.RIGHT) / len(known))
    (scored,) = root.glob("results/attacks/attacker/samples-*/scores/*/*.parquet")
    (responses,) = (p for p in path.parent.glob("*.parquet") if re.fullmatch(r"[0-9-]+\.parquet", p.name))
    steps = tables.read("responses", responses)["steps"].map(len).tolist()
    assert tables.read("scores", scored)["step_scores"].map(len).tolist() == steps and max(steps) > 3000


class Elements(HTMLParser):
    """Scripts, event handlers and links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts, self.odd = [], []
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "script":
            self._in_script = given.get("type") in (None, "module", "text/javascript")
            self.scripts += [""] * self._in_script
        self.odd += [(tag, name) for name in given if name.startswith("on")]
        self.odd += [
            (tag, value) for value in given.values() if value and value.strip().lower().startswith("javascript:")
        ]

    def handle_endtag(self, tag):
        self._in_script = self._in_script and tag != "script"

    def handle_data(self, data):
        if self._in_script:
            self.scripts[-1] += data


def test_nothing_in_the_report_executes(run):
    root, _ = run
    page = (root / "results/studies/hostile/report.html").read_text()
    elements = Elements(page)
    own = (ROOT / "reports/templates/report.js").read_text().strip()
    assert [script.strip() for script in elements.scripts] == [own]
    assert elements.odd == []
    assert "Content-Security-Policy" in page and "49" not in re.findall(r"\{\{ 7\*7 \}\}|>49<", page)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", page)
    assert not list(root.rglob(f"*{hostile.MARK}*"))


def test_no_cell_of_a_download_starts_a_formula(run):
    import csv

    from ttstudy.report.cells import csv_bytes

    root, _ = run
    for name in ("difficulty", "outcomes"):
        table = tables.read(name, root / f"results/studies/hostile/tables/{name}.parquet")
        cells = [cell for row in csv.reader(csv_bytes(table).decode().splitlines()) for cell in row]
        assert any("=h0" in cell for cell in cells)
        assert [cell for cell in cells if cell[:1] in ("=", "@", "\t", "\r")] == []


def test_output_and_logs_carry_no_terminal_escape(run):
    root, output = run
    texts = {"output": output} | {
        str(path): path.read_text(errors="replace") for path in root.glob("results/logs/**/*") if path.is_file()
    }
    assert [name for name, text in texts.items() if re.search(r"[\x00-\x08\x0b-\x1f\x7f\x9b]", text)] == []


def test_a_key_in_the_environment_is_in_no_file_and_no_line(run):
    root, output = run
    assert SECRET not in output
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
