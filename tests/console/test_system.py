"""Health, figures, and listening."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from campaigns.campaign import CampaignAction
from dialer.config import HttpConfig
from dialer.console.server import CannotListen, PortTaken, _url, serve
from dialer.console.services import NotReady
from dialer.stores.ledger.users import Role
from telephony_adapters.nodes.carrier import NodeFigures
from tests.console.test_campaigns import campaign, figures
from tests.console.world import FakeServices, World


async def test_health_says_little_to_strangers(world: World) -> None:
    health = await world.call("GET", "/healthz")
    assert (health.status, health.json) == (200, {"status": "ok"})
    ready = await world.call("GET", "/readyz")
    assert (ready.status, ready.json) == (200, {"problems": []})
    world.services.problems = [NotReady.REDIS, NotReady.DRAINING]
    unready = await world.call("GET", "/readyz")
    assert (unready.status, unready.json) == (503, {"problems": ["redis_unavailable", "draining"]})


async def test_figures_are_for_this_machine_or_an_administrator(world: World) -> None:
    direct = await world.call("GET", "/metrics")
    assert direct.status == 200
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        proxied = {header: "203.0.113.9"}
        reply = await world.call("GET", "/metrics", headers=proxied)
        assert (reply.status, reply.code) == (401, "no_credentials"), header
        admin = await world.call("GET", "/metrics", role=Role.ADMIN, headers=proxied)
        assert admin.status == 200
        manager = await world.call("GET", "/metrics", role=Role.MANAGER, headers=proxied)
        assert manager.status == 403


async def test_a_page_whose_name_leads_here_sees_no_figures(world: World) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example:8460", "[", ""):
        reply = await world.call("GET", "/metrics", headers={"Host": host})
        assert reply.status in (400, 401), host
    for host in ("localhost:8460", "[::1]:8460", "127.0.0.1"):
        assert (await world.call("GET", "/metrics", headers={"Host": host})).status == 200, host


async def test_what_prometheus_reads(world: World) -> None:
    campaign_id = await campaign(world)
    actor = world.users[Role.MANAGER].user_id
    await world.services.campaigns.act(campaign_id, CampaignAction.START, actor=actor)
    world.services.campaigns.figures[campaign_id] = figures(campaign_id, 42)
    world.services.carrier["webhooks_bad_signature"] = 7
    world.services.carrier_nodes.append(
        NodeFigures(
            name="sur",
            up=True,
            draining=False,
            lines=12,
            legs=3,
            links=1,
            given_up=0,
            refused_lines=0,
            refused_rate=5,
        )
    )
    world.services.providers["smtp"] = {"inbox_replies": 3}
    ana = await world.user(Role.AGENT, "ana")
    client = await world.socket(await world.token(ana))
    await client.hear()
    await client.say(type="ready")
    await client.hear()
    await world.call("GET", f"campaigns/{campaign_id}?name=secret", role=Role.MANAGER)
    page = await world.call("GET", "/metrics")
    assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = page.raw.decode().splitlines()
    for line in (
        'marcador_campaign{campaign="mayo",figure="dialed"} 42.0',
        'marcador_campaign{campaign="mayo",figure="queue_ready"} 3.0',
        'marcador_agents{state="ready"} 1.0',
        'marcador_carrier{count="webhooks_bad_signature"} 7.0',
        'marcador_node{figure="up",node="sur"} 1.0',
        'marcador_node{figure="lines",node="sur"} 12.0',
        'marcador_node{figure="refused_rate",node="sur"} 5.0',
        'marcador_message_provider{count="inbox_replies",provider="smtp"} 3.0',
        "marcador_agent_sockets 1.0",
        'marcador_agent_messages_total{direction="sent"} 2.0',
    ):
        assert line in lines
    text = page.raw.decode()
    assert 'route="/api/v1/campaigns/{campaign_id}"' in text
    assert campaign_id not in text, "ids would make a figure of each"


async def test_a_taken_port_is_told_with_how_to_mend_it(services: FakeServices) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            async with serve(services, HttpConfig(port=port)):
                pytest.fail("it listens where another program does")
    assert caught.value.where == f"127.0.0.1:{port}"
    assert "http.port" in caught.value.mend
    async with serve(services, HttpConfig(port=port)) as url:
        assert url == f"http://127.0.0.1:{port}", "as soon as it is free, it can be had"


async def test_an_address_of_another_machine(services: FakeServices) -> None:
    with pytest.raises(CannotListen) as caught:
        async with serve(services, HttpConfig(host="203.0.113.1", port=0)):
            pytest.fail("it listens on an address of another machine")
    assert not isinstance(caught.value, PortTaken)
    assert "http.host" in caught.value.mend


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8460"),
        ("0.0.0.0", "http://127.0.0.1:8460"),  # noqa: S104  # only a text
        ("::", "http://[::1]:8460"),
        ("::1", "http://[::1]:8460"),
        ("localhost", "http://localhost:8460"),
    ],
)
def test_the_url_can_be_opened_from_here(host: str, url: str) -> None:
    assert _url(host, 8460) == url


async def test_a_server_stops_though_readers_hang_on(services: FakeServices) -> None:
    async with aiohttp.ClientSession() as http:
        async with serve(services, services.config.http) as url:
            world = World(services, url, http)
            world_campaign = await _campaign(world, url)
            token = await world.token_of(Role.SUPERVISOR)
            response = await http.get(
                f"{url}/api/v1/campaigns/{world_campaign}/live/stream",
                headers={"Authorization": f"Bearer {token}"},
            )
            assert response.status == 200
            stopping_s = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - stopping_s < 4
        await response.read()


async def _campaign(world: World, url: str) -> str:
    async with aiohttp.ClientSession(url) as http:
        return await campaign(World(world.services, url, http))
