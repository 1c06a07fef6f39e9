"""What mkdocs is told beside `mkdocs.yml`: generated pages, files of the repository that pages link to, the example."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "workflow")]

from pages import GENERATED  # noqa: E402 - from beside this file

LINK = re.compile(r"(?<=\]\()([^)#\s]+)(?=[)#])")
ALSO = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "config.yaml")
"""Files of the repository that the navigation names; all others are those that a page links to."""
EXAMPLES = ("miniature", "smoke")
"""Studies whose report is shown, the first that was run."""
NO_EXAMPLE = """# Example report

No study was run before this site was built. `make study` makes the report of the miniature study in ten minutes.

![The miniature study's report](source/reports/miniature.png)
"""
EXAMPLE = """# Example report

The report of the study `{study}`, as `ttstudy run` writes it: [open it](example/report.html).
It is one file, and needs no network.

![The miniature study's report](source/reports/miniature.png)
"""


def _outside(file: Path, text: str) -> set[Path]:
    """Files of the repository outside docs/ that a text, in a file, links to."""
    found = set()
    for link in LINK.findall(text):
        target = (file.parent / link).resolve()
        if "://" not in link and target.is_file() and target.is_relative_to(ROOT) and not target.is_relative_to(HERE):
            found.add(target.relative_to(ROOT))
    return found


def _sources() -> set[Path]:
    """Those that pages link to, and what these link to in turn."""
    found = {Path(name) for name in (*ALSO, "reports/miniature.png")}
    texts = {path: path.read_text(encoding="utf-8") for path in HERE.glob("*.md")}
    waiting = set().union(*(_outside(path, text) for path, text in texts.items())) | found
    while waiting:
        path = waiting.pop()
        found.add(path)
        if path.suffix == ".md":
            waiting |= _outside(ROOT / path, (ROOT / path).read_text(encoding="utf-8")) - found
    return {path for path in found if path != Path("README.md")}


def on_files(files: Files, config: Any) -> Files:
    """Add what is not in docs/."""
    for name, make in GENERATED.items():
        files.append(File.generated(config, name, content=make()))
    for path in sorted(_sources()):
        files.append(File.generated(config, f"source/{path.as_posix()}", abs_src_path=str(ROOT / path)))
    reports = {study: ROOT / "results/studies" / study / "report.html" for study in EXAMPLES}
    study = next((study for study, path in reports.items() if path.is_file()), None)
    if study is None:
        files.append(File.generated(config, "example.md", content=NO_EXAMPLE))
    else:
        files.append(File.generated(config, "example.md", content=EXAMPLE.format(study=study)))
        files.append(File.generated(config, "example/report.html", abs_src_path=str(reports[study])))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links that leave docs/, or that are between files of the repository, to where these stand on the site."""
    source = str(page.file.src_uri)
    if source in GENERATED or source == "example.md":
        return markdown
    inside = source.startswith("source/")
    here = (ROOT / source.removeprefix("source/")) if inside else HERE / source
    up = "../" * source.count("/")

    def turned(found: re.Match[str]) -> str:
        link = found[0]
        target = (here.parent / link).resolve()
        if "://" in link or link.startswith("mailto:") or not target.is_relative_to(ROOT):
            return link
        if target.is_relative_to(HERE):
            return up + target.relative_to(HERE).as_posix()
        path = target.relative_to(ROOT).as_posix()
        if path == "README.md":
            return up + "index.md"
        return f"{up}source/{path}" if target.is_file() else link

    return LINK.sub(turned, markdown)
