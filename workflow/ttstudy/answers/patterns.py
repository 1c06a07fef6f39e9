"""What numbers, formulas and the words around an answer look like in a sentence."""

from __future__ import annotations

import re

from ttstudy.answers.units import LARGE, UNITS

_DIGITS = r"(?:\d{1,3}(?:(?:,|\{,\}|,\\!)\d{3})+(?![\d,]\d)|\d+)(?:\.\d+)?|\.\d+"
_MEASURES = "|".join(
    sorted((re.escape(word) for word in {*UNITS, *LARGE} if word.isascii() and len(word) > 2), key=len, reverse=True)
)
UNIT = (
    r"(?:\s*(?:\\?%|°C|°F|°|cm|mm|km|kg|mg|ml|mL|ft|mph|lb|hr)(?![A-Za-z])"
    rf"|[\s-]*(?:square |cubic |sq\.? )?(?:{_MEASURES})"
    r"(?:\s+per\s+[a-z]+|/[a-z]+|\s+(?:squared|cubed))?(?![A-Za-z]))"
)
NUMBER = re.compile(
    rf"(?<![A-Za-z0-9_.\\])(?:[-−–+](?=[\d.$\\]))?(?:(?:US)?\\?\$|[€£¥₹])?\s?[-−]?(?:{_DIGITS})"
    r"(?:\s*/\s*\d+(?:\.\d+)?| \d+/\d+|:\d\d(?:\s*[ap]\.?m\b\.?)|(?::\d+)+|e[+-]?\d+)?"
    rf"(?![A-Za-z]*\d)(?:{UNIT}){{0,2}}",
    re.I,
)
PLAIN = re.compile(r"-?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:/\d+)?")
"""A number as the official code of arXiv 2502.06703 finds one."""
FORMULA = re.compile(
    r"\\\[(?P<a>.{1,1500}?)\\\]|\\\((?P<b>.{1,600}?)\\\)|\$\$(?P<c>[^$]{1,1500}?)\$\$"
    r"|(?<![\\\w$])\$(?![\s$])(?P<d>[^$\n]{1,300}?)(?<![\s\\])\$(?!\d)",
    re.S,
)
POINT = re.compile(r"[(\[]\s*[-−]?\d[\d./]*\s*(?:,\s*[-−]?\d[\d./]*\s*)+[)\]]")
NAMED = re.compile(
    r"(?:[A-Z][a-z]+(?: [A-Z][a-z]+)?|yes|no|true|false|none|even|odd|both|neither|never|always|undefined|infinity)"
    r"(?=\s*(?:[.,;!*]|$))"
)
"""An answer in words that needs no sentence: a name, yes, no."""
BOLD = re.compile(r"\*\*(?=\S)([^*\n]{1,200}?)(?<=\S)\*\*|(?<!\w)__(?=\S)([^_\n]{1,200}?)(?<=\S)__")
VERB = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals?|equal to|equivalent to|becomes?|remains?|totals?|yields?|gives?|as|came to"
    r"|comes? to|be written as|means|obtain|get|to be|facing|(?:a|the) total of)\b|[=≈:])"
    r"(?:\s|\*\*|:|exactly|approximately|about|around|roughly|only|just|simply|actually|indeed|therefore|thus|now|then"
    r"|a total of|worth|equal to)*$",
    re.I,
)
"""What gives a value that follows it."""
JOINT = re.compile(
    r"(?:[\s.,;]|\\[)\]]|\$)*?(?:\s|\\[)\]]|\$)(?:,\s*|;\s*|,?\s*\b(?:and|or)\b\s*)(?:\\[(\[]|\$)?\s*(?:[A-Za-z]\s*=\s*)?"
    r"|(?:,\s+|,?\s+(?:and|or)\s+)(?:[A-Za-z]\s*=\s*)?"
)
DENIED = re.compile(r"\b(?:can(?:not|'t)|not|never|isn't|aren't)\s+(?:be\s+|equal\s+(?:to\s+)?)?$", re.I)
WHEN = re.compile(r"\b(?:when|where|if|at|for|with|given|since|because|let|as)\s*$", re.I)
EQUALS = re.compile(r"\b(?:when|where|if|at|for|with|given|let)\s+(?:\\\(|\$)?\s*[A-Za-z]\w{0,2}\s*=\s*$", re.I)
ASIDE = re.compile(
    r"(?<!total )(?<!sum )\b(?:out of|of|from|than|per|every|each|after|in|for|among|within|over|before|with|at)\s*"
    r"(?:the |a )?$",
    re.I,
)
"""What leads to a value that belongs to something else in the sentence."""
CHOICE = re.compile(
    r"(?:\b(?:option|choice|answer|statement)\s+)?\(([A-J])\)|\b(?:option|choice|answer)\s+([A-J])\b(?!')"
    r"|^([A-J])(?=[.):]|\s*$)"
)
SENTENCE_END = re.compile(
    r"(?<=[^.\s\dA-Z])[.!?](?=\s|$)|(?<=[\dA-Z)\]}$*])[.!?](?=\s+(?:[A-Z\\*]|$)|$)|[。！？]|\n\s*\n"
)
TAIL = re.compile(
    r"\s*(?:[,;(—–]?\s*\b(?:because|since|so|which|where|when|after|as (?:you|we|the|it|there)|if|but|assuming|in total"
    r"|altogether|given|for (?:all|every|the|a|each|any)|by|and (?:we|this|so|it)|with|unless|once"
    r"|in (?:the|his|her|their|all)|of the)\b.*|\s\([^()]*[A-Za-z]{3}[^()]*\)|[（].*[）])$",
    re.S | re.I,
)
"""What a sentence says beside its answer."""
POLITE = re.compile(
    r"^\W*(?:let me know|i hope|hope (?:this|that)|feel free|if you (?:have|need|want)|thank|please|would you|note"
    r"|remember|remark|good luck|this (?:can|was|is) (?:be )?check|this (?:completes|concludes)"
    r"|you can (?:check|verify)|as you asked|the (?:steps|answer) (?:above|is correct)|q\.?e\.?d)",
    re.I,
)
CONCLUDES = re.compile(
    r"\b(?:so|thus|therefore|hence|then|finally|in conclusion|in the end|overall|in total|altogether|consequently"
    r"|as a result)\b|[∴⇒]",
    re.I,
)
RESULT = re.compile(
    r"(?:=|≈|\\approx)(?:\\[$(,;! ]|\\text\s*\{[^{}]*\}|[\s{*$(])*+(-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?)"
)
NUMBER_WORD = (
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|twenty|none)"
)
COUNT = re.compile(rf"\bthere (?:is|are) (?:only |exactly )?({NUMBER_WORD})\b(?! of)", re.I)
SAID = re.compile(rf"\b(?:are|is|has|have|be)\s+(?:only |exactly )?({NUMBER_WORD})\b(?! of)", re.I)
KIND = re.compile(
    r"\bis an? (?!(?:solution|root|factor|multiple|divisor|zero|prime|good|valid|possible|total|correct|single)\b)"
    r"([a-z]+)\s*$"
)
"""What a thing is: "the graph is an ellipse"."""
WORDS = re.compile(
    r"\b(?:is|are|be|was|were)\s+(?:an?\s+|the\s+)?"
    r"((?:not\s+|no\s+)?[A-Za-z][A-Za-z'-]*(?:\s+[A-Za-z][A-Za-z'-]*){0,2})\s*$"
)
NAME = re.compile(
    r"(?:\\(?:text|mathrm|mathbf|vec|angle|triangle|overline|operatorname)?\s*\{?)?\s*"
    r"(?!\\?(?:sqrt|frac|log|ln|sin|cos|tan|pi|text)\b)"
    r"(?:\\?[A-Za-z]+)(?:_\{?\w+\}?)?(?:\^\{?-1\}?)?\}?'{0,2}(?:\([^()=]*\))?|\([A-Za-z](?:,\s*[A-Za-z])+\)"
)
"""What may stand before an equals sign and is no value."""
