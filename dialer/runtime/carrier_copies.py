"""The carrier's own copies of recordings: deleted once the house has the sound, or may not keep it.

That a copy is gone is noted when it is: after a crash, or while the carrier is away, it is asked
for again.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import structlog

from dialer.stores.ledger import recordings as rows
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.recordings import CarrierCopy
from dialer.stores.recording_files import RecordingFiles
from telephony_adapters.errors import (
    CarrierUnavailable,
    NotOffered,
    TelephonyError,
    UnknownCall,
)
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

ROUND_ITEMS: Final = 100
"""Most copies that one round asks for."""


class CarrierCopies:
    """Of all recordings of this house that are over."""

    def __init__(self, *, ledger: Ledger, adapter: TelephonyAdapter, files: RecordingFiles) -> None:
        self._ledger = ledger
        self._adapter = adapter
        self._files = files
        self._after = ""
        """Where the next round goes on: one copy that will not go keeps no other from going."""

    async def sweep(self) -> None:
        """One round. Raises `LedgerUnavailable`."""
        if not self._adapter.facts.recording:
            return
        async with self._ledger.read() as conn:
            found = await rows.at_carrier(conn, after=self._after, limit=ROUND_ITEMS)
        self._after = found[-1].recording_id if len(found) == ROUND_ITEMS else ""
        for copy in found:
            if not await self._may_go(copy):
                log.error("recording_only_at_carrier", recording=copy.recording_id)
            else:
                await self._delete(copy.recording_id)

    async def delete(self, recording_id: str) -> None:
        """The sound is safe: the carrier's copy may go now. If not now, then with a sweep."""
        try:
            await self._delete(recording_id)
        except LedgerUnavailable as error:
            log.warning("carrier_copy_not_noted", recording=recording_id, error=str(error))

    async def _may_go(self, copy: CarrierCopy) -> bool:
        """Not while it is the only one of a recording that is to be kept."""
        if copy.state != rows.KEPT:
            return True
        if copy.sha256 is None:
            return False
        return await asyncio.to_thread(self._files.read, copy.sha256) is not None

    async def _delete(self, recording_id: str) -> None:
        """What cannot be done now is asked for again: a part of the carrier may be away."""
        try:
            await self._adapter.delete_recording(recording_id)
        except UnknownCall:
            pass  # gone already: by us, in another life, or by whoever keeps the carrier tidy
        except (CarrierUnavailable, NotOffered):
            return
        except TelephonyError as error:
            log.warning("carrier_copy_not_deleted", recording=recording_id, error=str(error))
            return
        await self._ledger.transact(partial(rows.carrier_copy_gone, recording_id=recording_id))
