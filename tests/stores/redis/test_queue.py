"""The queue's promises, one by one, on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import count

import pytest

from dialer.stores.redis import (
    DONE,
    READY,
    CampaignQueue,
    Claim,
    Entry,
    LoadResult,
    Place,
    QueueNotReady,
    QueueState,
    RedisClient,
    Settlement,
    WaitUntil,
    Whereabouts,
)
from dialer.stores.redis.queue import BATCH_ITEMS_MAX, NUMBER_MAX, PROMOTE_MAX

NOW_MS = 1_763_880_000_000
LEASE_MS = 60_000
_tokens = count()


def fresh_token() -> str:
    return f"t{next(_tokens)}"


def ulid(number: int) -> str:
    return f"01JDB{number:021d}"


async def built(redis: RedisClient, entries: Iterable[Entry] = ()) -> CampaignQueue:
    queue = CampaignQueue(redis, "c1")
    await queue.begin_rebuild("g1")
    await queue.load(entries, rebuild="g1")
    await queue.finish_rebuild("g1")
    return queue


async def claim(queue: CampaignQueue, limit: int, now_ms: int = NOW_MS) -> list[Claim]:
    return await queue.claim(limit, now_ms=now_ms, lease_ms=LEASE_MS, token=fresh_token())


async def reap(queue: CampaignQueue, now_ms: int, limit: int = 100) -> list[Claim]:
    return await queue.reap(limit, now_ms=now_ms, lease_ms=LEASE_MS, token=fresh_token())


def items(claims: Iterable[Claim]) -> list[str]:
    return [c.item for c in claims]


async def test_claims_by_priority_and_the_oldest_of_equals_first(redis_client: RedisClient) -> None:
    queue = await built(
        redis_client,
        [Entry("b", 5), Entry("a", 5), Entry("low", -3), Entry("top", 900), Entry("zero", 0)],
    )
    claims = await claim(queue, 4)
    assert [(c.item, c.priority) for c in claims] == [("top", 900), ("a", 5), ("b", 5), ("zero", 0)]
    assert items(await claim(queue, 4)) == ["low"]
    assert await claim(queue, 4) == []


async def test_a_waiting_item_is_claimed_at_its_instant_and_not_a_millisecond_before(
    redis_client: RedisClient,
) -> None:
    queue = await built(redis_client, [Entry("later", 9, WaitUntil(NOW_MS + 50)), Entry("now", 1)])
    assert await queue.next_due_ms() == NOW_MS + 50
    assert await queue.supply(NOW_MS + 49) == 1
    assert await queue.supply(NOW_MS + 50) == 2
    assert items(await claim(queue, 5, NOW_MS + 49)) == ["now"]
    assert items(await claim(queue, 5, NOW_MS + 50)) == ["later"]
    assert await queue.next_due_ms() is None


async def test_priority_survives_waiting_and_can_change_meanwhile(
    redis_client: RedisClient,
) -> None:
    queue = await built(redis_client, [Entry("a", 10), Entry("b", 20), Entry("c", 30)])
    claims = await claim(queue, 3)
    wait = [Settlement(c.item, c.lease_token, WaitUntil(NOW_MS + 1)) for c in claims]
    assert await queue.settle(wait) == ()
    assert await queue.reprioritise([("a", 99), ("nobody", 1)]) == 1
    again = await claim(queue, 3, NOW_MS + 1)
    assert [(c.item, c.priority) for c in again] == [("a", 99), ("c", 30), ("b", 20)]


async def test_reprioritise_reorders_ready_items_at_once(redis_client: RedisClient) -> None:
    queue = await built(redis_client, [Entry("a", 1), Entry("b", 2)])
    await queue.reprioritise([("a", 3)])
    assert items(await claim(queue, 1)) == ["a"]


async def test_each_settlement_goes_where_it_says(redis_client: RedisClient) -> None:
    queue = await built(redis_client, [Entry(name, 1) for name in "abc"])
    a, b, c = await claim(queue, 3)
    stale = await queue.settle(
        [
            Settlement(a.item, a.lease_token, READY),
            Settlement(b.item, b.lease_token, WaitUntil(NOW_MS + 7)),
            Settlement(c.item, c.lease_token, DONE),
        ]
    )
    assert stale == ()
    assert await queue.look_up(["a", "b", "c", "d"]) == [
        Whereabouts("a", 1, Place.READY),
        Whereabouts("b", 1, Place.WAITING, NOW_MS + 7),
        Whereabouts("c", 1, Place.DONE),
        None,
    ]
    assert (await queue.counts(NOW_MS)).conserved


async def test_stale_wrong_and_repeated_settlements_change_nothing(
    redis_client: RedisClient,
) -> None:
    queue = await built(redis_client, [Entry("a", 1), Entry("b", 1)])
    (a,) = await claim(queue, 1)
    late = Settlement("a", a.lease_token, READY)
    (reaped,) = await reap(queue, NOW_MS + LEASE_MS)
    assert reaped.item == "a"
    assert reaped.lease_token != a.lease_token
    unleased = Settlement("b", a.lease_token, DONE)
    unknown = Settlement("x", a.lease_token, DONE)
    good = Settlement("a", reaped.lease_token, DONE)
    twice = Settlement("a", reaped.lease_token, READY)
    assert await queue.settle([late, unleased, unknown, good, twice]) == (
        late,
        unleased,
        unknown,
        twice,
    )
    assert await queue.settle([good]) == (good,)
    counts = await queue.counts(NOW_MS)
    assert (counts.ready, counts.done, counts.leased) == (1, 1, 0)
    assert counts.conserved


async def test_lease_tokens_are_unique_even_when_the_caller_repeats_its_word(
    redis_client: RedisClient,
) -> None:
    queue = await built(redis_client, [Entry("a", 1)])
    seen = set()
    for _ in range(3):
        (one,) = await queue.claim(1, now_ms=NOW_MS, lease_ms=LEASE_MS, token="worker")
        seen.add(one.lease_token)
        await queue.settle([Settlement("a", one.lease_token, READY)])
    assert len(seen) == 3


async def test_reap_takes_expired_leases_only_and_extend_moves_the_deadline(
    redis_client: RedisClient,
) -> None:
    queue = await built(redis_client, [Entry("a", 2), Entry("b", 1)])
    claims = await claim(queue, 2)
    assert await reap(queue, NOW_MS + LEASE_MS - 1) == []
    assert await queue.extend(claims[:1], now_ms=NOW_MS, lease_ms=2 * LEASE_MS) == ()
    (reaped,) = await reap(queue, NOW_MS + LEASE_MS)
    assert (reaped.item, reaped.priority) == ("b", 1)
    assert await reap(queue, NOW_MS + LEASE_MS) == [], "the reaper has a lease now"
    assert await queue.extend(claims, now_ms=NOW_MS, lease_ms=LEASE_MS) == (claims[1],)
    assert items(await reap(queue, NOW_MS + 3 * LEASE_MS)) == ["a", "b"]


async def test_loading_again_neither_doubles_nor_resurrects(redis_client: RedisClient) -> None:
    queue = await built(redis_client, [Entry("a", 1), Entry("b", 1), Entry("c", 1)])
    done, leased = await claim(queue, 2)
    await queue.settle([Settlement(done.item, done.lease_token, DONE)])
    entries = [Entry("a", 7), Entry("b", 7), Entry("c", 7), Entry("d", 7), Entry("d", 8)]
    assert await queue.load(entries) == LoadResult(added=1, reset=0)
    found = await queue.look_up(["a", "b", "c", "d"])
    assert [(w.place, w.priority) for w in found if w] == [
        (Place.DONE, 1),
        (Place.LEASED, 1),
        (Place.READY, 1),
        (Place.READY, 7),
    ]
    assert await queue.settle([Settlement("b", leased.lease_token, DONE)]) == ()


async def test_reset_puts_items_where_they_are_told_and_ends_their_leases(
    redis_client: RedisClient,
) -> None:
    queue = await built(
        redis_client,
        [Entry("a", 9), Entry("b", 1), Entry("c", 1, WaitUntil(NOW_MS)), Entry("d", 1, DONE)],
    )
    (a,) = await claim(queue, 1)
    told = [
        Entry("a", 2, DONE),
        Entry("b", 2, WaitUntil(NOW_MS + 1)),
        Entry("c", 2, DONE),
        Entry("d", 2),
        Entry("e", 2),
    ]
    assert await queue.load(told, reset=True) == LoadResult(added=1, reset=4)
    found = await queue.look_up(["a", "b", "c", "d", "e"])
    assert [w.place for w in found if w] == ["done", "waiting", "done", "ready", "ready"]
    assert len(await queue.settle([Settlement("a", a.lease_token, READY)])) == 1
    assert (await queue.counts(NOW_MS)).conserved


async def test_remove_ends_enrolment_wherever_the_item_is(redis_client: RedisClient) -> None:
    queue = await built(
        redis_client,
        [Entry("a", 9), Entry("b", 1), Entry("c", 1, WaitUntil(NOW_MS + 9)), Entry("d", 1, DONE)],
    )
    (a,) = await claim(queue, 1)
    assert await queue.remove(["a", "c", "c", "d", "x"]) == 3
    assert await queue.settle([Settlement("a", a.lease_token, READY)])
    counts = await queue.counts(NOW_MS)
    assert (counts.enrolled, counts.ready, counts.tokens) == (1, 1, 0)
    assert counts.conserved


async def test_many_items_due_at_once_keep_their_priority_after_promote(
    redis_client: RedisClient,
) -> None:
    total = PROMOTE_MAX * 2 + 500
    queue = await built(redis_client, [Entry(ulid(n), n, WaitUntil(NOW_MS)) for n in range(total)])
    moved: list[int] = []
    while not moved or moved[-1] == BATCH_ITEMS_MAX:
        moved.append(await queue.promote(NOW_MS))
    assert sum(moved) == total
    assert (await claim(queue, 1))[0].priority == total - 1


async def test_one_claim_moves_a_bounded_number_of_due_items(redis_client: RedisClient) -> None:
    entries = [Entry(ulid(n), 1, WaitUntil(NOW_MS)) for n in range(PROMOTE_MAX + 5)]
    queue = await built(redis_client, entries)
    await claim(queue, 1)
    counts = await queue.counts(NOW_MS)
    assert (counts.waiting, counts.due) == (5, 5)
    assert counts.conserved


async def test_batches_larger_than_one_script_are_split(redis_client: RedisClient) -> None:
    total = 2 * BATCH_ITEMS_MAX + 1
    queue = await built(redis_client, [Entry(ulid(n), n) for n in range(total)])
    claims = []
    while batch := await claim(queue, BATCH_ITEMS_MAX):
        claims += batch
    assert [c.priority for c in claims] == list(range(total - 1, -1, -1))
    assert await queue.extend(claims, now_ms=NOW_MS, lease_ms=LEASE_MS) == ()
    assert await queue.reprioritise([(c.item, 1) for c in claims]) == total
    assert None not in await queue.look_up(items(claims))
    wrong = [Settlement(c.item, "no", DONE) for c in claims]
    assert await queue.settle(wrong) == tuple(wrong)
    assert await queue.settle([Settlement(c.item, c.lease_token, DONE) for c in claims]) == ()
    assert await queue.remove(items(claims)) == total
    assert (await queue.counts(NOW_MS)).enrolled == 0


async def test_concurrent_claimers_never_get_the_same_item(redis_client: RedisClient) -> None:
    total = 3000
    queue = await built(redis_client, [Entry(ulid(n), n % 7) for n in range(total)])
    taken: list[str] = []

    async def worker() -> None:
        while claims := await claim(queue, 37):
            taken.extend(items(claims))

    await asyncio.gather(*(worker() for _ in range(8)))
    assert sorted(taken) == [ulid(n) for n in range(total)]


async def test_scan_meets_every_item(redis_client: RedisClient) -> None:
    queue = await built(redis_client, [Entry(ulid(n), 1) for n in range(2500)])
    await claim(queue, 10)
    seen: set[str] = set()
    cursor = -1
    while cursor != 0:
        cursor, found = await queue.scan(max(cursor, 0), count=500)
        seen.update(found)
    assert seen == {ulid(n) for n in range(2500)}


async def test_campaigns_do_not_see_each_other(redis_client: RedisClient) -> None:
    queue = await built(redis_client, [Entry("a", 1)])
    other = CampaignQueue(redis_client, "c2")
    assert await other.state() is QueueState.MISSING
    await other.begin_rebuild("g9")
    await other.finish_rebuild("g9")
    assert await claim(other, 5) == []
    await other.drop_all()
    assert items(await claim(queue, 5)) == ["a"]


# --- rebuilding --------------------------------------------------------------------------------


async def test_a_queue_that_was_never_loaded_is_missing_and_serves_nothing(
    redis_client: RedisClient,
) -> None:
    queue = CampaignQueue(redis_client, "c1")
    assert await queue.generation() is None
    with pytest.raises(QueueNotReady, match="must be rebuilt") as caught:
        await claim(queue, 1)
    assert caught.value.state is QueueState.MISSING
    with pytest.raises(QueueNotReady):
        await reap(queue, NOW_MS)
    with pytest.raises(QueueNotReady):
        await queue.load([Entry("a", 1)])
    assert (await queue.counts(NOW_MS)).enrolled == 0


async def test_flushall_is_detected_and_old_leases_are_worth_nothing(
    redis_client: RedisClient,
) -> None:
    queue = await built(redis_client, [Entry("a", 1), Entry("b", 1)])
    assert await queue.generation() == "g1"
    (before,) = await claim(queue, 1)
    await redis_client.execute("FLUSHALL")
    assert await queue.generation() is None
    with pytest.raises(QueueNotReady):
        await claim(queue, 1)
    settlement = Settlement(before.item, before.lease_token, DONE)
    assert await queue.settle([settlement]) == (settlement,)
    assert await redis_client.execute("DBSIZE") == 0

    await queue.begin_rebuild("g2")
    await queue.load([Entry("a", 1), Entry("b", 1)], rebuild="g2")
    await queue.finish_rebuild("g2")
    (after,) = await claim(queue, 1)
    assert after.item == before.item
    assert await queue.settle([settlement]) == (settlement,)


async def test_a_rebuild_that_broke_off_is_detected_and_repeated(redis_client: RedisClient) -> None:
    queue = CampaignQueue(redis_client, "c1")
    entries = [Entry(ulid(n), n) for n in range(2000)]
    await queue.begin_rebuild("g1")

    def dying() -> Iterable[Entry]:
        yield from entries[:1500]
        raise RuntimeError("the engine dies here")

    with pytest.raises(RuntimeError, match="dies here"):
        await queue.load(dying(), rebuild="g1")
    assert (await queue.counts(NOW_MS)).enrolled == BATCH_ITEMS_MAX
    assert await queue.generation() is None
    assert await queue.state() is QueueState.REBUILDING
    with pytest.raises(QueueNotReady):
        await claim(queue, 1)

    await queue.begin_rebuild("g2")
    with pytest.raises(QueueNotReady):
        await queue.load(entries, rebuild="g1")
    with pytest.raises(QueueNotReady):
        await queue.finish_rebuild("g1")
    assert await queue.load(entries, rebuild="g2") == LoadResult(2000, 0)
    await queue.finish_rebuild("g2")
    assert await queue.generation() == "g2"
    with pytest.raises(QueueNotReady, match="has ended"):
        await queue.load(entries, rebuild="g2")
    assert items(await claim(queue, 1)) == [ulid(1999)]


async def test_drop_all_leaves_nothing(redis_client: RedisClient) -> None:
    queue = await built(redis_client, [Entry("a", 1), Entry("b", 1), Entry("c", 1, DONE)])
    await claim(queue, 1)
    await queue.drop_all()
    assert await redis_client.execute("DBSIZE") == 0
    assert await queue.state() is QueueState.MISSING


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a{b}", "x" * 65, "two\nlines"])
async def test_names_that_cannot_be_keys_are_refused(redis_client: RedisClient, name: str) -> None:
    with pytest.raises(ValueError, match="campaign id must have 1 to 64 bytes"):
        CampaignQueue(redis_client, name)
    queue = await built(redis_client)
    with pytest.raises(ValueError, match="item must have"):
        await queue.load([Entry(name, 1)])


async def test_numbers_out_of_range_are_refused(redis_client: RedisClient) -> None:
    queue = await built(redis_client)
    with pytest.raises(ValueError, match="priority"):
        await queue.load([Entry("a", NUMBER_MAX + 1)])
    with pytest.raises(ValueError, match="not_before_ms"):
        await queue.load([Entry("a", 1, WaitUntil(-1))])
    with pytest.raises(ValueError, match="limit"):
        await claim(queue, 0)
    with pytest.raises(ValueError, match="limit"):
        await claim(queue, BATCH_ITEMS_MAX + 1)
    with pytest.raises(ValueError, match="lease_ms"):
        await queue.claim(1, now_ms=NOW_MS, lease_ms=0, token="t")
    await queue.load([Entry("lo", -NUMBER_MAX), Entry("hi", NUMBER_MAX)])
    assert [c.priority for c in await claim(queue, 2)] == [NUMBER_MAX, -NUMBER_MAX]
