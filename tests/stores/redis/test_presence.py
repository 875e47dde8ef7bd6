from __future__ import annotations

import asyncio

import pytest

from dialer.core.agent import AgentState
from dialer.stores.redis import AgentPool, RedisClient

NOW_MS = 1_763_880_000_000
LATER_MS = NOW_MS + 30_000
READY, RESERVED, ON_CALL = AgentState.READY, AgentState.RESERVED, AgentState.ON_CALL


@pytest.fixture
def pool(redis_client: RedisClient) -> AgentPool:
    return AgentPool(redis_client, "team-a")


async def states(pool: AgentPool) -> dict[str, tuple[AgentState, int]]:
    return {agent.agent_id: (agent.state, agent.since_ms) for agent in await pool.snapshot()}


async def test_takes_whoever_has_been_idle_the_longest(pool: AgentPool) -> None:
    for agent, idle_s in (("ana", 5), ("beto", 90), ("carla", 40)):
        await pool.set_idle(agent, NOW_MS - idle_s * 1000, LATER_MS)
    taken = [await pool.take_longest_idle(NOW_MS) for _ in range(4)]
    assert taken == ["beto", "carla", "ana", None]
    assert set((await states(pool)).values()) == {(RESERVED, NOW_MS)}


async def test_skips_who_is_not_present_to_the_millisecond(pool: AgentPool) -> None:
    await pool.set_idle("gone", NOW_MS - 9000, NOW_MS + 10)
    await pool.set_idle("here", NOW_MS - 1000, LATER_MS)
    assert await pool.lapsed(NOW_MS + 9) == []
    assert await pool.lapsed(NOW_MS + 10) == ["gone"]
    assert not await pool.take("gone", NOW_MS + 10)
    assert await pool.take_longest_idle(NOW_MS + 10) == "here"
    assert await pool.take_longest_idle(NOW_MS + 10) is None
    assert await pool.renew("gone", LATER_MS)
    assert await pool.take_longest_idle(NOW_MS + 10) == "gone"


async def test_finds_the_one_behind_many_who_are_gone(pool: AgentPool) -> None:
    for n in range(100):
        await pool.set_idle(f"gone{n:03}", NOW_MS - 9000 + n, NOW_MS)
    await pool.set_idle("here", NOW_MS - 1, LATER_MS)
    assert await pool.take_longest_idle(NOW_MS) == "here"


async def test_takes_the_longest_idle_with_all_skills(pool: AgentPool) -> None:
    for agent, idle_s, skills in (
        ("ana", 50, ["es"]),
        ("beto", 40, ["es", "legal-late"]),
        ("carla", 30, ["es", "en", "legal"]),
        ("dora", 20, ["legal", "es"]),
    ):
        since_ms = NOW_MS - idle_s * 1000
        await pool.join(
            agent, state=READY, since_ms=since_ms, lease_until_ms=LATER_MS, skills=skills
        )
    assert await pool.take_longest_idle(NOW_MS, ["legal", "es"]) == "carla"
    assert await pool.take_longest_idle(NOW_MS, ["legal", "es"]) == "dora"
    assert await pool.take_longest_idle(NOW_MS, ["legal", "es"]) is None
    assert await pool.take_longest_idle(NOW_MS) == "ana"


async def test_a_callback_takes_its_own_agent_once_and_only_when_idle(pool: AgentPool) -> None:
    await pool.set_idle("ana", NOW_MS - 1, LATER_MS)
    await pool.set_idle("beto", NOW_MS - 2, LATER_MS)
    assert await pool.take("ana", NOW_MS)
    assert not await pool.take("ana", NOW_MS)
    assert not await pool.take("nobody", NOW_MS)
    assert await pool.take_longest_idle(NOW_MS) == "beto"


async def test_the_same_agent_is_never_taken_twice_at_once(pool: AgentPool) -> None:
    names = [f"a{n:02}" for n in range(40)]
    for name in names:
        await pool.set_idle(name, NOW_MS - 1, LATER_MS)
    taken = await asyncio.gather(*(pool.take_longest_idle(NOW_MS) for _ in range(60)))
    assert sorted(name for name in taken if name is not None) == names


async def test_states_change_only_from_where_they_are_expected(pool: AgentPool) -> None:
    assert not await pool.set_state("ana", ON_CALL, NOW_MS), "unknown agents do not appear"
    await pool.set_idle("ana", NOW_MS - 5, LATER_MS)
    assert not await pool.set_state("ana", ON_CALL, NOW_MS, expected=RESERVED)
    assert await pool.take_longest_idle(NOW_MS) == "ana"
    assert await pool.set_state("ana", ON_CALL, NOW_MS + 1, expected=RESERVED)
    assert not await pool.set_idle("ana", NOW_MS, LATER_MS, expected=RESERVED)
    assert await states(pool) == {"ana": (ON_CALL, NOW_MS + 1)}
    assert await pool.take_longest_idle(NOW_MS + 1) is None
    assert await pool.set_idle("ana", NOW_MS + 2, LATER_MS, expected=ON_CALL)
    assert await pool.set_state("ana", AgentState.PAUSED, NOW_MS + 3)
    assert await pool.take_longest_idle(NOW_MS + 3) is None


async def test_presence_is_renewed_only_forward_and_only_for_the_known(pool: AgentPool) -> None:
    assert not await pool.renew("ana", LATER_MS)
    assert await pool.snapshot() == []
    await pool.set_idle("ana", NOW_MS, LATER_MS)
    assert await pool.renew("ana", NOW_MS + 1)
    (ana,) = await pool.snapshot()
    assert ana.lease_until_ms == LATER_MS
    assert ana.present(LATER_MS - 1)
    assert not ana.present(LATER_MS)


async def test_the_sweep_does_not_remove_who_came_back(
    pool: AgentPool, redis_client: RedisClient
) -> None:
    await pool.join(
        "ana", state=READY, since_ms=NOW_MS, lease_until_ms=NOW_MS + 1, skills=["es", "en"]
    )
    assert await pool.lapsed(NOW_MS + 1) == ["ana"]
    await pool.renew("ana", LATER_MS)
    assert not await pool.remove("ana", lapsed_at_ms=NOW_MS + 1)
    (ana,) = await pool.snapshot()
    assert ana.skills == {"es", "en"}
    assert await pool.remove("ana", lapsed_at_ms=LATER_MS)
    assert not await pool.remove("ana")
    assert await redis_client.execute("DBSIZE") == 0


async def test_teams_do_not_see_each_other(pool: AgentPool, redis_client: RedisClient) -> None:
    await pool.set_idle("ana", NOW_MS, LATER_MS)
    assert await AgentPool(redis_client, "team-b").take_longest_idle(NOW_MS) is None


async def test_skills_that_would_be_misread_are_refused(pool: AgentPool) -> None:
    with pytest.raises(ValueError, match="must not contain"):
        await pool.take_longest_idle(NOW_MS, ["a|b"])
