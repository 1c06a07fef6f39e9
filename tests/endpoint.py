"""A real endpoint for tests: vLLM's own server on a tiny checkpoint, and a proxy before it that fails on purpose."""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.vllm_session import environment

KEY = "sk-test-9f1c77aa03"
SETTINGS = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve(python: Path, checkpoint: Path, log: Path, *options: str):
    """Port of `vllm serve` on a checkpoint, as the model `mini`, with a key; `options` of the command go before."""
    port = free_port()
    command = [
        python, "-m", "vllm.entrypoints.openai.api_server", "--model", checkpoint, "--served-model-name", "mini",
        "--host", "127.0.0.1", "--port", str(port), "--api-key", KEY, "--dtype", "float32", "--enforce-eager",
        "--block-size", "32", "--no-enable-chunked-prefill", "--max-num-batched-tokens", "16384",
        "--generation-config", "vllm", "--disable-uvicorn-access-log", *options,
    ]  # fmt: skip
    with log.open("wb") as stream:
        server = subprocess.Popen(command, env=environment() | SETTINGS, stdout=stream, stderr=stream)
        try:
            for _ in range(900):
                assert server.poll() is None, log.read_text()[-3000:]
                try:
                    if _get(port, "/health") == 200:
                        break
                except OSError:
                    time.sleep(0.3)
            yield port
        finally:
            server.terminate()
            server.wait(60)


def _get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    return connection.getresponse().status


FAULTS = ("429", "500", "dropped", "malformed", "truncated", "silent")


class Proxy:
    """Passes requests on, or fails them; notes what was asked and what was delivered whole.

    `faults` left to inject come at random among the requests, in a fixed order of kinds; `delay` slows every answer.
    """

    def __init__(
        self, port: int, faults: int = 0, seed: int = 0, delay: float = 0.0, retry_after: str = "0.05"
    ) -> None:
        self.stops_after: int | None = None  # answers after which every connection is cut, as by a server that is gone
        self.answering: Callable[[dict], dict] | None = None  # what answers in the place of the server behind
        self.port, self.left, self.delay, self.retry_after = port, faults, delay, retry_after
        self.bodies: list[dict] = []
        self.times: list[float] = []
        self.delivered: Counter = Counter()
        self.texts: dict = {}
        self.injected: Counter = Counter()
        self.most = self._open = 0
        self._rng, self._lock = random.Random(seed), threading.Lock()

    def fault(self) -> str | None:
        with self._lock:
            if self.stops_after is not None and self.delivered.total() >= self.stops_after:
                return "dropped"
            if self.left <= 0 or self._rng.random() > 0.6:
                return None
            self.left -= 1
            kind = FAULTS[self.left % len(FAULTS)]
            self.injected[kind] += 1
            return kind

    @contextmanager
    def running(self):
        """The proxy's base_url."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):  # noqa: N802 - the library's name
                content = self.rfile.read(int(self.headers["Content-Length"]))
                with proxy._lock:
                    proxy.bodies.append(json.loads(content))
                    proxy.times.append(time.monotonic())
                    proxy._open += 1
                    proxy.most = max(proxy.most, proxy._open)
                try:
                    self.answer(content, proxy.fault())
                finally:
                    with proxy._lock:
                        proxy._open -= 1

            def answer(self, content: bytes, kind: str | None) -> None:
                if kind in ("429", "500"):
                    headers = {"Retry-After": proxy.retry_after} if kind == "429" else {}
                    return self.reply(int(kind), b'{"error": {"message": "slow down"}}', headers)
                if kind == "dropped":
                    return self.cut()
                time.sleep(proxy.delay)
                status, body = self.upstream(content)
                if kind == "malformed":
                    return self.reply(200, b'{"choices": [{"message": ' + body[:40])
                if kind == "truncated":
                    self.start(200, len(body), {})
                    self.wfile.write(body[: len(body) // 2])
                    return self.cut()
                if kind == "silent":  # the answer is complete, and lost on the way
                    return self.cut()
                self.reply(status, body)
                if status == 200:
                    asked = json.loads(content)
                    key = (asked["messages"][-1]["content"], asked.get("seed"))
                    with proxy._lock:
                        proxy.delivered[key] += 1
                        proxy.texts[key] = json.loads(body)["choices"][0]["message"]["content"]

            def upstream(self, content: bytes) -> tuple[int, bytes]:
                if proxy.answering is not None:
                    return 200, json.dumps(proxy.answering(json.loads(content))).encode()
                connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=120)
                passed = ("Authorization", "Content-Type")
                connection.request(
                    "POST", self.path, content, {name: self.headers[name] for name in passed if name in self.headers}
                )
                response = connection.getresponse()
                return response.status, response.read()

            def start(self, status: int, length: int, headers: dict) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.send_header("Content-Type", "application/json")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def reply(self, status: int, body: bytes, headers: dict | None = None) -> None:
                try:
                    self.start(status, len(body), headers or {})
                    self.wfile.write(body)
                except OSError:  # the asker was killed
                    self.close_connection = True

            def cut(self) -> None:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                pass

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            server.server_close()
