"""One owner for each campaign's pump, with a fencing token that only grows.

Whoever drives a campaign holds its lease and renews it well before it ends; a worker that dies
loses it by time, and another takes over. The token goes with everything the owner writes where
an older owner must not overwrite a newer one. It keeps growing over a wiped Redis, because it is
never less than Redis's clock in microseconds.

Redis's own clock counts the lease down: workers on several machines need no common time.
"""

from __future__ import annotations

import msgspec

from dialer.stores.redis.client import (
    RedisClient,
    as_int,
    as_list,
    as_text,
    checked_id,
    key,
    load_script,
)


class Ownership(msgspec.Struct, frozen=True):
    """Who drives a campaign, and under which token."""

    owner_id: str
    token: int


class OwnerLease:
    """The lease of one campaign, as one would-be owner sees it."""

    def __init__(self, redis: RedisClient, campaign_id: str, owner_id: str) -> None:
        """`owner_id` must be new for every process (host, pid and a random part)."""
        checked_id(campaign_id, "campaign id")
        self.owner_id = checked_id(owner_id, "owner id")
        self._redis = redis
        self._keys = (key("owner", campaign_id, "lease"), key("owner", campaign_id, "fence"))

    async def acquire(self, lease_ms: int) -> int | None:
        """Take the campaign for `lease_ms` and return the token; None while another has it.

        Who has it already gets the same token again, and the full time.
        """
        reply = await self._redis.run(_ACQUIRE, self._keys, self.owner_id, _positive(lease_ms))
        return None if reply is None else as_int(reply)

    async def renew(self, token: int, lease_ms: int) -> bool:
        """Begin the time anew; False when the lease was lost: stop driving the campaign at once."""
        args = (self.owner_id, token, _positive(lease_ms))
        return bool(as_int(await self._redis.run(_RENEW, self._keys, *args)))

    async def release(self, token: int) -> bool:
        """Give the campaign up; False when the lease was lost before."""
        return bool(as_int(await self._redis.run(_RELEASE, self._keys, self.owner_id, token)))

    async def holder(self) -> Ownership | None:
        """Who has the campaign now."""
        reply = await self._redis.execute("HMGET", self._keys[0], "owner", "token")
        owner, token = as_list(reply)
        return None if owner is None else Ownership(as_text(owner), as_int(token))


_ACQUIRE = load_script("owner_acquire")
_RENEW = load_script("owner_renew")
_RELEASE = load_script("owner_release")


def _positive(lease_ms: int) -> int:
    if lease_ms <= 0:
        raise ValueError(f"lease_ms must be positive: {lease_ms}")
    return lease_ms
