"""Deciding again what was decided: recorded facts through the recorded packs, and compared.

A decision is replayed from the ledger alone: the packs that were loaded then, the person as they
were known then, and the events up to the heads that were read. The same code must give the same
record. Where it does not, either the ledger or the code is not what it was, and somebody must look.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from collections import Counter
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec
import structlog
from sqlalchemy import desc, select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance import gate
from compliance.messages import DecisionRecord, PackRef
from compliance.packs import PackError, PackSet
from compliance.types import PersonId
from dialer.config import EngineConfig
from dialer.core.proofs import (
    Difference,
    differences,
    environment_changes,
    heads_of,
    rebuilt_facts,
    sealed,
    text_sha256,
    with_text,
)
from dialer.core.records import event_id, from_ms, to_ms
from dialer.runtime.clock import Clock
from dialer.stores.ledger.archive import (
    archived_texts,
    packs_of,
    read_history,
    read_subject,
    read_text,
    texts_hold,
)
from dialer.stores.ledger.audit import SYSTEM, record_audit
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.erasing import was_erased
from dialer.stores.ledger.oversight import Period, iterate_decision_ids
from dialer.stores.ledger.reviews import ReviewState
from dialer.stores.ledger.schema import audit_event, ledger_event, review_item

log = structlog.get_logger()

LOOK_S: Final = 60.0
"""Real seconds between two looks at whether the nightly replay is due."""
PAUSE_S: Final = 0.05
"""Real seconds between two decisions of the nightly replay: calls go on beside it."""
SAMPLE: Final = 500
"""Decisions that one round replays, unless asked otherwise."""
ACTION: Final = "decisions.replay"
REVIEW_KIND: Final = "replay_difference"
TOLD_MOST: Final = 100
"""Decisions that came out otherwise, told one by one; the rest are counted."""
_record: Final = msgspec.json.Decoder(DecisionRecord)


class Outcome(StrEnum):
    """How a replay came out."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_REPLAYABLE = "not_replayable"
    """The ledger no longer has, or never had, what the decision was made from."""


class Missing(StrEnum):
    """Why a decision cannot be replayed."""

    NO_RECORD = "no_record"
    OLD_RECORD = "old_record"
    """Recorded by a release that did not say what the decision was made from."""
    NO_PACKS = "no_packs"
    ERASED = "erased"
    """The person's data were erased, as the erasure's record says."""
    NO_SUBJECT = "no_subject"
    """What was known of the person is not there, and nobody erased it."""
    NO_TEXT = "no_text"
    """The text that was decided about is no longer kept, or is another."""
    BAD_PACKS = "bad_packs"
    """The packs are there, and this release cannot read them."""


EXPLAINED: Final = frozenset({Missing.OLD_RECORD, Missing.ERASED})
"""Reasons that are no alarm."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, made again."""

    decision_id: str
    event_id: str
    at: datetime
    outcome: Outcome
    missing: Missing | None = None
    allowed: bool | None = None
    """The verdict of now; None where there is none."""
    differences: tuple[Difference, ...] = ()
    environment: tuple[Difference, ...] = ()
    """Releases that changed since: they may explain a difference."""
    packs: tuple[PackRef, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nobody has to look: the same, or not to be replayed for a good reason."""
        return self.outcome is Outcome.SAME or self.missing in EXPLAINED


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a round of replays found."""

    since: datetime | None
    until: datetime | None
    seed: int
    """The same seed draws the same sample from the same ledger."""
    decisions: int
    """Decisions of the period."""
    replayed: int
    same: int
    different: int
    not_replayable: dict[str, int]
    """By reason."""
    alarms: int
    """Decisions that came out otherwise, or cannot be replayed and nobody can say why."""
    findings: tuple[Replayed, ...]
    """The alarms, `TOLD_MOST` at most."""

    @property
    def holds(self) -> bool:
        return self.alarms == 0


class ArchivedPacks:
    """The sets of packs that the ledger keeps, each read once."""

    def __init__(self, ledger: Ledger, loaded: PackSet | None = None) -> None:
        """`loaded` are taken as they are where the same set is asked for."""
        self._ledger = ledger
        self._loaded = loaded
        self._sets: dict[str, PackSet | Missing] = {}

    async def of(self, set_sha256: str) -> PackSet | Missing:
        """The packs of a set, word for word as they were. Raises `LedgerUnavailable`."""
        found = self._sets.get(set_sha256)
        if found is None:
            found = self._sets[set_sha256] = await self._read(set_sha256)
        return found

    async def _read(self, set_sha256: str) -> PackSet | Missing:
        async with self._ledger.read() as conn:
            texts = await archived_texts(conn, set_sha256)
        # What was kept must be what it is called by.
        if texts is None or not texts_hold(texts, set_sha256):
            return Missing.NO_PACKS
        if self._loaded is not None and self._loaded.sha256 == set_sha256:
            return self._loaded
        try:
            return await asyncio.to_thread(packs_of, texts)
        except PackError as error:
            log.error("archived_packs_unreadable", pack_set=set_sha256, error=str(error))
            return Missing.BAD_PACKS


class Replayer:
    """Replays decisions of one ledger."""

    def __init__(self, ledger: Ledger, loaded: PackSet | None = None) -> None:
        self._ledger = ledger
        self._packs = ArchivedPacks(ledger, loaded)

    async def replay(self, decision_id: str) -> Replayed | None:
        """None where the ledger knows no such decision. Raises `LedgerUnavailable`."""
        event = ledger_event.c
        query = select(event.person_id, event.seq, event.at_ms, event.record).where(
            event.decision_id == decision_id
        )
        async with self._ledger.read() as conn:
            row = (await conn.execute(query)).one_or_none()
        if row is None:
            return None
        told = Replayed(
            decision_id=decision_id,
            event_id=event_id(PersonId(row.person_id), row.seq),
            at=from_ms(row.at_ms),
            outcome=Outcome.NOT_REPLAYABLE,
        )
        if row.record is None:
            return msgspec.structs.replace(told, missing=Missing.NO_RECORD)
        try:
            record = _record.decode(row.record)
        except msgspec.MsgspecError:
            return msgspec.structs.replace(told, missing=Missing.NO_RECORD)
        return await self._again(told, record)

    async def _again(self, told: Replayed, record: DecisionRecord) -> Replayed:
        told = msgspec.structs.replace(told, packs=record.packs)
        if not record.pack_set or not record.subject_sha256:
            return msgspec.structs.replace(told, missing=Missing.OLD_RECORD)
        packs = await self._packs.of(record.pack_set)
        if isinstance(packs, Missing):
            return msgspec.structs.replace(told, missing=packs)
        async with self._ledger.read() as conn:
            subject = await read_subject(conn, record.request.person_id, record.subject_sha256)
            if subject is None:
                erased = await was_erased(conn, record.request.person_id)
                missing = Missing.ERASED if erased else Missing.NO_SUBJECT
                return msgspec.structs.replace(told, missing=missing)
            rows = await read_history(conn, record, heads_of(record, subject))
            text = await read_text(conn, record)
        facts = rebuilt_facts(record, subject, rows)
        if facts is None:
            return msgspec.structs.replace(told, missing=Missing.OLD_RECORD)
        whole = record
        if record.text_sha256:
            if text is None or text_sha256(text) != record.text_sha256:
                return msgspec.structs.replace(told, missing=Missing.NO_TEXT)
            whole = with_text(record, text)
        again = sealed(gate.replay(whole, facts, packs), subject)
        found = differences(record, again)
        return msgspec.structs.replace(
            told,
            outcome=Outcome.DIFFERENT if found else Outcome.SAME,
            allowed=again.allowed,
            differences=found,
            environment=environment_changes(record, again),
        )


async def replay_sample(
    ledger: Ledger,
    *,
    sample: int,
    seed: int,
    since: datetime | None = None,
    until: datetime | None = None,
    loaded: PackSet | None = None,
    pause_s: float = 0.0,
) -> ReplayReport:
    """Replay a random sample of the decisions of a period (half-open; None: no bound).

    Args:
        loaded: packs that need not be read again.
        pause_s: rest after each decision, for whoever has other work to do.

    Raises:
        LedgerUnavailable: it cannot be read.
    """
    total, ids = await _draw(ledger, since, until, sample, seed)
    replayer = Replayer(ledger, loaded)
    outcomes: Counter[Outcome] = Counter()
    missing: Counter[str] = Counter()
    alarms = 0
    findings: list[Replayed] = []
    for decision_id in ids:
        told = await replayer.replay(decision_id)
        await asyncio.sleep(pause_s)
        if told is None:
            continue
        outcomes[told.outcome] += 1
        if told.missing is not None:
            missing[told.missing] += 1
        alarms += not told.holds
        if not told.holds and len(findings) < TOLD_MOST:
            findings.append(told)
    return ReplayReport(
        since=since,
        until=until,
        seed=seed,
        decisions=total,
        replayed=sum(outcomes.values()),
        same=outcomes[Outcome.SAME],
        different=outcomes[Outcome.DIFFERENT],
        not_replayable=dict(sorted(missing.items())),
        alarms=alarms,
        findings=tuple(findings),
    )


async def _draw(
    ledger: Ledger, since: datetime | None, until: datetime | None, sample: int, seed: int
) -> tuple[int, list[str]]:
    """How many decisions a period has, and a uniform sample of them: those whose fingerprints,
    salted with the seed, are the least."""
    drawn: list[tuple[bytes, str]] = []
    total = 0
    async for page in iterate_decision_ids(ledger, Period(since=since, until=until)):
        total += len(page)
        marked = [(_mark(seed, decision_id), decision_id) for decision_id in page]
        drawn = heapq.nsmallest(sample, [*drawn, *marked])
    return total, [decision_id for _, decision_id in drawn]


def _mark(seed: int, decision_id: str) -> bytes:
    return hashlib.sha256(f"{seed}/{decision_id}".encode()).digest()


# --- the alarm ------------------------------------------------------------------------------------


async def record_replay(ledger: Ledger, report: ReplayReport, *, actor: str, now_ms: int) -> int:
    """Put a round on record, and every difference on the review list; how many are new there."""
    for found in report.findings:
        log.error(
            "decision_replays_differently",
            decision=found.decision_id,
            fields=[d.field for d in found.differences],
            missing=found.missing,
        )

    async def work(conn: AsyncConnection) -> int:
        new = 0
        for found in report.findings:
            new += await _open_review(conn, found, now_ms)
        await record_audit(
            conn,
            at_ms=now_ms,
            actor=actor,
            action=ACTION,
            target="",
            detail={
                "seed": report.seed,
                "decisions": report.decisions,
                "replayed": report.replayed,
                "different": report.different,
                "alarms": report.alarms,
                "not_replayable": sum(report.not_replayable.values()),
            },
        )
        return new

    return await ledger.transact(work)


async def _open_review(conn: AsyncConnection, found: Replayed, now_ms: int) -> int:
    """One review for a decision, however often it is found."""
    review_id = f"replay:{found.decision_id}"[:64]
    there = select(review_item.c.review_id).where(review_item.c.review_id == review_id)
    if (await conn.execute(there)).scalar() is not None:
        return 0
    fields = ", ".join(d.field for d in found.differences) or str(found.missing)
    await conn.execute(
        review_item.insert().values(
            review_id=review_id,
            kind=REVIEW_KIND,
            person_id=found.event_id.rpartition("/")[0],
            account_id=None,
            text=f"decision {found.decision_id} of {found.at.isoformat()} does not come out "
            f"again: {fields}",
            source=ACTION,
            state=ReviewState.OPEN,
            created_ms=now_ms,
        )
    )
    return 1


class NightlyReplay:
    """Replays a sample of the last day's decisions once a day, whichever worker comes first."""

    def __init__(self, ledger: Ledger, clock: Clock, packs: PackSet, config: EngineConfig) -> None:
        self._ledger = ledger
        self._packs = packs
        self._settled = False
        self._clock = clock
        self._sample = config.replay_sample
        self._every = timedelta(hours=config.replay_every_h)

    async def run_if_due(self) -> ReplayReport | None:
        """The report of a round that was due; None where none was, and the first time: whoever
        has just started has calls to make."""
        if not self._settled:
            self._settled = True
            return None
        now = self._clock.now()
        if self._sample == 0 or not await self._is_due(now):
            return None
        report = await replay_sample(
            self._ledger,
            sample=self._sample,
            seed=to_ms(now),
            since=now - self._every,
            until=now,
            loaded=self._packs,
            pause_s=PAUSE_S,
        )
        await record_replay(self._ledger, report, actor=SYSTEM, now_ms=to_ms(now))
        return report

    async def _is_due(self, now: datetime) -> bool:
        query = (
            select(audit_event.c.at_ms)
            .where(audit_event.c.action == ACTION, audit_event.c.actor == SYSTEM)
            .order_by(desc(audit_event.c.audit_no))
            .limit(1)
        )
        async with self._ledger.read() as conn:
            last_ms = (await conn.execute(query)).scalar()
        return last_ms is None or from_ms(last_ms) + self._every <= now
