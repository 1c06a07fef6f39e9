"""A small workflow for a cluster's faults: steps of our kind, whose parts end when a test lets them.

Each makes one table from three parts. A part waits for its file in `go/`, and is noted in `done` when it is made.
"""

from __future__ import annotations

from pathlib import Path

from ttstudy.dag.specs import files as specs
from ttstudy.dag.specs.inputs import BenchmarkSpec
from ttstudy.study.benchmarks import MiniatureBenchmark

PARTITIONS = {"cancels": "cancels", "requeues": "requeues", "lost": "cancels", "wrong": "cpu", "late": "gpu",
              "ended": "cpu", "twice": "cpu"}  # fmt: skip
"""Steps, and the partition of each."""

KEYS = {"HF_TOKEN": "hf_0123456789", "OPENAI_API_KEY": "sk-0123456789", "ELSEWHERE": "Bearer hf_0123456789"}
"""What is in the environment of the login process."""
SNAKEFILE = """
import os, sys
from pathlib import Path
from ttstudy.run import cluster, keys, rerun

PARTITIONS = {partitions}
rerun.decide({{}})
rerun.keep_what_is_whole(main=workflow.is_main_process)
if workflow.is_main_process:
    told = lambda job: keys.without(os.environ, [], [])
    wanted = lambda: {{f"results/specs/x/{{name}}.json" for name in PARTITIONS}}
    cluster.install(cluster.Context(Path("results"), wanted, told))


rule all:
    input:
        [f"results/{{name}}.parquet" for name in PARTITIONS],


rule make:
    output:
        "results/{{name}}.parquet",
    params:
        spec="results/specs/x/{{name}}.json",
    resources:
        slurm_partition=lambda w: PARTITIONS[w.name],
        slurm_extra=lambda w: "" if w.name == "requeues" else "--no-requeue",
        mem_mb=900,
        runtime=30,
    shell:
        "python step.py --spec {{params.spec}}"
"""

STEP = '''
import json, os, time
from pathlib import Path
import pandas as pd
import pyarrow as pa
from ttstudy.dag import stamps
from ttstudy.dag.specs.inputs import BenchmarkSpec
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.run import steps


def step(spec, log):
    output, name = Path(spec.product), Path(spec.product).stem
    Path(f"environment-{name}").write_text(json.dumps(dict(os.environ)))

    def part(items):
        while not any(Path("go", word).exists() for word in ("all", name, f"{name}-{items[0]}")):
            time.sleep(0.05)
        with open("done", "a") as stream:
            stream.write(f"{name} {items[0]}\\n")
        return {"rows": pd.DataFrame({"item": items})}

    with open("begun", "a") as stream:
        stream.write(f"{name}\\n")
    if name == "wrong" and not Path("mended").exists():
        raise StudyError("wrong.yaml: a mistake that is there at every attempt")
    rows = steps.in_parts(output, [0, 1, 2], 1, part)["rows"]
    tables.keep(stamps.on_table(pa.Table.from_pandas(rows, preserve_index=False), output), output)
    steps.finish(output)


steps.main(BenchmarkSpec, step)
'''


def write(root: Path) -> None:
    """The workflow in a new folder."""
    (root / "go").mkdir(parents=True)
    (root / "Snakefile").write_text(SNAKEFILE.format(partitions=PARTITIONS))
    (root / "step.py").write_text(STEP)
    for seed, name in enumerate(PARTITIONS):
        settings = MiniatureBenchmark(source="miniature", problems=1, seed=seed, task={})
        spec = BenchmarkSpec(outputs={"problems": f"results/{name}.parquet"}, version=1, settings=settings)
        specs.write(spec, root / f"results/specs/x/{name}.json")
