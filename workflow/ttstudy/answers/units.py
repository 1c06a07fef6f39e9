"""Units, counts and counted things: closed lists of what may stand behind a number, one name and scale for each."""

from __future__ import annotations

import re
from fractions import Fraction

_TABLE = """
meter: m meter metre; cm centimeter centimetre = 1/100; mm millimeter = 1/1000; km kilometer kilometre = 1000
inch: in inch; ft foot feet = 12; yd yard = 36; mi mile = 63360
second: s sec second; min minute = 60; h hr hour = 3600; day = 86400; ms millisecond = 1/1000; week = 604800
month: month; yr year = 12
gram: g gram; kg kilogram = 1000; mg milligram = 1/1000
pound: lb pound; oz ounce = 1/16; ton = 2000
liter: l liter litre; ml milliliter = 1/1000
dollar: dollar usd buck; cent penny = 1/100
gallon: gal gallon; quart = 1/4; pint = 1/8
tablespoon: tbsp tablespoon; tsp teaspoon = 1/3
hertz: hz hertz; khz = 1000
watt: watt; kw kilowatt = 1000
joule: joule; kj kilojoule = 1000
inch per second: mph = 17.6
meter per second: kph kmh = 5/18
percent: percent = 1/100
degree: degree deg
radian: rad radian
ampere: amp ampere
pascal: pa pascal
mole: mol mole
calorie: cal calorie
point: point pt
"""
"""A base unit a line, then its spellings in the singular and their sizes in it."""
_ALONE = "unit volt ohm newton kelvin byte bit acre sterling peso yuan won euro rupee yen".split()
"""Units that are only themselves."""


def _with_plurals(words: str) -> list[str]:
    """Words, and their plurals where they are no abbreviations of two letters."""
    found = words.split()
    longer = [word for word in found if len(word) > 2 or word in ("lb", "hr", "yr", "pt")]
    return found + [re.sub("(?<=ch)$", "e", re.sub("(?<=[^aeiou])y$", "ie", word)) + "s" for word in longer]


UNITS: dict[str, tuple[str, Fraction]] = {
    spelling: (base, Fraction(size or 1))
    for base, parts in (row.split(": ") for row in [*_TABLE.strip().splitlines(), *(f"{one}: {one}" for one in _ALONE)])
    for spellings, _, size in (part.partition(" = ") for part in parts.split("; "))
    for spelling in _with_plurals(spellings)
}
"""Spelling -> base unit and size in it."""
LARGE = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_COUNTS = """
    dozen 12 pair 2 score 20 gross 144 half 1/2 halve 1/2 third 1/3 quarter 1/4 fourth 1/4 fifth 1/5 sixth 1/6
    seventh 1/7 eighth 1/8 ninth 1/9 tenth 1/10 twelfth 1/12 hundredth 1/100 thousandth 1/1000 millionth 1/1000000
""".split()
SCALES = {word: Fraction(size) for word, size in LARGE.items()} | {
    word + ending: Fraction(size)
    for word, size in zip(_COUNTS[::2], _COUNTS[1::2], strict=True)
    for ending in ("", "s")
}
"""Words behind a number that multiply it."""
POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
UPPER = {"L": "liter", "W": "watt", "V": "volt", "A": "ampere", "N": "newton", "J": "joule", "K": "kelvin"}
"""Units that one capital letter stands for; another letter's case makes it no unit (1 M is not 1 m)."""
NOUNS = frozenset(
    """
    answer apple arrangement bag ball balloon banana bar basket bead bean bear beat bed bee bird block boat book
    bottle bowl box boy bracelet breath brick bucket bus bush button cake camel can candle candy car card carrot cat
    chair cherry chicken child chip chocolate choice circle class classroom clip coat coin collection color
    combination computer cookie couple cow crayon cube cup cupcake customer desk diagonal digit divisor dog doll
    donut door dot dress drink duck edge egg element employee envelope episode face factor family farmer fish flower
    foot friend frog fruit function game girl glass goal goat grade grape group guest hand hat head heart horse
    house human integer item jar jelly job key kid kilometer kite lamp lap leaf lemon letter light line link
    lollipop machine magazine man marble mark match meal member mile minute mistake month morning mouse movie muffin
    mug necklace nickel night node note notebook number nurse nut object onion option orange order outcome package
    packet page pair pancake panda paper parent part passenger path patient peach pear pen pencil people permutation
    person pet photo picture pie piece pig pillow pin pizza plane plant plate player plum pole possibility pot
    potato present prime prize problem puppy question quiz rabbit rectangle ribbon ring road robot rock room root
    rope rose round row ruler sandwich scarf seat seed segment selection sequence session set sheep sheet shell ship
    shirt shoe shot side slice snack sock solution song spoon square stair stamp star stem step sticker stone story
    straw student subset sweater table task teacher team term test ticket tie tile time tire toy train tree triangle
    trip truck turn value vase vehicle vertex video visit vote wagon walker walnut way week wheel window woman word
    worker zero
    """.split()
)
"""Things that problems count, in the singular: behind a number they may be left out."""
PLURALS = {
    "children": "child", "men": "man", "women": "woman", "people": "people", "feet": "foot", "mice": "mouse",
    "geese": "goose", "teeth": "tooth", "vertices": "vertex", "leaves": "leaf", "loaves": "loaf", "sheep": "sheep",
    "fish": "fish",
}  # fmt: skip
BESIDE = frozenset(
    "only exactly different distinct possible total whole full real positive such of the in a an each every".split()
)
"""Words that say nothing more of what is counted."""


_ALL = {*UNITS, *POWERS, *BESIDE, *SCALES, *NOUNS, "per", "ordinal"}


def singular(word: str) -> str:
    """A noun in the singular, by the common endings."""
    if word in PLURALS:
        return PLURALS[word]
    if word.endswith("s") and word[:-1] in NOUNS:
        return word[:-1]
    endings = {"ies": "y", "sses": "ss", "xes": "x", "ches": "ch", "shes": "sh", "oes": "o", "s": ""}
    for ending, one in endings.items():
        if word.endswith(ending) and len(word) > len(ending) + 1 and not word.endswith("ss"):
            return word.removesuffix(ending) + one
    return word


def known(words: str) -> bool:
    """Say whether every word of a phrase behind a number is a unit, something counted, or says nothing more."""
    parts = words.replace(".", " ").split()
    return all(map(_known, parts)) and not all(part.lower() in POWERS for part in parts)


def _known(word: str) -> bool:
    if len(word) == 1 and word.isupper():
        return word in UPPER
    if len(word) == 2 and word[0] == "M":
        return False  # mega, not milli
    low = word.lower()
    return low in _ALL or singular(low) in NOUNS


def unit(words: str, power: int | None = None) -> tuple[str, Fraction]:
    """Base unit and size of a unit as written: "square inches" is ("inch^2", 1), "cents" ("dollar", 1/100).

    A thing that is counted (apples, students) is its own unit; a plural makes no difference.
    """
    above, per, below = words.replace(".", " ").partition(" per ")
    if per and power is None:
        (base, size), (under, divisor) = unit(above), unit(below)
        return f"{base} per {under}", size / divisor
    parts = [part for part in words.replace(".", " ").split() if part.lower() not in BESIDE] or words.split()
    exponent = power or 1
    kept = []
    for part in parts:
        if part.lower() in POWERS and power is None:
            exponent = POWERS[part.lower()]
        else:
            kept.append(UPPER.get(part, part.lower()))
    name = " ".join(kept)
    base, size = UNITS.get(name, (" ".join(map(singular, kept)), Fraction(1)))
    return (base if exponent == 1 else f"{base}^{exponent}"), size**exponent
