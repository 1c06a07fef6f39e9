"""The CPU engine: the same bits whatever the batch, and the tokens that transformers itself would write."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.test_engines_checkpoint import make_checkpoint
from ttstudy.models.network import Cache
from ttstudy.policies import native as transformers_engine
from ttstudy.policies.native import NativeEngine
from ttstudy.policies.opening import open_engine
from ttstudy.policies.protocol import Completion, Request, Sampling

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
SHAPES = {
    "tiny": {"hidden": 24, "layers": 2, "heads": 2, "head_dim": 8, "feed_forward": 48},
    "deep": {"hidden": 48, "layers": 4, "heads": 3, "head_dim": 16, "feed_forward": 96},
    "grouped": {"hidden": 80, "heads": 4, "kv_heads": 2, "head_dim": 20, "feed_forward": 200},
    "wide": {"hidden": 160, "heads": 5, "kv_heads": 5, "head_dim": 32, "feed_forward": 320, "tied": False},
    "llama3": {"hidden": 64, "heads": 4, "kv_heads": 2, "rope_scaling": LLAMA3, "tied": False},
    "qwen2": {"model_type": "qwen2", "hidden": 64, "heads": 4, "kv_heads": 2},
}
PROMPT = (0, 40, 41, 42)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {name: make_checkpoint(root / name, **shape) for name, shape in SHAPES.items()}


def mixed_requests(count: int, seed: int = 5) -> list[Request]:
    """Requests of all kinds: prompts on both sides of each padding, greedy, filtered, stopped."""
    rng = random.Random(seed)
    lengths = (1, 2, 7, 15, 16, 17, 31, 33, 48, 65, 100, 130, 190, 250, 300)
    prompts = [tuple(rng.randrange(6, 262) for _ in range(rng.choice(lengths))) for _ in range(count // 4)]
    return [
        Request(
            prompt=rng.choice(prompts),
            sampling=Sampling(
                temperature=rng.choice((0.0, 0.7, 1.0, 1.3)),
                top_p=rng.choice((1.0, 1.0, 0.9)),
                top_k=rng.choice((0, 0, 5)),
                max_tokens=rng.randrange(1, 30),
                stop=rng.choice(((), ("\n\n",), ("a", "th"))),
            ),
            seed=rng.getrandbits(64),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("shape", ["tiny", "deep", "grouped", "wide", "qwen2"])
def test_tokens_and_log_probabilities_are_the_same_bits_whatever_the_batch(
    checkpoints: dict[str, Path], shape: str
) -> None:
    requests = mixed_requests(200)
    engine = open_engine(checkpoints[shape])
    together = engine.generate(requests)
    assert engine.generate(requests[::-1])[::-1] == together
    for number in range(0, 200, 25):
        assert engine.generate([requests[number]]) == [together[number]]
    for options in ({"slots": 16}, {"slots": 64}, {"slots": 100, "prefill_tokens": 500}):
        assert open_engine(checkpoints[shape], **options).generate(requests) == together


def test_tokens_and_log_probabilities_are_the_same_bits_with_one_thread_or_two(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transformers_engine, "_ONE_THREAD", 0)  # small models keep to one thread otherwise
    requests = [replace(request, sampling=Sampling(1.0, max_tokens=6)) for request in mixed_requests(24)]
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(open_engine(checkpoints["wide"]).generate(requests))
        assert results[0] == results[1]
    finally:
        torch.set_num_threads(threads)


def test_bfloat16_is_the_same_bits_alone_and_together(checkpoints: dict[str, Path]) -> None:
    requests = mixed_requests(60)
    engine = open_engine(checkpoints["deep"], dtype="bfloat16")
    together = engine.generate(requests)
    assert [engine.generate([request])[0] for request in requests[:6]] == together[:6]
    assert open_engine(checkpoints["deep"], dtype="bfloat16", slots=16).generate(requests) == together


def test_a_long_prompt_in_query_blocks_is_the_same_bits(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request(tuple(random.Random(1).choices(range(6, 262), k=300)), Sampling(max_tokens=8))
    whole = open_engine(checkpoints["grouped"]).generate([request])
    monkeypatch.setattr("ttstudy.models.network._SCORES", 16 * 2 * 2 * 304 * 64)
    assert open_engine(checkpoints["grouped"]).generate([request]) == whole


@pytest.mark.parametrize("shape", ["deep", "wide", "llama3", "qwen2"])
def test_greedy_tokens_are_those_of_transformers(checkpoints: dict[str, Path], shape: str) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(checkpoints[shape], dtype=torch.float32)
    engine = open_engine(checkpoints[shape])
    assert engine.parameters == sum(tensor.numel() for tensor in model.parameters())
    rng = random.Random(2)
    prompts = [tuple(rng.choices(range(6, 262), k=length)) for length in (3, 16, 50, 280)]
    sampling = Sampling(max_tokens=30)
    for prompt, ours in zip(prompts, engine.generate([Request(p, sampling) for p in prompts]), strict=True):
        ids = torch.tensor([prompt])
        theirs = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=30, do_sample=False)
        assert ours.ids == tuple(theirs[0, len(prompt) :].tolist())
        with torch.no_grad():
            logits = model(torch.tensor([prompt + ours.ids])).logits[0, len(prompt) - 1 : -1]
        expected = logits.log_softmax(-1).gather(-1, torch.tensor(ours.ids)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(ours.logprobs), expected, atol=2e-5, rtol=0)


def test_another_architecture_runs_on_transformers_with_the_same_protocol(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    path = make_checkpoint(tmp_path / "gpt2")
    (path / "model.safetensors").unlink()
    torch.manual_seed(0)
    config = GPT2Config(
        n_embd=32, n_layer=2, n_head=2, vocab_size=267, n_positions=64, bos_token_id=0, eos_token_id=1
    )
    config.initializer_range = 0.3
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(path)
    engine = open_engine(path)
    assert "model type 'gpt2' is beyond the batched engine" in caplog.text
    requests = [
        Request(PROMPT, Sampling(max_tokens=12)),
        Request(PROMPT, Sampling(1.0, max_tokens=12), seed=3),
    ]
    greedy, drawn = engine.generate(requests)
    ids = torch.tensor([PROMPT])
    theirs = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
    assert greedy.ids == tuple(theirs[0, len(PROMPT) :].tolist())
    assert engine.generate(requests[::-1]) == [drawn, greedy]
    assert engine.context == 64


def test_samples_follow_the_model_distribution(checkpoints: dict[str, Path]) -> None:
    engine = open_engine(checkpoints["deep"])
    sampling = Sampling(temperature=1.0, max_tokens=1)
    drawn = engine.generate([Request(PROMPT, sampling, seed=seed) for seed in range(4000)])
    counts: dict[int, list[float]] = {}
    for completion in drawn:
        counts.setdefault(completion.ids[0], []).append(completion.logprobs[0])
    frequent = {token: values for token, values in counts.items() if len(values) > 100}
    assert frequent
    for values in frequent.values():
        probability = torch.tensor(values[0]).exp().item()
        assert abs(len(values) / 4000 - probability) < 5 * (probability / 4000) ** 0.5


def until(completions: Sequence[Completion], finish: str) -> list[Completion]:
    return [completion for completion in completions if completion.finish == finish]


def test_each_way_to_end(checkpoints: dict[str, Path]) -> None:
    engine = open_engine(checkpoints["deep"])
    free = [Request(PROMPT, Sampling(1.0, max_tokens=60), seed=seed) for seed in range(200)]
    plain = engine.generate(free)
    ended = until(plain, "eos")
    assert ended and all(c.ids[-1] == 1 and 1 not in c.ids[:-1] for c in ended)
    assert all("<eos>" not in c.text and c.text == engine.decode(c.ids) for c in plain)
    assert all(c.tokens == 60 and len(c.logprobs) == 60 for c in until(plain, "length"))
    assert all(c.prompt_tokens == len(PROMPT) for c in plain)

    stop = ("th", "9")
    stopping = [replace(request, sampling=replace(request.sampling, stop=stop)) for request in free]
    stopped = engine.generate(stopping)
    assert len(until(stopped, "stop")) > 10
    for before, after in zip(plain, stopped, strict=True):
        assert before.ids[: after.tokens] == after.ids  # the stop only cuts
        before_last = engine.decode(after.ids[:-1])
        assert not any(text in before_last for text in stop)
        assert any(text in after.text for text in stop) == (after.finish == "stop")

    full = engine.context
    prompts = [tuple([50] * length) for length in (full - 3, full - 1, full, full + 9)]
    filled = engine.generate([Request(prompt, Sampling(0.0, max_tokens=20)) for prompt in prompts])
    assert [c.finish for c in filled] == ["context"] * 4
    assert [c.tokens for c in filled] == [3, 1, 0, 0]


def test_a_stop_text_over_several_tokens_and_characters_of_several_bytes(
    checkpoints: dict[str, Path],
) -> None:
    engine = open_engine(checkpoints["deep"])
    assert isinstance(engine, NativeEngine)
    for text, stop in [
        ("x = 1\n \nThen", "\n \n"),
        ("né é", "é"),
        ("to the end", "the e"),
        ("a日本", "日本"),
    ]:
        ids = engine.chat.encode(text)
        from ttstudy.policies.stopping import StopTexts

        stops = StopTexts((stop,), engine.pieces, engine.chat, engine.vocabulary)
        noticed = [
            bool(stops.may_end(torch.tensor([token]).numpy())[0]) and stops.ended(ids[: count + 1])
            for count, token in enumerate(ids)
        ]
        holds = [stop in engine.decode(ids[: count + 1]) for count in range(len(ids))]
        first = holds.index(True)
        assert noticed[: first + 1] == holds[: first + 1]


def test_samples_of_one_prompt_run_it_once(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(checkpoints["deep"])
    assert isinstance(engine, NativeEngine) and engine.network is not None
    run, inner = [], engine.network.prefill

    def counted(ids: torch.Tensor, lengths: torch.Tensor):  # noqa: ANN202
        run.append(int((lengths > 1).sum()))
        return inner(ids, lengths)

    monkeypatch.setattr(engine.network, "prefill", counted)
    sampling = Sampling(1.0, max_tokens=2)
    engine.generate([Request((0, 30 + i % 3), sampling, seed=i) for i in range(90)])
    assert run == [3]


def test_the_cache_stays_within_its_bound(checkpoints: dict[str, Path]) -> None:
    per_token = 4 * 2 * 16 * 4  # layers, keys and values, head_dim, bytes
    bound = 48 * 128 * per_token  # 48 rows of the longest possible
    engine = open_engine(checkpoints["deep"], cache_bytes=bound, context=128)
    assert isinstance(engine, NativeEngine) and engine.network is not None
    largest = 0
    grow = Cache.grow

    def watched(cache: Cache, length: int) -> None:
        nonlocal largest
        grow(cache, length)
        largest = max(largest, sum(t.nbytes for t in (*cache.keys, *cache.values)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cache, "grow", watched)
        done = engine.generate([Request(PROMPT, Sampling(1.3, max_tokens=500), seed=i) for i in range(64)])
    assert max(completion.tokens for completion in done) == 124
    assert bound / 2 < largest <= bound


def test_requests_that_cannot_be_run_are_refused_in_one_sentence(checkpoints: dict[str, Path]) -> None:
    engine = open_engine(checkpoints["tiny"])
    for request, message in [
        (Request(()), "empty prompt"),
        (Request((5000,)), "outside 0..266"),
        (Request(PROMPT, Sampling(max_tokens=0)), "max_tokens must be at least 1"),
        (Request(PROMPT, Sampling(-1.0)), "temperature must be 0 or more"),
        (Request(PROMPT, Sampling(top_p=0.0)), "top_p must be above 0"),
        (Request(PROMPT, Sampling(top_k=-1)), "top_k must be 0"),
        (Request(PROMPT, Sampling(stop=("",))), "stop text must not be empty"),
    ]:
        with pytest.raises(ValueError, match=message):
            engine.generate([request])
    assert engine.generate([]) == []


def test_progress_ends_with_all_and_is_not_called_too_often(checkpoints: dict[str, Path]) -> None:
    import time

    calls: list[tuple[int, int]] = []
    requests = mixed_requests(100)
    start = time.monotonic()
    done = open_engine(checkpoints["tiny"]).generate(requests, lambda *state: calls.append(state))
    assert calls[-1] == (100, sum(completion.tokens for completion in done))
    assert len(calls) <= 10 * (time.monotonic() - start) + 2
    assert calls == sorted(calls)


def test_a_sharded_checkpoint_is_the_same_model(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    sharded = make_checkpoint(tmp_path / "sharded", shards=3, **SHAPES["deep"])
    assert not (sharded / "model.safetensors").exists()
    requests = mixed_requests(8)
    assert open_engine(sharded).generate(requests) == open_engine(checkpoints["deep"]).generate(requests)


def test_loading_and_running_imports_no_transformers(checkpoints: dict[str, Path]) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from ttstudy.policies.opening import open_engine; from ttstudy.policies.protocol import Request;"
        f"open_engine({str(checkpoints['tiny'])!r}).generate([Request((0, 50))]);"
        "assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
