"""Every bundled pack against tables written from the texts: hours, counters, dates, recipients.

The tables name every rule of their kind, so a rule that is added without its row fails here; and
each row is shown in behaviour at its bounds, not only compared.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec
import pytest

from compliance.catalogue import EVENTS
from compliance.context import KINDS_OF_CHANNEL, Context
from compliance.hours import day_start
from compliance.messages import (
    AbandonmentStat,
    ContactRequest,
    Facts,
    Finding,
    HistoryEvent,
    TrafficStat,
)
from compliance.packs import BUNDLED, Pack, PackSet, load_packs
from compliance.retention import schedule
from compliance.rules.counters import Cooldown, FrequencyCap, MinSpacing, RedialGuard
from compliance.rules.statements import Disclosure
from compliance.rules.traffic import AbandonmentLimit
from compliance.rules.windows import ContactWindow
from compliance.schema import CooldownUnit, Count, SequenceGateParams, WindowUnit
from compliance.types import (
    Attestation,
    Channel,
    ContactPointKind,
    ContentClass,
    EventKind,
    LineType,
    Mode,
    Outcome,
    PartyRole,
    PointLabel,
    Purpose,
    RuleKind,
)
from compliance.zones import zone as pinned
from tests.compliance.build import (
    debt,
    event,
    facts,
    judge,
    phone,
    request,
    when,
)
from tests.compliance.places import HOMES

EVERY = load_packs([BUNDLED, BUNDLED / "drafts"], production=False)
PACKS: dict[str, Pack] = {pack.doc.pack: pack for pack in EVERY.packs}
RULES = {rule.head.id: rule for pack in EVERY.packs for rule in pack.rules}
SECOND = timedelta(seconds=1)
WEDNESDAY, SATURDAY, SUNDAY = "2026-11-25", "2026-11-28", "2026-11-29"
WEEKDAY, ALL = (WEDNESDAY,), (WEDNESDAY, SATURDAY, SUNDAY)

LIKE_MOST_STATES = (
    *("us-az", "us-co", "us-ct", "us-hi", "us-ia", "us-id", "us-il", "us-la", "us-md", "us-me"),
    *("us-mi", "us-mn", "us-nc", "us-nh", "us-or", "us-pa", "us-sc", "us-tn", "us-vt", "us-wi"),
)
"""States with the hours that most share and the standard of harassment."""

HOURS: dict[str, tuple[tuple[tuple[str, ...], str, str], ...]] = {
    **{f"{name}/hours": ((ALL, "08:00", "21:00"),) for name in LIKE_MOST_STATES},
    "us/hours": ((ALL, "08:00", "21:00"),),
    "us-tcpa/hours_policy": ((ALL, "08:00", "21:00"),),
    "us-tsr/hours_marketing": ((ALL, "08:00", "21:00"),),
    "us-ca-creditors/hours": ((ALL, "08:00", "21:00"),),
    "us-dc/hours": ((ALL, "08:00", "21:00"),),
    "us-fl/hours": ((ALL, "08:00", "21:00"),),
    "us-fl/hours_email": ((ALL, "08:00", "21:00"),),
    "us-ma/hours": ((ALL, "08:00", "21:00"),),
    "us-ma/household_hours": ((ALL, "08:00", "21:00"),),
    "us-ma-collectors/hours": ((ALL, "08:00", "21:00"),),
    "us-ok/hours": ((ALL, "08:00", "21:00"),),
    "us-ri/hours": ((ALL, "08:00", "21:00"),),
    "us-wa/hours": ((ALL, "07:30", "21:00"),),
    "us-wv/hours": ((ALL, "08:00", "21:00"),),
    "ca/hours": (((WEDNESDAY, SATURDAY), "07:00", "21:00"), ((SUNDAY,), "13:00", "17:00")),
    "ca/recorded_voice_hours": (
        (WEEKDAY, "09:00", "21:30"),
        ((SATURDAY, SUNDAY), "10:00", "18:00"),
    ),
    "ca-on/hours": (((WEDNESDAY, SATURDAY), "07:00", "21:00"), ((SUNDAY,), "13:00", "17:00")),
    "ca-qc/hours": (((WEDNESDAY, SATURDAY), "08:00", "20:00"),),
    "gb/hours": (((WEDNESDAY, SATURDAY), "08:00", "20:00"),),
    "es/hours": ((WEEKDAY, "09:00", "21:00"),),
    "ar/hours": ((WEEKDAY, "08:00", "20:00"), ((SATURDAY,), "10:00", "12:00")),
    "ar-c/hours": ((WEEKDAY, "08:00", "20:00"), ((SATURDAY,), "10:00", "12:00")),
    "br/hours": ((WEEKDAY, "08:00", "20:00"), ((SATURDAY,), "08:00", "14:00")),
    "br-al/hours": ((WEEKDAY, "08:00", "20:00"), ((SATURDAY,), "08:00", "14:00")),
    "br-am/hours": ((WEEKDAY, "08:00", "19:00"),),
    "br-es/hours": ((WEEKDAY, "08:00", "19:00"),),
    "br-rj/hours": ((WEEKDAY, "09:00", "19:00"),),
    "br-sp/hours": ((WEEKDAY, "08:00", "20:00"), ((SATURDAY,), "08:00", "14:00")),
    "cl/hours": (((WEDNESDAY, SATURDAY), "08:00", "20:00"),),
    "cl/hours_other_media": (((WEDNESDAY, SATURDAY), "08:00", "20:00"),),
    "co/hours": ((WEEKDAY, "07:00", "19:00"), ((SATURDAY,), "08:00", "15:00")),
    "cr/hours": ((WEEKDAY, "09:00", "18:00"),),
    "do/hours": ((WEEKDAY, "07:00", "20:00"), ((SATURDAY,), "09:00", "13:00")),
    "ec/hours": ((WEEKDAY, "07:00", "20:00"),),
    "gt/hours": ((WEEKDAY, "08:00", "18:00"),),
    "mx/hours": ((ALL, "07:00", "22:00"),),
    "ni/hours": ((WEEKDAY, "07:00", "18:00"), ((SATURDAY,), "07:00", "12:00")),
    "pa/hours": ((WEEKDAY, "08:00", "18:00"), (("2026-11-21",), "08:00", "15:00")),
    "pe/hours": ((WEEKDAY, "07:00", "20:00"),),
    "py/hours": ((WEEKDAY, "08:00", "18:00"), ((SATURDAY,), "08:00", "12:00")),
    "sv/hours": ((WEEKDAY, "08:00", "18:00"),),
    "uy/hours": ((WEEKDAY, "09:00", "18:00"),),
    "default/hours": ((WEEKDAY, "09:00", "18:00"),),
}
"""Rule -> (days, opening, closing); any other day of that week is closed."""

CAPS: dict[str, tuple[int, str, int, str]] = {
    **{f"{s}/repeated_calls": (7, "rolling_days", 7, "debt") for s in LIKE_MOST_STATES},
    "us/calls_7_in_7": (7, "rolling_days", 7, "debt"),
    "us/location_once": (1, "rolling_days", 400, "number"),
    "us/location_calls_7_in_7": (7, "rolling_days", 7, "number"),
    "us-ca/repeated_calls": (7, "rolling_days", 7, "debt"),
    "us-tx/repeated_calls": (7, "rolling_days", 7, "debt"),
    "us-ny/repeated_calls": (7, "rolling_days", 7, "debt"),
    "us-dc/four_in_7_days": (4, "rolling_days", 7, "account"),
    "us-dc/five_electronic_in_7_days": (5, "rolling_days", 7, "account"),
    "us-ma/two_in_7_days": (2, "rolling_days", 7, "debt"),
    "us-ma/two_in_30_days_elsewhere": (2, "rolling_days", 30, "debt"),
    "us-ma-collectors/two_in_7_days": (2, "rolling_days", 7, "debt"),
    "us-ma-collectors/two_in_30_days_elsewhere": (2, "rolling_days", 30, "debt"),
    "us-nh/work_limited": (1, "calendar_month", 1, "person"),
    "us-or/work_limited": (1, "calendar_week", 1, "person"),
    "us-ny-nyc/three_in_7_days": (3, "rolling_days", 7, "account"),
    "us-ny-nyc/two_in_7_days_before": (2, "rolling_days", 7, "person"),
    "us-wa/three_a_week": (3, "rolling_days", 7, "person"),
    "us-wa/work_once_a_week": (1, "rolling_days", 7, "person"),
    "us-wa/wireless_two_a_day": (2, "calendar_day", 1, "person"),
    "us-wa/charged_three_a_week": (3, "calendar_week", 1, "person"),
    "us-wv/thirty_calls_a_week": (30, "calendar_week", 1, "person"),
    "us-wv/ten_conversations_a_week": (10, "calendar_week", 1, "person"),
    "ca-on/three_in_7_days": (3, "rolling_days", 7, "creditor"),
    "ca-on/location_once": (1, "rolling_days", 400, "number"),
    "gb/repeated_calls": (7, "rolling_days", 7, "person"),
    "ar/repeated_calls": (7, "rolling_days", 7, "person"),
    "br/repeated_calls": (7, "rolling_days", 7, "person"),
    "cl/call_or_visit_weekly": (1, "calendar_week", 1, "person"),
    "cl/other_media_weekly": (2, "calendar_week", 1, "person"),
    "co/once_a_day": (1, "calendar_day", 1, "person"),
    "cr/once_a_day": (1, "calendar_day", 1, "person"),
    "cr/three_a_week": (3, "rolling_days", 7, "person"),
    "do/five_a_day": (5, "calendar_day", 1, "debt"),
    "ec/once_a_day": (1, "calendar_day", 1, "person"),
    "gt/two_a_day": (2, "calendar_day", 1, "person"),
    "pa/once_a_day": (1, "calendar_day", 1, "person"),
    "py/three_a_week": (3, "calendar_week", 1, "person"),
    "sv/repetitive": (1, "calendar_day", 1, "person"),
    "uy/once_a_day": (1, "calendar_day", 1, "person"),
    "uy/three_a_week": (3, "rolling_days", 7, "person"),
    "default/once_a_day": (1, "calendar_day", 1, "person"),
    "default/three_a_week": (3, "rolling_days", 7, "person"),
    "house/three_dials_a_day": (3, "calendar_day", 1, "person"),
}
"""Rule -> (limit, unit of the window, its length, for whom it is counted)."""

PAUSES = {
    "us/silence_after_conversation": timedelta(days=7),
    "us-ca-creditors/silence_after_conversation": timedelta(days=7),
    "us-dc/silence_after_call": timedelta(days=7),
    "house/no_rapid_succession": timedelta(hours=1),
    "house/rest_after_abandoned": timedelta(hours=72),
    "gb/rest_after_abandoned": timedelta(hours=72),
    "gb/rest_after_machine": timedelta(hours=24),
    "cl/other_media_spacing": timedelta(days=3),
}
"""Rule -> from the event (its date, where days are counted) to the first instant after it."""

DATES: dict[str, tuple[date | None, date | None]] = {
    "cl/call_or_visit_weekly": (date(2021, 4, 20), None),
    "cl/other_media_weekly": (date(2021, 4, 20), None),
    "cl/other_media_spacing": (date(2021, 4, 20), None),
    "co/hours": (date(2023, 10, 10), None),
    "co/once_a_day": (date(2023, 10, 10), None),
    "co/one_channel_a_week": (date(2023, 10, 10), None),
    "co/authorised_channels": (date(2023, 10, 10), None),
    "co/recipients": (date(2023, 10, 10), None),
    "co/no_visits": (date(2023, 10, 10), None),
    "br/short_calls": (date(2024, 6, 1), None),
    "br/authentication": (date(2025, 11, 1), date(2028, 10, 31)),
    "cl/prefix": (date(2025, 8, 13), None),
    **{
        f"gb/{name}": (date(2017, 3, 1), None)
        for name in (
            *("rest_after_abandoned", "rest_after_machine", "three_percent", "fifteen_seconds"),
            "information_message",
        )
    },
    "mx/who_and_what": (date(2014, 10, 8), None),
    "mx/hours": (date(2014, 10, 8), None),
    "mx/recipients": (date(2014, 10, 8), None),
    "mx/no_minors": (date(2014, 10, 8), None),
    "pe/marketing_consent": (date(2025, 5, 9), None),
    **{
        f"us-dc/{name}": (date(2023, 1, 1), None)
        for name in (
            *("hours", "four_in_7_days", "silence_after_call", "electronic_consent"),
            *("electronic_after_notice", "five_electronic_in_7_days", "recipients"),
            *("public_health_emergency", "opt_out_language"),
        )
    },
    "us-fl/hours_email": (None, date(2025, 5, 15)),
    "us-ny-nyc/three_in_7_days": (date(2026, 9, 1), None),
    "us-ny-nyc/two_in_7_days_before": (None, date(2026, 8, 31)),
    "us-ny-nyc/electronic_consent": (date(2026, 9, 1), None),
    "us-ny-nyc/medium_opt_out": (date(2026, 9, 1), None),
    "us-tcpa/revocation": (date(2025, 4, 11), None),
    "us-tcpa/revocation_of_everything": (date(2027, 1, 31), None),
}
"""Rule -> first and last day in force; every other rule is in force whenever."""

H, C, G, S = PartyRole.HOLDER, PartyRole.CO_DEBTOR, PartyRole.GUARANTOR, PartyRole.SPOUSE
E, R, P = PartyRole.EMPLOYER, PartyRole.RELATIVE, PartyRole.REPRESENTATIVE
RECIPIENTS: dict[str, set[PartyRole]] = {
    **{
        f"{name}/recipients": {H, C, G, P}
        for name in (
            *("ar", "ar-c", "br", "ca-on", "cl", "co", "cr", "default", "es", "gb", "mx", "pe"),
            "uy",
        )
    },
    **{f"{name}/recipients": {H, C, G} for name in ("ec", "gt", "us-dc")},
    **{f"{name}/recipients": {H, C, G, S} for name in ("us", "us-ca", "us-nc", "us-wa")},
    "py/recipients": {H},
}
"""Rule -> who of holder, co-debtor, guarantor, spouse, employer, relative and representative."""


RETENTION = {
    "us/three_years": (("all",), "last_activity", 3),
    "us/recordings_three_years": (("call_recording",), "created", 3),
    "us-nv/recordings_three_years": (("call_recording",), "created", 3),
    "us-ny-nyc/three_years": (("all", "call_recording"), "last_activity", 3),
    "us-tsr/five_years": (
        ("decision", "call_log", "consent", "message", "content", "suppression"),
        "campaign_ended",
        5,
    ),
    "ca/three_years": (("call_log",), "created", 3),
    "cl/two_years": (("call_log", "message", "letter"), "created", 2),
}
"""Rule -> what is kept, from when on, for how many years."""

RECORDING = {
    *("us-ca", "us-ct", "us-de", "us-fl", "us-il", "us-ma", "us-md", "us-mt", "us-nh", "us-nv"),
    *("us-pa", "us-wa-recording"),
}
"""Where all parties must consent to a recording."""

SHOWN = {"us-tsr/caller_id", "us-wa/caller_id", "gb/caller_id", "mx/caller_id", "ec/caller_id"}
"""Rules by which a call shows its number."""

STATEMENTS = {
    "us/mini_miranda_first": ("mini_miranda", "first_contact"),
    "us/debt_collector_later": ("debt_collector", "later_contacts"),
    "us/identity": ("identity", "every_contact"),
    "us/opt_out_notice": ("opt_out", "every_contact"),
    "us-tcpa/recorded_voice_opt_out": ("opt_out", "every_contact"),
    "us-dc/opt_out_language": ("opt_out", "every_contact"),
    "us-ma/identity": ("identity", "every_contact"),
    "es/identity": ("identity", "every_contact"),
    "br/creditor_identity": ("creditor_name_address_tax_id", "every_contact"),
    "cl/what_is_told": ("creditor_origin_interest_rights", "first_contact"),
    "cl/not_a_seizure": ("not_a_seizure", "every_contact"),
    "mx/who_and_what": ("agency_person_lender_contract_amount", "first_contact"),
}
"""Rule -> statement, and when it must be made."""

ABANDONMENT = {
    "us-tsr/three_percent": (0.03, "campaign_30d", 30 * 86_400),
    "gb/three_percent": (0.03, "rolling_hours", 86_400),
    "ca/five_percent": (0.05, "calendar_month", 31 * 86_400),
}
"""Rule -> share, window, and its length in seconds."""


def ids_of(kind: RuleKind) -> set[str]:
    return {rule_id for rule_id, rule in RULES.items() if rule.head.kind is kind}


def test_the_tables_name_every_rule_of_their_kind() -> None:
    assert HOURS.keys() == ids_of(RuleKind.CONTACT_WINDOW)
    assert CAPS.keys() == ids_of(RuleKind.FREQUENCY_CAP)
    assert RECIPIENTS.keys() == ids_of(RuleKind.RECIPIENT_RULE)
    kinds = (RuleKind.COOLDOWN, RuleKind.REDIAL_GUARD, RuleKind.MIN_SPACING)
    assert PAUSES.keys() == set().union(*(ids_of(kind) for kind in kinds))
    dated = {i for i, rule in RULES.items() if rule.head.begins or rule.head.lapses}
    assert DATES.keys() == dated
    assert RETENTION.keys() == ids_of(RuleKind.RETENTION)
    assert {f"{name}/recording" for name in RECORDING} == ids_of(RuleKind.RECORDING_CONSENT)
    assert STATEMENTS.keys() == ids_of(RuleKind.DISCLOSURE)
    assert ABANDONMENT.keys() == ids_of(RuleKind.ABANDONMENT_LIMIT)
    by_name = {"us/voicemail_name", "cl/prefix"}
    assert SHOWN | by_name == ids_of(RuleKind.SENDER_IDENTITY)
    assert HOMES.keys() == PACKS.keys()


# --- asking one rule ----------------------------------------------------------------------------


def scene(rule_id: str, history: tuple[HistoryEvent, ...] = ()) -> tuple[ContactRequest, Facts]:
    """A contact that a rule binds, to a resident of its pack's place."""
    head, home = RULES[rule_id].head, HOMES[rule_id.partition("/")[0]]
    channel = Channel.VOICE
    if head.channels and channel not in head.channels:
        channel = min(head.channels, key=list(Channel).index)
    labels, lines = head.when.labels, head.when.lines
    address = {ContactPointKind.EMAIL: "ana@example.com", ContactPointKind.POSTAL: "Calle 1"}
    kind = KINDS_OF_CHANNEL[channel]
    point = phone(
        address.get(kind, home.number),
        kind=kind,
        label=labels[0] if labels else PointLabel.MOBILE,
        line=lines[0] if lines else LineType.MOBILE,
    )
    known = facts(
        home.place,
        points=[point],
        debts=[debt(debt_class=home.debt_class, creditor_id="creditor-1")],
        history=history,
        role=home.role,
        declared_zone=home.zone,
    )
    purposes, contents = head.when.purposes, head.when.content_classes
    usual = ContentClass.LIVE_AGENT if channel is Channel.VOICE else ContentClass.NEUTRAL
    asked = request(
        channel,
        Mode.PREDICTIVE,
        purpose=purposes[0] if purposes else Purpose.COLLECTION,
        content=contents[0] if contents else usual,
        prerecorded=bool(head.when.prerecorded),
        autodialed=bool(head.when.autodialed),
    )
    return asked, known


def ask(rule_id: str, at: datetime, history: tuple[HistoryEvent, ...] = ()) -> Finding:
    asked, known = scene(rule_id, history)
    return RULES[rule_id].evaluate(Context(asked, known, at), at)


def counted(rule_id: str, count: Count, name: str, at: datetime) -> HistoryEvent:
    """An event that a rule counts."""
    liked = (EventKind.RANG_NO_ANSWER, EventKind.CONVERSATION, EventKind.MESSAGE_SENT)
    kind = next((k for k in liked if k in count.events), count.events[0])
    asked, _ = scene(rule_id)
    return event(
        name,
        at,
        kind,
        channel=count.channels[0] if count.channels else asked.channel,
        label=count.labels[0] if count.labels else None,
        prerecorded=bool(count.prerecorded),
        creditor_id="creditor-1",
        account_ids=("account-of-debt-1",),
    )


def moment(rule_id: str) -> datetime:
    """A Wednesday noon, when the rule is in force, on the clock of its place."""
    _, last = DATES.get(rule_id, (None, None))
    first, _ = DATES.get(rule_id, (None, None))
    day = date.fromisoformat(WEDNESDAY)
    if last is not None and last < day:
        day = last - timedelta(days=(last.isoweekday() - 3) % 7)
    if first is not None and first > day:
        day = first + timedelta(days=(3 - first.isoweekday()) % 7)
    return when(HOMES[rule_id.partition("/")[0]].zone, f"{day} 12:00")


# --- hours --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule_id", sorted(HOURS))
def test_hours_open_and_close_to_the_second(rule_id: str) -> None:
    zone_name = HOMES[rule_id.partition("/")[0]].zone
    rule = RULES[rule_id]
    assert isinstance(rule, ContactWindow)
    open_days = {day for days, _, _ in HOURS[rule_id] for day in days}
    for days, opens, closes in HOURS[rule_id]:
        for day in days:
            start, end = when(zone_name, f"{day} {opens}"), when(zone_name, f"{day} {closes}")
            for at, passes in ((start, True), (end - SECOND, True), (end, False)):
                assert (ask(rule_id, at).outcome is Outcome.PASS) is passes, (at, passes)
            told = ask(rule_id, start)
            assert (told.window_start, told.window_end) == (start, end)
            before = ask(rule_id, start - SECOND)
            assert before.outcome is Outcome.DENY
            assert before.first_ok == start
    if SATURDAY not in open_days and "2026-11-21" not in open_days:
        assert ask(rule_id, when(zone_name, f"{SATURDAY} 12:00")).outcome is Outcome.DENY
    if SUNDAY not in open_days:
        assert ask(rule_id, when(zone_name, f"{SUNDAY} 12:00")).outcome is Outcome.DENY


@pytest.mark.parametrize(
    ("pack", "day", "closed"),
    [
        ("ar", "2026-11-09", True),  # a holiday by decree, for one year
        ("ar", "2026-11-10", False),
        ("ar-c", "2026-11-09", True),
        ("ar-c", "2026-11-10", True),  # the same, in the City of Buenos Aires alone
        ("br", "2026-11-20", True),
        ("br-sp", "2026-07-09", True),  # São Paulo alone
        ("ca", "2026-08-03", True),  # British Columbia Day
        ("ca-on", "2026-02-16", True),  # Family Day
        ("ca-qc", "2026-06-24", True),  # Fête nationale
        ("ca-on", "2026-06-24", False),
        ("co", "2026-07-13", True),  # Ley 2578 de 2026: 9 July, moved to a Monday
        ("cr", "2026-09-15", True),
        ("cl", "2026-12-08", True),
        ("do", "2026-11-09", True),
        ("ec", "2026-11-02", True),
        ("es", "2026-12-08", True),
        ("gb", "2026-12-28", True),  # substitute of Boxing Day
        ("gt", "2026-06-29", True),
        ("ni", "2026-12-08", True),
        ("pe", "2026-12-09", True),
        ("uy", "2026-08-25", True),
    ],
)
def test_holidays_of_the_country_and_of_the_region(pack: str, day: str, closed: bool) -> None:
    found = ask(f"{pack}/hours", when(HOMES[pack].zone, f"{day} 12:00"))
    assert found.code == ("holiday" if closed else "")


# --- counters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule_id", sorted(CAPS))
def test_counters_at_the_limit_and_one_below(rule_id: str) -> None:
    limit, unit, n, key = CAPS[rule_id]
    rule = RULES[rule_id]
    assert isinstance(rule, FrequencyCap)
    params = rule.params
    assert (params.max, params.window.unit, params.window.n, params.count.key) == CAPS[rule_id]
    at = moment(rule_id)
    events = tuple(
        counted(rule_id, params.count, f"e{k}", at - timedelta(seconds=60 - k))
        for k in range(limit)
    )
    below, full = ask(rule_id, at, events[1:]), ask(rule_id, at, events)
    assert (below.outcome, below.counter or 0) == (Outcome.PASS, limit - 1)
    assert (full.outcome, full.counter) == (Outcome.DENY, limit)
    # The same with one of them just outside the window, and just inside.
    days = {"calendar_day": 1, "rolling_days": n, "calendar_week": 14, "calendar_month": 62}[unit]
    home = HOMES[rule_id.partition("/")[0]]
    local = at.astimezone(pinned(home.zone)).date()
    first = day_start(home.zone, local - timedelta(days=days - 1))
    gone = counted(rule_id, params.count, "old", first - SECOND)
    assert ask(rule_id, at, (gone, *events[1:])).outcome is Outcome.PASS
    if params.window.unit in (WindowUnit.ROLLING_DAYS, WindowUnit.CALENDAR_DAY):
        kept = counted(rule_id, params.count, "old", first)
        assert ask(rule_id, at, (kept, *events[1:])).outcome is Outcome.DENY
    assert key == params.count.key


@pytest.mark.parametrize("rule_id", sorted(PAUSES))
def test_pauses_end_to_the_second(rule_id: str) -> None:
    rule = RULES[rule_id]
    assert isinstance(rule, Cooldown | RedialGuard | MinSpacing)
    at = moment(rule_id)
    happened = (counted(rule_id, rule.params.count, "e", at - timedelta(minutes=1)),)
    by_date = isinstance(rule, MinSpacing) or (
        isinstance(rule, Cooldown) and rule.params.unit is CooldownUnit.DAYS
    )
    home = HOMES[rule_id.partition("/")[0]]
    end = happened[0].at + PAUSES[rule_id]
    if by_date:
        end = day_start(home.zone, end.astimezone(pinned(home.zone)).date())
    assert ask(rule_id, end - SECOND, happened).first_ok == end
    assert ask(rule_id, end, happened).outcome is Outcome.PASS


# --- how calls are made -------------------------------------------------------------------------


def declared(rule_id: str, **fields: object) -> Finding:
    """What a rule says about a contact that declares these things."""
    asked, known = scene(rule_id)
    at = moment(rule_id)
    asked = msgspec.structs.replace(asked, **fields)
    return RULES[rule_id].evaluate(Context(asked, known, at), at)


@pytest.mark.parametrize("rule_id", sorted(STATEMENTS))
def test_what_must_be_said_is_missed_where_it_is_declared(rule_id: str) -> None:
    statement, occasion = STATEMENTS[rule_id]
    rule = RULES[rule_id]
    assert isinstance(rule, Disclosure)
    assert (rule.params.statement, rule.params.at) == (statement, occasion)
    at = moment(rule_id)
    asked, known = scene(rule_id)
    talked = event("talk", at - timedelta(days=40), EventKind.CONVERSATION)
    for history in ((), (talked,)):
        due = occasion == "every_contact" or (occasion == "later_contacts") is bool(history)
        told = msgspec.structs.replace(known, history=history)
        for made, passes in ((("other",), not due), (("other", statement), True)):
            ctx = Context(msgspec.structs.replace(asked, statements=made), told, at)
            assert (rule.evaluate(ctx, at).outcome is Outcome.PASS) is passes
        silent = rule.evaluate(Context(asked, told, at), at)
        assert silent.outcome in (Outcome.PASS, Outcome.WARN)


@pytest.mark.parametrize("name", sorted(RECORDING))
def test_a_recorded_call_is_announced_where_all_parties_must_consent(name: str) -> None:
    rule_id = f"{name}/recording"
    assert declared(rule_id, recorded=False).outcome is Outcome.PASS
    assert declared(rule_id, recorded=True).outcome is Outcome.DENY
    assert declared(rule_id, recorded=None).outcome is Outcome.DENY
    told = declared(rule_id, recorded=True, statements=("recording_notice",))
    assert told.outcome is Outcome.PASS


@pytest.mark.parametrize("rule_id", sorted(SHOWN))
def test_the_calling_number_is_shown(rule_id: str) -> None:
    assert declared(rule_id, caller_id_withheld=False).outcome is Outcome.PASS
    hidden = declared(rule_id, caller_id_withheld=True)
    assert hidden.code == "caller_id_withheld"
    assert hidden.outcome is (Outcome.WARN if rule_id == "us-tsr/caller_id" else Outcome.DENY)


def test_the_prefixes_of_chile() -> None:
    for number, code in (
        ("+56600123456", ""),
        ("+56809123456", ""),
        ("+56221234567", "caller_id_prefix"),
    ):
        assert declared("cl/prefix", caller_id=number).code == code
    unknown = declared("cl/prefix", caller_id_withheld=False)
    assert (unknown.outcome, unknown.code) == (Outcome.WARN, "caller_id_not_known")


@pytest.mark.parametrize("rule_id", ["us-tsr/fifteen_seconds", "gb/fifteen_seconds"])
def test_fifteen_seconds_of_ringing(rule_id: str) -> None:
    assert declared(rule_id, ring_timeout_s=15).outcome is Outcome.PASS
    assert declared(rule_id, ring_timeout_s=14).outcome is Outcome.DENY


def test_two_seconds_to_an_agent() -> None:
    assert declared("us-tsr/two_seconds", connect_limit_ms=2000).outcome is Outcome.PASS
    assert declared("us-tsr/two_seconds", connect_limit_ms=2001).outcome is Outcome.DENY


@pytest.mark.parametrize(
    "rule_id",
    ["us-tsr/abandon_message", "us-tsr/abandon_message_marketing", "gb/information_message"],
)
def test_what_an_abandoned_person_hears(rule_id: str) -> None:
    full = ("identity", "callback_number", "opt_out")
    assert declared(rule_id, abandon_message=full, connect_limit_ms=2000).outcome is Outcome.PASS
    assert declared(rule_id, abandon_message=full, connect_limit_ms=2001).outcome is Outcome.DENY
    assert declared(rule_id, abandon_message=("identity",)).outcome is Outcome.DENY


@pytest.mark.parametrize("rule_id", sorted(ABANDONMENT))
def test_calls_stop_before_too_many_are_abandoned(rule_id: str) -> None:
    share, unit, seconds = ABANDONMENT[rule_id]
    rule = RULES[rule_id]
    assert isinstance(rule, AbandonmentLimit)
    assert (rule.params.max_rate, rule.params.window.unit, rule.window_s) == (share, unit, seconds)
    stop_at = rule.params.stop_at
    assert stop_at is not None
    assert stop_at < share
    asked, known = scene(rule_id)
    at = moment(rule_id)

    def with_abandoned(abandoned: int, answered: int) -> Outcome:
        stat = AbandonmentStat(
            window_s=seconds,
            live_answered=answered,
            abandoned=abandoned,
            passed_to_agent=answered - abandoned,
        )
        there = msgspec.structs.replace(known, abandonment=(stat,))
        return rule.evaluate(Context(asked, there, at), at).outcome

    edge = round(stop_at * 1000)
    assert with_abandoned(edge - 1, 1000) is Outcome.PASS
    assert with_abandoned(edge, 1000) is Outcome.DENY
    assert with_abandoned(1, 1) is Outcome.PASS


def test_short_calls_and_authentication_in_brazil() -> None:
    asked, known = scene("br/short_calls")
    at = moment("br/short_calls")

    def says(rule_id: str, stat: TrafficStat, attestation: Attestation | None = None) -> str:
        there = msgspec.structs.replace(known, traffic=(stat,))
        question = msgspec.structs.replace(asked, attestation=attestation)
        return RULES[rule_id].evaluate(Context(question, there, at), at).code

    day, month = 86_400, 31 * 86_400
    many = TrafficStat(window_s=day, placed=130_000, short=104_000, short_s=6)
    few = TrafficStat(window_s=day, placed=110_000, short=100_000, short_s=6)
    long = TrafficStat(window_s=day, placed=131_000, short=104_000, short_s=6)
    assert says("br/short_calls", many) == "too_many_short_calls"
    assert says("br/short_calls", few) == says("br/short_calls", long) == ""
    for placed, code in ((500_000, ""), (500_001, "attestation_too_weak")):
        volume = TrafficStat(window_s=month, placed=placed)
        assert says("br/authentication", volume) == code
    big = TrafficStat(window_s=month, placed=900_000)
    assert says("br/authentication", big, Attestation.C) == ""


def test_three_recorded_calls_to_a_line_in_thirty_days() -> None:
    """47 CFR 64.1200(a)(3)(ii)-(v): to a landline, without consent, whoever they were for."""
    rule_id = "us-tcpa/recorded_voice_residential"
    at = moment(rule_id)
    calls = tuple(
        event(f"e{n}", at - timedelta(days=n + 1), mode=Mode.IVR, prerecorded=True)
        for n in range(3)
    )
    assert ask(rule_id, at, calls[1:]).outcome is Outcome.PASS
    full = ask(rule_id, at, calls)
    assert (full.outcome, full.counter, full.limit) == (Outcome.DENY, 3, 3)


def test_no_text_looks_like_a_court_paper() -> None:
    for rule_id in (
        "ar/no_court_papers",
        "cl/no_court_papers",
        "mx/no_court_papers",
        "pe/no_court_papers",
    ):
        assert declared(rule_id, text="Notificación judicial: pague hoy").code == "phrase_forbidden"
        assert declared(rule_id, text="Hola, le escribimos de Andina").outcome is Outcome.PASS
        assert declared(rule_id, statements=("judicial_lookalike",)).code == "statement_forbidden"


@pytest.mark.parametrize("rule_id", sorted(RETENTION))
def test_how_long_records_are_kept(rule_id: str) -> None:
    artefacts, start, years = RETENTION[rule_id]
    kept = [k for k in schedule(EVERY, moment(rule_id)) if k.rule_id == rule_id]
    assert {k.artefact for k in kept} == set(artefacts)
    assert {(k.start, k.years, k.legal_hold) for k in kept} == {(start, years, True)}


# --- dates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule_id", sorted(DATES))
def test_rules_begin_and_lapse_at_legal_midnight(rule_id: str) -> None:
    pack_id = rule_id.partition("/")[0]
    first, last = DATES[rule_id]
    asked, known = scene(rule_id)
    alone = PackSet([PACKS["marcador"], PACKS[pack_id]])
    legal_zone = PACKS[pack_id].doc.zone
    assert legal_zone is not None

    def binds(at: datetime) -> bool:
        record = judge(known, at, asked, alone)
        return rule_id in {*record.passed, *(f.rule_id for f in record.findings)}

    if first is not None:
        begins = day_start(legal_zone, first)
        assert (binds(begins - SECOND), binds(begins)) == (False, True)
    if last is not None:
        lapses = day_start(legal_zone, last + timedelta(days=1))
        assert (binds(lapses - SECOND), binds(lapses)) == (True, False)


# --- recipients ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rule_id", sorted(RECIPIENTS))
def test_recipients(rule_id: str) -> None:
    at = moment(rule_id)
    asked, known = scene(rule_id)
    allowed = set()
    for role in (H, C, G, S, E, R, P):
        subject = msgspec.structs.replace(
            known.subject, debts=(msgspec.structs.replace(known.subject.debts[0], role=role),)
        )
        there = msgspec.structs.replace(known, subject=subject)
        if RULES[rule_id].evaluate(Context(asked, there, at), at).outcome is Outcome.PASS:
            allowed.add(role)
    assert allowed == RECIPIENTS[rule_id]


# --- whom packs bind ----------------------------------------------------------------------------

FEDERAL = {"us", "us-tcpa", "us-tsr"}
ALWAYS = {"house", "marcador"}
TOGETHER = {
    "us-nv-medical": FEDERAL | {"us-nv"},
    "us-wa": FEDERAL | {"us-wa-recording"},
    "us-wa-recording": {"us-tcpa", "us-tsr"},
    "us-ca": FEDERAL,
    "us-ca-creditors": {"us-ca", "us-tcpa", "us-tsr"},
    "us-ma": {"us-tcpa", "us-tsr"},
    "us-ma-collectors": FEDERAL | {"us-ma"},
    "us-ny": FEDERAL | {"us-ny-collectors", "us-ny-nyc"},
    "us-ny-collectors": FEDERAL | {"us-ny", "us-ny-nyc"},
    "us-ny-nyc": FEDERAL | {"us-ny", "us-ny-collectors"},
    "ca-on": {"ca"},
    "ca-qc": {"ca"},
    "ar-c": {"ar"},
    **{name: {"br"} for name in ("br-al", "br-am", "br-es", "br-rj", "br-sp")},
}
"""Packs that bind a resident beside their own; a New Yorker of unknown city may be of the city."""


@pytest.mark.parametrize("pack", sorted(PACKS))
def test_a_resident_is_bound_by_the_packs_of_the_place_and_no_others(pack: str) -> None:
    home = HOMES[pack]
    in_production = load_packs(production=True)
    known = facts(
        home.place,
        points=[phone(home.number)],
        debts=[debt(debt_class=home.debt_class)],
        role=home.role,
    )
    bound = {
        ref.pack
        for ref in judge(known, when(home.zone, "2026-11-25 12:00"), rules=in_production).packs
    }
    if pack in ("pa", "sv", "default", *ALWAYS):
        assert bound == {"default"} | ALWAYS
        return
    beside = TOGETHER.get(pack, FEDERAL if pack.startswith("us-") else set())
    assert bound - ALWAYS == {pack} | (FEDERAL if pack in FEDERAL else beside)


def test_what_releases_a_denial_is_told_in_both_languages() -> None:
    for pack in EVERY.packs:
        for rule in pack.doc.rules:
            named = [rule.params.get("releasing_event")]
            if rule.kind is RuleKind.SEQUENCE_GATE:
                named.append(msgspec.convert(rule.params, SequenceGateParams).events[0])
            assert {name for name in named if name} <= EVENTS.keys(), rule.id


def test_drafts_are_shipped_apart_and_never_loaded_in_production() -> None:
    drafts = {pack.doc.pack for pack in EVERY.packs if pack.doc.status == "draft"}
    assert drafts == {path.stem for path in (BUNDLED / "drafts").glob("*.toml")} == {"pa", "sv"}
    assert drafts.isdisjoint(ref.pack for ref in load_packs(production=False).refs)
    with pytest.raises(Exception, match="draft is not used in production"):
        load_packs([BUNDLED / "drafts"], production=True)


def test_a_pack_that_rests_on_more_than_read_texts_is_not_counsel_reviewed() -> None:
    for pack in EVERY.packs:
        if any(rule.confidence != "read" for rule in pack.doc.rules):
            assert pack.doc.status in ("draft", "machine_checked"), pack.doc.pack


@pytest.mark.parametrize("rule_id", sorted(RULES.keys() - RETENTION.keys()))
def test_no_rule_is_dead_letter(rule_id: str) -> None:
    """Some contact with a resident is bound by it."""
    asked, known = scene(rule_id)
    alone = PackSet([PACKS[name] for name in {"marcador", rule_id.partition("/")[0]}])
    record = judge(known, moment(rule_id), asked, alone)
    assert rule_id in {*record.passed, *(f.rule_id for f in record.findings)}
