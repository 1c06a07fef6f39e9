"""The page of a comparison: what got worse, what got better, what was changed, and every cell behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ttstudy.analysis import comparison
from ttstudy.analysis.compared import RULES
from ttstudy.analysis.comparison import Finished
from ttstudy.report import downloads, page
from ttstudy.report.answer import KeyNumber, points
from ttstudy.report.blocks import BENCHMARK, DIFFERENCE, METHOD, POLICY, PRM, Block, N, in_words, joined, named
from ttstudy.report.cells import Column, Table
from ttstudy.report.compared import counted, sentences
from ttstudy.report.figures import Figure
from ttstudy.report.figures.comparisons import moved
from ttstudy.report.section import Passage

C = Column
_WHERE = [BENCHMARK, POLICY, METHOD, PRM]
_RULE = [C("score", "Score", facet=True), C("vote", "Vote", facet=True)]
_GAP = [
    C("before", "Baseline, %", "percent"), C("after", "Candidate, %", "percent"),
    *DIFFERENCE, C("p_holm", "p, Holm", "p"),
]  # fmt: skip
_SECTIONS = {"config": "Configuration", "code": "Code", "versions": "Versions", "libraries": "Libraries",
             "commit": "Commit", "seeds": "Seeds", "hardware": "Hardware"}  # fmt: skip


def build(
    baseline: Finished,
    candidates: Sequence[Finished],
    found: Mapping[str, pd.DataFrame],
    folders: Mapping[str, str],
    output: Path,
) -> None:
    """Write the page of a comparison from its tables (`compared.tables`); `folders` says where each study lies."""
    names = [study.name for study in candidates]
    told = found["headline"][found["headline"]["verdict"] != "equal"]
    figure = moved(told, "headline", "What headline accuracies came to") if len(told) else None
    groups = found["groups"]
    cells = moved(groups, "moved", "Cells that moved beyond chance, by group") if len(groups) else None
    html = page.render(
        "comparison.html.j2",
        baseline=baseline.name,
        candidates=names,
        sentences=sentences(found, baseline, candidates),
        numbers=_numbers(found),
        headline=Block(None, figure) if figure else None,
        sections=[
            _changes(found["changes"], baseline, candidates),
            _headline(found["headline"], names),
            _tts(found["tts"], names),
            _answers(found["answers"], names),
            _moved(groups, names, cells),
            _verdicts(found["verdicts"], names),
            _methods(found["methods"], found["changes"], names),
            _costs(found["costs"], names),
        ],
        closed=[_cells(found["cells"], names), _coverage(found, names)],
        downloads=downloads.packed(found),
        folders=folders,
    )
    page.write(output, html.encode("utf-8", "replace"))


def _candidate(names: Sequence[str]) -> list[Column]:
    """A column that tells candidates apart, where there are several."""
    return [C("candidate", "Candidate", facet=True)] if len(names) > 1 else []


def _numbers(found: Mapping[str, pd.DataFrame]) -> list[KeyNumber]:
    quoted, tts = (found[name]["verdict"].value_counts() for name in ("headline", "tts"))
    return [
        KeyNumber(f"{len(found['changes']):,}", "settings, files and versions changed", "changes"),
        KeyNumber(f"{quoted.get('worse', 0):,}", "headline accuracies worse beyond chance", "headline"),
        KeyNumber(f"{quoted.get('better', 0):,}", "headline accuracies better beyond chance", "headline"),
        KeyNumber(f"{tts.get('worse', 0) + tts.get('better', 0):,}", "TTS accuracies moved beyond chance", "tts"),
        KeyNumber(f"{len(found['verdicts']):,}", "claims with another verdict", "verdicts"),
    ]


def _headline(frame: pd.DataFrame, names: Sequence[str]) -> Passage:
    """Accuracies as each side's own rule makes them."""
    title = "Headline accuracies"
    if not len(frame):
        return Passage("headline", title, "No headline accuracy is in both studies.")
    rules = dict.fromkeys(zip(*(frame[name][frame[name] != ""] for name in RULES), strict=True))
    changed = [f"{before} before and {after} after" for before, after in rules if before != after]
    finding = f"Score and vote are not the same on both sides: {joined(changed)}." if changed else (
        "Score and vote are the same on both sides."
    )  # fmt: skip
    columns = [*_candidate(names), *_WHERE[1:], N, *_GAP[2:], *_GAP[:2], C("verdict", "Verdict", facet=True),
               C("rule_before", "Rule, baseline"), C("rule_after", "Rule, candidate"),
               C("problems", "Problems", "count"), _WHERE[0]]  # fmt: skip
    method = (
        "Each side by its own score and vote, paired over the problems that both have. Here p is what Holm’s "
        "correction makes of it, over all headline accuracies in which any problem moved."
    )
    table = Table("headline-data", "Headline accuracies, the clearest differences first", columns, named(frame))
    return Passage("headline", title, finding, [Block(table)], method)


def _tts(frame: pd.DataFrame, names: Sequence[str]) -> Passage:
    """The compute-optimal strategy of both sides."""
    title = "Test-time scaling (TTS)"
    if not len(frame):
        return Passage("tts", title, "No policy has TTS with one PRM and N in both studies.")
    moved_ = int((frame["verdict"] != "equal").sum())
    finding = f"TTS differs on some problem for {moved_} of {len(frame)} pairs of a policy and a PRM."
    columns = [*_candidate(names), POLICY, PRM, N, *_GAP[2:], *_GAP[:2], C("verdict", "Verdict", facet=True),
               C("problems", "Problems", "count"), BENCHMARK]  # fmt: skip
    method = (
        "TTS is the compute-optimal strategy, cross-fitted, at the largest N of both. Each side chooses from its own "
        "methods, scores and votes, so it does not depend on the headline’s rule."
    )
    table = Table("tts-data", "TTS of both sides, the clearest differences first", columns, frame)
    return Passage("tts", title, finding, [Block(table)], method)


def _answers(frame: pd.DataFrame, names: Sequence[str]) -> Passage:
    """Problems on which the answer turned."""
    title = "Answers that turned"
    if not len(frame):
        return Passage("answers", title, "None: on every problem both sides are right, or both wrong.")
    finding = (
        f"In {counted(len(frame), 'headline accuracy').replace('accuracys', 'accuracies')} at the largest N some "
        "problem’s answer turned right or wrong."
    )
    columns = [*_candidate(names), *_WHERE[1:], N, C("lost", "Turned wrong", "count"),
               C("gained", "Turned right", "count"), C("same", "Same", "count"),
               C("problems", "Problems", "count"), C("examples", "Some of them"), _WHERE[0]]  # fmt: skip
    method = "An answer counts as right where it is right in half of the draws or more."
    table = Table("answers-data", "Problems whose answer turned, the most first", columns, named(frame))
    return Passage("answers", title, finding, [Block(table)], method)


def _moved(groups: pd.DataFrame, names: Sequence[str], figure: Figure | None) -> Passage:
    title = "Cells that moved beyond chance"
    if not len(groups):
        return Passage("moved", title, "No cell did. Every cell, moved or not, is listed below.")
    columns = [
        *_candidate(names), *_WHERE[1:], N, *_GAP[2:], *_GAP[:2], C("verdict", "Verdict", facet=True), *_RULE,
        C("moved", "Cells moved", "count"), C("cells", "of", "count"), _WHERE[0],
    ]  # fmt: skip
    caption = "Groups of cells that moved beyond chance, the worst first, each by its clearest cell"
    finding = "A cell is one policy, PRM, method, N, score and vote: the same on both sides."
    return Passage("moved", title, finding, [Block(Table("moved-data", caption, columns, named(groups)), figure)])


OFFICIAL = {"search.semantics", "grader", "extraction", "thinking"}
"""Settings by which a study follows the paper's official code: the last name of their path, or the whole."""


def _methods(frame: pd.DataFrame, changed: pd.DataFrame, names: Sequence[str]) -> Passage:
    """Each method's mean difference; where only the official code's choices differ, it is what these cost."""
    settings = {str(name) for name in changed.loc[changed["kind"] == "config", "name"]}
    official = {name for name in settings if OFFICIAL & {name, name.rpartition(".")[2]}}
    alone = "search.semantics" in settings and all(name in official or name == "base" for name in settings)
    title = "What the official code’s defects cost" if alone else "What it comes to, by method"
    if not len(frame):
        return Passage("methods", title, "No method has a headline number in both studies.")
    by_size = frame["difference"].abs().sort_values(ascending=False, kind="stable")
    large = by_size.index[by_size >= comparison.LEAST]
    told = [
        f"{named(pd.DataFrame([row]))['method'].iloc[0]}{_of(row, names)}: "
        f"{points(row['difference'], row['low'], row['high'])}"
        for row in frame.loc[large[:3]].to_dict("records")
    ]
    if len(large) <= 3 and len(large) < len(frame):
        told.append(f"{'No other method' if told else 'No method'} moves by a tenth of a point")
    method = (
        "The mean over a method’s cells with the headline score and vote: every policy, PRM and N, each with the same "
        "weight. Intervals are over problems; policies and PRMs are taken as they are."
    )
    columns = [
        *_candidate(names), METHOD, BENCHMARK, *_GAP[:2], *DIFFERENCE, C("cells", "Cells", "count"),
        C("problems", "Problems", "count"),
    ]  # fmt: skip
    table = Table("methods-data", "Mean difference of each method over its headline cells", columns, named(frame))
    return Passage("methods", title, f"{'. '.join(told)}.", [Block(table)], method)


def _of(row: Mapping[str, object], names: Sequence[str]) -> str:
    """Benchmark, and study where there are several, of a method's mean."""
    return f" on {row['benchmark']}" + (f" ({row['candidate']})" if len(names) > 1 else "")


def _changes(frame: pd.DataFrame, baseline: Finished, candidates: Sequence[Finished]) -> Passage:
    title, names = "What was changed", [study.name for study in candidates]
    silent = [study.name for study in (baseline, *candidates) if not study.provenance]
    if silent:
        finding = (
            f"Not known for {' and '.join(silent)}: no provenance.json lies beside the report. Run its report again "
            "with this version to have one."
        )
    elif not len(frame):
        finding = "Nothing: configuration, code, versions and hardware are the same."
    else:
        counts = [f"{_SECTIONS[k].lower()} {v}" for k, v in frame["kind"].value_counts(sort=False).items()]
        finding = f"{counted(len(frame), 'entry').replace('entrys', 'entries')} differ: {', '.join(counts)}."
    columns = [*_candidate(names), C("kind", "Kind", facet=True), C("name", "What"), C("before", "Baseline"),
               C("after", "Candidate")]  # fmt: skip
    shown = frame.assign(kind=frame["kind"].map(_SECTIONS))
    blocks = [Block(Table("changes-data", "Settings, files and versions that differ", columns, shown))]
    method = "From the provenance.json that each study's report leaves beside it. Code counts without its comments."
    return Passage("changes", title, finding, blocks if len(frame) else [], method)


def _costs(frame: pd.DataFrame, names: Sequence[str]) -> Passage:
    title = "What it costs"
    if not len(frame):
        return Passage("costs", title, "No shared cell takes another number of FLOPs per problem.")
    dearer = frame.loc[(frame["ratio"] - 1).abs().idxmax()]
    finding = (
        f"{counted(len(frame), 'shared cell')} with another number of FLOPs per problem; most, {dearer['policy']} with "
        f"{in_words(dearer['method'])} at N = {int(dearer['budget'])}: "
        f"{dearer['ratio']:.3g} times the baseline's."
    )
    columns = [
        *_candidate(names), *_WHERE, N, C("before", "Baseline, FLOPs", "exponent"),
        C("after", "Candidate, FLOPs", "exponent"), C("ratio", "Ratio", "ratio"),
    ]  # fmt: skip
    table = Table("costs-data", "FLOPs per problem, all tokens and the PRM, the dearer first", columns, named(frame))
    return Passage("costs", title, finding, [Block(table)])


def _verdicts(frame: pd.DataFrame, names: Sequence[str]) -> Passage:
    title = "Claims with another verdict"
    if not len(frame):
        return Passage("verdicts", title, "None: every claim that both studies have came out the same.")
    columns = [
        *_candidate(names), C("claim", "Claim", "plain"), C("title", "What it says"), C("before", "Baseline"),
        C("after", "Candidate"), C("ours_before", "Baseline’s number"), C("ours_after", "Candidate’s number"),
    ]  # fmt: skip
    finding = "A verdict may flip on a difference that is within chance: read it with the cells behind it."
    return Passage("verdicts", title, finding, [Block(Table("verdicts-data", "Verdicts that differ", columns, frame))])


def _cells(frame: pd.DataFrame, names: Sequence[str]) -> Passage:
    """All cells of all candidates."""
    title = "Every cell"
    if not len(frame):
        return Passage("cells", title, "No cell is in both studies.")
    shown = frame.sort_values(["p_holm", "difference"], kind="stable")
    columns = [*_candidate(names), C("verdict", "Verdict", facet=True), *_WHERE[1:], N, *_GAP[2:], *_GAP[:2], *_RULE,
               C("problems", "Problems", "count"), _WHERE[0]]  # fmt: skip
    table = Table("cells-data", "All shared cells, the clearest first", columns, named(shown))
    method = (
        "Problems are paired, and intervals are Tango’s score intervals. A sign-flip test gives p, bounded by "
        "Hoeffding’s inequality where 10,000 flips are too few. It is corrected by Holm over every cell in which any "
        "problem moved."
    )
    return Passage("cells", title, "", [Block(table)], method)


def _coverage(found: Mapping[str, pd.DataFrame], names: Sequence[str]) -> Passage:
    problems, alone = found["problems"], found["unshared"]
    blind = problems[~problems["known"].astype(bool)]
    finding = "Problems are paired by id"
    finding += ", and their texts and keys are the same." if not len(blind) else (
        f"; whether their texts are the same is not known for {', '.join(dict.fromkeys(blind['benchmark']))}."
    )  # fmt: skip
    if len(alone):
        finding += f" {counted(int(alone['cells'].sum()), 'cell')} are in one study only."
    columns = [*_candidate(names), C("benchmark", "Benchmark"), C("before", "Problems, baseline", "count"),
               C("after", "Problems, candidate", "count"), C("paired", "Paired", "count")]  # fmt: skip
    blocks = [Block(Table("problems-data", "Problems on either side", columns, problems))]
    if len(alone):
        columns = [*_candidate(names), C("side", "Only in", facet=True), *_WHERE, C("cells", "Cells", "count")]
        blocks.append(Block(Table("unshared-data", "Cells that one study alone has", columns, named(alone))))
    return Passage("coverage", "What could be compared", finding, blocks)
