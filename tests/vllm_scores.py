"""Work of real vLLM for the tests of PRMs: runs under vLLM's Python, one engine after another, and writes JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ttstudy.prms import open_reward_model


def main(work: Path, output: Path) -> None:
    """Score what `work` (a JSON file) asks for: per model its folder, format, solutions and siblings."""
    found = {}
    for name, asked in json.loads(work.read_text()).items():
        model = open_reward_model(
            asked["folder"], format=asked["format"], engine="vllm", overflow="refuse", visible=asked["visible"]
        )
        scores = model.score_batch([tuple(each) for each in asked["solutions"]])
        single = model.score(*asked["solutions"][0])
        reads = [[_read(model, each) for _ in range(2)] for each in asked["siblings"]]
        last = model.score_last_batch([tuple(each) for each in asked["siblings"]])
        counted = [model.parameters, model.tokens, model.tokens_reencoded]
        try:
            mistake = str(model.score("1 " * 5000, ["x"]))
        except ValueError as error:
            mistake = str(error)
        model.engine.close()
        found[name] = {"scores": scores, "single": single, "last": last, "counted": counted, "mistake": mistake}
        found[name]["reads"] = reads
    output.write_text(json.dumps(found))


def _read(model, siblings) -> int:
    """Tokens that are read to score them."""
    before = model.tokens
    model.score_last(*siblings)
    return model.tokens - before


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
