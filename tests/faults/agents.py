"""Agents inside the worker's process: they do what clients do, without the network between."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from campaigns.dispositions import DispositionCode
from dialer.bootstrap import Marcador
from dialer.core.desk_messages import (
    AnyServerMessage,
    CallbackInput,
    CallConnected,
    CallOver,
    CallView,
    CheckIdentity,
    CodeView,
    Dispose,
    Disposed,
    HangUp,
    IdentityResult,
    Refused,
    SetReady,
)
from dialer.core.identity import Factor
from dialer.runtime.outcomes import default_code
from dialer.stores.ledger.screens import read_person_on_screen

SAYS_WHO_THEY_ARE = 0.5
"""Share of people who answer the questions that verify them."""
AGENT_ENDS = 0.3
WRAP_UP_S = 3.0


class Agent:
    """Takes calls until cancelled."""

    def __init__(self, marcador: Marcador, name: str, rng: random.Random) -> None:
        self._marcador = marcador
        self._service = marcador.engine.agents
        self._name = name
        self._rng = rng
        self._inbox: asyncio.Queue[AnyServerMessage] = asyncio.Queue()
        self.calls = 0
        self.refusals: list[Refused] = []

    async def sit_down(self) -> None:
        await self._service.join(
            agent_id=self._name, username=self._name, name=self._name, language="es"
        )
        self._marcador.engine.desk.connect(self._name, self._inbox.put_nowait, 0)
        await self._service.handle(self._name, SetReady())

    async def work(self) -> None:
        while True:
            message = await self._inbox.get()
            if isinstance(message, CallConnected):
                await self._take(message.call)
                self.calls += 1

    async def _take(self, view: CallView) -> None:
        codes, verified = view.codes, False
        over = False
        if view.factors and self._rng.random() < SAYS_WHO_THEY_ARE:
            result = await self._verify(view)
            if isinstance(result, IdentityResult):
                codes, verified = result.codes or codes, result.passed
            over = isinstance(result, CallOver)
        if not over:
            if self._rng.random() < AGENT_ENDS:
                await self._service.handle(self._name, HangUp(call_id=view.call_id))
            await self._wait_for(CallOver)
        await self._marcador.clock.sleep(WRAP_UP_S * self._rng.random())
        await self._dispose(view.call_id, codes, verified=verified)

    async def _verify(self, view: CallView) -> AnyServerMessage:
        live = self._marcador.engine.outcomes.contacts[view.call_id]
        contact = live.contact
        person = await read_person_on_screen(
            self._marcador.ledger,
            contact.person_id,
            contact.account_id,
            contact.point.contact_point_id,
        )
        own = person.identity
        truth = {
            Factor.DOCUMENT_LAST4: own.document_number,
            Factor.BIRTH_DATE: own.birth_date,
            Factor.POSTAL_CODE: own.postal_code,
            Factor.CONTRACT: own.contract,
        }
        answers = {str(f): v for f, v in truth.items() if v and str(f) in view.factors}
        asked = CheckIdentity(call_id=view.call_id, answers=answers)
        await self._service.handle(self._name, asked)
        return await self._wait_for(IdentityResult, CallOver, Refused)

    async def _dispose(self, call_id: str, codes: tuple[CodeView, ...], *, verified: bool) -> None:
        code = self._rng.choice([view.code for view in codes if not view.needs])
        message = Dispose(call_id=call_id, code=code)
        if verified and self._rng.random() < 0.1:
            at = self._marcador.clock.now() + timedelta(minutes=self._rng.randint(5, 300))
            own = self._rng.random() < 0.5
            message = Dispose(
                call_id=call_id,
                code=DispositionCode.CALLBACK,
                callback=CallbackInput(at=at, own_agent=own),
            )
        await self._service.handle(self._name, message)
        answer = await self._wait_for(Disposed, Refused)
        if isinstance(answer, Refused):
            self.refusals.append(answer)
            fallback = Dispose(call_id=call_id, code=default_code(verified=verified))
            await self._service.handle(self._name, fallback)

    async def _wait_for(self, *kinds: type[AnyServerMessage]) -> AnyServerMessage:
        while True:
            message = await self._inbox.get()
            if isinstance(message, kinds):
                return message
