"""One page from the network: http and https only, within limits of size and time, and never from a private address.

Every address that a name stands for is checked before one of them is connected to, and it is that very address that
is connected to, so a name cannot change its meaning in between. Redirects are followed one by one under the same
rules. A host of your own network has to be named (`private_hosts`), and only a link that you gave leads to it, no
redirect from elsewhere. Proxies of the environment are not used; nothing is crawled.
"""

from __future__ import annotations

import http.client
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from cognition.ingest.refused import Refused

AGENT = "nightshift (cognition add; reads single pages on a person's request)"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KINDS = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "text/plain": "text",
    "text/markdown": "text",
}
#: All that IANA has given out of IPv6. Python calls more global: ::127.0.0.1, and the site-local fec0::/10.
_UNICAST = ipaddress.IPv6Network("2000::/3")
#: Blocks in it that carry an IPv4 address inside: what they lead to cannot be told from the outside.
_TUNNELS = tuple(map(ipaddress.IPv6Network, ("2002::/16", "2001::/32")))


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What may be fetched."""

    max_mb: float = 20.0
    timeout_s: float = 60.0  # of one page, redirects included
    redirects: int = 5
    private_hosts: frozenset[str] = frozenset()  # named hosts whose address may be private
    arxiv_url: str = "https://arxiv.org"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page as it came."""

    url: str  # where it was in the end
    kind: str  # html, pdf, text
    content: bytes


def fetch(url: str, rules: FetchRules) -> Fetched:
    """The page at that address. Raises Refused."""
    deadline, asked = time.monotonic() + rules.timeout_s, split(url).hostname
    may_be_private = True
    for _ in range(rules.redirects + 1):
        may_be_private = may_be_private and split(url).hostname == asked  # who was elsewhere does not come back
        found = _one(url, rules, deadline, may_be_private=may_be_private)
        if isinstance(found, Fetched):
            return found
        url = found
    raise Refused(f"more than {rules.redirects} redirects")


def split(url: str) -> SplitResult:
    """The parts of an address. Raises Refused for one that has none, such as http://[."""
    try:
        return urlsplit(url)
    except ValueError as error:
        raise Refused(f"{url[:100]!r} is no address ({error})") from None


def _one(url: str, rules: FetchRules, deadline: float, *, may_be_private: bool) -> Fetched | str:
    """The page, or where it says it is now."""
    parts = split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused(f"only http and https addresses are fetched, not {url[:100]!r}")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Refused(f"no such port: {url[:100]!r}") from None
    private = rules.private_hosts if may_be_private else frozenset()
    address = _public_address(parts.hostname, port, parts.hostname in private, deadline)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with _connected(parts.scheme, parts.hostname, port, address, deadline) as connection:
            connection.request("GET", path, headers={"User-Agent": AGENT, "Accept-Encoding": "identity"})
            return _answer(connection.getresponse(), url, rules, deadline)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        late = time.monotonic() >= deadline
        reason = f"no answer within {rules.timeout_s:g} s" if late else f"{type(error).__name__}: {error}"
        raise Refused(f"cannot fetch {url[:200]}: {reason}") from None


def _answer(response: http.client.HTTPResponse, url: str, rules: FetchRules, deadline: float) -> Fetched | str:
    if response.status in _REDIRECTS:
        target = response.headers.get("Location")
        if not target:
            raise Refused(f"{url[:200]} redirects to nowhere")
        try:
            return urljoin(url, target)
        except ValueError as error:
            raise Refused(f"{url[:200]} redirects to {target[:100]!r}, which is no address ({error})") from None
    if response.status != 200:
        raise Refused(f"{url[:200]} answers with HTTP {response.status}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Refused(f"{url[:200]} comes compressed although that was not asked for")
    kind = _KINDS.get(response.headers.get_content_type())
    if kind is None:
        raise Refused(f"{url[:200]} is {response.headers.get_content_type()}; HTML, PDF and plain text can be read")
    return Fetched(url, kind, _body(response, url, rules, deadline))


def _body(response: http.client.HTTPResponse, url: str, rules: FetchRules, deadline: float) -> bytes:
    most, pieces, size = int(rules.max_mb * 2**20), list[bytes](), 0
    while piece := response.read(65_536):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise Refused(f"{url[:200]} is larger than {rules.max_mb:g} MB")
    if time.monotonic() >= deadline:  # the alarm has ended the connection, which reads like the end of the page
        raise Refused(f"{url[:200]} was not complete within {rules.timeout_s:g} s")
    if response.length:  # bytes that were promised and did not come
        raise Refused(f"{url[:200]} broke off after {size} bytes")
    return b"".join(pieces)


def _public_address(host: str, port: int, may_be_private: bool, deadline: float) -> str:
    """The address to connect to, once all that the name stands for are known to be public."""
    try:
        found = _resolved(host, port, deadline)
    except (OSError, UnicodeError) as error:
        raise Refused(f"there is no host {host!r} ({error})") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not may_be_private and not is_public(address):
            raise Refused(
                f"{host} is {address}, a private address: pages of your own network are read only from hosts that "
                "are named with --allow-host, and never after a redirect from elsewhere"
            )
    return addresses[0]


def _resolved(host: str, port: int, deadline: float) -> list[tuple[Any, ...]]:
    """All addresses of a name. Raises OSError, UnicodeError, and Refused once it is late.

    The system's resolver takes no time limit, and one that hangs cannot be interrupted: it is asked in a thread, which
    is left behind if it is late.
    """
    answers: queue.SimpleQueue[list[tuple[Any, ...]] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise Refused(f"the name {host!r} was not resolved in time") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def is_public(address: str) -> bool:
    """Whether anybody could reach it.

    >>> [is_public(a) for a in ("8.8.8.8", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "2002:7f00:1::", "::1")]
    [True, False, False, False, False, False]
    >>> [is_public(a) for a in ("2606:4700::1111", "::127.0.0.1", "fec0::1", "64:ff9b::7f00:1")]
    [True, False, False, False]
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip not in _UNICAST or any(ip in tunnel for tunnel in _TUNNELS):
            return False
    return ip.is_global and not ip.is_multicast


@contextmanager
def _connected(
    scheme: str, host: str, port: int, address: str, deadline: float
) -> Iterator[http.client.HTTPConnection]:
    """A connection to exactly that address, cut off at the deadline whatever it is doing."""
    left_s = max(0.1, deadline - time.monotonic())
    connection = http.client.HTTPConnection(host, port, timeout=left_s)
    if scheme == "https" and port == 443:
        connection.default_port = 443  # the Host header names no port then
    raw = socket.create_connection((address, port), timeout=left_s)
    live = [raw]
    alarm = threading.Timer(left_s, lambda: _cut(live[-1]))
    alarm.daemon = True
    alarm.start()
    try:
        if scheme == "https":
            context = ssl.create_default_context()
            live.append(context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False))
            live[-1].do_handshake()  # type: ignore[attr-defined]  # the last one is the wrapped one
        connection.sock = live[-1]
        yield connection
    finally:
        alarm.cancel()
        connection.close()
        live[-1].close()


def _cut(sock: socket.socket) -> None:
    """A server that sends a byte now and then keeps a socket's own time-out away."""
    with suppress(OSError):  # it was closed meanwhile
        sock.shutdown(socket.SHUT_RDWR)
