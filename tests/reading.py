"""What a reader meets on a page: its sentences, as text that stands together, and how long each is."""

from __future__ import annotations

import re
from html.parser import HTMLParser

LONGEST = 25
"""Words of a sentence."""
INLINE = {"a", "b", "code", "span", "strong", "small", "i", "em"}
UNREAD = {"script", "style", "pre", "svg"}
NO_SENTENCES = {"summary"}
"""Of lists of columns, among others."""


class Texts(HTMLParser):
    """Texts of a page that stand together: a paragraph, a cell, an entry."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = [""]
        self._unread = 0
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self._unread += tag in UNREAD
        if tag not in INLINE:
            self.found.append("")

    def handle_endtag(self, tag):
        self._unread -= tag in UNREAD
        if tag not in INLINE:
            self.found.append("")

    def handle_data(self, data):
        if not self._unread:
            self.found[-1] += data


def sentences(text: str) -> list[str]:
    """A text's sentences."""
    return [s for s in re.split(r"(?<=[.?!])\s+(?=[A-Z0-9“(`])", " ".join(text.split())) if s]


def words(sentence: str) -> int:
    """Words and numbers of a sentence; signs alone are none."""
    return sum(bool(re.search(r"\w", word)) for word in sentence.split(" "))


def too_long(html: str) -> list[str]:
    """Sentences of a page, or of a plain text, that are longer than a reader takes in at once."""
    columns = re.compile(r"\w+(, \w+){9,}")  # the names of a table's columns are no sentence
    each = (sentence for text in Texts(html).found for sentence in sentences(text))
    return [f"{words(s)}: {s}" for s in dict.fromkeys(each) if words(s) > LONGEST and not columns.fullmatch(s)]
