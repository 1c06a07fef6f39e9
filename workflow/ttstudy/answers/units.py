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
        "week weeks": 7 * 86400,
    },
    "month": {"month months": 1, "yr yrs year years": 12},
    "gram": {"g gram grams": 1, "kg kilogram kilograms": 1000, "mg milligram milligrams": Fraction(1, 1000)},
    "pound": {"lb lbs pound pounds": 1, "oz ounce ounces": Fraction(1, 16)},
    "liter": {"l liter liters litre litres": 1, "ml milliliter milliliters": Fraction(1, 1000)},
    "dollar": {"dollar dollars usd buck bucks": 1, "cent cents": Fraction(1, 100)},
    "degree": {"degree degrees deg": 1},
    "radian": {"rad radian radians": 1},
    "unit": {"unit units": 1},
    "hz": {"hz": 1},
    "watt": {"w watt watts": 1},
    "euro": {"euro euros": 1},
    "rupee": {"rupee rupees": 1},
    "yen": {"yen": 1},
    "percent": {"percent": Fraction(1, 100)},
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
SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}


def unit(words: str, power: int | None = None) -> tuple[str, Fraction]:
    """Base unit and size of a unit as written: "square inches" is ("inch^2", 1), "cents" ("dollar", 1/100).

    A thing that is counted (apples, students) is its own unit; a plural s makes no difference.
    """
    above, per, below = words.lower().replace(".", " ").partition(" per ")
    if per and power is None:
        (base, size), (under, divisor) = unit(above), unit(below)
        return f"{base} per {under}", size / divisor
    parts = words.lower().replace(".", " ").split()
    exponent = power or 1
    kept = []
    for part in parts:
        if part in POWERS and power is None:
            exponent = POWERS[part]
        else:
            kept.append(part)
    name = " ".join(kept)
    base, size = UNITS.get(name, (name, Fraction(1)))
    if name not in UNITS:
        base = " ".join(word[:-1] if len(word) > 3 and word[-1] == "s" != word[-2] else word for word in kept)
    return (base if exponent == 1 else f"{base}^{exponent}"), size**exponent
