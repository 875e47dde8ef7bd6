"""Notices, checks of numbers and emergencies, over HTTP."""

from __future__ import annotations

import msgspec
import pytest

from dialer.console.routes.emergencies import EmergencyList
from dialer.console.routes.lists import ListAnswer
from dialer.stores.ledger.audit import list_audit
from dialer.stores.ledger.emergencies import Emergency
from dialer.stores.ledger.evidence import PersonEvidence
from dialer.stores.ledger.users import Role
from tests.console.test_evidence import DOCUMENT, PHONE, Case, case
from tests.console.world import World

__all__ = ["case"]

CSV = {"Content-Type": "text/csv"}
CODE = "US-DC:public_health"


async def told_of(world: World, case: Case, role: Role = Role.COMPLIANCE) -> PersonEvidence:
    reply = await world.call("GET", f"people/{case.person_id}/evidence", role=role)
    return msgspec.json.decode(reply.raw, type=PersonEvidence)


@pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.ADMIN])
async def test_notices_in_and_out(world: World, case: Case, role: Role) -> None:
    sent = f"documento,fecha,tipo\n{DOCUMENT},2026-11-01,carta\n{DOCUMENT},2199-01-01,carta\n"
    for added in (1, 0):
        reply = await world.call(
            "POST", "evidence/notices/file", role=role, data=sent.encode(), headers=CSV
        )
        told = msgspec.json.decode(reply.raw, type=ListAnswer)
        assert (told.lines, told.added, told.known, told.rejected) == (2, added, 1 - added, 1)
    assert "future" in told.rejects[1]
    found = await told_of(world, case, Role.SUPERVISOR)
    (notice,) = found.notices
    assert (notice.kind, notice.debt_ids) == ("letter_mailed", ())
    assert notice.source.startswith("list ")
    assert (found.dated, found.checks) == ([], [])


async def test_checks_in_and_out(world: World, case: Case) -> None:
    sent = f"numero,tipo,respuesta,fecha\n{PHONE},portability,no,2026-11-02\n"
    reply = await world.call(
        "POST", "evidence/checks/file", role=Role.ADMIN, data=sent.encode(), headers=CSV
    )
    assert msgspec.json.decode(reply.raw, type=ListAnswer).added == 1
    (check,) = (await told_of(world, case)).checks
    assert (check.address, check.kind, check.answer) == (PHONE, "portability", "no")
    (masked,) = (await told_of(world, case, Role.SUPERVISOR)).checks
    assert masked.address != PHONE
    assert masked.address.endswith(PHONE[-2:])


async def test_lists_that_are_none(world: World) -> None:
    for path in ("evidence/notices/file", "evidence/checks/file"):
        reply = await world.call("POST", path, role=Role.COMPLIANCE, data=b"a,b\n", headers=CSV)
        assert (reply.status, reply.code) == (422, "bad_upload"), reply.raw
        reply = await world.call("POST", path, role=Role.COMPLIANCE, json={})
        assert reply.status == 415
    reply = await world.call("GET", "people/nobody/evidence", role=Role.COMPLIANCE)
    assert (reply.status, reply.code) == (404, "not_found")


async def test_emergencies(world: World) -> None:
    async def emergencies(role: Role = Role.SUPERVISOR, **params: str) -> EmergencyList:
        reply = await world.call("GET", "emergencies", role=role, params=params)
        return msgspec.json.decode(reply.raw, type=EmergencyList)

    assert (await emergencies()).emergencies == []
    assert CODE in (await emergencies()).codes
    made = await world.call("POST", "emergencies", role=Role.COMPLIANCE, json={"code": CODE})
    assert made.status == 201
    declared = msgspec.json.decode(made.raw, type=Emergency)
    again = await world.call("POST", "emergencies", role=Role.COMPLIANCE, json={"code": CODE})
    assert msgspec.json.decode(again.raw, type=Emergency) == declared
    unknown = await world.call("POST", "emergencies", role=Role.COMPLIANCE, json={"code": "XX:y"})
    assert (unknown.status, unknown.code) == (422, "bad_field")
    assert CODE in unknown.raw.decode()
    over = await world.call("POST", f"emergencies/{CODE}/end", role=Role.COMPLIANCE)
    ended = msgspec.json.decode(over.raw, type=Emergency)
    assert ended.emergency_id == declared.emergency_id
    assert ended.ended_ms is not None
    assert (await emergencies(code=CODE)).emergencies == [ended]
    assert (await emergencies(code="other")).emergencies == []
    gone = await world.call("POST", f"emergencies/{CODE}/end", role=Role.COMPLIANCE)
    assert gone.status == 404
    async with world.ledger.read() as conn:
        actions = [entry.action for entry in await list_audit(conn)]
    assert actions.count("emergency.declare") == 1
    assert actions.count("emergency.end") == 1
