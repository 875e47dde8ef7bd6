"""From the end of a contact to the ledger: what is written, and where the account goes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.campaign import RetrySettings
from campaigns.dispositions import DispositionCode
from campaigns.model import Callback
from campaigns.retry import MissingFact
from compliance.messages import (
    ContactPointFacts,
    DebtFacts,
    HistoryEvent,
    PersonFacts,
    Place,
    Subject,
)
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    ContactPointId,
    ContactPointKind,
    DebtId,
    DebtStatus,
    DecisionId,
    EventKind,
    PersonId,
    StatusKind,
    SuppressionScope,
    Validity,
)
from dialer.core.call import Call, CallState
from dialer.core.desk_messages import CallbackInput, PreferenceInput
from dialer.core.outcome import (
    EVENT_RECHECK,
    Contact,
    Outcome,
    Said,
    call_result,
    disposed,
    ended,
    lost,
)
from dialer.core.records import (
    AttemptEnded,
    CallbackRequested,
    DispositionSet,
    PromiseMade,
    from_ms,
    to_ms,
)
from dialer.core.writes import (
    AddStatus,
    AddSuppression,
    CloseAttempt,
    CloseCallback,
    DisposeAttempt,
    MoveEnrolment,
    SaveCallback,
    SaveNote,
    SavePromise,
    SetValidity,
    Write,
)
from telephony_adapters.messages import AmdVerdict, CallId, HangupCause

NOW = datetime(2026, 6, 3, 16, 0, tzinfo=UTC)
ATTEMPT = DecisionId("attempt")


def no_holiday(day: date) -> bool:
    return False


def ids() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"id-{next(numbers)}"


def contact(**changes: object) -> Contact:
    point = ContactPointFacts(
        contact_point_id=ContactPointId("phone"),
        kind=ContactPointKind.PHONE,
        address="+12015550123",
        zones=("America/New_York",),
    )
    made = Contact(
        attempt_id=ATTEMPT,
        person_id=PersonId("person"),
        account_id=AccountId("account"),
        campaign_id=CampaignId("campaign"),
        point=point,
        debt_ids=(DebtId("debt"),),
        subject=Subject(
            person=PersonFacts(
                person_id=PersonId("person"), residence=Place(country="US", subdivision="US-NJ")
            ),
            contact_points=(point,),
            debts=(DebtFacts(debt_id=DebtId("debt"), account_id=AccountId("account")),),
        ),
        history=(),
        event_id="person/1",
        attempts=1,
    )
    return msgspec.structs.replace(made, **changes)


def call(**changes: object) -> Call:
    made = Call(
        call_id=CallId(ATTEMPT),
        person_id=PersonId("person"),
        account_id=AccountId("account"),
        contact_point_id=ContactPointId("phone"),
        campaign_id=CampaignId("campaign"),
        segment="",
        lease_token="lease",
        planned_at=NOW - timedelta(minutes=1),
        state=CallState.ENDED,
        ended_at=NOW,
        cause=HangupCause.NO_ANSWER,
        ringing_at=NOW - timedelta(seconds=50),
    )
    return msgspec.structs.replace(made, **changes)


def end_of(made: Call, whose: Contact | None = None) -> Outcome:
    return ended(whose or contact(), made, NOW, no_holiday, ids())


def said(code: DispositionCode, whose: Contact | None = None, **more: object) -> Outcome:
    word = msgspec.structs.replace(Said(code=code, agent_id="ana", wrap_ms=900), **more)
    return disposed(whose or contact(), word, NOW, no_holiday, ids())


def writes_of(outcome: Outcome) -> list[Write]:
    return [write for recorded in outcome.recorded for write in recorded.writes]


def body_of(outcome: Outcome) -> AttemptEnded:
    body = outcome.recorded[0].body
    assert isinstance(body, AttemptEnded)
    return body


def moves(outcome: Outcome) -> list[MoveEnrolment]:
    return [write for write in writes_of(outcome) if isinstance(write, MoveEnrolment)]


# --- the network's word ----------------------------------------------------------------------


def test_a_bridged_call_waits_for_its_agent() -> None:
    made = call(
        answered_at=NOW, live_at=NOW, assigned_at=NOW, bridged_at=NOW, agent_id="ana",
        cause=HangupCause.NORMAL_CALLEE,
    )  # fmt: skip
    outcome = end_of(made)
    assert outcome.place is None
    assert outcome.code is None
    assert writes_of(outcome) == [CloseAttempt()]
    # Until the agent says otherwise it counts as the strictest thing it may have been.
    assert body_of(outcome).outcome is EventKind.CONVERSATION
    assert body_of(outcome).talk_ms == 0


def test_an_answer_without_an_agent_is_abandoned_and_rests() -> None:
    made = call(answered_at=NOW, live_at=NOW, abandoned=True, cause=HangupCause.NORMAL_CALLER)
    outcome = end_of(made)
    assert body_of(outcome).outcome is EventKind.ABANDONED
    assert outcome.place is not None
    assert outcome.place.not_before_ms >= to_ms(NOW + timedelta(days=3))


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        (HangupCause.BUSY, EventKind.NOT_CONNECTED_BUSY),
        (HangupCause.NOT_IN_SERVICE, EventKind.NOT_CONNECTED_OUT_OF_SERVICE),
        (HangupCause.ROUTE_DOWN, EventKind.NOT_CONNECTED_NETWORK),
        (HangupCause.CANCELLED, EventKind.DIAL_REQUESTED),
        (None, EventKind.DIAL_REQUESTED),
    ],
)
def test_what_never_rang_counts_as_the_network_says(
    cause: HangupCause | None, outcome: EventKind
) -> None:
    assert body_of(end_of(call(ringing_at=None, cause=cause))).outcome is outcome


@pytest.mark.parametrize("cause", [*HangupCause, None])
def test_what_rang_counts_whatever_the_carrier_says(cause: HangupCause | None) -> None:
    assert body_of(end_of(call(cause=cause))).outcome is EventKind.RANG_NO_ANSWER


def test_a_vanished_call_is_never_taken_for_one_that_did_not_reach_anybody() -> None:
    """`FAILED` of a reconciled call is our word, not the carrier's: it may have rung."""
    made = call(ringing_at=None, cause=HangupCause.FAILED, reconciled=True)
    outcome = end_of(made)
    assert body_of(outcome).outcome is EventKind.DIAL_REQUESTED
    assert body_of(outcome).reconciled
    answered = call(cause=HangupCause.FAILED, reconciled=True, answered_at=NOW, live_at=NOW)
    assert body_of(end_of(answered)).outcome is EventKind.ABANDONED


def test_a_machine_is_no_abandoned_person() -> None:
    made = call(answered_at=NOW, amd_verdict=AmdVerdict.MACHINE, cause=HangupCause.NORMAL_CALLER)
    assert body_of(end_of(made)).outcome is EventKind.MACHINE_NO_MESSAGE


def test_what_an_agent_said_stands_when_the_end_is_lost() -> None:
    outcome = lost(contact(), NOW, no_holiday, ids(), "swept", disposed=True)
    (recorded,) = outcome.recorded
    assert isinstance(recorded.body, AttemptEnded)
    assert recorded.writes == (CloseAttempt(),)
    assert outcome.place is None, "the account goes on as the disposition has it"


def test_a_lost_attempt_counts_and_goes_on() -> None:
    outcome = lost(contact(), NOW, no_holiday, ids(), "swept")
    body = body_of(outcome)
    assert (body.outcome, body.reconciled) == (EventKind.DIAL_REQUESTED, True)
    assert CloseAttempt() in writes_of(outcome)
    assert outcome.place is not None
    assert outcome.place.not_before_ms > to_ms(NOW)
    # It was counted when it was planned.
    assert [move.attempts_added for move in moves(outcome)] == [0]


def test_a_disconnected_number_is_marked() -> None:
    outcome = end_of(call(ringing_at=None, cause=HangupCause.NOT_IN_SERVICE))
    marks = [write for write in writes_of(outcome) if isinstance(write, SetValidity)]
    assert [mark.validity for mark in marks] == [Validity.DISCONNECTED]


def test_the_campaigns_limit_ends_the_account_after_its_last_attempt() -> None:
    retry = RetrySettings(max_attempts=3)
    before = end_of(call(), contact(attempts=2, retry=retry))
    assert before.place is not None
    assert before.place.state == "waiting"
    last = end_of(call(), contact(attempts=3, retry=retry))
    assert last.place is not None
    assert last.place.state == "done"


def test_the_campaigns_gap_only_lengthens() -> None:
    gap = RetrySettings(min_gap_s=9 * 86_400)
    plain, slow = end_of(call()), end_of(call(), contact(retry=gap))
    assert plain.place is not None
    assert slow.place is not None
    assert slow.place.not_before_ms >= to_ms(NOW + timedelta(days=9)) > plain.place.not_before_ms


def test_a_callback_is_over_once_it_was_tried() -> None:
    asked = Callback(
        event_id="person/1",
        due_at=NOW,
        contact_point_id=ContactPointId("phone"),
        agent_id=None,
    )
    outcome = end_of(call(), contact(callback=asked, callback_id="callback"))
    assert CloseCallback(callback_id="callback", state="done") in writes_of(outcome)


@given(
    cause=st.sampled_from([*HangupCause, None]),
    rang=st.booleans(),
    answered=st.booleans(),
    bridged=st.booleans(),
    abandoned=st.booleans(),
    reconciled=st.booleans(),
    amd=st.sampled_from([*AmdVerdict, None]),
)
def test_every_end_closes_its_attempt_once_and_the_account_has_a_place(
    cause: HangupCause | None,
    rang: bool,
    answered: bool,
    bridged: bool,
    abandoned: bool,
    reconciled: bool,
    amd: AmdVerdict | None,
) -> None:
    made = call(
        cause=cause,
        ringing_at=NOW if rang else None,
        answered_at=NOW if answered or bridged else None,
        bridged_at=NOW if bridged else None,
        agent_id="ana" if bridged else None,
        abandoned=abandoned,
        reconciled=reconciled,
        amd_verdict=amd,
    )
    outcome = end_of(made)
    assert writes_of(outcome).count(CloseAttempt()) == 1
    assert len(outcome.recorded) == 1
    assert (outcome.place is None) == bridged == (outcome.code is None)
    if outcome.place is not None:
        assert outcome.place.state in ("ready", "waiting", "done")
        assert len(moves(outcome)) == 1
        if outcome.place.state != "done":
            assert outcome.place.not_before_ms >= to_ms(NOW)
    # Whoever was reached, or may have been, is never counted as not reached.
    reached = rang or answered or bridged or abandoned
    if reached or call_result(made).ending == "unknown":
        assert not body_of(outcome).outcome.startswith("not_connected")


# --- the agent's word --------------------------------------------------------------------------


@pytest.mark.parametrize("code", [DispositionCode.PROMISE, DispositionCode.CALLBACK])
def test_a_word_without_its_fact_is_refused(code: DispositionCode) -> None:
    with pytest.raises(MissingFact):
        said(code)


def test_a_callback_is_saved_with_the_event_that_proves_it() -> None:
    at = NOW + timedelta(hours=5)
    outcome = said(DispositionCode.CALLBACK, callback=CallbackInput(at=at, own_agent=True))
    bodies = [recorded.body for recorded in outcome.recorded]
    request = next(body for body in bodies if isinstance(body, CallbackRequested))
    saved = next(write for write in writes_of(outcome) if isinstance(write, SaveCallback))
    assert request.callback_id == saved.callback_id
    assert (request.due_ms, saved.due_ms) == (to_ms(at), to_ms(at))
    assert saved.agent_id == "ana"
    assert saved.expires_ms > saved.due_ms
    assert outcome.place is not None
    assert outcome.place.not_before_ms == to_ms(at)


def test_a_promise_rides_with_the_disposition() -> None:
    review = NOW + timedelta(days=6)
    promise = SavePromise(
        promise_id="promise",
        person_id=PersonId("person"),
        account_id=AccountId("account"),
        debt_id=DebtId("debt"),
        amount_cents=5_000,
        currency="USD",
        due_date="2026-06-08",
        method="transfer",
        captured_by="ana",
        captured_ms=to_ms(NOW),
        attempt_id=ATTEMPT,
    )
    outcome = said(DispositionCode.PROMISE, promise=promise, promise_review_at=review)
    assert promise in writes_of(outcome)
    made = [r.body for r in outcome.recorded if isinstance(r.body, PromiseMade)]
    assert [body.promise_id for body in made] == ["promise"]
    assert outcome.place is not None
    assert from_ms(outcome.place.not_before_ms) == review


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (DispositionCode.CEASE, StatusKind.CEASE),
        (DispositionCode.ATTORNEY, StatusKind.ATTORNEY),
        (DispositionCode.BANKRUPTCY, StatusKind.BANKRUPTCY),
        (DispositionCode.DECEASED, StatusKind.DECEASED),
    ],
)
def test_what_stops_contact_is_written_with_the_word(
    code: DispositionCode, status: StatusKind
) -> None:
    outcome = said(code, written=True)
    statuses = [write.kind for write in writes_of(outcome) if isinstance(write, AddStatus)]
    suppressed = [write for write in writes_of(outcome) if isinstance(write, AddSuppression)]
    assert status in statuses or any(write.scope is SuppressionScope.PERSON for write in suppressed)
    assert outcome.place is not None
    assert outcome.place.state == "done" or (
        outcome.place.not_before_ms >= to_ms(NOW + EVENT_RECHECK)
    )


def test_a_wrong_number_is_dead_for_this_person() -> None:
    outcome = said(DispositionCode.WRONG_NUMBER)
    marks = [write for write in writes_of(outcome) if isinstance(write, SetValidity)]
    assert [(m.validity, m.contact_point_id) for m in marks] == [(Validity.WRONG_NUMBER, "phone")]


def test_a_channel_that_the_person_refuses_is_closed() -> None:
    wish = PreferenceInput(channel=Channel.VOICE, refused=True)
    outcome = said(DispositionCode.NOT_THIS_WAY, preference=wish)
    closed = [write for write in writes_of(outcome) if isinstance(write, AddSuppression)]
    assert any(
        write.scope is SuppressionScope.CHANNEL and write.channel is Channel.VOICE
        for write in closed
    )


def test_a_note_is_kept_apart_from_the_event() -> None:
    outcome = said(DispositionCode.REFUSES, note="llamar con calma")
    body = outcome.recorded[0].body
    note = next(write for write in writes_of(outcome) if isinstance(write, SaveNote))
    assert isinstance(body, DispositionSet)
    assert body.note_id == note.note_id
    assert "calma" not in msgspec.json.encode(body).decode()


def test_a_claim_of_payment_holds_the_debt() -> None:
    outcome = said(DispositionCode.CLAIMS_PAID)
    held = [w for w in writes_of(outcome) if isinstance(w, AddSuppression)]
    assert any(w.scope is SuppressionScope.DEBT and w.target_id == "debt" for w in held) or any(
        getattr(w, "status", None) is DebtStatus.PAYMENT_CLAIMED for w in writes_of(outcome)
    )


SIMPLE = [code for code in DispositionCode if code.startswith(("NC-", "CI-", "CD-"))]


@given(code=st.sampled_from(SIMPLE), tries=st.integers(0, 30))
def test_every_word_is_written_once_and_places_the_account(
    code: DispositionCode, tries: int
) -> None:
    past = tuple(
        HistoryEvent(
            event_id=f"person/{n}",
            at=NOW - timedelta(hours=40 - n),
            kind=EventKind.RANG_NO_ANSWER,
            channel=Channel.VOICE,
            contact_point_id=ContactPointId("phone"),
        )
        for n in range(tries)
    )
    try:
        outcome = said(code, contact(history=past))
    except MissingFact:
        return
    assert writes_of(outcome).count(DisposeAttempt()) == 1
    assert len(moves(outcome)) == 1
    assert outcome.place is not None
    move = moves(outcome)[0]
    assert (move.state, move.not_before_ms) == outcome.place[:2]
    assert move.code == code
    assert outcome.place.state == "done" or outcome.place.not_before_ms >= to_ms(NOW)
