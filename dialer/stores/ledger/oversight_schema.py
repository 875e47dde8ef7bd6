"""Tables of the compliance officer: what decisions were made from, and what people decided.

The conventions of `schema` hold. Personal data stands in `subject_snapshot` too; it is erased with
the person's.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, Text, text

from dialer.stores.ledger.schema import metadata

rule_pack = Table(
    "rule_pack",
    metadata,
    # Every pack that was ever loaded to decide, word for word: what old decisions are replayed by.
    Column("sha256", String(64), primary_key=True),
    Column("pack", String(100), nullable=False),
    Column("version", String(40), nullable=False),
    Column("text", Text, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
)

pack_set = Table(
    "pack_set",
    metadata,
    Column("sha256", String(64), primary_key=True),  # compliance.packs.set_sha256
    Column("packs", Text, nullable=False),  # PackRefs as JSON
    Column("first_ms", BigInteger, nullable=False),
)

subject_snapshot = Table(
    "subject_snapshot",
    metadata,
    # What `person_profile` said before it was changed, by the fingerprint that records hold.
    Column("sha256", String(64), primary_key=True),
    Column("person_id", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Index("ix_subject_snapshot_person_id", "person_id"),
)

gate_override = Table(
    "gate_override",
    metadata,
    Column("override_id", String(64), primary_key=True),
    Column("person_id", String(64), nullable=False),
    Column("rule_id", String(120), nullable=False),
    Column("contact_point_id", String(64)),
    Column("single_use", Boolean, nullable=False),
    Column("starts_ms", BigInteger, nullable=False),
    Column("ends_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", String(100), nullable=False),
    Column("requested_ms", BigInteger, nullable=False),
    Column("state", String(12), nullable=False),  # requested | approved | refused | revoked
    Column("decided_by", String(100)),
    Column("decided_ms", BigInteger),
    Column("used_ms", BigInteger),
    Column("used_by", String(64)),  # attempt of a single-use override
    Index("ix_gate_override_person_id", "person_id"),
)

number_check = Table(
    "number_check",
    metadata,
    # What a database of numbers said: of the number, so of everybody who has it.
    Column("check_id", String(64), primary_key=True),  # digest of all that it says
    Column("address", Text, nullable=False),  # E.164
    Column("kind", String(40), nullable=False),
    Column("answer", String(40), nullable=False),
    Column("checked_ms", BigInteger, nullable=False),
    Column("source", String(100), nullable=False),
    Index("ix_number_check_address", "address"),
)

emergency = Table(
    "emergency",
    metadata,
    # A row each time that one is declared; open while `ended_ms` is NULL.
    Column("emergency_id", String(64), primary_key=True),
    Column("code", String(100), nullable=False),  # as packs name it: `US-DC:public_health`
    Column("declared_ms", BigInteger, nullable=False),
    Column("declared_by", String(100), nullable=False),
    Column("ended_ms", BigInteger),
    Column("ended_by", String(100)),
)

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("hold_id", String(64), primary_key=True),
    Column("person_id", String(64), nullable=False),
    Column("matter", String(200), nullable=False),
    Column("placed_by", String(100), nullable=False),
    Column("placed_ms", BigInteger, nullable=False),
    Column("released_by", String(100)),
    Column("released_ms", BigInteger),
    Column("release_reason", Text),
    Index("ix_legal_hold_person_id", "person_id"),
)

erasure = Table(
    "erasure",
    metadata,
    Column("erasure_id", String(64), primary_key=True),
    Column("person_id", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", String(100), nullable=False),
    Column("requested_ms", BigInteger, nullable=False),
    Column("state", String(12), nullable=False),  # requested | done | refused
    Column("decided_by", String(100)),
    Column("decided_ms", BigInteger),
    Index("ix_erasure_person_id", "person_id"),
)

recording = Table(
    "recording",
    metadata,
    # Recorded conversations; the sound is a file that is named by its hash.
    Column("recording_id", String(64), primary_key=True),
    Column("attempt_id", String(64), nullable=False),  # or the id of a call to us
    Column("person_id", String(64), nullable=False),
    Column("account_id", String(64), nullable=False),
    Column("campaign_id", String(64), nullable=False),
    Column("agent_id", String(64), nullable=False),  # who had the call when it began
    Column("basis", String(12), nullable=False),  # not_needed | announced | consent
    Column("state", String(10), nullable=False),  # recording | kept | failed | erased
    Column("started_ms", BigInteger, nullable=False),
    Column("duration_ms", BigInteger),
    Column("bytes", BigInteger),
    Column("sha256", String(64)),
    Column("erased_ms", BigInteger),
    Column("file_gone", Boolean, nullable=False, server_default=text("false")),
    Column("carrier_gone", Boolean, nullable=False, server_default=text("false")),
    Index("ix_recording_person_id", "person_id"),
    Index(
        "ix_recording_at_carrier",
        "recording_id",
        sqlite_where=text("state <> 'recording' AND NOT carrier_gone"),
        postgresql_where=text("state <> 'recording' AND NOT carrier_gone"),
    ),
    Index("ix_recording_state_started_ms", "state", "started_ms"),
)
