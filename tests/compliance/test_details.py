"""Semantics of contact law that are easy to get wrong, each with the text that settles it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import combinations

import msgspec
import pytest

from compliance.calendars import Calendar, calendar_data
from compliance.gate import decide, replay
from compliance.messages import (
    Collector,
    HistoryEvent,
    Place,
    PreferenceFact,
    StatusFact,
    SuppressionFact,
    WeeklyInterval,
)
from compliance.packs import parse_pack
from compliance.permit import Allowed, PermitProblem, PermitRefused
from compliance.rules.base import Rule
from compliance.rules.conflict import Demanding
from compliance.types import (
    AccountId,
    Basis,
    Channel,
    CollectorRole,
    ConsentScope,
    ContactPointId,
    ContentClass,
    EventKind,
    LineType,
    Mode,
    Outcome,
    PartyRole,
    PersonId,
    PointLabel,
    Purpose,
    StatusKind,
    SuppressionScope,
    Validity,
)
from compliance.zones import zones_for_number
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
    local,
    packs,
    phone,
    request,
    rule,
    stops,
    tiny_pack,
)

EASTERN = "America/New_York"
NOON = local(EASTERN, 2026, 11, 24, 12)  # a Tuesday
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
US = packs("us", "us-tcpa")
RINGS = 'events = ["rang_no_answer"]'


def cap(window: str, count: str, limit: int = 1) -> str:
    return rule("frequency_cap", f"max = {limit}\nwindow = {{ {window} }}\ncount = {{ {count} }}")


def talk(name: str, at: datetime, **fields: object) -> HistoryEvent:
    return event(name, at, EventKind.CONVERSATION, **fields)  # type: ignore[arg-type]  # test shorthand


# --- 1, 2: days and weeks -----------------------------------------------------------------------


def test_01_day_one_is_included_and_dates_are_the_persons_own() -> None:
    """12 CFR 1006 cmt. 14(b)(2)(ii)-1: after a conversation on Thursday August 13 the next call
    is on Thursday August 20. At 20:30 in Honolulu the UTC date is already the 14th."""
    hawaii = facts(
        Place(country="US", subdivision="US-HI"),
        points=[phone("+18085550123")],
        history=[talk("e", local("Pacific/Honolulu", 2026, 8, 13, 20, 30))],
    )
    day = local("Pacific/Honolulu", 2026, 8, 19, 20, 59, 59)
    assert stops(judge(hawaii, day, rules=US)) == ["us/silence_after_conversation"]
    opening = local("Pacific/Honolulu", 2026, 8, 20, 8)
    assert judge(hawaii, day, rules=US).first_allowed == opening
    hours = (opening - hawaii.history[0].at) / HOUR
    assert hours < 168, "seven dates, not 168 hours"


def test_01_counting_from_the_next_day_is_one_day_more() -> None:
    """Ley 2300 de 2023 and others count clear days; the rule says which."""
    params = 'length = 1\ncounted_from = "{}"\ncount = {{ events = ["conversation"] }}'
    known = facts(history=[talk("e", local(EASTERN, 2026, 11, 23, 22))])
    for counted_from, allowed in (("day_1", True), ("next_day", False)):
        loaded = tiny_pack(rule("cooldown", params.format(counted_from)))
        assert judge(known, NOON, rules=loaded).allowed is allowed


@pytest.mark.parametrize(
    ("first_day", "released"), [("true", (2026, 11, 29)), ("false", (2026, 11, 30))]
)
def test_01_rolling_days_count_the_first_day_or_begin_after_it(
    first_day: str, released: tuple[int, int, int]
) -> None:
    """12 CFR 1006 cmt. 14(b)(2)(i)-1 includes the first day; a rule that does not says so."""
    window = f'unit = "rolling_days", n = 7, first_day_inclusive = {first_day}'
    known = facts(history=[event("e", local(EASTERN, 2026, 11, 22, 9))])  # a Sunday... plus 6 more
    record = judge(known, NOON, rules=tiny_pack(cap(window, RINGS)))
    assert record.first_allowed == local(EASTERN, *released)


def test_02_a_week_is_rolling_or_of_the_calendar_or_the_strictest() -> None:
    """Rolling: 12 CFR 1006.14(b)(2). Calendar: Ley 19.496 art. 37, Ley 2300 art. 3. Undefined:
    RCW 19.16.250(13) says "a single week", so both kinds of calendar week hold."""
    sunday = facts(history=[event("e", local(EASTERN, 2026, 11, 22, 9))])
    for window, allowed in (
        ('unit = "rolling_days", n = 7', False),
        ('unit = "calendar_week", week_start = "mon"', True),
        ('unit = "calendar_week", week_start = "sun"', False),
        ('unit = "calendar_week"', False),
    ):
        assert judge(sunday, NOON, rules=tiny_pack(cap(window, RINGS))).allowed is allowed


def test_02_a_campaigns_thirty_days_begin_with_the_campaign() -> None:
    """16 CFR 310.4(b)(4)(i): each successive 30-day period of the campaign."""
    started = NOON - 31 * DAY
    loaded = tiny_pack(cap('unit = "campaign_30d"', RINGS))
    old, new = event("e", NOON - 2 * DAY), event("e", NOON - HOUR)
    for seen, allowed in ((old, True), (new, False)):
        known = msgspec.structs.replace(facts(history=[seen]), campaign_started_at=started)
        assert judge(known, NOON, rules=loaded).allowed is allowed
    released = judge(known, NOON, rules=loaded).first_allowed
    assert released == started + 60 * DAY
    # Where the start is not known, the last thirty dates count.
    assert not judge(facts(history=[old]), NOON, rules=loaded).allowed


# --- 3 to 6: what is a contact ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("basis", "counted"),
    [
        ("attempt", {"busy", "ring", "talk"}),
        ("connected", {"ring", "talk"}),
        ("two_way_contact", {"talk"}),
    ],
)
def test_03_attempt_connected_and_two_way_contact_differ(basis: str, counted: set[str]) -> None:
    """Attempts: 940 CMR 7.04(1)(f), 6 RCNY 5-77. Connected: 12 CFR 1006.14(b)(3)(ii). Two-way:
    Ley 2300 art. 3 as read by SFC Concepto 2023080946-002."""
    history = [
        event("busy", NOON - 3 * HOUR, EventKind.NOT_CONNECTED_BUSY),
        event("ring", NOON - 2 * HOUR),
        talk("talk", NOON - HOUR),
    ]
    loaded = tiny_pack(cap('unit = "rolling_days", n = 2', f'basis = "{basis}"', 9))
    record = judge(facts(history=history), NOON, rules=loaded)
    assert set(finding(record, "tiny/rule").event_ids) == counted


@pytest.mark.parametrize(
    ("kind", "federal", "district"),
    [
        (EventKind.NOT_CONNECTED_BUSY, False, False),
        (EventKind.NOT_CONNECTED_OUT_OF_SERVICE, False, False),
        (EventKind.RANG_NO_ANSWER, True, True),
        (EventKind.MAILBOX_FULL, True, False),
        (EventKind.ANSWERED_DROPPED, True, True),
        (EventKind.DIAL_REQUESTED, True, True),
    ],
)
def test_04_busy_and_not_in_service_are_no_calls_but_a_full_mailbox_is(
    kind: EventKind, federal: bool, district: bool
) -> None:
    """12 CFR 1006 cmt. 14(b)(3)(ii)-1: a full mailbox counts. D.C. Code 28-3814(e): no ability
    to leave a message does not. An outcome that is not known counts everywhere."""
    place = Place(country="US", subdivision="US-DC")
    known = facts(place, points=[phone("+12025550123")], history=[event("e", NOON - DAY, kind)])
    record = judge(known, NOON, rules=packs("us", "us-dc"))
    assert finding(record, "us/calls_7_in_7").counter == int(federal)
    assert finding(record, "us-dc/four_in_7_days").counter == int(district)


def test_05_a_conversation_that_the_person_began_starts_the_silence() -> None:
    """12 CFR 1006 cmt. 14(b)(2)(ii)-1: also where the consumer initiated it; it is no call of
    ours in the count of seven."""
    history = [
        event("in", NOON - 2 * DAY, EventKind.INBOUND_CALL, mode=None),
        talk("talk", NOON - 2 * DAY, mode=None, answers_event_id="in"),
    ]
    record = judge(facts(history=history), NOON, rules=US)
    assert stops(record) == ["us/silence_after_conversation"]
    assert finding(record, "us/calls_7_in_7").counter == 0


def test_06_ringless_voicemail_is_a_call_and_a_text_is_none() -> None:
    """12 CFR 1006 cmt. 14(b)(1)-1. In Massachusetts, Washington and New York City texts count."""
    history = [
        event("rvm", NOON - DAY, EventKind.RINGLESS_VOICEMAIL, channel=Channel.RINGLESS_VOICEMAIL),
        event("sms", NOON - DAY + HOUR, EventKind.MESSAGE_SENT, channel=Channel.SMS),
    ]
    federal = judge(facts(history=history), NOON, rules=US)
    assert finding(federal, "us/calls_7_in_7").event_ids == ("rvm",)
    for pack, place, number in (
        ("us-ma", Place(country="US", subdivision="US-MA"), "+16175550123"),
        ("us-wa", Place(country="US", subdivision="US-WA"), "+12065550123"),
        (
            "us-ny-nyc",
            Place(country="US", subdivision="US-NY", locality="Brooklyn"),
            "+17185550123",
        ),
    ):
        record = judge(
            facts(place, points=[phone(number)], history=history), NOON, rules=packs(pack)
        )
        counted = [f for f in record.findings if f.pack == pack and "sms" in f.event_ids]
        assert counted, pack


# --- 7 to 9: consent and opt-out ----------------------------------------------------------------


def test_07_consent_lifts_the_rule_that_names_it_and_no_other() -> None:
    """12 CFR 1006.14(b)(3)(i) is about frequency; 1006.6(b)(1) on hours stands."""
    calls = [event(f"e{n}", NOON - n * HOUR) for n in range(1, 8)]
    agreed = consent(ConsentScope.FREQUENCY, NOON - HOUR)
    known = facts(history=[e for e in calls if e.at < agreed.given_at], consents=[agreed])
    full = facts(history=calls)
    assert stops(judge(full, NOON, rules=packs("us"))) == ["us/calls_7_in_7"]
    assert judge(known, NOON, rules=packs("us")).allowed
    night = local(EASTERN, 2026, 11, 24, 21)
    assert stops(judge(known, night, rules=packs("us"))) == ["us/hours"]


def test_08_an_opt_out_works_at_once_and_ten_business_days_are_an_outer_limit() -> None:
    """12 CFR 1006.14(h); 47 CFR 64.1200(a)(10) allows up to ten business days, and no rule here
    uses them."""
    known = facts(points=[phone(opted_out_at=NOON)])
    for later in (timedelta(), SECOND, 9 * DAY, 90 * DAY):
        record = judge(known, NOON + later, request(Channel.SMS), packs("us"))
        assert "us/media_opt_out" in stops(record)
        assert record.first_allowed is None


def test_08_a_later_consent_ends_an_opt_out_only_where_the_rule_says_so() -> None:
    """47 CFR 64.1200(a)(10): a person may consent again; what came before the opt-out is gone."""
    point = phone(opted_out_at=NOON - 2 * DAY)
    before = consent(ConsentScope.CHANNEL, NOON - 3 * DAY)
    after = consent(ConsentScope.CHANNEL, NOON - DAY)
    params = 'scopes = ["contact_point"]'
    for given, extra, allowed in (
        (after, '\nreopened_by = ["express"]', True),
        (before, '\nreopened_by = ["express"]', False),
        (after, '\nreopened_by = ["written"]', False),
        (after, "", False),
    ):
        record = judge(
            facts(points=[point], consents=[given]),
            NOON,
            rules=tiny_pack(rule("opt_out", params + extra)),
        )
        assert ("tiny/rule" not in stops(record)) is allowed


def test_09_stop_binds_the_address_for_every_debt_and_no_other_address() -> None:
    """12 CFR 1006 cmt. 14(h)(1)-3."""
    points = [phone(opted_out_at=NOON - DAY), phone("+12015550124", "point-2")]
    known = facts(points=points, debts=[debt(), debt("debt-2")])
    for owed in ("debt-1", "debt-2"):
        assert "us/media_opt_out" in stops(judge(known, NOON, request(debts=(owed,)), packs("us")))
        other = request(debts=(owed,), point="point-2")
        assert judge(known, NOON, other, packs("us")).allowed


# --- 10 to 12: zones ----------------------------------------------------------------------------


def test_10_residence_work_and_every_number_are_candidates() -> None:
    """12 CFR 1006 cmt. 6(b)(1)(i)-2: convenient in all locations that the information
    indicates. A mobile keeps its area code when its owner moves away."""
    points = [
        phone("+12015550123"),
        phone("+13125550123", "work", label=PointLabel.WORK),
        phone("+13105550123", "mobile", label=PointLabel.MOBILE, line=LineType.MOBILE),
        phone("+18085550123", "dead", validity=Validity.DISCONNECTED),
        phone("+14035550123", "sister", role=PartyRole.REFERENCE),
    ]
    record = judge(facts(points=points), NOON)
    assert record.zones == ("America/Chicago", "America/Los_Angeles", "America/New_York")


def test_10_split_area_codes_and_ported_numbers_are_ambiguous() -> None:
    """850 (Florida) spans two zones whatever the exchange; the hours are those of both."""
    known = facts(FLORIDA, points=[phone("+18505550123")])
    eight = local(EASTERN, 2026, 11, 24, 8)
    assert zones_for_number("+18505550123").zones == ("America/Chicago", EASTERN)
    record = judge(known, eight, rules=packs("us"))
    assert record.first_allowed == local("America/Chicago", 2026, 11, 24, 8)


def test_10_a_toll_free_number_tells_no_zone() -> None:
    """Fla. Stat. 559.72(17): a non-geographic number leaves the last known residence."""
    assert zones_for_number("+18005550123").zones == ()
    known = facts(FLORIDA, points=[phone("+18005550123")])
    record = judge(known, NOON, rules=packs("us-fl"))
    assert finding(record, "us-fl/hours").zones == (EASTERN,)
    alone = facts(None, points=[phone("+18005550123")])
    assert "marcador/zone_known" in stops(judge(alone, NOON))


@pytest.mark.parametrize(
    ("zone", "place", "number", "day", "utc_hour"),
    [
        ("America/Mexico_City", MEXICO_CITY, "+525512345678", (2022, 7, 5), 12),
        ("America/Mexico_City", MEXICO_CITY, "+525512345678", (2023, 7, 4), 13),
        ("America/Asuncion", Place(country="PY"), "+595211234567", (2024, 7, 2), 12),
        ("America/Asuncion", Place(country="PY"), "+595211234567", (2025, 7, 1), 11),
        ("America/Coyhaique", Place(country="CL", subdivision="CL-AI"), None, (2024, 7, 2), 12),
        ("America/Coyhaique", Place(country="CL", subdivision="CL-AI"), None, (2025, 7, 1), 11),
        (
            "America/Vancouver",
            Place(country="CA", subdivision="CA-BC"),
            "+16045550123",
            (2025, 12, 2),
            16,
        ),
        (
            "America/Vancouver",
            Place(country="CA", subdivision="CA-BC"),
            "+16045550123",
            (2026, 12, 1),
            15,
        ),
    ],
)
def test_11_countries_that_changed_their_clocks(
    zone: str, place: Place, number: str | None, day: tuple[int, int, int], utc_hour: int
) -> None:
    """Mexico ended summer time in October 2022, Paraguay winter time in October 2024, Aysen in
    2025, British Columbia in 2026: the same wall clock is another instant before and after."""
    hours = rule(
        "contact_window",
        'weekly = [{ days = ["tue"], open = 07:00:00, close = 20:00:00 }]'
        if zone == "America/Mexico_City"
        else 'weekly = [{ days = ["tue"], open = 08:00:00, close = 20:00:00 }]',
    )
    known = facts(place, points=[phone(number or "+56672123456")], declared_zone=zone)
    opening = datetime(*day, utc_hour, tzinfo=UTC)
    assert judge(known, opening, rules=tiny_pack(hours)).allowed
    assert not judge(known, opening - SECOND, rules=tiny_pack(hours)).allowed


def test_11_a_skipped_hour_and_a_repeated_hour() -> None:
    """2026-03-08 02:00 to 03:00 does not exist in New York; 2026-11-01 01:00 to 02:00 is twice."""
    hours = 'weekly = [{ days = ["sun"], open = 01:30:00, close = 02:30:00 }]'
    loaded = tiny_pack(rule("contact_window", hours))
    gap = datetime(2026, 3, 8, 6, 30, tzinfo=UTC)  # 01:30 EST
    assert judge(facts(), gap, rules=loaded).allowed
    assert judge(facts(), gap + timedelta(minutes=30) - SECOND, rules=loaded).allowed
    assert not judge(facts(), gap + timedelta(minutes=30), rules=loaded).allowed  # it is 03:00
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # 01:30 EDT
    assert judge(facts(), first, rules=loaded).allowed
    between = first + timedelta(minutes=45)  # 01:15 EST, an hour told twice
    record = judge(facts(), between, rules=loaded)
    assert not record.allowed
    assert record.first_allowed == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # 01:30 EST
    assert judge(facts(), first + 2 * HOUR - SECOND, rules=loaded).allowed


def test_12_some_laws_keep_one_clock_for_everybody() -> None:
    """D.C. Code 28-3814(d)(4): Eastern time, wherever the consumer's number is; 940 CMR
    7.04(1)(g) the same for Massachusetts households."""
    capital = facts(Place(country="US", subdivision="US-DC"), points=[phone("+13105550123")])
    eight = local(EASTERN, 2026, 11, 24, 8)
    record = judge(capital, eight, rules=packs("us-dc"))
    assert record.allowed
    assert finding(record, "us-dc/hours").zones == (EASTERN,)
    assert "us-dc/hours" in stops(
        judge(capital, local(EASTERN, 2026, 11, 24, 21), rules=packs("us-dc"))
    )


# --- 13 to 15: holidays, Saturdays, channels ----------------------------------------------------


def test_13_regional_holidays_bind_there_and_where_the_region_is_not_known() -> None:
    """Arica's day (7 June, Ley 20.663) is a working day in Santiago."""
    calendar = Calendar(calendar_data("CL"))
    only_there = sorted(
        day
        for day in calendar_data("CL").subdivisions["CL-AP"]
        if day not in calendar_data("CL").national and day.startswith("2027")
    )
    assert only_there
    day = datetime.fromisoformat(only_there[0]).date()
    assert calendar.holiday(day, "CL-AP")
    assert calendar.holiday(day, "CL-RM") is None
    assert calendar.holiday(day, None)


def test_13_late_decrees_and_bridge_days_are_added_by_a_pack_and_vintage_is_on_record() -> None:
    """A bridge day is decreed late; a calendar is trusted only as far as somebody checked it."""
    hours = 'weekly = [{ days = ["tue"], open = 08:00:00, close = 20:00:00 }]\ncalendar = "CL"'
    at = local("America/Santiago", 2026, 11, 24, 12)
    known = facts(SANTIAGO)
    plain = '[[calendars]]\ncountry = "CL"\n'
    record = judge(known, at, rules=tiny_pack(rule("contact_window", hours), extra=plain))
    assert record.allowed
    assert record.calendars == {"CL": calendar_data("CL").source}
    bridge = plain + 'add = { "2026-11-24" = "Bridge" }\n'
    record = judge(known, at, rules=tiny_pack(rule("contact_window", hours), extra=bridge))
    assert finding(record, "tiny/rule").code == "holiday"
    short = plain + "verified_through = 2026-11-23\n"
    record = judge(known, at, rules=tiny_pack(rule("contact_window", hours), extra=short))
    assert finding(record, "tiny/rule").code == "calendar_not_verified"
    assert (record.first_allowed, record.releasing_event) == (None, "calendar_verified")


@pytest.mark.parametrize(
    ("pack", "place", "zone", "hour", "allowed"),
    [
        ("pe", LIMA, "America/Lima", 9, False),
        ("cl", SANTIAGO, "America/Santiago", 19, True),
        ("co", BOGOTA, "America/Bogota", 14, True),
        ("co", BOGOTA, "America/Bogota", 15, False),
        ("py", Place(country="PY"), "America/Asuncion", 11, True),
        ("py", Place(country="PY"), "America/Asuncion", 12, False),
    ],
)
def test_14_saturdays_differ(pack: str, place: Place, zone: str, hour: int, allowed: bool) -> None:
    """Ley 29571 art. 62 none; Ley 19.496 art. 37 full; Ley 2300 art. 2 to 15:00; SEDECO to noon."""
    known = facts(
        place,
        points=[phone("+595211234567")] if place.country == "PY" else [],
        consents=[consent(ConsentScope.CHANNEL, NOON - 90 * DAY)],
    )
    record = judge(known, local(zone, 2026, 11, 28, hour), request(mode=Mode.MANUAL), packs(pack))
    assert (f"{pack}/hours" not in stops(record)) is allowed


def test_15_hours_may_bind_only_some_channels() -> None:
    """Ley 29571 art. 62 e) speaks of calls and visits; Ley 2300 art. 2 of every channel."""
    night = local("America/Lima", 2026, 11, 24, 22)
    text = request(Channel.SMS, content=ContentClass.NEUTRAL)
    assert "pe/hours" not in stops(judge(facts(LIMA), night, text, packs("pe")))
    assert "pe/hours" in stops(judge(facts(LIMA), night, rules=packs("pe")))
    night = local("America/Bogota", 2026, 11, 24, 22)
    assert "co/hours" in stops(judge(facts(BOGOTA), night, text, packs("co")))


# --- 16 to 18: debts and phones -----------------------------------------------------------------


def test_16_attribution_is_chosen_at_dial_time_and_only_misdirection_undoes_it() -> None:
    """12 CFR 1006 cmt. 14(b)(4)-1: an unanswered call counts for one debt of the collector's
    choice, and cmt. 14(b)(2)(i)-3: a call to another person's number for none."""
    debts = [debt(), debt("debt-2")]
    rings = [event(f"e{n}", NOON - n * HOUR, debts=("debt-1", "debt-2")) for n in range(1, 8)]
    known = facts(debts=debts, history=rings)
    assert "us/calls_7_in_7" in stops(judge(known, NOON, rules=US))
    assert judge(known, NOON, request(debts=("debt-2",)), US).allowed
    wrong = [msgspec.structs.replace(e, misdirected=True) for e in rings]
    assert judge(facts(debts=debts, history=wrong), NOON, rules=US).allowed


def test_17_a_person_is_capped_over_all_of_their_phones() -> None:
    """12 CFR 1006.14(b)(2): to a particular person, not to a particular number."""
    points = [phone(), phone("+12015550124", "point-2")]
    rings = [
        event(f"e{n}", NOON - n * HOUR, contact_point_id=points[n % 2].contact_point_id)
        for n in range(1, 8)
    ]
    for point in ("point-1", "point-2"):
        record = judge(facts(points=points, history=rings), NOON, request(point=point), US)
        assert stops(record) == ["us/calls_7_in_7"]
    by_number = tiny_pack(cap('unit = "rolling_days", n = 7', f'{RINGS}, key = "number"', 9))
    record = judge(facts(points=points, history=rings), NOON, rules=by_number)
    assert finding(record, "tiny/rule").counter == 3


def test_18_a_shared_phone_counts_for_whoever_was_called() -> None:
    """12 CFR 1006.14(b)(2) counts calls to a person; pressure on the number and the household
    is a policy of its own. Until identity is verified only neutral words may be said."""
    other = PersonId("other")
    point = phone(shared_with=(other,))
    theirs = [
        event(f"e{n}", NOON - n * HOUR, person_id=other, address=point.address, household_id="h")
        for n in range(1, 8)
    ]
    known = facts(points=[point], history=theirs)
    record = judge(known, NOON, rules=US)
    assert finding(record, "us/calls_7_in_7").counter == 0
    for key, home, counter in (
        ("number", None, 7),
        ("household", "h", 7),
        ("household", "other", 0),
    ):
        person = msgspec.structs.replace(known.subject.person, household_id=home)
        subject = msgspec.structs.replace(known.subject, person=person)
        seen = msgspec.structs.replace(known, subject=subject)
        loaded = tiny_pack(cap('unit = "rolling_days", n = 7', f'{RINGS}, key = "{key}"', 9))
        record = judge(seen, NOON, rules=loaded)
        assert finding(record, "tiny/rule").counter == counter, key
        assert f"number:{point.address}" in record.guards
    verified = request(Channel.SMS, content=ContentClass.VERIFIED)
    assert "marcador/shared_content" in stops(judge(known, NOON, verified))


# --- 19 to 21: who and where --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "federal", "chile"),
    [
        (PartyRole.SPOUSE, True, False),
        (PartyRole.GUARANTOR, True, True),
        (PartyRole.EXECUTOR, True, None),
        (PartyRole.RELATIVE, False, False),
    ],
)
def test_19_a_spouse_is_the_consumer_in_one_law_and_a_stranger_in_another(
    role: PartyRole, federal: bool, chile: bool | None
) -> None:
    """12 CFR 1006.6(a)(1) against Ley 19.496 art. 37: the guarantor owes, the spouse does not."""
    us = judge(facts(points=[phone(role=role)]), NOON, rules=packs("us"))
    assert ("us/recipients" not in stops(us)) is federal
    if chile is not None:
        known = facts(SANTIAGO, points=[phone("+56221234567", role=role)])
        there = judge(known, local("America/Santiago", 2026, 11, 24, 12), rules=packs("cl"))
        assert ("cl/recipients" not in stops(there)) is chile


def test_20_the_collectors_role_and_supervisor_bind_apart_from_residence() -> None:
    """15 USC 1692a(6): a creditor in its own name is outside; CONDUSEF's rules follow the
    supervised creditor wherever the debtor lives."""
    own = facts(role=CollectorRole.FIRST_PARTY)
    assert "us" not in [p.pack for p in judge(own, NOON).packs]
    assert "us" in [p.pack for p in judge(facts(), NOON).packs]
    supervised = Collector(
        collector_id="c", role=CollectorRole.THIRD_PARTY, supervised_by="MX-CONDUSEF"
    )
    abroad = msgspec.structs.replace(facts(), collector=supervised)
    assert {"mx", "us"} <= {p.pack for p in judge(abroad, NOON).packs}


def test_21_across_a_border_the_law_follows_the_consumer() -> None:
    """A call centre in Mexico that calls New Jersey is bound by Regulation F, by its clock."""
    here = Collector(
        collector_id="c",
        role=CollectorRole.THIRD_PARTY,
        place=Place(country="MX", subdivision="MX-CMX"),
    )
    known = msgspec.structs.replace(facts(NEW_JERSEY), collector=here)
    record = judge(known, local("America/Mexico_City", 2026, 11, 24, 20))  # 21:00 in New Jersey
    bound = {p.pack for p in record.packs}
    assert "us" in bound
    assert "mx" not in bound
    assert "us/hours" in stops(record)


# --- 22 to 24: what a verdict rests on, dates, bounds -------------------------------------------


def test_22_presumption_safe_harbour_law_and_policy_stay_apart() -> None:
    """12 CFR 1006.14(b)(2) is a presumption that can be rebutted, 1006.6(b)(1) is law,
    1006.6(d)(5) a safe harbour, three dials a day the house's policy."""
    calls = [event(f"e{n}", NOON - n * HOUR, debts=("debt-1",)) for n in range(1, 8)]
    record = judge(facts(history=calls), local(EASTERN, 2026, 11, 24, 22), request(), packs())
    assert finding(record, "us/hours").basis is Basis.LAW
    assert finding(record, "us/calls_7_in_7").basis is Basis.PRESUMPTION
    assert finding(record, "house/three_dials_a_day").basis is Basis.POLICY
    text = judge(facts(), NOON, request(Channel.SMS))
    assert finding(text, "us/sms_safe_harbour").basis is Basis.SAFE_HARBOUR


def test_23_a_decision_is_judged_by_the_law_of_its_own_day() -> None:
    """6 RCNY 5-77 allowed fewer attempts and by another count before 2026-09-01: an old log is
    re-judged by the old rule, a new one by the new."""
    place = Place(country="US", subdivision="US-NY", locality="Brooklyn")
    loaded = packs("us-ny-nyc")
    for at in (local(EASTERN, 2026, 8, 11, 12), local(EASTERN, 2026, 9, 15, 12)):
        rings = [event(f"e{n}", at - n * DAY) for n in range(1, 3)]
        known = facts(place, points=[phone("+17185550123")], history=rings)
        record = judge(known, at, rules=loaded)
        assert replay(record, known, loaded) == record
        rules = {f.rule_id for f in record.findings if f.counter is not None}
        assert all(loaded.heads[name].in_force(at) for name in rules)
        if at.month == 8:
            old = rules
    assert old != rules


def test_23_between_effect_and_compliance_a_rule_only_warns() -> None:
    """Res. Ex. SUBTEL 286/2025 and others are in force before they must be complied with."""
    dates = "effective_from = 2026-11-01\ncompliance_from = 2026-12-01"
    loaded = tiny_pack(
        rule("sender_identity", "caller_id_visible = true", extra=dates),
        extra='zone = "America/Lima"',
    )
    for moment, outcome in (
        ((2026, 10, 31, 23, 59, 59), None),
        ((2026, 11, 1, 0), Outcome.WARN),
        ((2026, 11, 30, 23, 59, 59), Outcome.WARN),
        ((2026, 12, 1, 0), Outcome.DENY),
    ):
        record = judge(facts(), local("America/Lima", *moment), request(), loaded)
        found = [f.outcome for f in record.findings if f.rule_id == "tiny/rule"]
        assert found == ([] if outcome is None else [outcome])


def test_24_the_closing_instant_is_closed() -> None:
    """12 CFR 1006.6(b)(1)(i): after 9:00 p.m. is inconvenient; the stroke of nine is closed."""
    for hour, minute, second, allowed in ((8, 0, 0, True), (20, 59, 59, True), (21, 0, 0, False)):
        at = local(EASTERN, 2026, 11, 24, hour, minute, second)
        assert judge(facts(), at, rules=packs("us")).allowed is allowed
    assert not judge(
        facts(), local(EASTERN, 2026, 11, 24, 8) - timedelta(microseconds=1), rules=packs("us")
    ).allowed


# --- 25 to 28: transfers, retries, schedules, unknowns ------------------------------------------


def test_25_another_collectors_calls_count_by_account_and_not_by_collector() -> None:
    """12 CFR 1006.14(b)(2) speaks of "a debt collector"; D.C. Code 28-3814(e) of the account."""
    before = event(
        "e", NOON - DAY, collector_id="earlier", account_ids=(AccountId("account-of-debt-1"),)
    )
    window = 'unit = "rolling_days", n = 7'
    for count, counter in (
        (f'{RINGS}, key = "debt"', 1),
        (f'{RINGS}, key = "debt", own_only = true', 0),
        (f'{RINGS}, key = "collector"', 0),
        (f'{RINGS}, key = "account"', 1),
    ):
        record = judge(facts(history=[before]), NOON, rules=tiny_pack(cap(window, count, 9)))
        assert finding(record, "tiny/rule").counter == counter, count


@pytest.mark.parametrize(
    ("first", "counted"),
    [
        (EventKind.NOT_CONNECTED_BUSY, ("again",)),
        (EventKind.NOT_CONNECTED_OUT_OF_SERVICE, ("again",)),
        (EventKind.RANG_NO_ANSWER, ("first", "again")),
        (EventKind.DIAL_REQUESTED, ("first", "again")),
    ],
)
def test_26_a_retry_over_another_trunk_is_one_attempt_unless_the_first_connected(
    first: EventKind, counted: tuple[str, ...]
) -> None:
    """940 CMR 7.04(1)(f) counts initiations: one dial that two carriers tried is one."""
    history = [
        event("first", NOON - HOUR, first),
        event("again", NOON - HOUR + 5 * SECOND, retry_of="first"),
    ]
    loaded = tiny_pack(cap('unit = "rolling_days", n = 7', 'basis = "attempt"', 9))
    record = judge(facts(history=history), NOON, rules=loaded)
    assert finding(record, "tiny/rule").event_ids == counted


def test_27_a_scheduled_message_is_decided_when_it_leaves() -> None:
    """12 CFR 1006 cmt. 6(b)(1)(i)-1: a message counts when it is sent. What was allowed when it
    was queued is not allowed later: the permit dies in seconds, and never outlives the hours."""
    evening = local(EASTERN, 2026, 11, 24, 20, 59, 57)
    verdict = decide(request(), facts(), packs("us"), evening, permit_lifetime_s=60)
    assert isinstance(verdict, Allowed)
    closing = local(EASTERN, 2026, 11, 24, 21)
    assert verdict.permit.expires_at == closing
    with pytest.raises(PermitRefused) as refused:
        verdict.permit.spend(address=verdict.permit.address, channel=Channel.VOICE, now=closing)
    assert refused.value.problem is PermitProblem.EXPIRED
    assert not judge(facts(), closing, rules=packs("us")).allowed


def test_28_an_unknown_residence_meets_every_law_it_may_be_under() -> None:
    """Nothing says where the person lives: every candidate's rules bind at once."""
    unknown = judge(facts(None, points=[phone("+12015550123")]), NOON)
    bound = {p.pack for p in unknown.packs}
    assert {"us", "us-fl", "us-ma", "cl", "co", "pe", "default"} <= bound
    state = judge(facts(Place(country="US"), points=[phone("+12015550123")]), NOON)
    bound = {p.pack for p in state.packs}
    assert {"us", "us-fl", "us-ma", "us-wa"} <= bound
    assert "cl" not in bound


# --- laws against each other --------------------------------------------------------------------


MUST = 'require = ["creditor"]'
MUST_NOT = 'forbid = ["creditor"]'


def two(first: str, second: str, kind: str = "content_rule", extra: str = "") -> str:
    return rule(kind, first, name="a", extra=extra) + rule("content_rule", second, name="b")


@pytest.mark.parametrize("statements", [("creditor",), ()])
def test_what_one_law_demands_and_another_forbids_goes_to_review(
    statements: tuple[str, ...],
) -> None:
    """No choice of the machine's can be right: a person decides, and both rules are named."""
    record = judge(facts(), NOON, request(statements=statements), tiny_pack(two(MUST, MUST_NOT)))
    assert not record.allowed
    [said] = [f for f in record.findings if f.outcome.stops]
    assert said.outcome is Outcome.HOLD
    other = {"tiny/a": "tiny/b", "tiny/b": "tiny/a"}[said.rule_id]
    assert said.detail["conflicts_with"] == other
    assert (record.first_allowed, record.releasing_event) == (None, "reviewed")


@pytest.mark.parametrize(
    "rules",
    [
        two('statement = "creditor"', MUST_NOT, "disclosure"),
        two('statement = "creditor"', 'allow_only = ["greeting"]', "disclosure"),
        two('parties = "all"\nannounce = "creditor"', MUST_NOT, "recording_consent"),
        two('allow = ["neutral"]', 'allow = ["verified"]'),
        two('allow = ["neutral"]', 'forbid_classes = ["neutral"]'),
        rule("disclosure", 'statement = "s"\nlanguages = ["es"]', name="a")
        + rule("disclosure", 'statement = "t"\nlanguages = ["fr"]', name="b"),
    ],
)
def test_every_kind_of_contradiction_is_seen(rules: str) -> None:
    for statements in ((), ("creditor",), ("s", "t"), ("creditor", "greeting")):
        for content in (ContentClass.NEUTRAL, ContentClass.VERIFIED):
            for language in ("es", "fr"):
                asked = request(
                    statements=statements, content=content, language=language, recorded=True
                )
                record = judge(facts(), NOON, asked, tiny_pack(rules))
                assert not record.allowed
                held = [f for f in record.findings if f.outcome is Outcome.HOLD]
                assert held
                assert all("conflicts_with" in f.detail for f in held)


def test_rules_that_can_both_be_met_are_no_contradiction() -> None:
    """A first-contact warning that a later contact may not repeat: a plain denial."""
    rules = two('statement = "full"\nat = "first_contact"', 'forbid = ["full"]', "disclosure")
    met = facts(history=[talk("e", NOON - 9 * DAY)])
    record = judge(met, NOON, request(statements=("full",)), tiny_pack(rules))
    assert [f.outcome for f in record.findings if f.outcome.stops] == [Outcome.DENY]
    assert judge(met, NOON, request(statements=()), tiny_pack(rules)).allowed
    first = judge(facts(), NOON, request(statements=("full",)), tiny_pack(rules))
    assert [f.outcome for f in first.findings if f.outcome.stops] == [Outcome.HOLD]


def test_no_bundled_packs_contradict_each_other() -> None:
    """Whatever the contact, the packs that ship leave some lawful way of saying it."""
    demanding = [
        each
        for pack in packs().packs
        for each in pack.rules
        if isinstance(each, Demanding) and isinstance(each, Rule)
    ]
    for one, other in combinations(demanding, 2):
        channels = one.head.channels or frozenset(Channel)
        purposes = frozenset(one.head.when.purposes or Purpose)
        together = not channels.isdisjoint(other.head.channels or frozenset(Channel))
        if together and not purposes.isdisjoint(other.head.when.purposes or frozenset(Purpose)):
            pair = (one.head.id, other.head.id)
            assert not one.demands.contradicts(other.demands), pair


# --- what the person and the world say ----------------------------------------------------------


def test_an_emergency_has_a_tail() -> None:
    """D.C. Law 24-154: during a public-health emergency and for sixty days after it."""
    params = 'emergencies = ["US-DC:public_health"]\ntail_days = 60'
    loaded = tiny_pack(rule("blackout", params))
    during = facts(emergencies=("US-DC:public_health",))
    record = judge(during, NOON, rules=loaded)
    assert (record.first_allowed, record.releasing_event) == (None, "emergency_ended")
    ended = local(EASTERN, 2026, 9, 25, 15)
    after = msgspec.structs.replace(facts(), ended_emergencies={"US-DC:public_health": ended})
    record = judge(after, NOON - DAY, rules=loaded)
    assert finding(record, "tiny/rule").code == "after_emergency"
    assert record.first_allowed == local(EASTERN, 2026, 11, 25)
    other = msgspec.structs.replace(facts(), ended_emergencies={"US-FL:hurricane": ended})
    assert judge(other, NOON - DAY, rules=loaded).allowed


def test_preferences_bind_by_source_and_by_number() -> None:
    """12 CFR 1006 cmt. 6(b)(1)-1: what the person or the creditor noted binds; "busy now" is no
    standing wish. A wish about one number says nothing of another."""
    midnight = time(0)
    never = (WeeklyInterval(weekdays=tuple(range(1, 8)), start=midnight, end=midnight),)
    loaded = tiny_pack(rule("consumer_time_preference", 'sources = ["person", "creditor"]'))
    for source, point, allowed in (
        ("person", None, False),
        ("", None, False),
        ("agent_guess", None, True),
        ("creditor", "point-1", False),
        ("creditor", "point-2", True),
    ):
        wish = PreferenceFact(
            preference_id="p",
            at=NOON - DAY,
            forbidden=never,
            source=source,
            contact_point_id=None if point is None else ContactPointId(point),
        )
        record = judge(
            facts(preferences=[wish], points=[phone(), phone("+12015550124", "point-2")]),
            NOON,
            rules=loaded,
        )
        assert ("tiny/rule" not in stops(record)) is allowed, (source, point)


def test_spacing_by_hours() -> None:
    params = f"hours = 5\ncount = {{ {RINGS} }}"
    known = facts(history=[event("e", NOON - 2 * HOUR)])
    record = judge(known, NOON, rules=tiny_pack(rule("min_spacing", params)))
    assert record.first_allowed == NOON + 3 * HOUR


def test_evidence_of_a_consent_may_be_asked_for() -> None:
    """47 CFR 64.1200(a)(1): the caller must be able to show the consent."""
    params = 'consent = { scope = "channel" }\nevidence = true'
    for evidence, allowed in (("", False), ("form 12", True)):
        given = consent(ConsentScope.CHANNEL, NOON - DAY, evidence=evidence)
        record = judge(
            facts(consents=[given]), NOON, rules=tiny_pack(rule("consent_requirement", params))
        )
        assert record.allowed is allowed


def test_a_campaign_counts_its_own_contacts() -> None:
    loaded = tiny_pack(cap('unit = "rolling_days", n = 7', f'{RINGS}, key = "campaign"', 9))
    history = [
        event("own", NOON - DAY, campaign_id="spring"),
        event("other", NOON - DAY, campaign_id="autumn"),
        event("unknown", NOON - DAY),
    ]
    asked = request(campaign_id="spring")
    record = judge(facts(history=history), NOON, asked, loaded)
    assert finding(record, "tiny/rule").event_ids == ("own", "unknown")


def test_a_legal_notice_passes_what_a_cease_request_stops_and_status_order_is_first() -> None:
    """12 CFR 1006.6(c)(2): three notices may still go out. The headline is the status."""
    stopped = facts(
        statuses=[StatusFact(kind=StatusKind.CEASE, since=NOON - DAY)],
        suppressions=[
            SuppressionFact(
                suppression_id="s", scope=SuppressionScope.CHANNEL, reason="manual", starts_at=NOON
            )
        ],
    )
    letter = request(purpose=Purpose.LEGAL_NOTICE, content=ContentClass.LEGAL_NOTICE)
    assert "us/cease" not in stops(judge(stopped, NOON, letter, packs("us")))
    assert stops(judge(stopped, NOON, rules=packs("us")))[0] in (
        "marcador/person_status",
        "us/cease",
    )


def test_a_pack_checked_against_another_calendar_release_is_refused() -> None:
    text = 'pack = "p"\nversion = "2026.1.1"\nkind = "law"\nstatus = "draft"\ntitle = "t"\n'
    text += "rules = []\n"
    source = calendar_data("CL").source
    good = f'[[calendars]]\ncountry = "CL"\nsource = "{source}"\n'
    assert parse_pack(text + good, name="p").calendars == {"CL": source}
    with pytest.raises(Exception, match="is not the vendored release"):
        parse_pack(text + good.replace(source, "holidays 0.1"), name="p")
