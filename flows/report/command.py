"""`nightshift report`: makes the report of a campaign as of now, and writes it where asked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cognition.archive import Archive
from flows import config
from flows.alert_budgets import budgets_of
from flows.config import ConfigError
from flows.home import Home
from flows.report import deliver, markdown
from flows.report.deliver import as_json
from flows.report.records import Report
from flows.report.terminal import show
from tasks.artefacts import workspace

__all__ = ["as_json", "make", "moment", "show"]

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def make(archive: Archive, home: Home, name: str, since: str | None, out: Path | None) -> Report:
    """The report, also written to `out` if given. Raises ConfigError for a time or a file that cannot be used."""
    if out is not None and out.suffix not in (".html", ".md"):
        raise ConfigError(f"--out {out}: the report is written as .html or .md")
    campaign = archive.campaign(name)
    settings = config.validate(campaign.settings, f"campaign {name}")
    report = deliver.make(
        archive,
        name,
        deliver.goal_of(campaign.problem, settings.options),
        settings.alerts,
        workspace(home.artefacts.as_uri(), "campaigns", name),
        since=None if since is None else moment(since, datetime.now(UTC)),
        budgets=budgets_of(settings.limits, archive.spend(name)),
    )
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        content = deliver.as_page(report) if out.suffix == ".html" else markdown.render(report)
        out.write_text(content, encoding="utf-8", errors="replace")
    return report


def moment(text: str, now: datetime) -> str:
    """A time as the archive writes it, from a span before now or an ISO time (local if it names no zone).

    >>> moment("12h", datetime(2026, 1, 2, tzinfo=UTC))
    '2026-01-01T12:00:00.000+00:00'
    """
    span = _SPAN.fullmatch(text.strip())
    try:
        if span:
            found = now - timedelta(**{_UNITS[span[2]]: float(span[1])})
        else:
            found = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ConfigError(f"--since {text}: expected a span like 12h or 2d, or a time like 2026-01-31T22:00") from None
    return found.astimezone(UTC).isoformat(timespec="milliseconds")
