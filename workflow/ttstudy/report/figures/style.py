"""How every figure looks, and how matplotlib's SVG becomes small, safe and theme-aware inline SVG.

Colours are plain attributes of the light theme; the report's style sheet replaces them by attribute selectors in
the dark theme. There are no `style` attributes and no `<style>` elements, which a strict Content-Security-Policy
would refuse.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pandas as pd

from ttstudy.dag import rehearsed
from ttstudy.kinds.methods import METHODS
from ttstudy.report.figures import hover

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

INK = "#101418"
"""Text and axes; written as `currentColor`."""
GRID = "#dfe3e8"
MUTED = "#6b7480"
NEUTRAL = "#c9ced6"
SHADE = "#6d7580"
"""Hatching over light cells, the same in both themes."""

BLUE, ORANGE, GREEN, GREY = "#0069b4", "#c2500a", "#00825c", "#8b929c"
"""Of what is no method."""

LOOKS = {name: method.look for name, method in METHODS.items()}
"""How each method looks, in the order in which they are shown."""
LEVEL = {"easy": ("#8fbfe0", ""), "medium": ("#f2c14e", "///"), "hard": ("#c46a5a", "xxx")}
SIZE = ("#7a3fa0", "#2f6db5", "#0c8577", "#8a7a00", "#c2500a", "#a81e4b", "#5b5f66", "#4a7c2c", "#8c564b", "#1f4e79")
"""Colours of policies from the smallest up; labels stand beside the lines, so colour only groups."""
SIZE_MARKERS = ("o", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h", "d", "s")
"""More marks than colours: policies that share a colour do not share a mark."""
PARTS = {
    "prompt": (GREY, "..."),
    "kept": (BLUE, ""),
    "discarded": ("#7fb6dc", "///"),
    "PRM": (ORANGE, "xxx"),
}

DARK = {
    GRID: "#2d343d",
    MUTED: "#98a2ae",
    NEUTRAL: "#3a424d",
    **{look.colour: look.dark for look in LOOKS.values()},
    GREY: "#8b95a1",
    BLUE: "#62b5f3",
    ORANGE: "#f59058",
    GREEN: "#3fc797",
    "#8fbfe0": "#3f7ba6",
    "#f2c14e": "#a98015",
    "#c46a5a": "#b0594a",
    "#7fb6dc": "#34698f",
    "#7a3fa0": "#c093e6",
    "#2f6db5": "#7db3f2",
    "#0c8577": "#45c4b4",
    "#8a7a00": "#d3c13b",
    "#a81e4b": "#f27a9d",
    "#5b5f66": "#b5bcc6",
    "#4a7c2c": "#93cc6e",
    "#8c564b": "#d19d90",
    "#1f4e79": "#86b6e4",
}
"""Dark-theme colour of each light one."""

RC = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ttstudy",
    "font.family": ["DejaVu Sans"],
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.frameon": False,
    "hatch.linewidth": 0.7,
    "hatch.color": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "path.simplify": True,
    "figure.autolayout": False,
}


@cache
def seaborn() -> ModuleType:
    """Seaborn, imported when the first figure is drawn, with this module's look."""
    import matplotlib

    matplotlib.use("svg")
    import seaborn

    seaborn.set_theme(context="paper", style="ticks", rc=RC)
    matplotlib.rcParams.update(RC)
    module: ModuleType = seaborn
    return module


@dataclass(frozen=True)
class Figure:
    """A drawn figure: inline SVG, its words, and the numbers that were drawn."""

    key: str
    title: str
    description: str
    svg: str
    data: pd.DataFrame

    @property
    def standalone(self) -> str:
        """The SVG as a file of its own."""
        return self.svg.replace("<svg ", f'<svg xmlns="{_SVG[1:-1]}" font-family="DejaVu Sans, sans-serif" ', 1) + "\n"


def canvas(width: float, height: float, layout: str | None = "constrained") -> Canvas:
    """Empty figure of a size in CSS pixels (one unit of the SVG each), without pyplot's global state."""
    seaborn()
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(width / 72, height / 72), layout=layout)


WIDE = 1000
"""Figures wider than this scroll sideways instead of shrinking to the page."""
_NUMBER = re.compile(r"-?\d+\.\d+")
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"(?:(?P<style>italic|oblique) )?(?:(?P<weight>bold|\d{3}) )?(?P<size>[\d.]+)px .*")


def render(figure: Canvas, key: str, title: str, description: str, data: pd.DataFrame) -> Figure:
    """The figure as inline SVG with an accessible name; the same figure gives the same text."""
    buffer = io.BytesIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    svg = clean(buffer.getvalue().decode(), key, title, description, hover.targets(figure))
    return Figure(key, title, description, svg, data)


def clean(svg: str, key: str, title: str, description: str, values: Sequence[hover.Target] = ()) -> str:
    """Matplotlib's SVG without style attributes, metadata, spare ids and digits; named for screen readers.

    `values` are shapes over it that tell what is drawn there.
    """
    root = ElementTree.fromstring(svg)
    width, height = (float(v) for v in root.get("viewBox", "0 0 1 1").split()[2:])
    used: set[str] = set()
    for node in root.iter():
        for name, value in node.attrib.items():
            used.update(_REFERENCE.findall(value))
            if name == _LINK:
                used.add(value.removeprefix("#"))
    _prune(root)
    for node in root.iter():
        node.tag = node.tag.removeprefix(_SVG)
        attributes = dict(node.attrib)
        node.attrib.clear()
        for declaration in attributes.pop("style", "").split(";"):
            name, _, value = declaration.partition(":")
            _declare(node, name.strip(), _REFERENCE.sub(rf"url(#{key}-\1)", value.strip()))
        for name, value in attributes.items():
            if name == "id":
                if value in used:
                    node.set("id", f"{key}-{value}")
            elif name == _LINK:
                node.set("href", f"#{key}-{value[1:]}")
            elif name == "transform" and value.startswith("rotate(-0 "):
                continue
            elif name in ("fill", "stroke"):
                _declare(node, name, value)
            else:
                value = _REFERENCE.sub(rf"url(#{key}-\1)", " ".join(value.split()))
                node.set(name, _NUMBER.sub(_short, value) if name in _ROUNDED else value)
        node.text = (node.text or "").strip("\n") if node.tag in ("text", "tspan") and not len(node) else None
        node.tail = None
    root.attrib = {
        "viewBox": f"0 0 {width:.0f} {height:.0f}",
        "width": f"{width:.0f}",
        "height": f"{height:.0f}",
        "class": "wide" if width > WIDE else "fits",
        "role": "img",
        "aria-labelledby": f"{key}-title",
        "aria-describedby": f"{key}-desc",
        "stroke-linejoin": "round",
    }
    if rehearsed.name():
        mark = {"x": "4", "y": f"{height - 4:.0f}", "font-size": "11", "font-weight": "bold", "fill": ORANGE}
        ElementTree.SubElement(root, "text", mark).text = f"{rehearsed.WORD}, no result"
    over = ElementTree.Element("g", {"class": "hover", "fill": "none", "pointer-events": "all"})
    if values:
        root.append(over)
    for value in values:
        shape = ElementTree.SubElement(over, value.shape, value.attributes)
        ElementTree.SubElement(shape, "title").text = value.text
    for tag, text in (("desc", description), ("title", rehearsed.marked(title))):
        element = ElementTree.Element(tag, {"id": f"{key}-{tag}"})
        element.text = "".join(c for c in text if c.isprintable())
        root.insert(0, element)
    return ElementTree.tostring(root, encoding="unicode")


_ROUNDED = ("d", "x", "y", "transform", "points", "width", "height")


def _short(match: re.Match[str]) -> str:
    text = f"{float(match[0]):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _prune(root: ElementTree.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            empty = child.tag == f"{_SVG}defs" and all(c.tag == f"{_SVG}style" for c in child)
            invisible = child.get("style", "").replace(" ", "") in ("fill:none", "fill:none;stroke:none")
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style") or empty or (invisible and child.tag == f"{_SVG}path"):
                parent.remove(child)
    for parent in list(root.iter())[::-1]:
        for child in list(parent):
            if child.tag == f"{_SVG}g" and not len(child):
                parent.remove(child)


def _declare(node: ElementTree.Element, name: str, value: str) -> None:
    """One CSS declaration as a presentation attribute."""
    if name == "font":
        match = _FONT.fullmatch(value)
        if match:
            node.set("font-size", match["size"])
            if match["weight"]:
                node.set("font-weight", match["weight"])
    elif name in ("fill", "stroke"):
        node.set(name, "currentColor" if value.lower() == INK else value.lower())
    elif name == "font-size":
        node.set(name, value.removesuffix("px"))
    elif name and name not in ("font-family", "font-style", "stroke-linejoin", "stroke-miterlimit"):
        node.set(name, _NUMBER.sub(_short, value) if name == "stroke-dasharray" else value)


def dark_rules() -> str:
    """CSS that turns the light colours of every figure into the dark ones; the caller adds the media query."""
    return "".join(
        f'svg [fill="{light}"]{{fill:{dark}}}svg [stroke="{light}"]{{stroke:{dark}}}' for light, dark in DARK.items()
    )
