"""Pages of the documentation that the code itself writes: keys, tables, claims, kinds, Python, command, words."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "workflow/schemas/study.schema.json"
CAPTIONS = ROOT / "reports/captions"


def _cell(text: object) -> str:
    """Text for a cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _code(text: object) -> str:
    return f"`{_cell(text)}`".replace("&lt;", "<")


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


# -- keys ------------------------------------------------------------------------------------------------------------


def keys() -> str:
    """Every key of a study's file, by section, from the schema."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    lines = [
        "# Keys of a study",
        "",
        "Every key that a study's file may have, from the schema that checks it. Editors that know YAML schemas "
        "complete them. A key without a default must be given.",
        "",
        *_section("Study", schema, set(schema.get("else", {}).get("required", ()))),
    ]
    for name, node in sorted(schema["$defs"].items()):
        if "properties" in node:
            lines += _section(name, node, set(node.get("required", ())))
    return "\n".join(lines)


def _words(name: str) -> str:
    """A class's name in words: OpenAIPolicy is Open AI Policy."""
    return re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name.strip("_"))


def _section(name: str, node: Mapping[str, Any], required: set[str]) -> Iterator[str]:
    yield f"## {_words(name)} {{#{name.strip('_').lower()}}}"
    yield ""
    if about := node.get("description"):
        yield " ".join(about.split())
        yield ""
    rows = []
    for key, value in node["properties"].items():
        default = "must be given" if key in required else _default(value)
        rows.append((_code(key), _type(value), default, _cell(value.get("description", ""))))
    yield from _table(("key", "what it takes", "default", "what it does"), rows)


def _default(value: Mapping[str, Any]) -> str:
    if "const" in value:
        return _code(value["const"])
    if "default" not in value:  # made anew for each study
        return "empty"
    text = json.dumps(value["default"])
    return "its own keys' defaults" if text.startswith("{") and len(text) > 40 else _code(text)


def _type(value: Mapping[str, Any]) -> str:
    """What a key takes, in words, with links to the sections that it may have."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        return f"[{_words(name)}](#{name.strip('_').lower()})"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in value:
            return " or ".join(dict.fromkeys(_type(each) for each in value[word]))
    if "enum" in value:
        return ", ".join("null" if each is None else _code(each) for each in value["enum"])
    if "const" in value:
        return _code(value["const"])
    kind = value.get("type", "anything")
    if kind == "array":
        inner = value.get("items") or (value.get("prefixItems") or [{}])[0]
        return f"list of {_type(inner)}"
    if kind == "object":
        inner = value.get("additionalProperties") or next(iter(value.get("patternProperties", {}).values()), None)
        return f"map of names to {_type(inner)}" if isinstance(inner, dict) else "map"
    names = {"integer": "whole number", "string": "text", "boolean": "true or false", "null": "null"}
    low = value.get("minimum", value.get("exclusiveMinimum"))
    high = value.get("maximum", value.get("exclusiveMaximum"))
    least = "" if low is None else f", from {low:,}"
    return names.get(kind, str(kind)) + (f"{least} to {high:,}" if least and high is not None else least)


# -- tables ----------------------------------------------------------------------------------------------------------

_KINDS = {
    "str": "text", "int": "whole number", "count": "whole number from 0", "amount": "number from 0", "float": "number",
    "share": "number from 0 to 1", "bool": "true or false", "texts": "list of texts", "numbers": "list of numbers",
}  # fmt: skip


def tables() -> str:
    """Every table, with its columns, from the contracts that check it."""
    from ttstudy.data.columns import CHOICES, COLUMNS, KEYS, OPTIONAL

    lines = [
        "# Tables",
        "",
        "Steps exchange Parquet files. Each kind has one contract, which is checked when a table is written and when "
        "it is read. `?` behind a kind: a value may be missing. A study has its own in `results/studies/NAME/tables/`.",
        "",
    ]
    for name, columns in sorted(COLUMNS.items()):
        lines += [f"## {name}", ""]
        caption = CAPTIONS / f"{name}.rst"
        if caption.is_file():
            lines += [" ".join(caption.read_text(encoding="utf-8").split()).replace("``", "`"), ""]
        if key := KEYS.get(name):
            lines += ["One row for each " + ", ".join(map(_code, key)) + ".", ""]
        rows = []
        for item in (*columns.split(), *(f"{each} (where it is known)" for each in OPTIONAL.get(name, "").split())):
            column, _, kind = item.partition(":")
            plain, _, rest = kind.partition(" ")
            bare = plain.removesuffix("?")
            what = ", ".join(map(_code, CHOICES[bare])) if bare in CHOICES else _KINDS.get(bare, bare)
            rows.append((_code(column), f"{what}{'?' if plain.endswith('?') else ''} {rest}".strip()))
        lines += _table(("column", "what it holds"), rows)
    return "\n".join(lines)


# -- claims and kinds --------------------------------------------------------------------------------------------------


def claims() -> str:
    """Every claim, from the files that judge them."""
    from ttstudy.analysis.claims import CLAIMS

    rows = [
        (str(number), _cell(claim.title), _cell(claim.source), "yes" if claim.study else "no", _cell(claim.needs))
        for number, claim in CLAIMS.items()
    ]
    lines = [
        "# Claims",
        "",
        "Statements of the paper and of an article on it, each held against a study's numbers. A study names its "
        "`primary_claims` by these numbers before it runs; they are corrected together.",
        "",
        *_table(("number", "claim", "where it is made", "a study tests it", "what a full test takes"), rows),
    ]
    return "\n".join(lines)


def kinds() -> str:
    """Methods, votes, scores, formats, engines and files that are known, from their own files."""
    from ttstudy.kinds.engines import ENGINES
    from ttstudy.kinds.formats import FORMATS
    from ttstudy.kinds.labelled import LABELLINGS
    from ttstudy.kinds.methods import METHODS
    from ttstudy.kinds.scores import SCORES
    from ttstudy.kinds.sources import SOURCES
    from ttstudy.kinds.votes import VOTES

    def told(title: str, where: str, rows: list[tuple[str, ...]], heads: tuple[str, ...]) -> list[str]:
        return [f"## {title}", "", f"One file each in `workflow/ttstudy/kinds/{where}/`.", "", *_table(heads, rows)]

    def three(known: Mapping[str, Any]) -> list[tuple[str, ...]]:
        return [(_code(n), _cell(getattr(each, "look", each).label), _cell(each.about)) for n, each in known.items()]

    heads = ("name", "shown as", "what it does")
    methods = [(_code(n), _cell(m.look.label), _cell(m.about), _cell(m.source)) for n, m in METHODS.items()]
    return "\n".join(
        [
            "# Methods, votes, formats, engines",
            "",
            "What a study can name. Each is a file: [add your own](source/CONTRIBUTING.md).",
            "",
            *told("Methods", "methods", methods, (*heads, "source")),
            *told("Votes", "votes", three(VOTES), heads),
            *told("Scores", "scores", three(SCORES), heads),
            *told(
                "PRM formats",
                "formats",
                [(_code(n), _cell(f.label), _cell(", ".join(f.published))) for n, f in FORMATS.items()],
                ("name", "family", "models of the hub that have it"),
            ),
            *told("Engines", "engines", three(ENGINES), heads),
            *told(
                "Recorded responses",
                "sources",
                [(_code(n), _cell(s.label)) for n, s in SOURCES.items()],
                ("name", "whose output it is"),
            ),
            *told(
                "Labelled solutions",
                "labelled",
                [(_code(n), _cell(form.about)) for n, form in LABELLINGS.items()],
                ("name", "what it is"),
            ),
        ]
    )


# -- Python, command, words --------------------------------------------------------------------------------------------


def api() -> str:
    """What `import ttstudy` gives, from its signatures and docstrings."""
    import ttstudy

    lines = ["# Python reference", "", "What `import ttstudy` gives. Examples: [from Python](python.md).", ""]
    for name in ttstudy.__all__:
        found = getattr(ttstudy, name)
        if inspect.ismodule(found):
            lines += _documented(f"ttstudy.{name}.run", found.run)
            for other in ("Policy", "Judge"):
                lines += _documented(f"ttstudy.{name}.{other}", getattr(found, other), own=True)
        else:
            lines += _documented(f"ttstudy.{name}", found, own=inspect.isclass(found) and name == "Finished")
    return "\n".join(lines)


def _documented(name: str, found: Any, own: bool = False, level: int = 2) -> Iterator[str]:
    """A heading, the signature and the docstring; with `own`, the public members of a class."""
    yield f"{'#' * level} {name.removeprefix('ttstudy.') if level > 2 else name}"
    yield ""
    target = found.fget if isinstance(found, property) else found
    if inspect.isfunction(target) and not isinstance(found, property):
        signature = str(inspect.signature(target)).replace("'", "").replace("(self, ", "(").replace("(self)", "()")
        yield from ("```text", f"{name.rpartition('.')[2]}{signature}", "```", "")
    yield _prose(inspect.getdoc(target) or "")
    yield ""
    if own:
        for member, value in vars(found).items():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                yield from _documented(f"{found.__name__}.{member}", value, level=3)


def _prose(text: str) -> str:
    """A docstring in Markdown: its sections as bold words, its arguments as a list."""
    text = re.sub(r"^(Args|Raises|Returns):$", r"\n**\1**\n", text, flags=re.MULTILINE)
    text = re.sub(r"^    (\w+): ", r"- `\1`: ", text, flags=re.MULTILINE)
    return re.sub(r"^    +(?=\S)", "  ", text, flags=re.MULTILINE)


def command() -> str:
    """The command's own help, for each thing that it does."""
    import click

    from ttstudy.run.command import main

    lines = ["# The command's help", "", "What `ttstudy --help` says. How it is used: [the command](command.md).", ""]
    for name, one in sorted(main.commands.items()):
        with click.Context(one, info_name=f"ttstudy {name}") as context:
            lines += [f"## {name}", "", "```text", one.get_help(context).strip(), "```", ""]
    return "\n".join(lines)


def glossary() -> str:
    """Every word, from the one list that the report's explanations are from, too."""
    from ttstudy.report.glossary import WORDS

    lines = ["# Glossary", "", "The report explains the same words where you point at them.", ""]
    for word in WORDS:
        lines += [f"**{word.name}** {{#{word.key}}}", f":   {' '.join(word.about.split())}", ""]
    return "\n".join(lines)


GENERATED = {
    "reference-keys.md": keys,
    "reference-tables.md": tables,
    "reference-claims.md": claims,
    "reference-kinds.md": kinds,
    "reference-python.md": api,
    "reference-command.md": command,
    "glossary.md": glossary,
}
"""By the name of the page."""
