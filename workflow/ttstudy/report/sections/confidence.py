"""Votes that ask no PRM: by how sure the policy was of its own responses, beside the majority vote."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ttstudy.kinds.confidences import CONFIDENCES, STORED
from ttstudy.kinds.votes import VOTES
from ttstudy.report.blocks import POLICY, N, defined, each, joined
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import PHONE_SAFE, in_points
from ttstudy.report.figures.style import INK, LOOKS, MUTED, Figure, canvas, render, seaborn
from ttstudy.report.section import DECIDES, Given, Section, Told
from ttstudy.report.views import StudyTables, ordered


def _view(study: StudyTables) -> pd.DataFrame:
    return ordered(study, study.table("confidence"))


def _name(score: str, vote: str) -> str:
    return f"{CONFIDENCES[score].look.label}, {VOTES[vote].look.words}"


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with an accuracy, confidences and votes by their names."""
    frame = frame[frame["accuracy"].notna()]
    rule = [_name(score, vote) for score, vote in zip(frame["score"], frame["vote"], strict=True)]
    labels = {name: confidence.look.label for name, confidence in CONFIDENCES.items()}
    words = {name: vote.look.words for name, vote in VOTES.items()}
    return frame.assign(rule=rule, score=frame["score"].map(labels), vote=frame["vote"].map(words))


def _missing(frame: pd.DataFrame) -> str:
    """Which confidences are not known, of which policies, and what would have them."""
    lacking = frame[frame["accuracy"].isna()]
    alike: dict[tuple[str, ...], list[str]] = {}
    for policy, part in lacking.groupby("policy", sort=False):
        alike.setdefault(tuple(dict.fromkeys(part["score"])), []).append(str(policy))
    sentences = []
    for scores, policies in alike.items():
        names = joined([CONFIDENCES[score].look.words for score in scores])
        whose = "any policy" if len(policies) == frame["policy"].nunique() > 1 else joined(policies)
        sentences.append(f"Not stored with the responses of {whose}, so not shown: {names}.")
    if set(lacking["score"]) & set(STORED):
        sentences.append(
            "A pool drawn with sampling.confidence keeps what its engine can tell. Recorded responses bring what their "
            "file has."
        )
    return " ".join(sentences)


def _tell(given: Given) -> Told:
    study, frame = given.study, _shown(given.frame)
    missing = _missing(given.frame)
    if not len(frame):
        return Told(f"Confidence votes were asked for. {missing}")
    top = frame[frame["budget"] == frame.groupby(["benchmark", "policy"], observed=True)["budget"].transform("max")]
    leads = top.groupby("rule", sort=False, observed=True)["difference"].mean().dropna()
    finding = ""
    if len(leads):
        told = [f"{name} is {100 * lead:+.1f} points from it on average.".replace("-0.0", "0.0").replace("+0.0", "0.0")
                for name, lead in sorted(leads.items(), key=lambda item: -item[1])]  # fmt: skip
        sure = int((top["low"] > 0).sum())
        finding = (
            f"These votes are held against the majority vote at the largest N. {' '.join(told)} In {sure} of "
            f"{len(top)} cells the lead is beyond chance, each taken alone. "
        )
    columns = [
        POLICY, N, C("score", "Confidence", facet=True), C("vote", "Vote", facet=True),
        C("problems", "Problems", "count"), C("accuracy", "Accuracy, %", "percent"),
        C("majority", "Majority vote, %", "percent"), C("difference", "Difference, points", "points"),
        C("low", "95 % low", "points"), C("high", "95 % high", "points"), C("p", "p", "p"),
    ]  # fmt: skip
    columns = [column for column in columns if column.name not in frame or frame[column.name].notna().any()]
    blocks = each(study, frame, "confidence", columns, lambda b, k: _figure(top, b, study.policies, k))
    known = {name: CONFIDENCES[name] for name in CONFIDENCES if CONFIDENCES[name].look.label in set(frame["score"])}
    votes = {name: vote for name, vote in VOTES.items() if vote.judged == "confidence"}
    method = (
        f"No PRM is asked. A response's confidence is one of these. {defined(known)} A vote takes one of these "
        f"answers. {defined(votes)} The tokens are those of the majority vote. No strategy here chooses among these "
        "votes. Intervals and p are of one row, without correction for their number."
    )
    return Told(finding + missing, blocks, method)


def _figure(frame: pd.DataFrame, benchmark: str, policies: Sequence[str], key: str) -> Figure | None:
    """Lead of each vote over the majority vote at the largest N, a mark per policy."""
    frame = frame[(frame["benchmark"] == benchmark) & frame["difference"].notna()]
    if not len(frame):
        return None
    seaborn()
    rules = list(dict.fromkeys(frame["rule"]))
    figure = canvas(PHONE_SAFE, 110 + 34 * len(rules))
    axes, look = figure.subplots(), LOOKS["confidence"]
    for place, rule in enumerate(rules):
        part = frame[frame["rule"] == rule]
        spread = [0.5 * (policies.index(name) + 0.5) / len(policies) - 0.25 for name in part["policy"]]
        at = [place + each for each in spread]
        axes.hlines(at, part["low"], part["high"], color=look.colour, lw=1, alpha=0.45)
        axes.plot(part["difference"], at, color=look.colour, marker=look.marker, ms=5, lw=0, alpha=0.75)
        axes.plot([part["difference"].mean()], [place], color=INK, marker="|", ms=20, mew=2, lw=0)
    axes.axvline(0, color=MUTED, lw=1)
    axes.set_yticks(range(len(rules)), rules)
    axes.set_ylim(len(rules) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    in_points(axes, "x")
    axes.set_xlabel("Lead over the majority vote, points (bar: mean)")
    description = (
        f"Accuracy on {benchmark} of votes by the policy's own confidence, less that of the majority vote over the "
        "same responses: one mark per policy at its largest N, a bar for their mean."
    )
    return render(figure, key, f"Votes by confidence against the majority vote on {benchmark}", description, frame)


SECTION = Section(
    title="Votes without a PRM: how sure the policy was",
    short="Votes without a PRM",
    group=DECIDES,
    place=45,
    view=lambda results, context: _view(results.study),
    tell=_tell,
)
