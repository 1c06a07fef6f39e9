"""README and docs: links lead somewhere, and every block of code is run, or read as what it is for."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from tests.studies import ROOT, copy_repository, environment, planned, smoke, write
from ttstudy.run.command import main
from ttstudy.study import from_mapping

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted((ROOT / "docs").glob("*.md"))
TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}
FOUND = {
    name: re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL) for name, text in TEXTS.items()
}
PIECES = {"docs/cost.md": "of resources.yaml", "CONTRIBUTING.md": "run by test_contributing.py"}
"""Pages whose pieces of YAML are no pieces of a study by themselves."""


def blocks(language: str, without: tuple[str, ...] = ()) -> list:
    return [
        pytest.param(text, id=f"{name} {number}")
        for name, found in FOUND.items()
        if name not in without
        for number, (known, text) in enumerate(found, 1)
        if known == language
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
    generated = set(site("pages").GENERATED) | {"example.md"}
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", TEXTS[name])
    here = [link for link in links if not link.startswith("http") and link not in generated]
    assert [link for link in here if not ((ROOT / name).parent / link).exists()] == []


def test_every_block_says_what_it_is_and_so_what_is_done_with_it():
    """python: run; sh: each command checked; yaml: read as a piece of a study; text: shown, and nothing to run."""
    for name, found in FOUND.items():
        assert {language for language, _ in found} <= {"python", "sh", "yaml", "text"}, name


def test_readme_is_one_screen():
    text = TEXTS["README.md"]
    assert len(text.split()) < 600 and len(text.splitlines()) < 90


# -- pieces of studies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", blocks("yaml", without=tuple(PIECES)))
def test_pieces_of_studies_are_read_as_they_stand(block):
    piece = yaml.safe_load(block)
    study = from_mapping(AROUND | piece)
    for section, entries in piece.items():
        assert getattr(study, section) is not None
        if isinstance(entries, dict) and section in ("benchmarks", "policies", "prms", "labelled"):
            assert set(entries) <= set(getattr(study, section))


def test_what_a_page_says_of_its_prices_and_pairs_is_a_study_too():
    price = yaml.safe_load(re.search(r"`price: (\{.*?\})`", TEXTS["docs/models.md"])[1])
    study = from_mapping(AROUND | {"policies": {"far": {"source": "openai", "model": "m", "price": price}}})
    assert study.policies["far"].price.of(1e6, 1e6) == 12.5


# -- commands ---------------------------------------------------------------------------------------------------------

TARGETS = dict(re.findall(r"^([a-z-]+):(.*)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
VARIABLES = set(re.findall(r"\$\(([A-Z]+)\)|^([A-Z]+) *\?=", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def commands(block: str) -> list[list[str]]:
    """The commands of a block, each in words; a text in quotes may have several lines."""
    found: list[list[str]] = []
    text = ""
    for line in block.splitlines():
        text += line
        try:
            words = shlex.split(text, comments=True)
        except ValueError:  # a quotation goes on
            text += "\n"
            continue
        text = ""
        while "&&" in words:
            place = words.index("&&")
            found.append(words[:place])
            words = words[place + 1 :]
        found.append(words)
    return [words for words in found if words]


def checked(words: list[str]) -> str:
    """What a command is, once it is known that it would be understood; an AssertionError where it would not."""
    while "=" in words[0] and words[0].split("=")[0].isidentifier():
        words = words[1:] or ["export"]
    program, arguments = words[0].rpartition("/")[2], words[1:]
    if program == "make":
        names = {name for pair in VARIABLES for name in pair if name}
        for word in arguments:
            assert word in TARGETS or word.partition("=")[0] in names, words
    elif program == "ttstudy":
        one = main.commands[arguments[0]]
        places = [each for each in arguments[1:] if not each.startswith("-")]
        parsed = one.make_parser(click.Context(one)).parse_args(list(arguments[1:]))
        assert parsed[0] and places, words
    elif program == "snakemake":
        from snakemake.cli import get_argument_parser

        told, _ = get_argument_parser().parse_known_args([each for each in arguments if each != "fetch"])
        assert (ROOT / arguments[arguments.index("--profile") + 1] / "config.yaml").is_file() and told, words
    elif program.startswith("python") and arguments[0] == "-m":
        assert arguments[1] == "venv" or importlib.util.find_spec(arguments[1]) is not None, words
    elif program == "python" and arguments[0].startswith("scripts/"):
        text = (ROOT / arguments[0]).read_text()
        for option in (each for each in arguments if each.startswith("--")):
            assert f'"{option}"' in text, words
    elif program == "python" and arguments[0] == "-c":
        compile(arguments[1], "-c", "exec")
    else:
        assert program in ("pip", "export", "vllm", "mkdir", "unzip"), words
    return program


@pytest.mark.parametrize("block", blocks("sh"))
def test_every_command_would_be_understood(block):
    assert [checked(words) for words in commands(block)]


def test_a_command_that_is_not_there_is_found():
    for wrong in ("make studdy", "make study CONFG=x", ".venv/bin/ttstudy init x --plicy y", "rm -r x",
                  ".venv/bin/python scripts/judge_scores.py x --score y"):  # fmt: skip
        with pytest.raises((AssertionError, click.UsageError)):
            checked(shlex.split(wrong))


def test_commands_that_sentences_name_exist():
    whole = "\n".join(TEXTS.values())
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", whole, flags=re.MULTILINE)) <= set(TARGETS)
    assert set(re.findall(r"`ttstudy ([a-z]+)", whole)) <= set(main.commands)
    for script in set(re.findall(r"\bscripts/(\w+\.py)", whole)):
        assert (ROOT / "scripts" / script).exists(), script


# -- Python ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory) -> Path:
    """A folder with a finished smoke study, and a policy and a PRM of one's own."""
    root = copy_repository(tmp_path_factory.mktemp("docs") / "clone", finished)
    shutil.copytree(finished / "results", root / "results", symlinks=True)
    for name, given in (("my-policy", "mini-20k"), ("my-prm", "prm-good")):
        shutil.copytree(ROOT / "workflow/checkpoints" / given, root / "models" / name)
    return root


def ours(root: Path) -> dict[str, str]:
    """The environment of a process that has the library of a copy of the repository."""
    return environment() | {"PYTHONPATH": str(root / "workflow")}


@pytest.mark.parametrize("block", blocks("python", without=("CONTRIBUTING.md",)))
def test_every_python_block_runs_and_its_remarks_are_what_it_prints(block, place):
    run = subprocess.run(
        [sys.executable, "-c", block], cwd=place, env=ours(place), capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-3000:]
    remarks = re.findall(r"^print\(.*\) +# (.+)$", block, flags=re.MULTILINE)
    said = [remark for remark in remarks if not remark.startswith(("a ", "every "))]
    assert [line for line in run.stdout.splitlines() if line in said] == said or not said


# -- the tutorial -----------------------------------------------------------------------------------------------------


def test_the_tutorials_changes_do_what_it_says(place):
    """Only new responses, then problems in a file of one's own; nothing is trained, and no search made again."""
    budgets, own = (yaml.safe_load(text) for language, text in FOUND["docs/tutorial.md"] if language == "yaml")
    assert own["benchmarks"]["sums"] == smoke()["benchmarks"]["sums"]
    (table,) = (text for language, text in FOUND["docs/tutorial.md"] if language == "text")
    (place / "problems.csv").write_text(table)
    more = planned(place, write(place, smoke(**budgets), "mine.yaml"))
    assert {"sample", "score", "grade"} <= set(more) and more["sample"] == 2
    assert not {"train_policy", "train_reward_model", "search", "benchmark"} & set(more)
    both = planned(place, write(place, smoke(**budgets, **own), "mine.yaml"))
    assert both["benchmark"] == 1 and both["search"] == 2 * 2 * 2  # PRMs, policies, searches of the new problems
    assert not {"train_policy", "train_reward_model"} & set(both)


def test_the_tutorials_draft_is_a_study_with_a_plan(place):
    (block,) = (text for language, text in FOUND["docs/tutorial.md"] if "ttstudy init" in text)
    for words in commands(block):
        run = subprocess.run(
            [sys.executable, "-m", "ttstudy.run.command", *words[1:]], cwd=place, env=ours(place),
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
    assert "what is left to do" in run.stdout


def test_the_snakefile_runs_from_another_folder(place, tmp_path):
    """As the workflow catalog has it: `--directory`; results there, paths from the study's file."""
    (tmp_path / "own").mkdir()
    study = smoke() | {"benchmarks": {"own": {"source": "file", "path": "problems.csv"}}}
    (tmp_path / "problems.csv").write_text("problem_id,problem,answer\na,Compute 2+3.,5\n")
    config = write(tmp_path, study)
    run = subprocess.run(
        [str(Path(sys.executable).parent / "snakemake"), "--snakefile", str(place / "Snakefile"), "--cores", "1",
         "--directory", str(tmp_path / "own"), "--configfile", str(config), "--dry-run"],
        cwd=place, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0 and "rule benchmark:" in run.stdout, run.stdout[-3000:] + run.stderr[-3000:]


# -- the site ----------------------------------------------------------------------------------------------------------


def site(name: str):
    """A module of docs/ that makes the site."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


def test_every_key_table_claim_method_and_name_is_in_the_reference():
    import json

    import ttstudy
    from ttstudy.analysis.claims import CLAIMS
    from ttstudy.data.columns import COLUMNS
    from ttstudy.kinds.methods import METHODS
    from ttstudy.report.glossary import WORDS

    made = {name: make() for name, make in site("pages").GENERATED.items()}
    schema = json.loads((ROOT / "workflow/schemas/study.schema.json").read_text())
    sections = [schema, *schema["$defs"].values()]
    keys = {key for section in sections for key in section.get("properties", ())}
    assert {key for key in keys if f"`{key}`" not in made["reference-keys.md"]} == set()
    assert {name for name in COLUMNS if f"## {name}\n" not in made["reference-tables.md"]} == set()
    assert {n for n in CLAIMS if f"\n| {n} |" not in made["reference-claims.md"]} == set()
    assert {name for name in METHODS if f"`{name}`" not in made["reference-kinds.md"]} == set()
    assert {name for name in ttstudy.__all__ if f"## ttstudy.{name}" not in made["reference-python.md"]} == set()
    assert {name for name in main.commands if f"## {name}\n" not in made["reference-command.md"]} == set()
    assert {word.name for word in WORDS if f"**{word.name}**" not in made["glossary.md"]} == set()


def test_every_method_is_drawn_as_the_drawings_are_made_and_each_picture_says_what_it_shows():
    from ttstudy.kinds.methods import METHODS

    draw, page = site("draw"), TEXTS["docs/concepts.md"]
    assert set(draw.PICTURES) == set(METHODS)
    for name, make in draw.PICTURES.items():
        assert (draw.FOLDER / f"{name}.svg").read_text() == make().svg(), "run `python docs/draw.py`"
        (words,) = re.findall(rf"!\[(.+)\]\(pictures/{name}\.svg\)", page)
        assert len(words.split()) > 5


def test_the_site_is_built_without_a_warning(tmp_path):
    beside = Path(sys.prefix) / "docs"
    if not (beside / "mkdocs").is_dir():
        pytest.skip("mkdocs is not installed: `make docs` installs it")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")], cwd=ROOT,
        env=ours(ROOT) | {"PYTHONPATH": f"{beside}:{ROOT / 'workflow'}"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    pages = {path.name for path in (tmp_path / "site").glob("*.html")}
    assert {"index.html", "tutorial.html", "reference-keys.html", "glossary.html", "example.html"} <= pages
    outside = r'<(?:script|link|img)[^>]+(?:src|href)="https?://'
    assert not [page for page in pages if re.search(outside, (tmp_path / "site" / page).read_text())]


# -- plain English -----------------------------------------------------------------------------------------------------

NEW = ("README.md", *(f"docs/{name}.md" for name in ("index", "tutorial", "concepts", "faq", "python")))


@pytest.mark.parametrize("name", NEW)
def test_pages_for_strangers_have_short_sentences(name):
    text = re.sub(r"^```.*?^```|^\|.*?$|^#.*?$|!\[.*?\]\(.*?\)", "\n\n", TEXTS[name], flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    sentences = re.split(r"(?<=[.:?!])\s+|\n\n|\n- ", text)
    long = [one for one in sentences if len(one.split()) > 25]
    assert not long, long
