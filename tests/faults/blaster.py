"""A worker that sends messages until it is killed, at a chosen moment of a chosen sending.

Its provider is a file: what it has taken survives the process, as it would at a real one.
"""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import msgspec

from campaigns.campaign import CampaignState
from compliance.permit import ContactPermit
from compliance.types import Channel, CollectorRole
from dialer.bootstrap import Marcador, open_marcador
from dialer.runtime import fleet as fleet_module
from dialer.runtime.clock import Clock, SimulatedClock
from telephony_adapters.messaging import (
    DeliveryState,
    MessageId,
    MessageReport,
    MessageSink,
    MessagingFacts,
    Objection,
    OutboundMessage,
)
from telephony_adapters.simulator.carrier import SimulatedCarrier
from tests.support.fixed_world import FixedWorld
from tests.support.house import house_config

SPEED = 200.0
OWNER_LEASE_MS = 400
ROUNDS = 2_000


class Moment(StrEnum):
    """When the process dies in the sending that was chosen."""

    BEFORE_TAKEN = "before_taken"
    BEFORE_ANSWER = "before_answer"


class Blast(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    redis_url: str
    start: datetime
    kill_at: int | None = None
    """The n-th sending of this life, from 1; None: it lives to the end."""
    moment: Moment = Moment.BEFORE_TAKEN


class FilePost:
    """A provider whose books are a file."""

    def __init__(self, path: Path, clock: Clock, blast: Blast) -> None:
        self._path = path
        self._clock = clock
        self._blast = blast
        self._sendings = 0

    @property
    def facts(self) -> MessagingFacts:
        return MessagingFacts(
            name="file", channels=frozenset({Channel.SMS}), simulated=True, findable=True
        )

    async def start(self, sink: MessageSink, *, since: datetime | None = None) -> None:
        return None

    async def stop(self) -> None:
        return None

    async def send(self, message: OutboundMessage, permit: ContactPermit) -> str:
        permit.spend(address=message.to, channel=message.channel, now=self._clock.now())
        self._sendings += 1
        dies = self._sendings == self._blast.kill_at
        if dies and self._blast.moment is Moment.BEFORE_TAKEN:
            os.kill(os.getpid(), signal.SIGKILL)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{message.message_id} {message.to}\n")
            file.flush()
            os.fsync(file.fileno())
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(0)
        return f"file-{message.message_id}"

    def objection(self, channel: Channel, country: str, role: CollectorRole) -> Objection | None:
        return None

    async def find(self, message_id: MessageId) -> MessageReport | None:
        if message_id not in dict(books(self._path)):
            return None
        return MessageReport(
            message_id=message_id, provider_id=f"file-{message_id}", state=DeliveryState.SENT
        )


def books(path: Path) -> list[tuple[str, str]]:
    """Message ids and addresses that the provider took, in order."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(first, second) for first, _, second in (line.partition(" ") for line in lines)]


def live(blast: Blast) -> None:
    """One life: work what runs until nothing is left to do or in doubt."""
    asyncio.run(_live(blast))


async def _live(blast: Blast) -> None:
    # A campaign is without an owner no longer than this after a kill.
    fleet_module.OWNER_LEASE_MS = OWNER_LEASE_MS
    folder = Path(blast.folder)
    clock = SimulatedClock(blast.start, SPEED)
    post = FilePost(folder / "post.txt", clock, blast)
    async with open_marcador(
        house_config(folder, blast.redis_url),
        clock=clock,
        adapter=SimulatedCarrier(clock=clock, world=FixedWorld()),
        messengers={Channel.SMS: post},
    ) as marcador:
        # By default it waits until a permit of real seconds has lapsed.
        marcador.engine.post._unknown_grace = timedelta(seconds=60)
        await marcador.engine.start()
        try:
            await _until_done(marcador)
        finally:
            await marcador.engine.stop()


async def _until_done(marcador: Marcador) -> None:
    engine = marcador.engine
    for _ in range(ROUNDS):
        await engine.own_campaigns()
        for runner in engine.fleet.runners():
            if runner.state is not CampaignState.RUNNING:
                continue
            counts = await engine.queue_of(runner.campaign_id).counts(0)
            open_ones = await engine.reader.open_attempts(2**52, 10)
            if counts.ready == counts.leased == 0 and not open_ones:
                return
        await asyncio.sleep(0.02)
    raise TimeoutError("the campaign does not come to rest")
