"""The viewer's server: on this machine alone, to whoever has the token, and nothing but reading.

Other users of a login node share its loopback, and any page in a browser may ask for an address on it. So the token is
part of every address, and a request that names another host (DNS rebinding) is refused.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sys
import threading
import traceback
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ttstudy.dag import writing
from ttstudy.view.site import OWN, Answer, Site

PORT = 8642
HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""Names by which a browser may ask for this server, also through an SSH tunnel from another port."""
AT_ONCE = 4
"""Requests that are answered at one time."""
_LONGEST = 4000
"""Characters of an address."""


def token() -> str:
    """The token of this user, kept in the user's own folder so that links stay good; a new one where it cannot be."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    place = Path(base) / "ttstudy" / "view.token"
    with suppress(OSError, UnicodeDecodeError):
        known = place.read_text(encoding="ascii").strip()
        if len(known) >= 32 and not place.stat().st_mode & 0o077 and place.stat().st_uid == os.getuid():
            return known
    made = secrets.token_urlsafe(24)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        mask = os.umask(0o077)
        try:
            writing.write(place, made)
        finally:
            os.umask(mask)
    return made


class _Handler(BaseHTTPRequestHandler):
    server: Viewer
    timeout = 20
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ttstudy", ""

    def do_GET(self) -> None:
        """Answer, or refuse without a word on why."""
        host = (self.headers.get("Host") or "").rpartition(":")
        name = host[0] if host[0] and host[2].isdecimal() else self.headers.get("Host")
        parts = urlsplit(self.path) if len(self.path) <= _LONGEST else urlsplit("/")
        first, _, page = parts.path.lstrip("/").partition("/")
        if name not in HOSTS:
            self._send(_refused(421, "This server answers to its own machine alone."))
        elif not hmac.compare_digest(first.encode(), self.server.token.encode()):
            self._send(_refused(403, "Open the address that `ttstudy view` printed."))
        elif "/" not in parts.path.lstrip("/"):
            self._send(_refused(404, "There is no such page."))
        else:
            query = _query(parts.query)
            with self.server.places:
                self._send(self._answer(unquote(page), query))

    def _answer(self, page: str, query: dict[str, str]) -> Answer:
        try:
            return self.server.site.answer(page, query)
        except Exception:
            traceback.print_exc()
            return _refused(500, "This page cannot be made: a defect of ttstudy, which its terminal tells of.")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is not a GET, or no HTTP, is refused with as little as possible."""
        self.close_connection = True
        self._send(_refused(405 if code == 501 else code, "This server is there to read from."))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {
            "Content-Type": f"{answer.kind}; charset=utf-8",
            "Content-Length": str(len(answer.body)),
            "Content-Security-Policy": answer.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
            **({"Allow": "GET"} if answer.status == 405 else {}),
            **({"Connection": "close"} if self.close_connection else {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError, TimeoutError):
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: an address holds the token."""


def _query(text: str) -> dict[str, str]:
    """What an address asks for; nothing where it asks for too much."""
    try:
        return dict(parse_qsl(text, max_num_fields=40, errors="replace"))
    except ValueError:
        return {}


def _refused(status: int, words: str) -> Answer:
    return Answer(status, "text/plain", f"{words}\n".encode(), OWN)


class Viewer(ThreadingHTTPServer):
    """A server of one study's pages; port 0 is any that is free."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, site: Site, port: int = PORT, known: str | None = None) -> None:
        """Listen on the loopback; OSError where the port is taken. `known`: a token to go by."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.site, self.token = site, known or token()
        self.places = threading.Semaphore(AT_ONCE)

    @property
    def address(self) -> str:
        """The first page's."""
        return f"http://127.0.0.1:{self.server_address[1]}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is a defect, and seen."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def opened(site: Site, port: int | None = None) -> Viewer:
    """A viewer at a port; where none is named, at the usual one, or any where that is taken."""
    try:
        return Viewer(site, PORT if port is None else port)
    except OSError:
        if port is not None:
            raise
        return Viewer(site, 0)
