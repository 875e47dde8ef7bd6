"""From ledger rows to what rules count."""

from __future__ import annotations

import pytest

from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    ContactPointId,
    DebtId,
    DecisionId,
    EventKind,
    Mode,
    PersonId,
)
from dialer.core.records import (
    AnyBody,
    AttemptEnded,
    AttemptPlanned,
    ContactBlocked,
    DispositionSet,
    InboundContact,
    StreamRow,
    fold_history,
    from_ms,
    to_ms,
)

PERSON = PersonId("p")
ATTEMPT = DecisionId("d")

PLANNED = AttemptPlanned(
    attempt_id=ATTEMPT,
    campaign_id=CampaignId("k"),
    account_id=AccountId("a"),
    contact_point_id=ContactPointId("c"),
    channel=Channel.VOICE,
    mode=Mode.PREDICTIVE,
    debt_ids=(DebtId("x"),),
)
RANG = AttemptEnded(attempt_id=ATTEMPT, outcome=EventKind.RANG_NO_ANSWER, code="NC-NA")
TALKED = AttemptEnded(attempt_id=ATTEMPT, outcome=EventKind.CONVERSATION, code="")
WRONG = DispositionSet(
    attempt_id=ATTEMPT, code="CI-TN", outcome=EventKind.ANSWERED_WRONG_PARTY, agent_id="ana"
)


def rows(*bodies: AnyBody) -> list[StreamRow]:
    return [StreamRow(PERSON, seq, 1_000 * seq, body) for seq, body in enumerate(bodies, 1)]


@pytest.mark.parametrize(
    ("bodies", "kind"),
    [
        ((PLANNED,), EventKind.DIAL_REQUESTED),
        ((PLANNED, RANG), EventKind.RANG_NO_ANSWER),
        ((PLANNED, TALKED), EventKind.CONVERSATION),
        ((PLANNED, TALKED, WRONG), EventKind.ANSWERED_WRONG_PARTY),
        ((PLANNED, WRONG, TALKED), EventKind.ANSWERED_WRONG_PARTY),
    ],
)
def test_an_attempt_is_one_event_of_its_last_known_kind(
    bodies: tuple[AnyBody, ...], kind: EventKind
) -> None:
    (event,) = fold_history(rows(*bodies))
    assert event.kind is kind
    assert event.at == from_ms(1_000)
    assert event.event_id == "p/1"
    assert event.debt_ids == (DebtId("x"),)


def test_a_contact_that_was_not_made_does_not_count() -> None:
    blocked = ContactBlocked(
        decision_id=ATTEMPT,
        campaign_id=None,
        account_id=AccountId("a"),
        contact_point_id=ContactPointId("c"),
        channel=Channel.VOICE,
        rule_id="us/hours",
    )
    assert fold_history(rows(blocked)) == ()


def test_what_the_person_does_counts_as_theirs() -> None:
    (event,) = fold_history(
        rows(InboundContact(kind=EventKind.INBOUND_CALL, channel=Channel.VOICE))
    )
    assert (event.kind, event.person_id) == (EventKind.INBOUND_CALL, PERSON)


@pytest.mark.parametrize("at_ms", [0, 1, 999, 1_795_418_169_781])
def test_milliseconds_survive(at_ms: int) -> None:
    assert to_ms(from_ms(at_ms)) == at_ms
