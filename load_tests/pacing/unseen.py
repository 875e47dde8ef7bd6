"""Worlds that the pacer was not tuned to, and channels that tell it less than the truth."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

from dialer.core.pacing import (
    Decider,
    Decision,
    DialPlaced,
    Failed,
    MachineDetected,
    NoAnswer,
    PacingConfig,
    PacingEvent,
    Pickup,
    Snapshot,
    make_pacer,
)
from dialer.simulation.worlds import SCENARIOS, Arrival, Departure, Segment, World

DAY_S = 8 * 3600.0
OSCILLATING = tuple(
    (t + edge, 0.12 if t // 1800 % 2 else 0.35)
    for t in range(0, int(DAY_S), 1800)
    for edge in (0.0, 1799.0)
)
WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        World(name="sudden_pickups", ring_delay_shape=20.0, ring_delay_mean_s=13.0),
        World(name="exponential_pickups", ring_delay_shape=1.0, ring_delay_min_s=1.0),
        World(name="slow_ring", ring_delay_min_s=4.0, ring_delay_mean_s=14.0, ring_timeout_s=40.0),
        World(name="hang_ups", hang_up_share=0.5, talk_mean_s=240.0),
        World(name="same_talk", talk_cv=0.1, wrap_up_cv=0.1),
        World(
            name="bursts",
            arrivals=(Arrival(share=0.5, from_s=DAY_S / 4, within_s=20.0),),
            departures=(Departure(share=0.3, from_s=DAY_S * 0.7, within_s=30.0),),
        ),
        World(
            name="leave_at_noon",
            departures=(Departure(share=0.6, from_s=DAY_S / 2, within_s=120.0),),
        ),
        World(name="oscillating", segments=(Segment(live_rate=OSCILLATING),)),
        World(name="quarter_second", tick_s=0.25),
        World(name="mistaken_amd", machine_rate=0.35, amd_false_machine=0.003),
        msgspec.structs.replace(SCENARIOS["amd"], name="silent_amd"),
        msgspec.structs.replace(SCENARIOS["drift"], name="unlabeled"),
        World(name="lost_events"),
        World(name="late_news"),
    )
}
"""The last four get a `Channel` of their own name below."""


class Channel:
    """A pacer that hears its world through something that changes what it is told."""

    def __init__(self, pacer: Decider, seed: int) -> None:
        self.pacer = pacer
        self.random = Random(f"{seed}:channel")

    def observe(self, event: PacingEvent) -> None:
        self.pacer.observe(event)

    def decide(self, snapshot: Snapshot) -> Decision:
        return self.pacer.decide(snapshot)


class SilentAmd(Channel):
    """Detection takes place, and nobody says when it begins."""

    def observe(self, event: PacingEvent) -> None:
        if not isinstance(event, Pickup):
            self.pacer.observe(event)

    def decide(self, snapshot: Snapshot) -> Decision:
        ringing = {s: list(since) for s, since in snapshot.ringing_since_s.items()}
        for since_s in snapshot.in_amd_since_s:
            # Whoever does not see detection still sees a call that has not been answered.
            next(iter(ringing.values())).append(since_s - 8.0)
        return self.pacer.decide(
            msgspec.structs.replace(
                snapshot,
                ringing_since_s={s: tuple(since) for s, since in ringing.items()},
                in_amd_since_s=(),
            )
        )


class Unlabeled(Channel):
    """Segments answer differently, and nobody says which call is of which."""

    def observe(self, event: PacingEvent) -> None:
        if isinstance(event, DialPlaced):
            event = msgspec.structs.replace(event, segment="")
        self.pacer.observe(event)

    def decide(self, snapshot: Snapshot) -> Decision:
        ringing = tuple(sorted(s for since in snapshot.ringing_since_s.values() for s in since))
        return self.pacer.decide(
            msgspec.structs.replace(snapshot, ringing_since_s={"": ringing}, upcoming={})
        )


class LostEvents(Channel):
    """One in twenty endings of a call is never heard of."""

    def observe(self, event: PacingEvent) -> None:
        lossy = isinstance(event, NoAnswer | Failed | Pickup | MachineDetected)
        if not (lossy and self.random.random() < 0.05):
            self.pacer.observe(event)


class LateNews(Channel):
    """Snapshots show the calls of two seconds ago, as if they were the present's."""

    def __init__(self, pacer: Decider, seed: int) -> None:
        super().__init__(pacer, seed)
        self._past: list[Snapshot] = []

    def decide(self, snapshot: Snapshot) -> Decision:
        self._past = [*self._past[-2:], snapshot]
        old = self._past[0]
        return self.pacer.decide(
            msgspec.structs.replace(
                snapshot,
                ringing_since_s=old.ringing_since_s,
                in_amd_since_s=old.in_amd_since_s,
            )
        )


CHANNELS: dict[str, Callable[[Decider, int], Decider]] = {
    "silent_amd": SilentAmd,
    "unlabeled": Unlabeled,
    "lost_events": LostEvents,
    "late_news": LateNews,
}


def unseen_pacer(world: World, config: PacingConfig, seed: int) -> Decider:
    """Our pacer, behind the channel of that world where it has one."""
    pacer: Decider = make_pacer(config)
    channel = CHANNELS.get(world.name)
    return channel(pacer, seed) if channel else pacer
