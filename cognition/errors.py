"""What the archive raises. Every message says what was expected, what came, and what to do."""

from __future__ import annotations

from cognition.records import MachineFault


class ArchiveError(Exception):
    """The archive cannot do what was asked."""


class CampaignMismatch(ArchiveError):
    """A campaign of that name exists with another problem, seed or contract version."""


class RoundBusy(ArchiveError):
    """Another owner holds a live lease on the round."""


class StaleLease(ArchiveError):
    """The round was taken over: what this owner has is no longer wanted."""


class ArchiveUnavailable(ArchiveError, MachineFault):
    """The database cannot be used now: locked for too long, disk full, file gone. Worth a retry."""
