"""The study's configuration: typed, checked before anything runs, exported as a JSON Schema for editors.

`from_mapping(mapping)` checks a mapping that is already there (Snakemake's `config`); `ttstudy.data.revisions.load`
reads a study's file. Every mistake becomes a `StudyError` whose text names the key by its path and says what is wanted.
"""

from __future__ import annotations

from ttstudy.errors import StudyError
from ttstudy.study.benchmarks import (
    FileBenchmark,
    GeneratedBenchmark,
    HubBenchmark,
    HubLabelled,
    MiniatureBenchmark,
    RecordedBenchmark,
)
from ttstudy.study.fields import GRADERS
from ttstudy.study.policies import CheckpointPolicy, GGUFPolicy, HubPolicy, OpenAIPolicy, RecordedPolicy, TrainedPolicy
from ttstudy.study.prms import CheckpointPRM, HubPRM, RecordedPRM, TrainedPRM
from ttstudy.study.reading import from_mapping, schema, sentences, with_base
from ttstudy.study.whole import Study
from ttstudy.study.yamlfile import read_yaml

__all__ = [
    "GRADERS", "CheckpointPRM", "CheckpointPolicy", "FileBenchmark", "GGUFPolicy", "GeneratedBenchmark", "HubBenchmark",
    "HubLabelled", "HubPRM", "HubPolicy", "MiniatureBenchmark", "OpenAIPolicy", "RecordedBenchmark", "RecordedPRM",
    "RecordedPolicy", "Study",
    "StudyError", "TrainedPRM", "TrainedPolicy", "from_mapping", "read_yaml", "schema", "sentences", "with_base",
]  # fmt: skip
