"""Lists and reports on both engines: suppressions, opt-outs, consents, abandonment, CDRs."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from compliance.messages import ConsentFact
from compliance.types import ConsentScope, EventKind
from dialer.core.records import SubjectChanged, to_ms
from dialer.core.writes import AddConsent
from dialer.runtime.oversight import (
    abandonment,
    blocks_by_rule,
    counters_used,
    opt_out_latency,
    prove_hours,
)
from dialer.runtime.reconciling import BadCdr, CdrOptions, reconcile
from dialer.runtime.suppression_files import read_list, write_list
from dialer.stores.ledger.oversight import Period, consents
from dialer.stores.ledger.reviews import list_reviews
from dialer.stores.ledger.schema import attempt
from dialer.stores.ledger.streams import NewEvent
from dialer.stores.ledger.suppression_lists import list_suppressions, release_suppression
from tests.runtime.officer.world import ANA, EVA, LUIS, MIDNIGHT, NOON, SHARED, House

LATER = NOON + timedelta(days=8)


async def test_a_list_stops_contacts_and_a_release_lets_them_go(
    house: House, tmp_path: Path
) -> None:
    file, rejects = tmp_path / "list.csv", tmp_path / "rejects.csv"
    file.write_text(f"document,phone,reason,scope\n{ANA},,cease,\n,{SHARED},complaint,\n,,x,\n")
    read = await read_list(house.ledger, file, rejects=rejects, actor="eva", now=NOON)
    assert (read.lines, read.added, read.known, read.rejected) == (3, 3, 0, 1)
    again = await read_list(house.ledger, file, rejects=rejects, actor="eva", now=LATER)
    assert (again.added, again.known) == (0, 3)
    for name in ("A-1", "A-2"):
        assert (await house.decide(name, NOON)).dial is None
    out = io.StringIO()
    assert await write_list(house.ledger, out, actor="eva", now_ms=to_ms(NOON)) == 3
    assert out.getvalue().count(SHARED) == 2
    async with house.ledger.write() as conn:
        found = await list_suppressions(conn, now_ms=to_ms(NOON))
        held = {row.person_id for row in found if row.reason == "complaint"}
        assert held == {house.people[LUIS], house.people[EVA]}
        (cease,) = [row for row in found if row.reason == "cease"]
        await release_suppression(
            conn, cease.suppression_id, reason="withdrawn", actor="eva", now_ms=to_ms(NOON)
        )
    assert (await house.decide("A-1", NOON)).dial is not None


async def test_an_opt_out_list_is_measured(house: House, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"document,reason,starts\n{ANA},opt_out,2026-11-24T14:00:00+00:00\n")
    await house.call("A-1", NOON)  # said before, entered too late
    await read_list(house.ledger, file, rejects=tmp_path / "r.csv", actor="eva", now=LATER)
    report = await opt_out_latency(house.ledger, Period(portfolio_id=house.portfolio_id))
    assert (report.requests, report.contacted_after, report.holds) == (1, 1, False)
    elsewhere = await opt_out_latency(house.ledger, Period(since=LATER))
    assert (elsewhere.requests, elsewhere.holds) == (0, True)


async def test_abandonment_by_campaign(house: House) -> None:
    await house.call("A-1", NOON, outcome=EventKind.CONVERSATION, talk_ms=1_000)
    await house.call("A-2", NOON, outcome=EventKind.ABANDONED)
    at = NOON + timedelta(minutes=10)
    report = await abandonment(house.ledger, at, campaign_id=house.campaign_id, portfolio_id=None)
    assert [(s.span, s.live_answered, s.abandoned) for s in report.spans] == [
        ("30_d", 2, 1),
        ("24_h", 2, 1),
        ("30_min", 2, 1),
    ]
    assert not report.holds
    late = await abandonment(
        house.ledger, NOON + timedelta(days=2), campaign_id=None, portfolio_id=house.portfolio_id
    )
    assert [s.span for s in late.spans] == ["30_d"]
    none = await abandonment(house.ledger, at, campaign_id="other", portfolio_id=None)
    assert none.spans == []


async def test_consents_with_their_evidence(house: House) -> None:
    person = house.people[ANA]
    fact = ConsentFact(
        consent_id="c-1",
        scope=ConsentScope.HOURS,
        given_at=NOON,
        evidence="call of 2026-11-24, minute 3",
    )
    body = SubjectChanged(change="consent", target="c-1")
    write = AddConsent(person_id=person, consent=fact)
    await house.decider.store.append(
        [NewEvent(person_id=person, at_ms=to_ms(NOON), body=body, writes=(write,))]
    )
    async with house.ledger.read() as conn:
        (row,) = await consents(conn, portfolio_id=house.portfolio_id)
        assert row.evidence == fact.evidence
        assert await consents(conn, person_id=house.people[LUIS]) == []
        assert await consents(conn, after="c-1") == []


async def test_reports_by_period_campaign_and_portfolio(house: House) -> None:
    await house.blocked("A-1", MIDNIGHT)
    await house.work("A-1", NOON)
    await house.work("A-2", NOON)
    whole = Period(campaign_id=house.campaign_id, portfolio_id=house.portfolio_id)
    proof = await prove_hours(house.ledger, whole)
    assert proof.holds
    assert proof.attempts >= 2
    assert sum(proof.tzdata.values()) == proof.attempts
    blocks = await blocks_by_rule(house.ledger, whole)
    assert blocks.blocked == sum(rule.headline for rule in blocks.rules) > 0
    assert (await counters_used(house.ledger, whole)).holds
    for none in (
        Period(campaign_id="other"),
        Period(portfolio_id="other"),
        Period(until=MIDNIGHT),
        Period(since=LATER),
    ):
        assert (await blocks_by_rule(house.ledger, none)).decided == 0
        assert (await prove_hours(house.ledger, none)).attempts == 0


async def test_a_carriers_file(house: House, tmp_path: Path) -> None:
    first = await house.call("A-1", NOON)
    second = await house.call("A-2", NOON, outcome=EventKind.CONVERSATION, talk_ms=60_000)
    async with house.ledger.write() as conn:
        await conn.execute(
            update(attempt)
            .where(attempt.c.attempt_id == second.contact.attempt_id)
            .values(connect_ms=1_000)
        )
    file, rejects = tmp_path / "cdr.csv", tmp_path / "rejects.csv"
    rows = [
        "sid,to,start,duration",
        f"{first.contact.attempt_id},{first.contact.point.address},2026-11-24T15:00:01Z,0",
        f",{second.contact.point.address[3:]},2026-11-24T15:00:01Z,61",
    ]
    file.write_text("\n".join(rows))
    options = CdrOptions()
    report = await reconcile(house.ledger, file, options, rejects=rejects, actor="eva", now=LATER)
    assert report.holds, report
    assert (report.by_call_id, report.by_number, report.attempts) == (1, 1, 2)
    file.write_text("\n".join([*rows[:2], rows[2].replace(",61", ",0"), "x,1,2,3"]))
    report = await reconcile(house.ledger, file, options, rejects=rejects, actor="eva", now=LATER)
    assert [d.kind for d in report.differences] == ["only_ledger_answered"]
    assert report.rejected == 1
    assert rejects.read_text().splitlines()[1].startswith("4,number,")
    async with house.ledger.read() as conn:
        (review,) = await list_reviews(conn, kind="cdr_difference")
    assert review.person_id == second.contact.person_id


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,b\n1,2\n", "number"),
        (b"number,start\n1,2\n", "duration"),
        (b"\xff\xfe", "UTF-8"),
        (b"", "number"),
    ],
)
async def test_a_file_that_is_none(house: House, tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "cdr.csv"
    file.write_bytes(content)
    with pytest.raises(BadCdr, match=told):
        await reconcile(
            house.ledger,
            file,
            CdrOptions(),
            rejects=tmp_path / "r.csv",
            actor="eva",
            now=NOON,
        )
