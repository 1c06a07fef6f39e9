"""Sections of the report: a file is one; put there it is on the page, taken away it leaves no trace."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import trees

from ttstudy.analysis.claims import CLAIMS
from ttstudy.dag import fingerprint
from ttstudy.kinds.methods import METHODS
from ttstudy.report.section import GROUPS
from ttstudy.report.sections import SECTIONS

FOLDER = "workflow/ttstudy/report/sections"
ADDED = '''
"""How many candidate solutions the largest budget has."""

from ttstudy.report.blocks import Block, named_table
from ttstudy.report.cells import Column
from ttstudy.report.section import TRUST, Given, Section, Told


def tell(given: Given) -> Told:
    columns = [Column("policy", "Policy"), Column("budget", "Largest N", "plain")]
    table = named_table("largest-n-data", "Largest N of each policy", columns, given.frame)
    return Told(f"The largest N is {given.frame['budget'].max()}.", [Block(table)], "Read off the accuracies.")


SECTION = Section(
    title="Largest budgets", short="The largest N", group=TRUST, place=15, tell=tell,
    view=lambda results, context: results.study.table("accuracy").groupby("policy")["budget"].max().reset_index(),
)
'''


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    """A tree of its own, to add files to and take files from."""
    return trees.copied(tmp_path_factory.mktemp("tree"))


def anchors(page: str) -> list[str]:
    """Sections of a page in their order, without those that every page has."""
    return [key for key in re.findall(r'<section id="([\w-]+)"', page) if key not in FIXED]


FIXED = "absent audit cite claims downloads explorer limits method provenance words".split()


def test_a_file_put_into_the_folder_is_a_section_and_taken_out_it_leaves_no_trace(copied):
    before = trees.page(copied)
    assert set(anchors(before)) <= set(SECTIONS) and anchors(before)[0] == "small-large"
    file = copied / FOLDER / "largest_n.py"
    file.write_text(ADDED.lstrip())
    page = trees.page(copied)
    keys = anchors(page)
    assert keys[keys.index("flaws") + 1] == "largest-n" and sorted({*keys} - {"largest-n"}) == sorted(anchors(before))
    contents = page[: page.index("<header")]
    assert '<li><a href="#largest-n">The largest N</a></li>' in contents
    section = page[page.index('<section id="largest-n"') :].split("</section>")[0]
    section = re.sub(r"</?a\b[^>]*>", "", section)  # words are links to what they mean
    for text in ("Largest budgets</h2>", "The largest N is 4.", "Read off the accuracies.", 'id="largest-n-data"'):
        assert text in section
    file.unlink()
    assert trees.page(copied) == before


def test_a_page_without_a_section_links_to_it_nowhere(copied):
    for name in ("small_large", "flaws", "scaling"):
        (copied / FOLDER / f"{name}.py").rename(copied / f"{name}.taken")
    try:
        page = trees.page(copied)
    finally:
        for name in ("small_large", "flaws", "scaling"):
            (copied / f"{name}.taken").rename(copied / FOLDER / f"{name}.py")
    assert not {"small-large", "flaws", "scaling"} & set(anchors(page))
    ids = set(re.findall(r' id="([^"]+)"', page))
    links = set(re.findall(r'<a href="#([^"]+)"', page))
    assert "claims-table" in links and links <= ids
    assert "PRM diagnostics" not in page and "Small + TTS against large" not in page


def test_the_evidence_of_each_claim_is_a_section():
    tested = {number: claim.section for number, claim in CLAIMS.items() if claim.study is not None}
    assert {number: section for number, section in tested.items() if section not in SECTIONS} == {}


def test_sections_stand_by_group_and_place():
    found = [section.group for section in SECTIONS.values()]
    assert list(dict.fromkeys(found)) == list(GROUPS)
    for group in GROUPS:
        places = [section.place for section in SECTIONS.values() if section.group == group]
        assert places == sorted(set(places)), f"two sections of “{group}” ask for one place"


def test_every_section_is_code_of_the_report():
    files = {path.stem for path in fingerprint.computes("report") if path.parent == fingerprint.ROOT / FOLDER}
    assert {key.replace("-", "_") for key in SECTIONS} <= files


def test_the_page_loads_no_library_for_drawing_or_statistics_before_it_needs_one():
    heavy = "{'matplotlib', 'seaborn', 'scipy', 'jinja2', 'torch', 'pandera', 'statsmodels'}"
    assert trees.ran(trees.ROOT, f"import ttstudy.report; print(sorted({heavy} & set(sys.modules)))") == "[]\n"


SPELLED = {
    ("answer.py", "cot"): "a column of the table headline",
    ("sections/cot.py", "cot"): "the section's own name",
    ("sections/gains.py", "cot"): "a column of the table gains",
    ("sections/gains.py", "majority"): "columns of the table gains, and what its efficiency is measured from",
    ("sections/groups.py", "majority"): "a column of this section's own",
    ("sections/prms.py", "cot"): "a column of the table prm_effect",
    ("sections/published.py", "cot"): "a word of published.csv",
    ("sections/published.py", "majority"): "a word of published.csv, and what it means",
    ("sections/scaling.py", "coverage"): "what the bound means, in words",
    ("sections/small_large.py", "cot"): "a column of the table headline",
    ("sections/votes.py", "majority"): "a vote",
    ("figures/parts.py", "cot"): "short for chain of thought, as the one answer is called",
    ("compared.py", "confidence"): "what a policy's scores of its own are",
    ("sections/confidence.py", "confidence"): "what the section is about",
    ("sections/confidence.py", "majority"): "what these votes are measured from",
    ("comparison.py", "coverage"): "the section on what could be compared",
    ("glossary.py", "confidence"): "a word for intervals",
    ("glossary.py", "cot"): "short for chain of thought, a word that is explained",
    ("glossary.py", "majority"): "a vote",
    ("headline.py", "cot"): "a kind of the table frontier",
    ("paper.py", "cot"): "a word of published.csv",
    ("paper.py", "majority"): "a word of published.csv",
    ("views.py", "cot"): "a kind of the table frontier, and a view",
}
"""(module of the report, method) that it names though the registry does, and why."""


def _texts(path: Path) -> list[str]:
    """Texts of a module, without what documents it."""
    tree = ast.parse(path.read_text())
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare
    ]


def test_methods_are_named_by_their_files_alone():
    """Neither by name nor in words: a list of them would miss the next one, and keep the one that went."""
    report = trees.ROOT / "workflow/ttstudy/report"
    names = {name: {name, method.look.label, method.look.words} for name, method in METHODS.items()}
    found = set()
    for path in report.rglob("*.py"):
        for text in _texts(path):
            for name, words in names.items():
                if any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in words):
                    found.add((str(path.relative_to(report)), name))
    assert found == set(SPELLED)
