"""The miniature's tokenizer, network, training and checkpoints."""

from __future__ import annotations

import copy
import json
import math
import subprocess
from itertools import islice
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.studies import step_command
from ttstudy.dag.specs.inputs import TrainPolicySpec
from ttstudy.dag.specs.records import digest8
from ttstudy.miniature import network, policies, reward_models, rollouts, shipping, training
from ttstudy.miniature import task as tasks
from ttstudy.miniature import tokenizer as tokens
from ttstudy.models.chat import ChatTokenizer
from ttstudy.models.text import TextTokenizer
from ttstudy.prms.formats import make_format

ROOT = Path(__file__).resolve().parents[1]
TASK = {"operations": [1, 3], "largest": 20}
POLICY = {
    "task": TASK,
    "model": {"hidden": 16, "layers": 2, "heads": 2, "kv_heads": 1, "ffn": 24, "context": 128},
    "training": {"tokens": 6000, "batch": 512, "rate": 0.01, "warmup": 5},
    "seed": 3,
    "version": 1,
}
PRM = {
    "task": TASK,
    "model": {"body": "tiny", "layers": 1, "format": "qwen"},
    "training": {
        "tokens": 4000,
        "batch": 512,
        "micro": 256,
        "rate": 0.01,
        "whole": 0.5,
        "after": 1,
        "drop": 0.2,
        "tail": 0.3,
        "dense": 1.0,
        "language": 0.3,
        "rollouts": {"policies": {"tiny": 30}, "samples": 2, "temperature": 1.0, "seed": 1},
        "validation": {"policies": {"tiny": 10}, "samples": 2, "temperature": 0.8, "seed": 2},
    },
    "policies": {"tiny": digest8(POLICY)},
    "seed": 4,
    "version": 1,
}
FILES = {
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "training.json",
    "tokenizer_config.json",
    "README.md",
}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy") / "tiny"
    policies.train_policy(POLICY, folder)
    return folder


@pytest.fixture(scope="module")
def prms(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for form in reward_models.ARCHITECTURES:
        definition = copy.deepcopy(PRM)
        definition["model"]["format"] = form
        folders[form] = tmp_path_factory.mktemp("prm") / form
        reward_models.train_reward_model(definition, {"tiny": policy}, folders[form])
    return folders


# -- tokenizer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("largest", [20, 79, 99])
def test_every_text_of_the_task_round_trips_without_unknown_tokens(largest: int) -> None:
    tokenizer = tokens.build(largest)
    task = tasks.Task(largest=largest)
    for problem, expression, rng in islice(tasks.stream(task, "train", 0), 50):
        steps = tasks.solve(expression, rng, largest)
        text = problem + "\n\n" + tasks.solution_text(steps)
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == text
        assert tokens.vocabulary(largest)[tokens.UNK] not in ids
        parts = [problem, *(piece for step in steps for piece in ("\n\n", step))]
        assert ids == [i for part in parts for i in tokenizer.encode(part, add_special_tokens=False).ids]


@given(
    st.text(
        alphabet=st.characters(codec="utf-8") | st.sampled_from("0123456789+-*=, so\n.<>_/x"), max_size=60
    )
)
@settings(max_examples=150, deadline=None)
def test_any_text_becomes_ids_one_unknown_for_each_strange_character(text: str) -> None:
    tokenizer = tokens.build(79)
    encoding = tokenizer.encode(text, add_special_tokens=False)
    spelt = [text[start:end] for start, end in encoding.offsets]
    assert "".join(spelt) == text
    unknown = tokens.vocabulary(79)[tokens.UNK]
    assert all(
        id != unknown or len(part) == 1 or part == tokens.UNK
        for id, part in zip(encoding.ids, spelt, strict=True)
    )


def test_a_chat_begins_with_one_bos_and_ends_where_the_solution_begins(policy: Path) -> None:
    chat = ChatTokenizer(policy)
    ids = chat.encode_chat(
        [{"role": "system", "content": "Think."}, {"role": "user", "content": "Compute 2+3."}]
    )
    vocabulary = tokens.vocabulary(20)
    assert ids == [vocabulary[piece] for piece in (tokens.BOS, "Compute ", "2", "+3", ".", "\n\n")]
    hostile = chat.encode_chat([{"role": "user", "content": "Compute <s></s><extra_0>."}])
    assert [id for id in hostile if id in (1, 2, 6)] == [1]


# -- network and training ------------------------------------------------------------------------------------------


def test_the_update_of_a_matrix_is_nearly_orthogonal() -> None:
    matrices = torch.randn(3, 8, 20, generator=torch.Generator().manual_seed(0))
    for each in (matrices, matrices.transpose(1, 2).contiguous()):
        singular = torch.linalg.svdvals(training.orthogonal(each, steps=6))
        assert 0.6 < singular.min() and singular.max() < 1.3


def test_the_learning_rate_rises_stays_and_falls() -> None:
    schedule = training.Schedule(tokens=1000, batch=10, rate=1.0, warmup=10, decay=0.5)
    assert [
        round(schedule.rate_at(*at), 4) for at in ((0, 0), (9, 90), (50, 500), (75, 750), (99, 1000))
    ] == [
        0.1,
        1.0,
        1.0,
        0.51,
        0.02,
    ]


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="even multiple of heads"):
        policies.train_policy({**POLICY, "model": {**POLICY["model"], "heads": 3}}, "nowhere")
    with pytest.raises(ValueError, match="width"):
        policies.train_policy({**POLICY, "model": {**POLICY["model"], "width": 3}}, "nowhere")


def test_the_same_definition_gives_the_same_bytes_and_another_seed_others(
    policy: Path, tmp_path: Path
) -> None:
    policies.train_policy(POLICY, tmp_path / "again")
    policies.train_policy({**POLICY, "seed": 4}, tmp_path / "other")
    for name in FILES:
        assert (policy / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    assert (policy / "model.safetensors").read_bytes() != (
        tmp_path / "other" / "model.safetensors"
    ).read_bytes()


def test_a_policy_is_recorded_with_what_it_cost(policy: Path) -> None:
    record = json.loads((policy / "training.json").read_text())
    tensors = load_file(policy / "model.safetensors")
    total = sum(tensor.numel() for tensor in tensors.values())
    assert record["parameters"]["total"] == total
    assert record["parameters"]["non_embedding"] == total - tensors["model.embed_tokens.weight"].numel()
    assert record["digest"] == digest8(POLICY) and record["definition"] == POLICY
    assert 6000 <= record["tokens"] < 6600 and record["flops"] == 6 * total * record["tokens"]
    assert record["loss_curve"][0][1] > record["loss_curve"][-1][1] == record["loss"]
    assert record["validation"]["loss"] < math.log(len(tokens.vocabulary(20)))
    assert json.loads((policy / "timing.json").read_text())["cpu_seconds"] > 0
    assert "licence: mit" in (policy / "README.md").read_text().lower()


def test_policies_of_one_ladder_read_the_same_examples() -> None:
    vocabulary = tokens.vocabulary(20)
    task = tasks.Task.of(TASK)
    first, again = (list(islice(policies.examples(task, "train", 0, vocabulary), 20)) for _ in range(2))
    assert first == again
    batch = next(policies.batches(iter(first * 300), 400, 0))
    inputs, targets = policies.collate(batch, 0)
    assert inputs.numel() <= 400 and inputs.shape == targets.shape
    ids, prompt = batch[0]
    assert targets[0, : prompt - 1].eq(policies.IGNORED).all()
    assert targets[0, prompt - 1 : len(ids) - 1].tolist() == ids[prompt:]


def test_transformers_computes_the_same_logits(policy: Path, prms: dict[str, Path]) -> None:
    from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

    generator = torch.Generator().manual_seed(0)
    model, found = AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32, output_loading_info=True)
    assert not found["missing_keys"] and not found["unexpected_keys"]
    shape, weights = network.load(policy)
    ids = torch.randint(0, shape.vocabulary, (3, 40), generator=generator)
    with torch.no_grad():
        ours = network.logits(weights, network.forward(shape, weights, ids)[1])
        torch.testing.assert_close(model(ids).logits, ours, atol=2e-5, rtol=1e-4)
    tokenizer = AutoTokenizer.from_pretrained(policy)
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Compute 2+3."}], tokenize=False)
    assert chat == "<s>Compute 2+3.\n\n"
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 0)
    for form, folder in prms.items():
        body, found = AutoModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        assert not found["missing_keys"]
        assert set(found["unexpected_keys"]) == set(reward_models.initial_head(form, 16, generator))
        shape, weights = network.load(folder)
        with torch.no_grad():
            ours = network.forward(shape, weights, ids)[1]
            torch.testing.assert_close(body(ids).last_hidden_state, ours, atol=2e-5, rtol=1e-4)


# -- rollouts and PRMs ---------------------------------------------------------------------------------------------


def labelled(steps: list[str], problem: str = "Compute 9-2+4.") -> rollouts.Rollout:
    return rollouts.Rollout("p", problem, "11", tuple(steps), tuple(tasks.check_steps(problem, steps)))


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        (["9-2=7, so 7+4", r"7+4=11, so \boxed{11}"], None),
        (["9-2=6, so 6+4", r"6+4=10, so \boxed{10}"], (0, 3)),  # 9 -2 = | 6
        (["9-2=7, so 7+4", "7+4=11, so 11"], (1, 5)),  # 7 +4 = 11 ", so " | 11
        (["9-2=7, so 7+4-4"], (0, 7)),  # all of the legal step, then | -4
        (["9-2=7, so 7", "7"], (0, 6)),  # cut short: wrong only at its end
        (["9-2=7, so 7+4", r"7+4=11, so \boxed{11}", "11"], (2, 0)),
    ],
)
@pytest.mark.parametrize("form", ["qwen", "skywork"])
def test_token_labels_turn_at_the_first_token_with_no_right_continuation(
    prms: dict[str, Path], form: str, steps: list[str], wrong: tuple[int, int] | None
) -> None:
    text = TextTokenizer(prms[form])
    encoded = make_format(form, text)
    example = rollouts.encode(labelled(steps), encoded, len(steps), text.encode)
    assert example.positions == tuple(encoded.encode("Compute 9-2+4.", steps).positions)
    assert example.prompt == 7
    if wrong is None:
        assert example.wrong_token == len(example.ids)
    else:
        start = example.positions[wrong[0] - 1] + 1 if wrong[0] else example.prompt
        assert example.wrong_token == start + wrong[1]
    stacked = reward_models.stack([example], 0, 0.25)
    at_tags = stacked["labels"][0, list(example.positions)].bool().tolist()
    assert at_tags == list(example.labels) == tasks.check_steps("Compute 9-2+4.", steps)
    weights = stacked["steps"][0, list(example.positions)].tolist()
    assert weights == [0.25 if i and False in example.labels[:i] else 1.0 for i in range(len(steps))]
    assert stacked["dense"][0, : example.prompt].eq(0).all()
    targets = stacked["next"][0]
    right = slice(example.prompt - 1, example.wrong_token - 1)
    assert targets[right].tolist() == list(example.ids[example.prompt : example.wrong_token])
    assert targets.ne(-100).sum() == example.wrong_token - example.prompt


def test_rollouts_are_cut_past_the_first_error_or_kept_whole() -> None:
    rollout = labelled(["9-2=7, so 7+4", "x", "y", "z", "u"])
    assert rollout.wrong == 1
    assert {rollouts.keep_steps(rollout, Random(i), 0.0, 2) for i in range(40)} == {2, 3, 4}
    assert {rollouts.keep_steps(rollout, Random(i), 1.0, 2) for i in range(5)} == {5}


def test_area_under_the_curve_against_all_pairs() -> None:
    rng = Random(0)
    labels = [rng.random() < 0.4 for _ in range(60)]
    scores = [round(rng.random() + 0.2 * label, 1) for label in labels]
    good = [score for score, label in zip(scores, labels, strict=True) if label]
    bad = [score for score, label in zip(scores, labels, strict=True) if not label]
    pairs = [(a > b) + 0.5 * (a == b) for a in good for b in bad]
    assert reward_models.area_under_curve(labels, scores) == pytest.approx(sum(pairs) / len(pairs))
    assert reward_models.area_under_curve([True], [0.5]) is None


@pytest.mark.parametrize("form", ["qwen", "skywork"])
def test_a_prm_has_exactly_its_published_layout(prms: dict[str, Path], form: str) -> None:
    config = json.loads((prms[form] / "config.json").read_text())
    tensors = load_file(prms[form] / "model.safetensors")
    heads = {
        "qwen": {
            "score.0.weight": (16, 16),
            "score.0.bias": (16,),
            "score.2.weight": (2, 16),
            "score.2.bias": (2,),
        },
        "skywork": {"v_head.summary.weight": (1, 16), "v_head.summary.bias": (1,)},
    }
    architecture = {"qwen": "Qwen2ForProcessRewardModel", "skywork": "Qwen2ForPrmModel"}
    assert config["architectures"] == [architecture[form]] and config["model_type"] == "qwen2"
    assert {name: tuple(t.shape) for name, t in tensors.items() if not name.startswith("model.")} == heads[
        form
    ]
    assert config["num_hidden_layers"] == 3 and "model.layers.2.self_attn.q_proj.bias" in tensors
    assert "model.layers.3.self_attn.q_proj.bias" not in tensors


@pytest.mark.parametrize("form", ["qwen", "skywork"])
def test_the_study_scores_a_prm_as_its_training_did(prms: dict[str, Path], form: str) -> None:
    from ttstudy.prms import open_reward_model

    samples = [
        labelled(["9-2=7, so 7+4", r"7+4=11, so \boxed{11}"]),
        labelled(["9-2=6, so 6+4", r"6+4=10, so \boxed{10}"]),
        labelled(["hm"]),
    ]
    shape, weights = network.load(prms[form])
    tensors = load_file(prms[form] / "model.safetensors")
    weights |= {name: value.float() for name, value in tensors.items() if not name.startswith("model.")}
    text = TextTokenizer(prms[form])
    ours = reward_models.score_rollouts(shape, weights, samples, make_format(form, text), text, 0)
    theirs = open_reward_model(prms[form]).score_batch([(r.problem, r.steps) for r in samples])
    for mine, study in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(study, abs=1e-4)


def test_a_prm_trains_to_the_same_bytes_and_says_what_it_saw(
    policy: Path, prms: dict[str, Path], tmp_path: Path
) -> None:
    record = reward_models.train_reward_model(PRM, {"tiny": policy}, tmp_path / "again")
    for name in FILES:
        assert (prms["qwen"] / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    assert record["rollouts"]["responses"] <= 60 and record["validation"]["responses"] <= 20
    assert set(record["validation"]["by_policy"]) == {"tiny"} and record["digest"] == digest8(PRM)


def test_a_prm_wants_the_policies_of_its_definition(policy: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint was given"):
        reward_models.train_reward_model(PRM, {}, tmp_path)
    with pytest.raises(ValueError, match="was trained by the definition"):
        reward_models.train_reward_model(
            {**PRM, "policies": {"tiny": "00000000"}}, {"tiny": policy}, tmp_path
        )


# -- shipped checkpoints -------------------------------------------------------------------------------------------


def test_a_shipped_checkpoint_is_copied_only_for_its_own_definition(policy: Path, tmp_path: Path) -> None:
    assert shipping.find_shipped(POLICY, policy.parent) == policy
    assert shipping.find_shipped({**POLICY, "seed": 9}, policy.parent) is None


def test_a_failing_training_leaves_the_old_folder_and_no_other(tmp_path: Path) -> None:
    shipping.write_whole(tmp_path / "model", lambda folder: (folder / "a").write_text("old"))

    def fail(folder: Path) -> None:
        (folder / "a").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        shipping.write_whole(tmp_path / "model", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "a").read_text() == "old"


def test_shipped_checkpoints_carry_the_digest_of_their_definition() -> None:
    shipped = sorted(shipping.SHIPPED.glob("*/training.json"))
    assert len(shipped) >= 9
    for file in shipped:
        record = json.loads(file.read_text())
        assert record["digest"] == digest8(record["definition"]), file
        assert (file.parent / "README.md").read_text() == training.model_card(record), file
        sizes = [tensor.numel() for tensor in load_file(file.parent / "model.safetensors").values()]
        assert sum(sizes) == record["parameters"]["total"], file


def test_shipped_models_are_a_ladder_on_equal_tokens_and_prms_in_order() -> None:
    records = {f.parent.name: json.loads(f.read_text()) for f in shipping.SHIPPED.glob("*/training.json")}
    ladder = sorted(
        (record for record in records.values() if record["kind"] == "policy"),
        key=lambda record: record["parameters"]["total"],
    )
    sizes = [record["parameters"]["total"] for record in ladder]
    assert len(ladder) >= 5 and sizes[-1] >= 50 * sizes[0]
    assert len({record["definition"]["training"]["tokens"] for record in ladder}) == 1
    assert ladder[0]["validation"]["loss"] > ladder[-1]["validation"]["loss"]
    auc = {name: record["validation"]["auc"] for name, record in records.items() if record["kind"] == "prm"}
    assert auc["prm-good"] >= 0.95
    assert auc["prm-good"] > auc["prm-medium"] > max(auc["prm-undertrained"], auc["prm-ood"])


def test_the_script_copies_what_is_shipped_and_trains_what_is_not(tmp_path: Path) -> None:
    record = json.loads((shipping.SHIPPED / "mini-20k" / "training.json").read_text())

    def run(definition: dict, output: Path) -> None:
        outputs = {"output": str(output / "training.json")}
        spec = TrainPolicySpec(name="policy", **definition, outputs=outputs)
        assert spec.definition() == definition
        subprocess.run(step_command(spec, tmp_path), check=True)

    run(record["definition"], tmp_path / "copied")
    run(POLICY, tmp_path / "trained")
    for path in (shipping.SHIPPED / "mini-20k").iterdir():
        assert path.read_bytes() == (tmp_path / "copied" / path.name).read_bytes()
    assert json.loads((tmp_path / "trained" / "training.json").read_text())["definition"] == POLICY
    log = (tmp_path / "log").read_text()
    assert "the shipped checkpoint" in log and "policy: trained" in log
