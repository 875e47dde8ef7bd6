"""Messages and threads on both engines: kept with their event, never going back, erasable."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import AccountId, Channel, EventKind, Mode, PersonId, SuppressionScope
from dialer.core.masking import masked
from dialer.core.messages_outcome import RANKS
from dialer.core.records import AttemptEnded, AttemptPlanned, InboundContact, MessageProgress
from dialer.core.writes import (
    AddSuppression,
    CloseAttempt,
    KeepInbound,
    KeepMessage,
    MoveMessage,
    OpenAttempt,
    OpenReview,
    Write,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.erasing import decide_erasure, request_erasure, would_erase
from dialer.stores.ledger.merge_values import values_of
from dialer.stores.ledger.messages import (
    ThreadState,
    accounts_of,
    campaign_messages,
    close_thread,
    count_threads,
    get_messages,
    get_thread,
    keep_loose,
    last_inbound,
    last_to,
    lines_of,
    list_threads,
    message_of_provider,
    people_of,
    was_received,
)
from dialer.stores.ledger.messages_schema import message, message_thread
from dialer.stores.ledger.schema import account_party, attempt, contact_point, suppression
from dialer.stores.ledger.streams import EventStore, NewEvent
from tests.stores.ledger.relational.world import (
    NOW_MS,
    account,
    bring_in,
    new_context,
    party,
    phone,
    point,
    profiles_agree,
    subject,
)

ANA, LUIS = "11111111-1", "22222222-2"
MOBILE, AVAL, SHARED = "+56911111111", "+56933333333", "+56955555555"


class People:
    """Ana and Luis, who share a number."""

    def __init__(self, ledger: Ledger, ana: PersonId, luis: PersonId, point_id: str) -> None:
        self.ledger = ledger
        self.store = EventStore(ledger)
        self.ana = ana
        self.luis = luis
        self.point_id = point_id

    async def account_id(self) -> AccountId:
        async with self.ledger.read() as conn:
            query = select(account_party.c.account_id).where(account_party.c.person_id == self.ana)
            return AccountId((await conn.execute(query.limit(1))).scalar_one())

    async def send(self, message_id: str, text: str = "Hola", campaign: str | None = "c") -> None:
        """The intent of a message to Ana, as the pump writes it."""
        account_id = await self.account_id()
        body = AttemptPlanned(
            attempt_id=message_id,  # type: ignore[arg-type]  # ids are texts
            campaign_id=campaign,  # type: ignore[arg-type]  # ids are texts
            account_id=account_id,
            contact_point_id=self.point_id,  # type: ignore[arg-type]  # ids are texts
            channel=Channel.SMS,
            mode=Mode.BLAST,
            debt_ids=(),
        )
        keep = KeepMessage(
            message_id=message_id,
            person_id=self.ana,
            account_id=account_id,
            campaign_id=campaign,  # type: ignore[arg-type]  # ids are texts
            contact_point_id=self.point_id,  # type: ignore[arg-type]  # ids are texts
            channel=Channel.SMS,
            address=MOBILE,
            subject=None,
            text=text,
            text_sha256="0" * 64,
            template="t/1",
            language="es",
            author="campaign",
            answers=None,
            at_ms=NOW_MS,
        )
        await self.append(body, OpenAttempt(), keep)

    async def append(self, body: object, *writes: Write, person: PersonId | None = None) -> None:
        event = NewEvent(
            person_id=person or self.ana,
            at_ms=NOW_MS,
            body=body,  # type: ignore[arg-type]  # ids are texts
            writes=writes,
        )
        await self.store.append([event])

    async def moves(self, message_id: str, state: str) -> None:
        move = MoveMessage(
            message_id=message_id,
            state=state,
            rank=RANKS[state],
            moved_ms=NOW_MS,
            provider_id=f"p-{message_id}" if state == "sent" else None,
            outcome=EventKind.MESSAGE_DELIVERED if state == "delivered" else None,
            code="DG-ET" if state == "delivered" else None,
        )
        if state == "sent":
            body = AttemptEnded(
                attempt_id=message_id,  # type: ignore[arg-type]  # ids are texts
                outcome=EventKind.MESSAGE_SENT,
                code="DG-EN",
            )
            await self.append(body, CloseAttempt(), move)
            return
        progress = MessageProgress(
            attempt_id=message_id,  # type: ignore[arg-type]  # ids are texts
            state=state,
            outcome=EventKind.MESSAGE_DELIVERED,
            code="DG-ET",
        )
        await self.append(progress, move)

    def inbound(self, message_id: str, text: str = "Hola", **changes: object) -> KeepInbound:
        given: dict[str, object] = {
            "message_id": message_id,
            "person_id": self.ana,
            "contact_point_id": self.point_id,
            "channel": Channel.SMS,
            "address": MOBILE,
            "to": "+56600000000",
            "subject": None,
            "text": text,
            "text_sha256": "1" * 64,
            "provider_id": f"in-{message_id}",
            "requests": "",
            "thread_state": "waiting_us",
            "reason": "free_text",
            "review_id": None,
            "answers": None,
            "at_ms": NOW_MS,
        }
        return KeepInbound(**{**given, **changes})  # type: ignore[arg-type]  # ids are texts


@pytest.fixture
async def people(ledger: Ledger) -> People:
    context = await new_context(ledger)
    await bring_in(
        ledger,
        context,
        account("A1", party(ANA, phone(MOBILE), phone(SHARED, rank=1))),
        account("B1", party(LUIS, phone(AVAL), phone(SHARED, rank=1), name="Luis Soto")),
    )
    ana, luis = await subject(ledger, ANA), await subject(ledger, LUIS)
    return People(
        ledger,
        ana.person.person_id,
        luis.person.person_id,
        point(ana, MOBILE).contact_point_id,
    )


async def test_a_message_rides_with_its_intent_and_never_goes_back(people: People) -> None:
    await people.send("m1")
    await people.moves("m1", "sent")
    await people.moves("m1", "delivered")
    await people.moves("m1", "sent")
    async with people.ledger.read() as conn:
        row = (await get_messages(conn, ["m1", "nobody"]))["m1"]
        assert (row.state, row.thread_id) == ("delivered", f"sms:{people.point_id}")
        by_provider = await message_of_provider(conn, "p-m1")
        assert by_provider is not None
        assert by_provider.message_id == "m1"
        last = await last_to(conn, Channel.SMS, MOBILE)
        assert last is not None
        assert last.message_id == "m1"
        query = select(attempt.c.outcome, attempt.c.code).where(attempt.c.attempt_id == "m1")
        assert tuple((await conn.execute(query)).one()) == ("message_delivered", "DG-ET")
        thread = await get_thread(conn, row.thread_id)
    assert thread is not None
    assert (thread.state, thread.masked, thread.language) == (
        "waiting_them",
        masked(thread.address),
        "es",
    )


async def test_an_intent_that_loses_keeps_no_text(people: People) -> None:
    account_id = await people.account_id()
    body = AttemptPlanned(
        attempt_id="lost",  # type: ignore[arg-type]  # ids are texts
        campaign_id=None,
        account_id=account_id,
        contact_point_id=people.point_id,  # type: ignore[arg-type]  # ids are texts
        channel=Channel.SMS,
        mode=Mode.BLAST,
        debt_ids=(),
    )
    event = NewEvent(
        person_id=people.ana,
        at_ms=NOW_MS,
        body=body,
        expected={people.ana: 0},  # type: ignore[dict-item]  # ids are texts
        writes=(OpenAttempt(),),
    )
    assert await people.store.append([event]) == [None]
    async with people.ledger.read() as conn:
        assert await get_messages(conn, ["lost"]) == {}


async def test_a_thread_waits_until_it_is_closed_and_its_hold_ends_with_it(
    people: People,
) -> None:
    await people.send("m1")
    heard = InboundContact(kind=EventKind.INBOUND_MESSAGE, channel=Channel.SMS, message_id="i1")
    review = OpenReview(
        review_id="r1",
        kind="inbox",
        person_id=people.ana,
        account_id=None,
        text="free_text",
        source="message i1",
        created_ms=NOW_MS,
    )
    hold = AddSuppression(
        person_id=people.ana,
        suppression_id="r1",
        scope=SuppressionScope.CHANNEL,
        channel=Channel.SMS,
        reason="review",
        starts_ms=NOW_MS,
        created_by="message",
    )
    await people.append(heard, people.inbound("i1", review_id="r1"), review, hold)
    await people.send("m2")
    thread_id = f"sms:{people.point_id}"
    async with people.ledger.read() as conn:
        (thread,) = await list_threads(conn)
        assert (thread.state, thread.reason, thread.review_id) == ("waiting_us", "free_text", "r1")
        assert await count_threads(conn) == {"waiting_us": 1}
        assert await was_received(conn, Channel.SMS, "in-i1")
        assert not await was_received(conn, Channel.EMAIL, "in-i1")
        answered = await last_inbound(conn, thread_id)
        assert answered is not None
        assert answered[0] == "i1"
        assert answered[1].startswith(f"{people.ana}/")
        assert [line.message_id for line in await lines_of(conn, thread_id)] == ["i1", "m1", "m2"]

    async def close(conn: AsyncConnection) -> None:
        await close_thread(conn, thread_id, resolution="told", actor="eva", now_ms=NOW_MS + 1)

    await people.ledger.transact(close)
    async with people.ledger.read() as conn:
        (closed,) = await list_threads(conn, state=ThreadState.CLOSED)
        assert (closed.review_id, closed.closed_by) == (None, "eva")
        ends = (await conn.execute(select(suppression.c.ends_ms))).scalars().all()
        assert ends == [NOW_MS + 1]
    await profiles_agree(people.ledger)
    with pytest.raises(LookupError):
        await people.ledger.transact(
            lambda conn: close_thread(conn, "none", resolution="x", actor="eva", now_ms=1)
        )


async def test_addresses_lead_to_everybody_who_has_them(people: People) -> None:
    async with people.ledger.read() as conn:
        assert [p for p, _ in await people_of(conn, Channel.SMS, MOBILE)] == [people.ana]
        both = {p for p, _ in await people_of(conn, Channel.WHATSAPP, SHARED)}
        assert both == {people.ana, people.luis}
        assert await people_of(conn, Channel.EMAIL, MOBILE) == []
        assert len(await accounts_of(conn, sorted(both))) == 2
        values = await values_of(conn, await accounts_of(conn, [people.ana]))
    ((key, told),) = values.items()
    assert key[1] == people.ana
    assert told.debts
    assert masked("ana.torres@example.com") == "a***@example.com"
    assert masked("123") == "***"


async def test_a_message_of_nobody_is_kept_without_an_event(people: People) -> None:
    keep = people.inbound(
        "i9", person_id="", contact_point_id=None, address="+56900000009", reason="unknown_address"
    )
    for _ in range(2):
        async with people.ledger.write() as conn:
            await keep_loose(conn, keep, None)
    async with people.ledger.read() as conn:
        (thread,) = await list_threads(conn)
        assert thread.thread_id.startswith("sms:~")
        assert "900000009" not in thread.thread_id
        assert await last_inbound(conn, thread.thread_id) is None
        assert len(await lines_of(conn, thread.thread_id)) == 1


async def test_what_became_of_a_campaign_is_counted_once(people: People) -> None:
    for name in ("m1", "m2"):
        await people.send(name)
        await people.moves(name, "sent")
    await people.moves("m2", "delivered")
    heard = InboundContact(kind=EventKind.INBOUND_MESSAGE, channel=Channel.SMS, message_id="i1")
    await people.append(heard, people.inbound("i1", requests="opt_out paid", answers="m2"))
    async with people.ledger.read() as conn:
        said = await campaign_messages(conn, "c")
    assert said.states == {"sent": 1, "delivered": 1}
    assert (said.messages, said.replies, said.opt_outs) == (2, 1, 1)
    assert said.requests == {"opt_out": 1, "paid": 1}


async def test_erasing_a_person_takes_the_words_and_leaves_the_fingerprints(
    people: People,
) -> None:
    await people.send("m1", "Hola, Ana Perez")
    await people.moves("m1", "sent")
    heard = InboundContact(kind=EventKind.INBOUND_MESSAGE, channel=Channel.SMS, message_id="i1")
    await people.append(heard, people.inbound("i1", "soy Ana"))
    loose = people.inbound("i0", "quien es", person_id="", contact_point_id=None)
    async with people.ledger.write() as conn:
        await keep_loose(conn, loose, None)
        seen = await would_erase(conn, people.ana)
        assert (seen.rows["message"], seen.rows["message_thread"]) == (2, 1)
        asked = await request_erasure(conn, people.ana, reason="asked", actor="eva", now_ms=NOW_MS)
    await people.ledger.transact(
        lambda conn: decide_erasure(
            conn, asked.erasure_id, approve=True, actor="rosa", now_ms=NOW_MS
        )
    )
    async with people.ledger.read() as conn:
        rows = (await conn.execute(select(message))).mappings().all()
        threads = (await conn.execute(select(message_thread.c.address))).scalars().all()
        others = (await conn.execute(select(contact_point.c.address))).scalars().all()
    assert {row["text"] for row in rows} == {"erased"}
    assert {row["address"] for row in rows} | set(threads) == {"erased"}
    assert {row["text_sha256"] for row in rows} == {"0" * 64, "1" * 64}
    assert SHARED in others
