"""Each rule kind at its bounds, with packs made for the purpose."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import msgspec
import pytest

from compliance.messages import NumberCheckFact, PreferenceFact, WeeklyInterval
from compliance.types import (
    Channel,
    ConsentScope,
    ConsentType,
    ContactPointId,
    ContentClass,
    CreditorId,
    EventKind,
    Mode,
    PointLabel,
)
from tests.compliance.build import (
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

ZONE = "America/New_York"
NOON = local(ZONE, 2026, 11, 24, 12)  # a Tuesday
RINGS = 'events = ["rang_no_answer"]'
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def cap(window: str, limit: int = 1, count: str = RINGS) -> str:
    return rule("frequency_cap", f"max = {limit}\nwindow = {window}\ncount = {{ {count} }}")


@pytest.mark.parametrize(
    ("window", "inside", "outside", "released"),
    [
        ('unit = "rolling_hours", n = 24', (11, 23, 12, 0, 1), (11, 23, 12), (11, 24, 12, 0, 1)),
        ('unit = "rolling_days", n = 2', (11, 23, 0), (11, 22, 23, 59, 59), (11, 25, 0)),
        ('unit = "calendar_day"', (11, 24, 0), (11, 23, 23, 59, 59), (11, 25, 0)),
        ('unit = "calendar_week", week_start = "mon"', (11, 23, 0), (11, 22, 23, 59), (11, 30, 0)),
        ('unit = "calendar_week", week_start = "sun"', (11, 22, 0), (11, 21, 23, 59), (11, 29, 0)),
        # Sunday 22 began the week that lasts until Saturday 28.
        ('unit = "calendar_week"', (11, 22, 0), (11, 21, 23, 59, 59), (11, 29, 0)),
        ('unit = "campaign_30d"', (10, 26, 0), (10, 25, 23, 59, 59), (11, 25, 0)),
        ('unit = "calendar_month"', (11, 1, 0), (10, 31, 23, 59, 59), (12, 1, 0)),
    ],
)
def test_windows_of_every_unit(
    window: str, inside: tuple[int, ...], outside: tuple[int, ...], released: tuple[int, ...]
) -> None:
    loaded = tiny_pack(cap(f"{{ {window} }}"))
    known = facts(history=[event("e", local(ZONE, 2026, *inside))])
    record = judge(known, NOON, rules=loaded)
    assert stops(record) == ["tiny/rule"]
    assert record.first_allowed == local(ZONE, 2026, *released)
    known = facts(history=[event("e", local(ZONE, 2026, *outside))])
    assert judge(known, NOON, rules=loaded).allowed


def test_the_strictest_week_holds_while_either_week_lasts() -> None:
    loaded = tiny_pack(cap('{ unit = "calendar_week" }'))
    monday = facts(history=[event("e", local(ZONE, 2026, 11, 23, 9))])
    record = judge(monday, NOON, rules=loaded)
    assert record.first_allowed == local(ZONE, 2026, 11, 30, 0)
    sunday = local(ZONE, 2026, 11, 29, 12)
    assert not judge(monday, sunday, rules=loaded).allowed


def test_several_zones_count_in_the_earliest_and_release_in_the_latest() -> None:
    loaded = tiny_pack(cap('{ unit = "calendar_day" }'))
    points = [phone(), phone("+18085550123", "point-2")]  # Honolulu, UTC-10
    at = local(ZONE, 2026, 11, 24, 3)  # still Monday 22:00 in Honolulu
    ring = event("e", local(ZONE, 2026, 11, 23, 12))
    record = judge(facts(points=points, history=[ring]), at, rules=loaded)
    assert stops(record) == ["tiny/rule"]
    assert record.first_allowed == local("Pacific/Honolulu", 2026, 11, 24, 0)


def test_a_history_over_the_cap_is_released_when_enough_has_left() -> None:
    loaded = tiny_pack(cap('{ unit = "rolling_days", n = 7 }', 2))
    history = [event(f"e{day}", local(ZONE, 2026, 11, day, 9)) for day in (19, 20, 22, 23)]
    record = judge(facts(history=history), NOON, rules=loaded)
    counted = finding(record, "tiny/rule")
    assert (counted.counter, counted.first_ok) == (4, local(ZONE, 2026, 11, 29, 0))


def test_a_cap_of_zero_is_never_released() -> None:
    record = judge(facts(), NOON, rules=tiny_pack(cap('{ unit = "calendar_day" }', 0)))
    assert (record.first_allowed, record.releasing_event) == (None, "rule_changed")


@pytest.mark.parametrize(
    ("count", "counted"),
    [
        ('events = ["rang_no_answer"], channels = ["sms"]', 1),
        ('events = ["rang_no_answer"], channels = ["voice"]', 2),
        ('events = ["rang_no_answer"], modes = ["preview"]', 1),
        ('events = ["rang_no_answer"], labels = ["work"]', 1),
        ('events = ["rang_no_answer"], prerecorded = true', 0),
        ('events = ["rang_no_answer"], exclude_roles = ["attorney"]', 2),
        ('events = ["conversation"]', 0),
        ('events = ["rang_no_answer"], key = "creditor"', 2),
    ],
)
def test_what_a_count_selects(count: str, counted: int) -> None:
    """Values that an event does not tell are counted."""
    history = [
        event("told", NOON - HOUR, label=PointLabel.HOME, creditor_id=CreditorId("one")),
        event("untold", NOON - 2 * HOUR, channel=None, mode=None, debts=()),
    ]
    loaded = tiny_pack(cap('{ unit = "rolling_days", n = 3 }', 9, count))
    known = facts(history=history, debts=[debt(creditor_id=CreditorId("one"))])
    record = judge(known, NOON, rules=loaded)
    assert finding(record, "tiny/rule").counter == counted


def test_a_creditor_counts_only_its_own() -> None:
    loaded = tiny_pack(cap('{ unit = "rolling_days", n = 3 }', 1, RINGS + ', key = "creditor"'))
    other = event("e", NOON - HOUR, creditor_id=CreditorId("two"), debts=("debt-2",))
    known = facts(history=[other], debts=[debt(creditor_id=CreditorId("one"))])
    assert judge(known, NOON, rules=loaded).allowed


@pytest.mark.parametrize(
    ("params", "ends"),
    [
        ('length = 7\ncounted_from = "day_1"', (12, 1, 0)),
        ('length = 7\ncounted_from = "next_day"', (12, 2, 0)),
        ('length = 72\nunit = "hours"', (11, 27, 12)),
    ],
)
def test_cooldowns(params: str, ends: tuple[int, int, int]) -> None:
    loaded = tiny_pack(rule("cooldown", f'{params}\ncount = {{ events = ["conversation"] }}'))
    talk = event("talk", local(ZONE, 2026, 11, 24, 12), EventKind.CONVERSATION)
    known = facts(history=[talk])
    record = judge(known, NOON + HOUR, rules=loaded)
    month, day, hour = ends
    free = local(ZONE, 2026, month, day, hour)
    assert record.first_allowed == free
    assert not judge(known, free - timedelta(seconds=1), rules=loaded).allowed
    assert judge(known, free, rules=loaded).allowed


def test_redial_guard_binds_machines_and_not_agents() -> None:
    loaded = packs("house")
    known = facts(history=[event("drop", NOON - 10 * HOUR, EventKind.ABANDONED)])
    record = judge(known, NOON, rules=loaded)
    assert stops(record) == ["house/rest_after_abandoned"]
    assert record.first_allowed == NOON + 62 * HOUR
    assert judge(known, NOON, request(mode=Mode.PREVIEW), loaded).allowed


def test_house_pressure() -> None:
    loaded = packs("house")
    calls = [event(f"e{n}", NOON - (n + 1) * HOUR) for n in range(3)]
    assert stops(judge(facts(history=calls), NOON, rules=loaded)) == ["house/three_dials_a_day"]
    recent = [event("e", NOON - timedelta(minutes=59))]
    assert stops(judge(facts(history=recent), NOON, rules=loaded)) == ["house/no_rapid_succession"]


def test_exclusivity_follows_the_first_contact_of_the_window() -> None:
    loaded = tiny_pack(
        rule(
            "channel_exclusivity",
            'window = { unit = "rolling_days", n = 3 }\n'
            'count = { events = ["conversation", "message_sent"] }',
        )
    )
    talk = event("talk", NOON - DAY, EventKind.CONVERSATION)
    text = event("text", NOON - HOUR, EventKind.MESSAGE_SENT, channel=Channel.SMS)
    known = facts(history=[talk, text])
    assert judge(known, NOON, rules=loaded).allowed
    sms = request(Channel.SMS, content=ContentClass.NEUTRAL)
    record = judge(known, NOON, sms, loaded)
    assert finding(record, "tiny/rule").event_ids == ("talk",)
    # When the talk has left the window, the text is the first.
    assert record.first_allowed == local(ZONE, 2026, 11, 26, 0)


def test_blackout_dates_follow_each_other() -> None:
    loaded = tiny_pack(
        rule(
            "blackout",
            "dates = [{ first = 2026-11-26, last = 2026-11-26 },"
            " { first = 2026-11-24, last = 2026-11-25 }]",
        )
    )
    assert judge(facts(), NOON, rules=loaded).first_allowed == local(ZONE, 2026, 11, 27, 0)
    assert judge(facts(), NOON + 4 * DAY, rules=loaded).allowed


# --- preferences and places ---------------------------------------------------------------------


def prefer(**fields: object) -> PreferenceFact:
    values: dict[str, object] = {"preference_id": "p-1", "at": NOON - 9 * DAY}
    return PreferenceFact(**(values | fields))  # type: ignore[arg-type]  # test shorthand


def weekly(days: tuple[int, ...], start: time, end: time) -> tuple[WeeklyInterval, ...]:
    return (WeeklyInterval(weekdays=days, start=start, end=end),)


ALL_WEEK = (1, 2, 3, 4, 5, 6, 7)


def test_not_tuesdays_and_thursdays() -> None:
    """cmt. 6(b)(1)-1."""
    rules = packs("marcador")
    known = facts(preferences=[prefer(forbidden=weekly((2, 4), time(0), time(0)))])
    record = judge(known, NOON, rules=rules)
    assert stops(record) == ["marcador/time_preference"]
    assert record.first_allowed == local(ZONE, 2026, 11, 25, 0)


def test_weekdays_except_three_to_five_and_not_weekends() -> None:
    """cmt. 6(b)(1)-1."""
    rules = packs("marcador")
    known = facts(
        preferences=[
            prefer(
                allowed=weekly((1, 2, 3, 4, 5), time(0), time(0)),
                forbidden=weekly((1, 2, 3, 4, 5), time(15), time(17)),
            )
        ]
    )
    assert judge(known, local(ZONE, 2026, 11, 24, 14, 59, 59), rules=rules).allowed
    record = judge(known, local(ZONE, 2026, 11, 24, 15), rules=rules)
    assert record.first_allowed == local(ZONE, 2026, 11, 24, 17)
    weekend = judge(known, local(ZONE, 2026, 11, 28, 12), rules=rules)
    assert weekend.first_allowed == local(ZONE, 2026, 11, 30, 0)


def test_a_night_shift_is_an_interval_past_midnight() -> None:
    rules = packs("marcador")
    known = facts(preferences=[prefer(forbidden=weekly(ALL_WEEK, time(22), time(13)))])
    record = judge(known, NOON, rules=rules)
    assert record.first_allowed == local(ZONE, 2026, 11, 24, 13)


def test_preferences_expire_and_mind_the_channel() -> None:
    rules = packs("marcador")
    never = weekly(ALL_WEEK, time(0), time(0))
    known = facts(preferences=[prefer(forbidden=never, expires_at=NOON + HOUR)])
    record = judge(known, NOON, rules=rules)
    assert record.first_allowed == NOON + HOUR
    assert judge(known, NOON + HOUR, rules=rules).allowed
    texts = facts(preferences=[prefer(forbidden=never, channel=Channel.SMS)])
    assert judge(texts, NOON, rules=rules).allowed
    forever = judge(facts(preferences=[prefer(forbidden=never)]), NOON, rules=rules)
    assert (forever.first_allowed, forever.releasing_event) == (None, "preference_changed")


def test_forbidden_places() -> None:
    rules = packs("marcador")
    at_home = phone(label=PointLabel.HOME)
    until = prefer(forbidden_labels=(PointLabel.HOME,), expires_at=NOON + HOUR)
    record = judge(facts(points=[at_home], preferences=[until]), NOON, rules=rules)
    assert stops(record) == ["marcador/forbidden_place"]
    assert record.first_allowed == NOON + HOUR
    for_ever = prefer(forbidden_labels=(PointLabel.HOME,))
    known = facts(points=[at_home], preferences=[until, for_ever])
    assert judge(known, NOON, rules=rules).first_allowed is None


# --- consent ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "lifts"),
    [
        ({}, True),
        ({"channel": Channel.SMS}, False),
        ({"channel": Channel.VOICE}, True),
        ({"contact_point_id": ContactPointId("point-2")}, False),
        ({"debt_ids": ("debt-2",)}, False),
        ({"debt_ids": ("debt-1", "debt-2")}, True),
        ({"revoked_at": NOON}, False),
        ({"revoked_at": NOON + timedelta(seconds=1)}, True),
        ({"expires_at": NOON}, False),
        ({"type": ConsentType.WRITTEN}, True),
        ({"type": ConsentType.TWO_WAY}, False),
        ({"scope": ConsentScope.FREQUENCY}, False),
    ],
)
def test_consents_lift_only_what_they_name(fields: dict[str, object], lifts: bool) -> None:
    night = 'weekly = [{ days = ["tue"], open = 13:00:00, close = 14:00:00 }]'
    lifted_by = 'lifted_by = [{ scope = "hours", types = ["express", "written"] }]'
    loaded = tiny_pack(rule("contact_window", night, extra=lifted_by))
    base = consent(ConsentScope.HOURS, NOON - DAY)
    given = msgspec.structs.replace(base, **fields)
    record = judge(facts(consents=[given]), NOON, rules=loaded)
    assert record.allowed is lifts
    if lifts:
        assert finding(record, "tiny/rule").lifted_by == "consent:consent-hours"


def test_a_consent_that_begins_later_brings_the_release_forward() -> None:
    never = rule(
        "status_gate", 'debt_statuses = ["overdue"]', extra='lifted_by = [{ scope = "hours" }]'
    )
    given = consent(ConsentScope.HOURS, NOON + HOUR)
    record = judge(facts(consents=[given]), NOON, rules=tiny_pack(never))
    assert record.first_allowed == NOON + HOUR


def test_consent_with_an_age_is_renewed_by_messages_and_checks() -> None:
    loaded = tiny_pack(
        rule(
            "consent_requirement",
            'consent = { scope = "channel" }\nmax_age_days = 60\n'
            'renewed_by = ["inbound_message"]\nrenewed_by_check = "reassigned_numbers_database"',
        )
    )
    old = consent(ConsentScope.CHANNEL, NOON - 90 * DAY)
    known = facts(consents=[old])
    assert finding(judge(known, NOON, rules=loaded), "tiny/rule").code == "consent_stale"
    for answer, allowed in (("no", True), ("yes", False)):
        check = NumberCheckFact(
            kind="reassigned_numbers_database",
            contact_point_id=ContactPointId("point-1"),
            checked_at=NOON - 3 * DAY,
            answer=answer,
        )
        subject = msgspec.structs.replace(known.subject, number_checks=(check,))
        checked = msgspec.structs.replace(known, subject=subject)
        assert judge(checked, NOON, rules=loaded).allowed is allowed
    renewed = facts(consents=[msgspec.structs.replace(old, renewed_at=NOON - 59 * DAY)])
    assert judge(renewed, NOON, rules=loaded).allowed
    assert not judge(renewed, NOON + 2 * DAY, rules=loaded).allowed


def test_severity_decides_what_a_denial_is() -> None:
    for severity, outcome, allowed in (
        ("block", "deny", False),
        ("hold", "hold", False),
        ("review", "hold", False),
        ("warn", "warn", True),
    ):
        gate = rule("status_gate", 'debt_statuses = ["overdue"]', extra=f'severity = "{severity}"')
        record = judge(facts(), NOON, rules=tiny_pack(gate))
        assert finding(record, "tiny/rule").outcome == outcome
        assert record.allowed is allowed


def test_times_are_instants_whatever_zone_wrote_them() -> None:
    ring = event("e", datetime(2026, 11, 24, 16, tzinfo=UTC))
    loaded = tiny_pack(cap('{ unit = "calendar_day" }'))
    assert not judge(facts(history=[ring]), NOON, rules=loaded).allowed
