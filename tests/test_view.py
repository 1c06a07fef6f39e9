"""The viewer: what it shows is what the tables hold, and no text and no request makes it do more than show."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import hostile
from tests.report_browser import Browser, find
from tests.studies import ROOT, recorded_study, write
from tests.studies import smoke as smallest
from tests.test_report import AXE, violations
from ttstudy.dag import rehearsed
from ttstudy.dag.cells import Cell
from ttstudy.dag.layout import open_layout
from ttstudy.data import tables
from ttstudy.study import from_mapping
from ttstudy.view import groups, index, picks, rows, server, site, trees
from ttstudy.view.groups import Files, Group, Part
from ttstudy.view.picks import FILTERS, Pick

needs_chromium = pytest.mark.skipif(find() is None, reason="Chromium is not installed")


# -- tables -----------------------------------------------------------------------------------------------------------


def keep(path: Path, **columns) -> Path:
    tables.keep(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def group(tmp_path_factory) -> tuple[Files, list[dict]]:
    """A group of two parts, its tables in different orders, some rows missing; and what is true of every response."""
    folder, rng, truth, parts = tmp_path_factory.mktemp("group"), np.random.default_rng(0), [], []
    for number in range(2):
        mine = []
        for problem in ("p/1", "p2", "p3", "late"):
            for sample in range(number * 8, number * 8 + 8):
                if (problem, number) != ("late", 0):
                    scores = rng.random(rng.integers(0, 4)).round(3).tolist()
                    status = str(rng.choice(["graded", "graded", "no_answer", "timed_out"]))
                    mine.append({
                        "problem": problem, "sample": sample, "scores": scores, "status": status,
                        "correct": status == "graded" and rng.random() < 0.5, "other": bool(rng.random() < 0.5),
                        "finish": str(rng.choice(["eos", "length", "depth", "unknown"])),
                        "text": f"Step {sample}\n\nIs it {rng.choice(['Zebra', 'gnu'])}?", "graded": rng.random() < 0.9,
                    })  # fmt: skip
        truth += mine

        def column(name: str, of: list[dict]) -> list:
            return [row[name] for row in of]

        def keys(of: list[dict]) -> dict:
            return {"problem_id": column("problem", of), "sample": column("sample", of)}  # noqa: B023

        graded = [mine[place] for place in rng.permutation(len(mine)) if mine[place]["graded"]]
        at = folder / str(number)
        parts.append(Part(
            keep(at / "responses.parquet", **keys(mine), response=column("text", mine), finish=column("finish", mine)),
            {
                "strict": keep(at / "strict.parquet", **keys(graded), correct=column("correct", graded),
                               status=column("status", graded), answer=["1"] * len(graded)),
                "other": keep(at / "other.parquet", **keys(mine), correct=column("other", mine),
                              status=["graded"] * len(mine)),
                "gone": at / "not-there.parquet",
            },
            {"prm": keep(at / "scores.parquet", **keys(mine), step_scores=pa.array(column("scores", mine), pa.list_(
                pa.float64())))},
        ))  # fmt: skip
    return Files(tuple(parts)), truth


def expected(show: str, truth: list[dict]) -> list[int]:
    """Which responses a filter shows, told by loops."""

    def top(row: dict) -> bool:
        rivals = [r for r in truth if r["problem"] == row["problem"] and r["graded"] and r["status"] == "graded"
                  and r["scores"]]  # fmt: skip
        best = max((r["scores"][-1] for r in rivals), default=None)
        return row["graded"] and row["status"] == "graded" and bool(row["scores"]) and row["scores"][-1] == best

    def right_one(row: dict) -> bool:
        return any(r["correct"] and r["graded"] for r in truth if r["problem"] == row["problem"])

    tests = {
        "all": lambda r: True,
        "right": lambda r: r["graded"] and r["correct"],
        "wrong": lambda r: r["graded"] and not r["correct"],
        "differ": lambda r: r["graded"] and r["correct"] != r["other"],
        "fooled": lambda r: top(r) and not r["correct"],
        "misled": lambda r: top(r) and not r["correct"] and right_one(r),
        "cut": lambda r: r["finish"] in ("length", "depth"),
        "none": lambda r: r["graded"] and r["status"] == "no_answer",
        "late": lambda r: r["graded"] and r["status"] == "timed_out",
        "ungraded": lambda r: not r["graded"],
    }
    return [place for place, row in enumerate(truth) if tests[show](row)]


@pytest.mark.parametrize("show", FILTERS)
def test_a_filter_shows_the_responses_that_it_names_whatever_the_order_of_the_tables(group, show):
    files, truth = group
    made = index.build(files, "prm")
    found = np.flatnonzero(FILTERS[show].of(made, "last")).tolist()
    assert found == expected(show, truth)
    assert found or show == "fooled", "a filter that nothing passes is not tested"


def test_responses_come_in_the_order_of_their_scores_those_without_last(group):
    files, truth = group
    made = index.build(files, "prm")
    for name, of in (("last", lambda s: s[-1]), ("min", min), ("avg", np.mean)):
        for sort, sign in (("best", -1), ("worst", 1)):
            shown = picks.Picks().of(made, files, Pick(sort=sort, score=name)).rows
            values = [sign * of(truth[row]["scores"]) if truth[row]["scores"] else np.inf for row in shown]
            assert values == sorted(values) and sorted(shown) == list(range(len(truth)))
    assert index.build(files).scores == {}, "without a PRM there is no score"


def test_a_search_in_texts_goes_on_where_its_time_ended_and_finds_all(group, monkeypatch):
    files, truth = group
    monkeypatch.setattr(rows, "BATCH", 3)
    monkeypatch.setattr(rows.batches, "__defaults__", (None, 3))
    made = index.build(files, "prm")
    hasty, looks = picks.Picks(seconds=-1), 0
    while (found := hasty.of(made, files, Pick(words="zEBRA", show="wrong"))).read < found.of:
        looks += 1
        assert looks < 100
    wrong = expected("wrong", truth)
    assert looks > 3 and found.of == len(wrong)
    assert found.rows.tolist() == [place for place in wrong if "Zebra" in truth[place]["text"]]
    assert not len(picks.Picks().of(made, files, Pick(words="z.bra")).rows), "words are no pattern"


@pytest.mark.parametrize("together", [1, 7, 4096])
def test_rows_are_read_by_their_numbers_whatever_lies_together(tmp_path, together):
    path = tmp_path / "t.parquet"
    table = pa.table({"problem_id": [f"p{i % 7}" for i in range(100)], "sample": range(100), "response": ["x"] * 100})
    pq.write_table(table, path, row_group_size=together)
    wanted = [99, 0, 50, 51, 7]
    assert {at: row["sample"] for at, row in rows.read(path, wanted, ["sample"]).items()} == {at: at for at in wanted}
    assert rows.count(path) == 100 and rows.count(tmp_path / "none.parquet") is None


def test_indexes_are_made_again_when_files_change_and_forgotten_beyond_their_memory(tmp_path, group):
    files, _ = group
    kept = index.Kept(memory=1)
    first = kept.of("a", files, "prm")
    assert kept.of("a", files, "prm") is first
    kept.of("b", files, "prm")
    assert kept.of("a", files, "prm") is not first
    part = files.parts[0]._replace(responses=tmp_path / "later.parquet")
    growing = Files((part,))
    assert len(kept.of("c", growing)) == 0
    keep(part.responses, problem_id=["p2"], sample=[0], response=["x"], finish=["eos"])
    assert len(kept.of("c", growing)) == 1


def test_a_tree_is_shown_from_its_roots_and_no_broken_one_hangs_it():
    node = {"text": "t", "score": 0.5, "kept": True, "finish": "open", "tree": 0}
    shape = [(0, -1), (1, -1), (2, 0), (3, 2), (4, 0), (6, 7), (7, 6), (8, 99)]
    shown = trees.lines([node | {"node": number, "parent": parent} for number, parent in shape], chosen=3)
    assert [(line.node, line.depth) for line in shown] == [(0, 1), (2, 2), (3, 3), (4, 2), (1, 1), (8, 1)]
    assert [line.node for line in shown if line.on_way] == [0, 2, 3]
    assert [line.node for line in shown if line.last] == [3]


# -- over HTTP --------------------------------------------------------------------------------------------------------


def serve(study: Path | str) -> server.Viewer:
    found = server.Viewer(site.Site(groups.opened(str(study))), 0, "t" * 32)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    return found


def test_every_page_of_a_rehearsal_says_so(tmp_path):
    layout = open_layout(from_mapping(smallest()), tmp_path)
    (tmp_path / "results").mkdir()

    def told(page: str) -> str:
        return site.Site(layout).answer(page, {}).body.decode()

    assert not any(rehearsed.WORD in told(page) for page in ("", "problems", "nothing"))
    (tmp_path / "results" / rehearsed.WORD).write_text("")
    for page in ("", "problems", "nothing"):
        assert f"<title>{rehearsed.WORD} · " in told(page) and rehearsed.SAID in told(page)


def ask(viewer: server.Viewer, page: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    """The answer to a request, by its path or a page of the viewer's."""
    connection = http.client.HTTPConnection("127.0.0.1", viewer.server_address[1], timeout=60)
    path = page if page.startswith(("/", "*")) else urlsplit(viewer.address).path + page
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.body = answer.read().decode()
    connection.close()
    return answer


@pytest.fixture(scope="module")
def smoke(finished):
    viewer = serve(finished / "results" / "studies" / "smoke")
    yield viewer
    viewer.shutdown()
    viewer.server_close()


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A viewer of responses that try to break it, under problems whose names do."""
    root = tmp_path_factory.mktemp("attacked")
    here = Path.cwd()
    os.chdir(root)
    try:
        layout = groups.opened(str(write(root, recorded_study(root) | {"results": str(root / "results")})))
    finally:
        os.chdir(here)
    records, _ = hostile.records(0)
    cell = Cell("b", "p")
    part = groups.groups(layout, cell)[Group(*cell, "samples")].parts[0]
    texts = [row["response"].encode("utf-8", "replace").decode() for row in records]
    ids = {"problem_id": [row["problem_id"] for row in records], "sample": [row["sample"] for row in records]}
    steps = [text.split("\n\n") for text in texts]
    keep(part.responses, **ids, response=texts, steps=steps, finish=["eos"] * len(texts))
    for path in part.grades.values():
        answers = [text[-200:] for text in texts]
        keep(path, **ids, correct=[False] * len(texts), status=["graded"] * len(texts), answer=answers)
    problems = {name: ["<script>window.ran=1</script>"] * 2 for name in ("problem", "answer", "level", "subject")}
    keep(groups.problems(layout, "b"), problem_id=list(hostile.IDS), **problems)
    viewer = server.Viewer(site.Site(layout), 0, "t" * 32)
    threading.Thread(target=viewer.serve_forever, daemon=True).start()
    yield viewer, records
    viewer.shutdown()
    viewer.server_close()


TOKEN = "/" + "t" * 32 + "/"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", TOKEN, {"Host": "evil.example"}, 421),
        ("GET", TOKEN, {"Host": "127.0.0.1.evil.example:80"}, 421),
        ("GET", TOKEN, {"Host": "localhost:9999"}, 200),  # through a tunnel
        ("GET", TOKEN, {"Host": "[::1]:9999"}, 200),
        ("GET", "/", {}, 403),
        ("GET", "/" + "T" * 32 + "/", {}, 403),
        ("GET", "/" + "t" * 31 + "/", {}, 403),
        ("GET", "/%74" + "t" * 31 + "/", {}, 403),
        ("GET", TOKEN.rstrip("/"), {}, 404),
        *((method, TOKEN, {}, 405) for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "HEAD")),
        ("GET", TOKEN + "../../../../etc/passwd", {}, 404),
        ("GET", TOKEN + "..%2f..%2f..%2fetc%2fpasswd", {}, 404),
        ("GET", TOKEN + "%2e%2e/view.css", {}, 404),
        ("GET", TOKEN + "/etc/passwd", {}, 404),
        ("GET", TOKEN + "base.html.j2", {}, 404),
        ("GET", TOKEN + "view.css", {}, 200),
        ("GET", TOKEN + "live%00", {}, 404),
        ("GET", TOKEN + "responses?benchmark=../..&policy=/etc/passwd", {}, 404),
        ("GET", TOKEN + "responses?benchmark=b&policy=p&problem=none", {}, 404),
        ("GET", TOKEN + "responses?benchmark=b&policy=p&pool=cot", {}, 404),
        ("GET", TOKEN + "responses?benchmark=b&policy=p&pool=beam_search&n=1e9", {}, 404),
        ("GET", TOKEN + "responses?benchmark=b&policy=p&page=-1&sort=x&show=y&score=z", {}, 200),
        ("GET", TOKEN + "responses?benchmark=b&policy=p&page=" + "9" * 3000, {}, 200),
        ("GET", TOKEN + "responses?" + "&".join(f"a{i}=1" for i in range(400)), {}, 404),
        ("GET", TOKEN + "response?benchmark=b&policy=p&problem=%FF%FE&sample=%D9%A3", {}, 404),
        ("GET", TOKEN + "x" * 100_000, {}, 414),
        ("GET", TOKEN + "x" * 10_000, {}, 403),
    ],
)
def test_a_request_gets_what_it_may_and_nothing_else(attacked, method, path, headers, status):
    viewer, _ = attacked
    answer = ask(viewer, path, method, **headers)
    assert answer.status == status
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Referrer-Policy"] == "no-referrer"
    assert "root:" not in answer.body and "Traceback" not in answer.body
    if status == 403:
        assert "t" * 32 not in answer.body


def test_it_listens_on_the_loopback_alone_and_survives_clients_that_say_nothing_or_nonsense(attacked):
    viewer, _ = attacked
    assert viewer.server_address[0] == "127.0.0.1"
    silent = [socket.create_connection(viewer.server_address) for _ in range(20)]
    for nonsense in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        with socket.create_connection(viewer.server_address) as client:
            client.sendall(nonsense)
            client.settimeout(20)
            assert b"ttstudy view" not in client.recv(9999)
    assert ask(viewer, "").status == 200
    for client in silent:
        client.close()


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.given: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.add(tag)
        self.given |= {name for name, _ in attributes}


def test_hostile_text_is_shown_escaped_and_bounded_on_every_page(attacked):
    viewer, records = attacked
    pool = {"benchmark": "b", "policy": "p"}
    asked = ["responses?" + urlencode(pool), "problems?" + urlencode(pool)]
    asked += ["responses?" + urlencode(pool | {"problem": problem, "words": "</script>"}) for problem in hostile.IDS]
    keys = [{"problem": row["problem_id"], "sample": row["sample"]} for row in records]
    asked += ["response?" + urlencode(pool | key) for key in keys]
    allowed = None
    for page in asked:
        answer = ask(viewer, page)
        assert answer.status == 200 and len(answer.body) < 3_000_000, page
        tags = Tags(answer.body)
        assert not {name for name in tags.given if name.startswith("on") or name in ("style", "srcdoc")}
        assert not tags.found & {"img", "svg", "math", "iframe", "object", "style", "textarea", "b onclick"}
        assert len(re.findall("<script", answer.body)) == 1
        allowed = tags.found if allowed is None else allowed
    assert "&lt;script&gt;window." in ask(viewer, asked[0]).body


def test_counts_and_texts_on_the_pages_are_those_of_the_tables(smoke, finished):
    layout = groups.opened(str(finished / "results" / "studies" / "smoke"))
    cell = Cell("sums", "smoke-40k")
    whole = ask(smoke, "").body
    for group, files in groups.groups(layout, cell).items():
        size = sum(rows.count(part.responses) or 0 for part in files.parts)
        assert f'<td class="n">{size}</td>' in whole and group.words in whole
    files = groups.groups(layout, cell)[Group(*cell, "samples")]
    graded = pq.read_table(files.parts[0].grades["strict"]).to_pandas()
    listed = ask(smoke, "problems?benchmark=sums&policy=smoke-40k&sort=most").body
    for problem, part in graded.groupby("problem_id"):
        assert f">{problem}</a>" in listed and f"{part['correct'].sum()} of {len(part)}" in listed
    wrong = ask(smoke, "responses?benchmark=sums&policy=smoke-40k&show=wrong").body
    assert f"{(~graded['correct']).sum()} responses" in wrong
    texts = pq.read_table(files.parts[0].responses).to_pandas().set_index(["problem_id", "sample"])
    scores = pq.read_table(files.parts[0].scores["smoke-good"]).to_pandas().set_index(["problem_id", "sample"])
    for problem, sample in (("test-00003", 4), ("test-00015", 7)):
        key = f"problem={problem}&sample={sample}"
        page = ask(smoke, f"response?benchmark=sums&policy=smoke-40k&prm=smoke-good&{key}").body
        given = scores.loc[(problem, sample), "step_scores"]
        for step, score in zip(texts.loc[(problem, sample), "steps"], given, strict=True):
            assert step.replace("'", "&#39;") in page and f">{score:.2f}</span>" in page
    assert "sandbox" in ask(smoke, "report").headers["Content-Security-Policy"]


@needs_chromium
def test_a_reader_finds_a_wrong_response_by_its_words_goes_on_by_keys_and_sees_its_tree(smoke):
    with Browser() as browser:
        browser.open(smoke.address)
        browser.js("[...document.querySelectorAll('a')].find(a => a.textContent.startsWith('problems')).click()")
        browser.until("document.title.startsWith('All problems') && document.readyState == 'complete'")
        browser.js("document.querySelector('select[name=show]').value = 'misled'")
        browser.js("document.querySelector('select[name=show]').dispatchEvent(new Event('change'))")
        browser.until("location.search.includes('show=misled') && document.readyState == 'complete'")
        assert "a right one was there" in browser.js("document.body.innerText")
        browser.open(smoke.address + "responses?benchmark=sums&policy=smoke-40k&show=wrong&words=BOXED&sort=best")
        browser.js("document.querySelector('article a').click()")
        browser.until("document.title.startsWith('Response') && document.readyState == 'complete'")
        first = browser.js("location.search")
        press(browser, "ArrowRight")
        browser.until(f"location.search != {first!r} && document.readyState == 'complete'")
        assert "2 of" in browser.js("document.querySelector('.pager').innerText")
        press(browser, "ArrowLeft")
        browser.until(f"location.search == {first!r} && document.readyState == 'complete'")
        press(browser, "u")
        browser.until("document.title.startsWith('All responses') && document.readyState == 'complete'")
        press(browser, "/")
        browser.until("document.activeElement.name == 'words'")
        searched = "pool=beam_search&prm=smoke-good&n=8&problem=test-00003"
        browser.open(smoke.address + f"responses?benchmark=sums&policy=smoke-40k&{searched}")
        browser.js("[...document.querySelectorAll('a')].find(a => a.textContent == 'Search tree').click()")
        browser.until("document.querySelectorAll('.tree li').length > 4")
        assert browser.problems == []
        assert {urlsplit(address).netloc for address in browser.requests} == {urlsplit(smoke.address).netloc}


def press(browser: Browser, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        text = {"text": key} if len(key) == 1 and kind == "keyDown" else {}
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, **text)


PAGES = (
    "",
    "problems?benchmark=sums&policy=smoke-40k",
    "responses?benchmark=sums&policy=smoke-40k&show=wrong&sort=best",
    "response?benchmark=sums&policy=smoke-40k&problem=test-00003&sample=4",
    "tree?benchmark=sums&policy=smoke-40k&pool=dvts&prm=smoke-good&n=8&problem=test-00003&node=7",
    "nothing",
)


@needs_chromium
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed (npm ci --prefix tests/axe)")
def test_every_page_fits_a_phone_and_axe_finds_nothing_on_it(smoke):
    with Browser(390, 844) as browser:
        for page in PAGES:
            browser.media("dark")
            browser.open(smoke.address + page)
            assert browser.js("document.documentElement.scrollWidth") <= 390, page
            browser.call("Runtime.evaluate", expression=AXE.read_text(encoding="utf-8"))
            assert violations(browser) == [], page
            browser.media("light")
            assert violations(browser, "color-contrast") == [], page


@needs_chromium
def test_nothing_hostile_runs_in_the_viewer(attacked):
    viewer, records = attacked
    pool = {"benchmark": "b", "policy": "p"}
    with Browser() as browser:
        for row in [row for row in records if hostile.MARK in row["response"]]:
            asked = pool | {"problem": row["problem_id"], "sample": row["sample"]}
            browser.open(viewer.address + "response?" + urlencode(asked))
            assert browser.js(f"typeof window.{hostile.MARK} + typeof window.ran") == "undefinedundefined"
        assert browser.problems == []
        assert {urlsplit(address).netloc for address in browser.requests} == {urlsplit(viewer.address).netloc}


def test_the_command_prints_an_address_that_answers_and_ends_with_ctrl_c(finished, tmp_path):
    command = [sys.executable, "-m", "ttstudy.run.command", "view", str(finished / "results" / "studies" / "smoke")]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "workflow")}
    # a test run in the background ignores Ctrl-C, and so would what it starts
    code = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", code, *command]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    try:
        address = run.stdout.readline().split()[-1]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        connection.request("GET", urlsplit(address).path)
        assert connection.getresponse().status == 200
        kept = tmp_path / "ttstudy" / "view.token"
        assert kept.read_text() in address and not kept.stat().st_mode & 0o077
    finally:
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(120) == 0


def test_what_is_no_study_is_told_in_one_sentence(tmp_path):
    run = subprocess.run([sys.executable, str(ROOT / "scripts/view.py"), str(tmp_path)], capture_output=True, text=True,
                         env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")})  # fmt: skip
    assert run.returncode == 1 and "name a study's file, or its folder in results" in run.stderr
    assert "Traceback" not in run.stderr
