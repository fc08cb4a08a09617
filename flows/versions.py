"""Which version of the project made a deployment: its release, and a hash of the settings' schema.

Settings stored in a schedule may no longer mean the same after an upgrade; a run finds out before it spends anything.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib.metadata import version

from flows.config import ConfigError, Settings


@lru_cache(maxsize=1)
def current() -> str:
    """This version, e.g. 0.1.0-3f2a9c1d."""
    schema = json.dumps(Settings.model_json_schema(), sort_keys=True)
    return f"{version('nightshift')}-{hashlib.sha256(schema.encode()).hexdigest()[:8]}"


def refuse_other(deployed: str | None, name: str) -> None:
    """Raises ConfigError if a deployment was made by another version. None: there was no deployment."""
    if deployed is not None and deployed != current():
        raise ConfigError(
            f"deployment {name} was made by version {deployed}, this is {current()}: "
            "make it again with `nightshift deploy`, then retry"
        )
