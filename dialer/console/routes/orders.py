"""What the compliance officer orders: releases, overrides, legal holds, erasures.

Who asks and who decides are two people: a decision needs a login, not a token of a program.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.retention import schedule
from dialer.console.errors import (
    ALREADY_DECIDED,
    NOT_OVERRIDABLE,
    ON_HOLD,
    SAME_PERSON,
)
from dialer.console.routes.evidence import PROOFS, Id, Page
from dialer.console.routes.ordering import OFFICERS, Because, Ruling, Why, following, give_order
from dialer.console.routes.oversight import Instant
from dialer.console.table import API, Call, Guard, Nothing, Route, not_found, route
from dialer.core.records import to_ms
from dialer.stores.ledger import erasing, overrides, retaining
from dialer.stores.ledger.erasing import Erasure, ErasureState, Hold, WouldErase
from dialer.stores.ledger.overrides import Override, OverrideAsked, OverrideState
from dialer.stores.ledger.retaining import Retired
from dialer.stores.ledger.suppression_lists import (
    SuppressionRow,
    release_suppression,
)
from dialer.stores.ledger.users import Role

B = TypeVar("B")
R = TypeVar("R")

ASKERS: Final = frozenset({Role.COMPLIANCE, Role.SUPERVISOR, Role.MANAGER})
"""Who may ask for an override."""


class OverrideBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: Id
    rule_id: Id
    """`PACK/RULE` of a rule of the house about hours or counts."""
    reason: Why
    starts_at: Instant | None = None
    """None: now."""
    ends_at: Instant
    """Seven days after its start at most."""
    contact_point_id: Id | None = None
    """None: any of the person's."""
    single_use: bool = True


class OverrideQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    state: OverrideState | None = None
    person_id: Id | None = None
    after: Id | None = None
    """`next_after` of the page before."""
    limit: Page = 100


class OverrideList(msgspec.Struct, frozen=True, kw_only=True):
    overrides: list[Override]
    next_after: str | None


class HoldBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: Id
    matter: Annotated[str, Meta(min_length=1, max_length=200)]
    """Case, complaint or order that asks for it."""


class HoldQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: Id | None = None
    released: bool = False
    """Released ones too."""
    after: Id | None = None
    """`next_after` of the page before."""
    limit: Page = 100


class HoldList(msgspec.Struct, frozen=True, kw_only=True):
    holds: list[Hold]
    next_after: str | None


class ErasureBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: Id
    reason: Why


class ErasureQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    state: ErasureState | None = None
    after: Id | None = None
    """`next_after` of the page before."""
    limit: Page = 100


class ErasureList(msgspec.Struct, frozen=True, kw_only=True):
    erasures: list[Erasure]
    next_after: str | None


class RetentionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """Days after the last activity; None: as configured."""
    after: Id | None = None
    """`next_after` of the page before."""
    limit: Page = 100


class RetentionList(msgspec.Struct, frozen=True, kw_only=True):
    keep_days: int
    people: list[Retired]
    """Nothing has happened since, no account is open, no hold stands, nobody has asked yet, and no
    pack that bound a contact with them keeps records longer."""
    next_after: str | None
    """`after` of the next page; a page may be short, even empty, and have a next one."""


# --- suppressions and overrides -------------------------------------------------------------------


async def release(call: Call[Because, Nothing]) -> SuppressionRow:
    async def work(conn: AsyncConnection, actor: str, now_ms: int) -> SuppressionRow:
        return await release_suppression(
            conn,
            call.param("suppression_id"),
            reason=call.body.reason,
            actor=actor,
            now_ms=now_ms,
        )

    return await give_order(call, work)


async def ask_override(call: Call[OverrideBody, Nothing]) -> Override:
    body, heads = call.body, call.services.packs.heads

    async def work(conn: AsyncConnection, actor: str, now_ms: int) -> Override:
        asked = OverrideAsked(
            person_id=body.person_id,
            rule_id=body.rule_id,
            reason=body.reason,
            starts_ms=now_ms if body.starts_at is None else to_ms(body.starts_at),
            ends_ms=to_ms(body.ends_at),
            contact_point_id=body.contact_point_id,
            single_use=body.single_use,
        )
        return await overrides.request_override(conn, asked, heads, actor=actor, now_ms=now_ms)

    return await give_order(call, work)


async def rule_on_override(call: Call[Ruling, Nothing]) -> Override:
    async def work(conn: AsyncConnection, actor: str, now_ms: int) -> Override:
        return await overrides.decide_override(
            conn,
            call.param("override_id"),
            approve=call.body.approve,
            actor=actor,
            now_ms=now_ms,
        )

    return await give_order(call, work)


async def revoke_override(call: Call[Nothing, Nothing]) -> Override:
    async def work(conn: AsyncConnection, actor: str, now_ms: int) -> Override:
        return await overrides.revoke_override(
            conn, call.param("override_id"), actor=actor, now_ms=now_ms
        )

    return await give_order(call, work)


async def all_overrides(call: Call[Nothing, OverrideQuery]) -> OverrideList:
    query = call.query
    async with call.services.ledger.read() as conn:
        found = await overrides.list_overrides(
            conn,
            state=query.state,
            person_id=query.person_id,
            after=query.after or "",
            limit=query.limit,
        )
    next_after = following(found, query.limit, lambda row: row.override_id)
    return OverrideList(overrides=found, next_after=next_after)


# --- holds and erasures ---------------------------------------------------------------------------


async def place_hold(call: Call[HoldBody, Nothing]) -> Hold:
    async def work(conn: AsyncConnection, actor: str, now_ms: int) -> Hold:
        return await erasing.place_hold(
            conn, call.body.person_id, matter=call.body.matter, actor=actor, now_ms=now_ms
        )

    return await give_order(call, work)


async def release_hold(call: Call[Because, Nothing]) -> Hold:
    async def work(conn: AsyncConnection, actor: str, now_ms: int) -> Hold:
        return await erasing.release_hold(
            conn, call.param("hold_id"), reason=call.body.reason, actor=actor, now_ms=now_ms
        )

    return await give_order(call, work)


async def all_holds(call: Call[Nothing, HoldQuery]) -> HoldList:
    query = call.query
    async with call.services.ledger.read() as conn:
        found = await erasing.list_holds(
            conn,
            person_id=query.person_id,
            standing=not query.released,
            after=query.after or "",
            limit=query.limit,
        )
    next_after = following(found, query.limit, lambda row: row.hold_id)
    return HoldList(holds=found, next_after=next_after)


async def preview_erasure(call: Call[Nothing, Nothing]) -> WouldErase:
    try:
        async with call.services.ledger.read() as conn:
            return await erasing.would_erase(conn, call.param("person_id"))
    except LookupError as error:
        raise not_found("esa persona", "that person", where="person_id") from error


async def past_retention(call: Call[Nothing, RetentionQuery]) -> RetentionList:
    query, services = call.query, call.services
    days = query.keep_days or services.config.retention.keep_days
    now = services.clock.now()
    async with services.ledger.read() as conn:
        page = await retaining.past_retention(
            conn,
            before_ms=to_ms(now - timedelta(days=days)),
            at=now,
            periods=schedule(services.packs, now),
            after=query.after or "",
            limit=query.limit,
        )
    return RetentionList(keep_days=days, people=page.people, next_after=page.next_after)


async def ask_erasure(call: Call[ErasureBody, Nothing]) -> Erasure:
    async def work(conn: AsyncConnection, actor: str, now_ms: int) -> Erasure:
        return await erasing.request_erasure(
            conn, call.body.person_id, reason=call.body.reason, actor=actor, now_ms=now_ms
        )

    return await give_order(call, work)


async def rule_on_erasure(call: Call[Ruling, Nothing]) -> Erasure:
    async def work(conn: AsyncConnection, actor: str, now_ms: int) -> Erasure:
        return await erasing.decide_erasure(
            conn, call.param("erasure_id"), approve=call.body.approve, actor=actor, now_ms=now_ms
        )

    return await give_order(call, work)


async def all_erasures(call: Call[Nothing, ErasureQuery]) -> ErasureList:
    query = call.query
    async with call.services.ledger.read() as conn:
        found = await erasing.list_erasures(
            conn, state=query.state, after=query.after or "", limit=query.limit
        )
    next_after = following(found, query.limit, lambda row: row.erasure_id)
    return ErasureList(erasures=found, next_after=next_after)


ROUTES: tuple[Route, ...] = (
    route(
        "POST",
        f"{API}/suppressions/{{suppression_id}}/release",
        release,
        body=Because,
        query=Nothing,
        answer=SuppressionRow,
        roles=OFFICERS,
        guard=Guard.LOGIN,
        tag="oversight",
        en="End a suppression now, with a reason",
        es="Terminar ahora una supresión, con su motivo",
        errors=(ALREADY_DECIDED,),
    ),
    route(
        "GET",
        f"{API}/overrides",
        all_overrides,
        body=Nothing,
        query=OverrideQuery,
        answer=OverrideList,
        roles=PROOFS,
        tag="oversight",
        en="Overrides of house rules: who asked, who granted, what used them",
        es="Excepciones a reglas de la casa: quién pidió, quién concedió, qué las usó",
    ),
    route(
        "POST",
        f"{API}/overrides",
        ask_override,
        body=OverrideBody,
        query=Nothing,
        answer=Override,
        roles=ASKERS,
        guard=Guard.LOGIN,
        status=201,
        tag="oversight",
        en="Ask that a contact may go past a house rule; somebody else decides",
        es="Pedir que un contacto pase por alto una regla de la casa; decide otra persona",
        errors=(NOT_OVERRIDABLE,),
    ),
    route(
        "POST",
        f"{API}/overrides/{{override_id}}/decision",
        rule_on_override,
        body=Ruling,
        query=Nothing,
        answer=Override,
        roles=OFFICERS,
        guard=Guard.LOGIN,
        tag="oversight",
        en="Grant or refuse an override that somebody else asked for",
        es="Conceder o negar una excepción que pidió otra persona",
        errors=(SAME_PERSON, ALREADY_DECIDED),
    ),
    route(
        "POST",
        f"{API}/overrides/{{override_id}}/revoke",
        revoke_override,
        body=Nothing,
        query=Nothing,
        answer=Override,
        roles=OFFICERS,
        guard=Guard.LOGIN,
        tag="oversight",
        en="End a granted override before its time",
        es="Terminar una excepción concedida antes de su plazo",
        errors=(ALREADY_DECIDED,),
    ),
    route(
        "GET",
        f"{API}/holds",
        all_holds,
        body=Nothing,
        query=HoldQuery,
        answer=HoldList,
        roles=PROOFS,
        tag="oversight",
        en="Legal holds",
        es="Retenciones legales",
    ),
    route(
        "POST",
        f"{API}/holds",
        place_hold,
        body=HoldBody,
        query=Nothing,
        answer=Hold,
        roles=OFFICERS,
        guard=Guard.LOGIN,
        status=201,
        tag="oversight",
        en="Keep everything of a person until the hold is released",
        es="Conservar todo lo de una persona hasta que se libere la retención",
    ),
    route(
        "POST",
        f"{API}/holds/{{hold_id}}/release",
        release_hold,
        body=Because,
        query=Nothing,
        answer=Hold,
        roles=OFFICERS,
        guard=Guard.LOGIN,
        tag="oversight",
        en="Release a legal hold, with a reason",
        es="Liberar una retención legal, con su motivo",
    ),
    route(
        "GET",
        f"{API}/people/{{person_id}}/erasure",
        preview_erasure,
        body=Nothing,
        query=Nothing,
        answer=WouldErase,
        roles=OFFICERS,
        tag="oversight",
        en="What erasing a person would touch, and what forbids it",
        es="Qué tocaría borrar a una persona, y qué lo impide",
    ),
    route(
        "GET",
        f"{API}/oversight/retention",
        past_retention,
        body=Nothing,
        query=RetentionQuery,
        answer=RetentionList,
        roles=OFFICERS,
        tag="oversight",
        en="People whose data has been kept as long as it must be",
        es="Personas cuyos datos ya se conservaron lo debido",
    ),
    route(
        "GET",
        f"{API}/erasures",
        all_erasures,
        body=Nothing,
        query=ErasureQuery,
        answer=ErasureList,
        roles=PROOFS,
        tag="oversight",
        en="Requests to erase people's data, and what became of them",
        es="Pedidos de borrar datos de personas, y lo que fue de ellos",
    ),
    route(
        "POST",
        f"{API}/erasures",
        ask_erasure,
        body=ErasureBody,
        query=Nothing,
        answer=Erasure,
        roles=OFFICERS,
        guard=Guard.LOGIN,
        status=201,
        tag="oversight",
        en="Ask to erase a person's data; somebody else carries it out",
        es="Pedir que se borren los datos de una persona; lo hace otra persona",
        errors=(ON_HOLD,),
    ),
    route(
        "POST",
        f"{API}/erasures/{{erasure_id}}/decision",
        rule_on_erasure,
        body=Ruling,
        query=Nothing,
        answer=Erasure,
        roles=OFFICERS,
        guard=Guard.LOGIN,
        tag="oversight",
        en="Carry out an erasure that somebody else asked for, or refuse it; it cannot be undone",
        es="Hacer un borrado que pidió otra persona, o negarlo; no se puede deshacer",
        errors=(SAME_PERSON, ALREADY_DECIDED, ON_HOLD),
    ),
)
