"""An OpenAI-compatible endpoint on the loopback that answers any model's name, by the request's own seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ttstudy.run.rehearsal.loopback import running
from ttstudy.run.rehearsal.standins import WORDS


def answer(request: dict[str, Any], answers: Sequence[str]) -> dict[str, Any]:
    """A chat completion of random words and boxes; the same request gets the same."""
    draw = random.Random(sha256(json.dumps(request, sort_keys=True).encode()).digest())
    boxes = [f"\\boxed{{{text}}}" for text in answers]
    most = int(request.get("max_tokens") or request.get("max_completion_tokens") or 16)
    tokens = [draw.choice([*WORDS, "\n\n", draw.choice(boxes)]) for _ in range(min(most, draw.randint(4, 24)))]
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": "".join(tokens)},
        "finish_reason": "length" if len(tokens) == most else "stop",
    }
    if request.get("logprobs"):
        likely = int(request.get("top_logprobs") or 0)
        choice["logprobs"] = {
            "content": [
                {"token": token, "logprob": -1.0, "top_logprobs": [{"token": "x", "logprob": -1.0}] * likely}
                for token in tokens
            ]
        }
    prompt = sum(len(str(message["content"])) for message in request["messages"]) // 3
    usage = {"prompt_tokens": prompt, "completion_tokens": len(tokens), "total_tokens": prompt + len(tokens)}
    return {"object": "chat.completion", "model": request["model"], "choices": [choice], "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(str(request.get("model")))
        body = json.dumps(answer(request, self.server.answers)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Endpoint(ThreadingHTTPServer):
    """The server; `answers`: what it boxes, `asked`: models that it was asked for."""

    daemon_threads = True
    request_queue_size = 128
    answers: Sequence[str]
    asked: list[str]

    @property
    def address(self) -> str:
        """Its base_url."""
        return f"http://127.0.0.1:{self.server_port}/v1"


@contextmanager
def serving(answers: Sequence[str]) -> Iterator[Endpoint]:
    """A running endpoint."""
    server = Endpoint(("127.0.0.1", 0), _Handler)
    server.answers, server.asked = answers or ["0"], []
    with running(server):
        yield server
