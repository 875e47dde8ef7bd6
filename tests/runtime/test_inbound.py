"""People who call us: whose screen it is, who takes them, and what becomes of those who wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select, update

from campaigns.next_contact import LIABLE
from compliance.messages import HistoryEvent
from compliance.types import EventKind, PersonId
from dialer.core.agent import AgentState
from dialer.core.desk_messages import (
    CallConnected,
    CallerIdentified,
    CallOver,
    CheckIdentity,
    Dispose,
    Disposed,
    HangUp,
    IdentifyCaller,
    IdentityResult,
    Transfer,
)
from dialer.core.records import fold_history
from dialer.runtime.inbound import UNIDENTIFIED
from dialer.stores.ledger.schema import (
    account,
    account_party,
    attempt,
    callback,
    contact_point,
    enrolment,
    person,
    person_status,
    suppression,
)
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import CallId
from tests.runtime.test_conversations import EVA, _refusal, free, patient, state
from tests.runtime.test_engine import truth
from tests.support.fixed_world import FixedWorld
from tests.support.house import PATIENCE_S, DeskAgent, House, open_house

OUR_NUMBER = "+56220000000"


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


class Known(msgspec.Struct):
    """Somebody of the portfolio whose number is theirs alone."""

    person_id: PersonId
    number: str
    account_id: str
    reference: str


async def somebody(house: House, *, skip: int = 0) -> Known:
    query = (
        select(
            contact_point.c.person_id,
            contact_point.c.address.label("number"),
            account.c.account_id,
            account.c.external_id.label("reference"),
        )
        .join(account_party, account_party.c.person_id == contact_point.c.person_id)
        .join(account, account.c.account_id == account_party.c.account_id)
        .where(
            contact_point.c.kind == "phone",
            contact_point.c.shared_with == "[]",
            contact_point.c.also_reference.is_(False),
            contact_point.c.role.in_([str(role) for role in LIABLE]),
            account_party.c.role == "holder",
            contact_point.c.validity == "unverified",
            contact_point.c.person_id.in_(
                select(account_party.c.person_id)
                .group_by(account_party.c.person_id)
                .having(func.count() == 1)
            ),
            contact_point.c.person_id.not_in(select(person_status.c.person_id)),
            contact_point.c.person_id.not_in(select(suppression.c.person_id)),
        )
        .order_by(contact_point.c.contact_point_id)
        .offset(skip)
        .limit(1)
    )
    async with house.marcador.ledger.read() as conn:
        row = (await conn.execute(query)).mappings().one()
    return msgspec.convert({name: row[name] for name in Known.__struct_fields__}, Known)


async def quiet_house(house: House, *names: str) -> list[DeskAgent]:
    """A campaign that dials nothing, with these agents ready."""
    await house.campaign()
    agents = [await house.agent(name) for name in names]
    for agent in agents:
        await free(house, agent)
    return agents


async def history(house: House, person_id: PersonId, account_id: str) -> tuple[HistoryEvent, ...]:
    await house.engine.recorder.flush()
    found = await house.engine.reader.read_accounts(None, [account_id], 0)  # type: ignore[list-item]  # ids are texts
    (one,) = (p for p in found[0].people if p.person_id == person_id)
    return fold_history(one.rows)


async def test_a_known_caller_is_verified_disposed_of_and_counted_as_inbound(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(default=patient)) as house:
        (ana,) = await quiet_house(house, "ana")
        known = await somebody(house)
        call_id = house.carrier.somebody_calls(known.number, OUR_NUMBER)
        view = (await ana.hear(CallConnected)).call
        assert (view.call_id, view.inbound, view.verified, view.debts) == (call_id, True, False, ())
        assert view.person_name, "a number that is one person's alone"
        await ana.say(CheckIdentity(call_id=call_id, answers=await truth(house, call_id)))
        result = await ana.hear(IdentityResult)
        assert (result.passed, bool(result.debts)) == (True, True)
        await ana.say(HangUp(call_id=call_id))
        await ana.hear(CallOver)
        await ana.say(Dispose(call_id=call_id, code="CD-IP"))
        await ana.hear(Disposed)
        events = await history(house, known.person_id, known.account_id)
        assert [e.kind for e in events] == [EventKind.INBOUND_CALL, EventKind.CONVERSATION]
        called, talked = events
        assert talked.answers_event_id == called.event_id, "the person began it"
        assert talked.mode is None
        assert talked.debt_ids == called.debt_ids != ()
        async with house.marcador.ledger.read() as conn:
            attempts = (await conn.execute(select(func.count()).select_from(attempt))).scalar_one()
            standing = (
                await conn.execute(
                    select(enrolment).where(enrolment.c.account_id == known.account_id)
                )
            ).one()
        assert attempts == 0, "nobody dialed"
        assert (standing.state, standing.last_code) == ("waiting", "CD-IP")
        assert house.engine.floor.inbound.figures().connected == 1
        (runner,) = house.engine.fleet.runners()
        assert (runner.tally.answered, runner.tally.abandoned) == (0, 0)


async def test_the_agent_who_spoke_last_comes_first_and_may_pass_the_call_on(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(default=patient)) as house:
        eva, ana = await quiet_house(house, "eva", "ana")
        known = await somebody(house)
        call_id = house.carrier.somebody_calls(known.number, OUR_NUMBER)
        await eva.hear(CallConnected)
        await eva.say(Transfer(call_id=call_id, to=EVA))
        assert (await _refusal(eva)).code == "no_such_agent", "oneself is no colleague"
        await eva.say(Transfer(call_id=call_id, to=msgspec.structs.replace(EVA, name="ana")))
        await ana.hear(CallConnected)
        await ana.say(HangUp(call_id=call_id))
        await ana.hear(CallOver)
        await ana.say(Dispose(call_id=call_id, code="CD-NV"))
        await ana.hear(Disposed)
        await state(house, ana, AgentState.READY)
        # Eva has been idle for longer; the last who spoke with the person is Ana.
        again = house.carrier.somebody_calls(known.number, OUR_NUMBER)
        assert (await ana.hear(CallConnected)).call.call_id == again


@pytest.mark.parametrize("caller", [None, "+56229999999", "shared"])
async def test_a_caller_whom_nobody_can_know_meets_a_neutral_screen(
    caller: str | None, tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(default=patient)) as house:
        (ana,) = await quiet_house(house, "ana")
        known, other = await somebody(house), await somebody(house, skip=3)
        if caller == "shared":
            caller = known.number
            async with house.marcador.ledger.write() as conn:
                await conn.execute(
                    update(contact_point)
                    .where(contact_point.c.address == known.number)
                    .values(shared_with=f'["{other.person_id}"]')
                )
        call_id = house.carrier.somebody_calls(caller, OUR_NUMBER)
        view = (await ana.hear(CallConnected)).call
        assert (view.person_name, view.factors, view.debts) == ("", (), ())
        assert [code.code for code in view.codes] == [UNIDENTIFIED]
        await ana.say(CheckIdentity(call_id=call_id, answers={"contract": other.reference}))
        assert (await _refusal(ana)).code == "no_such_call"
        await ana.say(IdentifyCaller(call_id=call_id, reference="nothing"))
        assert (await _refusal(ana)).code == "no_such_reference"
        await ana.say(IdentifyCaller(call_id=call_id, reference=f" {other.reference} "))
        known_now = (await ana.hear(CallerIdentified)).call
        assert (known_now.person_name, known_now.number_masked, known_now.debts) == ("", "", ())
        assert known_now.factors
        assert not any(code.code.startswith("CI-") for code in known_now.codes)
        await ana.say(CheckIdentity(call_id=call_id, answers=await truth(house, call_id)))
        verified = await ana.hear(IdentityResult)
        assert verified.person_name
        assert verified.debts
        async with house.marcador.ledger.read() as conn:
            row = (
                await conn.execute(
                    select(contact_point.c.validity).where(
                        contact_point.c.address == other.number, contact_point.c.kind == "phone"
                    )
                )
            ).one()
            name = (
                await conn.execute(
                    select(person.c.full_name).where(person.c.person_id == other.person_id)
                )
            ).scalar_one()
        assert verified.person_name == name
        assert row.validity == "unverified", "another number called: it proves nothing of this one"


async def test_a_caller_whom_nobody_got_to_know_leaves_no_trace_with_anybody(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(default=patient)) as house:
        (ana,) = await quiet_house(house, "ana")
        call_id = house.carrier.somebody_calls(None, OUR_NUMBER)
        await ana.hear(CallConnected)
        await ana.say(HangUp(call_id=call_id))
        await ana.hear(CallOver)
        await ana.say(Dispose(call_id=call_id, code="CD-NV"))
        assert (await _refusal(ana)).code == "code_not_offered"
        await ana.say(Dispose(call_id=call_id, code=UNIDENTIFIED))
        assert (await ana.hear(Disposed)).by == "agent"
        await state(house, ana, AgentState.READY)
        assert house.engine.outcomes.contacts == {}


async def test_callers_come_before_people_whom_we_called(tmp_path: Path, redis_url: str) -> None:
    """Both wait; the next agent goes to the caller, who came later."""
    async with open_house(tmp_path, redis_url, FixedWorld(default=patient)) as house:
        ana, eva = await quiet_house(house, "ana", "eva")
        known = await somebody(house)
        first = house.carrier.somebody_calls(None, OUR_NUMBER)
        second = house.carrier.somebody_calls(None, OUR_NUMBER)
        taken = {(await a.hear(CallConnected)).call.call_id: a for a in (ana, eva)}
        assert set(taken) == {first, second}
        third = house.carrier.somebody_calls(known.number, OUR_NUMBER)
        await house.until("waits", lambda: house.engine.floor.inbound.figures().waiting == 1)
        agent = taken[first]
        await agent.say(HangUp(call_id=first))
        await agent.hear(CallOver)
        await agent.say(Dispose(call_id=first, code=UNIDENTIFIED))
        assert (await agent.hear(CallConnected)).call.call_id == third


async def test_nobody_is_free_so_the_caller_is_called_back(tmp_path: Path, redis_url: str) -> None:
    overrides = {"inbound__wait_s": 5, "inbound__busy_prompt": "ocupados"}
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world, overrides=overrides) as house:
        await house.campaign()
        ana = await house.agent("ana")
        await house.until("owned", lambda: bool(house.engine.owned()))
        for runner in house.engine.fleet.runners():
            runner.carrier_is_up = False
        known = await somebody(house)
        call_id = house.carrier.somebody_calls(known.number, OUR_NUMBER)
        await house.until("waits", lambda: house.engine.floor.inbound.figures().waiting == 1)
        assert call_id in house.engine.outcomes.contacts
        await house.until("gives up", lambda: house.engine.floor.inbound.figures().missed == 1)
        await house.until("on record", lambda: not house.engine.outcomes.contacts)
        (event,) = await history(house, known.person_id, known.account_id)
        assert event.kind is EventKind.INBOUND_CALL
        async with house.marcador.ledger.read() as conn:
            asked = (await conn.execute(select(callback))).one()
            standing = (
                await conn.execute(
                    select(enrolment).where(enrolment.c.account_id == known.account_id)
                )
            ).one()
        assert (asked.person_id, asked.event_id) == (known.person_id, event.event_id)
        assert (standing.state, standing.reason) == ("waiting", "missed_inbound")
        (runner,) = house.engine.fleet.runners()
        assert runner.tally.abandoned == 0, "a caller who waits is no abandoned call of ours"
        # Two minutes on, an agent is there: the person is called back, as the gate allows.
        await ana.ready()
        runner.carrier_is_up = True
        async with asyncio.timeout(20):
            while True:
                call = (await ana.hear(CallConnected)).call
                async with house.marcador.ledger.read() as conn:
                    row = (
                        await conn.execute(
                            select(attempt.c.person_id, attempt.c.mode).where(
                                attempt.c.attempt_id == call.call_id
                            )
                        )
                    ).one()
                if row.person_id == known.person_id:
                    break
                await ana.say(HangUp(call_id=call.call_id))
                await ana.hear(CallOver)
                await ana.say(Dispose(call_id=call.call_id, code="CD-NV"))
        assert row.mode == "callback"


async def test_a_full_line_is_not_answered(tmp_path: Path, redis_url: str) -> None:
    overrides = {"inbound__max_waiting": 1, "inbound__callback": False}
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world, overrides=overrides) as house:
        await house.campaign()
        await house.agent("ana")
        for runner in house.engine.fleet.runners():
            runner.carrier_is_up = False
        waiting = house.carrier.somebody_calls(None, OUR_NUMBER)
        await house.until("waits", lambda: house.engine.floor.inbound.figures().waiting == 1)
        known = await somebody(house)
        turned: CallId = house.carrier.somebody_calls(known.number, OUR_NUMBER)
        await house.until(
            "turned away", lambda: house.engine.floor.inbound.figures().turned_away == 1
        )
        assert house.engine.calls.get(turned) is None
        await house.until("on record", lambda: not house.engine.outcomes.contacts)
        (event,) = await history(house, known.person_id, known.account_id)
        assert event.kind is EventKind.INBOUND_CALL
        house.carrier.callee_hangs_up(waiting)
        await house.until("hung up", lambda: house.engine.floor.inbound.figures().missed == 1)


async def test_a_caller_of_an_earlier_life_is_not_left_on_a_line_that_nobody_serves(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(default=patient)) as house:
        (ana,) = await quiet_house(house, "ana")
        served = house.carrier.somebody_calls(None, OUR_NUMBER)
        await ana.hear(CallConnected)
        house.engine.calls.on_inbound = None  # as if it had come to another life
        lost = house.carrier.somebody_calls(None, OUR_NUMBER)
        left = {r.call_id for r in await house.carrier.list_calls()}
        assert left == {served, lost}
        async with asyncio.timeout(PATIENCE_S):
            while len(left) > 1:
                await asyncio.sleep(0.02)
                left = {r.call_id for r in await house.carrier.list_calls()}
        assert left == {served}
