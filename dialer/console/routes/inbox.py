"""What people wrote to us, and answers to it; what became of a campaign's messages."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from compliance.types import Channel
from dialer.console.errors import (
    BAD_FIELD,
    NOTHING_TO_ANSWER,
    REPLY_NOT_ALLOWED,
    REPLY_NOT_SENT,
    REPLY_TELLS_TOO_MUCH,
    ApiError,
)
from dialer.console.routes.campaigns import campaign_of
from dialer.console.table import API, EVERYBODY, OFFICE, Call, Nothing, Route, not_found, route
from dialer.core.deciding import headline
from dialer.core.records import to_ms
from dialer.runtime.blasts.replies import (
    LONGEST_REPLY,
    NoSuchThread,
    NothingToAnswer,
    ReplyNotAllowed,
    ReplyNotSent,
    ReplyTellsTooMuch,
    Sent,
)
from dialer.stores.ledger.messages import (
    CampaignMessages,
    Line,
    Thread,
    ThreadState,
    campaign_messages,
    close_thread,
    count_threads,
    get_thread,
    lines_of,
    list_threads,
)
from dialer.stores.ledger.users import Role

B = TypeVar("B")
Q = TypeVar("Q")

ANSWERERS: Final = frozenset({Role.AGENT, Role.SUPERVISOR, Role.MANAGER})
CLOSERS: Final = ANSWERERS | {Role.COMPLIANCE}


class ThreadView(msgspec.Struct, frozen=True, kw_only=True):
    """A thread as lists show it: nobody can be called or written to by it."""

    thread_id: str
    channel: Channel
    person_id: str
    """Empty: the address is nobody's, or of several people."""
    address: str
    """Masked."""
    state: ThreadState
    reason: str
    """Why it waits for a person: `free_text`, `maybe_opt_out`, `paid`, `dispute`, `call_me`,
    `shared_address`, `unknown_address`."""
    account_id: str | None
    campaign_id: str | None
    last_inbound_ms: int | None
    last_outbound_ms: int | None
    updated_ms: int
    closed_by: str | None


class ThreadList(msgspec.Struct, frozen=True, kw_only=True):
    threads: list[ThreadView]
    counts: dict[str, int]
    """Threads by state."""


class ThreadQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    state: ThreadState | None = ThreadState.WAITING_US
    channel: Channel | None = None
    person_id: Annotated[str, Meta(max_length=64)] | None = None
    after_ms: int | None = None
    """`updated_ms` of the last thread of the page before; with `after`."""
    after: Annotated[str, Meta(max_length=100)] | None = None
    """Its `thread_id`."""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class ThreadDetail(msgspec.Struct, frozen=True, kw_only=True):
    thread: ThreadView
    messages: list[Line]


class ReplyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_REPLY)]
    """Neutral: nothing of a debt. The line that tells how to stop these messages is added."""

    def __repr__(self) -> str:
        return "ReplyBody(***)"


class CloseBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    resolution: Annotated[str, Meta(min_length=1, max_length=500)]
    """What was done. Goes on record: name nobody in it."""


async def all_threads(call: Call[Nothing, ThreadQuery]) -> ThreadList:
    asked = call.query
    before = None
    if asked.after_ms is not None and asked.after is not None:
        before = (asked.after_ms, asked.after)
    async with call.services.ledger.read() as conn:
        found = await list_threads(
            conn,
            state=asked.state,
            channel=asked.channel,
            person_id=asked.person_id,
            before=before,
            limit=asked.limit,
        )
        counts = await count_threads(conn)
    return ThreadList(threads=[view_of(thread) for thread in found], counts=counts)


async def one_thread(call: Call[Nothing, Nothing]) -> ThreadDetail:
    async with call.services.ledger.read() as conn:
        thread = await get_thread(conn, call.param("thread_id"))
        if thread is None:
            raise _no_thread()
        lines = await lines_of(conn, thread.thread_id)
    return ThreadDetail(thread=view_of(thread), messages=lines)


async def answer_thread(call: Call[ReplyBody, Nothing]) -> Sent:
    if not call.body.text.strip():
        raise ApiError(BAD_FIELD, where="text", es="está vacío", en="it is empty")
    try:
        return await call.services.messages.reply(
            call.param("thread_id"), call.body.text, author=call.user.user_id
        )
    except NoSuchThread as error:
        raise _no_thread() from error
    except NothingToAnswer as error:
        raise ApiError(NOTHING_TO_ANSWER) from error
    except ReplyTellsTooMuch as error:
        first = error.findings[0]
        raise ApiError(REPLY_TELLS_TOO_MUCH, where="text", es=first.es, en=first.en) from error
    except ReplyNotAllowed as error:
        first_allowed = error.record.first_allowed
        when = "-" if first_allowed is None else first_allowed.isoformat(timespec="seconds")
        rule = headline(error.record)
        raise ApiError(REPLY_NOT_ALLOWED, rule=rule, when=when) from error
    except ReplyNotSent as error:
        raise ApiError(REPLY_NOT_SENT, cause=error.cause) from error


async def end_thread(call: Call[CloseBody, Nothing]) -> ThreadView:
    actor, now_ms = call.user.user_id, to_ms(call.services.clock.now())
    thread_id, resolution = call.param("thread_id"), call.body.resolution
    try:
        closed = await call.services.ledger.transact(
            lambda conn: close_thread(
                conn, thread_id, resolution=resolution, actor=actor, now_ms=now_ms
            )
        )
    except LookupError as error:
        raise _no_thread() from error
    except ValueError as error:
        raise ApiError(BAD_FIELD, where="resolution", es="está vacío", en="it is empty") from error
    return view_of(closed)


async def messages_of_campaign(call: Call[Nothing, Nothing]) -> CampaignMessages:
    campaign = await campaign_of(call)
    async with call.services.ledger.read() as conn:
        return await campaign_messages(conn, campaign.campaign_id)


def _no_thread() -> ApiError:
    return not_found("esa conversación", "that thread", where="thread_id")


def view_of(thread: Thread) -> ThreadView:
    """The thread as lists show it."""
    shown = {
        name: getattr(thread, name) for name in ThreadView.__struct_fields__ if name != "address"
    }
    return ThreadView(**shown, address=thread.masked)


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{API}/inbox",
        all_threads,
        body=Nothing,
        query=ThreadQuery,
        answer=ThreadList,
        roles=EVERYBODY,
        tag="messages",
        en="Threads of written messages; by default those that wait for a person, oldest first",
        es="Conversaciones escritas; por defecto las que esperan a una persona, primero la más "
        "antigua",
    ),
    route(
        "GET",
        f"{API}/inbox/{{thread_id}}",
        one_thread,
        body=Nothing,
        query=Nothing,
        answer=ThreadDetail,
        roles=EVERYBODY,
        tag="messages",
        en="A thread with its messages",
        es="Una conversación con sus mensajes",
    ),
    route(
        "POST",
        f"{API}/inbox/{{thread_id}}/reply",
        answer_thread,
        body=ReplyBody,
        query=Nothing,
        answer=Sent,
        roles=ANSWERERS,
        status=201,
        tag="messages",
        en="Answer what the person wrote last: checked, put to the gate, and sent",
        es="Responder lo último que escribió la persona: se revisa, se consulta a la compuerta y "
        "se envía",
        errors=(NOTHING_TO_ANSWER, REPLY_TELLS_TOO_MUCH, REPLY_NOT_ALLOWED, REPLY_NOT_SENT),
    ),
    route(
        "POST",
        f"{API}/inbox/{{thread_id}}/close",
        end_thread,
        body=CloseBody,
        query=Nothing,
        answer=ThreadView,
        roles=CLOSERS,
        tag="messages",
        en="It has been read and dealt with; the hold that waited for it ends",
        es="Ya se leyó y se atendió; termina la retención que la esperaba",
    ),
    route(
        "GET",
        f"{API}/campaigns/{{campaign_id}}/messages",
        messages_of_campaign,
        body=Nothing,
        query=Nothing,
        answer=CampaignMessages,
        roles=OFFICE,
        tag="messages",
        en="What became of a campaign's messages, and what people wrote back",
        es="Qué fue de los mensajes de una campaña, y qué respondieron",
    ),
)
