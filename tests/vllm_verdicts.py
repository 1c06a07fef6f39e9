"""Under the Python that has vLLM: judgements of a generative PRM, and what they took (FOLDER WORK OUTPUT)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ttstudy.prms import open_reward_model
from ttstudy.prms.judging import Settings


def main(folder: str, work: Path, output: Path) -> None:
    """Score with every generative format, whole and as a search does."""
    found = {}
    for name, items in json.loads(work.read_text()).items():
        options = {"engine": "vllm", "enforce_eager": True, "kv_cache_gib": 0.25}
        many = Settings(samples=200, max_tokens=24, temperature=1.0)
        model = open_reward_model(folder, name, verdicts=many, **options)
        solutions = [(problem, steps) for problem, steps in items]
        told = {"shares": model.score_batch(solutions), "again": model.score_batch(solutions[::-1])[::-1]}
        told["counts"] = [model.counts(*each) for each in solutions]
        last = [(problem, steps[:-1], [steps[-1]]) for problem, steps in solutions]
        told["last"] = model.score_last_batch(last)
        try:
            open_reward_model(folder, name, verdicts=many, max_model_len=64, **options)
        except ValueError as error:
            told["mistake"] = str(error)
        found[name] = told
    output.write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
