"""Where the pairs of a campaign come from: the proxy, a CSV file, or a CSV at a URL that is fetched once. Trusted.

Real data are never part of this project: their licence is unstated, so they are fetched by whoever runs a campaign.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from problems.drug_target import molecules, proxy
from problems.drug_target.pairs import Pairs, Read, UnusableData, read_csv
from tasks.contract import MachineFault

LARGEST_MB = 512
TIMEOUT_S = 120.0
Smiles = Literal["own", "rdkit"]


class NoData(MachineFault):
    """The pairs cannot be had; the message says why and what to do."""

    may_pass = False


def is_url(where: str) -> bool:
    """Whether to fetch it.

    >>> is_url("https://example.org/full.csv"), is_url("data/full.csv")
    (True, False)
    """
    return urlsplit(where).scheme in ("http", "https")


def load(where: str, smiles: Smiles, tiny: bool = False) -> Pairs:
    """The pairs; `where` is "" for the proxy, which may be tiny. Raises NoData."""
    if not where:
        return proxy.pairs(proxy.TINY) if tiny else proxy.pairs()
    path = fetched(where) if is_url(where) else Path(where)
    try:
        return _read(path, path.stat().st_mtime_ns, smiles)
    except (OSError, UnicodeDecodeError, UnusableData) as error:
        raise NoData(f"the data {where} cannot be used: {error}") from None


@lru_cache(maxsize=2)
def _read(path: Path, changed_ns: int, smiles: Smiles) -> Pairs:
    return read_csv(path.read_text(encoding="utf-8-sig"), reader(smiles))


def reader(smiles: Smiles) -> Read:
    """What makes graphs of SMILES. Raises NoData if rdkit is asked for and not installed."""
    if smiles == "own":
        return molecules.read
    try:
        from problems.drug_target import rdkit_reader
    except ImportError as error:
        raise NoData(f"smiles = 'rdkit' needs the extra: pip install 'nightshift[rdkit]' ({error})") from None
    return rdkit_reader.read


def fetched(url: str) -> Path:
    """The file of a URL in the state folder, fetched if it is not there yet. Raises NoData."""
    home = Path(os.environ.get("NIGHTSHIFT_HOME", ".nightshift")).expanduser().resolve()
    path = home / "cache" / "drug_target" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.csv"
    if not path.exists():
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _download(url, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def _download(url: str, part: Path) -> None:
    import httpx

    size = 0
    try:
        with httpx.stream("GET", url, timeout=TIMEOUT_S, follow_redirects=True) as answer, part.open("wb") as file:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                size += file.write(chunk)
                if size > LARGEST_MB * 2**20:
                    raise NoData(f"{url} has more than {LARGEST_MB} MB; download it and name the file")
    except httpx.HTTPError as error:
        raise NoData(f"{url} cannot be fetched: {type(error).__name__}: {error}") from None
