"""Seeds: every response and every search node has its own, derived from what it is and nothing else."""

from __future__ import annotations

from hashlib import blake2b


def derive(*parts: object) -> int:
    """Unsigned 64-bit seed of a tuple of names and numbers, e.g. (study seed, benchmark, policy, problem, sample).

    Parts are joined with a separator that cannot occur in a part's `repr`, so ("a", 11) and ("a1", 1) differ.
    """
    text = "\x1f".join(repr(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
