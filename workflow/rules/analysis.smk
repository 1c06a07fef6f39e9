"""From graded and scored responses, examined first, to accuracy, FLOPs, strategies and verdicts. No models, no torch.

INPUTS: responses, grades, scores, search tables, difficulty pilots. OUTPUTS: results/studies/STUDY/{cells,tables}/.
"""


rule examine:
    input:
        needs(of_cell("examination")),
    output:
        of_cell("examination"),
    log:
        refusals.log(layout.folder, "{benchmark}", "{policy}"),
    priority: 70
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/examine.py" --spec {params.spec:q} --log {log:q}'


rule difficulty:
    input:
        needs(of_cell("difficulty")),
        examined(of_cell("difficulty")),
    output:
        of_cell("difficulty"),
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.difficulty.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/difficulty.py" --spec {params.spec:q} --log {log:q}'


rule outcomes:
    input:
        needs(of_cell("outcomes")),
        examined(of_cell("outcomes")),
    output:
        of_cell("outcomes"),
        of_cell("spread"),
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.outcomes.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/outcomes.py" --spec {params.spec:q} --log {log:q}'


rule ledger:
    input:
        needs(of_cell("ledger")),
    output:
        of_cell("ledger"),
        of_cell("counts"),
        of_cell("overlong"),
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.ledger.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/ledger.py" --spec {params.spec:q} --log {log:q}'


rule training:
    input:
        needs(table("training")),
    output:
        shown("training"),
    log:
        f"{layout.folder}/logs/training.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/training.py" --spec {params.spec:q} --log {log:q}'


rule accuracy:
    input:
        needs(table("accuracy")),
    output:
        shown("accuracy"),
    log:
        f"{layout.folder}/logs/accuracy.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/accuracy.py" --spec {params.spec:q} --log {log:q}'


rule findings:
    input:
        needs(table("examination")),
    output:
        shown("findings"),
    log:
        f"{layout.folder}/logs/findings.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/findings.py" --spec {params.spec:q} --log {log:q}'


rule graders:
    input:
        needs(table("graders")),
    output:
        shown("graders"),
    log:
        f"{layout.folder}/logs/graders.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/graders.py" --spec {params.spec:q} --log {log:q}'


rule adaptive:
    input:
        needs(of_cell("predicted")),
    output:
        of_cell("predicted"),
        of_cell("adaptive"),
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.adaptive.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/adaptive.py" --spec {params.spec:q} --log {log:q}'


rule strategy:
    input:
        needs(table("strategy")),
    output:
        shown("strategy"),
    log:
        f"{layout.folder}/logs/strategy.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/strategy.py" --spec {params.spec:q} --log {log:q}'


rule headline:
    input:
        needs(table("headline")),
    output:
        shown("headline"),
    log:
        f"{layout.folder}/logs/headline.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/headline.py" --spec {params.spec:q} --log {log:q}'


rule claims:
    input:
        needs(table("claims")),
    output:
        shown("claims"),
    log:
        f"{layout.folder}/logs/claims.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/claims.py" --spec {params.spec:q} --log {log:q}'
