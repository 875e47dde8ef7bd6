"""Figures of calls as a whole, as the rules in force want them, counted from the ledger."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

from compliance.messages import StatScope, TrafficStat
from compliance.packs import PackSet
from compliance.rules.traffic import TrafficWindow, traffic_windows
from compliance.types import CampaignId
from dialer.core.records import to_ms
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.traffic import CallCounts, count_calls

REFRESH_EVERY: Final = timedelta(minutes=1)
"""How old a figure may become. The house stops before the limits."""
SETTLED_AFTER: Final = timedelta(hours=2)
"""What became of calls this old is known, and is not counted again."""
_COUNTED: Final = frozenset({StatScope.COLLECTOR, StatScope.CAMPAIGN})


class _Running:
    """A count that begins at a fixed instant and goes on: what is settled is added up once."""

    def __init__(self, since: datetime, short_s: int) -> None:
        self.since = since
        self.short_s = short_s
        self._settled = CallCounts()
        self._until_ms = to_ms(since)

    async def read(
        self, ledger: Ledger, campaign_id: CampaignId | None, now: datetime
    ) -> CallCounts:
        short_ms = self.short_s * 1000
        settled_ms = to_ms(now - SETTLED_AFTER)
        if settled_ms > self._until_ms:
            self._settled += await count_calls(
                ledger, campaign_id, self._until_ms, settled_ms, short_ms
            )
            self._until_ms = settled_ms
        # Whatever clocks say, nothing that was placed is left out.
        latest_ms = to_ms(now + SETTLED_AFTER)
        return self._settled + await count_calls(
            ledger, campaign_id, self._until_ms, latest_ms, short_ms
        )


class TrafficFigures:
    """Asks the ledger, rarely, for each figure that a rule looks at. All campaigns share it."""

    def __init__(self, ledger: Ledger, packs: PackSet) -> None:
        self._ledger = ledger
        self._rules = [(rule, pack.doc.zone) for pack in packs.packs for rule in pack.rules]
        self._running: dict[tuple[CampaignId | None, int], _Running] = {}
        self._figures: dict[CampaignId | None, tuple[datetime, tuple[TrafficStat, ...]]] = {}
        self._alone = asyncio.Lock()

    async def read(self, campaign_id: CampaignId, now: datetime) -> tuple[TrafficStat, ...]:
        """The figures at `now`, at most `REFRESH_EVERY` old. Raises what the ledger raises."""
        async with self._alone:
            house = await self._of(None, now)
            return (*house, *await self._of(campaign_id, now))

    async def _of(self, campaign_id: CampaignId | None, now: datetime) -> tuple[TrafficStat, ...]:
        """Of the whole collector, or of one campaign."""
        known = self._figures.get(campaign_id)
        if known is not None and known[0] <= now < known[0] + REFRESH_EVERY:
            return known[1]
        scope = StatScope.COLLECTOR if campaign_id is None else StatScope.CAMPAIGN
        found = [
            await self._stat(campaign_id, window, now)
            for window in traffic_windows(self._rules, now)
            if window.scope is scope
        ]
        self._figures[campaign_id] = (now, tuple(found))
        return tuple(found)

    async def _stat(
        self, campaign_id: CampaignId | None, window: TrafficWindow, now: datetime
    ) -> TrafficStat:
        running = self._running.get((campaign_id, window.window_s))
        if running is None or running.since != window.since:
            running = _Running(window.since, window.short_s)
            self._running[campaign_id, window.window_s] = running
        counts = await running.read(self._ledger, campaign_id, now)
        return TrafficStat(
            window_s=window.window_s,
            placed=counts.placed,
            short=counts.short,
            short_s=window.short_s,
            scope=window.scope,
            resets_at=window.resets_at,
        )
