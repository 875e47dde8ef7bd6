"""The queue against a model of four sets, under any order of operations, wipes included."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dialer.stores.redis import (
    DONE,
    READY,
    CampaignQueue,
    Claim,
    EmbeddedRedis,
    Entry,
    Place,
    Placement,
    QueueNotReady,
    QueueState,
    Settlement,
    WaitUntil,
    Whereabouts,
    connect,
)

T = TypeVar("T")
ITEMS = st.sampled_from([f"i{n:02d}" for n in range(12)])
PRIORITIES = st.integers(-5, 5)
INSTANTS = st.integers(0, 60)
PLACEMENTS = st.one_of(st.just(READY), st.just(DONE), st.builds(WaitUntil, INSTANTS))
ENTRIES = st.lists(st.builds(Entry, ITEMS, PRIORITIES, PLACEMENTS), max_size=8)


class QueueMachine(RuleBasedStateMachine):
    """Every rule does one thing to the queue and to the model, and compares the answers."""

    server: EmbeddedRedis

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis = self.run(connect(self.server))
        self.run(self.redis.execute("FLUSHALL"))
        self.queue = CampaignQueue(self.redis, "model")
        self.now_ms = 0
        self.tokens = 0
        self.state = QueueState.MISSING
        self.marker = ""
        self.model: dict[str, Whereabouts] = {}
        self.leases: dict[str, str] = {}
        self.claims_ever: list[Claim] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.redis.close())
        self.runner.close()

    def new_token(self) -> str:
        self.tokens += 1
        return f"t{self.tokens}"

    def place(self, item: str, priority: int, to: Placement) -> None:
        self.leases.pop(item, None)
        match to:
            case WaitUntil(not_before_ms=at_ms):
                self.model[item] = Whereabouts(item, priority, Place.WAITING, at_ms)
            case _:
                place = Place.READY if to == READY else Place.DONE
                self.model[item] = Whereabouts(item, priority, place)

    # --- rules -----------------------------------------------------------------------------

    @initialize(entries=ENTRIES)
    def build(self, entries: list[Entry]) -> None:
        self.begin_rebuild()
        self.load(entries, reset=False)
        self.finish_rebuild()

    @rule()
    def begin_rebuild(self) -> None:
        self.marker = self.new_token()
        self.run(self.queue.begin_rebuild(self.marker))
        self.state = QueueState.REBUILDING
        self.model.clear()
        self.leases.clear()

    @precondition(lambda self: self.state is QueueState.REBUILDING)
    @rule()
    def finish_rebuild(self) -> None:
        self.run(self.queue.finish_rebuild(self.marker))
        self.state = QueueState.COMPLETE

    @rule()
    def wipe(self) -> None:
        self.run(self.redis.execute("FLUSHALL"))
        self.state = QueueState.MISSING
        self.model.clear()
        self.leases.clear()

    @rule(entries=ENTRIES, reset=st.booleans())
    def load(self, entries: list[Entry], reset: bool) -> None:
        rebuild = self.marker if self.state is QueueState.REBUILDING else ""
        if self.state is QueueState.MISSING:
            with pytest.raises(QueueNotReady):
                self.run(self.queue.load(entries or [Entry("x", 1)], rebuild=rebuild))
            return
        result = self.run(self.queue.load(entries, rebuild=rebuild, reset=reset))
        first = {entry.item: entry for entry in reversed(entries)}
        known = first.keys() & self.model.keys()
        assert result.added == len(first) - len(known)
        assert result.reset == (len(known) if reset else 0)
        for entry in first.values():
            if reset or entry.item not in known:
                self.place(entry.item, entry.priority, entry.placement)

    @rule(limit=st.integers(1, 5), lease_ms=st.integers(1, 20))
    def claim(self, limit: int, lease_ms: int) -> None:
        work = self.queue.claim(
            limit, now_ms=self.now_ms, lease_ms=lease_ms, token=self.new_token()
        )
        if self.state is not QueueState.COMPLETE:
            with pytest.raises(QueueNotReady):
                self.run(work)
            return
        for item, at in self.model.items():
            if at.place is Place.WAITING and (at.at_ms or 0) <= self.now_ms:
                self.model[item] = Whereabouts(item, at.priority, Place.READY)
        ready = [at for at in self.model.values() if at.place is Place.READY]
        ready.sort(key=lambda at: (-at.priority, at.item))
        self.check_leased(self.run(work), ready[:limit], self.now_ms + lease_ms)

    @rule(limit=st.integers(1, 5), lease_ms=st.integers(1, 20))
    def reap(self, limit: int, lease_ms: int) -> None:
        work = self.queue.reap(limit, now_ms=self.now_ms, lease_ms=lease_ms, token=self.new_token())
        if self.state is not QueueState.COMPLETE:
            with pytest.raises(QueueNotReady):
                self.run(work)
            return
        leased = [at for at in self.model.values() if at.place is Place.LEASED]
        expired = [at for at in leased if (at.at_ms or 0) <= self.now_ms]
        expired.sort(key=lambda at: (at.at_ms or 0, at.item))
        self.check_leased(self.run(work), expired[:limit], self.now_ms + lease_ms)

    def check_leased(self, got: list[Claim], due: list[Whereabouts], deadline_ms: int) -> None:
        assert [(c.item, c.priority) for c in got] == [(at.item, at.priority) for at in due]
        for claim in got:
            assert claim not in self.claims_ever, "a lease token came twice"
            self.claims_ever.append(claim)
            self.leases[claim.item] = claim.lease_token
            self.model[claim.item] = Whereabouts(
                claim.item, claim.priority, Place.LEASED, deadline_ms
            )

    def some_claims(self, data: st.DataObject) -> list[Claim]:
        """Leases that are good and leases that were good once, mixed, with repeats."""
        good = [c for c in self.claims_ever if self.leases.get(c.item) == c.lease_token]
        strategies = [st.sampled_from(group) for group in (good, self.claims_ever) if group]
        return data.draw(st.lists(st.one_of(strategies), max_size=5)) if strategies else []

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        settlements = [
            Settlement(c.item, c.lease_token, data.draw(PLACEMENTS)) for c in self.some_claims(data)
        ]
        stale = []
        for settlement in settlements:
            if self.leases.get(settlement.item) == settlement.lease_token:
                priority = self.model[settlement.item].priority
                self.place(settlement.item, priority, settlement.to)
            else:
                stale.append(settlement)
        assert self.run(self.queue.settle(settlements)) == tuple(stale)

    @rule(data=st.data(), lease_ms=st.integers(1, 20))
    def extend(self, data: st.DataObject, lease_ms: int) -> None:
        claims = self.some_claims(data)
        stale = [c for c in claims if self.leases.get(c.item) != c.lease_token]
        work = self.queue.extend(claims, now_ms=self.now_ms, lease_ms=lease_ms)
        assert self.run(work) == tuple(stale)
        for c in claims:
            if c not in stale:
                self.model[c.item] = Whereabouts(
                    c.item, self.model[c.item].priority, Place.LEASED, self.now_ms + lease_ms
                )

    @rule(priorities=st.lists(st.tuples(ITEMS, PRIORITIES), max_size=5))
    def reprioritise(self, priorities: list[tuple[str, int]]) -> None:
        known = [(item, p) for item, p in priorities if item in self.model]
        assert self.run(self.queue.reprioritise(priorities)) == len(known)
        for item, priority in known:
            at = self.model[item]
            self.model[item] = Whereabouts(item, priority, at.place, at.at_ms)

    @rule(items=st.lists(ITEMS, max_size=3))
    def remove(self, items: list[str]) -> None:
        known = set(items) & self.model.keys()
        assert self.run(self.queue.remove(items)) == len(known)
        for item in known:
            del self.model[item]
            self.leases.pop(item, None)

    @rule(limit=st.integers(1, 3))
    def promote(self, limit: int) -> None:
        due = [at for at in self.model.values() if at.place is Place.WAITING]
        due = [at for at in due if (at.at_ms or 0) <= self.now_ms]
        due.sort(key=lambda at: (at.at_ms or 0, at.item))
        assert self.run(self.queue.promote(self.now_ms, limit)) == len(due[:limit])
        for at in due[:limit]:
            self.model[at.item] = Whereabouts(at.item, at.priority, Place.READY)

    @rule(step_ms=st.integers(1, 15))
    def time_passes(self, step_ms: int) -> None:
        self.now_ms += step_ms

    @rule()
    def server_forgets_scripts(self) -> None:
        self.run(self.redis.execute("SCRIPT", "FLUSH"))

    # --- invariants ------------------------------------------------------------------------

    @invariant()
    def every_item_is_where_the_model_says(self) -> None:
        names = [f"i{n:02d}" for n in range(12)]
        assert self.run(self.queue.look_up(names)) == [self.model.get(name) for name in names]

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        counts = self.run(self.queue.counts(self.now_ms))
        assert counts.conserved
        assert counts.enrolled == len(self.model)
        assert counts.tokens == len(self.leases)
        assert self.run(self.queue.state()) is self.state


@pytest.fixture
def machine(redis_server: EmbeddedRedis) -> Iterator[type[QueueMachine]]:
    QueueMachine.server = redis_server
    yield QueueMachine
    del QueueMachine.server


def test_queue_behaves_like_its_model(machine: type[QueueMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
