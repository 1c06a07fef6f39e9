"""Endpoints that speak OpenAI's chat completions."""

from ttstudy.kinds.engines._engine import Engine

ENGINE = Engine(
    label="an OpenAI-compatible endpoint",
    about="an endpoint, asked over the network",
    sources=("openai",),
    no_search="an endpoint takes messages and cannot go on from tokens, so its policies can be voted on but not "
    "searched with; leave them out of the searches",
)
