"""Drawing tokens: uniforms that depend on (seed, position) alone, and the distribution they invert."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from ttstudy.policies.sampler import choose, uniforms


def splitmix64_finaliser(z: int) -> int:
    """The published mixing step, on Python integers."""
    mask = (1 << 64) - 1
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_uniforms_are_the_hash_of_seed_and_position() -> None:
    gamma, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1
    for seed, position in [(0, 0), (1, 0), (0, 1), (mask, 7), (12345678901234567890, 1000)]:
        start = splitmix64_finaliser((seed + gamma) & mask)
        bits = splitmix64_finaliser((start + (position + 1) * gamma) & mask)
        expected = (bits >> 11) / 2**53
        assert uniforms(np.array([seed], np.uint64), np.array([position]))[0] == expected


def test_uniforms_of_neighbouring_seeds_and_positions_are_uniform_and_unrelated() -> None:
    seeds, positions = np.meshgrid(np.arange(200, dtype=np.uint64), np.arange(200))
    values = uniforms(seeds, positions)
    assert stats.kstest(values.ravel(), "uniform").pvalue > 1e-3
    assert len(np.unique(values)) == values.size
    for shifted in (values[:, 1:], values[1:, :]):
        left = values[: shifted.shape[0], : shifted.shape[1]]
        assert abs(np.corrcoef(left.ravel(), shifted.ravel())[0, 1]) < 0.02


def draw(
    logits: list[float], draws: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    rows = torch.tensor([logits]).repeat(draws, 1)
    uniform = (np.arange(draws) + 0.5) / draws
    settings = (np.full(draws, temperature), np.full(draws, top_k), np.full(draws, top_p))
    chosen, logprobs = choose(rows, uniform, *settings)
    return chosen.numpy(), logprobs.numpy()


def test_evenly_spread_uniforms_give_the_softmax_and_log_probabilities_of_temperature_one() -> None:
    logits = [0.3, -1.0, 2.0, 0.0, -4.0]
    for temperature in (1.0, 0.6):
        chosen, logprobs = draw(logits, 20_000, temperature)
        expected = torch.softmax(torch.tensor(logits) / temperature, 0).numpy()
        np.testing.assert_allclose(np.bincount(chosen, minlength=5) / 20_000, expected, atol=2e-4)
        plain = torch.log_softmax(torch.tensor(logits), 0).numpy()
        np.testing.assert_allclose(logprobs, plain[chosen], atol=1e-6)


def test_temperature_zero_takes_the_likeliest_and_the_lowest_id_among_equals() -> None:
    chosen, _ = draw([1.0, 3.0, 3.0, 2.0], 64, temperature=0.0)
    assert set(chosen) == {1}


def test_top_k_and_top_p_keep_the_likeliest_and_ties_by_id() -> None:
    logits = np.log([0.1, 0.4, 0.1, 0.3, 0.1]).tolist()
    assert set(draw(logits, 1000, top_k=2)[0]) == {1, 3}
    assert set(draw(logits, 1000, top_k=3)[0]) == {0, 1, 3}  # of three equal tokens the first
    assert set(draw(logits, 1000, top_p=0.65)[0]) == {1, 3}
    assert set(draw(logits, 1000, top_p=0.75)[0]) == {0, 1, 3}
    assert set(draw(logits, 1000, top_p=0.05)[0]) == {1}
    assert set(draw(logits, 1000, top_k=2, top_p=0.99)[0]) == {1, 3}  # top-p over what top-k left
    chosen, _ = draw(logits, 10_000, top_k=2)
    np.testing.assert_allclose(np.bincount(chosen)[[1, 3]] / 10_000, [4 / 7, 3 / 7], atol=1e-3)


def test_the_largest_uniform_never_picks_a_token_without_weight() -> None:
    logits = torch.full((1, 50), -200.0)
    logits[0, 10] = 0.0
    chosen, _ = choose(logits, np.array([1 - 2.0**-53]), np.ones(1), np.zeros(1, int), np.ones(1))
    assert chosen.item() == 10


def test_a_row_draws_the_same_beside_rows_of_other_settings() -> None:
    logits = torch.randn(64, 333, generator=torch.Generator().manual_seed(3))
    uniform = uniforms(np.arange(64, dtype=np.uint64), np.zeros(64, int))
    kinds = np.arange(64) % 4
    settings = (
        np.array([1.0, 0.7, 0.0, 1.0])[kinds],
        np.array([0, 0, 0, 7])[kinds],
        np.array([1.0, 0.9, 1.0, 1.0])[kinds],
    )
    together = choose(logits, uniform, *settings)
    for row in range(64):
        one = slice(row, row + 1)
        alone = choose(logits[one], uniform[one], *(setting[one] for setting in settings))
        assert alone[0].item() == together[0][row].item()
        assert alone[1].item() == together[1][row].item()
