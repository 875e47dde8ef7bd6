"""Tables of written messages: what was sent and received, and the threads that it makes.

The conventions of `schema` hold. Texts and addresses are personal data: they stand here and
nowhere in the chain, which keeps the text's fingerprint, and are erased with the person's.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, text

from dialer.stores.ledger.schema import metadata

message_thread = Table(
    "message_thread",
    metadata,
    # `CHANNEL:CONTACT_POINT`; of an address that is nobody's or of several people, `CHANNEL:~` and
    # a digest.
    Column("thread_id", String(100), primary_key=True),
    Column("channel", String(20), nullable=False),
    Column("person_id", String(64), nullable=False, server_default=""),  # empty: not known
    Column("contact_point_id", String(64)),
    Column("address", Text, nullable=False),
    Column("ours", Text, nullable=False, server_default=""),  # where they write to
    Column("state", String(16), nullable=False),  # waiting_us | waiting_them | closed
    Column("reason", String(40), nullable=False, server_default=""),
    Column("review_id", String(64)),
    Column("account_id", String(64)),  # of the last message of ours
    Column("campaign_id", String(64)),
    Column("language", String(8)),
    Column("last_inbound_ms", BigInteger),
    Column("last_outbound_ms", BigInteger),
    Column("updated_ms", BigInteger, nullable=False),
    Column("closed_by", String(64)),
    Index("ix_message_thread_person_id", "person_id"),
    Index("ix_message_thread_state", "state", "updated_ms"),
)

message = Table(
    "message",
    metadata,
    # Of ours: the id of its attempt.
    Column("message_id", String(64), primary_key=True),
    Column("thread_id", String(100), nullable=False),
    Column("direction", String(3), nullable=False),  # out | in
    Column("person_id", String(64), nullable=False, server_default=""),
    Column("account_id", String(64)),
    Column("campaign_id", String(64)),
    Column("channel", String(20), nullable=False),
    Column("address", Text, nullable=False),
    Column("subject", Text),
    Column("text", Text, nullable=False),
    Column("text_sha256", String(64), nullable=False),
    Column("template", String(100)),
    Column("author", String(64), nullable=False, server_default=""),
    Column("answers", String(64)),  # the message that it answers
    Column("state", String(12), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("refusal", String(20)),
    Column("provider_code", String(100)),
    Column("provider_id", String(200)),
    Column("segments", Integer),
    Column("price_micros", BigInteger),
    Column("currency", String(3)),
    Column("requests", String(100), nullable=False, server_default=""),
    Column("event_id", String(140)),  # of the person's event that it is told by
    Column("at_ms", BigInteger, nullable=False),
    Column("moved_ms", BigInteger, nullable=False),
    Index("ix_message_thread_id_at_ms", "thread_id", "at_ms"),
    Index("ix_message_campaign_id_state", "campaign_id", "state"),
    Index("ix_message_person_id", "person_id"),
    Index("ix_message_provider_id", "provider_id"),
    Index(
        "ix_message_received",
        "channel",
        "provider_id",
        unique=True,
        sqlite_where=text("direction = 'in'"),
        postgresql_where=text("direction = 'in'"),
    ),
)
