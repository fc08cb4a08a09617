"""What model calls under way may cost, for one budget of several processes; and an index of what was vetoed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table and an index; nothing that was stored changes."""
    op.create_table(
        "usd_holds",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("dollars", sa.Float(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("usd_holds_by_campaign", "usd_holds", ["campaign"], unique=False)
    barren = sa.text("state = 'recorded' AND candidate IS NULL")
    op.create_index(
        "rounds_without_candidate",
        "rounds",
        ["campaign", "round_index"],
        unique=False,
        sqlite_where=barren,
        postgresql_where=barren,
    )
