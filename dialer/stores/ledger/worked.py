"""A campaign's attempts as measurements: what answered, how soon, and how long it took."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import func, select

from campaigns.dispositions import RIGHT_PARTY
from campaigns.dispositions import DispositionCode as Code
from compliance.types import AccountId, CampaignId, EventKind
from dialer.stores.ledger.answers import LIVE_ANSWERS
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import account, attempt, callback, enrolment

MOST_ATTEMPTS: Final = 200_000
"""Newest attempts that are read at once; what is older says little about tomorrow."""
ID_CHANCE_FROM: Final = 19
"""Place in an account's id from which it is chance: a ULID begins with ten characters of time."""
PROMISE_CODES: Final = frozenset({Code.PROMISE, Code.PLAN, Code.PAID_ON_CALL})

_UNANSWERED: Final = (
    EventKind.NOT_CONNECTED_BUSY,
    EventKind.NOT_CONNECTED_OUT_OF_SERVICE,
    EventKind.NOT_CONNECTED_NETWORK,
)
_MACHINES: Final = (
    EventKind.MACHINE_NO_MESSAGE,
    EventKind.MACHINE_MESSAGE,
    EventKind.MAILBOX_FULL,
    EventKind.FAX,
)


class WorkedAttempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One attempt whose end is known."""

    planned_ms: int
    ended_ms: int
    outcome: EventKind
    code: str | None
    bucket: str
    """Age of the account's debt today; the pacing segment of its calls."""
    ring_ms: int | None
    connect_ms: int | None
    talk_ms: int | None
    """None: no agent talked."""
    wrap_ms: int | None
    agent_id: str | None

    @property
    def answered_after_ms(self) -> int:
        """From the intent to the pickup (and detection, where it was on), as far as it is known:
        what is left when talk and the wait for an agent are taken away."""
        return max(
            0, self.ended_ms - self.planned_ms - (self.talk_ms or 0) - (self.connect_ms or 0)
        )

    @property
    def is_live(self) -> bool:
        """A person answered, whatever came of it."""
        return self.outcome in LIVE_ANSWERS

    @property
    def is_machine(self) -> bool:
        return self.outcome in _MACHINES

    @property
    def failed(self) -> bool:
        """It did not ring: busy, refused, or nobody's number."""
        return self.outcome in _UNANSWERED

    @property
    def is_abandoned(self) -> bool:
        return self.outcome is EventKind.ABANDONED

    @property
    def is_right_party(self) -> bool:
        return self.code in RIGHT_PARTY

    @property
    def is_promise(self) -> bool:
        return self.code in PROMISE_CODES


async def worked_attempts(
    ledger: Ledger, campaign_id: CampaignId, from_ms: int, to_ms: int
) -> list[WorkedAttempt]:
    """Attempts planned from `from_ms` on and before `to_ms` that have ended, oldest first; the
    newest `MOST_ATTEMPTS` of them. Raises `LedgerUnavailable`."""
    a = attempt.c
    query = (
        select(
            a.planned_ms,
            a.ended_ms,
            a.outcome,
            a.code,
            account.c.bucket,
            a.ring_ms,
            a.connect_ms,
            a.talk_ms,
            a.wrap_ms,
            a.agent_id,
        )
        .join(account, account.c.account_id == a.account_id)
        .where(
            a.campaign_id == campaign_id,
            a.planned_ms >= from_ms,
            a.planned_ms < to_ms,
            a.ended_ms.is_not(None),
            a.outcome.is_not(None),
        )
        .order_by(a.planned_ms.desc())
        .limit(MOST_ATTEMPTS)
    )
    async with ledger.read() as conn:
        rows = list((await conn.execute(query)).all())
    rows.reverse()
    return [msgspec.convert(tuple(row), WorkedAttempt) for row in rows]


async def last_worked_ms(ledger: Ledger, campaign_id: CampaignId) -> int | None:
    """When the campaign's newest attempt was planned; None: it never dialed."""
    query = select(func.max(attempt.c.planned_ms)).where(attempt.c.campaign_id == campaign_id)
    async with ledger.read() as conn:
        found = (await conn.execute(query)).scalar_one()
    return None if found is None else int(found)


async def open_accounts_by_bucket(ledger: Ledger, campaign_id: CampaignId) -> dict[str, int]:
    """Enrolled accounts that are not done, by the age of their debt, the largest group first."""
    query = (
        select(account.c.bucket, func.count())
        .join(enrolment, enrolment.c.account_id == account.c.account_id)
        .where(
            enrolment.c.campaign_id == campaign_id,
            enrolment.c.state != "done",
            account.c.state == "active",
        )
        .group_by(account.c.bucket)
        .order_by(func.count().desc(), account.c.bucket)
    )
    async with ledger.read() as conn:
        return {str(bucket): int(count) for bucket, count in await conn.execute(query)}


async def open_callbacks(
    ledger: Ledger, campaign_id: CampaignId, since_ms: int, until_ms: int
) -> list[tuple[int, bool]]:
    """When each open callback of a campaign falls due, and whether a certain agent promised it: of
    those that are due before `until_ms` and have not expired by `since_ms`."""
    query = (
        select(callback.c.due_ms, callback.c.agent_id.is_not(None))
        .where(
            callback.c.campaign_id == campaign_id,
            callback.c.state == "open",
            callback.c.due_ms < until_ms,
            callback.c.expires_ms > since_ms,
        )
        .order_by(callback.c.due_ms)
    )
    async with ledger.read() as conn:
        return [(int(due_ms), bool(own)) for due_ms, own in await conn.execute(query)]


async def some_open_accounts(
    ledger: Ledger, campaign_id: CampaignId, bucket: str, most: int
) -> list[AccountId]:
    """A sample of the accounts of one bucket that are not done: by the end of their ids, which are
    chance, so that neither the order of the file nor what was dialed already decides."""
    query = (
        select(account.c.account_id)
        .join(enrolment, enrolment.c.account_id == account.c.account_id)
        .where(
            enrolment.c.campaign_id == campaign_id,
            enrolment.c.state != "done",
            account.c.state == "active",
            account.c.bucket == bucket,
        )
        .order_by(func.substr(account.c.account_id, ID_CHANCE_FROM), account.c.account_id)
        .limit(most)
    )
    async with ledger.read() as conn:
        return [AccountId(found) for found in (await conn.execute(query)).scalars()]
