"""The agents' WebSocket: one connection for each agent, with a bounded outbox.

The desk owns the session; a connection only carries it. A connection that breaks, is too slow,
or is replaced by a newer one leaves the session as it is, and the next one resumes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from enum import IntEnum
from typing import Final
from weakref import WeakValueDictionary

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from prometheus_client import Counter

from dialer.console.auth import (
    SOCKET_PROTOCOL,
    Authenticator,
    Caller,
    check_origin,
    secret_of,
)
from dialer.console.decoding import parted, spanish
from dialer.console.metrics import Metrics
from dialer.console.services import Services
from dialer.core.agent import AgentState
from dialer.core.desk_messages import (
    AgentChanged,
    AnyClientMessage,
    AnyServerMessage,
    Refused,
    Resume,
)
from dialer.runtime.seats import Seat
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.database import LedgerUnavailable
from dialer.stores.redis.errors import RedisStoreError
from telephony_adapters.errors import TelephonyError

log = structlog.get_logger()

MAX_MESSAGE_BYTES: Final = 65_536
OUTBOX_MESSAGES: Final = 256
"""Messages that wait for a slow client: a whole replay fits. One more, and it is cut off."""
RESUME_TIMEOUT_S: Final = 10.0
SEND_TIMEOUT_S: Final = 10.0
"""How long one message may wait for the client's network."""
PING_S: Final = 20.0
RECHECK_S: Final = 15.0
"""How often an open connection's session is looked up again; what ends one on this worker is
acted on at once."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[AnyClientMessage]] = msgspec.json.Decoder(AnyClientMessage)


class Close(IntEnum):
    """Our own close codes (RFC 6455, 7.4.2: 4000 to 4999 are private)."""

    REPLACED = 4001
    """A newer connection of the same agent took over."""
    NOT_RESUMED = 4002
    """The first message did not come in time."""
    NO_SEAT = 4003
    """The audio leg could not be opened."""
    TOO_SLOW = 4008
    """The client did not read fast enough; the session waits for the next connection."""
    SESSION_ENDED = 4401
    """Logged out, expired, revoked or deactivated."""


class AgentSocket:
    """One connection of one agent."""

    def __init__(
        self,
        web_socket: web.WebSocketResponse,
        *,
        agent_id: str,
        token_id: str,
        turn: asyncio.Lock,
        sent: Counter,
    ) -> None:
        self.agent_id = agent_id
        self.token_id = token_id
        self.turn = turn
        """Held while a message of this agent is acted on, whichever connection brought it."""
        self._socket = web_socket
        self._sent = sent
        self._waiting: deque[AnyServerMessage] = deque()
        self._wake = asyncio.Event()
        self._ending: tuple[int, str] | None = None
        # The desk compares outboxes by identity, and a bound method is a new object each time.
        self.outbox = self._put

    def _put(self, message: AnyServerMessage) -> None:
        if len(self._waiting) >= OUTBOX_MESSAGES:
            self.end(Close.TOO_SLOW, "too_slow")
            return
        self._waiting.append(message)
        self._wake.set()

    def end(self, code: int, reason: str) -> None:
        """Close the connection soon; the first reason counts."""
        if self._ending is None:
            self._ending = (code, reason)
        self._wake.set()

    async def write(self) -> tuple[int, str]:
        """Send what comes until the connection is to end; gives the close code and the reason."""
        while True:
            while self._waiting:
                if self._ending is not None and self._ending[0] == Close.TOO_SLOW:
                    return self._ending
                message = self._waiting.popleft()
                if not await self._send(message):
                    return self._ending or (WSCloseCode.ABNORMAL_CLOSURE, "gone")
                if isinstance(message, AgentChanged) and message.state is AgentState.OFFLINE:
                    return WSCloseCode.OK, "logged_out"
            if self._ending is not None:
                return self._ending
            self._wake.clear()
            await self._wake.wait()

    async def _send(self, message: AnyServerMessage) -> bool:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._socket.send_str(_ENCODER.encode(message).decode())
        except TimeoutError:
            self.end(Close.TOO_SLOW, "too_slow")
            return False
        except (ConnectionError, RuntimeError):
            return False
        self._sent.inc()
        return True

    async def say(self, message: AnyServerMessage) -> None:
        """Send something that is no part of the session: it has no number."""
        await self._send(message)


class AgentSockets:
    """All agents' connections of this server."""

    def __init__(self, services: Services, auth: Authenticator, metrics: Metrics) -> None:
        self._services = services
        self._auth = auth
        self._metrics = metrics
        self._open: dict[str, AgentSocket] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks = TaskSet("agent-socket")
        self._received = metrics.said.labels("received")
        self._sent = metrics.said.labels("sent")

    def is_connected(self, agent_id: str) -> bool:
        return agent_id in self._open

    def end_agent(self, agent_id: str, *, token_id: str | None = None) -> None:
        """Cut an agent's connection because the session behind it has ended."""
        connection = self._open.get(agent_id)
        if connection is not None and token_id in (None, connection.token_id):
            connection.end(Close.SESSION_ENDED, "session_ended")

    async def close(self) -> None:
        """The server goes away; the sessions stay."""
        for connection in list(self._open.values()):
            connection.end(WSCloseCode.GOING_AWAY, "server_stops")
        await self._tasks.wait()

    async def serve(self, request: web.Request, caller: Caller) -> web.WebSocketResponse:
        """Carry one connection from its handshake to its end."""
        check_origin(request)
        web_socket = web.WebSocketResponse(
            protocols=(SOCKET_PROTOCOL,),
            max_msg_size=MAX_MESSAGE_BYTES,
            heartbeat=PING_S,
            compress=False,
            timeout=2.0,
        )
        await web_socket.prepare(request)
        agent_id = caller.user.user_id
        connection = AgentSocket(
            web_socket,
            agent_id=agent_id,
            token_id=caller.session.token_id,
            turn=self._turns.setdefault(agent_id, asyncio.Lock()),
            sent=self._sent,
        )
        resume = await self._first_message(web_socket, connection)
        if resume is None:
            return web_socket
        seat = await self._sit_down(web_socket, connection, caller)
        if seat is None:
            return web_socket
        older = self._open.get(connection.agent_id)
        if older is not None:
            older.end(Close.REPLACED, "replaced")
        self._open[connection.agent_id] = connection
        self._metrics.sockets.set(len(self._open))
        try:
            self._services.desk.connect(connection.agent_id, connection.outbox, resume.seq)
            await self._carry(request, web_socket, connection, resume)
        finally:
            self._services.desk.disconnect(connection.agent_id, connection.outbox)
            if self._open.get(connection.agent_id) is connection:
                del self._open[connection.agent_id]
            self._metrics.sockets.set(len(self._open))
        return web_socket

    async def _carry(
        self,
        request: web.Request,
        web_socket: web.WebSocketResponse,
        connection: AgentSocket,
        resume: Resume,
    ) -> None:
        """Read, write and look after the session until one of them ends."""
        writing = asyncio.create_task(connection.write(), name="agent-socket:write")
        reading = asyncio.create_task(
            self._read(web_socket, connection, resume), name="agent-socket:read"
        )
        checking = asyncio.create_task(
            self._recheck(secret_of(request), connection), name="agent-socket:check"
        )
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                return
            code, reason = writing.result()
            self._metrics.closed.labels(reason).inc()
            log.debug("agent_socket_ended", agent=connection.agent_id, reason=reason)
            if code == Close.TOO_SLOW:
                # It does not read: it would not read a farewell either.
                if request.transport is not None:
                    request.transport.abort()
                return
            with contextlib.suppress(ConnectionError, RuntimeError):
                await web_socket.close(code=code, message=reason.encode())
        finally:
            for task in (writing, reading, checking):
                task.cancel()
            await asyncio.gather(writing, reading, checking, return_exceptions=True)

    # --- reading -----------------------------------------------------------------------------

    async def _first_message(
        self, web_socket: web.WebSocketResponse, connection: AgentSocket
    ) -> Resume | None:
        """Wait for `resume`. Anything else is refused, and waited on."""
        try:
            async with asyncio.timeout(RESUME_TIMEOUT_S):
                async for frame in web_socket:
                    if frame.type is WSMsgType.ERROR:
                        break
                    message = self._decoded(frame.type, frame.data)
                    if isinstance(message, Resume):
                        return message
                    if not isinstance(message, Refused):
                        message = Refused(
                            ref=message.ref,
                            code="resume_first",
                            message_es="El primer mensaje debe ser `resume`.",
                            message_en="The first message must be `resume`.",
                        )
                    await connection.say(message)
        except TimeoutError:
            await web_socket.close(code=Close.NOT_RESUMED, message=b"not_resumed")
        return None

    async def _sit_down(
        self, web_socket: web.WebSocketResponse, connection: AgentSocket, caller: Caller
    ) -> Seat | None:
        try:
            return await self._services.agents.join(caller.user)
        except TelephonyError as error:
            log.warning("agent_leg_not_opened", agent=caller.user.user_id, error=str(error))
            await connection.say(
                Refused(
                    ref=None,
                    code=error.code,
                    message_es="No se pudo abrir su línea de audio; inténtelo de nuevo.",
                    message_en="Your audio leg could not be opened; try again.",
                )
            )
            await web_socket.close(code=Close.NO_SEAT, message=b"no_seat")
            return None

    async def _read(
        self, web_socket: web.WebSocketResponse, connection: AgentSocket, resume: Resume
    ) -> None:
        """Do what the client says, one message after the other."""
        await self._act(connection, resume)
        async for frame in web_socket:
            if frame.type is WSMsgType.ERROR:
                break  # too large, or no WebSocket frame at all: the connection is closed
            self._received.inc()
            message = self._decoded(frame.type, frame.data)
            if isinstance(message, Refused):
                self._refuse(connection, message)
            else:
                await self._act(connection, message)

    async def _act(self, connection: AgentSocket, message: AnyClientMessage) -> None:
        """Act on a message to its end, even if the connection ends meanwhile: a disposition
        that has begun must not be half recorded."""
        task = self._tasks.start("message", self._in_turn(connection, message))
        await asyncio.shield(task)

    async def _in_turn(self, connection: AgentSocket, message: AnyClientMessage) -> None:
        async with connection.turn:
            await self._handle(connection, message)

    async def _handle(self, connection: AgentSocket, message: AnyClientMessage) -> None:
        try:
            await self._services.agents.handle(connection.agent_id, message)
        except (LedgerUnavailable, RedisStoreError, TelephonyError) as error:
            log.warning("agent_message_failed", agent=connection.agent_id, error=str(error))
            self._refuse(
                connection,
                Refused(
                    ref=message.ref,
                    code="store_unavailable",
                    message_es="El sistema no respondió; inténtelo de nuevo.",
                    message_en="The system did not answer; try again.",
                ),
            )
        except Exception:
            # A fault of ours must not cost the agent the session, or the call in hand.
            log.exception("agent_message_fault", agent=connection.agent_id)
            self._refuse(
                connection,
                Refused(
                    ref=message.ref,
                    code="server_fault",
                    message_es="Algo falló dentro de Marcador; avise a su supervisor.",
                    message_en="Something failed inside Marcador; tell your supervisor.",
                ),
            )

    def _refuse(self, connection: AgentSocket, refusal: Refused) -> None:
        seat = self._services.desk.seat(connection.agent_id)
        if seat is not None:
            seat.say(refusal)

    def _decoded(self, kind: WSMsgType, data: object) -> AnyClientMessage | Refused:
        """The message of a frame, or the refusal that answers it."""
        if kind is not WSMsgType.TEXT or not isinstance(data, str):
            return Refused(
                ref=None,
                code="not_text",
                message_es="Los mensajes son JSON en tramas de texto.",
                message_en="Messages are JSON in text frames.",
            )
        try:
            return _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            where, reason = parted(error)
            at = f" ({where})" if where else ""
            return Refused(
                ref=_ref_of(data),
                code="bad_message" if isinstance(error, msgspec.ValidationError) else "bad_json",
                message_es=f"El mensaje no se entiende: {spanish(reason)}{at}.",
                message_en=f"The message cannot be understood: {reason}{at}.",
            )

    # --- looking after the session -----------------------------------------------------------

    async def _recheck(self, secret: str, connection: AgentSocket) -> None:
        while True:
            await asyncio.sleep(RECHECK_S)
            try:
                if not await self._auth.is_live(secret):
                    connection.end(Close.SESSION_ENDED, "session_ended")
            except LedgerUnavailable as error:
                log.warning("session_not_checked", agent=connection.agent_id, error=str(error))


class _AnyRef(msgspec.Struct):
    ref: str | None = None


_REF_DECODER: Final = msgspec.json.Decoder(_AnyRef)


def _ref_of(text: str) -> str | None:
    """The client's mark on a message that is otherwise not understood."""
    try:
        ref = _REF_DECODER.decode(text).ref
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return None if ref is None else ref[:100]
