"""Files of `kinds` that are wrong, gone or of someone else: each is told in a sentence before anything runs."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests import report_world
from tests.studies import ROOT, copy_repository, environment, smoke
from tests.test_headline import outcomes
from ttstudy import report
from ttstudy.analysis import compared
from ttstudy.analysis.accuracy import accuracy_table
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.dag.todo import Left, Why
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES
from ttstudy.kinds.formats import FORMATS, distinct
from ttstudy.kinds.gathering import gathered
from ttstudy.kinds.methods import BUDGETED, METHODS, SEARCHES
from ttstudy.kinds.registry import collected
from ttstudy.report import cards, sections
from ttstudy.report import comparison as page
from ttstudy.run import changes, provenance
from ttstudy.study import from_mapping
from ttstudy.study.fields import unshadowed
from ttstudy.study.methods import _Budgets, _Search
from ttstudy.study.policies import _LocalPolicy


def started(root: Path) -> subprocess.CompletedProcess[str]:
    """What a dry run of the smoke study says first."""
    command = [sys.executable, "-B", "scripts/changes.py", "workflow/studies/smoke.yaml"]
    paths = {"PYTHONPATH": str(root / "workflow")}
    return subprocess.run(command, cwd=root, env=environment() | paths, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    return copy_repository(tmp_path_factory.mktemp("kinds") / "clone")


@pytest.mark.parametrize("name", ["Upper", "with-dash", "none", "1st"])
def test_a_name_that_tables_or_paths_cannot_have_is_refused(name, tmp_path, monkeypatch):
    package = f"named_{name.lower().replace('-', '_')}"
    (tmp_path / package).mkdir()
    for file in ("__init__", name):
        (tmp_path / package / f"{file}.py").write_text("IT = 1.0\n" if file == name else "")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StudyError, match=rf"{name}.py: a file's name is the name of what is in it: small letters"):
        collected(package, [str(tmp_path / package)], float)


@pytest.mark.parametrize("read", [lambda *given: collected(*given), lambda *given: gathered(*given)])
def test_a_folder_is_no_file_of_a_registry_since_no_digest_reads_it(read, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/__init__.py").write_text("IT = 1.0\n")
    with pytest.raises(StudyError, match=r"/inner: must be one file, inner.py"):
        read("outer", [str(tmp_path)], float)


def test_what_an_editor_or_a_file_system_keeps_beside_a_file_is_no_code(clone):
    folder = clone / "workflow/ttstudy/kinds/methods"
    kept = [folder / ".#rebase.py", folder / "._rebase.py"]
    kept[0].symlink_to("someone@somewhere.1")
    kept[1].write_bytes(b"\0\0")
    run = started(clone)
    for path in kept:
        path.unlink()
    assert run.returncode == 0, run.stderr[-500:]


def test_two_formats_that_claim_one_model_are_refused():
    for change in ({"architectures": FORMATS["qwen"].architectures}, {"published": FORMATS["thinkprm"].published}):
        mine = replace(FORMATS["math_shepherd"], **change)
        with pytest.raises(StudyError, match=r"kinds/formats/zz.py: .* is told by the format (qwen|thinkprm) already"):
            distinct({name: FORMATS[name] for name in ("qwen", "thinkprm")} | {"zz": mine})


@pytest.mark.parametrize(
    ("base", "names", "known"),
    [
        (_Budgets, ["pool", "of", "copy"], BUDGETED),
        (_Search, ["lookahead", "own"], SEARCHES),
        (_LocalPolicy, ["device", "options"], ENGINES),
    ],
)
def test_a_file_may_not_be_named_as_what_its_section_has_already(base, names, known):
    assert unshadowed(base, known, "x") == list(known)
    for name in names:
        with pytest.raises(StudyError, match=rf"kinds/x/{name}.py: `{name}` is another thing in .*; rename the file"):
            unshadowed(base, [*known, name], "x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"judged": "prms"}, "`judged` is 'prms', not none or prm or confidence"),
        ({"draws": "serch"}, "`draws` is 'serch', not greedy or pool or search"),
        ({"growth": None}, "has `growth` where it draws a search, and nowhere else"),
        ({"draws": "pool"}, "has `growth` where it draws a search, and nowhere else"),
        ({"judged": "none"}, "a search is steered by a PRM"),
    ],
)
def test_a_method_that_no_one_would_run_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        replace(METHODS["rebase"], **change)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("methods/best_of_n", "kinds/methods: no file is a method that votes over a pool by a PRM (best_of_n.py)"),
        ("methods/cot", "kinds/methods: no file is a method that draws one greedy answer (cot.py)"),
        ("votes/prm_vote", "error: workflow/studies/smoke.yaml: vote: input should be 'prm_max' (got 'prm_vote')"),
        ("votes/majority", "budgets: majority has no vote, since no file of kinds/votes is judged as it is"),
        ("engines/transformers", "policies.smoke-8k.engine: input should be 'served' or 'vllm' (got 'transformers')"),
    ],
)
def test_a_study_that_needs_a_file_that_was_taken_away_is_told_so_before_it_runs(gone, said, clone, tmp_path):
    file = clone / f"workflow/ttstudy/kinds/{gone}.py"
    kept = file.rename(tmp_path / "kept.py")
    run = started(clone)
    kept.rename(file)
    assert run.returncode == 1 and said in run.stderr.splitlines()[-1]


def test_a_default_score_that_was_taken_away_is_missed_and_another_may_be_named(monkeypatch):
    left = {"min": 0, "avg": 0}
    monkeypatch.setattr("ttstudy.study.whole.SCORES", left)
    with pytest.raises(StudyError, match="search.score: there is no 'last'; name one of min, avg"):
        from_mapping(smoke(score="min"))
    assert from_mapping(smoke(score="min", search={"score": "min"})).search.score == "min"


@pytest.mark.parametrize("method", ["rebase", "best_of_n"])
def test_a_policys_own_budgets_need_a_prm_as_the_studys_do(method):
    config = smoke(prms={}, budgets={"majority": [8]}, budgets_of={"smoke-8k": {method: [8]}})
    with pytest.raises(StudyError, match=f"prms: none is defined, but budgets_of.smoke-8k.{method} needs one"):
        from_mapping(config)


def test_a_study_of_confidence_votes_alone_needs_no_prm():
    assert from_mapping(smoke(prms={}, budgets={"confidence": [1, 8]})).methods == ["cot", "confidence", "coverage"]


def test_the_page_of_a_study_without_a_prm_names_none():
    tables = report_world.world(problems=20, policies={"mini-20k": 20_416}, prms={}, budgets=(4,), explored=0)
    html, _ = report.render(tables, report_world.CONTEXT)
    assert "In a claim, TTS takes the best PRM too" in html and "TTS is with" not in html


def test_a_section_may_not_be_named_as_a_part_that_the_page_has_itself():
    tables = report_world.world(problems=20, policies=dict([*report_world.POLICIES.items()][:2]), budgets=(4,))
    html, _ = report.render(tables, report_world.CONTEXT)
    assert sections.TAKEN >= set(re.findall(r' id="([a-z]+)"', html)) - set(sections.SECTIONS) > {"answer", "appendix"}
    for name in sections.TAKEN:
        with pytest.raises(StudyError, match=f"report/sections/{name}.py: the page has a part `{name}` already"):
            sections.anchored({name: sections.SECTIONS["cot"]})


def test_the_text_of_a_claim_names_methods_and_keeps_its_words():
    text = "best_of_n over dvts and majority; the majority vote with 95 % confidence, by dvts-tuned and my_dvts: -1"
    told = cards._written(text)
    assert told.startswith("best-of-N over DVTS and majority. The majority vote with 95 % confidence, ")
    assert told.endswith("by dvts-tuned and my_dvts: −1")


# -- of someone else -------------------------------------------------------------------------------------------------

CELLS = {
    ("p", "none", "cot", 1, "none", "none"): [0.0, 1.0, 1.0],
    ("p", "judge", "parallel", 4, "product", "prm_mean"): [1.0, 1.0, 1.0],
}


def test_a_study_with_methods_scores_and_votes_that_are_not_here_can_be_compared(tmp_path):
    values = outcomes(CELLS)
    folder = tmp_path / "theirs/tables"
    folder.mkdir(parents=True)
    values.to_parquet(folder / "outcomes.parquet")
    accuracy_table(values).to_parquet(folder / "accuracy.parquet")
    with pytest.raises(tables.TableError, match=r"column method: not one of cot, majority, .*'parallel'"):
        tables.read("outcomes", folder / "outcomes.parquet")
    spec = importlib.util.spec_from_file_location("compare_script", ROOT / "scripts/compare.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    sides = [script.read(name, folder.parent) for name in ("mine", "theirs")]
    found = compared.tables(sides[0], sides[1:])
    assert set(found["cells"]["method"]) == {"cot", "parallel"}
    page.build(sides[0], sides[1:], found, {"mine": "a", "theirs": "b"}, tmp_path / "page.html")
    assert "parallel" in (tmp_path / "page.html").read_text()


def test_a_last_report_that_had_a_method_that_is_gone_is_told_as_that(tmp_path):
    layout = open_layout(from_mapping(smoke()), tmp_path)
    folder = tmp_path / layout.folder
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("a page")
    config = layout.study.model_dump(mode="json") | {"budgets": {"majority": [8], "parallel": [8]}}
    (folder / "provenance.json").write_text(json.dumps({"config": config, "code": {}}))
    said = changes.summary(layout).splitlines()[-1]
    assert said.startswith("The last report was made by a configuration that is none any more: ")
    assert "provenance.json: budgets.parallel: unknown key" in said


def test_a_file_of_kinds_that_is_gone_is_named_as_the_cause_of_what_it_costs(tmp_path):
    before = provenance.code() | {"workflow/ttstudy/kinds/votes/gone.py": "0", "workflow/ttstudy/answers/gone.py": "0"}
    ((words, touches),) = changes._files(before)
    assert words == "workflow/ttstudy/kinds/votes/gone.py is gone"
    steps = {job.rule: touches(Left(job, Why.OTHER)) for job in jobs(open_layout(from_mapping(smoke()), tmp_path))}
    assert steps["outcomes"] and steps["report"] and not steps["train_policy"] and not steps["grade"]
