"""Benchmarks and pools of responses: a pilot (difficulty), one greedy response (CoT), and nested sample blocks.

INPUTS: the benchmark's source, a policy's checkpoint.
OUTPUTS: results/benchmarks/NAME-SPEC.parquet, results/BENCHMARK/POLICY/POOL-SPEC/FIRST-LAST.parquet.
"""

PROBLEMS = of_any(places.BENCHMARK)
BLOCK = of_any(places.RESPONSES)
DRAWN = whole_or_shard(BLOCK)


ruleorder: join_sample > sample


rule benchmark:
    input:
        needs(PROBLEMS),
    output:
        PROBLEMS,
    log:
        f"{study.results}/logs/benchmark/{{benchmark}}-{{spec}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/benchmark.py" --spec {params.spec:q} --log {log:q}'


rule sample:
    input:
        needs(DRAWN),
    output:
        DRAWN,
    log:
        f"{study.results}/logs/sample/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}{{shard}}.log",
    wildcard_constraints:
        policy=policies_of("sample"),
    priority: 50
    conda:
        "../../envs/generate.yaml"
    resources:
        **asked("policy", DRAWN),
    params:
        spec=spec,
    shell:
        """
        python "$SCRIPTS/launch.py" {resources.devices} python "$SCRIPTS/sample.py" --spec {params.spec:q} --log {log:q}
        """


rule join_sample:
    input:
        shards(BLOCK),
    output:
        BLOCK,
    log:
        f"{study.results}/logs/sample/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        benchmark=joined("sample"),
    priority: 60
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
        shards=shard_count,
    shell:
        'python "$SCRIPTS/join.py" --spec {params.spec:q} --shards {params.shards} --log {log:q}'


# On the head node: compute nodes may have no internet.
if site.endpoints == "login":

    localrules:
        ask,


rule ask:
    input:
        needs(BLOCK),
    output:
        BLOCK,
    log:
        f"{study.results}/logs/ask/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        policy=policies_of("ask"),
    priority: 50
    conda:
        "../../envs/analyse.yaml"
    resources:
        **asked("light"),
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/ask.py" --spec {params.spec:q} --log {log:q}'


rule grade:
    input:
        needs(grades(BLOCK)[0]),
    output:
        grades(BLOCK),
    log:
        f"{study.results}/logs/grade/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/light.py" python "$SCRIPTS/grade.py" --spec {params.spec:q} --log {log:q}'
