"""A carrier that writes down every originate before it is asked, beside what the ledger knew then.

The journal is the outside world's memory: what stands in it was about to reach a person, whatever
became of the process afterwards.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import msgspec

from compliance.permit import ContactPermit
from telephony_adapters.clock import Clock
from telephony_adapters.declines import Declines
from telephony_adapters.messages import AdapterFacts, CallId, CallReport, LegId, Originate
from telephony_adapters.port import EventSink, TelephonyAdapter
from telephony_adapters.prompts import Prompt


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One originate."""

    call_id: str
    to: str
    at: str
    """ISO 8601, the clock of the engine."""
    life: str
    """Which process asked."""
    durable: bool
    """Whether another connection saw the decision in the ledger before the carrier was asked, and
    the attempt still open."""


class JournallingCarrier(Declines):
    """A `TelephonyAdapter` around another one."""

    def __init__(
        self, inner: TelephonyAdapter, clock: Clock, *, journal: Path, ledger: Path, life: str
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._life = life
        self._file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._ledger = sqlite3.connect(
            f"file:{ledger}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )

    @property
    def facts(self) -> AdapterFacts:
        return self._inner.facts

    async def start(self, sink: EventSink) -> None:
        await self._inner.start(sink)

    async def stop(self) -> None:
        await self._inner.stop()
        self._ledger.close()
        os.close(self._file)

    async def originate(self, command: Originate, permit: ContactPermit) -> None:
        line = Line(
            call_id=command.call_id,
            to=command.to,
            at=self._clock.now().isoformat(),
            life=self._life,
            durable=self._is_durable(command.call_id),
        )
        # One write of one line: what another process appends at the same time is not mixed in.
        os.write(self._file, msgspec.json.encode(line) + b"\n")
        await self._inner.originate(command, permit)

    def _is_durable(self, call_id: str) -> bool:
        found = self._ledger.execute(
            "SELECT 1 FROM ledger_event JOIN attempt ON attempt_id = decision_id"
            " WHERE decision_id = ? AND kind = 'attempt_planned' AND ended_ms IS NULL",
            (call_id,),
        ).fetchone()
        return found is not None

    async def hangup(self, call_id: CallId) -> None:
        await self._inner.hangup(call_id)

    async def open_agent_leg(self, leg_id: LegId, endpoint: str) -> None:
        await self._inner.open_agent_leg(leg_id, endpoint)

    async def close_agent_leg(self, leg_id: LegId) -> None:
        await self._inner.close_agent_leg(leg_id)

    async def bridge(self, call_id: CallId, leg_id: LegId) -> None:
        await self._inner.bridge(call_id, leg_id)

    async def play(self, call_id: CallId, prompt: Prompt, playback_id: str) -> None:
        await self._inner.play(call_id, prompt, playback_id)

    async def stop_playing(self, call_id: CallId, playback_id: str) -> None:
        await self._inner.stop_playing(call_id, playback_id)

    async def list_calls(self) -> list[CallReport]:
        return await self._inner.list_calls()


def read_journal(path: Path) -> list[Line]:
    """All whole lines; a process that was killed may have left a part of one."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [msgspec.json.decode(line, type=Line) for line in lines[:-1]]
