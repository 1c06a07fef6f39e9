"""The written-out searches of tests/traces, replayed: the files decide, whatever code made them."""

from __future__ import annotations

import pytest

from tests import traces


@pytest.mark.parametrize("kind", traces.KINDS, ids="-".join)
def test_a_replayed_search_keeps_and_answers_what_the_trace_says(kind):
    seen = 0
    for trace in traces.read(kind):
        result = traces.replayed(trace)
        assert kept(trace, result) == {tuple(place) for place in trace["kept"]}, trace["trace"]
        answers = [(row.tree, list(row.steps), row.finish) for row in result.answers.itertuples()]
        assert answers == [(a["tree"], a["steps"], a["finish"]) for a in trace["answers"]], trace["trace"]
        assert len(result.nodes) == len(trace["draws"]), trace["trace"]
        seen += 1
    assert seen == traces.COUNT


def kept(trace, result) -> set[tuple[int, ...]]:
    """Tree and path of the kept nodes; nodes of a parent, in the order of drawing, have its paths in that order."""
    below: dict[tuple[int, ...], list[int]] = {}
    for draw in trace["draws"]:
        *parent, number = draw["path"]
        below.setdefault((draw["tree"], *parent), []).append(number)
    places: dict[tuple[int, int], tuple[int, ...]] = {}
    drawn: dict[tuple[int, ...], int] = {}
    found = set()
    for row in result.nodes.sort_values(["tree", "node"]).itertuples():
        above = places[row.tree, row.parent] if row.parent >= 0 else (row.tree,)
        nth = drawn[above] = drawn.get(above, -1) + 1
        place = places[row.tree, row.node] = (*above, below[above][nth])
        if row.kept:
            found.add(place)
    return found


def test_traces_hold_what_tells_the_two_ways_to_search_apart():
    """Early ends, repeated steps, boxed ones on the way, the depth limit, roots that draw nothing: in every file."""
    for semantics, method in traces.KINDS:
        ends, roots = set(), 0
        for trace in traces.read((semantics, method)):
            ends |= {draw["finish"] for draw in trace["draws"]} | {answer["finish"] for answer in trace["answers"]}
            roots += any(draw["path"][0] < 0 for draw in trace["draws"])
        assert {"stop", "eos", "length", "depth"} <= ends, (semantics, method)
        assert (roots > 3) == (semantics == "reference")


def test_the_two_ways_to_search_answer_otherwise_on_one_trace_in_five_or_more():
    differ = 0
    for trace in traces.read(("reference", "beam_search")):
        trace["options"] = {**trace["options"], "semantics": "default"}
        try:
            other = traces.replayed(trace)
        except KeyError:  # it goes where the other did not
            differ += 1
            continue
        differ += [list(steps) for steps in other.answers["steps"]] != [a["steps"] for a in trace["answers"]]
    assert differ >= traces.COUNT / 5
