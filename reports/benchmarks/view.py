"""How long `ttstudy view` takes over a pool of a million responses: `python reports/benchmarks/view.py FOLDER`.

The pool is made up in FOLDER (about 1 GB of text), by the contracts of the tables; every page is asked for over HTTP.
"""

from __future__ import annotations

import http.client
import os
import resource
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import yaml

from ttstudy.dag.cells import Cell
from ttstudy.data import tables
from ttstudy.view import groups
from ttstudy.view.server import Viewer
from ttstudy.view.site import Site

PROBLEMS, SAMPLES, STEPS = 500, 2048, 10
BLOCK = 256
STUDY = Path(__file__).parents[2] / "workflow" / "studies" / "smoke.yaml"


def study(folder: Path) -> Path:
    """A study whose one pool has a million responses, in blocks."""
    config = yaml.safe_load(STUDY.read_text())
    config["benchmarks"]["sums"]["problems"] = PROBLEMS
    config |= {"study": "million", "results": str(folder / "results"), "first_block": BLOCK}
    config["budgets"] = {"majority": [SAMPLES], "best_of_n": [SAMPLES]}
    path = folder / "million.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def fill(part: groups.Part, samples: range, rng: np.random.Generator) -> None:
    """Made-up responses of a block, with grades and scores."""
    rows = PROBLEMS * len(samples)
    ids = np.repeat([f"test-{place:05d}" for place in range(PROBLEMS)], len(samples))
    keys = {"problem_id": pa.array(ids, pa.large_string()), "sample": pa.array(np.tile(samples, PROBLEMS))}
    words = np.array(["so", "we", "add", "carry", "then", "twelve", "divide", "therefore", "x = 4", "hence", "1/2"])
    lines = [" ".join(rng.choice(words, 18)) for _ in range(5000)]
    steps = [[lines[place] for place in row] for row in rng.integers(0, len(lines), (rows, STEPS))]
    texts = pa.array(["\n\n".join(row) for row in steps], pa.large_string())
    finish = pa.array(rng.choice(["eos", "length"], rows, p=[0.97, 0.03]), pa.large_string())
    counts = {name: pa.array(np.full(rows, 200)) for name in ("prompt_tokens", "response_tokens")}
    told = {
        "response": texts,
        "steps": pa.array(steps),
        **counts,
        "logprob": pa.array(np.zeros(rows)),
        "finish": finish,
    }
    tables.keep(pa.table(keys | told), part.responses)
    correct = rng.random(rows) < 0.4
    for path in part.grades.values():
        answers = pa.array(np.where(correct, "4", "5"), pa.large_string())
        status = pa.array(["graded"] * rows, pa.large_string())
        told = {"answer": answers, "correct": pa.array(correct), "status": status}
        tables.keep(pa.table(keys | told), path)
        correct = correct ^ (rng.random(rows) < 0.001)
    for path in part.scores.values():
        scores = pa.ListArray.from_arrays(np.arange(rows + 1) * STEPS, rng.random(rows * STEPS))
        tables.keep(pa.table(keys | {"step_scores": scores}), path)


def main() -> None:
    """Make the pool where it is not there, and time the pages."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    layout = groups.opened(str(study(folder)))
    cell = Cell("sums", "smoke-40k")
    files = groups.groups(layout, cell)[groups.Group(*cell, "samples")]
    rng, first = np.random.default_rng(0), 0
    if not files.parts[-1].responses.exists():
        for place, part in enumerate(files.parts):
            last = BLOCK * 2**place
            fill(part, range(first, last), rng)
            first = last
        print(f"made in {time.perf_counter() - began:.0f} s; run again to measure")
        return
    server = Viewer(Site(layout), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ready = time.perf_counter() - began
    size = sum(part.responses.stat().st_size for part in files.parts)
    print(
        f"{PROBLEMS * SAMPLES:,} responses in {len(files.parts)} files of {size / 1e6:.0f} MB; ready in {ready:.2f} s"
    )
    pool = "benchmark=sums&policy=smoke-40k&prm=smoke-good"
    for words, page in {
        "first page": "",
        "problems (makes the index)": f"problems?{pool}",
        "problems again": f"problems?{pool}",
        "problems where the PRM was fooled": f"problems?{pool}&show=fooled",
        "all wrong ones, highest score first": f"responses?{pool}&show=wrong&sort=best",
        "page 10,000 of all": f"responses?{pool}&page=10000",
        "one problem's responses by score": f"responses?{pool}&problem=test-00250&sort=worst",
        "one response": f"response?{pool}&problem=test-00499&sample=2047",
        "words that all hold": f"responses?{pool}&words=THEN",
        "words that none holds, of one problem": f"responses?{pool}&words=nowhere&problem=test-00100",
        "words that none holds, of all (first look)": f"responses?{pool}&words=nowhere",
        "another PRM (makes its index)": f"problems?{pool.replace('good', 'undertrained')}",
    }.items():
        start = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
        connection.request("GET", urlsplit(server.address).path + page)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {words} | {time.perf_counter() - start:.2f} s | {len(body) / 1e3:.0f} kB | {peak:.0f} MB |")
    os._exit(0)


if __name__ == "__main__":
    main()
