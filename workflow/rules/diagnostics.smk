"""Flaws of the PRMs, on steps that are known to be right or wrong. No models but for scoring labelled sets.

INPUTS: blocks of the pool with their scores, search trees; labelled solutions from files.
OUTPUTS: .../FIRST-LAST.labels.parquet; results/labelled/NAME-SPEC/; the study's tables about flaws.
"""

LABELS = f"{study.results}/{{benchmark}}/{{policy}}/{{folder}}/{{first}}-{{last}}.labels.parquet"
LABELLED_SCORES = f"{study.results}/labelled/{{labelled}}-{{solutions}}/scores/{{prm}}-{{spec}}.parquet"


rule label:
    input:
        needs(LABELS),
    output:
        LABELS,
    log:
        f"{study.results}/logs/label/{{benchmark}}/{{policy}}/{{folder}}/{{first}}-{{last}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/label.py" --spec {params.spec:q} --log {log:q}'


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
        'python "$SCRIPTS/labelled.py" --spec {params.spec:q} --log {log:q}'


rule score_labelled:
    input:
        needs(LABELLED_SCORES),
    output:
        LABELLED_SCORES,
    log:
        f"{study.results}/logs/score/labelled/{{labelled}}-{{solutions}}/{{prm}}-{{spec}}.log",
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


rule diagnostics:
    input:
        needs(layout.table("diagnostics")),
    output:
        [shown(name) for name in layout.diagnostics_spec().outputs],
    log:
        f"{layout.folder}/logs/diagnostics.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/diagnostics.py" --spec {params.spec:q} --log {log:q}'
