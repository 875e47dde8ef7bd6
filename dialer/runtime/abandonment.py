"""The abandonment figures of a campaign, as the rules in force want them, from the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from compliance.messages import AbandonmentStat
from compliance.packs import PackSet
from compliance.rules.traffic import abandonment_windows_s
from compliance.types import CampaignId
from dialer.core.pacing import History, Spell
from dialer.core.pacing.windows import history_stretches
from dialer.core.records import to_ms
from dialer.stores.ledger.reads import EventReader

REFRESH_EVERY: Final = timedelta(seconds=15)
"""How old a figure may become: a share of thirty days, or of one, moves slowly."""

CLOCK_SLACK: Final = timedelta(days=1)


class AbandonmentFigures:
    """Asks the ledger, rarely, for each window that a rule looks at."""

    def __init__(self, reader: EventReader, campaign_id: CampaignId, packs: PackSet) -> None:
        self._reader = reader
        self._campaign_id = campaign_id
        self._windows_s = abandonment_windows_s(rule for pack in packs.packs for rule in pack.rules)
        self._read_at: datetime | None = None
        self._figures: tuple[AbandonmentStat, ...] = ()

    async def read(self, now: datetime) -> tuple[AbandonmentStat, ...]:
        """The figures at `now`, at most `REFRESH_EVERY` old. Raises what the ledger raises."""
        if self._read_at is None or not self._read_at <= now < self._read_at + REFRESH_EVERY:
            self._figures = tuple([await self._window(now, seconds) for seconds in self._windows_s])
            self._read_at = now
        return self._figures

    async def history(self, now: datetime) -> History:
        """The same truth for a pacer's budgets, told as finely as they keep it."""
        spells: list[Spell] = []
        # A clock that was set back does not hide what it saw before.
        until_ms = to_ms(now + CLOCK_SLACK)
        for stretch in history_stretches(now.timestamp()):
            since_ms = round(stretch.since_s * 1000)
            found = await self._reader.answered_spells(
                self._campaign_id, since_ms, until_ms, round(stretch.width_s * 1000)
            )
            spells += [
                Spell(at_s=s.from_ms / 1000, answered=s.answered, abandoned=s.abandoned)
                for s in found
            ]
            until_ms = since_ms
        return History(until_s=now.timestamp(), spells=tuple(spells))

    async def _window(self, now: datetime, seconds: int) -> AbandonmentStat:
        since = now - timedelta(seconds=seconds)
        counts = await self._reader.abandonment(self._campaign_id, to_ms(since))
        return AbandonmentStat(
            window_s=seconds,
            live_answered=counts.live_answered,
            abandoned=counts.abandoned,
            passed_to_agent=counts.passed_to_agent,
        )
