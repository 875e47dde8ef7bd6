"""What became of messages after the provider took them, and of those that are in doubt."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta

import structlog

from compliance.types import AccountId, CampaignId, ContactPointId, DecisionId, PersonId
from dialer.core.figures import Tally
from dialer.core.messages_outcome import (
    InDoubt,
    NotTaken,
    Sending,
    Taken,
    failed,
    meaning_of,
    progressed,
    sending_ended,
)
from dialer.core.outcome import Contact, Place
from dialer.core.records import to_ms
from dialer.core.reopening import contact_of_attempt
from dialer.core.snapshots import AccountSnapshot
from dialer.runtime.blasts.sender import Sender
from dialer.runtime.clock import Clock
from dialer.runtime.outcomes import holidays_of
from dialer.runtime.recorder import Recorder, outcome_job, placement
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.messages import MessageRow, get_messages
from dialer.stores.ledger.reads import EventReader, OpenAttemptRow
from dialer.stores.ledger.streams import NewEvent
from dialer.stores.redis.errors import RedisStoreError
from dialer.stores.redis.queue import CampaignQueue, Entry
from telephony_adapters.errors import CarrierUnavailable, NotOffered, OutcomeUnknown, TelephonyError
from telephony_adapters.messaging import (
    DeliveryState,
    MessageId,
    MessageMoved,
    MessageReport,
)

log = structlog.get_logger()

ROUND_ITEMS = 500
"""Most messages in doubt that are asked for in one round."""
_GOOD = frozenset({DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ})


class Deliveries:
    """Records how far messages came, each state once."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        reader: EventReader,
        sender: Sender,
        clock: Clock,
        queue_of: Callable[[CampaignId], CampaignQueue],
        tally_of: Callable[[CampaignId], Tally | None],
        lookback: timedelta,
    ) -> None:
        self._recorder = recorder
        self._reader = reader
        self._sender = sender
        self._clock = clock
        self._queue_of = queue_of
        self._tally_of = tally_of
        self._lookback = lookback
        self._new_id = Ids()
        self.reconciled = 0
        """Messages in doubt that were cleared up since the start."""

    # --- what providers tell -----------------------------------------------------------------

    async def take(self, events: Sequence[MessageMoved]) -> None:
        """Record news of messages, in order. Raises `LedgerUnavailable`; nothing is lost then."""
        for event in events:
            letter = self._sender.in_hand.get(event.message_id)
            if letter is not None:
                await letter.done.wait()  # its sending is recorded first
        async with self._reader.ledger.read() as conn:
            known = await get_messages(conn, [event.message_id for event in events])
        newest: dict[str, DeliveryState | None] = {
            message_id: _state(row.state) for message_id, row in known.items()
        }
        good: list[NewEvent] = []
        for event in events:
            row = known.get(event.message_id)
            if row is None:
                log.warning("news_of_unknown_message", message=event.message_id)
                continue
            if not event.state.follows(newest[event.message_id]):
                continue
            if newest[event.message_id] is None:
                # Its sending was in doubt, or another life of the engine made it.
                await self._settle_doubt(row, Taken(provider_id="", reconciled=True))
            before = newest[event.message_id] or DeliveryState.SENT
            newest[event.message_id] = event.state
            if event.state in _GOOD:
                good += self._progress(row, event)
            else:
                await self._fail(row, event)
            self._count(row, meaning_of(event.state, event.refusal).code)
            self._count(row, meaning_of(before, None).code, -1)
        if good:
            await self._recorder.record(good)

    def _progress(self, row: MessageRow, event: MessageMoved) -> list[NewEvent]:
        if event.state is DeliveryState.SENT:
            return []
        now = self._clock.now()
        recorded = progressed(
            DecisionId(row.message_id), event.state, event.provider_code[:100], now
        )
        return [
            NewEvent(
                person_id=row.person_id,
                at_ms=to_ms(now),
                body=recorded.body,
                writes=recorded.writes,
            )
        ]

    async def _fail(self, row: MessageRow, event: MessageMoved) -> None:
        contact, account = await self._contact(row)
        if contact is None or account is None:
            return
        now = self._clock.now()
        result = failed(
            contact,
            event.state,
            event.refusal,
            event.provider_code[:100],
            now,
            holidays_of(contact.country),
            self._new_id,
            reply=row.campaign_id is None,
        )
        await self._recorder.run(outcome_job(contact, "", result._replace(place=None), now))
        if row.campaign_id is not None:
            await self._put(row.campaign_id, account, result.place)

    def _count(self, row: MessageRow, code: str, by: int = 1) -> None:
        tally = self._tally_of(row.campaign_id) if row.campaign_id is not None else None
        if tally is not None:
            tally.outcomes[code] += by

    # --- messages in doubt -------------------------------------------------------------------

    async def reconcile(
        self, rows: Sequence[OpenAttemptRow], owned: Collection[CampaignId], long_before_ms: int
    ) -> int:
        """Ask the providers for messages whose sending has no end; how many were cleared up.

        Those of campaigns that this worker does not drive are left to whoever does, unless they
        are very old.
        """
        done = 0
        for row in rows[:ROUND_ITEMS]:
            if row.attempt_id in self._sender.in_hand:
                continue
            mine = row.campaign_id is None or row.campaign_id in owned
            if not mine and row.planned_ms >= long_before_ms:
                continue
            done += await self._ask(row, too_late=row.planned_ms < long_before_ms)
        self.reconciled += done
        return done

    async def _ask(self, attempt: OpenAttemptRow, *, too_late: bool) -> bool:
        messenger = self._sender.messengers.get(attempt.channel)
        async with self._reader.ledger.read() as conn:
            row = (await get_messages(conn, [attempt.attempt_id])).get(attempt.attempt_id)
        if row is None or messenger is None:
            return False
        report: MessageReport | None = None
        sending: Sending
        try:
            report = await messenger.find(MessageId(row.message_id))
        except NotOffered:
            sending = InDoubt()
        except OutcomeUnknown:
            if not too_late:
                return False
            sending = InDoubt()  # it can be told no more: it counts as sent
        except CarrierUnavailable:
            return False
        except TelephonyError as error:
            log.warning("message_not_found_out", message=row.message_id, error=str(error))
            return False
        else:
            sending = (
                NotTaken(cause="never_taken", reconciled=True)
                if report is None
                else Taken(provider_id=report.provider_id, reconciled=True)
            )
        await self._settle_doubt(row, sending)
        log.info("message_reconciled", message=row.message_id, sending=type(sending).__name__)
        if report is not None and report.state not in (None, DeliveryState.SENT):
            await self.take(
                [
                    MessageMoved(
                        event_id=f"find:{row.message_id}",
                        at=self._clock.now(),
                        message_id=report.message_id,
                        state=report.state or DeliveryState.SENT,
                    )
                ]
            )
        return True

    async def _settle_doubt(self, row: MessageRow, sending: Sending) -> None:
        contact, account = await self._contact(row)
        if contact is None or account is None:
            return
        now = self._clock.now()
        result = sending_ended(
            contact,
            sending,
            now,
            holidays_of(contact.country),
            self._new_id,
            reply=row.campaign_id is None,
        )
        await self._recorder.run(outcome_job(contact, "", result._replace(place=None), now))
        if result.code is not None:
            self._count(row, result.code)
        if row.campaign_id is not None:
            await self._put(row.campaign_id, account, result.place)

    # --- helpers -----------------------------------------------------------------------------

    async def _contact(self, row: MessageRow) -> tuple[Contact | None, AccountSnapshot | None]:
        """The contact that the message was, from today's facts."""
        point_id = ContactPointId(row.thread_id.partition(":")[2])
        accounts = await self._accounts(row.campaign_id, [row.account_id])
        account = accounts.get(row.account_id)
        if account is None:
            return None, None
        campaign_id = row.campaign_id or CampaignId("")
        contact = contact_of_attempt(
            account,
            PersonId(row.person_id),
            point_id,
            DecisionId(row.message_id),
            campaign_id,
        )
        return contact, account

    async def _accounts(
        self, campaign_id: CampaignId | None, ids: Sequence[AccountId]
    ) -> Mapping[AccountId, AccountSnapshot]:
        since_ms = to_ms(self._clock.now() - self._lookback)
        found = await self._reader.read_accounts(campaign_id, ids, since_ms)
        return {account.account_id: account for account in found}

    async def _put(
        self, campaign_id: CampaignId, account: AccountSnapshot, place: Place | None
    ) -> None:
        """Tell the queue where the ledger has put an account that nobody holds."""
        if place is None or account.enrolment is None:
            return
        to = placement(place.state, place.not_before_ms)
        try:
            entry = Entry(account.account_id, account.enrolment.priority, to)
            await self._queue_of(campaign_id).load([entry], reset=True)
        except RedisStoreError as error:
            log.warning("queue_not_settled", campaign=campaign_id, error=str(error))


def _state(state: str) -> DeliveryState | None:
    return DeliveryState(state) if state in DeliveryState.__members__.values() else None
