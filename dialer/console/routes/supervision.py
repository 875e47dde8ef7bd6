"""Supervisors on calls: who talks; listening, whispering, barging in. All of it is audited."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar

import msgspec

from dialer.console.errors import (
    NOT_SUPERVISING,
    NOT_TALKING,
    STORE_AWAY,
    TELEPHONY_REFUSED,
    ApiError,
)
from dialer.console.table import API, FLOOR, Call, Nothing, Route, not_found, route
from dialer.core.desk_messages import SupervisionMode
from dialer.runtime.inbound import InboundFigures
from dialer.runtime.supervision import (
    LiveConversation,
    NobodyTalks,
    NotSupervising,
    SupervisionView,
)
from dialer.stores.ledger.users import Role
from telephony_adapters.errors import TelephonyError

SUPERVISORS = frozenset({Role.SUPERVISOR, Role.ADMIN})

T = TypeVar("T")


class ConversationList(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    conversations: list[LiveConversation]


class Supervise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    agent_id: str
    mode: SupervisionMode = SupervisionMode.LISTEN


class ChangeMode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mode: SupervisionMode


async def list_conversations(call: Call[Nothing, Nothing]) -> ConversationList:
    return ConversationList(
        at=call.services.clock.now(), conversations=call.services.supervision.conversations()
    )


async def inbound_figures(call: Call[Nothing, Nothing]) -> InboundFigures:
    return call.services.inbound()


async def supervise(call: Call[Supervise, Nothing]) -> SupervisionView:
    return await _told(
        call.services.supervision.start(
            supervisor_id=call.user.user_id,
            username=call.user.username,
            agent_id=call.body.agent_id,
            mode=call.body.mode,
        )
    )


async def my_supervision(call: Call[Nothing, Nothing]) -> SupervisionView:
    view = call.services.supervision.view(call.user.user_id)
    if view is None:
        raise not_found("una supervisión suya", "a supervision of yours")
    return view


async def change_supervision(call: Call[ChangeMode, Nothing]) -> SupervisionView:
    return await _told(call.services.supervision.change(call.user.user_id, call.body.mode))


async def stop_supervision(call: Call[Nothing, Nothing]) -> Nothing:
    await _told(call.services.supervision.stop(call.user.user_id))
    return Nothing()


async def _told(work: Awaitable[T]) -> T:
    """Do it, or say in the API's words why not."""
    try:
        return await work
    except NobodyTalks as error:
        raise ApiError(NOT_TALKING, where="agent_id") from error
    except NotSupervising as error:
        raise ApiError(NOT_SUPERVISING) from error
    except TelephonyError as error:
        raise ApiError(TELEPHONY_REFUSED, es=str(error), en=str(error)) from error


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{API}/conversations",
        list_conversations,
        body=Nothing,
        query=Nothing,
        answer=ConversationList,
        roles=FLOOR,
        tag="supervision",
        en="Conversations of this worker's agents, without a word about the person",
        es="Conversaciones de los agentes de este proceso, sin nada sobre la persona",
    ),
    route(
        "GET",
        f"{API}/inbound",
        inbound_figures,
        body=Nothing,
        query=Nothing,
        answer=InboundFigures,
        roles=FLOOR,
        tag="supervision",
        en="Calls to this worker: how many wait, were taken, were missed",
        es="Llamadas a este proceso: cuántas esperan, se atendieron, se perdieron",
    ),
    route(
        "POST",
        f"{API}/supervision",
        supervise,
        body=Supervise,
        query=Nothing,
        answer=SupervisionView,
        roles=SUPERVISORS,
        status=201,
        tag="supervision",
        en="Listen to an agent's call, whisper or barge in; my telephone rings, the audit shows it",
        es="Escuchar la llamada de un agente, susurrar o intervenir; suena mi teléfono y queda en "
        "la auditoría",
        errors=(NOT_TALKING, TELEPHONY_REFUSED, STORE_AWAY),
    ),
    route(
        "GET",
        f"{API}/supervision",
        my_supervision,
        body=Nothing,
        query=Nothing,
        answer=SupervisionView,
        roles=SUPERVISORS,
        tag="supervision",
        en="The call that I supervise",
        es="La llamada que superviso",
    ),
    route(
        "PATCH",
        f"{API}/supervision",
        change_supervision,
        body=ChangeMode,
        query=Nothing,
        answer=SupervisionView,
        roles=SUPERVISORS,
        tag="supervision",
        en="Another mode on the same call",
        es="Otro modo en la misma llamada",
        errors=(NOT_SUPERVISING, TELEPHONY_REFUSED),
    ),
    route(
        "DELETE",
        f"{API}/supervision",
        stop_supervision,
        body=Nothing,
        query=Nothing,
        answer=Nothing,
        roles=SUPERVISORS,
        tag="supervision",
        en="Leave the call",
        es="Dejar la llamada",
        errors=(NOT_SUPERVISING,),
    ),
)
