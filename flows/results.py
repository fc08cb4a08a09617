"""Stored step results on this machine's disk: a damaged one is set aside, loudly, before its step runs again.

Prefect writes a result in place and takes one that it cannot read for missing, without a word. A process killed in
mid-write, or a full disk, leaves such a file. The step then has no result and must run again; that costs a second
training, so somebody should know. Object stores write whole objects, and are left alone.
"""

from __future__ import annotations

import logging
from pathlib import Path

from prefect.results import ResultRecord  # type: ignore[attr-defined]  # documented there, defined elsewhere
from prefect.settings import get_current_settings

logger = logging.getLogger(__name__)


def set_aside_if_damaged(key: str) -> Path | None:
    """Rename the stored result of this key if it cannot be read; returns its new place, None if nothing is wrong."""
    path = get_current_settings().results.local_storage_path / key
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    reason = _damage(content)
    if not reason:
        return None
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    logger.warning("the stored result %s is damaged (%s): its step runs again; the file is now %s", key, reason, aside)
    return aside


def _damage(content: bytes) -> str:
    """Why these bytes are no stored step result; "" if they are one."""
    try:
        result: object = ResultRecord.deserialize(content).result
    except Exception as error:  # noqa: BLE001  # any byte may be anything, and Prefect raises what it meets
        return type(error).__name__
    return "" if isinstance(result, dict) and {"type", "data"} <= result.keys() else "no record in it"
