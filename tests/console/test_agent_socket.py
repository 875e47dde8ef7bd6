"""The agents' WebSocket: who gets a seat, what outlives a connection, and what is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from dialer.console import agent_socket
from dialer.console.agent_socket import MAX_MESSAGE_BYTES, OUTBOX_MESSAGES, Close
from dialer.console.auth import COOKIE
from dialer.console.server import serve
from dialer.core.agent import AgentState
from dialer.core.desk_messages import CallOver, Heartbeat, SetReady
from dialer.stores.ledger.database import LedgerUnavailable, Trouble
from dialer.stores.ledger.users import Role, User, set_active
from telephony_adapters.errors import CarrierUnavailable
from tests.console.world import AgentClient, FakeServices, World, now_ms

PATH = "/api/v1/agent/socket"


@pytest.fixture
async def ana(world: World) -> User:
    return await world.user(Role.AGENT, "ana")


async def seated(world: World, user: User) -> tuple[str, AgentClient]:
    """A token and a connection that has its first snapshot behind it."""
    token = await world.token(user)
    client = await world.socket(token)
    assert (await client.hear())["type"] == "snapshot"
    return token, client


async def until_alone(world: World, user: User) -> None:
    """Wait until the server has noticed that the agent's connection is gone."""
    async with asyncio.timeout(10):
        while True:
            seat = world.services.desk.seat(user.user_id)
            if seat is None or seat.outbox is None:
                return
            await asyncio.sleep(0.005)


def state_of(world: World, user: User) -> AgentState | None:
    seat = world.services.desk.seat(user.user_id)
    return None if seat is None else seat.session.state


# --- a shift -------------------------------------------------------------------------------------


async def test_from_login_to_logout(world: World, ana: User) -> None:
    token = await world.token(ana)
    client = await world.socket(token)
    snapshot = await client.hear()
    assert (snapshot["type"], snapshot["seq"], snapshot["state"]) == ("snapshot", 1, "paused")
    assert snapshot["name"] == ana.display_name
    await client.say(type="ready")
    changed = await client.hear()
    assert (changed["type"], changed["seq"], changed["state"]) == ("agent_changed", 2, "ready")
    own = await world.call("GET", "agent", token=token)
    assert (own.json["state"], own.json["connected"]) == ("ready", True)
    await client.say(type="pause", reason="meal")
    assert (await client.hear())["pause_reason"] == "meal"
    await client.say(type="logout")
    assert (await client.hear())["state"] == "offline"
    assert await client.closed() == 1000
    assert state_of(world, ana) is None
    assert (await world.call("GET", "agent", token=token)).code == "not_found"


async def test_supervisors_see_who_is_there(world: World, ana: User) -> None:
    _, client = await seated(world, ana)
    await client.say(type="ready")
    await client.hear()
    reply = await world.call("GET", "agents", role=Role.SUPERVISOR)
    agents = reply.json["agents"]
    assert isinstance(agents, list)
    assert len(agents) == 1
    agent = agents[0]
    assert isinstance(agent, dict)
    assert (agent["agent_id"], agent["state"], agent["connected"]) == (ana.user_id, "ready", True)


async def test_every_message_is_a_sign_of_presence(world: World, ana: User) -> None:
    _, client = await seated(world, ana)
    seat = world.services.desk.seat(ana.user_id)
    assert seat is not None
    seat.last_seen_s -= 1_000
    before_s = seat.last_seen_s
    await client.say(type="heartbeat")
    await client.say(type="ready")
    await client.hear()
    assert seat.last_seen_s > before_s + 900
    assert Heartbeat() in world.services.agents.handled


# --- who gets in ---------------------------------------------------------------------------------


async def refused(world: World, headers: dict[str, str]) -> tuple[int, str]:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    reply = await world.call("GET", "agent/socket", headers={**upgrade, **key, **headers})
    return reply.status, reply.code


async def test_three_ways_to_say_who_one_is(world: World, ana: User) -> None:
    token = await world.token(ana)
    bearer, cookie = {"Authorization": f"Bearer {token}"}, {"Cookie": f"{COOKIE}={token}"}
    browsers = ("marcador.v1", f"bearer.{token}")
    for headers, protocols, chosen in (
        (bearer, (), None),
        (cookie, (), None),
        ({}, browsers, "marcador.v1"),
    ):
        client = await world.socket(None, headers=headers, protocols=protocols)
        assert (await client.hear())["type"] == "snapshot"
        assert client.socket.protocol == chosen, "the token is not repeated in the answer"
        await client.socket.close()


async def test_nobody_else_gets_in(world: World, ana: User) -> None:
    assert await refused(world, {}) == (401, "no_credentials")
    wrong = {"Sec-WebSocket-Protocol": "marcador.v1, bearer.mrc_wrong"}
    assert await refused(world, wrong) == (401, "bad_token")
    assert await refused(world, {"Authorization": "Bearer mrc_wrong"}) == (401, "bad_token")
    manager = {"Authorization": f"Bearer {await world.token_of(Role.MANAGER)}"}
    assert await refused(world, manager) == (403, "forbidden")
    assert world.services.desk.sessions() == []


async def test_a_page_of_another_origin_gets_no_socket(world: World, ana: User) -> None:
    cookie = {"Cookie": f"{COOKIE}={await world.token(ana)}"}
    for origin in (
        "https://evil.example",
        "null",
        f"{world.url}.evil.example",
        "http://",
        "http://[",
    ):
        assert await refused(world, {**cookie, "Origin": origin}) == (403, "bad_origin"), origin
    client = await world.socket(None, headers={**cookie, "Origin": world.url})
    assert (await client.hear())["type"] == "snapshot"


async def test_a_plain_request_is_told_so(world: World, ana: User) -> None:
    reply = await world.call("GET", "agent/socket", token=await world.token(ana))
    assert (reply.status, reply.code) == (400, "bad_request")


async def test_without_an_audio_leg_there_is_no_seat(world: World, ana: User) -> None:
    world.services.agents.fail = CarrierUnavailable("no carrier")
    client = await world.socket(await world.token(ana))
    refusal = await client.hear()
    assert (refusal["type"], refusal["code"]) == ("refused", "carrier_unavailable")
    assert await client.closed() == Close.NO_SEAT


# --- resuming ------------------------------------------------------------------------------------


async def test_what_was_missed_comes_after_a_reconnect(world: World, ana: User) -> None:
    token, client = await seated(world, ana)
    await client.say(type="ready")
    last = await client.hear()
    await client.socket.close()
    await until_alone(world, ana)
    assert state_of(world, ana) is AgentState.READY, "the session outlives its connection"
    await world.services.desk.pause_for_leg(ana.user_id)
    assert isinstance(last["seq"], int)

    client = await world.socket(token, seq=last["seq"])
    missed = await client.hear()
    assert (missed["type"], missed["seq"]) == ("agent_changed", last["seq"] + 1)
    assert missed["pause_reason"] == "technical"


async def test_who_missed_too_much_gets_a_snapshot(world: World, ana: User) -> None:
    token, client = await seated(world, ana)
    await client.socket.close()
    await until_alone(world, ana)
    seat = world.services.desk.seat(ana.user_id)
    assert seat is not None
    for number in range((seat.replay.maxlen or 0) + 1):
        seat.say(over(number))
    client = await world.socket(token, seq=1)
    assert (await client.hear())["type"] == "snapshot"


def over(number: int) -> CallOver:
    return CallOver(call_id=f"call-{number}", ended_at=datetime.now(UTC), wrap_up_limit_s=60)


async def test_the_first_message_must_be_resume(world: World, ana: User) -> None:
    headers = {"Authorization": f"Bearer {await world.token(ana)}"}
    socket = await world.http.ws_connect(PATH, headers=headers)
    client = AgentClient(socket)
    await client.say(type="ready", ref="r1")
    refusal = await client.hear()
    assert (refusal["code"], refusal["ref"], refusal["seq"]) == ("resume_first", "r1", 0)
    await socket.send_str("{")
    assert (await client.hear())["code"] == "bad_json"
    assert world.services.desk.sessions() == []
    await client.say(type="resume")
    assert (await client.hear())["type"] == "snapshot"


async def test_who_says_nothing_is_not_waited_for(
    world: World, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_socket, "RESUME_TIMEOUT_S", 0.05)
    headers = {"Authorization": f"Bearer {await world.token(ana)}"}
    client = AgentClient(await world.http.ws_connect(PATH, headers=headers))
    assert await client.closed() == Close.NOT_RESUMED


async def test_a_newer_connection_replaces_the_older(world: World, ana: User) -> None:
    token, older = await seated(world, ana)
    await older.say(type="ready")
    await older.hear()
    newer = await world.socket(token, seq=2)
    assert await older.closed() == Close.REPLACED
    await newer.say(type="pause")
    assert (await newer.hear())["state"] == "paused"
    await older.socket.close()
    await newer.say(type="ready")
    assert (await newer.hear())["state"] == "ready", "the older one's end does not end the newer"


# --- bad messages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code", "ref"),
    [
        ("{", "bad_json", None),
        ("[]", "bad_message", None),
        ("null", "bad_message", None),
        ('{"type":"dance","ref":"a1"}', "bad_message", "a1"),
        ('{"type":"ready","sure":true,"ref":"a2"}', "bad_message", "a2"),
        ('{"type":"hang_up","ref":"a3"}', "bad_message", "a3"),
        ('{"type":"dispose","call_id":7,"code":"x"}', "bad_message", None),
        ('{"type":"dispose","call_id":"c","code":"x","promise":{"amount_cents":"1"}}',
         "bad_message", None),
        ('{"type":"pause","reason":"nap"}', "bad_message", None),
        ('{"ref":"a4"}', "bad_message", "a4"),
        ("[" * 5_000, "bad_message", None),
        ('{"type":"ready","ref":' + "[" * 20_000 + "}", "bad_message", None),
        ("\ud83d".encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "bad_json", None),
    ],
)  # fmt: skip
async def test_bad_messages_are_refused_and_cost_nothing(
    world: World, ana: User, frame: str, code: str, ref: str | None
) -> None:
    _, client = await seated(world, ana)
    await client.socket.send_str(frame)
    refusal = await client.hear()
    assert (refusal["type"], refusal["code"], refusal["ref"]) == ("refused", code, ref)
    assert refusal["seq"] == 2
    assert str(refusal["message_es"]).startswith("El mensaje no se entiende")
    await client.say(type="ready")
    assert (await client.hear())["state"] == "ready"


async def test_binary_frames_are_refused(world: World, ana: User) -> None:
    _, client = await seated(world, ana)
    await client.socket.send_bytes(b'{"type":"ready"}')
    assert (await client.hear())["code"] == "not_text"
    assert state_of(world, ana) is AgentState.PAUSED


async def test_a_huge_message_costs_the_connection_but_not_the_session(
    world: World, ana: User
) -> None:
    token, client = await seated(world, ana)
    await client.say(type="ready")
    await client.hear()
    await client.socket.send_str('{"type":"ready","ref":"' + "x" * MAX_MESSAGE_BYTES + '"}')
    assert await client.closed() == 1009
    client = await world.socket(token, seq=2)
    await client.say(type="pause")
    assert (await client.hear())["state"] == "paused"


async def test_a_fault_of_ours_is_told_and_survived(world: World, ana: User) -> None:
    _, client = await seated(world, ana)
    world.services.agents.fail = ZeroDivisionError("secret detail")
    await client.say(type="ready", ref="r1")
    refusal = await client.hear()
    assert (refusal["code"], refusal["ref"]) == ("server_fault", "r1")
    assert "secret" not in str(refusal)
    away = LedgerUnavailable(Trouble.FULL, "/var/ledger", "disk full")
    world.services.agents.fail = away
    await client.say(type="ready", ref="r2")
    refusal = await client.hear()
    assert (refusal["code"], refusal["ref"]) == ("store_unavailable", "r2")
    assert "/var" not in str(refusal)
    await client.say(type="ready")
    assert (await client.hear())["state"] == "ready"


async def test_what_has_begun_is_finished_though_the_connection_goes(
    world: World, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections of one agent act one after the other, and nothing stops half way."""
    token, client = await seated(world, ana)
    agents = world.services.agents
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    order: list[str] = []
    real = agents.handle

    async def slow(agent_id: str, message: object) -> None:
        if isinstance(message, SetReady) and message.ref == "slow":
            begun.set()
            await go_on.wait()
            order.append("slow")
        elif isinstance(message, SetReady):
            order.append("next")
            ended.set()

    monkeypatch.setattr(agents, "handle", slow)
    await client.say(type="ready", ref="slow")
    await begun.wait()
    newer = await world.socket(token, seq=1)
    assert await client.closed() == Close.REPLACED
    await newer.say(type="ready", ref="next")
    assert order == []
    go_on.set()
    async with asyncio.timeout(10):
        await ended.wait()
    assert order == ["slow", "next"]
    monkeypatch.setattr(agents, "handle", real)


# --- bounds --------------------------------------------------------------------------------------


async def test_a_client_that_does_not_read_is_cut_off_and_can_come_back(
    world: World, ana: User
) -> None:
    token, client = await seated(world, ana)
    seat = world.services.desk.seat(ana.user_id)
    assert seat is not None
    assert seat.outbox is not None
    for number in range(OUTBOX_MESSAGES + 1):
        seat.say(over(number))  # without a pause, so that nothing can be sent meanwhile
    await until_alone(world, ana)
    assert await client.closed() in (0, aiohttp.WSCloseCode.ABNORMAL_CLOSURE)
    assert state_of(world, ana) is AgentState.PAUSED
    client = await world.socket(token, seq=seat.seq - 3)
    missed = await client.hear_all(3)
    assert [m["call_id"] for m in missed] == [f"call-{OUTBOX_MESSAGES - n}" for n in (2, 1, 0)]


async def test_a_client_whose_network_stands_still_is_cut_off(
    world: World, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, client = await seated(world, ana)
    send = web.WebSocketResponse.send_str

    async def stand_still(_socket: web.WebSocketResponse, _text: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(agent_socket, "SEND_TIMEOUT_S", 0.05)
    monkeypatch.setattr(web.WebSocketResponse, "send_str", stand_still)
    await client.say(type="ready")
    await client.closed()
    await until_alone(world, ana)
    assert state_of(world, ana) is AgentState.READY
    monkeypatch.setattr(web.WebSocketResponse, "send_str", send)
    client = await world.socket(token, seq=1)
    assert (await client.hear())["state"] == "ready", "what was not sent comes again"


async def test_a_whole_replay_fits_into_the_outbox(world: World, ana: User) -> None:
    token, client = await seated(world, ana)
    await client.socket.close()
    await until_alone(world, ana)
    seat = world.services.desk.seat(ana.user_id)
    assert seat is not None
    count = (seat.replay.maxlen or 0) - 1
    for number in range(count):
        seat.say(over(number))
    client = await world.socket(token, seq=1)
    missed = await client.hear_all(count)
    assert [m["seq"] for m in missed] == list(range(2, count + 2))


# --- the end of a session ------------------------------------------------------------------------


async def test_logging_out_over_http_ends_socket_and_seat(world: World, ana: User) -> None:
    token, client = await seated(world, ana)
    assert (await world.call("POST", "logout", token=token)).status == 204
    assert await client.closed() in (1000, Close.SESSION_ENDED)
    assert state_of(world, ana) is None
    assert await refused(world, {"Authorization": f"Bearer {token}"}) == (401, "bad_token")


async def test_a_deactivated_agent_is_off_the_floor_at_once(world: World, ana: User) -> None:
    token, client = await seated(world, ana)
    path = f"users/{ana.user_id}"
    assert (await world.call("PATCH", path, role=Role.ADMIN, json={"active": False})).status == 200
    assert await client.closed() in (1000, Close.SESSION_ENDED)
    assert state_of(world, ana) is None
    assert await refused(world, {"Authorization": f"Bearer {token}"}) == (401, "bad_token")


async def test_a_session_that_ends_elsewhere_is_noticed(
    world: World, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker, or the command line, deactivated the user."""
    monkeypatch.setattr(agent_socket, "RECHECK_S", 0.05)
    _, client = await seated(world, ana)
    await client.say(type="ready")
    await client.hear()
    await world.user(Role.ADMIN)
    async with world.ledger.write() as conn:
        await set_active(conn, ana.user_id, active=False, actor="elsewhere", now_ms=now_ms())
    assert await client.closed() == Close.SESSION_ENDED


async def test_when_the_server_stops_clients_are_told(services: FakeServices) -> None:
    async with aiohttp.ClientSession() as http:
        async with serve(services, services.config.http) as url:
            world = World(services, url, http)
            ana = await world.user(Role.AGENT, "ana")
            headers = {"Authorization": f"Bearer {await world.token(ana)}"}
            client = AgentClient(await http.ws_connect(f"{url}{PATH}", headers=headers))
            await client.say(type="resume")
            assert (await client.hear())["type"] == "snapshot"
            closing = asyncio.create_task(client.closed())
        assert await closing == aiohttp.WSCloseCode.GOING_AWAY
    assert services.desk.seat(ana.user_id) is not None, "the session waits for the next server"
