"""What model calls under way may cost, so that several processes share one budget in dollars."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table; nothing that was stored changes."""
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
