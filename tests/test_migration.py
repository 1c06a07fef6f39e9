"""Results of an earlier version: found, moved and stamped, so that none is made again; and refused before that.

`tests/data/frozen-43d49e7` was made by commit 43d49e7: `made` is what it had in `results` after `study.yaml` (without
its own tables, logs and most grades), `paths.json` the places that it had for all results of each study there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests import paths
from tests.studies import ROOT, copy_repository, environment, planned, snakemake
from ttstudy.dag import fingerprint, stamps
from ttstudy.dag.cells import Cell, PoolBlock
from ttstudy.dag.generation import labelled_scores_spec, responses_spec
from ttstudy.dag.inputs import benchmark_spec, imported_spec
from ttstudy.dag.layout import Layout, jobs, open_layout
from ttstudy.dag.models import weights
from ttstudy.data import benchmarks, recorded, tables
from ttstudy.errors import StudyError
from ttstudy.run import integrity, migration, preflight
from ttstudy.run.legacy import Legacy
from ttstudy.study import from_mapping, read_yaml
from ttstudy.study.methods import Search

FROZEN = Path(__file__).parent / "data" / "frozen-43d49e7"
COUNTS = {
    "checkpoints": 2,
    "imported tables": 1,
    "benchmarks": 1,
    "labelled solutions": 1,
    "responses": 9,
    "scores": 7,
    "searches": 3,
}
LIGHT = {
    *("grade", "grade_search", "label", "difficulty", "outcomes", "ledger", "adaptive", "explorer", "training"),
    *("examine", "accuracy", "findings", "graders", "diagnostics", "strategy", "headline", "claims", "report"),
}


def frozen(root: Path) -> Path:
    """A folder to work in, with the results as they were."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(FROZEN / "made", root / "results")
    shutil.copytree(FROZEN / "given", root / "given")
    shutil.copy(FROZEN / "study.yaml", root)
    return root


@pytest.fixture()
def old(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(frozen(tmp_path / "old"))
    return Path()


def opened(file: str = "study.yaml", **changes) -> Layout:
    return open_layout(from_mapping(read_yaml(Path(file)) | changes, file))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def moved(tallies: dict[str, migration.Tally]) -> dict[str, int]:
    return {kind: tally.moved for kind, tally in tallies.items()}


def there(tallies: dict[str, migration.Tally]) -> dict[str, int]:
    return {kind: tally.there for kind, tally in tallies.items()}


def moves(layout: Layout) -> list[tuple[str, str]]:
    """(old place, new place) of all that would move."""
    return [move for tally in migration.migrate(layout, dry=True).values() for move in tally.moves]


def place(kind: str, *names: str, layout: Layout) -> Path:
    """An old place."""
    return Path(getattr(Legacy(layout), kind)(*names))


@pytest.mark.parametrize("file", ["study.yaml", "every.yaml"])
def test_the_place_of_every_old_result_is_known(file, monkeypatch):
    monkeypatch.chdir(FROZEN)
    then = Legacy(opened(file))
    for key, wanted in json.loads(Path("paths.json").read_text())[file].items():
        kind, *names = key.split(" ")
        names = names[::-1] if kind == "imported" else names
        assert getattr(then, kind)(*names) == wanted, key


def test_after_it_nothing_that_a_model_made_is_planned_and_the_study_runs_to_its_report(tmp_path):
    root = copy_repository(frozen(tmp_path / "repository"))
    config = Path("study.yaml")
    said = snakemake(root, config, "--dry-run", ok=False)
    assert "was made by an earlier version" in said and "Traceback" not in said
    command = [sys.executable, "scripts/migrate.py", "study.yaml"]
    run = subprocess.run(
        command, cwd=root, env=environment() | {"PYTHONPATH": "workflow"}, capture_output=True, text=True, timeout=120
    )
    lines = [f"{kind}: {count} brought over, 0 there already" for kind, count in COUNTS.items()]
    assert (run.returncode, run.stdout.splitlines()) == (0, lines), run.stderr
    assert set(planned(root, config)) == LIGHT
    made = {path: content for path, content in tree(root / "results").items() if not path.startswith(".")}
    snakemake(root, config)
    assert planned(root, config) == {}
    after = tree(root / "results")
    for path, content in made.items():
        assert "-boxed." in path or ".labels." in path or after[path] == content, path


def test_every_moved_table_has_the_rows_that_it_had(old):
    before = {path: pq.read_table(f"results/{path}") for path in tree(old / "results") if path.endswith(".parquet")}
    layout = opened()
    places = sorted(moves(layout), reverse=True)
    migration.migrate(layout)
    compared = 0
    for path, table in before.items():
        lay = f"results/{path}"
        old_place, new_place = next(((a, b) for a, b in places if lay == a or lay.startswith(f"{a}/")), (lay, lay))
        now = pq.read_table(new_place + lay.removeprefix(old_place))
        assert now.equals(table) and now.schema.equals(table.schema), path
        assert (table.schema.metadata or {}).items() <= (now.schema.metadata or {}).items()
        compared += stamps.KEY.encode() in now.schema.metadata
    assert compared == sum(COUNTS.values()) - COUNTS["checkpoints"]


def test_twice_is_as_once(old):
    assert moved(migration.migrate(opened())) == COUNTS
    once = tree(old / "results")
    again = migration.migrate(opened())
    assert (moved(again), there(again)) == (dict.fromkeys(COUNTS, 0), COUNTS)
    assert tree(old / "results") == once


def test_a_dry_run_tells_what_would_be_and_changes_nothing(old):
    before = tree(old / "results")
    assert moved(migration.migrate(opened(), dry=True)) == COUNTS
    assert len(moves(opened())) == 19
    assert tree(old / "results") == before


class Killed(BaseException):
    """What ends a process."""


def test_killed_at_any_moment_it_goes_on_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(frozen(tmp_path / "whole"))
    migration.migrate(opened())
    wanted = tree(Path("results"))
    monkeypatch.chdir(frozen(tmp_path / "killed"))
    calls = {name: getattr(os, name) for name in ("rename", "replace")}
    left = 0

    def once(name: str):
        def call(*arguments):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            calls[name](*arguments)

        return call

    kills = 0
    while True:
        left = 1
        with monkeypatch.context() as patch:
            for name in calls:
                patch.setattr(os, name, once(name))
            try:
                migration.migrate(opened())
                break
            except Killed:
                kills += 1
        # Until the last thing has moved, no run makes it again.
        if moves(opened()):
            with pytest.raises(StudyError, match="make migrate"):
                preflight.check(opened())
    assert kills > 40
    assert tree(Path("results")) == wanted


def test_before_it_a_study_is_refused_in_one_sentence_and_after_it_in_none(old):
    layout = opened()
    with pytest.raises(StudyError) as told:
        preflight.check(layout)
    path = weights(layout, "drawn").path
    assert str(told.value) == (
        f"{path}: was made by an earlier version, and this run would make it again; bring all results over with "
        f"`make migrate CONFIG=...`, or delete {path.removesuffix('/training.json')}"
    )
    migration.migrate(layout)
    preflight.check(opened())


def _only(name: str) -> None:
    """Remove all results but those below a folder, and what they need to be asked for."""
    for path in Path("results").rglob("*"):
        if path.is_file() and not str(path).startswith(f"results/{name}"):
            path.unlink()


@pytest.mark.parametrize(
    "kept", ["models/prms", "imported", "benchmarks", "labelled/", "sums/asked/cot", "sums/drawn/beam_search"]
)
def test_any_old_result_alone_is_refused(old, kept):
    _only(kept)
    with pytest.raises(StudyError, match=f"results/{kept}.*earlier version"):
        migration.refuse(opened())
    migration.migrate(opened())
    migration.refuse(opened())


def test_old_results_that_the_study_does_not_ask_for_are_not_refused(old):
    _only("sums/drawn/beam_search")
    migration.refuse(opened(budgets={"majority": [2]}))


def test_where_nothing_old_lies_no_table_is_opened_and_nothing_heavy_loaded(tmp_path):
    program = (
        "import sys; from pathlib import Path; from ttstudy.run import migration; "
        "from ttstudy.data.revisions import load; "
        "from ttstudy.dag.layout import open_layout; layout = open_layout(load(sys.argv[1])); "
        "from ttstudy.dag.cells import cells; "
        "[Path('results', b, p).mkdir(parents=True) for b, p in cells(layout.study)]; migration.refuse(layout); "
        "assert not {'pyarrow', 'pandas', 'torch'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", program, str(ROOT / "workflow/studies/paper.yaml")]
    subprocess.run(command, cwd=tmp_path, env=environment() | {"PYTHONPATH": str(ROOT / "workflow")}, check=True)


def test_unfinished_parts_and_journals_go_along(old):
    layout = opened()
    asked, drawn = (place("pool", "sums", policy, "samples", layout=layout) for policy in ("asked", "drawn"))
    (asked / "0000-0001.parquet").rename(asked / "kept")
    (asked / ".0000-0001.parquet.journal").write_bytes(b"answers that were paid for\n")
    parts = drawn / ".0000-0001.parquet.parts" / "000000-000001"
    parts.mkdir(parents=True)
    (drawn / "0000-0001.parquet").rename(parts / "responses.parquet")
    scores = drawn / "scores" / place("scores", "sums", "drawn", "judge", "samples", layout=layout)
    (scores / ".0000-0001.parquet.parts").mkdir()
    labelled = place("labelled", "marked", layout=layout) / "scores"
    table = place("labelled_scores", "marked", "judge", layout=layout).name
    (labelled / table).unlink()
    (labelled / f".{table}.parts").mkdir()
    (labelled / f".{table}.parts" / "part").touch()
    tallies = migration.migrate(opened())
    assert [tallies[kind].unfinished for kind in ("responses", "scores")] == [2, 2]
    new = Path(paths.pool_folder(layout, "sums", "asked", "samples"))
    assert (new / ".0000-0001.parquet.journal").read_bytes() == b"answers that were paid for\n"
    new = Path(paths.pool_folder(layout, "sums", "drawn", "samples"))
    assert (new / ".0000-0001.parquet.parts/000000-000001/responses.parquet").is_file()
    new = Path(labelled_scores_spec(layout, "marked", "judge").product)
    assert (new.parent / f".{new.name}.parts" / "part").is_file() and not new.exists()


@pytest.mark.parametrize("kind", ["parts", "journal"])
def test_an_unfinished_result_alone_is_refused(old, kind):
    folder = place("pool", "sums", "asked", "samples", layout=opened())
    _only(str(folder.relative_to("results") / "none"))
    (folder / f".0000-0001.parquet.{kind}").touch()
    with pytest.raises(StudyError, match=r"0000-0001\.parquet: was made by an earlier version"):
        migration.refuse(opened())


def test_records_of_jobs_go_along(old):
    layout = opened()
    records = [path for path in tree(old / "results") if path.endswith(".job.json")]
    migration.migrate(layout)
    assert len([path for path in tree(old / "results") if path.endswith(".job.json")]) == len(records)
    for job in jobs(layout):
        product = Path(job.spec.product)
        product = product.parent if product.name in stamps.MARKERS else product
        if job.rule not in LIGHT:
            assert product.with_name(f".{product.name}.job.json").is_file(), product


def test_nothing_that_is_there_is_overwritten(old):
    layout = opened()
    pool = ("sums", "asked", "samples")
    new, lay = Path(paths.pool_folder(layout, *pool)), place("pool", *pool, layout=layout)
    problems = Path(benchmark_spec(layout, "sums").product)
    new.mkdir()
    for path in (new / "0000-0001.parquet", problems):
        path.write_bytes(b"mine")
    tallies = migration.migrate(opened())
    assert (new / "0000-0001.parquet").read_bytes() == problems.read_bytes() == b"mine"
    assert (lay / "0000-0001.parquet").is_file() and (lay / ".0000-0001.parquet.job.json").is_file()
    assert place("benchmark", "sums", layout=layout).is_file()
    assert Path(paths.scores(layout, "sums", "asked", "judge")).is_file()
    assert [reason[:28] for _, reason in tallies["benchmarks"].left] == ["not a whole Parquet file (Pa"]


def test_a_damaged_table_is_left_alone_and_named_and_the_others_are_brought_over(old):
    problems = place("benchmark", "sums", layout=opened())
    block = place("pool", "sums", "drawn", "pilot", layout=opened()) / "0000-0001.parquet"
    for path in (problems, block):
        content = path.read_bytes()
        path.write_bytes(content[:100] + bytes(20) + content[120:])
    assert integrity.fault(problems) and integrity.fault(block)
    tallies = migration.migrate(opened())
    for kind, path in (("benchmarks", problems), ("responses", block)):
        assert [name for name, _ in tallies[kind].left] == [str(path)]
    assert moved(tallies) == COUNTS | {"benchmarks": 0, "responses": 8}
    migration.refuse(opened())


def test_what_other_studies_made_in_the_same_folders_is_kept_for_them(old):
    pool = place("pool", "sums", "drawn", "samples", layout=opened())
    shutil.copy(pool / "0000-0001.parquet", pool / "0002-0003.parquet")
    fewer = {"pairs": {"judge": ["asked"], "noted": ["kept"]}}
    migration.migrate(opened(**fewer))
    migration.refuse(opened(**fewer))
    with pytest.raises(StudyError, match="scores/judge-.*earlier version"):
        migration.refuse(opened())
    rest = migration.migrate(opened())
    assert moved(rest) == dict.fromkeys(COUNTS, 0) | {"scores": 2, "searches": 3}
    more = opened(budgets={"majority": [4], "best_of_n": [2], "beam_search": [4]})
    spec = responses_spec(more, PoolBlock(Cell("sums", "drawn"), "samples", 2, 3))
    assert stamps.of(Path(spec.product))[:2] == (spec.digest, "output")


def test_a_stamp_says_what_a_run_of_today_would_say(old):
    layout = opened()
    migration.migrate(layout)
    problems = benchmark_spec(layout, "sums")
    frame, checksum = benchmarks.load(problems.settings)
    responses = recorded.load(Path("given/recorded.jsonl"))[0]
    for name, spec, rows in (("benchmark", problems, frame), ("recorded", imported_spec(layout, "kept"), responses)):
        table = pa.Table.from_pandas(tables.check(name, rows), preserve_index=False)
        path = Path(spec.product)
        assert stamps.of(path) == (spec.digest, "output", stamps.inputs(spec, lambda _: None), stamps.of_rows(table))
    assert stamps.note(Path(problems.product), "sha256") == checksum
    for job in jobs(layout):
        if job.rule not in LIGHT:
            read = stamps.inputs(job.spec, lambda path: stamps.of(Path(path)))
            for output, path in job.spec.outputs.items():
                assert stamps.of(Path(path))[:3] == (job.spec.digest, output, read)


def test_results_whose_checkpoint_is_gone_are_kept_and_told_of_it_when_it_is_back(old):
    layout = opened()
    folder = Path(weights(layout, "drawn").path).parent
    shutil.move(folder, "apart")
    assert moved(migration.migrate(opened()))["responses"] == 9
    drawn = responses_spec(layout, PoolBlock(Cell("sums", "drawn"), "samples", 0, 1))
    samples = Path(drawn.product)
    assert "?" in stamps.of(samples).inputs
    shutil.move("apart", folder)
    assert moved(migration.migrate(opened()))["checkpoints"] == 2  # it, and the PRM that learnt from it
    assert stamps.of(samples).inputs == stamps.inputs(drawn, lambda path: stamps.of(Path(path)))


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        ("sample", {"responses": 6, "scores": 5, "searches": 3}),
        ("score", {"scores": 2}),
        ("search", {"searches": 0}),
        ("benchmark", {"benchmarks": 0, "responses": 0, "scores": 1, "searches": 0}),
    ],
)
def test_what_a_later_version_makes_otherwise_is_not_taken_for_its_own(old, monkeypatch, step, kept):
    monkeypatch.setitem(fingerprint.VERSIONS, step, 2)
    assert moved(migration.migrate(opened())) == COUNTS | kept
    migration.refuse(opened())


@pytest.mark.parametrize(("value", "searches"), [(0, 3), (1, 0)])
def test_an_option_that_came_later_fits_old_results_at_its_default_alone(old, value, searches):
    class LongerSearch(Search):
        later: int = 0

    layout = opened()
    options = LongerSearch(**layout.study.search.model_dump(), later=value)
    layout = open_layout(layout.study.model_copy(update={"search": options}))
    assert moved(migration.migrate(layout)) == COUNTS | {"searches": searches}


def test_the_command_says_one_line_a_kind_and_errors_in_one_sentence(old):
    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, ROOT / "scripts/migrate.py", *arguments],
            env=environment() | {"PYTHONPATH": str(ROOT / "workflow")},
            capture_output=True,
            text=True,
            timeout=120,
        )

    before = tree(old / "results")
    lines = run("study.yaml", "--dry-run").stdout.splitlines()
    assert lines[0] == "checkpoints: 2 would be brought over, 0 there already"
    assert sum(line.startswith("would move: results/") for line in lines) == 19
    assert tree(old / "results") == before
    broken = yaml.safe_load(Path("study.yaml").read_text()) | {"seed": "x"}
    Path("broken.yaml").write_text(yaml.safe_dump(broken))
    for arguments in (["none.yaml"], ["broken.yaml"]):
        refused = run(*arguments)
        assert refused.returncode == 1 and refused.stderr.startswith("error: ") and refused.stderr.count("\n") == 1
    Path("elsewhere.yaml").write_text(Path("study.yaml").read_text() + "results: elsewhere\n")
    assert run("elsewhere.yaml").stdout == "elsewhere: there are no results yet\n"
    assert not Path("elsewhere").exists()
