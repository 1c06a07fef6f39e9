"""From graded and scored responses to accuracy, FLOPs, strategies and verdicts. No models, no torch.

INPUTS: grades, scores, search tables, difficulty pilots. OUTPUTS: results/studies/STUDY/{cells,tables}/.
"""


rule difficulty:
    input:
        pilot=lambda w: layout.grades(layout.pools(w.benchmark, w.policy, "pilot")[0]),
    output:
        f"{layout.folder}/cells/{{benchmark}}/{{policy}}.difficulty.parquet",
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.difficulty.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.difficulty_spec(w.benchmark, w.policy),
    shell:
        'python "$SCRIPTS/difficulty.py" --spec {params.spec:q} --pilot {input.pilot:q} --output {output:q} --log {log:q}'


rule outcomes:
    input:
        difficulty=rules.difficulty.output,
        tables=lambda w: layout.files(w.benchmark, w.policy, "grades", "scores", "answers"),
    output:
        f"{layout.folder}/cells/{{benchmark}}/{{policy}}.outcomes.parquet",
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.outcomes.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.cell_spec("outcomes", w.benchmark, w.policy),
    shell:
        'python "$SCRIPTS/outcomes.py" --spec {params.spec:q} --difficulty {input.difficulty:q} --output {output:q} --log {log:q}'


rule ledger:
    input:
        tables=lambda w: layout.files(
            w.benchmark, w.policy, "responses", "grades", "scores", "answers", "nodes", "cost"
        ),
        models=lambda w: layout.model_files(w.policy, *study.prms_of(w.policy)),
    output:
        ledger=f"{layout.folder}/cells/{{benchmark}}/{{policy}}.ledger.parquet",
        counts=f"{layout.folder}/cells/{{benchmark}}/{{policy}}.counts.parquet",
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.ledger.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.ledger_spec(w.benchmark, w.policy),
    shell:
        """
        python "$SCRIPTS/ledger.py" --spec {params.spec:q} --output {output.ledger:q} --counts {output.counts:q} --log {log:q}
        """


rule training:
    input:
        layout.model_files(),
    output:
        shown("training"),
    log:
        f"{layout.folder}/logs/training.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.training_spec(),
    shell:
        'python "$SCRIPTS/training.py" --spec {params.spec:q} --output {output:q} --log {log:q}'


rule accuracy:
    input:
        outcomes=layout.cells("outcomes"),
        difficulty=layout.cells("difficulty"),
        ledger=layout.cells("ledger"),
        counts=layout.cells("counts"),
    output:
        accuracy=shown("accuracy"),
        outcomes=shown("outcomes"),
        difficulty=shown("difficulty"),
        ledger=shown("ledger"),
        counts=shown("counts"),
    log:
        f"{layout.folder}/logs/accuracy.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.study_spec("accuracy"),
    shell:
        """
        python "$SCRIPTS/accuracy.py" --spec {params.spec:q} --outcomes {input.outcomes:q} \
            --difficulty {input.difficulty:q} --ledger {input.ledger:q} --counts {input.counts:q} \
            --tables "$(dirname {output.accuracy:q})" --log {log:q}
        """


rule graders:
    input:
        # By path: beside `rules.NAME.output`, Snakemake hashes the whole long list once for each of its files.
        outcomes=layout.table("outcomes"),
        difficulty=layout.table("difficulty"),
        benchmarks=[layout.benchmark(benchmark) for benchmark in study.benchmarks],
        tables=[
            path
            for benchmark, policy in layout.pairs()
            for grader in (study.grader, layout.other_grader)
            for path in layout.files(benchmark, policy, "grades", "scores", "answers", grader=grader)
        ],
    output:
        [shown(name) for name in GRADER_TABLES],
    log:
        f"{layout.folder}/logs/graders.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.graders_spec(),
    shell:
        """
        python "$SCRIPTS/graders.py" --spec {params.spec:q} --outcomes {input.outcomes:q} \
            --difficulty {input.difficulty:q} --tables "$(dirname {output:q} | head -n 1)" --log {log:q}
        """


rule adaptive:
    input:
        difficulty=rules.difficulty.output,
        outcomes=rules.outcomes.output,
        tables=lambda w: layout.files(w.benchmark, w.policy, "grades", "scores"),
    output:
        predicted=f"{layout.folder}/cells/{{benchmark}}/{{policy}}.predicted.parquet",
        adaptive=f"{layout.folder}/cells/{{benchmark}}/{{policy}}.adaptive.parquet",
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.adaptive.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.adaptive_spec(w.benchmark, w.policy),
    shell:
        """
        python "$SCRIPTS/adaptive.py" --spec {params.spec:q} --difficulty {input.difficulty:q} \
            --outcomes {input.outcomes:q} --predicted {output.predicted:q} --output {output.adaptive:q} \
            --log {log:q}
        """


rule strategy:
    input:
        outcomes=layout.table("outcomes"),
        difficulty=layout.table("difficulty"),
        training=layout.table("training"),
        predicted=layout.cells("predicted"),
        adaptive=layout.cells("adaptive"),
    output:
        strategy=shown("strategy"),
        optimism=shown("optimism"),
        predicted=shown("predicted"),
        adaptive=shown("adaptive"),
        efficiency=shown("efficiency"),
    log:
        f"{layout.folder}/logs/strategy.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.study_spec("strategy"),
    shell:
        """
        python "$SCRIPTS/strategy.py" --spec {params.spec:q} --tables "$(dirname {output.strategy:q})" \
            --predicted {input.predicted:q} --adaptive {input.adaptive:q} --log {log:q}
        """


rule claims:
    input:
        tables=[layout.table(name) for name in STUDY_TABLES],
    output:
        shown("claims"),
    log:
        f"{layout.folder}/logs/claims.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.claims_spec(),
    shell:
        'python "$SCRIPTS/claims.py" --spec {params.spec:q} --output {output:q} --log {log:q}'
