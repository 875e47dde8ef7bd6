"""The campaign queue: what may be dialed next, what sleeps, what is being worked on, what is done.

An enrolled item (an account's id) is in exactly one place:

    ready    by priority; `claim` takes the highest, and of equals the smallest id (the oldest)
    waiting  until an instant; then it is ready again
    leased   by one claim, until a deadline; only the holder of the lease's token can settle it
    done     nothing more to do in this campaign

The four always add up to the enrolment (`counts().conserved`). Every operation is one script in
one round trip and happens whole or not at all. The ledger is the truth: a queue that Redis lost
says so (`generation() is None`, `QueueNotReady`) and is loaded again by `begin_rebuild`, `load`
..., `finish_rebuild`; until that has ended it serves nothing.

All instants are milliseconds since the epoch, UTC, and are given by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import islice
from typing import TypeAlias

import msgspec

from dialer.stores.redis.client import (
    RedisClient,
    Reply,
    Script,
    as_int,
    as_list,
    as_text,
    checked_id,
    key,
    load_script,
)
from dialer.stores.redis.errors import QueueNotReady, QueueState

BATCH_ITEMS_MAX = 1000
"""Most items that one script handles: it bounds how long Redis answers nobody else (about 3 ms)."""
PROMOTE_MAX = 1000
"""Most due items that one claim moves from waiting to ready before it takes."""
NUMBER_MAX = 2**52 - 1
"""Redis keeps scores as doubles: whole numbers are exact up to here."""


class Ready(msgspec.Struct, frozen=True):
    """It may be tried now."""


class WaitUntil(msgspec.Struct, frozen=True):
    """It may be tried from an instant on."""

    not_before_ms: int


class Done(msgspec.Struct, frozen=True):
    """Nothing more to do in this campaign."""


Placement: TypeAlias = Ready | WaitUntil | Done
READY = Ready()
DONE = Done()


class Entry(msgspec.Struct, frozen=True):
    """An item to enrol."""

    item: str
    priority: int
    """Higher goes first; any sign, at most 2^52 - 1 either way."""
    placement: Placement = READY


class Claim(msgspec.Struct, frozen=True, gc=False):
    """An item that the caller holds until the deadline of the lease."""

    item: str
    priority: int
    lease_token: str


class Settlement(msgspec.Struct, frozen=True):
    """Where a leased item goes next."""

    item: str
    lease_token: str
    to: Placement


class Place(StrEnum):
    READY = "ready"
    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"


class Whereabouts(msgspec.Struct, frozen=True):
    """Where an enrolled item is."""

    item: str
    priority: int
    place: Place
    at_ms: int | None = None
    """Waiting: not before. Leased: deadline of the lease. None for the others."""


class LoadResult(msgspec.Struct, frozen=True):
    added: int
    reset: int
    """Items that were enrolled already and were put where they were told."""


class QueueCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many items are where, at one instant."""

    ready: int
    waiting: int
    due: int
    """Those of `waiting` whose instant has come."""
    leased: int
    done: int
    enrolled: int
    tokens: int
    """Lease tokens that are out; one for each leased item."""

    @property
    def conserved(self) -> bool:
        """Whether nothing was lost or doubled."""
        places = self.ready + self.waiting + self.leased + self.done
        return places == self.enrolled and self.tokens == self.leased


class CampaignQueue:
    """The queue of one campaign."""

    def __init__(self, redis: RedisClient, campaign_id: str) -> None:
        checked_id(campaign_id, "campaign id")
        self.campaign_id = campaign_id
        self._redis = redis
        names = ("ready", "waiting", "leased", "done", "items", "tokens", "meta")
        self._keys = tuple(key("queue", campaign_id, name) for name in names)
        self._waiting, self._meta = self._keys[1], self._keys[6]
        self._enrolled = self._keys[4]

    # --- loading and rebuilding ------------------------------------------------------------

    async def generation(self) -> str | None:
        """Marker of the rebuild that filled this queue; None when it has to be (re)built.

        None means that it was never loaded, that Redis lost its data, or that a rebuild was
        broken off (or still runs: the owner of the campaign is the one that rebuilds).
        """
        state, marker = await self._state()
        return marker if state is QueueState.COMPLETE else None

    async def state(self) -> QueueState:
        """Whether the queue can be claimed from, and if not, why."""
        return (await self._state())[0]

    async def begin_rebuild(self, marker: str) -> None:
        """Empty the queue and refuse claims until `finish_rebuild(marker)`.

        `marker` must be new for every rebuild (a ULID): loads of an earlier, abandoned rebuild
        are refused from here on, and leases that are out can no longer settle anything.
        """
        checked_id(marker, "marker of the rebuild")
        await self._run(_BEGIN_REBUILD, marker)

    async def load(
        self, entries: Iterable[Entry], *, rebuild: str = "", reset: bool = False
    ) -> LoadResult:
        """Enrol items; may be repeated, and any part of it, without harm.

        An item that is enrolled already keeps its place, priority and lease, so a repeat neither
        doubles nor resurrects anything. With `reset` it is put where the entry says instead and
        its lease ends: for a sweep that found the queue disagreeing with the ledger.

        `rebuild` is the marker of the rebuild that this belongs to, empty for a later enrolment.
        Entries are sent in batches of `BATCH_ITEMS_MAX`; what was sent before an error stays.
        Raises `QueueNotReady` when the queue is missing or another rebuild has begun.
        """
        added = moved = 0
        remaining = iter(entries)
        while batch := list(islice(remaining, BATCH_ITEMS_MAX)):
            flat: list[str | int] = []
            for entry in batch:
                flat += (
                    checked_id(entry.item, "item"),
                    _rank(entry.priority),
                    _place_code(entry.placement),
                )
            reply = as_list(await self._run(_LOAD, rebuild, int(reset), *flat))
            self._require(reply, "loaded")
            added += as_int(reply[1])
            moved += as_int(reply[2])
        return LoadResult(added, moved)

    async def finish_rebuild(self, marker: str) -> None:
        """Declare the rebuild complete. Raises `QueueNotReady` when it is not the current one."""
        self._require(as_list(await self._run(_FINISH_REBUILD, marker)), "complete")

    async def drop_all(self) -> None:
        """Remove the queue from Redis. It is `missing` then."""
        await self._redis.execute("UNLINK", *self._keys)

    # --- working ---------------------------------------------------------------------------

    async def claim(self, limit: int, *, now_ms: int, lease_ms: int, token: str) -> list[Claim]:
        """Lease up to `limit` ready items, highest priority first, for `lease_ms`.

        Items whose waiting time is over become ready first, at most `PROMOTE_MAX` of them; when
        more come due at once, call `promote` ahead so that priority holds among all of them.

        `token` must be new for every call (a ULID). Each claim carries a lease token made from
        it that no other claim ever has, even if Redis came back without its last second.
        Raises `QueueNotReady`.
        """
        _check_limit(limit, "limit")
        deadline_ms = _deadline(now_ms, lease_ms)
        reply = await self._run(
            _CLAIM, limit, now_ms, deadline_ms, checked_id(token, "token"), PROMOTE_MAX
        )
        return self._claims(reply)

    async def promote(self, now_ms: int, limit: int = BATCH_ITEMS_MAX) -> int:
        """Move up to `limit` due items from waiting to ready; how many were moved.

        Call it until it returns less than `limit` when very many come due together, as they do
        when a calling window opens.
        """
        _check_limit(limit, "limit")
        return as_int(await self._run(_PROMOTE, now_ms, limit))

    async def settle(self, settlements: Sequence[Settlement]) -> tuple[Settlement, ...]:
        """End leases and put the items where they go next.

        Returns the settlements that were refused because the lease is no longer the item's: it
        ran out and was given on, the item was removed or reset, or the queue was lost. The
        ledger already has what happened; a refused settlement needs no repeat.
        """
        stale: list[Settlement] = []
        for start in range(0, len(settlements), BATCH_ITEMS_MAX):
            batch = settlements[start : start + BATCH_ITEMS_MAX]
            lines = [
                f"{settled.item}\n{settled.lease_token}\n{_place_code(settled.to)}"
                for settled in batch
            ]
            reply = as_list(await self._run(_SETTLE, "\n".join(lines)))
            stale += (batch[as_int(n)] for n in reply)
        return tuple(stale)

    async def extend(
        self, claims: Sequence[Claim], *, now_ms: int, lease_ms: int
    ) -> tuple[Claim, ...]:
        """Give leases a new deadline; returns those that were refused as stale."""
        deadline_ms = _deadline(now_ms, lease_ms)
        stale: list[Claim] = []
        for start in range(0, len(claims), BATCH_ITEMS_MAX):
            batch = claims[start : start + BATCH_ITEMS_MAX]
            flat = [text for claim in batch for text in (claim.item, claim.lease_token)]
            reply = as_list(await self._run(_EXTEND, deadline_ms, *flat))
            stale += (batch[as_int(n)] for n in reply)
        return tuple(stale)

    async def reap(self, limit: int, *, now_ms: int, lease_ms: int, token: str) -> list[Claim]:
        """Lease items whose lease has run out anew, to the caller, for `lease_ms`.

        The former holder can no longer settle them. The caller asks the ledger what became of
        each and settles it; if the caller dies too, they are reaped again. `token` as in `claim`.
        Raises `QueueNotReady`.
        """
        _check_limit(limit, "limit")
        deadline_ms = _deadline(now_ms, lease_ms)
        reply = await self._run(_REAP, limit, now_ms, deadline_ms, checked_id(token, "token"))
        return self._claims(reply)

    async def reprioritise(self, priorities: Sequence[tuple[str, int]]) -> int:
        """Give items another priority; how many of them are enrolled.

        It holds at once for ready items, and for the others when they become ready.
        """
        known = 0
        for start in range(0, len(priorities), BATCH_ITEMS_MAX):
            flat: list[str | int] = []
            for item, priority in priorities[start : start + BATCH_ITEMS_MAX]:
                flat += (item, _rank(priority))
            known += as_int(await self._run(_REPRIORITISE, *flat))
        return known

    async def remove(self, items: Sequence[str]) -> int:
        """End the enrolment of items, leased ones too; how many were enrolled."""
        removed = 0
        for start in range(0, len(items), BATCH_ITEMS_MAX):
            batch = items[start : start + BATCH_ITEMS_MAX]
            removed += as_int(await self._run(_REMOVE, *batch))
        return removed

    # --- looking ---------------------------------------------------------------------------

    async def counts(self, now_ms: int) -> QueueCounts:
        """How many items are where, all at one instant."""
        numbers = [as_int(n) for n in as_list(await self._run(_COUNTS, now_ms))]
        ready, waiting, due, leased, done, enrolled, tokens = numbers
        return QueueCounts(
            ready=ready,
            waiting=waiting,
            due=due,
            leased=leased,
            done=done,
            enrolled=enrolled,
            tokens=tokens,
        )

    async def supply(self, now_ms: int) -> int:
        """How many items could be claimed now: ready, and waiting ones that are due."""
        counts = await self.counts(now_ms)
        return counts.ready + counts.due

    async def next_due_ms(self) -> int | None:
        """The earliest instant that a waiting item waits for; None when none waits."""
        first = as_list(await self._redis.execute("ZRANGE", self._waiting, 0, 0, "WITHSCORES"))
        return as_int(first[1]) if first else None

    async def look_up(self, items: Sequence[str]) -> list[Whereabouts | None]:
        """Where items are, in their order; None for one that is not enrolled."""
        found: list[Whereabouts | None] = []
        for start in range(0, len(items), BATCH_ITEMS_MAX):
            batch = items[start : start + BATCH_ITEMS_MAX]
            replies = as_list(await self._run(_LOOK_UP, *batch))
            found += map(_whereabouts, batch, replies)
        return found

    async def scan(self, cursor: int = 0, count: int = BATCH_ITEMS_MAX) -> tuple[int, list[str]]:
        """Walk over all enrolled items: `(next cursor, items)`; ends when the cursor is 0 again.

        About `count` items a step. An item that is enrolled all the while is met at least once.
        """
        reply = as_list(await self._redis.execute("HSCAN", self._enrolled, cursor, "COUNT", count))
        return as_int(reply[0]), [as_text(item) for item in as_list(reply[1])[::2]]

    # --- inside ----------------------------------------------------------------------------

    async def _run(self, script: Script, *args: str | int) -> Reply:
        return await self._redis.run(script, self._keys, *args)

    async def _state(self) -> tuple[QueueState, str]:
        reply = await self._redis.execute("HMGET", self._meta, "generation", "rebuilding")
        generation, rebuilding = as_list(reply)
        if rebuilding is not None:
            return QueueState.REBUILDING, as_text(rebuilding)
        if generation is not None:
            return QueueState.COMPLETE, as_text(generation)
        return QueueState.MISSING, ""

    def _require(self, reply: list[Reply], word: str) -> None:
        if as_text(reply[0]) != word:
            raise QueueNotReady(self.campaign_id, QueueState(as_text(reply[-1])))

    def _claims(self, reply: Reply) -> list[Claim]:
        parts = as_list(reply)
        self._require(parts, QueueState.COMPLETE)
        token = as_text(parts[1])
        items, ranks = parts[2::2], parts[3::2]
        return [
            Claim(as_text(item), -as_int(rank), token)
            for item, rank in zip(items, ranks, strict=True)
        ]


def _script(name: str) -> Script:
    return load_script(name, prelude="queue_common")


_BEGIN_REBUILD = _script("queue_begin_rebuild")
_CLAIM = _script("queue_claim")
_COUNTS = _script("queue_counts")
_EXTEND = _script("queue_extend")
_FINISH_REBUILD = _script("queue_finish_rebuild")
_LOAD = _script("queue_load")
_LOOK_UP = _script("queue_look_up")
_PROMOTE = _script("queue_promote")
_REAP = _script("queue_reap")
_REMOVE = _script("queue_remove")
_REPRIORITISE = _script("queue_reprioritise")
_SETTLE = _script("queue_settle")


def _rank(priority: int) -> int:
    if not -NUMBER_MAX <= priority <= NUMBER_MAX:
        raise ValueError(f"priority must lie between -{NUMBER_MAX} and {NUMBER_MAX}: {priority}")
    return -priority


def _place_code(placement: Placement) -> str | int:
    match placement:
        case Ready():
            return "ready"
        case Done():
            return "done"
        case WaitUntil(not_before_ms=ms):
            if not 0 <= ms <= NUMBER_MAX:
                raise ValueError(f"not_before_ms must lie between 0 and {NUMBER_MAX}: {ms}")
            return ms


def _check_limit(limit: int, what: str) -> None:
    if not 1 <= limit <= BATCH_ITEMS_MAX:
        raise ValueError(f"{what} must lie between 1 and {BATCH_ITEMS_MAX}: {limit}")


def _deadline(now_ms: int, lease_ms: int) -> int:
    if lease_ms <= 0:
        raise ValueError(f"lease_ms must be positive: {lease_ms}")
    return now_ms + lease_ms


def _whereabouts(item: str, reply: Reply) -> Whereabouts | None:
    rank, text = (as_text(part) for part in as_list(reply))
    place, _, at_ms = text.partition(":")
    if place == "absent":
        return None
    return Whereabouts(item, -int(rank), Place(place), int(at_ms) if at_ms else None)
