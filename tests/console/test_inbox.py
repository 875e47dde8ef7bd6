"""The inbox and the opt-out links over the real API, with the real engine behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest_asyncio
from sqlalchemy import RowMapping

from compliance.types import CampaignId, Channel
from dialer.config import HttpConfig
from dialer.console.routes.inbox import ThreadDetail, ThreadList
from dialer.console.server import serve
from dialer.runtime.services import EngineServices
from dialer.stores.ledger.schema import ledger_event, suppression
from dialer.stores.ledger.users import Role
from dialer.stores.redis import EmbeddedRedis, RedisClient
from tests.console.world import Site
from tests.support.letters import VALUES
from tests.support.post import WritingHouse, open_writing_house


@asynccontextmanager
async def open_site(
    folder: Path, redis_url: str, channel: Channel
) -> AsyncIterator[tuple[WritingHouse, Site]]:
    async with (
        open_writing_house(
            folder,
            redis_url,
            accounts=16,
            channels=(channel,),
            overrides={"http.public_url": "https://portal.example"},
        ) as house,
        serve(EngineServices(house.house.marcador), HttpConfig(port=0)) as url,
        aiohttp.ClientSession(url, cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        yield house, Site(house.ledger, url, http)


@pytest_asyncio.fixture
async def texts(
    tmp_path: Path, redis_server: EmbeddedRedis, redis_client: RedisClient
) -> AsyncIterator[tuple[WritingHouse, Site]]:
    async with open_site(tmp_path, redis_server.url, Channel.SMS) as opened:
        yield opened


@pytest_asyncio.fixture
async def mails(
    tmp_path: Path, redis_server: EmbeddedRedis, redis_client: RedisClient
) -> AsyncIterator[tuple[WritingHouse, Site]]:
    async with open_site(tmp_path, redis_server.url, Channel.EMAIL) as opened:
        yield opened


async def start(house: WritingHouse, site: Site, channel: Channel, template: str) -> str:
    body = {
        "name": "mayo",
        "portfolio_id": house.house.portfolio.portfolio_id,
        "settings": {
            "mode": "blast",
            "channel": channel,
            "message": {"templates": [template], "values": VALUES},
        },
    }
    made = await site.call("POST", "campaigns", role=Role.MANAGER, json=body)
    assert made.status == 201, made.raw
    campaign_id = str(made.json["campaign_id"])
    started = await site.call("POST", f"campaigns/{campaign_id}/start", role=Role.MANAGER)
    assert started.json["state"] == "running", started.raw
    await house.engine.own_campaigns()
    runner = house.engine.fleet.runner(CampaignId(campaign_id))
    assert runner is not None
    await house.house.until("some are sent", lambda: runner.tally.outcomes["DG-ET"] > 2)
    await house.engine.post.settled()
    return campaign_id


async def alone(house: WritingHouse) -> RowMapping:
    return (await house.messages(direction="out", state="delivered"))[0]


async def test_from_a_campaign_to_an_answer(texts: tuple[WritingHouse, Site]) -> None:
    house, site = texts
    campaign_id = await start(house, site, Channel.SMS, "contact-request-es")
    row = await alone(house)
    await house.hears(row["address"], "¿De qué se trata?")
    listed = await site.call("GET", "inbox", role=Role.AGENT)
    (thread,) = msgspec.json.decode(listed.raw, type=ThreadList).threads
    assert thread.reason == "free_text"
    assert row["address"] not in listed.raw.decode()
    path = f"inbox/{row['thread_id']}"
    shown = await site.call("GET", path, role=Role.SUPERVISOR)
    lines = msgspec.json.decode(shown.raw, type=ThreadDetail).messages
    assert lines[-1].text == "¿De qué se trata?"
    assert row["address"] not in shown.raw.decode()
    reply = f"{path}/reply"
    debt = await site.call("POST", reply, role=Role.AGENT, json={"text": "Usted debe $5.000"})
    assert (debt.status, debt.code) == (422, "reply_tells_too_much")
    for role in (Role.COMPLIANCE, Role.ADMIN):
        assert (await site.call("POST", reply, role=role, json={"text": "Hola"})).status == 403
    sent = await site.call("POST", reply, role=Role.AGENT, json={"text": "Llámenos, por favor"})
    assert sent.status == 201, sent.raw
    assert str(sent.json["text"]).startswith("Llámenos, por favor.")
    agent = site.users[Role.AGENT]
    (ours,) = await house.messages(message_id=sent.json["message_id"])
    assert (ours["author"], ours["state"]) == (agent.user_id, "sent")
    nobody = await site.call("POST", "inbox/sms:x/reply", role=Role.AGENT, json={"text": "Hola"})
    assert nobody.status == 404
    closed = await site.call(
        "POST", f"{path}/close", role=Role.AGENT, json={"resolution": "llamará mañana"}
    )
    assert closed.json["state"] == "closed"
    counts = await site.call("GET", f"campaigns/{campaign_id}/messages", role=Role.MANAGER)
    assert counts.json["replies"] == 1
    proofs = await house.rows(ledger_event, kind="attempt_planned")
    assert not any("Llámenos, por favor" in str(p["body"]) + str(p["record"]) for p in proofs)


async def test_a_start_that_cannot_send_says_why(texts: tuple[WritingHouse, Site]) -> None:
    house, site = texts
    body = {
        "name": "mal",
        "portfolio_id": house.house.portfolio.portfolio_id,
        "settings": {"mode": "blast", "channel": "sms", "message": {"templates": ["no-such"]}},
    }
    made = await site.call("POST", "campaigns", role=Role.MANAGER, json=body)
    started = await site.call(
        "POST", f"campaigns/{made.json['campaign_id']}/start", role=Role.MANAGER
    )
    assert (started.status, started.code) == (409, "cannot_send")
    assert "no está aprobado" in started.error["message"]
    bad = {**body, "name": "peor", "settings": {"mode": "blast", "channel": "sms"}}
    refused = await site.call("POST", "campaigns", role=Role.MANAGER, json=bad)
    assert (refused.status, refused.code) == (422, "bad_field")


async def test_one_click_and_the_mails_stop(mails: tuple[WritingHouse, Site]) -> None:
    house, site = mails
    await start(house, site, Channel.EMAIL, "request-email")
    mail = house.house.messenger.taken[0]
    assert mail.unsubscribe_url is not None
    path = mail.unsubscribe_url.removeprefix("https://portal.example")
    async with site.http.get(path, headers={"Accept-Language": "es"}) as page:
        assert page.status == 200
        assert "<form" in await page.text()
    assert await house.rows(suppression, channel="email", reason="opt_out") == []
    for _ in range(2):
        async with site.http.post(path, data={"List-Unsubscribe": "One-Click"}) as done:
            assert done.status == 200
            assert done.content_type == "text/html"
    (row,) = await house.messages(message_id=mail.message_id)
    stops = await house.rows(suppression, channel="email", reason="opt_out")
    assert row["person_id"] in {stop["person_id"] for stop in stops}
    told = [
        event
        for event in await house.rows(ledger_event, person_id=row["person_id"])
        if '"change":"opt_out"' in event["body"]
    ]
    assert len(told) == 1
    for bad in (path[:-1] + ("0" if path[-1] != "0" else "1"), "/u/x", "/u/email.x.y"):
        async with site.http.post(bad) as refused:
            assert refused.status == 404
