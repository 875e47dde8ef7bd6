"""Conversations of the whole engine over real SIP: who hears whom, and what the ledger keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
import pytest
from sqlalchemy import select

from campaigns.campaign import CampaignSettings, RecordPolicy
from compliance.types import Mode, PersonId
from dialer.config import HttpConfig
from dialer.console.server import serve
from dialer.core.agent import AgentState
from dialer.core.call import CallState
from dialer.core.desk_messages import (
    BackToCall,
    CallConnected,
    CallOver,
    CheckIdentity,
    CompleteTransfer,
    Consult,
    Consulted,
    ConsultOver,
    Dispose,
    Disposed,
    DropParty,
    HandedOn,
    HangUp,
    Hold,
    IdentityResult,
    JoinParty,
    RecordingState,
    Refused,
    SensitiveEntry,
    SupervisionMode,
    Target,
    TargetKind,
    Transfer,
)
from dialer.core.records import to_ms
from dialer.runtime.services import EngineServices
from dialer.runtime.supervision import SupervisionState
from dialer.stores.ledger import recordings as rows
from dialer.stores.ledger.audit import list_audit
from dialer.stores.ledger.recordings import RecordingRow
from dialer.stores.ledger.schema import attempt, callback, enrolment
from dialer.stores.ledger.users import Role
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.lab.network import Network, running_network
from telephony_adapters.lab.pbx import MUSIC_HZ
from telephony_adapters.messages import CallId
from tests.console.world import Site
from tests.runtime.test_conversations import changed, free, shared, state, talking
from tests.runtime.test_engine import truth
from tests.runtime.test_inbound import OUR_NUMBER, somebody
from tests.runtime.test_recorded_calls import told
from tests.support.hearing import samples, tones_anywhere
from tests.support.house import PATIENCE_S, DeskAgent, House
from tests.support.redis_server import redis_client, redis_folder, redis_server
from tests.support.sip_house import (
    ANA_HZ,
    CARD_HZ,
    EVA_HZ,
    OUTSIDE,
    OUTSIDE_HZ,
    PERSON_HZ,
    SUP_HZ,
    TONES,
    SipHouse,
    open_sip_house,
)

__all__ = ["redis_client", "redis_folder", "redis_server"]

pytestmark = pytest.mark.xdist_group("telephony")

SUP = "sup-1"
EVA = Target(kind=TargetKind.AGENT, name="eva")
LEGAL = Target(kind=TargetKind.DESTINATION, name="legal")
OCCUPIED = Target(kind=TargetKind.DESTINATION, name="ocupado")
RECORDED = CampaignSettings(mode=Mode.PROGRESSIVE, record=RecordPolicy.ALL)
ANNOUNCED = msgspec.structs.replace(
    RECORDED,
    recording_prompt="This call is recorded.",
    language="en",
    statements=("mini_miranda", "debt_collector", "identity"),
)
NOON_ON_BOTH_COASTS = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
ALL_PARTIES_CONSENT = ("US-CA", "US-FL")
OF_THE_FILE = ("person_imported", "subject_changed", "contact_blocked")
POLL_S = 0.02
REC, PAUSED = RecordingState.RECORDING, RecordingState.PAUSED


@pytest.fixture(scope="module")
def sip() -> Iterator[Network]:
    with running_network() as network:
        yield network


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


async def kinds(house: House, person_id: str) -> list[str]:
    """What is on record of a person and their calls, in its order."""
    await house.engine.recorder.flush()
    events = await house.engine.reader.read_person(PersonId(person_id))
    return [event.kind for event in events if event.kind not in OF_THE_FILE]


async def the_attempt(house: House, call_id: str) -> dict[str, object]:
    async with house.marcador.ledger.read() as conn:
        found = await conn.execute(select(attempt).where(attempt.c.attempt_id == call_id))
        return dict(found.mappings().one())


async def the_recording(house: House) -> RecordingRow:
    """The one that is kept, once its sound is in the house and nowhere else."""
    found: list[RecordingRow] = []
    async with asyncio.timeout(PATIENCE_S):
        while not found:
            async with house.marcador.ledger.read() as conn:
                found = await rows.list_recordings(conn, state=rows.KEPT)
            await asyncio.sleep(POLL_S)
    (row,) = found
    return row


async def dispose(agent: DeskAgent, call_id: str, code: str) -> None:
    await agent.say(Dispose(call_id=call_id, code=code))
    await agent.hear(Disposed)


async def ledger_holds(house: House) -> None:
    report = await verify_ledger(house.marcador.ledger)
    assert report.holds, report.problems


@asynccontextmanager
async def api(house: House) -> AsyncIterator[Site]:
    """The HTTP API over this very engine."""
    services = EngineServices(house.marcador)
    async with (
        serve(services, HttpConfig(port=0)) as url,
        aiohttp.ClientSession(url, cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        yield Site(house.marcador.ledger, url, http)


async def test_hold_supervisors_three_at_once_and_an_attended_transfer_all_of_it_recorded(
    tmp_path: Path, redis_url: str, sip: Network
) -> None:
    async with open_sip_house(tmp_path, redis_url, sip) as at:
        house = at.house
        await house.campaign(settings=RECORDED)
        ana, eva = await house.agent("ana"), await house.agent("eva")
        call_id = await talking(house, ana)
        await told(ana, REC)
        await free(house, eva)
        person_ = at.number_of(call_id)
        await at.hear({person_: {ANA_HZ}, "ana": {PERSON_HZ}, "eva": set()})

        await a_card_number_is_said(at, ana, call_id)
        await ana.say(Hold(call_id=call_id))
        await changed(ana, CallState.HELD)
        await at.hear({person_: {MUSIC_HZ}, "ana": set()})
        await ana.say(BackToCall(call_id=call_id))
        await changed(ana, CallState.BRIDGED)
        await at.hear({person_: {ANA_HZ}, "ana": {PERSON_HZ}})
        await supervised(at, call_id)

        await ana.say(Consult(call_id=call_id, to=EVA, note="quiere un convenio"))
        assert (await eva.hear(Consulted)).call.verified
        await changed(ana, CallState.CONSULTING)
        await at.hear({person_: {MUSIC_HZ}, "ana": {EVA_HZ}, "eva": {ANA_HZ}})
        await ana.say(JoinParty(call_id=call_id))
        await changed(ana, CallState.CONFERENCE)
        await at.hear(
            {person_: {ANA_HZ, EVA_HZ}, "ana": {PERSON_HZ, EVA_HZ}, "eva": {PERSON_HZ, ANA_HZ}}
        )
        await ana.say(DropParty(call_id=call_id))
        await changed(ana, CallState.BRIDGED)
        await eva.hear(ConsultOver)
        await at.hear({person_: {ANA_HZ}, "eva": set()})
        await state(house, eva, AgentState.READY)

        await ana.say(Consult(call_id=call_id, to=EVA))
        await eva.hear(Consulted)
        await changed(ana, CallState.CONSULTING)
        await ana.say(CompleteTransfer(call_id=call_id))
        assert (await ana.hear(HandedOn)).to.name == "eva"
        taken = (await eva.hear(CallConnected)).call
        assert (taken.verified, bool(taken.debts)) == (True, True)
        await state(house, ana, AgentState.READY)
        await at.hear({person_: {EVA_HZ}, "eva": {PERSON_HZ}, "ana": set()})
        at.phones.hang_up(person_)
        await eva.hear(CallOver)
        await dispose(eva, call_id, "CD-IP")

        row = await the_recording(house)
        assert (row.attempt_id, row.agent_id, row.basis) == (call_id, "ana", "not_needed")
        ended = await the_attempt(house, call_id)
        assert (ended["outcome"], ended["code"], ended["agent_id"]) == (
            "conversation",
            "CD-IP",
            "eva",
        )
        assert isinstance(ended["talk_ms"], int)
        assert ended["talk_ms"] > 0
        steps = [(s.step, s.by, s.agent_id, s.verified) for s in await shared(house, call_id)]
        assert steps == [("joined", "ana", "eva", True), ("transferred", "ana", "eva", True)]
        found = await kinds(house, row.person_id)
        assert found[:5] == [
            "attempt_planned",
            "identity_checked",
            "conversation_shared",
            "conversation_shared",
            "attempt_ended",
        ]
        assert sorted(found[5:]) == ["conversation_recorded", "disposition_set"]
        await at.until_stored(0)
        await whoever_may_hears_the_recording(house, row)
        await ledger_holds(house)


async def a_card_number_is_said(at: SipHouse, ana: DeskAgent, call_id: CallId) -> None:
    """While the form for payment data is open."""
    person_ = at.phones.of(at.number_of(call_id))
    await ana.say(SensitiveEntry(call_id=call_id, open=True))
    await told(ana, PAUSED)
    person_.change(CARD_HZ)
    await at.hear({"ana": {CARD_HZ}})
    person_.change(PERSON_HZ)
    await at.hear({"ana": {PERSON_HZ}})
    await ana.say(SensitiveEntry(call_id=call_id, open=False))
    await told(ana, REC)


async def supervised(at: SipHouse, call_id: CallId) -> None:
    house, person_ = at.house, at.number_of(call_id)
    supervision = house.engine.floor.supervision
    await supervision.start(
        supervisor_id=SUP, username="jefa", agent_id="ana", mode=SupervisionMode.LISTEN
    )

    def active() -> bool:
        view = supervision.view(SUP)
        return view is not None and view.state is SupervisionState.ACTIVE

    await house.until("the supervisor is on the call", active)
    await at.hear({person_: {ANA_HZ}, "ana": {PERSON_HZ}, "jefa": {PERSON_HZ, ANA_HZ}})
    await supervision.change(SUP, SupervisionMode.WHISPER)
    await at.hear({person_: {ANA_HZ}, "ana": {PERSON_HZ, SUP_HZ}, "jefa": {PERSON_HZ, ANA_HZ}})
    await supervision.change(SUP, SupervisionMode.BARGE)
    await at.hear({person_: {ANA_HZ, SUP_HZ}, "ana": {PERSON_HZ, SUP_HZ}})
    await supervision.stop(SUP)
    await at.hear({person_: {ANA_HZ}, "ana": {PERSON_HZ}})
    async with house.marcador.ledger.read() as conn:
        entries = await list_audit(conn, target=call_id)
    assert [(entry.actor, entry.action) for entry in reversed(entries)] == [
        (SUP, "call.listen"),
        (SUP, "call.whisper"),
        (SUP, "call.barge"),
        (SUP, "call.supervision_end"),
    ]


async def whoever_may_hears_the_recording(house: House, row: RecordingRow) -> None:
    """Supervisors do; agents do not; and what must not be kept is not in it."""
    async with api(house) as site:
        path = f"recordings/{row.recording_id}/audio"
        assert (await site.call("GET", path)).status == 401
        assert (await site.call("GET", path, role=Role.AGENT)).status == 403
        listed = await site.call("GET", "recordings", role=Role.SUPERVISOR)
        sound = await site.call("GET", path, role=Role.SUPERVISOR)
        listener = site.users[Role.SUPERVISOR].user_id
    assert row.recording_id in listed.raw.decode()
    assert (sound.status, sound.headers["Content-Type"]) == (200, "audio/wav")
    # A supervisor who barged in was heard by the person; whispers and the card were not. Of the
    # music there may be a moment.
    heard = tones_anywhere(sound.raw, TONES) - {MUSIC_HZ}
    assert heard == {PERSON_HZ, ANA_HZ, EVA_HZ, SUP_HZ}
    async with house.marcador.ledger.read() as conn:
        (entry,) = await list_audit(conn, target=row.recording_id)
    assert (entry.actor, entry.action) == (listener, "recording.listen")


async def test_a_blind_transfer_goes_outside_and_a_busy_party_leaves_the_person_with_us(
    tmp_path: Path, redis_url: str, sip: Network
) -> None:
    async with open_sip_house(tmp_path, redis_url, sip) as at:
        house = at.house
        await house.campaign(settings=RECORDED)
        ana = await house.agent("ana")
        call_id = await talking(house, ana)
        await told(ana, REC)
        await free_of_more_calls(house)
        person_ = at.number_of(call_id)
        await ana.say(Transfer(call_id=call_id, to=OCCUPIED))
        assert (await refusal(ana)).code == "party_lost"
        await at.hear({person_: {ANA_HZ}, "ana": {PERSON_HZ}})
        await ana.say(Transfer(call_id=call_id, to=LEGAL))
        handed = await ana.hear(HandedOn)
        assert (handed.to.name, handed.wrap_up_limit_s) == ("legal", 120)
        await at.hear({person_: {OUTSIDE_HZ}, OUTSIDE: {PERSON_HZ}, "ana": set()})
        await dispose(ana, call_id, "CD-IP")
        row = await the_recording(house)
        assert house.engine.calls.get(call_id) is not None, "they speak on, unrecorded"
        assert (await the_attempt(house, call_id))["ended_ms"] is None
        at.phones.hang_up(OUTSIDE)
        await house.until("it is over", lambda: house.engine.calls.get(call_id) is None)
        await house.until("let go", lambda: call_id not in house.engine.outcomes.contacts)
        (step,) = await shared(house, call_id)
        assert (step.step, step.agent_id, step.destination, step.verified) == (
            "transferred",
            None,
            "legal",
            True,
        )
        ended = await the_attempt(house, call_id)
        assert (ended["outcome"], ended["code"]) == ("conversation", "CD-IP")
        assert set(await kinds(house, row.person_id)) == {
            "attempt_planned",
            "identity_checked",
            "conversation_shared",
            "conversation_recorded",
            "attempt_ended",
            "disposition_set",
        }
        await ledger_holds(house)


async def test_a_telephone_that_dies_in_a_consultation_leaves_the_person_with_the_colleague(
    tmp_path: Path, redis_url: str, sip: Network
) -> None:
    async with open_sip_house(tmp_path, redis_url, sip) as at:
        house = at.house
        await house.campaign()
        ana, eva = await house.agent("ana"), await house.agent("eva")
        call_id = await talking(house, ana)
        await free(house, eva)
        await ana.say(Consult(call_id=call_id, to=EVA))
        await eva.hear(Consulted)
        await changed(ana, CallState.CONSULTING)
        at.phones.hang_up("ana")
        assert (await eva.hear(CallConnected)).call.call_id == call_id
        await at.hear({at.number_of(call_id): {EVA_HZ}, "eva": {PERSON_HZ}})
        await state(house, ana, AgentState.PAUSED)
        await ana.ready()
        await state(house, ana, AgentState.READY)
        await eva.say(HangUp(call_id=call_id))
        await eva.hear(CallOver)
        await dispose(eva, call_id, "CD-IP")
        ended = await the_attempt(house, call_id)
        assert (ended["outcome"], ended["agent_id"]) == ("conversation", "eva")
        await ledger_holds(house)


async def test_where_the_law_asks_for_it_the_person_hears_that_the_call_is_recorded(
    tmp_path: Path, redis_url: str, sip: Network
) -> None:
    silent = {"ana": 0}
    async with open_sip_house(
        tmp_path, redis_url, sip, tones=silent, country="US", start=NOON_ON_BOTH_COASTS
    ) as at:
        house = at.house
        await house.campaign(settings=ANNOUNCED)
        ana = await house.agent("ana")
        await ana.ready()
        call_id = await somebody_of(house, ana, ALL_PARTIES_CONSENT)
        await free_of_more_calls(house)
        heard = at.phones.of(at.number_of(call_id))
        await told(ana, RecordingState.ANNOUNCING)
        assert house.engine.floor.recordings.state_of(call_id) is RecordingState.OFF
        await told(ana, REC)
        said, rate_hz = samples(heard.wav(0))
        loud_s = sum(1 for sample in said if abs(sample) > 1_000) / rate_hz
        assert loud_s > 0.3, "nobody but the announcement makes a sound"
        await at.hear({"ana": {PERSON_HZ}})
        await ana.say(HangUp(call_id=call_id))
        await ana.hear(CallOver)
        await dispose(ana, call_id, "CD-NV")
        row = await the_recording(house)
        assert (row.attempt_id, row.basis) == (call_id, "announced")
        await ledger_holds(house)


async def somebody_of(house: House, ana: DeskAgent, states: tuple[str, ...]) -> CallId:
    """The first person called who lives in one of these; what comes before ends at once."""
    while True:
        call_id = CallId((await ana.hear(CallConnected)).call.call_id)
        person = house.engine.outcomes.contacts[call_id].contact.subject.person
        if person.residence is not None and person.residence.subdivision in states:
            return call_id
        await ana.say(HangUp(call_id=call_id))
        await ana.hear(CallOver)
        await dispose(ana, call_id, "CD-NV")
        ana.heard.clear()


async def test_whoever_calls_back_reaches_the_agent_who_knows_them(
    tmp_path: Path, redis_url: str, sip: Network
) -> None:
    async with open_sip_house(tmp_path, redis_url, sip) as at:
        house = at.house
        await at.dial_in_to_us()
        await house.campaign()
        eva, ana = await house.agent("eva"), await house.agent("ana")
        await free(house, eva)
        known = await somebody(house)
        first = sip.somebody_calls(known.number, OUR_NUMBER, 60.0)
        view = (await eva.hear(CallConnected)).call
        await eva.say(Transfer(call_id=view.call_id, to=Target(kind=TargetKind.AGENT, name="ana")))
        assert (await refusal(eva)).code == "nobody_free"
        await free(house, ana)
        await eva.say(Transfer(call_id=view.call_id, to=Target(kind=TargetKind.AGENT, name="ana")))
        await eva.hear(HandedOn)
        await ana.hear(CallConnected)
        await ana.say(HangUp(call_id=view.call_id))
        await ana.hear(CallOver)
        await dispose(ana, view.call_id, "CD-NV")
        await house.until("the caller is gone", lambda: first.gone)
        await state(house, ana, AgentState.READY)
        await state(house, eva, AgentState.READY)

        # Eva has been free for longer; the last who spoke with the person is Ana.
        again = sip.somebody_calls(known.number, OUR_NUMBER, 60.0)
        view = (await ana.hear(CallConnected)).call
        call_id = view.call_id
        assert (view.inbound, view.verified, view.debts, bool(view.person_name)) == (
            True,
            False,
            (),
            True,
        )
        await ana.say(CheckIdentity(call_id=call_id, answers=await truth(house, call_id)))
        result = await ana.hear(IdentityResult)
        assert (result.passed, bool(result.debts)) == (True, True)
        await at.caller_hangs_up(call_id)
        await ana.hear(CallOver)
        await dispose(ana, call_id, "CD-IP")
        await house.until("the caller is gone", lambda: again.gone)
        assert await kinds(house, known.person_id) == [
            "inbound_contact",
            "conversation_shared",
            "inbound_ended",
            "inbound_disposed",
            "inbound_contact",
            "identity_checked",
            "inbound_ended",
            "inbound_disposed",
        ]
        async with house.marcador.ledger.read() as conn:
            attempts = (await conn.execute(select(attempt.c.attempt_id))).all()
            standing = (
                await conn.execute(
                    select(enrolment).where(enrolment.c.account_id == known.account_id)
                )
            ).one()
        assert attempts == [], "nobody dialed"
        assert (standing.state, standing.last_code) == ("waiting", "CD-IP")
        await ledger_holds(house)


async def test_a_caller_for_whom_nobody_is_free_hears_so_and_is_called_back(
    tmp_path: Path, redis_url: str, sip: Network
) -> None:
    overrides = {"inbound__wait_s": 1, "inbound__busy_prompt": "Le llamaremos."}
    async with open_sip_house(tmp_path, redis_url, sip, overrides=overrides) as at:
        house = at.house
        await at.dial_in_to_us()
        await house.campaign()
        await house.agent("ana")
        await free_of_more_calls(house)
        known = await somebody(house)
        caller = sip.somebody_calls(known.number, OUR_NUMBER, 60.0)
        await house.until("gives up", lambda: house.engine.floor.inbound.figures().missed == 1)
        await house.until("is hung up on", lambda: caller.gone)
        await house.until("on record", lambda: not house.engine.outcomes.contacts)
        assert await kinds(house, known.person_id) == ["inbound_contact", "inbound_ended"]
        async with house.marcador.ledger.read() as conn:
            asked = (await conn.execute(select(callback))).one()
            standing = (
                await conn.execute(
                    select(enrolment).where(enrolment.c.account_id == known.account_id)
                )
            ).one()
        assert asked.person_id == known.person_id
        assert asked.due_ms > to_ms(house.marcador.clock.now())
        assert (standing.state, standing.reason) == ("waiting", "missed_inbound")
        await ledger_holds(house)


async def free_of_more_calls(house: House) -> None:
    """Nothing more is dialed; what rings is cancelled."""
    for runner in house.engine.fleet.runners():
        runner.carrier_is_up = False
    for call in house.engine.calls.live():
        if call.state.is_before_answer:
            house.engine.calls.hang_up(call.call_id, "test")


async def refusal(agent: DeskAgent) -> Refused:
    while True:
        message = await agent.inbox.get()
        if isinstance(message, Refused):
            return message
