"""What must be fast: campaign queues, agents' presence, leases, rates and live figures in Redis.

All of it can be wiped and rebuilt from the ledger, and no limit is broken by that.
"""

from dialer.stores.redis.client import RedisClient
from dialer.stores.redis.embedded import EmbeddedRedis, connect
from dialer.stores.redis.errors import (
    QueueNotReady,
    QueueState,
    RedisStoreError,
    RedisUnavailable,
)
from dialer.stores.redis.live import LiveEvent, LiveFeed
from dialer.stores.redis.ownership import OwnerLease, Ownership
from dialer.stores.redis.presence import AgentPool, AgentPresence
from dialer.stores.redis.queue import (
    DONE,
    READY,
    CampaignQueue,
    Claim,
    Done,
    Entry,
    LoadResult,
    Place,
    Placement,
    QueueCounts,
    Ready,
    Settlement,
    WaitUntil,
    Whereabouts,
)
from dialer.stores.redis.tokens import TokenBucket

__all__ = [
    "DONE",
    "READY",
    "AgentPool",
    "AgentPresence",
    "CampaignQueue",
    "Claim",
    "Done",
    "EmbeddedRedis",
    "Entry",
    "LiveEvent",
    "LiveFeed",
    "LoadResult",
    "OwnerLease",
    "Ownership",
    "Place",
    "Placement",
    "QueueCounts",
    "QueueNotReady",
    "QueueState",
    "Ready",
    "RedisClient",
    "RedisStoreError",
    "RedisUnavailable",
    "Settlement",
    "TokenBucket",
    "WaitUntil",
    "Whereabouts",
    "connect",
]
