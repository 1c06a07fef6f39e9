"""What differs between finished studies. Needs their folders alone, and no configuration.

`snakemake compare --config baseline=FOLDER candidate=FOLDER[,FOLDER]`.
INPUTS: tables and provenance of finished studies. OUTPUTS: results/comparisons/NAMES/{comparison.html,tables/}.
"""

from pathlib import Path

from ttstudy.dag import sides, stamps
from ttstudy.dag.specs import files as specs
from ttstudy.run import rerun
from ttstudy.run.telling import told

compared = told(lambda: sides.open_sides(sides.named(config)))


if compared:

    comparison = told(lambda: sides.spec(compared))
    stamp = stamps.of(Path(comparison.product))
    same = stamp is not None and stamp.spec == comparison.digest
    rerun.decide({} if same else {comparison.product: "other studies, tables or code"})

    rule compare:
        default_target: True
        input:
            [file.path for file in comparison.read],
        output:
            report(
                comparison.outputs["report"],
                caption="../../reports/captions/comparison.rst",
                category="Comparison",
                labels={"studies": ", ".join(side.name for side in compared)},
            ),
            directory(comparison.outputs["tables"]),
        conda:
            "../../envs/analyse.yaml"
        params:
            spec=specs.place("results", comparison),
        shell:
            'python "$SCRIPTS/light.py" python "$SCRIPTS/compare.py" --spec {params.spec:q}'

    onstart:
        specs.write(comparison, specs.place("results", comparison))

else:

    rule compare:
        input:
            unnamed,
