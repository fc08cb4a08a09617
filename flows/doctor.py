"""`nightshift doctor`: what this machine offers, found by trying, and what to install for more."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cognition.archive import Archive, ArchiveError
from flows import local_server, registry
from flows.home import Home
from tasks.sandbox import describe_tiers

PACKAGES = ("prefect", "mlflow", "openai", "sqlalchemy", "fastapi", "numpy", "scipy", "torch", "trl", "datatrove")
LOW_DISK_GB = 2.0


def examine(home: Home) -> dict[str, Any]:
    """Everything that is looked at."""
    tiers = describe_tiers()
    working = [tier for tier in tiers if tier.works]
    free_gb = shutil.disk_usage(home.root).free / 1e9
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "home": str(home.root),
        "free_disk_gb": round(free_gb, 1),
        "disk_is_low": free_gb < LOW_DISK_GB,
        "archive": _archive(home),
        "prefect_server": server.ui_url if (server := local_server.find(home)) else None,
        "sandbox": working[0].name if working else None,
        "tiers": [{"name": tier.name, "works": tier.works, "why": tier.why, "advice": tier.advice} for tier in tiers],
        "packages": {name: _version(name) for name in PACKAGES},
        "problems": sorted(registry.known()),
    }


def _archive(home: Home) -> str:
    try:
        with Archive.open(home.archive_url) as archive:
            return f"ok, {len(archive.campaigns())} campaigns"
    except ArchiveError as error:
        return str(error)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def print_examination(console: Console, report: dict[str, Any]) -> None:
    """For people."""
    chosen = report["sandbox"]
    console.print(f"Python {report['python']} on {report['system']}")
    low = "  [red]low: free some before a long run[/]" if report["disk_is_low"] else ""
    console.print(f"state folder {report['home']}, {report['free_disk_gb']} GB free{low}; archive {report['archive']}")
    console.print(f"Prefect server {report['prefect_server'] or 'not running (started by the first run)'}")
    table = Table("sandbox tier", "works", "why", "to get it")
    for tier in report["tiers"]:
        works = "[green]yes[/]" if tier["works"] else "[red]no[/]"
        name = f"[bold]{tier['name']} (used)[/]" if tier["name"] == chosen else tier["name"]
        table.add_row(name, works, escape(tier["why"]), escape(tier["advice"]))
    console.print(table)
    if chosen is None:
        console.print("[red]no sandbox works here: candidates are refused[/] (see docs/sandbox.md)")
    packages = ", ".join(f"{name} {found or 'not installed'}" for name, found in report["packages"].items())
    console.print(f"packages: {packages}\nproblems: {', '.join(report['problems'])}")
