"""How numbers and tables of the report are written: text for readers, the exact value for sorting and CSV."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import Any

import pandas as pd

MISSING = "–"
LAZY_AFTER = 200
"""Rows of a table beyond this many are packed, and unpacked when the reader asks for them."""
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def si(value: float, digits: int = 3, units: Sequence[str] = ("", "k", "M", "B", "T")) -> str:
    """Short number with a suffix: 20416 -> `20.4k`."""
    step = 0
    while abs(value) >= 999.5 and step + 1 < len(units):
        value, step = value / 1000, step + 1
    return f"{value:.{digits}g}{units[step]}"


def exponent(value: float) -> str:
    """Three digits and a power of ten: 1.23×10⁹; plain below 100 000."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if 0.001 <= abs(value) < 1e5:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    digits, power = f"{value:.2e}".split("e")
    return f"{digits}×10{str(int(power)).translate(_SUPERSCRIPT)}"


def _signed(value: float) -> str:
    text = f"{100 * value:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


FORMATS: dict[str, Callable[[float], str]] = {
    "count": lambda v: f"{v:,.0f}",
    "plain": lambda v: f"{v:.0f}",
    "percent": lambda v: f"{100 * v:.1f}",
    "points": _signed,
    "span": lambda v: f"{100 * v:.1f}",
    "gain": _signed,
    "number": lambda v: f"{v:.4g}".replace("-", "−") if "e" not in f"{v:.4g}" else exponent(v),
    "amount": lambda v: f"{v:,.0f}" if v >= 99.5 else f"{v:.3g}",
    "auc": lambda v: f"{v:.3f}",
    "size": lambda v: si(v) if v else "0",
    "exponent": exponent,
    "ratio": lambda v: f"{v:.3g}×" if v < 1000 else f"{v:,.0f}×",
    "bytes": lambda v: f"{v / 2**20:,.0f} MiB",
    "seconds": lambda v: f"{v:,.1f}",
    "p": lambda v: f"{v:.3f}" if v >= 0.001 else "<0.001",
}
"""Text of a number by kind; shares are shown in percent and their differences in points."""


@dataclass(frozen=True)
class Column:
    """One column: name in the data, heading, and how it is written (`text`, `flag`, or a key of FORMATS)."""

    name: str
    label: str
    kind: str = "text"
    facet: bool = False


@dataclass(frozen=True)
class Cell:
    """What a reader sees and the exact value behind it (None where the text is the value)."""

    text: str
    value: str | None = None
    kind: str = "text"


def cell(value: Any, kind: str) -> Cell:
    """One formatted value; missing ones are a dash with an empty value."""
    if isinstance(value, list | tuple) or (hasattr(value, "tolist") and not hasattr(value, "is_integer")):
        value = json.dumps(list(value), ensure_ascii=False)
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return Cell(MISSING, "", kind)
    if kind == "text":
        return Cell(str(value))
    if kind == "flag":
        return Cell("yes" if value else "no", "1" if value else "0", kind)
    number = float(value)
    if not math.isfinite(number):
        return Cell("∞" if number > 0 else "−∞", str(number), kind)
    exact = str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return Cell(FORMATS[kind](number), exact, kind)


def _key(columns: Sequence[Column]) -> frozenset[str]:
    """Names of the columns that no reader may miss: bounds, what they bound, and p values."""
    found = {column.name for column in columns if re.fullmatch(r"(.+_)?(low|high)|p|p_holm", column.name)}
    bounded = (one.name for one, after in pairwise(columns) if after.name.endswith("low") and one.name not in found)
    return frozenset(found | set(bounded))


def _ordered(columns: Sequence[Column]) -> list[Column]:
    """What names a row first, then what no reader may miss, then the rest: so that no scrolling hides these."""
    key = _key(columns)
    names = list(takewhile(lambda column: column.kind in ("text", "plain") and column.name not in key, columns))
    rest = [column for column in columns if column not in names]
    return [*names, *(c for c in rest if c.name in key), *(c for c in rest if c.name not in key)]


@dataclass(frozen=True)
class Table:
    """A table of the report. `frame` holds at least the columns named; they stand in the order of `_ordered`."""

    key: str
    caption: str
    columns: Sequence[Column]
    frame: pd.DataFrame = field(repr=False)
    folded: bool = False
    """Shown behind a disclosure, as the data of a figure is."""
    note: str = ""

    def __post_init__(self) -> None:
        """Bring the columns into order."""
        object.__setattr__(self, "columns", _ordered(self.columns))

    @property
    def key_columns(self) -> frozenset[str]:
        """Names of the columns that are in sight before any scrolling, on a screen of 1440 pixels."""
        return _key(self.columns)

    @property
    def rows(self) -> list[list[Cell]]:
        """Rows written into the page."""
        return self._cells(self.frame.iloc[:LAZY_AFTER])

    @property
    def rest(self) -> str | None:
        """The other rows as packed JSON, each cell a text or [text, value]; None where there are no more."""
        if len(self.frame) <= LAZY_AFTER:
            return None
        rows = self._cells(self.frame.iloc[LAZY_AFTER:])
        return pack([[c.text if c.value is None else [c.text, c.value] for c in row] for row in rows])

    def _cells(self, frame: pd.DataFrame) -> list[list[Cell]]:
        columns = [[cell(value, c.kind) for value in frame[c.name].tolist()] for c in self.columns]
        return [list(row) for row in zip(*columns, strict=True)]


def pack(content: Any) -> str:
    """JSON, deflated, in base64: what the page's script unpacks when it is needed."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return pack_bytes(text.encode("utf-8", "replace"))


def pack_bytes(content: bytes) -> str:
    """Bytes, deflated, in base64."""
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


_FORMULA = re.compile(r"^[\s\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
"""Also behind what is not seen, and in the full width of East Asian keyboards, which some spreadsheets take as well."""


def neutral(text: str) -> str:
    """Text that a spreadsheet shows instead of running: an apostrophe before anything like a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """A table as CSV (UTF-8, RFC 4180): lists as JSON, text neutralised, numbers exact."""
    frame = frame.copy()
    for column in frame.columns:
        values = frame[column]
        if pd.api.types.is_numeric_dtype(values):
            continue
        try:
            frame[column] = values.map({value: _csv_value(value) for value in values.unique()})
        except TypeError:
            frame[column] = [_csv_value(value) for value in values]
    return str(frame.to_csv(index=False, lineterminator="\r\n")).encode("utf-8", "replace")


def _csv_value(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple | dict):
        value = json.dumps(value, ensure_ascii=False)
    return neutral(value) if isinstance(value, str) else value
