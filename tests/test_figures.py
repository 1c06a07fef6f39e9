"""Figures: points where the numbers say, safe and small SVG, readable in both themes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from ttstudy.kinds.methods import BUDGETED
from ttstudy.report import headline as top
from ttstudy.report.figures import parts, style


@pytest.fixture(scope="module")
def points() -> pd.DataFrame:
    rows = [
        ("b", "small", "cot", 1e6, 0.2, False, 1), ("b", "large", "cot", 1e8, 0.6, True, 1),
        ("b", "small", "tts", 1e7, 0.5, True, 4), ("b", "small", "tts", 1e9, 0.7, True, 16),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["benchmark", "policy", "kind", "flops", "accuracy", "pareto", "budget"])
    return frame.assign(low=frame["accuracy"] - 0.05, high=frame["accuracy"] + 0.05, method="best_of_n", prm="p")


@pytest.fixture(scope="module")
def headline(points) -> style.Figure:
    return top.draw(points, "b", ["small", "large"], "key")


def test_points_stand_where_their_numbers_say(headline, points):
    root = ElementTree.fromstring(headline.svg)
    # error bars are the only paths of two points with equal x; one per point, from low to high
    bars = []
    for path in root.iter("path"):
        numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", path.get("d", ""))]
        if len(numbers) == 4 and numbers[0] == numbers[2] and path.get("stroke") not in (style.GRID, style.MUTED):
            if path.get("fill") == "none":
                bars.append((numbers[0], (numbers[1] + numbers[3]) / 2, abs(numbers[1] - numbers[3])))
    assert len(bars) == len(points)
    drawn = np.array(sorted(bars))
    wanted = points.sort_values("flops")
    for column, values in ((0, np.log10(wanted["flops"])), (1, wanted["accuracy"])):
        slope, offset = np.polyfit(values, drawn[:, column], 1)
        assert np.abs(slope * values + offset - drawn[:, column]).max() < 0.2
    height = np.polyfit(wanted["accuracy"], drawn[:, 1], 1)[0]
    assert drawn[:, 2] == pytest.approx(0.1 * abs(height), abs=0.3)


def test_svg_has_a_name_no_style_no_script_and_the_same_bytes_twice(headline, points):
    root = ElementTree.fromstring(headline.svg)
    assert root.get("role") == "img" and root.find("title").text == headline.title
    assert root.find("desc").text == headline.description
    for node in root.iter():
        assert node.tag not in ("style", "script", "metadata", "foreignObject")
        assert not {"style", "onload", "{http://www.w3.org/1999/xlink}href"} & set(node.attrib)
        assert all(value.startswith("#key-") for name, value in node.attrib.items() if name == "href")
    used = set(re.findall(r"url\(#([^)]+)\)", headline.svg)) | set(re.findall(r'href="#([^"]+)"', headline.svg))
    ids = re.findall(r' id="([^"]+)"', headline.svg)
    assert used <= set(ids) and len(ids) == len(set(ids))
    assert top.draw(points, "b", ["small", "large"], "key").svg == headline.svg
    assert len(headline.svg) < 30_000
    assert ElementTree.fromstring(headline.standalone).tag == "{http://www.w3.org/2000/svg}svg"


def test_hostile_names_are_drawn_as_text(points):
    name = "<script>x</script> $\\frac{1}{0}$ \x07&"
    frame = points.replace({"policy": {"small": name}})
    figure = top.draw(frame, "b", [name, "large"], "key")
    root = ElementTree.fromstring(figure.svg)
    assert not list(root.iter("script"))
    text = " ".join("".join(node.itertext()) for node in root.iter("text"))
    assert "<script>x</script>" in text and "\\frac{1}{0}" in text


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_lines_and_their_labels_have_contrast_in_both_themes():
    for colour in {*(look.colour for name, look in style.LOOKS.items() if name != "coverage"), *style.SIZE}:
        assert contrast(colour, "#ffffff") >= 4.0, colour
        assert contrast(style.DARK[colour], "#161b21") >= 4.5, colour


def test_methods_differ_in_marker_and_dash_not_by_colour_alone():
    shown = [style.LOOKS[name] for name in BUDGETED]
    assert len({look.marker for look in shown}) == len({str(look.dash) for look in shown}) == len(shown) >= 4


def test_labels_beside_lines_keep_their_order_and_distance():
    placed = parts.spread([0.5, 0.51, 0.1, 0.52], 0.05)
    assert np.argsort(placed).tolist() == np.argsort([0.5, 0.51, 0.1, 0.52]).tolist()
    assert np.diff(sorted(placed)).min() >= 0.05 - 1e-12
    assert placed[2] == 0.1 and np.mean([placed[i] for i in (0, 1, 3)]) == pytest.approx(0.51)
