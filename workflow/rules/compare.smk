"""What differs between finished studies. Needs their folders alone, and no configuration.

`snakemake compare --config baseline=FOLDER candidate=FOLDER[,FOLDER]`.
INPUTS: tables and provenance of finished studies. OUTPUTS: results/comparisons/NAMES/{comparison.html,tables/}.
"""

from ttstudy import preflight, sides

compared = preflight.told(lambda: sides.open_sides(sides.named(config)))


if compared:

    rule compare:
        default_target: True
        input:
            [path for side in compared for path in side.files()],
        output:
            report=report(
                f"{sides.output(compared)}/comparison.html",
                caption="../../reports/captions/comparison.rst",
                category="Comparison",
                labels={"studies": ", ".join(side.name for side in compared)},
            ),
            tables=directory(f"{sides.output(compared)}/tables"),
        conda:
            "../../envs/analyse.yaml"
        params:
            spec=sides.spec(compared),
        shell:
            'python "$SCRIPTS/compare.py" --spec {params.spec:q} --output {output.report:q} --tables {output.tables:q}'

else:

    rule compare:
        input:
            unnamed,
