"""People who call us and hear a flow first: keys, identity, callbacks, stops, and agents."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update

from campaigns.campaign import CampaignSettings, SpokenSettings
from campaigns.office import OfficeHours, Weekday
from compliance.types import EventKind, Mode
from dialer.core.agent import AgentState
from dialer.core.desk_messages import (
    CallConnected,
    CallOver,
    Dispose,
    Disposed,
    HangUp,
    SetPause,
)
from dialer.core.records import (
    CallbackRequested,
    IdentityChecked,
    InboundEnded,
    PromiseMade,
    SubjectChanged,
)
from dialer.runtime.flows import COMPANY_EVERY_S
from dialer.runtime.inbound import UNIDENTIFIED
from dialer.runtime.safety import UnsafeDialing
from dialer.simulation.flows import approve_shipped
from dialer.stores.ledger.schema import (
    attempt,
    callback,
    contact_point,
    enrolment,
    person,
    promise,
    suppression,
)
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import AdapterFacts
from telephony_adapters.simulator.carrier import SimulatedCarrier
from tests.runtime.flow_house import SPOKEN, Person
from tests.runtime.test_conversations import free, patient
from tests.runtime.test_inbound import OUR_NUMBER, Known, history, somebody
from tests.support.fixed_world import FixedWorld
from tests.support.house import DeskAgent, House, open_house

SPEED = 10.0
"""A key may come six simulated seconds after its question: time enough on a busy machine."""
EVERY_DAY = tuple(Weekday)
AT_NIGHT = (OfficeHours(days=EVERY_DAY, opens="20:00", closes="21:00"),)
DEBT_WORDS = ("deuda", "saldo", "cobr", "pago", "debt", "balance")


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def callable_house(
    folder: Path, redis_url: str, **overrides: object
) -> AbstractAsyncContextManager[House]:
    world = FixedWorld(default=patient)
    return open_house(folder, redis_url, world, speed=SPEED, overrides=overrides)


def settings(**more: object) -> CampaignSettings:
    tree = {
        "mode": Mode.PROGRESSIVE,
        "inbound_flow": "inbound-return",
        "spoken": SPOKEN,
        "timezone": "America/Santiago",
        **more,
    }
    return CampaignSettings(**tree)  # type: ignore[arg-type]  # test shorthand


async def opened(house: House, **more: object) -> DeskAgent:
    """The campaign with its flow for callers, and an agent who is ready; nothing is dialed."""
    await approve_shipped(house.marcador.ledger, "inbound-return", 0)
    await house.campaign(settings=settings(**more))
    agent = await house.agent("ana")
    await free(house, agent)
    return agent


async def calls(house: House, number: str | None) -> Person:
    """Somebody calls us and hears the greeting."""
    call_id = house.carrier.somebody_calls(number, OUR_NUMBER)
    await house.until("answered", lambda: house.engine.flows.run_of(call_id) is not None)
    caller = Person(house, call_id)
    await caller.hears("Gracias por llamar a Servicios BP")
    return caller


async def known_caller(house: House) -> tuple[Known, Person]:
    known = await somebody(house)
    return known, await calls(house, known.number)


async def two_people(house: House) -> tuple[Known, Known]:
    """One person may have several numbers of their own."""
    one, skip = await somebody(house), 1
    while (other := await somebody(house, skip=skip)).person_id == one.person_id:
        skip += 1
    return one, other


async def goes_on(caller: Person) -> None:
    await caller.hears("For English, press 2")
    caller.presses("1")
    await caller.hears("Para continuar, marque 1")
    caller.presses("1")


async def over(house: House, caller: Person) -> InboundEnded:
    contacts = house.engine.outcomes.contacts
    await house.until("the call is over", lambda: caller.call_id not in contacts)
    await house.until("nobody is on the line", lambda: len(house.engine.calls) == 0)
    await house.engine.recorder.flush()
    (end,) = await caller.of(InboundEnded)
    return end


def told_nothing(caller: Person) -> bool:
    said = " ".join(caller.heard()).lower()
    return not any(word in said for word in DEBT_WORDS)


async def test_a_verified_caller_presses_one_and_the_agent_sees_the_debt(
    tmp_path: Path, redis_url: str
) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        agent = await opened(house)
        known, caller = await known_caller(house)
        await goes_on(caller)
        assert agent.inbox.empty() or not any(isinstance(m, CallConnected) for m in agent.heard)
        await caller.verifies()
        assert told_nothing(caller)
        await caller.hears("Este es un intento de cobrar una deuda")
        await caller.hears("Para hablar con una persona, marque 1")
        caller.presses("1")
        view = (await agent.hear(CallConnected)).call
        assert (view.call_id, view.inbound, view.verified) == (caller.call_id, True, True)
        assert view.language == "es"
        assert view.debts
        checks = await caller.of(IdentityChecked)
        assert [(c.passed, c.agent_id) for c in checks] == [(True, "flow:inbound-return/1")]
        await agent.say(HangUp(call_id=caller.call_id))
        await agent.hear(CallOver)
        await agent.say(Dispose(call_id=caller.call_id, code="CD-IP"))
        await agent.hear(Disposed)
        end = await over(house, caller)
        assert (end.agent_id, end.code, end.missed) == ("ana", "", False)
        events = await history(house, known.person_id, known.account_id)
        assert [e.kind for e in events] == [EventKind.INBOUND_CALL, EventKind.CONVERSATION]
        async with house.marcador.ledger.read() as conn:
            assert (await conn.execute(select(attempt))).all() == [], "nobody dialed"
        figures = house.engine.floor.inbound.figures()
        assert (figures.connected, figures.served, figures.missed) == (1, 0, 0)
        report = await verify_ledger(house.marcador.ledger)
        assert report.holds, report.problems


async def test_a_promise_of_a_caller_needs_no_agent(tmp_path: Path, redis_url: str) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        agent = await opened(house)
        known, caller = await known_caller(house)
        await goes_on(caller)
        await caller.verifies()
        await caller.hears("Para acordar un pago, marque 2")
        caller.presses("2")
        await caller.hears("Para pagar el total")
        caller.presses("2")
        await caller.hears("Marque el día y el mes")
        caller.presses(f"{house.marcador.clock.now():%d%m}")
        await caller.hears("¿Cómo pagará?")
        caller.presses("1")
        await caller.hears("Anoté")
        caller.presses("1")
        await caller.hears("Queda anotado")
        end = await over(house, caller)
        assert (end.code, end.flow, end.agent_id) == ("CD-PP", "inbound-return/1", None)
        assert len(await caller.of(PromiseMade)) == 1
        events = await history(house, known.person_id, known.account_id)
        assert EventKind.CONVERSATION in [e.kind for e in events], "a talk that counts"
        async with house.marcador.ledger.read() as conn:
            made = (await conn.execute(select(promise))).one()
            standing = (
                await conn.execute(
                    select(enrolment).where(enrolment.c.account_id == known.account_id)
                )
            ).one()
        assert made.captured_by == "flow:inbound-return/1"
        assert (standing.state, standing.last_code) == ("waiting", "CD-PP")
        assert house.engine.floor.inbound.figures().served == 1
        assert not any(isinstance(m, CallConnected) for m in agent.heard)
        (runner,) = house.engine.fleet.runners()
        assert runner.tally.promises == 1
        queue = house.engine.queue_of(runner.campaign_id)
        assert (await queue.counts(0)).conserved


async def test_two_wrong_answers_tell_a_caller_nothing(tmp_path: Path, redis_url: str) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        await opened(house)
        _, caller = await known_caller(house)
        await goes_on(caller)
        await caller.verifies(truthfully=False)
        await caller.verifies(truthfully=False)
        await caller.hears("Sin confirmar que es usted")
        assert (await over(house, caller)).code == "CD-NV"
        assert told_nothing(caller)
        assert [c.passed for c in await caller.of(IdentityChecked)] == [False, False]


@pytest.mark.parametrize("number", [None, "+56229999999"])
async def test_a_caller_whom_nobody_knows_comes_to_an_agent_untold(
    tmp_path: Path, redis_url: str, number: str | None
) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        agent = await opened(house)
        caller = await calls(house, number)
        await caller.hears("For English, press 2")
        caller.presses("2")
        await caller.hears("To go on, press 1")
        caller.presses("1")
        await caller.hears("I am connecting you")
        view = (await agent.hear(CallConnected)).call
        assert (view.person_name, view.language, view.debts) == ("", "en", ())
        assert [code.code for code in view.codes] == [UNIDENTIFIED]
        assert told_nothing(caller)
        await agent.say(HangUp(call_id=caller.call_id))
        await agent.hear(CallOver)
        await agent.say(Dispose(call_id=caller.call_id, code=UNIDENTIFIED))
        await agent.hear(Disposed)
        assert house.engine.outcomes.contacts == {}


async def test_a_chosen_language_is_the_verified_persons_from_then_on(
    tmp_path: Path, redis_url: str
) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        await opened(house)
        known, caller = await known_caller(house)

        async def on_file() -> str | None:
            query = select(person.c.language).where(person.c.person_id == known.person_id)
            async with house.marcador.ledger.read() as conn:
                language: str | None = (await conn.execute(query)).scalar_one()
            return language

        before = await on_file()
        await caller.hears("For English, press 2")
        caller.presses("2")
        await caller.hears("To go on, press 1")
        caller.presses("1")
        assert await on_file() == before, "it may be anybody who presses keys"
        await caller.verifies(language="en")
        await caller.hears("This is an attempt to collect a debt")
        assert await on_file() == "en"
        changes = [b for b in await caller.of(SubjectChanged) if b.change == "language"]
        assert [(c.value, c.source) for c in changes] == [("en", "flow:inbound-return/1")]


async def test_when_all_are_busy_the_flow_offers_a_callback(tmp_path: Path, redis_url: str) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        agent = await opened(house)
        await agent.say(SetPause())
        known, caller = await known_caller(house)
        await goes_on(caller)
        await caller.verifies()
        await caller.hears("Para hablar con una persona, marque 1")
        caller.presses("1")
        await caller.hears("Para que le devolvamos la llamada, marque 2")
        caller.presses("2")
        await caller.hears("Le devolveremos la llamada")
        assert len(await caller.of(CallbackRequested)) == 1
        assert (await over(house, caller)).code == "CD-LL"
        async with house.marcador.ledger.read() as conn:
            (asked,) = (await conn.execute(select(callback))).all()
            query = select(enrolment).where(enrolment.c.account_id == known.account_id)
            standing = (await conn.execute(query)).one()
        assert (asked.state, asked.person_id) == ("open", known.person_id)
        assert standing.state == "waiting"


async def test_who_waits_too_long_goes_on_in_the_flow(tmp_path: Path, redis_url: str) -> None:
    async with callable_house(tmp_path, redis_url, inbound__wait_s=5) as house:
        agent = await opened(house)
        await agent.say(SetPause())
        _, caller = await known_caller(house)
        await goes_on(caller)
        await caller.verifies()
        await caller.hears("Para hablar con una persona, marque 1")
        caller.presses("1")
        await caller.hears("Para esperar, marque 1")
        caller.presses("1")
        await house.until("waits", lambda: house.engine.floor.inbound.figures().waiting == 1)
        await caller.hears("Ahora no hay nadie libre")
        assert (await over(house, caller)).code == "CD-LL"
        (runner,) = house.engine.fleet.runners()
        assert runner.tally.abandoned == 0


async def test_whoever_waits_is_kept_company_until_an_agent_comes(
    tmp_path: Path, redis_url: str
) -> None:
    async with callable_house(tmp_path, redis_url, inbound__wait_s=600) as house:
        agent = await opened(house)
        await agent.say(SetPause())
        _, caller = await known_caller(house)
        await goes_on(caller)
        await caller.verifies()
        await caller.hears("Para hablar con una persona, marque 1")
        caller.presses("1")
        await caller.hears("Para esperar, marque 1")
        caller.presses("1")
        await caller.hears("Siga en la línea")
        await caller.hears("Siga en la línea")
        await agent.ready()
        assert (await agent.hear(CallConnected)).call.call_id == caller.call_id
        told = len(caller.heard())
        await house.engine.clock.sleep(2 * COMPANY_EVERY_S)
        assert len(caller.heard()) == told, "the agent speaks now"


async def test_outside_office_hours_nobody_waits_and_a_key_asks_for_a_call(
    tmp_path: Path, redis_url: str
) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        await opened(house, office_hours=AT_NIGHT)
        _, caller = await known_caller(house)
        await caller.hears("For English, press 2")
        caller.presses("1")
        await caller.hears("Ahora no hay nadie en la oficina. Atendemos de 9 a 18 horas")
        await caller.hears("Para que le devolvamos la llamada, marque 1")
        caller.presses("1")
        assert (await over(house, caller)).code == "CD-LL"
        assert len(await caller.of(CallbackRequested)) == 1
        assert told_nothing(caller)


async def test_who_hangs_up_before_anything_came_of_it_is_a_missed_caller(
    tmp_path: Path, redis_url: str
) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        await opened(house)
        _, caller = await known_caller(house)
        house.carrier.callee_hangs_up(caller.call_id)
        end = await over(house, caller)
        assert (end.missed, end.code) == (True, "")
        figures = house.engine.floor.inbound.figures()
        assert (figures.missed, figures.served) == (1, 0)
        async with house.marcador.ledger.read() as conn:
            assert len((await conn.execute(select(callback))).all()) == 1, "is called back"


async def test_the_agent_who_spoke_last_takes_whom_the_flow_passes_on(
    tmp_path: Path, redis_url: str
) -> None:
    """Nobody is held while the flow speaks; then the own agent comes, though another is idle."""
    async with callable_house(tmp_path, redis_url) as house:
        ana = await opened(house)
        known, caller = await known_caller(house)
        await goes_on(caller)
        await caller.verifies()
        await caller.hears("Para hablar con una persona, marque 1")
        caller.presses("1")
        await ana.hear(CallConnected)
        eva = await house.agent("eva")
        await eva.ready()
        await ana.say(HangUp(call_id=caller.call_id))
        await ana.hear(CallOver)
        await ana.say(Dispose(call_id=caller.call_id, code="CD-IP"))
        await ana.hear(Disposed)
        await over(house, caller)
        again = await calls(house, known.number)
        await goes_on(again)
        states = [s.state for s in house.engine.desk.sessions()]
        assert states == [AgentState.READY, AgentState.READY]
        await again.verifies()
        await again.hears("Para hablar con una persona, marque 1")
        again.presses("1")
        assert (await ana.hear(CallConnected)).call.call_id == again.call_id
        assert not any(isinstance(m, CallConnected) for m in eva.heard)


async def test_nine_of_a_known_caller_stops_our_calls(tmp_path: Path, redis_url: str) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        await opened(house)
        known, caller = await known_caller(house)
        await caller.hears("For English, press 2")
        caller.presses("9")
        await caller.hears("no volveremos a llamarle")
        async with house.marcador.ledger.read() as conn:
            (stop,) = (
                await conn.execute(
                    select(suppression).where(suppression.c.person_id == known.person_id)
                )
            ).all()
        assert (stop.scope, stop.channel, stop.reason) == ("channel", "voice", "opt_out")
        assert (await over(house, caller)).code == "DG-OO"


async def test_nine_of_a_number_that_several_people_have_stops_calls_to_it_for_all(
    tmp_path: Path, redis_url: str
) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        await opened(house)
        one, other = await two_people(house)
        async with house.marcador.ledger.write() as conn:
            await conn.execute(
                update(contact_point)
                .where(contact_point.c.address == other.number)
                .values(address=one.number)
            )
        caller = await calls(house, one.number)
        await caller.hears("For English, press 2")
        caller.presses("9")
        await caller.hears("no volveremos a llamarle")
        async with house.marcador.ledger.read() as conn:
            stops = (
                await conn.execute(
                    select(suppression).where(suppression.c.created_by == "flow:inbound-return/1")
                )
            ).all()
        assert {s.person_id for s in stops} == {one.person_id, other.person_id}
        assert {(s.scope, s.channel) for s in stops} == {("contact_point", "voice")}
        await house.until("over", lambda: len(house.engine.calls) == 0)
        report = await verify_ledger(house.marcador.ledger)
        assert report.holds, report.problems


async def test_the_number_called_says_whose_flow_is_heard(tmp_path: Path, redis_url: str) -> None:
    """A campaign shows the number, or tells people to call it; the other one has more agents."""
    async with callable_house(tmp_path, redis_url) as house:
        await opened(house, caller_ids=(OUR_NUMBER,))
        await house.campaign("other", settings=CampaignSettings(mode=Mode.PROGRESSIVE))
        for runner in house.engine.fleet.runners():
            runner.carrier_is_up = False
        call_id = house.carrier.somebody_calls(None, OUR_NUMBER)
        other = house.carrier.somebody_calls(None, "+56220000001")
        calls = house.engine.calls
        await house.until("taken", lambda: all(calls.get(c) is not None for c in (call_id, other)))
        shown = calls.get(call_id)
        assert shown is not None
        assert shown.flow == "inbound-return/1"


async def test_no_more_callers_than_allowed_are_in_flows(tmp_path: Path, redis_url: str) -> None:
    overrides = {"inbound__max_in_flow": 1, "inbound__callback": False}
    async with callable_house(tmp_path, redis_url, **overrides) as house:
        await opened(house)
        await calls(house, None)
        inbound = house.engine.floor.inbound
        assert inbound.figures().in_flow == 1
        house.carrier.somebody_calls(None, OUR_NUMBER)
        await house.until("turned away", lambda: inbound.figures().turned_away == 1)


# --- starts that are refused -------------------------------------------------------------------


class Mute(SimulatedCarrier):
    """Nobody can call in."""

    @property
    def facts(self) -> AdapterFacts:
        return msgspec.structs.replace(super().facts, inbound=False)


@pytest.mark.parametrize(
    ("more", "approve", "words"),
    [
        ({}, (), "flow `inbound-return` is not approved"),
        ({"inbound_flow": "promise-dtmf"}, ("promise-dtmf",), "is for outbound calls"),
        ({"spoken": SpokenSettings()}, ("inbound-return",), r"spoken\.hours"),
    ],
)
async def test_a_campaign_whose_callers_would_hear_nothing_does_not_start(
    tmp_path: Path, redis_url: str, more: dict[str, object], approve: tuple[str, ...], words: str
) -> None:
    async with callable_house(tmp_path, redis_url) as house:
        for name in approve:
            await approve_shipped(house.marcador.ledger, name, 0)
        with pytest.raises(UnsafeDialing, match=words):
            await house.campaign(settings=settings(**more))


async def test_a_carrier_that_brings_no_calls_needs_no_flow_for_them(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(
        tmp_path,
        redis_url,
        FixedWorld(),
        accounts=3,
        make_adapter=lambda clock: Mute(clock=clock, world=FixedWorld()),
    ) as house:
        await approve_shipped(house.marcador.ledger, "inbound-return", 0)
        with pytest.raises(UnsafeDialing, match="brings no calls in"):
            await house.campaign(settings=settings())
