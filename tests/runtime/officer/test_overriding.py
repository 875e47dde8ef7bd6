"""An override from the wish to the call: two people, one contact, and never law."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.messages import DecisionRecord
from compliance.types import DecisionId, Outcome
from dialer.core.records import AnyBody, SubjectChanged, to_ms
from dialer.runtime.replaying import replay_sample
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.overrides import (
    AlreadyDecided,
    NotOverridable,
    Override,
    OverrideAsked,
    OverrideState,
    SamePerson,
    decide_override,
    list_overrides,
    request_override,
    revoke_override,
)
from dialer.stores.ledger.verify import verify_ledger
from tests.runtime.officer.world import ANA, NOON, House, packs, settled

RULE = "house/no_rapid_succession"
SOON = NOON + timedelta(minutes=10)


async def granted(
    house: House, *, single_use: bool = True, rule: str = RULE, at: datetime = NOON
) -> Override:
    """Luis asks, Eva approves."""
    asked = OverrideAsked(
        person_id=house.people[ANA],
        rule_id=rule,
        reason="asked to be called again",
        starts_ms=to_ms(at),
        ends_ms=to_ms(at + timedelta(days=2)),
        single_use=single_use,
    )

    async def work(conn: AsyncConnection) -> Override:
        made = await request_override(conn, asked, packs().heads, actor="luis", now_ms=to_ms(at))
        return await decide_override(
            conn, made.override_id, approve=True, actor="eva", now_ms=to_ms(at)
        )

    return await house.ledger.transact(work)


async def record_of(house: House, decision_id: DecisionId) -> DecisionRecord:
    event = await house.decider.store.read_decision(decision_id)
    assert event is not None
    assert event.record is not None
    return msgspec.json.decode(event.record, type=DecisionRecord)


async def stops_of(house: House, at: datetime) -> set[str]:
    plan = await house.decide("A-1", at)
    return {
        finding.rule_id
        for blocked in plan.blocked
        for finding in blocked.record.findings
        if finding.outcome.stops
    }


@pytest.fixture
async def lenient(ledger: Ledger) -> House:
    """Where no law binds: the house's own rules are all there is."""
    return await settled(ledger, packs("house"))


async def test_one_contact_and_no_more(lenient: House) -> None:
    await lenient.call("A-1", NOON)
    assert await stops_of(lenient, SOON) == {RULE}
    made = await granted(lenient)
    dial = await lenient.call("A-1", SOON)
    record = await record_of(lenient, dial.contact.attempt_id)
    (lifted,) = [f for f in record.findings if f.outcome is Outcome.LIFTED]
    assert (lifted.rule_id, lifted.lifted_by) == (RULE, f"override:{made.override_id}")
    assert await stops_of(lenient, SOON + timedelta(minutes=10)) == {RULE}
    async with lenient.ledger.read() as conn:
        (used,) = await list_overrides(conn, person_id=lenient.people[ANA])
    assert (used.used_by, used.used_ms) == (dial.contact.attempt_id, to_ms(SOON))
    report = await replay_sample(lenient.ledger, sample=100, seed=1)
    assert report.same == report.decisions > 3
    assert (await verify_ledger(lenient.ledger)).holds


async def test_two_campaigns_cannot_both_use_it(lenient: House) -> None:
    """Both decide from the same facts; the second append loses, and decides again without."""
    await lenient.call("A-1", NOON)
    await granted(lenient)
    ids = [lenient.accounts["A-1"]]
    plans = [await lenient.decider.plan(ids, SOON) for _ in range(2)]
    assert all(plan.dial is not None for (plan,) in plans)
    first, second = [await lenient.decider.append(plan, SOON) for (plan,) in plans]
    assert first.dial is not None
    assert second.dial is None
    await lenient.decider.end(first.dial, SOON + timedelta(seconds=5))
    assert await stops_of(lenient, SOON + timedelta(minutes=1)) == {RULE}


async def test_one_for_a_while_is_not_used_up(lenient: House) -> None:
    await lenient.call("A-1", NOON)
    made = await granted(lenient, single_use=False)
    for minutes in (10, 20):
        await lenient.call("A-1", NOON + timedelta(minutes=minutes))
    async with lenient.ledger.write() as conn:
        await revoke_override(
            conn, made.override_id, actor="eva", now_ms=to_ms(NOON + timedelta(minutes=21))
        )
    stopped = await stops_of(lenient, NOON + timedelta(minutes=30))
    assert RULE in stopped


async def test_who_asked_and_who_approved_is_in_the_stream(lenient: House) -> None:
    made = await granted(lenient)
    events = await lenient.decider.store.read_person(lenient.people[ANA])
    told = [msgspec.json.decode(e.body, type=AnyBody) for e in events]
    (change,) = [b for b in told if isinstance(b, SubjectChanged) and b.change == "override"]
    assert (change.target, change.value) == (made.override_id, RULE)
    assert (change.source, change.actor) == ("luis", "eva")


async def test_law_stays(house: House) -> None:
    with pytest.raises(NotOverridable):
        await granted(house, rule="cl/call_or_visit_weekly")
    with pytest.raises(NotOverridable):
        await granted(house, rule="marcador/person_status")
    with pytest.raises(NotOverridable):
        await granted(house, rule="nothing/nothing")
    await house.call("A-1", NOON)
    await granted(house)
    assert "cl/call_or_visit_weekly" in await stops_of(house, SOON)


async def test_refusals(house: House) -> None:
    made = await granted(house)
    asked = OverrideAsked(
        person_id=house.people[ANA],
        rule_id=RULE,
        reason=" ",
        starts_ms=to_ms(NOON),
        ends_ms=to_ms(SOON),
    )
    heads, now_ms = packs().heads, to_ms(NOON)
    async with house.ledger.write() as conn:
        with pytest.raises(ValueError, match="reason"):
            await request_override(conn, asked, heads, actor="luis", now_ms=now_ms)
        why = msgspec.structs.replace(asked, reason="why")
        for change in ({"person_id": "nobody"}, {"contact_point_id": "nothing"}):
            bad = msgspec.structs.replace(why, **change)
            with pytest.raises(LookupError):
                await request_override(conn, bad, heads, actor="luis", now_ms=now_ms)
        for ends in (NOON, NOON + timedelta(days=7, seconds=1)):
            bad = msgspec.structs.replace(why, ends_ms=to_ms(ends))
            with pytest.raises(ValueError, match="override"):
                await request_override(conn, bad, heads, actor="luis", now_ms=now_ms)
        fine = await request_override(conn, why, heads, actor="luis", now_ms=now_ms)
        with pytest.raises(SamePerson):
            await decide_override(conn, fine.override_id, approve=True, actor="luis", now_ms=now_ms)
        with pytest.raises(AlreadyDecided):
            await decide_override(
                conn, fine.override_id, approve=True, actor="eva", now_ms=to_ms(SOON)
            )
        refused = await decide_override(
            conn, fine.override_id, approve=False, actor="eva", now_ms=now_ms
        )
        assert refused.state is OverrideState.REFUSED
        ended = await revoke_override(conn, made.override_id, actor="eva", now_ms=now_ms)
        assert ended.state is OverrideState.REVOKED
        with pytest.raises(AlreadyDecided):
            await revoke_override(conn, made.override_id, actor="eva", now_ms=now_ms)
        with pytest.raises(LookupError):
            await revoke_override(conn, "nothing", actor="eva", now_ms=now_ms)
