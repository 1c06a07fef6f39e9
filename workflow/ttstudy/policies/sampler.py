"""Drawing tokens: one uniform per (seed, position), inverted through the filtered softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def _mix(z: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195)."""
    z = (z ^ (z >> np.uint64(30))) * _MIX[0]
    z = (z ^ (z >> np.uint64(27))) * _MIX[1]
    return z ^ (z >> np.uint64(31))


def uniforms(seeds: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1) with 53 bits, float64, one per (seed, position); a pure function of the pair.

    `seeds` and `positions` are arrays of one shape; the seed is hashed first, so that neighbouring seeds give
    unrelated streams.
    """
    start = _mix(seeds.astype(np.uint64) + _GAMMA)
    bits = _mix(start + (positions.astype(np.uint64) + np.uint64(1)) * _GAMMA)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _filtered(scaled: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Logits [rows, vocabulary], at most 0, with what top-k (0: all) and then top-p leave out set to -inf.

    Top-p keeps the likeliest tokens until their probability reaches `top_p`, the one that reaches it
    included; equal logits are kept in order of their ids.
    """
    import torch

    size = scaled.shape[-1]
    if scaled.device.type == "cpu":  # numpy's vectorised sort is 20 times faster than torch's
        ordered = -torch.from_numpy(np.sort(-scaled.numpy(), axis=-1))
    else:
        ordered = torch.sort(scaled, dim=-1, descending=True).values
    limit = torch.where(top_k > 0, top_k, size).clamp(max=size)[:, None]
    weights = torch.exp(ordered).masked_fill(torch.arange(size, device=scaled.device) >= limit, 0.0)
    cumulative = torch.cumsum(weights, -1)
    reached = torch.searchsorted(cumulative, top_p[:, None] * cumulative[:, -1:]) + 1
    count = torch.where(top_p[:, None] < 1.0, torch.minimum(reached, limit), limit)
    least = ordered.gather(-1, count - 1)
    above, equal = scaled > least, scaled == least
    spare = count - above.sum(-1, keepdim=True)
    keep = above | (equal & (torch.cumsum(equal, -1) <= spare))
    return scaled.masked_fill(~keep, -torch.inf)


def sureness(logits: torch.Tensor, likeliest: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """How sure each row of `logits` [rows, vocabulary] is: certainty [rows] and peak [rows], both at temperature 1.

    See `ttstudy.kinds.confidences.Tokens`; `likeliest` [rows] has each row's k.
    """
    import torch

    size = logits.shape[-1]
    logprobs = torch.log_softmax(logits, -1)
    certainty = -(logprobs.sum(-1) / size + np.log(size))
    most = min(size, max(1, int(likeliest.max(initial=0))))
    top = torch.cumsum(torch.topk(logprobs, most, dim=-1).values, -1)
    count = torch.from_numpy(np.clip(likeliest, 1, most).astype(np.int64)).to(logits.device)[:, None]
    return certainty, -(top.gather(-1, count - 1) / count).squeeze(-1)


def choose(
    logits: torch.Tensor,
    uniform: np.ndarray,
    temperature: np.ndarray,
    top_k: np.ndarray,
    top_p: np.ndarray,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token per row of `logits` [rows, vocabulary] float32, and its log-probability at temperature 1.

    `uniform` [rows] picks the token by inverting the cumulative distribution in order of ids; temperature 0
    takes the likeliest token, the lowest id among equals. Returns ids [rows] int64, log-probabilities [rows]
    float32. A row's result depends on that row alone.
    """
    import torch

    device = logits.device
    shifted = logits - logits.amax(-1, keepdim=True)
    weights = torch.exp(shifted)
    normaliser = torch.log(weights.sum(-1))
    greedy = temperature <= 0
    if greedy.all():
        chosen = torch.argmax(logits, -1)
    else:
        filtered = ((top_k > 0) | (top_p < 1.0)) & ~greedy
        if filtered.any() or ((temperature != 1.0) & ~greedy).any():
            safe = np.where(greedy, 1.0, temperature).astype(np.float32)
            scaled = shifted / torch.from_numpy(safe).to(device)[:, None]
            rows = np.flatnonzero(filtered)
            if rows.size:
                where = torch.from_numpy(rows).to(device)
                k = torch.from_numpy(top_k[rows].astype(np.int64)).to(device)
                p = torch.from_numpy(top_p[rows].astype(np.float32)).to(device)
                scaled[where] = _filtered(scaled[where], k, p)
            weights = torch.exp(scaled)
        # A sequential running sum in double precision: the same for a row whatever the batch or the threads.
        cumulative = torch.cumsum(weights, -1)
        # A uniform that rounds to 1 would pass the last token that has any weight.
        below_one = np.minimum(uniform.astype(np.float32), np.float32(1 - 2**-24))
        target = torch.from_numpy(below_one).to(device)[:, None] * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, target, right=True).squeeze(-1)
        if greedy.any():
            chosen = torch.where(torch.from_numpy(greedy).to(device), torch.argmax(logits, -1), chosen)
    logprobs = shifted.gather(-1, chosen[:, None]).squeeze(-1) - normaliser
    return chosen, logprobs
