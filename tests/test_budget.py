"""A GPU budget before the start: what models take, where they sit, what is refused and in which words. No GPU is here:
arithmetic from config.json, held against public logs of vLLM, and boxes that are simulated."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.studies import ROOT
from tests.test_layout import layout_of
from tests.test_study import small
from ttstudy.dag import models
from ttstudy.dag.cells import Cell, PoolBlock, Search
from ttstudy.dag.generation import responses_spec, scores_spec, search_spec
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.data.revisions import load
from ttstudy.errors import StudyError
from ttstudy.kinds.formats import FORMATS
from ttstudy.models import budget, facts
from ttstudy.models.budget import Gpu, Load, place
from ttstudy.policies import opening
from ttstudy.prms import open_prm, visible_to
from ttstudy.run import admission, demand, devices, gpus, placing, steps
from ttstudy.run.placing import Places
from ttstudy.study import from_mapping

STUDIES = {name: load(ROOT / f"workflow/studies/{name}.yaml") for name in ("paper", "paper-newer")}


@pytest.fixture(scope="module")
def paper():
    """The layout of paper.yaml, no job shared out, and its kinds of jobs."""
    layout = open_layout(STUDIES["paper"].model_copy(update={"max_job_hours": 1e6}), ROOT)
    return layout, admission.kinds(layout, jobs(layout))


def loaded(id: str, **more) -> Load:
    known = {"key": "policies.x", "engine": "vllm", "bytes": 2, "longest": 8192, "draws": True} | more
    return Load(shape=facts.shape_of(id), **known)


# -- what a model takes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_every_model_of_the_papers_studies_has_facts_with_a_source_or_a_reason_why_not(study):
    table = facts.table()
    for name, settings in [*study.policies.items(), *study.prms.items()]:
        if settings.source == "openai":
            assert settings.model in table["endpoints"] or settings.model in table["models"], name
            continue
        known = table["models"][settings.id]
        assert known["sources"] and set(known["sources"]) <= set(table["sources"]), name
        weights = loaded(settings.id).weights() * budget.GIB / 2
        assert weights == pytest.approx(settings.parameters, rel=0.01), name


def test_weights_and_cache_are_those_that_vllms_logs_tell_of_an_8b():
    """Logs on A100-80 (79.15 GiB) and A10G (22.07): weights 14.99 GiB; 28,123 and 2,356 blocks of 16 tokens."""
    model = loaded("meta-llama/Llama-3.1-8B-Instruct")
    assert model.weights() == pytest.approx(14.99, abs=0.05)
    assert 28123 * 16 * model.token() == pytest.approx(54.93, abs=0.02)
    assert 2356 * 16 * model.token() == pytest.approx(4.60, abs=0.01)
    # The pass that vLLM profiled took 1.2 GiB of an A100; ours is for batches twice as large, and errs upwards.
    assert 1.0 < model.passing(Gpu.sold_with(40)) < 1.5


def test_tensor_parallel_divides_weights_and_copies_heads_that_are_too_few():
    model = loaded("Qwen/Qwen2.5-72B-Instruct")
    assert model.widened(2).weights() == pytest.approx(model.weights() / 2, rel=0.001)
    assert model.widened(4).token() == model.token() / 4
    seven = loaded("Qwen/Qwen2.5-7B-Instruct")  # 28 heads, 4 of keys and values
    assert [width for width in budget.WIDTHS if seven.divides(width)] == [1, 2, 4]
    eight = loaded("Qwen/Qwen2.5-1.5B-Instruct")  # 2 of keys and values
    assert eight.widened(4).token() == eight.token() / 2


@pytest.mark.parametrize(
    ("mib", "name"),
    [(23028, "24 GB"), (24564, "24 GB"), (40960, "40 GB"), (81920, "80 GB"), (81559, "80 GB"), (97871, "96 GB"),
     (143771, "141 GB"), (46068, "45 GiB")],
)  # fmt: skip
def test_a_gpu_is_known_by_what_nvidia_smi_lists(mib, name):
    assert Gpu.listed_with(mib).name == name and Gpu.listed_with(mib).gib < mib / 1024


# -- the paper's grid --------------------------------------------------------------------------------------------


def scored(layout):
    """The spec of a PRM's scores of some responses."""
    return scores_spec(layout, PoolBlock(Cell("sums", "tiny"), "samples", 0, 3), "good")


def needs(layout, one) -> list[Load]:
    return [placing.load(layout, name) for name in (one.policy, one.prm) if name]


LABELLED = 7 * 4
"""Scorings of ProcessBench's four sets by the PRMs, beside the paper's own grid."""


@pytest.mark.parametrize("gb", [80, 96, 141])
def test_every_job_of_the_paper_has_a_place_on_eight_large_gpus_with_sums_under_their_capacity(paper, gb):
    layout, wanted = paper
    places = Places(layout, Gpu.sold_with(gb), most=8)
    assert list(admission.refusals(places, wanted)) == [] and sum(one.jobs for one in wanted) == 1288 + LABELLED
    for one in wanted:
        placed = places.of(one.policy, one.prm)
        filled = [0.0] * placed.gpus
        for seat, model in zip([seat for seat in (placed.policy, placed.prm) if seat], needs(layout, one), strict=True):
            assert len(seat.devices) == model.gpus
            assert seat.cache_gib >= model.least_cache()
            if seat.sequences:
                model = model.eased(places.gpu)
            # What an engine is given holds all that it takes, its cache too.
            assert model.fixed(places.gpu) + seat.cache_gib <= seat.share * places.gpu.gib + 1e-6
            for number in seat.devices:
                filled[number] += seat.share
        assert max(filled) <= budget.LARGEST + 1e-9, one
        assert placed.shared or placed.gpus == sum(model.gpus for model in needs(layout, one))


def test_searches_ask_for_the_gpus_of_the_official_codes_table(paper):
    layout, wanted = paper
    places = Places(layout, Gpu.sold_with(80))
    counts: dict[int, int] = {}
    for one in wanted:
        count = demand.of_job(layout.study, one.policy, one.prm, root=ROOT, places=places).gpus
        counts[count] = counts.get(count, 0) + one.jobs
    # Seven PRMs score four labelled sets, the 72B one on two GPUs.
    assert counts == {1: 992 + 24, 2: 134 + 4, 3: 152, 4: 10}


def test_what_does_not_fit_on_four_small_gpus_is_refused_by_name_with_a_setting_that_works(paper):
    layout, wanted = paper
    places = Places(layout, Gpu.sold_with(24), most=4)
    refused = list(admission.refusals(places, wanted))
    for one, sentence in refused:
        assert "\n" not in sentence and sentence.startswith(one.words)
    keys = {sentence.split(": ")[1] for _, sentence in refused}
    wide = {"policies.Qwen2.5-14B-Instruct", "policies.Qwen2.5-32B-Instruct", "policies.QwQ-32B-Preview"}
    wider = {"policies.Qwen2.5-72B-Instruct", "policies.Llama-3.1-70B-Instruct", "prms.Qwen2.5-Math-PRM-72B"}
    assert keys == wide | wider | {"prms.RLHFlow-PRM-Deepseek-8B"}
    fourteen = next(text for _, text in refused if "sample with policies.Qwen2.5-14B-Instruct" in text)
    assert fourteen.endswith("; set policies.Qwen2.5-14B-Instruct.vllm.tensor_parallel: 2")
    large = next(text for _, text in refused if "score with prms.Qwen2.5-Math-PRM-72B" in text)
    assert "no tensor_parallel up to 4 makes it fit" in large
    # The setting that is named works.
    model = placing.load(layout, "Qwen2.5-14B-Instruct").widened(2)
    assert place(Gpu.sold_with(24), model, most=4).gpus == 2
    # Small ones go there, a policy and a PRM on GPUs of their own.
    assert places.of("Qwen2.5-7B-Instruct", "Skywork-PRM-7B").gpus == 2


def as_it_was(layout, one) -> str | None:
    """Why a job could not run as shipped before: vLLM took 0.9 of the first GPU, the PRM in transformers came after."""
    gib = 79.1
    if one.prm is None:
        return None
    settings = layout.study.prms[one.prm]
    weights = settings.parameters * 2 / 2**30
    if weights > gib:
        return "the PRM on one device"
    if one.policy and layout.study.policies[one.policy].parameters <= 15e9 and weights > (1 - 0.9) * gib:
        return "the PRM beside 0.9 of the device"
    return None


def test_the_574_jobs_that_could_not_run_have_a_place_now(paper):
    layout, wanted = paper
    places = Places(layout, Gpu.sold_with(80), most=8)
    failed = {one: why for one in wanted if (why := as_it_was(layout, one))}
    large = sum(one.jobs for one, why in failed.items() if why == "the PRM on one device")
    beside = sum(one.jobs for one, why in failed.items() if why == "the PRM beside 0.9 of the device")
    assert (large, beside, large + beside) == (164 + 4, 410, 574 + 4)  # and four labelled sets
    for one, why in failed.items():
        placed = places.of(one.policy, one.prm)
        if why == "the PRM on one device":
            assert len(placed.prm.devices) == 2
            assert placed.policy is None or not set(placed.prm.devices) & set(placed.policy.devices)
        else:
            assert placed.policy.share + placed.prm.share <= budget.LARGEST + 1e-9 or not placed.shared
            # Prefixes of a search are read once where there are 8 GiB for them.
            assert placed.prm.cache_gib >= budget.PREFIXES


def test_a_run_with_one_gpu_refuses_all_jobs_that_want_more_in_one_sentence(paper):
    layout, _ = paper
    with pytest.raises(StudyError, match=r"^300 of 1316 jobs on GPUs cannot run .*this run may use 1 \(`--resources"):
        admission.check(Places(layout, Gpu.sold_with(80), most=1), jobs(layout))
    admission.check(Places(layout, Gpu.sold_with(80), most=4), jobs(layout))


def test_a_job_is_never_given_fewer_gpus_than_its_tensor_parallel(paper):
    layout, _ = paper
    for gb in (80, 141):
        places = Places(layout, Gpu.sold_with(gb))
        wanted = demand.of_job(layout.study, "Qwen2.5-72B-Instruct", root=ROOT, places=places)
        assert demand.slurm(wanted, demand.Site(gpu_memory_gb=gb))["gpu"] == 2


# -- placing -----------------------------------------------------------------------------------------------------


def test_a_prm_of_72b_is_never_put_whole_on_one_gpu():
    prm = loaded("Qwen/Qwen2.5-Math-PRM-72B", key="prms.large", engine="transformers", draws=False, vocabulary=False)
    with pytest.raises(StudyError, match=r"prms\.large: needs .*; set prms\.large\.engine: vllm and "
                                         r"prms\.large\.vllm\.tensor_parallel: 2$"):  # fmt: skip
        place(Gpu.sold_with(80), prm=prm)


def test_shares_that_the_study_gives_are_kept_and_what_they_cannot_hold_is_refused():
    policy, prm = loaded("Qwen/Qwen2.5-7B-Instruct"), loaded("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-7B", draws=False)
    gpu = Gpu.sold_with(80)
    told = place(gpu, Load(**{**policy.__dict__, "share": 0.5}), prm)
    assert told.shared and told.policy.share == 0.5 and told.prm.share == pytest.approx(0.45)
    # Too little left for the other: each has a GPU of its own.
    assert place(gpu, Load(**{**policy.__dict__, "share": 0.9}), prm).gpus == 2
    with pytest.raises(StudyError, match=r"set policies\.x\.vllm\.gpu_memory_utilization: 0\.\d+$"):
        place(gpu, Load(**{**policy.__dict__, "share": 0.1}))
    with pytest.raises(StudyError, match="3 GPUs cannot share 28 attention heads and 4 key-value heads; set it to one"):
        place(gpu, policy.widened(3))


def test_a_large_policy_draws_fewer_at_a_time_where_vllms_own_number_would_not_fit():
    seat = place(Gpu.sold_with(80), loaded("Qwen/Qwen2.5-72B-Instruct", tensor_parallel=2)).policy
    assert seat.sequences == 256 and seat.devices == (0, 1)
    assert place(Gpu.sold_with(141), loaded("Qwen/Qwen2.5-72B-Instruct", tensor_parallel=2)).policy.sequences is None


# -- engines of PRMs ---------------------------------------------------------------------------------------------


def test_a_prms_device_is_for_the_engine_that_heeds_one_and_moves_what_it_scored():
    def folder(**prm) -> str:
        config = small()
        config["prms"]["good"] |= prm
        layout = layout_of(config)
        return scored(layout).product

    assert len({folder(), folder(device="cpu"), folder(device="cuda")}) == 3
    with pytest.raises(StudyError, match="`device` is for the transformers engine"):
        folder(engine="vllm", device="cpu")


def test_the_paper_reads_with_vllm_and_its_72b_on_two_gpus(paper):
    layout, _ = paper
    found = {name: models.judge(layout, name) for name in layout.study.prms}
    assert {judge.engine for judge in found.values()} == {"vllm"}
    assert {name for name, judge in found.items() if judge.vllm.tensor_parallel == 2} == {"Qwen2.5-Math-PRM-72B"}
    assert all(FORMATS[judge.format].vllm for judge in found.values())


# -- inside a job ------------------------------------------------------------------------------------------------


def box(monkeypatch, count: int, gib: float) -> None:
    """A process that was given so many GPUs and sees them."""
    import torch

    monkeypatch.setenv(gpus.ASKED, str(count))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(f"GPU-{number}" for number in range(count)))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    size = SimpleNamespace(total_memory=int(gib * 2**30))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: size)


def folder(place: Path, id: str, architecture: str) -> Path:
    place.mkdir(parents=True)
    known = {key: value for key, value in facts.table()["models"][id].items() if key != "sources"}
    (place / "config.json").write_text(json.dumps(known | {"architectures": [architecture], "torch_dtype": "bfloat16"}))
    return place


def test_a_search_opens_its_engines_with_the_shares_that_hold_both(paper, tmp_path, monkeypatch):
    layout, _ = paper
    run = Search(Cell("AIME24", "Qwen2.5-7B-Instruct"), "Qwen2.5-Math-PRM-7B", "beam_search", 4)
    spec = search_spec(layout, run)
    policy = folder(tmp_path / "policy", "Qwen/Qwen2.5-7B-Instruct", "Qwen2ForCausalLM")
    prm = folder(tmp_path / "prm", "Qwen/Qwen2.5-Math-PRM-7B", "Qwen2ForProcessRewardModel")
    box(monkeypatch, 1, 79.1)
    seat, other = steps.seats(spec, policy, prm)
    planned = Places(layout, Gpu.sold_with(80)).of("Qwen2.5-7B-Instruct", "Qwen2.5-Math-PRM-7B")
    shares = [(mine.devices, mine.share) for mine in (seat, other)]
    assert shares == [(each.devices, each.share) for each in (planned.policy, planned.prm)], "as it was planned"
    told = {}
    monkeypatch.setattr(opening, "open_engine", lambda path, kind, **options: told.update(policy=options))
    opening.open_policy(policy, spec.engine, seat)
    assert told["policy"]["gpu_memory_utilization"] == seat.share
    monkeypatch.setattr("ttstudy.prms.open_reward_model", lambda path, **options: told.update(prm=options))
    open_prm(prm, spec.judge, other, apart=True)
    assert (told["prm"]["gpu_memory_utilization"], told["prm"]["visible"]) == (other.share, "GPU-0")
    # A GPU with less memory than was planned for: refused before anything loads.
    box(monkeypatch, 1, 22.0)
    with pytest.raises(StudyError, match=r"2 GPUs of 22\.0 GiB are wanted, and this run may use 1"):
        steps.seats(spec, policy, prm)
    monkeypatch.setenv(gpus.ASKED, "0")
    assert steps.seats(spec, policy, prm) == (None, None)


def test_a_prm_beside_a_wide_policy_sees_the_gpus_that_are_left(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, GPU-b,GPU-c")
    assert visible_to((1, 2)) == "GPU-b,GPU-c"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_to((2,)) == "2"


# -- no silent fallback ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("visible", ["0", ""])
def test_a_score_job_that_was_given_a_gpu_and_sees_none_ends_in_one_sentence(visible, tmp_path, monkeypatch):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has GPUs")
    spec = scored(layout_of(small()))
    monkeypatch.setenv(gpus.ASKED, "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(StudyError) as told:
        devices.require(spec)
    words = str(told.value)
    assert words.startswith("prms.good: this job was given 1 GPU (CUDA_VISIBLE_DEVICES is ")
    assert f"{visible!r}" in words and "prms.good.device: cpu" in words and "\n" not in words
    monkeypatch.setenv(gpus.ASKED, "0")
    devices.require(spec)
    assert devices.models(spec.named(output=str(tmp_path / "anywhere.parquet")))[0].key == "prms.PRM"


def test_a_policy_on_cuda_never_runs_elsewhere_even_without_the_launcher(monkeypatch):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has GPUs")
    config = small()
    config["policies"]["tiny"]["device"] = "cuda"
    monkeypatch.delenv(gpus.ASKED, raising=False)
    with pytest.raises(StudyError, match=r"policies\.tiny.*torch .* sees none.*policies\.tiny\.device: cpu"):
        devices.require(responses_spec(layout_of(config), PoolBlock(Cell("sums", "tiny"), "cot", 0, 0)))


def test_the_launcher_refuses_where_no_gpu_is_shown_and_tells_the_job_how_many_it_has(tmp_path):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "CUDA_"))}
    env |= {"PYTHONPATH": str(ROOT / "workflow"), "TMPDIR": str(tmp_path)}
    launch = [sys.executable, str(ROOT / "scripts/launch.py")]

    def run(count: str, visible: str) -> subprocess.CompletedProcess:
        line = [*launch, count, "bash", "-c", "echo $TTSTUDY_GPUS"]
        return subprocess.run(line, env=env | {"CUDA_VISIBLE_DEVICES": visible}, capture_output=True, text=True)

    none = run("1", "")
    assert none.returncode == 1 and none.stderr.startswith("error: this job asks for 1 GPU, but this machine has 0")
    assert run("2", "0,1").stdout == "2\n"


def test_models_ask_for_gpus_by_engine_device_and_size():
    def asked(**policy) -> int:
        config = small()
        config["policies"]["large"] = {"source": "hub", "id": "Qwen/Qwen2.5-7B-Instruct"} | policy
        return demand.of_job(from_mapping(config), "large").gpus

    assert asked() == 0, "transformers on the CPU, as it says"
    assert asked(device="cuda") == asked(engine="vllm") == 1
    assert asked(engine="vllm", vllm={"tensor_parallel": 2, "data_parallel": 2}) == 4
    assert demand.of_job(from_mapping(small()), "tiny", "good").gpus == 0


# -- a box -------------------------------------------------------------------------------------------------------


def nvidia_smi(folder: Path, count: int, mib: int) -> dict[str, str]:
    """An environment with an nvidia-smi that lists so many GPUs."""
    folder.mkdir()
    tool = folder / "nvidia-smi"
    rows = "\n".join(f"{number}, GPU-{number}, {mib}" for number in range(count))
    only = "\n".join(str(number) for number in range(count))
    tool.write_text(f'#!/bin/sh\ncase "$*" in *memory*) echo "{rows}";; *) echo "{only}";; esac\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_sites_gpu_is_stated_or_found_or_said_to_be_assumed(tmp_path, monkeypatch):
    monkeypatch.delenv(placing.PLANNED, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert placing.site_gpu(40) == (Gpu.sold_with(40), "stated in the site's file")
    monkeypatch.setenv("PATH", nvidia_smi(tmp_path / "bin", 2, 143771)["PATH"])
    assert placing.site_gpu(None) == (Gpu.sold_with(141), "found by nvidia-smi") and len(placing.listed()) == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1")
    assert placing.listed() == [143771] and gpus.visible() == ["GPU-1"]
    monkeypatch.setenv("PATH", "")
    gpu, known = placing.site_gpu(None)
    assert gpu.name == "80 GB" and known.startswith("assumed")
    monkeypatch.setenv(placing.PLANNED, "24 GB:22.0")
    assert placing.site_gpu(None)[0] == Gpu.sold_with(24), "a job is placed as the run was planned"


def test_the_profile_finds_the_boxs_gpus_and_a_demand_over_them_is_an_error_before_the_start(tmp_path):
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "CUDA_VISIBLE_DEVICES")}
    env |= nvidia_smi(tmp_path / "bin", 1, 81559)
    line = [str(Path(sys.executable).parent / "snakemake"), "--profile", "workflow/profiles/gpu", "--dry-run",
            "--configfile", str(ROOT / "workflow/studies/paper.yaml"), "--directory", str(tmp_path)]  # fmt: skip
    run = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert run.returncode == 1
    (sentence,) = [text for text in run.stderr.splitlines() if text.startswith("error: ")]
    layout = open_layout(STUDIES["paper"], ROOT)
    wanted = admission.kinds(layout, jobs(layout))
    refused = sum(one.jobs for one, _ in admission.refusals(Places(layout, Gpu.sold_with(80), most=1), wanted))
    count = f"{refused} of {sum(one.jobs for one in wanted)}"
    assert sentence.startswith(f"error: {count} jobs on GPUs cannot run") and "this run may use 1" in sentence


# -- small faults ------------------------------------------------------------------------------------------------


def test_a_temperature_that_vllm_does_not_take_is_refused_when_the_study_is_read():
    config = small()
    config["policies"]["tiny"] |= {"engine": "vllm", "sampling": {"search": {"temperature": 2.5}}}
    with pytest.raises(StudyError, match=r"policies\.tiny: draws search at temperature 2\.5, and vLLM takes at most 2"):
        from_mapping(config)
    config["policies"]["tiny"]["engine"] = "transformers"
    from_mapping(config)
