"""Fetching: limits of scheme, size, time and address, also behind redirects; real HTTP on 127.0.0.1."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from cognition.ingest.fetch import Fetched, FetchRules, fetch
from cognition.ingest.refused import Refused
from tests.pages_server import ARTICLE, Page, PagesServer

#: IPv6 addresses outside of what is given out; Python calls them global.
ODD = ("http://[::127.0.0.1]/", "http://[fec0::1]/", "http://[::ffff:0:7f00:1]/")
HERE = FetchRules(private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0, max_mb=0.1)


def refusal(url: str, rules: FetchRules = HERE) -> str:
    with pytest.raises(Refused) as refused:
        fetch(url, rules)
    return str(refused.value)


def test_a_page_is_fetched_from_a_host_that_was_named() -> None:
    with PagesServer() as server:
        assert fetch(f"{server.url}/article", HERE) == Fetched(f"{server.url}/article", "html", ARTICLE.encode())


def test_private_addresses_are_refused_before_anything_is_sent() -> None:
    with PagesServer() as server:
        said = refusal(f"{server.url}/article", FetchRules())
        assert server.asked == []
    assert "127.0.0.1 is 127.0.0.1, a private address" in said
    for url in ("http://169.254.169.254/latest", "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://0.0.0.0/", *ODD):
        assert "a private address" in refusal(url)


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("8.8.8.8", "10.0.0.7")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    assert "rebinding.example is 10.0.0.7, a private address" in refusal("http://rebinding.example/")


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(*_: Any, **__: Any) -> list[Any]:
        time.sleep(3.0)
        raise socket.gaierror("at last")

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    began = time.monotonic()
    assert "'slow.example' was not resolved in time" in refusal("http://slow.example/", FetchRules(timeout_s=0.3))
    assert time.monotonic() - began < 2.0


def test_a_name_that_cannot_be_a_host_is_refused() -> None:
    assert "there is no host" in refusal(f"http://{'a' * 70}.example/")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a", "gopher://x", "https://", "//no-scheme"])
def test_only_http_and_https(url: str) -> None:
    assert "only http and https" in refusal(url)


def test_redirects_are_followed_on_the_host_and_not_into_private_addresses() -> None:
    with PagesServer() as inside, PagesServer() as server:
        port = inside.url.rsplit(":", 1)[1]
        server.pages |= {
            "moved": Page(b"", status=301, headers={"Location": "/article"}),
            "inside": Page(b"", status=302, headers={"Location": f"http://localhost:{port}/article"}),
            "file": Page(b"", status=302, headers={"Location": "file:///etc/passwd"}),
            "loop": Page(b"", status=302, headers={"Location": "/loop"}),
            "nowhere": Page(b"", status=302),
        }
        assert fetch(f"{server.url}/moved", HERE).url == f"{server.url}/article"
        both = FetchRules(private_hosts=frozenset({"127.0.0.1", "localhost"}))
        assert "a private address" in refusal(f"{server.url}/inside", both)
        assert inside.asked == []
        assert "only http and https" in refusal(f"{server.url}/file")
        assert "more than 5 redirects" in refusal(f"{server.url}/loop")
        assert "redirects to nowhere" in refusal(f"{server.url}/nowhere")


def test_a_private_host_is_not_reached_again_after_a_redirect_to_elsewhere() -> None:
    with PagesServer() as server:
        port = server.url.rsplit(":", 1)[1]
        server.pages |= {
            "away": Page(b"", status=302, headers={"Location": f"http://localhost:{port}/back"}),
            "back": Page(b"", status=302, headers={"Location": f"{server.url}/article"}),
        }
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("cognition.ingest.fetch._public_address", _as_if_public)
            assert "a private address" in refusal(f"{server.url}/away")
        assert "/article" not in server.asked


def _as_if_public(host: str, port: int, may_be_private: bool, deadline: float) -> str:
    if host != "localhost" and not may_be_private:
        raise Refused(f"{host} is a private address")
    return "127.0.0.1"


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "http://a]b/", "https://[x"])
def test_what_is_no_address_is_refused_and_not_an_error(url: str) -> None:
    assert "is no address" in refusal(url)
    with PagesServer(odd=Page(b"", status=302, headers={"Location": url})) as server:
        assert "is no address" in refusal(f"{server.url}/odd")


def test_what_is_too_large_unreadable_or_incomplete_is_refused() -> None:
    pages = {
        "large": Page(b"x" * 200_000),
        "picture": Page(b"x", "image/png"),
        "zipped": Page(b"x", headers={"Content-Encoding": "gzip"}),
        "short": Page(b"half", headers={"Content-Length": "1000"}),
    }
    with PagesServer(**pages) as server:
        assert "is larger than 0.1 MB" in refusal(f"{server.url}/large")
        assert "is image/png" in refusal(f"{server.url}/picture")
        assert "comes compressed" in refusal(f"{server.url}/zipped")
        assert "IncompleteRead" in refusal(f"{server.url}/short") or "broke off" in refusal(f"{server.url}/short")
        assert "HTTP 404" in refusal(f"{server.url}/unknown")


def test_a_server_that_drips_is_cut_off_in_time() -> None:
    with PagesServer(slow=Page(b"<html>" * 1_000, drip_s=0.05)) as server:
        started = time.monotonic()
        said = refusal(f"{server.url}/slow", FetchRules(private_hosts=HERE.private_hosts, timeout_s=0.5))
    assert time.monotonic() - started < 3.0
    assert "within 0.5 s" in said or "broke off" in said
    assert "cannot fetch" in refusal("http://127.0.0.1:9/", HERE)
