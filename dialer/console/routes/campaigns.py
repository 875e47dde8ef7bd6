"""Campaigns: made, started, paused, resumed, stopped, and watched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from campaigns.campaign import (
    CampaignAction,
    CampaignSettings,
    CampaignState,
    ImpossibleAction,
    possible_actions,
)
from dialer.console.auth import secret_of
from dialer.console.errors import (
    BAD_FIELD,
    BAD_QUERY,
    CANNOT_SEND,
    IMPOSSIBLE_ACTION,
    NAME_TAKEN,
    NOTHING_TO_SAY,
    UNSAFE_DIALING,
    ApiError,
)
from dialer.console.sse import EVENT_STREAM
from dialer.console.table import (
    API,
    FLOOR,
    MANAGERS,
    OFFICE,
    Call,
    Nothing,
    Route,
    not_found,
    route,
    stream,
)
from dialer.core.figures import LiveFigures
from dialer.runtime.safety import CannotSend, UnsafeDialing
from dialer.runtime.scripts import NothingToSay
from dialer.stores.ledger.campaigns import Campaign, CampaignExists, EnrolmentCounts
from dialer.stores.ledger.users import Role
from dialer.stores.redis.live import checked_event_id

B = TypeVar("B")
Q = TypeVar("Q")

LAST_EVENT_ID: Final = "Last-Event-ID"
BRAKES: Final = FLOOR | {Role.COMPLIANCE}
"""Who may slow a campaign down: compliance may stop what it may not start."""


class NewCampaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    portfolio_id: Annotated[str, Meta(min_length=1, max_length=64)]
    settings: CampaignSettings = CampaignSettings()


class CampaignView(msgspec.Struct, frozen=True, kw_only=True):
    campaign_id: str
    name: str
    portfolio_id: str
    state: CampaignState
    possible: tuple[CampaignAction, ...]
    """What can be done with it now."""
    settings: CampaignSettings
    settings_sha256: str
    created_ms: int
    updated_ms: int


class CampaignDetail(CampaignView, frozen=True, kw_only=True):
    accounts: EnrolmentCounts
    """As the ledger has them; accounts in hand count as what they were."""


class CampaignList(msgspec.Struct, frozen=True, kw_only=True):
    campaigns: list[CampaignView]


class LiveAnswer(msgspec.Struct, frozen=True, kw_only=True):
    figures: LiveFigures | None
    """None: this worker does not drive the campaign."""


class LiveQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    last_event_id: Annotated[str, Meta(max_length=40)] | None = None
    """For readers that cannot send the Last-Event-ID header."""


async def all_campaigns(call: Call[Nothing, Nothing]) -> CampaignList:
    found = await call.services.campaigns.list()
    return CampaignList(campaigns=[_view(campaign) for campaign in found])


async def one_campaign(call: Call[Nothing, Nothing]) -> CampaignDetail:
    campaign = await campaign_of(call)
    counts = await call.services.campaigns.counts(campaign.campaign_id)
    return CampaignDetail(**msgspec.structs.asdict(_view(campaign)), accounts=counts)


async def add_campaign(call: Call[NewCampaign, Nothing]) -> CampaignView:
    body = call.body
    if not body.name.strip():
        raise ApiError(BAD_FIELD, where="name", es="está vacío", en="it is empty")
    try:
        made = await call.services.campaigns.create(
            name=body.name,
            portfolio_id=body.portfolio_id,
            settings=body.settings,
            actor=call.user.user_id,
        )
    except CampaignExists as error:
        raise ApiError(NAME_TAKEN, where="name", name=body.name) from error
    except LookupError as error:
        raise not_found("esa cartera", "that portfolio", where="portfolio_id") from error
    return _view(made)


async def change_campaign(call: Call[CampaignSettings, Nothing]) -> CampaignView:
    campaign = await campaign_of(call)
    try:
        changed = await call.services.campaigns.change(
            campaign.campaign_id, call.body, actor=call.user.user_id
        )
    except ImpossibleAction as error:
        raise impossible(error.state, "change") from error
    return _view(changed)


def _acting(
    action: CampaignAction,
) -> Callable[[Call[Nothing, Nothing]], Awaitable[CampaignView]]:
    async def act(call: Call[Nothing, Nothing]) -> CampaignView:
        campaign = await campaign_of(call)
        try:
            moved = await call.services.campaigns.act(
                campaign.campaign_id, action, actor=call.user.user_id
            )
        except ImpossibleAction as error:
            raise impossible(error.state, error.action) from error
        except CannotSend as error:
            raise ApiError(CANNOT_SEND, es=error.es, en=error.en) from error
        except NothingToSay as error:
            raise ApiError(NOTHING_TO_SAY, es=error.es, en=error.en) from error
        except UnsafeDialing as error:
            raise ApiError(UNSAFE_DIALING, es=error.es, en=error.en) from error
        return _view(moved)

    act.__name__ = f"{action}_campaign"
    return act


def impossible(state: CampaignState, action: str) -> ApiError:
    possible = ", ".join(possible_actions(state)) or "-"
    return ApiError(IMPOSSIBLE_ACTION, state=state, action=action, possible=possible)


async def live_figures(call: Call[Nothing, Nothing]) -> LiveAnswer:
    campaign = await campaign_of(call)
    return LiveAnswer(figures=await call.services.campaigns.live(campaign.campaign_id))


async def live_stream(call: Call[Nothing, LiveQuery]) -> web.StreamResponse:
    campaign = await campaign_of(call)
    request, console = call.request, call.console
    last_id = request.headers.get(LAST_EVENT_ID) or call.query.last_event_id
    if last_id is not None:
        try:
            checked_event_id(last_id)
        except ValueError as error:
            raise ApiError(
                BAD_QUERY,
                where=LAST_EVENT_ID,
                es="no es el id de un evento",
                en="it is not the id of an event",
            ) from error
    first: bytes | None = None
    if last_id is None:
        figures = await call.services.campaigns.live(campaign.campaign_id)
        first = None if figures is None else msgspec.json.encode(figures)
    secret = secret_of(request)

    async def go_on() -> bool:
        return await console.auth.is_live(secret)

    return await console.streams.send(
        request,
        call.services.campaigns.follow(campaign.campaign_id, last_id),
        name="figures",
        first=first,
        go_on=go_on,
    )


async def campaign_of(call: Call[B, Q]) -> Campaign:
    """The campaign that the path names. Raises `ApiError` where there is none."""
    found = await call.services.campaigns.get(call.param("campaign_id"))
    if found is None:
        raise not_found("esa campaña", "that campaign", where="campaign_id")
    return found


def _view(campaign: Campaign) -> CampaignView:
    return CampaignView(
        campaign_id=campaign.campaign_id,
        name=campaign.name,
        portfolio_id=campaign.portfolio_id,
        state=campaign.state,
        possible=tuple(action for action in possible_actions(campaign.state) if action in OFFERED),
        settings=campaign.settings,
        settings_sha256=campaign.settings_sha256,
        created_ms=campaign.created_ms,
        updated_ms=campaign.updated_ms,
    )


_WORDS: Final[dict[CampaignAction, tuple[frozenset[Role], str, str]]] = {
    CampaignAction.START: (FLOOR, "Start dialing", "Empezar a marcar"),
    CampaignAction.PAUSE: (
        BRAKES,
        "No new contacts until resumed",
        "Sin contactos nuevos hasta reanudar",
    ),
    CampaignAction.RESUME: (FLOOR, "Go on after a pause", "Seguir después de una pausa"),
    CampaignAction.STOP: (
        BRAKES,
        "No new contacts ever; completes when those in progress have ended",
        "Sin contactos nuevos; se completa cuando terminan los que están en curso",
    ),
    CampaignAction.ABORT: (
        BRAKES,
        "End at once; calls that nobody has answered are cancelled",
        "Terminar de inmediato; se cancelan las llamadas sin contestar",
    ),
}
OFFERED: Final = frozenset(_WORDS)
"""Actions of people; the engine completes a campaign by itself."""

ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{API}/campaigns",
        all_campaigns,
        body=Nothing,
        query=Nothing,
        answer=CampaignList,
        roles=OFFICE,
        tag="campaigns",
        en="All campaigns",
        es="Todas las campañas",
    ),
    route(
        "POST",
        f"{API}/campaigns",
        add_campaign,
        body=NewCampaign,
        query=Nothing,
        answer=CampaignView,
        roles=MANAGERS,
        status=201,
        tag="campaigns",
        en="Make a campaign in draft and enrol the accounts that fit",
        es="Crear una campaña en borrador e inscribir las cuentas que corresponden",
        errors=(NAME_TAKEN,),
    ),
    route(
        "GET",
        f"{API}/campaigns/{{campaign_id}}",
        one_campaign,
        body=Nothing,
        query=Nothing,
        answer=CampaignDetail,
        roles=OFFICE,
        tag="campaigns",
        en="One campaign, with its accounts by state",
        es="Una campaña, con sus cuentas por estado",
    ),
    route(
        "PUT",
        f"{API}/campaigns/{{campaign_id}}/settings",
        change_campaign,
        body=CampaignSettings,
        query=Nothing,
        answer=CampaignView,
        roles=MANAGERS,
        tag="campaigns",
        en="Other settings, from the next decision on",
        es="Otros ajustes, desde la próxima decisión",
        errors=(IMPOSSIBLE_ACTION,),
    ),
    *(
        route(
            "POST",
            f"{API}/campaigns/{{campaign_id}}/{action}",
            _acting(action),
            body=Nothing,
            query=Nothing,
            answer=CampaignView,
            roles=roles,
            tag="campaigns",
            en=en,
            es=es,
            errors=(IMPOSSIBLE_ACTION, UNSAFE_DIALING, CANNOT_SEND, NOTHING_TO_SAY),
        )
        for action, (roles, en, es) in _WORDS.items()
    ),
    route(
        "GET",
        f"{API}/campaigns/{{campaign_id}}/live",
        live_figures,
        body=Nothing,
        query=Nothing,
        answer=LiveAnswer,
        roles=OFFICE,
        tag="campaigns",
        en="Live figures of now",
        es="Cifras en vivo de ahora",
    ),
    stream(
        "GET",
        f"{API}/campaigns/{{campaign_id}}/live/stream",
        live_stream,
        query=LiveQuery,
        media_type=EVENT_STREAM,
        answer=LiveFigures,
        roles=OFFICE,
        tag="campaigns",
        en="Live figures as server-sent events `figures`; resumes after Last-Event-ID",
        es="Cifras en vivo como eventos `figures` del servidor; continúa tras Last-Event-ID",
    ),
)
