"""Conversations that the engine drives through Twilio: held, given on, overheard, recorded, and
begun by the person."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from campaigns.campaign import CampaignSettings, RecordPolicy
from compliance.messages import Place
from compliance.types import Mode
from dialer.core.agent import AgentState
from dialer.core.call import CallState
from dialer.core.desk_messages import (
    BackToCall,
    CallConnected,
    CallOver,
    CompleteTransfer,
    Consult,
    Consulted,
    Dispose,
    Disposed,
    HandedOn,
    HangUp,
    Hold,
    PauseRecording,
    RecordingState,
    ResumeRecording,
    SendDigits,
    SupervisionMode,
    Target,
    TargetKind,
    Transfer,
)
from dialer.stores.ledger import recordings as rows
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.recording_files import RecordingFiles
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import CallId, Originate
from telephony_adapters.simulator.world import NEVER, DialPlan
from telephony_adapters.twilio.codec import CallStatus, label_read
from telephony_adapters.twilio.fake.server import FakeTwilio
from tests.e2e.test_twilio_calls import house_on_twilio, somebody_answers
from tests.runtime.test_conversations import EVA, LEGAL, OUTSIDE, changed, state, talking
from tests.runtime.test_inbound import OUR_NUMBER, quiet_house, somebody
from tests.runtime.test_recorded_calls import AGREED, the_row, told
from tests.runtime.test_supervision import start
from tests.support.fixed_world import PlanMaker
from tests.support.house import DeskAgent, House
from tests.support.redis_server import redis_client, redis_folder, redis_server

__all__ = ["redis_client", "redis_folder", "redis_server"]

LAWYER = "+56221234567"
"""Whom `legal` reaches."""
RECORDED = CampaignSettings(mode=Mode.PROGRESSIVE, record=RecordPolicy.ALL)

ANNOUNCED = msgspec.structs.replace(RECORDED, recording_prompt="grabacion")


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def leg_of(house: House, name: str) -> str:
    seat = house.engine.desk.seat(name)
    assert seat is not None
    return seat.session.leg_id


def heard_by(fake: FakeTwilio, who: str) -> set[str]:
    """Whom a person or a leg hears in Twilio's conferences, by Marcador's ids."""
    rooms = fake.exchange.rooms.live()
    labels = {sid: label_read(one.label) for room in rooms for sid, one in room.inside.items()}
    mine = [sid for sid, label in labels.items() if label is not None and label.who == who]
    heard = {labels[other] for sid in mine for other in fake.exchange.rooms.heard_by(sid)}
    return {label.who for label in heard if label is not None}


async def until_heard(house: House, fake: FakeTwilio, who: str, others: set[str]) -> None:
    await house.until(f"{who} hears {others}", lambda: heard_by(fake, who) == others)


def nobody_answers(_: Originate) -> DialPlan:
    return DialPlan(progress_s=0.1, ringing_s=0.2, final_s=NEVER)


def only_the_first(*, also: str = "") -> PlanMaker:
    """The first number that is dialed answers, and `also`; at all others it rings for ever."""
    answers = [also]

    def plan(command: Originate) -> DialPlan:
        if len(answers) == 1:
            answers.append(command.to)
        if command.to in answers:
            return somebody_answers(command)
        return nobody_answers(command)

    return plan


async def finish(agent: DeskAgent, call_id: CallId) -> None:
    await agent.say(HangUp(call_id=call_id))
    await agent.hear(CallOver)
    await agent.say(Dispose(call_id=call_id, code="CD-NV"))
    await agent.hear(Disposed)


async def test_held_consulted_on_given_away_overheard_and_recorded(
    tmp_path: Path, redis_url: str
) -> None:
    async with house_on_twilio(tmp_path, redis_url, somebody=only_the_first()) as (house, fake):
        await house.campaign(settings=RECORDED)
        ana, eva = await house.agent("ana"), await house.agent("eva")
        call_id = await talking(house, ana, verified=False)
        await told(ana, RecordingState.RECORDING)
        await eva.ready()
        await state(house, eva, AgentState.READY)
        own, other = leg_of(house, "ana"), leg_of(house, "eva")
        await until_heard(house, fake, call_id, {own})

        await ana.say(Hold(call_id=call_id))
        await changed(ana, CallState.HELD)
        assert heard_by(fake, call_id) == set()
        await ana.say(BackToCall(call_id=call_id))
        await changed(ana, CallState.BRIDGED)
        await ana.say(SendDigits(call_id=call_id, digits="1"))
        theirs = next(c for c in fake.exchange.calls.values() if f"={call_id}" in c.status_url)
        await house.until("the key is heard", lambda: theirs.keys_heard == "1")
        await until_heard(house, fake, call_id, {own})

        await start(house)
        supervision = house.engine.floor.supervision
        assert heard_by(fake, call_id) == {own}, "who listens is heard by nobody"
        await supervision.change("sup-1", SupervisionMode.WHISPER)
        await house.until("whispers", lambda: len(heard_by(fake, own)) == 2)
        assert heard_by(fake, call_id) == {own}
        await supervision.change("sup-1", SupervisionMode.BARGE)
        await house.until("barges", lambda: len(heard_by(fake, call_id)) == 2)
        await supervision.stop("sup-1")
        await until_heard(house, fake, call_id, {own})

        await ana.say(PauseRecording(call_id=call_id))
        await told(ana, RecordingState.PAUSED)
        await ana.say(ResumeRecording(call_id=call_id))
        await told(ana, RecordingState.RECORDING)

        await ana.say(Consult(call_id=call_id, to=EVA))
        await eva.hear(Consulted)
        await changed(ana, CallState.CONSULTING)
        assert (heard_by(fake, own), heard_by(fake, call_id)) == ({other}, set())
        await ana.say(CompleteTransfer(call_id=call_id))
        await ana.hear(HandedOn)
        await eva.hear(CallConnected)
        await until_heard(house, fake, call_id, {other})
        await state(house, ana, AgentState.READY)

        await eva.say(Transfer(call_id=call_id, to=Target(kind=TargetKind.AGENT, name="ana")))
        await eva.hear(HandedOn)
        await ana.hear(CallConnected)
        await until_heard(house, fake, call_id, {own})
        await finish(ana, call_id)

        row = await the_row(house, rows.KEPT)
        assert (row.attempt_id, row.basis) == (call_id, "not_needed")
        assert row.sha256 is not None
        sound = RecordingFiles(house.marcador.config.recordings_path).read(row.sha256)
        assert sound is not None
        assert sound.startswith(b"RIFF")
        assert (await verify_ledger(house.marcador.ledger)).problem_count == 0


async def test_a_recording_that_the_law_wants_announced_is_announced_to_both(
    tmp_path: Path, redis_url: str
) -> None:
    async with house_on_twilio(tmp_path, redis_url, somebody=only_the_first()) as (house, fake):
        await house.campaign(settings=AGREED)
        ana = await house.agent("ana")
        call_id = await talking(house, ana, verified=False)
        live = house.engine.outcomes.contacts[call_id]
        residence = Place(country="US", subdivision="US-CA")
        person = msgspec.structs.replace(live.contact.subject.person, residence=residence)
        subject = msgspec.structs.replace(live.contact.subject, person=person)
        live.contact = msgspec.structs.replace(live.contact, subject=subject)
        (runner,) = house.engine.fleet.runners()
        runner.campaign = msgspec.structs.replace(runner.campaign, settings=ANNOUNCED)
        call = house.engine.calls.get(call_id)
        assert call is not None
        house.engine.floor.recordings.begin(call)
        await told(ana, RecordingState.ANNOUNCING)
        await told(ana, RecordingState.RECORDING)
        assert len(fake.exchange.said) == 1
        assert heard_by(fake, call_id) == {leg_of(house, "ana")}, "nobody left for it"
        await finish(ana, call_id)
        assert (await the_row(house, rows.KEPT)).basis == "announced"


async def test_a_call_goes_outside(tmp_path: Path, redis_url: str) -> None:
    people = only_the_first(also=LAWYER)
    async with house_on_twilio(tmp_path, redis_url, somebody=people, overrides=OUTSIDE) as (
        house,
        fake,
    ):
        await house.campaign()
        ana = await house.agent("ana")
        call_id = await talking(house, ana, verified=False)
        await ana.say(Transfer(call_id=call_id, to=LEGAL))
        assert (await ana.hear(HandedOn)).to.name == "legal"
        await house.until("they talk", lambda: len(heard_by(fake, call_id)) == 1)
        (lawyer,) = heard_by(fake, call_id)
        assert lawyer.startswith("out-")
        await ana.hear(CallOver)
        await ana.say(Dispose(call_id=call_id, code="CD-NV"))
        await ana.hear(Disposed)
        leg = next(c for c in fake.exchange.calls.values() if f"={lawyer}" in c.status_url)
        assert leg.to == LAWYER
        fake.exchange.far_end_hangs_up(leg)
        await house.until("the call is over", lambda: house.engine.calls.get(call_id) is None)


@pytest.mark.parametrize("withheld", [False, True])
async def test_who_calls_us_reaches_an_agent(
    tmp_path: Path, redis_url: str, withheld: bool
) -> None:
    async with house_on_twilio(tmp_path, redis_url, somebody=nobody_answers) as (house, fake):
        (ana,) = await quiet_house(house, "ana")
        known = await somebody(house)
        caller = None if withheld else known.number
        theirs = fake.exchange.somebody_calls(caller, OUR_NUMBER, patience_s=60.0)
        view = (await ana.hear(CallConnected)).call
        assert view.inbound
        assert bool(view.person_name) is not withheld
        await until_heard(house, fake, view.call_id, {leg_of(house, "ana")})
        assert theirs.is_answered
        await ana.say(HangUp(call_id=view.call_id))
        await ana.hear(CallOver)
        await ana.say(Dispose(call_id=view.call_id, code=view.codes[0].code))
        await ana.hear(Disposed)
        await house.until("Twilio agrees", lambda: theirs.status is CallStatus.COMPLETED)
