"""Connecting, refusing servers that would lose data, scripts by hash, failures with a remedy."""

from __future__ import annotations

import asyncio
import hashlib
import re
from importlib.resources import files
from pathlib import Path

import pytest

from dialer.stores.redis import (
    CampaignQueue,
    EmbeddedRedis,
    Entry,
    QueueState,
    RedisClient,
    RedisUnavailable,
    connect,
)
from dialer.stores.redis.client import as_text, load_script, without_password

LUA_FOLDER = files("dialer.stores.redis") / "lua"
LUA = sorted(path.name for path in LUA_FOLDER.iterdir())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@db:6379/0", "redis://:***@db:6379/0"),
        ("rediss://app:se:cr@et@db/1", "rediss://app:***@db/1"),
        ("redis://db:6379/0", "redis://db:6379/0"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize("url", ["db:6379", "http://db", "redis://db:port/0", "redis://db/zero"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(RedisUnavailable) as caught:
        await connect(url)
    assert caught.value.where == url


async def test_nobody_there(redis_folder: Path) -> None:
    with pytest.raises(RedisUnavailable, match="does not answer") as caught:
        await connect(f"unix://{redis_folder}/none.sock")
    assert caught.value.where.endswith("none.sock")
    assert "Check that it runs" in caught.value.mend


async def serve(folder: Path, answer: bytes | None) -> tuple[asyncio.Server, str]:
    """A server that answers every command alike, or never."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if answer is not None and line.startswith(b"*"):
                writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(talk, folder / "fake.sock")
    return server, f"unix://{folder}/fake.sock"


async def test_an_old_server_is_refused_with_its_version(redis_folder: Path) -> None:
    info = b"redis_version:6.0.16\r\nrole:master\r\nmaxmemory:0\r\n"
    server, url = await serve(redis_folder, b"$%d\r\n%s\r\n" % (len(info), info))
    async with server:
        with pytest.raises(RedisUnavailable, match=r"Redis 6\.0\.16 is too old .*6\.2 or newer"):
            await connect(url)


async def test_a_server_that_says_nothing_is_given_up_in_time(redis_folder: Path) -> None:
    server, url = await serve(redis_folder, None)
    async with server:
        with pytest.raises(RedisUnavailable, match=r"nothing came within 0\.05 s"):
            await connect(url, timeout_s=0.05)


async def test_servers_that_would_lose_or_refuse_data_are_refused(redis_folder: Path) -> None:
    async with EmbeddedRedis(redis_folder) as server:
        async with await connect(server) as redis:
            await redis.execute("CONFIG", "SET", "maxmemory", "100mb")
            await redis.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            with pytest.raises(RedisUnavailable, match=r"throws data away .*noeviction"):
                await connect(server)
            await redis.execute("CONFIG", "SET", "maxmemory", "0")
            await redis.execute("REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(RedisUnavailable, match="replica"):
                await connect(server)
            with pytest.raises(RedisUnavailable, match="replica"):
                await redis.execute("SET", "a", "b")
            await redis.execute("REPLICAOF", "NO", "ONE")
            await redis.execute("CONFIG", "SET", "requirepass", "secret")
        with pytest.raises(RedisUnavailable, match="password into the address"):
            await connect(server)
        with pytest.raises(RedisUnavailable, match="wrong") as caught:
            await connect(f"unix://:guess@{server.socket}")
        assert "guess" not in str(caught.value)
        async with await connect(f"unix://:secret@{server.socket}") as redis:
            assert await redis.execute("SET", "a", "b") == b"OK"


async def test_a_full_redis_refuses_a_load_whole(redis_folder: Path) -> None:
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        queue = CampaignQueue(redis, "c1")
        await queue.begin_rebuild("g1")
        await redis.execute("CONFIG", "SET", "maxmemory", await redis.memory_bytes())
        with pytest.raises(RedisUnavailable, match="raise it or remove"):
            await queue.load([Entry("a", 1)], rebuild="g1")
        assert (await queue.counts(0)).enrolled == 0
        assert await queue.state() is QueueState.REBUILDING


async def test_scripts_come_back_after_the_server_forgot_them(redis_client: RedisClient) -> None:
    queue = CampaignQueue(redis_client, "c1")
    for n in range(3):
        await redis_client.execute("SCRIPT", "FLUSH")
        await queue.begin_rebuild(f"g{n}")
        await redis_client.execute("SCRIPT", "FLUSH")
        assert (await queue.load([Entry("a", 1)], rebuild=f"g{n}")).added == 1
    script = load_script("queue_load", prelude="queue_common")
    assert await redis_client.execute("SCRIPT", "EXISTS", script.sha1) == [1]


def test_a_script_is_known_by_the_hash_of_all_its_text() -> None:
    script = load_script("queue_load", prelude="queue_common")
    assert "each_slice" in script.source
    assert script.sha1 == hashlib.sha1(script.source.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("name", LUA)
def test_every_script_says_what_it_takes_and_gives(name: str) -> None:
    text = (LUA_FOLDER / name).read_text(encoding="utf-8")
    header, _, _ = text.partition("\nlocal ")
    assert "-- KEYS " in header
    if name != "queue_common.lua":
        assert "-- ARGV " in header
        assert "-- returns " in header
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("name", LUA)
def test_no_script_reaches_beyond_redis_6_2_or_its_keys(name: str) -> None:
    text = (LUA_FOLDER / name).read_text(encoding="utf-8")
    commands = set(re.findall(r"(?:redis\.call|each_slice)\('(\w+)'", text))
    newer = {"LMPOP", "ZMPOP", "BZMPOP", "SINTERCARD", "FUNCTION", "FCALL", "EXPIRETIME", "LCS"}
    assert not commands & newer
    assert not re.search(r"redis\.p?call\('\w+', '", text), "a key is not among KEYS"


async def test_an_error_of_our_own_making_stays_itself(redis_client: RedisClient) -> None:
    await redis_client.execute("SET", "text", "x")
    with pytest.raises(Exception, match="WRONGTYPE") as caught:
        await redis_client.execute("LPUSH", "text", "y")
    assert not isinstance(caught.value, RedisUnavailable)


async def test_concurrent_commands_get_their_own_replies(redis_client: RedisClient) -> None:
    replies = await asyncio.gather(
        *(redis_client.execute("ECHO", f"n{n}") for n in range(200)),
    )
    assert [as_text(reply) for reply in replies] == [f"n{n}" for n in range(200)]
