"""From graded and scored responses to accuracy, FLOPs, strategies and verdicts. No models, no torch.

INPUTS: grades, scores, search tables, difficulty pilots. OUTPUTS: results/studies/STUDY/{cells,tables}/.
"""

CELL = f"{layout.folder}/cells/{{benchmark}}/{{policy}}"


rule difficulty:
    input:
        needs(f"{CELL}.difficulty.parquet"),
    output:
        f"{CELL}.difficulty.parquet",
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.difficulty.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/difficulty.py" --spec {params.spec:q} --log {log:q}'


rule outcomes:
    input:
        needs(f"{CELL}.outcomes.parquet"),
    output:
        f"{CELL}.outcomes.parquet",
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.outcomes.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/outcomes.py" --spec {params.spec:q} --log {log:q}'


rule ledger:
    input:
        needs(f"{CELL}.ledger.parquet"),
    output:
        f"{CELL}.ledger.parquet",
        f"{CELL}.counts.parquet",
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.ledger.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/ledger.py" --spec {params.spec:q} --log {log:q}'


rule training:
    input:
        needs(layout.table("training")),
    output:
        [shown(name) for name in layout.training_spec().outputs],
    log:
        f"{layout.folder}/logs/training.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/training.py" --spec {params.spec:q} --log {log:q}'


rule accuracy:
    input:
        needs(layout.table("accuracy")),
    output:
        [shown(name) for name in layout.accuracy_spec().outputs],
    log:
        f"{layout.folder}/logs/accuracy.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/accuracy.py" --spec {params.spec:q} --log {log:q}'


rule graders:
    input:
        needs(layout.table("graders")),
    output:
        [shown(name) for name in layout.graders_spec().outputs],
    log:
        f"{layout.folder}/logs/graders.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/graders.py" --spec {params.spec:q} --log {log:q}'


rule adaptive:
    input:
        needs(f"{CELL}.predicted.parquet"),
    output:
        f"{CELL}.predicted.parquet",
        f"{CELL}.adaptive.parquet",
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.adaptive.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/adaptive.py" --spec {params.spec:q} --log {log:q}'


rule strategy:
    input:
        needs(layout.table("strategy")),
    output:
        [shown(name) for name in layout.strategy_spec().outputs],
    log:
        f"{layout.folder}/logs/strategy.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/strategy.py" --spec {params.spec:q} --log {log:q}'


rule headline:
    input:
        needs(layout.table("headline")),
    output:
        [shown(name) for name in layout.headline_spec().outputs],
    log:
        f"{layout.folder}/logs/headline.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/headline.py" --spec {params.spec:q} --log {log:q}'


rule claims:
    input:
        needs(layout.table("claims")),
    output:
        [shown(name) for name in layout.claims_spec().outputs],
    log:
        f"{layout.folder}/logs/claims.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/claims.py" --spec {params.spec:q} --log {log:q}'
