"""PRM step scores of every block of the pool: one pass per (response, PRM).

INPUTS: a block of responses, a PRM's checkpoint. OUTPUTS: .../samples-SPEC/scores/PRM-SPEC/FIRST-LAST.parquet.
"""

SCORES = (
    f"{study.results}/{{benchmark}}/{{policy}}/{{folder}}/scores/{{prm}}-{{spec}}/{{first}}-{{last}}.parquet"
)


rule score:
    input:
        needs(SCORES),
    output:
        SCORES,
    log:
        f"{study.results}/logs/score/{{benchmark}}/{{policy}}/{{folder}}/{{prm}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        prm=one_of([prm for prm in study.prms if prm not in RECORDED_PRMS]),
    priority: 40
    conda:
        lambda w: scoring_environment(w.prm)
    resources:
        **asked("prm"),
    params:
        spec=spec,
    shell:
        """
        python "$SCRIPTS/launch.py" {resources.gpu} python "$SCRIPTS/score.py" --spec {params.spec:q} --log {log:q}
        """
