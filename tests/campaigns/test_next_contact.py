"""Which number is called and what may be named: never a forbidden one, and each in its turn."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.model import Callback
from campaigns.next_contact import (
    COLLECTABLE,
    LIABLE,
    ChoiceReason,
    ContactChoice,
    Exhausted,
    Missing,
    Skip,
    callback_is_live,
    choose,
)
from compliance.messages import (
    ContactPointFacts,
    DebtFacts,
    HistoryEvent,
    PreferenceFact,
    Subject,
    SuppressionFact,
    WeeklyInterval,
)
from compliance.types import (
    AccountId,
    Channel,
    ContactPointId,
    ContactPointKind,
    DebtStatus,
    EventKind,
    PartyRole,
    PersonId,
    PointLabel,
    SuppressionScope,
    Validity,
)
from tests.campaigns.builders import ACCOUNT, NOW, PERSON, ago, debt, event, phone, subject

Kind = EventKind
A, B, C = ContactPointId("a"), ContactPointId("b"), ContactPointId("c")


def chosen(
    who: Subject,
    *history: HistoryEvent,
    channel: Channel = Channel.VOICE,
    callback: Callback | None = None,
    exclude: frozenset[ContactPointId] = frozenset(),
) -> ContactChoice:
    choice = choose(who, ACCOUNT, history, NOW, channel=channel, callback=callback, exclude=exclude)
    assert isinstance(choice, ContactChoice)
    return choice


def nothing(who: Subject, channel: Channel = Channel.VOICE) -> Exhausted:
    choice = choose(who, ACCOUNT, (), NOW, channel=channel)
    assert isinstance(choice, Exhausted)
    return choice


def suppression(
    scope: SuppressionScope,
    target: str,
    *,
    channel: Channel | None = None,
    starts_at: datetime = NOW,
    ends_at: datetime | None = None,
) -> SuppressionFact:
    return SuppressionFact(
        suppression_id="s",
        scope=scope,
        reason="test",
        starts_at=starts_at,
        ends_at=ends_at,
        channel=channel,
        target_id=target,
    )


def suppressed(who: Subject, *facts: SuppressionFact) -> Subject:
    return msgspec.structs.replace(who, suppressions=facts)


def rang(phone_id: ContactPointId, *days_ago: float) -> list[HistoryEvent]:
    return [event(Kind.RANG_NO_ANSWER, ago(days=days), phone=phone_id) for days in days_ago]


def in_order(*events: HistoryEvent) -> tuple[HistoryEvent, ...]:
    return tuple(sorted(events, key=lambda found: found.at))


# --- the order -------------------------------------------------------------------------------


def test_the_verified_number_comes_first() -> None:
    who = subject(phone("a"), phone("b", validity=Validity.VERIFIED_RIGHT_PARTY, rank=9))
    choice = chosen(who)
    assert (choice.contact_point_id, choice.reason) == (B, ChoiceReason.VERIFIED)


def test_then_the_one_the_person_was_last_reached_on() -> None:
    who = subject(phone("a"), phone("b", rank=1), phone("c", rank=2))
    history = (
        event(Kind.CONVERSATION, ago(days=9), phone=B),
        event(Kind.INBOUND_CALL, ago(days=5), phone=C),
    )
    choice = chosen(who, *history)
    assert (choice.contact_point_id, choice.reason) == (C, ChoiceReason.LAST_SUCCESS)


def test_then_rank_label_and_the_longest_left_alone() -> None:
    assert chosen(subject(phone("a", rank=1), phone("b"))).contact_point_id == B
    labels = subject(phone("a", label=PointLabel.WORK), phone("b", label=PointLabel.HOME))
    assert chosen(labels).contact_point_id == B
    history = (*rang(B, 2), *rang(A, 1))
    assert chosen(subject(phone("a"), phone("b")), *history).contact_point_id == B
    assert chosen(subject(phone("b"), phone("a"))).reason is ChoiceReason.BEST_RANKED


def test_a_number_that_others_share_comes_after_one_that_nobody_does() -> None:
    who = subject(phone("a", shared_with=(PersonId("other"),)), phone("b", rank=3))
    assert chosen(who).contact_point_id == B


def test_a_third_partys_number_comes_last_and_neutrally() -> None:
    who = subject(phone("a", validity=Validity.THIRD_PARTY), phone("b", rank=5))
    assert chosen(who).contact_point_id == B
    assert not chosen(who).neutral_until_verified
    alone = subject(phone("a", validity=Validity.THIRD_PARTY))
    assert chosen(alone).neutral_until_verified
    assert chosen(subject(phone("a", also_reference=True))).neutral_until_verified
    assert chosen(subject(phone("a", shared_with=(PersonId("o"),)))).neutral_until_verified


def test_each_phone_has_two_tries_and_then_the_next_its_turn() -> None:
    who = subject(
        phone("a", validity=Validity.VERIFIED_RIGHT_PARTY), phone("b"), phone("c", rank=1)
    )
    history: tuple[HistoryEvent, ...] = ()
    order = []
    for hours in range(12, 0, -1):
        point = chosen(who, *history).contact_point_id
        order.append(str(point))
        history = (*history, event(Kind.RANG_NO_ANSWER, ago(hours=hours), phone=point))
    assert "".join(order) == "aabbccaabbcc"
    assert chosen(who, *rang(A, 3, 2)).reason is ChoiceReason.NEXT_PHONE


def test_a_talk_gives_a_number_its_tries_back() -> None:
    who = subject(phone("a"), phone("b"))
    talk = event(Kind.CONVERSATION, ago(days=2), phone=A)
    assert chosen(who, *in_order(*rang(A, 4, 3), talk)).contact_point_id == A
    assert chosen(who, *in_order(*rang(A, 1.5, 1), talk)).contact_point_id == B


def test_network_faults_abandoned_calls_and_misdirected_ones_are_no_tries() -> None:
    who = subject(phone("a"), phone("b"))
    for kind in (Kind.NOT_CONNECTED_NETWORK, Kind.ABANDONED, Kind.MESSAGE_SENT):
        history = [event(kind, ago(days=day), phone=A) for day in (4, 3, 2)]
        assert chosen(who, *history).contact_point_id == A
    wrong = [event(Kind.RANG_NO_ANSWER, ago(days=day), phone=A, misdirected=True) for day in (3, 2)]
    assert chosen(who, *wrong).contact_point_id == A


def test_other_peoples_calls_and_old_ones_do_not_count() -> None:
    who = subject(phone("a"), phone("b"))
    stranger = [
        event(Kind.RANG_NO_ANSWER, ago(days=day), phone=A, person=PersonId("x")) for day in (3, 2)
    ]
    assert chosen(who, *stranger).contact_point_id == A
    assert chosen(who, *rang(A, 31, 30)).contact_point_id == A
    nameless = [event(Kind.RANG_NO_ANSWER, ago(days=d), phone=A, person=None) for d in (3, 2)]
    assert chosen(who, *nameless).contact_point_id == B


def test_eight_unanswered_calls_in_thirty_days_demote_a_phone() -> None:
    who = subject(phone("a", validity=Validity.VERIFIED_RIGHT_PARTY), phone("b"))
    b_too = rang(B, *(10 + n / 10 for n in range(7)))  # as many turns, but one short of eight
    eight = rang(A, *range(1, 9))
    choice = chosen(who, *in_order(*eight, *b_too))
    assert (choice.contact_point_id, choice.reason) == (B, ChoiceReason.NEXT_PHONE)
    seven = in_order(*eight[1:], *b_too)
    assert chosen(who, *seven).contact_point_id == A
    both = in_order(*eight, *rang(B, *range(1, 9)))
    assert chosen(who, *both).reason is ChoiceReason.LAST_RESORT


def test_two_third_parties_in_thirty_days_demote_a_phone() -> None:
    who = subject(phone("a"), phone("b"))
    third = [event(Kind.ANSWERED_THIRD_PARTY, ago(days=day), phone=A) for day in (5, 4)]
    many = in_order(*third, *rang(B, 9, 8, 7, 6))  # B has had more turns, yet A is demoted
    assert chosen(who, *many).contact_point_id == B
    one = in_order(*third[1:], *rang(B, 9, 8, 7, 6))
    assert chosen(who, *one).contact_point_id == A


# --- what may not be used --------------------------------------------------------------------

FORBIDDEN = [
    (phone("a", validity=Validity.WRONG_NUMBER), Skip.DEAD),
    (phone("a", validity=Validity.DISCONNECTED), Skip.DEAD),
    (phone("a", validity=Validity.REASSIGNED), Skip.DEAD),
    (phone("a", role=PartyRole.REFERENCE), Skip.NOT_LIABLE),
    (phone("a", role=PartyRole.THIRD_PARTY), Skip.NOT_LIABLE),
    (phone("a", role=PartyRole.EMPLOYER), Skip.NOT_LIABLE),
    (phone("a", role=PartyRole.SPOUSE), Skip.NOT_LIABLE),
    (phone("a", role=PartyRole.UNKNOWN), Skip.NOT_LIABLE),
    (phone("a", opted_out_at=ago(days=400)), Skip.OPTED_OUT),
    (phone("a", work_forbidden=True), Skip.WORK_FORBIDDEN),
]


@pytest.mark.parametrize(("point", "skip"), FORBIDDEN)
def test_a_forbidden_point_is_passed_over_and_named(point: ContactPointFacts, skip: Skip) -> None:
    assert chosen(subject(point, phone("b", rank=99))).contact_point_id == B
    exhausted = nothing(subject(point))
    assert exhausted.skipped == ((A, skip),)
    gone = skip in (Skip.DEAD, Skip.NOT_LIABLE)
    assert exhausted.wants_skip_trace == gone
    assert exhausted.missing is (
        Missing.LIVE_CONTACT_POINT if gone else Missing.PERMITTED_CONTACT_POINT
    )


def test_one_closed_point_among_dead_ones_is_a_matter_of_permission() -> None:
    exhausted = nothing(
        subject(phone("a", validity=Validity.DISCONNECTED), phone("b", work_forbidden=True))
    )
    assert exhausted.missing is Missing.PERMITTED_CONTACT_POINT
    assert not exhausted.wants_skip_trace


def test_no_contact_point_of_the_kind() -> None:
    exhausted = nothing(subject(phone("a", kind=ContactPointKind.EMAIL)))
    assert (exhausted.missing, exhausted.skipped) == (Missing.CONTACT_POINT, ())
    assert exhausted.wants_skip_trace
    both = subject(phone("a", kind=ContactPointKind.EMAIL), phone("b"))
    assert chosen(both).contact_point_id == B
    assert chosen(both, channel=Channel.EMAIL).contact_point_id == A
    assert chosen(both, channel=Channel.SMS).contact_point_id == B


def test_excluded_points_are_passed_over() -> None:
    who = subject(phone("a"), phone("b"))
    assert chosen(who, exclude=frozenset({A})).contact_point_id == B
    choice = choose(who, ACCOUNT, (), NOW, exclude={A, B})
    assert isinstance(choice, Exhausted)
    assert choice.skipped == ((A, Skip.EXCLUDED), (B, Skip.EXCLUDED))


def test_suppressed_points_by_time_and_channel() -> None:
    who = subject(phone("a"), phone("b"))

    def first(**changes: object) -> ContactPointId:
        fact = msgspec.structs.replace(suppression(SuppressionScope.CONTACT_POINT, "a"), **changes)
        return chosen(suppressed(who, fact)).contact_point_id

    assert first() == B
    assert first(channel=Channel.VOICE) == B
    assert first(channel=Channel.SMS) == A
    assert first(ends_at=NOW) == A
    assert first(ends_at=NOW + timedelta(seconds=1)) == B
    assert first(starts_at=NOW + timedelta(seconds=1)) == A


def test_a_stop_on_the_whole_person_is_left_for_the_gate() -> None:
    fact = msgspec.structs.replace(suppression(SuppressionScope.PERSON, "x"), target_id=None)
    assert chosen(suppressed(subject(phone("a")), fact)).contact_point_id == A


def test_a_preference_against_work_phones() -> None:
    always = WeeklyInterval(weekdays=(1,), start=time(0), end=time(1))
    wish = PreferenceFact(
        preference_id="p",
        at=ago(days=1),
        forbidden=(always,),
        forbidden_labels=(PointLabel.WORK,),
    )
    who = msgspec.structs.replace(
        subject(phone("a", label=PointLabel.WORK), phone("b", rank=9)), preferences=(wish,)
    )
    assert chosen(who).contact_point_id == B
    sms_only = msgspec.structs.replace(wish, channel=Channel.SMS)
    who = msgspec.structs.replace(who, preferences=(sms_only,))
    assert chosen(who).contact_point_id == A
    over = msgspec.structs.replace(wish, expires_at=NOW)
    who = msgspec.structs.replace(who, preferences=(over,))
    assert chosen(who).contact_point_id == A


# --- what is named ---------------------------------------------------------------------------


def test_all_collectable_debts_of_the_account_are_named() -> None:
    debts = (
        debt("d1"),
        debt("d2", status=DebtStatus.DISPUTED),
        debt("d3", account=AccountId("elsewhere")),
        debt("d4", status=DebtStatus.CHARGED_OFF),
        debt("d5", role=PartyRole.REFERENCE),
        debt("d6"),
    )
    who = suppressed(subject(phone("a"), debts=debts), suppression(SuppressionScope.DEBT, "d6"))
    assert chosen(who).debt_ids == ("d1", "d4")


@pytest.mark.parametrize("status", [status for status in DebtStatus if status not in COLLECTABLE])
def test_nothing_to_name_is_nothing_to_do(status: DebtStatus) -> None:
    exhausted = nothing(subject(phone("a"), debts=(debt(status=status),)))
    assert exhausted.missing is Missing.COLLECTABLE_DEBT
    assert not exhausted.wants_skip_trace


def test_a_suppressed_account_has_nothing_to_name() -> None:
    who = suppressed(subject(phone("a")), suppression(SuppressionScope.ACCOUNT, ACCOUNT))
    assert nothing(who).missing is Missing.COLLECTABLE_DEBT


# --- callbacks and abandoned calls ------------------------------------------------------------


def wish(phone_id: ContactPointId | None, due_at: datetime = NOW) -> Callback:
    return Callback(event_id="per/4", due_at=due_at, contact_point_id=phone_id, agent_id="ana")


def test_a_callback_goes_to_its_own_number_whatever_its_turn() -> None:
    who = subject(phone("a"), phone("b", rank=9))
    choice = chosen(who, *rang(B, 3, 2, 1), callback=wish(B))
    assert (choice.contact_point_id, choice.reason) == (B, ChoiceReason.CALLBACK)
    assert (choice.answers_event_id, choice.agent_id) == ("per/4", "ana")


def test_a_callback_to_a_number_that_has_died_goes_to_the_best_one() -> None:
    who = subject(phone("a"), phone("b", validity=Validity.DISCONNECTED))
    for number in (B, None, C):
        choice = chosen(who, callback=wish(number))
        assert (choice.contact_point_id, choice.reason) == (A, ChoiceReason.CALLBACK)


def test_a_callback_expires_seven_days_after_it_was_due() -> None:
    who = subject(phone("a"), phone("b", rank=9))
    live = wish(B, ago(days=7, minutes=-1))
    assert callback_is_live(live, NOW)
    assert chosen(who, callback=live).contact_point_id == B
    gone = wish(B, ago(days=7))
    assert not callback_is_live(gone, NOW)
    choice = chosen(who, callback=gone)
    assert (choice.contact_point_id, choice.answers_event_id) == (A, None)


def test_after_an_abandoned_call_only_a_preview_until_another_dial() -> None:
    who = subject(phone("a"), phone("b"))
    abandoned = event(Kind.ABANDONED, ago(days=4), phone=A)
    assert chosen(who, abandoned).preview_only
    fault = event(Kind.NOT_CONNECTED_NETWORK, ago(days=3), phone=A)
    assert chosen(who, abandoned, fault).preview_only
    assert not chosen(who, abandoned, *rang(B, 1)).preview_only
    assert not chosen(who, abandoned, callback=wish(A)).preview_only
    assert not chosen(who, *rang(B, 5), *rang(B, 1)).preview_only


# --- whatever the facts ----------------------------------------------------------------------

POINTS = st.lists(
    st.builds(
        ContactPointFacts,
        contact_point_id=st.sampled_from("abcdef").map(ContactPointId),
        kind=st.sampled_from([ContactPointKind.PHONE] * 4 + [ContactPointKind.EMAIL]),
        address=st.just("+573001234567"),
        label=st.sampled_from(PointLabel),
        role=st.sampled_from([PartyRole.HOLDER] * 4 + list(PartyRole)),
        validity=st.sampled_from(Validity),
        opted_out_at=st.sampled_from([None, None, NOW, ago(days=900)]),
        work_forbidden=st.booleans(),
        shared_with=st.sampled_from([(), (PersonId("other"),)]),
        also_reference=st.booleans(),
        rank=st.integers(-3, 3),
    ),
    max_size=6,
    unique_by=lambda point: point.contact_point_id,
).map(tuple)
DEBTS = st.lists(
    st.builds(
        debt,
        st.sampled_from(["d1", "d2", "d3"]),
        account=st.sampled_from([ACCOUNT, ACCOUNT, AccountId("elsewhere")]),
        status=st.sampled_from([DebtStatus.OVERDUE] * 5 + list(DebtStatus)),
        role=st.sampled_from([PartyRole.HOLDER] * 5 + list(PartyRole)),
    ),
    max_size=3,
    unique_by=lambda found: found.debt_id,
).map(tuple)
SUPPRESSIONS = st.lists(
    st.builds(
        suppression,
        st.sampled_from(SuppressionScope),
        st.sampled_from(["a", "b", "d1", ACCOUNT]),
        channel=st.sampled_from([None, Channel.VOICE, Channel.SMS]),
        starts_at=st.sampled_from([ago(days=1), NOW + timedelta(days=1)]),
        ends_at=st.sampled_from([None, NOW, NOW + timedelta(days=2)]),
    ),
    max_size=3,
).map(tuple)
HISTORIES = st.lists(
    st.builds(
        lambda minutes, kind, number, person: event(
            kind, ago(minutes=minutes), phone=number, person=person
        ),
        st.integers(0, 60 * 24 * 45),
        st.sampled_from(EventKind),
        st.sampled_from([A, B, C, None]),
        st.sampled_from([PERSON, None, PersonId("other")]),
    ),
    max_size=25,
).map(lambda events: in_order(*events))


def in_force(fact: SuppressionFact, channel: Channel) -> bool:
    return (
        fact.channel in (None, channel)
        and fact.starts_at <= NOW
        and (fact.ends_at is None or fact.ends_at > NOW)
    )


@settings(max_examples=400)
@given(POINTS, DEBTS, SUPPRESSIONS, HISTORIES, st.booleans())
def test_never_a_point_or_a_debt_that_may_not_be_used(
    points: tuple[ContactPointFacts, ...],
    debts: tuple[DebtFacts, ...],
    suppressions: tuple[SuppressionFact, ...],
    history: tuple[HistoryEvent, ...],
    asked: bool,
) -> None:
    who = suppressed(subject(*points, debts=debts), *suppressions)
    callback = wish(A) if asked else None
    choice = choose(who, ACCOUNT, history, NOW, callback=callback)
    stops = {(fact.scope, fact.target_id) for fact in suppressions if in_force(fact, Channel.VOICE)}
    may_use = {
        point.contact_point_id
        for point in points
        if point.kind is ContactPointKind.PHONE
        and not point.validity.is_dead
        and point.opted_out_at is None
        and not point.work_forbidden
        and point.role in LIABLE
        and (SuppressionScope.CONTACT_POINT, point.contact_point_id) not in stops
    }
    may_name = {
        found.debt_id
        for found in debts
        if found.account_id == ACCOUNT
        and found.status in COLLECTABLE
        and found.role in LIABLE
        and (SuppressionScope.DEBT, found.debt_id) not in stops
        and (SuppressionScope.ACCOUNT, ACCOUNT) not in stops
    }
    if isinstance(choice, Exhausted):
        assert not (may_use and may_name)
        assert (choice.missing is Missing.COLLECTABLE_DEBT) == (not may_name)
    else:
        assert choice.contact_point_id in may_use
        assert set(choice.debt_ids) == may_name
    again = choose(who, ACCOUNT, history, NOW, callback=callback)
    assert again == choice
