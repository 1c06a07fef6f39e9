"""Outputs of other programs as rows of recorded responses (see `ttstudy.data.recorded`), and a study that fits them.

- `search-and-learn` (GitHub huggingface/search-and-learn): JSONL or Parquet, one problem per row with `completions`,
  `scores` (a list per completion, one number per step of the PRM that was used) and `completion_tokens`.
- `compute-optimal-tts` (GitHub RyanLiu112/compute-optimal-tts, the code of arXiv 2502.06703): a folder with
  `config.json` and `question_Q/record_R.jsonl`, whose `output` lists paths with `text` (steps ended by a mark),
  `value` (one number per step) and `completion_tokens`.

Only independent samples can be taken: what a search returned depends on the rest of its tree, and would pass for more
than it is in a vote at a smaller N. Best-of-N and CoT runs of either program are independent samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ttstudy.data import recorded
from ttstudy.data.prompts import SEPARATOR
from ttstudy.errors import StudyError
from ttstudy.models.checkpoint import read_json

FORMATS = ("search-and-learn", "compute-optimal-tts")
_MARK = "ки"
"""What the official code puts after each step."""

Row = dict[str, Any]


def rows(form: str, path: Path, prm: str | None = None) -> Iterator[Row]:
    """Rows of one program's output; `prm` names the scores (needed where the output does not).

    StudyError names the file, the row and what is wrong with it.
    """
    if form == "search-and-learn":
        return _search_and_learn(path, prm)
    if form == "compute-optimal-tts":
        return _compute_optimal(path, prm)
    raise StudyError(f"there is no format {form!r}; there are {', '.join(FORMATS)}")


# -- search-and-learn ----------------------------------------------------------------------------------------


def _search_and_learn(path: Path, prm: str | None) -> Iterator[Row]:
    for number, content in recorded.read_rows(path):
        where = f"{path}: row {number}"
        if isinstance(content, Exception):
            raise StudyError(f"{where}: {content}")
        _expect(content, where, "problem", "answer", "completions")
        completions, scores = content["completions"], content.get("scores")
        tokens = content.get("completion_tokens")
        if not isinstance(completions, list) or not all(isinstance(text, str) for text in completions):
            raise StudyError(f"{where}: completions is not a list of texts")
        if not completions:
            raise StudyError(f"{where}: no completions; the problem would be missing from every accuracy")
        for name, values in (("scores", scores), ("completion_tokens", tokens)):
            if isinstance(values, list) and len(values) != len(completions):
                raise StudyError(f"{where}: {name} has {len(values)} entries for {len(completions)} completions")
        ids = [content[key] for key in ("unique_id", "problem_id", "id") if content.get(key) not in (None, "")]
        problem_id = ids[0] if ids else number
        for sample, text in enumerate(completions):
            row = {"problem_id": str(problem_id), "problem": content["problem"], "answer": str(content["answer"])}
            row |= {"sample": sample, "response": text} | _kept(content, "level", "subject")
            if isinstance(tokens, list):
                row["tokens"] = tokens[sample]
            if isinstance(scores, list):
                values = _numbers(scores[sample], f"{where}: scores of completion {sample}")
                row |= _scored(text, values, prm or "prm", f"{where}: completion {sample}")
            yield row


def _scored(text: str, scores: list[float], prm: str, where: str) -> Row:
    """Steps and scores: the steps are the parts of the text that the PRM must have scored, by their number."""
    double, single = text.split(SEPARATOR), text.split("\n")
    cuts = [double, *([part for part in parts if part.strip()] for parts in (double, single))]
    steps = next((parts for parts in cuts if len(parts) == len(scores)), None)
    if steps is None:
        raise StudyError(
            f"{where} has {len(scores)} scores, but {len(cuts[1])} parts between blank lines and {len(cuts[2])} lines"
        )
    return {"steps": steps, recorded.SCORES + prm: scores}


# -- the official code ---------------------------------------------------------------------------------------


def _compute_optimal(folder: Path, prm: str | None) -> Iterator[Row]:
    config = _object(folder / "config.json")
    method = config.get("method")
    if method not in ("cot", "best_of_n"):
        raise StudyError(
            f"{folder / 'config.json'}: method {method!r}; only cot and best_of_n are independent samples, "
            "which can be voted on at every N"
        )
    generation = config.get("gen_config")
    greedy = method == "cot" and isinstance(generation, Mapping) and generation.get("temperature") == 0
    name = prm or str(config.get("RM") or "prm").rstrip("/").rsplit("/", 1)[-1]
    questions = sorted(folder.glob("question_*"), key=lambda path: (len(path.name), path.name))
    if not questions:
        raise StudyError(f"{folder}: holds no question_* folders; give the folder with config.json of a finished run")
    for question in questions:
        sample = 0
        for file in sorted(question.glob("record_*.jsonl"), key=lambda path: (len(path.name), path.name)):
            for number, content in recorded.read_rows(file):
                where = f"{file}: line {number}"
                if isinstance(content, Exception):
                    raise StudyError(f"{where}: {content}")
                _expect(content, where, "question", "groundtruth", "output")
                if not isinstance(content["output"], list):
                    raise StudyError(f"{where}: output is not a list of paths")
                for path in content["output"]:
                    row = {"problem_id": question.name, "problem": content["question"], "sample": sample}
                    row |= {"answer": str(content["groundtruth"]), "greedy": greedy}
                    yield row | _path(path, name, where)
                    sample += 1
        if not sample:
            raise StudyError(f"{question}: holds no response; end that run, or remove the folder (and the problem)")


def _path(path: Any, prm: str, where: str) -> Row:
    """One path of a record: response, steps, scores and tokens."""
    if not isinstance(path, Mapping) or not isinstance(path.get("text"), str):
        raise StudyError(f"{where}: a path of its output has no text")
    text = path["text"]
    parts = text.split(f"{_MARK}\n") if _MARK in text else text.split(SEPARATOR)
    steps = [step.removesuffix(_MARK).strip() for step in parts if step.removesuffix(_MARK).strip()]
    row: Row = {"response": SEPARATOR.join(steps), "steps": steps}
    if isinstance(path.get("completion_tokens"), int):
        row["tokens"] = path["completion_tokens"]
    if path.get("value") is not None:
        values = _numbers(path["value"], f"{where}: value")
        # Its blank steps have a score too, its CoT none.
        if len(values) not in (0, len(steps)):
            raise StudyError(f"{where}: value has {len(values)} numbers for {len(steps)} steps")
        row |= {recorded.SCORES + prm: values} if values else {}
    return row


# -- small things --------------------------------------------------------------------------------------------


def _expect(content: Mapping[str, Any], where: str, *names: str) -> None:
    for name in names:
        if content.get(name) is None:
            raise StudyError(f"{where}: no {name} (it has: {', '.join(map(str, list(content)[:12]))})")


def _kept(content: Mapping[str, Any], *names: str) -> Row:
    return {name: str(content[name]) for name in names if content.get(name) is not None}


def _numbers(values: Any, where: str) -> list[float]:
    if not isinstance(values, list) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        raise StudyError(f"{where}: not a list of numbers")
    return [float(value) for value in values]


def _object(path: Path) -> dict[str, Any]:
    return read_json(path, "give the folder of a finished run")


def study(name: str, path: Path, prms: list[str], samples: int, greedy: bool) -> str:
    """YAML of a study of a file of recorded responses, with `samples` of every problem."""
    pilot = max(1, min(8, samples // 4))
    budgets = [n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if n < samples - pilot] + [samples - pilot]
    content = {
        "study": name,
        "question": "What do voting and reward models gain over one sampled answer?",
        "benchmarks": {f"{name}-problems": {"source": "recorded", "path": str(path)}},
        "policies": {f"{name}-policy": {"source": "recorded", "path": str(path), "greedy": greedy}},
        "prms": {prm: {"source": "recorded"} for prm in prms},
        "budgets": {"majority": budgets} | ({"best_of_n": [n for n in budgets if n > 1]} if prms else {}),
        "pilot_samples": pilot,
        "first_block": samples - pilot,
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
