"""Accounts that wait for an event and not for an instant: called back when it may have come.

What the gate forbids without naming a moment sleeps for a month (`EVENT_RECHECK`). Whatever may
release it (an emergency's end, a suppression's release, a notice, a consent, a new number) marks
the accounts in its own transaction; the campaign's owner finds the marks and gives the accounts
back to the queue, also where it was down in between. The gate then has the last word.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.effects import Release
from compliance.types import AccountId, CampaignId, PersonId
from dialer.core.deciding import NO_LAWFUL_MOMENT
from dialer.stores.ledger.bulk import Command
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.schema import enrolment

WOKEN: Final = "woken"
"""Reason of an enrolment whose account is to be looked at again at once."""
_BY_THE_GATE: Final = (NO_LAWFUL_MOMENT,)
_RELEASED: Final = (NO_LAWFUL_MOMENT, str(Release.GATE_RELEASE))


async def wake_people(
    conn: Conn, person_ids: Iterable[PersonId], *, released: bool = False
) -> None:
    """Mark the accounts of people about whom something has changed.

    Args:
        released: something that stopped them was ended: accounts that an outcome has laid aside
            until then are marked as well.
    """
    people = sorted(set(person_ids))
    if people:
        reasons = _RELEASED if released else _BY_THE_GATE
        await _WAKE.run(conn, people=people, reasons=reasons, woken=WOKEN)


async def wake_everybody(conn: AsyncConnection) -> None:
    """Mark all accounts that wait: something that stopped everybody was ended."""
    row = enrolment.c
    await conn.execute(
        update(enrolment)
        .where(row.state == "waiting", row.reason.in_(_RELEASED))
        .values(reason=WOKEN, not_before_ms=0)
    )


async def woken_up(
    campaign_id: CampaignId, account_ids: Iterable[AccountId], conn: AsyncConnection
) -> int:
    """Take the mark from accounts that are back in the queue; how many had it still."""
    row = enrolment.c
    changed = await conn.execute(
        update(enrolment)
        .where(
            row.campaign_id == campaign_id,
            row.account_id.in_(list(account_ids)),
            row.reason == WOKEN,
        )
        .values(reason="")
    )
    return changed.rowcount


_WAKE: Final = Command(
    """
    UPDATE enrolment SET reason = :woken, not_before_ms = 0
     WHERE account_id IN (
       SELECT q.account_id FROM EACH(:people) AS k
         JOIN account_party AS q ON q.person_id = k.value)
       AND state = 'waiting' AND reason IN (SELECT value FROM EACH(:reasons))
    """
)
