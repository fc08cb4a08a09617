"""The archive's tables, for SQLAlchemy Core. No behaviour; changes need a migration (cognition/migrations/versions).

docs/archive.md says what each table is for and why each index exists.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from cognition.records import JSON, Item, Measurements, Outcome, Provenance, Sample

#: `elites.until` of an elite that has not been displaced.
NEVER = 2**62


class Words(TypeDecorator[str]):
    """Text from models and programs. Lone surrogates, which no database takes, become question marks.

    PostgreSQL does not take NUL either: there it becomes a replacement character.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """On the way in."""
        if value is None:
            return None
        if "\0" in value and dialect.name == "postgresql":
            value = value.replace("\0", "\ufffd")
        return value if value.isascii() else value.encode("utf-8", "replace").decode()


class Record(TypeDecorator[Any]):
    """A record, or plain data, as JSON text; it comes back as the record."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """On the way in."""
        return None if value is None else to_json(self.kind, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """On the way out."""
        return None if value is None else from_json(self.kind, value)


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(kind: Any, value: object) -> str:
    """A record as JSON text, pure ASCII."""
    plain = value if kind is JSON else _adapter(kind).dump_python(value, mode="json")
    return json.dumps(plain, separators=(",", ":"))


def from_json(kind: Any, stored: str) -> Any:
    """The record in a JSON text."""
    plain = json.loads(stored)
    return plain if kind is JSON else _adapter(kind).validate_python(plain)


metadata = MetaData()

campaigns = Table(
    "campaigns",
    metadata,
    Column("name", Text, primary_key=True),
    Column("problem", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("contract_version", Text, nullable=False),
    Column("settings", Record(JSON), nullable=False),
    Column("created_at", Text, nullable=False),
    # Running totals, so that no round has to count what came before it.
    Column("opened", Integer, nullable=False, default=0),  # samples drawn
    Column("candidates", Integer, nullable=False, default=0),
    Column("cpu_s", Float, nullable=False, default=0.0),
    Column("gpu_s", Float, nullable=False, default=0.0),
    Column("calls", Integer, nullable=False, default=0),
    Column("unpriced_calls", Integer, nullable=False, default=0),
    Column("dollars", Float, nullable=False, default=0.0),
    Column("prompt_tokens", Integer, nullable=False, default=0),
    Column("completion_tokens", Integer, nullable=False, default=0),
    Column("wall_s", Float, nullable=False, default=0.0, server_default="0"),  # of all runs together
    Column("source", Text),  # a hash of the problem's files at its first run; None: run by an older version
)

rounds = Table(
    "rounds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("campaign", Text, ForeignKey("campaigns.name"), nullable=False),
    Column("round_index", Integer, nullable=False),
    Column("state", Text, nullable=False),  # running, recorded, failed, open
    Column("owner", Text, nullable=False),
    Column("lease_until", Float, nullable=False),  # Unix time
    Column("token", Integer, nullable=False),
    Column("revision", Record(JSON), nullable=False),  # step -> number, for steps that were reopened
    Column("sample", Record(Sample)),
    Column("parent", Text),  # the sample's parent, for counting visits
    Column("visit", Integer),  # how many rounds had this parent when this one was opened, itself included
    Column("opened", Integer),  # how many samples the campaign had drawn then, this one included
    Column("candidate", Text),  # the current one
    Column("outcome", Record(Outcome)),
    Column("reason", Words, nullable=False, default=""),  # of a machine fault
    Column("failed_step", Text, nullable=False, default=""),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    UniqueConstraint("campaign", "round_index"),
    Index("rounds_by_state", "campaign", "state", "round_index"),
    Index("rounds_by_parent", "parent", "opened"),
    Index(
        "rounds_without_candidate",
        "campaign",
        "round_index",
        sqlite_where=text("state = 'recorded' AND candidate IS NULL"),
        postgresql_where=text("state = 'recorded' AND candidate IS NULL"),
    ),
)

candidates = Table(
    "candidates",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("campaign", Text, ForeignKey("campaigns.name"), nullable=False),
    Column("round_id", Text, ForeignKey("rounds.id"), nullable=False),
    Column("round_index", Integer, nullable=False),
    Column("code", Words, nullable=False),
    Column("code_hash", Text, nullable=False),
    Column("motivation", Words, nullable=False),
    Column("parents", Record(tuple[str, ...]), nullable=False),
    Column("provenance", Record(Provenance), nullable=False),
    Column("outcome", Record(Outcome), nullable=False),
    Column("metrics", Record(JSON), nullable=False),
    Column("features", Record(JSON), nullable=False),
    Column("analysis", Words, nullable=False),
    Column("sandbox_tier", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("superseded", Boolean, nullable=False, default=False),  # the only column that ever changes
    Index("candidates_by_age", "campaign", "superseded", "seq"),
    Index("candidates_by_code", "campaign", "code_hash"),
    Index("candidates_by_round", "round_id"),
    sqlite_autoincrement=True,
)

#: The ranking: one row per scored candidate that is not superseded.
scores = Table(
    "scores",
    metadata,
    Column("candidate", Text, ForeignKey("candidates.id"), primary_key=True),
    Column("campaign", Text, ForeignKey("campaigns.name"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("fitness", Float, nullable=False),
    Column("standard_error", Float),
    Column("evaluations", Integer, nullable=False),
    Index("scores_by_rank", "campaign", text("fitness DESC"), "seq"),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("candidate", Text, ForeignKey("candidates.id"), primary_key=True),
    Column("rung", Text, primary_key=True),
    Column("seed", BigInteger, primary_key=True),
    Column("contract_version", Text, primary_key=True),
    Column("measurements", Record(Measurements), nullable=False),
    Column("created_at", Text, nullable=False),
)

#: Candidates that a re-test on fresh seeds found no better than the baseline. The clock is `campaigns.opened`: samples
#: drawn from `since` on, and before `until`, do not see them among the best.
demotions = Table(
    "demotions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("campaign", Text, ForeignKey("campaigns.name"), nullable=False),
    Column("candidate", Text, ForeignKey("candidates.id"), nullable=False),
    Column("rung", Text, nullable=False),
    Column("gain", Float, nullable=False),  # mean over the fresh seeds
    Column("replicates", Integer, nullable=False),
    Column("since", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),  # NEVER: demoted still
    Column("created_at", Text, nullable=False),
    Index("demotions_by_candidate", "candidate", "since", "until"),
    Index("demotions_by_campaign", "campaign"),
)

#: What the audit of a problem's evaluator found, by the problem's files, options and rung.
audits = Table(
    "audits",
    metadata,
    Column("key", Text, primary_key=True),
    Column("problem", Text, nullable=False),
    Column("report", Record(JSON), nullable=False),
    Column("created_at", Text, nullable=False),
)

#: Who was placed into which MAP-Elites cell, and between which sequence numbers it was the cell's elite.
elites = Table(
    "elites",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("campaign", Text, ForeignKey("campaigns.name"), nullable=False),
    Column("island", Integer, nullable=False),
    Column("cell", Text, nullable=False),
    Column("candidate", Text, ForeignKey("candidates.id"), nullable=False),
    Column("fitness", Float, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),  # NEVER: the elite still; equal to seq: never was
    Column("migrant", Boolean, nullable=False),
    Index("elites_by_island", "campaign", "island", "until"),
    Index("elites_by_cell", "campaign", "island", "cell", "until"),
    Index("elites_by_candidate", "candidate", "island"),
)

model_calls = Table(
    "model_calls",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("campaign", Text),  # None: made outside any campaign's round
    Column("round_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("prompt_hash", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt", Words, nullable=False),
    Column("answer", Words, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("price_usd", Float),
    Column("latency_s", Float, nullable=False),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("round_id", "role", "attempt", "prompt_hash"),
    # Covers the sums by role, which must not read through prompts and answers.
    Index("model_calls_by_campaign", "campaign", "role", "model", "price_usd", "prompt_tokens", "completion_tokens"),
)

#: GPU time of steps that need a GPU: the worst case while one runs, and what it used once it is over.
gpu_uses = Table(
    "gpu_uses",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("campaign", Text, ForeignKey("campaigns.name"), nullable=False),
    Column("round_id", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("gpu_s", Float, nullable=False),
    Column("settled", Boolean, nullable=False),  # False for ever if the process was killed: the worst case stands
    Column("created_at", Text, nullable=False),
    Index("gpu_uses_by_state", "campaign", "settled"),
    Index("gpu_uses_by_round", "round_id"),
)

#: The worst case of model calls under way; a call that is in the ledger has none any more.
usd_holds = Table(
    "usd_holds",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("campaign", Text, ForeignKey("campaigns.name"), nullable=False),
    Column("dollars", Float, nullable=False),
    Column("since", Float, nullable=False),  # Unix time
    Index("usd_holds_by_campaign", "campaign"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("campaign", Text, nullable=False),
    Column("round_id", Text, nullable=False),  # or the campaign's name, for its own run
    Column("revision", Integer, nullable=False),
    Column("step", Text, nullable=False),
    Column("payload", Record(JSON), nullable=False),
    Column("created_at", Text, nullable=False),
    Column("published", Boolean, nullable=False, default=False),
    UniqueConstraint("round_id", "revision", "step"),
    Index("outbox_by_state", "published", "id"),
    Index("outbox_by_campaign", "campaign"),
)

items = Table(
    "items",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),  # the full-text index refers to it
    Column("id", Text, nullable=False, unique=True),
    Column("domain", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("content", Record(Item), nullable=False),
    Column("has_block", Boolean, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("state", Text, nullable=False, default="active", server_default="active"),  # or expired, quarantined
    Column("reason", Words, nullable=False, default="", server_default=""),  # why it is not active
    Column("refreshed", Integer),  # a lesson's newest evidence, as a sequence number; others have none
    Index("items_by_domain", "domain", "has_block"),
    Index("items_by_freshness", "domain", "state", "refreshed"),
)

#: What an item said before it was replaced.
item_versions = Table(
    "item_versions",
    metadata,
    Column("item", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("content", Record(Item), nullable=False),
    Column("replaced_at", Text, nullable=False),
)

#: Which round spoke for or against a lesson.
item_evidence = Table(
    "item_evidence",
    metadata,
    Column("item", Text, primary_key=True),
    Column("round_id", Text, ForeignKey("rounds.id"), primary_key=True),
    Column("candidate", Text),
    Column("supports", Boolean, nullable=False),
    Column("numbers", Words, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Index("item_evidence_by_round", "round_id"),
    Index("item_evidence_by_age", "item", "seq"),
)

#: What a round recalled, what it left out by chance, and whether its candidate was better than its parent.
recalls = Table(
    "recalls",
    metadata,
    Column("round_id", Text, ForeignKey("rounds.id"), primary_key=True),
    Column("item", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("shown", Boolean, nullable=False),
    Column("leave_out", Float, nullable=False),  # the probability that the draw was made with
    Column("improved", Boolean),  # None: there was no scored parent to compare with
    Column("created_at", Text, nullable=False),
    Index("recalls_by_item", "item"),
)

#: Sums over `recalls`, so that no round has to add them up (cognition/uplift.py).
item_uses = Table(
    "item_uses",
    metadata,
    Column("item", Text, primary_key=True),
    Column("shown", Boolean, primary_key=True),
    Column("rounds", Integer, nullable=False),
    Column("weight", Float, nullable=False),
    Column("squares", Float, nullable=False),
    Column("improved", Float, nullable=False),
)

#: Embeddings of items as little-endian float32 of length one, each with the model it comes from.
item_vectors = Table(
    "item_vectors",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("row", Integer, ForeignKey("items.row"), nullable=False),
    Column("domain", Text, nullable=False),
    Column("version", Integer, nullable=False),  # of the item that was embedded
    Column("model", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    UniqueConstraint("row", "model"),
    Index("item_vectors_by_space", "domain", "model", "id"),
    sqlite_autoincrement=True,  # a number is never given twice: readers load what is newer than what they have
)
