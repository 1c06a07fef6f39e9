"""What the study will cost, before it costs it. Needs no network, no GPU and no pinned revision.

INPUTS: none; the pilot's responses where they are there. OUTPUTS: results/studies/STUDY/plan.{parquet,csv}, printed.
"""


localrules:
    plan,


# No declared output: it is made anew whenever it is asked for.
rule plan:
    log:
        f"{layout.folder}/logs/plan.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        study=f"{layout.folder}/plan.json",
        output=f"{layout.folder}/plan.parquet",
    shell:
        'python "$SCRIPTS/plan.py" {params.study:q} {params.output:q}'
