"""Benchmarks and pools of responses: a pilot (difficulty), one greedy response (CoT), and nested sample blocks.

INPUTS: the benchmark's source, a policy's checkpoint.
OUTPUTS: results/benchmarks/NAME-SPEC.parquet, results/BENCHMARK/POLICY/POOL-SPEC/FIRST-LAST.parquet.
"""

PROBLEMS = f"{study.results}/benchmarks/{{benchmark}}-{{spec}}.parquet"
BLOCK = f"{study.results}/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}"


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
        'python "$SCRIPTS/benchmark.py" --spec {params.spec:q} --log {log:q}'


rule sample:
    input:
        needs(f"{BLOCK}.parquet"),
    output:
        f"{BLOCK}.parquet",
    log:
        f"{study.results}/logs/sample/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        policy=one_of([policy for policy in study.policies if policy not in (*RECORDED_POLICIES, *ENDPOINTS)]),
    priority: 50
    conda:
        "../../envs/generate.yaml"
    resources:
        **asked("policy"),
    params:
        spec=spec,
    shell:
        """
        python "$SCRIPTS/launch.py" {resources.gpu} python "$SCRIPTS/sample.py" --spec {params.spec:q} --log {log:q}
        """


rule ask:
    input:
        needs(f"{BLOCK}.parquet"),
    output:
        f"{BLOCK}.parquet",
    log:
        f"{study.results}/logs/ask/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        policy=one_of(ENDPOINTS),
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
        needs(f"{BLOCK}.{layout.gradings[0]}"),
    output:
        [f"{BLOCK}.{grading}" for grading in layout.gradings],
    log:
        f"{study.results}/logs/grade/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        'python "$SCRIPTS/grade.py" --spec {params.spec:q} --log {log:q}'
