"""What budgets need to know: the wall time of a campaign's runs, GPU time of steps, and sums of calls by role."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column, a table and an index; nothing that was stored changes."""
    op.add_column("campaigns", sa.Column("wall_s", sa.Float(), nullable=False, server_default="0"))
    op.create_index(
        "model_calls_by_campaign",
        "model_calls",
        ["campaign", "role", "model", "price_usd", "prompt_tokens", "completion_tokens"],
        unique=False,
    )
    op.create_table(
        "gpu_uses",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("round_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("gpu_s", sa.Float(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("gpu_uses_by_state", "gpu_uses", ["campaign", "settled"], unique=False)
    op.create_index("gpu_uses_by_round", "gpu_uses", ["round_id"], unique=False)
