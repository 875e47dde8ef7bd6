"""Virtual time: in order, ties as scheduled, nothing in the past."""

from __future__ import annotations

from dialer.simulation.clock import VirtualClock


def test_things_happen_in_order_and_ties_as_scheduled() -> None:
    clock, seen = VirtualClock(), list[tuple[str, float]]()

    def note(name: str) -> None:
        seen.append((name, clock.now_s))

    clock.at(5.0, note, "late")
    clock.at(2.0, note, "first")
    clock.at(2.0, note, "second")
    clock.run_until(4.0)
    assert seen == [("first", 2.0), ("second", 2.0)]
    assert clock.now_s == 4.0
    clock.run_until(5.0)
    assert seen[-1] == ("late", 5.0)


def test_what_is_scheduled_in_the_past_happens_now() -> None:
    clock, seen = VirtualClock(10.0), list[float]()
    clock.at(3.0, lambda: seen.append(clock.now_s))
    clock.run_until(10.0)
    assert seen == [10.0]


def test_callbacks_can_schedule_more() -> None:
    clock, seen = VirtualClock(), list[float]()

    def again() -> None:
        seen.append(clock.now_s)
        clock.at(clock.now_s + 1.0, again)

    clock.at(0.0, again)
    clock.run_until(3.5)
    assert seen == [0.0, 1.0, 2.0, 3.0]
