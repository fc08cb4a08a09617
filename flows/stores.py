"""The places where a campaign's state goes: looked at before anything starts, so that what is missing is one line.

For a remote artefact store, Prefect's step results go there too: a storage block on the Prefect server says where, and
never holds a credential. Whoever reads or writes finds those in its own environment (AWS_ACCESS_KEY_ID and so on).
"""

from __future__ import annotations

import hashlib
import os

from sqlalchemy.engine import make_url

from cognition.archive import Archive
from flows.config import ConfigError
from flows.home import Home
from tasks import artefacts


def check(home: Home) -> None:
    """Archive and artefact store answer. Raises ArchiveError or ArtefactError, which name the place."""
    Archive.open(home.archive_url).close()
    artefacts.check_store(home.artefact_root)


def place(home: Home) -> str:
    """A short name of the places in use, without passwords: the same archive and artefact store, the same name."""
    archive = make_url(home.archive_url).render_as_string(hide_password=True)
    return hashlib.sha256(f"{archive} {home.artefact_root}".encode()).hexdigest()[:12]


def refuse_other(home: Home) -> None:
    """A deployment names the places it was made for; a worker with others must not begin anew in them. ConfigError."""
    wanted = os.environ.get("NIGHTSHIFT_PLACE")
    if wanted is not None and wanted != place(home):
        raise ConfigError(
            "this deployment was made for another archive or artefact store than "
            f"{home.archive_url.rpartition('@')[2]} and {home.artefact_root}: start the worker with"
            "  the same NIGHTSHIFT_ARCHIVE and NIGHTSHIFT_ARTEFACTS (`nightshift up`), then retry"
        )


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
