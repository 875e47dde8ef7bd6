"""What pacers learned, for whoever drives their campaigns next; what abandonment is counted by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


_ANSWERED_LIVE = (
    "outcome IN ('conversation', 'answered_dropped', 'answered_third_party', "
    "'answered_wrong_party', 'abandoned')"
)


def upgrade() -> None:
    op.create_table(
        "pacer_save",
        sa.Column("campaign_id", sa.String(length=64), nullable=False),
        sa.Column("saved_ms", sa.BigInteger(), nullable=False),
        sa.Column("law", sa.String(length=12), nullable=False),
        sa.Column("settings_sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_pacer_save")),
    )
    op.create_index(
        "ix_attempt_answered",
        "attempt",
        ["campaign_id", "planned_ms", "outcome", "ring_ms"],
        sqlite_where=sa.text(_ANSWERED_LIVE),
        postgresql_where=sa.text(_ANSWERED_LIVE),
    )
