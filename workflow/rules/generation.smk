"""Benchmarks and pools of responses: a pilot (difficulty), one greedy response (CoT), and nested sample blocks.

INPUTS: the benchmark's source, a policy's checkpoint.
OUTPUTS: results/benchmarks/NAME-SPEC.parquet, results/BENCHMARK/POLICY/POOL-SPEC/FIRST-LAST.parquet.
"""


rule benchmark:
    input:
        source=lambda w: layout.benchmark_source(w.benchmark),
    output:
        f"{study.results}/benchmarks/{{benchmark}}-{{spec}}.parquet",
    log:
        f"{study.results}/logs/benchmark/{{benchmark}}-{{spec}}.log",
    conda:
        "../../envs/analyse.yaml"
    params:
        spec=spec,
    shell:
        """
        python "$SCRIPTS/benchmark.py" --spec {params.spec:q} --source {input.source:q} --output {output:q} --log {log:q}
        """


rule sample:
    input:
        benchmark=lambda w: layout.benchmark(w.benchmark),
        policy=lambda w: layout.policy(w.policy),
    output:
        f"{study.results}/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.parquet",
    log:
        f"{study.results}/logs/sample/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        policy=one_of([policy for policy in study.policies if policy not in (*RECORDED_POLICIES, *ENDPOINTS)]),
    priority: 50
    conda:
        "../../envs/generate.yaml"
    resources:
        **asked("policy"),
        machine=lambda w: layout.machine(w.policy),
    params:
        spec=spec,
        block=lambda w: list(block(w)),
    shell:
        """
        python "$SCRIPTS/launch.py" {resources.gpu} python "$SCRIPTS/sample.py" --spec {params.spec:q} \
            --benchmark {input.benchmark:q} \
            --policy "$(dirname {input.policy:q})" --machine {resources.machine:q} \
            --block {params.block} --output {output:q} --log {log:q}
        """


rule ask:
    input:
        benchmark=lambda w: layout.benchmark(w.benchmark),
    output:
        f"{study.results}/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.parquet",
    log:
        f"{study.results}/logs/ask/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    wildcard_constraints:
        policy=one_of(ENDPOINTS),
    priority: 50
    conda:
        "../../envs/analyse.yaml"
    resources:
        **asked("light"),
        machine=lambda w: layout.machine(w.policy),
    params:
        spec=spec,
        block=lambda w: list(block(w)),
    shell:
        """
        python "$SCRIPTS/ask.py" --spec {params.spec:q} --benchmark {input.benchmark:q} \
            --machine {resources.machine:q} --block {params.block} --output {output:q} --log {log:q}
        """


rule grade:
    input:
        benchmark=lambda w: layout.benchmark(w.benchmark),
        responses=f"{study.results}/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.parquet",
    output:
        [
            f"{study.results}/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.{grading}"
            for grading in layout.gradings
        ],
    log:
        f"{study.results}/logs/grade/{{benchmark}}/{{policy}}/{{pool}}-{{spec}}/{{first}}-{{last}}.log",
    conda:
        "../../envs/analyse.yaml"
    resources:
        # Answers read and compared before; changes no byte.
        cache=f"{study.results}/cache",
    params:
        spec=lambda w: layout.grade_spec(),
    shell:
        """
        python "$SCRIPTS/grade.py" --spec {params.spec:q} --benchmark {input.benchmark:q} \
            --responses {input.responses:q} --output {output:q} --cache {resources.cache:q} --log {log:q}
        """
