"""Counts of calls as a whole, for rules about traffic."""

from __future__ import annotations

from typing import Final

import msgspec

from compliance.types import CampaignId, Channel, EventKind
from dialer.stores.ledger.answers import LIVE_ANSWERS
from dialer.stores.ledger.bulk import JsonQuery
from dialer.stores.ledger.database import Ledger

ANSWERED: Final = (
    *LIVE_ANSWERS,
    EventKind.MACHINE_NO_MESSAGE,
    EventKind.MACHINE_MESSAGE,
    EventKind.MAILBOX_FULL,
    EventKind.FAX,
)
"""Calls that somebody or something picked up."""


class CallCounts(msgspec.Struct, frozen=True, array_like=True):
    placed: int = 0
    short: int = 0
    """Answered and over within the measure. One whose length is not known counts: a machine, a
    call that was abandoned or dropped."""

    def __add__(self, other: CallCounts) -> CallCounts:
        return CallCounts(self.placed + other.placed, self.short + other.short)


async def count_calls(
    ledger: Ledger, campaign_id: CampaignId | None, since_ms: int, until_ms: int, short_ms: int
) -> CallCounts:
    """Telephone calls placed from `since_ms` on and before `until_ms`: of a campaign, or of all.

    Raises `LedgerUnavailable`.
    """
    span: dict[str, int | str] = {
        "since": since_ms,
        "until": until_ms,
        "short": short_ms,
        "voice": Channel.VOICE,
    }
    async with ledger.read() as conn:
        if campaign_id is not None:
            return await _OF_CAMPAIGN.run(conn, campaign=campaign_id, **span)
        return await _OF_ALL.run(conn, **span) + await _OF_NONE.run(conn, **span)


def _query(where: str) -> JsonQuery[CallCounts]:
    # By campaign, since that is what the index begins with.
    answered = ", ".join(f"'{kind}'" for kind in ANSWERED)
    text = f"""
        SELECT ARRAY(c.placed, c.short)
        FROM (
          SELECT count(*) AS placed,
            count(CASE WHEN outcome IN ({answered})
                AND (talk_ms IS NULL OR coalesce(connect_ms, 0) + talk_ms <= :short)
              THEN 1 END) AS short
          FROM attempt
          WHERE {where} AND planned_ms >= :since AND planned_ms < :until
            AND channel = :voice) AS c
        """  # noqa: S608 - kinds of our own
    return JsonQuery(text, msgspec.json.Decoder(CallCounts))


_OF_CAMPAIGN: Final = _query("campaign_id = :campaign")
_OF_ALL: Final = _query("campaign_id IN (SELECT campaign_id FROM campaign)")
_OF_NONE: Final = _query("campaign_id IS NULL")
