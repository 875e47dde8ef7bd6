"""What pacers decided and learned, kept in the ledger: it outlives restarts and owners."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec
import structlog

from compliance.types import CampaignId
from dialer.core.pacing import Law, Pacer, PacingConfig
from dialer.core.records import from_ms, to_ms
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.pacer_saves import PacerSave, get_pacer_save, put_pacer_save
from dialer.stores.ledger.pacing_log import PacingLog

log = structlog.get_logger()

SAVE_EVERY: Final = timedelta(minutes=1)
FRESH: Final = timedelta(hours=12)
"""What was learned longer ago says little of today: answer rates follow the hour and the list."""
LOG_KEPT: Final = timedelta(days=35)
"""The longest window of a rule, and some days to ask about it."""
DROP_EVERY: Final = timedelta(minutes=1)
DROP_ROWS: Final = 5_000
"""Most decisions that are forgotten in one go."""


class PacingMemory:
    """One for a worker, over all its campaigns."""

    def __init__(self, ledger: Ledger) -> None:
        self.log = PacingLog(ledger)
        self._ledger = ledger
        self._saved_at: dict[CampaignId, datetime] = {}
        self._dropped_at: datetime | None = None

    # --- what was learned --------------------------------------------------------------------

    async def restore(
        self, campaign_id: CampaignId, config: PacingConfig, pacer: Pacer, now: datetime
    ) -> bool:
        """Give a new pacer what the one before it had learned; False: it begins afresh.

        A save that is old, of other settings, or cannot be read is left alone. Raises
        `LedgerUnavailable`.
        """
        save = await get_pacer_save(self._ledger, campaign_id)
        if save is None:
            return False
        why = _misfit(save, config, now)
        if why is None:
            try:
                pacer.restore(save.state.encode())
            except ValueError as error:
                why = str(error)
        if why is not None:
            log.warning("pacer_starts_afresh", campaign=campaign_id, why=why)
            return False
        log.info("pacer_restored", campaign=campaign_id, saved_at=from_ms(save.saved_ms))
        return True

    async def save(
        self,
        campaign_id: CampaignId,
        config: PacingConfig,
        pacer: Pacer,
        now: datetime,
        *,
        at_once: bool = False,
    ) -> None:
        """Keep what was learned, once every `SAVE_EVERY`. A ledger that is away loses a minute."""
        last = self._saved_at.get(campaign_id)
        due = at_once or last is None or not last <= now < last + SAVE_EVERY
        if not due or config.law is not Law.PREDICTIVE:
            return
        save = PacerSave(
            campaign_id=campaign_id,
            saved_ms=to_ms(now),
            law=config.law,
            settings_sha256=settings_sha256(config),
            state=pacer.save().decode(),
        )
        try:
            await put_pacer_save(self._ledger, save)
        except LedgerUnavailable as error:
            log.warning("pacer_not_saved", campaign=campaign_id, error=str(error))
            return
        self._saved_at[campaign_id] = now

    # --- what was decided --------------------------------------------------------------------

    async def write(self, now: datetime) -> None:
        """Write the decisions, and forget those that nobody asks about. As the log's `write`."""
        await self.log.write()
        last = self._dropped_at
        if last is None or not last <= now < last + DROP_EVERY:
            await self.log.drop(to_ms(now - LOG_KEPT), DROP_ROWS)
            self._dropped_at = now


def settings_sha256(config: PacingConfig) -> str:
    return sha256(msgspec.json.encode(config)).hexdigest()


def _misfit(save: PacerSave, config: PacingConfig, now: datetime) -> str | None:
    """Why a save is of no use; None: it may be."""
    if save.law != config.law:
        return f"it was saved by the {save.law} law"
    if save.settings_sha256 != settings_sha256(config):
        return "it was saved under other pacing settings"
    age = now - from_ms(save.saved_ms)
    if not timedelta(0) <= age <= FRESH:
        return f"it was saved {age.total_seconds():.0f} s ago"
    return None
