"""PRM step scores of every block of the pool: one pass per (response, PRM).

INPUTS: a block of responses, a PRM's checkpoint. OUTPUTS: .../samples-SPEC/scores/PRM-SPEC/FIRST-LAST.parquet.
"""

SCORES = of_any(places.SCORES)


rule score:
    input:
        needs(SCORES),
    output:
        SCORES,
    log:
        f"{study.results}/logs/score/{{benchmark}}/{{policy}}/{{pool}}-{{drawn}}/{{prm}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        prm=prms_of("score"),
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
