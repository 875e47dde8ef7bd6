"""Calls to us, as far as they have come: what a worker that takes over must finish."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, text

from dialer.stores.ledger.schema import metadata

_UNFINISHED = text("ended_ms IS NULL OR (agent_id IS NOT NULL AND disposed_ms IS NULL)")

inbound_call = Table(
    "inbound_call",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("person_id", String(64), nullable=False),
    Column("account_id", String(64), nullable=False),
    Column("campaign_id", String(64), nullable=False),
    Column("contact_point_id", String(64), nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("agent_id", String(64)),  # who had the call last; none: nobody spoke with the caller
    Column("ended_ms", BigInteger),
    Column("disposed_ms", BigInteger),
    Index("ix_inbound_call_person_id", "person_id"),
    Index(
        "ix_inbound_call_unfinished",
        "began_ms",
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    ),
)
