"""One HTML file with the answer, the evidence and where it came from.

INPUTS: the study's tables, templates. OUTPUTS: results/studies/STUDY/{cells/BENCHMARK/POLICY.{explorer,trees}.parquet,figures/,report.html,provenance.json}.
"""

PAGE = jobs(layout)[-1].spec.outputs


rule explorer:
    input:
        needs(of_cell("explorer")),
    output:
        of_cell("explorer"),
        of_cell("trees"),
    log:
        f"{layout.folder}/logs/{{benchmark}}/{{policy}}.explorer.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/explorer.py" --spec {params.spec:q} --log {log:q}'


rule report:
    input:
        needs(PAGE["report"]),
    output:
        report(
            PAGE["report"],
            caption="../../reports/captions/report.rst",
            category="Report",
            labels={"study": study.study},
        ),
        report(
            directory(PAGE["figures"]),
            patterns=["{figure}.svg"],
            caption="../../reports/captions/figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "study": study.study},
        ),
        PAGE["provenance"],
    log:
        f"{layout.folder}/logs/report.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/report.py" --spec {params.spec:q} --log {log:q}'
