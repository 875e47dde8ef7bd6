"""Erasing a person: nothing that identifies them is left, and every hash holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.retention import schedule
from dialer.core.records import from_ms, to_ms
from dialer.runtime.replaying import replay_sample
from dialer.stores.ledger import schema
from dialer.stores.ledger.checkpoints import Checkpoints, load_or_create_key
from dialer.stores.ledger.erasing import (
    AlreadyDecided,
    Erasure,
    ErasureState,
    OnHold,
    SamePerson,
    decide_erasure,
    list_erasures,
    list_holds,
    place_hold,
    release_hold,
    request_erasure,
    would_erase,
)
from dialer.stores.ledger.retaining import Retired, past_retention
from dialer.stores.ledger.verify import verify_ledger
from tests.runtime.officer.world import ANA, EVA, LUIS, NOON, SHARED, House
from tests.runtime.officer.world import packs as packs_of_world

NOW_MS = to_ms(NOON + timedelta(days=40))


async def ask(house: House, document: str) -> Erasure:
    async with house.ledger.write() as conn:
        return await request_erasure(
            conn, house.people[document], reason="asked in writing", actor="eva", now_ms=NOW_MS
        )


async def carry_out(house: House, erasure: Erasure) -> Erasure:
    async def work(conn: AsyncConnection) -> Erasure:
        return await decide_erasure(
            conn, erasure.erasure_id, approve=True, actor="rosa", now_ms=NOW_MS
        )

    return await house.ledger.transact(work)


async def everything(house: House) -> str:
    """Every value of every table, as text."""
    told = []
    async with house.ledger.read() as conn:
        for table in schema.metadata.sorted_tables:
            told += [str(tuple(row)) for row in await conn.execute(select(table))]
    return "\n".join(told)


async def test_nothing_is_left_and_the_chain_holds(house: House, tmp_path: Path) -> None:
    await house.work("A-1", NOON)
    await house.work("A-2", NOON)
    await house.change()
    async with house.ledger.write() as conn:
        await conn.execute(
            schema.note.insert().values(
                note_id="n-1",
                account_id=house.accounts["A-1"],
                text="Ana Díaz says",
                author="a",
                at_ms=1,
            )
        )
    key = load_or_create_key(tmp_path / "key.pem")
    await Checkpoints(house.ledger, key).make(NOW_MS)
    before = await everything(house)
    for found in ("11111111", "+56911111111", "Ana Díaz"):
        assert found in before
    async with house.ledger.read() as conn:
        looked = await would_erase(conn, house.people[ANA])
    assert looked.may
    assert looked.rows["contact_point"] == 1
    assert looked.rows["subject_snapshot"] > 0
    done = await carry_out(house, await ask(house, ANA))
    assert (done.state, done.requested_by, done.decided_by) == (ErasureState.DONE, "eva", "rosa")
    left = await everything(house)
    for gone in ("11111111-1", "+56911111111", "Ana Díaz"):
        assert gone not in left, gone
    # Others keep what is theirs.
    for kept in (SHARED, "Eva Ríos", "Luis Soto"):
        assert kept in left
    await Checkpoints(house.ledger, key).make(NOW_MS + 1)
    report = await verify_ledger(house.ledger, public_key=key.public_hex)
    assert report.holds, report.problems
    replayed = await replay_sample(house.ledger, sample=100, seed=1)
    assert replayed.different == 0
    assert replayed.holds
    assert replayed.not_replayable.keys() == {"erased"}
    assert replayed.same > 0


async def test_nobody_can_call_what_is_left(house: House) -> None:
    await carry_out(house, await ask(house, ANA))
    plan = await house.decide("A-1", NOON)
    assert plan.dial is None


async def test_a_shared_number_stays_with_the_other(house: House) -> None:
    await house.work("A-2", NOON)
    await carry_out(house, await ask(house, LUIS))
    async with house.ledger.read() as conn:
        query = select(schema.stream_link.c.stream).where(
            schema.stream_link.c.stream == f"number:{SHARED}"
        )
        assert (await conn.execute(query)).scalar() is not None
    await carry_out(house, await ask(house, EVA))
    assert SHARED not in await everything(house)
    assert (await verify_ledger(house.ledger)).holds


async def test_two_people_and_once(house: House) -> None:
    asked = await ask(house, ANA)
    async with house.ledger.write() as conn:
        with pytest.raises(SamePerson):
            await decide_erasure(conn, asked.erasure_id, approve=True, actor="eva", now_ms=NOW_MS)
        with pytest.raises(LookupError):
            await decide_erasure(conn, "nothing", approve=True, actor="rosa", now_ms=NOW_MS)
        refused = await decide_erasure(
            conn, asked.erasure_id, approve=False, actor="rosa", now_ms=NOW_MS
        )
        assert refused.state is ErasureState.REFUSED
        with pytest.raises(ValueError, match="why"):
            await request_erasure(conn, house.people[ANA], reason="", actor="eva", now_ms=NOW_MS)
    with pytest.raises(AlreadyDecided):
        await carry_out(house, asked)
    assert "+56911111111" in await everything(house)


async def test_a_hold_that_comes_between_stops_it(house: House) -> None:
    asked = await ask(house, ANA)
    async with house.ledger.write() as conn:
        hold = await place_hold(
            conn, house.people[ANA], matter="case 1", actor="eva", now_ms=NOW_MS
        )
    with pytest.raises(OnHold):
        await carry_out(house, asked)
    assert "+56911111111" in await everything(house)
    async with house.ledger.write() as conn:
        with pytest.raises(ValueError, match="why"):
            await release_hold(conn, hold.hold_id, reason=" ", actor="eva", now_ms=NOW_MS)
        freed = await release_hold(conn, hold.hold_id, reason="closed", actor="eva", now_ms=NOW_MS)
        assert freed.released_by == "eva"
        with pytest.raises(LookupError):
            await release_hold(conn, hold.hold_id, reason="x", actor="eva", now_ms=NOW_MS)
        assert await list_holds(conn) == []
        assert await list_holds(conn, standing=False) == [freed]
    await carry_out(house, asked)
    async with house.ledger.read() as conn:
        (done,) = await list_erasures(conn, state=ErasureState.DONE)
    assert done.erasure_id == asked.erasure_id


async def test_a_contact_being_made_ends_first(house: House) -> None:
    plan = await house.decide("A-1", NOON)
    assert plan.dial is not None
    asked = await ask(house, ANA)
    with pytest.raises(OnHold):
        await carry_out(house, asked)
    await house.decider.end(plan.dial, NOON + timedelta(seconds=30))
    assert (await carry_out(house, asked)).state is ErasureState.DONE


FAR = NOON + timedelta(days=1200)


async def due(
    house: House, before_ms: int, at: datetime = FAR, packs: tuple[str, ...] = ()
) -> list[Retired]:
    periods = tuple(keep for keep in schedule(packs_of_world(), at) if keep.pack in packs)
    async with house.ledger.read() as conn:
        page = await past_retention(conn, before_ms=before_ms, at=at, periods=periods)
    assert page.next_after is None
    return page.people


async def test_retention_names_who_has_been_kept_long_enough(
    house: House, behind_its_back: Callable[[str], None]
) -> None:
    far_ms = to_ms(FAR)
    assert await due(house, far_ms) == []
    behind_its_back("UPDATE account SET state = 'closed' WHERE external_id = 'A-2'")
    async with house.ledger.write() as conn:
        await place_hold(conn, house.people[EVA], matter="case", actor="eva", now_ms=NOW_MS)
    (luis,) = await due(house, far_ms)
    assert luis.person_id == house.people[LUIS]
    assert await due(house, luis.last_activity_ms) == []
    async with house.ledger.read() as conn:
        last = (
            await conn.execute(
                text("SELECT max(at_ms) FROM ledger_event WHERE person_id = :p"),
                {"p": house.people[LUIS]},
            )
        ).scalar()
    assert luis.last_activity_ms == last
    await ask(house, LUIS)
    assert await due(house, far_ms) == []


async def test_packs_that_bound_a_contact_keep_a_person_longer(
    house: House, behind_its_back: Callable[[str], None]
) -> None:
    """Chile asks for two years of its own people's contacts; telemarketing for five of its own."""
    await house.call("A-2", NOON)
    behind_its_back("UPDATE account SET state = 'closed' WHERE external_id = 'A-2'")
    far_ms = to_ms(FAR)
    async with house.ledger.write() as conn:
        await place_hold(conn, house.people[EVA], matter="case", actor="eva", now_ms=NOW_MS)
    (luis,) = await due(house, far_ms)
    assert luis.person_id == house.people[LUIS]
    last = from_ms(luis.last_activity_ms)
    soon, late = last + timedelta(days=720), last + timedelta(days=740)
    assert await due(house, far_ms, soon, ("cl", "us", "us-tsr")) == []
    assert await due(house, far_ms, late, ("cl", "us", "us-tsr")) == [luis]
    behind_its_back(
        'UPDATE ledger_event SET record = replace(record, \'"pack":"cl"\', '
        '\'"pack":"us-tsr"\') WHERE record IS NOT NULL'
    )
    assert await due(house, far_ms, soon, ("us-tsr",)) == [luis]  # collection: not its matter
    behind_its_back(
        "UPDATE ledger_event SET record = replace(record, '\"request\":{', "
        '\'"request":{"purpose":"marketing",\') WHERE record IS NOT NULL'
    )
    assert await due(house, far_ms, FAR + timedelta(days=800), ("us-tsr",)) == []
    behind_its_back("UPDATE campaign SET state = 'completed'")
    assert await due(house, far_ms, FAR, ("us-tsr",)) == []
    assert await due(house, far_ms, FAR + timedelta(days=800), ("us-tsr",)) == [luis]
