"""kill -9 between hearing an opt-out and writing it down: it is heard again, and once."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest_asyncio

from dialer.bootstrap import open_marcador
from dialer.runtime.clock import SimulatedClock, WallClock
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.twilio.fake.exchange import FakeSettings
from telephony_adapters.twilio.fake.lines import ScriptedWorld
from telephony_adapters.twilio.fake.server import FakeTwilio
from telephony_adapters.twilio.twiml import MESSAGE_IN
from tests.adapters.smtp_lab import PostOffice, maildir
from tests.faults.farm import kill, spawn
from tests.faults.listener import HEARS, LISTENS, OWN_MAIL, OWN_NUMBER, Ears, listen
from tests.support.fixed_people import FixedPeople
from tests.support.fixed_world import FixedWorld
from tests.support.free_port import free_port
from tests.support.house import NOON_IN_CHILE, house_config, import_sample

LIMIT_S = 30.0
POLL_S = 0.01
FIVE_DAYS = timedelta(days=5)


class Lives:
    """One ledger, and processes that listen for it one after another."""

    def __init__(self, ears: Ears) -> None:
        self.ears = ears
        self.folder = Path(ears.folder)
        self.process: ForkServerProcess | None = None
        self._start = ears.start

    async def begin(self, later: timedelta = timedelta(minutes=1)) -> None:
        """A life that listens."""
        self._start += later
        for name in (LISTENS, HEARS):
            (self.folder / name).unlink(missing_ok=True)
        self.process = spawn(listen, msgspec.structs.replace(self.ears, start=self._start))
        await self.until((self.folder / LISTENS).exists)

    def die(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            kill(process)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():  # noqa: ASYNC110 - of another process
                await asyncio.sleep(POLL_S)

    async def hears(self) -> None:
        """It has heard something, and cannot write it down."""
        await self.until((self.folder / HEARS).exists)

    @contextlib.contextmanager
    def nobody_writes(self) -> Iterator[None]:
        """Somebody else holds the ledger's write lock."""
        with contextlib.closing(sqlite3.connect(self.folder / "ledger.db")) as db:
            db.execute("BEGIN IMMEDIATE")
            yield

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(self.folder / "ledger.db")) as db:
            return db.execute(query).fetchall()

    def stopped(self, channel: str) -> int:
        """Opt-outs from a channel that did not come with the portfolio."""
        query = f"SELECT person_id FROM suppression WHERE channel = '{channel}'"
        came_ms = round(NOON_IN_CHILE.timestamp() * 1000)
        return len(self.ask(f"{query} AND reason = 'opt_out' AND starts_ms > {came_ms}"))

    def address(self, kind: str) -> str:
        """Of one person and nobody else."""
        ((address,), *_) = self.ask(
            f"SELECT address FROM contact_point WHERE kind = '{kind}'"
            " AND role = 'holder' AND validity = 'unverified' AND NOT also_reference"
            " GROUP BY address HAVING count(*) = 1 ORDER BY address"
        )
        assert isinstance(address, str)
        return address

    @property
    def heard(self) -> int:
        return len(self.ask("SELECT message_id FROM message WHERE direction = 'in'"))


class Written(NamedTuple):
    lives: Lives
    fake: FakeTwilio


async def prepare(folder: Path, redis_url: str) -> None:
    clock = SimulatedClock(NOON_IN_CHILE, 1.0)
    carrier = SimulatedCarrier(clock=clock, world=FixedWorld())
    async with open_marcador(
        house_config(folder, redis_url), clock=clock, adapter=carrier
    ) as marcador:
        await import_sample(marcador, folder, 30)


@pytest_asyncio.fixture
async def sms(
    tmp_path: Path, redis_server: EmbeddedRedis, redis_client: RedisClient
) -> AsyncIterator[Written]:
    await prepare(tmp_path, redis_server.url)
    port = free_port()
    fake = FakeTwilio(
        FakeSettings(inbound_url=f"http://127.0.0.1:{port}{MESSAGE_IN}"),
        WallClock(),
        ScriptedWorld({}),
        people=FixedPeople({}),
    )
    await fake.start()
    lives = Lives(
        Ears(
            folder=str(tmp_path),
            redis_url=redis_server.url,
            start=NOON_IN_CHILE,
            twilio_url=fake.url,
            account_sid=fake.settings.account_sid,
            auth_token=fake.settings.auth_token,
            webhook_port=port,
        )
    )
    yield Written(lives, fake)
    lives.die()
    await fake.stop()


async def test_a_stop_by_sms_is_answered_for_when_it_is_durable_and_not_before(
    sms: Written,
) -> None:
    lives, fake = sms
    sender = fake.exchange.sender
    await lives.begin()
    with lives.nobody_writes():
        fake.messages.someone_writes(lives.address("phone"), OWN_NUMBER, "BAJA")
        await lives.hears()
        assert sender.in_flight == 1, "nothing is answered yet"
        lives.die()
    await lives.until(lambda: sender.in_flight == 0)
    assert (sender.sent, sender.failed) == (1, 1)
    assert (lives.stopped("sms"), lives.heard) == (0, 0)

    # Twilio does not ask again; it is found in its list, however long that is ago.
    (message,) = fake.messages.messages.values()
    message.created_at -= FIVE_DAYS
    await lives.begin(later=FIVE_DAYS)
    await lives.until(lambda: lives.stopped("sms") == 1)
    lives.die()
    await lives.begin()
    fake.messages.someone_writes(lives.address("phone"), OWN_NUMBER, "gracias")
    await lives.until(lambda: lives.heard == 2)
    await lives.until(lambda: sender.in_flight == 0)
    assert (sender.sent, sender.failed) == (2, 1)
    assert lives.stopped("sms") == 1, "told again, and heard once"


async def test_a_stop_by_mail_stays_new_until_it_is_durable(
    tmp_path: Path, redis_server: EmbeddedRedis, redis_client: RedisClient
) -> None:
    await prepare(tmp_path, redis_server.url)
    post = PostOffice()
    await post.start()
    mails = maildir(tmp_path / "mails")
    lives = Lives(
        Ears(
            folder=str(tmp_path),
            redis_url=redis_server.url,
            start=NOON_IN_CHILE,
            maildir=str(mails),
            smtp_port=post.port,
        )
    )
    try:
        await lives.begin()
        with lives.nobody_writes():
            (mails / "new" / "1.mail").write_text(
                f"From: {lives.address('email')}\nTo: {OWN_MAIL}\nMessage-ID: <1@x.example>\n"
                "Subject: Re: mensaje\nContent-Type: text/plain\n\nBAJA\n",
                encoding="utf-8",
            )
            await lives.hears()
            lives.die()
        assert [path.name for path in (mails / "new").iterdir()] == ["1.mail"]
        assert (lives.stopped("email"), lives.heard) == (0, 0)
        await lives.begin(later=FIVE_DAYS)
        await lives.until(lambda: not list((mails / "new").iterdir()))
        assert (lives.stopped("email"), lives.heard) == (1, 1), "durable before it is put away"
    finally:
        lives.die()
        await post.stop()
