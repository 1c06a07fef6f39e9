"""One HTML file with the answer, the evidence and where it came from.

INPUTS: the study's tables, templates. OUTPUTS: results/studies/STUDY/{tables/explorer.parquet,figures/,report.html,provenance.json}.
"""


rule explorer:
    input:
        benchmarks=[layout.benchmark(benchmark) for benchmark in study.benchmarks],
        tables=[
            path
            for benchmark, policy in layout.pairs()
            for path in layout.files(benchmark, policy, "responses", "grades", "scores", "answers", "nodes")
        ],
    output:
        explorer=layout.table("explorer"),
        trees=layout.table("trees"),
    params:
        spec=lambda w: layout.explorer_spec(),
    shell:
        """
        python {SCRIPTS}/explorer.py --spec {params.spec:q} --output {output.explorer:q} --trees {output.trees:q}
        """


rule report:
    input:
        tables=[
            layout.table(name)
            for name in (*STUDY_TABLES, *GRADER_TABLES, *FLAW_TABLES[1:], "claims", "explorer", "trees")
        ],
        benchmarks=[layout.benchmark(benchmark) for benchmark in study.benchmarks],
    output:
        report=report(layout.report(), caption="../../reports/captions/report.rst", category="Report"),
        figures=directory(f"{layout.folder}/figures"),
        provenance=layout.provenance(),
    params:
        spec=lambda w: layout.report_spec(),
    shell:
        """
        python {SCRIPTS}/report.py --spec {params.spec:q} --output {output.report:q} --figures {output.figures:q} \
            --provenance {output.provenance:q}
        """
