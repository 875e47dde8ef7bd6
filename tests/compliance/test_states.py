"""Counters, notices and applicability of states, provinces, smaller packs and the default."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compliance.messages import Place
from compliance.packs import PackSet
from compliance.types import (
    Channel,
    EventKind,
    LineType,
    PointLabel,
)
from tests.compliance.build import (
    SANTIAGO,
    debt,
    event,
    facts,
    finding,
    judge,
    packs,
    phone,
    stops,
    when,
)


def test_massachusetts_two_in_seven_days_counts_texts_and_two_in_thirty_elsewhere() -> None:
    place = Place(country="US", subdivision="US-MA")
    zone = "America/New_York"
    rules = packs("us-ma")
    history = [
        event("text", when(zone, "2026-11-20 10:00"), EventKind.MESSAGE_SENT, channel=Channel.SMS),
        event("ring", when(zone, "2026-11-21 10:00")),
    ]
    record = judge(facts(place, history=history), when(zone, "2026-11-24 10:00"), rules=rules)
    assert "us-ma/two_in_7_days" in stops(record)
    work = phone(label=PointLabel.WORK)
    at_work = [
        event("w1", when(zone, "2026-11-01 10:00"), label=PointLabel.WORK),
        event("w2", when(zone, "2026-11-10 10:00"), label=PointLabel.WORK),
    ]
    known = facts(place, points=[work], history=at_work)
    record = judge(known, when(zone, "2026-11-24 10:00"), rules=rules)
    assert stops(record) == ["us-ma/two_in_30_days_elsewhere"]
    assert record.first_allowed == when(zone, "2026-12-01 08:00")


def test_washington_three_a_week_in_any_form_and_two_a_day_to_wireless() -> None:
    place = Place(country="US", subdivision="US-WA")
    zone = "America/Los_Angeles"
    rules = packs("us-wa")
    point = phone("+12065550123", line=LineType.MOBILE, label=PointLabel.MOBILE)
    forms = [
        event("a", when(zone, "2026-11-20 10:00")),
        event("b", when(zone, "2026-11-21 10:00"), EventKind.MESSAGE_SENT, channel=Channel.EMAIL),
        event("c", when(zone, "2026-11-22 10:00"), EventKind.LETTER_MAILED, channel=Channel.LETTER),
    ]
    known = facts(place, points=[point], history=forms)
    record = judge(known, when(zone, "2026-11-24 10:00"), rules=rules)
    assert stops(record) == ["us-wa/three_a_week"]
    two = [event(f"d{n}", when(zone, f"2026-11-24 0{n}:00")) for n in (8, 9)]
    known = facts(place, points=[point], history=two)
    record = judge(known, when(zone, "2026-11-24 10:00"), rules=rules)
    assert stops(record) == ["us-wa/wireless_two_a_day"]


def test_district_of_columbia_counts_by_account_and_keeps_eastern_time() -> None:
    place = Place(country="US", subdivision="US-DC")
    zone = "America/New_York"
    rules = packs("us-dc")
    four = [
        event(f"e{n}", when(zone, f"2026-11-2{n} 10:00"), debts=(), account_ids=("account-9",))
        for n in range(4)
    ]
    known = facts(
        place, debts=[debt(account_id="account-9")], history=four, points=[phone("+12025550123")]
    )
    record = judge(known, when(zone, "2026-11-24 10:00"), rules=rules)
    assert stops(record) == ["us-dc/four_in_7_days"]
    assert record.guards == ("person-1", "account:account-9")
    away = facts(place, declared_zone="America/Los_Angeles", points=[phone("+12025550123")])
    night = judge(away, when(zone, "2026-11-24 21:00"), rules=rules)
    assert finding(night, "us-dc/hours").zones == (zone,)
    emergency = facts(place, emergencies=("US-DC:public_health",))
    record = judge(emergency, when(zone, "2026-11-24 10:00"), rules=rules)
    assert stops(record) == ["us-dc/public_health_emergency"]


@pytest.mark.parametrize(
    ("locality", "bound"),
    [("Brooklyn", True), ("NEW YORK", True), ("Flushing", True), ("Albany", False), (None, True)],
)
def test_new_york_city_is_told_by_its_localities(locality: str | None, bound: bool) -> None:
    place = Place(country="US", subdivision="US-NY", locality=locality)
    zone = "America/New_York"
    history = [event(f"e{n}", when(zone, f"2026-11-2{n} 10:00")) for n in range(3)]
    known = facts(place, history=history, points=[phone("+12125550123")])
    record = judge(known, when(zone, "2026-11-24 10:00"), rules=packs("us-ny-nyc"))
    assert stops(record) == (["us-ny-nyc/three_in_7_days"] if bound else [])


def test_new_york_city_before_september_2026_allowed_two() -> None:
    place = Place(country="US", subdivision="US-NY", locality="Brooklyn")
    zone = "America/New_York"
    history = [event(f"e{n}", when(zone, f"2026-08-2{n} 10:00")) for n in range(2)]
    known = facts(place, history=history, points=[phone("+12125550123")])
    record = judge(known, when(zone, "2026-08-24 10:00"), rules=packs("us-ny-nyc"))
    assert stops(record) == ["us-ny-nyc/two_in_7_days_before"]


def test_west_virginia_thirty_calls_a_week() -> None:
    place = Place(country="US", subdivision="US-WV")
    zone = "America/New_York"
    start = when(zone, "2026-11-23 08:00")
    history = [event(f"e{n}", start + timedelta(minutes=20 * n)) for n in range(30)]
    known = facts(place, history=history, points=[phone("+13045550123")])
    record = judge(known, when(zone, "2026-11-24 10:00"), rules=packs("us-wv"))
    assert stops(record) == ["us-wv/thirty_calls_a_week"]
    known = facts(place, history=history[:29], points=[phone("+13045550123")])
    assert judge(known, when(zone, "2026-11-24 10:00"), rules=packs("us-wv")).allowed


def test_ecuador_dominican_republic_and_paraguay_counters() -> None:
    ec = Place(country="EC", subdivision="EC-P")
    zone = "America/Guayaquil"
    known = facts(ec, history=[event("e", when(zone, "2026-11-24 08:00"))])
    record = judge(known, when(zone, "2026-11-24 12:00"), rules=packs("ec"))
    assert "ec/once_a_day" in stops(record)
    do, zone = Place(country="DO"), "America/Santo_Domingo"
    five = [event(f"e{n}", when(zone, f"2026-11-24 0{7 + n % 3}:1{n}")) for n in range(5)]
    known = facts(do, history=five, points=[phone("+18095550123")])
    assert stops(judge(known, when(zone, "2026-11-24 12:00"), rules=packs("do"))) == [
        "do/five_a_day"
    ]
    py, zone = Place(country="PY"), "America/Asuncion"
    three = [event(f"e{n}", when(zone, f"2026-11-2{n} 10:00")) for n in (3, 4, 5)]
    known = facts(py, history=three, points=[phone("+595981234567")])
    record = judge(known, when(zone, "2026-11-26 12:00"), rules=packs("py"))
    assert stops(record) == ["py/three_a_week"]
    assert record.first_allowed == when(zone, "2026-11-30 08:00")


@pytest.mark.parametrize(
    ("pack", "subdivision", "city", "days"),
    [("ca-on", "CA-ON", "Toronto", 6), ("ca-qc", "CA-QC", "Montreal", 5)],
)
def test_canadian_notice_comes_first(pack: str, subdivision: str, city: str, days: int) -> None:
    place = Place(country="CA", subdivision=subdivision, locality=city)
    zone = "America/Toronto"
    rules: PackSet = packs(pack)
    point = phone("+14165550123" if pack == "ca-on" else "+15145550123")
    record = judge(facts(place, points=[point]), when(zone, "2026-11-24 12:00"), rules=rules)
    assert stops(record) == [f"{pack}/notice_first"]
    assert record.releasing_event == "letter_mailed"
    mailed = event(
        "n", when(zone, "2026-11-16 12:00"), EventKind.LETTER_MAILED, channel=Channel.LETTER
    )
    known = facts(place, points=[point], history=[mailed])
    record = judge(known, when(zone, "2026-11-17 12:00"), rules=rules)
    opens = when(zone, "2026-11-17 00:00") + timedelta(days=days)
    assert finding(record, f"{pack}/notice_first").first_ok == opens
    weekday = when(zone, "2026-11-24 14:00")
    assert judge(known, weekday, rules=rules).allowed


def test_the_default_binds_only_where_no_pack_does() -> None:
    at = when("America/New_York", "2026-11-24 12:00")
    applied = [ref.pack for ref in judge(facts(Place(country="PA")), at).packs]
    assert "default" in applied
    assert "default" not in [ref.pack for ref in judge(facts(SANTIAGO), at).packs]
    nobody = facts(Place(country="BO"), points=[phone("+59122345678")])
    assert "default" in [ref.pack for ref in judge(nobody, at).packs]
    # A part's pack does not cover its country.
    elsewhere = facts(Place(country="AR", subdivision="AR-B"), points=[phone("+542211234567")])
    parts = packs("ar-c", "default")
    assert [ref.pack for ref in judge(elsewhere, at, rules=parts).packs] == ["default", "marcador"]
