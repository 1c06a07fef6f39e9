"""PRM step scores of every block of the pool: one pass per (response, PRM).

INPUTS: a block of responses, a PRM's checkpoint. OUTPUTS: .../samples-SPEC/scores/PRM-SPEC/FIRST-LAST.parquet.
"""


rule score:
    input:
        benchmark=lambda w: layout.benchmark(w.benchmark),
        responses=lambda w: layout.responses(w.benchmark, w.policy, w.folder.split("-")[0], block(w)),
        prm=lambda w: layout.prm(w.prm),
    output:
        f"{study.results}/{{benchmark}}/{{policy}}/{{folder}}/scores/{{prm}}-{{spec}}/{{first}}-{{last}}.parquet",
    log:
        f"{study.results}/logs/score/{{benchmark}}/{{policy}}/{{folder}}/{{prm}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        prm=one_of([prm for prm in study.prms if prm not in RECORDED_PRMS]),
    priority: 40
    conda:
        lambda w: scoring_environment(w.prm)
    resources:
        **asked("prm"),
        machine=lambda w: layout.machine(w.prm),
    params:
        spec=spec,
    shell:
        """
        python "$SCRIPTS/launch.py" {resources.gpu} python "$SCRIPTS/score.py" --spec {params.spec:q} \
            --benchmark {input.benchmark:q} \
            --responses {input.responses:q} --prm "$(dirname {input.prm:q})" --machine {resources.machine:q} \
            --output {output:q} --log {log:q}
        """
