"""When an account is tried again: every row of the table, its bounds, and dayparts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns import effects as fx
from campaigns.campaign import RetrySettings
from campaigns.dispositions import DispositionCode as Code
from campaigns.dispositions import disposition
from campaigns.effects import PointPolicy, Release, StepAction
from campaigns.model import AccountState, Callback
from campaigns.retry import (
    DAYPARTS,
    EndedContact,
    MissingFact,
    Next,
    StepReason,
    best_daypart,
    daypart_of,
    due_effects,
    hold_ends_at,
    may_leave_message,
    next_step,
)
from compliance.messages import HistoryEvent
from compliance.types import (
    ContactPointId,
    DebtStatus,
    EventKind,
    Mode,
    PersonId,
    StatusKind,
    SuppressionScope,
)
from tests.campaigns.builders import BOGOTA, NOW, PERSON, PHONE, ago, event, no_holidays, state

Kind = EventKind
OTHER_PHONE = ContactPointId("phone-2")


def after(
    code: Code,
    *history: HistoryEvent,
    account: AccountState | None = None,
    now: datetime = NOW,
    event_id: str | None = None,
    person: PersonId | None = None,
    campaign: RetrySettings | None = None,
) -> Next:
    ended = EndedContact(code=code, contact_point_id=PHONE, event_id=event_id, person_id=person)
    return next_step(
        ended,
        history,
        account or state(),
        now,
        no_holidays,
        campaign or RetrySettings(),
    )


def local(day: int, hour: int, minute: int = 0) -> datetime:
    """November 2026 in Bogotá."""
    return datetime(2026, 11, day, hour, minute, tzinfo=ZoneInfo(BOGOTA))


# --- each row --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "wait", "point"),
    [
        # 09:30 + 4 h lies in 12-14, which has not been tried
        (Code.NO_ANSWER, timedelta(hours=4), PointPolicy.OTHER_DAYPART),
        (Code.BUSY, timedelta(minutes=30), PointPolicy.SAME),
        # 09:30 a day later is the daypart that failed; the next one opens at 10:00
        (Code.VOICEMAIL_NO_MESSAGE, timedelta(hours=24.5), PointPolicy.OTHER_DAYPART),
        (Code.VOICEMAIL_MESSAGE, timedelta(hours=72.5), PointPolicy.OTHER_DAYPART),
        (Code.DISCONNECTED, timedelta(0), PointPolicy.NEXT_PHONE),
        (Code.FAX, timedelta(0), PointPolicy.NEXT_PHONE),
        (Code.CARRIER_BLOCKED, timedelta(days=1), PointPolicy.SAME),
        (Code.ABANDONED, timedelta(hours=72), PointPolicy.SAME),
        (Code.HUNG_UP_BEFORE_TALK, timedelta(hours=24.5), PointPolicy.OTHER_DAYPART),
        (Code.TECHNICAL_ERROR, timedelta(minutes=15), PointPolicy.SAME),
        (Code.THIRD_PARTY_KNOWS, timedelta(hours=24.5), PointPolicy.OTHER_DAYPART),
        (Code.WRONG_NUMBER, timedelta(0), PointPolicy.NEXT_PHONE),
        (Code.WORK_REFUSED, timedelta(0), PointPolicy.NEXT_PHONE),
        (Code.MINOR_ANSWERED, timedelta(hours=24.5), PointPolicy.OTHER_DAYPART),
        (Code.REFERENCE_REACHED, timedelta(0), PointPolicy.NEXT_PHONE),
        (Code.NOT_VERIFIED, timedelta(hours=72.5), PointPolicy.OTHER_DAYPART),
        (Code.WILLING_NO_DATE, timedelta(days=3), PointPolicy.SAME),
        (Code.REFUSES, timedelta(days=7), PointPolicy.SAME),
        (Code.HARDSHIP, timedelta(days=14), PointPolicy.SAME),
        (Code.RIGHT_PARTY_HUNG_UP, timedelta(days=3), PointPolicy.SAME),
        (Code.NOT_THIS_WAY, timedelta(hours=24.5), PointPolicy.OTHER_DAYPART),
        (Code.VULNERABLE, timedelta(days=30), PointPolicy.SAME),
        (Code.LANGUAGE_BARRIER, timedelta(days=1), PointPolicy.SAME),
        (Code.BOUNCED, timedelta(days=1), PointPolicy.NEXT_CHANNEL),
        (Code.NOT_DELIVERED, timedelta(hours=4), PointPolicy.NEXT_CHANNEL),
        (Code.VISIT_MET, timedelta(days=7), PointPolicy.SAME),
        (Code.VISIT_NOT_MET, timedelta(days=7), PointPolicy.SAME),
    ],
)
def test_codes_that_are_tried_again(code: Code, wait: timedelta, point: PointPolicy) -> None:
    step = after(code)
    assert (step.action, step.not_before, step.point) == (StepAction.RETRY_AT, NOW + wait, point)


WAITS = [
    (Code.DISPUTES_AMOUNT, Release.DISPUTE_RESOLVED, None),
    (Code.NOT_MINE, Release.DISPUTE_RESOLVED, None),
    (Code.SERVICE_COMPLAINT, Release.SERVICE_TICKET_CLOSED, None),
    (Code.COMPLAINT, Release.COMPLAINT_CLOSED, None),
    (Code.REPLIED, Release.REPLY_HANDLED, None),
    # three and five business days after Monday 23: Thursday 26 and Monday 30, to their end
    (Code.PAID_ON_CALL, Release.PAYMENT_POSTED, local(27, 0)),
    (Code.CLAIMS_PAID, Release.PAYMENT_POSTED, datetime(2026, 12, 1, 5, tzinfo=UTC)),
]


@pytest.mark.parametrize(("code", "release", "at"), WAITS)
def test_codes_that_wait(code: Code, release: Release, at: datetime | None) -> None:
    step = after(code)
    assert (step.action, step.waits_for) == (StepAction.WAIT_FOR_EVENT, release)
    assert step.not_before == at


FINAL = [
    Code.CEASE,
    Code.ATTORNEY,
    Code.BANKRUPTCY,
    Code.DECEASED,
    Code.OPT_OUT,
    Code.PAID_BY_LINK,
    Code.MESSAGE_SENT,
    Code.MESSAGE_DELIVERED,
    Code.MESSAGE_READ,
]


@pytest.mark.parametrize("code", FINAL)
def test_codes_that_end_it(code: Code) -> None:
    step = after(code)
    assert (step.action, step.not_before) == (StepAction.DONE, None)
    assert step.reason is StepReason.NEVER_AGAIN


def test_the_tests_above_cover_every_code() -> None:
    here = {
        Code.PROMISE,
        Code.PLAN,
        Code.CALLBACK,
        Code.BLOCKED_BY_COMPLIANCE,
        Code.NOT_DELIVERED,
    }
    tried = {
        code
        for code in Code
        if disposition(code).retry[-1].action is StepAction.RETRY_AT and code not in here
    }
    waits = {code for code, _, _ in WAITS}
    assert tried | waits | set(FINAL) | here == set(Code)


def test_a_promise_rests_until_its_review_and_a_plan_until_its_instalment() -> None:
    review = NOW + timedelta(days=5)
    step = after(Code.PROMISE, account=state(promise_review_at=review))
    assert step.action is StepAction.WAIT_FOR_EVENT
    assert (step.not_before, step.waits_for) == (review, Release.PROMISE_CLOSED)
    step = after(Code.PLAN, account=state(instalment_review_at=review))
    assert (step.not_before, step.waits_for) == (review, Release.PLAN_ENDED)


@pytest.mark.parametrize(
    ("code", "field"),
    [
        (Code.PROMISE, "promise_review_at"),
        (Code.PLAN, "instalment_review_at"),
        (Code.CALLBACK, "callback"),
    ],
)
def test_a_code_without_its_fact_says_which(code: Code, field: str) -> None:
    with pytest.raises(MissingFact, match=f"{code} needs AccountState.{field}") as caught:
        after(code)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_a_callback_is_made_at_its_time_by_its_agent() -> None:
    wish = Callback(event_id="per/9", due_at=NOW + timedelta(days=2), agent_id="ana")
    account = msgspec.structs.replace(state(), callback=wish)
    step = after(Code.CALLBACK, account=account)
    assert (step.action, step.not_before) == (StepAction.CALLBACK, wish.due_at)
    assert (step.mode, step.agent_id) == (Mode.CALLBACK, "ana")
    late = after(Code.CALLBACK, account=account, now=NOW + timedelta(days=3))
    assert late.not_before == NOW + timedelta(days=3)


def test_a_block_waits_for_the_gates_own_instant_or_event() -> None:
    opening = NOW + timedelta(hours=11)
    account = msgspec.structs.replace(state(), first_allowed=opening)
    step = after(Code.BLOCKED_BY_COMPLIANCE, account=account)
    assert (step.action, step.not_before) == (StepAction.RETRY_AT, opening)
    step = after(Code.BLOCKED_BY_COMPLIANCE)
    assert (step.action, step.not_before) == (StepAction.WAIT_FOR_EVENT, None)
    assert step.waits_for is Release.GATE_RELEASE


def test_after_an_abandoned_call_only_a_preview_call() -> None:
    step = after(Code.ABANDONED)
    assert (step.mode, step.reason) == (Mode.PREVIEW, StepReason.ABANDONED_GUARD)


def test_a_closed_account_is_done_whatever_the_code() -> None:
    for code in Code:
        step = after(code, account=state(closed=True))
        assert (step.action, step.reason) == (StepAction.DONE, StepReason.ACCOUNT_CLOSED)


# --- ladders ---------------------------------------------------------------------------------


def test_busy_has_two_quick_tries_and_then_goes_on_as_no_answer() -> None:
    first = event(Kind.NOT_CONNECTED_BUSY, ago(minutes=60))
    second = event(Kind.NOT_CONNECTED_BUSY, ago(minutes=30))
    assert after(Code.BUSY).not_before == NOW + timedelta(minutes=30)
    assert after(Code.BUSY, first).not_before == NOW + timedelta(minutes=30)
    third = after(Code.BUSY, first, second)
    assert third.not_before == NOW + timedelta(hours=4)
    assert (third.point, third.reason) == (PointPolicy.OTHER_DAYPART, StepReason.TRIES_SPENT)
    assert third.tries == 3


def test_busy_of_another_phone_or_of_yesterday_does_not_count() -> None:
    yesterday = event(Kind.NOT_CONNECTED_BUSY, ago(days=1))
    other = [
        event(Kind.NOT_CONNECTED_BUSY, ago(minutes=m), phone=OTHER_PHONE) for m in (60, 50, 40)
    ]
    step = after(Code.BUSY, yesterday, *other)
    assert (step.not_before, step.tries) == (NOW + timedelta(minutes=30), 1)


def test_busy_beyond_its_tries_uses_up_the_days_unanswered_calls() -> None:
    busy = [event(Kind.NOT_CONNECTED_BUSY, ago(minutes=m)) for m in (90, 60, 30)]
    step = after(Code.BUSY, *busy)
    assert step.reason is StepReason.DAILY_LIMIT
    assert step.not_before == local(24, 10)


def test_two_unanswered_calls_a_day_and_then_another_day() -> None:
    earlier = event(Kind.RANG_NO_ANSWER, ago(hours=1))
    step = after(Code.NO_ANSWER, earlier)
    assert step.reason is StepReason.DAILY_LIMIT
    assert step.point is PointPolicy.NEXT_PHONE
    assert step.not_before == local(24, 10)  # 8-10 has been tried twice


def test_the_daily_limit_counts_all_phones_and_unknown_ends() -> None:
    earlier = event(Kind.DIAL_REQUESTED, ago(hours=1), phone=OTHER_PHONE)
    assert after(Code.NO_ANSWER, earlier).reason is StepReason.DAILY_LIMIT


def test_the_day_is_the_persons_own() -> None:
    # 02:00 UTC of the 23rd is 21:00 of the 22nd in Bogotá: yesterday for them
    evening = event(Kind.RANG_NO_ANSWER, datetime(2026, 11, 23, 2, 0, tzinfo=UTC))
    assert after(Code.NO_ANSWER, evening).reason is not StepReason.DAILY_LIMIT
    # in Madrid the same instant is 03:00 of today
    madrid = after(Code.NO_ANSWER, evening, account=state(zones=("Europe/Madrid",)))
    assert madrid.reason is StepReason.DAILY_LIMIT


def test_with_no_zone_known_a_day_is_24_hours() -> None:
    earlier = event(Kind.RANG_NO_ANSWER, ago(hours=23))
    step = after(Code.NO_ANSWER, earlier, account=state(zones=()))
    assert (step.reason, step.not_before) == (StepReason.DAILY_LIMIT, NOW + timedelta(hours=24))
    older = event(Kind.RANG_NO_ANSWER, ago(hours=24))
    step = after(Code.NO_ANSWER, older, account=state(zones=()))
    assert step.not_before == NOW + timedelta(hours=4)


def test_technical_errors_are_retried_three_times_and_then_daily() -> None:
    # whatever the phone, since the fault is not the phone's
    errors = [
        event(Kind.NOT_CONNECTED_NETWORK, ago(minutes=15 * n), phone=OTHER_PHONE) for n in (3, 2, 1)
    ]
    assert after(Code.TECHNICAL_ERROR, *errors[1:]).not_before == NOW + timedelta(minutes=15)
    step = after(Code.TECHNICAL_ERROR, *errors)
    assert (step.not_before, step.reason) == (NOW + timedelta(days=1), StepReason.TRIES_SPENT)


def test_a_talk_starts_the_count_anew() -> None:
    history = (
        event(Kind.NOT_CONNECTED_BUSY, ago(hours=3)),
        event(Kind.NOT_CONNECTED_BUSY, ago(hours=2)),
        event(Kind.CONVERSATION, ago(hours=1)),
    )
    assert after(Code.BUSY, *history).tries == 1


def test_the_ended_contact_is_counted_once_wherever_it_stands() -> None:
    mine = event(Kind.NOT_CONNECTED_BUSY, ago(minutes=1), event_id="per/7")
    before = event(Kind.NOT_CONNECTED_BUSY, ago(minutes=31))
    assert after(Code.BUSY, before).tries == 2
    assert after(Code.BUSY, before, mine, event_id="per/7").tries == 2


def test_other_peoples_calls_on_a_shared_number_are_not_this_persons() -> None:
    stranger = event(Kind.RANG_NO_ANSWER, ago(hours=1), person=PersonId("other"))
    assert after(Code.NO_ANSWER, stranger, person=PERSON).reason is StepReason.RETRY_DELAY
    assert after(Code.NO_ANSWER, stranger).reason is StepReason.DAILY_LIMIT


@pytest.mark.parametrize(("country", "days"), [("US", 7), ("CO", 3), (None, 7)])
def test_hanging_up_keeps_seven_days_in_the_us_and_where_nobody_knows(
    country: str | None, days: int
) -> None:
    step = after(Code.RIGHT_PARTY_HUNG_UP, account=state(country=country))
    assert step.not_before == NOW + timedelta(days=days)


def test_an_open_promise_outlasts_any_retry() -> None:
    review = NOW + timedelta(days=4)
    step = after(Code.NO_ANSWER, account=state(promise_review_at=review))
    assert (step.not_before, step.reason) == (review, StepReason.PROMISE_OPEN)
    past = after(Code.NO_ANSWER, account=state(promise_review_at=ago(days=1)))
    assert past.not_before == NOW + timedelta(hours=4)


def test_a_campaign_can_ask_for_more_time_and_fewer_attempts_only() -> None:
    slow = RetrySettings(min_gap_s=36 * 3600)
    assert after(Code.BUSY, campaign=slow).not_before == NOW + timedelta(hours=36)
    assert after(Code.REFUSES, campaign=slow).not_before == NOW + timedelta(days=7)
    few = RetrySettings(max_attempts=3)
    assert after(Code.BUSY, account=state(attempts=2), campaign=few).action is StepAction.RETRY_AT
    spent = after(Code.BUSY, account=state(attempts=3), campaign=few)
    assert (spent.action, spent.reason) == (StepAction.DONE, StepReason.ATTEMPTS_SPENT)
    account = state(attempts=3, promise_review_at=NOW + timedelta(days=1))
    assert after(Code.PROMISE, account=account, campaign=few).action is StepAction.WAIT_FOR_EVENT


def test_business_days_skip_holidays() -> None:
    def thanksgiving(day: date) -> bool:
        return day == date(2026, 11, 26)

    step = next_step(EndedContact(code=Code.PAID_ON_CALL), (), state(), NOW, thanksgiving)
    assert step.not_before == local(28, 0)  # Tue 24, Wed 25, Fri 27


# --- dayparts --------------------------------------------------------------------------------


def test_the_daypart_tried_least_comes_first() -> None:
    # 8-10 (now), 12-14 and 14-16 were tried on this phone, so 16-18 is the first fresh one
    history = (
        event(Kind.RANG_NO_ANSWER, local(18, 13)),
        event(Kind.MACHINE_NO_MESSAGE, local(19, 15)),
        event(Kind.RANG_NO_ANSWER, local(20, 17), phone=OTHER_PHONE),
    )
    assert after(Code.NO_ANSWER, *history).not_before == local(23, 16)


def test_a_night_is_slept_through() -> None:
    at = local(23, 17)
    step = after(Code.NO_ANSWER, now=at)
    assert step.not_before == local(24, 8)


def test_daypart_names() -> None:
    assert daypart_of(local(23, 8), BOGOTA) == 0
    assert daypart_of(local(23, 9, 59), BOGOTA) == 0
    assert daypart_of(local(23, 10), BOGOTA) == 1
    assert daypart_of(local(23, 19, 59), BOGOTA) == 5
    assert daypart_of(local(23, 20), BOGOTA) is None
    assert daypart_of(local(23, 7, 59), BOGOTA) is None


ZONES = [BOGOTA, "America/New_York", "America/Santiago", "Pacific/Easter", "America/Los_Angeles"]
INSTANTS = st.integers(0, 3 * 365 * 86_400).map(
    lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(
    INSTANTS,
    st.sampled_from(ZONES),
    st.lists(st.integers(0, 9), min_size=len(DAYPARTS), max_size=len(DAYPARTS)),
)
def test_best_daypart_is_soon_by_day_and_among_the_least_tried(
    earliest: datetime, zone: str, tries: list[int]
) -> None:
    at = best_daypart(earliest, zone, tries)
    daypart = daypart_of(at, zone)
    assert earliest <= at < earliest + timedelta(hours=24)
    assert daypart is not None
    reachable = set()
    for minutes in range(0, 24 * 60, 5):
        reached = daypart_of(earliest + timedelta(minutes=minutes), zone)
        if reached is not None:
            reachable.add(tries[reached])
    assert tries[daypart] == min(reachable)


# --- effects ---------------------------------------------------------------------------------


def effects(
    code: Code, *history: HistoryEvent, country: str | None = "US", written: bool = False
) -> tuple[fx.Effect, ...]:
    ended = EndedContact(code=code, contact_point_id=PHONE, written=written)
    return due_effects(ended, history, country, NOW)


def kinds(found: tuple[fx.Effect, ...]) -> list[type[fx.EffectBase]]:
    return [type(effect) for effect in found]


def test_the_eighth_no_answer_in_thirty_days_demotes_the_phone() -> None:
    seven = [event(Kind.RANG_NO_ANSWER, ago(days=day)) for day in range(7, 0, -1)]
    assert effects(Code.NO_ANSWER, *seven[1:]) == ()
    assert kinds(effects(Code.NO_ANSWER, *seven)) == [fx.DemotePhone]
    old = [event(Kind.RANG_NO_ANSWER, ago(days=30)), *seven[1:]]
    assert effects(Code.NO_ANSWER, *old) == ()


def test_the_second_third_party_demotes_the_phone() -> None:
    once = event(Kind.ANSWERED_THIRD_PARTY, ago(days=3))
    assert kinds(effects(Code.THIRD_PARTY_KNOWS)) == [fx.SetValidity]
    assert kinds(effects(Code.THIRD_PARTY_KNOWS, once)) == [fx.SetValidity, fx.DemotePhone]


def test_the_fourth_technical_error_of_a_day_raises_the_alarm() -> None:
    three = [event(Kind.NOT_CONNECTED_NETWORK, ago(hours=h)) for h in (3, 2, 1)]
    assert effects(Code.TECHNICAL_ERROR, *three[1:]) == ()
    assert kinds(effects(Code.TECHNICAL_ERROR, *three)) == [fx.TrunkAlert]
    assert kinds(effects(Code.CARRIER_BLOCKED)) == [fx.TrunkAlert]


@pytest.mark.parametrize(
    ("country", "written", "ceases"),
    [("US", True, True), ("US", False, False), ("CO", True, False), (None, True, True)],
)
def test_a_written_refusal_is_a_cease_in_the_us(
    country: str | None, written: bool, ceases: bool
) -> None:
    found = effects(Code.REFUSES, country=country, written=written)
    assert (fx.AddStatus in kinds(found)) == ceases
    statuses = [effect.status for effect in found if isinstance(effect, fx.AddStatus)]
    assert statuses == ([StatusKind.CEASE] if ceases else [])


def test_when_holds_end() -> None:
    def ends(hold: fx.Hold) -> datetime | None:
        return hold_ends_at(hold, NOW, (BOGOTA,), no_holidays)

    claimed = fx.HoldDebt(status=DebtStatus.PAYMENT_CLAIMED, business_days=3)
    assert ends(claimed) == local(27, 0)
    assert ends(fx.HoldDebt(status=DebtStatus.DISPUTED, until=Release.DISPUTE_RESOLVED)) is None
    rest = fx.Suppress(
        scope=SuppressionScope.PERSON,
        reason=fx.SuppressReason.VULNERABLE,
        duration=timedelta(days=30),
    )
    assert ends(rest) == NOW + timedelta(days=30)


def test_one_message_in_seven_days_by_any_means() -> None:
    assert may_leave_message((event(Kind.MACHINE_MESSAGE, ago(days=7)),), NOW)
    assert not may_leave_message((event(Kind.MACHINE_MESSAGE, ago(days=7, hours=-1)),), NOW)
    assert not may_leave_message((event(Kind.RINGLESS_VOICEMAIL, ago(days=1)),), NOW)
    assert may_leave_message((event(Kind.MACHINE_NO_MESSAGE, ago(days=1)),), NOW)


# --- whatever happens ------------------------------------------------------------------------

EVENTS = st.builds(
    lambda minutes, kind, phone, person: event(
        kind, ago(minutes=minutes), phone=phone, person=person
    ),
    st.integers(0, 60 * 24 * 40),
    st.sampled_from(EventKind),
    st.sampled_from([PHONE, OTHER_PHONE, None]),
    st.sampled_from([PERSON, PersonId("other"), None]),
)
HISTORIES = st.lists(EVENTS, max_size=30).map(
    lambda events: tuple(sorted(events, key=lambda event: event.at))
)
STATES = st.builds(
    AccountState,
    account_id=st.just(state().account_id),
    country=st.sampled_from(["US", "CO", "MX", None]),
    zones=st.sampled_from([(), (BOGOTA,), ("America/Santiago", "Pacific/Easter")]),
    closed=st.booleans(),
    attempts=st.integers(0, 20),
    promise_review_at=INSTANTS,
    instalment_review_at=INSTANTS,
    callback=st.builds(Callback, event_id=st.just("per/1"), due_at=INSTANTS),
    first_allowed=st.none() | INSTANTS,
)


@settings(max_examples=300)
@given(st.sampled_from(Code), HISTORIES, STATES, st.none() | st.just(PERSON))
def test_never_before_now_and_always_an_answer(
    code: Code, history: tuple[HistoryEvent, ...], account: AccountState, person: PersonId | None
) -> None:
    ended = EndedContact(code=code, contact_point_id=PHONE, person_id=person)
    step = next_step(ended, history, account, NOW, no_holidays)
    if step.action in (StepAction.RETRY_AT, StepAction.CALLBACK):
        assert step.not_before is not None
        assert step.not_before >= NOW
    if step.action is StepAction.WAIT_FOR_EVENT:
        assert step.waits_for is not None
        assert step.not_before is None or step.not_before >= NOW
    if step.action is StepAction.DONE:
        assert step.not_before is None
    due_effects(ended, history, account.country, NOW)


UNREACHED = [Code.NO_ANSWER, Code.BUSY, Code.VOICEMAIL_NO_MESSAGE, Code.TECHNICAL_ERROR]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(UNREACHED), min_size=60, max_size=60),
    st.sampled_from([(), (BOGOTA,), ("America/Santiago",)]),
)
def test_a_person_who_is_never_reached_is_tried_a_bounded_number_of_times(
    codes: list[Code], zones: tuple[str, ...]
) -> None:
    """Whatever comes of each dial: never more than two rings a day, and few dials in all."""
    now = NOW
    history: tuple[HistoryEvent, ...] = ()
    account = state(zones=zones)
    for number, code in enumerate(codes):
        outcome = disposition(code).outcome
        assert outcome is not None
        step = after(code, *history, account=account, now=now)
        history = (*history, event(outcome, now, event_id=f"per/{number}"))
        assert step.not_before is not None
        now = step.not_before
    zone = ZoneInfo(zones[0]) if zones else UTC
    days: dict[date, list[EventKind]] = {}
    for tried in history:
        days.setdefault(tried.at.astimezone(zone).date(), []).append(tried.kind)
    for day, seen in days.items():
        assert len(seen) <= 12, (day, seen)
        if zones:
            assert seen.count(Kind.RANG_NO_ANSWER) <= 2, (day, seen)
