"""The proof of a decision, from the gate to the ledger and back.

What is chained for ever holds no personal data, so that it can be erased while the chain stays
whole: a record names a telephone number by the id of the person's contact point, and a text by its
fingerprint. Going back, the facts of a decision are put together again from what the ledger keeps:
the person as they were known (by fingerprint), the events up to the heads that were read, the
version of the text, and what the record says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from compliance.messages import DecisionRecord, Facts, Finding, Subject
from compliance.types import StreamKey
from dialer.core.records import StreamRow, fold_history
from dialer.core.snapshots import in_order

NUMBER: Final = "number:"
"""How the stream of a telephone number is named; in a record a contact point's id follows."""
_NUMBER_KEY: Final = "number"
"""Detail of a rule that counts by number."""

COMPARED: Final = (
    "allowed",
    "findings",
    "passed",
    "packs",
    "zones",
    "local_times",
    "guards",
    "first_allowed",
    "releasing_event",
    "facts_sha256",
    "text_sha256",
)
"""Fields of a record that a replay must give again, to the letter."""
ENVIRONMENT: Final = ("software", "tzdata_version", "holidays_version")
"""Fields that tell why it may not."""


def sealed(record: DecisionRecord, subject: Subject) -> DecisionRecord:
    """The record as it is stored: numbers by the ids of the person's contact points, and the text
    by its fingerprint."""
    record = _without_text(record)
    if not _names_numbers(record):
        return record
    ids: dict[str, str] = {}
    for point in subject.contact_points:
        ids.setdefault(point.address, point.contact_point_id)

    def seal(key: StreamKey) -> StreamKey:
        if not key.startswith(NUMBER):
            return key
        return StreamKey(NUMBER + ids.get(key.removeprefix(NUMBER), "unknown"))

    return msgspec.structs.replace(
        record,
        heads={seal(key): seq for key, seq in record.heads.items()},
        guards=tuple(seal(key) for key in record.guards),
        findings=tuple(_sealed_finding(finding, ids) for finding in record.findings),
    )


def _without_text(record: DecisionRecord) -> DecisionRecord:
    text = record.request.text
    if text is None:
        return record
    return msgspec.structs.replace(
        record,
        request=msgspec.structs.replace(record.request, text=None),
        text_sha256=text_sha256(text),
    )


def with_text(record: DecisionRecord, text: str) -> DecisionRecord:
    """A stored record with its text again, to be decided once more.

    Raises `ValueError` for another text.
    """
    if text_sha256(text) != record.text_sha256:
        raise ValueError(f"decision {record.decision_id} was made about another text")
    return msgspec.structs.replace(
        record, request=msgspec.structs.replace(record.request, text=text)
    )


def text_sha256(text: str) -> str:
    """Fingerprint of a text, as records keep it."""
    return hashlib.sha256(text.encode()).hexdigest()


def _names_numbers(record: DecisionRecord) -> bool:
    return (
        any(key.startswith(NUMBER) for key in record.guards)
        or any(key.startswith(NUMBER) for key in record.heads)
        or any(_NUMBER_KEY in finding.detail for finding in record.findings)
    )


def _sealed_finding(finding: Finding, ids: Mapping[str, str]) -> Finding:
    number = finding.detail.get(_NUMBER_KEY)
    if number is None:
        return finding
    told = {**finding.detail, _NUMBER_KEY: ids.get(str(number), "unknown")}
    return msgspec.structs.replace(finding, detail=told)


def heads_of(record: DecisionRecord, subject: Subject) -> dict[StreamKey, int]:
    """The heads of a stored record under the streams' own names."""
    addresses = {str(p.contact_point_id): p.address for p in subject.contact_points}

    def unseal(key: StreamKey) -> StreamKey:
        if not key.startswith(NUMBER):
            return key
        return StreamKey(NUMBER + addresses.get(key.removeprefix(NUMBER), "unknown"))

    return {unseal(key): seq for key, seq in record.heads.items()}


def rebuilt_facts(
    record: DecisionRecord, subject: Subject, rows: Sequence[StreamRow]
) -> Facts | None:
    """The facts that a decision was made from; None where the record does not say enough.

    Args:
        subject: the person as known then: the one whose fingerprint the record has.
        rows: events of the person and of shared streams, up to the record's heads and since
            `history_from`, without blocked decisions, in any order.
    """
    if record.collector is None:
        return None
    return Facts(
        subject=subject,
        collector=record.collector,
        history=fold_history(sorted(rows, key=in_order)),
        heads=heads_of(record, subject),
        complete_from=record.history_from,
        wide=record.wide,
        abandonment=record.abandonment,
        traffic=record.traffic,
        emergencies=record.emergencies,
        ended_emergencies=record.ended_emergencies,
        campaign_started_at=record.campaign_started_at,
    )


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a record that came out otherwise."""

    field: str
    recorded: str
    """JSON; of a list only what the other side does not have."""
    replayed: str


def differences(then: DecisionRecord, again: DecisionRecord) -> tuple[Difference, ...]:
    """What a replay says that the record does not; both sealed."""
    return _compare(then, again, COMPARED)


def environment_changes(then: DecisionRecord, again: DecisionRecord) -> tuple[Difference, ...]:
    """How what decides has changed since: releases of the software, zones and holidays."""
    return _compare(then, again, ENVIRONMENT)


def _compare(
    then: DecisionRecord, again: DecisionRecord, names: Sequence[str]
) -> tuple[Difference, ...]:
    found: list[Difference] = []
    for name in names:
        recorded, replayed = getattr(then, name), getattr(again, name)
        if recorded == replayed:
            continue
        if isinstance(recorded, tuple) and isinstance(replayed, tuple):
            missing = [item for item in recorded if item not in replayed]
            added = [item for item in replayed if item not in recorded]
            if missing or added:
                recorded, replayed = missing, added
        found.append(Difference(field=name, recorded=_json(recorded), replayed=_json(replayed)))
    return tuple(found)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
