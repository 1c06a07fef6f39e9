"""What Snakemake runs again: what `ttstudy.dag.todo` finds, and nothing else.

Snakemake (9.27) judges by file times, always, and by what `.snakemake/` remembers of params, code and inputs. Neither
is in the results: a copy, another clone or a purge's `touch` has other times and no memory. Both questions are answered
here instead. `tests/test_cache_truth.py` holds that it asks them in these places; missing files it finds by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def decide(dirty: Mapping[str, str], plain: Callable[[str], str] = str) -> None:
    """Let jobs run whose first output is in `dirty` (with the reason in words), whatever times and records say.

    `plain`: path of a result, of the path that Snakemake has for it.
    """
    from snakemake.io import _IOFile
    from snakemake.persistence import ParamsChange, PersistenceBase
    from snakemake.settings.enums import RerunTrigger
    from snakemake.workflow import Workflow

    async def is_newer(_file: Any, _time: float) -> bool:
        return False

    async def incomplete(_self: Any, _job: Any) -> list[Any]:
        return []

    def params_changed(_self: Any, job: Any, file: Any = None) -> Any:
        why = dirty.get(plain(str(job.output[0]))) if job.output else None
        return ParamsChange(only_new={why}) if why else ParamsChange()

    _replace(_IOFile, "is_newer", is_newer)
    _replace(PersistenceBase, "incomplete", incomplete)
    _replace(PersistenceBase, "has_metadata", lambda _self, job: True)
    _replace(PersistenceBase, "has_outdated_metadata", lambda _self, job: False)
    _replace(PersistenceBase, "params_changed", params_changed)
    _replace(Workflow, "rerun_triggers", property(lambda _self: frozenset({RerunTrigger.PARAMS})))


def keep_what_is_whole(main: bool) -> None:
    """No output is removed for a failure: each appears whole or not at all, and says itself what it is.

    Nor does a job's own process (not `main`) remove outputs before it starts: another may have made them just now. The
    step looks at them, and what a run is forced to make again its main process removes.
    """
    from snakemake.jobs import Job

    async def nothing(_self: Any, *_skipped: Any) -> None:
        return None

    _replace(Job, "cleanup", nothing)
    if not main:
        _replace(Job, "remove_existing_output", nothing)


def _replace(owner: type, name: str, value: Any) -> None:
    if not hasattr(owner, name):
        raise RuntimeError(f"this Snakemake has no {owner.__name__}.{name}; install the version of pyproject.toml")
    setattr(owner, name, value)
