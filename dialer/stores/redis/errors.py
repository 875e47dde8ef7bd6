"""What the Redis stores raise: `code` is stable, the text is for people."""

from __future__ import annotations

from enum import StrEnum


class RedisStoreError(Exception):
    """Root of what this package raises."""

    code = "redis_store_error"


class RedisUnavailable(RedisStoreError):
    """Redis cannot be used: not there, not answering, too old, read-only, out of room ...

    The command that met this *may or may not* have taken effect. Nothing depends on knowing:
    an item claimed by a lost reply is found again by `reap`, and the truth is in the ledger.
    """

    code = "redis_unavailable"

    def __init__(self, what: str, *, where: str, mend: str) -> None:
        super().__init__(f"{what} ({where}). {mend}")
        self.what = what
        """What went wrong."""
        self.where = where
        """The address (without password) or the folder."""
        self.mend = mend
        """What a person can do about it."""


class QueueState(StrEnum):
    """Whether a campaign's queue can be trusted."""

    COMPLETE = "complete"
    """Loaded in full; claims are served."""
    MISSING = "missing"
    """Never loaded, or Redis lost it: rebuild it from the ledger."""
    REBUILDING = "rebuilding"
    """Somebody is loading it, or died half way: only a new rebuild or its own end completes it."""


class QueueNotReady(RedisStoreError):
    """A claim, reap or load met a queue that is missing or being rebuilt."""

    code = "queue_not_ready"

    def __init__(self, campaign_id: str, state: QueueState) -> None:
        advice = {
            QueueState.MISSING: "it must be rebuilt from the ledger first",
            QueueState.REBUILDING: "another rebuild of it is under way or was broken off",
            QueueState.COMPLETE: "the rebuild that this load belongs to has ended",
        }[state]
        super().__init__(f"queue of campaign {campaign_id} is {state}: {advice}")
        self.campaign_id = campaign_id
        self.state = state
