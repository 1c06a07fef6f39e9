"""Searches steered by a PRM: one run per budget, or at the largest where its trees serve the smaller.

INPUTS: benchmark, a policy's and a PRM's checkpoint.
OUTPUTS: results/BENCHMARK/POLICY/METHOD/PRM-SPEC/BUDGET.{answers,nodes,cost}.parquet and the answers' grades.
"""

ANSWERS, NODES, COST = (of_any(places.SEARCH, table=table) for table in ("answers", "nodes", "cost"))


rule search:
    input:
        needs(ANSWERS),
    output:
        ANSWERS,
        NODES,
        COST,
    log:
        f"{study.results}/logs/search/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.log",
    conda:
        "../../envs/generate.yaml"
    resources:
        **asked("policy+prm"),
    params:
        spec=spec,
    shell:
        """
        python "$SCRIPTS/launch.py" {resources.gpu} python "$SCRIPTS/search.py" --spec {params.spec:q} --log {log:q}
        """


use rule grade as grade_search with:
    input:
        needs(grades(ANSWERS)[0]),
    output:
        grades(ANSWERS),
    log:
        f"{study.results}/logs/grade/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.log",
