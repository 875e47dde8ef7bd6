"""The engine's stories, from a queued account to a durable outcome, on real stores."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select

from campaigns.campaign import CampaignAction, CampaignSettings, CampaignState
from compliance.messages import AbandonmentStat
from compliance.types import AccountId, EventKind, Mode
from dialer.core.agent import AgentState, PauseReason
from dialer.core.desk_messages import (
    AgentChanged,
    AnyServerMessage,
    CallbackInput,
    CallConnected,
    CallOver,
    CheckIdentity,
    Dispose,
    Disposed,
    HangUp,
    IdentityResult,
    PromiseInput,
    Refused,
    SetPause,
    Snapshot,
)
from dialer.core.records import AttemptEnded, AttemptPlanned, DispositionSet, to_ms
from dialer.runtime.abandonment import AbandonmentFigures
from dialer.runtime.clock import SimulatedClock, WallClock
from dialer.runtime.safety import UnsafeDialing
from dialer.stores.ledger.campaigns import act_on_campaign
from dialer.stores.ledger.schema import attempt, callback, enrolment, promise
from dialer.stores.ledger.screens import read_person_on_screen
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from dialer.stores.redis.ownership import OwnerLease
from telephony_adapters.messages import AdapterFacts, HangupCause, Originate
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Intent
from telephony_adapters.simulator.null import NullCarrier
from telephony_adapters.simulator.timings import CarrierTimings
from telephony_adapters.simulator.world import DialPlan
from tests.compliance.build import rule, tiny_pack
from tests.support.fixed_world import FixedWorld, answered
from tests.support.house import NOON_IN_CHILE, SPEED, DeskAgent, House, house_config, open_house

DAILY_LIMIT = 'max_rate = 0.03\nwindow = { unit = "rolling_hours", n = 24 }'


def everybody_answers(command: Originate) -> DialPlan:
    return answered(command.call_id, talk_s=40.0, intent=Intent.PROMISE)


def nobody_is_there(command: Originate) -> DialPlan:
    return DialPlan(progress_s=0.2, ringing_s=None, final_s=1.0, cause=HangupCause.NOT_IN_SERVICE)


class OnlyTheFirst:
    """Whoever is dialed first answers, every time; nobody else has a working number."""

    def __init__(self) -> None:
        self.number: str | None = None

    def __call__(self, command: Originate) -> DialPlan:
        self.number = self.number or command.to
        maker = everybody_answers if command.to == self.number else nobody_is_there
        return maker(command)


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


async def truth(house: House, call_id: str) -> dict[str, str]:
    contact = house.engine.outcomes.contacts[call_id].contact
    person = await read_person_on_screen(
        house.marcador.ledger,
        contact.person_id,
        contact.account_id,
        contact.point.contact_point_id,
    )
    answers = {
        "document_last4": person.identity.document_number,
        "contract": person.identity.contract,
    }
    return {name: value for name, value in answers.items() if value}


async def talk_to_the_end(agent: DeskAgent, code: str, callback: CallbackInput) -> str:
    """Take a call, verify, wait until the person hangs up, dispose; gives the call's id."""
    connected = await agent.hear(CallConnected)
    call_id = connected.call.call_id
    answers = await truth(agent.house, call_id)
    await agent.say(CheckIdentity(call_id=call_id, answers=answers))
    result = await agent.hear(IdentityResult)
    assert result.passed
    await agent.hear(CallOver)
    await agent.say(Dispose(call_id=call_id, code=code, callback=callback))
    await agent.hear(Disposed)
    return call_id


async def test_a_promise_from_queue_to_ledger(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        campaign = await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        connected = await agent.hear(CallConnected)
        call = connected.call
        assert call.debts == ()
        assert not call.verified
        assert "*" in call.number_masked
        answers = await truth(house, call.call_id)
        await agent.say(CheckIdentity(call_id=call.call_id, answers=answers))
        verified = await agent.hear(IdentityResult)
        assert verified.passed
        owed = sum(d.overdue_cents or d.total_cents for d in verified.debts)
        await agent.hear(CallOver)
        due = (house.marcador.clock.now() + timedelta(days=2)).date()
        await agent.say(SetPause(reason=PauseReason.MEAL))
        await agent.say(
            Dispose(
                call_id=call.call_id,
                code="CD-PP",
                note="paga el jueves",
                promise=PromiseInput(amount_cents=owed, due_date=due, method="transfer"),
            )
        )
        await agent.hear(Disposed)
        account_id = await _account_of(house, call.call_id)
        rows = await house.engine.reader.read_accounts(campaign.campaign_id, [account_id], 0)
        bodies = [row.body for person in rows[0].people for row in person.rows]
        assert [type(b) for b in bodies if isinstance(b, AttemptPlanned | AttemptEnded)] == [
            AttemptPlanned,
            AttemptEnded,
        ]
        said = next(b for b in bodies if isinstance(b, DispositionSet))
        assert (said.code, said.outcome, said.agent_id) == (
            "CD-PP",
            EventKind.CONVERSATION,
            "ana",
        )
        async with house.marcador.ledger.read() as conn:
            kept = (await conn.execute(select(promise))).one()
            place = (
                await conn.execute(
                    select(enrolment).where(enrolment.c.account_id == rows[0].account_id)
                )
            ).one()
        assert (kept.amount_cents, kept.due_date) == (owed, due.isoformat())
        assert place.state == "waiting"
        assert place.not_before_ms > to_ms(house.marcador.clock.now() + timedelta(days=2))
        seat = house.engine.desk.seat("ana")
        assert seat is not None
        assert (seat.session.state, seat.session.pause_reason) == (
            AgentState.PAUSED,
            PauseReason.MEAL,
        )
        assert (await verify_ledger(house.marcador.ledger)).problem_count == 0


async def _account_of(house: House, call_id: str) -> AccountId:
    async with house.marcador.ledger.read() as conn:
        query = select(attempt.c.account_id).where(attempt.c.attempt_id == call_id)
        return AccountId((await conn.execute(query)).scalar_one())


async def test_no_debt_reaches_an_agent_before_a_recorded_identity_check(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        call = (await agent.hear(CallConnected)).call
        wrong = {"document_last4": "0000", "contract": "none"}
        await agent.say(CheckIdentity(call_id=call.call_id, answers=wrong))
        first = await agent.hear(IdentityResult)
        assert (first.passed, first.tries_left, first.debts) == (False, 1, ())
        await agent.say(CheckIdentity(call_id=call.call_id, answers={"contract": "x"}))
        assert (await agent.hear(IdentityResult)).tries_left == 0
        await agent.say(
            CheckIdentity(call_id=call.call_id, answers=await truth(house, call.call_id))
        )
        assert (await agent.inbox.get()).__class__ is Refused
        seat = house.engine.desk.seat("ana")
        assert seat is not None
        for message in [*agent.heard, house.engine.desk.snapshot(seat)]:
            _has_no_debt(message)
        await agent.say(Dispose(call_id=call.call_id, code="CD-PP"))
        assert isinstance(await agent.inbox.get(), Refused), "an unverified person cannot promise"


def _has_no_debt(message: AnyServerMessage) -> None:
    text = msgspec.json.encode(message).decode()
    assert "total_cents" not in text
    assert "overdue_cents" not in text


async def test_a_live_person_without_an_agent_is_abandoned_and_left_alone(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world, accounts=5) as house:
        campaign = await house.campaign()
        runner = house.engine.runner_of(campaign.campaign_id)
        assert (await runner.pump.run(1)).placed == 1
        await house.until("abandonment", lambda: runner.tally.outcomes["SY-AB"] == 1)
        await house.engine.recorder.flush()
        async with house.marcador.ledger.read() as conn:
            row = (await conn.execute(select(attempt))).one()
            place = (
                await conn.execute(
                    select(enrolment).where(enrolment.c.account_id == row.account_id)
                )
            ).one()
        assert row.outcome == EventKind.ABANDONED
        rules = tiny_pack(rule("abandonment_limit", DAILY_LIMIT))
        figures = AbandonmentFigures(house.engine.reader, campaign.campaign_id, rules)
        assert await figures.read(house.engine.clock.now()) == (
            AbandonmentStat(window_s=86_400, live_answered=1, abandoned=1, passed_to_agent=0),
        )
        assert place.not_before_ms - row.planned_ms >= timedelta(hours=72) / timedelta(
            milliseconds=1
        )


async def test_a_waiting_person_gets_the_next_agent_who_is_ready(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world, accounts=5, speed=1.0) as house:
        campaign = await house.campaign()
        agent = await house.agent("ana")
        runner = house.engine.runner_of(campaign.campaign_id)
        assert (await runner.pump.run(1)).placed == 1
        calls = house.engine.calls
        await house.until("answer", lambda: any(c.state == "waiting" for c in calls.live()))
        await agent.ready()
        await agent.hear(CallConnected)
        assert runner.tally.abandoned == 0


async def test_dead_numbers_are_not_dialed_again(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=nobody_is_there)
    async with open_house(tmp_path, redis_url, world, accounts=8) as house:
        campaign = await house.campaign()
        runner = house.engine.runner_of(campaign.campaign_id)
        for _ in range(40):
            if not (await runner.pump.run(50)).claimed:
                break
            await house.until("ends", lambda: not house.engine.outcomes.contacts)
            await house.engine.recorder.flush()
        async with house.marcador.ledger.read() as conn:
            dialed = (
                await conn.execute(
                    select(attempt.c.contact_point_id, func.count()).group_by(
                        attempt.c.contact_point_id
                    )
                )
            ).all()
        assert dialed
        assert all(count == 1 for _, count in dialed)


async def test_a_callback_to_the_own_agent(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=OnlyTheFirst())
    async with open_house(tmp_path, redis_url, world, accounts=5, country="MX") as house:
        campaign = await house.campaign()
        ana = await house.agent("ana")
        await ana.ready()
        at = house.marcador.clock.now() + timedelta(minutes=4)
        first = await talk_to_the_end(ana, "CD-LL", callback=CallbackInput(at=at, own_agent=True))
        await ana.say(SetPause())
        berta = await house.agent("berta")
        await berta.ready()
        runner = house.engine.runner_of(campaign.campaign_id)
        await house.until(
            "the hour of the callback",
            lambda: house.marcador.clock.now() > at + timedelta(minutes=1),
        )
        await runner.pump.run(5)
        ended = {c.agent_id for c in house.engine.calls.live()}
        assert "berta" not in ended, "berta is idle, but ana was promised"
        await ana.ready()
        await house.until("ana is called", lambda: ana.inbox.qsize() > 0)
        second = (await ana.hear(CallConnected)).call.call_id
        assert second != first
        async with house.marcador.ledger.read() as conn:
            row = (await conn.execute(select(attempt).where(attempt.c.attempt_id == second))).one()
            asked = (await conn.execute(select(callback))).one()
        assert row.mode == Mode.CALLBACK
        assert asked.agent_id == "ana"


async def test_pause_resume_and_stop_while_it_runs(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        campaign = await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        await agent.hear(CallConnected)
        engine = house.engine
        await engine.act(campaign.campaign_id, CampaignAction.PAUSE, actor="test")
        runner = engine.runner_of(campaign.campaign_id)
        before = runner.tally.dialed
        assert await runner.tick() == 0
        over = await agent.hear(CallOver)
        await agent.say(Dispose(call_id=over.call_id, code="CD-NV"))
        await agent.hear(Disposed)
        assert await runner.tick() == 0
        assert runner.tally.dialed == before
        await engine.act(campaign.campaign_id, CampaignAction.RESUME, actor="test")
        await agent.hear(CallConnected)
        await engine.act(campaign.campaign_id, CampaignAction.STOP, actor="test")
        over = await agent.hear(CallOver)
        await agent.say(Dispose(call_id=over.call_id, code="CD-NV"))
        await agent.hear(Disposed)
        await engine.own_campaigns()
        await engine.own_campaigns()
        assert engine.owned() == []
        figures = await engine.figures(campaign.campaign_id)
        assert figures is None


async def test_a_campaign_that_draws_calls_completes_by_itself_after_a_stop(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(default=nobody_is_there)) as house:
        campaign = await house.campaign()
        await house.engine.act(campaign.campaign_id, CampaignAction.STOP, actor="test")
        await house.engine.own_campaigns()
        async with house.marcador.ledger.read() as conn:
            from dialer.stores.ledger.campaigns import get_campaign

            ended = await get_campaign(conn, campaign.campaign_id)
        assert ended is not None
        assert ended.state is CampaignState.COMPLETED


async def test_a_wiped_redis_is_rebuilt_and_nothing_is_dialed_twice(
    tmp_path: Path, redis_url: str, redis_client: RedisClient
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        campaign = await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        call = (await agent.hear(CallConnected)).call
        await redis_client.execute("FLUSHALL")
        await house.engine.own_campaigns()
        queue = house.engine.queue_of(campaign.campaign_id)
        assert await queue.generation() is not None
        counts = await queue.counts(to_ms(house.marcador.clock.now()))
        assert counts.conserved
        assert counts.enrolled == 30
        account = await _account_of(house, call.call_id)
        runner = house.engine.runner_of(campaign.campaign_id)
        await runner.pump.run(30)
        async with house.marcador.ledger.read() as conn:
            tries = (
                await conn.execute(select(func.count()).where(attempt.c.account_id == account))
            ).scalar_one()
        assert tries == 1, "a person with an open attempt is not dialed again"


async def test_an_agent_hangs_up(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world, speed=1.0) as house:
        await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        call = (await agent.hear(CallConnected)).call
        await agent.say(HangUp(call_id="somebody-elses"))
        assert isinstance(await agent.inbox.get(), Refused)
        await agent.say(HangUp(call_id=call.call_id))
        assert (await agent.hear(CallOver)).call_id == call.call_id


async def test_a_reconnected_client_hears_what_it_missed(tmp_path: Path, redis_url: str) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld()) as house:
        await house.campaign()
        agent = await house.agent("ana")
        snapshot = await agent.hear(Snapshot)
        seat = house.engine.desk.seat("ana")
        assert seat is not None
        house.engine.desk.disconnect("ana", seat.outbox or agent.inbox.put_nowait)
        await agent.ready()
        await agent.say(SetPause(reason=PauseReason.BREAK))
        again: list[AnyServerMessage] = []
        house.engine.desk.connect("ana", again.append, seat.seq - 2)
        assert [type(m) for m in again] == [AgentChanged, AgentChanged]
        assert [m.seq for m in again] == [seat.seq - 1, seat.seq]
        afresh: list[AnyServerMessage] = []
        house.engine.desk.connect("ana", afresh.append, 0)
        assert isinstance(afresh[0], Snapshot)
        assert afresh[0].agent_id == snapshot.agent_id


def slow_phones(leg_up_s: float) -> SimulatedCarrier:
    """A carrier whose agents take their time to pick up."""
    clock = SimulatedClock(NOON_IN_CHILE, SPEED)
    return SimulatedCarrier(
        clock=clock, world=FixedWorld(), timings=CarrierTimings(leg_up_s=leg_up_s)
    )


def state_of(house: House, agent_id: str) -> AgentState:
    seat = house.engine.desk.seat(agent_id)
    assert seat is not None
    return seat.session.state


async def test_nobody_is_ready_before_his_telephone_is(tmp_path: Path, redis_url: str) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(), adapter=slow_phones(20.0)) as house:
        await house.campaign()
        ana, eva = await house.agent("ana"), await house.agent("eva")
        await ana.ready()
        await eva.ready()
        await eva.say(SetPause(reason=PauseReason.BREAK))
        assert state_of(house, "ana") is AgentState.PAUSED
        await house.until("ana is ready", lambda: state_of(house, "ana") is AgentState.READY)
        assert state_of(house, "eva") is AgentState.PAUSED


async def test_an_agent_hears_that_his_telephone_does_not_answer(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(), adapter=slow_phones(9_000)) as house:
        await house.campaign()
        ana = await house.agent("ana")
        await ana.ready()
        leg_id = house.carrier.leg_at("agent:ana")
        assert leg_id is not None
        house.carrier.agent_hangs_up(leg_id)
        refusal = await ana.hear(Refused)
        assert refusal.code == "no_audio_leg"
        assert state_of(house, "ana") is AgentState.PAUSED


async def test_a_telephone_that_was_hung_up_comes_back_with_ready(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(), adapter=slow_phones(1.0)) as house:
        await house.campaign()
        ana = await house.agent("ana")
        await ana.ready()
        await house.until("ana is ready", lambda: state_of(house, "ana") is AgentState.READY)
        leg_id = house.carrier.leg_at("agent:ana")
        assert leg_id is not None
        house.carrier.agent_hangs_up(leg_id)
        await house.until("ana is paused", lambda: state_of(house, "ana") is AgentState.PAUSED)
        assert house.carrier.leg_at("agent:ana") is None
        await ana.ready()
        await house.until("ana is ready", lambda: state_of(house, "ana") is AgentState.READY)
        assert house.carrier.leg_at("agent:ana") == leg_id


async def test_no_telephone_stays_off_the_hook_when_the_engine_ends(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld()) as house:
        carrier = house.carrier
        await house.agent("ana")
        assert carrier.leg_at("agent:ana") is not None
    assert carrier.leg_at("agent:ana") is None


class RealCarrier(NullCarrier):
    """A carrier that says that it reaches real people."""

    @property
    def facts(self) -> AdapterFacts:
        return AdapterFacts(name="real", simulated=False)


async def test_a_carrier_that_reaches_people_needs_the_switch(
    tmp_path: Path, redis_url: str
) -> None:
    from dialer.bootstrap import open_marcador

    clock = WallClock()
    config = house_config(tmp_path, redis_url)
    async with open_marcador(config, clock=clock, adapter=RealCarrier(clock=clock)) as marcador:
        with pytest.raises(UnsafeDialing, match="allow_real_dialing"):
            await marcador.engine.start()


class DeafCarrier(NullCarrier):
    """A carrier that cannot tell a machine from a person."""

    @property
    def facts(self) -> AdapterFacts:
        return AdapterFacts(name="deaf", simulated=True, amd=False)


async def test_a_campaign_is_not_started_on_a_carrier_that_cannot_do_its_detection(
    tmp_path: Path, redis_url: str
) -> None:
    carrier = DeafCarrier(clock=SimulatedClock(NOON_IN_CHILE, SPEED))
    settings = CampaignSettings(mode=Mode.PROGRESSIVE, amd=True)
    async with open_house(tmp_path, redis_url, FixedWorld(), accounts=3, adapter=carrier) as house:
        with pytest.raises(UnsafeDialing, match="cannot as it is configured"):
            await house.campaign(settings=settings)
        assert carrier.placed == 0


async def test_a_campaign_that_cannot_be_driven_here_keeps_no_other_from_it(
    tmp_path: Path, redis_url: str
) -> None:
    """Another worker, with another carrier, has started it."""
    carrier = DeafCarrier(clock=SimulatedClock(NOON_IN_CHILE, SPEED))
    deaf = CampaignSettings(mode=Mode.PROGRESSIVE, amd=True)
    async with open_house(tmp_path, redis_url, FixedWorld(), accounts=3, adapter=carrier) as house:
        first = await house.campaign("a", start=False, settings=deaf)
        async with house.marcador.ledger.write() as conn:
            await act_on_campaign(
                conn, first.campaign_id, CampaignAction.START, actor="other", now_ms=1
            )
        second = await house.campaign("b")
        assert house.engine.owned() == [second.campaign_id]
        lease = OwnerLease(house.marcador.redis, first.campaign_id, "other")
        assert await lease.acquire(1_000) is not None


async def test_synthetic_people_are_never_dialed_for_real(tmp_path: Path, redis_url: str) -> None:
    carrier = RealCarrier(clock=SimulatedClock(NOON_IN_CHILE, SPEED))
    allowed = {"telephony.allow_real_dialing": True}
    async with open_house(
        tmp_path, redis_url, FixedWorld(), accounts=3, adapter=carrier, overrides=allowed
    ) as house:
        with pytest.raises(UnsafeDialing, match="synthetic"):
            await house.campaign(settings=CampaignSettings(mode=Mode.PROGRESSIVE))
        assert carrier.placed == 0
