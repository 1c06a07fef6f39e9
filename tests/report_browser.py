"""Chromium driven over its DevTools pipe with the standard library alone: open a file, click, read, take pictures."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe"
).split()


def find() -> str | None:
    """Chromium's path, or None where it is missing."""
    return os.environ.get("TTSTUDY_CHROMIUM") or next((p for name in NAMES if (p := shutil.which(name))), None)


class Browser:
    """One headless page. `requests` and `problems` (console errors, exceptions, CSP reports) grow as it runs."""

    def __init__(self, width: int = 1440, height: int = 1000) -> None:
        self.folder = tempfile.mkdtemp(prefix="ttstudy-chromium-")
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()

        def wire() -> None:
            # Chromium reads commands on descriptor 3 and answers on 4; copies first, lest one overwrite the other.
            a, b = os.dup(to_child), os.dup(from_child)
            os.dup2(a, 3)
            os.dup2(b, 4)
            for descriptor in (3, 4):  # a copy that fell on its own place would be closed when Chromium starts
                os.set_inheritable(descriptor, True)

        self._said = Path(self.folder, "said.txt")
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [str(find()), *FLAGS, f"--user-data-dir={self.folder}", "about:blank"],
                preexec_fn=wire, close_fds=False, stdout=subprocess.DEVNULL, stderr=said,
            )  # fmt: skip
        os.close(to_child)
        os.close(from_child)
        self._buffer, self._id, self._session = b"", 0, None
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.events: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Performance"):
            self.call(f"{domain}.enable")
        self.size(width, height)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One DevTools command and its result."""
        self._id += 1
        message = {"id": self._id, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        try:
            os.write(self._write, json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            raise self._ended() from None
        while True:
            answer = self._next(300)
            if answer.get("id") == self._id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _next(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError("Chromium did not answer")
            data = os.read(self._read, 1 << 20)
            if not data:
                raise self._ended()
            self._buffer += data
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _ended(self) -> RuntimeError:
        """Chromium is gone: how, and its last words."""
        code = self.process.wait(10)
        return RuntimeError(f"Chromium ended with {code}: {self._said.read_text(errors='replace')[-600:].strip()}")

    def _note(self, method: str, parameters: dict[str, Any]) -> None:
        self.events.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(parameters["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.problems.append(json.dumps(parameters["args"])[:500])
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.problems.append(parameters["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.problems.append(f"dialog: {parameters.get('message')}")

    def size(self, width: int, height: int) -> None:
        """Set the viewport, in CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, scheme: str = "light", media: str = "") -> None:
        """Emulate `prefers-color-scheme` and the media type (`print`)."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def open(self, path: Path | str) -> float:
        """Load a local file, or an address, to its load event; seconds taken."""
        start = time.perf_counter()
        self.events.clear()
        address = str(path) if str(path).startswith("http://") else Path(path).resolve().as_uri()
        self.call("Page.navigate", url=address)
        while "Page.loadEventFired" not in self.events:
            self._next(300)
        return time.perf_counter() - start

    def js(self, expression: str) -> Any:
        """Value of an expression in the page; promises are awaited."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"])[:800])
        return result["result"].get("value")

    def until(self, expression: str, seconds: float = 10) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self._holds(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"never true: {expression}")
            time.sleep(0.02)

    def _holds(self, expression: str) -> bool:
        """Whether an expression is true; false while a page gives way to the next."""
        try:
            return bool(self.js(expression))
        except RuntimeError as error:
            if "navigated" not in str(error) and "context" not in str(error):
                raise
            return False

    def picture(self, path: Path | str, selector: str | None = None, limit: int = 16000) -> None:
        """PNG of the whole page, or of one element."""
        clip = self.js(
            "(() => { const r = %s.getBoundingClientRect(); return {x: r.x + scrollX, y: r.y + scrollY, "
            "width: r.width, height: r.height}; })()"
            % (f"document.querySelector({json.dumps(selector)})" if selector else "document.documentElement")
        )
        clip["height"] = min(limit, clip["height"])
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip={**clip, "scale": 1})
        Path(path).write_bytes(base64.b64decode(shot["data"]))
