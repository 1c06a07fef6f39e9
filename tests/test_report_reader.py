"""The report as a reader meets it: a page that answers, a short paper, an appendix that opens, in short sentences."""

from __future__ import annotations

import base64
import json
import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import report_world
from reading import LONGEST, Texts, sentences, too_long, words
from report_browser import Browser, find

from ttstudy import report
from ttstudy.analysis import claims
from ttstudy.kinds.methods import GREEDY, VOTED
from ttstudy.report import glossary
from ttstudy.report.sections import SECTIONS
from ttstudy.vocabulary import HEADLINE_TABLES

ROOT = Path(__file__).resolve().parents[1]
needs_chromium = pytest.mark.skipif(
    find() is None, reason="Chromium is not installed (or TTSTUDY_CHROMIUM does not name it)"
)
WAYS = ("best_of_n", "beam_search", "dvts")


def cut(world, methods, policies=None, without=()) -> dict:
    """What a study of these methods and policies alone would have made."""
    guided = bool({*methods} & {*WAYS})
    out = {}
    for name, frame in world.items():
        if name in HEADLINE_TABLES:
            continue
        frame = frame[:0] if name in without else frame
        if "method" in frame and name not in ("strategy", "optimism", "failures"):
            frame = frame[frame["method"].isin(methods)]
        if "prm" in frame and name != "predicted" and not guided:
            frame = frame[frame["prm"] == "none"]
        if "policy" in frame and policies:
            frame = frame[frame["policy"].isin([*policies, "all"])]
        if name == "training" and not guided:
            frame = frame[frame["kind"] == "policy"]
        out[name] = frame.reset_index(drop=True)
    return out | report_world.headlines(out)


@pytest.fixture(scope="session")
def world() -> dict:
    """As large as the miniature: five policies, four PRMs; the claims are those that its tables lead to."""
    made = report_world.world(problems=40, budgets=(4, 16, 64), explored=1)
    told = claims.verdicts({name: frame for name, frame in made.items() if name != "claims"}, primary=(45,))
    return made | {"claims": told}


@pytest.fixture(scope="session")
def context(world) -> dict:
    cells = world["accuracy"][["benchmark", "policy", "prm", "method", "budget"]].drop_duplicates()
    spent = ("seconds", "cpu_seconds", "gpu_seconds")
    took = ((row, dict.fromkeys(spent, 0.1 * row["budget"])) for row in cells.to_dict("records"))
    times = [row | seconds | {"hardware": "a box"} for row, seconds in took]
    config = "\n".join(f"key_{i}: {i}" for i in range(700))
    more = {"times": times, "config": config, "date": "2026-11-30", "command": "ttstudy run some.yaml", "pilot": 16}
    return report_world.CONTEXT | more


@pytest.fixture(scope="session")
def built(world, context, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("reader") / "report.html"
    report.build(world, context, path)
    return path


@pytest.fixture(scope="session")
def page(built) -> str:
    return built.read_text(encoding="utf-8")


def header(page: str) -> str:
    return page[page.index('<header id="answer"') : page.index("</header>")]


# -- one page that answers ---------------------------------------------------------------------------------------------


def test_the_first_page_is_a_sentence_five_numbers_a_figure_and_the_verdicts(page, world):
    first = header(page)
    (lead,) = re.findall(r'<p class="answer lead">(.*?)</p>', first, re.DOTALL)
    (lead,) = sentences(re.sub(r"<[^>]+>", "", lead))
    assert words(lead) <= LONGEST and "miniature" in lead
    assert first.count("<figure") == 1 and len(re.findall(r"<li><a [^>]*><b>", first)) == 5
    rows = re.findall(r'<tr class="v-.*?</tr>', first, re.DOTALL)
    told = world["claims"]
    tested = told[told["verdict"].ne("not run") & told["needs"].isna() & told["role"].ne("none")]
    shown = {int(re.search(r"#claim-(\d+)", row)[1]): re.sub(r"<[^>]+>", " ", row) for row in rows}
    assert {45} < set(shown) <= set(tested["claim"]) and next(iter(shown)) == 45  # the study's own question first
    for row in tested[tested["claim"].isin(shown)].itertuples():
        assert row.verdict in shown[row.claim]


def test_date_version_commit_and_command_stand_on_the_first_page(page):
    first = re.sub(r"<[^>]+>", "", header(page))
    version, commit = report_world.CONTEXT["versions"]["ttstudy"], report_world.CONTEXT["commit"]
    for text in ("2026-11-30", f"ttstudy {version}", f"commit {commit}", "ttstudy run some.yaml"):
        assert text in first


STUDIES = {
    "votes without a PRM": ((GREEDY, VOTED, "coverage"), None, ()),
    "one policy": ((GREEDY, VOTED, "coverage", *WAYS), ["mini-60k"], ()),
    "single answers alone": ((GREEDY,), None, ()),
    "recorded responses of unknown cost": ((GREEDY, VOTED, "coverage", "best_of_n"), None, ("ledger", "training")),
}
MORE = {
    "pilot": 0, "recorded": ["mini-60k"], "endpoints": ["mini-1200k"], "overflow": {"prm-good": "cut"},
    "charged": [{"policy": "mini-1200k", "jobs": 2, "unrecorded": 1, "input": 10, "output": 20, "price": 0.5,
                 "currency": "USD"}],
    "taken_in": [{"policy": "mini-60k", "form": "rows", "rows": 40, "left_out": 2, "unknown_ends": '{"odd": 3}',
                  "uneven": True, "skip_broken": True}],
}  # fmt: skip
"""What else a page may be told, so that it says it."""
SAID = {
    "votes without a PRM": (r"majority voting at N = 16 takes mini-\w+ from", "Accuracy against N"),
    "one policy": (r"test-time scaling \(TTS\) with prm-good takes mini-60k from", "Accuracy against compute"),
    "single answers alone": (r"mini-\w+, the best of 2 policies, gets [\d.]+\s% right with one", "One greedy"),
    "recorded responses of unknown cost": (r"scaling \(TTS\) with prm-good takes", "Accuracy against N"),
}


@pytest.mark.parametrize("kind", STUDIES)
def test_every_kind_of_study_has_a_sentence_and_a_figure_of_its_own_and_no_empty_table(kind, tmp_path):
    policies = {"mini-60k": 61_440, "mini-1200k": 1_203_200}
    prms = {"prm-good": report_world.PRMS["prm-good"]}
    whole = report_world.world(problems=24, policies=policies, prms=prms, budgets=(4, 16), explored=1)
    path = tmp_path / "report.html"
    report.build(cut(whole, *STUDIES[kind]), report_world.CONTEXT | {"order": {}} | MORE, path)
    page = path.read_text()
    lead, figure = SAID[kind]
    assert re.search(f"On miniature, .*{lead}", " ".join(re.sub(r"<[^>]+>", "", header(page)).split()))
    assert f"<figcaption>{figure}" in header(page)
    assert not re.findall(r"<tbody>\s*</tbody>", page) and too_long(page) == []
    assert 3 <= len(re.findall(r"<li><a [^>]*><b>", header(page))) <= 5


def test_sections_without_evidence_vanish_and_what_is_missing_is_told_in_one_place(world, tmp_path):
    few = cut(world, (GREEDY, VOTED), without=("training", "graders", "grader_accuracy", "grader_answers", "claims"))
    report.build(few, report_world.CONTEXT, tmp_path / "few.html")
    page = (tmp_path / "few.html").read_text()
    there = set(re.findall(r'<section id="([\w-]+)"', page))
    assert not there & {"small-large", "prms", "training", "graders", "claims"}
    told = unescape(page[page.index('<section id="absent"') :].split("</section>")[0])
    for key in ("small-large", "prms", "training", "graders"):
        assert SECTIONS[key].short in told and SECTIONS[key].absent in told


# -- words and sentences -----------------------------------------------------------------------------------------------


def test_no_sentence_of_the_page_is_longer_than_25_words(page):
    assert sum(len(sentences(text)) for text in Texts(page).found) > 500
    assert too_long(page) == []
    assert too_long(f"<p>{'word ' * 26}</p>") and not too_long(f"<p>{'word ' * 25}</p>")


@pytest.mark.parametrize("path", sorted((ROOT / "reports/captions").glob("*.rst")), ids=lambda path: path.stem)
def test_no_sentence_of_a_caption_is_longer_than_25_words(path):
    assert too_long(path.read_text()) == []


def test_words_are_links_to_one_text_each_and_names_are_no_words(page):
    keys = [word.key for word in glossary.WORDS]
    assert len(keys) == len(set(keys))
    used = set(re.findall(r'<a class="word" href="#([\w-]+)" aria-describedby="\1-is">', page))
    assert {"word-policy", "word-prm", "word-tts", "word-flops", "word-holm-corrected"} <= used <= set(keys)
    assert all(f'<dt id="{key}">' in page and f'<dd id="{key}-is">' in page for key in keys)
    text = "prm-good is a PRM of PRM-Vote, PRMs too; the policy's N, N and M, and Pass@1."
    pieces = glossary.explained(text)
    assert [piece for piece, word in pieces if word] == ["PRM", "PRM-Vote", "policy", "N", "M", "Pass@1"]
    assert "".join(piece for piece, _ in pieces) == text


# -- figures -----------------------------------------------------------------------------------------------------------


def test_points_of_a_figure_tell_the_values_that_were_drawn(page, world):
    figure = page[page.index('<figure id="figure-headline-0"') :].split("</figure>")[0]
    told = [found for found in re.findall(r"<circle[^>]*><title>(.*?)</title>", figure)]
    points = world["frontier"].query("guide == 'prm-good'")
    assert len(told) == len(points) > 10
    said = [(text.split(": ")[0], *map(float, re.findall(r"([\d.]+)\s%", text))) for text in told]
    for row in points.itertuples():
        name = "one greedy answer" if row.kind == "cot" else f"{row.policy} with TTS"
        wanted = np.array([row.accuracy, row.low, row.high]) * 100
        assert any(text[0] == name and np.allclose(text[1:], wanted, atol=0.0501) for text in said), row
    gains = page[page.index('<figure id="figure-gains-0"') :].split("</figure>")[0]
    for policy in report_world.POLICIES:  # where an axis has names, the nearest
        assert len(re.findall(rf"<title>[^<]*, {policy} \(", gains)) == 3


@needs_chromium
def test_figures_are_saved_words_explained_and_the_configuration_kept(built, world):
    with Browser() as browser:
        browser.open(built)
        browser.js(
            "window.saved = []; const url = URL.createObjectURL.bind(URL); URL.createObjectURL = (blob) => "
            "{ window.saved.push(blob); return url(blob); }; HTMLAnchorElement.prototype.click = () => {};"
        )
        tools = "document.querySelectorAll('[data-figure=headline-0] button')"
        assert browser.js(f"[...{tools}].map((b) => b.textContent)") == ["SVG", "PNG", "CSV"]
        kinds = []
        for button, count in ((0, 1), (1, 3), (2, 4)):  # a PNG is drawn from an SVG
            browser.js(f"{tools}[{button}].click()")
            browser.until(f"window.saved.length === {count}")
            kinds.append(browser.js(f"window.saved[{count - 1}].type"))
        assert kinds == ["image/svg+xml", "image/png", "text/csv"]
        svg = ElementTree.fromstring(browser.js("window.saved[0].text()"))
        assert svg.tag == "{http://www.w3.org/2000/svg}svg" and len(list(svg)) > 3
        assert browser.js("window.saved[2].size") > 20_000
        rows = world["frontier"].query("guide == 'prm-good'")
        assert len(browser.js("window.saved[3].text()").splitlines()) == len(rows) + 1
        browser.js("document.querySelector('#answer a.word').focus()")
        browser.until("!document.querySelector('.tip').hidden")
        assert browser.js("document.querySelector('.tip').textContent") in {word.about for word in glossary.WORDS}
        browser.js("document.querySelector('[data-config] button').click()")
        browser.until("window.saved.length === 5")
        assert "key_699: 699" in browser.js("window.saved[4].text()")
        assert browser.problems == [] and browser.requests[0] == built.as_uri()
        assert all(url.startswith("blob:") for url in browser.requests[1:])


# -- tables, paper, phone ----------------------------------------------------------------------------------------------

LOOK = """[...document.querySelectorAll('table.data')].map((table) => {
  const part = table.closest('.scroll'), heads = [...table.tHead.rows[0].cells];
  const end = (head) => head.getBoundingClientRect().right - part.getBoundingClientRect().left;
  const names = (some) => some.map((head) => head.dataset.name);
  const held = heads.filter((head) => getComputedStyle(head).left !== 'auto' && head.classList.contains('pinned'));
  const must = heads.filter((head) => 'must' in head.dataset);
  const room = part.clientWidth - Math.max(0, ...held.map(end));
  return {
    key: table.dataset.key, wide: table.scrollWidth > part.clientWidth + 1, held: names(held),
    first: heads[0].dataset.name, room: room / part.clientWidth,
    hidden: names(must.filter((head) => end(head) > part.clientWidth + 1)),
    unfit: names(must.filter((head) => head.getBoundingClientRect().width > room)),
  };
})"""
ALL = """document.querySelectorAll('details').forEach((part) => (part.open = true));
document.querySelectorAll('main > section').forEach((part) => (part.style.contentVisibility = 'visible'))"""
PINNED = """document.querySelectorAll('table.data').length
=== document.querySelectorAll('table.data th.pinned:first-child').length"""


@needs_chromium
@pytest.mark.parametrize("width", [1440, 390])
def test_no_table_hides_an_interval_or_a_p_value(built, width):
    with Browser(width, 1000) as browser:
        browser.open(built)
        browser.js(ALL)
        browser.until(PINNED)
        found = {table["key"]: table for table in browser.js(LOOK)}
        assert browser.js("document.documentElement.scrollWidth") <= width
    assert len(found) > 25 and any(table["wide"] for table in found.values())
    for key, table in found.items():
        assert table["held"][0] == table["first"] and table["room"] >= 0.45, (key, table)
        assert (table["hidden"] if width == 1440 else table["unfit"]) == [], (key, table)


def printed(browser: Browser) -> int:
    """Sheets of A4 that the page prints on."""
    pdf = browser.call("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69)
    return len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(pdf["data"])))


@needs_chromium
def test_answer_and_paper_print_on_few_sheets_and_the_appendix_where_it_was_opened(built):
    with Browser() as browser:
        browser.open(built)
        whole = printed(browser)
        seen = "(key) => document.getElementById(key).getBoundingClientRect().height"
        browser.media("light", "print")
        browser.size(718, 1047)  # A4 within its margins
        parts = ("answer", "limits", "training", "config")
        heights = {key: browser.js(f"({seen})({json.dumps(key)})") for key in parts}
        browser.media()
        browser.size(1440, 1000)
        browser.js("location.hash = '#training'")
        browser.until("document.querySelector('#training > details').open")
        opened = printed(browser)
    assert 3 <= whole <= 13 and whole <= opened <= whole + 2  # the answer's, and twelve of the paper
    assert heights["answer"] <= 1047 and heights["limits"] > 0 == heights["training"] == heights["config"]
