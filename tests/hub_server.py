"""The rehearsal's hub, told to fail: gated, cut off, gone, or lying about what it sends."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field

from ttstudy.run.rehearsal import hub
from ttstudy.run.rehearsal.hub import COMMIT

__all__ = ["COMMIT", "TOKEN", "Hub", "Repository", "serving"]

TOKEN = "hf_secretSecretSecretSecretSecret"


@dataclass
class Repository(hub.Repository):
    """`lost`: bytes after which the next so many downloads of a file break off."""

    gated: bool = False
    lost: dict[str, list[int]] = field(default_factory=dict)
    last: bool = False
    """Whether the hub is gone after the last of the breaks, when all else is sent, until it is not `down` any more."""
    served: dict[str, bytes] = field(default_factory=dict)
    """Other content than the listing says: a file that was damaged on its way."""
    sent: set[str] = field(default_factory=set)
    """Files that somebody has got whole."""


class _Handler(hub.Handler):
    def answer(self):
        if self.server.down:
            self.close_connection = True
            return
        super().answer()

    def file(self, repository, name):
        if repository.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(403 if "Authorization" in self.headers else 401, "GatedRepo")
        return super().file(repository, name)

    def content(self, repository, name):
        return repository.served.get(name, repository.files[name])

    def send(self, repository, name, content):
        breaks = repository.lost.get(name)
        if breaks:
            self.wfile.write(content[: breaks.pop(0)])
            self.close_connection = True
            if repository.last and not breaks:
                while len(repository.sent) < len(repository.files) - 1:
                    time.sleep(0.01)
                self.server.down = True
        else:
            self.wfile.write(content)
            repository.sent.add(name)


class Hub(hub.Hub):
    """The server; `down`: it does not answer."""

    down: bool = False

    def verify_request(self, *_):
        """Nobody answers at a hub that is gone."""
        return not self.down


@contextmanager
def serving(repositories: dict[tuple[str, str], Repository]):
    """A running hub with these repositories."""
    with hub.serving(repositories, Hub, _Handler) as server:
        yield server
