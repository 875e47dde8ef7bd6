"""The ledger's tables. One database holds one tenant; migrations live in `migrations/`.

Conventions: ids are text (ULIDs we make, or the source's own), instants are integer milliseconds
UTC (`_ms`), money is integer minor units (`_cents`) with an ISO 4217 currency, hashes are hex.
Personal data stands only in `person`, `contact_point` and `note`; events hold ids and codes.
Small tables with a text key are kept WITHOUT ROWID on SQLite: one tree to write instead of two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from dialer.stores.ledger.answers import ANSWERED_LIVE

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# 64-bit on PostgreSQL; on SQLite only INTEGER PRIMARY KEY is the row id itself.
RowNumber = BigInteger().with_variant(Integer, "sqlite")

# Ids whose order enters a hash: in byte order, whatever the database's locale is.
OrderedId = String(64).with_variant(String(64, collation="C"), "postgresql")


def _id(name: str, length: int = 64) -> Column[str]:
    return Column(name, String(length), primary_key=True)


# --- who and what ---------------------------------------------------------------------------

portfolio = Table(
    "portfolio",
    metadata,
    _id("portfolio_id"),
    Column("name", String(200), nullable=False, unique=True),
    Column("creditor_id", String(64), nullable=False),
    Column("creditor_name", String(200), nullable=False),
    Column("creditor_name_neutral", String(200), nullable=False),
    Column("collector_role", String(20), nullable=False),
    Column("country", String(2), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("debt_class", String(20), nullable=False),
    Column("synthetic", Boolean, nullable=False),
    Column("import_profile", Text),
    Column("created_ms", BigInteger, nullable=False),
)

person = Table(
    "person",
    metadata,
    _id("person_id"),
    Column("portfolio_id", ForeignKey("portfolio.portfolio_id"), nullable=False),
    Column("match_key", String(200), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("full_name", Text, nullable=False),
    Column("document_type", String(20)),
    Column("document_number", Text),
    Column("birth_date", String(10)),
    Column("language", String(8)),
    Column("country", String(2)),
    Column("subdivision", String(10)),
    Column("locality", Text),
    Column("postal_code", String(20)),
    Column("address", Text),
    Column("zones", Text, nullable=False, server_default="[]"),
    Column("updated_ms", BigInteger, nullable=False),
    UniqueConstraint("portfolio_id", "match_key"),
)

account = Table(
    "account",
    metadata,
    _id("account_id"),
    Column("portfolio_id", ForeignKey("portfolio.portfolio_id"), nullable=False),
    Column("external_id", String(200), nullable=False),
    Column("product", String(100)),
    Column("stage", String(20), nullable=False),
    Column("bucket", String(20), nullable=False),
    Column("dpd", Integer),
    Column("owner_agent", String(100)),
    Column("segment", String(100)),
    Column("priority", Integer, nullable=False),
    Column("state", String(20), nullable=False),  # active | recalled | closed
    Column("row_sha256", String(64), nullable=False),
    Column("job_id", String(64), nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    UniqueConstraint("portfolio_id", "external_id"),
)

account_party = Table(
    "account_party",
    metadata,
    Column("account_id", ForeignKey("account.account_id"), primary_key=True),
    Column("person_id", ForeignKey("person.person_id"), primary_key=True),
    Column("role", String(20), nullable=False),
    Index("ix_account_party_person_id", "person_id"),
    sqlite_with_rowid=False,
)

debt = Table(
    "debt",
    metadata,
    _id("debt_id"),
    Column("account_id", ForeignKey("account.account_id"), nullable=False),
    Column("reference", String(200), nullable=False),
    Column("status", String(20), nullable=False),
    Column("debt_class", String(20), nullable=False),
    Column("original_creditor", Text),
    Column("currency", String(3), nullable=False),
    Column("principal_cents", BigInteger),
    Column("interest_cents", BigInteger),
    Column("fees_cents", BigInteger),
    Column("total_cents", BigInteger, nullable=False),
    Column("overdue_cents", BigInteger),
    Column("due_date", String(10)),
    Column("itemization_date", String(10)),
    Column("charge_off_date", String(10)),
    Column("limitation_date", String(10)),
    Column("validation_sent_ms", BigInteger),
    Column("balance_as_of_ms", BigInteger, nullable=False),
    UniqueConstraint("account_id", "reference"),
)

contact_point = Table(
    "contact_point",
    metadata,
    _id("contact_point_id"),
    Column("person_id", ForeignKey("person.person_id"), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("address", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("line", String(12), nullable=False),
    Column("label", String(12), nullable=False),
    Column("role", String(20), nullable=False),
    Column("validity", String(24), nullable=False),
    Column("validity_at_ms", BigInteger),
    Column("work_forbidden", Boolean, nullable=False, server_default=text("false")),
    Column("opted_out_ms", BigInteger),
    Column("shared_with", Text, nullable=False, server_default="[]"),
    Column("also_reference", Boolean, nullable=False, server_default=text("false")),
    Column("zones", Text, nullable=False, server_default="[]"),
    Column("region", String(10)),
    Column("acquired_ms", BigInteger, nullable=False),
    Column("rank", Integer, nullable=False),
    UniqueConstraint("person_id", "kind", "address"),
    Index("ix_contact_point_address", "address"),
    Index(
        "ix_contact_point_shared",
        "person_id",
        "address",
        sqlite_where=text("shared_with <> '[]'"),
        postgresql_where=text("shared_with <> '[]'"),
    ),
)

consent = Table(
    "consent",
    metadata,
    _id("consent_id"),
    Column("person_id", ForeignKey("person.person_id"), nullable=False),
    Column("contact_point_id", String(64)),
    Column("scope", String(24), nullable=False),
    Column("type", String(12), nullable=False),
    Column("channel", String(20)),
    Column("given_to", String(100), nullable=False, server_default=""),
    Column("given_ms", BigInteger, nullable=False),
    Column("renewed_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    Column("expires_ms", BigInteger),
    Column("evidence", Text, nullable=False, server_default=""),
    Index("ix_consent_person_id", "person_id"),
)

preference = Table(
    "preference",
    metadata,
    _id("preference_id"),
    Column("person_id", ForeignKey("person.person_id"), nullable=False),
    Column("fact", Text, nullable=False),  # PreferenceFact as JSON
    Index("ix_preference_person_id", "person_id"),
)

person_status = Table(
    "person_status",
    metadata,
    _id("status_id"),
    Column("person_id", ForeignKey("person.person_id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),
    Column("source", Text, nullable=False, server_default=""),
    Index("ix_person_status_person_id", "person_id"),
)

suppression = Table(
    "suppression",
    metadata,
    _id("suppression_id"),
    Column("person_id", String(64)),
    Column("scope", String(20), nullable=False),
    Column("target_id", String(64)),
    Column("channel", String(20)),
    Column("reason", String(40), nullable=False),
    Column("starts_ms", BigInteger, nullable=False),
    Column("ends_ms", BigInteger),
    Column("created_by", String(100), nullable=False),
    Column("evidence", Text, nullable=False, server_default=""),
    Index("ix_suppression_person_id", "person_id"),
)

person_profile = Table(
    "person_profile",
    metadata,
    Column("person_id", ForeignKey("person.person_id"), primary_key=True),
    # compliance.messages.Subject as JSON: rebuilt from the tables above in the transaction that
    # changes them, so that facts for a whole batch are one query.
    Column("subject", Text, nullable=False),
)

# --- what happened ---------------------------------------------------------------------------

ledger_event = Table(
    "ledger_event",
    metadata,
    Column("event_no", RowNumber, primary_key=True, autoincrement=True),
    Column("person_id", OrderedId, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String(24), nullable=False),
    # What compliance.chain computes over the columns around it and the hash before.
    Column("hash", String(64), nullable=False),
    # The decision that the event records, so that it can be found, and is recorded once.
    Column("decision_id", String(64)),
    Column("body", Text, nullable=False),  # dialer.core.records body as JSON, byte for byte
    Column("record", Text),  # DecisionRecord as JSON, where the event is a decision
    UniqueConstraint("person_id", "seq"),
    Index(
        "ix_ledger_event_decision_id",
        "decision_id",
        unique=True,
        sqlite_where=text("decision_id IS NOT NULL"),
        postgresql_where=text("decision_id IS NOT NULL"),
    ),
    # Decisions of a period, for proofs and reports.
    Index(
        "ix_ledger_event_decided",
        "at_ms",
        "event_no",
        sqlite_where=text("decision_id IS NOT NULL"),
        postgresql_where=text("decision_id IS NOT NULL"),
    ),
)

stream_link = Table(
    "stream_link",
    metadata,
    # Streams beside the person's: `number:+E164`, `account:ID`. Each entry points at the
    # person's event that moved this stream's head.
    Column("stream", String(100), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("person_id", OrderedId, nullable=False),
    Column("person_seq", Integer, nullable=False),
    sqlite_with_rowid=False,
)

attempt = Table(
    "attempt",
    metadata,
    # Projection of attempt_planned / attempt_ended / disposition_set, for reports and sweeps.
    _id("attempt_id"),
    Column("person_id", String(64), nullable=False),
    Column("account_id", String(64), nullable=False),
    Column("campaign_id", String(64)),
    Column("contact_point_id", String(64), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("mode", String(12), nullable=False),
    Column("planned_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("outcome", String(32)),
    Column("code", String(8)),
    Column("agent_id", String(64)),
    Column("ring_ms", Integer),
    Column("connect_ms", Integer),
    Column("talk_ms", Integer),
    Column("wrap_ms", Integer),
    Column("disposed_ms", BigInteger),
    Index(
        "ix_attempt_open",
        "planned_ms",
        sqlite_where=text("ended_ms IS NULL"),
        postgresql_where=text("ended_ms IS NULL"),
    ),
    Index("ix_attempt_campaign_id_planned_ms", "campaign_id", "planned_ms"),
    # All that counts of abandonment read: thirty days of a large campaign are millions of attempts.
    Index(
        "ix_attempt_answered",
        "campaign_id",
        "planned_ms",
        "outcome",
        "ring_ms",
        sqlite_where=text(ANSWERED_LIVE),
        postgresql_where=text(ANSWERED_LIVE),
    ),
)

promise = Table(
    "promise",
    metadata,
    _id("promise_id"),
    Column("person_id", String(64), nullable=False),
    Column("account_id", String(64), nullable=False),
    Column("debt_id", String(64), nullable=False),
    Column("amount_cents", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("due_date", String(10), nullable=False),
    Column("method", String(40), nullable=False, server_default=""),
    Column("state", String(16), nullable=False),
    Column("captured_by", String(64), nullable=False),
    Column("captured_ms", BigInteger, nullable=False),
    Column("attempt_id", String(64)),
    Index("ix_promise_account_id", "account_id"),
)

callback = Table(
    "callback",
    metadata,
    _id("callback_id"),
    Column("person_id", String(64), nullable=False),
    Column("account_id", String(64), nullable=False),
    Column("campaign_id", String(64)),
    Column("contact_point_id", String(64), nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("agent_id", String(64)),  # own agent; NULL: any
    Column("event_id", String(100), nullable=False),
    Column("state", String(12), nullable=False),  # open | taken | done | expired
    Index("ix_callback_state_due_ms", "state", "due_ms"),
    Index("ix_callback_account_id_state", "account_id", "state"),
)

review_item = Table(
    "review_item",
    metadata,
    _id("review_id"),
    Column("kind", String(40), nullable=False),
    Column("person_id", String(64)),
    Column("account_id", String(64)),
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("state", String(12), nullable=False),  # open | resolved
    Column("created_ms", BigInteger, nullable=False),
    Column("resolved_ms", BigInteger),
    Column("resolved_by", String(64)),
    Column("resolution", Text),
    Index("ix_review_item_state", "state"),
)

note = Table(
    "note",
    metadata,
    _id("note_id"),
    Column("person_id", String(64)),
    Column("account_id", String(64)),
    Column("text", Text, nullable=False),
    Column("author", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_note_account_id", "account_id"),
)

# --- campaigns -------------------------------------------------------------------------------

campaign = Table(
    "campaign",
    metadata,
    _id("campaign_id"),
    Column("name", String(200), nullable=False, unique=True),
    Column("portfolio_id", ForeignKey("portfolio.portfolio_id"), nullable=False),
    Column("state", String(12), nullable=False),
    Column("settings", Text, nullable=False),  # campaigns.campaign.CampaignSettings as JSON
    Column("settings_sha256", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

enrolment = Table(
    "enrolment",
    metadata,
    Column("campaign_id", ForeignKey("campaign.campaign_id"), primary_key=True),
    Column("account_id", ForeignKey("account.account_id"), primary_key=True),
    Column("priority", Integer, nullable=False),
    Column("state", String(8), nullable=False),  # ready | waiting | done
    Column("not_before_ms", BigInteger, nullable=False),
    Column("reason", String(40), nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_code", String(8)),
    Index("ix_enrolment_account_id", "account_id"),
    sqlite_with_rowid=False,
)

# --- texts and flows -------------------------------------------------------------------------

content_version = Table(
    "content_version",
    metadata,
    # A version never changes but for its state; another wording is another version.
    Column("kind", String(10), primary_key=True),  # template | flow
    Column("name", String(80), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("state", String(10), nullable=False),  # draft | submitted | approved | retired
    Column("document", Text, nullable=False),  # Template or Flow as canonical JSON
    Column("sha256", String(64), nullable=False),
    Column("author", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("submitted_by", String(64)),
    Column("submitted_ms", BigInteger),
    Column("approved_by", String(64)),
    Column("approved_ms", BigInteger),
    Column("retired_by", String(64)),
    Column("retired_ms", BigInteger),
    Column("comment", Text, nullable=False, server_default=""),
    Index(
        "ix_content_version_approved",
        "kind",
        "name",
        unique=True,
        sqlite_where=text("state = 'approved'"),
        postgresql_where=text("state = 'approved'"),
    ),
)

# --- proofs and housekeeping -----------------------------------------------------------------

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("checkpoint_no", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("event_no", BigInteger, nullable=False),  # last event that it covers
    Column("heads", Integer, nullable=False),
    Column("root", String(64), nullable=False),
    Column("signature", Text, nullable=False),
    Column("public_key", Text, nullable=False),
)

checkpoint_head = Table(
    "checkpoint_head",
    metadata,
    # Heads that moved since the checkpoint before; all checkpoints together name every head.
    Column("checkpoint_no", Integer, primary_key=True),
    Column("person_id", OrderedId, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_checkpoint_head_person_id_checkpoint_no", "person_id", "checkpoint_no"),
    sqlite_with_rowid=False,
)

import_job = Table(
    "import_job",
    metadata,
    _id("job_id"),
    Column("portfolio_id", ForeignKey("portfolio.portfolio_id"), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Column("file_bytes", BigInteger, nullable=False),
    Column("state", String(12), nullable=False),  # running | done | failed
    Column("rows_read", Integer, nullable=False, server_default="0"),
    Column("counts", Text, nullable=False, server_default="{}"),
    Column("reject_path", Text),
    Column("error", Text),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
)

user = Table(
    "app_user",
    metadata,
    _id("user_id"),
    Column("username", String(100), nullable=False, unique=True),
    Column("display_name", String(200), nullable=False),
    Column("role", String(12), nullable=False),
    Column("language", String(2), nullable=False),
    Column("team", String(100), nullable=False, server_default=""),
    Column("password_hash", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

api_token = Table(
    "api_token",
    metadata,
    _id("token_id"),
    Column("user_id", ForeignKey("app_user.user_id"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
)

audit_event = Table(
    "audit_event",
    metadata,
    # What users did to the system itself: campaign states, releases, exports, configuration.
    Column("audit_no", RowNumber, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(100), nullable=False),
    Column("action", String(40), nullable=False),
    Column("target", String(200), nullable=False),
    Column("detail", Text, nullable=False),
    Column("hash", String(64), nullable=False),
)

pacing_log = Table(
    "pacing_log",
    metadata,
    Column("pacing_no", RowNumber, primary_key=True, autoincrement=True),
    Column("campaign_id", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("decision", Text, nullable=False),  # dialer.core.pacing Decision as JSON
    Index("ix_pacing_log_campaign_id_at_ms", "campaign_id", "at_ms"),
)

pacer_save = Table(
    "pacer_save",
    metadata,
    # The newest save of each campaign's pacer, for whoever drives the campaign next.
    _id("campaign_id"),
    Column("saved_ms", BigInteger, nullable=False),
    Column("law", String(12), nullable=False),
    Column("settings_sha256", String(64), nullable=False),
    Column("state", Text, nullable=False),  # what Pacer.save returned
)
