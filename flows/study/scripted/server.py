"""Serves the scripted researcher on 127.0.0.1, in a thread: POST /v1/chat/completions, with faults at given rates.

Answers depend on script and prompt alone; a fault also on how often that prompt was asked before, so that a retry can
get through. Neither depends on the order in which requests arrive: cells repeat, and may run at the same time.
Standard library only.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Self, cast

from flows.study.scripted.answers import PROSE, compose, prompt_hash
from flows.study.scripted.ladder import Ladder
from flows.study.scripted.settings import Scripted

_STATUS = {"http_429": 429, "http_500": 500}


class ScriptedResearcher:
    """The server; a context manager. `counts` holds requests, answers and faults by name."""

    def __init__(self, script: Scripted, ladder: Ladder, port: int = 0) -> None:
        """`port` 0: any that is free."""
        self.script = script
        self.ladder = ladder
        self.counts: Counter[str] = Counter()
        self.stopping = threading.Event()
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.researcher = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def base_url(self) -> str:
        """What goes into models.ROLE.base_url."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def count(self, what: str) -> None:
        """One more of it."""
        with self._lock:
            self.counts[what] += 1

    def fault(self, body: dict[str, Any]) -> str | None:
        """What goes wrong with this request, None if nothing."""
        prompt = prompt_hash(body)
        with self._lock:
            earlier = self._asked[prompt]
            self._asked[prompt] += 1
            self.counts["requests"] += 1
        return drawn(self.script, prompt, earlier)


def drawn(script: Scripted, prompt: str, earlier: int) -> str | None:
    """The fault of a prompt that was asked so many times before."""
    at = Random(f"{script.seed}/fault/{prompt}/{earlier}").random()
    for name, rate in script.faults.rates().items():
        at -= rate
        if at < 0:
            return name
    return None


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    researcher: ScriptedResearcher

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away needs no traceback."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        """The list of models."""
        if self.path == "/v1/models":
            self._json(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})
        else:
            self._error(404, f"no such path: {self.path}")

    def do_POST(self) -> None:
        """A chat."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/chat/completions":
            self._error(404, f"no such path: {self.path}")
            return
        try:
            body = json.loads(data)
        except json.JSONDecodeError as error:
            self._error(400, f"expected JSON: {error}")
            return
        self._chat(body)

    def _chat(self, body: dict[str, Any]) -> None:
        researcher = cast(_Http, self.server).researcher
        fault = researcher.fault(body)
        if fault is not None:
            researcher.count(fault)
        if fault in _STATUS:
            self._error(_STATUS[fault], "scripted fault")
            return
        if fault == "slow":
            researcher.stopping.wait(researcher.script.faults.slow_s)
        content = PROSE if fault == "not_json" else compose(body, researcher.script, researcher.ladder)
        self._json(200, _completion(body, content))
        researcher.count("answered")

    def _error(self, status: int, message: str) -> None:
        self._json(status, {"error": {"message": message, "type": "scripted", "code": None}})

    def _json(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


def _completion(body: dict[str, Any], content: str) -> dict[str, Any]:
    """A chat completion; tokens are counted as four characters each."""
    prompt_tokens, completion_tokens = len(json.dumps(body["messages"])) // 4, len(content) // 4
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "scripted", "object": "chat.completion", "created": 0, "model": body.get("model", "scripted")}
    return {**head, "choices": [choice], "usage": usage}
