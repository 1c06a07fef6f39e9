"""Responses and step scores that were recorded elsewhere, in the place of drawing and scoring.

INPUTS: a file of responses (see `ttstudy.recorded`).
OUTPUTS: results/imported/SPEC.parquet, and the same pools and scores that `sample` and `score` make.
"""


rule recorded:
    input:
        lambda w: layout.recorded_file(w.spec),
    output:
        f"{study.results}/imported/{{spec}}.parquet",
    log:
        f"{study.results}/logs/recorded/{{spec}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/recorded.py" --spec {params.spec:q} --file {input:q} --output {output:q} --log {log:q}'


rule recorded_responses:
    input:
        benchmark=lambda w: layout.benchmark(w.benchmark),
        recorded=lambda w: layout.imported(w.policy),
    output:
        f"{study.results}/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.parquet",
    log:
        f"{study.results}/logs/recorded/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        policy=one_of(RECORDED_POLICIES),
    conda:
        "../../envs/analyse.yaml"
    resources:
        # Only checked against what there is: a larger budget changes no byte of a block.
        largest=lambda w: study.budgets_for(w.policy).pool,
    params:
        spec=spec,
        block=lambda w: list(block(w)),
    shell:
        """
        python "$SCRIPTS/recorded_responses.py" --spec {params.spec:q} --benchmark {input.benchmark:q} \
            --recorded {input.recorded:q} --block {params.block} --largest {resources.largest} --output {output:q} --log {log:q}
        """


rule recorded_scores:
    input:
        responses=lambda w: layout.responses(w.benchmark, w.policy, w.folder.split("-")[0], block(w)),
        recorded=lambda w: layout.imported(w.policy),
    output:
        f"{study.results}/{{benchmark}}/{{policy}}/{{folder}}/scores/{{prm}}-{{spec}}/{{first}}-{{last}}.parquet",
    log:
        f"{study.results}/logs/recorded/{{benchmark}}/{{policy}}/{{folder}}/{{prm}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        prm=one_of(RECORDED_PRMS),
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        """
        python "$SCRIPTS/recorded_scores.py" --spec {params.spec:q} --recorded {input.recorded:q} \
            --responses {input.responses:q} --output {output:q} --log {log:q}
        """
