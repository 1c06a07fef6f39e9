"""An OpenAI-compatible endpoint whose answers our own engine draws: for studies, where no vLLM has to start."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ttstudy.policies.native import NativeEngine
from ttstudy.policies.protocol import Request, Sampling


@contextmanager
def answering(checkpoint: Path):
    """Address of an endpoint that draws from a checkpoint."""
    engine, one = NativeEngine(checkpoint, dtype="float32"), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):  # noqa: N802 - the library's name
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            likeliest = asked.get("top_logprobs", 0)
            most = asked.get("max_tokens") or asked["max_completion_tokens"]
            drawn_as = asked.get("temperature", 1.0), asked.get("top_p", 1.0), 0
            sampling = Sampling(*drawn_as, max_tokens=most, likeliest=likeliest)
            with one:
                prompt = tuple(engine.encode_chat(asked["messages"]))
                (drawn,) = engine.generate([Request(prompt, sampling, asked.get("seed", 0))])
            tokens = [
                {"token": "x", "logprob": value, "top_logprobs": [{"token": "x", "logprob": value}] * likeliest}
                for value in drawn.logprobs
            ]
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": drawn.text},
                "finish_reason": "stop" if drawn.finish == "eos" else "length",
                "logprobs": {"content": tokens},
            }
            usage = {"prompt_tokens": len(prompt), "completion_tokens": drawn.tokens}
            body = json.dumps({"model": asked["model"], "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
