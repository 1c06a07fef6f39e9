"""The live page of a run: what is done, what runs, what failed, accuracy so far. Marked as unfinished while it is so.

One file beside the report, for a browser on a laptop, and for `ttstudy view` on a login node.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from ttstudy.dag import places, rehearsed, writing
from ttstudy.dag.cells import cells
from ttstudy.dag.layout import Layout
from ttstudy.kinds.methods import METHODS
from ttstudy.run import integrity
from ttstudy.run.watching import State, in_words

NAME = "live.html"
_HEADS = ("Benchmark", "Policy", "Method", "PRM", "N", "Accuracy", "Interval", "Problems")
_STYLE = """
:root {
  color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #14181d; --soft: #4d5763; --line: #d8dde4;
  --bad: #a3341c; --bar: #0b5aa8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1216; --card: #161b21; --ink: #e7ebef; --soft: #a9b4c0; --line: #2f3843; --bad: #ff9e80; --bar: #82bdf7;
  }
}
body {
  margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere;
}
a { color: var(--bar); }
.mark { border-left: 5px solid var(--bad); padding: .3rem .8rem; background: var(--card); font-weight: 600; }
.soft { color: var(--soft); } .bad { color: var(--bad); font-weight: 600; }
progress { width: 100%; height: 1.2rem; accent-color: var(--bar); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; background: var(--card); }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; font-weight: 400; white-space: nowrap; }
"""
_SCRIPT = (
    "const stay = document.getElementById('stay'); setInterval(() => { if (!stay.checked) location.reload(); }, 10000);"
)


def writer(layout: Layout) -> Callable[[State], None]:
    """What writes a run's live page into the study's folder, whole or not at all."""
    folder, known = layout.root / layout.folder, dict[Path, tuple[float, list[list[str]]]]()

    def write(state: State) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        content = page(layout, state, _accuracies(layout, known)).encode("utf-8", "replace")
        writing.write(folder / NAME, integrity.sealed(content))

    return write


def page(layout: Layout, state: State, accuracies: list[list[str]]) -> str:
    """The page as HTML; all that others wrote is escaped."""
    name, going = escape(layout.study.study), not state.ended
    marks = {
        "": "UNFINISHED: this run goes on. These numbers change, and are not the study's report.",
        "failed": "UNFINISHED: the run ended with failures. This is not the study's report. Run again to go on.",
        "stopped": "UNFINISHED: the run was stopped. This is not the study's report. Run again to go on.",
    }
    mark = f'<p class="mark" role="note">{marks[state.ended]}</p>' if state.ended in marks else (
        '<p>The run is done: read <a href="report.html">the report</a>.</p>')  # fmt: skip
    refresh = '<p><label><input type="checkbox" id="stay"> Do not refresh every 10 seconds</label></p>' if going else ""
    script = f"<script>{_SCRIPT}</script>" if going else ""
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (_SCRIPT, _STYLE)]
    policy = f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; base-uri 'none'"
    total = max(1, state.total)
    stands_in = f'<p class="rehearsal" role="note">{rehearsed.WORD}. {rehearsed.SAID}</p>' if rehearsed.name() else ""
    parts = [
        stands_in,
        mark,
        f'<p><progress max="{total}" value="{state.done}" aria-label="Steps done"></progress></p>'
        f"<p>{state.done:,} of {state.total:,} steps{escape(in_words(state.left, state.untimed)) if going else ''}. "
        f'<span class="soft">As of {time.strftime("%Y-%m-%d %H:%M:%S")}.</span></p>',
        refresh,
        _failures(state),
        _table("Running", ("Step", "Minutes", "Last word"), _running(state)) if state.running else "",
        _table("Accuracy so far, with 95 % intervals", _HEADS, accuracies) if accuracies else "",
    ]  # fmt: skip
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{rehearsed.marked(name)}: {'unfinished' if state.ended != 'done' else 'done'}</title>"
        f"<style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{rehearsed.marked(name)}: progress</h1>\n{''.join(parts)}</main>{script}</body></html>\n"
    )


def _failures(state: State) -> str:
    if not state.failures:
        return ""
    items = [
        f"<li>{escape(one.step)}: <span class='bad'>{escape(one.why)}</span> "
        f"<span class='soft'>{escape(one.log)}</span></li>"
        for one in [*state.failures.values()][:50]
    ]
    return f"<h2>{rehearsed.marked('Failed')}</h2><ul>{''.join(items)}</ul>"


def _running(state: State) -> list[list[str]]:
    now = time.time()
    return [[job.step, f"{(now - job.since) / 60:.1f}", _last(job.log)] for job in [*state.running.values()][:50]]


def _last(log: str) -> str:
    """The last line of a log's last bytes."""
    try:
        with Path(log).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - 500))
            return (stream.read().decode("utf-8", "replace").strip().splitlines() or [""])[-1][:200]
    except OSError:
        return ""


def _table(caption: str, heads: tuple[str, ...], rows: list[list[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return (
        f'<h2>{escape(rehearsed.marked(caption))}</h2>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _accuracies(layout: Layout, known: dict[Path, tuple[float, list[list[str]]]]) -> list[list[str]]:
    """Accuracy of every method at its largest N, by the study's score and vote, of each cell that has outcomes."""
    found = []
    for cell in cells(layout.study):
        place = places.CELL.format(folder=layout.folder, table="outcomes", **cell._asdict())
        path = layout.root / place
        try:
            stamp = path.stat().st_mtime
        except OSError:
            continue
        if known.get(path, (0.0, []))[0] != stamp:
            known[path] = (stamp, _of_cell(layout, path))
        found += known[path][1]
    return found


def _of_cell(layout: Layout, path: Path) -> list[list[str]]:
    from ttstudy.analysis.accuracy import accuracy_table
    from ttstudy.data import tables

    frame = tables.read("outcomes", path)
    study: Any = layout.study
    frame = frame[frame["score"].isin(("none", study.score)) & frame["vote"].isin(("none", "majority", study.vote))]
    largest = frame.groupby(["method", "prm"])["budget"].transform("max")
    table = accuracy_table(frame[frame["budget"] == largest], seed=study.seed)
    table = table[table["level"] == "all"].drop_duplicates(["method", "prm"], keep="last")
    found = []
    for row in table.itertuples():
        prm = row.prm if row.prm != "none" else "–"
        names = [row.benchmark, row.policy, METHODS[row.method].look.label, prm, str(row.budget)]
        interval = f"{100 * row.low:.1f} to {100 * row.high:.1f}"
        found.append([*names, f"{100 * row.accuracy:.1f} %", interval, str(row.problems)])
    return found
