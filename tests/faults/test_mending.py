"""The engine after a fault, one fault at a time, on real stores: it goes on, and says it once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from campaigns.campaign import CampaignAction
from compliance.permit import ContactPermit
from compliance.types import Channel, DecisionId, EventKind, Mode
from dialer.core.desk_messages import (
    CallbackInput,
    CallConnected,
    CallOver,
    CheckIdentity,
    Dispose,
    Disposed,
    HangUp,
    IdentityResult,
    Refused,
)
from dialer.core.outcome import Contact
from dialer.core.records import AttemptEnded, AttemptPlanned, SubjectChanged, to_ms
from dialer.core.writes import OpenAttempt
from dialer.runtime.campaign_runner import CampaignRunner
from dialer.runtime.clock import SimulatedClock
from dialer.runtime.recorder import Job
from dialer.stores.ledger.database import LedgerUnavailable, Trouble
from dialer.stores.ledger.schema import account_party, attempt, contact_point, ledger_event
from dialer.stores.ledger.screens import read_person_on_screen
from dialer.stores.ledger.streams import Appended, AppendResult, NewEvent
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import CallId, Originate
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Intent
from telephony_adapters.simulator.script import CallFault, Rule, Script
from telephony_adapters.simulator.world import DialPlan
from tests.support.fixed_world import FixedWorld, answered
from tests.support.house import NOON_IN_CHILE, SPEED, DeskAgent, House, open_house

TALKS_S = 30.0


def everybody_answers(command: Originate) -> DialPlan:
    return answered(command.call_id, talk_s=TALKS_S, intent=Intent.WILLING)


def talks_for_hours(command: Originate) -> DialPlan:
    return answered(command.call_id, talk_s=20_000.0, intent=Intent.WILLING)


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


async def counted(house: House, kind: str) -> int:
    query = select(func.count()).select_from(ledger_event).where(ledger_event.c.kind == kind)
    async with house.marcador.ledger.read() as conn:
        return int((await conn.execute(query)).scalar_one())


async def open_attempts(house: House) -> int:
    query = select(func.count()).select_from(attempt).where(attempt.c.ended_ms.is_(None))
    async with house.marcador.ledger.read() as conn:
        return int((await conn.execute(query)).scalar_one())


class HeldLedger:
    """Nobody else can write to the ledger while this is held."""

    def __init__(self, house: House) -> None:
        self._ledger = house.marcador.ledger
        self._let_go = asyncio.Event()
        self._held = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> HeldLedger:
        self._task = asyncio.create_task(self._hold())
        await self._held.wait()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._let_go.set()
        assert self._task is not None
        await self._task

    async def _hold(self) -> None:
        async with self._ledger.write():
            self._held.set()
            await self._let_go.wait()


# --- what is written -------------------------------------------------------------------------


async def test_an_event_that_cannot_be_written_takes_no_other_with_it(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld()) as house:
        async with house.marcador.ledger.read() as conn:
            person_id = (await conn.execute(select(account_party.c.person_id))).scalars().first()
        assert person_id is not None
        now_ms = to_ms(house.marcador.clock.now())
        good = NewEvent(person_id=person_id, at_ms=now_ms, body=SubjectChanged(change="a"))
        # An end that does not close its attempt contradicts itself.
        bad = NewEvent(
            person_id=person_id,
            at_ms=now_ms,
            body=AttemptEnded(
                attempt_id=DecisionId("none"), outcome=EventKind.RANG_NO_ANSWER, code=""
            ),
        )
        recorder = house.engine.recorder
        async with HeldLedger(house):
            first = asyncio.create_task(recorder.run(Job((good,))))
            await asyncio.sleep(0)
            others = [asyncio.create_task(recorder.run(Job((e,)))) for e in (good, bad, good)]
            await asyncio.sleep(0)
        results = await asyncio.gather(first, *others, return_exceptions=True)
        assert isinstance(results[2], ValueError)
        for result in (results[0], results[1], results[3]):
            assert isinstance(result, list)
            assert isinstance(result[0], Appended)
        await recorder.flush()
        again = await recorder.run(Job((good,)))
        assert isinstance(again[0], Appended)


async def test_a_word_that_is_being_written_is_not_taken_twice(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        over = await agent.hear(CallOver)
        word = Dispose(call_id=over.call_id, code="CD-NV")
        async with HeldLedger(house):
            first = asyncio.create_task(agent.say(word))
            await house.until("the word is on its way", lambda: house.engine.recorder.pending > 0)
            await agent.say(word)
            assert (await agent.hear(Refused)).code == "no_such_call"
            await house.engine.agents.dispose_overdue()
        await first
        await agent.hear(Disposed)
        assert await counted(house, "disposition_set") == 1


async def test_an_agent_is_free_again_when_the_intent_was_not_written(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world, country="MX") as house:
        await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        append = house.engine.store.append
        failed: list[Mode] = []

        async def fails(events: Sequence[NewEvent]) -> list[AppendResult]:
            modes = [e.body.mode for e in events if isinstance(e.body, AttemptPlanned)]
            if Mode.CALLBACK in modes and len(failed) < 2:
                failed.append(Mode.CALLBACK)
                raise LedgerUnavailable(Trouble.FULL, "test", "the disk is full")
            return await append(events)

        monkeypatch.setattr(house.engine.store, "append", fails)
        await ask_for_a_callback(house, agent)
        while (await next_contact(house, agent)).callback_id is None:
            over = await agent.hear(CallOver)
            await agent.say(Dispose(call_id=over.call_id, code="CD-NV"))
            await agent.hear(Disposed)
        assert len(failed) == 2, "the promised call came, though its intent failed twice"


async def next_contact(house: House, agent: DeskAgent) -> Contact:
    call = (await agent.hear(CallConnected)).call
    return house.engine.outcomes.contacts[call.call_id].contact


async def ask_for_a_callback(house: House, agent: DeskAgent) -> None:
    """Verify the next caller and agree on a callback in a minute, by the same agent."""
    call = (await agent.hear(CallConnected)).call
    contact = house.engine.outcomes.contacts[call.call_id].contact
    known = await read_person_on_screen(
        house.marcador.ledger,
        contact.person_id,
        contact.account_id,
        contact.point.contact_point_id,
    )
    own = known.identity
    assert own.document_number is not None
    assert own.contract is not None
    answers = {"document_last4": own.document_number, "contract": own.contract}
    await agent.say(CheckIdentity(call_id=call.call_id, answers=answers))
    assert (await agent.hear(IdentityResult)).passed
    await agent.hear(CallOver)
    at = house.marcador.clock.now() + timedelta(seconds=60)
    wish = CallbackInput(at=at, own_agent=True)
    await agent.say(Dispose(call_id=call.call_id, code="CD-LL", callback=wish))
    await agent.hear(Disposed)


# --- loops and ownership ------------------------------------------------------------------------


async def test_a_sweep_that_fails_in_a_new_way_is_swept_again(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld()) as house:
        rounds = 0

        async def fails() -> None:
            nonlocal rounds
            rounds += 1
            raise RuntimeError("nobody thought of this")

        monkeypatch.setattr(house.engine.agents, "dispose_overdue", fails)
        await house.until("the sweep goes on", lambda: rounds >= 3)


async def test_a_campaign_has_one_runner_whoever_asks(tmp_path: Path, redis_url: str) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld()) as house:
        campaign = await house.campaign(start=False)
        await house.engine.act(campaign.campaign_id, CampaignAction.START, actor="test")
        await asyncio.gather(*(house.engine.own_campaigns() for _ in range(4)))
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert sum("campaign:" in name for name in names) == 1


async def test_idle_agents_are_found_again_after_redis_forgot_them(
    tmp_path: Path, redis_url: str, redis_client: RedisClient
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld()) as house:
        campaign = await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        await redis_client.execute("FLUSHALL")
        await house.engine.own_campaigns()
        await house.engine.own_campaigns()
        await house.engine.sweep()
        session = await house.engine.desk.take(campaign.campaign_id, CallId("call"))
        assert session is not None
        assert session.agent_id == "ana"


async def test_what_an_ended_campaign_left_open_is_closed(tmp_path: Path, redis_url: str) -> None:
    """Its worker died, and nobody will ever drive that campaign again."""
    async with open_house(tmp_path, redis_url, FixedWorld()) as house:
        campaign = await house.campaign()
        await house.engine.act(campaign.campaign_id, CampaignAction.PAUSE, actor="test")
        query = select(account_party, contact_point.c.contact_point_id).join(
            contact_point, contact_point.c.person_id == account_party.c.person_id
        )
        async with house.marcador.ledger.read() as conn:
            row = (await conn.execute(query)).mappings().first()
        assert row is not None
        body = AttemptPlanned(
            attempt_id=DecisionId("left"),
            campaign_id=campaign.campaign_id,
            account_id=row["account_id"],
            contact_point_id=row["contact_point_id"],
            channel=Channel.VOICE,
            mode=Mode.PREDICTIVE,
            debt_ids=(),
        )
        hours_ago = to_ms(NOON_IN_CHILE - timedelta(hours=3))
        await house.engine.store.append(
            [
                NewEvent(
                    person_id=row["person_id"],
                    at_ms=hours_ago,
                    body=body,
                    record=b"{}",
                    writes=(OpenAttempt(),),
                )
            ]
        )
        await house.engine.act(campaign.campaign_id, CampaignAction.ABORT, actor="test")
        await house.engine.own_campaigns()
        assert house.engine.owned() == []
        await house.engine.sweep()
        assert await open_attempts(house) == 0


async def batch_under_way(runner: CampaignRunner) -> None:
    """Return when a batch is in the making."""
    try:
        for _ in range(400):
            async with asyncio.timeout(0.05):
                await runner.rest()
            await asyncio.sleep(0.005)
    except TimeoutError:
        return
    raise AssertionError("there never was a batch")


async def test_a_drain_waits_for_the_batch_under_way(tmp_path: Path, redis_url: str) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        campaign = await house.campaign()
        runner = house.engine.runner_of(campaign.campaign_id)
        agent = await house.agent("ana")
        async with HeldLedger(house):
            await agent.ready()
            await batch_under_way(runner)
            draining = asyncio.create_task(house.engine.drain(5.0))
            await asyncio.sleep(0.1)
            assert not draining.done()
            assert await open_attempts(house) == 0
        await draining
        await house.engine.recorder.flush()
        assert await counted(house, "attempt_planned") > 0
        assert await open_attempts(house) == 0
        assert not house.engine.outcomes.contacts


# --- carriers -----------------------------------------------------------------------------------


async def test_an_end_that_never_came_frees_the_agent(tmp_path: Path, redis_url: str) -> None:
    script = Script(rules=(Rule(fault=CallFault(loses_end=True), every=1),))
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world, script=script) as house:
        await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        connected = await agent.hear(CallConnected)
        over = await agent.hear(CallOver)
        assert over.call_id == connected.call.call_id
        await agent.say(Dispose(call_id=over.call_id, code="CD-NV"))
        await agent.hear(Disposed)


async def test_a_hangup_that_did_not_get_through_is_asked_for_again(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=talks_for_hours)
    async with open_house(tmp_path, redis_url, world) as house:
        await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        call = (await agent.hear(CallConnected)).call
        house.carrier.lose_connection("test")
        await agent.say(HangUp(call_id=call.call_id))
        await asyncio.sleep(0.05)
        assert house.engine.calls.get(call.call_id) is not None
        house.carrier.restore_connection()
        over = await agent.hear(CallOver)
        assert over.call_id == call.call_id
        assert await house.carrier.list_calls() == []


class SlowToDial(SimulatedCarrier):
    """Its originates are on their way for as long as a test wants."""

    def __init__(self, clock: SimulatedClock, world: FixedWorld) -> None:
        super().__init__(clock=clock, world=world)
        self.arrive = asyncio.Event()

    async def originate(self, command: Originate, permit: ContactPermit) -> None:
        await self.arrive.wait()
        await super().originate(command, permit)


async def test_a_call_on_its_way_to_the_carrier_is_not_taken_for_a_lost_one(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=talks_for_hours)
    clock = SimulatedClock(NOON_IN_CHILE, SPEED)
    carrier = SlowToDial(clock, world)
    async with open_house(tmp_path, redis_url, world, adapter=carrier) as house:
        await house.campaign()
        agent = await house.agent("ana")
        await agent.ready()
        await house.until("a call is on its way", lambda: len(house.engine.calls) == 1)
        await house.engine.sweeps.reconcile_carrier()
        assert len(house.engine.calls) == 1
        carrier.arrive.set()
        call = (await agent.hear(CallConnected)).call
        await agent.say(HangUp(call_id=call.call_id))
        await agent.hear(CallOver)
