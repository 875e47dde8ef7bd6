"""What planning does with an account when everything about it is awkward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import count

import msgspec
import pytest

from campaigns.campaign import CampaignSettings, RetrySettings
from compliance.messages import (
    AbandonmentStat,
    Collector,
    ContactPointFacts,
    DebtFacts,
    PersonFacts,
    StatusFact,
    Subject,
    SuppressionFact,
)
from compliance.packs import PackSet
from compliance.types import (
    AccountId,
    Attestation,
    CampaignId,
    Channel,
    CollectorRole,
    ContactPointId,
    ContactPointKind,
    DebtId,
    DecisionId,
    EventKind,
    Mode,
    PartyRole,
    PersonId,
    StatusKind,
    StreamKey,
    Validity,
)
from dialer.core.deciding import CampaignContext
from dialer.core.planning import (
    AGENT_RETRY,
    DIALLING_RETRY,
    IN_FLIGHT_RETRY,
    OWN_AGENT_PATIENCE,
    Plan,
    caller_id_of,
    plan,
)
from dialer.core.records import (
    AttemptEnded,
    AttemptPlanned,
    CallbackRequested,
    StreamRow,
    from_ms,
    to_ms,
)
from dialer.core.reopening import contact_of_attempt
from dialer.core.snapshots import AccountSnapshot, EnrolmentState, OpenCallback, PersonSnapshot
from tests.compliance.build import NEW_JERSEY, local, packs, rule, tiny_pack
from tests.support.permits import permissive_packs

NOW = local("America/New_York", 2026, 6, 3, 12)
ACCOUNT = AccountId("account")
CAMPAIGN = CampaignId("campaign")
HOLDER = PersonId("holder")
GUARANTOR = PersonId("guarantor")
VERIFIED = Validity.VERIFIED_RIGHT_PARTY


def phone(name: str, **changes: object) -> ContactPointFacts:
    number = f"+1201555{1000 + sum(map(ord, name)):04d}"
    point = ContactPointFacts(
        contact_point_id=ContactPointId(name), kind=ContactPointKind.PHONE, address=number
    )
    return msgspec.structs.replace(point, **changes)


def planned(
    attempt: str, at: datetime, *, point: str = "phone-1", person: PersonId = HOLDER, seq: int = 1
) -> StreamRow:
    body = AttemptPlanned(
        attempt_id=DecisionId(attempt),
        campaign_id=CAMPAIGN,
        account_id=ACCOUNT,
        contact_point_id=ContactPointId(point),
        channel=Channel.VOICE,
        mode=Mode.PREDICTIVE,
        debt_ids=(DebtId("debt"),),
    )
    return StreamRow(person, seq, to_ms(at), body)


def ended(
    attempt: str, at: datetime, outcome: EventKind, *, person: PersonId = HOLDER, seq: int = 2
) -> StreamRow:
    body = AttemptEnded(attempt_id=DecisionId(attempt), outcome=outcome, code="")
    return StreamRow(person, seq, to_ms(at), body)


def person(
    *points: ContactPointFacts,
    person_id: PersonId = HOLDER,
    role: PartyRole = PartyRole.HOLDER,
    rows: Iterable[StreamRow] = (),
    statuses: tuple[StatusFact, ...] = (),
    suppressions: tuple[SuppressionFact, ...] = (),
) -> PersonSnapshot:
    mine = points or (phone(f"phone-1{person_id[:1]}" if person_id != HOLDER else "phone-1"),)
    history = list(rows)
    subject = Subject(
        person=PersonFacts(person_id=person_id, residence=NEW_JERSEY, statuses=statuses),
        contact_points=mine,
        debts=(DebtFacts(debt_id=DebtId("debt"), account_id=ACCOUNT, role=role),),
        suppressions=suppressions,
    )
    return PersonSnapshot(
        person_id=person_id,
        role=role,
        subject=subject,
        heads={StreamKey(person_id): max((row.seq for row in history), default=0)},
        rows=history,
        related=[],
    )


def account(
    *people: PersonSnapshot,
    state: str = "active",
    enrolled: EnrolmentState | None = EnrolmentState("ready", 0, 0, 0, None),
    callbacks: Iterable[OpenCallback] = (),
) -> AccountSnapshot:
    return AccountSnapshot(
        account_id=ACCOUNT,
        state=state,
        bucket="31-60",
        enrolment=enrolled,
        people=list(people) or [person()],
        callbacks=list(callbacks),
    )


def campaign(**changes: object) -> CampaignContext:
    settings = msgspec.structs.replace(CampaignSettings(), **changes)
    return CampaignContext(
        campaign_id=CAMPAIGN,
        name="campaign",
        settings=settings,
        collector=Collector(collector_id="house", role=CollectorRole.THIRD_PARTY),
        lookback=timedelta(days=40),
    )


def decide(
    asked: AccountSnapshot,
    *,
    idle: Callable[[str | None], bool] = lambda agent_id: True,
    under: PackSet | None = None,
    now: datetime = NOW,
    how: CampaignContext | None = None,
) -> Plan:
    numbers = count(1)
    return plan(
        asked,
        how or campaign(),
        under or permissive_packs(),
        now,
        lambda: f"decision-{next(numbers)}",
        idle,
        10.0,
    )


def callback(
    due: datetime, *, agent: str | None = None, who: PersonId = HOLDER, point: str = "phone-1"
) -> OpenCallback:
    return OpenCallback(
        callback_id="callback",
        person_id=who,
        contact_point_id=ContactPointId(point),
        campaign_id=CAMPAIGN,
        due_ms=to_ms(due),
        expires_ms=to_ms(due + timedelta(days=2)),
        agent_id=agent,
        event_id=f"{who}/1",
    )


def asked_for(due: datetime, who: PersonId = HOLDER, agent: str | None = None) -> StreamRow:
    body = CallbackRequested(
        attempt_id=None,
        callback_id="callback",
        contact_point_id=ContactPointId("phone-1"),
        due_ms=to_ms(due),
        agent_id=agent,
    )
    return StreamRow(who, 1, to_ms(due - timedelta(hours=1)), body)


# --- where the ledger has the last word ------------------------------------------------------


@pytest.mark.parametrize("state", ["recalled", "closed"])
def test_a_closed_account_is_done(state: str) -> None:
    found = decide(account(state=state))
    assert found.dial is None
    assert found.place is not None
    assert found.place.state == "done"


def test_a_queue_that_offers_an_account_too_early_sends_it_back_to_sleep() -> None:
    until_ms = to_ms(NOW) + 1
    found = decide(account(enrolled=EnrolmentState("waiting", until_ms, 0, 1, "NC-NA")))
    assert (found.dial, found.place) == (None, ("waiting", until_ms, "ledger"))
    now_due = account(enrolled=EnrolmentState("waiting", to_ms(NOW), 0, 1, "NC-NA"))
    assert decide(now_due).dial is not None


def test_a_queue_that_offers_a_finished_account_is_told_so() -> None:
    found = decide(account(enrolled=EnrolmentState("done", 0, 0, 4, "CD-PP")))
    assert found.dial is None
    assert found.place is not None
    assert found.place.state == "done"


def test_an_account_that_is_not_enrolled_is_not_dialed() -> None:
    found = decide(account(enrolled=None))
    assert found.dial is None
    assert found.place is not None
    assert found.place.state == "done"


def test_attempts_end_at_the_campaigns_limit() -> None:
    how = campaign(retry=RetrySettings(max_attempts=3))
    spent = decide(account(enrolled=EnrolmentState("ready", 0, 0, 3, "NC-NA")), how=how)
    assert spent.dial is None
    assert spent.place == ("done", 0, "attempts_spent")
    last = decide(account(enrolled=EnrolmentState("ready", 0, 0, 2, "NC-NA")), how=how)
    assert last.dial is not None
    assert last.dial.contact.attempts == 3


# --- people in flight ------------------------------------------------------------------------


def test_a_person_whose_attempt_is_open_is_left_alone() -> None:
    found = decide(account(person(rows=[planned("a", NOW - timedelta(minutes=5))])))
    assert found.dial is None
    assert found.blocked == ()
    assert found.place == ("waiting", to_ms(NOW + IN_FLIGHT_RETRY), "attempt_open")


def test_an_attempt_of_another_campaign_counts_as_open_too() -> None:
    row = planned("a", NOW - timedelta(minutes=5))
    assert isinstance(row.body, AttemptPlanned)
    body = msgspec.structs.replace(row.body, campaign_id=CampaignId("another"))
    rows = [StreamRow(row.person_id, row.seq, row.at_ms, body)]
    assert decide(account(person(rows=rows))).dial is None


def test_the_second_of_two_attempts_is_open_though_the_first_has_ended() -> None:
    at = NOW - timedelta(hours=3)
    rows = [
        planned("a", at, seq=1),
        ended("a", at, EventKind.RANG_NO_ANSWER, seq=2),
        planned("b", at + timedelta(hours=2), seq=3),
    ]
    assert decide(account(person(rows=rows))).dial is None
    rows.append(ended("b", at + timedelta(hours=2), EventKind.RANG_NO_ANSWER, seq=4))
    assert decide(account(person(rows=rows))).dial is not None


def test_the_guarantor_may_be_called_while_the_holder_is_on_the_line() -> None:
    busy = person(rows=[planned("a", NOW - timedelta(minutes=1))])
    other = person(person_id=GUARANTOR, role=PartyRole.GUARANTOR)
    found = decide(account(other, busy))
    assert found.dial is not None
    assert found.dial.contact.person_id == GUARANTOR


# --- phones ----------------------------------------------------------------------------------


def test_the_second_phone_is_tried_when_the_first_is_blocked() -> None:
    """A representative may be chosen, but Regulation F does not let one be told of the debt."""
    first = phone("phone-1", role=PartyRole.REPRESENTATIVE, validity=VERIFIED)
    found = decide(account(person(first, phone("phone-2", rank=1))), under=packs("us"))
    assert [blocked.body.contact_point_id for blocked in found.blocked] == ["phone-1"]
    assert not found.blocked[0].record.allowed
    assert found.dial is not None
    assert found.dial.contact.point.contact_point_id == "phone-2"
    assert found.dial.record.allowed
    assert found.place is None


def test_when_every_phone_is_blocked_each_has_its_proof() -> None:
    first = phone("phone-1", role=PartyRole.REPRESENTATIVE, validity=VERIFIED)
    second = phone("phone-2", role=PartyRole.REPRESENTATIVE, rank=1)
    found = decide(account(person(first, second)), under=packs("us"))
    assert found.dial is None
    assert {b.body.contact_point_id for b in found.blocked} == {"phone-1", "phone-2"}
    assert len({b.body.decision_id for b in found.blocked}) == 2
    assert found.place is not None
    assert found.place.state == "waiting"


def test_an_hour_that_is_wrong_for_one_number_is_wrong_for_the_person() -> None:
    """Hours must hold in every zone of the person, so a number in Honolulu delays the others."""
    early = phone("phone-1", zones=("Pacific/Honolulu",), validity=VERIFIED)
    found = decide(account(person(early, phone("phone-2", rank=1))), under=packs("us"))
    assert found.dial is None
    assert found.blocked
    assert found.place is not None
    assert from_ms(found.place.not_before_ms) == local("Pacific/Honolulu", 2026, 6, 3, 8)


@pytest.mark.parametrize(
    "dead", [Validity.WRONG_NUMBER, Validity.DISCONNECTED, Validity.REASSIGNED]
)
def test_an_account_without_a_live_phone_sleeps_for_a_day(dead: Validity) -> None:
    found = decide(account(person(phone("phone-1", validity=dead))))
    assert (found.dial, found.blocked) == (None, ())
    assert found.place is not None
    assert found.place.state == "waiting"
    assert from_ms(found.place.not_before_ms) == NOW + timedelta(days=1)


def test_a_person_who_may_never_be_called_again_sleeps_with_a_proof() -> None:
    status = StatusFact(kind=StatusKind.CEASE, since=NOW - timedelta(days=1))
    found = decide(account(person(statuses=(status,))), under=packs("us"))
    assert found.dial is None
    assert len(found.blocked) >= 1
    assert found.blocked[0].body.first_allowed_ms is None
    assert found.place is not None
    assert from_ms(found.place.not_before_ms) >= NOW + timedelta(days=30)


def test_what_the_law_forbids_now_sleeps_until_the_first_lawful_moment() -> None:
    night = local("America/New_York", 2026, 6, 3, 22)
    found = decide(account(), under=packs("us"), now=night)
    assert found.dial is None
    assert found.place is not None
    opens = local("America/New_York", 2026, 6, 4, 8)
    assert from_ms(found.place.not_before_ms) == opens
    again = decide(account(), under=packs("us"), now=opens)
    assert again.dial is not None


def test_too_many_abandoned_calls_rest_the_campaign_and_not_the_person() -> None:
    """16 CFR 310.4(b)(4)(i): the figure is the campaign's, so no other number is tried."""
    under = tiny_pack(
        rule("abandonment_limit", 'max_rate = 0.03\nwindow = { unit = "campaign_30d" }')
    )
    figure = AbandonmentStat(window_s=30 * 86_400, live_answered=100, abandoned=3)
    how = msgspec.structs.replace(campaign(), abandonment=(figure,))
    assert decide(account(), under=under, how=how).dial is not None
    over = msgspec.structs.replace(figure, abandoned=4)
    found = decide(account(), under=under, how=msgspec.structs.replace(how, abandonment=(over,)))
    assert found.dial is None
    assert [b.body.rule_id for b in found.blocked] == ["tiny/rule"]
    assert found.place == ("waiting", to_ms(NOW + DIALLING_RETRY), "tiny/rule")


def test_a_campaign_that_abandoned_too_many_goes_on_with_agents_reserved_beforehand() -> None:
    """Where the rule binds automatic calls only, a guaranteed call is lawful."""
    limit = 'max_rate = 0.03\nwindow = { unit = "campaign_30d" }'
    under = tiny_pack(
        rule("abandonment_limit", limit, extra='when = { modes = ["predictive", "progressive"] }')
    )
    over = AbandonmentStat(window_s=30 * 86_400, live_answered=100, abandoned=4)
    how = msgspec.structs.replace(campaign(), abandonment=(over,))
    found = decide(account(), under=under, how=how)
    assert found.dial is not None
    assert (found.dial.agent_first, found.dial.body.mode) == (True, Mode.PREVIEW)
    assert found.blocked == ()
    nobody = decide(account(), under=under, how=how, idle=lambda _: False)
    assert nobody.dial is None
    assert nobody.place == ("waiting", to_ms(NOW + AGENT_RETRY), "agent_first")


def test_the_gate_is_told_what_the_campaign_declares() -> None:
    how = campaign(
        statements=("mini_miranda",),
        recorded=True,
        recording_can_pause=False,
        sender_name="Acme",
        attestation=Attestation.A,
        language="es",
        connect_limit_ms=1500,
    )
    found = decide(account(), how=how)
    assert found.dial is not None
    asked = found.dial.record.request
    assert (asked.statements, asked.sender_name) == (("mini_miranda",), "Acme")
    assert (asked.recorded, asked.recording_can_pause) == (True, False)
    assert (asked.attestation, asked.language) == (Attestation.A, "es")
    assert (asked.connect_limit_ms, asked.ring_timeout_s) == (1500, 25)
    assert asked.caller_id_withheld is False
    quiet = decide(account())
    assert quiet.dial is not None
    assert quiet.dial.record.request.statements is None


def test_the_gate_is_told_the_shortest_ring_where_calls_may_be_given_up() -> None:
    rings_long_enough = tiny_pack(rule("ring_min", "seconds = 20"))
    for after_s, allowed in ((None, True), (21, True), (15, False)):
        found = decide(account(), under=rings_long_enough, how=campaign(give_up_after_s=after_s))
        assert (found.dial is not None) is allowed, after_s


NUMBERS = tuple(f"+1202555010{n}" for n in range(5))


def test_a_person_is_shown_the_same_number_and_people_are_spread_over_them() -> None:
    people = [PersonId(f"person-{n}") for n in range(2_000)]
    shown = {p: caller_id_of(p, NUMBERS) for p in people}
    assert shown == {p: caller_id_of(p, NUMBERS[::-1]) for p in people}
    by_number = Counter(shown.values())
    assert set(by_number) == set(NUMBERS)
    assert min(by_number.values()) > 300
    fewer = {p: caller_id_of(p, NUMBERS[1:]) for p in people}
    assert {shown[p] for p in people if fewer[p] != shown[p]} == {NUMBERS[0]}
    assert caller_id_of(people[0], ()) is None


def test_a_call_shows_its_persons_number() -> None:
    found = decide(account(), how=campaign(caller_ids=NUMBERS))
    assert found.dial is not None
    asked = found.dial.record.request
    assert asked.caller_id == caller_id_of(asked.person_id, NUMBERS)
    bare = decide(account())
    assert bare.dial is not None
    assert bare.dial.record.request.caller_id is None


def test_no_place_lies_in_the_past_or_at_once() -> None:
    for at in (NOW, local("America/New_York", 2026, 6, 3, 20, 59, 59)):
        found = decide(account(), under=packs("us", "cl"), now=at)
        if found.place is not None:
            assert from_ms(found.place.not_before_ms) > at


# --- callbacks -------------------------------------------------------------------------------


def test_a_callback_reserves_the_agent_who_promised_it() -> None:
    due = NOW - timedelta(minutes=2)
    found = decide(
        account(person(rows=[asked_for(due)]), callbacks=[callback(due, agent="ana")]),
        idle=lambda agent_id: agent_id == "ana",
    )
    assert found.dial is not None
    assert found.dial.agent_first
    assert found.dial.own_agent_id == "ana"
    assert found.dial.body.mode is Mode.CALLBACK
    assert found.dial.contact.callback_id == "callback"
    assert found.dial.body.answers_event_id == f"{HOLDER}/1"


def test_a_callback_waits_for_its_busy_agent_and_not_for_ever() -> None:
    due = NOW - timedelta(minutes=2)
    asked = account(person(rows=[asked_for(due)]), callbacks=[callback(due, agent="ana")])
    others_only = decide(asked, idle=lambda agent_id: agent_id != "ana")
    assert others_only.dial is None
    assert others_only.place == ("waiting", to_ms(NOW + AGENT_RETRY), "own_agent_busy")
    later = due + OWN_AGENT_PATIENCE + timedelta(seconds=1)
    anybody = decide(asked, idle=lambda agent_id: agent_id != "ana", now=later)
    assert anybody.dial is not None
    assert anybody.dial.own_agent_id is None
    assert anybody.dial.agent_first


def test_a_callback_is_never_dialed_without_an_agent() -> None:
    due = NOW - timedelta(minutes=2)
    asked = account(person(rows=[asked_for(due)]), callbacks=[callback(due)])
    found = decide(asked, idle=lambda agent_id: False)
    assert found.dial is None
    assert found.place == ("waiting", to_ms(NOW + AGENT_RETRY), "agent_first")


def test_a_callback_that_is_not_due_or_has_expired_is_none() -> None:
    for due in (NOW + timedelta(seconds=1), NOW - timedelta(days=2)):
        found = decide(account(callbacks=[callback(due, agent="ana")]), idle=lambda _: False)
        assert found.dial is not None
        assert found.dial.body.mode is Mode.PREDICTIVE
        assert found.dial.contact.callback_id is None


def test_a_callback_is_made_to_the_person_who_asked_for_it() -> None:
    due = NOW - timedelta(minutes=2)
    holder = person()
    guarantor = person(
        phone("phone-g"),
        person_id=GUARANTOR,
        role=PartyRole.GUARANTOR,
        rows=[asked_for(due, GUARANTOR)],
    )
    wish = callback(due, who=GUARANTOR, point="phone-g")
    found = decide(account(holder, guarantor, callbacks=[wish]))
    assert found.dial is not None
    assert found.dial.contact.person_id == GUARANTOR
    assert found.dial.body.mode is Mode.CALLBACK


def test_the_callback_of_one_party_exempts_no_other() -> None:
    due = NOW - timedelta(minutes=2)
    holder = person()
    busy = person(
        phone("phone-g"),
        person_id=GUARANTOR,
        role=PartyRole.GUARANTOR,
        rows=[asked_for(due, GUARANTOR), planned("a", NOW, person=GUARANTOR, seq=2)],
    )
    wish = callback(due, who=GUARANTOR, point="phone-g")
    found = decide(account(holder, busy, callbacks=[wish]))
    assert found.dial is not None
    assert found.dial.contact.person_id == HOLDER
    assert found.dial.body.mode is Mode.PREDICTIVE
    assert found.dial.body.answers_event_id is None
    assert found.dial.contact.callback_id is None


# --- after an abandoned call -----------------------------------------------------------------


def abandoned(*more: StreamRow) -> PersonSnapshot:
    at = NOW - timedelta(hours=30)
    return person(
        rows=[planned("a", at), ended("a", at, EventKind.ABANDONED), *more],
    )


def test_after_an_abandoned_call_an_agent_is_reserved_first() -> None:
    found = decide(account(abandoned()))
    assert found.dial is not None
    assert found.dial.agent_first
    assert found.dial.body.mode is Mode.PREVIEW
    nobody = decide(account(abandoned()), idle=lambda agent_id: False)
    assert nobody.dial is None
    assert nobody.place == ("waiting", to_ms(NOW + AGENT_RETRY), "agent_first")


def test_a_callback_after_an_abandoned_call_still_has_its_agent_first() -> None:
    due = NOW - timedelta(minutes=2)
    row = StreamRow(HOLDER, 3, to_ms(due - timedelta(hours=1)), asked_for(due).body)
    wish = msgspec.structs.replace(callback(due), event_id=f"{HOLDER}/3")
    found = decide(account(abandoned(row), callbacks=[wish]))
    assert found.dial is not None
    assert found.dial.agent_first
    nobody = decide(account(abandoned(row), callbacks=[wish]), idle=lambda agent_id: False)
    assert nobody.dial is None


# --- what is appended ------------------------------------------------------------------------


def test_body_record_permit_and_contact_carry_one_id() -> None:
    dial = decide(account()).dial
    assert dial is not None
    ids = {
        dial.body.attempt_id,
        dial.record.decision_id,
        dial.contact.attempt_id,
        dial.permit.decision_id,
    }
    assert len(ids) == 1
    assert dial.record.heads == {StreamKey(HOLDER): 0}


def test_the_contact_of_another_life_is_what_it_was() -> None:
    rows = [planned("a", NOW - timedelta(minutes=9), seq=7)]
    asked = account(person(rows=rows))
    found = contact_of_attempt(asked, HOLDER, ContactPointId("phone-1"), DecisionId("a"), CAMPAIGN)
    assert found is not None
    assert found.event_id == f"{HOLDER}/7"
    assert found.debt_ids == (DebtId("debt"),)
    gone = contact_of_attempt(
        asked, PersonId("nobody"), ContactPointId("phone-1"), DecisionId("a"), CAMPAIGN
    )
    assert gone is None
