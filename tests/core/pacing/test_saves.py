"""Saves of other releases are refused, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dialer.core.pacing import DialPlaced, PacingConfig, Snapshot, make_pacer
from dialer.core.pacing.saves import same_shape

Save = dict[str, Any]


@pytest.mark.parametrize(
    ("saved", "own", "same"),
    [
        ([1, 2.5, None], [0, 0.0, 7.0], True),
        ({"a": [[1], [2]]}, {"a": [[3], [4]]}, True),
        ({"a": [[1], [2]]}, {"a": [[3], [4, 5]]}, False),
        ({"a": []}, {"b": []}, False),
        ([], {}, False),
        (None, [1], False),
        ([1], 1, False),
    ],
)
def test_names_and_lengths_are_compared(saved: object, own: object, *, same: bool) -> None:
    assert same_shape(saved, own) is same


def _shorter_detection(save: Save) -> None:
    save["detection"][0].pop()


def _longer_cohorts(save: Save) -> None:
    save["segments"][""][0].append(0.0)


def _another_window(save: Save) -> None:
    save["budget"]["windows"]["7d"] = save["budget"]["windows"].pop("24h")


def _no_talk(save: Save) -> None:
    del save["talk"]


def _text_for_a_number(save: Save) -> None:
    save["stays"] = "often"


@pytest.mark.parametrize(
    "damage",
    [_shorter_detection, _longer_cohorts, _another_window, _no_talk, _text_for_a_number],
)
def test_a_save_that_does_not_fit_is_refused_whole(damage: Callable[[Save], None]) -> None:
    old, fresh = make_pacer(PacingConfig()), make_pacer(PacingConfig())
    old.observe(DialPlaced(at_s=1.0, call_id="a"))
    old.decide(Snapshot(at_s=2.0, staffed=1))
    save: Save = msgspec.json.decode(old.save())
    damage(save)
    before = fresh.save()
    with pytest.raises(ValueError, match=r"release|Object|Expected"):
        fresh.restore(msgspec.json.encode(save))
    assert fresh.save() == before
