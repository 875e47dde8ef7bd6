"""The live engine, on real stores, does what the twin says it would."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from compliance.types import Mode
from dialer.stores.redis import EmbeddedRedis
from tests.simulation.twin_engine import Deck, Outcome, Shape, engine, twin
from tests.support.redis_server import short_folder

OCCUPANCY_WITHIN = 0.01
ABANDONMENT_WITHIN = 0.002


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A server of its own, started and ended outside of virtual time."""
    with short_folder() as folder:
        server = EmbeddedRedis(folder)
        asyncio.run(server.start())
        try:
            yield server.url
        finally:
            asyncio.run(server.stop())


def both(
    shape: Shape, folder: Path, redis_url: str, accounts: int, patch: pytest.MonkeyPatch
) -> tuple[Outcome, Outcome]:
    """The engine's outcome and the twin's, over the same people in the same order."""
    deck = Deck(shape, shape.seed)
    live = engine(shape, deck, folder, redis_url, accounts, patch)
    mirrored = twin(shape, deck, live.decisions[0].estimates.staffed)
    told = f"live {live[:5]}, twin {mirrored[:5]}, seed {shape.seed}"
    assert live.answered > 0, told
    assert live.occupancy == pytest.approx(mirrored.occupancy, abs=OCCUPANCY_WITHIN), told
    assert live.abandoned_share == pytest.approx(
        mirrored.abandoned_share, abs=ABANDONMENT_WITHIN
    ), told
    return live, mirrored


def decided_alike(live: Outcome, mirrored: Outcome) -> float:
    """Share of the live decisions, as logged, that the twin made as well at the same second."""
    zero_s = live.decisions[0].at_s
    twins = {round(d.at_s): d for d in mirrored.decisions}
    alike = total = 0
    for decision in live.decisions:
        other = twins.get(round(decision.at_s - zero_s))
        if other is None or decision.at_s == zero_s:
            continue  # before the queue and the trunk's tokens are there
        total += 1
        ours, theirs = decision.estimates, other.estimates
        alike += (
            decision.calls_to_place == other.calls_to_place
            and (ours.idle, ours.ringing, ours.staffed) == (
                theirs.idle, theirs.ringing, theirs.staffed)
            and ours.pickup_rate == pytest.approx(theirs.pickup_rate, abs=1e-6)
            and ours.talk_mean_s == pytest.approx(theirs.talk_mean_s, abs=1e-3)
        )  # fmt: skip
    assert total > 50
    return alike / total


def test_the_engine_decides_as_its_twin_does(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not alike on the whole only: decision by decision, through gate, ledger, Redis and desk."""
    shape = Shape(agents=16, minutes=8.0)
    live, mirrored = both(shape, tmp_path, redis_url, 700, monkeypatch)
    assert (live.dials, live.answered, live.abandoned) == (
        mirrored.dials,
        mirrored.answered,
        mirrored.abandoned,
    )
    assert decided_alike(live, mirrored) == 1.0


def test_progressive_dialing_is_the_same_in_both(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = Shape(agents=8, minutes=8.0, mode=Mode.PROGRESSIVE, seed=2)
    live, mirrored = both(shape, tmp_path, redis_url, 300, monkeypatch)
    assert live.abandoned == mirrored.abandoned == 0
    assert decided_alike(live, mirrored) == 1.0


def test_agents_who_look_first_are_the_same_in_both(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = Shape(agents=8, minutes=10.0, mode=Mode.PREVIEW, seed=3, look_s=12.0)
    live, mirrored = both(shape, tmp_path, redis_url, 300, monkeypatch)
    assert live.abandoned == mirrored.abandoned == 0
    assert (live.dials, live.answered) == (mirrored.dials, mirrored.answered)


@pytest.mark.soak
def test_a_hundred_agents_for_an_hour(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, _ = both(Shape(agents=100, minutes=60.0), tmp_path, redis_url, 18_000, monkeypatch)
    assert live.answered > 4_000
    assert live.abandoned_share < 0.015
