"""The link to MLflow's own comparison of two runs, or how to get one.

The address is the one that MLflow 3's user interface makes itself: `#/compare-runs?runs=[...]&experiments=[...]`, both
lists as JSON, in its `getCompareRunPageRoute`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from flows.home import Home

#: Where `mlflow ui` listens unless told otherwise.
DEFAULT_URL = "http://127.0.0.1:5000"


def compare_url(server: str, runs: Sequence[str], experiments: Sequence[str]) -> str:
    """The page that compares these runs.

    >>> compare_url("http://127.0.0.1:5000/", ["a", "b"], ["1"])
    'http://127.0.0.1:5000/#/compare-runs?runs=%5B%22a%22%2C%22b%22%5D&experiments=%5B%221%22%5D'
    """
    lists = (quote(json.dumps(list(ids), separators=(",", ":"))) for ids in (runs, experiments))
    return "{}/#/compare-runs?runs={}&experiments={}".format(server.rstrip("/"), *lists)


def is_server(tracking_uri: str) -> bool:
    """True if the tracking URI is a server with a user interface.

    >>> is_server("http://mlflow:5000"), is_server("sqlite:////tmp/mlflow.db")
    (True, False)
    """
    return tracking_uri.startswith(("http://", "https://"))


def how_to_start(tracking_uri: str, command: str) -> str:
    """What to do when MLflow keeps its data in a database and no server is known."""
    return (
        f"start MLflow with `mlflow ui --backend-store-uri {tracking_uri}`, then "
        f"`MLFLOW_TRACKING_URI={DEFAULT_URL} {command}` prints the link"
    )


def link(home: Home, round_ids: Sequence[str], command: str) -> tuple[str | None, str]:
    """The address, or None and what to do instead. Asks the server if there is one."""
    uri = home.tracking_uri
    if not is_server(uri):
        return None, how_to_start(uri, command)
    from tasks.tracking import find_runs, open_tracker

    try:
        found = find_runs(open_tracker(uri, home.mlflow_artefacts), round_ids)
    except Exception as error:  # noqa: BLE001  # whatever MLflow raises, the comparison itself does not need it
        return None, f"MLflow at {uri} did not answer: {type(error).__name__}"
    missing = [round_id for round_id in round_ids if round_id not in found]
    if missing:
        return None, f"MLflow at {uri} has no run of {', '.join(missing)}: `nightshift sync CAMPAIGN` publishes it"
    experiments = dict.fromkeys(found[round_id].experiment for round_id in round_ids)
    return compare_url(uri, [found[round_id].run for round_id in round_ids], list(experiments)), ""
