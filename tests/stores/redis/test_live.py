from __future__ import annotations

import asyncio

import pytest

from dialer.stores.redis import LiveEvent, LiveFeed, RedisClient
from dialer.stores.redis.client import CONNECTIONS_MAX, as_text
from dialer.stores.redis.live import EVENTS_MAX


async def first(feed: LiveFeed, n: int, last_id: str | None) -> list[LiveEvent]:
    found: list[LiveEvent] = []
    async for event in feed.follow(last_id):
        if event is not None:
            found.append(event)
            if len(found) == n:
                break
    return found


async def test_a_follower_reads_on_from_where_it_was(redis_client: RedisClient) -> None:
    feed = LiveFeed(redis_client, "c1")
    ids = [await feed.publish(b'{"n":%d}' % n) for n in range(5)]
    assert [e.data for e in await first(feed, 5, "0-0")] == [b'{"n":%d}' % n for n in range(5)]
    assert [e.event_id for e in await first(feed, 2, ids[2])] == ids[3:]


async def test_a_new_follower_gets_what_comes_from_now_on(redis_client: RedisClient) -> None:
    feed = LiveFeed(redis_client, "c1")
    await feed.publish(b"before")
    events = feed.follow(block_ms=1)
    assert await anext(events) is None, "nothing yet: a sign of life"
    await feed.publish(b"after")
    event = await anext(events)
    assert event is not None
    assert event.data == b"after"
    assert event.event_id == await feed.last_id()


async def test_a_follower_is_woken_by_an_event(redis_client: RedisClient) -> None:
    feed = LiveFeed(redis_client, "c1")
    waiting = asyncio.create_task(first(feed, 1, "0-0"))
    while "cmd=xread" not in as_text(await redis_client.execute("CLIENT", "LIST")):
        assert not waiting.done()
    await feed.publish(b"now")
    (event,) = await waiting
    assert event.data == b"now"


async def test_a_cancelled_follower_leaves_the_connection_usable(redis_client: RedisClient) -> None:
    feed = LiveFeed(redis_client, "c1")
    for _ in range(3):
        waiting = asyncio.create_task(first(feed, 1, "0-0"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await redis_client.execute("ECHO", "mine") == b"mine"


async def test_old_events_are_trimmed(redis_client: RedisClient) -> None:
    feed = LiveFeed(redis_client, "c1")
    for _ in range(EVENTS_MAX + 500):
        await feed.publish(b"x")
    length = await redis_client.execute("XLEN", "marcador:live:{c1}")
    assert isinstance(length, int)
    assert EVENTS_MAX <= length <= EVENTS_MAX + 200


async def test_following_goes_on_over_a_wiped_redis_whose_clock_was_set_back(
    redis_client: RedisClient,
) -> None:
    feed = LiveFeed(redis_client, "c1")
    await redis_client.execute(
        "XADD", "marcador:live:{c1}", "9000000000000-7", "data", b"of the year 2255"
    )
    events = feed.follow("0-0", block_ms=1)
    before = await anext(events)
    assert before is not None
    assert before.event_id == "9000000000000-7"
    await redis_client.execute("FLUSHALL")
    await feed.publish(b"after")
    assert await anext(events) is None
    after = await anext(events)
    assert after is not None
    assert after.data == b"after"


@pytest.mark.parametrize(
    "text", ["", "$", "1", "1-", "a-b", "1-2-3", "-1-0", "9" * 20 + "-0", "٣-٣"]
)
async def test_an_id_that_is_none_is_refused(redis_client: RedisClient, text: str) -> None:
    with pytest.raises(ValueError, match="not an id"):
        await anext(LiveFeed(redis_client, "c1").follow(text))


async def test_blocking_for_ever_is_refused(redis_client: RedisClient) -> None:
    with pytest.raises(ValueError, match="block_ms"):
        await anext(LiveFeed(redis_client, "c1").follow(block_ms=0))


async def test_many_followers_leave_room_for_commands(redis_client: RedisClient) -> None:
    feed = LiveFeed(redis_client, "c1")
    waiting = [asyncio.create_task(first(feed, 1, "0-0")) for _ in range(2 * CONNECTIONS_MAX)]
    listing = ""
    while listing.count("cmd=xread") < len(waiting):
        listing = as_text(await redis_client.execute("CLIENT", "LIST"))
    await feed.publish(b"now")
    assert {events[0].data for events in await asyncio.gather(*waiting)} == {b"now"}
