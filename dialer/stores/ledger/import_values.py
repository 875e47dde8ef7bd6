"""What is worked out from an imported account before it meets the ledger. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from statistics import median_low
from typing import Final

from campaigns.portfolio.model import ImportedAccount, ImportedParty, Stage

MATCH_KEY_CHARS: Final = 200
"""Length of the ledger's column."""


def match_key_of(party: ImportedParty) -> str:
    """The party's match key, as long as the ledger keeps one."""
    key = party.match_key
    return key if len(key) <= MATCH_KEY_CHARS else f"sha256:{digest_id(key)}"


def overdue_cents(given: ImportedAccount) -> int:
    """What is overdue on all debts of the account; where the file does not say, the total."""
    return sum(
        debt.total_cents if debt.overdue_cents is None else debt.overdue_cents
        for debt in given.debts
    )


def typical_amounts(accounts: Sequence[ImportedAccount], known: dict[str, int]) -> dict[str, int]:
    """Median amount overdue for each currency of `accounts` that `known` lacks."""
    amounts: dict[str, list[int]] = {}
    for given in accounts:
        if given.currency not in known:
            found = amounts.setdefault(given.currency, [])
            owed = overdue_cents(given)
            if owed > 0:
                found.append(owed)
    return {currency: median_low(found) if found else 1 for currency, found in amounts.items()}


def days_past_due(given: ImportedAccount) -> int:
    """Days past due. Not known: an account with a creditor's collector counts as just overdue,
    unless the file says that nothing is."""
    if given.dpd is not None:
        return given.dpd
    return 1 if overdue_cents(given) > 0 else 0


def is_charged_off(given: ImportedAccount) -> bool:
    return given.stage is Stage.CASTIGO or any(
        debt.charge_off_date is not None for debt in given.debts
    )


def digest_id(*parts: str) -> str:
    """An id that the same words always get, so that saying them again adds nothing."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]
