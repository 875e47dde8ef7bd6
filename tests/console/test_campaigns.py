"""Campaigns over HTTP, and their live figures as they happen."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import aiohttp
import msgspec
import pytest

from campaigns.campaign import CampaignAction, CampaignState
from dialer.console import sse
from dialer.core.figures import LiveFigures
from dialer.stores.ledger.portfolios import create_portfolio
from dialer.stores.ledger.users import Role, set_active
from tests.console.world import World, now_ms
from tests.stores.ledger.relational.world import account, bring_in, new_context, some_portfolio


async def campaign(world: World, name: str = "mayo", **settings: object) -> str:
    made = some_portfolio(f"cartera de {name}")
    async with world.ledger.write() as conn:
        await create_portfolio(conn, made)
    body = {"name": name, "portfolio_id": made.portfolio_id, "settings": settings}
    reply = await world.call("POST", "campaigns", role=Role.MANAGER, json=body)
    assert reply.status == 201, reply.raw
    return str(reply.json["campaign_id"])


async def act(world: World, campaign_id: str, action: str, role: Role = Role.MANAGER) -> str:
    reply = await world.call("POST", f"campaigns/{campaign_id}/{action}", role=role)
    return str(reply.json["state"]) if reply.status == 200 else reply.code


async def test_a_campaign_enrols_its_accounts_when_it_is_made(world: World) -> None:
    context = await new_context(world.ledger)
    await bring_in(world.ledger, context, account("A-1"), account("A-2"))
    body = {"name": "c", "portfolio_id": context.portfolio.portfolio_id}
    made = await world.call("POST", "campaigns", role=Role.MANAGER, json=body)
    one = await world.call("GET", f"campaigns/{made.json['campaign_id']}", role=Role.SUPERVISOR)
    assert one.json["accounts"] == {"ready": 2, "waiting": 0, "done": 0}
    assert one.json["possible"] == ["start", "abort"]
    listed = await world.call("GET", "campaigns", role=Role.COMPLIANCE)
    assert listed.json["campaigns"] == [made.json]


async def test_settings_are_checked_and_can_change(world: World) -> None:
    campaign_id = await campaign(world, ring_timeout_s=20)
    path = f"campaigns/{campaign_id}/settings"
    before = (await world.call("GET", f"campaigns/{campaign_id}", role=Role.MANAGER)).json
    for change, where in (
        ({"ring_timeout_s": 5}, "ring_timeout_s"),
        ({"target_abandonment": 0.5}, "target_abandonment"),
        ({"mode": "blast"}, ""),
        ({"speed": 9}, "speed"),
    ):
        bad = await world.call("PUT", path, role=Role.MANAGER, json=change)
        assert (bad.status, bad.code, bad.error["where"]) == (422, "bad_field", where)
    good = await world.call("PUT", path, role=Role.MANAGER, json={"ring_timeout_s": 30})
    settings = good.json["settings"]
    assert isinstance(settings, dict)
    assert settings["ring_timeout_s"] == 30
    assert good.json["settings_sha256"] != before["settings_sha256"]
    await act(world, campaign_id, "abort")
    late = await world.call("PUT", path, role=Role.MANAGER, json={"ring_timeout_s": 40})
    assert (late.status, late.code) == (409, "impossible_action")


async def test_a_campaign_goes_through_its_states(world: World) -> None:
    campaign_id = await campaign(world)
    for action, state in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "draining"),
    ):
        assert await act(world, campaign_id, action) == state
    trail = await world.call("GET", "audit", role=Role.ADMIN, params={"target": campaign_id})
    entries = trail.json["entries"]
    assert isinstance(entries, list)
    actions = [entry["action"] for entry in entries if isinstance(entry, dict)]
    assert actions[:2] == ["campaign.stop", "campaign.resume"]
    actors = {entry["actor"] for entry in entries if isinstance(entry, dict)}
    assert actors == {world.users[Role.MANAGER].user_id}


@pytest.mark.parametrize(
    ("done", "impossible", "possible"),
    [
        ([], "pause", "start, abort"),
        ([], "resume", "start, abort"),
        (["start"], "start", "pause, stop, abort"),
        (["start", "stop"], "resume", "complete, abort"),
        (["abort"], "start", "-"),
    ],
)
async def test_impossible_steps_name_the_possible_ones(
    world: World, done: list[str], impossible: str, possible: str
) -> None:
    campaign_id = await campaign(world)
    for action in done:
        await act(world, campaign_id, action)
    reply = await world.call("POST", f"campaigns/{campaign_id}/{impossible}", role=Role.MANAGER)
    assert (reply.status, reply.code) == (409, "impossible_action")
    assert reply.error["mend"] == f"Admite: {possible}."


async def test_compliance_may_brake_and_not_start(world: World) -> None:
    campaign_id = await campaign(world)
    assert await act(world, campaign_id, "start", Role.COMPLIANCE) == "forbidden"
    assert await act(world, campaign_id, "start") == "running"
    assert await act(world, campaign_id, "pause", Role.COMPLIANCE) == "paused"
    assert await act(world, campaign_id, "resume", Role.COMPLIANCE) == "forbidden"
    assert await act(world, campaign_id, "resume", Role.SUPERVISOR) == "running"


async def test_nobody_completes_a_campaign_by_hand(world: World) -> None:
    campaign_id = await campaign(world)
    assert await act(world, campaign_id, CampaignAction.COMPLETE) == "no_such_path"


async def test_the_safety_catch_is_told(world: World) -> None:
    campaign_id = await campaign(world)
    world.services.campaigns.unsafe = True
    assert await act(world, campaign_id, "start") == "unsafe_dialing"


async def test_names_and_portfolios_that_cannot_be(world: World) -> None:
    await campaign(world)
    body = {"name": "mayo", "portfolio_id": "nowhere"}
    taken = await world.call("POST", "campaigns", role=Role.MANAGER, json=body)
    assert (taken.status, taken.code) == (409, "name_taken")
    body = {"name": "junio", "portfolio_id": "nowhere"}
    nowhere = await world.call("POST", "campaigns", role=Role.MANAGER, json=body)
    assert (nowhere.status, nowhere.error["where"]) == (404, "portfolio_id")
    body = {"name": "   ", "portfolio_id": "nowhere"}
    blank = await world.call("POST", "campaigns", role=Role.MANAGER, json=body)
    assert (blank.status, blank.error["where"]) == (422, "name")


# --- live figures --------------------------------------------------------------------------------


def figures(campaign_id: str, dialed: int) -> LiveFigures:
    return LiveFigures(
        campaign_id=campaign_id,
        campaign="mayo",
        state=CampaignState.RUNNING,
        at=datetime.now(UTC),
        dialed=dialed,
        queue={"ready": 3},
    )


class Event(msgspec.Struct, frozen=True):
    event_id: str | None
    name: str
    figures: LiveFigures


class Reader:
    """A board that reads server-sent events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.comments = 0

    async def next(self) -> Event:
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for raw in self.response.content:
                line = raw.decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    decoded = msgspec.json.decode(fields["data"], type=LiveFigures)
                    return Event(fields.get("id"), fields["event"], decoded)
        raise EOFError

    async def until_alive(self) -> None:
        """Wait for a sign of life."""
        async with asyncio.timeout(10):
            async for raw in self.response.content:
                if raw.startswith(b":"):
                    return
        raise EOFError

    async def until_over(self) -> None:
        async with asyncio.timeout(10):
            async for _ in self.response.content:
                pass


async def watch(world: World, campaign_id: str, last_id: str | None = None) -> Reader:
    headers = {"Authorization": f"Bearer {await world.token_of(Role.SUPERVISOR)}"}
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    response = await world.http.get(f"/api/v1/campaigns/{campaign_id}/live/stream", headers=headers)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    return Reader(response)


async def test_figures_of_now(world: World) -> None:
    campaign_id = await campaign(world)
    path = f"campaigns/{campaign_id}/live"
    assert (await world.call("GET", path, role=Role.SUPERVISOR)).json == {"figures": None}
    world.services.campaigns.figures[campaign_id] = figures(campaign_id, 7)
    now = (await world.call("GET", path, role=Role.SUPERVISOR)).json["figures"]
    assert isinstance(now, dict)
    assert now["dialed"] == 7


async def test_a_board_sees_figures_as_they_come_and_signs_of_life(world: World) -> None:
    campaign_id = await campaign(world)
    world.services.campaigns.figures[campaign_id] = figures(campaign_id, 1)
    feed = world.services.campaigns.feed(campaign_id)
    await feed.publish(msgspec.json.encode(figures(campaign_id, 0)))
    reader = await watch(world, campaign_id)
    first = await reader.next()
    assert (first.event_id, first.figures.dialed) == (None, 1), "what is now, not what was"
    await reader.until_alive()
    for dialed in (2, 3):
        event_id = await feed.publish(msgspec.json.encode(figures(campaign_id, dialed)))
        event = await reader.next()
        assert (event.event_id, event.name, event.figures.dialed) == (event_id, "figures", dialed)
    reader.response.close()


async def test_a_board_goes_on_where_it_was(world: World) -> None:
    campaign_id = await campaign(world)
    feed = world.services.campaigns.feed(campaign_id)
    ids = [
        await feed.publish(msgspec.json.encode(figures(campaign_id, dialed))) for dialed in range(5)
    ]
    reader = await watch(world, campaign_id, ids[1])
    missed = [await reader.next() for _ in range(3)]
    assert [event.event_id for event in missed] == ids[2:]
    assert [event.figures.dialed for event in missed] == [2, 3, 4]
    reader.response.close()
    path = f"campaigns/{campaign_id}/live/stream"
    for odd in ("yesterday", "1-2-3", "1\u0660-0"):
        bad = await world.call("GET", path, role=Role.SUPERVISOR, params={"last_event_id": odd})
        assert (bad.status, bad.code, bad.error["where"]) == (400, "bad_query", "Last-Event-ID")


async def test_a_board_of_somebody_who_is_out_goes_dark(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "RECHECK_S", 0.0)
    campaign_id = await campaign(world)
    reader = await watch(world, campaign_id)
    await reader.until_alive()
    await world.user(Role.ADMIN)
    async with world.ledger.write() as conn:
        user_id = world.users[Role.SUPERVISOR].user_id
        await set_active(conn, user_id, active=False, actor="tests", now_ms=now_ms())
    await reader.until_over()


async def test_boards_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "STREAMS_MAX", 1)
    campaign_id = await campaign(world)
    reader = await watch(world, campaign_id)
    path = f"campaigns/{campaign_id}/live/stream"
    second = await world.call("GET", path, role=Role.SUPERVISOR)
    assert (second.status, second.code) == (503, "busy")
    reader.response.close()


async def test_there_is_no_board_of_nothing(world: World) -> None:
    for path in ("campaigns/none/live/stream", "campaigns/none/live", "campaigns/none"):
        reply = await world.call("GET", path, role=Role.SUPERVISOR)
        assert (reply.status, reply.code) == (404, "not_found")
