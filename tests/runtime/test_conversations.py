"""Conversations of real agents' sessions: holds, consultations, third parties, transfers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from dialer.core.agent import AgentState
from dialer.core.call import CallState
from dialer.core.desk_messages import (
    BackToCall,
    CallChanged,
    CallConnected,
    CallOver,
    CheckIdentity,
    CompleteTransfer,
    Consult,
    Consulted,
    ConsultOver,
    ConversationMessage,
    Dispose,
    Disposed,
    DropParty,
    HandedOn,
    HangUp,
    Hold,
    IdentityResult,
    JoinParty,
    LeaveConsult,
    ListTargets,
    Refused,
    SendDigits,
    Target,
    TargetKind,
    Targets,
    Transfer,
)
from dialer.core.records import ConversationShared, DispositionSet
from dialer.stores.ledger.schema import attempt, note
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import CallId, Originate
from telephony_adapters.simulator.world import DialPlan
from tests.runtime.test_engine import truth
from tests.support.fixed_world import FixedWorld, answered
from tests.support.house import DeskAgent, House, open_house

EVA = Target(kind=TargetKind.AGENT, name="eva")
LEGAL = Target(kind=TargetKind.DESTINATION, name="legal")
OUTSIDE = {"transfers__destinations": "legal=+56221234567, banco=agent:banco"}


def patient(command: Originate) -> DialPlan:
    return answered(command.call_id, talk_s=4_000.0, patience_s=400.0)


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


async def talking(house: House, agent: DeskAgent, *, verified: bool = True) -> CallId:
    """The agent has a call; the others of the campaign stay paused."""
    await agent.ready()
    call_id = CallId((await agent.hear(CallConnected)).call.call_id)
    if verified:
        await agent.say(CheckIdentity(call_id=call_id, answers=await truth(house, call_id)))
        assert (await agent.hear(IdentityResult)).passed
    return call_id


async def shared(house: House, call_id: CallId) -> list[ConversationShared]:
    await house.engine.recorder.flush()
    async with house.marcador.ledger.read() as conn:
        row = (
            await conn.execute(select(attempt.c.person_id).where(attempt.c.attempt_id == call_id))
        ).one()
    events = await house.engine.reader.read_person(row.person_id)
    return [
        msgspec.json.decode(e.body, type=ConversationShared)
        for e in events
        if e.kind == "conversation_shared"
    ]


async def state(house: House, agent: DeskAgent, wanted: AgentState) -> None:
    def reached() -> bool:
        seat = house.engine.desk.seat(agent.name)
        return seat is not None and seat.session.state is wanted

    await house.until(f"{agent.name} is {wanted}", reached)


async def changed(agent: DeskAgent, wanted: CallState) -> CallChanged:
    while True:
        message = await agent.hear(CallChanged)
        if message.state is wanted:
            return message


async def two_agents(house: House) -> tuple[DeskAgent, DeskAgent]:
    await house.campaign()
    return await house.agent("ana"), await house.agent("eva")


async def free(house: House, agent: DeskAgent) -> None:
    """Ready, while nothing more is dialed."""
    for runner in house.engine.fleet.runners():
        runner.carrier_is_up = False
    for call in house.engine.calls.live():
        if call.state.is_before_answer:
            house.engine.calls.hang_up(call.call_id, "test")
    await agent.ready()
    await state(house, agent, AgentState.READY)


async def test_hold_consult_conference_and_an_attended_transfer(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world) as house:
        ana, eva = await two_agents(house)
        call_id = await talking(house, ana)
        await free(house, eva)
        own = house.engine.desk.seat("ana").session.leg_id  # type: ignore[union-attr]  # seated
        other = house.engine.desk.seat("eva").session.leg_id  # type: ignore[union-attr]  # seated

        await ana.say(Hold(call_id=call_id))
        assert (await changed(ana, CallState.HELD)).held_at is not None
        assert house.carrier.heard_by_person(call_id) == frozenset()
        await ana.say(BackToCall(call_id=call_id))
        await changed(ana, CallState.BRIDGED)
        assert house.carrier.heard_by_person(call_id) == {own}

        await ana.say(Consult(call_id=call_id, to=EVA, note="quiere un convenio"))
        seen = (await eva.hear(Consulted)).call
        assert (seen.from_agent, seen.note) == ("ana", "quiere un convenio")
        assert seen.verified
        assert seen.debts, "the call's identity check has passed: the colleague may see"
        await eva.say(HangUp(call_id=call_id))
        assert (await _refusal(eva)).code == "no_such_call", "it is ana's call"
        party = (await changed(ana, CallState.CONSULTING)).party
        assert party is not None
        assert (party.name, party.ready) == ("eva", True)
        assert house.carrier.heard_on(own) == {other}
        assert house.carrier.heard_by_person(call_id) == frozenset()

        await ana.say(JoinParty(call_id=call_id))
        await changed(ana, CallState.CONFERENCE)
        assert house.carrier.heard_by_person(call_id) == {own, other}
        await ana.say(DropParty(call_id=call_id))
        await changed(ana, CallState.BRIDGED)
        await eva.hear(ConsultOver)
        await state(house, eva, AgentState.READY)

        await ana.say(Consult(call_id=call_id, to=Target(kind=TargetKind.TEAM)))
        await eva.hear(Consulted)
        await changed(ana, CallState.CONSULTING)
        await ana.say(CompleteTransfer(call_id=call_id))
        handed = await ana.hear(HandedOn)
        assert (handed.to.name, handed.wrap_up_limit_s) == ("eva", None)
        taken = (await eva.hear(CallConnected)).call
        assert (taken.verified, bool(taken.debts)) == (True, True)
        await state(house, ana, AgentState.READY)
        assert house.carrier.heard_by_person(call_id) == {other}

        await ana.say(HangUp(call_id=call_id))
        assert isinstance(ana.inbox.get_nowait(), Refused), "it is eva's now"
        await eva.say(HangUp(call_id=call_id))
        await eva.hear(CallOver)
        await eva.say(Dispose(call_id=call_id, code="CD-IP"))
        await eva.hear(Disposed)
        steps = [(s.step, s.by, s.agent_id, s.verified) for s in await shared(house, call_id)]
        assert steps == [("joined", "ana", "eva", True), ("transferred", "ana", "eva", True)]
        assert (await verify_ledger(house.marcador.ledger)).problem_count == 0


async def test_a_blind_transfer_shows_no_debt_that_nobody_verified(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world) as house:
        ana, eva = await two_agents(house)
        call_id = await talking(house, ana, verified=False)
        await free(house, eva)
        await ana.say(Transfer(call_id=call_id, to=EVA, note="habla inglés"))
        await ana.hear(HandedOn)
        view = (await eva.hear(CallConnected)).call
        assert (view.verified, view.debts, view.note) == (False, (), "habla inglés")
        # The check goes on where it was: two tries belong to the call, not to the agent.
        await eva.say(CheckIdentity(call_id=call_id, answers={"document_last4": "0000"}))
        assert (await eva.hear(IdentityResult)).tries_left == 1
        house.carrier.callee_hangs_up(call_id)
        await eva.hear(CallOver)
        await eva.say(Dispose(call_id=call_id, code="CD-NV"))
        await eva.hear(Disposed)
        async with house.marcador.ledger.read() as conn:
            (said,) = await conn.execute(select(attempt).where(attempt.c.attempt_id == call_id))
            said_by_ana = select(note.c.text).where(note.c.author == "ana")
            notes = (await conn.execute(said_by_ana)).scalars().all()
        assert (said.agent_id, said.code) == ("eva", "CD-NV")
        assert notes == ["habla inglés"]


async def test_a_call_goes_outside_and_its_agent_wraps_up_meanwhile(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world, overrides=OUTSIDE) as house:
        await house.campaign()
        ana = await house.agent("ana")
        call_id = await talking(house, ana)
        await ana.say(ListTargets())
        assert (await ana.hear(Targets)).destinations == ("banco", "legal")
        await ana.say(Transfer(call_id=call_id, to=LEGAL))
        handed = await ana.hear(HandedOn)
        assert (handed.to.name, handed.wrap_up_limit_s) == ("legal", 120)
        await ana.hear(CallOver)
        await ana.say(Dispose(call_id=call_id, code="CD-IP"))
        await ana.hear(Disposed)
        assert house.engine.calls.get(call_id) is not None, "the person still speaks"
        assert call_id in house.engine.outcomes.contacts
        (leg,) = house.carrier.heard_by_person(call_id)
        house.carrier.agent_hangs_up(leg)
        await house.until("the call is over", lambda: house.engine.calls.get(call_id) is None)
        await house.until("let go", lambda: call_id not in house.engine.outcomes.contacts)
        (step,) = await shared(house, call_id)
        assert (step.step, step.agent_id, step.destination) == ("transferred", None, "legal")
        async with house.marcador.ledger.read() as conn:
            (row,) = await conn.execute(select(attempt).where(attempt.c.attempt_id == call_id))
        assert row.ended_ms > row.disposed_ms
        assert (row.code, row.outcome) == ("CD-IP", "conversation")
        bodies = await house.engine.reader.read_person(row.person_id)
        said = [b for b in bodies if b.kind == DispositionSet.__struct_config__.tag]
        assert len(said) == 1


async def test_the_party_outside_who_hangs_up_leaves_the_person_with_the_agent(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world, overrides=OUTSIDE) as house:
        await house.campaign()
        ana = await house.agent("ana")
        call_id = await talking(house, ana)
        await ana.say(Consult(call_id=call_id, to=LEGAL))
        await changed(ana, CallState.CONSULTING)
        own = house.engine.desk.seat("ana").session.leg_id  # type: ignore[union-attr]  # seated
        (leg,) = house.carrier.heard_on(own)
        house.carrier.agent_hangs_up(leg)  # type: ignore[arg-type]  # test shorthand
        await changed(ana, CallState.HELD)
        refused = await _refusal(ana)
        assert refused.code == "party_lost"
        await ana.say(BackToCall(call_id=call_id))
        await changed(ana, CallState.BRIDGED)
        await ana.say(SendDigits(call_id=call_id, digits="12#"))
        assert house.carrier.keys_heard(call_id) == "12#"


async def test_a_consulted_colleague_can_leave_and_a_lost_telephone_does_not_lose_the_person(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world) as house:
        ana, eva = await two_agents(house)
        call_id = await talking(house, ana)
        await free(house, eva)
        await ana.say(Consult(call_id=call_id, to=EVA))
        await eva.hear(Consulted)
        await eva.say(LeaveConsult(call_id=call_id))
        await eva.hear(ConsultOver)
        await changed(ana, CallState.HELD)
        await state(house, eva, AgentState.READY)
        await ana.say(Consult(call_id=call_id, to=EVA))
        await eva.hear(Consulted)
        await changed(ana, CallState.CONSULTING)
        own = house.engine.desk.seat("ana").session.leg_id  # type: ignore[union-attr]  # seated
        house.carrier.agent_hangs_up(own)
        assert (await eva.hear(CallConnected)).call.call_id == call_id
        await state(house, ana, AgentState.PAUSED)


async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world, overrides=OUTSIDE) as house:
        ana, _ = await two_agents(house)
        call_id = await talking(house, ana)
        nobody = Target(kind=TargetKind.AGENT, name="nadie")
        number = Target(kind=TargetKind.DESTINATION, name="+56221234567")
        wishes: list[tuple[ConversationMessage, str]] = [
            (Transfer(call_id=call_id, to=nobody), "no_such_agent"),
            (Transfer(call_id=call_id, to=EVA), "nobody_free"),
            (Consult(call_id=call_id, to=Target(kind=TargetKind.TEAM)), "nobody_free"),
            (Transfer(call_id=call_id, to=number), "no_such_destination"),
            (CompleteTransfer(call_id=call_id), "impossible_now"),
            (JoinParty(call_id=call_id), "impossible_now"),
            (DropParty(call_id=call_id), "impossible_now"),
            (SendDigits(call_id=call_id, digits="12a"), "bad_digits"),
            (LeaveConsult(call_id=call_id), "no_such_call"),
            (Hold(call_id="01ANOTHER"), "no_such_call"),
        ]
        for wish, code in wishes:
            await ana.say(msgspec.structs.replace(wish, ref=code))
            refused = await _refusal(ana)
            assert (refused.code, refused.ref) == (code, code), wish
            assert refused.message_es != refused.message_en
        call = house.engine.calls.get(call_id)
        assert call is not None
        assert (call.state, call.agent_id, call.party) == (CallState.BRIDGED, "ana", None)


async def _refusal(agent: DeskAgent) -> Refused:
    while True:
        message = await agent.inbox.get()
        if isinstance(message, Refused):
            return message
