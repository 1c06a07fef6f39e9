"""Bad configurations, data and checkpoints: each is refused before anything runs, in one sentence that says where."""

from __future__ import annotations

import copy
import gzip
import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.studies import ROOT, copy_repository, environment, smoke, write
from ttstudy.errors import StudyError
from ttstudy.run import preflight

GOOD = '{"problem_id": "p1", "problem": "1+1?", "answer": 2}\n'
Change = Callable[[dict], object]


def refusal(root: Path, config: dict | str | bytes) -> str:
    """What the study is refused with; nothing may be written on the way."""
    path = root / "study.yaml"
    path.unlink(missing_ok=True)
    if isinstance(config, dict):
        config = yaml.safe_dump(config, sort_keys=False)
    path.write_bytes(config.encode() if isinstance(config, str) else config)
    before = sorted(root.rglob("*"))
    with pytest.raises(StudyError) as caught:
        preflight.opened(path, root)
    message = str(caught.value)
    assert message.isprintable() and 20 < len(message) < 2100, message
    assert sorted(root.rglob("*")) == before
    return message


def put(*path: str | int, to: object) -> Change:
    """A change of the value at a path of keys."""

    def change(config: dict) -> None:
        target = config
        for key in path[:-1]:
            target = target.setdefault(key, {}) if isinstance(key, str) else target[key]
        target[path[-1]] = to

    return change


def drop(*path: str) -> Change:
    """A change that takes a key away."""

    def change(config: dict) -> None:
        target = config
        for key in path[:-1]:
            target = target[key]
        del target[path[-1]]

    return change


MINI = {"source": "miniature", "problems": 5, "seed": 1}
FAR = {"source": "openai", "model": "a"}
VALUES: dict[str, tuple[Change, str]] = {
    # types
    "true for a number": (put("benchmarks", "sums", "problems", to=True), "benchmarks.sums.problems: "),
    "yes for a number": (put("seed", to="yes"), "seed: input should be a valid integer"),
    "text for a number": (put("pilot_samples", to="8"), "pilot_samples: input should be a valid integer"),
    "fraction for a whole number": (put("first_block", to=8.0), "first_block: "),
    "number for a name": (put("study", to=7), "study: input should be a valid string"),
    "date for a name": (put("study", to=__import__("datetime").date(2024, 1, 1)), "study: "),
    "list for a name": (put("study", to=["a"]), "study: "),
    "number for a choice": (put("score", to=1), "score: "),
    "text for a switch": (put("search", "refill", to="yes"), "search.refill: "),
    "one for a switch": (put("search", "dedup", to=1), "search.dedup: "),
    "text for a mapping": (put("sampling", to="greedy"), "sampling: "),
    "mapping for a list": (put("budgets", "majority", to={"a": 4}), "budgets.majority: "),
    "number for a list": (put("budgets", "majority", to=4), "budgets.majority: "),
    "null for a section": (put("budgets", to=None), "budgets: "),
    "null policy": (put("policies", "smoke-8k", to=None), "policies.smoke-8k: "),
    "list of policies": (put("policies", to=["smoke-8k"]), "policies: "),
    "number for a key": (put("policies", to={7: {}}), "policies.7"),
    "true for a key": (put("benchmarks", to={True: MINI}), "benchmarks.1: "),
    "thresholds of truth": (put("difficulty", to={"thresholds": [True, False]}), "difficulty.thresholds.0: "),
    "three thresholds": (put("difficulty", to={"thresholds": [90, 50, 10]}), "difficulty.thresholds: "),
    "text thresholds": (put("difficulty", to={"thresholds": "50,10"}), "difficulty.thresholds: "),
    # ranges
    "negative seed": (put("seed", to=-1), "seed: "),
    "huge seed": (put("seed", to=2**63), "seed: "),
    "nan temperature": (put("sampling", "cot", "temperature", to=float("nan")), "sampling.cot.temperature: "),
    "infinite temperature": (put("sampling", "cot", "temperature", to=float("inf")), "sampling.cot.temperature: "),
    "zero top_p": (put("sampling", "cot", "top_p", to=0), "sampling.cot.top_p: "),
    "negative top_k": (put("sampling", "cot", "top_k", to=-1), "sampling.cot.top_k: "),
    "no tokens": (put("sampling", "cot", "max_tokens", to=0), "sampling.cot.max_tokens: "),
    "a billion tokens": (put("sampling", "search", "max_tokens", to=10**9), "sampling.search.max_tokens: "),
    "zero problems": (put("benchmarks", "sums", "problems", to=0), "benchmarks.sums.problems: "),
    "ten million problems": (put("benchmarks", "sums", "problems", to=10**7), "benchmarks.sums.problems: "),
    "zero budget": (put("budgets", "majority", to=[0]), "budgets.majority.0: "),
    "huge budget": (put("budgets", "majority", to=[10**9]), "budgets.majority.0: "),
    "nan threshold": (put("difficulty", to={"thresholds": [float("nan"), 10]}), "difficulty.thresholds.0: "),
    "equal thresholds": (put("difficulty", to={"thresholds": [50, 50]}), "difficulty: thresholds must fall"),
    "a negative pilot": (put("pilot_samples", to=-1), "pilot_samples: "),
    "no block": (put("first_block", to=0), "first_block: "),
    "no depth": (put("search", "max_depth", to=0), "search.max_depth: "),
    "own temperature out of range": (
        put("policies", "smoke-8k", "sampling", to={"cot": {"temperature": 9}}),
        "policies.smoke-8k.sampling.cot.temperature: ",
    ),
    "a question without end": (put("question", to="why " * 1000), "question: "),
    # keys
    "unknown key": (put("polices", to={}), "polices: unknown key"),
    "unknown nested key": (put("search", "widht", to=4), "search.widht: unknown key"),
    "unknown method": (put("budgets", "mcts", to=[4]), "budgets.mcts: unknown key"),
    "unknown policy key": (
        put("policies", "smoke-8k", "revision", to="main"),
        "policies.smoke-8k.revision: unknown key",
    ),
    "unknown task option": (put("miniature", "task", "digits", to=3), "miniature.task.digits: "),
    "unknown model option": (
        put("policies", "smoke-8k", "definition", "model", "width", to=3),
        "policies.smoke-8k.definition.model.width: ",
    ),
    "no study": (drop("study"), "study: is missing"),
    "no benchmarks": (drop("benchmarks"), "benchmarks: is missing"),
    "no policies": (drop("policies"), "policies: is missing"),
    "no budgets": (drop("budgets"), "budgets: is missing"),
    "no source": (drop("policies", "smoke-8k", "source"), "policies.smoke-8k: needs a `source`"),
    "unknown source": (put("prms", "smoke-good", "source", to="zoo"), "prms.smoke-good: source 'zoo' is not one of"),
    "no definition": (drop("policies", "smoke-8k", "definition"), "policies.smoke-8k.definition: is missing"),
    "no temperature": (drop("sampling", "cot", "temperature"), "sampling.cot.temperature: is missing"),
    # definitions of the miniature
    "no layers": (drop("policies", "smoke-8k", "definition", "model", "layers"), "definition.model.layers: is missing"),
    "odd heads": (put("policies", "smoke-8k", "definition", "model", "heads", to=3), "definition.model: hidden (16)"),
    "no training tokens": (
        drop("policies", "smoke-8k", "definition", "training", "tokens"),
        "training.tokens: is missing",
    ),
    "negative rate": (put("policies", "smoke-8k", "definition", "training", "rate", to=-1), "training.rate: "),
    "infinite rate": (
        put("policies", "smoke-8k", "definition", "training", "rate", to=float("inf")),
        "rate: 'inf' is not a fin",
    ),
    "unknown PRM format": (put("prms", "smoke-good", "definition", "model", "format", to="orm"), "model.format: "),
    "body elsewhere": (put("prms", "smoke-good", "definition", "model", "body", to="llama"), "model.body: 'llama'"),
    "rollouts of a stranger": (
        put("prms", "smoke-good", "definition", "training", "rollouts", "policies", to={"llama": 9}),
        "training.rollouts.policies: 'llama'",
    ),
    "operations swapped": (put("miniature", "task", "operations", to=[9, 2]), "miniature.task: operations must be"),
    "operations a number": (put("miniature", "task", "operations", to=4), "miniature.task.operations: "),
    "task of a benchmark": (put("benchmarks", "sums", "task", to={"largest": 1e9}), "benchmarks.sums.task.largest: "),
    "more problems than there are": (
        put("benchmarks", "sums", to=MINI | {"problems": 400, "task": {"operations": [1, 1], "largest": 20}}),
        "benchmarks.sums: only",
    ),
    # names and paths
    "slash in a name": (put("policies", "a/b", to={}), "'a/b' is not a name"),
    "traversal in a name": (put("benchmarks", "..", to=MINI), "'..' is not a name"),
    "traversal in the study's name": (put("study", to="../../etc"), "study: '../../etc' is not a name"),
    "absolute name": (put("study", to="/tmp/x"), "study: '/tmp/x' is not a name"),
    "space in a name": (put("benchmarks", "my sums", to=MINI), "'my sums' is not a name"),
    "dash before a name": (put("study", to="-rf"), "study: '-rf' is not a name"),
    "newline in a name": (put("study", to="a\nb"), "study: 'a\\nb' is not a name"),
    "newline after a name": (put("study", to="a\n"), "study: "),
    "a device for a name": (put("study", to="CON"), "study: 'CON' is a device on Windows"),
    "a device with an ending": (put("benchmarks", "nul.txt", to=MINI), "benchmarks.nul.txt: 'nul.txt' is a device"),
    "the name of what is set aside": (put("benchmarks", "sums.damaged", to=MINI), "may not end in '.' or '.damaged'"),
    "a name but for its case": (put("benchmarks", "SUMS", to=MINI), "benchmarks.SUMS: differs from 'sums' only in"),
    "empty name": (put("study", to=""), "study: '' is not a name"),
    "long name": (put("study", to="a" * 65), "study: "),
    "wildcard in a name": (put("benchmarks", "{policy}", to=MINI), "'{policy}' is not a name"),
    "quote in a name": (put("study", to="a'b"), "study: "),
    "letters from elsewhere in a name": (put("study", to="stüdy"), "study: "),
    "reserved benchmark": (put("benchmarks", "studies", to=MINI), "benchmarks.studies: this name is kept"),
    "reserved PRM": (put("prms", "none", to={"source": "checkpoint", "path": "x"}), "prms.none: "),
    "a PRM named as a policy": (
        lambda c: c["prms"].update({"smoke-8k": c["prms"].pop("smoke-good")}),
        "prms.smoke-8k: a policy has the same name",
    ),
    "newline in a path": (put("results", to="a\nb"), "results: a path may not hold '\\n'"),
    "wildcard in a path": (put("results", to="a/{policy}"), "results: a path may not hold '{'"),
    "dash before a path": (put("results", to="-rf"), "results: "),
    "home in a path": (put("results", to="~/results"), "results: "),
    "empty path": (put("results", to=""), "results: "),
    "a file for results": (put("results", to="study.yaml"), "results: "),
    "a folder below a file": (put("results", to="study.yaml/results"), "results: "),
    "results in a path too long": (put("results", to="a" * 300), "results: "),
    "results in the root": (put("results", to="/"), "results: / is where the study's own files are"),
    "results beside the study": (put("results", to="."), "holds files that no run made"),
    "results among sources": (put("results", to=str(ROOT / "workflow")), "is where the study's own files are"),
    "results where nothing can be made": (put("results", to="/proc/results"), "results: "),
    # what an endpoint and the hub are asked
    "a key for its variable": (put("policies", "far", to=FAR | {"key_variable": "sk-1-x"}), "the NAME of an env"),
    "a port that is none": (put("policies", "far", to=FAR | {"base_url": "http://x:99999/v1"}), "base_url: must be"),
    "a model on two lines": (put("policies", "far", to=FAR | {"model": "a\nb"}), "far.model: must be one line"),
    "a file outside its data set": (
        put("benchmarks", "far", to={"source": "hub", "id": "a/b", "file": "../../etc/passwd"}),
        "benchmarks.far.file: must be a path inside the data set",
    ),
    # what belongs together
    "budget not divisible": (put("budgets", "beam_search", to=[6]), "budgets.beam_search: 6 is not a multiple"),
    "budget twice": (put("budgets", "majority", to=[4, 4]), "majority lists a budget twice"),
    "no PRM": (put("prms", to={}), "prms: none is defined, but budgets.best_of_n needs one"),
    "PRM of a stranger": (put("prms", "smoke-good", "policies", to=["x"]), "prms.smoke-good.policies: 'x' is not"),
    "PRM of a policy twice": (
        put("prms", "smoke-good", "policies", to=["smoke-8k", "smoke-8k"]),
        "prms.smoke-good.policies: lists a policy twice",
    ),
    "pairs with a stranger": (put("pairs", to={"smoke-good": ["x"]}), "pairs.smoke-good: policy 'x'"),
    "pairs of a stranger": (put("pairs", to={"x": ["smoke-8k"]}), "pairs.x: "),
    "pairs twice": (put("pairs", to={"smoke-good": ["smoke-8k"] * 2}), "pairs.smoke-good: lists a policy twice"),
    # what is pointed at
    "a branch for a commit": (
        put("policies", "smoke-8k", to={"source": "hub", "id": "Qwen/Qwen2.5-0.5B", "revision": "main"}),
        "policies.smoke-8k.revision: 'main' is not a commit of 40 hex digits",
    ),
    "a short commit": (
        put("benchmarks", "sums", to={"source": "hub", "id": "a/b", "revision": "0123abc"}),
        "benchmarks.sums.revision: '0123abc' is not a commit",
    ),
    "no id of the hub": (
        put("policies", "smoke-8k", to={"source": "hub", "id": "https://hub/a"}),
        "policies.smoke-8k.id: 'https://hub/a' is not an id of the hub",
    ),
    "no such file": (put("benchmarks", "mine", to={"source": "file", "path": "no.jsonl"}), "benchmarks.mine.path: "),
    "a folder for a file": (put("benchmarks", "mine", to={"source": "file", "path": "."}), "benchmarks.mine.path: "),
    "one column for two": (
        put("benchmarks", "mine", to={"source": "file", "path": "x", "columns": {"problem": "q", "answer": "q"}}),
        "benchmarks.mine: columns names one column",
    ),
    "unknown column of ours": (
        put("benchmarks", "mine", to={"source": "file", "path": "x", "columns": {"question": "q"}}),
        "benchmarks.mine.columns.question",
    ),
    "no such checkpoint": (put("policies", "mine", to={"source": "checkpoint", "path": "no"}), "policies.mine.path: "),
    "a base that is not there": (put("base", to="no.yaml"), "no.yaml: cannot be read"),
    "a base that is itself": (put("base", to="study.yaml"), "has a `base` itself"),
    "a base that is a number": (put("base", to=3), "base: must be the path"),
}


@pytest.mark.parametrize(("change", "words"), VALUES.values(), ids=VALUES.keys())
def test_a_bad_value_is_named_by_its_key(tmp_path, change, words):
    config = copy.deepcopy(smoke())
    change(config)
    assert words in refusal(tmp_path, config)


def bomb(levels: int = 9) -> str:
    lines = ["study: x", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


TEXTS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "must be a mapping"),
    "only a comment": ("# nothing\n", "must be a mapping"),
    "a list": ("- study\n", "must be a mapping"),
    "a word": ("study\n", "must be a mapping"),
    "key twice": ("study: a\nseed: 1\nstudy: b\n", "line 3: key 'study' is given twice"),
    "nested key twice": ("study: a\nsearch:\n  beam_width: 4\n  beam_width: 8\n", "line 4: key 'beam_width'"),
    "key twice in JSON": ('{"study": "a",\n"study": "b"}', "line 2: key 'study' is given twice"),
    "not closed": ("study: [a\n", "line 2: not valid YAML"),
    "tab": ("study:\n\t- a\n", "line 2: not valid YAML"),
    "two documents": ("study: a\n---\nstudy: b\n", "not valid YAML"),
    "list as a key": ("study: a\n? [a, b]\n: c\n", "line 2: a key must be a plain word"),
    "null as a key": ("study: a\n~: c\n", "line 2: a key must be a plain word"),
    "alias of nothing": ("study: *name\n", "line 1: not valid YAML"),
    "merge of a word": ("study: a\n<<: word\n", "line 2: not valid YAML"),
    "billion laughs": (bomb(), "once its aliases are written out"),
    "anchor in itself": ("study: a\npolicies: &p\n  a: *p\n", "an anchor holds itself"),
    "nested deeply": ("study: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
    "nested mappings": ("".join(" " * i + "a:\n" for i in range(100)), "nested too deeply"),
    "python object": ("study: !!python/object/apply:os.system ['true']\n", "line 1: not valid YAML"),
    "unknown tag": ("study: !secret a\n", "line 1: not valid YAML"),
    "template": ("__use_yte__: true\nstudy: a\n?if True:\n  seed: 1\n", "__use_yte__"),
    "number of a mile": ("study: a\nseed: " + "9" * 5000 + "\n", "line 2: "),
    "no such day": ("study: 2024-99-99\n", "line 1: "),
    "words as a number": ("study: a\nseed: !!int abc\n", "line 2: "),
    "to base eight": ("study: a\nseed: 017\n", "line 2: YAML reads 017 to base 8 or 60"),
    "to base sixty": ("study: a\nseed: 1:30\n", "line 2: YAML reads 1:30 to base 8 or 60"),
    "merged with itself": ("study: a\nz: &z\n  <<: *z\n", "an anchor holds itself"),
    "a hidden end of a line": ("study: a\u2028seed: 3\n", "line 1: a control character"),
    "a turned direction": ("study: a # \u202e\n", "line 1: a control character"),
    "a letter of no width": ("stu\u200bdy: a\n", "line 1: a control character"),
    "null byte": ("study: a\x00b\n", "line 1: a control character"),
    "terminal escape": ('study: a\nquestion: "\\e[31mred"\n', "line 2: a control character"),
    "lone surrogate": ('study: a\nquestion: "\\ud800"\n', "line 2: a control character"),
    "latin-1": ("study: a\nquestion: café\n".encode("latin-1"), "line 2 is not UTF-8"),
    "UTF-16": ("study: a\n".encode("utf-16"), "line 1 is not UTF-8"),
    "binary": (bytes(range(256)), "is not UTF-8"),
    "a zip file": (b"PK\x03\x04" + bytes(100), "line 1"),
    "ten megabytes": ("study: a\nquestion: " + "x" * 10_000_000, "larger than 1 MiB"),
}


@pytest.mark.parametrize(("text", "words"), TEXTS.values(), ids=TEXTS.keys())
def test_a_bad_study_file_is_named_with_its_line(tmp_path, text, words):
    message = refusal(tmp_path, text)
    assert words in message and message.startswith(str(tmp_path / "study.yaml"))


def rows(**columns: list) -> bytes:
    import io

    stream = io.BytesIO()
    pd.DataFrame(columns).to_parquet(stream)
    return stream.getvalue()


def zip_named(name: str) -> bytes:
    """A zip file that says of a name that it is UTF-8, which it is not."""
    import io
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, "{}")
    return stream.getvalue().replace(name.encode("utf-8"), name.encode("utf-8")[:-1] + b"\xff")


def column_twice() -> bytes:
    return written(pa.Table.from_arrays([pa.array(["a"])] * 4, names=["problem_id", "problem", "answer", "answer"]))


def bombed() -> bytes:
    """A small file that holds 150 GB: three times one text of 50 MB, a thousand times."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["x" * 50_000_000]))
    return written(pa.table(dict.fromkeys(("problem_id", "problem", "answer"), text)))


def written(table: pa.Table) -> bytes:
    stream = pa.BufferOutputStream()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue().to_pybytes()


def line(**changes: object) -> str:
    row = {"problem_id": "p2", "problem": "2+2?", "answer": "4"} | changes
    return GOOD + json.dumps({key: value for key, value in row.items() if value is not ...}) + "\n"


BENCHMARKS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "holds no problems"),
    "blank lines": ("\n \n\n", "holds no problems"),
    "byte order mark alone": (b"\xef\xbb\xbf", "holds no problems"),
    "not JSON": (GOOD + "{oops\n", "line 2: not valid JSON"),
    "cut off": (GOOD + '{"problem_id": "p2", "prob', "line 2: not valid JSON"),
    "CSV": ("problem_id,problem,answer\n1,2,3\n", "line 1: not valid JSON"),
    "one JSON array": ('[{"problem_id": 1}]\n', "no column 'problem' (it has: problem_id)"),
    "a JSON array that is cut off": ('[{"problem_id": 1}, {"prob', "item 2: not valid JSON"),
    "a JSON array with text behind it": (f"[{GOOD.strip()}] x", "text follows the end of the JSON array"),
    "a JSON array of texts": ('["a"]', "item 1: not a JSON object"),
    "a JSON array with a key twice": ('[{"a": 1, "a": 2}]', "item 1: key 'a' is given twice"),
    "gzip that is cut off": (gzip.compress(GOOD.encode())[:-9], "is cut off or damaged"),
    "a zip file of odd names": (zip_named("a\xff"), "not a readable zip file"),
    "a zip file": (b"PK\x03\x04 no zip", "not a readable zip file"),
    "a number": (GOOD + "5\n", "line 2: not a JSON object"),
    "two objects on a line": (GOOD.strip() * 2, "line 1: not valid JSON"),
    "key twice": (
        '{"problem_id": 1, "problem": "x", "answer": 1, "answer": 2}\n',
        "line 1: key 'answer' is given twice",
    ),
    "latin-1": (GOOD.encode() + '{"problem": "café"}\n'.encode("latin-1"), "line 2: not UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), "line 1: not UTF-8"),
    "mixed encodings": (GOOD.encode() * 1 + line(problem="é", problem_id="q").encode("utf-16"), "line 2"),
    "a line of 10 MB": (line(problem="x" * 10_000_001), "line 2 is longer than 10,000,000"),
    "nested deeply": (GOOD + "[" * 100_000 + "\n", "line 2: JSON nested too deeply"),
    "number of a mile": (GOOD + '{"problem_id": ' + "9" * 5000 + "}\n", "line 2: JSON with a number that is too long"),
    "no column": ('{"problem_id": 1, "text": "x", "answer": 1}\n', "no column 'problem' (it has: problem_id, text"),
    "no answer": (line(answer=""), "line 2 has no answer"),
    "answer of blanks": (line(answer="  \t"), "line 2 has no answer"),
    "null answer": (line(answer=None), "line 2 has no answer"),
    "answer left out": (line(answer=...), "line 2 has no answer"),
    "answer not a number": (line(answer=float("nan")), "line 2 has no answer"),
    "infinite answer": (line(answer=float("inf")), "line 2: answer is not a finite number"),
    "answer beyond all numbers": (
        GOOD + '{"problem_id": 2, "problem": "x", "answer": 1e999}\n',
        "line 2: answer is not",
    ),
    "true answer": (line(answer=True), "line 2: answer must be text or a number, not true or false"),
    "list answer": (line(answer=[["4"]]), "line 2: answer must be text or a number, not a list"),
    "object answer": (line(answer={"value": 4}), "line 2: answer must be text or a number, not an object"),
    "no problem": (line(problem=" "), "line 2 has no problem"),
    "no id": (line(problem_id=None), "line 2 has no problem_id"),
    "id twice": (GOOD + GOOD, "line 2: problem_id 'p1' is there twice (first in line 1)"),
    "id twice but for its type": (line(problem_id=7) + line(problem_id="7").split("\n")[1], "line 3: problem_id '7'"),
    "id twice but for a blank": (line(problem_id="p1 "), "line 2: problem_id 'p1' is there twice"),
    "id twice but for its accents": (
        line(problem_id="caf\u00e9") + line(problem_id="cafe\u0301").split("\n")[1],
        "line 3: problem_id 'cafe\u0301' is there twice (first in line 2)",
    ),
    "turned direction in an id": (line(problem_id="a\u202eb"), "line 2: problem_id has the character '\\u202e'"),
    "newline in an id": (line(problem_id="a\nb"), "line 2: problem_id must be one line"),
    "long id": (line(problem_id="a" * 201), "line 2: problem_id must be one line"),
    "null byte in an id": (line(problem_id="a\0b"), "line 2: problem_id has the character"),
    "terminal escape in a problem": (line(problem="\x1b[2J"), "line 2: problem has the character"),
    "lone surrogate": (GOOD + '{"problem_id": 2, "problem": "\\ud800", "answer": 1}\n', "line 2: problem has the char"),
    "not Parquet": (b"PAR1 not at all PAR1", "not a readable Parquet file"),
    "cut-off Parquet": (rows(problem_id=["a"], problem=["b"], answer=["c"])[:-9], "not a readable Parquet file"),
    "Parquet without a column": (rows(problem_id=["a"], problem=["b"]), "no column 'answer'"),
    "Parquet without rows": (rows(problem_id=[], problem=[], answer=[]), "holds no problems"),
    "column twice in Parquet": (column_twice(), "column 'answer' is there twice"),
    "a Parquet bomb": (bombed(), "more than 10,000,000 rows or 1,000,000,000 bytes of text; give a part of it"),
    "missing value in Parquet": (
        rows(problem_id=[1, 2], problem=["x", "y"], answer=["1", None]),
        "row 2 has no answer",
    ),
    "list in Parquet": (rows(problem_id=[1], problem=["x"], answer=[[["1"]]]), "row 1: answer must be text"),
    "bytes in Parquet": (rows(problem_id=[1], problem=[b"x"], answer=["1"]), "row 1: problem must be text"),
}


@pytest.mark.parametrize(("content", "words"), BENCHMARKS.values(), ids=BENCHMARKS.keys())
def test_a_bad_benchmark_file_is_named_with_its_line(tmp_path, content, words):
    content = content.encode() if isinstance(content, str) else content
    name = "b.parquet" if content[:4] == b"PAR1" else "b.jsonl"
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path, smoke(benchmarks={"mine": {"source": "file", "path": name}}))
    assert words in message and message.startswith("benchmarks.mine: ") and str(tmp_path / name) in message


def safetensors(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


TENSOR = safetensors(b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4))


def checkpoint(folder: Path, files: dict[str, bytes | None]) -> Path:
    """A checkpoint folder in which some files are other than they should be, or not there."""
    folder.mkdir()
    good = {"config.json": b'{"model_type": "llama"}', "model.safetensors": TENSOR, "tokenizer.json": b"{}"}
    for name, content in (good | files).items():
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


PLAIN = {"problem": "x", "steps": ["a", "b"], "first_error": 1}
LABELLED: dict[str, tuple[dict, str]] = {
    "an error beyond all numbers": ({"first_error": float("inf")}, "line 1 is not in the format plain: it has 'inf'"),
    "an error between two steps": ({"first_error": 0.5}, "it has '0.5' for first_error"),
    "a true error": ({"first_error": True}, "it has 'True' for first_error"),
    "an error after the last step": ({"first_error": 2}, "line 1 has its first error at 2, but 2 steps"),
    "steps in one text": ({"steps": "ab"}, "it has steps that are not a list of texts"),
    "a step of nothing": ({"steps": ["a", None]}, "it has steps that are not a list of texts"),
    "a policy of parts": ({"policy": ["a"]}, "it names a policy that is no text"),
}


@pytest.mark.parametrize(("change", "words"), LABELLED.values(), ids=LABELLED.keys())
def test_a_bad_labelled_solution_is_named_with_its_line(tmp_path, change, words):
    (tmp_path / "l.jsonl").write_text(json.dumps(PLAIN | change) + "\n")
    message = refusal(tmp_path, smoke(labelled={"mine": {"path": "l.jsonl"}}))
    assert words in message and message.startswith("labelled.mine: ")


RECORDED = {"problem_id": "p", "problem": "1+1?", "answer": "2", "sample": 0, "response": "2"}
ROWS: dict[str, tuple[str, str]] = {
    "a number beyond all": (json.dumps(RECORDED | {"logprob": 10**400}), "row 1: logprob is 1000"),
    "an answer beyond all": (json.dumps(RECORDED | {"answer": float("inf")}), "row 1: answer is inf, not a finite"),
    "a key twice": (json.dumps(RECORDED)[:-1] + ', "answer": "3"}', "row 1: key 'answer' is given twice"),
    "an id but for its accents": (
        "\n".join(json.dumps(RECORDED | {"problem_id": name}) for name in ("caf\u00e9", "cafe\u0301")),
        "row 2: problem_id 'cafe\u0301' looks like an earlier one",
    ),
    "an id of a mile": (json.dumps(RECORDED | {"problem_id": "a" * 201}), "row 1: problem_id must be one line"),
    "no steps": (json.dumps(RECORDED | {"steps": []}), "row 1: steps is empty, but the response is not"),
    "a PRM's name that is no text": (json.dumps(RECORDED | {"scores.\ud800": [0]}), "names no PRM: it is no text"),
    "scores twice": (json.dumps(RECORDED | {"scores": {"a": [0]}, "scores.a": [1]}), "row 1: scores.a is there twice"),
}


@pytest.mark.parametrize(("text", "words"), ROWS.values(), ids=ROWS.keys())
def test_a_bad_recorded_row_is_named_with_its_number(tmp_path, text, words):
    (tmp_path / "r.jsonl").write_text(text)
    source = {"source": "recorded", "path": "r.jsonl"}
    config = {"study": "r", "benchmarks": {"b": source}, "policies": {"p": source}, "budgets": {"majority": [1]}}
    assert words in refusal(tmp_path, config)


PLACES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("/nowhere"),
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "what cannot be read": lambda path: path.symlink_to("/proc/self/mem"),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("name", ["b.jsonl", "m/a.json", "m/model.safetensors", "study.revisions.yaml", "base.yaml"])
def test_what_is_no_file_is_not_waited_for(tmp_path, name, place):
    folder = checkpoint(tmp_path / "m", {Path(name).name: None})
    place(tmp_path / name)
    changes = {"policies": smoke()["policies"] | {"m": {"source": "checkpoint", "path": folder.name}}}
    changes |= {"benchmarks": {"b": {"source": "file", "path": "b.jsonl"}}} if name == "b.jsonl" else {}
    config = {"base": name, "study": "x"} if name == "base.yaml" else smoke(**changes)
    assert Path(name).name in refusal(tmp_path, config)


def test_what_windows_writes_and_odd_but_right_values_are_fine(tmp_path):
    text = "\ufeff" + line(problem_id="ä ß", answer=2.50) + line(problem_id=3, answer=-7).split("\n")[1]
    (tmp_path / "b.jsonl").write_bytes(text.replace("\n", "\r\n").encode())
    path = tmp_path / "study.yaml"
    text = yaml.safe_dump(smoke(benchmarks={"mine": {"source": "file", "path": "b.jsonl"}}))
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert preflight.opened(path, tmp_path).study.study == "smoke"


CHECKPOINTS: dict[str, tuple[dict[str, bytes | None], str]] = {
    "no config": ({"config.json": None}, "holds no config.json"),
    "config not JSON": ({"config.json": b"{oops"}, "not a readable JSON file"),
    "config a list": ({"config.json": b"[]"}, "not a JSON object"),
    "config in latin-1": ({"config.json": b'{"model_type": "\xe9"}'}, "not a readable JSON file"),
    "config nested deeply": ({"config.json": b"[" * 100_000}, "not a readable JSON file"),
    "no model type": ({"config.json": b"{}"}, "names no model_type"),
    "pickle only": ({"model.safetensors": None, "pytorch_model.bin": b"\x80\x04."}, "holds no *.safetensors"),
    "weights cut off": ({"model.safetensors": TENSOR[:-2]}, "not a whole safetensors file"),
    "weights too long": ({"model.safetensors": TENSOR + b"x"}, "not a whole safetensors file"),
    "weights empty": ({"model.safetensors": b""}, "not a whole safetensors file"),
    "weights a pickle": ({"model.safetensors": b"\x80\x04\x95" + bytes(50)}, "not a whole safetensors file"),
    "weights without a shape": ({"model.safetensors": safetensors(b'{"w":{}}')}, "not a whole safetensors file"),
    "weights of none": ({"model.safetensors": safetensors(b"{}")}, "hold no weights"),
    "header of a terabyte": ({"model.safetensors": struct.pack("<Q", 2**40)}, "not a whole safetensors file"),
    "shard missing": (
        {"model.safetensors.index.json": b'{"weight_map": {"w": "model-00001.safetensors"}}'},
        "names model-00001.safetensors, which is not in the folder",
    ),
    "shard elsewhere": ({"model.safetensors.index.json": b'{"weight_map": {"w": "../w.safetensors"}}'}, "names ../w"),
    "no tokenizer": ({"tokenizer.json": None}, "holds no tokenizer.json"),
    "tokenizer not JSON": ({"tokenizer.json": b"sentencepiece"}, "not a readable JSON file"),
    "weights that are not their shape": (
        {"model.safetensors": TENSOR.replace(b"[1]", b"[9]")},
        "not a whole safetensors file",
    ),
    "weights in one place twice": (
        {"model.safetensors": safetensors(b'{"w":%b,"v":%b}' % ((TENSOR[8:].split(b":", 1)[1][:-5],) * 2), bytes(4))},
        "not a whole safetensors file",
    ),
    "architectures not a list": (
        {"config.json": b'{"model_type": "llama", "architectures": {"a": 1}}'},
        "architectures is not a list of names",
    ),
    "a PRM for a policy": (
        {"config.json": b'{"model_type": "qwen2", "architectures": ["Qwen2ForProcessRewardModel"]}'},
        "is a reward model",
    ),
}


@pytest.mark.parametrize(("files", "words"), CHECKPOINTS.values(), ids=CHECKPOINTS.keys())
def test_a_bad_checkpoint_is_named_before_a_model_loads(tmp_path, files, words):
    checkpoint(tmp_path / "models", files)
    policies = smoke()["policies"] | {"mine": {"source": "checkpoint", "path": "models"}}
    message = refusal(tmp_path, smoke(policies=policies))
    assert words in message and message.startswith("policies.mine.path: ")


def test_a_variable_that_steps_cannot_read_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TTSTUDY_RESPONSES_PER_PART", "1e3")
    assert "TTSTUDY_RESPONSES_PER_PART: '1e3' is not a whole number" in refusal(tmp_path, smoke())
    monkeypatch.delenv("TTSTUDY_RESPONSES_PER_PART")
    monkeypatch.setenv("TTSTUDY_HEARTBEAT", "0.0")
    assert "TTSTUDY_HEARTBEAT: '0.0' is no number of seconds" in refusal(tmp_path, smoke())


def test_a_setting_without_a_value_is_named(capsys):
    with pytest.raises(SystemExit, match="error: --config: 'seed' is no setting; write key=value"):
        preflight.guard(["--config", "study=x", "seed"])


def test_a_prm_whose_format_nothing_tells_is_named(tmp_path):
    folder = tmp_path / "prm"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
    (folder / "model.safetensors").write_bytes(TENSOR)
    (folder / "tokenizer.json").write_text("{}")
    prms = smoke()["prms"] | {"mine": {"source": "checkpoint", "path": "prm"}}
    assert "prms.mine.path: The PRM format of" in refusal(tmp_path, smoke(prms=prms))


def test_none_of_these_loads_a_model():
    import subprocess

    code = "import sys, ttstudy.run.preflight, ttstudy.data.benchmarks; "
    code += "print({'torch', 'transformers'} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment() | {"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.strip() == "set()"


COMMANDS: dict[str, tuple[str | bytes | dict, str]] = {
    "latin-1": ("study: a\nquestion: café\n".encode("latin-1"), "line 2 is not UTF-8"),
    "key twice": ("study: a\nstudy: b\n", "line 2: key 'study' is given twice"),
    "true for a number": (smoke(seed=True), "seed: "),
    "bad data": (smoke(benchmarks={"mine": {"source": "file", "path": "b.jsonl"}}), "b.jsonl: line 2: problem_id 'p1'"),
}


@pytest.mark.parametrize(("config", "words"), COMMANDS.values(), ids=COMMANDS.keys())
def test_snakemake_itself_ends_with_that_one_sentence(tmp_path, config, words):
    import subprocess

    from tests.studies import command

    root = copy_repository(tmp_path / "run")
    (root / "b.jsonl").write_text(GOOD + GOOD)
    if isinstance(config, dict):
        path = write(root, config)
    else:
        path = root / "study.yaml"
        path.write_bytes(config.encode() if isinstance(config, str) else config)
    run = subprocess.run(
        command(path.relative_to(root)), cwd=root, env=environment(), capture_output=True, text=True, timeout=120
    )
    said = [line for line in (run.stdout + run.stderr).splitlines() if not line.startswith("Using profile")]
    assert run.returncode == 1
    assert len(said) == 1 and said[0].startswith("error: ") and words in said[0], said
    assert not (root / "results").exists()
