"""ttstudy: one study of test-time scaling, from checkpoints to a report, as one DAG.

`snakemake --profile workflow/profiles/default` runs `config.yaml` (the miniature study); any other study is
`--configfile workflow/studies/NAME.yaml`. Rules are in `workflow/rules/`, one file per stage, in the order they run.
"""

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/environment.smk"
include: "workflow/rules/compare.smk"


if not compared:

    if not workflow.configfiles:

        configfile: "config.yaml"

    include: "workflow/rules/common.smk"
    include: "workflow/rules/resources.smk"
    include: "workflow/rules/models.smk"
    include: "workflow/rules/generation.smk"
    include: "workflow/rules/scoring.smk"
    include: "workflow/rules/recorded.smk"
    include: "workflow/rules/search.smk"
    include: "workflow/rules/analysis.smk"
    include: "workflow/rules/diagnostics.smk"
    include: "workflow/rules/report.smk"
    include: "workflow/rules/plan.smk"

    ask_for_the_rest(workflow.rules)

    localrules:
        all,

    rule all:
        default_target: True
        input:
            jobs(layout)[-1].spec.outputs.values(),
            lambda wildcards: damaged(),
