"""Scores before and after something puts kernels in torch's place for the whole process, as batch_invariant does.

    PYTHONPATH=workflow:. python tests/patched_kernels.py CHECKPOINT

Prints them as JSON: before, in this process after, and of a PRM apart.
"""

from __future__ import annotations

import json
import sys

import torch

from ttstudy.prms import open_reward_model

ITEMS = [("What is 3*6+5?", ["First, 3*6=18, so we have 18+5.", "Then 18+5=23."])]


def main(folder: str) -> None:
    here = open_reward_model(folder, device="cpu")
    found = {"before": here.score_batch(ITEMS)}
    library = torch.library.Library("aten", "IMPL")
    for name, kernel in {"mm": lambda a, b: a.new_zeros(len(a), b.shape[1]), "linear": _linear}.items():
        library.impl(f"aten::{name}", kernel, "CPU")
    found["here"] = open_reward_model(folder, device="cpu").score_batch(ITEMS)
    apart = open_reward_model(folder, device="cpu", visible="")
    found["apart"] = apart.score_batch(ITEMS)
    found["siblings"] = apart.score_last(ITEMS[0][0], ITEMS[0][1][:1], ITEMS[0][1][1:])
    found["tokens"] = [apart.tokens, here.tokens]
    apart.engine.close()
    print(json.dumps(found))


def _linear(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return rows.new_zeros(*rows.shape[:-1], len(weight))


if __name__ == "__main__":
    main(sys.argv[1])
