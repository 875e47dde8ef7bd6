"""Decisions come out again from the ledger alone, whatever has happened since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
from sqlalchemy import select

from campaigns.content.template import template_hash
from compliance import gate
from compliance.messages import DecisionRecord, Subject
from compliance.packs import PackSet
from compliance.types import Channel, DecisionId, EventKind, Mode, SuppressionScope
from dialer.config import EngineConfig
from dialer.core.proofs import heads_of, rebuilt_facts, sealed
from dialer.core.records import ContactBlocked, to_ms
from dialer.runtime.explaining import explain_contact
from dialer.runtime.replaying import (
    ACTION,
    Missing,
    NightlyReplay,
    Outcome,
    Replayer,
    replay_sample,
)
from dialer.stores.ledger.archive import (
    archived_texts,
    keep_packs,
    packs_of,
    read_history,
    read_subject,
)
from dialer.stores.ledger.audit import list_audit
from dialer.stores.ledger.content import create_version
from dialer.stores.ledger.reviews import list_reviews
from dialer.stores.ledger.schema import ledger_event, person_profile
from dialer.stores.ledger.streams import NewEvent
from dialer.stores.ledger.subjects import add_wide_suppression, end_wide_suppression
from tests.campaigns.content.build import neutral
from tests.runtime.officer.world import ANA, EVA, LUIS, MIDNIGHT, NOON, SHARED, House, packs
from tests.support.manual_clock import ManualClock

DAY = timedelta(days=1)


async def _busy(house: House) -> list[str]:
    """Some days of a shared telephone, a file, and a creditor who stopped everything once."""
    made = [await house.blocked("A-1", MIDNIGHT), await house.blocked("A-2", MIDNIGHT)]
    for hours in range(3):
        made += await house.work("A-1", NOON + timedelta(hours=hours))
        made += await house.work("A-2", NOON + timedelta(hours=hours))
    await house.change()
    async with house.ledger.write() as conn:
        stop = await add_wide_suppression(
            conn,
            scope=SuppressionScope.TENANT,
            reason="outage",
            actor="test",
            now_ms=to_ms(NOON + DAY),
        )
    made.append(await house.blocked("A-1", NOON + 7 * DAY))
    async with house.ledger.write() as conn:
        await end_wide_suppression(conn, stop, actor="test", now_ms=to_ms(NOON + 7 * DAY))
    dial = await house.call("A-2", NOON + 8 * DAY, outcome=EventKind.CONVERSATION, talk_ms=60_000)
    made.append(dial.contact.attempt_id)
    made += await house.work("A-2", NOON + 9 * DAY)
    await house.change()
    return made


async def test_everything_comes_out_again(house: House) -> None:
    made = await _busy(house)
    replayer = Replayer(house.ledger)
    for decision_id in made:
        told = await replayer.replay(decision_id)
        assert told is not None
        assert told.outcome is Outcome.SAME, told
    report = await replay_sample(house.ledger, sample=1_000, seed=1)
    assert report.holds
    assert report.same == report.replayed == report.decisions >= len(made)
    assert await replayer.replay("nothing") is None


async def _about_text(house: House, text: str, version: str | None) -> str:
    """A decision about a message of this text to Ana; its id."""
    made = await house.blocked("A-1", MIDNIGHT)
    query = select(ledger_event.c.person_id, ledger_event.c.record).where(
        ledger_event.c.decision_id == made
    )
    async with house.ledger.read() as conn:
        person_id, stored = (await conn.execute(query)).one()
        record = msgspec.json.decode(stored, type=DecisionRecord)
        subject = await read_subject(conn, person_id, record.subject_sha256)
        assert subject is not None
        rows = await read_history(conn, record, heads_of(record, subject))
    known = rebuilt_facts(record, subject, rows)
    assert known is not None
    asked = msgspec.structs.replace(
        record.request,
        decision_id=DecisionId(f"about-{made}"),
        channel=Channel.SMS,
        mode=Mode.BLAST,
        text=text,
        template_hash=version,
    )
    decided = sealed(gate.decide(asked, known, packs(), MIDNIGHT).record, subject)
    body = ContactBlocked(
        decision_id=asked.decision_id,
        campaign_id=asked.campaign_id,
        account_id=house.accounts["A-1"],
        contact_point_id=asked.contact_point_id,
        channel=asked.channel,
        rule_id="any",
    )
    proof = msgspec.json.encode(decided).decode()
    event = NewEvent(person_id=person_id, at_ms=to_ms(MIDNIGHT), body=body, record=proof.encode())
    await house.decider.store.append([event])
    assert text not in proof
    return asked.decision_id


async def test_a_decision_about_a_text_is_made_again_from_its_version(house: House) -> None:
    template = neutral()
    async with house.ledger.write() as conn:
        await create_version(conn, template, actor="eva", now_ms=to_ms(MIDNIGHT))
    version = template_hash(template)
    replayer = Replayer(house.ledger)
    told = await replayer.replay(await _about_text(house, template.body, version))
    assert told is not None
    assert told.outcome is Outcome.SAME, told
    for text, named in (("another text", version), ("of no version", None), ("x" * 20, "gone")):
        told = await replayer.replay(await _about_text(house, text, named))
        assert told is not None
        assert (told.outcome, told.missing) == (Outcome.NOT_REPLAYABLE, Missing.NO_TEXT)


async def test_a_sample_is_uniform_in_the_period(house: House) -> None:
    made = await _busy(house)
    report = await replay_sample(
        house.ledger, sample=2, seed=3, since=NOON, until=NOON + timedelta(hours=1)
    )
    assert report.decisions >= 2
    assert report.replayed == 2
    whole = await replay_sample(house.ledger, sample=1, seed=3)
    assert whole.decisions >= len(made) > report.decisions


async def test_records_hold_no_number(house: House) -> None:
    """What is chained for ever names telephones by ids."""
    await _busy(house)
    async with house.ledger.read() as conn:
        rows = (await conn.execute(select(ledger_event.c.record, ledger_event.c.body))).all()
    texts = [str(row.record) + str(row.body) for row in rows]
    assert any('"number:' in text for text in texts)
    assert not [text for text in texts if "+569" in text]
    assert not [text for text in texts if SHARED.removeprefix("+") in text]


async def test_a_record_says_what_an_officer_must_know(house: House) -> None:
    dial = await house.call("A-1", NOON)
    event = await house.decider.store.read_decision(dial.contact.attempt_id)
    assert event is not None
    assert event.record is not None
    record = msgspec.json.decode(event.record, type=DecisionRecord)
    assert record.collector is not None
    assert record.collector.role == "third_party"
    assert record.creditor_ids == ("creditor-cartera",)
    assert record.software == gate.software()
    assert "tzdata" not in record.tzdata_version
    assert "holidays" in record.holidays_version
    assert record.pack_set == packs().sha256
    assert record.history_from == NOON - house.decider.context.lookback
    assert {ref.pack for ref in record.packs} >= {"cl", "marcador", "house"}
    assert all(len(ref.sha256) == 64 for ref in record.packs)
    counted = [f for f in record.findings if f.counter is not None]
    assert counted
    assert all(f.limit is not None and f.window_start is not None for f in counted)
    async with house.ledger.read() as conn:
        subject = await read_subject(conn, house.people[ANA], record.subject_sha256)
    assert subject is not None
    assert gate.subject_sha256(subject) == record.subject_sha256


async def test_a_decision_is_told_in_the_words_of_its_own_packs(house: House) -> None:
    """Also by a house that does not load them any more."""
    blocked = await house.blocked("A-1", MIDNIGHT)
    story = await explain_contact(house.ledger, packs("house"), blocked, language="en")
    assert story is not None
    (told,) = story.decisions
    assert told.explanation is not None
    (line,) = [line for line in told.explanation.lines if line.rule_id == "cl/hours"]
    assert line.citation is not None
    assert "8:00 to 20:00" in line.text


async def test_what_was_taken_away_shows(
    house: House, behind_its_back: Callable[[str], None]
) -> None:
    """The first call to the shared number is gone: who counted it comes out otherwise."""
    await _busy(house)
    holder = house.people[LUIS]
    behind_its_back(
        "UPDATE ledger_event SET at_ms = at_ms - 864000000 "
        f"WHERE person_id = '{holder}' AND kind = 'attempt_planned' AND at_ms = {to_ms(NOON)}"
    )
    report = await replay_sample(house.ledger, sample=1_000, seed=1)
    assert not report.holds
    assert {d.field for found in report.findings for d in found.differences} >= {"facts_sha256"}


async def test_an_erased_person_is_told(
    house: House, behind_its_back: Callable[[str], None]
) -> None:
    blocked = await house.blocked("A-1", MIDNIGHT)
    behind_its_back(
        f"UPDATE person_profile SET subject = '' WHERE person_id = '{house.people[ANA]}'"
    )
    told = await Replayer(house.ledger).replay(blocked)
    assert told is not None
    assert (told.outcome, told.missing) == (Outcome.NOT_REPLAYABLE, Missing.NO_SUBJECT)


async def test_every_profile_that_was_is_kept_once(house: House) -> None:
    async with house.ledger.read() as conn:
        before = (await conn.execute(select(person_profile.c.subject))).scalars().all()
    for _ in range(2):
        await house.change()
    async with house.ledger.read() as conn:
        for text in before:
            sha256 = gate.subject_sha256(msgspec.json.decode(text, type=Subject))
            people = [house.people[d] for d in (ANA, LUIS, EVA)]
            found = [await read_subject(conn, person, sha256) for person in people]
            assert sum(subject is not None for subject in found) == 1


async def test_packs_are_kept_word_for_word(house: House) -> None:
    await keep_packs(house.ledger, packs(), now_ms=1)
    async with house.ledger.read() as conn:
        texts = await archived_texts(conn, packs().sha256)
        assert await archived_texts(conn, "0" * 64) is None
    assert texts is not None
    again = packs_of(texts)
    assert again.refs == packs().refs
    assert again.sha256 == packs().sha256
    fewer = PackSet([p for p in packs().packs if p.doc.pack != "cl"])
    assert fewer.sha256 != again.sha256
    assert all(pack.text for pack in again.packs)


async def test_once_a_day_and_the_alarm(
    house: House, behind_its_back: Callable[[str], None]
) -> None:
    clock = ManualClock(NOON + timedelta(hours=2))
    await _busy(house)
    nightly = NightlyReplay(house.ledger, clock, packs(), EngineConfig())
    assert await nightly.run_if_due() is None, "it has just started"
    first = await nightly.run_if_due()
    assert first is not None
    assert first.holds
    assert first.replayed == first.decisions > 3
    assert await nightly.run_if_due() is None
    behind_its_back(
        "UPDATE ledger_event SET record = replace(record, 'creditor-cartera', 'creditor-x') "
        "WHERE record IS NOT NULL"
    )
    none = NightlyReplay(house.ledger, clock, packs(), EngineConfig(replay_sample=0))
    assert [await none.run_if_due() for _ in range(2)] == [None, None]
    await clock.advance(DAY.total_seconds())
    second = await nightly.run_if_due()
    assert second is not None
    behind_its_back(
        "UPDATE ledger_event SET record = replace(record, '\"allowed\":true', '\"allowed\":false') "
        "WHERE record IS NOT NULL"
    )
    await clock.advance(8 * DAY.total_seconds())
    third = await nightly.run_if_due()
    assert third is not None
    assert not third.holds
    async with house.ledger.read() as conn:
        reviews = await list_reviews(conn, kind="replay_difference")
        audit = [e for e in await list_audit(conn) if e.action == ACTION]
    assert [r.person_id for r in reviews] == [f.event_id.split("/")[0] for f in third.findings]
    assert [e.detail["different"] for e in audit] == [third.different, 0, 0]
