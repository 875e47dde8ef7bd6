"""Evidence that rules wait for: notices, checks of numbers, and emergencies."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.rules.windows import emergency_codes
from dialer.console.errors import BAD_UPLOAD, BODY_TOO_LARGE
from dialer.console.routes.evidence import PROOFS, Id, Page
from dialer.console.routes.lists import CSV, ListAnswer, take_list
from dialer.console.routes.ordering import OFFICERS, following, for_reader, give_order
from dialer.console.table import API, Call, Guard, Nothing, Route, not_found, route, stream
from dialer.runtime.evidence_files import read_checks, read_notices
from dialer.stores.ledger.emergencies import (
    Emergency,
    declare_emergency,
    end_emergency,
    list_emergencies,
)
from dialer.stores.ledger.evidence import PersonEvidence, evidence_of
from dialer.stores.ledger.users import Role

CLERKS: Final = frozenset({Role.COMPLIANCE, Role.ADMIN})
"""Who may bring in lists of evidence."""
Code = Annotated[str, Meta(min_length=1, max_length=80)]
"""As packs name it: `US-DC:public_health`."""


class EmergencyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    code: Code


class EmergencyQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    code: Code | None = None
    after: Id | None = None
    """`next_after` of the page before."""
    limit: Page = 100


class EmergencyList(msgspec.Struct, frozen=True, kw_only=True):
    emergencies: list[Emergency]
    """Oldest first; those that are over, too."""
    codes: list[str]
    """Codes that the loaded packs ask about."""
    next_after: str | None


async def give_notices(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    return await take_list(call, read_notices)


async def give_checks(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    return await take_list(call, read_checks)


async def person_evidence(call: Call[Nothing, Nothing]) -> PersonEvidence:
    async with call.services.ledger.read() as conn:
        found = await evidence_of(conn, call.param("person_id"))
    if found is None:
        raise not_found("esa persona", "that person", where="person_id")
    checks = [for_reader(call, check) for check in found.checks]
    return msgspec.structs.replace(found, checks=checks)


def _codes(call: Call[EmergencyBody, Nothing] | Call[Nothing, EmergencyQuery]) -> frozenset[str]:
    return emergency_codes(rule for pack in call.services.packs.packs for rule in pack.rules)


async def declare(call: Call[EmergencyBody, Nothing]) -> Emergency:
    known = _codes(call)

    async def work(conn: AsyncConnection, actor: str, now_ms: int) -> Emergency:
        return await declare_emergency(
            conn, call.body.code, known=known, actor=actor, now_ms=now_ms
        )

    return await give_order(call, work)


async def end(call: Call[Nothing, Nothing]) -> Emergency:
    async def work(conn: AsyncConnection, actor: str, now_ms: int) -> Emergency:
        return await end_emergency(conn, call.param("code"), actor=actor, now_ms=now_ms)

    return await give_order(call, work)


async def all_emergencies(call: Call[Nothing, EmergencyQuery]) -> EmergencyList:
    query = call.query
    async with call.services.ledger.read() as conn:
        found = await list_emergencies(
            conn, code=query.code, after=query.after or "", limit=query.limit
        )
    return EmergencyList(
        emergencies=found,
        codes=sorted(_codes(call)),
        next_after=following(found, query.limit, lambda row: row.emergency_id),
    )


ROUTES: tuple[Route, ...] = (
    stream(
        "POST",
        f"{API}/evidence/notices/file",
        give_notices,
        query=Nothing,
        media_type="application/json",
        upload_type=CSV,
        answer=ListAnswer,
        roles=CLERKS,
        tag="evidence",
        en="Record the notices of a CSV list; the same list again changes nothing",
        es="Registrar los avisos de una lista CSV; la misma otra vez no cambia nada",
        errors=(BAD_UPLOAD, BODY_TOO_LARGE),
    ),
    stream(
        "POST",
        f"{API}/evidence/checks/file",
        give_checks,
        query=Nothing,
        media_type="application/json",
        upload_type=CSV,
        answer=ListAnswer,
        roles=CLERKS,
        tag="evidence",
        en="Record the checks of numbers of a CSV list; the same list again changes nothing",
        es="Registrar las consultas de números de una lista CSV; la misma no cambia nada",
        errors=(BAD_UPLOAD, BODY_TOO_LARGE),
    ),
    route(
        "GET",
        f"{API}/people/{{person_id}}/evidence",
        person_evidence,
        body=Nothing,
        query=Nothing,
        answer=PersonEvidence,
        roles=PROOFS,
        tag="evidence",
        en="Notices that a person got, and checks of their numbers",
        es="Avisos que recibió una persona, y consultas de sus números",
    ),
    route(
        "GET",
        f"{API}/emergencies",
        all_emergencies,
        body=Nothing,
        query=EmergencyQuery,
        answer=EmergencyList,
        roles=PROOFS,
        tag="evidence",
        en="Emergencies that were ever declared, and the codes that packs ask about",
        es="Emergencias declaradas alguna vez, y los códigos por los que preguntan los paquetes",
    ),
    route(
        "POST",
        f"{API}/emergencies",
        declare,
        body=EmergencyBody,
        query=Nothing,
        answer=Emergency,
        roles=OFFICERS,
        guard=Guard.LOGIN,
        status=201,
        tag="evidence",
        en="Declare an emergency: it holds at once, also for what was decided already",
        es="Declarar una emergencia: vale de inmediato, también para lo ya decidido",
    ),
    route(
        "POST",
        f"{API}/emergencies/{{code}}/end",
        end,
        body=Nothing,
        query=Nothing,
        answer=Emergency,
        roles=OFFICERS,
        guard=Guard.LOGIN,
        tag="evidence",
        en="End an emergency; some laws still hold for days after",
        es="Terminar una emergencia; algunas leyes valen aún días después",
    ),
)
