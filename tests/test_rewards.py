"""Opened reward models against the definition of their formats, on tiny random checkpoints of every layout."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ttstudy import prms
from ttstudy.dag.specs.generation import Judge
from ttstudy.errors import StudyError
from ttstudy.kinds.formats import FORMATS
from ttstudy.models.budget import Seat
from ttstudy.models.checkpoint import Checkpoint, convert
from ttstudy.prms import open_reward_model
from ttstudy.prms.backbone import Backbone
from ttstudy.prms.packing import Segment
from ttstudy.prms.states import PrefixStates
from ttstudy.study.prms import Verdicts

from .conftest import ROOT
from .rewards_checkpoints import LAYOUTS, PROBLEMS, TEXTS, Shelf, make
from .rewards_conformance import CLOSE, failed_checks, gap

NAMES = list(LAYOUTS)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("checkpoints"))


def opened(folder: Path, name: str, **options):
    return open_reward_model(folder, format=LAYOUTS[name].format, device="cpu", **options)


def copied(shelf: Shelf, folder: Path, name: str) -> Path:
    return Path(shutil.copytree(shelf.folder(name), folder / name))


def edit_tensors(folder: Path, **changes: torch.Tensor | None) -> None:
    """Rewrite a checkpoint with tensors added, changed or (None) left out; `__` in a name stands for a dot."""
    file = folder / "model.safetensors"
    tensors = load_file(file) | {name.replace("__", "."): value for name, value in changes.items()}
    save_file({name: value.contiguous() for name, value in tensors.items() if value is not None}, file)


def edit_config(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def long_solutions(count: int, steps: int, words: int) -> list[tuple[str, list[str]]]:
    """Random solutions of very different lengths."""
    draw, vocabulary = random.Random(count), " ".join(TEXTS).split()

    def text() -> str:
        return " ".join(draw.choice(vocabulary) for _ in range(draw.randint(1, words)))

    return [(text(), [text() for _ in range(draw.randint(1, steps))]) for _ in range(count)]


@pytest.mark.parametrize("backbone", ["light", "transformers"])
@pytest.mark.parametrize("name", NAMES)
def test_every_layout_conforms(shelf: Shelf, name: str, backbone: str) -> None:
    model = opened(shelf.folder(name), name, backbone=backbone)
    solutions = shelf.solutions if backbone == "light" else shelf.solutions[:8]
    assert failed_checks(model, shelf.reference(name), solutions) == set()


SHAPES = {
    "llama with every bias": {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "llama with other heads": {"model_type": "llama", "head_dim": 12, "num_key_value_heads": 1},
    "llama 3.1": {
        "model_type": "llama",
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 5e5,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    },
    "llama with linear scaling": {
        "model_type": "llama",
        "rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0},
    },
    "mistral with a short window": {"model_type": "mistral", "sliding_window": 9},
    "qwen2": {"model_type": "qwen2", "num_key_value_heads": 4, "num_hidden_layers": 3},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_our_forward_pass_equals_transformers(tmp_path: Path, shape: str) -> None:
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    settings = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        **SHAPES[shape],
    }
    kind = settings.pop("model_type")
    theirs = AutoModel.from_config(AutoConfig.for_model(kind, **settings)).eval()
    for weight in theirs.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    theirs.save_pretrained(tmp_path)
    ours = Backbone(Checkpoint(tmp_path), "cpu", torch.float32)
    assert ours.parameters == sum(weight.numel() for weight in theirs.parameters())
    sequences = [torch.randint(64, (length,)).tolist() for length in (1, 37, 150)]
    layout = ours.config
    states = PrefixStates(layout.layers, layout.kv_heads, layout.head_dim, 0, ours.device, torch.float32)
    hidden = ours([Segment(ids, range(len(ids)), states.allocate(len(ids))) for ids in sequences], states)
    with torch.inference_mode():
        expected = torch.cat([theirs(input_ids=torch.tensor([ids]))[0][0] for ids in sequences])
    assert (hidden - expected).abs().max() < CLOSE


@pytest.mark.parametrize("name", ["math_shepherd", "rlhflow", "qwen"])
def test_scores_are_the_same_bits_whatever_the_batch_the_order_and_the_way(shelf: Shelf, name: str) -> None:
    solutions = long_solutions(24, steps=7, words=14) + long_solutions(2, steps=14, words=24)
    once = opened(shelf.folder(name), name).score_batch(solutions)
    assert once == [opened(shelf.folder(name), name).score(*each) for each in solutions[:12]] + once[12:]
    assert once[::-1] == opened(shelf.folder(name), name, batch_tokens=300).score_batch(solutions[::-1])
    for cache_mib in (64, 0.05, 0):
        model = opened(shelf.folder(name), name, prefix_cache_gib=cache_mib / 1024)
        for depth in range(8):
            deep = [
                (p, steps, scores) for (p, steps), scores in zip(solutions, once, strict=True) if len(steps) > depth
            ]
            items = [(p, steps[:depth], ["Another step.", steps[depth]]) for p, steps, _ in deep]
            found = [both[1] for both in model.score_last_batch(items)]
            assert found == [scores[depth] for *_, scores in deep]


def samples_of_a_pool(seed: int) -> list[tuple[str, list[str]]]:
    """Solutions of three problems that begin alike, equal ones among them, in no order."""
    draw = random.Random(seed)
    steps = ["So 1+2=3.", "So 1+2=3, and", "So", "Then 3*4=12.", "A longer step that says more than it must. " * 3]
    problems = ["What is 3*6+5?", "What is 3*6+5? Say it.", "2+2?"]
    return [(draw.choice(problems), draw.choices(steps, k=draw.randint(1, 5))) for _ in range(60)]


@pytest.mark.parametrize("name", NAMES)
def test_what_samples_of_a_problem_begin_with_alike_is_run_once_and_their_scores_are_those_of_each_alone(
    shelf: Shelf, name: str
) -> None:
    pool, alone = samples_of_a_pool(seed=len(name)), opened(shelf.folder(name), name)
    expected = [alone.score(*each) for each in pool]
    for tokens in (1, 150, 4096):  # of a pass: what begins alike may be in several
        model = opened(shelf.folder(name), name, batch_tokens=tokens)
        assert model.score_batch(pool) == expected
        told = [model.run_of(problem, [steps for p, steps in pool if p == problem]) for problem, _ in pool[:20]]
        of_problem = {problem: sum(each) for (problem, _), each in zip(pool, told, strict=False)}
        assert model.tokens == sum(of_problem.values())
        distinct = {(problem, tuple(steps)) for problem, steps in pool}
        assert model.tokens < 0.7 * sum(len(model.encode(*each).ids) for each in distinct)
        assert model.score_batch(pool[::-1]) == expected[::-1] and model.tokens == 2 * sum(of_problem.values())


def test_what_is_run_is_told_without_the_weights(shelf: Shelf) -> None:
    """A job whose scores are all there tells it too: its table is that of one that scored."""
    problem = "What is 3*6+5?"
    pool = [steps for p, steps in samples_of_a_pool(seed=3) if p == problem]
    for name, engine in [("qwen", "transformers"), ("rlhflow", "transformers"), ("math_shepherd", "vllm")]:
        judge = Judge(checkpoint={"path": "prm", "digest": "x"}, engine=engine, format=LAYOUTS[name].format)
        counter = prms.open_counter(shelf.folder(name), judge)
        model = opened(shelf.folder(name), name)
        assert counter.engine.shares == (engine == "transformers")
        if counter.engine.shares:
            assert counter.run_of(problem, pool) == model.run_of(problem, pool)
            assert counter.context == model.context


def test_an_engine_that_shares_nothing_is_said_to_run_every_solution_that_differs_whole(shelf: Shelf) -> None:
    pool = samples_of_a_pool(seed=1)
    model = opened(shelf.folder("qwen"), "qwen", backbone="transformers")
    model.score_batch(pool)
    sums = [sum(model.run_of(problem, [s for p, s in pool if p == problem])) for problem in {p for p, _ in pool}]
    assert model.tokens == sum(sums) == sum(
        len(model.encode(*each).ids) for each in {(problem, tuple(steps)) for problem, steps in pool}
    )


def test_scores_are_the_same_bits_for_one_thread_and_two(shelf: Shelf) -> None:
    solutions = long_solutions(6, steps=5, words=20)
    model = opened(shelf.folder("qwen"), "qwen")
    threads = torch.get_num_threads()
    try:
        scores = []
        for count in (1, 2):
            torch.set_num_threads(count)
            scores.append(model.score_batch(solutions))
    finally:
        torch.set_num_threads(threads)
    assert scores[0] == scores[1]


@pytest.mark.parametrize("backbone", ["light", "transformers"])
def test_search_runs_only_the_new_tokens(shelf: Shelf, backbone: str) -> None:
    model = opened(shelf.folder("qwen"), "qwen", backbone=backbone)
    problem, steps = "What is 3*6+5?", PROBLEMS["What is 3*6+5?"]
    lengths = [len(model.encode(problem, steps[: k + 1]).ids) for k in range(3)]
    stem = len(model.format.stem(problem))
    model.score_last(problem, [], [steps[0], steps[0]])
    assert model.tokens == lengths[0] and model.tokens_reencoded == 2 * lengths[0]
    model.score_last(problem, steps[:1], [steps[1], "No."])
    other = len(model.encode(problem, [steps[0], "No."]).ids)
    assert model.tokens == lengths[1] + other - lengths[0]
    assert model.tokens_reencoded == 2 * lengths[0] + lengths[1] + other
    before = model.tokens
    model.score_last_batch([(problem, steps[:2], [steps[2]]), (problem, steps[:2], [steps[2]])])
    assert model.tokens - before == lengths[2] - lengths[1]  # the same parent twice is one
    before = model.tokens
    model.score_last(problem, steps[:2], [steps[2]])
    assert model.tokens == before  # and nothing is left to run
    model.score_last(problem, ["A new beginning."], ["And on."])
    new = len(model.encode(problem, ["A new beginning.", "And on."]).ids)
    assert model.tokens == before + new - stem  # the problem is known


@pytest.mark.parametrize("backbone", ["light", "transformers"])
@pytest.mark.parametrize("gib", [1.0, 1e-9])
@pytest.mark.parametrize("name", NAMES)
def test_a_search_scores_as_whole_solutions_do(shelf: Shelf, name: str, backbone: str, gib: float) -> None:
    """Longer than the window of the layout that has one; and where the cache holds nothing."""
    model = opened(shelf.folder(name), name, backbone=backbone, prefix_cache_gib=gib)
    whole = opened(shelf.folder(name), name)
    problem, steps = "What is 3*6+5?", ["First, 3*6=18, so we have 18+5 and more of it." * 2, *["Then 18+5=23."] * 3]
    for depth in range(4):
        candidates = [steps[depth], f"No, {steps[depth]}", steps[depth]]
        found = model.score_last(problem, steps[:depth], candidates)
        expected = [whole.score(problem, [*steps[:depth], each])[-1] for each in candidates]
        assert gap(found, expected) < CLOSE and found[0] == found[2]


@pytest.mark.parametrize("backbone", ["light", "transformers"])
def test_what_siblings_begin_with_is_run_once(shelf: Shelf, backbone: str) -> None:
    """RLHFlow's next turn, for instance, which follows the last score."""
    model = opened(shelf.folder("rlhflow"), "rlhflow", backbone=backbone)
    problem, first, others = "What is 3*6+5?", "First, 18.", ["Then 23.", "So it is 23.", "5 - 3 = 2."]
    model.score_last(problem, [], [first])
    before, ids = model.tokens, [model.encode(problem, [first, other]).ids for other in others]
    model.score_last(problem, [first], others)
    known = len(model.encode(problem, [first]).ids)
    shared = len(os.path.commonprefix(ids)) - known
    assert shared >= FORMATS["rlhflow"].between
    assert model.tokens - before == shared + sum(len(each) - known - shared for each in ids)


def test_equal_solutions_are_run_once(shelf: Shelf) -> None:
    model = opened(shelf.folder("qwen"), "qwen")
    problem, steps = "What is 3*6+5?", PROBLEMS["What is 3*6+5?"]
    scores = model.score_batch([(problem, steps)] * 5)
    assert scores == [scores[0]] * 5 and model.tokens == len(model.encode(problem, steps).ids)
    assert model.tokens_reencoded == 5 * model.tokens
    assert model.score_batch([]) == [] and model.score_last(problem, steps, []) == []


def test_the_prefix_cache_stays_within_its_memory(shelf: Shelf) -> None:
    model = opened(shelf.folder("qwen"), "qwen", prefix_cache_gib=0.25 / 1024)
    states = model.engine._states
    for problem, steps in long_solutions(40, steps=6, words=10):
        for depth in range(len(steps)):
            model.score_last(problem, steps[:depth], [steps[depth], "Other."])
            assert states.used <= states.capacity
    live = [node.slots[len(node.slots) - node.own :] for node in states._nodes.values()]
    slots = np.concatenate([*live, states._free])
    assert sorted(slots) == list(range(len(states._pools[0][0])))  # every slot is in use or free, once


def test_half_precision_is_near_full_precision(shelf: Shelf) -> None:
    for name in NAMES:
        full, half = (opened(shelf.folder(name), name, dtype=kind) for kind in ("float32", "bfloat16"))
        pairs = zip(full.score_batch(shelf.solutions), half.score_batch(shelf.solutions), strict=True)
        assert 0 < max(gap(*pair) for pair in pairs) < 0.15  # bf16 keeps 8 bits, and random weights are touchy


@pytest.mark.parametrize("backbone", ["light", "transformers"])
@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("qwen", {"score__2__bias": None}, "lacks the tensor score.2.bias"),
        ("skywork-7b", {"v_head__summary__weight": None}, "lacks the tensor v_head.summary.weight"),
        ("rlhflow", {"lm_head__weight": None}, "lacks the tensor lm_head.weight"),
        ("qwen", {"score__2__weight": torch.zeros(1, 32)}, r"shape \[1, 32\], not \[2, 32\]"),
        ("qwen", {"model__layers__1__mlp__up_proj__weight": None}, "lacks the tensor .*layers.1.mlp.up_proj.weight"),
        ("qwen", {"reward__weight": torch.zeros(1, 32)}, "has the tensor reward.weight"),
    ],
)
def test_a_tensor_too_few_or_too_many_is_an_error(shelf, tmp_path, name, changes, message, backbone) -> None:
    folder = copied(shelf, tmp_path, name)
    edit_tensors(folder, **changes)
    with pytest.raises(ValueError, match=message):
        opened(folder, name, backbone=backbone)


def test_tied_embeddings_are_the_head_where_there_is_no_other(shelf: Shelf, tmp_path: Path) -> None:
    folder = copied(shelf, tmp_path, "rlhflow")
    embedding = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]
    edit_tensors(folder, lm_head__weight=embedding)
    untied = opened(folder, "rlhflow").score_batch(shelf.solutions)
    edit_tensors(folder, lm_head__weight=None)
    edit_config(folder, tie_word_embeddings=True)
    assert opened(folder, "rlhflow").score_batch(shelf.solutions) == untied


def test_code_in_a_checkpoint_never_runs(shelf: Shelf, tmp_path: Path) -> None:
    folder = copied(shelf, tmp_path, "qwen")
    trace = tmp_path / "ran"
    code = f"open({str(trace)!r}, 'w').close()\nraise SystemExit('remote code was run')\n"
    for module in ("modeling_prm", "configuration_prm", "tokenization_prm"):
        (folder / f"{module}.py").write_text(code)
    edit_config(
        folder,
        auto_map={"AutoConfig": "configuration_prm.Config", "AutoModel": "modeling_prm.Model"},
    )
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "auto_map": {"AutoTokenizer": ["tokenization_prm.Tokenizer", None]}}))
    expected = opened(shelf.folder("qwen"), "qwen").score_batch(shelf.solutions)
    for backbone in ("light", "transformers"):
        scores = opened(folder, "qwen", backbone=backbone).score_batch(shelf.solutions)
        assert all(gap(*pair) < CLOSE for pair in zip(scores, expected, strict=True))
    assert not trace.exists()


class Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("backbone", ["light", "transformers"])
def test_a_pickle_that_is_a_program_never_runs(tmp_path: Path, backbone: str) -> None:
    folder = make(tmp_path / "trap", "skywork-7b", binary=True)
    file = folder / "pytorch_model.bin"
    torch.save({**torch.load(file), "extra": Trap(tmp_path / "ran")}, file)
    with pytest.raises(ValueError, match="more than tensors"):
        opened(folder, "skywork-7b", backbone=backbone)
    file.write_bytes(pickle.dumps(Trap(tmp_path / "ran")))
    with pytest.raises(ValueError, match="more than tensors"):
        opened(folder, "skywork-7b", backbone=backbone)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("backbone", ["light", "transformers"])
def test_bin_weights_are_converted_once(shelf: Shelf, tmp_path: Path, backbone: str) -> None:
    folder = make(tmp_path / "bin", "skywork-1.5b", binary=True)
    expected = opened(shelf.folder("skywork-1.5b"), "skywork-1.5b").score_batch(shelf.solutions)
    cache = tmp_path / "cache"
    scores = opened(folder, "skywork-1.5b", cache=cache, backbone=backbone).score_batch(shelf.solutions)
    assert all(gap(*pair) < CLOSE for pair in zip(scores, expected, strict=True))
    (converted,) = cache.iterdir()
    written = converted.stat().st_mtime_ns
    opened(folder, "skywork-1.5b", cache=cache, backbone=backbone)
    assert [file.stat().st_mtime_ns for file in cache.iterdir()] == [written]
    shared = torch.zeros(3)
    torch.save({"a": shared, "b": shared}, tmp_path / "tied.bin")
    assert set(load_file(convert(tmp_path / "tied.bin", cache))) == {"a", "b"}


def test_shards_are_read_by_their_index_and_only_in_their_folder(shelf: Shelf, tmp_path: Path) -> None:
    folder = copied(shelf, tmp_path, "qwen")
    expected = opened(folder, "qwen").score_batch(shelf.solutions)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for shard, keys in shards.items():
        save_file({key: tensors[key] for key in keys}, folder / shard)
    where = {key: shard for shard, keys in shards.items() for key in keys}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    assert opened(folder, "qwen").score_batch(shelf.solutions) == expected
    index.write_text(json.dumps({"weight_map": {key: "../elsewhere.safetensors" for key in names}}))
    with pytest.raises(ValueError, match="outside its folder"):
        opened(folder, "qwen")


def test_a_solution_longer_than_the_context(shelf: Shelf, tmp_path: Path) -> None:
    folder = copied(shelf, tmp_path, "qwen")
    problem, steps = next(item for item in PROBLEMS.items() if len(item[1]) == 5)
    whole = opened(folder, "qwen").score(problem, steps)
    lengths = [len(opened(folder, "qwen").encode(problem, steps[: k + 1]).ids) for k in range(5)]
    edit_config(folder, max_position_embeddings=lengths[3] - 1)
    reading_on = opened(folder, "qwen")
    assert reading_on.score(problem, steps) == whole
    assert reading_on.counts(problem, steps) == {"prm_tokens": lengths[4], "overlong": 2}
    with pytest.raises(StudyError, match="longer than its context, .* `overflow` says refuse"):
        opened(folder, "qwen", overflow="refuse").score(problem, steps)
    cutting = opened(folder, "qwen", overflow="cut")
    assert cutting.score(problem, steps) == [*whole[:3], 0.0, 0.0]
    assert cutting.counts(problem, steps) == {"prm_tokens": lengths[2], "overlong": 2} and cutting.tokens == lengths[2]
    assert cutting.score_last(problem, steps[:3], [steps[3], "5."])[0] == 0.0
    assert cutting.score_last(problem, steps[:2], ["x " * 300, steps[2]]) == [0.0, whole[2]]
    assert cutting.overlong(problem, [*steps[:2], "x " * 300]) == 1 and cutting.overlong(problem, steps[:3]) == 0


@pytest.mark.parametrize("backbone", ["light", "transformers"])
@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_window_reads_the_latest_steps_after_the_problem(shelf: Shelf, tmp_path: Path, name: str, backbone) -> None:
    folder = copied(shelf, tmp_path, name)
    problem, steps = "Add them all.", [f"Step {number} adds {number * number}." for number in range(12)]
    free = opened(folder, name, backbone=backbone)
    room = len(free.encode(problem, steps[:4]).ids)
    edit_config(folder, max_position_embeddings=room)
    model = opened(folder, name, backbone=backbone, overflow="windows")
    found = model.score(problem, steps)
    counts = model.counts(problem, steps)
    assert counts["overlong"] == 8 and counts["prm_tokens"] >= model.tokens == sum(model.run_of(problem, [steps]))
    assert found[:4] == pytest.approx(free.score(problem, steps[:4]), abs=1e-5)
    # Every later step stands in a window that fits, begins with a whole step, and holds the steps just before it.
    for number in range(4, 12):
        fitting = [
            free.score(problem, steps[start : number + 1])[-1]
            for start in range(1, number + 1)
            if len(free.encode(problem, steps[start : number + 1]).ids) <= room
        ]
        assert any(found[number] == pytest.approx(score, abs=1e-5) for score in fitting), number
        last = model.score_last(problem, steps[:number], [steps[number], "x " * room, steps[number]])
        assert last == pytest.approx([found[number], 0.0, found[number]], abs=1e-5)
        assert model.overlong(problem, steps[: number + 1]) == number - 3
    assert model.score(problem, ["x " * room, *steps])[0] == 0.0  # no window holds it; those after it are read
    assert model.score(problem, ["x " * room, *steps])[1:5] == pytest.approx(found[:4], abs=1e-5)


@pytest.mark.parametrize("overflow", ["score", "cut", "windows", "refuse"])
def test_a_rule_for_long_solutions_changes_no_score_of_those_that_fit(shelf: Shelf, overflow: str) -> None:
    folder = shelf.folder("qwen")
    model, plain = opened(folder, "qwen", overflow=overflow), opened(folder, "qwen")
    assert model.score_batch(shelf.solutions) == plain.score_batch(shelf.solutions)
    assert all(model.counts(*each) == plain.counts(*each) for each in shelf.solutions)
    assert not any(model.counts(*each)["overlong"] for each in shelf.solutions)


def test_an_architecture_that_we_do_not_run_goes_to_transformers(shelf: Shelf, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = copied(shelf, tmp_path, "rlhflow")
    config = AutoConfig.for_model(
        "phi3",
        vocab_size=512,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    model = opened(folder, "rlhflow")
    reference = Shelf(tmp_path).reference("rlhflow")
    assert failed_checks(model, reference, shelf.solutions[:6]) <= {"context_matters"}
    with pytest.raises(ValueError, match="phi3"):
        opened(folder, "rlhflow", backbone="light")


def test_options_are_checked(shelf: Shelf) -> None:
    folder = shelf.folder("qwen")
    for options, message in [
        ({"engine": "magic"}, "Unknown PRM engine"),
        ({"dtype": "int8"}, "Unknown dtype"),
        ({"overflow": "left"}, "overflow must be"),
        ({"format": "prose"}, "Unknown PRM format"),
        ({"revision": "0" * 40}, "for models of the hub only"),
    ]:
        with pytest.raises(ValueError, match=message):
            open_reward_model(folder, device="cpu", **options)
    assert open_reward_model(folder, device="cpu").name == "qwen"  # the format is told by the architecture
    with pytest.raises(ValueError, match="pass format="):
        open_reward_model(shelf.folder("rlhflow"), device="cpu")
    with pytest.raises(ValueError, match="neither a folder nor a model id"):
        open_reward_model(folder / "missing", device="cpu")


def test_a_hub_model_opens_by_name_from_a_downloaded_snapshot(shelf: Shelf, tmp_path: Path) -> None:
    commit = "c" * 40
    for name, layout in {"Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B": "skywork-1.5b"}.items():
        snapshot = tmp_path / f"models--{name.replace('/', '--')}" / "snapshots" / commit
        shutil.copytree(shelf.folder(layout), snapshot)
        code = (
            "import sys; from ttstudy.prms import open_reward_model\n"
            f"model = open_reward_model({name!r}, revision={commit!r}, device='cpu')\n"
            "print(repr(model.score('What is 1+1?', ['It is 2.'])))\n"
            "sys.exit('transformers.modeling_utils' in sys.modules)"
        )
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "workflow"),
            "HF_HUB_CACHE": str(tmp_path),
            "HF_HUB_OFFLINE": "1",
        }
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert run.stdout.strip() == repr(opened(shelf.folder(layout), layout).score("What is 1+1?", ["It is 2."]))


def test_a_prm_apart_scores_with_torchs_own_kernels_whatever_an_engine_put_in_their_place(shelf: Shelf) -> None:
    command = [sys.executable, ROOT / "tests/patched_kernels.py", shelf.folder("qwen")]
    path = os.pathsep.join([str(ROOT / "workflow"), str(ROOT)])
    run = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout)
    assert found["apart"] == found["before"] != found["here"]
    assert found["siblings"] == [found["before"][0][-1]] and found["tokens"][0] > found["tokens"][1] > 0


def test_beside_a_batch_invariant_policy_a_prm_on_a_gpu_runs_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict = {}
    monkeypatch.setattr(prms, "open_reward_model", lambda path, **options: asked.update(options))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    judge = Judge(checkpoint={"path": "prm/config.json", "digest": "x"})
    seat = Seat((1,), 0.4, 8.0)
    prms.open_prm("prm", judge, seat, apart=True, patched=False)
    assert asked["device"] == "cuda:1" and "visible" not in asked
    prms.open_prm("prm", judge, seat, apart=True, patched=True)
    assert (asked["device"], asked["visible"], asked["prefix_cache_gib"]) == ("cuda:0", "5", 8.0)
    writes = judge.model_copy(update={"verdicts": Verdicts()})
    with pytest.raises(StudyError, match="leave batch_invariant out"):
        prms.open_prm("prm", writes, seat, apart=True, patched=True)
