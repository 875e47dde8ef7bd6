"""Proofs, reports, lists and orders of the compliance officer, over HTTP."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import update

from compliance.types import PersonId
from dialer.console.routes.lists import CdrAnswer, ListAnswer, SuppressionList
from dialer.console.routes.orders import ErasureList, HoldList, OverrideList, RetentionList
from dialer.console.routes.oversight import ConsentList
from dialer.console.state import REPORTS_AT_ONCE
from dialer.core.records import to_ms
from dialer.runtime.oversight import BlocksReport, CountersReport, HoursProof
from dialer.runtime.replaying import Outcome, Replayed, ReplayReport
from dialer.stores.ledger.archive import keep_packs
from dialer.stores.ledger.audit import list_audit
from dialer.stores.ledger.erasing import Erasure, ErasureState, Hold, WouldErase
from dialer.stores.ledger.overrides import Override, OverrideState
from dialer.stores.ledger.schema import account, ledger_event
from dialer.stores.ledger.users import Role
from tests.console.test_evidence import NOON, PHONE, Case, case
from tests.console.world import FakeServices, World

__all__ = ["case"]

PERIOD = {"since": "2026-11-24T00:00:00Z", "until": "2026-11-26T00:00:00Z"}


@pytest.fixture
async def kept(services: FakeServices, case: Case) -> Case:
    """The case, with the packs that decided it kept."""
    await keep_packs(services.ledger, services.packs, now_ms=to_ms(NOON))
    return case


async def two(world: World) -> tuple[str, str]:
    """Tokens of two people of compliance."""
    first = await world.token_of(Role.COMPLIANCE)
    second = await world.token(await world.user(Role.COMPLIANCE, "second"))
    return first, second


async def test_a_decision_is_replayed(world: World, kept: Case) -> None:
    for decision_id, allowed in ((kept.allowed, True), (kept.blocked, False)):
        reply = await world.call("GET", f"decisions/{decision_id}/replay", role=Role.SUPERVISOR)
        told = msgspec.json.decode(reply.raw, type=Replayed)
        assert (told.outcome, told.allowed) == (Outcome.SAME, allowed), told
    missing = await world.call("GET", "decisions/nothing/replay", role=Role.SUPERVISOR)
    assert missing.status == 404


async def test_a_sample_is_replayed_on_order(world: World, kept: Case) -> None:
    order = PERIOD | {"sample": 10}
    reply = await world.call("POST", "oversight/replays", role=Role.COMPLIANCE, json=order)
    report = msgspec.json.decode(reply.raw, type=ReplayReport)
    assert (report.decisions, report.same, report.different) == (2, 2, 0)
    async with world.ledger.read() as conn:
        assert (await list_audit(conn))[0].action == "decisions.replay"


async def test_reports(world: World, kept: Case) -> None:
    hours = await world.call("GET", "oversight/hours", role=Role.COMPLIANCE, params=PERIOD)
    proof = msgspec.json.decode(hours.raw, type=HoursProof)
    assert (proof.attempts, proof.violations) == (1, 0)
    blocks = await world.call("GET", "oversight/blocks", role=Role.MANAGER, params=PERIOD)
    report = msgspec.json.decode(blocks.raw, type=BlocksReport)
    assert (report.decided, report.blocked) == (2, 1)
    counters = await world.call("GET", "oversight/counters", role=Role.COMPLIANCE, params=PERIOD)
    used = msgspec.json.decode(counters.raw, type=CountersReport)
    assert used.decisions == 2
    only = PERIOD | {"campaign_id": "campaign-2"}
    blocks = await world.call("GET", "oversight/blocks", role=Role.MANAGER, params=only)
    assert msgspec.json.decode(blocks.raw, type=BlocksReport).decided == 1
    for path in ("wrong-parties", "complaints", "opt-outs", "abandonment", "consents"):
        params = {} if path in ("abandonment", "consents") else PERIOD
        reply = await world.call("GET", f"oversight/{path}", role=Role.COMPLIANCE, params=params)
        assert reply.status == 200, reply.raw
    assert msgspec.json.decode(reply.raw, type=ConsentList).consents == []


@pytest.mark.parametrize(
    "change",
    [{"since": "2026-11-24"}, {"since": "2026-11-24T00:00:00"}, {"until": PERIOD["since"]}],
)
async def test_a_period_that_is_none(world: World, change: dict[str, str]) -> None:
    params = PERIOD | change
    reply = await world.call("GET", "oversight/hours", role=Role.COMPLIANCE, params=params)
    assert (reply.status, reply.code) == (400, "bad_query")


async def test_only_some_reports_at_once(world: World, kept: Case) -> None:
    """They read very much, and agents' calls run in the same process."""
    token = await world.token_of(Role.COMPLIANCE)
    asked = [
        world.call("GET", "oversight/hours", token=token, params=PERIOD)
        for _ in range(REPORTS_AT_ONCE * 4)
    ]
    replies = await asyncio.gather(*asked)
    told = {reply.status for reply in replies}
    assert 200 in told
    assert told <= {200, 503}
    assert all(r.headers["Retry-After"] for r in replies if r.status == 503)
    again = await world.call("GET", "oversight/hours", role=Role.COMPLIANCE, params=PERIOD)
    assert again.status == 200


async def test_lists_in_and_out(world: World, kept: Case) -> None:
    sent = f"phone,reason\n{PHONE},complaint\n+56900000000,complaint\n"
    reply = await world.call(
        "POST",
        "suppressions/file",
        role=Role.COMPLIANCE,
        data=sent.encode(),
        headers={"Content-Type": "text/csv"},
    )
    told = msgspec.json.decode(reply.raw, type=ListAnswer)
    assert (told.lines, told.added, told.rejected) == (2, 1, 1)
    assert told.rejects[0].startswith("line,column")
    assert "+56900000000" in told.rejects[1]
    for role, shown in ((Role.COMPLIANCE, True), (Role.SUPERVISOR, False)):
        reply = await world.call("GET", "suppressions", role=role)
        (row,) = msgspec.json.decode(reply.raw, type=SuppressionList).suppressions
        assert (row.address == PHONE) is shown
        assert row.reason == "complaint"
    file = await world.call("GET", "suppressions/file", role=Role.COMPLIANCE)
    assert file.headers["Content-Type"].startswith("text/csv")
    assert file.raw.decode().count(PHONE) == 1
    path = f"suppressions/{row.suppression_id}/release"
    because = {"reason": "it was another number"}
    assert (await world.call("POST", path, role=Role.COMPLIANCE, json=because)).status == 200
    again = await world.call("POST", path, role=Role.COMPLIANCE, json=because)
    assert (again.status, again.code) == (409, "already_decided")
    reply = await world.call("GET", "suppressions", role=Role.COMPLIANCE)
    assert msgspec.json.decode(reply.raw, type=SuppressionList).suppressions == []
    for bad in (b"", b"name,reason\nAna,x\n", b"\xff\xfe"):
        reply = await world.call(
            "POST",
            "suppressions/file",
            role=Role.COMPLIANCE,
            data=bad,
            headers={"Content-Type": "text/csv"},
        )
        assert (reply.status, reply.code) == (422, "bad_upload")
    left = [p.name for p in world.services.config.data_path.iterdir()]
    assert not [name for name in left if name.startswith("oversight-")]


async def test_a_carriers_file(world: World, kept: Case) -> None:
    sent = (
        "uniqueid;called;calldate;billsec;disposition\n"
        f"{kept.allowed};{PHONE};2026-11-24 12:00:01;0;NO ANSWER\n"
        "x-1;56912340000;2026-11-24 12:00:05;33;ANSWERED\n"
        "x-2;56912340000;noon;33;ANSWERED\n"
    )
    reply = await world.call(
        "POST",
        "oversight/reconciliations",
        role=Role.COMPLIANCE,
        data=sent.encode(),
        headers={"Content-Type": "text/csv"},
        params={"zone": "America/Santiago"},
    )
    told = msgspec.json.decode(reply.raw, type=CdrAnswer)
    assert (told.report.by_call_id, told.report.without_attempt, told.report.rejected) == (1, 1, 1)
    assert told.report.reject_file is None
    assert len(told.rejects) == 2
    metrics = await world.call("GET", "/metrics", role=Role.ADMIN)
    assert 'marcador_open_reviews{kind="cdr_without_attempt"} 1.0' in metrics.raw.decode()
    assert 'marcador_open_reviews{kind="replay_difference"} 0.0' in metrics.raw.decode()


async def test_two_people_grant_an_override(world: World, kept: Case) -> None:
    first, second = await two(world)
    wish = {
        "person_id": kept.person_id,
        "rule_id": "house/no_rapid_succession",
        "reason": "asked for it",
        "ends_at": (datetime.now(UTC) + timedelta(hours=4)).isoformat(),
    }
    law = await world.call("POST", "overrides", token=first, json=wish | {"rule_id": "cl/hours"})
    assert (law.status, law.code) == (422, "not_overridable")
    late = wish | {"ends_at": (datetime.now(UTC) + timedelta(days=8)).isoformat()}
    assert (await world.call("POST", "overrides", token=first, json=late)).status == 422
    nobody = await world.call("POST", "overrides", token=first, json=wish | {"person_id": "x"})
    assert nobody.status == 404
    reply = await world.call("POST", "overrides", token=first, json=wish)
    asked = msgspec.json.decode(reply.raw, type=Override)
    assert (reply.status, asked.state) == (201, OverrideState.REQUESTED)
    path = f"overrides/{asked.override_id}"
    own = await world.call("POST", f"{path}/decision", token=first, json={"approve": True})
    assert (own.status, own.code) == (409, "same_person")
    reply = await world.call("POST", f"{path}/decision", token=second, json={"approve": True})
    assert msgspec.json.decode(reply.raw, type=Override).state is OverrideState.APPROVED
    reply = await world.call("POST", f"{path}/revoke", token=second, json={})
    assert msgspec.json.decode(reply.raw, type=Override).state is OverrideState.REVOKED
    again = await world.call("POST", f"{path}/revoke", token=second, json={})
    assert again.code == "already_decided"
    reply = await world.call("GET", "overrides", role=Role.SUPERVISOR)
    assert len(msgspec.json.decode(reply.raw, type=OverrideList).overrides) == 1


async def test_holds_and_erasure(world: World, kept: Case) -> None:
    first, second = await two(world)
    person = kept.person_id
    hold_body = {"person_id": person, "matter": "case 1"}
    reply = await world.call("POST", "holds", token=first, json=hold_body)
    hold = msgspec.json.decode(reply.raw, type=Hold)
    look = await world.call("GET", f"people/{person}/erasure", token=first)
    assert msgspec.json.decode(look.raw, type=WouldErase).holds == (hold.hold_id,)
    wish = {"person_id": person, "reason": "asked in writing"}
    held = await world.call("POST", "erasures", token=first, json=wish)
    assert (held.status, held.code) == (409, "on_hold")
    reply = await world.call("GET", "holds", role=Role.SUPERVISOR)
    assert len(msgspec.json.decode(reply.raw, type=HoldList).holds) == 1
    path = f"holds/{hold.hold_id}/release"
    freed = await world.call("POST", path, token=second, json={"reason": "closed"})
    assert freed.status == 200
    reply = await world.call("POST", "erasures", token=first, json=wish)
    asked = msgspec.json.decode(reply.raw, type=Erasure)
    path = f"erasures/{asked.erasure_id}/decision"
    own = await world.call("POST", path, token=first, json={"approve": True})
    assert own.code == "same_person"
    done = await world.call("POST", path, token=second, json={"approve": True})
    assert msgspec.json.decode(done.raw, type=Erasure).state is ErasureState.DONE
    reply = await world.call("GET", "erasures", role=Role.SUPERVISOR)
    (listed,) = msgspec.json.decode(reply.raw, type=ErasureList).erasures
    assert listed.decided_by is not None
    told = await world.call("GET", f"decisions/{kept.allowed}/replay", token=first)
    assert msgspec.json.decode(told.raw, type=Replayed).outcome is Outcome.NOT_REPLAYABLE
    log = await world.call("GET", f"people/{person}/contacts", token=first)
    assert PHONE.encode() not in log.raw
    missing = await world.call("GET", f"people/{PersonId('x')}/erasure", token=first)
    assert missing.status == 404


async def test_the_contact_log_has_counters(world: World, kept: Case) -> None:
    reply = await world.call("GET", f"people/{kept.person_id}/contacts", role=Role.COMPLIANCE)
    entries = reply.json["entries"]
    assert isinstance(entries, list)
    counted = [e for e in entries if isinstance(e, dict) and e["counters"]]
    assert len(counted) == 2


async def test_who_is_past_retention(world: World, kept: Case) -> None:
    reply = await world.call("GET", "oversight/retention", role=Role.COMPLIANCE)
    found = msgspec.json.decode(reply.raw, type=RetentionList)
    assert (found.keep_days, found.people, found.next_after) == (1096, [], None)
    async with world.ledger.write() as conn:
        await conn.execute(update(account).values(state="closed"))
        await conn.execute(update(ledger_event).values(at_ms=1))
    reply = await world.call("GET", "oversight/retention", role=Role.COMPLIANCE)
    (due,) = msgspec.json.decode(reply.raw, type=RetentionList).people
    assert (due.person_id, due.last_activity_ms) == (kept.person_id, 1)
