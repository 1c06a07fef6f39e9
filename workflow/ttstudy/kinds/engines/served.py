"""vLLM servers that are running already, here or on another node, and that many jobs share."""

import re
from typing import Annotated

from pydantic import AfterValidator

from ttstudy.kinds.engines._engine import Engine, Option, Serving

_ADDRESS = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*|https?://(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(:\d{1,5})?(/v1)?/?")


def _address(value: str | None) -> str | None:
    if value is not None and not _ADDRESS.fullmatch(value):
        raise ValueError("must be $NAME or an address like http://host:8000, without user, key or path")
    return value


_SHARED = {
    "url": Option(
        type=Annotated[str | None, AfterValidator(_address)],
        default=None,
        free=True,
        required=True,
        about="address of the server, or $NAME: the environment variable NAME holds it",
    ),
    "model": Option(type=str | None, default=None, free=True, about="the model's name there; null: the only one"),
    "key_variable": Option(
        type=str | None, default=None, free=True, about="environment variable that holds the server's key, if any"
    ),
    "concurrency": Option(type=int, default=256, least=1, most=4096, free=True, about="most requests under way"),
    "timeout_s": Option(type=float, default=600.0, above=0, most=86_400, free=True, about="longest silence in seconds"),
    "attempts": Option(type=int, default=6, least=1, most=1000, free=True, about="tries of one request"),
}

ENGINE = Engine(
    label="a vLLM server",
    about="a running vLLM server that jobs share; it needs no GPU of theirs",
    hottest=2.0,  # vLLM 0.32, sampling_params.py
    remote=True,
    policies=Serving(
        opens="ttstudy.policies.served:ServedEngine",
        options=_SHARED
        | {"max_model_len": Option(type=int | None, default=None, least=16, about="context; null: the server's")},
    ),
    prms=Serving(opens="ttstudy.prms.served:open_served", options=_SHARED, block=16),
)
