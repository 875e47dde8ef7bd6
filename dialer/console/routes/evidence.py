"""What was decided and why: decisions, people's contacts, reviews, and questions to the gate."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import DecisionId
from dialer.console.contact_log import (
    ContactLog,
    DecisionDetail,
    DecisionView,
    Verdict,
    find_decisions,
    masked_log,
    read_contact_log,
    read_decision,
)
from dialer.console.decoding import spanish
from dialer.console.errors import (
    ALREADY_RESOLVED,
    BAD_FIELD,
    BAD_QUESTION,
    ApiError,
)
from dialer.console.table import API, OFFICE, Call, Nothing, Route, not_found, route
from dialer.core.masking import masked
from dialer.core.records import to_ms
from dialer.runtime.asking import OPTIONAL
from dialer.runtime.checking import Answer, BadQuestion, Question, decode
from dialer.runtime.explaining import DECISIONS, DECISIONS_MOST, Story
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.reviews import (
    AlreadyResolved,
    Review,
    ReviewState,
    list_reviews,
    resolve_review,
)
from dialer.stores.ledger.users import Language, Role

PROOFS: Final = frozenset({Role.COMPLIANCE, Role.SUPERVISOR, Role.ADMIN})
"""Who may look into single people's records."""
RESOLVERS: Final = frozenset({Role.COMPLIANCE, Role.SUPERVISOR})

Id = Annotated[str, Meta(min_length=1, max_length=200)]
Page = Annotated[int, Meta(ge=1, le=500)]


class DecisionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: Id | None = None
    campaign_id: Id | None = None
    verdict: Verdict | None = None
    before: Annotated[int, Meta(ge=1)] | None = None
    """`next_before` of the page before."""
    limit: Page = 100


class DecisionList(msgspec.Struct, frozen=True, kw_only=True):
    decisions: list[DecisionView]
    """Newest first."""
    next_before: int | None
    """`before` of the next page; None: this was the last. A page may be short, even empty, and
    have a next one."""


class ExplainQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    of: Id
    """Id of a decision, call, event, contact point, account or person; a phone number, e-mail,
    document or the creditor's account number."""
    language: Language | None = None
    limit: Annotated[int, Meta(ge=1, le=DECISIONS_MOST)] = DECISIONS


class LanguageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    language: Language | None = None


class LogQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    before: Annotated[int, Meta(ge=1)] | None = None
    """`next_before` of the page before."""
    limit: Page = 100


class ReviewQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    state: ReviewState = ReviewState.OPEN
    kind: Annotated[str, Meta(max_length=40)] | None = None
    after: Annotated[str, Meta(pattern=r"^[0-9]{1,15}:.{1,64}$")] | None = None
    """`next_after` of the page before."""
    limit: Page = 100


class ReviewList(msgspec.Struct, frozen=True, kw_only=True):
    reviews: list[Review]
    """Oldest first."""
    next_after: str | None


class Resolution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    resolution: Annotated[str, Meta(min_length=1, max_length=4000)]
    """What was decided."""


# --- decisions -----------------------------------------------------------------------------------


async def list_decisions(call: Call[Nothing, DecisionQuery]) -> DecisionList:
    query = call.query
    found, following = await find_decisions(
        call.services.ledger,
        person_id=query.person_id,
        campaign_id=query.campaign_id,
        verdict=query.verdict,
        before=query.before,
        limit=query.limit,
    )
    return DecisionList(decisions=found, next_before=following)


async def one_decision(call: Call[Nothing, Nothing]) -> DecisionDetail:
    found = await read_decision(call.services.events, call.param("decision_id"))
    if found is None:
        raise no_decision()
    return found


async def explain_decision(call: Call[Nothing, LanguageQuery]) -> Story:
    decision_id = call.param("decision_id")
    if await call.services.events.read_decision(DecisionId(decision_id)) is None:
        raise no_decision()
    language = call.query.language or call.language
    story = await call.services.explain(decision_id, language, limit=1)
    if story is None:
        raise no_decision()
    return _story(call.user.role, story)


async def explain(call: Call[Nothing, ExplainQuery]) -> Story:
    query = call.query
    story = await call.services.explain(
        query.of, query.language or call.language, limit=query.limit
    )
    if story is None:
        raise not_found("nada con ese dato", "Nothing by that id", where="of")
    return _story(call.user.role, story)


def no_decision() -> ApiError:
    return not_found("esa decisión", "that decision", where="decision_id")


def _story(role: Role, story: Story) -> Story:
    """Only compliance sees whole phone numbers."""
    if role is Role.COMPLIANCE:
        return story
    return msgspec.structs.replace(
        story,
        decisions=tuple(
            msgspec.structs.replace(told, address=masked(told.address)) if told.address else told
            for told in story.decisions
        ),
    )


# --- people --------------------------------------------------------------------------------------


async def contact_log(call: Call[Nothing, LogQuery]) -> ContactLog:
    """Whole phone numbers are for compliance; that they were looked at is on record."""
    person_id = call.param("person_id")
    ledger = call.services.ledger
    found = await read_contact_log(
        ledger, person_id, before=call.query.before, limit=call.query.limit
    )
    if found is None:
        raise not_found("esa persona", "that person", where="person_id")
    if call.user.role is not Role.COMPLIANCE:
        return masked_log(found)
    async with ledger.write() as conn:
        await record_audit(
            conn,
            at_ms=to_ms(call.services.clock.now()),
            actor=call.user.user_id,
            action="person.read",
            target=person_id,
        )
    return found


# --- reviews -------------------------------------------------------------------------------------


async def reviews(call: Call[Nothing, ReviewQuery]) -> ReviewList:
    query = call.query
    after = (0, "")
    if query.after is not None:
        created_ms, _, review_id = query.after.partition(":")
        after = (int(created_ms), review_id)
    async with call.services.ledger.read() as conn:
        found = await list_reviews(
            conn, state=query.state, kind=query.kind, after=after, limit=query.limit
        )
    last = found[-1] if len(found) == query.limit else None
    return ReviewList(
        reviews=found,
        next_after=None if last is None else f"{last.created_ms}:{last.review_id}",
    )


async def resolve(call: Call[Resolution, Nothing]) -> Review:
    resolution = call.body.resolution.strip()
    if not resolution:
        raise ApiError(BAD_FIELD, where="resolution", es="está vacío", en="it is empty")
    review_id, actor = call.param("review_id"), call.user.user_id
    now_ms = to_ms(call.services.clock.now())

    async def work(conn: AsyncConnection) -> Review:
        return await resolve_review(
            conn, review_id, resolution=resolution, actor=actor, now_ms=now_ms
        )

    try:
        return await call.services.ledger.transact(work)
    except AlreadyResolved as error:
        raise ApiError(ALREADY_RESOLVED, where="review_id") from error
    except LookupError as error:
        raise not_found("esa revisión", "that review", where="review_id") from error


# --- the gate ------------------------------------------------------------------------------------


async def check(call: Call[Question, Nothing]) -> Answer:
    """Nothing is recorded, and nothing but the question and the packs is read."""
    try:
        return await call.services.check(call.body)
    except BadQuestion as error:
        raise ApiError(
            BAD_QUESTION,
            where=error.where.removeprefix("$."),
            es=spanish(error.problem),
            en=error.problem,
        ) from error


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{API}/decisions",
        list_decisions,
        body=Nothing,
        query=DecisionQuery,
        answer=DecisionList,
        roles=OFFICE,
        tag="evidence",
        en="Decisions of the gate, newest first, by person, campaign or verdict",
        es="Decisiones del control, lo más nuevo primero, por persona, campaña o veredicto",
    ),
    route(
        "GET",
        f"{API}/decisions/{{decision_id}}",
        one_decision,
        body=Nothing,
        query=Nothing,
        answer=DecisionDetail,
        roles=PROOFS,
        tag="evidence",
        en="One decision with its whole proof and what became of it",
        es="Una decisión con toda su prueba y lo que resultó",
    ),
    route(
        "GET",
        f"{API}/decisions/{{decision_id}}/explanation",
        explain_decision,
        body=Nothing,
        query=LanguageQuery,
        answer=Story,
        roles=PROOFS,
        tag="evidence",
        en="Why a decision came out as it did, with citations",
        es="Por qué una decisión salió como salió, con citas",
    ),
    route(
        "GET",
        f"{API}/explanations",
        explain,
        body=Nothing,
        query=ExplainQuery,
        answer=Story,
        roles=PROOFS,
        tag="evidence",
        en="Why contacts were made or not, from any id or number that somebody has",
        es="Por qué se hicieron contactos o no, desde cualquier id o número que se tenga",
    ),
    route(
        "GET",
        f"{API}/people/{{person_id}}/contacts",
        contact_log,
        body=Nothing,
        query=LogQuery,
        answer=ContactLog,
        roles=PROOFS,
        tag="evidence",
        en="Everything recorded about contacts with a person, newest first",
        es="Todo lo registrado sobre contactos con una persona, lo más nuevo primero",
    ),
    route(
        "GET",
        f"{API}/reviews",
        reviews,
        body=Nothing,
        query=ReviewQuery,
        answer=ReviewList,
        roles=OFFICE,
        tag="evidence",
        en="What a person has to look at before something may go on",
        es="Lo que una persona debe revisar antes de que algo siga",
    ),
    route(
        "POST",
        f"{API}/reviews/{{review_id}}/resolve",
        resolve,
        body=Resolution,
        query=Nothing,
        answer=Review,
        roles=RESOLVERS,
        tag="evidence",
        en="Close a review with what was decided, and end its hold",
        es="Cerrar una revisión con lo decidido, y terminar su retención",
        errors=(ALREADY_RESOLVED,),
    ),
    route(
        "POST",
        f"{API}/compliance/check",
        check,
        body=Question,
        query=Nothing,
        answer=Answer,
        roles=OFFICE,
        tag="evidence",
        en="Ask the gate whether a contact would be allowed; nothing is recorded",
        es="Preguntar al control si un contacto estaría permitido; no se registra nada",
        errors=(BAD_QUESTION,),
        reader=decode,
        omits=OPTIONAL,
    ),
)
