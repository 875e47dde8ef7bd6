"""What the simulator remembers is bounded."""

from __future__ import annotations

from datetime import timedelta

from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.messages import CallId
from telephony_adapters.simulator.number_memory import NumberMemory
from telephony_adapters.simulator.world import Past
from tests.support.manual_clock import START


def test_dials_are_counted_by_number_and_week() -> None:
    memory = NumberMemory()
    assert memory.record("a", START) == Past(0, 0)
    assert memory.record("a", START + timedelta(days=1)) == Past(1, 1)
    assert memory.record("b", START + timedelta(days=1)) == Past(0, 0)
    assert memory.record("a", START + timedelta(days=7)) == Past(2, 1)
    assert memory.record("a", START + timedelta(days=30)) == Past(3, 0)


def test_the_number_met_first_is_forgotten_first() -> None:
    memory = NumberMemory(limit=2)
    for number in ("a", "b", "c"):
        memory.record(number, START)
    assert memory.record("b", START).attempts == 1
    assert memory.record("a", START).attempts == 0


def test_the_last_call_ids_are_remembered() -> None:
    used = UsedCallIds(limit=100)
    ids = [CallId(str(n)) for n in range(1_000)]
    for call_id in ids:
        assert call_id not in used
        used.add(call_id)
    assert all(call_id in used for call_id in ids[-100:])
    assert sum(call_id in used for call_id in ids) <= 200
