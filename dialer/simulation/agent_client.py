"""Simulated agents: real clients of the agents' WebSocket, with simulated ears and hands.

An agent logs in over HTTP, keeps one WebSocket, and works as a person would: greets, verifies
identity with what the person answers, talks until the person hangs up, wraps up, and says what
it was. What he hears is told him (`headsets`), where a real agent would listen.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import aiohttp
import msgspec
import structlog

from campaigns.dispositions import DispositionCode as Code
from dialer.core.desk_messages import (
    AnyClientMessage,
    AnyServerMessage,
    BackToCall,
    CallbackInput,
    CallConnected,
    CallOver,
    CallView,
    CheckIdentity,
    DebtView,
    DialPreview,
    Dispose,
    HandedOn,
    HangUp,
    Heartbeat,
    Hold,
    IdentityResult,
    ListTargets,
    Logout,
    PreviewOffered,
    PromiseInput,
    Refused,
    Resume,
    SetReady,
    Target,
    TargetKind,
    Targets,
    Transfer,
)
from dialer.runtime.clock import Clock
from dialer.runtime.inbound import UNIDENTIFIED
from telephony_adapters.messages import CallId
from telephony_adapters.simulator.heard import Heard, Intent, Speaker

log = structlog.get_logger()

GREETING_S = 12.0
"""From "hello" to the answers of the verification questions."""
MACHINE_S = 4.0
"""How long an agent listens before he knows that it is a machine."""
HABIT_TALK_S = 60.0
"""Conversations shorter than this are never held or passed on."""
HABIT_AFTER_S = 8.0
"""From the identity check to a hold or a transfer."""
HOLD_S = 20.0
HOLD_PERCENT = 6
"""Of long conversations, how many are held once."""
TRANSFER_PERCENT = 3
"""Of long conversations, how many go to a free colleague."""
HABIT = "habit"
"""Mark of what an agent does by habit: that it comes too late is no fault."""
LOOK_S = 6.0
"""How long an agent looks at an account before he calls it."""
HEARTBEAT_S = 5.0
"""Real seconds between two signs of presence."""

_ENCODE = msgspec.json.Encoder()
_DECODE = msgspec.json.Decoder(AnyServerMessage)

_CODES: dict[Intent, Code] = {
    Intent.PROMISE: Code.PROMISE,
    Intent.WILLING: Code.WILLING_NO_DATE,
    Intent.REFUSE: Code.REFUSES,
    Intent.ALREADY_PAID: Code.CLAIMS_PAID,
    Intent.CALLBACK: Code.CALLBACK,
    Intent.HARDSHIP: Code.HARDSHIP,
    Intent.DISPUTE: Code.DISPUTES_AMOUNT,
    Intent.HANG_UP: Code.RIGHT_PARTY_HUNG_UP,
    Intent.CEASE: Code.CEASE,
}
_OTHER_SPEAKERS: dict[Speaker, Code] = {
    Speaker.WRONG_PARTY: Code.WRONG_NUMBER,
    Speaker.THIRD_PARTY: Code.THIRD_PARTY_KNOWS,
    Speaker.MACHINE: Code.VOICEMAIL_NO_MESSAGE,
    Speaker.FAX: Code.FAX,
    Speaker.SILENCE: Code.HUNG_UP_BEFORE_TALK,
}


Listen = Callable[[str, CallId], Awaitable[Heard]]
"""What an agent (user name) hears on a call: his headset."""
Knowledge = Callable[[str], Awaitable[Mapping[str, str]]]
"""What the person on a call would answer to the verification questions, by call id."""


class SimulatedAgent:
    """One agent from login to logout."""

    def __init__(
        self,
        *,
        base_url: str,
        username: str,
        password: str,
        clock: Clock,
        listen: Listen,
        knowledge: Knowledge,
        converses: bool = False,
    ) -> None:
        """`converses`: the carrier can hold and move calls, and the agent sometimes does."""
        self._base_url = base_url
        self._username = username
        self._password = password
        self._clock = clock
        self._listen = listen
        self._knowledge = knowledge
        self._converses = converses
        self._inbox: asyncio.Queue[AnyServerMessage] = asyncio.Queue()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._last_seq = 0
        self.calls = 0
        self.refused: list[Refused] = []

    async def work(self, until: asyncio.Event) -> None:
        """Log in, take calls until told to stop, finish the call in hand, log out."""
        async with aiohttp.ClientSession(self._base_url) as http:
            token = await self._log_in(http)
            headers = {"Authorization": f"Bearer {token}"}
            async with http.ws_connect("/api/v1/agent/socket", headers=headers) as socket:
                self._socket = socket
                await self._say(Resume(seq=self._last_seq))
                reader = asyncio.create_task(self._read(socket))
                beats = asyncio.create_task(self._beat())
                try:
                    await self._say(SetReady())
                    await self._take_calls(until)
                    await self._say(Logout())
                finally:
                    for task in (reader, beats):
                        task.cancel()
                        with contextlib.suppress(asyncio.CancelledError):
                            await task

    async def _log_in(self, http: aiohttp.ClientSession) -> str:
        body = {"username": self._username, "password": self._password}
        async with http.post("/api/v1/login", json=body) as reply:
            reply.raise_for_status()
            answer = msgspec.json.decode(await reply.read(), type=dict[str, object])
        return str(answer["token"])

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                message = _DECODE.decode(frame.data)
                self._last_seq = message.seq
                self._inbox.put_nowait(message)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self._say(Heartbeat())

    async def _say(self, message: AnyClientMessage) -> None:
        if self._socket is None:
            raise RuntimeError("the agent has no connection")
        await self._socket.send_str(_ENCODE.encode(message).decode())

    async def _take_calls(self, until: asyncio.Event) -> None:
        stop = asyncio.create_task(until.wait())
        try:
            while not until.is_set():
                message = asyncio.create_task(self._inbox.get())
                await asyncio.wait({message, stop}, return_when=asyncio.FIRST_COMPLETED)
                if not message.done():
                    message.cancel()
                    return
                got = message.result()
                if isinstance(got, CallConnected):
                    await self._handle(got.call)
                elif isinstance(got, PreviewOffered):
                    await self._clock.sleep(LOOK_S)
                    await self._say(DialPreview(offer_id=got.preview.offer_id))
                elif isinstance(got, Refused):
                    self.refused.append(got)
        finally:
            stop.cancel()

    async def _handle(self, call: CallView) -> None:
        self.calls += 1
        heard = await self._listen(self._username, CallId(call.call_id))
        verified: IdentityResult | None = None
        if call.verified:
            verified = _of_colleague(call)
        elif heard.speaker is Speaker.RIGHT_PARTY and heard.verification_answers and call.factors:
            verified = await self._verify(call)
            if verified is not None and heard.talk_s > HABIT_TALK_S:
                await self._habit(call.call_id)
        elif not heard.speaker.is_live:
            await self._clock.sleep(MACHINE_S)
            await self._say(HangUp(call_id=call.call_id))
        if not await self._until_over(call.call_id):
            return  # a colleague has it, and will say what it was
        await self._clock.sleep(heard.wrap_up_s)
        await self._say(self._disposition(call, heard, verified))

    async def _verify(self, call: CallView) -> IdentityResult | None:
        await self._clock.sleep(GREETING_S)
        truth = await self._knowledge(call.call_id)
        answers = {name: value for name, value in truth.items() if name in call.factors}
        await self._say(CheckIdentity(call_id=call.call_id, answers=answers))
        while True:
            message = await self._inbox.get()
            if isinstance(message, IdentityResult) and message.call_id == call.call_id:
                return message if message.passed else None
            if isinstance(message, CallOver):
                self._inbox.put_nowait(message)
                return None
            if isinstance(message, Refused):
                self.refused.append(message)
                return None

    async def _habit(self, call_id: str) -> None:
        """Now and then a hold, or a colleague takes over; always the same for a call."""
        fate = zlib.crc32(call_id.encode()) % 100
        if not self._converses or fate >= HOLD_PERCENT + TRANSFER_PERCENT:
            return
        await self._clock.sleep(HABIT_AFTER_S)
        if fate >= HOLD_PERCENT:
            await self._say(ListTargets(ref=HABIT))
            return
        await self._say(Hold(ref=HABIT, call_id=call_id))
        await self._clock.sleep(HOLD_S)
        await self._say(BackToCall(ref=HABIT, call_id=call_id))

    async def _until_over(self, call_id: str) -> bool:
        """Wait for the end of the call. False: it has gone to a colleague."""
        while True:
            message = await self._inbox.get()
            if isinstance(message, CallOver) and message.call_id == call_id:
                return True
            if isinstance(message, HandedOn) and message.call_id == call_id:
                return message.wrap_up_limit_s is not None
            if isinstance(message, Targets):
                free = next((a for a in message.agents if a.free), None)
                if free is not None:
                    to = Target(kind=TargetKind.AGENT, name=free.agent_id)
                    await self._say(Transfer(ref=HABIT, call_id=call_id, to=to))
            if isinstance(message, Refused) and message.ref != HABIT:
                self.refused.append(message)

    def _disposition(
        self, call: CallView, heard: Heard, verified: IdentityResult | None
    ) -> Dispose:
        if [view.code for view in call.codes] == [UNIDENTIFIED]:
            return Dispose(call_id=call.call_id, code=UNIDENTIFIED)
        if heard.speaker in _OTHER_SPEAKERS:
            return Dispose(call_id=call.call_id, code=_OTHER_SPEAKERS[heard.speaker])
        if verified is None:
            return Dispose(call_id=call.call_id, code=Code.NOT_VERIFIED)
        code = _CODES.get(heard.intent, Code.RIGHT_PARTY_HUNG_UP)
        if code is Code.PROMISE:
            promise = self._promise(heard, verified.debts)
            if promise is None:
                return Dispose(call_id=call.call_id, code=Code.WILLING_NO_DATE)
            return Dispose(call_id=call.call_id, code=code, promise=promise)
        if code is Code.CALLBACK:
            at = self._clock.now() + timedelta(minutes=heard.callback_min or 60)
            own = (heard.callback_min or 0) % 2 == 0
            return Dispose(
                call_id=call.call_id, code=code, callback=CallbackInput(at=at, own_agent=own)
            )
        return Dispose(call_id=call.call_id, code=code)

    def _promise(self, heard: Heard, debts: tuple[DebtView, ...]) -> PromiseInput | None:
        overdue = sum(d.overdue_cents if d.overdue_cents else d.total_cents for d in debts)
        amount = round(overdue * (heard.promise_share or 1.0))
        if amount <= 0:
            return None
        due = (self._clock.now() + timedelta(days=heard.promise_days or 0)).date()
        return PromiseInput(amount_cents=amount, due_date=due, method="transfer")


def _of_colleague(call: CallView) -> IdentityResult:
    """The identity check that a colleague made before the call came over."""
    return IdentityResult(
        call_id=call.call_id,
        passed=True,
        tries_left=call.tries_left,
        person_name=call.person_name,
        debts=call.debts,
        codes=call.codes,
    )
