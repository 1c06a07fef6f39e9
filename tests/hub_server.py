"""A small hub on the loopback that speaks the Hugging Face hub's HTTP interface, and can be told to fail."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secretSecretSecretSecretSecret"


@dataclass
class Repository:
    """Files of one commit. `lost`: bytes after which the next so many downloads of a file break off."""

    files: dict[str, bytes]
    gated: bool = False
    lost: dict[str, list[int]] = field(default_factory=dict)
    last: bool = False
    """Whether the hub is gone after the last of the breaks, when all else is sent, until it is not `down` any more."""
    served: dict[str, bytes] = field(default_factory=dict)
    """Other content than the listing says: a file that was damaged on its way."""
    sent: set[str] = field(default_factory=set)
    """Files that somebody has got whole."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        self.server.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        if self.server.down:
            self.close_connection = True
            return None
        path = self.path.split("?")[0]
        found = re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        file = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.+)", path)
        if (match := found or file) is None:
            return self._refuse(404, "EntryNotFound")
        kind = "datasets" if (match[1] or "").startswith("datasets") else "models"
        repository = self.server.repositories.get((kind, match[2]))
        if repository is None:
            return self._refuse(401 if "Authorization" not in self.headers else 404, "RepoNotFound")
        revision = match[4] if found else match[3]
        if revision not in (None, "main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        if file:
            return self._file(repository, match[4])
        if match[3] == "tree":
            return self._json([_listed(name, content) for name, content in repository.files.items()])
        return self._json({"id": match[2], "sha": COMMIT, "siblings": [], "gated": repository.gated})

    def _file(self, repository: Repository, name: str):
        if repository.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._refuse(403 if "Authorization" in self.headers else 401, "GatedRepo")
        if name not in repository.files:
            return self._refuse(404, "EntryNotFound")
        content = repository.served.get(name, repository.files[name])
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{_etag(name, repository.files[name])}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        breaks = repository.lost.get(name)
        if breaks:
            self.wfile.write(content[start : start + breaks.pop(0)])
            self.close_connection = True
            if repository.last and not breaks:
                while len(repository.sent) < len(repository.files) - 1:
                    time.sleep(0.01)
                self.server.down = True
        else:
            self.wfile.write(content[start:])
            repository.sent.add(name)

    def _json(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", f"refused {self.headers.get('Authorization')}")
        self.send_header("Content-Length", "0")
        self.end_headers()


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".parquet"))


def _etag(name: str, content: bytes) -> str:
    return sha256(content).hexdigest() if _is_large(name) else sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _listed(name: str, content: bytes) -> dict:
    item = {"type": "file", "path": name, "size": len(content), "oid": _etag(name, content)}
    if _is_large(name):
        item |= {"oid": "0" * 40, "lfs": {"oid": _etag(name, content), "size": len(content), "pointerSize": 130}}
    return item


class Hub(ThreadingHTTPServer):
    """The server; `repositories` by (models or datasets, id), `requests` as they came in."""

    daemon_threads = True
    repositories: dict[tuple[str, str], Repository]
    requests: list[str]
    down: bool = False

    def verify_request(self, *_):
        """Nobody answers at a hub that is gone."""
        return not self.down

    def environment(self, home) -> dict[str, str]:
        """What makes the hub's library talk to this server and to nothing else."""
        return {
            "HF_ENDPOINT": f"http://127.0.0.1:{self.server_port}",
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "no_proxy": "127.0.0.1",
        }


@contextmanager
def serving(repositories: dict[tuple[str, str], Repository]):
    """A running hub with these repositories."""
    server = Hub(("127.0.0.1", 0), _Handler)
    server.repositories, server.requests = repositories, []
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
