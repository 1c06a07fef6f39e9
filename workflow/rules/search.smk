"""Beam search (one run per budget) and DVTS (one run at the largest budget), steered by a PRM.

INPUTS: benchmark, a policy's and a PRM's checkpoint.
OUTPUTS: results/BENCHMARK/POLICY/METHOD/PRM-SPEC/BUDGET.{answers,nodes,cost}.parquet and the answers' grades.
"""


rule search:
    input:
        benchmark=lambda w: layout.benchmark(w.benchmark),
        policy=lambda w: layout.policy(w.policy),
        prm=lambda w: layout.prm(w.prm),
    output:
        answers=f"{study.results}/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.answers.parquet",
        nodes=f"{study.results}/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.nodes.parquet",
        cost=f"{study.results}/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.cost.parquet",
    log:
        f"{study.results}/logs/search/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.log",
    conda:
        "../../envs/generate.yaml"
    resources:
        **asked("policy+prm"),
        # Blocks of problems and the machine's options change no byte, so they are not part of the spec.
        problems_per_block=study.search.problems_per_block,
        max_live=study.search.max_live,
        machine=lambda w: layout.machine(w.policy),
        prm_machine=lambda w: layout.machine(w.prm),
    params:
        spec=spec,
        budget=lambda w: int(w.budget),
    shell:
        """
        python "$SCRIPTS/launch.py" {resources.gpu} python "$SCRIPTS/search.py" --spec {params.spec:q} \
            --budget {params.budget} \
            --benchmark {input.benchmark:q} --policy "$(dirname {input.policy:q})" \
            --prm "$(dirname {input.prm:q})" --machine {resources.machine:q} \
            --prm-machine {resources.prm_machine:q} \
            --problems-per-block {resources.problems_per_block} --max-live {resources.max_live} \
            --answers {output.answers:q} --nodes {output.nodes:q} --cost {output.cost:q} --log {log:q}
        """


use rule grade as grade_search with:
    input:
        benchmark=lambda w: layout.benchmark(w.benchmark),
        responses=f"{study.results}/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.answers.parquet",
    output:
        [
            f"{study.results}/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.{grading}"
            for grading in layout.gradings
        ],
    log:
        f"{study.results}/logs/grade/{{benchmark}}/{{policy}}/{{method}}/{{prm}}-{{spec}}/{{budget}}.log",
