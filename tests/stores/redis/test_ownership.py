from __future__ import annotations

import asyncio

import pytest

from dialer.stores.redis import OwnerLease, Ownership, RedisClient

LEASE_MS = 60_000
LEASE_KEY = "marcador:owner:{c1}:lease"


def lease(redis: RedisClient, owner: str) -> OwnerLease:
    return OwnerLease(redis, "c1", owner)


async def lapse(redis: RedisClient) -> None:
    """Let the lease's time run out now."""
    assert await redis.execute("PEXPIRE", LEASE_KEY, 0) == 1


async def test_one_owner_until_it_releases(redis_client: RedisClient) -> None:
    one, two = lease(redis_client, "w1"), lease(redis_client, "w2")
    assert await one.holder() is None
    token = await one.acquire(LEASE_MS)
    assert token is not None
    assert await one.acquire(LEASE_MS) == token
    assert await two.acquire(LEASE_MS) is None
    assert await two.holder() == Ownership("w1", token)
    assert not await two.renew(token, LEASE_MS)
    assert not await two.release(token)
    assert await one.release(token)
    assert not await one.release(token)
    later = await two.acquire(LEASE_MS)
    assert later is not None
    assert later > token


async def test_the_lease_ends_with_its_time_and_renewing_begins_it_anew(
    redis_client: RedisClient,
) -> None:
    one = lease(redis_client, "w1")
    token = await one.acquire(LEASE_MS)
    assert token is not None
    assert await one.renew(token, 500_000)
    left_ms = await redis_client.execute("PTTL", LEASE_KEY)
    assert isinstance(left_ms, int)
    assert 400_000 < left_ms <= 500_000


async def test_who_lost_the_lease_learns_it_and_can_end_nothing(redis_client: RedisClient) -> None:
    one, two = lease(redis_client, "w1"), lease(redis_client, "w2")
    old = await one.acquire(LEASE_MS)
    assert old is not None
    await lapse(redis_client)
    new = await two.acquire(LEASE_MS)
    assert new is not None
    assert new > old
    assert not await one.renew(old, LEASE_MS)
    assert not await one.release(old)
    assert await one.holder() == Ownership("w2", new)


async def test_the_same_owner_gets_a_new_token_after_losing_the_lease(
    redis_client: RedisClient,
) -> None:
    one = lease(redis_client, "w1")
    old = await one.acquire(LEASE_MS)
    await lapse(redis_client)
    new = await one.acquire(LEASE_MS)
    assert old is not None
    assert new is not None
    assert new > old
    assert not await one.renew(old, LEASE_MS)


async def test_tokens_grow_over_a_wiped_redis(redis_client: RedisClient) -> None:
    tokens = []
    for _ in range(5):
        tokens.append(await lease(redis_client, "w1").acquire(LEASE_MS))
        await redis_client.execute("FLUSHALL")
    numbers = [token for token in tokens if token is not None]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 5


async def test_tokens_grow_when_the_clock_goes_back(redis_client: RedisClient) -> None:
    ahead = 4_000_000_000_000_000
    await redis_client.execute("SET", "marcador:owner:{c1}:fence", ahead)
    assert await lease(redis_client, "w1").acquire(LEASE_MS) == ahead + 1


async def test_of_many_exactly_one_acquires(redis_client: RedisClient) -> None:
    tokens = await asyncio.gather(
        *(lease(redis_client, f"w{n}").acquire(LEASE_MS) for n in range(30))
    )
    assert sum(token is not None for token in tokens) == 1


async def test_a_lease_without_time_is_refused(redis_client: RedisClient) -> None:
    with pytest.raises(ValueError, match="lease_ms"):
        await lease(redis_client, "w1").acquire(0)
