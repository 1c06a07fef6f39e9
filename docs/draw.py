"""Draws each method as a small SVG in docs/pictures/: `python docs/draw.py`. A test holds them against this file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

FOLDER = Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 460, 230
INK, FAINT, KEPT, DROPPED, GOOD = "#37474f", "#90a4ae", "#1f6f8b", "#dfe6ea", "#2e7d32"


@dataclass
class Picture:
    """Shapes on a white card, and what they show in words."""

    title: str
    about: str
    shapes: list[str] = field(default_factory=list)
    top: int = 0
    height: int = HEIGHT
    """What of the card is shown, from the top."""

    def line(self, x1: float, y1: float, x2: float, y2: float, kept: bool = True) -> None:
        """From a step to the next."""
        dash = "" if kept else ' stroke-dasharray="3 3"'
        colour = KEPT if kept else FAINT
        self.shapes.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="2"{dash}/>'
        )

    def step(self, x: float, y: float, kept: bool = True, score: str = "") -> None:
        """A step, with its score beside it where a PRM gave one."""
        fill, edge = (KEPT, KEPT) if kept else (DROPPED, FAINT)
        self.shapes.append(f'<circle cx="{x:g}" cy="{y:g}" r="8" fill="{fill}" stroke="{edge}" stroke-width="1.5"/>')
        if score:
            self.text(x + 11, y - 9, score, size=11)

    def text(self, x: float, y: float, words: str, size: int = 13, colour: str = INK, anchor: str = "start") -> None:
        """Words that begin, end or stand in the middle at a place."""
        place = f'x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"'
        self.shapes.append(f"<text {place}>{escape(words)}</text>")

    def answer(self, x: float, y: float, words: str, right: bool = False) -> None:
        """An answer in a box."""
        edge = GOOD if right else FAINT
        place = f'x="{x:g}" y="{y - 12:g}" width="38" height="24" rx="4"'
        self.shapes.append(f'<rect {place} fill="#fff" stroke="{edge}" stroke-width="2"/>')
        self.text(x + 19, y + 5, words, anchor="middle")

    def svg(self) -> str:
        """The whole file."""
        body = "\n".join(self.shapes)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {self.top} {WIDTH} {self.height}" width="{WIDTH}" '
            f'height="{self.height}" role="img" aria-label={quoteattr(self.about)} font-family="sans-serif">\n'
            f"<title>{escape(self.title)}</title>\n"
            f'<rect y="{self.top}" width="{WIDTH}" height="{self.height}" rx="8" fill="#fff"/>\n{body}\n</svg>\n'
        )


def _root(picture: Picture) -> None:
    picture.text(14, 120, "problem")


def _chains(picture: Picture, answers: str, scores: tuple[str, ...] = (), right: str = "A") -> None:
    """Whole responses below each other, each ending in its answer."""
    _root(picture)
    for row, answer in enumerate(answers):
        y = 115 + 46 * (row - (len(answers) - 1) / 2)
        picture.line(70, 115, 110, y)
        for column in range(3):
            picture.step(110 + 55 * column, y)
            picture.line(118 + 55 * column, y, (157 if column < 2 else 266) + 55 * (column if column < 2 else 0), y)
        picture.answer(266, y, answer, right=answer == right)
        if scores:
            picture.text(312, y + 5, scores[row])


def cot() -> Picture:
    """One greedy response."""
    found = Picture("Greedy answer (CoT)", "One response, step after step, ends in one answer.", top=80, height=70)
    _chains(found, "A")
    return found


def majority() -> Picture:
    """Whole responses, the answer that most of them give."""
    found = Picture("Majority", "Four responses end in the answers A, B, A and C. A is given most often and wins.")
    _chains(found, "ABAC")
    found.text(345, 120, "A: 2 of 4")
    return found


def confidence() -> Picture:
    """The same, weighted by how sure the policy was."""
    found = Picture("Confidence", "Four responses vote. Each counts by how sure the policy was of it; A wins.")
    _chains(found, "ABAC", ("sure 0.8", "sure 0.3", "sure 0.6", "sure 0.2"))
    found.text(385, 120, "A: 1.4")
    return found


def best_of_n() -> Picture:
    """The same, weighted by a PRM."""
    found = Picture("Best-of-N", "Four responses, each scored by a PRM. The answers add their scores; A wins with 1.6.")
    _chains(found, "ABAC", ("PRM 0.9", "PRM 0.4", "PRM 0.7", "PRM 0.2"))
    found.text(385, 120, "A: 1.6")
    return found


def coverage() -> Picture:
    """Whether any response is right."""
    found = Picture("Coverage", "Four responses. One of them is right, so the problem is covered.")
    _chains(found, "BACD")
    found.text(345, 120, "one is right")
    return found


def _tree(picture: Picture, rows: list[list[tuple[float, int, str, bool]]], ends: list[tuple[float, str]]) -> None:
    """Levels of steps (height, number of the parent, score, kept), and the answers of the last kept ones."""
    before: list[tuple[float, float]] = [(62, 115)]
    for depth, level in enumerate(rows):
        x, here = 125 + 105 * depth, []
        for y, parent, _, kept in level:
            picture.line(before[parent][0] + 8, before[parent][1], x - 8, y, kept)
            here.append((x, y))
        for y, _, score, kept in level:
            picture.step(x, y, kept, score)
        before = here
    for y, answer in ends:
        picture.line(before[0][0] + 8, y, 396, y)
        picture.answer(396, y, answer, right=answer == "A")


def beam_search() -> Picture:
    """One tree, whose best paths are kept at each step, whoever their parents are."""
    found = Picture(
        "Beam search",
        "Four first steps are drawn and scored. The best two are kept, each grows two more, and so on. "
        "All candidates compete.",
    )
    _root(found)
    _tree(
        found,
        [
            [(35, 0, "0.9", True), (88, 0, "0.3", False), (141, 0, "0.8", True), (194, 0, "0.2", False)],
            [(22, 0, "0.9", True), (62, 0, "0.7", True), (128, 2, "0.4", False), (168, 2, "0.5", False)],
            [(22, 0, "0.9", True), (62, 1, "0.8", True), (102, 1, "0.3", False), (142, 1, "0.2", False)],
        ],
        [(22, "A"), (62, "A")],
    )
    found.text(125, 222, "kept: blue; dropped: grey", size=12)
    return found


def dvts() -> Picture:
    """Trees that never compete."""
    found = Picture(
        "DVTS",
        "Two trees. Each draws two candidates a step and keeps the better one. The trees never compete, so the answers "
        "stay diverse.",
    )
    _root(found)
    _tree(
        found,
        [
            [(35, 0, "0.9", True), (80, 0, "0.3", False), (140, 0, "0.4", True), (185, 0, "0.2", False)],
            [(35, 0, "0.9", True), (80, 0, "0.7", False), (140, 2, "0.5", True), (185, 2, "0.3", False)],
            [(35, 0, "0.9", True), (80, 0, "0.6", False), (140, 2, "0.6", True), (185, 2, "0.4", False)],
        ],
        [(35, "A"), (140, "B")],
    )
    found.shapes.append(f'<line x1="100" y1="110" x2="450" y2="110" stroke="{FAINT}" stroke-dasharray="6 5"/>')
    found.text(125, 222, "two trees, apart", size=12)
    return found


def rebase() -> Picture:
    """The next draws are shared by scores; none is cut."""
    found = Picture(
        "REBASE",
        "Three first steps. The next four draws are shared out by their scores: two, one and one. No path is cut.",
    )
    _root(found)
    _tree(
        found,
        [
            [(55, 0, "0.9", True), (125, 0, "0.5", True), (185, 0, "0.4", True)],
            [(30, 0, "0.9", True), (75, 0, "0.8", True), (125, 1, "0.4", True), (185, 2, "0.2", True)],
            [(30, 0, "0.9", True), (75, 1, "0.7", True), (125, 2, "0.3", True), (185, 3, "0.3", True)],
        ],
        [(30, "A"), (75, "A"), (125, "B"), (185, "C")],
    )
    found.text(125, 222, "more draws where the score is higher", size=12)
    return found


def particle_filtering() -> Picture:
    """Chance decides who goes on."""
    found = Picture(
        "Particle filtering",
        "Four paths take a step each. Who goes on is drawn by lot, with chances by scores: one path goes on twice.",
    )
    _root(found)
    _tree(
        found,
        [
            [(35, 0, "0.9", True), (88, 0, "0.6", True), (141, 0, "0.5", True), (194, 0, "0.1", False)],
            [(25, 0, "0.8", True), (58, 0, "0.9", True), (98, 1, "0.4", False), (141, 2, "0.7", True)],
            [(25, 0, "0.9", True), (58, 1, "0.8", True), (98, 1, "0.7", True), (141, 3, "0.6", True)],
        ],
        [(25, "A"), (58, "A"), (98, "B"), (141, "A")],
    )
    found.text(125, 222, "drawn by lot, weighted by scores", size=12)
    return found


PICTURES = {
    draw.__name__: draw
    for draw in (cot, majority, confidence, best_of_n, coverage, beam_search, dvts, rebase, particle_filtering)
}
"""By method."""


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
