"""A house that writes: what tests of messages ask of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import RowMapping, Table, select

from campaigns.campaign import CampaignSettings
from compliance.types import Channel
from dialer.core.figures import Tally
from dialer.runtime.blasts.runner import BlastRunner
from dialer.stores.ledger.campaigns import Campaign
from dialer.stores.ledger.messages import CampaignMessages, campaign_messages
from dialer.stores.ledger.messages_schema import message, message_thread
from telephony_adapters.simulator.message_script import CALM, MessageScript
from tests.support.fixed_world import FixedWorld
from tests.support.house import SPEED, House, open_house
from tests.support.letters import FixedLetters, contact_request


class WritingHouse:
    """A house with an approved text for each channel that a test uses."""

    def __init__(self, house: House, letters: FixedLetters) -> None:
        self.house = house
        self.letters = letters
        self.engine = house.engine
        self.ledger = house.marcador.ledger

    async def blast(self, settings: CampaignSettings, name: str = "test") -> Campaign:
        return await self.house.campaign(name, settings=settings)

    def runner(self, campaign: Campaign) -> BlastRunner:
        runner = self.engine.fleet.runner(campaign.campaign_id)
        assert isinstance(runner, BlastRunner)
        return runner

    def tally(self, campaign: Campaign) -> Tally:
        return self.runner(campaign).tally

    async def worked(self, campaign: Campaign) -> None:
        """Wait until nothing is ready or being sent, and what was told is durable."""
        queue = self.engine.queue_of(campaign.campaign_id)
        runner = self.runner(campaign)
        done = False

        async def look() -> bool:
            counts = await queue.counts(0)
            return counts.ready == 0 and counts.leased == 0 and runner.in_hand == 0

        for _ in range(2_000):
            if await look():
                done = True
                break
            await self.engine.clock.sleep(1.0)
        assert done, "the campaign does not come to rest"
        await self.settled()

    async def settled(self) -> None:
        """Let planned deliveries and replies happen, and become durable."""
        await self.engine.clock.sleep(12.0)
        await self.engine.post.settled()
        await self.engine.recorder.flush()

    async def said(self, campaign: Campaign) -> CampaignMessages:
        async with self.ledger.read() as conn:
            return await campaign_messages(conn, campaign.campaign_id)

    async def rows(self, table: Table, **where: object) -> list[RowMapping]:
        query = select(table)
        for column, value in where.items():
            query = query.where(table.c[column] == value)
        async with self.ledger.read() as conn:
            return list((await conn.execute(query)).mappings().all())

    async def messages(self, **where: object) -> list[RowMapping]:
        return await self.rows(message, **where)

    async def threads(self, **where: object) -> list[RowMapping]:
        return await self.rows(message_thread, **where)

    def writes(self, sender: str, text: str, channel: Channel = Channel.SMS) -> None:
        """Somebody writes to us now."""
        self.house.messenger.someone_writes(channel, sender, "+56600000000", text)

    async def hears(self, sender: str, text: str, channel: Channel = Channel.SMS) -> None:
        """The same, and what follows is durable."""
        self.writes(sender, text, channel)
        await self.engine.post.settled()


@asynccontextmanager
async def open_writing_house(
    folder: Path,
    redis_url: str,
    *,
    accounts: int = 30,
    channels: tuple[Channel, ...] = (Channel.SMS,),
    letters: FixedLetters | None = None,
    script: MessageScript = CALM,
    start: datetime | None = None,
    speed: float = SPEED,
    overrides: Mapping[str, object] | None = None,
) -> AsyncIterator[WritingHouse]:
    world = letters or FixedLetters()
    async with open_house(
        folder,
        redis_url,
        FixedWorld(),
        accounts=accounts,
        letters=world,
        message_script=script,
        start=start,
        speed=speed,
        overrides=overrides,
    ) as house:
        for channel in channels:
            name = "contact-request-es" if channel is Channel.SMS else f"request-{channel.value}"
            await house.approve(contact_request(name, channel))
        yield WritingHouse(house, world)
