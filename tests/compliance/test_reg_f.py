"""The official examples of Regulation F's commentary (12 CFR 1006, Supplement I)."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import msgspec
import pytest

from compliance.messages import (
    Facts,
    HistoryEvent,
    NumberCheckFact,
    Place,
    PreferenceFact,
    StatusFact,
    WeeklyInterval,
)
from compliance.types import (
    Channel,
    CollectorRole,
    ConsentScope,
    ContactPointKind,
    ContentClass,
    EventKind,
    LineType,
    Mode,
    Outcome,
    PartyRole,
    PointLabel,
    Purpose,
    StatusKind,
)
from tests.compliance.build import (
    POINT,
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
    stops,
)

US = packs("us")
EASTERN = "America/New_York"
CAP = "us/calls_7_in_7"
SILENCE = "us/silence_after_conversation"


def eastern(*parts: int) -> datetime:
    return local(EASTERN, *parts)


def test_seven_calls_from_wednesday_leave_room_on_the_next_wednesday() -> None:
    """cmt. 14(b)(2)(i)-1: first call Wed Apr 1, seven by Tue Apr 7, the next on Wed Apr 8."""
    calls = [event(f"c{day}", eastern(2026, 4, day, 15)) for day in range(1, 8)]
    assert judge(facts(history=calls[:6]), eastern(2026, 4, 7, 15), rules=US).allowed
    blocked = judge(facts(history=calls), eastern(2026, 4, 7, 16), rules=US)
    assert stops(blocked) == [CAP]
    counted = finding(blocked, CAP)
    assert (counted.counter, counted.limit) == (7, 7)
    assert counted.event_ids == tuple(f"c{day}" for day in range(1, 8))
    assert counted.window_start == eastern(2026, 4, 1, 0)
    # The window of Wed Apr 8 begins on Apr 2; the hours rule adds 8:00.
    assert counted.first_ok == eastern(2026, 4, 8, 0)
    assert blocked.first_allowed == eastern(2026, 4, 8, 8)
    assert judge(facts(history=calls), eastern(2026, 4, 8, 8), rules=US).allowed


@pytest.mark.parametrize(
    ("conversation", "next_call"),
    [((2026, 8, 13), (2026, 8, 20)), ((2026, 8, 14), (2026, 8, 21))],
    ids=["thursday 13 to thursday 20", "friday 14 to friday 21"],
)
@pytest.mark.parametrize("inbound", [False, True])
def test_silence_of_seven_days_after_a_conversation(
    conversation: tuple[int, ...], next_call: tuple[int, ...], inbound: bool
) -> None:
    """cmt. 14(b)(2)(ii)-1: the day of the conversation is day 1, even when the person called."""
    at = eastern(*conversation, 16)
    history = [event("talk", at, EventKind.CONVERSATION)]
    if inbound:
        history = [
            event("call", at - timedelta(minutes=1), EventKind.INBOUND_CALL, mode=None),
            event("talk", at, EventKind.CONVERSATION, mode=None, answers_event_id="call"),
        ]
    known = facts(history=history)
    day_before = eastern(*next_call, 12) - timedelta(days=1)
    blocked = judge(known, day_before, rules=US)
    assert stops(blocked) == [SILENCE]
    assert blocked.first_allowed == eastern(*next_call, 8)
    assert judge(known, eastern(*next_call, 8), rules=US).allowed
    assert finding(blocked, CAP).counter == (0 if inbound else 1)


@pytest.mark.parametrize(
    ("address", "opens", "closes"),
    [
        ("+13035550123", 10, 21),  # landline of Denver
        ("+13105550123", 11, 21),  # Los Angeles
    ],
    ids=["eastern mobile and mountain landline", "eastern and pacific"],
)
def test_conflicting_locations_must_all_be_convenient(
    address: str, opens: int, closes: int
) -> None:
    """cmt. 6(b)(1)(i)-2: after 10:00 (11:00) and before 21:00 Eastern."""
    known = facts(
        None,
        points=[
            phone("+12125550123", line=LineType.MOBILE),
            phone(address, "point-2", line=LineType.FIXED),
        ],
    )
    known_as_us = facts(
        Place(country="US", subdivision="US-NY"), points=known.subject.contact_points
    )
    for candidate in (known, known_as_us):
        rules = US
        assert not judge(candidate, eastern(2026, 3, 2, opens - 1, 59, 59), rules=rules).allowed
        assert judge(candidate, eastern(2026, 3, 2, opens), rules=rules).allowed
        assert judge(candidate, eastern(2026, 3, 2, closes - 1, 59, 59), rules=rules).allowed
        late = judge(candidate, eastern(2026, 3, 2, closes), rules=rules)
        assert stops(late) == ["us/hours"]
        assert late.first_allowed == eastern(2026, 3, 3, opens)


@pytest.mark.parametrize(
    ("second", "allowed"),
    [((7, 59, 59), False), ((8, 0, 0), True), ((20, 59, 59), True), ((21, 0, 0), False)],
)
def test_bounds_of_the_hours(second: tuple[int, int, int], allowed: bool) -> None:
    """1006.6(b)(1)(i): 8:00 opens and 21:00 is already closed."""
    assert judge(facts(), eastern(2026, 6, 3, *second), rules=US).allowed is allowed


@pytest.mark.parametrize(
    ("kind", "channel", "counts"),
    [
        (EventKind.NOT_CONNECTED_BUSY, Channel.VOICE, False),
        (EventKind.NOT_CONNECTED_OUT_OF_SERVICE, Channel.VOICE, False),
        (EventKind.NOT_CONNECTED_NETWORK, Channel.VOICE, False),
        (EventKind.RANG_NO_ANSWER, Channel.VOICE, True),
        (EventKind.MACHINE_NO_MESSAGE, Channel.VOICE, True),
        (EventKind.MACHINE_MESSAGE, Channel.VOICE, True),
        (EventKind.MAILBOX_FULL, Channel.VOICE, True),
        (EventKind.ANSWERED_DROPPED, Channel.VOICE, True),
        (EventKind.ABANDONED, Channel.VOICE, True),
        (EventKind.DIAL_REQUESTED, Channel.VOICE, True),
        (EventKind.RINGLESS_VOICEMAIL, Channel.RINGLESS_VOICEMAIL, True),
        (EventKind.MESSAGE_SENT, Channel.SMS, False),
        (EventKind.MESSAGE_SENT, Channel.EMAIL, False),
        (EventKind.INBOUND_CALL, Channel.VOICE, False),
    ],
)
def test_what_counts_as_a_call(kind: EventKind, channel: Channel, counts: bool) -> None:
    """cmts. 14(b)(1)-1, 14(b)(3)(ii)-1: busy is not counted, voicemail is, messages are not."""
    history = [event(f"e{n}", eastern(2026, 5, 4, 9 + n), kind, channel=channel) for n in range(7)]
    record = judge(facts(history=history), eastern(2026, 5, 5, 12), rules=US)
    assert finding(record, CAP).counter == (7 if counts else 0)
    assert record.allowed is not counts


def test_misdirected_calls_are_not_calls_to_the_person() -> None:
    """cmt. 14(b)(2)(i)-3."""
    history = [
        event(f"e{n}", eastern(2026, 5, 4, 9 + n), EventKind.ANSWERED_WRONG_PARTY, misdirected=True)
        for n in range(7)
    ]
    assert judge(facts(history=history), eastern(2026, 5, 5, 12), rules=US).allowed


def test_three_debts_allow_twenty_one_unanswered_calls() -> None:
    """cmt. 14(b)(4)-1: an unanswered call counts for one debt of the collector's choice."""
    debts = [debt("a"), debt("b"), debt("c")]
    history = []
    for n in range(21):
        at = eastern(2026, 5, 4, 8) + timedelta(hours=6 * n)
        name = "abc"[n // 7]
        history.append(event(f"e{n}", at, debts=(name,)))
    at = eastern(2026, 5, 10, 9)
    for placed in (6, 7, 13, 14, 20):
        known = facts(debts=debts, history=history[:placed])
        name = "abc"[placed // 7]
        assert judge(known, at, request(debts=(name,)), US).allowed, placed
    full = facts(debts=debts, history=history)
    for name in "abc":
        assert stops(judge(full, at, request(debts=(name,)), US)) == [CAP]


def test_an_unanswered_call_naming_several_debts_counts_for_the_first() -> None:
    debts = [debt("a"), debt("b")]
    history = [event(f"e{n}", eastern(2026, 5, 4, 9 + n), debts=("a", "b")) for n in range(7)]
    known = facts(debts=debts, history=history)
    at = eastern(2026, 5, 5, 12)
    assert stops(judge(known, at, request(debts=("a",)), US)) == [CAP]
    assert judge(known, at, request(debts=("b",)), US).allowed
    assert stops(judge(known, at, request(debts=("a", "b")), US)) == [CAP]


@pytest.mark.parametrize("kind", [EventKind.CONVERSATION, EventKind.MACHINE_MESSAGE])
def test_a_conversation_or_voicemail_counts_for_every_debt_it_names(kind: EventKind) -> None:
    debts = [debt("a"), debt("b")]
    history = [event("talk", eastern(2026, 5, 4, 9), kind, debts=("a", "b"))]
    record = judge(
        facts(debts=debts, history=history), eastern(2026, 5, 5, 12), request(debts=("b",)), US
    )
    assert finding(record, CAP).counter == 1
    assert record.allowed is (kind is EventKind.MACHINE_MESSAGE)


def test_student_loans_under_one_account_number_are_one_debt() -> None:
    """cmt. 14(b)(4)-2."""
    debts = [debt("a", account_number_key="loan-7"), debt("b", account_number_key="loan-7")]
    history = [event(f"e{n}", eastern(2026, 5, 4, 9 + n), debts=("ab"[n % 2],)) for n in range(7)]
    known = facts(debts=debts, history=history)
    assert stops(judge(known, eastern(2026, 5, 5, 12), request(debts=("b",)), US)) == [CAP]


def test_consent_to_frequency_lasts_seven_dates_and_lifts_nothing_else() -> None:
    """1006.14(b)(3)(i): the day of consent is the first of up to seven."""
    history = [event(f"e{n}", eastern(2026, 5, 4, 9 + n)) for n in range(7)]
    given = consent(ConsentScope.FREQUENCY, eastern(2026, 5, 4, 17))
    known = facts(history=history, consents=[given])
    record = judge(known, eastern(2026, 5, 5, 12), rules=US)
    assert record.allowed
    assert finding(record, CAP).lifted_by == f"consent:{given.consent_id}"
    night = judge(known, eastern(2026, 5, 5, 22), rules=US)
    assert stops(night) == ["us/hours"]
    more = history + [event(f"f{n}", eastern(2026, 5, 8, 9 + n)) for n in range(7)]
    known = facts(history=more, consents=[given])
    assert judge(known, eastern(2026, 5, 10, 20, 59, 59), rules=US).allowed
    # Calls made while the consent lasted are not counted after it ended on May 11.
    later = judge(known, eastern(2026, 5, 11, 9), rules=US)
    assert finding(later, CAP).counter == 0


def test_consent_to_the_creditor_does_not_pass_to_the_collector() -> None:
    history = [event(f"e{n}", eastern(2026, 5, 4, 9 + n)) for n in range(7)]
    for given_to, allowed in (("creditor", False), ("another", False), ("collector-1", True)):
        given = consent(ConsentScope.FREQUENCY, eastern(2026, 5, 4, 17), given_to=given_to)
        known = facts(history=history, consents=[given])
        assert judge(known, eastern(2026, 5, 5, 12), rules=US).allowed is allowed


def test_a_conversation_ends_the_consent() -> None:
    history = [
        event("old", eastern(2026, 5, 4, 9)),
        event("talk", eastern(2026, 5, 5, 12), EventKind.CONVERSATION),
    ]
    given = consent(ConsentScope.FREQUENCY, eastern(2026, 5, 4, 17))
    record = judge(facts(history=history, consents=[given]), eastern(2026, 5, 6, 12), rules=US)
    assert stops(record) == [SILENCE]


def test_a_requested_callback_is_consent_once_for_seven_dates() -> None:
    talk = event("talk", eastern(2026, 5, 4, 12), EventKind.CONVERSATION)
    asked = event("asked", eastern(2026, 5, 4, 12, 5), EventKind.CALLBACK_REQUESTED, mode=None)
    back = request(mode=Mode.CALLBACK, answers="asked")
    known = facts(history=[talk, asked])
    assert judge(known, eastern(2026, 5, 6, 12), back, US).allowed
    assert not judge(known, eastern(2026, 5, 6, 12), rules=US).allowed
    called = event("back", eastern(2026, 5, 6, 12), mode=Mode.CALLBACK, answers_event_id="asked")
    again = facts(history=[talk, asked, called])
    assert stops(judge(again, eastern(2026, 5, 7, 12), back, US)) == [SILENCE]


def test_one_reply_in_the_same_medium_at_an_inconvenient_time() -> None:
    """cmt. 6(b)(1)-2: one response for each message of the consumer."""
    inbound = event(
        "in", eastern(2026, 5, 4, 22), EventKind.INBOUND_MESSAGE, channel=Channel.SMS, mode=None
    )
    reply = request(Channel.SMS, Mode.REPLY, answers="in", content=ContentClass.NEUTRAL)
    known = facts(history=[inbound])
    at = eastern(2026, 5, 4, 22, 5)
    record = judge(known, at, reply, US)
    assert record.allowed
    assert finding(record, "us/hours").lifted_by == "reply_to_inbound:in"
    assert not judge(known, at, request(Channel.SMS, content=ContentClass.NEUTRAL), US).allowed
    assert not judge(known, at, request(Channel.VOICE, Mode.REPLY, answers="in"), US).allowed
    sent = event(
        "out",
        at,
        EventKind.MESSAGE_SENT,
        channel=Channel.SMS,
        mode=Mode.REPLY,
        answers_event_id="in",
    )
    assert not judge(facts(history=[inbound, sent]), at, reply, US).allowed


@pytest.mark.parametrize(
    ("status", "rule_id", "notice_allowed"),
    [
        (StatusKind.ATTORNEY, "us/attorney", False),
        (StatusKind.CEASE, "us/cease", True),
        (StatusKind.BANKRUPTCY, "us/bankruptcy", True),
    ],
)
def test_statuses(status: StatusKind, rule_id: str, notice_allowed: bool) -> None:
    at = eastern(2026, 5, 4, 12)
    known = facts(statuses=[StatusFact(kind=status, since=at - timedelta(days=3))])
    record = judge(known, at, rules=US)
    assert rule_id in stops(record)
    assert record.first_allowed is None
    assert record.releasing_event is not None
    notice = request(purpose=Purpose.LEGAL_NOTICE, content=ContentClass.LEGAL_NOTICE)
    assert judge(known, at, notice, US).allowed is notice_allowed


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (PartyRole.HOLDER, True),
        (PartyRole.SPOUSE, True),
        (PartyRole.EXECUTOR, True),
        (PartyRole.LEGAL_GUARDIAN, True),
        (PartyRole.GUARANTOR, True),
        (PartyRole.RELATIVE, False),
        (PartyRole.EMPLOYER, False),
        (PartyRole.REFERENCE, False),
        (PartyRole.UNKNOWN, False),
    ],
)
def test_the_spouse_is_a_consumer_and_a_relative_is_not(role: PartyRole, allowed: bool) -> None:
    """1006.6(a), (d)(1)."""
    known = facts(debts=[debt(role=role)])
    assert judge(known, eastern(2026, 5, 4, 12), rules=US).allowed is allowed


def test_workplace_and_work_email() -> None:
    at = eastern(2026, 5, 4, 12)
    at_work = phone(label=PointLabel.WORK)
    assert judge(facts(points=[at_work]), at, rules=US).allowed
    forbidden = phone(label=PointLabel.WORK, work_forbidden=True)
    assert "us/workplace" in stops(judge(facts(points=[forbidden]), at, rules=US))


def test_sms_needs_consent_renewed_within_sixty_days() -> None:
    """1006.6(d)(5)."""
    at = eastern(2026, 5, 4, 12)
    sms = request(Channel.SMS, Mode.BLAST, content=ContentClass.NEUTRAL)
    assert finding(judge(facts(), at, sms, US), "us/sms_safe_harbour").code == "consent_missing"
    for days, allowed in ((59, True), (61, False)):
        given = consent(ConsentScope.CHANNEL, at - timedelta(days=days), channel=Channel.SMS)
        assert judge(facts(consents=[given]), at, sms, US).allowed is allowed
    old = consent(ConsentScope.CHANNEL, at - timedelta(days=300), channel=Channel.SMS)
    texted = event(
        "in", at - timedelta(days=10), EventKind.INBOUND_MESSAGE, channel=Channel.SMS, mode=None
    )
    assert judge(facts(consents=[old], history=[texted]), at, sms, US).allowed
    stale = judge(facts(consents=[old]), at, sms, US)
    assert finding(stale, "us/sms_safe_harbour").code == "consent_stale"
    assert stale.releasing_event == "consent_renewed"


def test_first_party_creditors_are_outside_the_act() -> None:
    record = judge(facts(role=CollectorRole.FIRST_PARTY), eastern(2026, 5, 4, 22), rules=US)
    assert record.allowed
    assert [ref.pack for ref in record.packs] == ["marcador"]
    policy = judge(facts(role=CollectorRole.FIRST_PARTY), eastern(2026, 5, 4, 22))
    assert stops(policy) == ["us-tcpa/hours_policy"]


def test_ringless_voicemail_carries_only_the_limited_message() -> None:
    at = eastern(2026, 5, 4, 12)
    rules = US
    good = request(Channel.RINGLESS_VOICEMAIL, Mode.BLAST, content=ContentClass.VOICEMAIL_LIMITED)
    assert judge(facts(), at, good, rules).allowed
    bad = request(Channel.RINGLESS_VOICEMAIL, Mode.BLAST, content=ContentClass.NEUTRAL)
    assert stops(judge(facts(), at, bad, rules)) == ["us/limited_content_voicemail"]


def test_recorded_voice_to_a_wireless_number_needs_consent() -> None:
    """47 USC 227(b)(1)(A)(iii); an unknown line counts as wireless."""
    at = eastern(2026, 5, 4, 12)
    rules = packs("us-tcpa")
    recorded = request(mode=Mode.IVR, prerecorded=True, content=ContentClass.NEUTRAL)
    assert "us-tcpa/recorded_voice_wireless" in stops(judge(facts(), at, recorded, rules))
    given = consent(ConsentScope.RECORDED_VOICE, at - timedelta(days=400), given_to="creditor")
    assert judge(facts(consents=[given]), at, recorded, rules).allowed
    assert judge(facts(), at, request(mode=Mode.PREVIEW), rules).allowed
    fixed = facts(points=[phone(line=LineType.FIXED)])
    assert judge(fixed, at, recorded, rules).allowed
    three = [
        event(f"e{n}", at - timedelta(days=3 * n + 1), mode=Mode.IVR, prerecorded=True)
        for n in range(3)
    ]
    fixed = facts(points=[phone(line=LineType.FIXED)], history=three)
    capped = judge(fixed, at, recorded, rules)
    assert stops(capped) == ["us-tcpa/recorded_voice_residential"]
    assert "number:+12015550123" in capped.guards


# --- times and places that the person named ------------------------------------------------------


def weekly(days: tuple[int, ...], start: str = "00:00", end: str = "00:00") -> WeeklyInterval:
    return WeeklyInterval(
        weekdays=days, start=time.fromisoformat(start), end=time.fromisoformat(end)
    )


@pytest.mark.parametrize(
    ("forbidden", "day", "hour", "allowed"),
    [
        # "Not on Tuesdays and Thursdays": June 2, 2026 is a Tuesday.
        ((weekly((2, 4)),), 2, 12, False),
        ((weekly((2, 4)),), 3, 12, True),
        ((weekly((2, 4)),), 4, 20, False),
        # "On weekdays, except from 15 to 17, and not on weekends."
        ((weekly((6, 7)), weekly((1, 2, 3, 4, 5), "15:00", "17:00")), 3, 14, True),
        ((weekly((6, 7)), weekly((1, 2, 3, 4, 5), "15:00", "17:00")), 3, 15, False),
        ((weekly((6, 7)), weekly((1, 2, 3, 4, 5), "15:00", "17:00")), 3, 17, True),
        ((weekly((6, 7)), weekly((1, 2, 3, 4, 5), "15:00", "17:00")), 6, 12, False),
        # "Busy", "cannot talk now": no standing designation, so nothing is recorded.
        ((), 2, 12, True),
    ],
)
@pytest.mark.parametrize("source", ["person", "creditor"])
def test_a_stated_inconvenience_binds_also_from_the_creditors_notes(
    forbidden: tuple[WeeklyInterval, ...], day: int, hour: int, allowed: bool, source: str
) -> None:
    """cmt. 6(b)(1)-1."""
    said = PreferenceFact(
        preference_id="p", at=eastern(2026, 5, 1, 12), forbidden=forbidden, source=source
    )
    record = judge(facts(preferences=[said]), eastern(2026, 6, day, hour), rules=US)
    assert record.allowed is allowed
    assert ("us/inconvenient_time" in stops(record)) is not allowed


@pytest.mark.parametrize(("second", "allowed"), [((20, 59, 59), True), ((21, 0, 0), False)])
def test_a_message_counts_when_it_is_sent(second: tuple[int, int, int], allowed: bool) -> None:
    """cmt. 6(b)(1)(i)-1: not when it is read."""
    sms = request(Channel.SMS, Mode.BLAST, content=ContentClass.NEUTRAL)
    at = eastern(2026, 6, 3, *second)
    given = consent(ConsentScope.CHANNEL, at - timedelta(days=9), channel=Channel.SMS)
    assert judge(facts(consents=[given]), at, sms, US).allowed is allowed


def test_a_landline_is_tied_to_a_place_and_a_mobile_is_not() -> None:
    """cmt. 6(b)(1)(ii)-1: 'not at home' stops the landline there."""
    at = eastern(2026, 6, 3, 12)
    said = PreferenceFact(
        preference_id="p", at=at - timedelta(days=9), forbidden_labels=(PointLabel.HOME,)
    )
    for label, allowed in ((PointLabel.HOME, False), (PointLabel.MOBILE, True)):
        known = facts(points=[phone(label=label)], preferences=[said])
        assert judge(known, at, rules=US).allowed is allowed


def test_a_workplace_is_opened_by_consent_to_this_collector_alone() -> None:
    """1006.6(b)(3), (b)(4)(i): consent to the creditor or an earlier collector does not pass."""
    at = eastern(2026, 6, 3, 12)
    there = phone(label=PointLabel.WORK, work_forbidden=True)
    for given_to, opened in (("creditor", False), ("another", False), ("collector", True)):
        given = consent(ConsentScope.WORKPLACE, at - timedelta(days=9), given_to=given_to)
        record = judge(facts(points=[there], consents=[given]), at, rules=US)
        assert (finding(record, "us/workplace").outcome is Outcome.LIFTED) is opened


def test_an_employers_email_address_is_not_used() -> None:
    """1006.22(f)(3), save by the routes of 6(d)(4)(i) and (iii)."""
    at = eastern(2026, 6, 3, 12)
    mail = request(Channel.EMAIL, Mode.BLAST, content=ContentClass.NEUTRAL)
    point = phone("ana@work.example", kind=ContactPointKind.EMAIL, label=PointLabel.WORK)
    agreed = consent(ConsentScope.CHANNEL, at - timedelta(days=9), channel=Channel.EMAIL)
    record = judge(facts(points=[point], consents=[agreed]), at, mail, US)
    assert stops(record) == ["us/work_email"]
    route = consent(ConsentScope.WORKPLACE, at - timedelta(days=9), evidence="6(d)(4)(i)")
    assert judge(facts(points=[point], consents=[agreed, route]), at, mail, US).allowed


# --- third parties and location information ------------------------------------------------------


def test_direct_consent_opens_third_parties_and_only_to_this_collector() -> None:
    """1006.6(d)(2)."""
    at = eastern(2026, 6, 3, 12)
    for given_to, opened in (("collector", True), ("creditor", False)):
        given = consent(ConsentScope.THIRD_PARTY, at - timedelta(days=9), given_to=given_to)
        known = facts(debts=[debt(role=PartyRole.RELATIVE)], consents=[given])
        assert judge(known, at, rules=US).allowed is opened


SISTER = phone("+12015550199", "point-2", role=PartyRole.RELATIVE)
LOCATE = request(point="point-2", purpose=Purpose.LOCATION_INFORMATION, mode=Mode.MANUAL)


def located(*history: HistoryEvent) -> Facts:
    return facts(points=[phone(), SISTER], history=history)


def test_location_information_is_asked_of_a_third_party_once() -> None:
    """1006.10(c): once, unless asked to call again or the earlier answer was wrong or
    incomplete. A number that only rang was not communicated with."""
    at = eastern(2026, 6, 3, 12)
    fields: dict[str, Any] = {"contact_point_id": "point-2", "address": SISTER.address}
    assert judge(located(), at, LOCATE, US).allowed
    rang = event("rang", at - timedelta(days=90), **fields)
    assert judge(located(rang), at, LOCATE, US).allowed
    spoke = event("spoke", at - timedelta(days=90), EventKind.ANSWERED_THIRD_PARTY, **fields)
    again = judge(located(spoke), at, LOCATE, US)
    assert stops(again) == ["us/location_once"]
    # Talking to the sister is no talk with the consumer, whom it does not silence.
    assert judge(located(spoke), at, rules=US).allowed
    asked = event(
        "asked", at - timedelta(days=1), EventKind.CALLBACK_REQUESTED, mode=None, **fields
    )
    back = msgspec.structs.replace(LOCATE, mode=Mode.CALLBACK, answers_event_id="asked")
    assert judge(located(spoke, asked), at, back, US).allowed


def test_each_third_party_has_seven_calls_of_their_own() -> None:
    """cmt. 14(b)(2)(i)-1.iii: the presumption holds for calls to a particular third party."""
    at = eastern(2026, 6, 3, 12)
    rings = [
        event(
            f"e{n}",
            at - timedelta(hours=8 * n + 8),
            contact_point_id="point-2",
            address=SISTER.address,
        )
        for n in range(7)
    ]
    assert judge(located(*rings[:6]), at, LOCATE, US).allowed
    assert stops(judge(located(*rings), at, LOCATE, US)) == ["us/location_calls_7_in_7"]
    elsewhere = [
        msgspec.structs.replace(e, contact_point_id="point-3", address="+12015550177")
        for e in rings
    ]
    assert judge(located(*elsewhere), at, LOCATE, US).allowed


def test_location_information_never_names_a_debt_and_goes_by_telephone() -> None:
    """1006.10(b): the caller's own name, what is to be confirmed, no debt, no postcard."""
    at = eastern(2026, 6, 3, 12)
    told = msgspec.structs.replace(LOCATE, content_class=ContentClass.VERIFIED)
    assert "us/location_content" in stops(judge(located(), at, told, US))
    text = msgspec.structs.replace(LOCATE, channel=Channel.SMS, content_class=ContentClass.NEUTRAL)
    assert "us/location_channels" in stops(judge(located(), at, text, US))


def test_once_represented_only_the_attorney_is_asked() -> None:
    """1006.10(b), 15 USC 1692b(6)."""
    at = eastern(2026, 6, 3, 12)
    status = StatusFact(kind=StatusKind.ATTORNEY, since=at - timedelta(days=3))
    known = msgspec.structs.replace(
        located(), subject=facts(points=[phone(), SISTER], statuses=[status]).subject
    )
    assert "us/attorney" in stops(judge(known, at, LOCATE, US))


def test_calls_to_the_attorney_are_not_calls_to_the_person() -> None:
    """1006.14(b)(3)(iii)."""
    at = eastern(2026, 6, 3, 12)
    calls = [event(f"e{n}", at - timedelta(hours=n + 1), role=PartyRole.ATTORNEY) for n in range(7)]
    record = judge(facts(history=calls), at, rules=US)
    assert finding(record, CAP).counter == 0


# --- concentration, messages, voicemail -----------------------------------------------------------


def test_rapid_succession_and_concentration_are_stopped_by_house_policy() -> None:
    """cmt. 14(b)(2)(i)-2: two calls within five minutes, seven in one day, though within the
    presumption, weigh against a collector."""
    at = eastern(2026, 6, 3, 14)
    both = packs("us", "house")
    five_minutes = facts(history=[event("e", at - timedelta(minutes=5))])
    assert judge(five_minutes, at, rules=US).allowed
    assert stops(judge(five_minutes, at, rules=both)) == ["house/no_rapid_succession"]
    day = [event(f"e{n}", eastern(2026, 6, 3, 8 + n)) for n in range(6)]
    assert judge(facts(history=day), at, rules=US).allowed
    assert "house/three_dials_a_day" in stops(judge(facts(history=day), at, rules=both))


def test_a_number_found_not_reassigned_renews_consent_to_text() -> None:
    """1006.6(d)(5)(ii)(B): a complete and accurate database, within the past 60 days."""
    at = eastern(2026, 6, 3, 12)
    sms = request(Channel.SMS, Mode.BLAST, content=ContentClass.NEUTRAL)
    old = consent(ConsentScope.CHANNEL, at - timedelta(days=300), channel=Channel.SMS)
    for days, answer, allowed in ((59, "no", True), (61, "no", False), (59, "yes", False)):
        check = NumberCheckFact(
            kind="reassigned_numbers_database",
            contact_point_id=POINT,
            checked_at=at - timedelta(days=days),
            answer=answer,
        )
        known = facts(consents=[old])
        known = msgspec.structs.replace(
            known, subject=msgspec.structs.replace(known.subject, number_checks=(check,))
        )
        assert judge(known, at, sms, US).allowed is allowed


def test_email_needs_one_of_the_three_routes() -> None:
    """1006.6(d)(4)."""
    at = eastern(2026, 6, 3, 12)
    mail = request(Channel.EMAIL, Mode.BLAST, content=ContentClass.NEUTRAL)
    point = phone("ana@example.com", kind=ContactPointKind.EMAIL)
    assert stops(judge(facts(points=[point]), at, mail, US)) == ["us/email_safe_harbour"]
    for route in ("6(d)(4)(i)", "6(d)(4)(ii)", "6(d)(4)(iii)"):
        given = consent(
            ConsentScope.CHANNEL,
            at - timedelta(days=9),
            channel=Channel.EMAIL,
            given_to="creditor",
            evidence=route,
        )
        assert judge(facts(points=[point], consents=[given]), at, mail, US).allowed


REQUIRED = ("business_name", "reply_request", "contact_name", "callback_number")


@pytest.mark.parametrize(
    ("statements", "text", "code"),
    [
        (REQUIRED, None, ""),
        ((*REQUIRED, "salutation", "date_time", "suggested_times", "any_representative"), None, ""),
        (REQUIRED[:3], None, "statement_missing"),
        ((*REQUIRED, "mini_miranda"), None, "statement_forbidden"),
        (REQUIRED, "This is Robin Smith calling from ABC Inc. Call me at 1-800-555-1212.", ""),
        (REQUIRED, "Calling from the credit card receivables group.", "phrase_forbidden"),
    ],
)
def test_a_limited_content_message_says_four_things_and_no_more(
    statements: tuple[str, ...], text: str | None, code: str
) -> None:
    """1006.2(j) and its commentary."""
    left = msgspec.structs.replace(
        request(Channel.RINGLESS_VOICEMAIL, Mode.BLAST, content=ContentClass.VOICEMAIL_LIMITED),
        statements=statements,
        text=text,
    )
    record = judge(facts(), eastern(2026, 6, 3, 12), left, US)
    assert finding(record, "us/limited_content_voicemail").code == code
    assert record.allowed is (code == "")


def test_a_limited_content_message_is_never_a_text_message() -> None:
    """1006.2(j): voicemail only."""
    at = eastern(2026, 6, 3, 12)
    given = consent(ConsentScope.CHANNEL, at - timedelta(days=9), channel=Channel.SMS)
    sms = request(Channel.SMS, Mode.BLAST, content=ContentClass.VOICEMAIL_LIMITED)
    record = judge(facts(consents=[given]), at, sms, US)
    assert stops(record) == ["us/limited_content_is_voice"]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Hola Ana, tengo un mensaje para usted. Responda STOP para no recibir más.", "pass"),
        ("Hola Ana, tengo un mensaje para usted.", "deny"),
        (None, "warn"),
    ],
)
def test_every_electronic_message_says_how_to_opt_out(text: str | None, outcome: str) -> None:
    """1006.6(e)."""
    at = eastern(2026, 6, 3, 12)
    given = consent(ConsentScope.CHANNEL, at - timedelta(days=9), channel=Channel.SMS)
    sms = msgspec.structs.replace(
        request(Channel.SMS, Mode.BLAST, content=ContentClass.NEUTRAL), text=text
    )
    record = judge(facts(consents=[given]), at, sms, US)
    assert finding(record, "us/opt_out_notice").outcome == outcome


def test_the_validation_notice_is_due_within_five_days() -> None:
    """1006.34(a)(1)(i)(B), 15 USC 1692g(a): within five days of the initial communication. Its
    omission is no bar to the next call, so the rule warns."""
    rule_id = "us/validation_notice"
    talk = event("talk", eastern(2026, 6, 1, 16), EventKind.CONVERSATION)
    for at, outcome in (
        (eastern(2026, 6, 6, 23, 59, 59), Outcome.PASS),
        (eastern(2026, 6, 7), Outcome.WARN),
    ):
        assert finding(judge(facts(history=[talk]), at, rules=US), rule_id).outcome is outcome
    at = eastern(2026, 6, 9, 12)
    assert judge(facts(history=[talk]), at, rules=US).allowed
    given = event("n", eastern(2026, 6, 4, 12), EventKind.NOTICE_GIVEN, channel=None, mode=None)
    assert finding(judge(facts(history=[talk, given]), at, rules=US), rule_id).outcome == "pass"
    dated = facts(history=[talk], debts=[debt(validation_sent_at=eastern(2026, 6, 4, 12))])
    assert finding(judge(dated, at, rules=US), rule_id).outcome is Outcome.PASS
    assert finding(judge(facts(), at, rules=US), rule_id).outcome is Outcome.PASS
