"""What a rehearsal came to: one page, and the same in lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttstudy.report import page
from ttstudy.report.cells import exponent

SHOWN = 12
"""Most lines of a list that are printed; the page has them all."""


def passed(found: Mapping[str, Any]) -> bool:
    """Whether nothing would fail: at full size, as far as can be told, and in the rehearsal itself."""
    return not (found["fails"] or found["failed"] or found["left"] or found["devices"]["shared"] or _unsound(found))


def _unsound(found: Mapping[str, Any]) -> bool:
    """Whether a run ended with another status than 0, or vLLM left a job undone."""
    some = found.get("vllm")
    return bool(found["ran"]["status"] or (some and some["jobs"] < some["of"]))


def answer(found: Mapping[str, Any]) -> str:
    """What there is to know, in a sentence."""
    count = len(found["fails"]) + len(found["failed"])
    if passed(found):
        return f"Nothing was found that would fail on {found['box']}."
    if not count:
        return f"The rehearsal did not reach its end: {found['left']} jobs are left; see log.txt beside this page."
    return f"{count} thing{'s' if count > 1 else ''} would fail on {found['box']}; each is named below."


def devices(found: Mapping[str, Any]) -> str:
    """What was seen of the simulated GPUs."""
    told = found["devices"]
    if not told["held"]:
        return "No job of this study takes a GPU."
    times = len(told["shared"])
    shared = f"{times} times two jobs shared a device" if times else "No two jobs shared a device"
    return (
        f"{found['placed']:,} jobs of the full-size study were placed on GPUs. {told['held']} rehearsed jobs took "
        f"simulated ones through the real locks, {len(told['used'])} different ones, at most {told['most']} each. "
        f"{shared}."
    )


def unmet(found: Mapping[str, Any]) -> list[str]:
    """Rules of the full-size study of which no job was rehearsed."""
    return [f"No job of these rules was run: {', '.join(found['unmet'])}."] if found["unmet"] else []


def hours(found: Mapping[str, Any]) -> str:
    """What the plan says of the full size."""
    if not found["gpu_hours"]:
        return "No GPU-hours are planned."
    return f"By the plan about {found['gpu_hours']:,.0f} GPU-hours, {found['days']:,.1f} days on {found['box']}."


def lines(found: Mapping[str, Any]) -> list[str]:
    """The page for a terminal."""
    parts = [
        ("Would fail", [*found["fails"], *found["failed"], *found["devices"]["shared"]]),
        ("Will differ from what the study asks for", found["differs"]),
        ("Before it starts", found["before"]),
        ("Claims without evidence", [f"{number}. {title}: {why}" for number, title, why in found["untold"]]),
        ("Not rehearsed", [*unmet(found), *found["left_out"]]),
        ("Engines", found["engines"]),
    ]
    told = [f"REHEARSAL of {found['study']}: {answer(found)}"]
    for title, items in parts:
        if items:
            told += [f"{title}:", *(f"  - {item}" for item in items[:SHOWN])]
            told += [f"  - and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    ran = sum(row[1] for row in found["rules"])
    every = sum(row[3] for row in found["rules"])
    return [*told, hours(found), devices(found), f"{ran:,} jobs were run for {every:,}, in {found['seconds']:,} s."]


def build(found: Mapping[str, Any], output: Path) -> Path:
    """Write the page; it says on every sheet that it is a rehearsal's."""
    stages = [
        (row["stage"], f"{row['jobs']:,.0f}", f"{row['policy_tokens'] / 1e6:,.1f}", f"{row['prm_tokens'] / 1e6:,.1f}",
         f"{row['gpu_hours']:,.1f}", exponent(row["flops"]) if row["flops"] else "0")
        for row in found["stages"]
    ]  # fmt: skip
    html = page.render(
        "rehearsal.html.j2",
        found=found,
        answer=answer(found),
        passed=passed(found),
        hours=hours(found),
        devices=devices(found),
        left_out=[*unmet(found), *found["left_out"], *found["engines"]],
        stages=stages,
        fails=[*found["fails"], *found["failed"], *found["devices"]["shared"]],
    )
    page.write(output, html.encode("utf-8", "replace"))
    return output
