"""Pure parts of written messages: what is planned, what follows, how far a message comes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.campaign import CampaignSettingsError, load_settings
from campaigns.content.sending import ApprovedTemplate
from compliance.messages import (
    Collector,
    ContactPointFacts,
    DebtFacts,
    PersonFacts,
    Place,
    Subject,
    SuppressionFact,
)
from compliance.packs import PackSet, load_packs
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    CollectorRole,
    ContactPointId,
    ContactPointKind,
    DebtId,
    DebtStatus,
    DecisionId,
    LineType,
    Mode,
    PartyRole,
    PersonId,
    StreamKey,
    SuppressionScope,
)
from dialer.core.deciding import CampaignContext
from dialer.core.messages_outcome import (
    RANKS,
    InDoubt,
    NotTaken,
    Taken,
    meaning_of,
    sending_ended,
)
from dialer.core.messages_planning import (
    Asked,
    DebtValues,
    MessagePlan,
    PersonValues,
    plan_message,
    template_for,
)
from dialer.core.opt_out_links import OptOutLink, read_token, token_of, url_of
from dialer.core.records import AttemptEnded, AttemptPlanned, StreamRow
from dialer.core.snapshots import AccountSnapshot, EnrolmentState, PersonSnapshot
from dialer.core.writes import AddSuppression, MoveEnrolment, MoveMessage, SetValidity
from telephony_adapters.messaging import DeliveryState, Refusal
from tests.support.letters import blast, contact_request

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
ACCOUNT, PERSON, CAMPAIGN = AccountId("account"), PersonId("person"), CampaignId("campaign")
NUMBERS = ("+56912345678", "+56987654321")


@cache
def all_packs() -> PackSet:
    return load_packs(production=False)


@pytest.fixture(scope="module")
def packs() -> PackSet:
    return all_packs()


def subject(
    *,
    suppressions: tuple[SuppressionFact, ...] = (),
    opted_out: frozenset[int] = frozenset(),
    lines: tuple[LineType, ...] = (LineType.MOBILE, LineType.MOBILE),
    status: DebtStatus = DebtStatus.OVERDUE,
) -> Subject:
    return Subject(
        person=PersonFacts(
            person_id=PERSON,
            residence=Place(country="CL", subdivision="CL-RM"),
            zones=("America/Santiago",),
            language="es",
        ),
        contact_points=tuple(
            ContactPointFacts(
                contact_point_id=ContactPointId(f"point-{index}"),
                kind=ContactPointKind.PHONE,
                address=number,
                line=line,
                zones=("America/Santiago",),
                region="CL",
                rank=index,
                opted_out_at=NOW - timedelta(days=1) if index in opted_out else None,
            )
            for index, (number, line) in enumerate(zip(NUMBERS, lines, strict=True))
        ),
        debts=(DebtFacts(debt_id=DebtId("debt"), account_id=ACCOUNT, status=status),),
        suppressions=suppressions,
    )


def account(known: Subject, rows: list[StreamRow] | None = None) -> AccountSnapshot:
    heads = {StreamKey(PERSON): len(rows or [])}
    person = PersonSnapshot(PERSON, PartyRole.HOLDER, known, heads, rows or [], [])
    standing = EnrolmentState("ready", 0, 1, 0, None)
    return AccountSnapshot(ACCOUNT, "active", "1-30", standing, [person], [])


def values(name: str = "Ana Torres") -> dict[tuple[AccountId, PersonId], PersonValues]:
    debt = DebtValues(DebtId("debt"), "REF-1234", "CLP", 1_000, 1_000, date(2026, 11, 1), NOW)
    return {(ACCOUNT, PERSON): PersonValues(name, "CL", "tarjeta", "Banco", "BP", (debt,))}


def plan(
    packs: PackSet,
    known: Subject,
    *,
    now: datetime = NOW,
    rows: list[StreamRow] | None = None,
    name: str = "Ana Torres",
) -> MessagePlan:
    ids = (f"id-{n}" for n in count())
    approved = ApprovedTemplate(template=contact_request(), author="a", approved_by="b")
    asked = Asked(
        CampaignContext(
            campaign_id=CAMPAIGN,
            name="test",
            settings=blast(),
            collector=Collector(
                collector_id="house", role=CollectorRole.THIRD_PARTY, name_neutral="BP"
            ),
            lookback=timedelta(days=30),
        ),
        [approved],
        packs,
        now,
        lambda: next(ids),
        10.0,
        lambda channel, point: None,
    )
    return plan_message(account(known, rows), values(name), asked)


def stop(scope: SuppressionScope, channel: Channel | None) -> SuppressionFact:
    return SuppressionFact(
        suppression_id="s",
        scope=scope,
        reason="opt_out",
        starts_at=NOW - timedelta(hours=1),
        channel=channel,
        target_id="point-0" if scope is SuppressionScope.CONTACT_POINT else None,
    )


def test_what_is_allowed_carries_a_permit_for_exactly_that_text(packs: PackSet) -> None:
    send = plan(packs, subject()).send
    assert send is not None
    assert send.permit.decision_id == send.body.attempt_id == send.keep.message_id
    assert send.permit.address == send.keep.address == NUMBERS[0]
    assert send.permit.channel is Channel.SMS
    assert send.prepared.text.startswith("BP: hola, Ana.")
    assert send.body.text_sha256 == send.keep.text_sha256
    assert send.body.template == "contact-request-es/1"
    proof = send.record.decode()
    assert '"text_sha256"' in proof  # of the text as it was approved, so that it can be replayed
    assert "Ana" not in proof
    assert NUMBERS[0] not in proof


@settings(deadline=None)
@given(
    scope=st.sampled_from(
        (SuppressionScope.CHANNEL, SuppressionScope.PERSON, SuppressionScope.CONTACT_POINT)
    ),
    channel=st.sampled_from((None, Channel.SMS, Channel.VOICE, Channel.EMAIL)),
    opted_out=st.frozensets(st.sampled_from((0, 1))),
    lines=st.tuples(*[st.sampled_from((LineType.MOBILE, LineType.FIXED, LineType.UNKNOWN))] * 2),
    status=st.sampled_from(list(DebtStatus)),
    hour=st.integers(0, 23),
)
def test_nothing_is_sent_to_whom_it_may_not(
    scope: SuppressionScope,
    channel: Channel | None,
    opted_out: frozenset[int],
    lines: tuple[LineType, LineType],
    status: DebtStatus,
    hour: int,
) -> None:
    packs = all_packs()
    fact = stop(scope, channel)
    now = NOW.replace(hour=hour)
    known = subject(suppressions=(fact,), opted_out=opted_out, lines=lines, status=status)
    planned = plan(packs, known, now=now)
    stopped = channel in (None, Channel.SMS)
    if planned.send is None:
        assert planned.place is not None
        return
    index = NUMBERS.index(planned.send.keep.address)
    assert not (stopped and scope is not SuppressionScope.CONTACT_POINT)
    assert not (stopped and scope is SuppressionScope.CONTACT_POINT and index == 0)
    assert index not in opted_out
    assert lines[index] is not LineType.FIXED
    assert status in (DebtStatus.OVERDUE, DebtStatus.CURRENT, DebtStatus.CHARGED_OFF)
    assert 11 <= hour < 23  # 8:00 to 20:00 in Santiago
    assert planned.send.permit.expires_at > now


def test_a_value_that_cannot_be_told_skips_the_person(packs: PackSet) -> None:
    planned = plan(packs, subject(), name="")
    assert planned.send is None
    assert planned.skipped == "text:missing_value:first_name"
    assert planned.blocked == ()
    smuggled = plan(packs, subject(), name="Deuda Vencida")
    assert smuggled.skipped == "text:lint:first_name"


def test_an_open_attempt_is_waited_for(packs: PackSet) -> None:
    body = AttemptPlanned(
        attempt_id=DecisionId("old"),
        campaign_id=CAMPAIGN,
        account_id=ACCOUNT,
        contact_point_id=ContactPointId("point-0"),
        channel=Channel.SMS,
        mode=Mode.BLAST,
        debt_ids=(),
    )
    rows = [StreamRow(PERSON, 1, 0, body)]
    planned = plan(packs, subject(), rows=rows)
    assert planned.send is None
    assert planned.place is not None
    assert planned.place.reason == "attempt_open"


def test_the_text_is_in_the_persons_language() -> None:
    spanish = ApprovedTemplate(template=contact_request("es-text"), author="a", approved_by="b")
    assert template_for([spanish], "en-US") is spanish
    assert template_for([spanish], None) is spanish


# --- outcomes ------------------------------------------------------------------------------------


def sent(packs: PackSet) -> MessagePlan:
    return plan(packs, subject())


@pytest.mark.parametrize("refusal", list(Refusal))
def test_what_was_certainly_not_taken_is_tried_again_or_never(
    packs: PackSet, refusal: Refusal
) -> None:
    send = sent(packs).send
    assert send is not None
    new = iter(f"w{n}" for n in count())
    result = sending_ended(
        send.contact, NotTaken(refusal=refusal), NOW, lambda day: False, lambda: next(new)
    )
    ((body, writes),) = [(r.body, r.writes) for r in result.recorded]
    assert isinstance(body, AttemptEnded)
    (move,) = [w for w in writes if isinstance(w, MoveMessage)]
    (place,) = [w for w in writes if isinstance(w, MoveEnrolment)]
    counts = meaning_of(DeliveryState.BOUNCED, refusal).outcome
    assert counts in ("message_bounced",)
    assert body.outcome in ("message_bounced", "not_connected_network")
    assert move.state == ("bounced" if refusal.is_permanent else "not_sent")
    assert place.state == ("done" if refusal is Refusal.OPTED_OUT else "waiting")
    dead = [w for w in writes if isinstance(w, SetValidity)]
    assert bool(dead) is (refusal is Refusal.INVALID_ADDRESS)
    stops = [w for w in writes if isinstance(w, AddSuppression)]
    assert bool(stops) is (refusal in (Refusal.NOT_MOBILE, Refusal.OPTED_OUT))
    assert all(w.channel is Channel.SMS for w in stops)


def test_what_was_taken_or_is_in_doubt_counts_and_is_done(packs: PackSet) -> None:
    send = sent(packs).send
    assert send is not None
    for sending in (Taken(provider_id="p"), InDoubt()):
        result = sending_ended(send.contact, sending, NOW, lambda day: False, lambda: "w")
        (recorded,) = result.recorded
        assert isinstance(recorded.body, AttemptEnded)
        assert recorded.body.outcome == "message_sent"
        assert result.place is not None
        assert result.place.state == "done"


@given(st.lists(st.sampled_from(list(DeliveryState)), max_size=8))
def test_the_furthest_state_stands_whatever_the_order(told: list[DeliveryState]) -> None:
    now: DeliveryState | None = None
    for state in told:
        if state.follows(now):
            assert now is None or RANKS[state] > RANKS[now]
            now = state
    if told and now is not None:
        assert all(not state.follows(now) or not now.is_final for state in told)
        assert now.is_final or RANKS[now] == max(RANKS[s] for s in told)


# --- links and settings --------------------------------------------------------------------------


@given(st.text(max_size=60))
def test_nobody_can_make_a_link(token: str) -> None:
    key, link = b"k" * 32, OptOutLink(Channel.EMAIL, ContactPointId("01POINT"))
    good = token_of(key, link)
    assert read_token(key, good) == link
    assert read_token(b"x" * 32, good) is None
    assert read_token(key, token) is None
    assert read_token(key, good.replace("01POINT", "02POINT")) is None
    assert read_token(key, good.replace("email", "sms")) is None
    assert url_of("https://p.example/", key, link) == f"https://p.example/u/{good}"
    assert url_of("", key, link) is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"mode": "blast", "channel": "sms"}', "message"),
        ('{"mode": "blast"}', "channel"),
        ('{"channel": "sms"}', "mode"),
        ('{"mode": "blast", "channel": "letter", "message": {"templates": ["a"]}}', "channel"),
        ('{"mode": "blast", "channel": "sms", "message": {"templates": []}}', "message.templates"),
        (
            '{"mode": "blast", "channel": "sms", "message": {"templates": ["a"], "x": 1}}',
            "message.x",
        ),
    ],
)
def test_settings_of_messages_name_what_is_wrong(text: str, key: str) -> None:
    with pytest.raises(CampaignSettingsError) as caught:
        load_settings(text)
    assert caught.value.key == key
