"""Calls to us, as far as they have come; recordings whose copy the carrier still has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

UNFINISHED = "ended_ms IS NULL OR (agent_id IS NOT NULL AND disposed_ms IS NULL)"
AT_CARRIER = "state <> 'recording' AND NOT carrier_gone"


def upgrade() -> None:
    _calls()
    op.add_column(
        "recording",
        sa.Column("carrier_gone", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(
        "ix_recording_at_carrier",
        "recording",
        ["recording_id"],
        sqlite_where=sa.text(AT_CARRIER),
        postgresql_where=sa.text(AT_CARRIER),
    )


def _calls() -> None:
    op.create_table(
        "inbound_call",
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("campaign_id", sa.String(length=64), nullable=False),
        sa.Column("contact_point_id", sa.String(length=64), nullable=False),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("disposed_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_inbound_call")),
    )
    op.create_index("ix_inbound_call_person_id", "inbound_call", ["person_id"])
    op.create_index(
        "ix_inbound_call_unfinished",
        "inbound_call",
        ["began_ms"],
        sqlite_where=sa.text(UNFINISHED),
        postgresql_where=sa.text(UNFINISHED),
    )
