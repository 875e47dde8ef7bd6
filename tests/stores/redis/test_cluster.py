"""Redis Cluster rejects a script whose keys are in several slots: none of ours is."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.exceptions import ResponseError

from dialer.core.agent import AgentState
from dialer.stores.redis import (
    DONE,
    AgentPool,
    CampaignQueue,
    Entry,
    LiveFeed,
    OwnerLease,
    RedisClient,
    RedisUnavailable,
    Settlement,
    TokenBucket,
    connect,
)
from dialer.stores.redis.client import Script, as_bytes
from dialer.stores.redis.embedded import find_binary

NOW_MS = 1_763_880_000_000


def free_port() -> int:
    """A port that is free, and so is the one of the cluster's bus, 10,000 above it."""
    while True:
        with socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            try:
                bus.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            return port


@pytest.fixture
def cluster_url(redis_folder: Path) -> Iterator[str]:
    port = free_port()
    options = f"--port {port} --bind 127.0.0.1 --cluster-enabled yes --dir {redis_folder} --save"
    server = subprocess.Popen([str(find_binary()), *options.split(), ""], stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


@pytest_asyncio.fixture
async def cluster(cluster_url: str) -> AsyncIterator[RedisClient]:
    """A cluster of one node that holds all slots."""
    for _ in range(2000):
        try:
            redis = await connect(cluster_url)
            break
        except RedisUnavailable:
            await asyncio.sleep(0.005)
    async with redis:
        await redis.execute("CLUSTER", "ADDSLOTS", *range(16384))
        for _ in range(2000):
            if b"cluster_state:ok" in as_bytes(await redis.execute("CLUSTER", "INFO")):
                break
            await asyncio.sleep(0.005)
        yield redis


async def test_every_operation_stays_in_one_slot(cluster: RedisClient) -> None:
    one, two = "marcador:queue:{c1}:ready", "marcador:queue:{c2}:ready"
    with pytest.raises(ResponseError, match="same slot"):  # or the rest would prove nothing
        await cluster.run(Script("two", "return 1"), [one, two])

    queue = CampaignQueue(cluster, "c1")
    await queue.begin_rebuild("g1")
    await queue.load([Entry("a", 1), Entry("b", 1)], rebuild="g1")
    await queue.finish_rebuild("g1")
    (claim,) = await queue.claim(1, now_ms=NOW_MS, lease_ms=1, token="t1")
    assert await queue.extend([claim], now_ms=NOW_MS, lease_ms=2) == ()
    (claim,) = await queue.reap(1, now_ms=NOW_MS + 2, lease_ms=1, token="t2")
    assert await queue.settle([Settlement("a", claim.lease_token, DONE)]) == ()
    assert await queue.reprioritise([("b", 3)]) == 1
    assert await queue.promote(NOW_MS) == 0
    assert (await queue.look_up(["b"]))[0] is not None
    assert (await queue.counts(NOW_MS)).conserved
    assert await queue.remove(["b"]) == 1
    await queue.drop_all()

    pool = AgentPool(cluster, "team-a")
    await pool.join("ana", state=AgentState.READY, since_ms=1, lease_until_ms=NOW_MS)
    assert await pool.take_longest_idle(5) == "ana"
    assert await pool.set_idle("ana", 6, NOW_MS)
    assert await pool.take("ana", 7)
    assert await pool.renew("ana", NOW_MS + 1)
    assert len(await pool.snapshot()) == 1
    assert await pool.remove("ana")

    lease = OwnerLease(cluster, "c1", "w1")
    token = await lease.acquire(1000)
    assert token is not None
    assert await lease.renew(token, 1000)
    assert await lease.release(token)

    assert await TokenBucket(cluster, "t1", rate_per_s=1, burst=1).take(1, NOW_MS) == 0
    feed = LiveFeed(cluster, "c1")
    await feed.publish(b"x")
    event = await anext(feed.follow("0-0"))
    assert event is not None
