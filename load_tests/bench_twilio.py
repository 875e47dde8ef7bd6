"""From "answered" to "in the agent's room" through Twilio's API, beside the two-second rule.

    python -m load_tests.bench_twilio [--at-once 60] [--rounds 5]

The adapter and the fake of Twilio share this process and speak real HTTP over loopback, signatures
and all; so this is the part of the budget that Marcador and the SDK use up, without Twilio's own
time and the way through the internet.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import uvloop

from dialer.runtime.clock import WallClock
from load_tests.report import print_json, results_folder, write_table
from telephony_adapters.messages import (
    AgentLegUp,
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallId,
    LegId,
    Originate,
)
from telephony_adapters.twilio.adapter import TwilioAdapter
from telephony_adapters.twilio.fake.exchange import FakeSettings
from telephony_adapters.twilio.fake.lines import Behaviour, Line, ScriptedWorld
from telephony_adapters.twilio.fake.server import FakeTwilio
from telephony_adapters.twilio.settings import TwilioSettings
from tests.support.free_port import free_port
from tests.support.permits import permit_for

BUDGET_MS = 2_000
"""16 CFR 310.4(b)(4)(iii): two seconds from the person's greeting to a representative."""
ANSWERS_AFTER_S = 1.0


class Rounds:
    """Calls that are answered at once, each with an agent who waits for it."""

    def __init__(self, adapter: TwilioAdapter, at_once: int) -> None:
        self._adapter = adapter
        self._at_once = at_once
        self._legs = [LegId(f"leg-{n:026d}") for n in range(at_once)]
        self._leg_of: dict[CallId, LegId] = {}
        self._answered_s: dict[CallId, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = 0
        self._over = asyncio.Event()
        self.connect_ms: list[float] = []

    def sink(self, event: AnyCarrierEvent) -> None:
        match event:
            case CallAnswered():
                self._answered_s[event.call_id] = time.perf_counter()
                self._do(self._adapter.bridge(event.call_id, self._leg_of[event.call_id]))
            case CallBridged():
                waited_s = time.perf_counter() - self._answered_s[event.call_id]
                self.connect_ms.append(waited_s * 1000)
                self._do(self._adapter.hangup(event.call_id))
            case AgentLegUp() | CallEnded():
                self._left -= 1
                if self._left == 0:
                    self._over.set()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def open_legs(self) -> None:
        self._expect(self._at_once)
        for number, leg_id in enumerate(self._legs):
            await self._adapter.open_agent_leg(leg_id, f"agent:agent_{number}")
        await self._over.wait()

    async def one(self, number: int) -> None:
        """As many calls as agents, all answered in the same moment."""
        self._expect(self._at_once)
        clock = WallClock()
        for n, leg_id in enumerate(self._legs):
            call_id = CallId(f"{number:06d}{n:020d}")
            self._leg_of[call_id] = leg_id
            to = f"+1305555{n:04d}"
            command = Originate(
                call_id=call_id, to=to, caller_id=None, trunk="main", ring_timeout_s=30
            )
            self._do(self._adapter.originate(command, permit_for(to, clock.now())))
        await self._over.wait()

    def _expect(self, count: int) -> None:
        self._left = count
        self._over.clear()


async def measure(at_once: int, rounds: int) -> list[float]:
    """Milliseconds from the answer to the room, for every call."""
    line = Line(behaviour=Behaviour.HUMAN, answers_after_s=ANSWERS_AFTER_S)
    lines = {f"+1305555{n:04d}": line for n in range(at_once)}
    clock = WallClock()
    fake = FakeTwilio(FakeSettings(calls_per_s=10_000.0), clock, ScriptedWorld(lines))
    await fake.start()
    port = free_port()
    adapter = TwilioAdapter(
        TwilioSettings(
            account_sid=fake.settings.account_sid,
            auth_token=fake.settings.auth_token,
            public_url=f"http://127.0.0.1:{port}",
            listen_port=port,
            api_url=fake.url,
            caller_ids=("+13055550100",),
        ),
        clock,
    )
    calls = Rounds(adapter, at_once)
    await adapter.start(calls.sink)
    try:
        await calls.open_legs()
        for number in range(rounds):
            await calls.one(number)
    finally:
        await adapter.stop()
        await fake.stop()
    return calls.connect_ms


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Answer to agent through Twilio's API")
    parser.add_argument("--at-once", type=int, default=60, help="calls answered in one moment")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    taken = sorted(uvloop.run(measure(options.at_once, options.rounds)))
    p50, p99 = taken[len(taken) // 2], taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    rows = [
        ("calls answered at once", options.at_once, ""),
        ("calls", len(taken), ""),
        ("answer to agent's room p50, ms", round(p50, 1), f"{BUDGET_MS} ms with Twilio's own time"),
        ("answer to agent's room p99, ms", round(p99, 1), f"{BUDGET_MS} ms with Twilio's own time"),
    ]
    write_table(results_folder("bench-twilio"), "Answer to agent through Twilio's API", rows)
    print_json({"calls": len(taken), "p50_ms": round(p50, 1), "p99_ms": round(p99, 1)})


if __name__ == "__main__":
    main()
