"""Calls to us: whose screen a number prepares, and what rules make of the call."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    ContactPointId,
    DebtId,
    DecisionId,
    EventKind,
    PartyRole,
    PersonId,
    Validity,
)
from dialer.core.inbound import (
    CALLBACK_LIFE,
    NOT_THEIRS,
    Candidate,
    MissedCall,
    by_number,
    by_reference,
    missed,
    of_inbound,
)
from dialer.core.outcome import Outcome, Recorded
from dialer.core.records import (
    AnyBody,
    AttemptEnded,
    DispositionSet,
    IdentityChecked,
    InboundContact,
    InboundDisposed,
    InboundEnded,
    StreamRow,
    fold_history,
    to_ms,
)
from dialer.core.writes import (
    CloseAttempt,
    CloseInbound,
    DisposeAttempt,
    DisposeInbound,
    MoveEnrolment,
    SaveCallback,
)
from tests.core.test_outcome import NOW, contact

CALL = DecisionId("01CALL")
P = PersonId("p")


def candidate(person: str = "p", account: str = "a", **changes: object) -> Candidate:
    made = Candidate(
        person_id=PersonId(person),
        account_id=AccountId(account),
        contact_point_id=ContactPointId(f"c-{person}"),
        role=PartyRole.HOLDER,
    )
    return msgspec.structs.replace(made, **changes)


def test_one_persons_number_prepares_the_screen_of_the_account_that_is_worked() -> None:
    worked = candidate(account="b", campaign_id=CampaignId("k"), priority=1)
    assert by_number([candidate(priority=9), worked]) == worked
    assert by_number([candidate(priority=1), candidate(account="b", priority=5)]) == candidate(
        account="b", priority=5
    )


@pytest.mark.parametrize(
    "candidates",
    [
        [],
        [candidate(), candidate("other")],
        [candidate(shared=True)],
        [candidate(point_role=PartyRole.REFERENCE)],
        [candidate(role=PartyRole.REFERENCE)],
        *([candidate(validity=validity)] for validity in NOT_THEIRS),
    ],
)
def test_a_number_that_is_anybodys_guess_prepares_nothing(candidates: list[Candidate]) -> None:
    assert by_number(candidates) is None


@given(
    st.lists(
        st.builds(
            candidate,
            st.sampled_from(["p", "q"]),
            st.sampled_from(["a", "b"]),
            shared=st.booleans(),
            validity=st.sampled_from(list(Validity)),
            role=st.sampled_from(list(PartyRole)),
        ),
        max_size=4,
    )
)
def test_whoever_is_chosen_is_the_only_person_of_the_number(candidates: list[Candidate]) -> None:
    found = by_number(candidates)
    if found is not None:
        assert {c.person_id for c in candidates} == {found.person_id}
        assert not any(c.shared for c in candidates)


def test_a_reference_means_the_holder_of_one_account() -> None:
    co_debtor = candidate("q", role=PartyRole.CO_DEBTOR, priority=9)
    assert by_reference([co_debtor, candidate()]) == candidate()
    assert by_reference([candidate(), candidate(account="b")]) is None
    assert by_reference([candidate("r", role=PartyRole.REFERENCE)]) is None


def rows(*bodies: AnyBody) -> list[StreamRow]:
    return [StreamRow(P, seq, 1_000 * seq, body) for seq, body in enumerate(bodies, 1)]


CALLED = InboundContact(
    kind=EventKind.INBOUND_CALL,
    channel=Channel.VOICE,
    contact_point_id=ContactPointId("c"),
    debt_ids=(DebtId("d"),),
    call_id=CALL,
)
ENDED = InboundEnded(call_id=CALL, outcome=EventKind.CONVERSATION, agent_id="ana")
CHECKED = IdentityChecked(attempt_id=CALL, agent_id="ana", passed=True, factors=())


def said(outcome: EventKind) -> InboundDisposed:
    return InboundDisposed(call_id=CALL, code="x", outcome=outcome, agent_id="ana")


@pytest.mark.parametrize(
    ("bodies", "kinds", "misdirected"),
    [
        ((CALLED,), [EventKind.INBOUND_CALL], False),
        (
            (CALLED, InboundEnded(call_id=CALL, outcome=EventKind.INBOUND_CALL, missed=True)),
            [EventKind.INBOUND_CALL],
            False,
        ),
        ((CALLED, ENDED), [EventKind.INBOUND_CALL, EventKind.CONVERSATION], False),
        (
            (CALLED, ENDED, said(EventKind.CONVERSATION)),
            [EventKind.INBOUND_CALL, EventKind.CONVERSATION],
            False,
        ),
        (
            (CALLED, ENDED, said(EventKind.ANSWERED_THIRD_PARTY)),
            [EventKind.INBOUND_CALL],
            True,
        ),
        # The engine died: they had been verified, so they had spoken with us.
        ((CALLED, CHECKED), [EventKind.INBOUND_CALL, EventKind.CONVERSATION], False),
        (
            (CALLED, msgspec.structs.replace(CHECKED, passed=False)),
            [EventKind.INBOUND_CALL],
            False,
        ),
    ],
)
def test_what_rules_see_of_a_call_to_us(
    bodies: tuple[AnyBody, ...], kinds: list[EventKind], misdirected: bool
) -> None:
    events = fold_history(rows(*bodies))
    assert [event.kind for event in events] == kinds
    assert events[0].misdirected is misdirected
    assert len({event.event_id for event in events}) == len(events)
    if len(events) == 2:
        assert events[1].answers_event_id == events[0].event_id
        assert events[1].debt_ids == (DebtId("d"),)


def test_no_attempt_of_ours_ends_with_a_call_to_us() -> None:
    move = MoveEnrolment(
        campaign_id=CampaignId("k"),
        account_id=AccountId("a"),
        state="waiting",
        not_before_ms=1,
        reason="r",
    )
    ended = AttemptEnded(attempt_id=CALL, outcome=EventKind.CONVERSATION, code="", talk_ms=5)
    told = DispositionSet(
        attempt_id=CALL, code="CD-IP", outcome=EventKind.CONVERSATION, agent_id="ana"
    )
    outcome = of_inbound(
        Outcome(
            (Recorded(ended, (CloseAttempt(),)), Recorded(told, (DisposeAttempt(), move))),
            None,
            None,
        )
    )
    assert [type(r.body) for r in outcome.recorded] == [InboundEnded, InboundDisposed]
    assert [r.writes for r in outcome.recorded] == [
        (CloseInbound(call_id=CALL),),
        (move, DisposeInbound(call_id=CALL)),
    ]


def test_the_wish_of_a_missed_call_lasts_from_the_call_and_not_from_when_it_is_found() -> None:
    found = NOW + CALLBACK_LIFE - timedelta(hours=1)
    caller = contact(attempt_id=CALL)
    told = MissedCall(began_at=NOW, cause="unknown")
    recorded, place = missed(caller, told, found, lambda: "id", call_back=True)
    (saved,) = [w for w in recorded.writes if isinstance(w, SaveCallback)]
    assert saved.expires_ms == to_ms(NOW + CALLBACK_LIFE)
    assert place is not None
    late = found + timedelta(hours=1)
    recorded, place = missed(caller, told, late, lambda: "id", call_back=True)
    assert (recorded.writes, place) == ((CloseInbound(call_id=CALL),), None)
