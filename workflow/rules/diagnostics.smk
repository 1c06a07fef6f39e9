"""Flaws of the PRMs, on steps that are known to be right or wrong. No models but for scoring labelled sets.

INPUTS: blocks of the pool with their scores, search trees; labelled solutions from files or the hub.
OUTPUTS: .../FIRST-LAST.labels.parquet; results/labelled/NAME-SPEC/; the study's tables about flaws.
"""

LABELS = places.beside(BLOCK, places.LABELS)
LABELLED_SCORES = of_any(places.LABELLED_SCORES)


rule label:
    input:
        needs(LABELS),
    output:
        LABELS,
    log:
        f"{study.results}/logs/label/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/label.py" --spec {params.spec:q} --log {log:q}'


rule labelled:
    output:
        of_any(places.LABELLED),
    log:
        f"{study.results}/logs/labelled/{{labelled}}-{{spec}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/labelled.py" --spec {params.spec:q} --log {log:q}'


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
        **asked("prm", LABELLED_SCORES),
    params:
        spec=spec,
    shell:
        """
        python "$SCRIPTS/launch.py" {resources.devices} python "$SCRIPTS/score.py" --spec {params.spec:q} --log {log:q}
        """


rule diagnostics:
    input:
        needs(table("diagnostics")),
    output:
        shown("diagnostics"),
    log:
        f"{layout.folder}/logs/diagnostics.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/diagnostics.py" --spec {params.spec:q} --log {log:q}'
