"""Recordings over HTTP."""

from __future__ import annotations

from dialer.stores.ledger.users import Role
from tests.console.world import World
from tests.support.tones import a_wav

WAV = {"Content-Type": "audio/wav"}
PARAMS = {"name": "saludo", "language": "es", "says": "Buenos días."}


async def test_a_recording_is_uploaded_and_listed(world: World) -> None:
    sent = await world.call(
        "POST", "prompts", role=Role.MANAGER, data=a_wav(0.5, 44_100), headers=WAV, params=PARAMS
    )
    assert sent.status == 201, sent.raw
    assert sent.json["duration_ms"] == 500
    listed = await world.call("GET", "prompts", role=Role.COMPLIANCE)
    assert listed.json["recordings"] == [sent.json]


async def test_what_is_no_recording_is_refused_and_nothing_is_left(world: World) -> None:
    sent = await world.call(
        "POST", "prompts", role=Role.MANAGER, data=b"ID3", headers=WAV, params=PARAMS
    )
    assert (sent.status, sent.code) == (422, "bad_recording"), sent.raw
    listed = await world.call("GET", "prompts", role=Role.MANAGER)
    assert listed.json["recordings"] == []


async def test_agents_add_no_recordings(world: World) -> None:
    sent = await world.call(
        "POST", "prompts", role=Role.AGENT, data=a_wav(0.5), headers=WAV, params=PARAMS
    )
    assert sent.status == 403
