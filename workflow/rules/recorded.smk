"""Responses and step scores that were recorded elsewhere, in the place of drawing and scoring.

INPUTS: a file of responses (see `ttstudy.data.recorded`).
OUTPUTS: results/imported/SPEC.parquet, and the same pools and scores that `sample` and `score` make.
"""


rule recorded:
    output:
        f"{study.results}/imported/{{spec}}.parquet",
    log:
        f"{study.results}/logs/recorded/{{spec}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/recorded.py" --spec {params.spec:q} --log {log:q}'


rule recorded_responses:
    input:
        needs(f"{BLOCK}.parquet"),
    output:
        f"{BLOCK}.parquet",
    log:
        f"{study.results}/logs/recorded/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        policy=one_of(RECORDED_POLICIES),
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/recorded_responses.py" --spec {params.spec:q} --log {log:q}'


rule recorded_scores:
    input:
        needs(SCORES),
    output:
        SCORES,
    log:
        f"{study.results}/logs/recorded/{{benchmark}}/{{policy}}/{{folder}}/{{prm}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        prm=one_of(RECORDED_PRMS),
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/recorded_scores.py" --spec {params.spec:q} --log {log:q}'
