"""What endpoints charged for the study, and what each method at each N costs there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ttstudy.kinds.methods import METHODS
from ttstudy.report.blocks import METHOD, Block, N, Results, cell, joined, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import AGAINST, Given, Section, Told
from ttstudy.report.views import ordered
from ttstudy.study.policies import Price, money


def _view(_results: Results, context: Mapping[str, Any]) -> pd.DataFrame:
    """A row for each policy whose endpoint has a price."""
    return pd.DataFrame(list(context.get("charged") or []))


def _methods(given: Given) -> pd.DataFrame:
    """What a problem costs with each method at each N, by the ledger's tokens; unknown ones are left out."""
    ledger, prices = given.study.table("ledger"), given.context.get("prices") or {}
    known = ledger[ledger["policy"].isin(list(prices))].dropna(subset=["prompt_tokens", "response_tokens"])
    rows = []
    for row in known.to_dict("records"):
        if METHODS[row["method"]].ceiling:  # no one can use it
            continue
        price = Price.model_validate(prices[row["policy"]])
        spent = price.of(row["prompt_tokens"] * row["budget"], row["response_tokens"])  # each request has its prompt
        names = {name: row[name] for name in ("benchmark", "policy", "prm", "method", "budget")}
        rows.append(names | {"price": 1000 * spent / row["problems"], "currency": price.currency})
    return pd.DataFrame(rows)


def _tell(given: Given) -> Told:
    frame = given.frame
    sums = [f"{money(each['price'].sum())} {currency}" for currency, each in frame.groupby("currency")]
    finding = f"The responses of this study cost {joined(sums)}, by the tokens that endpoints counted."
    if lost := int(frame["unrecorded"].sum()):
        finding += f" Of {lost} jobs the tokens are not known, and they are not in the sum."
    columns = [
        C("policy", "Policy"), C("jobs", "Jobs", "count"), C("input", "Tokens of prompts", "count"),
        C("output", "Tokens of responses", "count"), C("price", "Price", "number"), C("currency", "Currency"),
    ]  # fmt: skip
    blocks = [Block(named_table("price-data", "What was charged", columns, frame))]
    methods = _methods(given)
    if len(methods):
        columns = [
            *cell(given.study), METHOD, N, C("price", "Price of 1,000 problems", "number"), C("currency", "Currency"),
        ]  # fmt: skip
        caption = "What each method costs at this price"
        blocks.append(Block(named_table("prices-data", caption, columns, ordered(given.study, methods), folded=True)))
    return Told(
        finding,
        blocks,
        "Prices are those of the study's file, per million tokens. Every response was asked for by itself, so each "
        "pays its prompt. What an endpoint takes off for cached prompts is not known here.",
    )


SECTION = Section(title="What it costs at the endpoint", short="Price", group=AGAINST, place=57, view=_view, tell=_tell)
