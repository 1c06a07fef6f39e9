"""Flaws of the PRMs, on steps that are known to be right or wrong. No models but for scoring labelled sets.

INPUTS: blocks of the pool with their scores, search trees; labelled solutions from files.
OUTPUTS: .../FIRST-LAST.labels.parquet; results/labelled/NAME-SPEC/; the study's tables about flaws.
"""


rule label:
    input:
        benchmark=lambda w: layout.benchmark(w.benchmark),
        responses=f"{study.results}/{{benchmark}}/{{policy}}/{{folder}}/{{first}}-{{last}}.parquet",
    output:
        f"{study.results}/{{benchmark}}/{{policy}}/{{folder}}/{{first}}-{{last}}.labels.parquet",
    log:
        f"{study.results}/logs/label/{{benchmark}}/{{policy}}/{{folder}}/{{first}}-{{last}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.label_spec(),
    shell:
        """
        python "$SCRIPTS/label.py" --spec {params.spec:q} --benchmark {input.benchmark:q} \
            --responses {input.responses:q} --output {output:q} --log {log:q}
        """


rule labelled:
    output:
        f"{study.results}/labelled/{{labelled}}-{{spec}}/solutions.parquet",
    log:
        f"{study.results}/logs/labelled/{{labelled}}-{{spec}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/labelled.py" --spec {params.spec:q} --output {output:q} --log {log:q}'


rule score_labelled:
    input:
        solutions=lambda w: layout.labelled(w.labelled),
        prm=lambda w: layout.prm(w.prm),
    output:
        f"{study.results}/labelled/{{labelled}}-{{solutions}}/scores/{{prm}}-{{spec}}.parquet",
    log:
        f"{study.results}/logs/score/labelled/{{labelled}}-{{solutions}}/{{prm}}-{{spec}}.log",
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
            --responses {input.solutions:q} --prm "$(dirname {input.prm:q})" --machine {resources.machine:q} \
            --output {output:q} --log {log:q}
        """


rule diagnostics:
    input:
        layout.diagnostics_inputs(),
    output:
        [shown(name) for name in FLAW_TABLES],
    log:
        f"{layout.folder}/logs/diagnostics.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.diagnostics_spec(),
    shell:
        """
        python "$SCRIPTS/diagnostics.py" --spec {params.spec:q} --tables "$(dirname {output:q} | head -n 1)" --log {log:q}
        """
