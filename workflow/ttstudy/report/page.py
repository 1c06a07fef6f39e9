"""What every page of this package shares: its template, its one script and style, and the policy that binds them."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from ttstudy.dag import rehearsed, stamps, writing
from ttstudy.report import glossary
from ttstudy.run.integrity import sealed

TEMPLATES = Path(__file__).resolve().parents[3] / "reports" / "templates"


def render(template: str, **values: Any) -> str:
    """A page of `reports/templates` as one HTML text; all values are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from ttstudy.report.figures.style import dark_rules

    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8").replace("/* dark figures */", dark_rules())
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"rehearsal": rehearsed.name(), "said": rehearsed.SAID, "marked": rehearsed.marked}
    environment.globals["glossary"] = glossary.WORDS
    environment.filters["embed"] = lambda value: Markup(embed(value))
    environment.filters["explained"] = lambda text: Markup(explained(str(text)))
    return environment.get_template(template).render(
        script=Markup(script), style=Markup(style), policy=policy(script, style), **values
    )


def explained(text: str) -> str:
    """A text as HTML in which words of the glossary are links to what they mean."""
    from markupsafe import escape

    return "".join(
        str(escape(piece))
        if word is None
        else f'<a class="word" href="#{word.key}" aria-describedby="{word.key}-is">{escape(piece)}</a>'
        for piece, word in glossary.explained(text)
    )


def policy(script: str, style: str) -> str:
    """Content-Security-Policy that lets this script and this style run and forbids everything else."""
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (script, style)]
    return (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; base-uri 'none'; "
        "form-action 'none'; img-src blob:; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def embed(value: Any) -> str:
    """JSON for a script element: nothing in it can end the element or start a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def write(path: Path, content: bytes) -> None:
    """Write a file, a page or figure with its stamp and checksum at its end; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writing.write(path, sealed(stamps.on_page(content, path)) if path.suffix in (".html", ".svg") else content)
