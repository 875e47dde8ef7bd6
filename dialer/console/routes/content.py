"""Texts and flows: written by managers, approved by compliance, checked at every step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from campaigns.content.findings import Finding
from campaigns.content.lifecycle import (
    ContentAction,
    ContentState,
    ImpossibleContentAction,
    possible_actions,
)
from campaigns.content.lint import Report, lint
from campaigns.content.sending import SendPolicy
from campaigns.content.template import Template
from campaigns.flows.model import Flow
from campaigns.flows.proof import Proof, prove
from campaigns.flows.samples import sample_flows
from dialer.console.errors import (
    CONTENT_REFUSED,
    IMPOSSIBLE_CONTENT,
    SAME_PERSON,
    ApiError,
    Problem,
)
from dialer.console.previews import MOST_ROWS, Preview, preview
from dialer.console.table import (
    API,
    OFFICE,
    Call,
    Guard,
    Nothing,
    Route,
    not_found,
    route,
)
from dialer.core.records import from_ms
from dialer.stores.ledger.content import (
    APPROVERS,
    MAY,
    WRITERS,
    ContentKind,
    ContentRefused,
    ContentVersion,
    SamePerson,
    VersionInfo,
    act_on_version,
    create_version,
    get_version,
    list_versions,
)
from dialer.stores.ledger.previews import preview_rows

B = TypeVar("B")
Q = TypeVar("Q")

WATCHERS: Final = WRITERS | APPROVERS
"""Who may see what a text looks like with real rows; nobody sees the rows themselves."""
TOLD: Final = 5
"""Findings that an error message names, at most."""

_SAMPLE_FLOW: Final = msgspec.to_builtins(sample_flows()[0])


class VersionView(VersionInfo, frozen=True, kw_only=True):
    possible: tuple[ContentAction, ...]
    """What can be done with it now."""


class TemplateDetail(msgspec.Struct, frozen=True, kw_only=True):
    info: VersionView
    template: Template
    report: Report


class FlowDetail(msgspec.Struct, frozen=True, kw_only=True):
    info: VersionView
    flow: Annotated[Flow, Meta(examples=[_SAMPLE_FLOW])]
    proof: Proof


class VersionList(msgspec.Struct, frozen=True, kw_only=True):
    versions: list[VersionView]
    """By name; the newest version of each first."""


class VersionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=80)] | None = None
    state: ContentState | None = None


class Comment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    comment: Annotated[str, Meta(min_length=1, max_length=2_000)]
    """What its author should mend."""


class PreviewRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    portfolio_id: Annotated[str, Meta(min_length=1, max_length=64)]
    rows: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = MOST_ROWS
    values: dict[str, Annotated[str, Meta(max_length=300)]] = {}
    """Merge values of the campaign: return_number, hours, payment_methods ..."""


# --- templates -----------------------------------------------------------------------------------


async def lint_template(call: Call[Template, Nothing]) -> Report:
    return await asyncio.to_thread(lint, call.body)


async def add_template(call: Call[Template, Nothing]) -> TemplateDetail:
    return await _template(await _create(call, call.body))


async def one_template(call: Call[Nothing, Nothing]) -> TemplateDetail:
    return await _template(await _version(call, ContentKind.TEMPLATE))


async def preview_template(call: Call[PreviewRequest, Nothing]) -> Preview:
    body = call.body
    found = await _version(call, ContentKind.TEMPLATE)
    if not isinstance(found.document, Template):
        raise AssertionError("a template's document is a template")
    try:
        async with call.services.ledger.read() as conn:
            rows = await preview_rows(conn, body.portfolio_id, limit=body.rows)
    except LookupError as error:
        raise not_found("esa cartera", "that portfolio", where="portfolio_id") from error
    now = from_ms(call.now_ms())
    return await asyncio.to_thread(
        preview, found.document, rows, body.values, now=now, policy=SendPolicy()
    )


# --- flows ---------------------------------------------------------------------------------------


async def prove_flow(call: Call[Flow, Nothing]) -> Proof:
    return await asyncio.to_thread(prove, call.body)


async def add_flow(call: Call[Flow, Nothing]) -> FlowDetail:
    return await _flow(await _create(call, call.body))


async def one_flow(call: Call[Nothing, Nothing]) -> FlowDetail:
    return await _flow(await _version(call, ContentKind.FLOW))


# --- both ----------------------------------------------------------------------------------------


def _listing(
    kind: ContentKind,
) -> Callable[[Call[Nothing, VersionQuery]], Awaitable[VersionList]]:
    async def listing(call: Call[Nothing, VersionQuery]) -> VersionList:
        query = call.query
        async with call.services.ledger.read() as conn:
            found = await list_versions(conn, kind, name=query.name, state=query.state)
        return VersionList(versions=[_view(info) for info in found])

    listing.__name__ = f"all_{kind}s"
    return listing


def _acting(
    kind: ContentKind, action: ContentAction
) -> Callable[[Call[Nothing, Nothing]], Awaitable[VersionView]]:
    async def act(call: Call[Nothing, Nothing]) -> VersionView:
        return await _act(call, kind, action, "")

    act.__name__ = f"{action}_{kind}"
    return act


def _returning(kind: ContentKind) -> Callable[[Call[Comment, Nothing]], Awaitable[VersionView]]:
    async def send_back(call: Call[Comment, Nothing]) -> VersionView:
        return await _act(call, kind, ContentAction.RETURN, call.body.comment)

    send_back.__name__ = f"return_{kind}"
    return send_back


async def _create(call: Call[B, Q], document: Template | Flow) -> ContentVersion:
    async with call.services.ledger.write() as conn:
        return await create_version(conn, document, actor=call.user.user_id, now_ms=call.now_ms())


async def _version(call: Call[B, Q], kind: ContentKind) -> ContentVersion:
    name, version = call.param("name"), _number(call)
    async with call.services.ledger.read() as conn:
        found = await get_version(conn, kind, name, version)
    if found is None:
        raise _no_version()
    return found


async def _act(
    call: Call[B, Q], kind: ContentKind, action: ContentAction, comment: str
) -> VersionView:
    try:
        after = await act_on_version(
            call.services.ledger,
            kind,
            call.param("name"),
            _number(call),
            action,
            actor=call.user.user_id,
            now_ms=call.now_ms(),
            comment=comment,
        )
    except LookupError as error:
        raise _no_version() from error
    except ImpossibleContentAction as error:
        possible = ", ".join(possible_actions(error.state)) or "-"
        raise ApiError(
            IMPOSSIBLE_CONTENT, state=error.state, action=error.action, possible=possible
        ) from error
    except SamePerson as error:
        raise ApiError(SAME_PERSON) from error
    except ContentRefused as error:
        raise _refused(error.findings) from error
    return _view(after)


def _refused(findings: tuple[Finding, ...]) -> ApiError:
    told = findings[:TOLD]
    return ApiError(
        CONTENT_REFUSED,
        where=told[0].place,
        es="; ".join(f"{f.place} {f.es}".strip() for f in told),
        en="; ".join(f"{f.place} {f.en}".strip() for f in told),
    )


def _number(call: Call[B, Q]) -> int:
    given = call.param("version")
    if not given.isascii() or not given.isdecimal() or len(given) > 9:
        raise _no_version()
    return int(given)


def _no_version() -> ApiError:
    return not_found("esa versión", "that version", where="version")


def _view(info: VersionInfo) -> VersionView:
    return VersionView(**msgspec.structs.asdict(info), possible=possible_actions(info.state))


async def _template(found: ContentVersion) -> TemplateDetail:
    if not isinstance(found.document, Template):
        raise AssertionError("a template's document is a template")
    report = await asyncio.to_thread(lint, found.document)
    return TemplateDetail(info=_view(found.info), template=found.document, report=report)


async def _flow(found: ContentVersion) -> FlowDetail:
    if not isinstance(found.document, Flow):
        raise AssertionError("a flow's document is a flow")
    proof = await asyncio.to_thread(prove, found.document)
    return FlowDetail(info=_view(found.info), flow=found.document, proof=proof)


# --- the table -----------------------------------------------------------------------------------

_ACTIONS: Final[dict[ContentAction, tuple[Guard, str, str]]] = {
    ContentAction.SUBMIT: (
        Guard.ROLE,
        "Ask for approval; what has errors is refused",
        "Pedir la aprobación; lo que tiene errores se rechaza",
    ),
    ContentAction.APPROVE: (
        Guard.LOGIN,
        "Approve what somebody else wrote; the version approved before is retired",
        "Aprobar lo que escribió otra persona; la versión aprobada antes se retira",
    ),
    ContentAction.RETIRE: (
        Guard.ROLE,
        "Take out of use, for good",
        "Retirar de uso, para siempre",
    ),
}
_PROBLEMS: Final[dict[ContentAction, tuple[Problem, ...]]] = {
    ContentAction.SUBMIT: (IMPOSSIBLE_CONTENT, CONTENT_REFUSED),
    ContentAction.APPROVE: (IMPOSSIBLE_CONTENT, CONTENT_REFUSED, SAME_PERSON),
    ContentAction.RETIRE: (IMPOSSIBLE_CONTENT,),
}


def _common(kind: ContentKind, es: str, en: str) -> tuple[Route, ...]:
    """The routes that texts and flows have alike."""
    base = f"{API}/{kind}s"
    one = f"{base}/{{name}}/{{version}}"
    return (
        route(
            "GET",
            base,
            _listing(kind),
            body=Nothing,
            query=VersionQuery,
            answer=VersionList,
            roles=OFFICE,
            tag="content",
            en=f"All versions of {en}",
            es=f"Todas las versiones de {es}",
        ),
        *(
            route(
                "POST",
                f"{one}/{action}",
                _acting(kind, action),
                body=Nothing,
                query=Nothing,
                answer=VersionView,
                roles=MAY[action],
                guard=guard,
                tag="content",
                en=action_en,
                es=action_es,
                errors=_PROBLEMS[action],
            )
            for action, (guard, action_en, action_es) in _ACTIONS.items()
        ),
        route(
            "POST",
            f"{one}/return",
            _returning(kind),
            body=Comment,
            query=Nothing,
            answer=VersionView,
            roles=MAY[ContentAction.RETURN],
            tag="content",
            en="Give it back to its author with a comment",
            es="Devolver a su autor con un comentario",
            errors=(IMPOSSIBLE_CONTENT,),
        ),
    )


ROUTES: tuple[Route, ...] = (
    *_common(ContentKind.TEMPLATE, "textos", "texts"),
    route(
        "POST",
        f"{API}/templates",
        add_template,
        body=Template,
        query=Nothing,
        answer=TemplateDetail,
        roles=WRITERS,
        status=201,
        tag="content",
        en="Another version of a text, as a draft, with what the lint says of it",
        es="Otra versión de un texto, como borrador, con lo que dice la revisión",
    ),
    route(
        "POST",
        f"{API}/templates/lint",
        lint_template,
        body=Template,
        query=Nothing,
        answer=Report,
        roles=WATCHERS,
        tag="content",
        en="What the lint says of a text; nothing is kept",
        es="Lo que dice la revisión de un texto; no se guarda nada",
    ),
    route(
        "GET",
        f"{API}/templates/{{name}}/{{version}}",
        one_template,
        body=Nothing,
        query=Nothing,
        answer=TemplateDetail,
        roles=OFFICE,
        tag="content",
        en="One version of a text, with what the lint says of it",
        es="Una versión de un texto, con lo que dice la revisión",
    ),
    route(
        "POST",
        f"{API}/templates/{{name}}/{{version}}/preview",
        preview_template,
        body=PreviewRequest,
        query=Nothing,
        answer=Preview,
        roles=WATCHERS,
        tag="content",
        en="The text with real rows; whatever is a person's own is blotted out",
        es="El texto con filas reales; todo lo que es de una persona se tacha",
    ),
    *_common(ContentKind.FLOW, "flujos", "flows"),
    route(
        "POST",
        f"{API}/flows",
        add_flow,
        body=Flow,
        query=Nothing,
        answer=FlowDetail,
        roles=WRITERS,
        status=201,
        tag="content",
        en="Another version of a flow, as a draft, with its proof",
        es="Otra versión de un flujo, como borrador, con su demostración",
    ),
    route(
        "POST",
        f"{API}/flows/prove",
        prove_flow,
        body=Flow,
        query=Nothing,
        answer=Proof,
        roles=WATCHERS,
        tag="content",
        en="The proof of a flow; nothing is kept",
        es="La demostración de un flujo; no se guarda nada",
    ),
    route(
        "GET",
        f"{API}/flows/{{name}}/{{version}}",
        one_flow,
        body=Nothing,
        query=Nothing,
        answer=FlowDetail,
        roles=OFFICE,
        tag="content",
        en="One version of a flow, with its proof",
        es="Una versión de un flujo, con su demostración",
    ),
)
