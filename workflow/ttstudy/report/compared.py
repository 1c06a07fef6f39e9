"""What a comparison says in sentences: what was changed, and what headline, TTS, answers and cells came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ttstudy.analysis.comparison import Finished
from ttstudy.kinds.methods import GREEDY
from ttstudy.kinds.votes import VOTES
from ttstudy.report.answer import percent, points
from ttstudy.report.blocks import in_words, joined
from ttstudy.report.cells import FORMATS


def _cell_in_words(row: pd.Series) -> str:
    words = f"{row['policy']} with {in_words(row['method'])}"
    words += f" and {row['prm']}" if row["prm"] != "none" else ""
    words += f" at N = {int(row['budget'])}" if row["method"] != GREEDY else ""
    if row["score"] != "none":
        vote = VOTES[row["vote"]].look.label if row["vote"] in VOTES else row["vote"]
        kind = "score" if row["prm"] != "none" else "confidence"
        words += f" ({kind} {row['score']}, vote {vote})"
    return f"{words} on {row['benchmark']}"


def _p(value: float) -> str:
    return f"p {'' if value < 0.001 else '= '}{FORMATS['p'](value).replace('<', '< ')} after Holm’s correction"


def sentences(
    found: Mapping[str, pd.DataFrame], baseline: Finished, candidates: Sequence[Finished]
) -> list[tuple[str, list[str]]]:
    """For each candidate, what a reader must know: what was changed, and what headline, TTS and cells came to."""
    out = []
    for study in candidates:
        mine = {name: frame[frame["candidate"] == study.name] for name, frame in found.items() if "candidate" in frame}
        told = [_cause(mine["changes"], baseline, study)]
        if not len(mine["cells"]) and not len(mine["headline"]):
            told.append(f"{baseline.name} and {study.name} have no cell in common, so there is nothing to compare.")
        else:
            told += [*_effect(mine["headline"], "headline accuracy"), *_effect(mine["tts"], "TTS")]
            told += _turned(mine["answers"])
            told += _cells(mine["cells"], mine["groups"], study.name, baseline.name)
        out.append((study.name, told))
    return out


FEW = 2
"""Changes that are named in the first sentence."""


def _cause(changed: pd.DataFrame, baseline: Finished, study: Finished) -> str:
    """What was changed from one study to the other, in a sentence."""
    if not (baseline.provenance and study.provenance):
        return f"What was changed from {baseline.name} to {study.name} is not known: a provenance.json is missing."
    if not len(changed):
        return f"{study.name} and {baseline.name} have the same configuration, code, versions and hardware."
    settings = changed[changed["kind"] == "config"]
    other = [_KINDS[k] for k in dict.fromkeys(changed["kind"]) if k != "config"]
    if not len(settings):
        return f"{study.name} differs from {baseline.name} in {joined(other)}, not in its configuration."
    if len(settings) <= FEW:
        rows = settings[["name", "before", "after"]].to_dict("records")
        named_ = joined([f"“{row['name']}” ({_brief(row['before'])}, now {_brief(row['after'])})" for row in rows])
    else:
        named_ = f"{len(settings)} settings"
    alone = f" and in {joined(other)}" if other else " only" if len(settings) <= FEW else ""
    return f"{study.name} differs from {baseline.name} in {named_}{alone}."


_KINDS = {"code": "code", "versions": "versions", "libraries": "libraries", "commit": "its commit", "seeds": "seeds",
          "hardware": "hardware"}  # fmt: skip


def _brief(value: object, most: int = 24) -> str:
    """A setting's value, cut where it is long."""
    text = "none" if value is None else str(value)
    return text if len(text) <= most else f"{text[:most]}…"


def _effect(frame: pd.DataFrame, what: str) -> list[str]:
    """How many of the numbers that a reader quotes moved beyond chance, and the clearest of each kind."""
    if not len(frame):
        return []
    counts = frame["verdict"].value_counts()
    worse, better, unclear = (int(counts.get(word, 0)) for word in ("worse", "better", "unclear"))
    if not worse + better + unclear:
        return [f"No {what} moves: all {len(frame):,} are equal problem by problem."]
    name = "headline accuracies" if what == "headline accuracy" else "TTS accuracies"
    told = [f"Of {len(frame):,} {name}, {worse:,} are worse and {better:,} better beyond chance."]
    for word in ("worse", "better"):
        part = frame[frame["verdict"] == word]
        if len(part):
            row = part.loc[part["difference"].abs().idxmax()]
            told += [f"The most {word}: {_numbered(row)}.", f"That is {_gap(row)}."]
    if not worse + better:
        row = frame.loc[frame["difference"].abs().idxmax()]
        told += [f"The largest difference may be chance: {_numbered(row)}, {points(row['difference'])}."]
    return told


def _numbered(row: pd.Series) -> str:
    how = f" with {in_words(row['method'])}" if "method" in row else " with TTS"
    guide = f" and {row['prm']}" if row["prm"] != "none" else ""
    at = f" at N = {int(row['budget'])}" if row.get("method") != GREEDY else ""
    return f"{row['policy']}{how}{guide}{at} goes from {percent(row['before'])} to {percent(row['after'])}"


def _gap(row: pd.Series) -> str:
    return f"{points(row['difference'], row['low'], row['high'])}, {_p(row['p_holm'])}"


def _turned(frame: pd.DataFrame) -> list[str]:
    """How many answers turned, of the method whose most did."""
    if not len(frame):
        return []
    top = frame.iloc[0]
    at = f" at N = {int(top['budget'])}" if top["method"] != GREEDY else ""
    guide = f" with {top['prm']}" if top["prm"] != "none" else ""
    return [
        f"Most answers turn for {top['policy']}, {in_words(top['method'])}{guide}{at}: {top['lost']:,} of "
        f"{top['problems']:,} problems are lost and {top['gained']:,} gained."
    ]


def _cells(cells: pd.DataFrame, groups: pd.DataFrame, name: str, baseline: str) -> list[str]:
    """What cells, the same numbers on both sides, came to."""
    told = []
    for word in ("worse", "better"):
        part = groups[groups["verdict"] == word]
        if len(part):
            top = part.iloc[0 if word == "worse" else -1]
            told += [
                f"In {counted(len(part), 'group')} of cells {name} is {word} than {baseline} beyond chance.",
                f"{'The most' if len(part) > 1 else 'It is'}: {_cell_in_words(top)}.",
                f"It goes from {percent(top['before'])} to {percent(top['after'])}, {_gap(top)}.",
            ]
    if not told:
        told.append(f"No cell of {name} differs from {baseline} beyond chance.")
    counts = cells["verdict"].value_counts()
    unclear, equal = int(counts.get("unclear", 0)), int(counts.get("equal", 0))
    told.append(
        f"Of {counted(len(cells), 'cell')} compared, {equal:,} are equal problem by problem and "
        f"{len(cells) - equal - unclear:,} moved beyond chance."
    )
    if unclear:
        told.append(f"{unclear:,} moved within chance, or by less than 0.1 points.")
    return told


def counted(number: int, word: str) -> str:
    """A number of things, as a sentence has it."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
