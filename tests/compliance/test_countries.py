"""What is particular to countries: closed days, clocks, counters, recipients, channels."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from compliance.messages import Place, StatusFact
from compliance.types import (
    Channel,
    CollectorRole,
    ConsentScope,
    ContactPointKind,
    ContentClass,
    DebtStatus,
    EventKind,
    Mode,
    PartyRole,
    PointLabel,
    StatusKind,
)
from tests.compliance.build import (
    BOGOTA,
    FLORIDA,
    LIMA,
    MEXICO_CITY,
    NEW_JERSEY,
    SANTIAGO,
    consent,
    debt,
    event,
    facts,
    finding,
    judge,
    packs,
    phone,
    request,
    stops,
    when,
)

CL, CO, PE, MX = "America/Santiago", "America/Bogota", "America/Lima", "America/Mexico_City"
SMS = request(Channel.SMS, Mode.BLAST, content=ContentClass.NEUTRAL)


def edges(zone: str, day: str, opens: str, closes: str) -> list[tuple[datetime, bool]]:
    """The four instants around a day's opening and closing, and whether each is open."""
    start, end = when(zone, f"{day} {opens}"), when(zone, f"{day} {closes}")
    second = timedelta(seconds=1)
    return [(start - second, False), (start, True), (end - second, True), (end, False)]


@pytest.mark.parametrize(
    ("place", "zone", "pack", "day", "reopens", "code"),
    [
        (SANTIAGO, CL, "cl", "2026-11-29 12:00", "2026-11-30 08:00", "closed_day"),
        (SANTIAGO, CL, "cl", "2026-12-08 12:00", "2026-12-09 08:00", "holiday"),
        (SANTIAGO, CL, "cl", "2026-09-18 12:00", "2026-09-21 08:00", "holiday"),
        (BOGOTA, CO, "co", "2026-11-28 15:00", "2026-11-30 07:00", "after_closing"),
        (BOGOTA, CO, "co", "2026-07-13 12:00", "2026-07-14 07:00", "holiday"),
        (LIMA, PE, "pe", "2026-11-28 12:00", "2026-11-30 07:00", "closed_day"),
        (LIMA, PE, "pe", "2026-12-08 12:00", "2026-12-10 07:00", "holiday"),
        (LIMA, PE, "pe", "2026-07-28 12:00", "2026-07-30 07:00", "holiday"),
        (MEXICO_CITY, MX, "mx", "2026-11-24 22:00", "2026-11-25 07:00", "after_closing"),
    ],
)
def test_closed_days_and_the_next_opening(
    place: Place, zone: str, pack: str, day: str, reopens: str, code: str
) -> None:
    granted = consent(ConsentScope.CHANNEL, when(zone, "2026-01-02 12:00"))
    known = facts(place, consents=[granted])
    record = judge(known, when(zone, day), rules=packs(pack))
    assert finding(record, f"{pack}/hours").code == code
    assert record.first_allowed == when(zone, reopens)


@pytest.mark.parametrize(
    ("region", "closed"), [("CL-AP", True), ("CL-RM", False), (None, True), ("CL-NB", False)]
)
def test_regional_holidays_bind_the_region_and_the_unknown(
    region: str | None, closed: bool
) -> None:
    """The Morro de Arica on 7 June 2027, a Monday, is a holiday of Arica alone."""
    known = facts(
        Place(country="CL", subdivision=region), declared_zone=CL, points=[phone("+56221234567")]
    )
    record = judge(known, when(CL, "2027-06-07 12:00"), rules=packs("cl"))
    assert record.allowed is not closed


def test_past_the_verified_calendar_the_gate_is_closed() -> None:
    record = judge(facts(SANTIAGO), when(CL, "2028-01-03 12:00"), rules=packs("cl"))
    hours = finding(record, "cl/hours")
    assert (hours.code, hours.group) == ("calendar_not_verified", "system")
    assert record.first_allowed is None
    assert record.releasing_event == "calendar_verified"


@pytest.mark.parametrize(
    ("place", "number", "closing"),
    [
        # In July Santiago is UTC-4; Magallanes and Aysén stay at UTC-3, Easter at UTC-6.
        (Place(country="CL", subdivision="CL-MA"), "+56912345678", "America/Punta_Arenas"),
        (Place(country="CL", subdivision="CL-AI"), "+56912345678", "America/Coyhaique"),
        (
            Place(country="CL", subdivision="CL-VS", locality="Isla de Pascua"),
            "+56912345678",
            "Pacific/Easter",
        ),
    ],
)
def test_chile_has_four_clocks(place: Place, number: str, closing: str) -> None:
    known = facts(place, points=[phone(number)])
    rules = packs("cl")
    for at, is_open in edges(closing, "2026-07-07", "08:00", "20:00"):
        record = judge(known, at, rules=rules)
        assert record.zones == (closing,)
        assert record.allowed is is_open


def test_a_landline_of_santiago_narrows_the_hours_of_punta_arenas() -> None:
    known = facts(
        Place(country="CL", subdivision="CL-MA"),
        points=[phone("+56912345678"), phone("+56221234567", "point-2")],
    )
    rules = packs("cl")
    assert not judge(
        known, when("America/Punta_Arenas", "2026-07-07 08:59:59"), rules=rules
    ).allowed
    assert judge(known, when("America/Punta_Arenas", "2026-07-07 09:00"), rules=rules).allowed
    assert not judge(known, when("America/Punta_Arenas", "2026-07-07 20:00"), rules=rules).allowed


# --- Florida ------------------------------------------------------------------------------------


def test_florida_presumes_the_area_code_and_keeps_both_when_they_disagree() -> None:
    rules = packs("us-fl")
    miami = facts(FLORIDA, points=[phone("+13055550123")])
    assert judge(miami, when("America/New_York", "2026-11-24 08:00"), rules=rules).allowed
    pacific = facts(FLORIDA, points=[phone("+13105550123")])
    blocked = judge(pacific, when("America/New_York", "2026-11-24 08:00"), rules=rules)
    assert finding(blocked, "us-fl/hours").zones == ("America/Los_Angeles", "America/New_York")
    assert blocked.first_allowed == when("America/New_York", "2026-11-24 11:00")
    toll_free = facts(FLORIDA, points=[phone("+18005550123")])
    assert judge(toll_free, when("America/New_York", "2026-11-24 08:00"), rules=rules).allowed


def test_florida_exempts_email_since_16_may_2025() -> None:
    rules = packs("us-fl")
    point = phone("ana@example.com", kind=ContactPointKind.EMAIL)
    known = facts(FLORIDA, points=[point])
    mail = request(Channel.EMAIL, Mode.BLAST, content=ContentClass.NEUTRAL)
    night = when("America/New_York", "2025-05-15 22:00")
    blocked = judge(known, night, mail, rules)
    assert stops(blocked) == ["us-fl/hours_email"]
    # The rule lapses at midnight, before the hours would open at eight.
    assert blocked.first_allowed == when("America/New_York", "2025-05-16 00:00")
    assert judge(known, when("America/New_York", "2025-05-16 00:00"), mail, rules).allowed


def test_florida_binds_creditors_and_unknown_states_and_florida_numbers() -> None:
    night = when("America/New_York", "2026-11-24 22:00")
    rules = packs("us-fl")
    own = facts(FLORIDA, role=CollectorRole.FIRST_PARTY)
    assert stops(judge(own, night, rules=rules)) == ["us-fl/hours"]
    unknown = facts(Place(country="US"))
    assert "us-fl/hours" in stops(judge(unknown, night, rules=rules))
    number = facts(NEW_JERSEY, points=[phone("+13055550123")])
    assert stops(judge(number, night, rules=rules)) == ["us-fl/hours"]
    assert judge(facts(NEW_JERSEY), night, rules=rules).allowed


# --- Chile --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [EventKind.RANG_NO_ANSWER, EventKind.CONVERSATION, EventKind.DIAL_REQUESTED]
)
def test_chile_allows_one_call_or_visit_a_calendar_week(kind: EventKind) -> None:
    rules = packs("cl")
    known = facts(SANTIAGO, history=[event("call", when(CL, "2026-11-25 10:00"), kind)])
    record = judge(known, when(CL, "2026-11-26 10:00"), rules=rules)
    assert stops(record) == ["cl/call_or_visit_weekly"]
    assert record.first_allowed == when(CL, "2026-11-30 08:00")  # Monday
    sunday = event("busy", when(CL, "2026-11-25 10:00"), EventKind.NOT_CONNECTED_BUSY)
    assert judge(
        facts(SANTIAGO, history=[sunday]), when(CL, "2026-11-26 10:00"), rules=rules
    ).allowed


def test_chile_counts_a_visit_with_the_calls() -> None:
    visit = event(
        "visit", when(CL, "2026-11-25 10:00"), EventKind.VISIT_MADE, channel=Channel.VISIT
    )
    record = judge(
        facts(SANTIAGO, history=[visit]), when(CL, "2026-11-27 10:00"), rules=packs("cl")
    )
    assert stops(record) == ["cl/call_or_visit_weekly"]


def test_chile_allows_two_messages_a_week_with_two_clear_days_between() -> None:
    rules = packs("cl")
    first = event("m1", when(CL, "2026-11-23 10:00"), EventKind.MESSAGE_SENT, channel=Channel.SMS)
    known = facts(SANTIAGO, history=[first])
    soon = judge(known, when(CL, "2026-11-25 10:00"), SMS, rules)
    assert stops(soon) == ["cl/other_media_spacing"]
    assert soon.first_allowed == when(CL, "2026-11-26 08:00")
    second = event(
        "m2", when(CL, "2026-11-26 10:00"), EventKind.MESSAGE_SENT, channel=Channel.EMAIL
    )
    known = facts(SANTIAGO, history=[first, second])
    record = judge(known, when(CL, "2026-11-28 10:00"), SMS, rules)
    assert set(stops(record)) == {"cl/other_media_spacing", "cl/other_media_weekly"}
    assert record.first_allowed == when(CL, "2026-11-30 08:00")
    assert judge(known, when(CL, "2026-11-28 10:00"), rules=rules).allowed  # a call is apart


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(PartyRole.HOLDER, True), (PartyRole.GUARANTOR, True), (PartyRole.SPOUSE, False)],
)
def test_a_spouse_is_a_third_party_in_chile(role: PartyRole, allowed: bool) -> None:
    known = facts(SANTIAGO, debts=[debt(role=role)])
    assert judge(known, when(CL, "2026-11-24 10:00"), rules=packs("cl")).allowed is allowed


def test_chile_stops_when_sued() -> None:
    at = when(CL, "2026-11-24 10:00")
    sued = facts(SANTIAGO, debts=[debt(status=DebtStatus.IN_LITIGATION)])
    assert stops(judge(sued, at, rules=packs("cl"))) == ["cl/sued_or_insolvent"]
    status = StatusFact(kind=StatusKind.LITIGATION, since=at)
    assert "cl/sued_or_insolvent" in stops(judge(facts(SANTIAGO, statuses=[status]), at))


# --- Colombia -----------------------------------------------------------------------------------


def test_colombia_needs_an_authorised_channel() -> None:
    at = when(CO, "2026-11-24 10:00")
    rules = packs("co")
    record = judge(facts(BOGOTA), at, rules=rules)
    assert stops(record) == ["co/authorised_channels"]
    assert record.releasing_event == "channel_authorised"
    for channel, allowed in ((Channel.VOICE, True), (Channel.SMS, False), (None, True)):
        granted = consent(ConsentScope.CHANNEL, at - timedelta(days=9), channel=channel)
        assert judge(facts(BOGOTA, consents=[granted]), at, rules=rules).allowed is allowed
    revoked = consent(
        ConsentScope.CHANNEL, at - timedelta(days=9), revoked_at=at - timedelta(days=1)
    )
    assert not judge(facts(BOGOTA, consents=[revoked]), at, rules=rules).allowed


def test_colombia_once_a_day_and_one_channel_a_week_after_direct_contact() -> None:
    rules = packs("co")
    granted = consent(ConsentScope.CHANNEL, when(CO, "2026-01-02 10:00"))
    talk = event("talk", when(CO, "2026-11-24 10:00"), EventKind.CONVERSATION)
    known = facts(BOGOTA, history=[talk], consents=[granted])
    same_day = judge(known, when(CO, "2026-11-24 12:00"), rules=rules)
    assert stops(same_day) == ["co/once_a_day"]
    assert same_day.first_allowed == when(CO, "2026-11-25 07:00")
    assert judge(known, when(CO, "2026-11-25 12:00"), rules=rules).allowed
    by_text = judge(known, when(CO, "2026-11-25 12:00"), SMS, rules)
    assert stops(by_text) == ["co/one_channel_a_week"]
    assert by_text.first_allowed == when(CO, "2026-11-30 07:00")
    unanswered = event("ring", when(CO, "2026-11-24 10:00"))
    known = facts(BOGOTA, history=[unanswered], consents=[granted])
    assert judge(known, when(CO, "2026-11-24 12:00"), SMS, rules).allowed


def test_colombia_forbids_visits_and_references() -> None:
    at = when(CO, "2026-11-24 10:00")
    rules = packs("co")
    granted = consent(ConsentScope.CHANNEL, at - timedelta(days=9))
    home = phone("Calle 1", kind=ContactPointKind.POSTAL, label=PointLabel.HOME)
    visit = request(Channel.VISIT, Mode.MANUAL)
    record = judge(facts(BOGOTA, points=[home], consents=[granted]), at, visit, rules)
    assert stops(record) == ["co/no_visits"]
    reference = phone("+573001234567", role=PartyRole.REFERENCE)
    record = judge(facts(BOGOTA, points=[reference], consents=[granted]), at, rules=rules)
    assert set(stops(record)) == {"co/recipients", "marcador/no_reference"}


# --- Mexico, Peru -------------------------------------------------------------------------------


def test_mexico_has_states_with_clocks_of_their_own() -> None:
    rules = packs("mx")
    tijuana = facts(Place(country="MX", subdivision="MX-BCN"), points=[phone("+526641234567")])
    assert judge(tijuana, when("America/Tijuana", "2026-11-24 07:00"), rules=rules).allowed
    assert not judge(tijuana, when("America/Tijuana", "2026-11-24 06:59:59"), rules=rules).allowed
    cancun = facts(Place(country="MX", subdivision="MX-ROO"), points=[phone("+529981234567")])
    assert not judge(cancun, when("America/Cancun", "2026-11-24 22:00"), rules=rules).allowed


def test_mexico_follows_a_supervised_creditor_abroad() -> None:
    known = facts(NEW_JERSEY)
    at = when(MX, "2026-11-24 12:00")
    assert "mx" not in [ref.pack for ref in judge(known, at).packs]
    collector = msgspec.structs.replace(known.collector, supervised_by="MX-CONDUSEF")
    supervised = msgspec.structs.replace(known, collector=collector)
    assert "mx" in [ref.pack for ref in judge(supervised, at).packs]


def test_peru_binds_calls_and_not_messages_to_hours() -> None:
    sunday = when(PE, "2026-11-29 22:00")
    assert judge(facts(LIMA), sunday, SMS, packs("pe")).allowed
    assert stops(judge(facts(LIMA), sunday, rules=packs("pe"))) == ["pe/hours"]
