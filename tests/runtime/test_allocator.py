"""Agents between campaigns: given by weight, lent where a person waits, never at others' cost."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaigns.campaign import AccountFilter, CampaignAction, CampaignSettings
from compliance.types import CampaignId, Mode
from dialer.core.agent import AgentSession, AgentState
from dialer.core.allocation import Claim
from dialer.core.desk_messages import CallView
from dialer.runtime.allocator import Allocator
from dialer.runtime.clock import WallClock
from dialer.runtime.desk import Desk
from dialer.stores.redis import EmbeddedRedis, RedisClient
from dialer.stores.redis.presence import AgentPool
from telephony_adapters.messages import CallId
from tests.support.fixed_world import FixedWorld
from tests.support.house import House, open_house

A, B = CampaignId("a"), CampaignId("b")
CALL = CallId("c" * 32)


class Floor:
    """Calls in progress without an agent, by campaign; and who waits."""

    def __init__(self) -> None:
        self.under_way: Counter[CampaignId] = Counter()
        self.waiting: list[CampaignId] = []
        self.served: list[tuple[CallId, str, CampaignId | None]] = []

    def is_waiting(self, campaign_id: CampaignId) -> bool:
        return campaign_id in self.waiting

    def without_agent(self, campaign_id: CampaignId) -> int:
        return self.under_way[campaign_id]

    # The desk's observer.

    def agent_changed(self, before: AgentSession | None, after: AgentSession) -> None:
        pass

    def next_waiting(self, campaign_id: CampaignId) -> CallId | None:
        if campaign_id not in self.waiting:
            return None
        self.waiting.remove(campaign_id)
        return CALL

    def assign_waiting(self, call_id: CallId, session: AgentSession) -> None:
        self.served.append((call_id, session.agent_id, session.campaign_id))


class Shop:
    def __init__(self, redis: RedisClient) -> None:
        self.floor = Floor()
        self.desk = Desk(
            clock=WallClock(), pools=lambda campaign: AgentPool(redis, campaign), presence_s=60
        )
        self.allocator = Allocator(self.desk, self.floor)
        self.desk.guide = self.allocator
        self.desk.observe(self.floor)

    async def agents(self, *names: str, team: str = "") -> None:
        for name in names:
            self.desk.join(agent_id=name, session_id=name, name=name, language="es", team=team)
            await self.desk.ready(name)

    def homes(self) -> dict[str, CampaignId | None]:
        return {s.agent_id: s.campaign_id for s in self.desk.sessions()}


@pytest.fixture
def shop(redis_client: RedisClient) -> Shop:
    return Shop(redis_client)


async def test_an_idle_agent_is_lent_to_a_person_who_waits(shop: Shop) -> None:
    await shop.agents("ana", "bea")
    await shop.allocator.allot([Claim(campaign_id=A), Claim(campaign_id=B)])
    own = await shop.desk.take(A, CALL)
    assert own is not None
    assert await shop.desk.take(A, CALL) is None
    lent = await shop.desk.borrow(A, CALL)
    assert lent is not None
    assert {own.agent_id, lent.agent_id} == {"ana", "bea"}
    assert (lent.campaign_id, lent.state) == (A, AgentState.RESERVED)
    assert await shop.desk.take(B, CALL) is None


async def test_nobody_is_lent_whom_their_own_calls_may_need(shop: Shop) -> None:
    await shop.agents("ana", "bea")
    await shop.allocator.allot([Claim(campaign_id=A), Claim(campaign_id=B)])
    await shop.desk.take(A, CALL)
    shop.floor.under_way[B] = 1
    assert await shop.desk.borrow(A, CALL) is None
    assert await shop.desk.take(B, CALL) is not None


async def test_nobody_is_lent_to_a_campaign_that_their_team_may_not_serve(shop: Shop) -> None:
    await shop.agents("ana", team="late")
    claims = [Claim(campaign_id=A, teams=frozenset({"early"})), Claim(campaign_id=B)]
    await shop.allocator.allot(claims)
    assert shop.homes() == {"ana": B}
    assert await shop.desk.borrow(A, CALL) is None


async def test_who_becomes_idle_serves_the_person_who_waits_elsewhere(shop: Shop) -> None:
    await shop.allocator.allot([Claim(campaign_id=A), Claim(campaign_id=B, most=0)])
    await shop.agents("ana")
    await shop.allocator.allot([Claim(campaign_id=A), Claim(campaign_id=B, most=0)])
    await shop.desk.take(A, CALL)
    shop.floor.waiting = [B]
    await shop.desk.release("ana")
    assert shop.floor.served == [(CALL, "ana", B)]


async def test_an_idle_agent_does_not_leave_calls_that_ring(shop: Shop) -> None:
    await shop.agents("ana", "bea")
    await shop.allocator.allot([Claim(campaign_id=A)])
    shop.floor.under_way[A] = 2
    await shop.allocator.allot([Claim(campaign_id=A), Claim(campaign_id=B)])
    assert shop.homes() == {"ana": A, "bea": A}
    shop.floor.under_way[A] = 1
    await shop.allocator.allot([Claim(campaign_id=A), Claim(campaign_id=B)])
    assert sorted(shop.homes().values(), key=str) == [A, B]


async def test_an_agent_changes_campaigns_after_the_wrap_up(shop: Shop) -> None:
    await shop.agents("ana")
    await shop.allocator.allot([Claim(campaign_id=A)])
    taken = await shop.desk.take(A, CALL)
    assert taken is not None
    view = CallView(
        call_id=CALL,
        campaign="a",
        person_name="",
        number_masked="",
        language=None,
        country=None,
        person_local_time=None,
        connected_at=datetime.now(UTC),
    )
    shop.desk.connected("ana", view)
    shop.desk.call_over("ana", CALL, 60)
    await shop.allocator.allot([Claim(campaign_id=A, priority=1), Claim(campaign_id=B)])
    assert shop.homes() == {"ana": A}
    await shop.desk.disposed("ana", CALL, "CD-NC", "agent")
    assert shop.homes() == {"ana": B}
    assert await shop.desk.take(A, CALL) is None
    assert await shop.desk.take(B, CALL) is not None


# --- in the whole house -------------------------------------------------------------------------


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def _settings(weight: int, priority: int = 5) -> CampaignSettings:
    return CampaignSettings(mode=Mode.PROGRESSIVE, weight=weight, priority=priority)


def _by_campaign(house: House) -> Counter[CampaignId | None]:
    return Counter(session.campaign_id for session in house.engine.desk.sessions())


async def test_one_team_serves_two_campaigns_by_weight(tmp_path: Path, redis_url: str) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld()) as house:
        first = await house.campaign("first", settings=_settings(3))
        second = await house.campaign("second", settings=_settings(1))
        for number in range(8):
            await house.agent(f"agent{number}")
        assert _by_campaign(house) == {first.campaign_id: 6, second.campaign_id: 2}
        await house.engine.act(first.campaign_id, CampaignAction.PAUSE, actor="test")
        await house.engine.own_campaigns()
        assert _by_campaign(house) == {second.campaign_id: 8}
        await house.engine.act(first.campaign_id, CampaignAction.RESUME, actor="test")
        await house.engine.own_campaigns()
        assert _by_campaign(house) == {first.campaign_id: 6, second.campaign_id: 2}


async def test_where_nobody_is_to_be_called_agents_go_to_where_somebody_is(
    tmp_path: Path, redis_url: str
) -> None:
    nobody = AccountFilter(products=("no such product",))
    empty = CampaignSettings(mode=Mode.PROGRESSIVE, priority=9, accounts=nobody)
    async with open_house(tmp_path, redis_url, FixedWorld()) as house:
        other = await house.campaign("other", settings=_settings(1))
        urgent = await house.campaign("urgent", settings=empty)
        runner = house.engine.runner_of(urgent.campaign_id)
        await house.until("it has looked at its queue", lambda: runner.claim().most == 0)
        for name in ("ana", "bea", "eva"):
            await house.agent(name)
        assert _by_campaign(house) == {other.campaign_id: 3}
