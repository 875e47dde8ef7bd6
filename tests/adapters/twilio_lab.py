"""The conformance laboratory of Twilio: the adapter and the fake, real HTTP between them, and one
manual clock for both, which moves only when no request is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from telephony_adapters.call_ids import inbound_call_id
from telephony_adapters.messages import CallId, CarrierDown, LegId
from telephony_adapters.twilio.adapter import TwilioAdapter
from telephony_adapters.twilio.codec import label_read
from telephony_adapters.twilio.fake.calls import FakeCall
from telephony_adapters.twilio.fake.exchange import FakeSettings
from telephony_adapters.twilio.fake.faults import CreateFault, Fault
from telephony_adapters.twilio.fake.lines import Behaviour, Line, ScriptedWorld
from telephony_adapters.twilio.fake.server import FakeTwilio
from telephony_adapters.twilio.settings import TwilioSettings
from telephony_adapters.twilio.twiml import Addresses
from tests.adapters.lab import (
    OUR_NUMBER,
    PATIENCE_S,
    BreakableLab,
    CallableLab,
    FarEnd,
    ListeningLab,
)
from tests.support.free_port import free_port
from tests.support.manual_clock import ManualClock

NUMBERS = {far_end: f"+1305555{n:04d}" for n, far_end in enumerate(FarEnd, 100)}
LINES: Mapping[FarEnd, Line] = {
    FarEnd.ANSWERS: Line(behaviour=Behaviour.HUMAN),
    FarEnd.ANSWERS_BRIEFLY: Line(behaviour=Behaviour.HUMAN, hangs_up_after_s=2.0),
    FarEnd.RINGS: Line(behaviour=Behaviour.RINGS),
    FarEnd.DEAD: Line(behaviour=Behaviour.DEAD),
    FarEnd.BUSY: Line(behaviour=Behaviour.BUSY),
    FarEnd.UNAVAILABLE: Line(behaviour=Behaviour.UNAVAILABLE),
    FarEnd.NOT_IN_SERVICE: Line(behaviour=Behaviour.NOT_IN_SERVICE),
    FarEnd.REJECTS: Line(behaviour=Behaviour.REJECTS),
    FarEnd.CONGESTED: Line(behaviour=Behaviour.CONGESTED),
    FarEnd.MACHINE: Line(behaviour=Behaviour.MACHINE),
    FarEnd.PRESSES_KEYS: Line(behaviour=Behaviour.HUMAN, keys=((1.0, "1"), (2.0, "2"))),
}
IDLE_TURNS = 8
"""Turns of the loop without any request after which both sides have nothing more to do."""
REQUEST_TIMEOUT_S = 20.0
"""Real seconds: a busy machine is no fault of Twilio's."""
NEVER_ANSWERED = (CreateFault.SILENT, CreateFault.SILENT_PLACED)
GIVE_UP_S = 1.0
"""Real seconds until a create that is never answered is given up."""


class TwilioLab(BreakableLab, CallableLab, ListeningLab):
    """Make it with `twilio_lab()`, which starts both sides."""

    def __init__(self, fake_settings: FakeSettings, faults: Mapping[str, Fault]) -> None:
        super().__init__()
        self.clock = ManualClock(quiesce=self._quiet)
        world = ScriptedWorld({NUMBERS[far_end]: line for far_end, line in LINES.items()})
        self.fake = FakeTwilio(fake_settings, self.clock, world, faults)
        self._adapter: TwilioAdapter | None = None
        self._endpoints = 0

    def settings(self, webhook_port: int, **changes: object) -> TwilioSettings:
        usual = TwilioSettings(
            account_sid=self.fake.settings.account_sid,
            auth_token=self.fake.settings.auth_token,
            public_url=f"http://127.0.0.1:{webhook_port}",
            caller_ids=("+13055550100",),
            api_url=self.fake.url,
            listen_port=webhook_port,
            prompts_url="http://127.0.0.1:9/prompts",
            request_timeout_s=REQUEST_TIMEOUT_S,
            probe_s=5.0,
            calls_per_s=self.fake.settings.calls_per_s,
        )
        return msgspec.structs.replace(usual, **changes)

    def make(self, settings: TwilioSettings, notes: Path | None = None) -> TwilioAdapter:
        """An adapter whose Twilio keeps this laboratory's time."""
        return TwilioAdapter(settings, self.clock, twilio_now=self.clock.now, notes=notes)

    def use(self, adapter: TwilioAdapter) -> None:
        """This adapter is the one under test, and the account's numbers ask it."""
        self._adapter = adapter
        addresses = Addresses(adapter.settings.public_url)
        self.fake.exchange.voice_url = addresses.voice_in
        self.fake.exchange.voice_status_url = addresses.voice_status

    @property
    def adapter(self) -> TwilioAdapter:
        if self._adapter is None:
            raise AssertionError("the laboratory has not started")
        return self._adapter

    async def _quiet(self) -> None:
        """Return when neither side has a request under way."""
        idle = 0
        while idle < IDLE_TURNS:
            busy = self.fake.busy or (
                self._adapter is not None and self._adapter.requests_in_flight > 0
            )
            idle = 0 if busy else idle + 1
            await asyncio.sleep(0.0005 if busy else 0)

    # --- what each adapter's laboratory provides ------------------------------------------------

    def now(self) -> datetime:
        return self.clock.now()

    def number(self, far_end: FarEnd) -> str:
        return NUMBERS[far_end]

    def endpoint(self) -> str:
        self._endpoints += 1
        return f"agent:dora_{self._endpoints}"

    def placed(self) -> int:
        return sum(
            1 for call in self.fake.exchange.calls.values() if not (call.is_agent or call.inbound)
        )

    async def until(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        await self.clock.run_until(condition, limit_s)

    async def pass_time(self, delay_s: float) -> None:
        await self.clock.advance(delay_s)

    async def callee_hangs_up(self, call_id: CallId) -> None:
        self.fake.exchange.far_end_hangs_up(self.call(call_id))

    async def agent_hangs_up(self, leg_id: LegId) -> None:
        self.fake.exchange.far_end_hangs_up(self.call(leg_id))

    async def somebody_calls(self, caller: str | None, *, patience_s: float = 60.0) -> None:
        self.fake.exchange.somebody_calls(caller, OUR_NUMBER, patience_s=patience_s)

    async def until_heard(self, call_id: CallId, keys: str) -> None:
        await self.until(lambda: self.call(call_id).keys_heard == keys)

    async def lose_connection(self) -> None:
        """Returns when the adapter has noticed."""
        self.fake.set_cut(cut=True)
        told = len(self.events)
        await self.until(lambda: any(isinstance(e, CarrierDown) for e in self.events[told:]))

    async def restore_connection(self) -> None:
        self.fake.set_cut(cut=False)

    # --- what only this one has -----------------------------------------------------------------

    def call(self, our_id: str) -> FakeCall:
        """Twilio's call that carries an id of ours in its callbacks."""
        for call in self.fake.exchange.calls.values():
            if f"={our_id}" in call.status_url:
                return call
            if call.inbound and inbound_call_id("twilio", call.sid) == our_id:
                return call
        raise AssertionError(f"Twilio knows no call of {our_id}")

    def heard_by(self, our_id: str) -> set[str]:
        """Whom a person, or a leg, hears in a conference, by our ids."""
        rooms = self.fake.exchange.rooms
        labels = {sid: one.label for room in rooms.live() for sid, one in room.inside.items()}
        heard = rooms.heard_by(self.call(our_id).sid)
        return {label.who for sid in heard if (label := label_read(labels[sid])) is not None}


@asynccontextmanager
async def twilio_lab(
    fake_settings: FakeSettings | None = None,
    faults: Mapping[str, Fault] | None = None,
    *,
    notes: Path | None = None,
    **changes: object,
) -> AsyncIterator[TwilioLab]:
    """Both sides, started; `changes` are to the adapter's settings."""
    settings = fake_settings or FakeSettings(calls_per_s=1000.0)
    if any(fault.create in NEVER_ANSWERED for fault in (faults or {}).values()):
        changes.setdefault("request_timeout_s", GIVE_UP_S)
    lab = TwilioLab(settings, faults or {})
    await lab.fake.start()
    adapter = lab.make(lab.settings(free_port(), **changes), notes)
    try:
        lab.use(adapter)
        await adapter.start(lab.events.append)
        yield lab
    finally:
        await adapter.stop()
        await lab.fake.stop()
