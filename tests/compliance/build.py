"""Short ways to write requests, facts and packs in tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache

import msgspec

from compliance.gate import decide
from compliance.messages import (
    Collector,
    ConsentFact,
    ContactPointFacts,
    ContactRequest,
    DebtFacts,
    DecisionRecord,
    Facts,
    Finding,
    HistoryEvent,
    PersonFacts,
    Place,
    PreferenceFact,
    StatusFact,
    Subject,
    SuppressionFact,
)
from compliance.packs import PackSet, load_packs, parse_pack
from compliance.permit import Allowed
from compliance.types import (
    AccountId,
    Channel,
    CollectorRole,
    ConsentScope,
    ContactPointId,
    ContactPointKind,
    ContentClass,
    DebtId,
    DecisionId,
    EventKind,
    Mode,
    Outcome,
    PersonId,
    Purpose,
    ReasonGroup,
    RuleKind,
)
from compliance.zones import zone as pinned

PERSON = PersonId("person-1")
POINT = ContactPointId("point-1")
FLORIDA = Place(country="US", subdivision="US-FL", locality="Miami")
NEW_JERSEY = Place(country="US", subdivision="US-NJ")
SANTIAGO = Place(country="CL", subdivision="CL-RM")
BOGOTA = Place(country="CO", subdivision="CO-DC")
LIMA = Place(country="PE", subdivision="PE-LIM")
MEXICO_CITY = Place(country="MX", subdivision="MX-CMX")
NUMBERS = {
    "US": "+12015550123",
    "CL": "+56221234567",
    "CO": "+573001234567",
    "PE": "+51999888777",
    "MX": "+525512345678",
}


@cache
def packs(*only: str) -> PackSet:
    """Bundled packs by id; with none given, all of them."""
    return load_packs(production=True, only=only or None)


def local(zone: str, *parts: int) -> datetime:
    """A wall-clock time of a zone (year, month, day, hour ...) as an instant."""
    year, month, day, hour, minute, second = (*parts, 0, 0, 0)[:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=pinned(zone)).astimezone(UTC)


def when(zone: str, moment: str) -> datetime:
    """`2026-11-24 08:00:00` on the clock of a zone, as an instant."""
    return datetime.fromisoformat(moment).replace(tzinfo=pinned(zone)).astimezone(UTC)


def phone(address: str = NUMBERS["US"], point: str = POINT, **fields: object) -> ContactPointFacts:
    values: dict[str, object] = {
        "contact_point_id": ContactPointId(point),
        "kind": ContactPointKind.PHONE,
        "address": address,
    }
    return ContactPointFacts(**(values | fields))  # type: ignore[arg-type]  # test shorthand


def debt(name: str = "debt-1", **fields: object) -> DebtFacts:
    values: dict[str, object] = {
        "debt_id": DebtId(name),
        "account_id": AccountId(f"account-of-{name}"),
    }
    return DebtFacts(**(values | fields))  # type: ignore[arg-type]  # test shorthand


def facts(
    place: Place | None = NEW_JERSEY,
    *,
    points: Iterable[ContactPointFacts] = (),
    debts: Iterable[DebtFacts] = (),
    history: Iterable[HistoryEvent] = (),
    consents: Iterable[ConsentFact] = (),
    preferences: Iterable[PreferenceFact] = (),
    suppressions: Iterable[SuppressionFact] = (),
    statuses: Iterable[StatusFact] = (),
    role: CollectorRole = CollectorRole.THIRD_PARTY,
    declared_zone: str | None = None,
    complete_from: datetime | None = None,
    emergencies: tuple[str, ...] = (),
) -> Facts:
    number = NUMBERS[place.country] if place and place.country in NUMBERS else NUMBERS["US"]
    return Facts(
        subject=Subject(
            person=PersonFacts(
                person_id=PERSON,
                residence=place,
                declared_zone=declared_zone,
                statuses=tuple(statuses),
            ),
            contact_points=tuple(points) or (phone(number),),
            debts=tuple(debts) or (debt(),),
            consents=tuple(consents),
            preferences=tuple(preferences),
            suppressions=tuple(suppressions),
        ),
        collector=Collector(collector_id="collector-1", role=role),
        history=tuple(history),
        complete_from=complete_from,
        emergencies=emergencies,
    )


def request(
    channel: Channel = Channel.VOICE,
    mode: Mode = Mode.PREDICTIVE,
    *,
    debts: tuple[str, ...] = ("debt-1",),
    point: str = POINT,
    purpose: Purpose = Purpose.COLLECTION,
    content: ContentClass = ContentClass.LIVE_AGENT,
    prerecorded: bool = False,
    autodialed: bool = False,
    answers: str | None = None,
    **fields: object,
) -> ContactRequest:
    asked = ContactRequest(
        decision_id=DecisionId("decision-1"),
        person_id=PERSON,
        contact_point_id=ContactPointId(point),
        channel=channel,
        mode=mode,
        purpose=purpose,
        content_class=content,
        debt_ids=tuple(DebtId(d) for d in debts),
        prerecorded=prerecorded,
        autodialed=autodialed,
        answers_event_id=answers,
    )
    return msgspec.structs.replace(asked, **fields)


def dialed(mode: Mode = Mode.PREDICTIVE, **fields: object) -> ContactRequest:
    """A call as a campaign of the dialer declares it: a number is shown, nothing is recorded."""
    values: dict[str, object] = {"caller_id_withheld": False, "recorded": False}
    return msgspec.structs.replace(request(mode=mode), **(values | fields))


def event(
    name: str,
    at: datetime,
    kind: EventKind = EventKind.RANG_NO_ANSWER,
    *,
    channel: Channel | None = Channel.VOICE,
    debts: tuple[str, ...] = ("debt-1",),
    mode: Mode | None = Mode.PREDICTIVE,
    **fields: object,
) -> HistoryEvent:
    values: dict[str, object] = {
        "event_id": name,
        "at": at,
        "kind": kind,
        "channel": channel,
        "contact_point_id": POINT,
        "debt_ids": tuple(DebtId(d) for d in debts),
        "mode": mode,
    }
    return HistoryEvent(**(values | fields))  # type: ignore[arg-type]  # test shorthand


def consent(scope: ConsentScope, given_at: datetime, **fields: object) -> ConsentFact:
    values: dict[str, object] = {
        "consent_id": f"consent-{scope}",
        "scope": scope,
        "given_at": given_at,
        "given_to": "collector",
    }
    return ConsentFact(**(values | fields))  # type: ignore[arg-type]  # test shorthand


def judge(
    known: Facts, at: datetime, asked: ContactRequest | None = None, rules: PackSet | None = None
) -> DecisionRecord:
    """The record of a decision; asserts that verdict and record agree."""
    verdict = decide(asked or dialed(), known, rules or packs(), at)
    assert isinstance(verdict, Allowed) is verdict.record.allowed
    return verdict.record


def finding(record: DecisionRecord, rule_id: str) -> Finding:
    if rule_id in record.passed:
        head = packs().heads.get(rule_id)
        return Finding(
            rule_id=rule_id,
            pack=rule_id.partition("/")[0],
            kind=RuleKind.STATUS_GATE if head is None else head.kind,
            group=ReasonGroup.STATUS if head is None else head.group,
            outcome=Outcome.PASS,
        )
    return next(f for f in record.findings if f.rule_id == rule_id)


def stops(record: DecisionRecord) -> list[str]:
    """Ids of the rules that stop a contact."""
    return [f.rule_id for f in record.findings if f.outcome.stops]


def tiny_text(rules: str, name: str = "tiny", extra: str = "") -> str:
    """A pack made of the rules given as TOML."""
    return f"""
pack = "{name}"
version = "2026.1.1"
kind = "law"
status = "machine_checked"
title = "A pack of a test"
{extra}
{rules}
"""


def tiny_pack(rules: str, name: str = "tiny", extra: str = "") -> PackSet:
    """A set of the built-in pack and one made of the rules given as TOML."""
    text = tiny_text(rules, name, extra)
    return PackSet([*packs("marcador").packs, parse_pack(text, name=f"{name}.toml")])


def rule(kind: str, params: str, *, name: str = "rule", extra: str = "") -> str:
    return f"""
[[rules]]
id = "{name}"
kind = "{kind}"
basis = "law"
confidence = "read"
citation = {{ instrument = "Test", locator = "1" }}
explain = {{ es = "es", en = "en" }}
{extra}
[rules.params]
{params}
"""
