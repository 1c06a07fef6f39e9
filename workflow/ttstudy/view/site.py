"""What the viewer answers: a page for every address, made of a study's tables. Knows nothing of sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ttstudy.dag import rehearsed
from ttstudy.dag.cells import Cell
from ttstudy.dag.layout import Layout
from ttstudy.errors import StudyError
from ttstudy.kinds.scores import SCORES
from ttstudy.view import groups, pages, picks, rows, trees
from ttstudy.view.groups import Files, Group
from ttstudy.view.index import RIGHT, VERDICTS, WRONG, Index, Kept
from ttstudy.view.picks import FILTERS, SORTS, Pick

LIST = 50
"""Responses, or problems, on one page."""
FEW = 12
"""Cells of which the first page shows everything."""
OWN = (
    "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Content-Security-Policy of the viewer's pages: nothing inside a page can run, whatever it holds."""
APART = "sandbox allow-scripts allow-downloads; frame-ancestors 'none'"
"""That of pages with a policy of their own inside, which get no hold of this site."""


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    kind: str
    body: bytes
    policy: str = OWN


class NotThereError(StudyError):
    """What was asked for is not in this study."""


Query = Mapping[str, str]


class Site:
    """The pages of one study."""

    def __init__(self, layout: Layout, seconds: float = picks.SECONDS) -> None:
        """Nothing is read before it is asked for. `seconds`: that one look into texts may take."""
        self._layout = layout
        self._rehearsal = rehearsed.holds(layout.root / layout.study.results)
        self._indexes, self._picks = Kept(), picks.Picks(seconds)
        self._problems: dict[str, dict[str, dict[str, Any]]] = {}
        self._pages: dict[str, Callable[[Query], tuple[str, dict[str, Any]]]] = {
            "": self._overview,
            "cell": self._cell,
            "problems": self._of_problems,
            "responses": self._responses,
            "response": self._response,
            "tree": self._tree,
        }

    def answer(self, page: str, query: Query) -> Answer:
        """What a page's address is answered with; one sentence where the study has no such thing."""
        if page in pages.STATIC:
            return Answer(200, pages.STATIC[page], pages.static(page))
        if page in ("report", "live"):
            return self._file(page)
        try:
            if page not in self._pages:
                raise NotThereError("There is no such page.")
            template, values = self._pages[page](query)
            return Answer(200, "text/html", self._rendered(template, values))
        except StudyError as error:
            words = {"words": str(error), "title": "Not there"}
            return Answer(404 if isinstance(error, NotThereError) else 500, "text/html", self._rendered("error", words))

    def _rendered(self, template: str, values: dict[str, Any]) -> bytes:
        name = self._layout.study.study
        there = [page for page in ("report", "live") if self._page(page).exists()]
        told = {"study": name, "way": [], "there": there, "rehearsal": self._rehearsal}
        return pages.render(template, **told | values)

    def _page(self, page: str) -> Path:
        return self._layout.root / self._layout.folder / f"{page}.html"

    def _file(self, page: str) -> Answer:
        try:
            return Answer(200, "text/html", self._page(page).read_bytes(), APART)
        except OSError:
            words = {"words": f"This study has no {page} page yet.", "title": "Not there"}
            return Answer(404, "text/html", self._rendered("error", words))

    # -- what a query means -------------------------------------------------------------------------------------------

    @cached_property
    def _all_cells(self) -> list[Cell]:
        return list(groups.all_cells(self._layout))

    def _asked_cell(self, query: Query) -> Cell:
        cell = Cell(query.get("benchmark", ""), query.get("policy", ""))
        if cell not in self._all_cells:
            raise NotThereError(f"This study has no policy {cell.policy!r} on a benchmark {cell.benchmark!r}.")
        return cell

    def _asked_group(self, query: Query) -> tuple[Group, Files, str]:
        """A group, its files, and the PRM whose scores are shown ("": none)."""
        cell, pool, prm = self._asked_cell(query), query.get("pool", "samples"), query.get("prm", "")
        there = groups.groups(self._layout, cell)
        wanted = Group(*cell, pool) if pool in groups.POOLS else Group(
            *cell, pool, prm, _number(query.get("n")), _number(query.get("run")))  # fmt: skip
        if wanted not in there:
            raise NotThereError("This study has no such responses.")
        files = there[wanted]
        known = list(files.parts[0].scores) if not wanted.searched else [prm]
        if not wanted.searched and prm not in known:
            prm = known[0] if known and not prm else ""
        return wanted, files, prm

    def _asked_pick(self, query: Query, index: Index) -> Pick:
        score = query.get("score", "")
        if score not in SCORES:
            score = self._layout.study.score if self._layout.study.score in SCORES else next(iter(SCORES))
        show, sort = query.get("show", "all"), query.get("sort", "drawn")
        problem = query.get("problem", "")
        if problem and index.place(problem) is None:
            raise NotThereError(f"There are no responses to a problem {problem!r} here.")
        words = query.get("words", "")[:200]
        return Pick(show if show in FILTERS else "all", problem, words, sort if sort in SORTS else "drawn", score)

    def _texts(self, benchmark: str) -> dict[str, dict[str, Any]]:
        """The problems of a benchmark by id; none where they are not there yet."""
        path = groups.problems(self._layout, benchmark)
        if benchmark not in self._problems and path.exists():
            columns = ["problem_id", "problem", "answer", "level", "subject"]
            found: dict[str, dict[str, Any]] = {}
            for _, batch in rows.batches(path, columns):
                found |= {str(row["problem_id"]): row for row in batch.to_pylist()}
            self._problems[benchmark] = found
        return self._problems.get(benchmark, {})

    # -- pages --------------------------------------------------------------------------------------------------------

    def _overview(self, query: Query) -> tuple[str, dict[str, Any]]:
        few = len(self._all_cells) <= FEW
        shown = [(cell, self._groups(cell) if few else []) for cell in self._all_cells]
        return "overview", {"title": self._layout.study.study, "cells": shown, "question": self._layout.study.question}

    def _cell(self, query: Query) -> tuple[str, dict[str, Any]]:
        cell = self._asked_cell(query)
        return "cell", {"title": f"{cell.policy} on {cell.benchmark}", "cell": cell, "groups": self._groups(cell)}

    def _groups(self, cell: Cell) -> list[dict[str, Any]]:
        found = []
        for group, files in groups.groups(self._layout, cell).items():
            counts = [rows.count(part.responses) for part in files.parts]
            there = [count for count in counts if count is not None]
            found.append({
                "group": group,
                "to": _of_group(group, group.prm),
                "responses": sum(there) if there else None,
                "whole": len(there) == len(counts),
            })  # fmt: skip
        return found

    def _of_problems(self, query: Query) -> tuple[str, dict[str, Any]]:
        """All problems of a group, each with what became of its responses."""
        group, files, prm = self._asked_group(query)
        index = self._indexes.of(group, files, prm)
        pick = self._asked_pick({**query, "problem": "", "sort": "drawn"}, index)
        texts = self._texts(group.benchmark)
        shown = _tallies(index, pick)
        if pick.show != "all":
            shown = [row for row in shown if row["shown"]]
        if pick.words:
            held = pick.words.lower()
            shown = [row for row in shown if held in str(texts.get(row["id"], {}).get("problem", "")).lower()
                     or held in row["id"].lower()]  # fmt: skip
        sort = query.get("sort", "")
        if sort in ("fewest", "most"):
            shown.sort(key=lambda row: row["right"] / row["responses"], reverse=sort == "most")
        page, last = _page(query, len(shown), LIST * 2)
        return "problems", self._frame(group, files, prm, pick) | {
            "title": "All problems",
            "way": [*_way(group)],
            "rows": shown[page * LIST * 2 : (page + 1) * LIST * 2],
            "texts": texts,
            "count": len(shown),
            "all": len(index.problems),
            "sort": sort,
            "page": page,
            "last": last,
        }

    def _frame(self, group: Group, files: Files, prm: str, pick: Pick) -> dict[str, Any]:
        """What every page of a group's responses shows."""
        to = _of_group(group, prm)
        prms = [] if group.searched else list(files.parts[0].scores)
        asked = {"show": pick.show, "words": pick.words, "sort": pick.sort, "score": pick.score}
        return {"group": group, "to": to, "prm": prm, "prms": prms, "pick": pick, "asked": asked}

    def _responses(self, query: Query) -> tuple[str, dict[str, Any]]:
        group, files, prm = self._asked_group(query)
        index = self._indexes.of(group, files, prm)
        pick = self._asked_pick(query, index)
        found = self._picks.of(index, files, pick)
        page, last = _page(query, len(found.rows), LIST)
        shown = self._told(index, files, found.rows[page * LIST : (page + 1) * LIST], pick)
        problem = self._texts(group.benchmark).get(pick.problem)
        order = list(index.problems)
        place = order.index(pick.problem) if pick.problem else 0
        values = self._frame(group, files, prm, pick) | {
            "title": f"Responses to {pick.problem}" if pick.problem else "All responses",
            "way": [*_way(group), *([(pick.problem, "")] if pick.problem else [])],
            "problem": problem,
            "rows": shown,
            "found": found,
            "count": len(found.rows),
            "page": page,
            "last": last,
            "before": order[place - 1] if pick.problem and place else None,
            "after": order[place + 1] if pick.problem and place + 1 < len(order) else None,
            "trees": group.searched and bool(pick.problem),
        }
        return "responses", values

    def _told(self, index: Index, files: Files, chosen: np.ndarray, pick: Pick) -> list[dict[str, Any]]:
        """What a list says of some responses; each table is opened once."""
        texts: dict[int, dict[str, Any]] = {}
        grades: dict[int, dict[str, Any]] = {}
        mine: dict[int, list[tuple[int, int]]] = {}
        for row in map(int, chosen):
            part, at = index.part(row)
            mine.setdefault(part, []).append((row, at))
        tables = [each for each in files.parts if each.responses.exists()]
        for part, pairs in mine.items():
            graded = next(iter(tables[part].grades.values()))
            read = rows.read(tables[part].responses, [at for _, at in pairs], ["response", "finish"])
            places = {row: index.beside(graded, at) for row, at in pairs}
            told = rows.read(graded, [place for place in places.values() if place is not None], ["answer"])
            for row, at in pairs:
                texts[row], place = read[at], places[row]
                grades[row] = told.get(place, {}) if place is not None else {}
        return [
            self._short(index, row) | {
                "text": pages.shortened(texts[row]["response"], around=pick.words),
                "ended": pages.ended(texts[row].get("finish")),
                "answer": grades[row].get("answer"),
                "score": _score(index, row, pick.score),
            }
            for row in map(int, chosen)
        ]  # fmt: skip

    def _short(self, index: Index, row: int) -> dict[str, Any]:
        verdict = int(index.verdict[row])
        return {
            "problem": index.problems[index.problem[row]],
            "sample": int(index.sample[row]),
            "verdict": VERDICTS[verdict],
            "right": verdict == RIGHT,
            "differ": bool(index.differ[row]),
        }

    def _response(self, query: Query) -> tuple[str, dict[str, Any]]:
        group, files, prm = self._asked_group(query)
        index = self._indexes.of(group, files, prm)
        pick = self._asked_pick(query, index)
        row = index.find(pick.problem, _number(query.get("sample")))
        if row is None:
            raise NotThereError("There is no such response here.")
        inside = pick if query.get("in") != "group" else pick._replace(problem="")
        order = self._picks.of(index, files, inside).rows
        place = np.flatnonzero(order == row)
        around = (int(place[0]) - 1, int(place[0]) + 1) if len(place) else (-1, len(order))
        before, after = (self._short(index, int(order[at])) if 0 <= at < len(order) else None for at in around)
        part, at = index.part(row)
        tables = [each for each in files.parts if each.responses.exists()][part]
        columns = ["response", "steps", "step_scores", "prompt_tokens", "response_tokens", "logprob", "finish", "tree"]
        text = rows.read(tables.responses, [at], [*columns, "node"])[at]
        scores = text.get("step_scores")
        if (path := tables.scores.get(prm)) is not None and (beside := index.beside(path, at)) is not None:
            scores = rows.read(path, [beside], ["step_scores"])[beside]["step_scores"]
        shown, more = pages.steps(text, scores)
        return "response", self._frame(group, files, prm, pick) | self._short(index, row) | {
            "title": f"Response {int(index.sample[row])} to {pick.problem}",
            "way": [*_way(group), (pick.problem, pages.link("responses", _of_group(group, prm), problem=pick.problem))],
            "text": text,
            "steps": shown,
            "more": more,
            "ended": pages.ended(text.get("finish")),
            "graders": self._graders(index, tables, at),
            "gold": self._texts(group.benchmark).get(pick.problem),
            "verdict_words": VERDICTS[int(index.verdict[row])],
            "scores": {name: _score(index, row, name) for name in index.scores},
            "inside": "group" if query.get("in") == "group" else "",
            "place": int(place[0]) + 1 if len(place) else None,
            "of": len(order),
            "before": before,
            "after": after,
        }  # fmt: skip

    def _graders(self, index: Index, tables: groups.Part, at: int) -> list[dict[str, Any]]:
        """What every grader says of a response."""
        found = []
        for grader, path in tables.grades.items():
            place = index.beside(path, at)
            told = {} if place is None else rows.read(path, [place], ["answer", "found", "place", "correct", "status"])
            row = told.get(place) if place is not None else None
            if row is not None:
                known = {"no_answer": "no answer", "timed_out": "timed out"}.get(str(row["status"]))
                verdict = known or VERDICTS[RIGHT if row["correct"] else WRONG]
                found.append({"grader": grader, "verdict": verdict, "answer": row["answer"], "why": pages.why(row)})
        return found

    def _tree(self, query: Query) -> tuple[str, dict[str, Any]]:
        group, files, prm = self._asked_group(query)
        problem = query.get("problem", "")
        if files.nodes is None or not files.nodes.exists():
            raise NotThereError("There is no search tree here.")
        grown = trees.read(files.nodes, problem)
        if not grown:
            raise NotThereError(f"There is no search tree of a problem {problem!r} here.")
        tree = _number(query.get("tree")) if query.get("tree") else min(grown)
        if tree not in grown:
            raise NotThereError(f"There is no tree {tree} of this problem.")
        node = _number(query.get("node")) if query.get("node") else -1
        return "tree", {
            "title": f"Search trees of {problem}",
            "group": group,
            "to": _of_group(group, prm),
            "way": [*_way(group), (problem, pages.link("responses", _of_group(group, prm), problem=problem))],
            "problem": problem,
            "gold": self._texts(group.benchmark).get(problem),
            "trees": sorted(grown),
            "tree": tree,
            "lines": trees.lines(grown[tree], node),
            "nodes": len(grown[tree]),
        }


def _number(text: str | None) -> int:
    """A number of an address; -1 for what is none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0 if not text else -1


def _page(query: Query, count: int, size: int) -> tuple[int, int]:
    """The page that is asked for, from 0, and the last one."""
    last = max(0, (count - 1) // size)
    return min(last, max(0, _number(query.get("page")))), last


def _score(index: Index, row: int, name: str) -> float | None:
    """A response's score; None where there is none."""
    found = float(index.scores[name][row]) if name in index.scores else float("nan")
    return found if np.isfinite(found) else None


def _of_group(group: Group, prm: str) -> dict[str, Any]:
    """What tells a group in an address."""
    told = {"benchmark": group.benchmark, "policy": group.policy, "pool": group.pool, "prm": prm}
    return told | ({"n": group.budget, "run": group.run or ""} if group.searched else {})


def _way(group: Group) -> list[tuple[str, str]]:
    """Where a group is: names and addresses."""
    cell = {"benchmark": group.benchmark, "policy": group.policy}
    to = pages.link("problems", _of_group(group, group.prm))
    return [(f"{group.policy} on {group.benchmark}", pages.link("cell", cell)), (group.words, to)]


def _tallies(index: Index, pick: Pick) -> list[dict[str, Any]]:
    """Of every problem of a group: how many of its responses are what."""
    size = len(index.problems)

    def count(mask: np.ndarray) -> np.ndarray:
        return np.bincount(index.problem[mask], minlength=size)

    counted = ("all", "wrong", "right", "none", "cut", "differ")
    masks = {name: count(FILTERS[name].of(index, pick.score)) for name in counted}
    best = dict.fromkeys(range(size), "")
    for row in picks.top(index, pick.score):
        best[int(index.problem[row])] = VERDICTS[index.verdict[row]]
    shown = count(FILTERS[pick.show].of(index, pick.score))
    return [
        {
            "id": problem,
            "responses": int(masks["all"][place]),
            **{name: int(masks[name][place]) for name in ("right", "wrong", "none", "cut", "differ")},
            "best": best[place],
            "shown": int(shown[place]),
        }
        for place, problem in enumerate(index.problems)
    ]
