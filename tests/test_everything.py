"""Runs, not layouts: small studies that together set every key of the schema off its default and end in their reports.

Which run reaches which key stands in `reached.json`, written by what runs studies (`tests/reached.py`).
"""

from __future__ import annotations

import copy
import json
import re
import shutil
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from tests import chat_server, hub_server, judge_checkpoints, reached, rewards_checkpoints
from tests.studies import ROOT, copy_repository, planned, smoke, snakemake, write
from tests.test_cache_matrix import NO_VALUE, SCHEMA
from ttstudy.data import benchmarks

CHECKPOINTS = ROOT / "workflow/checkpoints"
NEEDS_MORE = {
    "a GPU": {
        *(f"{source}Policy.device" for source in ("Trained", "Checkpoint", "Hub", "GGUF")),
        *("VllmOptions.tensor_parallel", "VllmOptions.data_parallel", "VllmOptions.batch_invariant"),
        "VllmPRMOptions.tensor_parallel",
    },
    "a GPU: vLLM's CPU build has no Qwen2 with attention heads as small as the miniature's": {
        *("TrainedPRM.engine", "TrainedPRM.vllm", "TrainedPRM.served"),
    },
    "vLLM, to which the folder made of a GGUF file is like any other that test_everything_vllm.py runs": {
        *("GGUFPolicy.engine", "GGUFPolicy.vllm", "GGUFPolicy.served"),
    },
    "a run of its own: test_hub.py fetches such a set, test_cache_matrix.py plans with it": {
        *(f"HubLabelled.{key}" for key in SCHEMA["$defs"]["HubLabelled"]["properties"]),
    },
}
"""Keys that no run in the tests sets before it ends in its report, and why."""

TOLD = {
    "system": "Say it.", "examples": [{"problem": "Compute 2+3.", "response": "2+3=5, so \\boxed{5}"}], "stop": ["!!!"],
}  # fmt: skip
CACHE = {"prefix_cache_gib": 0.1}
PROBLEMS = [("Compute 2+3+4.", 9), ("Compute 7+6.", 13), ("Compute 5+8-2.", 11)]
FORMATS = {"shepherd": "math_shepherd", "rlhflow": "rlhflow", "skywork": "skywork-1.5b", "qwen": "qwen"}
LABELLED = [
    {"problem": "Compute 2+3+4.", "steps": ["2+3=5, so 5+4", "5+4=8, so \\boxed{8}"], "label": 1, "generator": "hand"},
    {"problem": "Compute 2+3.", "steps": ["2+3=5, so \\boxed{5}"], "label": -1, "generator": "hand"},
]


def lines(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def checksum(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def page_of(root: Path, study: str, results: str = "results") -> str:
    return re.sub(r"<[^>]+>", "", (root / results / "studies" / study / "report.html").read_text())


def table(root: Path, study: str, name: str, results: str = "results") -> pd.DataFrame:
    return pd.read_parquet(root / results / "studies" / study / "tables" / f"{name}.parquet")


# -- everything at once ----------------------------------------------------------------------------------------------


def everything() -> dict:
    """References, PRMs of all four formats, endpoints, a labelled set, every search, and each with its options."""
    own = {"temperature": 0.8, "top_p": 0.9, "top_k": 20, "max_tokens": 40}
    sampling = {"cot": {"top_p": 0.9}, "responses": own, "search": {"max_tokens": 20}}
    sizes = {"parameters": 2e4, "active_parameters": 1e4, "pretraining_tokens": 1e8}
    judge = {"source": "checkpoint", "device": "cpu"}
    drawn = {"temperature": 0.9, "top_p": 0.95, "top_k": 50, "max_tokens": 40}
    return {
        "study": "everything",
        "question": "Does every key reach its report?",
        "seed": 3,
        "results": "made",
        "benchmarks": {
            "mine": {
                "source": "file",
                "path": "problems.jsonl",
                "columns": {"problem_id": "id", "problem": "question", "answer": "gold"},
                "problems": 2,
                "published": "2024-06",
            }
        },
        "policies": {
            "small": {
                "source": "checkpoint", "path": "models/small", "dtype": "bfloat16", "prompt": "qwen",
                "sampling": sampling, "pretraining_tokens": 1e8, "thinking": "none", **TOLD,
            },
            "hubbed": {
                "source": "hub", "id": "some/policy", "dtype": "float32", "prompt": "llama", "sampling": sampling,
                "thinking": "none", "cutoff": "2023-12", **TOLD, **sizes,
            },
            "far": {
                "source": "openai", "model": "far", "base_url": "$EVERYTHING", "key_variable": "EVERYTHING_KEY",
                "prompt": "llama", "sampling": {"responses": {"top_k": 0}}, "attempts": 3,
                "concurrency": 2, "requests_per_minute": 1e5, "timeout_s": 60, "cutoff": "2023-10", "server": "vllm",
                **TOLD, **sizes,
            },
            "thinker": {
                "source": "openai", "model": "thinker", "base_url": "$EVERYTHING", "key_variable": None,
                "reasoning": True,
            },
            "large": {"source": "checkpoint", "path": "models/large", "cutoff": "2024-01-31"},
        },
        "references": ["thinker", "large"],
        "prms": {
            "shepherd": {"path": "models/shepherd", "format": "math_shepherd", "overflow": "cut", **judge},
            "rlhflow": {"path": "models/rlhflow", "format": "rlhflow", **judge, "transformers": CACHE},
            "skywork": {"path": "models/skywork", "format": "skywork", "overflow": "windows", **judge},
            "qwen": {
                "source": "hub", "id": "some/prm", "format": "qwen", "device": "cpu", "overflow": "refuse",
                "parameters": 2e4, "active_parameters": 1e4, "transformers": CACHE,
            },
            "writer": {
                "source": "hub", "id": "some/writer", "format": "thinkprm", "device": "cpu",
                "verdicts": {"samples": 2, "temperature": 1.0, "max_tokens": 8},
            },
        },
        "pairs": {"shepherd": ["small"], "rlhflow": ["far"], "skywork": ["hubbed"], "qwen": ["small"], "writer": []},
        "labelled": {"hand": {"path": "hand.jsonl", "format": "processbench", "solutions": 1}},
        "budgets": {"majority": [2], "confidence": [2], "best_of_n": [2]},
        "budgets_of": {
            "small": {"majority": [2], "best_of_n": [2], "beam_search": [2]},
            "hubbed": {"best_of_n": [2], "dvts": [2], "rebase": [2], "particle_filtering": [2]},
        },
        "sampling": {
            "cot": {**drawn, "temperature": 0.0}, "responses": drawn, "search": drawn,
            "confidence": {"likeliest": 4, "group": 8},
        },
        "search": {
            "beam_width": 2, "score": "min", "answers": "candidates", "refill": False, "dedup": True,
            "stop_on_boxed": True, "lookahead": 1, "max_depth": 2, "max_live": 64, "problems_per_block": 1,
            "rebase": {"temperature": 0.2}, "particle_filtering": {"temperature": 0.5},
        },
        "difficulty": {"scheme": "quantile", "label_free": "prm"},
        "published": ["GPT-4o"],
        "primary_claims": [5, 45],
        "pilot_samples": 2,
        "first_block": 2,
        "score": "min",
        "vote": "prm_max",
        "grader": "reference",
        "extraction": "last_number",
        "unfinished_thinking": True,
        "max_gpu_hours": 1000,
        "max_job_hours": 1000.0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A copy of the repository with the study of everything, run to its report."""
    root = copy_repository(tmp_path_factory.mktemp("everything"))
    models = root / "models"
    for name, given in (("small", "mini-20k"), ("large", "mini-60k")):
        shutil.copytree(CHECKPOINTS / given, models / name)
    for name, layout in FORMATS.items():
        rewards_checkpoints.make(models / name, layout)
    for name in ("shepherd", "skywork"):  # most solutions are longer than that
        path = models / name / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"max_position_embeddings": 30}))
    judge_checkpoints.make(models / "writer")
    rows = [{"id": f"p{i}", "question": text, "gold": str(gold)} for i, (text, gold) in enumerate(PROBLEMS)]
    lines(root / "problems.jsonl", rows)
    lines(root / "hand.jsonl", LABELLED)
    study = everything()
    mine = study["benchmarks"]["mine"]
    mine["sha256"] = benchmarks.checksum(benchmarks.read_file(root / "problems.jsonl", mine["columns"]))
    config = write(root, study, "everything.yaml")
    given = {"some/policy": CHECKPOINTS / "mini-20k", "some/prm": models / "qwen", "some/writer": models / "writer"}
    repositories = {
        ("models", id): hub_server.Repository({file.name: file.read_bytes() for file in folder.iterdir()})
        for id, folder in given.items()
    }
    pinned = {
        id: {"revision": hub_server.COMMIT, "checksums": {"config.json": checksum(folder / "config.json")}}
        for id, folder in given.items()
    }
    (root / "everything.revisions.yaml").write_text(json.dumps({"model": pinned}))
    with hub_server.serving(repositories) as server:
        snakemake(root, config, "fetch", env=server.environment(root / "home"))
    with chat_server.answering(models / "large") as address:
        told = {"EVERYTHING": address, "EVERYTHING_KEY": "sk-everything"}
        snakemake(root, config, env=told)
        assert planned(root, config) == {}
        # The same without a PRM, laid over it.
        dropped = dict.fromkeys(("prms", "pairs", "labelled", "budgets_of", "published", "difficulty"))
        plain = {"base": "everything.yaml", "study": "unguided", "budgets": {"best_of_n": None}, **dropped}
        snakemake(root, write(root, plain, "unguided.yaml"), env=told)
    return root


def test_references_prms_of_all_formats_endpoints_and_a_labelled_set_end_in_a_report(root):
    accuracy = table(root, "everything", "accuracy", "made")
    by_policy = accuracy.groupby("policy")["method"].agg(set)
    assert by_policy["thinker"] == by_policy["large"] == {"cot"}
    assert {"beam_search", "best_of_n"} <= by_policy["small"]
    assert {"dvts", "rebase", "particle_filtering", "best_of_n"} <= by_policy["hubbed"]
    assert {"confidence", "best_of_n"} <= by_policy["far"]
    assert set(accuracy["prm"]) == {"none", "shepherd", "rlhflow", "skywork", "qwen"}
    skill = table(root, "everything", "prm_skill", "made")
    assert set(skill[skill["benchmark"] == "hand"]["prm"]) == {*FORMATS, "writer"}
    page = page_of(root, "everything", "made")
    assert "Does every key reach its report?" in page and "GPT-4o" in page and "sk-everything" not in page


def test_a_study_without_a_prm_is_laid_over_one_with_five_and_ends_in_a_report(root):
    accuracy = table(root, "unguided", "accuracy", "made")
    assert set(accuracy["prm"]) == {"none"} and "confidence" in set(accuracy["method"])
    assert "No PRM was used in this study." in page_of(root, "unguided", "made")


def test_steps_past_a_context_are_marked_in_the_tables_and_counted_on_the_page(root):
    over = table(root, "everything", "overlong", "made")
    sums = over.groupby("prm")[["scored", "overlong"]].sum()
    assert sums.loc["rlhflow", "overlong"] == sums.loc["qwen", "overlong"] == 0
    page = " ".join(page_of(root, "everything", "made").split())
    for prm, words in (("shepherd", "scored 0"), ("skywork", "were read after the problem and the steps that fit")):
        scored, long = sums.loc[prm].astype(int)
        assert 0 < long <= scored
        assert f"{long} of {scored} solutions are longer than the context of {prm}: the steps past it {words}" in page
    for prm in ("shepherd", "skywork"):
        cells = [pd.read_parquet(path) for path in root.glob(f"made/mine/*/samples-*/scores/{prm}-*/*.parquet")]
        scores = pd.concat(cells)
        assert (scores["overlong"] > 0).any() and (scores["overlong"] <= scores["step_scores"].map(len)).all()
    cut = pd.concat(pd.read_parquet(path) for path in root.glob("made/mine/small/samples-*/*/shepherd-*/*.parquet"))
    for row in cut[cut["overlong"] > 0].itertuples():
        assert set(row.step_scores[-row.overlong :]) == {0.0}
    (nodes,) = (pd.read_parquet(path) for path in root.glob("made/mine/small/beam_search/shepherd-*/*.nodes.parquet"))
    (cost,) = (pd.read_parquet(path) for path in root.glob("made/mine/small/beam_search/shepherd-*/*.cost.parquet"))
    assert nodes["overlong"].sum() <= cost["prm_overlong"].sum() <= cost["prm_scored"].sum()


# -- what the miniature's own models and recorded responses have -----------------------------------------------------


def test_options_of_trained_models_and_of_data_sets_of_the_hub_end_in_a_report(clone):
    config = smoke(study="more", pilot_samples=2, first_block=2, search={"max_depth": 4, "semantics": "reference"})
    config["budgets"] = {"majority": [2], "best_of_n": [2], "beam_search": [4]}
    config["runs"] = {"searches": 2, "samples": 2}
    config["policies"]["smoke-8k"] |= {
        "prompt": "llama", "sampling": {"search": {"max_tokens": 20}}, "thinking": "none", **TOLD,
    }  # fmt: skip
    new = copy.deepcopy(config["policies"]["smoke-8k"])
    new["definition"] |= {"version": 2, "training": new["definition"]["training"] | {"tokens": 20000}}
    config["policies"]["new"], config["references"] = new, ["new"]
    config["prms"]["smoke-good"] |= {"overflow": "cut", "device": "cpu", "transformers": CACHE}
    rows = [{"problem_id": f"p{i}", "problem": text, "right": str(gold)} for i, (text, gold) in enumerate(PROBLEMS)]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    table = {"columns": {"answer": "right"}, "problems": 2}
    task = {"operations": [1, 2], "largest": 30, "products": 0.0, "tilt": 0.0}
    config["benchmarks"] = {
        "sums": {"source": "miniature", "split": "validation", "problems": 2, "seed": 5, "task": task},
        "hub": {"source": "hub", "id": "some/sums", "revision": hub_server.COMMIT, "split": "train", **table},
        "file": {"source": "hub", "id": "some/sums", "revision": hub_server.COMMIT, "file": "train.jsonl", **table},
        "words": {"source": "generated", "problems": 1, "seed": 3, "depth": [1, 2], "largest": 100},
    }
    config["benchmarks"]["hub"]["published"] = "2024-02"
    config["benchmarks"]["file"]["checksums"] = {"train.jsonl": sha256(data).hexdigest()}
    (clone / "train.jsonl").write_bytes(data)
    problems = benchmarks.read_file(clone / "train.jsonl", table["columns"])
    config["benchmarks"]["hub"]["sha256"] = benchmarks.checksum(problems)
    path = write(clone, config, "more.yaml")
    with hub_server.serving({("datasets", "some/sums"): hub_server.Repository({"train.jsonl": data})}) as server:
        snakemake(clone, path, "fetch", env=server.environment(clone / "home"))
    snakemake(clone, path)
    accuracy = pd.read_parquet(clone / "results/studies/more/tables/accuracy.parquet")
    assert set(accuracy["benchmark"]) == {"sums", "hub", "file", "words"} and "beam_search" in set(accuracy["method"])
    _each_search_ran_twice_and_counts_as_their_mean(clone)


def _each_search_ran_twice_and_counts_as_their_mean(root):
    folder = root / "results/studies/more/tables"
    kinds = ["benchmark", "policy", "prm", "method", "budget", "score", "vote"]
    spread = pd.read_parquet(folder / "spread.parquet").set_index(kinds)
    assert (spread.xs("beam_search", level="method")["draws"] == 2).all()
    assert (spread.xs("majority", level="method")["draws"] == 2).all()
    runs = [path.parent for path in root.glob("results/sums/smoke-8k/beam_search/smoke-good-*/0004.answers.parquet")]
    assert len(runs) == 2
    answers = [pd.read_parquet(run / "0004.answers.parquet") for run in runs]
    assert not answers[0]["response"].equals(answers[1]["response"])
    graded = [pd.read_parquet(next(run.glob("0004.strict-*.parquet"))) for run in runs]
    outcomes = pd.read_parquet(folder / "outcomes.parquet").set_index([*kinds, "problem_id"])["value"].sort_index()
    one = outcomes["sums", "smoke-8k", "smoke-good", "beam_search", 4, "none", "majority"]
    right = [grades.groupby("problem_id")["correct"].mean().reindex(one.index, fill_value=0.0) for grades in graded]
    assert one.tolist() == ((right[0] + right[1]) / 2).tolist()  # a beam of width 4 gives one answer
    costs = [pd.read_parquet(run / "0004.cost.parquet").iloc[0] for run in runs]
    ledger = pd.read_parquet(folder / "ledger.parquet").set_index(["benchmark", "policy", "method", "prm"])
    spent = ledger.loc[("sums", "smoke-8k", "beam_search", "smoke-good"), "response_tokens"].item()
    assert spent == (costs[0]["response_tokens"] + costs[1]["response_tokens"]) / 2


def test_long_recorded_responses_are_told_to_be_longer_than_the_context_of_a_prm(tmp_path):
    """Case prm-overflow-report: responses of 600 tokens and more, a PRM whose context is 512."""
    root = copy_repository(tmp_path / "logged")
    rewards_checkpoints.make(root / "prm", "qwen")
    lines(
        root / "responses.jsonl",
        [
            {
                "problem_id": f"p{i}", "problem": text, "answer": str(gold), "sample": sample, "greedy": sample == 0,
                "response": "\n\n".join([*["We add the next one, and go on. " * 12] * 3, f"So \\boxed{{{gold}}}."]),
                "scores.other": [0.1, 0.2, 0.3, 0.9], "tokens": 700, "prompt_tokens": 9,
            }
            for i, (text, gold) in enumerate(PROBLEMS)
            for sample in range(5)
        ],
    )  # fmt: skip
    sizes = {"parameters": 1e9, "active_parameters": 5e8, "pretraining_tokens": 1e12}
    study = {
        "study": "logged",
        "benchmarks": {"old": {"source": "recorded", "path": "responses.jsonl", "published": "2024-02-07"}},
        "policies": {
            "logged": {"source": "recorded", "path": "responses.jsonl", "greedy": True, "cutoff": "2023-12", **sizes}
        },
        "prms": {
            "short": {"source": "checkpoint", "path": "prm", "device": "cpu"},
            "told": {"source": "recorded", "column": "other", "parameters": 7e9},
        },
        "budgets": {"majority": [2], "best_of_n": [2]},
        "difficulty": {"thresholds": [60, 20]},
        "pilot_samples": 2,
        "first_block": 2,
    }  # fmt: skip
    snakemake(root, write(root, study))
    over = table(root, "logged", "overlong").set_index("prm")
    assert over.loc["short", "scored"] == over.loc["short", "overlong"] == 6 and over.loc["told"].isna()["overlong"]
    page = " ".join(page_of(root, "logged").split())
    assert "6 of 6 solutions are longer than the context of short: the steps past it were read on past it." in page


# -- no key without a run --------------------------------------------------------------------------------------------


def test_every_key_of_the_schema_reaches_a_report_by_a_run():
    keys = {f"Study.{key}" for key in SCHEMA["properties"]}
    keys |= {f"{name}.{key}" for name, section in SCHEMA["$defs"].items() for key in section.get("properties", {})}
    excused = set().union(*NEEDS_MORE.values())
    found = {key for those in reached.known().values() for key in those}
    assert sorted(keys - found - excused) == [], "set these keys in a run that ends in its report: see tests/reached.py"
    assert sorted(excused & found) == [], "these keys are reached by a run now: take them out of NEEDS_MORE"
    assert sorted(found - keys) == [], "these keys are gone: take them out of tests/reached.json"
    assert NO_VALUE <= keys


@pytest.mark.parametrize("who", sorted(reached.known()))
def test_the_runs_that_keys_are_told_of_are_there(who):
    file, _, test = who.partition("::")
    name = re.split(r"[\[ ]", test)[0]
    assert f"def {name}(" in (ROOT / "tests" / file).read_text(), f"{who}: no such test; take it out of reached.json"
