"""What models make: responses in pools, scores, searches; and the labels and grades that lie beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from ttstudy import fingerprint
from ttstudy.layout.models import Models
from ttstudy.layout.specs import remembered
from ttstudy.names import SEARCHES
from ttstudy.study import GRADERS, OpenAIPolicy, RecordedPolicy, RecordedPRM


def blocks(size: int, first: int) -> list[tuple[int, int]]:
    """Nested sample blocks (first, last) that cover a pool: ends at `first`, 2 `first`, 4 `first` and so on.

    The last block is always whole, so that a larger budget adds blocks and never cuts one anew.
    """
    edges = [0]
    while edges[-1] < size:
        edges.append(2 * edges[-1] or first)
    return [(start, stop - 1) for start, stop in zip(edges, edges[1:], strict=False)]


class Generation(Models):
    """Files of responses, scores and searches. Their paths carry the digest of the spec that they were made by."""

    def _drawing(self, benchmark: str, policy: str, use: Literal["cot", "responses", "search"]) -> dict[str, Any]:
        settings = self.study.policies[policy]
        if isinstance(settings, RecordedPolicy):
            return {
                "benchmark": self._benchmark_digest(benchmark),
                "policy": self._model_digest(policy, "policies"),
                "engine": "recorded",
                "pilot": self.study.pilot_samples,
            }
        if isinstance(settings, OpenAIPolicy):
            return {
                "seeds": [self.study.seed, benchmark, policy],
                "benchmark": self._benchmark_digest(benchmark),
                "engine": "openai",
                "endpoint": settings.model_dump(include={"model", "base_url", "reasoning"}),
                "prompt": settings.prompt,
                "system": settings.system,
                "sampling": self.study.sampling_of(policy, use),
            }
        return {
            "seeds": [self.study.seed, benchmark, policy],
            "benchmark": self._benchmark_digest(benchmark),
            "policy": self._model_digest(policy, "policies"),
            **settings.engine_spec,
            "dtype": getattr(settings, "dtype", "float32"),
            "prompt": settings.prompt,
            "sampling": self.study.sampling_of(policy, use),
        }

    @remembered
    def pool_folder(self, benchmark: str, policy: str, pool: str) -> str:
        """Folder of a pool of responses: `pilot`, `cot` (one greedy response) or `samples`."""
        spec = self._drawing(benchmark, policy, "cot" if pool == "cot" else "responses")
        step = {"recorded": "recorded_responses", "openai": "ask"}.get(spec["engine"], "sample")
        spec |= {"step": step, "version": fingerprint.VERSIONS[step], "pool": pool}
        return f"{self.study.results}/{benchmark}/{policy}/{pool}-{self._named(spec)}"

    def pool_blocks(self, policy: str, pool: str) -> list[tuple[int, int]]:
        """Blocks (first, last sample index) of a policy's pool."""
        if pool == "samples":
            size = self.study.budgets_for(policy).pool
            return blocks(size, self.study.first_block) if size else []
        return [(0, 0 if pool == "cot" else self.study.pilot_samples - 1)]

    def responses(self, benchmark: str, policy: str, pool: str, block: tuple[int, int]) -> str:
        """Path of one block's responses."""
        return f"{self.pool_folder(benchmark, policy, pool)}/{block[0]:04d}-{block[1]:04d}.parquet"

    def scores(self, benchmark: str, policy: str, prm: str, block: tuple[int, int], pool: str = "samples") -> str:
        """Path of a PRM's step scores of one block of a pool."""
        folder = self.pool_folder(benchmark, policy, pool)
        settings = self.study.prms[prm]
        spec: dict[str, Any] = {"responses": folder.rsplit("-", 1)[1]}
        if isinstance(settings, RecordedPRM):
            version = fingerprint.VERSIONS["recorded_scores"]
            spec |= {"step": "recorded_scores", "version": version, "column": settings.column or prm}
        else:
            spec |= {
                "step": "score",
                "version": fingerprint.VERSIONS["score"],
                **self._judging(prm),
            }
        return f"{folder}/scores/{prm}-{self._named(spec)}/{block[0]:04d}-{block[1]:04d}.parquet"

    def labelled_scores(self, name: str, prm: str) -> str:
        """Path of a PRM's step scores of a labelled set."""
        solutions = self._labelled_digest(name)
        spec = {
            "step": "score",
            "version": fingerprint.VERSIONS["score"],
            "responses": solutions,
            **self._judging(prm),
        }
        return f"{self.study.results}/labelled/{name}-{solutions}/scores/{prm}-{self._named(spec)}.parquet"

    def labels(self, responses: str) -> str:
        """Path of the step labels of a block of responses."""
        return f"{responses.removesuffix('.parquet')}.labels.parquet"

    def label_spec(self) -> str:
        """Spec of labelling steps."""
        return self._light("label")

    @remembered
    def search_folder(self, benchmark: str, policy: str, prm: str, method: str) -> str:
        """Folder of one method's searches with a PRM, one set of files per budget."""
        options = self.study.search.model_dump(exclude={"problems_per_block", "max_live"})
        spec = self._drawing(benchmark, policy, "search") | {
            "step": "search",
            "version": fingerprint.VERSIONS["search"],
            **self._judging(prm),
            "method": method,
            "options": options,
        }
        return f"{self.study.results}/{benchmark}/{policy}/{method}/{prm}-{self._named(spec)}"

    def search_budgets(self, policy: str, method: str) -> list[int]:
        """Budgets that are run: every one of beam search; the largest of DVTS, whose trees serve the smaller."""
        budgets = sorted(getattr(self.study.budgets_for(policy), method) or [])
        return budgets if method == "beam_search" else budgets[-1:]

    def search(self, benchmark: str, policy: str, prm: str, method: str, budget: int, table: str = "answers") -> str:
        """Path of a search's `answers`, `nodes` or `cost` table."""
        return f"{self.search_folder(benchmark, policy, prm, method)}/{int(budget):04d}.{table}.parquet"

    def pools(self, benchmark: str, policy: str, pool: str) -> list[str]:
        """Responses of every block of a pool: none for the CoT of a policy recorded without greedy responses.

        A reference has no pilot: its CoT stands in, so that its levels are those of its one answer.
        """
        if pool == "pilot" and policy in self.study.references:
            pool = "cot"
        if pool == "cot" and not getattr(self.study.policies[policy], "greedy", True):
            return []
        return [self.responses(benchmark, policy, pool, block) for block in self.pool_blocks(policy, pool)]

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

    def grades(self, responses: str, grader: str | None = None) -> str:
        """Path of the grades of a responses table, by the study's grader unless another is named."""
        stem = responses.removesuffix(".parquet").removesuffix(".answers")
        return f"{stem}.{grader or self.study.grader}-{self.study.extraction}.parquet"

    def grade_spec(self) -> str:
        """Spec of grading."""
        return self._light("grade", graders=list(GRADERS), extraction=self.study.extraction)
