"""Speed of the examination of one policy's responses, and how often it is wrong.

    PYTHONPATH=workflow python reports/benchmarks/examination.py [--pools 2000]

500 problems x 256 responses of about 1,700 characters, half of them right, a fifth with another problem's gold answer:
the step as the rule runs it, from files to its table. With `--pools`: so many small pools of policies that guess, in
their places and in any order; how many are seen to belong to other problems.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from ttstudy.analysis.misplaced import Hits
from ttstudy.dag.specs import files as specs
from ttstudy.dag.specs.analysis import ExaminedBlock, ExamineSpec
from ttstudy.dag.specs.records import File
from ttstudy.data import tables

ROOT = Path(__file__).resolve().parents[2]
PROBLEMS, SAMPLES = 500, 256


def write(folder: Path) -> ExamineSpec:
    """The tables of a pool in a folder, and the spec that examines it."""
    rng = random.Random(0)
    words = [f"word{number}" for number in range(3000)]
    golds = [str(rng.randrange(2000)) for _ in range(PROBLEMS)]
    texts = [" ".join(rng.choices(words, k=60)) for _ in golds]
    ids = [f"p{number}" for number in range(PROBLEMS)]
    problems = pd.DataFrame({"problem_id": ids, "problem": texts, "answer": golds, "level": None, "subject": None})
    rows = []
    for place, gold in enumerate(golds):
        for sample in range(SAMPLES):
            kind = rng.random()
            answer = gold if kind < 0.5 else rng.choice(golds) if kind < 0.7 else str(rng.randrange(2000))
            said = [*rng.choices(words, k=200), *texts[place].split()[: rng.randrange(60)]]
            rows.append((ids[place], sample, " ".join(said), answer, answer == gold, kind < 0.95))
    frame = pd.DataFrame(rows, columns=["problem_id", "sample", "response", "canonical", "correct", "answered"])
    status = frame["answered"].map({True: "graded", False: "no_answer"})
    grades = frame.assign(answer=frame["canonical"], found="box", place=0, status=status)
    grades.loc[~frame["answered"], ["answer", "canonical", "found", "place"]] = None
    grades["correct"] &= frame["answered"]
    more = {"prompt_tokens": 9, "response_tokens": 9, "logprob": -1.0, "finish": "eos"}
    responses = frame.assign(steps=[[text] for text in frame["response"]], **more)
    for name, table in (("benchmark", problems), ("responses", responses), ("grades", grades)):
        tables.write(name, table, folder / f"{name}.parquet")

    def file(name: str) -> File:
        return File(path=str(folder / f"{name}.parquet"), digest=name, given=True)

    block = ExaminedBlock(responses=file("responses"), grades=file("grades"), forms=file("grades"))
    return ExamineSpec(
        code="benchmark",
        benchmark="b",
        policy="p",
        problems=file("benchmark"),
        extraction="conclusion",
        pools={"samples": [block]},
        outputs={"examination": str(folder / "examination.parquet")},
    )


def gold(rng: random.Random) -> int:
    """A whole number as word problems have them: often small, often round."""
    small, five, ten = rng.randrange(1, 30), 5 * rng.randrange(1, 60), 10 * rng.randrange(1, 100)
    return rng.choice((small, small, five, ten, rng.randrange(1, 999)))


def pool(seed: int, problems: int, right: float, *, wording: bool, shuffled: bool) -> bool:
    """Whether a pool of 8 samples a problem is taken for one of other problems' responses.

    The policy is right with this chance, else repeats a favourite of the problem or guesses; with `wording` its
    responses have half of their problem's words.
    """
    rng = random.Random(seed)
    words = [f"word{number}" for number in range(400)]
    golds, texts = [gold(rng) for _ in range(problems)], [rng.choices(words, k=30) for _ in range(problems)]
    rows = []
    for place, own in enumerate(golds):
        favourite = gold(rng)
        for _ in range(8):
            wrong = favourite if rng.random() < 0.5 else gold(rng)
            said = rng.choices(words, k=15) + (rng.sample(texts[place], 15) if wording else [])
            rows.append((place, own if rng.random() < right else wrong, " ".join(said)))
    places = [place for place, _, _ in rows]
    if shuffled:
        rng.shuffle(places)
    hits = Hits([str(own) for own in golds], [" ".join(text) for text in texts])
    for place, (_, answer, said) in zip(places, rows, strict=True):
        hits.add(place, str(answer), answer == golds[place], said)
    return hits.verdict().misplaced


def alarms(pools: int) -> None:
    """Print how many pools of each kind are seen to be misplaced."""
    for problems in (30, 200):
        for right in (0.0, 0.02, 0.1, 0.3, 0.7):
            for wording in (True, False):
                found = [
                    sum(pool(seed, problems, right, wording=wording, shuffled=shuffled) for seed in range(pools))
                    for shuffled in (False, True)
                ]
                kind = "its words" if wording else "no words"
                print(f"{problems} problems, {right:.0%} right, {kind}: {found[0]} in place, {found[1]} shuffled")


def main() -> None:
    """Write the pool, run the step, print what it took; or count wrong alarms."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pools", type=int, default=0)
    if pools := parser.parse_args().pools:
        alarms(pools)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = write(folder)
        path = folder / "results/specs/examine.json"
        specs.write(spec, path)
        began = time.perf_counter()
        subprocess.run([sys.executable, str(ROOT / "scripts/examine.py"), "--spec", str(path)], check=True)
        wall, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        found = pd.read_parquet(folder / "examination.parquet")
        print(f"{PROBLEMS * SAMPLES:,} responses: {wall:.1f} s wall, {used.ru_utime + used.ru_stime:.1f} s CPU")
        print(f"peak memory {used.ru_maxrss / 2**20:.2f} GiB; {len(found)} findings looked for")


if __name__ == "__main__":
    main()
