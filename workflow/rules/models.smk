"""Checkpoints: of the miniature, shipped where they match their definition and trained where not; of the hub, fetched.

INPUTS: none (policies, hub); the policies' checkpoints (PRMs). OUTPUTS: results/models/{policies,prms,hub}/NAME-SPEC/.
"""

TRAINED_PRM = of_any(places.TRAINED_PRM)


# On the head node: compute nodes may have no network.
localrules:
    fetch,
    fetch_model,
    benchmark,
    labelled,


rule fetch:
    input:
        objects_of(fetched(layout)),


rule fetch_model:
    output:
        whole(of_any(places.FETCHED)),
    log:
        f"{study.results}/logs/fetch_model/{{model}}-{{spec}}.log",
    priority: 100
    conda:
        "../../envs/score.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/fetch_model.py" --spec {params.spec:q} --log {log:q}'


CONVERTED = of_any(places.CONVERTED)


rule convert_model:
    input:
        needs(CONVERTED),
    output:
        whole(CONVERTED),
    log:
        f"{study.results}/logs/convert_model/{{model}}-{{spec}}.log",
    priority: 100
    conda:
        "../../envs/score.yaml"
    resources:
        **asked("training"),
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/convert_model.py" --spec {params.spec:q} --log {log:q}'


rule train_policy:
    output:
        whole(of_any(places.TRAINED_POLICY)),
    log:
        f"{study.results}/logs/train_policy/{{policy}}-{{spec}}.log",
    priority: 100
    conda:
        "../../envs/score.yaml"
    resources:
        **asked("training"),
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/train_policy.py" --spec {params.spec:q} --log {log:q}'


rule train_reward_model:
    input:
        needs(TRAINED_PRM),
    output:
        whole(TRAINED_PRM),
    log:
        f"{study.results}/logs/train_reward_model/{{prm}}-{{spec}}.log",
    priority: 90
    conda:
        "../../envs/score.yaml"
    resources:
        **asked("training"),
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/train_reward_model.py" --spec {params.spec:q} --log {log:q}'
