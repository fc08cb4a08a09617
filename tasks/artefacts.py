"""Artefact storage behind fsspec URIs: a local folder by default, S3 or another remote store by its URI.

A workspace is stable per round, rung and seed, so that a retried step finds what it left. Writes are atomic on the
local file system (write, then rename); object stores are atomic by themselves.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from cognition.records import Artefact, MachineFault


class ArtefactError(MachineFault):
    """An artefact cannot be read or written; the message names it."""


def local_path(uri: str) -> Path | None:
    """The path behind a `file:` URI, None if the URI is remote.

    >>> local_path("file:///tmp/a%20b").as_posix()
    '/tmp/a b'
    """
    parsed = urlparse(uri)
    return Path(unquote(parsed.path)) if parsed.scheme == "file" else None


def read(uri: str) -> bytes:
    """The content behind a URI. Raises ArtefactError."""
    path = local_path(uri)
    with _named("read", uri):
        return path.read_bytes() if path is not None else bytes(_file_system(uri).cat_file(uri))


def write(uri: str, content: bytes) -> None:
    """Store content at a URI, replacing what was there. Raises ArtefactError."""
    path = local_path(uri)
    with _named("write", uri):
        if path is None:
            _file_system(uri).pipe_file(uri, content)
        else:
            _write_local(path, content)


def exists(uri: str) -> bool:
    """Whether something is stored there. Raises ArtefactError when a remote store does not answer."""
    path = local_path(uri)
    with _named("look for", uri):
        return path.exists() if path is not None else bool(_file_system(uri).exists(uri))


def check_store(root: str) -> None:
    """Write to a store, read it back, and clean up. Raises ArtefactError with what is missing."""
    probe = f"{root.rstrip('/')}/probe-{socket.gethostname()}-{os.getpid()}"
    write(probe, b"ok")
    if read(probe) != b"ok":
        raise ArtefactError(f"{root} does not give back what was written to it")
    path = local_path(probe)
    with _named("delete", probe):
        path.unlink() if path is not None else _file_system(probe).rm_file(probe)


@contextmanager
def _named(action: str, uri: str) -> Iterator[None]:
    """Whatever goes wrong becomes an ArtefactError that names the URI and what to do."""
    is_local = local_path(uri) is not None
    try:
        yield
    except ImportError as error:
        raise ArtefactError(f"{uri} needs a package: {error}. For S3: pip install 'nightshift[s3]'") from error
    except OSError as error:
        hint = "; free some space or mend the permissions" if is_local and action == "write" else ""
        raise ArtefactError(f"cannot {action} {uri}: {error}{hint}") from error
    except Exception as error:
        if is_local:
            raise
        # Every remote store has errors of its own, botocore's for S3: no credentials, no such endpoint.
        raise ArtefactError(f"cannot {action} {uri}: {error}; see docs/team.md for what a store needs") from error


def _write_local(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@lru_cache(maxsize=8)
def _file_system_of(protocol: str) -> Any:
    import fsspec

    # A listing kept in memory would hide what another process has written.
    return fsspec.filesystem(protocol, use_listings_cache=False)


def _file_system(uri: str) -> Any:
    return _file_system_of(urlparse(uri).scheme)


@dataclass(frozen=True, slots=True)
class UriWorkspace:
    """A workspace behind any URI."""

    uri: str

    def write(self, name: str, content: bytes) -> Artefact:
        """Store under a plain file name."""
        target = self._of(name)
        write(target, content)
        return Artefact(name, target)

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError."""
        if not self.exists(name):
            raise FileNotFoundError(f"{name} is not in {self.uri}")
        return read(self._of(name))

    def exists(self, name: str) -> bool:
        """Whether it was written."""
        return exists(self._of(name))

    def _of(self, name: str) -> str:
        if not name or "/" in name or name.startswith("."):
            raise ValueError(f"an artefact's name is a plain file name, not {name!r}")
        return f"{self.uri}/{name}"


def workspace(root: str, *parts: str) -> UriWorkspace:
    """The workspace of a round, rung and seed under an artefact root."""
    return UriWorkspace("/".join([root.rstrip("/"), *parts]))
