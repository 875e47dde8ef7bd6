"""The second routine for hours: it agrees with the gate, and has nothing of it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.calendars import all_calendars
from compliance.messages import Place
from compliance.types import Outcome, RuleKind
from compliance.zones import zone
from dialer.core import hours_proof
from dialer.core.hours_proof import Breach, Window, check, windows_of
from tests.compliance.build import (
    BOGOTA,
    FLORIDA,
    LIMA,
    MEXICO_CITY,
    NEW_JERSEY,
    SANTIAGO,
    facts,
    judge,
    packs,
)

CALENDARS = all_calendars()
WINDOWS: Mapping[str, Window] = {
    rule_id: window for pack in packs().packs for rule_id, window in windows_of(pack.text).items()
}
PLACES = [
    BOGOTA,
    FLORIDA,
    LIMA,
    MEXICO_CITY,
    NEW_JERSEY,
    SANTIAGO,
    Place(country="BR", subdivision="BR-SP"),
]
NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)


def test_it_shares_nothing_with_the_gate() -> None:
    tree = ast.parse(Path(hours_proof.__file__).read_text("utf-8"))
    used = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    ours = {name for name in used if name.startswith(("compliance", "dialer", "campaigns"))}
    assert ours == {
        "compliance.calendars",
        "compliance.messages",
        "compliance.types",
        "compliance.zones",
    }


@given(
    st.sampled_from(PLACES),
    st.integers(0, 2 * 364 * 86_400),
)
@settings(max_examples=300, deadline=None)
def test_it_agrees_with_the_gate_at_any_instant(place: Place, second: int) -> None:
    """Every rule of hours: denied by the gate exactly where this routine finds it outside."""
    record = judge(facts(place), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second))
    bound = [f for f in record.findings if f.kind is RuleKind.CONTACT_WINDOW]
    assert bound
    denied = {f.rule_id for f in bound if f.outcome.stops}
    found = check(record, "p/1", WINDOWS, CALENDARS, place.subdivision)
    outside = {v.rule_id for v in found.violations if v.breach is Breach.OUTSIDE_HOURS}
    assert outside == denied
    assert {v.breach for v in found.violations} <= {Breach.OUTSIDE_HOURS}
    assert found.clocks >= len(bound)


def test_the_edges() -> None:
    opens = datetime(2026, 11, 24, 11, tzinfo=UTC)  # 08:00 in Santiago
    place = Place(country="CL", subdivision="CL-RM")
    for at, breach in (
        (opens - timedelta(seconds=1), True),
        (opens, False),
        (opens + timedelta(hours=12, seconds=-1), False),
        (opens + timedelta(hours=12), True),
    ):
        window = WINDOWS["cl/hours"]
        local = at.astimezone(zone("America/Santiago"))
        assert hours_proof.inside(window, local, CALENDARS, place.subdivision) is not breach


def test_a_day_that_no_calendar_is_sure_of_is_a_holiday() -> None:
    local = datetime(2031, 3, 4, 12, tzinfo=zone("America/Santiago"))
    assert not hours_proof.inside(WINDOWS["cl/hours"], local, CALENDARS, "CL-RM")
    assert not hours_proof.inside(WINDOWS["cl/hours"], local, {}, "CL-RM")


def test_a_lifted_rule_is_told_apart() -> None:
    night = judge(facts(SANTIAGO), datetime(2026, 11, 24, 7, tzinfo=UTC))
    findings = tuple(
        msgspec.structs.replace(f, outcome=Outcome.LIFTED, lifted_by="consent:c-1")
        if f.kind is RuleKind.CONTACT_WINDOW
        else f
        for f in night.findings
    )
    lifted = msgspec.structs.replace(night, findings=findings)
    found = check(lifted, "p/1", WINDOWS, CALENDARS, "CL-RM")
    assert found.violations == ()
    assert "cl/hours consent:c-1" in found.lifted


@pytest.mark.parametrize("change", ["clock", "rules", "unknown"])
def test_what_is_wrong_with_a_record(change: str) -> None:
    record = judge(facts(SANTIAGO), NOON)
    windows = WINDOWS
    if change == "clock":
        zone_name = record.zones[0]
        times = {**record.local_times, zone_name: "2026-11-24T12:00:00-05:00"}
        record = msgspec.structs.replace(record, local_times=times)
        expected = Breach.WRONG_CLOCK
    elif change == "rules":
        kept = tuple(f for f in record.findings if f.kind is not RuleKind.CONTACT_WINDOW)
        record = msgspec.structs.replace(record, findings=kept)
        expected = Breach.NO_RULE
    else:
        windows = {}
        expected = Breach.RULE_UNKNOWN
    found = check(record, "p/1", windows, CALENDARS, "CL-RM")
    assert {v.breach for v in found.violations} == {expected}
