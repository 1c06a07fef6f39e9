"""Searches steered by a PRM: one run per budget, or at the largest where its trees serve the smaller.

A search that is planned for more than `max_job_hours` is several jobs, its shards, and one that joins their tables.

INPUTS: benchmark, a policy's and a PRM's checkpoint.
OUTPUTS: results/BENCHMARK/POLICY/METHOD/PRM-SPEC/BUDGET.{answers,nodes,cost}.parquet and the answers' grades.
"""

ANSWERS, NODES, COST = (of_any(places.SEARCH, table=table) for table in ("answers", "nodes", "cost"))
SEARCH = whole_or_shard(ANSWERS)


ruleorder: join_search > search


rule search:
    input:
        needs(SEARCH),
    output:
        SEARCH,
        whole_or_shard(NODES),
        whole_or_shard(COST),
    log:
        f"{study.results}/logs/search/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}{{shard}}.log",
    conda:
        "../../envs/generate.yaml"
    resources:
        **asked("policy+prm", SEARCH),
    params:
        spec=spec,
    shell:
        """
        python "$SCRIPTS/launch.py" {resources.devices} python "$SCRIPTS/search.py" --spec {params.spec:q} --log {log:q}
        """


use rule join_sample as join_search with:
    input:
        shards(ANSWERS),
    output:
        ANSWERS,
        NODES,
        COST,
    log:
        f"{study.results}/logs/search/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.log",
    wildcard_constraints:
        benchmark=joined("search"),


use rule grade as grade_search with:
    input:
        needs(grades(ANSWERS)[0]),
    output:
        grades(ANSWERS),
    log:
        f"{study.results}/logs/grade/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.log",
