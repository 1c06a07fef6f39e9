"""A small hub on the loopback that speaks the Hugging Face hub's HTTP interface: one commit of each repository."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ttstudy.run.rehearsal.loopback import running

COMMIT = "0123456789abcdef0123456789abcdef01234567"
"""Of every repository here; no real one has it."""
Key = tuple[str, str]
"""`models` or `datasets`, and the id."""


@dataclass
class Repository:
    """Files of one commit by their names."""

    files: Mapping[str, bytes]

    @classmethod
    def of(cls, folder: Path) -> Repository:
        """The files of a folder, and of those in it."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return cls({str(path.relative_to(folder)): path.read_bytes() for path in paths})


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        """Note the request."""
        self.server.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())

    def do_HEAD(self) -> None:
        """See http.server."""
        self.answer()

    def do_GET(self) -> None:
        """See http.server."""
        self.answer()

    def answer(self) -> None:
        """What a repository is, its files, or a part of one file."""
        path = self.path.split("?")[0]
        found = re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        file = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.+)", path)
        if (match := found or file) is None:
            return self.refuse(404, "EntryNotFound")
        kind = "datasets" if (match[1] or "").startswith("datasets") else "models"
        repository = self.server.repositories.get((kind, match[2]))
        if repository is None:
            return self.refuse(401 if "Authorization" not in self.headers else 404, "RepoNotFound")
        revision = match[4] if found else match[3]
        if revision not in (None, "main", COMMIT):
            return self.refuse(404, "RevisionNotFound")
        if file:
            return self.file(repository, match[4])
        if match[3] == "tree":
            return self.json([_listed(name, content) for name, content in repository.files.items()])
        return self.json({"id": match[2], "sha": COMMIT, "siblings": [], "gated": getattr(repository, "gated", False)})

    def file(self, repository: Repository, name: str) -> None:
        """A file, from where the request says."""
        if name not in repository.files:
            return self.refuse(404, "EntryNotFound")
        content = self.content(repository, name)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{etag(name, repository.files[name])}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command != "HEAD":
            self.send(repository, name, content[start:])

    def content(self, repository: Repository, name: str) -> bytes:
        """What is sent of a file."""
        return repository.files[name]

    def send(self, repository: Repository, name: str, content: bytes) -> None:
        """Send the body of a file."""
        self.wfile.write(content)

    def json(self, content: Any) -> None:
        """Send JSON."""
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        """Send an error as the hub words it."""
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", f"refused {self.headers.get('Authorization')}")
        self.send_header("Content-Length", "0")
        self.end_headers()


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".parquet"))


def etag(name: str, content: bytes) -> str:
    """The hub's name for a content: SHA-256 of a large file, git's hash of a small one."""
    start = b"blob %d\0" % len(content)
    return sha256(content).hexdigest() if _is_large(name) else sha1(start + content, usedforsecurity=False).hexdigest()


def _listed(name: str, content: bytes) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": etag(name, content)}
    if _is_large(name):
        item |= {"oid": "0" * 40, "lfs": {"oid": etag(name, content), "size": len(content), "pointerSize": 130}}
    return item


class Hub(ThreadingHTTPServer):
    """The server; `repositories` by (models or datasets, id), `requests` as they came in."""

    daemon_threads = True
    repositories: Mapping[Key, Repository]
    requests: list[str]

    def environment(self, home: Path) -> dict[str, str]:
        """What makes the hub's library talk to this server and to nothing else."""
        return {
            "HF_ENDPOINT": f"http://127.0.0.1:{self.server_port}",
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "no_proxy": "127.0.0.1",
        }


@contextmanager
def serving(
    repositories: Mapping[Any, Any], kind: type[Hub] = Hub, handler: type[Handler] = Handler
) -> Iterator[Any]:
    """A running hub with these repositories; `kind` and `handler`: one that behaves otherwise."""
    server = kind(("127.0.0.1", 0), handler)
    server.repositories, server.requests = repositories, []
    with running(server):
        yield server
