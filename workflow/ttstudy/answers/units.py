"""Units: one name and one scale for each spelling that a school book uses."""

from __future__ import annotations

from fractions import Fraction

# name of the base unit -> {spellings: size in the base unit}
TABLE: dict[str, dict[str, Fraction | int]] = {
    "meter": {
        "m meter meters metre metres": 1,
        "cm centimeter centimeters centimetre centimetres": Fraction(1, 100),
        "mm millimeter millimeters": Fraction(1, 1000),
        "km kilometer kilometers kilometre kilometres": 1000,
    },
    "inch": {"in inch inches": 1, "ft foot feet": 12, "yd yard yards": 36, "mi mile miles": 63360},
    "second": {
        "s sec secs second seconds": 1,
        "min mins minute minutes": 60,
        "h hr hrs hour hours": 3600,
        "day days": 86400,
        "ms millisecond milliseconds": Fraction(1, 1000),
        "week weeks": 7 * 86400,
    },
    "month": {"month months": 1, "yr yrs year years": 12},
    "gram": {"g gram grams": 1, "kg kilogram kilograms": 1000, "mg milligram milligrams": Fraction(1, 1000)},
    "pound": {"lb lbs pound pounds": 1, "oz ounce ounces": Fraction(1, 16), "ton tons": 2000},
    "liter": {"l liter liters litre litres": 1, "ml milliliter milliliters": Fraction(1, 1000)},
    "dollar": {"dollar dollars usd buck bucks": 1,
        "cent cents penny pennies": Fraction(1, 100)},
    "degree": {"degree degrees deg": 1},
    "radian": {"rad radian radians": 1},
    "unit": {"unit units": 1},
    "hertz": {"hz hertz": 1, "khz": 1000},
    "watt": {"watt watts": 1, "kw kilowatt kilowatts": 1000},
    "volt": {"volt volts": 1},
    "ampere": {"amp amps ampere amperes": 1},
    "ohm": {"ohm ohms": 1},
    "newton": {"newton newtons": 1},
    "joule": {"joule joules": 1, "kj kilojoule kilojoules": 1000},
    "pascal": {"pa pascal pascals": 1},
    "kelvin": {"kelvin": 1},
    "mole": {"mol mole moles": 1},
    "calorie": {"cal calorie calories": 1},
    "byte": {"byte bytes": 1},
    "bit": {"bit bits": 1},
    "acre": {"acre acres": 1},
    "gallon": {"gal gallon gallons": 1, "quart quarts": Fraction(1, 4), "pint pints": Fraction(1, 8)},
    "tablespoon": {"tbsp tablespoon tablespoons": 1, "tsp teaspoon teaspoons": Fraction(1, 3)},
    "sterling": {"sterling": 1},
    "peso": {"peso pesos": 1},
    "yuan": {"yuan": 1},
    "won": {"won": 1},
    "euro": {"euro euros": 1},
    "rupee": {"rupee rupees": 1},
    "yen": {"yen": 1},
    "percent": {"percent": Fraction(1, 100)},
    "point": {"point points pt pts": 1},
}
UNITS: dict[str, tuple[str, Fraction]] = {
    spelling: (base, Fraction(size))
    for base, rows in TABLE.items()
    for spellings, size in rows.items()
    for spelling in spellings.split()
}
UNITS |= {
    "mph": ("inch per second", Fraction(63360, 3600)),
    "kph": ("meter per second", Fraction(1000, 3600)),
    "kmh": ("meter per second", Fraction(1000, 3600)),
}
LARGE = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_COUNTS: dict[str, Fraction | int] = {
    **LARGE,
    "dozen dozens": 12,
    "pair pairs": 2,
    "score": 20,
    "gross": 144,
    "half halves": Fraction(1, 2),
    "third thirds": Fraction(1, 3),
    "quarter quarters fourth fourths": Fraction(1, 4),
    "fifth fifths": Fraction(1, 5),
    "sixth sixths": Fraction(1, 6),
    "seventh sevenths": Fraction(1, 7),
    "eighth eighths": Fraction(1, 8),
    "ninth ninths": Fraction(1, 9),
    "tenth tenths": Fraction(1, 10),
    "twelfth twelfths": Fraction(1, 12),
    "hundredth hundredths": Fraction(1, 100),
    "thousandth thousandths": Fraction(1, 1000),
    "millionth millionths": Fraction(1, 10**6),
}
SCALES: dict[str, Fraction] = {
    word: Fraction(value) for words, value in _COUNTS.items() for word in words.split()
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
