"""Decisions, explanations, contact logs, reviews and questions to the gate, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from sqlalchemy import select

from campaigns.portfolio.model import FlagAction, FlagKind
from compliance import gate
from compliance.messages import Collector, ContactRequest, DecisionRecord, Facts
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    CollectorRole,
    ContactPointId,
    DecisionId,
    EventKind,
    Mode,
    PersonId,
)
from dialer.console import contact_log
from dialer.console.contact_log import ContactLog, DecisionDetail, Verdict
from dialer.console.routes.evidence import DecisionList
from dialer.core.records import AttemptEnded, AttemptPlanned, ContactBlocked, to_ms
from dialer.core.writes import CloseAttempt, OpenAttempt, OpenReview
from dialer.runtime.checking import Answer
from dialer.runtime.explaining import Story
from dialer.stores.ledger import schema
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.profiles import read_subjects
from dialer.stores.ledger.streams import Appended, EventStore, NewEvent
from dialer.stores.ledger.users import Role
from tests.console.world import FakeServices, World
from tests.stores.ledger.relational.world import (
    account,
    bring_in,
    flag,
    new_context,
    party,
    person_of,
    phone,
)

PHONE = "+56987654321"
DOCUMENT = "11111111-1"
NOON = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


class Case(msgspec.Struct):
    """One person with decisions in the ledger."""

    person_id: PersonId
    account_id: AccountId
    point_id: ContactPointId
    allowed: str = "decision-allowed"
    blocked: str = "decision-blocked"
    campaign_id: str = "campaign-1"


def decided(
    services: FakeServices, case: Case, facts: Facts, decision_id: str, at: datetime
) -> DecisionRecord:
    request = ContactRequest(
        decision_id=DecisionId(decision_id),
        person_id=case.person_id,
        contact_point_id=case.point_id,
        channel=Channel.VOICE,
        mode=Mode.PREDICTIVE,
        debt_ids=tuple(debt.debt_id for debt in facts.subject.debts),
        campaign_id=CampaignId(case.campaign_id),
        caller_id_withheld=False,
    )
    return gate.decide(request, facts, services.packs, at).record


@pytest.fixture
async def case(ledger: Ledger, services: FakeServices) -> Case:
    """Somebody in Chile, called at noon, not called at midnight."""
    context = await new_context(ledger)
    await bring_in(ledger, context, account("A-1", party(DOCUMENT, phone(PHONE))))
    async with ledger.read() as conn:
        person_id = await person_of(conn, f"doc:rut:{DOCUMENT}")
        subject = (await read_subjects(conn, [person_id]))[0]
        account_id = (await conn.execute(select(schema.account.c.account_id))).scalar_one()
    case = Case(person_id, AccountId(account_id), subject.contact_points[0].contact_point_id)
    collector = Collector(
        collector_id="house", role=CollectorRole.THIRD_PARTY, name_neutral="Servicios"
    )
    facts = Facts(subject=subject, collector=collector)
    noon = decided(services, case, facts, case.allowed, NOON)
    midnight = decided(services, case, facts, case.blocked, MIDNIGHT)
    assert (noon.allowed, midnight.allowed) == (True, False)
    results = await services.events.append(
        [
            NewEvent(
                person_id=person_id,
                at_ms=to_ms(NOON),
                body=AttemptPlanned(
                    attempt_id=noon.decision_id,
                    campaign_id=CampaignId(case.campaign_id),
                    account_id=case.account_id,
                    contact_point_id=case.point_id,
                    channel=Channel.VOICE,
                    mode=Mode.PREDICTIVE,
                    debt_ids=noon.request.debt_ids,
                ),
                record=msgspec.json.encode(noon),
                writes=(OpenAttempt(),),
            ),
            NewEvent(
                person_id=person_id,
                at_ms=to_ms(NOON) + 20_000,
                body=AttemptEnded(
                    attempt_id=noon.decision_id, outcome=EventKind.RANG_NO_ANSWER, code="SY-NA"
                ),
                writes=(CloseAttempt(),),
            ),
            NewEvent(
                person_id=person_id,
                at_ms=to_ms(MIDNIGHT),
                body=ContactBlocked(
                    decision_id=midnight.decision_id,
                    campaign_id=CampaignId("campaign-2"),
                    account_id=case.account_id,
                    contact_point_id=case.point_id,
                    channel=Channel.VOICE,
                    rule_id=next(f.rule_id for f in midnight.findings if f.outcome.stops),
                ),
                record=msgspec.json.encode(midnight),
            ),
        ]
    )
    assert all(isinstance(result, Appended) for result in results)
    return case


# --- decisions -----------------------------------------------------------------------------------


async def decisions(world: World, **query: str) -> DecisionList:
    reply = await world.call("GET", "decisions", role=Role.COMPLIANCE, params=query)
    assert reply.status == 200, reply.raw
    return msgspec.json.decode(reply.raw, type=DecisionList)


async def test_decisions_are_found_by_person_campaign_and_verdict(world: World, case: Case) -> None:
    both = await decisions(world)
    assert [d.decision_id for d in both.decisions] == [case.blocked, case.allowed]
    assert both.next_before is None
    newest, oldest = both.decisions
    assert (newest.verdict, oldest.verdict) == (Verdict.BLOCKED, Verdict.ALLOWED)
    assert newest.rule_id
    assert oldest.rule_id is None
    for query, found in (
        ({"verdict": "allowed"}, [case.allowed]),
        ({"verdict": "blocked"}, [case.blocked]),
        ({"campaign_id": case.campaign_id}, [case.allowed]),
        ({"campaign_id": "none"}, []),
        ({"person_id": case.person_id}, [case.blocked, case.allowed]),
        ({"person_id": case.person_id, "verdict": "blocked"}, [case.blocked]),
        ({"person_id": "nobody"}, []),
    ):
        listed = await decisions(world, **query)
        assert [d.decision_id for d in listed.decisions] == found, query


async def test_pages_meet_without_gap_or_overlap(
    world: World, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a page looks at few events and finds nothing among them."""
    for looked_at, chunk in ((1, 1), (2, 1), (2, 200), (20_000, 1), (20_000, 200)):
        monkeypatch.setattr(contact_log, "LOOKED_AT", looked_at)
        monkeypatch.setattr(contact_log, "CHUNK", chunk)
        for query in ({}, {"person_id": case.person_id}):
            found: list[str] = []
            before: dict[str, str] = {}
            for _ in range(20):
                page = await decisions(world, limit="1", **query, **before)
                found += [d.decision_id for d in page.decisions]
                if page.next_before is None:
                    break
                before = {"before": str(page.next_before)}
            assert found == [case.blocked, case.allowed], (looked_at, chunk, query)
            assert page.next_before is None


async def test_one_decision_with_its_proof_and_its_end(world: World, case: Case) -> None:
    reply = await world.call("GET", f"decisions/{case.allowed}", role=Role.SUPERVISOR)
    allowed = msgspec.json.decode(reply.raw, type=DecisionDetail)
    assert allowed.record is not None
    assert allowed.record.allowed
    assert allowed.record.findings
    assert len(allowed.hash) == 64
    assert allowed.attempt is not None
    assert allowed.attempt.outcome is EventKind.RANG_NO_ANSWER
    reply = await world.call("GET", f"decisions/{case.blocked}", role=Role.COMPLIANCE)
    blocked = msgspec.json.decode(reply.raw, type=DecisionDetail)
    assert blocked.attempt is None
    assert blocked.record is not None
    assert not blocked.record.allowed
    missing = await world.call("GET", "decisions/none", role=Role.COMPLIANCE)
    assert (missing.status, missing.code) == (404, "not_found")


async def test_a_decision_is_explained_in_both_languages(world: World, case: Case) -> None:
    told: dict[str, str] = {}
    for language in ("es", "en"):
        reply = await world.call(
            "GET",
            f"decisions/{case.blocked}/explanation",
            role=Role.SUPERVISOR,
            params={"language": language},
        )
        story = msgspec.json.decode(reply.raw, type=Story)
        assert [d.decision_id for d in story.decisions] == [case.blocked]
        explanation = story.decisions[0].explanation
        assert explanation is not None
        assert not explanation.allowed
        assert explanation.first_allowed_local
        assert any(line.citation is not None for line in explanation.reasons())
        told[language] = explanation.headline
    assert told["es"] != told["en"]
    header = {"Accept-Language": "en"}
    reply = await world.call(
        "GET", f"decisions/{case.blocked}/explanation", role=Role.ADMIN, headers=header
    )
    assert told["en"].encode() in reply.raw
    for path in ("decisions/none/explanation", f"decisions/{case.account_id}/explanation"):
        missing = await world.call("GET", path, role=Role.COMPLIANCE)
        assert missing.code == "not_found"


async def test_explanations_by_phone_show_whole_numbers_to_compliance_only(
    world: World, case: Case
) -> None:
    for role, shown in ((Role.COMPLIANCE, PHONE), (Role.SUPERVISOR, "+56*******21")):
        reply = await world.call("GET", "explanations", role=role, params={"of": PHONE})
        story = msgspec.json.decode(reply.raw, type=Story)
        assert {told.address for told in story.decisions} == {shown}
        assert story.person_ids == (case.person_id,)
    nothing = await world.call("GET", "explanations", role=Role.ADMIN, params={"of": "+5690000"})
    assert (nothing.status, nothing.error["where"]) == (404, "of")


# --- people --------------------------------------------------------------------------------------


async def test_the_contact_log_is_masked_paged_and_its_reading_recorded(
    world: World, case: Case
) -> None:
    path = f"people/{case.person_id}/contacts"
    for role, shown in ((Role.COMPLIANCE, PHONE), (Role.SUPERVISOR, "+56*******21")):
        reply = await world.call("GET", path, role=role)
        found = msgspec.json.decode(reply.raw, type=ContactLog)
        kinds = [entry.kind for entry in found.entries]
        assert kinds == ["contact_blocked", "attempt_ended", "attempt_planned", "person_imported"]
        assert found.addresses == {case.point_id: shown}
        assert found.next_before is None
    seen: list[str] = []
    before: dict[str, str] = {}
    while True:
        params = {"limit": "2", **before}
        reply = await world.call("GET", path, role=Role.SUPERVISOR, params=params)
        page = msgspec.json.decode(reply.raw, type=ContactLog)
        seen += [entry.event_id for entry in page.entries]
        if page.next_before is None:
            break
        before = {"before": str(page.next_before)}
    assert seen == [f"{case.person_id}/{seq}" for seq in (4, 3, 2, 1)]

    trail = await world.call("GET", "audit", role=Role.ADMIN, params={"target": case.person_id})
    entries = trail.json["entries"]
    assert isinstance(entries, list)
    assert len(entries) == 1, "whole numbers were shown once"
    nobody = await world.call("GET", "people/nobody/contacts", role=Role.COMPLIANCE)
    assert nobody.code == "not_found"


# --- reviews -------------------------------------------------------------------------------------


async def test_a_review_is_resolved_once_and_frees_what_it_held(
    world: World, ledger: Ledger
) -> None:
    context = await new_context(ledger)
    held = flag(FlagKind.ATTORNEY, "parece que tiene abogado", action=FlagAction.REVIEW)
    await bring_in(ledger, context, account("A-1", party(DOCUMENT, phone(PHONE)), flags=(held,)))
    listed = (await world.call("GET", "reviews", role=Role.MANAGER)).json["reviews"]
    assert isinstance(listed, list)
    assert len(listed) == 1
    review = listed[0]
    assert isinstance(review, dict)
    path = f"reviews/{review['review_id']}/resolve"

    blank = await world.call("POST", path, role=Role.COMPLIANCE, json={"resolution": "  "})
    assert (blank.status, blank.error["where"]) == (422, "resolution")
    body = {"resolution": "no tiene abogado: lo confirmó por escrito"}
    assert (await world.call("POST", path, role=Role.MANAGER, json=body)).code == "forbidden"
    done = await world.call("POST", path, role=Role.COMPLIANCE, json=body)
    assert (done.status, done.json["state"]) == (200, "resolved")
    assert done.json["resolved_by"] == world.users[Role.COMPLIANCE].user_id
    again = await world.call("POST", path, role=Role.SUPERVISOR, json=body)
    assert (again.status, again.code) == (409, "already_resolved")
    missing = await world.call("POST", "reviews/none/resolve", role=Role.COMPLIANCE, json=body)
    assert missing.code == "not_found"

    assert (await world.call("GET", "reviews", role=Role.MANAGER)).json["reviews"] == []
    resolved = await world.call("GET", "reviews", role=Role.MANAGER, params={"state": "resolved"})
    assert resolved.json["reviews"] == [done.json]
    async with ledger.read() as conn:
        person_id = await person_of(conn, f"doc:rut:{DOCUMENT}")
        subject = (await read_subjects(conn, [person_id]))[0]
    assert all(s.ends_at is not None for s in subject.suppressions)


async def test_reviews_are_paged(world: World, ledger: Ledger, case: Case) -> None:
    store = EventStore(ledger)
    for number in range(5):
        review = OpenReview(
            review_id=f"review-{number}",
            kind="test",
            person_id=case.person_id,
            account_id=case.account_id,
            text="look",
            source="tests",
            created_ms=to_ms(NOON),
        )
        blocked = ContactBlocked(
            decision_id=DecisionId(f"d-{number}"),
            campaign_id=None,
            account_id=case.account_id,
            contact_point_id=case.point_id,
            channel=Channel.VOICE,
            rule_id="r",
        )
        event = NewEvent(
            person_id=case.person_id, at_ms=to_ms(NOON), body=blocked, writes=(review,)
        )
        await store.append([event])
    seen: list[object] = []
    after: dict[str, str] = {}
    while True:
        params = {"limit": "2", **after}
        page = (await world.call("GET", "reviews", role=Role.COMPLIANCE, params=params)).json
        assert isinstance(page["reviews"], list)
        seen += [r["review_id"] for r in page["reviews"] if isinstance(r, dict)]
        if page["next_after"] is None:
            break
        after = {"after": str(page["next_after"])}
    assert seen == [f"review-{number}" for number in range(5)]


# --- the gate ------------------------------------------------------------------------------------


def question(now: str) -> dict[str, object]:
    return {
        "request": {
            "decision_id": "d1",
            "person_id": "p1",
            "contact_point_id": "c1",
            "channel": "voice",
            "mode": "predictive",
            "debt_ids": ["b1"],
            "caller_id_withheld": False,
        },
        "facts": {
            "subject": {
                "person": {"person_id": "p1", "residence": {"country": "CL"}},
                "contact_points": [
                    {"contact_point_id": "c1", "kind": "phone", "address": PHONE, "line": "mobile"}
                ],
                "debts": [{"debt_id": "b1", "account_id": "a1"}],
            },
            "collector": {"collector_id": "house", "role": "third_party"},
        },
        "now": now,
    }


async def test_a_question_to_the_gate(world: World) -> None:
    for now, allowed in (
        ("2026-11-24T12:00:00-03:00", True),
        ("2026-11-24T23:30:00-03:00", False),
    ):
        reply = await world.call("POST", "compliance/check", role=Role.MANAGER, json=question(now))
        answer = msgspec.json.decode(reply.raw, type=Answer)
        assert answer.allowed is allowed
        assert answer.es.headline != answer.en.headline
    async with world.ledger.read() as conn:
        assert (await conn.execute(select(schema.ledger_event))).all() == [], "nothing recorded"


async def test_a_question_without_ids(world: World) -> None:
    asked = {
        "request": {"channel": "voice", "mode": "predictive", "caller_id_withheld": False},
        "facts": {
            "subject": {
                "person": {"residence": {"country": "CL"}},
                "contact_points": [{"address": PHONE}],
                "debts": [{}],
            },
            "collector": {"role": "third_party"},
        },
        "now": "2026-11-24T12:00:00-03:00",
    }
    reply = await world.call("POST", "compliance/check", role=Role.MANAGER, json=asked)
    assert msgspec.json.decode(reply.raw, type=Answer).allowed is True


async def test_questions_that_cannot_be_read(world: World) -> None:
    good = question("2026-11-24T12:00:00-03:00")
    for change, code, where in (
        ({"now": "2026-11-24T12:00:00"}, "bad_question", "now"),
        ({"packs": ["atlantis"]}, "bad_question", "packs[0]"),
        ({"request": {"channel": "pigeon"}}, "bad_field", "request"),
        ({"colour": "red"}, "bad_field", "colour"),
    ):
        reply = await world.call(
            "POST", "compliance/check", role=Role.COMPLIANCE, json={**good, **change}
        )
        assert (reply.status, reply.code) == (422, code), reply.raw
        assert reply.error["where"].startswith(where)
