"""Write what a study drew from a policy as one file of recorded responses, which `source: recorded` reads again."""

import argparse
from pathlib import Path

import pandas as pd

from ttstudy.dag.cells import PoolBlock
from ttstudy.dag.inputs import benchmark_spec
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.data import tables
from ttstudy.data.revisions import load
from ttstudy.errors import StudyError
from ttstudy.kinds.confidences import STORED
from ttstudy.run.telling import told

DRAWN = ("sample", "ask", "join_sample")


def main() -> None:
    """Read every pool, number the pilot's samples before the pool's, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="the study's file")
    parser.add_argument("policy", help="the policy's name in it")
    parser.add_argument("benchmark", help="the benchmark's name in it")
    parser.add_argument("output", type=Path, help="a Parquet file")
    args = parser.parse_args()

    def export() -> None:
        frame = exported(args.study, args.policy, args.benchmark)
        frame.to_parquet(args.output, index=False, compression="zstd")
        print(f"{args.output}: {len(frame)} responses of {args.policy} to {args.benchmark}")

    told(export)


def exported(study: Path, policy: str, benchmark: str) -> pd.DataFrame:
    """The rows; StudyError where a part of them was not drawn yet."""
    layout = open_layout(load(study))
    parts = []
    for job in jobs(layout):
        if job.rule not in DRAWN or not isinstance(job.of, PoolBlock) or (*job.of.cell,) != (benchmark, policy):
            continue
        if getattr(job.spec, "shard", None):
            continue
        path = layout.root / job.spec.product
        if not path.exists():
            raise StudyError(f"{path}: was not drawn yet; run the study first")
        before = layout.study.pilot_samples if job.of.pool == "samples" else 0
        part = tables.load(path).assign(greedy=job.of.pool == "cot")
        parts.append(part.assign(sample=part["sample"] + before))
    if not parts:
        raise StudyError(f"{study}: nothing is drawn from a policy {policy!r} for a benchmark {benchmark!r}")
    problems = tables.load(layout.root / benchmark_spec(layout, benchmark).product)
    known = [name for name in ("problem_id", "problem", "answer", "level", "subject") if name in problems]
    frame = pd.concat(parts, ignore_index=True).merge(problems[known], on="problem_id", validate="many_to_one")
    frame = frame.rename(columns={"response_tokens": "tokens"}).sort_values(["problem_id", "greedy", "sample"])
    columns = [*known, "sample", "greedy", "response", "steps", "prompt_tokens", "tokens", "logprob", *STORED, "finish"]
    return frame[[name for name in columns if name in frame]].reset_index(drop=True)


if __name__ == "__main__":
    main()
