"""The diagnostics of a whole study: from the files behind it to the tables about flaws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ttstudy.analysis.diagnostics.cases import worked_cases
from ttstudy.analysis.diagnostics.failures import explain, failure_table, replayable
from ttstudy.analysis.diagnostics.flaws import by_policy, calibration_table, flaw_table, skill_table
from ttstudy.analysis.diagnostics.labels import lengths
from ttstudy.data import tables
from ttstudy.kinds.flaws import CAUSES, Steps
from ttstudy.methods.options import Options

if TYPE_CHECKING:
    from ttstudy.dag.specs.analysis import DiagnosedCell, DiagnosticsSpec

_KEY = ["problem_id", "sample"]
EVERYONE = "all"
"""`policy` of rows over all policies."""


def diagnose(spec: DiagnosticsSpec) -> dict[str, pd.DataFrame]:
    """Tables `diagnostics`, `prm_skill`, `calibration`, `failures` and `cases` of a study."""
    seed = spec.seed
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in ("diagnostics", "prm_skill", "calibration", "cases")}
    measures: dict[str, Callable[[Steps], pd.DataFrame]] = {
        "diagnostics": lambda part: flaw_table(part, seed),
        "prm_skill": lambda part: skill_table(part, seed),
        "calibration": lambda part: calibration_table(part, seed),
    }
    for names, solutions, texts in _judged(spec):
        for table, measure in measures.items():
            found[table] += [part.assign(**names) for part in by_policy(solutions, measure, EVERYONE)]
        cases = worked_cases(solutions)
        if len(cases):
            found["cases"].append(cases.merge(texts(cases), on=["policy", *_KEY], how="left").assign(**names))
    joined = {name: _joined(name, parts) for name, parts in found.items()}
    return joined | {"failures": _failures(spec, joined["diagnostics"], seed)}


def _joined(name: str, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The parts below each other, with the table's own columns even where there are none."""
    empty = tables.empty(name)
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True)[list(empty)] if filled else empty


def _judged(spec: DiagnosticsSpec) -> Iterator[tuple[dict[str, str], pd.DataFrame, Callable[..., Any]]]:
    """Per (benchmark, prm): its names, the solutions of all policies, and where the texts of a few are found."""
    cells = [cell for cell in spec.cells if cell.pool]
    pairs = {(cell.benchmark, prm): None for cell in cells for prm in cell.pool[0].scores}
    for benchmark, prm in pairs:
        mine = [c for c in cells if c.benchmark == benchmark and prm in c.pool[0].scores]
        parts = [_pool(cell, prm).assign(policy=cell.policy) for cell in mine]
        yield {"benchmark": benchmark, "prm": prm}, pd.concat(parts, ignore_index=True), _pool_texts(mine)
    for labelled in spec.labelled:
        solutions = tables.of("labelled", labelled.solutions)
        for prm, file in labelled.scores.items():
            scores = tables.of("scores", file)[[*_KEY, "step_scores"]]
            frame = solutions.merge(scores, on=_KEY, validate="one_to_one")
            frame = frame.assign(lengths=frame["steps"].map(lengths))
            texts = solutions[["policy", *_KEY, "problem", "steps"]]
            names = {"benchmark": labelled.name, "prm": prm}
            yield names, frame.drop(columns=["problem", "steps"]), lambda cases, texts=texts: texts


def _pool(cell: DiagnosedCell, prm: str) -> pd.DataFrame:
    """Labelled and scored solutions of a pool, in an order that does not depend on its blocks: sums are of floats."""
    labels = tables.joined("labels", [block.labels for block in cell.pool])
    scores = tables.joined("scores", [block.scores[prm] for block in cell.pool])
    both = labels.merge(scores[[*_KEY, "step_scores"]], on=_KEY, validate="one_to_one")
    return both.sort_values(_KEY, ignore_index=True)


def _pool_texts(cells: Sequence[DiagnosedCell]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Problem and steps of a few solutions, read when they are asked for."""

    def texts(cases: pd.DataFrame) -> pd.DataFrame:
        found = []
        for cell in cells:
            wanted = cases[cases["policy"] == cell.policy]
            if wanted.empty:
                continue
            problems = tables.of("benchmark", cell.problems).set_index("problem_id")["problem"]
            responses = tables.joined("responses", [block.responses for block in cell.pool], [*_KEY, "steps"])
            part = responses.merge(wanted[_KEY].drop_duplicates(), on=_KEY)
            found.append(part.assign(policy=cell.policy, problem=part["problem_id"].map(problems)))
        return pd.concat(found, ignore_index=True)

    return texts


def _failures(spec: DiagnosticsSpec, flaws: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Causes of failed trees per search, and of all policies' searches with one PRM, method and budget together."""
    measured: dict[tuple[str, str], dict[str, float]] = {}
    for row in flaws[flaws["policy"] == EVERYONE].itertuples(index=False):
        measured.setdefault((row.benchmark, row.prm), {})[row.flaw] = row.value
    found: dict[tuple[str, str, str, int], dict[str, list[tuple[pd.DataFrame, int]]]] = {}
    for cell in spec.cells:
        problems = tables.of("benchmark", cell.problems).set_index("problem_id")["problem"].to_dict()
        for search in cell.searches:
            options = Options.of(search.method, search.budget, spec.search)
            if not replayable(options):
                continue
            answers = tables.of("search_responses", search.answers)[[*_KEY, "tree"]]
            grades = tables.of("grades", search.grades)[[*_KEY, "correct"]]
            right = answers.merge(grades, on=_KEY).groupby(["problem_id", "tree"])["correct"].any()
            nodes = tables.of("nodes", search.nodes)
            known = measured.get((cell.benchmark, search.prm), {})
            causes = explain(nodes, set(right.index[~right]), problems, options, known)
            key = (cell.benchmark, search.prm, search.method, search.budget)
            found.setdefault(key, {}).setdefault(cell.policy, []).append((causes, len(right)))
    parts = []
    for (benchmark, prm, method, budget), searched in found.items():
        everyone = [run for runs in searched.values() for run in runs]
        for policy, runs in {EVERYONE: everyone, **searched}.items():
            causes = pd.concat([one for one, _ in runs], ignore_index=True).astype(dict.fromkeys(CAUSES, bool))
            names = {"benchmark": benchmark, "policy": policy, "prm": prm, "method": method, "budget": budget}
            parts.append(failure_table(causes, sum(trees for _, trees in runs), seed).assign(**names))
    return _joined("failures", parts)
