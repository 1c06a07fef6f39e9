"""Searches steered by a PRM: one run per budget, or at the largest where its trees serve the smaller.

INPUTS: benchmark, a policy's and a PRM's checkpoint.
OUTPUTS: results/BENCHMARK/POLICY/METHOD/PRM-SPEC/BUDGET.{answers,nodes,cost}.parquet and the answers' grades.
"""

SEARCH = f"{study.results}/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}"


rule search:
    input:
        needs(f"{SEARCH}.answers.parquet"),
    output:
        f"{SEARCH}.answers.parquet",
        f"{SEARCH}.nodes.parquet",
        f"{SEARCH}.cost.parquet",
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
        needs(f"{SEARCH}.{layout.gradings[0]}"),
    output:
        [f"{SEARCH}.{grading}" for grading in layout.gradings],
    log:
        f"{study.results}/logs/grade/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.log",
