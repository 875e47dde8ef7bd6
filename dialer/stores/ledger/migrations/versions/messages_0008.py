"""Written messages and their threads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    _threads()
    _messages()


def _threads() -> None:
    op.create_table(
        "message_thread",
        sa.Column("thread_id", sa.String(length=100), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("person_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("contact_point_id", sa.String(length=64), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("ours", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), server_default="", nullable=False),
        sa.Column("review_id", sa.String(length=64), nullable=True),
        sa.Column("account_id", sa.String(length=64), nullable=True),
        sa.Column("campaign_id", sa.String(length=64), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("last_inbound_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_outbound_ms", sa.BigInteger(), nullable=True),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("thread_id", name=op.f("pk_message_thread")),
    )
    op.create_index("ix_message_thread_person_id", "message_thread", ["person_id"])
    op.create_index("ix_message_thread_state", "message_thread", ["state", "updated_ms"])


def _messages() -> None:
    op.create_table(
        "message",
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("thread_id", sa.String(length=100), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("person_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=True),
        sa.Column("campaign_id", sa.String(length=64), nullable=True),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.String(length=64), nullable=False),
        sa.Column("template", sa.String(length=100), nullable=True),
        sa.Column("author", sa.String(length=64), server_default="", nullable=False),
        sa.Column("answers", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("refusal", sa.String(length=20), nullable=True),
        sa.Column("provider_code", sa.String(length=100), nullable=True),
        sa.Column("provider_id", sa.String(length=200), nullable=True),
        sa.Column("segments", sa.Integer(), nullable=True),
        sa.Column("price_micros", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("requests", sa.String(length=100), server_default="", nullable=False),
        sa.Column("event_id", sa.String(length=140), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("moved_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message")),
    )
    op.create_index("ix_message_thread_id_at_ms", "message", ["thread_id", "at_ms"])
    op.create_index("ix_message_campaign_id_state", "message", ["campaign_id", "state"])
    op.create_index("ix_message_person_id", "message", ["person_id"])
    op.create_index("ix_message_provider_id", "message", ["provider_id"])
    op.create_index(
        "ix_message_received",
        "message",
        ["channel", "provider_id"],
        unique=True,
        sqlite_where=sa.text("direction = 'in'"),
        postgresql_where=sa.text("direction = 'in'"),
    )
