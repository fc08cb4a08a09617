"""An OpenAI-compatible model server that follows a script: good answers, and every way a server can fail.

In a test:          with ScriptedServer(Script(http_500=0.3, seed=1)) as server: ... server.base_url ...
As a process:       python tests/scripted_server.py --port 8123 --counts counts.json --script '{"http_429": 0.2}'

It answers POST /v1/chat/completions and GET /v1/models. GET /_counts tells how often each prompt was asked and answered
(kept in the --counts file across restarts); POST /_script changes fields of the script while it runs. Answers are a
function of the prompt alone; faults are drawn from (seed, prompt, how often this prompt was asked), so neither depends
on the order of threads. It knows no model: a "good" answer varies one constant of the program in the prompt.
Standard library only, so that it starts at once.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import re
import sys
import threading
import time
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self, cast

#: Rates of faults, in the order in which one draw per request is compared with their running sum.
FAULTS = ("http_500", "http_429", "hang", "cut_body", "cut_json", "empty", "no_code", "bad_diff", "wrong_function")
_REFUSED_BY_HTTP = {"http_500": 500, "http_429": 429}


@dataclass(frozen=True, slots=True)
class Script:
    """How the server behaves. Rates are probabilities per request and sum to at most 1."""

    seed: int = 0
    latency_s: float = 0.0
    http_500: float = 0.0
    http_429: float = 0.0
    hang: float = 0.0  # the connection stays open and nothing comes
    cut_body: float = 0.0  # the HTTP body is half a JSON document
    cut_json: float = 0.0  # the answer breaks off, finish_reason length
    empty: float = 0.0
    no_code: float = 0.0
    bad_diff: float = 0.0  # SEARCH lines that are not in the program
    wrong_function: float = 0.0  # every function of the program renamed
    retry_after: str | None = None  # header on 429 and 503
    hang_s: float = 3_600.0
    status: int | None = None  # every request is answered with this HTTP status
    error_code: str | None = None  # the code that error bodies carry
    response_format: Literal["ok", "reject", "ignore"] = "ok"  # reject: 400; ignore: prose instead of JSON
    refuse_max_tokens: str | None = None  # 400 with this message to whoever sends max_tokens
    down_after: int | None = None  # from the request after this many on, connections are dropped
    api_key: str | None = None  # required as bearer token
    model: str = "scripted"  # other names get 404
    no_usage: bool = False
    replies: tuple[str, ...] = ()  # verbatim contents for the first answers
    raw_body: str | None = None  # verbatim HTTP body, status 200
    dimension: int = 64  # of embeddings
    longest_input: int | None = None  # 400 to whoever sends a longer text to be embedded


class Counts:
    """How often each prompt was asked and answered; written to a file after each change if one is given."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._prompts: dict[str, dict[str, int]] = {}
        if file is not None and file.exists():
            self._prompts = json.loads(file.read_text())["prompts"]

    def asked(self, prompt: str) -> int:
        """Count a request. Returns how often this prompt had been asked before."""
        return self._add(prompt, "requests") - 1

    def answered(self, prompt: str) -> None:
        """Count an answer whose last byte has been sent."""
        self._add(prompt, "answered")

    def snapshot(self) -> dict[str, Any]:
        """Totals, and counts by prompt hash."""
        with self._lock:
            return self._totals()

    def _totals(self) -> dict[str, Any]:
        prompts = {prompt: dict(counts) for prompt, counts in self._prompts.items()}
        totals = {kind: sum(counts[kind] for counts in prompts.values()) for kind in ("requests", "answered")}
        return {**totals, "prompts": prompts}

    def _add(self, prompt: str, kind: str) -> int:
        with self._lock:
            counts = self._prompts.setdefault(prompt, {"requests": 0, "answered": 0})
            counts[kind] += 1
            if self._file is not None:
                temporary = self._file.with_suffix(".tmp")
                temporary.write_text(json.dumps(self._totals()))
                temporary.replace(self._file)
            return counts[kind]


class ScriptedServer:
    """The server in a thread of this process. `requests` holds the bodies of all chat requests."""

    def __init__(self, script: Script | None = None, port: int = 0, counts: Path | None = None) -> None:
        self.script = script or Script()
        self.counts = Counts(counts)
        self.requests: list[dict[str, Any]] = []
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.replied = 0
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.scripted = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def serve_forever(self) -> None:
        """Serve in the calling thread."""
        self._http.serve_forever(poll_interval=0.02)

    def next_reply(self) -> str | None:
        """The next verbatim content, or None when they are used up."""
        with self.lock:
            if self.replied >= len(self.script.replies):
                return None
            self.replied += 1
            return self.script.replies[self.replied - 1]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a handler that hangs by script must not hold up the test
    request_queue_size = 128
    scripted: ScriptedServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the play; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def scripted(self) -> ScriptedServer:
        return cast(_Http, self.server).scripted

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        if self.path == "/_counts":
            self._json(200, self.scripted.counts.snapshot())
        elif self.path == "/v1/models":
            self._json(200, {"object": "list", "data": [{"id": self.scripted.script.model, "object": "model"}]})
        else:
            self._error(404, f"no such path: {self.path}")

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if len(data) < int(self.headers["Content-Length"]):
            raise ConnectionAbortedError("the client went away while it was asking")
        body = json.loads(data)
        if self.path == "/_script":
            self.scripted.script = replace(self.scripted.script, **body)
            self._json(200, asdict(self.scripted.script))
        elif self.path == "/v1/chat/completions":
            self._chat(body)
        elif self.path == "/v1/embeddings":
            self._embed(body)
        else:
            self._error(404, f"no such path: {self.path}")

    def _chat(self, body: dict[str, Any]) -> None:
        scripted, script = self.scripted, self.scripted.script
        prompt = prompt_hash(body)
        with scripted.lock:
            scripted.requests.append(body)
            is_down = script.down_after is not None and len(scripted.requests) > script.down_after
        earlier = scripted.counts.asked(prompt)
        if is_down:
            self.close_connection = True
            return
        scripted.stopping.wait(script.latency_s)
        fault = draw(script, prompt, earlier)
        if fault == "hang":
            scripted.stopping.wait(script.hang_s)
            self.close_connection = True
            return
        if not self._refused(body, fault):
            self._answer(body, prompt, fault)

    def _embed(self, body: dict[str, Any]) -> None:
        """The same direction for texts of the same words; the order of the answer is turned around."""
        script = self.scripted.script
        with self.scripted.lock:
            self.scripted.requests.append(body)
        if script.status is not None:
            self._error(script.status, "scripted failure")
            return
        if script.longest_input is not None and max(map(len, body["input"])) > script.longest_input:
            self._error(400, "input is too long")
            return
        data = [
            {"object": "embedding", "index": index, "embedding": embedding(text, script.dimension)}
            for index, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        self._json(200, {"object": "list", "data": data[::-1], "model": body["model"], "usage": usage})

    def _refused(self, body: dict[str, Any], fault: str | None) -> bool:
        script = self.scripted.script
        status = script.status or _REFUSED_BY_HTTP.get(fault or "")
        if status is not None:
            self._error(status, "scripted failure", {"Retry-After": script.retry_after} if script.retry_after else {})
        elif script.api_key and self.headers["Authorization"] != f"Bearer {script.api_key}":
            self._error(401, f"Incorrect API key provided: {self.headers['Authorization']}")
        elif body["model"] != script.model:
            self._error(404, f"model '{body['model']}' not found")
        elif script.response_format == "reject" and "response_format" in body:
            self._error(400, "response_format is not supported by this server")
        elif script.refuse_max_tokens and "max_tokens" in body:
            self._error(400, script.refuse_max_tokens)
        else:
            return False
        return True

    def _answer(self, body: dict[str, Any], prompt: str, fault: str | None) -> None:
        script = self.scripted.script
        reply = self.scripted.next_reply()
        content = reply if reply is not None else compose(body, script, fault)
        text = script.raw_body or json.dumps(_completion(body, content, script, fault))
        if fault == "cut_body":
            text = text[: len(text) // 2]
        self._send(200, text, {})
        self.scripted.counts.answered(prompt)

    def _error(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        self._json(
            status,
            {"error": {"message": message, "type": "scripted", "code": self.scripted.script.error_code}},
            headers or {},
        )

    def _json(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(content), headers or {})

    def _send(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        data = text.encode()
        try:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up waiting or was killed


def prompt_hash(body: Mapping[str, Any]) -> str:
    """The hash of what was asked: the messages, whatever the other parameters."""
    return hashlib.sha256(json.dumps(body["messages"], sort_keys=True).encode()).hexdigest()[:16]


def embedding(text: str, dimension: int) -> list[float]:
    """Counts of words, hashed: texts that share words are near one another."""
    counts = [0.01] * dimension
    for word in re.findall(r"\w+", text.lower()):
        counts[int(hashlib.sha256(word.encode()).hexdigest(), 16) % dimension] += 1.0
    return counts


def draw(script: Script, prompt: str, earlier: int) -> str | None:
    """The fault of this request, or None."""
    at = random.Random(f"{script.seed}/{prompt}/{earlier}").random()
    for fault in FAULTS:
        at -= getattr(script, fault)
        if at < 0:
            return fault
    return None


def compose(body: Mapping[str, Any], script: Script, fault: str | None = None) -> str:
    """The content of an answer, in the form the request asks for."""
    text = body["messages"][-1]["content"]
    if fault == "empty":
        return ""
    if "response_format" in body and script.response_format == "ok":
        names = list(body["response_format"]["json_schema"]["schema"]["properties"])
        content = json.dumps(_fields(names, text, fault))
    elif "response_format" in body:
        content = "Certainly! Here is what I would try: a better program."
    else:
        names = re.findall(r"^<(\w+)>$", text, re.MULTILINE)
        content = "\n".join(
            f"<{name}>\n{_as_text(value)}\n</{name}>" for name, value in _fields(names, text, fault).items()
        )
    return content[: len(content) // 2] if fault == "cut_json" else content


def _fields(names: list[str], prompt: str, fault: str | None) -> dict[str, object]:
    program = program_in(prompt)
    change = variation(program, hashlib.sha256(prompt.encode()).hexdigest())
    known: dict[str, Callable[[], object]] = {
        "code": lambda: _code(change, fault),
        "edits": lambda: _edits(change, fault),
        "motivation": lambda: f"Vary one constant: {change.note}.",
        "sources": lambda: re.findall(r'<data label="item ([^"]+)"', prompt)[:1],
        "report": lambda: f"The program was measured; {change.note} is worth a try.",
        "symptoms": lambda: ["plateau"],
        "lessons": lambda: ["Small changes of one constant are cheap to try."],
        "confirmed": lambda: re.findall(r'<data label="lesson ([^"]+)"', prompt)[:1],
        "contradicted": lambda: [],
        "approve": lambda: True,
        "complexity": lambda: 10,
        "efficiency": lambda: 10,
        "innovation": lambda: 10,
    }
    return {name: known[name]() if name in known else "as asked" for name in names}


def _as_text(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


@dataclass(frozen=True, slots=True)
class Variation:
    """A program with one constant changed, and the edit that does it."""

    program: str
    search: str
    replacement: str
    note: str


def program_in(prompt: str) -> str:
    """The first program between data marks."""
    pattern = r'<data label="(?:parent )?program" key="(\w+)">\n(.*?)\n</data key="\1">'
    match = re.search(pattern, prompt, re.DOTALL)
    return match.group(2) if match else "VALUE = 1.0"


def variation(program: str, seed: str) -> Variation:
    """One float constant on a line that stands alone is multiplied by 0.8 to 1.25; without one, a constant is added."""
    rng, lines = random.Random(seed), program.split("\n")
    places = [place for place in _floats(program) if lines.count(lines[place[0]]) == 1]
    if not places:
        value = f"VARIANT = {rng.random():.6f}"
        return Variation(f"{program}\n\n{value}", lines[-1], f"{lines[-1]}\n\n{value}", value)
    row, start, end = rng.choice(places)
    old = lines[row][start:end]
    new = repr(float(f"{float(old) * rng.uniform(0.8, 1.25):.9g}"))
    line = lines[row][:start] + new + lines[row][end:]
    return Variation("\n".join([*lines[:row], line, *lines[row + 1 :]]), lines[row], line, f"{old} to {new}")


def _floats(program: str) -> list[tuple[int, int, int]]:
    """Row, start and end of the float constants other than 0.0."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(program).readline))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return []
    return [
        (token.start[0] - 1, token.start[1], token.end[1])
        for token in tokens
        if token.type == tokenize.NUMBER and re.fullmatch(r"\d+\.\d*(e-?\d+)?", token.string) and float(token.string)
    ]


def _code(change: Variation, fault: str | None) -> str:
    if fault == "no_code":
        return ""
    if fault == "wrong_function":
        return re.sub(r"^def (\w+)", r"def other_\1", change.program, flags=re.MULTILINE)
    return change.program


def _edits(change: Variation, fault: str | None) -> str:
    if fault == "no_code":
        return ""
    search = "this line stands in no program" if fault in {"bad_diff", "wrong_function"} else change.search
    return f"<<<<<<< SEARCH\n{search}\n=======\n{change.replacement}\n>>>>>>> REPLACE"


def _completion(body: Mapping[str, Any], content: str, script: Script, fault: str | None) -> dict[str, Any]:
    prompt_tokens = len(json.dumps(body["messages"])) // 4
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len(content) // 4, "total_tokens": 0}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "finish_reason": "length" if fault == "cut_json" else "stop",
    }
    completion = {"id": "scripted", "object": "chat.completion", "created": int(time.time()), "model": body["model"]}
    return {**completion, "choices": [choice], **({} if script.no_usage else {"usage": usage})}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible model server on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port; the address is printed")
    parser.add_argument("--counts", type=Path, help="file that keeps the counts across restarts")
    parser.add_argument(
        "--script", default="{}", help=f"JSON with fields of Script: {', '.join(f.name for f in fields(Script))}"
    )
    return parser.parse_args()


def main() -> None:
    """Serve until killed."""
    arguments = _arguments()
    server = ScriptedServer(Script(**json.loads(arguments.script)), arguments.port, arguments.counts)
    print(server.base_url, flush=True)  # noqa: T201 - whoever started the process reads the address here
    server.serve_forever()


if __name__ == "__main__":
    main()
