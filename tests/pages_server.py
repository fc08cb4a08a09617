"""A web server on 127.0.0.1 for tests of fetching: pages by path, and the ways in which a page can be bad."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, cast

SENTENCES = (
    "Gated linear attention keeps a matrix as its state and decays it by a gate that depends on the input.",
    "We found that a lower bound of 0.1 on the gate avoids that the state is forgotten within a few hundred tokens.",
    "Without the bound the training loss is lower at first, and recall over long distances collapses later on.",
    "A short convolution in front of the queries and keys brings as much as doubling the state at a tenth of its cost.",
)
ARTICLE = f"""<html><head><title>Gates that forget too soon</title></head><body><nav><a href="/">Home</a></nav><article>
<h1>Gates that forget too soon</h1><p>{SENTENCES[0]} {SENTENCES[1]}</p><h2>What we measured</h2>
<p>{SENTENCES[2]}</p><p>{SENTENCES[3]}</p></article><footer>Imprint</footer></body></html>"""
SCRIPTED = "<html><head><script src='app.js'></script></head><body><div id='root'>Loading</div></body></html>"


@dataclass
class Page:
    """What is sent for a path."""

    content: bytes
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip_s: float = 0.0  # pause after every byte


class PagesServer:
    """The server in a thread of this process. `asked` holds the paths of all requests."""

    def __init__(self, **pages: Page) -> None:
        """`pages`: by path without the slash; a few are always there."""
        self.pages = {"article": Page(ARTICLE.encode()), "scripted": Page(SCRIPTED.encode()), **pages}
        self.asked: list[str] = []
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.pages_server = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    pages_server: PagesServer


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        server = cast(_Http, self.server).pages_server
        server.asked.append(self.path)
        page = server.pages.get(self.path.strip("/"), Page(b"not here", status=404))
        self.send_response(page.status)
        for name, value in {"Content-Type": page.kind, **page.headers}.items():
            self.send_header(name, value)
        if "Content-Length" not in page.headers and not page.drip_s:
            self.send_header("Content-Length", str(len(page.content)))
        self.end_headers()
        try:
            for at in range(len(page.content) if page.drip_s else 0):
                self.wfile.write(page.content[at : at + 1])
                time.sleep(page.drip_s)
            if not page.drip_s:
                self.wfile.write(page.content)
        except OSError:
            pass  # the client has enough
