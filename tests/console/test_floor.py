"""The floor over HTTP: a supervisor on an agent's call, and recordings that are listened to."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from compliance.types import Mode
from dialer.config import HttpConfig
from dialer.console.routes.recordings import LISTEN_ACTION
from dialer.console.server import serve
from dialer.runtime.services import EngineServices
from dialer.stores.ledger.audit import list_audit
from dialer.stores.ledger.users import Role
from dialer.stores.recording_files import RecordingFiles
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import Originate
from telephony_adapters.simulator.world import DialPlan
from tests.console.test_whole import Ears
from tests.console.world import Json, Reply, Site, until
from tests.support.fixed_world import FixedWorld, answered
from tests.support.house import PATIENCE_S, House, open_house


def patient(command: Originate) -> DialPlan:
    return answered(command.call_id, talk_s=4_000.0, patience_s=400.0)


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


@asynccontextmanager
async def one_talks(folder: Path, redis_url: str) -> AsyncIterator[tuple[House, Site, Ears, str]]:
    """A recorded campaign, and an agent who has a call."""
    async with (
        open_house(folder, redis_url, FixedWorld(default=patient)) as house,
        serve(EngineServices(house.marcador), HttpConfig(port=0)) as url,
        aiohttp.ClientSession(url, cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        site = Site(house.marcador.ledger, url, http)
        body = {
            "name": "mayo",
            "portfolio_id": house.portfolio.portfolio_id,
            "settings": {"mode": Mode.PROGRESSIVE, "record": "all"},
        }
        made = await site.call("POST", "campaigns", role=Role.MANAGER, json=body)
        assert made.status == 201, made.raw
        await site.call("POST", f"campaigns/{made.json['campaign_id']}/start", role=Role.MANAGER)
        ears = Ears(await site.socket(await site.token(await site.user(Role.AGENT, "ana"))))
        await ears.until("snapshot")
        await ears.client.say(type="ready")
        call = (await ears.until("call_connected"))["call"]
        assert isinstance(call, dict)
        yield house, site, ears, str(call["call_id"])


async def audited(site: Site, target: str) -> list[str]:
    async with site.ledger.read() as conn:
        return [entry.action for entry in reversed(await list_audit(conn, target=target))]


def only(reply: Reply, name: str) -> dict[str, Json]:
    found = reply.json[name]
    assert isinstance(found, list)
    (one,) = found
    assert isinstance(one, dict)
    return one


async def test_a_supervisor_over_http(tmp_path: Path, redis_url: str) -> None:
    async with one_talks(tmp_path, redis_url) as (house, site, _, call_id):
        listed = await site.call("GET", "conversations", role=Role.SUPERVISOR)
        talk = only(listed, "conversations")
        assert talk["call_id"] == call_id
        assert not {"person_id", "person_name", "number", "debts"} & talk.keys()
        body = {"agent_id": talk["agent_id"], "mode": "whisper"}
        nobody = {"agent_id": "01NOBODY", "mode": "listen"}
        refused = await site.call("POST", "supervision", role=Role.SUPERVISOR, json=nobody)
        assert (refused.status, refused.code) == (409, "not_talking")
        for role in (Role.AGENT, Role.MANAGER, Role.COMPLIANCE):
            assert (await site.call("POST", "supervision", role=role, json=body)).status == 403
        begun = await site.call("POST", "supervision", role=Role.SUPERVISOR, json=body)
        assert (begun.status, begun.json["mode"]) == (201, "whisper")

        while True:
            mine = await site.call("GET", "supervision", role=Role.SUPERVISOR)
            if mine.json["state"] == "active":
                break
        changed = await site.call(
            "PATCH", "supervision", role=Role.SUPERVISOR, json={"mode": "barge"}
        )
        assert changed.json["mode"] == "barge"
        assert (await site.call("DELETE", "supervision", role=Role.SUPERVISOR)).status == 204
        gone = await site.call("DELETE", "supervision", role=Role.SUPERVISOR)
        assert (gone.status, gone.code) == (409, "not_supervising")
        assert await audited(site, call_id) == [
            "call.whisper",
            "call.barge",
            "call.supervision_end",
        ]
        inbound = await site.call("GET", "inbound", role=Role.SUPERVISOR)
        assert inbound.json["received"] == 0
        assert house.engine.calls.get(call_id) is not None


async def test_who_listens_to_a_recording_is_on_record(tmp_path: Path, redis_url: str) -> None:
    async with one_talks(tmp_path, redis_url) as (house, site, ears, call_id):
        await until(lambda: house.engine.floor.recordings.state_of(call_id) == "recording")
        await ears.client.say(type="hang_up", call_id=call_id)
        await ears.until("call_over")
        query = {"attempt_id": call_id, "state": "kept"}

        found = await site.call("GET", "recordings", role=Role.COMPLIANCE, params=query)
        async with asyncio.timeout(PATIENCE_S):
            while not found.json["recordings"]:
                found = await site.call("GET", "recordings", role=Role.COMPLIANCE, params=query)
        row = only(found, "recordings")
        recording_id, path = str(row["recording_id"]), f"recordings/{row['recording_id']}/audio"
        assert (await site.call("GET", path, role=Role.MANAGER)).status == 403
        assert await audited(site, recording_id) == []
        heard = await site.call("GET", path, role=Role.SUPERVISOR)
        assert (heard.status, heard.headers["Content-Type"]) == (200, "audio/wav")
        assert heard.headers["Cache-Control"] == "no-store"
        with wave.open(BytesIO(heard.raw)) as sound:
            assert sound.getnframes() > 0
        assert await audited(site, recording_id) == [LISTEN_ACTION]
        files = RecordingFiles(house.marcador.config.recordings_path)
        files.path(str(row["sha256"])).write_bytes(b"RIFF another voice")
        spoiled = await site.call("GET", path, role=Role.SUPERVISOR)
        assert (spoiled.status, spoiled.code) == (404, "recording_gone")
        unknown = await site.call("GET", "recordings/01NONE/audio", role=Role.SUPERVISOR)
        assert (unknown.status, unknown.code) == (404, "not_found")
