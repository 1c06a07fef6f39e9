"""Responses and step scores that were recorded elsewhere, in the place of drawing and scoring.

INPUTS: a file of responses (see `ttstudy.data.recorded`).
OUTPUTS: results/imported/SPEC.parquet, and the same pools and scores that `sample` and `score` make.
"""


rule recorded:
    output:
        of_any(places.RECORDED),
    log:
        f"{study.results}/logs/recorded/{{spec}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/recorded.py" --spec {params.spec:q} --log {log:q}'


rule recorded_responses:
    input:
        needs(BLOCK),
    output:
        BLOCK,
    log:
        f"{study.results}/logs/recorded/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        policy=policies_of("recorded_responses"),
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/recorded_responses.py" --spec {params.spec:q} --log {log:q}'


rule recorded_scores:
    input:
        needs(SCORES),
    output:
        SCORES,
    log:
        f"{study.results}/logs/recorded/{{benchmark}}/{{policy}}/{{pool}}-{{drawn}}/{{prm}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        prm=prms_of("recorded_scores"),
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/recorded_scores.py" --spec {params.spec:q} --log {log:q}'
