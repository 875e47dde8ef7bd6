"""What the compliance officer needs: archives that decisions replay from, overrides, holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _what_decisions_replay_from()
    _what_people_decide()


def _what_decisions_replay_from() -> None:
    op.create_index(
        "ix_ledger_event_decided",
        "ledger_event",
        ["at_ms", "event_no"],
        unique=False,
        sqlite_where=sa.text("decision_id IS NOT NULL"),
        postgresql_where=sa.text("decision_id IS NOT NULL"),
    )
    op.create_table(
        "rule_pack",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("pack", sa.String(length=100), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_rule_pack")),
    )
    op.create_table(
        "pack_set",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("packs", sa.Text(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_pack_set")),
    )
    op.create_table(
        "subject_snapshot",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_subject_snapshot")),
    )
    op.create_index(
        "ix_subject_snapshot_person_id", "subject_snapshot", ["person_id"], unique=False
    )


def _what_people_decide() -> None:
    op.create_table(
        "gate_override",
        sa.Column("override_id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("rule_id", sa.String(length=120), nullable=False),
        sa.Column("contact_point_id", sa.String(length=64), nullable=True),
        sa.Column("single_use", sa.Boolean(), nullable=False),
        sa.Column("starts_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.String(length=100), nullable=False),
        sa.Column("requested_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("decided_by", sa.String(length=100), nullable=True),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.Column("used_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("override_id", name=op.f("pk_gate_override")),
    )
    op.create_index("ix_gate_override_person_id", "gate_override", ["person_id"], unique=False)
    op.create_table(
        "legal_hold",
        sa.Column("hold_id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("matter", sa.String(length=200), nullable=False),
        sa.Column("placed_by", sa.String(length=100), nullable=False),
        sa.Column("placed_ms", sa.BigInteger(), nullable=False),
        sa.Column("released_by", sa.String(length=100), nullable=True),
        sa.Column("released_ms", sa.BigInteger(), nullable=True),
        sa.Column("release_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_legal_hold")),
    )
    op.create_index("ix_legal_hold_person_id", "legal_hold", ["person_id"], unique=False)
    op.create_table(
        "erasure",
        sa.Column("erasure_id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.String(length=100), nullable=False),
        sa.Column("requested_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("decided_by", sa.String(length=100), nullable=True),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("pk_erasure")),
    )
    op.create_index("ix_erasure_person_id", "erasure", ["person_id"], unique=False)
