"""What a person names as a source, and its text: arXiv ids, addresses, files, folders, BibTeX lists.

`resolve` says what there is to read without reading it; `Reader.read` reads one. A source that cannot be read is
refused with its reason, and the others go on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cognition.ingest import bibtex
from cognition.ingest.apart import Read, ReadLimits, read, refuse_too_long
from cognition.ingest.documents import Document, sections
from cognition.ingest.fetch import Fetched, FetchRules, fetch, split
from cognition.ingest.refused import Refused

Kind = Literal["arxiv", "url", "file"]

_ARXIV = re.compile(r"(?:arxiv:)?\s*(\d{4}\.\d{4,5}|[a-z-]+(?:\.[a-z]{2})?/\d{7})(v\d+)?", re.IGNORECASE)
_ARXIV_PAGE = re.compile(r"https?://(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/(.+?)(?:\.pdf)?/?", re.IGNORECASE)
#: How files are read, by the end of their name.
KINDS = {".pdf": "pdf", ".html": "html", ".htm": "html", ".md": "text", ".markdown": "text", ".txt": "text"}
#: arXiv asks for three seconds between requests; other hosts get one.
PAUSE_S = {"arxiv.org": 3.0}
MOST_FILE_MB = 100


@dataclass(frozen=True, slots=True)
class Source:
    """One text to read."""

    kind: Kind
    place: str  # arXiv id, address, or path

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"arXiv:{self.place}" if self.kind == "arxiv" else self.place


@dataclass(frozen=True, slots=True)
class NotASource:
    """Something named, or found in a list, that leads to no text."""

    name: str
    reason: str


def resolve(named: str) -> Iterator[Source | NotASource]:
    """What one argument stands for. A path that exists comes before an arXiv id of the same letters."""
    path = Path(named)
    if path.is_dir():
        yield from _folder(path)
    elif path.exists():
        yield from _file(path)
    elif page := _ARXIV_PAGE.fullmatch(named):
        yield from _arxiv(page.group(1), named)
    elif "://" in named:
        yield Source("url", named)
    elif _ARXIV.fullmatch(named):
        yield from _arxiv(named, named)
    else:
        yield NotASource(named, "it is no file, no folder, no address (https://...) and no arXiv id (2401.00001)")


def _arxiv(id: str, named: str) -> Iterator[Source | NotASource]:
    found = _ARXIV.fullmatch(id)
    yield Source("arxiv", found.group(1) + (found.group(2) or "")) if found else Source("url", named)


def _folder(folder: Path) -> Iterator[Source | NotASource]:
    """Files that can be read, by name; hidden ones and links are passed over, and so are other kinds."""
    known = {*KINDS, ".bib"}
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in known
        and path.is_file()
        and not path.is_symlink()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not found:
        yield NotASource(str(folder), f"the folder holds no file that can be read ({', '.join(sorted(known))})")
    for path in found:
        yield from _file(path)


def _file(path: Path) -> Iterator[Source | NotASource]:
    if path.suffix.lower() == ".bib":
        yield from _list(path)
    elif path.suffix.lower() in KINDS:
        yield Source("file", str(path))
    else:
        known = ", ".join(sorted({*KINDS, ".bib"}))
        yield NotASource(str(path), f"files of this kind cannot be read ({known} can)")


def _list(path: Path) -> Iterator[Source | NotASource]:
    found = list(bibtex.entries(path.read_text(encoding="utf-8", errors="replace")))
    if not found:
        yield NotASource(str(path), "no BibTeX entry was found in it")
    for entry in found:
        place = bibtex.place(entry)
        if place is None:
            yield NotASource(f"{path}: {entry.key}", "the entry has no arXiv id, DOI or url: nothing to fetch")
        elif _ARXIV.fullmatch(place):
            yield from _arxiv(place, place)
        else:
            yield Source("url", place)


@dataclass(slots=True)
class Reader:
    """Reads sources one after the other; it knows when it last asked whom. `rules` None: nothing is fetched."""

    rules: FetchRules | None
    limits: ReadLimits = field(default_factory=ReadLimits)
    _asked: dict[str, float] = field(default_factory=dict)

    def read(self, source: Source) -> Document:
        """The text of a source. Raises Refused."""
        if source.kind == "file":
            return self._file(Path(source.place))
        if self.rules is None:
            raise Refused("it is on the network, and --offline was given")
        if source.kind == "arxiv":
            return self._arxiv(source, self.rules)
        return self._parsed(source.name, self._fetched(source.place, self.rules))

    def _arxiv(self, source: Source, rules: FetchRules) -> Document:
        """The HTML edition, which most papers since 2023 have and which keeps headings; else the PDF."""
        reasons = []
        for edition in ("html", "pdf"):
            try:
                fetched = self._fetched(f"{rules.arxiv_url}/{edition}/{source.place}", rules)
                return self._parsed(source.name, fetched)
            except Refused as refused:
                reasons.append(f"{edition}: {refused}")
        raise Refused("; ".join(reasons))

    def _fetched(self, url: str, rules: FetchRules) -> Fetched:
        host = split(url).hostname or ""
        pause_s = 0.0 if host in rules.private_hosts else PAUSE_S.get(host, 1.0)
        if host in self._asked:
            time.sleep(max(0.0, self._asked[host] + pause_s - time.monotonic()))
        try:
            return fetch(url, rules)
        finally:
            self._asked[host] = time.monotonic()

    def _file(self, path: Path) -> Document:
        if path.stat().st_size > MOST_FILE_MB * 2**20:
            raise Refused(f"the file is larger than {MOST_FILE_MB} MB")
        return self._parsed(str(path), Fetched(str(path), KINDS[path.suffix.lower()], path.read_bytes()))

    def _parsed(self, name: str, fetched: Fetched) -> Document:
        found = _plain(fetched.content) if fetched.kind == "text" else read(fetched.kind, fetched.content, self.limits)
        return Document(name, found.title or _last(name), found.parts)


def _plain(content: bytes) -> Read:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"it is not UTF-8 text: {error.reason} at byte {error.start}") from None
    if not text.strip():
        raise Refused("it is empty")
    parts = sections(text)
    refuse_too_long(parts)
    return Read(next((part.place for part in parts if part.place), ""), parts)


def _last(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1][:200]
