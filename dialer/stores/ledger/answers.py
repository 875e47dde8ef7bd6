"""Which attempts a live person answered: what abandonment is measured over."""

from __future__ import annotations

from typing import Final

from compliance.types import EventKind

LIVE_ANSWERS: Final = (
    EventKind.CONVERSATION,
    EventKind.ANSWERED_DROPPED,
    EventKind.ANSWERED_THIRD_PARTY,
    EventKind.ANSWERED_WRONG_PARTY,
    EventKind.ABANDONED,
)
"""Answered by a live person, whatever came of it."""
ANSWERED_LIVE: Final = "outcome IN ({})".format(", ".join(f"'{kind}'" for kind in LIVE_ANSWERS))
"""The same as a condition on `attempt`, word for word that of its index `ix_attempt_answered`,
without which no database would use it."""
