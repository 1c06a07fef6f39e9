"""What models make: responses in pools, scores, searches; and the labels and grades that lie beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from ttstudy.dag import fingerprint
from ttstudy.dag.base import remembered
from ttstudy.dag.models import Models
from ttstudy.dag.specs.generation import (
    AskSpec,
    GradeSpec,
    LabelSpec,
    RecordedResponsesSpec,
    RecordedScoresSpec,
    SampleSpec,
    ScoreSpec,
    SearchSpec,
)
from ttstudy.dag.specs.records import File, Spec
from ttstudy.kinds.confidences import CONFIDENCES, STORED
from ttstudy.kinds.methods import METHODS, SEARCHES, growth_of
from ttstudy.study import GRADERS, OpenAIPolicy, RecordedPolicy, RecordedPRM
from ttstudy.study.policies import LocalPolicy
from ttstudy.study.sampling import SamplingSettings

Use = Literal["cot", "responses", "search"]
Range = tuple[int, int]
TABLES = ("answers", "nodes", "cost")
"""Of a search."""


def blocks(size: int, first: int) -> list[Range]:
    """Nested sample blocks (first, last) that cover a pool: ends at `first`, 2 `first`, 4 `first` and so on.

    The last block is always whole, so that a larger budget adds blocks and never cuts one anew.
    """
    edges = [0]
    while edges[-1] < size:
        edges.append(2 * edges[-1] or first)
    return [(start, stop - 1) for start, stop in zip(edges, edges[1:], strict=False)]


class Generation(Models):
    """Files of responses, scores and searches. Their folders' names carry the digest of what all in them share."""

    def _sampling(self, policy: str, use: Use) -> SamplingSettings:
        return SamplingSettings.model_validate(self.study.sampling_of(policy, use))

    def _drawing(self, benchmark: str, policy: str, use: Use) -> dict[str, Any]:
        """What every spec of drawing from a policy has whose weights are here."""
        settings = self.study.policies[policy]
        assert isinstance(settings, LocalPolicy)
        return {
            "seeds": (self.study.seed, benchmark, policy),
            "benchmark": self.benchmark_spec(benchmark).file(),
            "policy": self.weights(policy),
            "engine": self.engine(policy),
            "prompt": settings.prompt,
            "sampling": self._sampling(policy, use),
            "outputs": {},
        }

    def _sure(self, pool: str) -> dict[str, Any]:
        """What the spec of a pool that is voted on has about confidences: nothing where none are kept."""
        settings = self.study.sampling.confidence if pool == "samples" else None
        kept = STORED if settings is not None else ()
        versions = {name: CONFIDENCES[name].version for name in kept}
        return {"confidence": settings, "confidences": {name: n for name, n in versions.items() if n != 1}}

    @remembered
    def responses_spec(self, benchmark: str, policy: str, pool: str, block: Range) -> Spec:
        """Spec of a block of a pool of responses: `pilot`, `cot` (one greedy response) or `samples`."""
        settings = self.study.policies[policy]
        use: Use = "cot" if pool == "cot" else "responses"
        spec: SampleSpec | AskSpec | RecordedResponsesSpec
        if isinstance(settings, RecordedPolicy):
            spec = RecordedResponsesSpec(
                version=fingerprint.VERSIONS["recorded_responses"],
                benchmark=self.benchmark_spec(benchmark).file(),
                policy=self.weights(policy),
                pool=pool,
                pilot=self.study.pilot_samples,
                block=block,
                largest=self.study.budgets_for(policy).pool,
                outputs={},
            )
        elif isinstance(settings, OpenAIPolicy):
            spec = AskSpec(
                version=fingerprint.VERSIONS["ask"],
                seeds=(self.study.seed, benchmark, policy),
                benchmark=self.benchmark_spec(benchmark).file(),
                endpoint=settings.endpoint,
                system=settings.system,
                prompt=settings.prompt,
                sampling=self._sampling(policy, use),
                pool=pool,
                block=block,
                outputs={},
                **self._sure(pool),
            )
        else:
            drawing = self._drawing(benchmark, policy, use) | self._sure(pool)
            spec = SampleSpec(version=fingerprint.VERSIONS["sample"], pool=pool, block=block, **drawing)
        folder = f"{self.study.results}/{benchmark}/{policy}/{pool}-{spec.folder}"
        return spec.named(output=f"{folder}/{block[0]:04d}-{block[1]:04d}.parquet")

    @remembered
    def pool_folder(self, benchmark: str, policy: str, pool: str) -> str:
        """Folder of a pool of responses."""
        return self.responses_spec(benchmark, policy, pool, (0, 0)).product.rpartition("/")[0]

    def pool_blocks(self, policy: str, pool: str) -> list[Range]:
        """Blocks (first, last sample index) of a policy's pool."""
        if pool == "samples":
            size = self.study.budgets_for(policy).pool
            return blocks(size, self.study.first_block) if size else []
        return [(0, 0 if pool == "cot" else self.study.pilot_samples - 1)]

    def responses(self, benchmark: str, policy: str, pool: str, block: Range) -> str:
        """Path of one block's responses."""
        return self.responses_spec(benchmark, policy, pool, block).product

    def pool(self, benchmark: str, policy: str, pool: str) -> list[tuple[Range, Spec]]:
        """Every block of a pool: none for the CoT of a policy recorded without greedy responses.

        A reference has no pilot: its CoT stands in, so that its levels are those of its one answer.
        """
        if pool == "pilot" and policy in self.study.references:
            pool = "cot"
        settings = self.study.policies[policy]
        if pool == "cot" and isinstance(settings, RecordedPolicy) and not settings.greedy:
            return []
        found = self.pool_blocks(policy, pool)
        return [(block, self.responses_spec(benchmark, policy, pool, block)) for block in found]

    def pools(self, benchmark: str, policy: str, pool: str) -> list[str]:
        """Paths of the responses of every block of a pool."""
        return [spec.product for _, spec in self.pool(benchmark, policy, pool)]

    @remembered
    def scores_spec(self, benchmark: str, policy: str, prm: str, block: Range, pool: str = "samples") -> Spec:
        """Spec of a PRM's step scores of one block of a pool."""
        settings = self.study.prms[prm]
        made = self.responses_spec(benchmark, policy, pool, block)
        folder, name = made.product.rsplit("/", 1)
        spec: ScoreSpec | RecordedScoresSpec
        if isinstance(settings, RecordedPRM):
            spec = RecordedScoresSpec(
                version=fingerprint.VERSIONS["recorded_scores"],
                pool=made.folder,
                column=settings.column or prm,
                responses=made.file(),
                recorded=self.weights(policy),
                outputs={},
            )
        else:
            spec = ScoreSpec(
                version=fingerprint.VERSIONS["score"],
                pool=made.folder,
                judge=self.judge(prm),
                responses=made.file(),
                benchmark=self.benchmark_spec(benchmark).file(),
                outputs={},
            )
        return spec.named(output=f"{folder}/scores/{prm}-{spec.folder}/{name}")

    def scores(self, benchmark: str, policy: str, prm: str, block: Range, pool: str = "samples") -> str:
        """Path of a PRM's step scores of one block of a pool."""
        return self.scores_spec(benchmark, policy, prm, block, pool).product

    @remembered
    def labelled_scores_spec(self, name: str, prm: str) -> ScoreSpec:
        """Spec of a PRM's step scores of a labelled set."""
        solutions = self.labelled_spec(name)
        spec = ScoreSpec(
            version=fingerprint.VERSIONS["score"],
            pool=solutions.folder,
            judge=self.judge(prm),
            responses=solutions.file(),
            outputs={},
        )
        folder = solutions.product.rpartition("/")[0]
        return spec.named(output=f"{folder}/scores/{prm}-{spec.folder}.parquet")

    def labelled_scores(self, name: str, prm: str) -> str:
        """Path of a PRM's step scores of a labelled set."""
        return self.labelled_scores_spec(name, prm).product

    @remembered
    def labels_spec(self, benchmark: str, made: Spec) -> LabelSpec:
        """Spec of the step labels of a block of responses."""
        return LabelSpec(
            code=fingerprint.code("label"),
            benchmark=self.benchmark_spec(benchmark).file(),
            responses=made.file(),
            outputs={"output": f"{made.product.removesuffix('.parquet')}.labels.parquet"},
        )

    @remembered
    def search_spec(self, benchmark: str, policy: str, prm: str, method: str, budget: int) -> SearchSpec:
        """Spec of one method's search at one budget."""
        spec = SearchSpec(
            version=fingerprint.VERSIONS["search"],
            judge=self.judge(prm),
            method=method,
            method_version=METHODS[method].version,
            options=self.study.search.of(method),
            budget=budget,
            **self._drawing(benchmark, policy, "search"),
        )
        stem = f"{self.study.results}/{benchmark}/{policy}/{method}/{prm}-{spec.folder}/{budget:04d}"
        return spec.named(**{table: f"{stem}.{table}.parquet" for table in TABLES})

    def search_folder(self, benchmark: str, policy: str, prm: str, method: str) -> str:
        """Folder of one method's searches with a PRM, one set of files per budget."""
        return self.search_spec(benchmark, policy, prm, method, 0).product.rpartition("/")[0]

    def search(
        self, benchmark: str, policy: str, prm: str, method: str, budget: int, table: str = "answers"
    ) -> str:
        """Path of a search's `answers`, `nodes` or `cost` table."""
        return self.search_spec(benchmark, policy, prm, method, int(budget)).outputs[table]

    def search_budgets(self, policy: str, method: str) -> list[int]:
        """Budgets that are run: every one, or of independent trees the largest, which serves the smaller."""
        budgets = sorted(self.study.budgets_for(policy).of(method))
        return budgets[-1:] if growth_of(method).independent else budgets

    def searches(self, policy: str) -> Iterator[tuple[str, str, int]]:
        """Every (prm, method, budget) that is run with a policy."""
        for prm in self.study.prms_of(policy) if self.study.can_search(policy) else []:
            for method in SEARCHES:
                for budget in self.search_budgets(policy, method):
                    yield prm, method, budget

    @property
    def gradings(self) -> list[str]:
        """Endings of the grades of a responses table, one per grader: every response is graded with each."""
        return [f"{grader}-{self.study.extraction}.parquet" for grader in GRADERS]

    @property
    def other_grader(self) -> str:
        """The grader that is not the study's."""
        return next(grader for grader in GRADERS if grader != self.study.grader)

    @remembered
    def grades_spec(self, benchmark: str, made: Spec) -> GradeSpec:
        """Spec of the grades of a table of responses, or of a search's answers, by every grader."""
        stem = made.product.removesuffix(".parquet").removesuffix(".answers")
        return GradeSpec(
            code=fingerprint.code("grade"),
            graders=GRADERS,
            extraction=self.study.extraction,
            benchmark=self.benchmark_spec(benchmark).file(),
            responses=made.file(),
            cache=f"{self.study.results}/cache",
            outputs={grader: f"{stem}.{ending}" for grader, ending in zip(GRADERS, self.gradings, strict=True)},
        )

    def graded(self, benchmark: str, made: Spec, grader: str | None = None) -> File:
        """The grades of a table by the study's grader, unless another is named."""
        return self.grades_spec(benchmark, made).file(grader or self.study.grader)
