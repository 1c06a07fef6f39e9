"""The checked study, its jobs, and what every rule shares.

A rule says where its outputs lie, what it may ask of a machine, and which step runs it. What the step reads and all that
decides its results is in its spec, a file in results/specs (`params: spec`), which `ttstudy.dag.layout` makes from the study.
Priorities put the longest chain (train, sample, score) first, so that the short searches fill the cores at the end.
Functions, even of nothing: Snakemake would expand the braces of a plain text.
"""

import os
import re
import sys
from functools import cache
from pathlib import Path

from ttstudy.dag import places, todo, writing
from ttstudy.dag.cells import POOLS
from ttstudy.dag.generation import gradings
from ttstudy.dag.layout import fetched, jobs, maker, makes, open_layout
from ttstudy.dag.shards import discard
from ttstudy.dag.specs import files as specs
from ttstudy.data import revisions
from ttstudy.kinds.methods import SEARCHES
from ttstudy.run import disk, live, preflight, refusals, rerun, watching, workers
from ttstudy.run import store as objects
from ttstudy.run.provenance import STUDY_FILE
from ttstudy.run.runlock import hold_results
from ttstudy.run.store import Store
from ttstudy.run.telling import told
from ttstudy.study import from_mapping, read_yaml, with_base

study_file = Path(workflow.configfiles[0]) if workflow.configfiles else Path("config.yaml")
os.environ.setdefault(STUDY_FILE, os.path.relpath(study_file))


def opened():
    """The checked study and its layout."""
    for path in workflow.configfiles:
        read_yaml(path)
    mapping = revisions.with_revisions(
        with_base(config, study_file.parent), revisions.files_of(config, study_file)
    )
    study = from_mapping(mapping, ", ".join(map(str, workflow.configfiles)))
    store = None
    if (provider := workflow.storage_registry.default_storage_provider) is not None:
        store = Store(provider, workflow.storage_settings.default_storage_prefix, study.results)
        store.link()
    layout = open_layout(study)
    if workflow.is_main_process:
        preflight.check(layout)
    return study, layout, store, preflight.swept(study.results) if workflow.is_main_process else []


study, layout, store, missing = told(opened)
plain = store.plain if store else str


# Not file times and not Snakemake's records: what the results say of themselves. A job's own process is told to run.
standing = todo.Standing(layout, store and store.there) if workflow.is_main_process else None
rerun.decide(standing.dirty() if standing else {}, lambda path: product(plain(path)))
rerun.keep_what_is_whole(main=workflow.is_main_process)
spared = standing.spared() if standing else {}


wildcard_constraints:
    spec="[0-9a-f]{8}",
    drawn="[0-9a-f]{8}",
    first=places.DIGITS,
    last=places.DIGITS,
    budget=places.DIGITS,
    pool="|".join(POOLS),
    method="|".join(SEARCHES),
    benchmark="|".join(map(re.escape, study.benchmarks)),
    policy="|".join(map(re.escape, study.policies)),
    prm="|".join(map(re.escape, study.prms)) or "none",
    model="[A-Za-z0-9._-]+",
    labelled="|".join(map(re.escape, study.labelled)) or "none",
    solutions="[0-9a-f]{8}",
    shard=places.ANY_SHARD,


def one_of(names):
    """Wildcard constraint: one of these names; nothing where there are none."""
    return "|".join(map(re.escape, dict.fromkeys(names))) or "(?!)"


def policies_of(rule):
    """Wildcard constraint: the policies of this rule's jobs."""
    return one_of([job.cell.policy for job in jobs(layout) if job.rule == rule])


def prms_of(rule):
    """Wildcard constraint: the PRMs of this rule's jobs."""
    return one_of([job.prm for job in jobs(layout) if job.rule == rule])


def joined(rule):
    """Wildcard constraint of `benchmark`: in paths of the results that shards of this rule's jobs are joined to."""
    paths = [job.spec.product for job in jobs(layout) if job.rule == f"join_{rule}"]
    within = [re.escape(places.beside(path, "").removeprefix(f"{study.results}/")) for path in paths]
    return f"(?={'|'.join(within)})(?:{one_of(study.benchmarks)})" if within else one_of(())


def whole_or_shard(pattern):
    """The pattern of a result that a job makes all of, or a shard of it."""
    return places.shard(pattern, "{shard}")


def of_any(place, **known):
    """The pattern of a kind of file in the results, with its wildcards."""
    return places.wildcards(place, results=study.results, **known)


def of_cell(table):
    """The pattern of a cell's part of a table."""
    return places.wildcards(places.CELL, folder=layout.folder, table=table)


def table(name):
    """Path of one of the study's tables."""
    return places.TABLE.format(folder=layout.folder, table=name)


def grades(responses):
    """Patterns of the grades of responses, or of a search's answers, one per grader."""
    return [places.beside(responses, ending) for ending in gradings(study).values()]


def whole(pattern):
    """The pattern of a checkpoint as rules make it: of the file that is known of it, in a store of all its files."""
    return directory(places.parent(pattern)) if store else pattern


def product(path):
    """What names the job that makes a result: a checkpoint's folder is made by the job of the file that is known of it."""
    return checkpoints().get(path, path)


@cache
def checkpoints():
    """That file of every checkpoint, by its folder."""
    paths = [job.spec.product for job in jobs(layout)]
    return {objects.place(path): path for path in paths if objects.place(path) != path}


def made(output):
    """The job that makes an output of a rule."""
    return maker(layout, product(plain(output)))


def objects_of(paths):
    """What of results Snakemake is told to look for."""
    return [objects.place(path) for path in paths] if store else list(paths)


def needs(output):
    """What a job reads, as an input function for its first output. What is gone and serves nothing is left out."""

    def paths(wildcards):
        job = maker(layout, output.format(**dict(wildcards.items())))
        gone = spared.get(job.spec.product, ())
        read = [file for file in job.spec.inputs if file.path not in gone]
        if not store:
            return [file.path for file in read]
        return [local(file.path) if file.given else objects.place(file.path) for file in read]

    return paths


def examined(output):
    """The examination of its cell's data, which a job waits for and does not read; nothing where the job is done."""

    def paths(wildcards):
        known = dict(wildcards.items())
        if standing and standing.stands(maker(layout, output.format(**known)).spec.product):
            return []
        return of_cell("examination").format(**known)

    return paths


def shards(output):
    """What a job that joins shards reads, as an input function for its first output; nothing where it is done."""

    def paths(wildcards):
        job = maker(layout, output.format(**dict(wildcards.items())))
        if standing and standing.stands(job.spec.product):
            return []
        return [path for shard in job.shards for path in shard.outputs.values()]

    return paths


def shard_count(wildcards, output):
    """How many shards a job joins."""
    return len(made(output[0]).shards)


def spec(wildcards, output):
    """Path of the file with the spec of the job with this output; written by whoever shares no folder with the start."""
    job = made(output[0])
    path = specs.place(study.results, job.spec)
    if store and not workflow.is_main_process:
        specs.write(job.spec, path)
    return path


def scoring_environment(prm):
    """Conda file of a step that scores with a PRM: the one with vLLM where the PRM's engine wants it."""
    engine = study.engine_of(prm)
    return f"../../envs/{'generate' if engine and engine.vllm_environment else 'score'}.yaml"


def shown(rule):
    """The tables of the study that a rule makes, as `snakemake --report` shows them."""
    (job,) = (job for job in jobs(layout) if job.rule == rule)
    return [_table(name, path) for name, path in job.spec.outputs.items()]


def _table(name, path):
    labels = {"table": name, "study": study.study}
    return report(path, caption=f"../../reports/captions/{name}.rst", category="Tables", labels=labels)


def damaged():
    """Results of this study that were found damaged and set aside: made again even where nothing else needs them."""
    return objects_of(path for path in missing if makes(layout, path))


watch = []
"""What tells of this run, once it has begun."""


def ready():
    """Refuse what cannot run; hold the results; write what the jobs are told."""
    revisions.require(study, study_file)
    refuse_above_the_limit()
    refuse_what_no_gpu_holds(here=True)
    hold_results(study.results)
    if (words := disk.lacking(layout, [left.job for left in standing.left()])) is not None:
        print(f"warning: {words}", file=sys.stderr)
    for job in jobs(layout):
        if job.shards and standing.stands(job.spec.product):
            discard(job.shards)
    for job in jobs(layout):
        specs.write(job.spec, specs.place(study.results, job.spec))
    Path(layout.folder).mkdir(parents=True, exist_ok=True)
    writing.write(Path(layout.folder, "study.json"), study.model_dump_json(exclude_unset=True))
    left = [one.job for one in standing.left()]
    watch.append(
        watching.Watch(
            watching.Clock(layout, jobs(layout), left, watching.elsewhere(study.results)),
            plain,
            live.writer(layout),
        )
    )
    watching.install(watch[0])


onstart:
    # A kernel lock, not Snakemake's files: it goes with its process, so a killed run never blocks the next one.
    if set(workflow.dag_settings.targets) != {"plan"}:
        told(ready)
    else:
        Path(layout.folder).mkdir(parents=True, exist_ok=True)
        Path(f"{layout.folder}/plan.json").write_text(study.model_dump_json(exclude_unset=True))


onsuccess:
    workers.end()
    if watch:
        watch[0].end(well=True)


onerror:
    workers.end()
    if watch:
        watch[0].end(well=False)


report: "../../reports/captions/workflow.rst"
