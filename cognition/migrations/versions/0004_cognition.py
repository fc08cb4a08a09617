"""The cognition base that learns: items with states and history, evidence for lessons, draws, vectors."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and tables; the items that are there are active, and nothing else is known about them."""
    op.add_column("items", sa.Column("state", sa.Text(), nullable=False, server_default="active"))
    op.add_column("items", sa.Column("reason", sa.Text(), nullable=False, server_default=""))
    op.add_column("items", sa.Column("refreshed", sa.Integer(), nullable=True))
    op.create_index("items_by_freshness", "items", ["domain", "state", "refreshed"], unique=False)
    op.create_table(
        "item_versions",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("item", "version"),
    )
    _create_evidence()
    _create_recalls()
    op.create_table(
        "item_vectors",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["row"], ["items.row"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("row", "model"),
        sqlite_autoincrement=True,
    )
    op.create_index("item_vectors_by_space", "item_vectors", ["domain", "model", "id"], unique=False)


def _create_evidence() -> None:
    op.create_table(
        "item_evidence",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("round_id", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=True),
        sa.Column("supports", sa.Boolean(), nullable=False),
        sa.Column("numbers", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"]),
        sa.PrimaryKeyConstraint("item", "round_id"),
    )
    op.create_index("item_evidence_by_round", "item_evidence", ["round_id"], unique=False)
    op.create_index("item_evidence_by_age", "item_evidence", ["item", "seq"], unique=False)


def _create_recalls() -> None:
    op.create_table(
        "recalls",
        sa.Column("round_id", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("leave_out", sa.Float(), nullable=False),
        sa.Column("improved", sa.Boolean(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"]),
        sa.PrimaryKeyConstraint("round_id", "item"),
    )
    op.create_index("recalls_by_item", "recalls", ["item"], unique=False)
    op.create_table(
        "item_uses",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("squares", sa.Float(), nullable=False),
        sa.Column("improved", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("item", "shown"),
    )
