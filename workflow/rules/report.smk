"""One HTML file with the answer, the evidence and where it came from.

INPUTS: the study's tables, templates. OUTPUTS: results/studies/STUDY/{cells/BENCHMARK/POLICY.{explorer,trees}.parquet,figures/,report.html,provenance.json}.
"""


rule explorer:
    input:
        benchmark=lambda w: layout.benchmark(w.benchmark),
        tables=lambda w: layout.files(
            w.benchmark, w.policy, "responses", "grades", "scores", "answers", "nodes"
        ),
    output:
        explorer=f"{layout.folder}/cells/{{benchmark}}/{{policy}}.explorer.parquet",
        trees=f"{layout.folder}/cells/{{benchmark}}/{{policy}}.trees.parquet",
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.explorer.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.cell_spec("explorer", w.benchmark, w.policy),
    shell:
        """
        python "$SCRIPTS/explorer.py" --spec {params.spec:q} --problems {input.benchmark:q} \
            --output {output.explorer:q} --trees {output.trees:q} --log {log:q}
        """


rule report:
    input:
        tables=[layout.table(name) for name in (*STUDY_TABLES, *GRADER_TABLES, *FLAW_TABLES[1:], "claims")],
        samples=[*layout.cells("explorer"), *layout.cells("trees")],
        benchmarks=[layout.benchmark(benchmark) for benchmark in study.benchmarks],
    output:
        report=report(
            layout.report(),
            caption="../../reports/captions/report.rst",
            category="Report",
            labels={"study": study.study},
        ),
        figures=report(
            directory(f"{layout.folder}/figures"),
            patterns=["{figure}.svg"],
            caption="../../reports/captions/figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "study": study.study},
        ),
        provenance=layout.provenance(),
    log:
        f"{layout.folder}/logs/report.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: layout.report_spec(),
    shell:
        """
        python "$SCRIPTS/report.py" --spec {params.spec:q} --output {output.report:q} --figures {output.figures:q} \
            --provenance {output.provenance:q} --log {log:q}
        """
