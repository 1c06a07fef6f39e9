"""PRM step scores of every block of the pool: one pass per (response, PRM).

INPUTS: a block of responses, a PRM's checkpoint. OUTPUTS: .../samples-SPEC/scores/PRM-SPEC/FIRST-LAST.parquet.
"""

SCORES = of_any(places.SCORES)
SCORED = whole_or_shard(SCORES)


ruleorder: join_score > score


rule score:
    input:
        needs(SCORED),
    output:
        SCORED,
    log:
        f"{study.results}/logs/score/{{benchmark}}/{{policy}}/{{pool}}-{{drawn}}/{{prm}}-{{spec}}/{{first}}-{{last}}{{shard}}.log",
    wildcard_constraints:
        prm=prms_of("score"),
    priority: 40
    conda:
        lambda w: scoring_environment(w.prm)
    resources:
        **asked("prm", SCORED),
    params:
        spec=spec,
    shell:
        """
        python "$SCRIPTS/launch.py" {resources.devices} python "$SCRIPTS/score.py" --spec {params.spec:q} --log {log:q}
        """


use rule join_sample as join_score with:
    input:
        shards(SCORES),
    output:
        SCORES,
    log:
        f"{study.results}/logs/score/{{benchmark}}/{{policy}}/{{pool}}-{{drawn}}/{{prm}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        benchmark=joined("score"),
