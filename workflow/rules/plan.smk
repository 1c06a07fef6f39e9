"""What the study will cost, before it costs it. Needs no network, no GPU and no pinned revision.

INPUTS: none; the pilot's responses where they are there. OUTPUTS: results/studies/STUDY/plan.{parquet,csv}, printed.
"""

from ttstudy.specs import canonical


localrules:
    plan,


# No declared output: it is made anew whenever it is asked for.
rule plan:
    log:
        f"{layout.folder}/logs/plan.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=lambda w: canonical(study.model_dump(mode="json", exclude_unset=True)),
        output=f"{layout.folder}/plan.parquet",
    shell:
        'python "$SCRIPTS/plan.py" --spec {params.spec:q} --output {params.output:q} --log {log:q}'
