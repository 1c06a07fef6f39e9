"""Rehearsals: what stands in for what, which faults are named before they cost anything, and the mark on all of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.studies import ROOT, smoke
from ttstudy.dag import rehearsed, sides, stamps
from ttstudy.dag.layout import Layout, jobs, open_layout
from ttstudy.data import recorded, tables
from ttstudy.data.revisions import load
from ttstudy.errors import StudyError
from ttstudy.kinds.formats import FORMATS, HeadFormat
from ttstudy.kinds.methods import BUDGETED
from ttstudy.models import facts
from ttstudy.models.architecture import Architecture
from ttstudy.models.catalogue import CATALOGUE
from ttstudy.report import page
from ttstudy.report import rehearsal as told
from ttstudy.run import preflight, recordings, simulation, steps
from ttstudy.run.rehearsal import box as boxes
from ttstudy.run.rehearsal import faults, onvllm, sampled, shrunk, standins
from ttstudy.study import from_mapping

PAPER = load(ROOT / "workflow/studies/paper.yaml")
HUB = {
    "study": "small",
    "benchmarks": {
        "asked": {"source": "hub", "id": "some/problems", "columns": {"problem": "question", "problem_id": "key"}}
    },
    "policies": {
        "llama": {"source": "hub", "id": "meta-llama/Llama-3.2-1B-Instruct", "prompt": "llama", "engine": "vllm"},
        "unheard-of": {"source": "hub", "id": "nobody/Unheard-Of-3B", "prompt": "plain"},
        "gpt": {"source": "openai", "model": "gpt-x", "key_variable": "SOME_KEY", "prompt": "qwen"},
    },
    "references": ["gpt"],
    "prms": {"prm": {"source": "hub", "id": "Qwen/Qwen2.5-Math-PRM-7B", "engine": "vllm"}},
    "labelled": {"marked": {"source": "hub", "id": "some/marked", "file": "a.json", "format": "processbench"}},
    "budgets": {"majority": [16, 256], "best_of_n": [16, 256], "beam_search": [16]},
}


def of(config: dict) -> Layout:
    return Layout(from_mapping(config))


def write_problems(folder: Path, rows: int = 9, answer: str = "answer") -> str:
    path = folder / "problems.jsonl"
    made = ({"problem_id": f"p{n}", "problem": f"What is {n} + 1?", answer: str(n + 1)} for n in range(rows))
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return str(path)


def lines_of(path: Path | str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


# -- what stands in for what ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", facts.table()["models"])
def test_a_stand_in_is_of_its_models_own_kind(id):
    real = facts.shape_of(id)
    form = CATALOGUE[id].format if id in CATALOGUE else None
    stand = standins.of_model(id, id, facts.config_of(id), form)
    tiny = Architecture.of(standins.tiny.shrunk(stand.config, 512, standins.CONTEXT))
    for same in ("model_type", "qkv_bias", "tied", "groups", "head_dim", "rope_scaling", "window"):
        assert getattr(tiny, same) == getattr(real, same), same
    assert tiny.layers == 2 and tiny.context == min(real.context, standins.CONTEXT) and not stand.why
    family = "deepseek" if "R1" in id else "qwen" if real.model_type == "qwen2" else "llama3"
    assert stand.family is standins.FAMILIES["mistral" if real.vocabulary == 32000 else family]


@pytest.mark.parametrize("family", ["qwen", "llama3", "deepseek", "mistral"])
def test_a_policys_stand_in_writes_steps_boxes_and_ends(tmp_path, family):
    from ttstudy.policies.native import NativeEngine
    from ttstudy.policies.protocol import Request, Sampling

    stand = standins.StandIn("p", standins.LLAMA, standins.FAMILIES[family], answers=("3", r"\frac{1}{2}"))
    engine = NativeEngine(stand.write(tmp_path / "p"), dtype="bfloat16")
    prompt = tuple(engine.encode_chat([{"role": "user", "content": "What is 1 + 1?"}]))
    drawn = engine.generate([Request(prompt, Sampling(temperature=0.7, max_tokens=48), seed) for seed in range(60)])
    text = "".join(each.text for each in drawn)
    assert r"\boxed{3}" in text and r"\boxed{\frac{1}{2}}" in text and "\n\n" in text
    assert Counter(each.finish for each in drawn)["eos"] > 5


@pytest.mark.parametrize("form", [name for name, form in FORMATS.items() if isinstance(form, HeadFormat)])
def test_a_prms_stand_in_is_read_in_its_own_format(tmp_path, form):
    from ttstudy.prms import open_reward_model

    id = next(id for id, known in CATALOGUE.items() if known.format == form)
    stand = standins.of_model(id, id, facts.config_of(id), form)
    model = open_reward_model(stand.write(tmp_path / "prm"), device="cpu", format=form)
    scores = [model.score("What is 1 + 1?", [f"We take {n}.", "It is 2."]) for n in range(12)]
    assert all(0 < value < 1 for row in scores for value in row)
    assert len({row[0] for row in scores}) > 6


def test_what_nothing_tells_of_gets_a_llama_and_says_so():
    stand = standins.of_model("odd", "nobody/Odd-1B", None)
    assert stand.config["model_type"] == "llama" and "a Llama stands in" in stand.words()
    strange = standins.of_model("odd", None, {"model_type": "mamba"})
    assert "model type 'mamba'" in strange.words()


def test_a_models_own_folder_gives_its_template_and_special_tokens(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"added_tokens": [{"content": "<|mine|>", "special": true}]}')
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages[0].content }}!"}')
    config = facts.config_of("Qwen/Qwen2.5-0.5B-Instruct")
    stand = standins.of_model("mine", None, config, folder=tmp_path)
    made = stand.write(tmp_path / "made")
    assert json.loads((made / "tokenizer_config.json").read_text())["chat_template"].endswith("!")
    assert "<|mine|>" in (made / "tokenizer.json").read_text() and "its own chat template" in stand.words()


# -- the study that is run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["paper", "paper-newer", "miniature-full", "smoke", "validation"])
def test_every_rule_model_and_prm_format_of_a_shipped_study_is_rehearsed(name, tmp_path):
    study = load(ROOT / f"workflow/studies/{name}.yaml")
    made = shrunk.shrink(Layout(study, ROOT), tmp_path, 2)
    small = from_mapping(made.study)
    # Jobs of minutes are not shared out, so nothing joins them: the page says that those rules were not run.
    whole = {rule for rule in sampled.by_rule(open_layout(study, ROOT)) if not rule.startswith("join_")}
    assert whole == set(sampled.by_rule(open_layout(small)))
    assert list(small.policies) == list(study.policies) and list(small.prms) == list(study.prms)
    named = {f"policies.{each}" for each in study.policies} | {f"prms.{each}" for each in study.prms}
    assert named <= set(made.replaced)
    paired = {policy for policies in made.taken.pairs.values() for policy in policies}
    assert paired == {policy for policy in study.policies if study.prms_of(policy)}
    for prm, policies in made.taken.pairs.items():
        assert set(policies) <= {policy for policy in study.policies if prm in study.prms_of(policy)}
        searched = [policy for policy in policies if small.can_search(policy)]
        assert searched, f"no search with {prm}"
    assert small.methods == study.methods
    assert list(small.labelled) == list(study.labelled)[:1]  # four files of one data set are read alike
    assert len(jobs(open_layout(small))) < 700


def test_one_policy_a_prm_of_each_format_and_one_search_run_on_vllm_where_it_is(tmp_path, monkeypatch):
    made = shrunk.shrink(Layout(PAPER, ROOT), tmp_path, 2)
    monkeypatch.setattr(onvllm.environment, "cpu_build", lambda: True)
    layout = open_layout(from_mapping(onvllm.on_vllm(PAPER, made)))
    wanted = onvllm.wanted_of(layout)
    assert Counter(job.rule for job in wanted) == {"sample": 1, "score": 4, "search": 1}
    assert {job.spec.judge.format for job in wanted if job.rule == "score"} == {
        name for name, form in FORMATS.items() if isinstance(form, HeadFormat)
    }
    assert {engine for job in wanted for engine in steps._engines(job.spec)} == {"vllm"}
    monkeypatch.setattr(onvllm.environment, "cpu_build", lambda: False)
    assert onvllm.on_vllm(PAPER, made) is None


def test_methods_that_were_compared_at_equal_n_still_are():
    taken = sampled.sample(from_mapping(smoke(budgets={"majority": [2, 8], "best_of_n": [2, 8], "beam_search": [8]})))
    assert taken.budgets_of[taken.wide] == {"majority": [2, 8], "best_of_n": [2, 8], "beam_search": [8]}
    assert taken.budgets == {"majority": [4], "best_of_n": [4], "beam_search": [4]}
    large = sampled.sample(PAPER).budgets_of["Llama-3.2-1B-Instruct"]
    assert large == {"majority": [1, 4, 8], "best_of_n": [1, 4, 8], "beam_search": [4, 8], "dvts": [4, 8]}
    assert set(large) <= set(BUDGETED)


def test_a_benchmark_is_its_first_problems_where_its_file_is_here(tmp_path):
    config = smoke(benchmarks={"mine": {"source": "file", "path": write_problems(tmp_path), "sha256": "0" * 64}})
    made = shrunk.shrink(of(config), tmp_path / "to", 3)
    rows = lines_of(made.study["benchmarks"]["mine"]["path"])
    assert [row["problem_id"] for row in rows] == ["p0", "p1", "p2", "p3"] and made.answers == ["1", "2", "3", "4"]
    assert "the first 4 problems" in made.replaced["benchmarks.mine"]


def test_made_up_problems_have_the_columns_that_the_study_names(tmp_path):
    made = shrunk.shrink(of(HUB), tmp_path, 3)
    (file,) = (tmp_path / "hub/datasets/some/problems").iterdir()
    assert file.name == "test.jsonl" and {"question", "key", "answer"} <= set(lines_of(file)[0])
    assert made.variables == {"TTSTUDY_REHEARSAL_ENDPOINT": shrunk.ENDPOINT, "SOME_KEY": shrunk.DUMMY}


def table_of(path: Path) -> tuple[pd.DataFrame, list[str]]:
    frame, _ = recorded.load(path)
    return frame, list(map(str, frame))


def test_our_own_engine_stands_in_for_a_running_server(tmp_path):
    served = {"prm": {**HUB["prms"]["prm"], "engine": "served", "served": {"url": "$WHERE"}}}
    layout = of(HUB | {"prms": served})
    made = shrunk.shrink(layout, tmp_path, 2)
    assert from_mapping(made.study).prms["prm"].engine == "transformers"
    assert "set WHERE: the address of the server of prm" in list(faults.before(layout.study, "x.yaml"))


def test_made_up_recorded_responses_serve_the_shipped_study(tmp_path, monkeypatch):
    monkeypatch.delenv("TTSTUDY_RECORDED", raising=False)
    study = load(ROOT / "workflow/studies/recorded.yaml")
    made = shrunk.shrink(Layout(study), tmp_path, 2)
    path = Path(made.study["policies"]["recorded-policy"]["path"])
    assert len(recorded.load(path)[0]) == 2 * (1 + shrunk.PILOT + 2 * sampled.WIDTH)
    recordings.fits(from_mapping(made.study), "recorded-policy", *table_of(path))
    assert not made.faults


# -- what would fail -----------------------------------------------------------------------------------------------


def refusals(config: dict, box: str) -> str:
    size = boxes.parse(box)
    return "\n".join(boxes.refused(boxes.places(open_layout(from_mapping(config)), size)))


def test_a_72b_without_tensor_parallel_is_named_with_the_key_that_helps():
    entry = {"source": "hub", "id": "Qwen/Qwen2.5-72B-Instruct", "engine": "vllm", "prompt": "qwen"}
    config = HUB | {"policies": HUB["policies"] | {"big": entry}}
    small, large = refusals(config, "4x24"), refusals(config, "8x80")
    assert small.startswith("6 jobs (sample with policies.big and others): policies.big: needs 149.1 GiB")
    assert "use GPUs with more memory, or more of them" in small
    assert large.endswith("set policies.big.vllm.tensor_parallel: 4")
    split = entry | {"vllm": {"tensor_parallel": 4}}
    assert refusals(HUB | {"policies": HUB["policies"] | {"big": split}}, "8x80") == ""


def test_the_whole_paper_fits_the_box_that_its_header_names():
    assert boxes.refused(boxes.places(open_layout(PAPER, ROOT), boxes.parse("8x80"))) == []


@pytest.mark.parametrize("text", ["8", "8x", "x80", "0x80", "8x80x2", "many"])
def test_a_box_that_is_none_is_refused(text):
    with pytest.raises(StudyError, match="so many x so many GB"):
        boxes.parse(text)


def test_contexts_that_leave_no_room_fail_and_those_that_cut_are_told():
    tight = {**HUB["policies"]["llama"], "vllm": {"max_model_len": 64}}
    failing, _ = faults.contexts(of(HUB | {"policies": HUB["policies"] | {"llama": tight}}))
    assert len(failing) == 1 and failing[0].startswith("policies.llama.vllm.max_model_len: a prompt of about")
    failing, cut = faults.contexts(Layout(PAPER, ROOT))
    assert not failing
    assert any(line.startswith("prms.Skywork-PRM-1.5B and 3 more: solutions of up to 8,192 tokens") for line in cut)
    first = next(line for line in cut if line.startswith("policies.Llama-3.2-1B-Instruct.vllm.max_model_len and 10 "))
    assert first.endswith("a long prompt and 8,192 new tokens are more than the context of 8,192, where responses end")
    stern = {"prm": {**HUB["prms"]["prm"], "overflow": "refuse"}}
    failing, _ = faults.contexts(of(HUB | {"prms": stern}))
    assert len(failing) == 1 and "`overflow: refuse` ends the job at the first" in failing[0]
    failing, _ = faults.contexts(of(HUB))
    assert not failing
    # A reference draws its one answer, which fits.
    assert not any("Math-7B" in line for line in cut)
    wide = {**HUB["policies"]["llama"], "vllm": {"max_model_len": 10**6}}
    failing, _ = faults.contexts(of(HUB | {"policies": HUB["policies"] | {"llama": wide}}))
    assert "more than the model's own context, 131,072" in failing[0]


def test_a_wrong_column_a_missing_file_and_a_missing_folder_are_named_and_the_rest_is_rehearsed(tmp_path):
    config = smoke(
        benchmarks={
            "wrong": {"source": "file", "path": write_problems(tmp_path, answer="gold")},
            "gone": {"source": "file", "path": str(tmp_path / "gone.jsonl")},
        }
    )
    config["policies"] |= {"mine": {"source": "checkpoint", "path": str(tmp_path / "nowhere")}}
    layout = of(config)
    named = "\n".join(faults.of_inputs(layout))
    assert "benchmarks.wrong: " in named and "no column 'answer'" in named
    assert "gone.jsonl" in named and "policies.mine.path: " in named
    made = shrunk.shrink(layout, tmp_path / "to", 2)
    assert len(jobs(open_layout(from_mapping(made.study)))) > 20
    assert len(jobs(faults.mended(layout, made.study))) > 20


def test_recorded_files_that_lack_a_prm_or_responses_are_named(tmp_path, monkeypatch):
    study = load(ROOT / "workflow/studies/recorded.yaml")
    small = shrunk.shrink(Layout(study), tmp_path, 2)
    rows = lines_of(small.study["policies"]["recorded-policy"]["path"])
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("TTSTUDY_RECORDED", str(path))
    made = shrunk.shrink(Layout(study), tmp_path / "few", 2)
    assert len(made.faults) == 1 and "12 recorded responses, but 32 are needed" in made.faults[0]
    path.write_text("".join(json.dumps({k: v for k, v in r.items() if "internlm2-7b" not in k}) + "\n" for r in rows))
    with pytest.raises(StudyError, match=r"no column 'scores.internlm2-7b-reward'"):
        recordings.fits(from_mapping(small.study), "recorded-policy", *table_of(path))


def test_what_is_to_be_set_before_the_start_is_listed(monkeypatch):
    for name in ("OPENAI_API_KEY", "LLAMA_405B_URL", "DEEPSEEK_R1_URL"):
        monkeypatch.delenv(name, raising=False)
    lines = "\n".join(faults.before(PAPER, "paper.yaml"))
    assert "set LLAMA_405B_URL: the address" in lines and "set OPENAI_API_KEY: the key" in lines
    assert re.search(r"pin \d+ models and data sets|^(?!.*pin_revisions)", lines)


# -- simulated GPUs ------------------------------------------------------------------------------------------------


def test_devices_are_held_through_the_real_locks_and_two_jobs_never_share_one(tmp_path):
    simulation.set_up(tmp_path / "box", ["simulated-0", "simulated-1"], {("p", ""): 2, ("p", "r"): 1})
    assert simulation.wanted(tmp_path / "box", "p", None) == 2 and simulation.wanted(tmp_path / "box", "q", None) == 0
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"step": "sample", "spec": {"outputs": {"output": "made.parquet"}}}))
    own = {simulation.FOLDER: str(tmp_path / "box"), "PYTHONPATH": str(ROOT / "workflow")}
    say = "import os; print(repr(os.environ['CUDA_VISIBLE_DEVICES']), os.environ['TTSTUDY_GPUS'])"
    command = [sys.executable, str(ROOT / "scripts/launch.py"), "2", sys.executable, "-c", say, "--spec", str(spec)]
    run = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["''", "0"]  # no real device is seen, and none is asked for
    (hold,) = simulation.holds(tmp_path / "box", tmp_path)
    assert hold.devices == ("simulated-0", "simulated-1") and hold.end is None


def test_a_device_that_two_jobs_held_at_one_time_is_found():
    one, other = (simulation.Hold(name, ("0", "1"), start, start + 5) for name, start in (("a", 0.0), ("b", 4.0)))
    assert [device for device, _, _ in simulation.overlaps([other, one])] == ["0", "1"]
    assert simulation.overlaps([one, other._replace(start=5.0)]) == []
    assert simulation.overlaps([one, other._replace(devices=("2",))]) == []


# -- the mark ------------------------------------------------------------------------------------------------------


@pytest.fixture()
def rehearsing(monkeypatch):
    monkeypatch.setenv(rehearsed.VARIABLE, "small")


def test_every_template_marks_its_page_headings_and_captions(rehearsing):
    templates = ROOT / "reports/templates"
    for path in templates.glob("*.html.j2"):
        text = path.read_text()
        assert path.name in ("page.html.j2", "macros.html.j2") or "page.html.j2" in text, path.name
        for tag in ("h2", "figcaption", "caption"):
            for found in re.findall(rf"<{tag}[ >].*", text):
                assert "marked(" in found or not re.search(r"{{", found), found
    assert 'class="rehearsal"' in (templates / "page.html.j2").read_text()
    printed = (templates / "report.css").read_text().split("@media print")[1]
    assert ".rehearsal { position: fixed" in printed


def test_a_table_tells_that_it_is_a_rehearsals_and_a_comparison_refuses_it(rehearsing, tmp_path):
    frame = pd.DataFrame(columns=[c.split(":")[0] for c in tables.COLUMNS["accuracy"].split()])
    for name in sides.NEEDED:
        tables.write(name, tables.empty(name), tmp_path / "tables" / f"{name}.parquet")
    assert frame.empty and stamps.note(tmp_path / "tables/accuracy.parquet", "rehearsal") == "small"
    with pytest.raises(StudyError, match="baseline: .* is a rehearsal, of tiny stand-ins"):
        sides.find("baseline", str(tmp_path))


def test_nothing_of_a_rehearsal_is_what_a_real_run_asks_for(tmp_path, monkeypatch):
    study = from_mapping(smoke())

    def digests() -> set[str]:
        # A model that is trained by its definition is the same model in both.
        return {job.spec.digest for job in jobs(open_layout(study)) if not job.rule.startswith("train_")}

    real = digests()
    monkeypatch.setenv(rehearsed.VARIABLE, "smoke")
    assert len(real) > 40 and not real & digests()
    (tmp_path / rehearsed.WORD).write_text("")
    rehearsed.refuse_mixture(tmp_path)
    with pytest.raises(StudyError, match="never works in a real one"):
        rehearsed.refuse_mixture(tmp_path / "other")
    monkeypatch.delenv(rehearsed.VARIABLE)
    with pytest.raises(StudyError, match="holds a rehearsal, of tiny stand-ins; give another folder"):
        preflight.results_folder(tmp_path)


def test_figures_carry_the_mark(rehearsing):
    from ttstudy.report.figures.style import clean

    drawn = clean('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>', "k", "Accuracy", "words")
    assert "REHEARSAL, no result" in drawn and "REHEARSAL · Accuracy" in drawn


def test_a_real_page_has_no_such_mark():
    assert rehearsed.marked("Accuracy") == "Accuracy"
    none = dict.fromkeys(("baseline", "headline", "moved"), "")
    lists = {name: [] for name in ("candidates", "sentences", "numbers", "sections", "closed", "downloads")}
    assert "REHEARSAL" not in page.render("comparison.html.j2", **none, **lists, folders={})


# -- from end to end -----------------------------------------------------------------------------------------------


def files(*folders: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess, dict]:
    """A small study of hub models, an endpoint and a PRM, rehearsed on two GPUs; and what changed elsewhere."""
    root = tmp_path_factory.mktemp("rehearsal")
    (root / "study.yaml").write_text(yaml.safe_dump(HUB))
    watched = [ROOT / name for name in ("results", ".snakemake") if (ROOT / name).exists()]
    before = files(*watched)
    started = time.time()
    command = [sys.executable, str(ROOT / "scripts/rehearse.py"), str(root / "study.yaml"), "--gpus", "2x80"]
    command += ["--no-vllm", "--problems", "2", "--into", str(root / "to")]
    own = {key: value for key, value in os.environ.items() if key != "SOME_KEY"}
    run = subprocess.run(command, cwd=root, env=own | {"PYTHONPATH": str(ROOT / "workflow")}, capture_output=True,
                         text=True, timeout=1400)  # fmt: skip
    after = files(*watched)
    ours = {path: at for path, at in after.items() if before.get(path) != at and at / 1e9 >= started}
    return root, run, {path for path in ours if "PYTEST" not in path.name and "small" in str(path)}


def test_a_small_hub_study_is_rehearsed_to_its_report(small):
    root, run, _ = small
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    found = json.loads((root / "to/small/summary.json").read_text())
    assert found["left"] == 0 and not found["failed"] and told.passed(found)
    assert found["devices"]["held"] > 3 and found["devices"]["shared"] == []
    assert {rule for rule, ran, _, _, _ in found["rules"] if ran == 0} == set()
    accuracy = pd.read_parquet(root / "to/small/results/studies/small/tables/accuracy.parquet")
    assert set(accuracy["policy"]) == {"llama", "unheard-of", "gpt"}
    assert "Nothing was found that would fail on 2 GPUs of 80 GB" in run.stdout and "set SOME_KEY" in run.stdout


def test_its_pages_figures_and_tables_are_marked(small):
    root, _, _ = small
    pages = list((root / "to").rglob("*.html"))
    assert {path.name for path in pages} == {"report.html", "rehearsal.html", "live.html"}
    for path in pages:
        text = path.read_text()
        assert 'class="rehearsal"' in text and "<title>REHEARSAL · " in text
        for heading in re.findall(r"<(?:h1|h2|figcaption)[^>]*>(.*)</", text):
            assert heading.startswith("REHEARSAL · "), heading
        for caption in re.findall(r"<caption><span>(.*)</span>", text):
            assert caption.startswith("REHEARSAL · ") or "named as its file" in caption, caption
    for path in (root / "to").rglob("*.svg"):
        assert "REHEARSAL, no result" in path.read_text()
    for path in (root / "to/small/results").rglob("*.parquet"):
        assert stamps.note(path, "rehearsal") == "small", path


def test_nothing_is_written_outside_of_it(small):
    root, _, elsewhere = small
    assert not elsewhere
    assert {path.name for path in root.iterdir()} == {"study.yaml", "to"} and {
        path.name for path in (root / "to").iterdir()
    } == {"small"}


def test_a_key_that_is_unknown_and_a_folder_of_somebody_else_are_one_sentence(tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(HUB | {"budgetz": {}}))
    command = [sys.executable, str(ROOT / "scripts/rehearse.py"), str(tmp_path / "study.yaml"), "--into", str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
                         capture_output=True, text=True)  # fmt: skip
    assert run.returncode == 1 and "budgetz: unknown key" in run.stderr and "Traceback" not in run.stderr
    (tmp_path / "small").mkdir()
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(HUB))
    run = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
                         capture_output=True, text=True)  # fmt: skip
    assert run.returncode == 1 and "is no rehearsal's folder" in run.stderr
