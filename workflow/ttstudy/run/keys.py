"""Keys and tokens in the environment: a job gets those that it asks somebody with, and no others.

The hub's token is for `fetch_model`, which runs where the study was started; an endpoint's or server's key, for the
jobs that ask it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ttstudy.study import Study
from ttstudy.study.policies import Policy
from ttstudy.study.prms import PRM

_TELLING = re.compile(
    r"(?:^|_)(?:TOKEN|API_?KEY|ACCESS_?KEY|SECRET|SECRET_?KEY|CREDENTIAL|PASS|PAT)S?(?:_ID|_FILE|_?\d+)?$"
    r"|PASSW(?:OR)?D$|API_?KEY$|_KEY$",
    re.IGNORECASE,
)
"""Names of variables whose values are secret: HF_TOKEN, OPENAI_API_KEY, AWS_SECRET_ACCESS_KEY, DB_PASSWORD ..."""
_STORAGE = re.compile(r"^(?:SNAKEMAKE_STORAGE|AWS|AZURE_STORAGE)_|^GOOGLE_(?:APPLICATION|CLOUD)_")
_PLACES = re.compile(r"PATH$|^(?:HOME|PWD|TMPDIR|SLURM_CONF|VIRTUAL_ENV)$")
"""Variables that name places, and do not hold a key because a folder has its name."""
_SHORT = 8
"""Characters below which a value is not looked for in other variables: `1` or `none` is nobody's key."""


_OPENS = {"ask": ("policy",), "sample": ("policy",), "score": ("prm",), "search": ("policy", "prm")}
"""Wildcards that name the models which a rule's jobs talk to."""


def of_study(study: Study) -> set[str]:
    """Variables that the study's endpoints and servers take their keys from."""
    return {key for settings in (*study.policies.values(), *study.prms.values()) for key in _of_model(settings)}


def of_job(study: Study, rule: str, wildcards: Mapping[str, str]) -> set[str]:
    """Variables with keys that a job needs."""
    models: dict[str, Mapping[str, Policy | PRM]] = {"policy": study.policies, "prm": study.prms}
    opened = [models[kind].get(wildcards.get(kind, "")) for kind in _OPENS.get(rule, ())]
    return {key for settings in opened if settings is not None for key in _of_model(settings)}


def _of_model(settings: Policy | PRM) -> set[str]:
    """The variable with the key of a model's endpoint, or of the server that its engine is."""
    engine = getattr(settings, getattr(settings, "engine", ""), None)
    return {key for told in (settings, engine) if (key := getattr(told, "key_variable", None))}


def without(
    environment: Mapping[str, str], known: Iterable[str], needed: Iterable[str], storage: bool = False
) -> dict[str, str]:
    """An environment without keys but those that are needed: by the variable's name, and by value under any other.

    `known`: names of keys that do not tell by themselves. `storage`: results lie in an object store, whose own
    variables every job needs.
    """
    known, kept = set(known), set(needed)
    secret = {name for name in environment if name in known or _TELLING.search(name)} - kept
    if storage:
        secret = {name for name in secret if name in known or not _STORAGE.search(name)}
    values = {environment[name] for name in secret if len(environment[name]) >= _SHORT}
    return {
        name: value
        for name, value in environment.items()
        if name not in secret and (name in kept or _PLACES.search(name) or not any(key in value for key in values))
    }
