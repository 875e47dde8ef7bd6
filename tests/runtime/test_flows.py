"""Flows on calls of the real engine: keys, identity, promises, transfers, opt-outs, and ends."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from campaigns.campaign import CampaignSettings, SpokenSettings
from compliance.messages import DecisionRecord
from compliance.types import Mode
from dialer.core.desk_messages import (
    CallConnected,
    CallOver,
    Dispose,
    Disposed,
    HangUp,
    SetPause,
)
from dialer.core.records import (
    AttemptPlanned,
    CallbackRequested,
    IdentityChecked,
    PromiseMade,
    to_ms,
)
from dialer.runtime.safety import UnsafeDialing
from dialer.simulation.flows import approve_shipped
from dialer.stores.ledger.schema import callback, promise, suppression
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import AdapterFacts, AmdVerdict, Originate
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Speaker
from telephony_adapters.simulator.world import DialPlan
from tests.runtime.flow_house import SPOKEN, Person, call_somebody, ivr
from tests.support.fixed_world import FixedWorld, answered
from tests.support.house import House, open_house

SPEED = 20.0
FAST = 60.0


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def everybody_answers(command: Originate) -> DialPlan:
    return answered(command.call_id, talk_s=60.0, patience_s=40.0)


def machines_answer(command: Originate) -> DialPlan:
    return answered(
        command.call_id, speaker=Speaker.MACHINE, patience_s=60.0, amd_verdict=AmdVerdict.MACHINE
    )


def people(
    folder: Path, redis_url: str, speed: float = SPEED
) -> AbstractAsyncContextManager[House]:
    return open_house(folder, redis_url, FixedWorld(default=everybody_answers), speed=speed)


async def stops(house: House, person: Person) -> list[tuple[str, str | None, str]]:
    query = select(suppression).where(suppression.c.person_id == person.contact.person_id)
    async with house.marcador.ledger.read() as conn:
        return [(r.scope, r.channel, r.reason) for r in await conn.execute(query)]


async def test_a_promise_by_keys_is_on_record_before_it_is_confirmed(
    tmp_path: Path, redis_url: str
) -> None:
    async with people(tmp_path, redis_url) as house:
        await (await house.agent("ana")).ready()
        person = await call_somebody(house, ivr())
        await person.hears("Le llamamos de Servicios BP")
        await person.hears("marque 1")
        person.presses("1")
        await person.verifies()
        assert not any("saldo" in text or "deuda" in text for text in person.heard())
        await person.hears("saldo vencido")
        checked = await person.of(IdentityChecked)
        assert [(c.passed, c.agent_id) for c in checked] == [(True, "flow:promise-dtmf/1")]
        await person.hears("Para acordar un pago, marque 1")
        person.presses("1")
        await person.hears("Para pagar el total")
        person.presses("1")
        await person.hears("Marque el día y el mes en que pagará")
        person.presses(f"{house.marcador.clock.now() + timedelta(days=2):%d%m}")
        await person.hears("¿Cómo pagará?")
        person.presses("1")
        await person.hears("Anoté")
        assert await person.of(PromiseMade) == []
        person.presses("1")
        await person.hears("Queda anotado")
        (made,) = await person.of(PromiseMade)
        end = await person.end()
        assert (end.code, end.flow, end.agent_id) == ("CD-PP", "promise-dtmf/1", None)
        query = select(promise).where(promise.c.promise_id == made.promise_id)
        async with house.marcador.ledger.read() as conn:
            row = (await conn.execute(query)).one()
        assert (row.captured_by, row.attempt_id) == ("flow:promise-dtmf/1", person.call_id)
        planned = [b for b in await person.of(AttemptPlanned) if b.attempt_id == end.attempt_id]
        assert [(b.mode, b.prerecorded) for b in planned] == [(Mode.IVR, True)]
        figures = await house.engine.figures(person.contact.campaign_id)
        assert figures is not None
        assert (figures.promises, figures.right_party) == (1, 1)
        report = await verify_ledger(house.marcador.ledger)
        assert report.holds, report.problems


async def test_a_key_for_an_agent_who_sees_the_person_verified(
    tmp_path: Path, redis_url: str
) -> None:
    async with people(tmp_path, redis_url) as house:
        agent = await house.agent("ana")
        await agent.ready()
        person = await call_somebody(house, ivr("locator-agent"))
        await person.hears("marque 1")
        person.presses("1")
        await person.verifies()
        await person.hears("Este es un intento de cobrar una deuda")
        await person.hears("Le paso con una persona")
        connected = await agent.hear(CallConnected)
        assert connected.call.verified
        assert connected.call.debts
        await agent.say(HangUp(call_id=person.call_id))
        await agent.hear(CallOver)
        await agent.say(Dispose(call_id=person.call_id, code="CD-NP"))
        await agent.hear(Disposed)
        end = await person.end()
        assert (end.code, end.agent_id, end.flow) == ("", "ana", "locator-agent/1")
        assert end.connect_ms is not None
        assert end.connect_ms < 2_000


async def test_nobody_free_is_a_callback_and_no_abandoned_call(
    tmp_path: Path, redis_url: str
) -> None:
    async with people(tmp_path, redis_url) as house:
        agent = await house.agent("ana")
        await agent.ready()
        person = await call_somebody(house, ivr("locator-agent"))
        await agent.say(SetPause())
        await person.hears("marque 1")
        person.presses("1")
        await person.verifies()
        await person.hears("Ahora no hay nadie libre")
        assert len(await person.of(CallbackRequested)) == 1
        assert (await person.end()).code == "CD-LL"
        async with house.marcador.ledger.read() as conn:
            (row,) = (await conn.execute(select(callback))).all()
        assert row.state == "open"
        wait_ms = row.due_ms - to_ms(house.marcador.clock.now())
        assert 25 * 60_000 < wait_ms < 31 * 60_000
        figures = await house.engine.figures(person.contact.campaign_id)
        assert figures is not None
        assert (figures.abandoned, figures.answered) == (0, 1)


async def test_nine_stops_the_calls_before_anything_else_is_said(
    tmp_path: Path, redis_url: str
) -> None:
    async with people(tmp_path, redis_url) as house:
        await (await house.agent("ana")).ready()
        person = await call_somebody(house, ivr())
        await person.hears("marque 1")
        person.presses("9")
        await person.hears("No volveremos a llamar")
        assert await stops(house, person) == [("channel", "voice", "opt_out")]
        assert (await person.end()).code == "DG-OO"
        assert len(await stops(house, person)) == 1


async def test_two_wrong_answers_tell_nothing(tmp_path: Path, redis_url: str) -> None:
    async with people(tmp_path, redis_url) as house:
        await (await house.agent("ana")).ready()
        person = await call_somebody(house, ivr())
        await person.hears("marque 1")
        person.presses("1")
        await person.verifies(truthfully=False)
        await person.verifies(truthfully=False)
        await person.hears("Sin confirmar que es usted")
        assert [c.passed for c in await person.of(IdentityChecked)] == [False, False]
        assert (await person.end()).code == "CD-NV"
        assert not any("saldo" in text or "deuda" in text for text in person.heard())


async def test_who_presses_nothing_is_asked_twice_and_left(tmp_path: Path, redis_url: str) -> None:
    async with people(tmp_path, redis_url, FAST) as house:
        await (await house.agent("ana")).ready()
        person = await call_somebody(house, ivr())
        assert (await person.end()).code == "SY-CU"
        assert sum("marque 9" in text for text in person.heard()) == 2


async def test_what_was_said_stands_when_the_person_hangs_up(
    tmp_path: Path, redis_url: str
) -> None:
    async with people(tmp_path, redis_url) as house:
        await (await house.agent("ana")).ready()
        person = await call_somebody(house, ivr("locator-agent"))
        await person.hears("marque 1")
        person.presses("3")
        await person.hears("Borraremos este número")
        house.carrier.callee_hangs_up(person.call_id)
        assert (await person.end()).code == "CI-TN"


@pytest.mark.parametrize("leave", [True, False])
async def test_a_machine_gets_the_limited_message_or_nothing(
    tmp_path: Path, redis_url: str, leave: bool
) -> None:
    world = FixedWorld(default=machines_answer)
    async with open_house(tmp_path, redis_url, world, speed=FAST) as house:
        await (await house.agent("ana")).ready()
        settings = ivr(amd=True, leave_message=leave, message_wait_s=3)
        person = await call_somebody(house, settings)
        assert (await person.end()).code == ("NC-BM" if leave else "NC-BZ")
        said = [text for text in person.heard() if "Le habla Ana Ruiz" in text]
        assert len(said) == len(person.heard()) == leave


# --- calls that no agent came for ----------------------------------------------------------------


def for_agents(**more: object) -> CampaignSettings:
    tree = {"mode": Mode.PROGRESSIVE, "spoken": SPOKEN, **more}
    return CampaignSettings(**tree)  # type: ignore[arg-type]  # test shorthand


async def abandoned(house: House, settings: CampaignSettings) -> Person:
    """Somebody whose agent leaves while the telephone rings."""
    agent = await house.agent("ana")
    await agent.ready()
    await house.campaign(settings=settings)
    calls = house.engine.calls
    await house.until("a call is placed", lambda: len(calls) > 0)
    await agent.say(SetPause())
    return Person(house, calls.live()[0].call_id)


@pytest.mark.parametrize("presses_nine", [False, True])
async def test_whoever_no_agent_comes_for_hears_who_called(
    tmp_path: Path, redis_url: str, presses_nine: bool
) -> None:
    async with people(tmp_path, redis_url) as house:
        person = await abandoned(house, for_agents())
        await person.hears("Le llamó Servicios BP")
        call = house.engine.calls.get(person.call_id)
        assert call is not None
        assert call.abandoned
        if presses_nine:
            person.presses("9")
            await person.hears("No volveremos a llamar")
        end = await person.end()
        assert (end.code, end.outcome, end.flow) == ("SY-AB", "abandoned", "no-agent/1")
        figures = await house.engine.figures(person.contact.campaign_id)
        assert figures is not None
        assert (figures.abandoned, figures.answered) == (1, 1)
        expected = [("channel", "voice", "opt_out")] if presses_nine else []
        assert await stops(house, person) == expected
        said = " ".join(person.heard()).lower()
        assert not any(word in said for word in ("deuda", "cobr", "saldo", "pago"))


async def test_the_gate_is_told_what_the_message_states(tmp_path: Path, redis_url: str) -> None:
    async with people(tmp_path, redis_url) as house:
        person = await abandoned(house, for_agents())
        await person.end()
        decision = await house.engine.reader.read_decision(person.contact.attempt_id)
        assert decision is not None
        assert decision.record is not None
        request = msgspec.json.decode(decision.record, type=DecisionRecord).request
        told = ("business_name", "callback_number", "identity", "opt_out")
        assert request.abandon_message == told


async def test_without_a_number_to_call_back_nothing_is_played(
    tmp_path: Path, redis_url: str
) -> None:
    async with people(tmp_path, redis_url) as house:
        person = await abandoned(house, for_agents(spoken=SpokenSettings()))
        end = await person.end()
        assert (end.code, end.flow) == ("SY-AB", "")
        assert person.heard() == []


# --- starts that are refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "approve", "words"),
    [
        (ivr(), (), "flow `promise-dtmf` is not approved"),
        (ivr("inbound-return"), ("inbound-return",), "for people who call in"),
        (ivr(spoken=SpokenSettings()), ("promise-dtmf",), r"set spoken\.return_number"),
        (for_agents(abandon_flow="mine"), (), "flow `mine` is not approved"),
        (
            ivr(spoken=msgspec.structs.replace(SPOKEN, company="Cobranza de deudas SA")),
            ("promise-dtmf",),
            "would say what it may not",
        ),
    ],
)
async def test_a_campaign_that_could_not_speak_does_not_start(
    tmp_path: Path,
    redis_url: str,
    settings: CampaignSettings,
    approve: tuple[str, ...],
    words: str,
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(), accounts=3) as house:
        for name in approve:
            await approve_shipped(house.marcador.ledger, name, 0)
        with pytest.raises(UnsafeDialing, match=words):
            await house.campaign(settings=settings)
        assert house.carrier.placed == 0


class Voiceless(SimulatedCarrier):
    """It plays recordings, and says nothing by itself."""

    @property
    def facts(self) -> AdapterFacts:
        return msgspec.structs.replace(super().facts, voice=False)


async def test_a_carrier_without_a_voice_needs_text_to_speech(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(
        tmp_path,
        redis_url,
        FixedWorld(),
        accounts=3,
        make_adapter=lambda clock: Voiceless(clock=clock, world=FixedWorld()),
        overrides={"prompts__command": "espeak-nope"},
    ) as house:
        await approve_shipped(house.marcador.ledger, "promise-dtmf", 0)
        with pytest.raises(UnsafeDialing, match="apt-get install espeak-ng"):
            await house.campaign(settings=ivr())
