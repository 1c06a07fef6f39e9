"""The spec of every kind of step: made once from the study, written to a file, read back typed by the step.

Every field that is not marked FREE decides the result (see `ttstudy.dag.specs.records`); `tests/spec_fields.json` lists
them with their defaults, so that none gets in, and no default changes, unnoticed.
"""

from __future__ import annotations

from ttstudy.dag.specs.analysis import (
    AccuracySpec,
    AdaptiveSpec,
    ClaimsSpec,
    CompareSpec,
    DiagnosticsSpec,
    DifficultySpec,
    ExamineSpec,
    ExplorerSpec,
    FindingsSpec,
    GradersSpec,
    HeadlineSpec,
    LedgerSpec,
    OutcomesSpec,
    ReportSpec,
    StrategySpec,
    TrainingSpec,
)
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
from ttstudy.dag.specs.inputs import (
    BenchmarkSpec,
    ConvertSpec,
    FetchSpec,
    LabelledSpec,
    RecordedSpec,
    TrainPolicySpec,
    TrainPRMSpec,
)
from ttstudy.dag.specs.records import Spec

KINDS: dict[str, type[Spec]] = {
    kind.step: kind
    for kind in (
        TrainPolicySpec, TrainPRMSpec, FetchSpec, ConvertSpec, RecordedSpec, BenchmarkSpec, LabelledSpec, SampleSpec,
        AskSpec, RecordedResponsesSpec, ScoreSpec, RecordedScoresSpec, SearchSpec, GradeSpec, LabelSpec, ExamineSpec,
        DifficultySpec, OutcomesSpec, LedgerSpec, AdaptiveSpec, ExplorerSpec, AccuracySpec, TrainingSpec, FindingsSpec,
        GradersSpec, DiagnosticsSpec, StrategySpec, HeadlineSpec, ClaimsSpec, ReportSpec, CompareSpec,
    )
}  # fmt: skip
"""By the step that reads it."""
