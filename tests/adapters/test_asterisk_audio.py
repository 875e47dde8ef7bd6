"""Who really hears whom: tones through a real Asterisk, and through two of them with a link
between, measured where they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from telephony_adapters.lab.network import Network
from telephony_adapters.lab.pbx import MUSIC_HZ
from telephony_adapters.messages import (
    AgentLegUp,
    CallAnswered,
    CallId,
    CallParted,
    LegId,
    LegRole,
    RecordingFinished,
)
from tests.adapters.asterisk_lab import asterisk_lab
from tests.adapters.conformance_control import consult, hold, join
from tests.adapters.lab import Lab
from tests.adapters.nodes_lab import ANYTHING, APART, PATIENT, nodes_lab
from tests.support.hearing import tones_in
from tests.support.sip_phones import SipPhones, sip_phones

pytestmark = pytest.mark.xdist_group("asterisk")

PERSON, AGENT, OTHER = "+13055550123", "ana", "bruno"
PERSON_HZ, AGENT_HZ, OTHER_HZ = 440, 700, 1_800
TONES = (PERSON_HZ, AGENT_HZ, OTHER_HZ, MUSIC_HZ)
SETTLE_S = 0.15
"""What is on its way when a state begins may still be from before."""
LISTEN_S = 0.5


@pytest_asyncio.fixture
async def phones() -> AsyncIterator[SipPhones]:
    async with sip_phones({PERSON: PERSON_HZ, AGENT: AGENT_HZ, OTHER: OTHER_HZ}) as started:
        yield started


@pytest_asyncio.fixture(params=["one node", "two nodes", "agents and calls apart"])
async def lab(
    request: pytest.FixtureRequest, network: Network, two_nodes: Network, phones: SipPhones
) -> AsyncIterator[Lab]:
    at = f"127.0.0.1:{phones.port}"
    dials = {
        "dial": f"PJSIP/trunk/sip:{{number}}@{at}",
        "agent_dial": f"PJSIP/phone/sip:{{agent}}@{at}",
    }
    if request.param == "one node":
        async with asterisk_lab(network, **dials) as one:
            yield one
    else:
        limits = ANYTHING if request.param == "two nodes" else APART
        async with nodes_lab(two_nodes, limits, PATIENT, **dials) as two:
            yield two


async def leg_of(lab: Lab, agent: str) -> LegId:
    leg_id = LegId(f"leg-{agent:x<22}")
    await lab.adapter.open_agent_leg(leg_id, f"agent:{agent}")
    await lab.first(AgentLegUp, leg_id)
    return leg_id


async def everybody(lab: Lab) -> tuple[CallId, LegId, LegId]:
    """A person in conversation with an agent, and another agent."""
    leg_id, other = await leg_of(lab, AGENT), await leg_of(lab, OTHER)
    command = lab.command(PERSON)
    await lab.originate(command)
    await lab.first(CallAnswered, command.call_id)
    await lab.bridge(command.call_id, leg_id)
    return command.call_id, leg_id, other


async def hear(lab: Lab, phones: SipPhones) -> tuple[set[int], set[int], set[int]]:
    """The tones that the person, the agent and the other agent hear now."""
    calls = [phones.of(user) for user in (PERSON, AGENT, OTHER)]
    await lab.pass_time(SETTLE_S)
    marks = [len(call.heard) for call in calls]
    await lab.pass_time(LISTEN_S)
    person, agent, other = (
        # Asterisk sends nothing at all to who is alone in a room.
        tones_in(call.wav(mark), TONES) if len(call.heard) > mark else set[int]()
        for call, mark in zip(calls, marks, strict=True)
    )
    return person, agent, other


async def test_hold_and_consult(lab: Lab, phones: SipPhones) -> None:
    call_id, leg_id, other = await everybody(lab)
    assert await hear(lab, phones) == ({AGENT_HZ}, {PERSON_HZ}, set())
    await hold(lab, call_id)
    assert await hear(lab, phones) == ({MUSIC_HZ}, set(), set())
    await consult(lab, leg_id, other)
    assert await hear(lab, phones) == ({MUSIC_HZ}, {OTHER_HZ}, {AGENT_HZ})
    await lab.bridge(call_id, other)
    assert await hear(lab, phones) == ({OTHER_HZ}, set(), {PERSON_HZ})
    await lab.bridge(call_id, leg_id)
    assert await hear(lab, phones) == ({AGENT_HZ}, {PERSON_HZ}, set())
    await hold(lab, call_id)
    assert await hear(lab, phones) == ({MUSIC_HZ}, set(), set()), "not only the first time"


async def test_a_supervisor_listens_whispers_and_barges_in(lab: Lab, phones: SipPhones) -> None:
    call_id, _, other = await everybody(lab)
    await join(lab, call_id, other, LegRole.LISTEN)
    assert await hear(lab, phones) == ({AGENT_HZ}, {PERSON_HZ}, {PERSON_HZ, AGENT_HZ})
    await join(lab, call_id, other, LegRole.WHISPER)
    assert await hear(lab, phones) == ({AGENT_HZ}, {PERSON_HZ, OTHER_HZ}, {PERSON_HZ, AGENT_HZ})
    await join(lab, call_id, other, LegRole.TALK)
    assert await hear(lab, phones) == (
        {AGENT_HZ, OTHER_HZ},
        {PERSON_HZ, OTHER_HZ},
        {PERSON_HZ, AGENT_HZ},
    )
    await join(lab, call_id, other, LegRole.LISTEN)
    assert await hear(lab, phones) == ({AGENT_HZ}, {PERSON_HZ}, {PERSON_HZ, AGENT_HZ})
    await lab.adapter.part(call_id, other)
    await lab.first(CallParted, call_id)
    assert await hear(lab, phones) == ({AGENT_HZ}, {PERSON_HZ}, set())


async def test_a_recording_has_both_directions_and_no_pause(lab: Lab) -> None:
    call_id, _, other = await everybody(lab)
    await join(lab, call_id, other, LegRole.WHISPER)
    both, paused = f"both-{call_id}", f"paused-{call_id}"
    await lab.adapter.record(call_id, both)
    await lab.pass_time(LISTEN_S)
    await lab.adapter.stop_recording(call_id)
    await lab.first(RecordingFinished, both)
    file = await lab.adapter.fetch_recording(both)
    assert tones_in(file, TONES, SETTLE_S) == {PERSON_HZ, AGENT_HZ}

    await lab.adapter.record(call_id, paused)
    await lab.adapter.pause_recording(call_id, paused=True)
    await lab.pass_time(LISTEN_S)
    await hold(lab, call_id)
    await lab.adapter.pause_recording(call_id, paused=False)
    await lab.pass_time(LISTEN_S)
    await lab.adapter.stop_recording(call_id)
    await lab.first(RecordingFinished, paused)
    file = await lab.adapter.fetch_recording(paused)
    assert tones_in(file, TONES, SETTLE_S) - {MUSIC_HZ} == {PERSON_HZ}, "nobody needs the music"
