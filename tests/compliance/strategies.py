"""Random people, histories, contacts and clocks for tests of the gate."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import msgspec
from hypothesis import strategies as st

from compliance.messages import (
    AbandonmentStat,
    ConsentFact,
    ContactPointFacts,
    ContactRequest,
    Facts,
    HistoryEvent,
    NumberCheckFact,
    Place,
    PreferenceFact,
    StatusFact,
    SuppressionFact,
    TrafficStat,
    WeeklyInterval,
)
from compliance.types import (
    Attestation,
    Channel,
    CollectorRole,
    ConsentScope,
    ContactPointId,
    ContentClass,
    DebtStatus,
    EventKind,
    Mode,
    PartyRole,
    PersonId,
    PointLabel,
    StatusKind,
    SuppressionScope,
    Validity,
)
from tests.compliance.build import consent, debt, event, facts, phone, request

SECOND = timedelta(seconds=1)
START = datetime(2026, 1, 5, tzinfo=UTC)
PLACES = [
    (Place(country="US", subdivision="US-FL"), "+18505550123"),
    (Place(country="US", subdivision="US-NJ"), "+12015550123"),
    (Place(country="US", subdivision="US-DC"), "+12025550123"),
    (Place(country="US", subdivision="US-WA"), "+12065550123"),
    (Place(country="US"), "+13105550123"),
    (Place(country="CL", subdivision="CL-RM"), "+56221234567"),
    (Place(country="CL", subdivision="CL-AI"), "+56912345678"),
    (Place(country="CL"), "+56322100000"),
    (Place(country="CO", subdivision="CO-DC"), "+573001234567"),
    (Place(country="PE", subdivision="PE-LIM"), "+51999888777"),
    (Place(country="MX", subdivision="MX-CHH"), "+526141234567"),
    (Place(country="PY"), "+595981234567"),
    (Place(country="PA"), "+50761234567"),
    (Place(country="AR", subdivision="AR-C"), "+541143210000"),
    (None, "+56221234567"),
]
OUTCOMES = [
    EventKind.DIAL_REQUESTED,
    EventKind.RANG_NO_ANSWER,
    EventKind.MACHINE_MESSAGE,
    EventKind.NOT_CONNECTED_BUSY,
    EventKind.ABANDONED,
    EventKind.CONVERSATION,
    EventKind.INBOUND_CALL,
    EventKind.INBOUND_MESSAGE,
    EventKind.MESSAGE_SENT,
    EventKind.CALLBACK_REQUESTED,
    EventKind.LETTER_MAILED,
    EventKind.NOTICE_GIVEN,
]


RARE = st.sampled_from([False] * 7 + [True])
OTHERS = {"person_id": PersonId("another"), "household_id": "home", "collector_id": "earlier"}
STATEMENTS = [
    "business_name",
    "reply_request",
    "contact_name",
    "callback_number",
    "salutation",
    "creditor",
    "not_a_seizure",
    "recording_notice",
    "languages",
    "opt_out",
]


def instants(days: int = 400) -> st.SearchStrategy[datetime]:
    """Instants to the millisecond, over every change of clocks of a year."""
    return st.integers(0, days * 86_400_000).map(lambda ms: START + timedelta(milliseconds=ms))


@st.composite
def histories(draw: st.DrawFn, now: datetime) -> list[HistoryEvent]:
    made: list[HistoryEvent] = []
    for n in range(draw(st.integers(0, 10))):
        days = draw(st.sampled_from([2, 12, 12, 65]))
        ago = timedelta(minutes=draw(st.integers(1, days * 24 * 60)))
        kind = draw(st.sampled_from(OUTCOMES))
        inbound = kind in (EventKind.INBOUND_CALL, EventKind.INBOUND_MESSAGE)
        made.append(
            event(
                f"e{n}",
                now - ago,
                kind,
                channel=draw(st.sampled_from([Channel.VOICE, Channel.SMS, None])),
                debts=draw(st.sampled_from([(), ("debt-1",), ("debt-2", "debt-1")])),
                mode=None if inbound else draw(st.sampled_from([Mode.PREDICTIVE, Mode.MANUAL])),
                label=draw(st.sampled_from([None, PointLabel.WORK, PointLabel.HOME])),
                misdirected=draw(st.integers(0, 9)) == 0,
                prerecorded=draw(RARE),
                role=draw(st.sampled_from([None, None, PartyRole.ATTORNEY, PartyRole.RELATIVE])),
                **(OTHERS if draw(RARE) else {}),
                retry_of=f"e{n - 1}" if n and draw(RARE) else None,
            )
        )
    return made


@st.composite
def wishes(draw: st.DrawFn, now: datetime, later: datetime) -> PreferenceFact:
    """A preference of any form, about some hours of some days."""
    spans = tuple(
        WeeklyInterval(
            weekdays=draw(st.sampled_from([(1, 2, 3, 4, 5), (2, 4), (6, 7)])),
            start=time(draw(st.integers(0, 23)), draw(st.sampled_from([0, 30]))),
            end=time(draw(st.integers(0, 23))),
        )
        for _ in range(draw(st.integers(0, 2)))
    )
    wanted = draw(st.booleans())
    return PreferenceFact(
        preference_id="p",
        at=now,
        allowed=spans if wanted else (),
        forbidden=() if wanted else spans,
        forbidden_labels=(PointLabel.HOME,) if draw(st.booleans()) else (),
        source=draw(st.sampled_from(["", "person", "agent"])),
        expires_at=draw(st.sampled_from([None, later])),
    )


@st.composite
def figures(draw: st.DrawFn, known: Facts, now: datetime) -> Facts:
    """The same facts with what a dialer and a look-up may know besides."""
    resets = draw(st.sampled_from([None, now + timedelta(hours=5)]))
    stats = [
        AbandonmentStat(
            window_s=seconds,
            live_answered=draw(st.integers(0, 300)),
            abandoned=draw(st.integers(0, 12)),
            resets_at=resets,
        )
        for seconds in draw(st.sampled_from([(), (86_400, 30 * 86_400)]))
    ]
    traffic = TrafficStat(
        window_s=86_400, placed=200_000, short=draw(st.integers(50_000, 200_000)), short_s=6
    )
    checks = [
        NumberCheckFact(
            kind="reassigned_numbers_database",
            contact_point_id=ContactPointId("point-1"),
            checked_at=now - timedelta(days=draw(st.sampled_from([0, 5, 29, 30, 45, 80]))),
            answer=draw(st.sampled_from(["no", "no", "yes", "no_data"])),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    person = msgspec.structs.replace(
        known.subject.person, language=draw(st.sampled_from([None, "es", "en-US"]))
    )
    subject = msgspec.structs.replace(known.subject, number_checks=tuple(checks), person=person)
    ended = {"CL:earthquake": now - timedelta(days=draw(st.integers(0, 12)))}
    return msgspec.structs.replace(
        known,
        subject=subject,
        abandonment=tuple(stats),
        traffic=draw(st.sampled_from([(), (traffic,)])),
        ended_emergencies=draw(st.sampled_from([{}, {}, ended])),
        campaign_started_at=draw(st.sampled_from([None, now - timedelta(days=70)])),
    )


@st.composite
def declarations(draw: st.DrawFn) -> dict[str, object]:
    """What a contact declares about itself, or does not."""
    if draw(RARE):
        return {}
    said = draw(st.sets(st.sampled_from(STATEMENTS), max_size=6))
    return {
        "statements": None if draw(RARE) else tuple(sorted(said)),
        "text": draw(st.sampled_from([None, "No es un procedimiento de embargo. STOP", "Hola"])),
        "language": draw(st.sampled_from([None, "es", "en"])),
        "caller_id": draw(st.sampled_from([None, "+56600123456", "+12015550100"])),
        "caller_id_withheld": draw(st.sampled_from([None, False, True])),
        "attestation": draw(st.sampled_from([None, *Attestation])),
        "ring_timeout_s": draw(st.sampled_from([None, 10, 25])),
        "connect_limit_ms": draw(st.sampled_from([None, 1500, 2500])),
        "abandon_message": draw(st.sampled_from([None, (), ("identity", "callback_number")])),
        "recorded": draw(st.sampled_from([True, True, False, None])),
        "recording_can_pause": draw(st.sampled_from([None, False, True])),
    }


@st.composite
def subjects(draw: st.DrawFn, now: datetime) -> Facts:
    place, number = draw(st.sampled_from(PLACES))
    rare = RARE
    points: list[ContactPointFacts] = [
        phone(
            number,
            label=draw(st.sampled_from(list(PointLabel))),
            validity=draw(st.sampled_from([Validity.UNVERIFIED, Validity.VERIFIED_RIGHT_PARTY])),
            shared_with=(PersonId("another"),) if draw(rare) else (),
            role=PartyRole.REFERENCE if draw(rare) else PartyRole.HOLDER,
            opted_out_at=now if draw(rare) else None,
        )
    ]
    if draw(rare):
        points.append(phone("+18085550123", "point-2"))
    later = now + timedelta(minutes=draw(st.integers(1, 30 * 24 * 60)))
    wish = draw(wishes(now, later))
    statuses = [StatusFact(kind=StatusKind.CEASE, since=now, until=later)] if draw(rare) else []
    suppressions = [
        SuppressionFact(
            suppression_id="s",
            scope=draw(st.sampled_from(list(SuppressionScope))),
            reason="manual",
            starts_at=now,
            ends_at=draw(st.sampled_from([None, later])),
        )
    ]
    consents: list[ConsentFact] = [consent(ConsentScope.CHANNEL, now - timedelta(days=20))]
    if draw(rare):
        shift = timedelta(hours=draw(st.integers(-200, 200)))
        consents.append(consent(ConsentScope.FREQUENCY, now + shift))
        consents.append(consent(ConsentScope.HOURS, now + shift, expires_at=later))
    return facts(
        place,
        points=points,
        debts=[
            debt(status=DebtStatus.DISPUTED if draw(rare) else DebtStatus.OVERDUE),
            debt(
                "debt-2",
                account_number_key="k" if draw(rare) else None,
                validation_sent_at=draw(
                    st.sampled_from([None, None, now - timedelta(days=2), now - timedelta(days=9)])
                ),
            ),
        ],
        history=draw(histories(now)),
        consents=consents,
        statuses=statuses,
        suppressions=suppressions if draw(rare) else [],
        preferences=[wish] if draw(rare) else [],
        role=draw(st.sampled_from(list(CollectorRole))),
        complete_from=now - timedelta(days=3) if draw(rare) else None,
    )


@st.composite
def questions(draw: st.DrawFn) -> tuple[ContactRequest, Facts, datetime]:
    now = draw(instants())
    known = draw(subjects(now))
    channel = draw(st.sampled_from([Channel.VOICE, Channel.VOICE, Channel.SMS]))
    if draw(st.booleans()):
        known = draw(figures(known, now))
    answers = None
    mode = draw(st.sampled_from([Mode.PREDICTIVE, Mode.MANUAL, Mode.REPLY, Mode.CALLBACK]))
    if mode in (Mode.REPLY, Mode.CALLBACK) and known.history:
        answers = draw(st.sampled_from([e.event_id for e in known.history]))
    asked = request(
        channel,
        mode,
        debts=draw(st.sampled_from([("debt-1",), ("debt-2",), ("debt-1", "debt-2")])),
        content=draw(st.sampled_from([ContentClass.NEUTRAL, ContentClass.VERIFIED])),
        prerecorded=draw(st.booleans()),
        answers=answers,
        **draw(declarations()),  # type: ignore[arg-type]  # test shorthand
    )
    return asked, known, now
