"""Search with the real engine and a real PRM, on tiny random checkpoints: what other problems cannot change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ttstudy.kinds.methods import SEARCHES
from ttstudy.methods.options import Options
from ttstudy.methods.pace import Watch
from ttstudy.methods.run import run, search

TOKENS = ["<pad>", "<s>", "</s>", "<unk>", "\n\n", "\n", " ", *"abcdefgh"]
HIDDEN = 32
SEED = (0, "letters", "tiny")


def write_checkpoint(folder: Path, seed: int, head: dict[str, tuple[int, ...]]) -> Path:
    """A random Llama of two layers over a few letters, with a chat template that is the user's text."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    folder.mkdir()
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(TOKENS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n\n|[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in TOKENS[:4]])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    template = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% endfor %}"
    settings = names | {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(template)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(TOKENS),
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": HIDDEN // 2,
        "hidden_act": "silu",
        "max_position_embeddings": 96,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens.weight": (len(TOKENS), HIDDEN), "model.norm.weight": (HIDDEN,), **head}
    for layer in range(2):
        for name, shape in {
            "self_attn.q_proj": (HIDDEN, HIDDEN),
            "self_attn.k_proj": (HIDDEN // 2, HIDDEN),
            "self_attn.v_proj": (HIDDEN // 2, HIDDEN),
            "self_attn.o_proj": (HIDDEN, HIDDEN),
            "mlp.gate_proj": (2 * HIDDEN, HIDDEN),
            "mlp.up_proj": (2 * HIDDEN, HIDDEN),
            "mlp.down_proj": (HIDDEN, 2 * HIDDEN),
            "input_layernorm": (HIDDEN,),
            "post_attention_layernorm": (HIDDEN,),
        }.items():
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
    dice = torch.Generator().manual_seed(seed)
    tensors = {name: torch.randn(shape, generator=dice) * 0.3 for name, shape in shapes.items()}
    for name in tensors:
        if "norm" in name:
            tensors[name] = torch.ones(HIDDEN)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """Checkpoints of a policy and of a PRM in Skywork's format."""
    root = tmp_path_factory.mktemp("models")
    policy = write_checkpoint(root / "policy", 1, {"lm_head.weight": (len(TOKENS), HIDDEN)})
    prm = write_checkpoint(root / "prm", 2, {"v_head.summary.weight": (1, HIDDEN), "v_head.summary.bias": (1,)})
    return policy, prm


def opened(folders: tuple[Path, Path]):
    """A fresh engine, a fresh PRM and eight problems."""
    from ttstudy.policies.native import NativeEngine
    from ttstudy.prms import open_reward_model

    engine, prm = NativeEngine(folders[0]), open_reward_model(folders[1], "skywork")
    texts = ["a", "bb", "abc", "dead", "beef", "face", "c a b", "h"]
    chats = [engine.encode_chat([{"role": "user", "content": text}]) for text in texts]
    return engine, prm, [(f"p{i}", text, chat) for i, (text, chat) in enumerate(zip(texts, chats, strict=True))]


def searched(folders: tuple[Path, Path], options: Options, chosen: slice = slice(None)):
    """A search of some of eight problems by freshly opened models."""
    engine, prm, problems = opened(folders)
    return run(problems[chosen], engine, prm, options, seed=SEED), prm


@pytest.mark.parametrize("method", SEARCHES)
def test_blocks_of_problems_and_chunks_of_candidates_change_nothing(folders, method):
    options = Options(method=method, budget=16, max_step_tokens=12, max_depth=5, temperature=1.0)
    whole, prm = searched(folders, options)
    blocks = [searched(folders, options, block)[0] for block in (slice(0, 1), slice(1, 4), slice(4, None))]
    chunked = searched(folders, replace(options, max_live=7))[0]
    for table in ("nodes", "answers"):
        frame = getattr(whole, table)
        parts = pd.concat([getattr(block, table) for block in blocks], ignore_index=True)
        pd.testing.assert_frame_equal(frame, parts, check_exact=True)
        pd.testing.assert_frame_equal(frame, getattr(chunked, table), check_exact=True)
    assert {"open", "eos", "length", "depth"} <= set(whole.nodes["finish"])
    assert whole.nodes["score"].nunique() > 100
    assert whole.counters.prm_tokens == prm.tokens < whole.counters.prm_tokens_reencoded


@pytest.mark.parametrize("method", SEARCHES)
@pytest.mark.parametrize("lookahead", [0, 2])
def test_a_problem_costs_among_others_what_it_costs_alone(folders, method, lookahead):
    options = Options(method=method, budget=16, max_step_tokens=12, max_depth=5, temperature=1.0, lookahead=lookahead)
    engine, prm, problems = opened(folders)
    together = dict(search(problems, engine, prm, options, SEED))
    for place in (0, 5):
        (number, alone), *_ = search(problems[place : place + 1], *opened(folders)[:2], options, SEED)
        assert number == 0 and alone.counters == together[place].counters
    assert sum(found.counters.prm_tokens for found in together.values()) == prm.tokens
    assert sum(found.counters.prm_tokens_reencoded for found in together.values()) == prm.tokens_reencoded


@pytest.mark.parametrize("method", SEARCHES)
def test_what_the_prm_reads_does_not_hang_on_whose_candidates_it_scores_together(folders, method):
    options = Options(method=method, budget=16, max_step_tokens=12, max_depth=5, temperature=1.0)

    class Hasty:
        """The policy, which stops for the PRM whenever a candidate is ready."""

        def __init__(self, engine) -> None:
            self.engine = engine

        def __getattr__(self, name: str):
            return getattr(self.engine, name)

        def stream(self):
            stream = self.engine.stream()
            stream.slack = 0.0
            return stream

    engine, prm, problems = opened(folders)
    calm, hurried = Watch(), Watch()
    patient = run(problems, engine, prm, options, seed=SEED, watch=calm)
    hasty = run(problems, Hasty(engine), opened(folders)[1], options, seed=SEED, watch=hurried)
    assert hasty.counters == patient.counters and hurried.prm_calls > calm.prm_calls


def test_scores_are_those_of_the_whole_solution(folders):
    whole, prm = searched(folders, Options(method="beam_search", budget=16, max_step_tokens=12, max_depth=5))
    texts = dict(
        zip((f"p{i}" for i in range(8)), ["a", "bb", "abc", "dead", "beef", "face", "c a b", "h"], strict=True)
    )
    answers = whole.answers
    items = [(texts[row.problem_id], row.steps) for row in answers.itertuples() if row.steps]
    again = prm.score_batch(items)
    for given, scores in zip(answers["step_scores"][answers["steps"].map(len) > 0], again, strict=True):
        assert given == pytest.approx(scores, abs=1e-5)


def test_what_several_paths_begin_with_is_read_once_whether_they_come_in_one_call_or_in_several(folders):
    items = [("abc", ["a", "b"], ["c", "d"]), ("abc", ["a", "c"], ["d"])]
    prm, other = opened(folders)[1], opened(folders)[1]
    together = prm.score_last_batch(items)
    assert together == [other.score_last_batch([item])[0] for item in items] and prm.tokens == other.tokens
