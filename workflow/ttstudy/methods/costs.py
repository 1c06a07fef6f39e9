"""What a search cost, tree by tree, from its tables: so a DVTS run can be charged for some of its trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def costs(nodes: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Policy tokens of every tree: one row per problem_id and tree.

    Columns: prompt_tokens (as sent, one prompt per candidate), prompt_tokens_shared (one per expanded node:
    siblings share theirs), response_tokens (generated), discarded_tokens (those of them in no answer). Where
    `Counters` has the name, it has the sum. `nodes` and `answers` are those of one `SearchResult`, or of several
    one below the other.
    """
    import numpy as np
    import pandas as pd

    keys = ["problem_id", "tree"]
    nodes = nodes.reset_index(drop=True)
    row = pd.Series(nodes.index, index=pd.MultiIndex.from_frame(nodes[[*keys, "node"]]))
    parent = row.reindex(pd.MultiIndex.from_frame(nodes[[*keys, "parent"]])).fillna(-1).to_numpy(int)
    depth, tokens = nodes["depth"].to_numpy(), nodes["tokens"].to_numpy()
    given = answers.groupby(keys)["prompt_tokens"].first()
    prompt = given.reindex(pd.MultiIndex.from_frame(nodes[keys])).to_numpy(int, copy=True)
    returned = np.zeros(len(nodes), bool)
    returned[row.reindex(pd.MultiIndex.from_frame(answers[[*keys, "node"]])).to_numpy(int)] = True
    for level in range(2, depth.max(initial=0) + 1):
        here = np.flatnonzero(depth == level)
        prompt[here] = prompt[parent[here]] + tokens[parent[here]]
    for level in range(depth.max(initial=0), 1, -1):
        returned[parent[np.flatnonzero((depth == level) & returned)]] = True
    first = ~nodes.duplicated([*keys, "parent"]).to_numpy()
    table = nodes[keys].assign(
        prompt_tokens=prompt,
        prompt_tokens_shared=prompt * first,
        response_tokens=tokens,
        discarded_tokens=tokens * ~returned,
    )
    return table.groupby(keys, sort=False, as_index=False).sum()
