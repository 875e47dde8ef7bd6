"""Definitions: what is read, what is refused and how that is told."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dialer.simulation.twin.definition import live_at, rates_of, resized
from dialer.simulation.twin.reading import (
    DefinitionError,
    decode_definition,
    read_definition,
    schema,
)
from tests.simulation.twin.cases import definition

EXAMPLE = Path(__file__).parents[3] / "docs/examples/twin.toml"
TREE: dict[str, Any] = {
    "name": "x",
    "where": {"country": "CL"},
    "timezone": "America/Santiago",
    "segments": [{"name": "1-30", "accounts": 100}],
    "shifts": [{"agents": 3, "start": "09:00", "end": "18:00"}],
}


def test_the_example_is_read_and_its_own_rates_win() -> None:
    found = read_definition(EXAMPLE)
    assert found.agents == 8
    assert found.duration_s == 8 * 3600.0
    old = next(s for s in found.segments if s.name == "91-180")
    assert live_at(old, 10) == 0.15
    assert live_at(old, 15) == rates_of(old)[0] == 0.13


@pytest.mark.parametrize(("suffix", "write"), [(".json", json.dumps), (".yaml", yaml.safe_dump)])
def test_json_and_yaml_say_the_same(
    tmp_path: Path, suffix: str, write: Callable[[object], str]
) -> None:
    file = tmp_path / f"twin{suffix}"
    file.write_text(write(TREE), encoding="utf-8")
    assert read_definition(file) == decode_definition(TREE)


def _set(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(tree: dict[str, Any]) -> None:
        tree[key] = value

    return change


def _part(key: str, **changes: object) -> Callable[[dict[str, Any]], None]:
    def change(tree: dict[str, Any]) -> None:
        tree[key][0].update(changes)

    return change


@pytest.mark.parametrize(
    ("change", "key", "value", "reason"),
    [
        (_part("segments", live_rate=1.4), "segments[0].live_rate", 1.4, "float <= 1.0 is due"),
        (_part("segments", lve=0.1), "segments[0].lve", 0.1, "there is no such key"),
        (_part("segments", name="gold"), "segments[0].live_rate", None, "must be given"),
        (_part("shifts", start=540), "shifts[0].start", 540, "str is due, not int"),
        (_part("shifts", end="08:00"), "shifts[0].end", "08:00", "must lie after start"),
        (_part("shifts", agents=0), "shifts[0].agents", 0, "int >= 1 is due"),
        (_set("timezone", "Mars"), "timezone", "Mars", "must be an IANA zone"),
        (_set("campaign", {"mode": "ivr", "flow": "f"}), "campaign.mode", "ivr", "predictive, "),
        (_set("campaign", {"target_abandonment": 0.2}), "campaign.target_abandonment", 0.2,
         "float <= 0.03 is due"),
        (_set("calls", {"machine_rate": 0.9}), "calls", {"machine_rate": 0.9}, "at most 1"),
        (lambda t: t.pop("where"), "where", None, "is missing"),
        (_set("callbacks", {"by_hour": {"8": 3}}), "callbacks", {"by_hour": {"8": 3}},
         "must have hours in which somebody works, got 8"),
        (_set("inbound", {"by_hour": {"18": 3.5}}), "inbound", {"by_hour": {"18": 3.5}},
         "must have hours in which somebody works, got 18"),
        (_set("inbound", {"wait_s": 0}), "inbound.wait_s", 0, "float > 0.0 is due"),
        (_set("callbacks", {"own": 1}), "callbacks.own", 1, "there is no such key"),
        (lambda t: t["segments"].append(t["segments"][0]), "segments", None, "twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_key_value_and_reason(
    change: Callable[[dict[str, Any]], None], key: str, value: object, reason: str
) -> None:
    tree = copy.deepcopy(TREE)
    change(tree)
    with pytest.raises(DefinitionError) as caught:
        decode_definition(tree)
    assert caught.value.key == key
    assert reason in caught.value.reason[1]
    assert all((*caught.value.reason, *caught.value.mend))
    if key != "segments":
        assert caught.value.value == value


@pytest.mark.parametrize(
    ("name", "text"), [("a.toml", "name = ["), ("a.json", "{"), ("a.yaml", "a: ["), ("a.txt", "x")]
)
def test_a_file_that_cannot_be_parsed_says_where(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DefinitionError) as caught:
        read_definition(tmp_path / name)
    assert caught.value.key == name


def test_the_schema_names_every_key() -> None:
    text = json.dumps(schema())
    for key in ("segments", "live_rate_by_hour", "shifts", "pauses", "target_abandonment", "law"):
        assert f'"{key}"' in text


@given(first=st.integers(1, 300), second=st.integers(1, 300), wanted=st.integers(1, 900))
def test_another_size_has_exactly_so_many_agents(first: int, second: int, wanted: int) -> None:
    plain = definition()
    shifts = tuple(msgspec.structs.replace(plain.shifts[0], agents=n) for n in (first, second))
    two_shifts = msgspec.structs.replace(plain, shifts=shifts)
    assert resized(two_shifts, wanted).agents == wanted
