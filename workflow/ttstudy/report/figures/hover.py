"""Values of drawn points and bars, as shapes over a figure that a pointer finds and whose title tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ttstudy.report.cells import si

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Canvas

MOST = 1000
"""Points of one figure that tell their values; one that has more tells none."""
REACH = "7"
"""Radius of a point's shape, in units of the SVG."""


class Target(NamedTuple):
    """An SVG shape with its attributes, and what it tells."""

    shape: str
    attributes: dict[str, str]
    text: str


def targets(figure: Canvas) -> list[Target]:
    """Shapes for all points and bars of a figure that was drawn, in the SVG's coordinates."""
    scale = 72 / figure.dpi
    height = figure.bbox.height * scale
    found = [target for axes in figure.axes for target in (*_points(axes, scale, height), *_bars(axes, scale, height))]
    return found if len(found) <= MOST else []


def _points(axes: Axes, scale: float, height: float) -> Iterator[Target]:
    """Every marked point of a line, with its error bar where it has one."""
    from matplotlib.container import ErrorbarContainer

    held = {c.lines[0]: c for c in axes.containers if isinstance(c, ErrorbarContainer)}
    for line in axes.lines:
        if line.get_marker() in ("None", "none", "", " ", None, "|", "_"):
            continue
        name = _name(held[line].get_label() if line in held else line.get_label())
        spans = _spans(held.get(line))
        for i, (x, y) in enumerate(zip(line.get_xdata(), line.get_ydata(), strict=True)):
            place = axes.transData.transform((x, y)) * scale
            if not _inside(axes, place / scale):
                continue
            value = _pair(_value(axes.xaxis, x), _value(axes.yaxis, y)) + _ends(axes, spans, i)
            told = [axes.get_title(), name, value]
            where = {"cx": f"{place[0]:.1f}", "cy": f"{height - place[1]:.1f}", "r": REACH}
            yield Target("circle", where, _text(told))


def _bars(axes: Axes, scale: float, height: float) -> Iterator[Target]:
    from matplotlib.container import BarContainer

    for container in axes.containers:
        if not isinstance(container, BarContainer):
            continue
        flat = container.orientation == "horizontal"
        for bar in container.patches:
            size, middle = (bar.get_width(), bar.get_y() + bar.get_height() / 2) if flat else (
                bar.get_height(), bar.get_x() + bar.get_width() / 2
            )  # fmt: skip
            box = bar.get_window_extent()
            if not size or not _inside(axes, ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)):
                continue
            across, along = (axes.yaxis, axes.xaxis) if flat else (axes.xaxis, axes.yaxis)
            told = [axes.get_title(), _name(container.get_label()), _pair(_value(across, middle), _value(along, size))]
            where = {"x": box.x0, "y": height / scale - box.y1, "width": box.width, "height": box.height}
            yield Target("rect", {name: f"{value * scale:.1f}" for name, value in where.items()}, _text(told))


def _inside(axes: Axes, place: Any) -> bool:
    box = axes.bbox
    return bool(box.x0 - 1 <= place[0] <= box.x1 + 1 and box.y0 - 1 <= place[1] <= box.y1 + 1)


def _name(label: object) -> str:
    """A line's name; one that begins with an underscore is in no legend."""
    text = str(label)
    return "" if text.startswith(("_child", "_nolegend", "_container")) else text.removeprefix("_")


def _text(parts: list[str]) -> str:
    text = ": ".join(" ".join(part.split()) for part in parts if part)
    return "".join(c for c in text if c.isprintable()).replace("\\$", "$")


def _pair(*values: str) -> str:
    return ", ".join(filter(None, values))


def _spans(held: Any) -> tuple[bool, list[Any]]:
    """Whether error bars lie along x, and their segments."""
    if held is None or not held.lines[2]:
        return False, []
    return bool(held.has_xerr), list(held.lines[2][0].get_segments())


def _ends(axes: Axes, spans: tuple[bool, list[Any]], i: int) -> str:
    """The ends of a point's error bar."""
    along_x, segments = spans
    if i >= len(segments) or len(segments[i]) < 2:
        return ""
    axis, part = (axes.xaxis, 0) if along_x else (axes.yaxis, 1)
    return f" ({_value(axis, segments[i][0][part])} to {_value(axis, segments[i][-1][part])})"


def _value(axis: Axis, value: float) -> str:
    """A coordinate as its axis writes it, but exactly enough to be read."""
    from matplotlib.ticker import EngFormatter, FixedLocator, PercentFormatter, ScalarFormatter

    form = axis.get_major_formatter()
    if exact := getattr(form, "exact", None):
        return str(exact(value))
    if isinstance(form, PercentFormatter):
        return f"{100 * value:.1f}\u00a0%"
    if isinstance(axis.get_major_locator(), FixedLocator):  # places with names
        return str(form(min(axis.get_majorticklocs(), key=lambda place: abs(place - value)), 0))
    if isinstance(form, EngFormatter):
        return si(float(value), units=("", " k", " M", " G", " T", " P", " E"))
    if isinstance(form, ScalarFormatter):
        return f"{value:.4g}"
    return str(form(value))
