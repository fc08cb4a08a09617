"""The places where a campaign's state goes: looked at before anything starts, so that what is missing is one line.

For a remote artefact store, Prefect's step results go there too: a storage block on the Prefect server says where, and
never holds a credential. Whoever reads or writes finds those in its own environment (AWS_ACCESS_KEY_ID and so on).
"""

from __future__ import annotations

import hashlib

from cognition.archive import Archive
from flows.home import Home
from tasks import artefacts


def check(home: Home) -> None:
    """Archive and artefact store answer. Raises ArchiveError or ArtefactError, which name the place."""
    Archive.open(home.archive_url).close()
    artefacts.check_store(home.artefact_root)


def prefect_settings(home: Home) -> dict[str, str]:
    """Where Prefect keeps step results, as settings for its environment."""
    local = artefacts.local_path(home.artefact_root)
    if local is not None:
        return {"PREFECT_LOCAL_STORAGE_PATH": str(local / "results")}
    return {
        "PREFECT_LOCAL_STORAGE_PATH": str(home.artefacts / "results"),
        "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": f"remote-file-system/{_block(home)}",
    }


async def register_results(home: Home) -> None:
    """Tell the Prefect server about a remote result store; nothing to do for a local one."""
    if artefacts.local_path(home.artefact_root) is not None:
        return
    from prefect.filesystems import RemoteFileSystem

    # A listing kept in memory would hide what another process has written.
    storage = RemoteFileSystem(basepath=f"{home.artefact_root}/results", settings={"use_listings_cache": False})
    await storage.asave(_block(home), overwrite=True)


def _block(home: Home) -> str:
    """One block per place: two teams may share a Prefect server."""
    return f"nightshift-{hashlib.sha256(home.artefact_root.encode()).hexdigest()[:12]}"
