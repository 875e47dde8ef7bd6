"""Real SIP calls whose keys are RFC 4733 events in the audio: people whom we call, and who call us.

SIPp cannot send such events here, so the telephones are in this process (`tests.support`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from sqlalchemy import select

from campaigns.campaign import CampaignSettings, SpokenSettings
from campaigns.flows.model import Flow, parse_flow
from compliance.types import Mode
from dialer.core.desk_messages import CallConnected, CallOver, Dispose, Disposed, HangUp
from dialer.core.flow_session import Doing
from dialer.core.identity import by_keys
from dialer.core.records import CallbackRequested, IdentityChecked, InboundEnded
from dialer.runtime.flow_run import FlowRun
from dialer.runtime.flows import COMPANY
from dialer.simulation.flows import approve
from dialer.stores.ledger.schema import suppression
from dialer.stores.ledger.screens import read_person_on_screen
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.lab.network import Network, running_network
from telephony_adapters.lab.pbx import USER
from telephony_adapters.lab.ports import LOOPBACK
from telephony_adapters.lab.speech import espeak_program
from telephony_adapters.messages import CallId
from tests.runtime.flow_house import Person
from tests.runtime.test_conversations import free
from tests.runtime.test_inbound import somebody
from tests.support.fixed_world import FixedWorld
from tests.support.house import House, open_house
from tests.support.key_flow import key_flow
from tests.support.redis_server import redis_client, redis_folder, redis_server
from tests.support.sip_phones import Call, SipPhones, sip_phones

__all__ = ["redis_client", "redis_folder", "redis_server"]

pytestmark = pytest.mark.xdist_group("telephony")

OUR_NUMBER = "+56225550100"
SPOKEN = SpokenSettings(return_number=OUR_NUMBER)
LIMIT_S = 30.0
HEARD_BYTES = 1_600
"""A fifth of a second of a prompt."""
CALLERS = """
name: callers
title: {es: Quien llama, en: Callers}
start: language
inbound: true
nodes:
  language:
    kind: language
    text: {es: "{{company}}. Para español, marque 1.", en: "{{company}}. For English, press 2."}
    choices: {1: es, 2: en}
    next: menu
    on_opt_out: stop
  menu:
    kind: gather
    text:
      es: Para continuar, marque 1. Para no recibir más llamadas, marque 9.
      en: To go on, press 1. To stop our calls, press 9.
    choices: {1: identity, 9: stop}
    on_no_input: bye
    on_invalid: bye
  identity:
    kind: verify
    questions:
      - factor: document_last4
        digits: 4
        text: {es: Su documento., en: Your document.}
      - factor: contract
        digits: 20
        text: {es: Su contrato., en: Your contract.}
    on_verified: agent
    on_failed: bye
    on_unavailable: agent
  agent:
    kind: transfer
    text: {es: Un momento., en: One moment.}
    on_no_agent: who
  who:
    kind: branch
    on: person_known
    cases: {"yes": callback}
    otherwise: bye
  callback:
    kind: callback
    text: {es: Le llamaremos., en: We will call you.}
    next: later
  later: {kind: hang_up, code: CD-LL}
  stop:
    kind: opt_out
    text: {es: De acuerdo., en: All right.}
    next: stopped
  stopped: {kind: hang_up, code: DG-OO}
  bye: {kind: hang_up, code: SY-CU}
"""


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with running_network() as started:
        yield started


@pytest.fixture
async def phones() -> AsyncIterator[SipPhones]:
    async with sip_phones({}) as started:
        yield started


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def real_house(
    folder: Path, redis_url: str, network: Network, phones: SipPhones
) -> AbstractAsyncContextManager[House]:
    """Asterisk between the engine and the telephones of this process; agents' are SIPp's."""
    settings = AsteriskSettings(
        url=network.pbx.url,
        user=USER,
        password=network.pbx.password,
        app="marcador",  # as the laboratory's dialplan names it for calls that come in
        dial=f"PJSIP/trunk/sip:{{number}}@{LOOPBACK}:{phones.port}",
        agent_dial=network.agent_dial,
        prompts_media=f"sound:{network.prompts}/{{audio}}",
        laboratory=True,
    )
    return open_house(
        folder,
        redis_url,
        FixedWorld(),
        speed=1.0,
        make_adapter=lambda clock: AsteriskCarrier(settings, clock),
        overrides={
            "prompts__folder": str(network.prompts),
            "prompts__command": espeak_program(folder),
        },
    )


async def with_callers(house: House, flow: Flow) -> None:
    await approve(house.marcador.ledger, flow, 0)
    await house.campaign(
        settings=CampaignSettings(
            mode=Mode.PROGRESSIVE, inbound_flow=flow.name, spoken=SPOKEN, caller_ids=(OUR_NUMBER,)
        )
    )
    for runner in house.engine.fleet.runners():
        runner.carrier_is_up = False


async def the_flow(house: House) -> FlowRun:
    """The one that speaks now."""
    calls = house.engine.calls

    def running() -> list[FlowRun]:
        runs = (house.engine.flows.run_of(call.call_id) for call in calls.live())
        return [run for run in runs if run is not None]

    await house.until("a flow speaks", lambda: bool(running()))
    return running()[0]


async def presses(house: House, run: FlowRun, node: str, phone: Call, keys: str) -> None:
    """Wait for the question of a node, and answer it."""

    def asked() -> bool:
        session = run.session
        open_question = session.doing is Doing.COLLECTING or session.question
        heard = phone.event_type is not None  # our answer to the call has reached the phone
        return heard and session.state.node == node and open_question and not session.keys

    await house.until(f"{node} asks; it is at {run.session}", asked)
    await phone.press(keys)


async def test_a_caller_is_verified_by_keys_in_the_audio_and_talks_with_an_agent(
    tmp_path: Path, redis_url: str, network: Network, phones: SipPhones
) -> None:
    async with real_house(tmp_path, redis_url, network, phones) as house:
        await with_callers(house, parse_flow(CALLERS))
        agent = await house.agent("ana")
        await free(house, agent)
        known = await somebody(house)
        phone = await phones.call(known.number, OUR_NUMBER, network.pbx.sip_port)
        async with asyncio.timeout(LIMIT_S):
            await phone.answered.wait()
        run = await the_flow(house)
        caller = Person(house, run.call_id)
        assert caller.contact.person_id == known.person_id
        await house.until("the caller hears the flow", lambda: len(phone.heard) > HEARD_BYTES)
        await presses(house, run, "language", phone, "2")
        await presses(house, run, "menu", phone, "1")
        assert run.session.state.language == "en"
        person = await read_person_on_screen(
            house.marcador.ledger,
            known.person_id,
            caller.contact.account_id,
            caller.contact.point.contact_point_id,
        )
        truth = by_keys(person.identity)
        assert truth.document_number is not None
        await presses(house, run, "identity", phone, truth.document_number[-4:])
        await house.until("the second question", lambda: bool(run.session.state.answers))
        await presses(house, run, "identity", phone, f"{truth.contract}#")
        view = (await agent.hear(CallConnected)).call
        assert (view.call_id, view.inbound, view.verified) == (run.call_id, True, True)
        await agent.say(HangUp(call_id=run.call_id))
        await agent.hear(CallOver)
        await agent.say(Dispose(call_id=run.call_id, code="CD-IP"))
        await agent.hear(Disposed)
        await house.until("it is over", lambda: not house.engine.outcomes.contacts)
        await house.engine.recorder.flush()
        checks = await caller.of(IdentityChecked)
        assert [(c.passed, c.agent_id) for c in checks] == [(True, "flow:callers/1")]
        (end,) = await caller.of(InboundEnded)
        assert (end.agent_id, end.flow, end.missed) == ("ana", "callers/1", False)
        report = await verify_ledger(house.marcador.ledger)
        assert report.holds, report.problems


async def test_whoever_waits_hears_something_until_an_agent_comes(
    tmp_path: Path,
    redis_url: str,
    network: Network,
    phones: SipPhones,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dialer.runtime.flows.COMPANY_EVERY_S", 0.5)
    waiting = "on_no_agent: who\n    waiting: {es: Siga en la línea., en: Please hold.}"
    made = parse_flow(
        CALLERS.replace("on_no_agent: who", waiting).replace("{1: identity, 9", "{1: agent, 9")
    )
    async with real_house(tmp_path, redis_url, network, phones) as house:
        await with_callers(house, made)
        agent = await house.agent("ana")
        phone = await phones.call("+56999999999", OUR_NUMBER, network.pbx.sip_port)
        run = await the_flow(house)
        await presses(house, run, "language", phone, "1")
        await presses(house, run, "menu", phone, "1")
        await house.until("something is said", lambda: run.playing.startswith(COMPANY))
        await agent.ready()
        view = (await agent.hear(CallConnected)).call
        assert (view.call_id, view.language) == (run.call_id, "es")
        assert run.playing == "", "it falls silent for the agent"
        await agent.say(HangUp(call_id=run.call_id))
        await agent.hear(CallOver)


async def test_without_agents_a_caller_is_promised_a_callback(
    tmp_path: Path, redis_url: str, network: Network, phones: SipPhones
) -> None:
    async with real_house(tmp_path, redis_url, network, phones) as house:
        made = parse_flow(CALLERS.replace("choices: {1: identity, 9", "choices: {1: agent, 9"))
        await with_callers(house, made)
        known = await somebody(house)
        phone = await phones.call(known.number, OUR_NUMBER, network.pbx.sip_port)
        run = await the_flow(house)
        caller = Person(house, run.call_id)
        await presses(house, run, "language", phone, "1")
        await presses(house, run, "menu", phone, "1")
        await house.until("it is over", lambda: not house.engine.outcomes.contacts)
        await house.engine.recorder.flush()
        assert len(await caller.of(CallbackRequested)) == 1
        (end,) = await caller.of(InboundEnded)
        assert (end.code, end.flow) == ("CD-LL", "callers/1")


async def test_a_key_in_the_audio_stops_our_calls(
    tmp_path: Path, redis_url: str, network: Network, phones: SipPhones
) -> None:
    async with real_house(tmp_path, redis_url, network, phones) as house:
        agent = await house.agent("ana")
        await agent.ready()
        await approve(house.marcador.ledger, key_flow(), 0)
        settings = CampaignSettings(mode=Mode.IVR, flow="key-for-agent", lines=1, spoken=SPOKEN)
        await house.campaign(settings=settings)
        run = await the_flow(house)
        house.engine.fleet.carrier_is(up=False)
        person = Person(house, CallId(run.call_id))
        phone = phones.of(person.contact.point.address)
        await presses(house, run, "menu", phone, "9")
        end = await person.end()
        assert (end.outcome, end.code) == ("consent_revoked", "DG-OO")
        query = select(suppression).where(suppression.c.created_by == "flow:key-for-agent/1")
        async with house.marcador.ledger.read() as conn:
            (stop,) = (await conn.execute(query)).all()
        assert (stop.reason, stop.channel) == ("opt_out", "voice")
