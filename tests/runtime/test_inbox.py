"""What people write back, on a whole engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import RowMapping, update

from compliance.types import Channel
from dialer.core.records import to_ms
from dialer.runtime.blasts.replies import (
    NoSuchThread,
    NothingToAnswer,
    ReplyNotAllowed,
    ReplyTellsTooMuch,
)
from dialer.stores.ledger.messages import close_thread
from dialer.stores.ledger.schema import (
    callback,
    contact_point,
    debt,
    ledger_event,
    review_item,
    suppression,
)
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from tests.support.letters import blast
from tests.support.post import WritingHouse, open_writing_house


@pytest_asyncio.fixture
async def house(
    tmp_path: Path, redis_server: EmbeddedRedis, redis_client: RedisClient
) -> AsyncIterator[WritingHouse]:
    """A house whose first campaign has written to everybody it may."""
    async with open_writing_house(tmp_path, redis_server.url, accounts=16) as house:
        campaign = await house.blast(blast(), "first")
        await house.worked(campaign)
        yield house


async def written(house: WritingHouse) -> list[RowMapping]:
    """Messages of ours whose address one person alone has."""
    sent = await house.messages(direction="out", author="campaign")
    points = await house.rows(contact_point)
    alone = {p["address"] for p in points if p["shared_with"] == "[]" and not p["also_reference"]}
    return [row for row in sent if row["address"] in alone]


async def stops(house: WritingHouse, person_id: str) -> set[tuple[str, str | None]]:
    """What stops contacts with somebody, with the channel it stops."""
    rows = await house.rows(suppression, person_id=person_id, ends_ms=None)
    return {(row["reason"], row["channel"]) for row in rows}


@pytest.mark.parametrize("word", ["STOP", "baja", "no me escriban más", "SAIR", "Unsubscribe"])
async def test_a_stop_holds_before_the_next_message(house: WritingHouse, word: str) -> None:
    row = (await written(house))[0]
    started = asyncio.get_running_loop().time()
    await house.hears(row["address"], word)
    assert asyncio.get_running_loop().time() - started < 5.0
    assert ("opt_out", "sms") in await stops(house, row["person_id"])
    (thread,) = await house.threads(thread_id=row["thread_id"])
    assert (thread["state"], thread["review_id"]) == ("waiting_them", None)
    again = await house.blast(blast(), "again")
    await house.worked(again)
    assert await house.messages(campaign_id=again.campaign_id, person_id=row["person_id"]) == []
    blocked = await house.rows(ledger_event, person_id=row["person_id"], kind="contact_blocked")
    assert '"rule_id":"marcador/opted_out"' in blocked[-1]["body"]


async def test_one_confirmation_and_nothing_else_in_it(house: WritingHouse) -> None:
    row = (await written(house))[0]
    await house.hears(row["address"], "Alto por favor")
    await house.hears(row["address"], "Alto por favor")
    answers = await house.messages(thread_id=row["thread_id"], author="automatic")
    assert [a["text"] for a in answers] == [
        "Listo: no recibirá más mensajes nuestros por este medio."
    ]
    inbound = await house.messages(thread_id=row["thread_id"], direction="in")
    assert len(inbound) == 2
    assert answers[0]["answers"] == inbound[0]["message_id"]


async def test_an_answer_waits_for_a_person_and_holds_what_would_follow(
    house: WritingHouse,
) -> None:
    row = (await written(house))[0]
    await house.hears(row["address"], "¿me pueden explicar?")
    (thread,) = await house.threads(thread_id=row["thread_id"])
    assert (thread["state"], thread["reason"]) == ("waiting_us", "free_text")
    assert ("review", "sms") in await stops(house, row["person_id"])
    await house.hears(row["address"], "sigo esperando")
    reviews = await house.rows(review_item, kind="inbox", state="open")
    assert [r["person_id"] for r in reviews] == [row["person_id"]]
    sent = await house.engine.post.replies.reply(
        row["thread_id"], "Claro, llámenos cuando guste", author="user-1"
    )
    assert sent.text.endswith("responda BAJA o STOP.")
    assert house.house.messenger.taken[-1].in_reply_to is not None
    now_ms = to_ms(house.engine.clock.now())
    await house.ledger.transact(
        lambda conn: close_thread(
            conn, row["thread_id"], resolution="explained", actor="user-1", now_ms=now_ms
        )
    )
    assert await stops(house, row["person_id"]) == set()
    assert await house.rows(review_item, kind="inbox", state="open") == []
    report = await verify_ledger(house.ledger)
    assert report.holds, report.problems


async def test_a_hint_of_a_stop_is_read_by_a_person_first(house: WritingHouse) -> None:
    row = (await written(house))[0]
    await house.hears(row["address"], "stop by tomorrow")
    (thread,) = await house.threads(thread_id=row["thread_id"])
    assert thread["reason"] == "maybe_opt_out"
    assert await stops(house, row["person_id"]) == {("review", "sms")}


async def test_who_says_that_it_is_paid_is_left_alone_until_it_is_reconciled(
    house: WritingHouse,
) -> None:
    row = (await written(house))[0]
    await house.hears(row["address"], "Ya pagué ayer")
    held = await house.rows(suppression, person_id=row["person_id"], reason="payment_claimed")
    debts = await house.rows(debt, account_id=row["account_id"])
    assert {h["target_id"] for h in held} == {d["debt_id"] for d in debts}
    assert all(h["ends_ms"] is not None for h in held)
    kinds = {r["kind"] for r in await house.rows(review_item, person_id=row["person_id"])}
    assert "payment_proof" in kinds


async def test_wrong_number_dispute_cease_and_callback(house: WritingHouse) -> None:
    wrong, disputes, ceases, wants = (await written(house))[:4]
    await house.hears(wrong["address"], "número equivocado")
    await house.hears(disputes["address"], "esa deuda no es mía")
    await house.hears(ceases["address"], "déjenme en paz")
    await house.hears(wants["address"], "llámame")
    (point,) = await house.rows(contact_point, contact_point_id=wrong["thread_id"][4:])
    assert point["validity"] == "wrong_number"
    debts = await house.rows(debt, account_id=disputes["account_id"])
    assert {d["status"] for d in debts} == {"disputed"}
    assert ("cease", None) in await stops(house, ceases["person_id"])
    (asked,) = await house.rows(callback, person_id=wants["person_id"])
    assert (asked["state"], asked["contact_point_id"]) == ("open", wants["thread_id"][4:])
    events = await house.rows(ledger_event, person_id=wants["person_id"])
    assert "callback_requested" in {e["kind"] for e in events}


async def test_help_is_answered_with_a_fixed_text(house: WritingHouse) -> None:
    row = (await written(house))[0]
    await house.hears(row["address"], "AYUDA")
    (answer,) = await house.messages(thread_id=row["thread_id"], author="automatic")
    assert "LLÁMAME" in answer["text"]
    assert await stops(house, row["person_id"]) == set()


async def test_an_address_of_nobody_or_of_several_is_for_review(house: WritingHouse) -> None:
    await house.hears("+56999999999", "¿quién es?")
    rows = await written(house)
    first, second = rows[0], rows[1]
    async with house.ledger.write() as conn:
        await conn.execute(
            update(contact_point)
            .where(contact_point.c.contact_point_id == second["thread_id"][4:])
            .values(address=first["address"])
        )
    before = await house.messages(direction="out")
    await house.hears(first["address"], "¿cuánto debo?")
    loose = await house.threads(person_id="")
    assert {t["reason"] for t in loose} == {"unknown_address", "shared_address"}
    reviews = await house.rows(review_item, kind="inbox", state="open")
    assert {r["text"] for r in reviews} == {"unknown_address", "shared_address"}
    assert await house.messages(direction="out") == before
    await house.hears(first["address"], "STOP")
    for row in (first, second):
        assert ("opt_out", "sms") in await stops(house, row["person_id"])
    for thread in loose:
        with pytest.raises(NothingToAnswer):
            await house.engine.post.replies.reply(thread["thread_id"], "Hola", author="user-1")


async def test_a_machine_is_not_answered_and_asks_for_nothing(house: WritingHouse) -> None:
    row = (await written(house))[0]
    house.house.messenger.someone_writes(
        Channel.SMS, row["address"], "+56600000000", "STOP (auto)", automatic=True
    )
    await house.engine.post.settled()
    assert await stops(house, row["person_id"]) == set()
    assert len(await house.messages(thread_id=row["thread_id"], direction="in")) == 1
    assert await house.messages(author="automatic") == []


async def test_what_a_provider_tells_twice_is_heard_once(house: WritingHouse) -> None:
    from telephony_adapters.messaging import MessageReceived

    row = (await written(house))[0]
    event = MessageReceived(
        event_id="e1",
        at=house.engine.clock.now(),
        channel=Channel.SMS,
        sender=row["address"],
        to="+56600000000",
        text="ya pagué",
        provider_id="p1",
    )
    for _ in range(3):
        house.engine.post.sink(event)
    await house.engine.post.settled()
    assert len(await house.messages(thread_id=row["thread_id"], direction="in")) == 1
    heard = await house.rows(ledger_event, person_id=row["person_id"], kind="inbound_contact")
    assert len(heard) == 1


@pytest.mark.parametrize(
    "text", ["Su deuda es de $500.000", "Usted debe 3 cuotas", "Lo vamos a embargar", "PAGUE YA!!!"]
)
async def test_no_reply_tells_of_a_debt_or_threatens(house: WritingHouse, text: str) -> None:
    row = (await written(house))[0]
    await house.hears(row["address"], "¿de qué se trata?")
    before = len(house.house.messenger.taken)
    with pytest.raises(ReplyTellsTooMuch):
        await house.engine.post.replies.reply(row["thread_id"], text, author="user-1")
    assert len(house.house.messenger.taken) == before


async def test_a_reply_passes_the_gate(house: WritingHouse) -> None:
    row = (await written(house))[0]
    with pytest.raises(NothingToAnswer):
        await house.engine.post.replies.reply(row["thread_id"], "Hola", author="user-1")
    with pytest.raises(NoSuchThread):
        await house.engine.post.replies.reply("sms:nobody", "Hola", author="user-1")
    await house.hears(row["address"], "no me contacten nunca más")
    before = len(house.house.messenger.taken)
    with pytest.raises(ReplyNotAllowed):
        await house.engine.post.replies.reply(row["thread_id"], "Hola", author="user-1")
    assert len(house.house.messenger.taken) == before
    blocked = await house.rows(ledger_event, person_id=row["person_id"], kind="contact_blocked")
    assert blocked
