"""The conformance laboratory of several nodes: real Asterisks that call each other on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

import msgspec

from dialer.runtime.clock import WallClock
from dialer.stores.ledger.ids import new_id
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.lab.network import Network
from telephony_adapters.messages import CallId, LegId
from telephony_adapters.nodes.carrier import NodesCarrier
from telephony_adapters.nodes.settings import NodeLimits, NodesSettings
from telephony_adapters.prompts import Prompt
from tests.adapters.asterisk_lab import AsteriskLab, eventually, new_app
from tests.adapters.lab import PATIENCE_S, BreakableLab, CallableLab, FarEnd, ListeningLab
from tests.support.manual_clock import ManualTimer
from tests.support.tcp_wire import TcpWire

NORTH: Final = "north"
SOUTH: Final = "south"
NAMES: Final = (NORTH, SOUTH)
ANYTHING: Final = {name: NodeLimits(name=name, max_originates_per_s=200.0) for name in NAMES}
APART: Final = {
    NORTH: msgspec.structs.replace(ANYTHING[NORTH], max_lines=0),
    SOUTH: msgspec.structs.replace(ANYTHING[SOUTH], max_legs=0),
}
"""Every agent in the north, every call in the south: each conversation needs a link."""
PATIENT: Final = NodesSettings(down_s=60.0, lost_s=120.0, link_s=15.0)
"""For a busy machine: nothing is given up unless a test pushes the clock."""


class PushedClock(WallClock):
    """Real time, and what a test adds to it; what is due, or sleeps, goes on only then."""

    def __init__(self) -> None:
        super().__init__()
        self._pushed = timedelta()
        self._timers: list[ManualTimer] = []

    def now(self) -> datetime:
        return super().now() + self._pushed

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(self.now() + timedelta(seconds=delay_s), callback)
        self._timers.append(timer)
        return timer

    async def sleep(self, delay_s: float) -> None:
        over = asyncio.Event()
        self.call_later(delay_s, over.set)
        await over.wait()

    def push(self, delay_s: float) -> None:
        self._pushed += timedelta(seconds=delay_s)
        due = [timer for timer in self._timers if timer.when <= self.now()]
        self._timers = [timer for timer in self._timers if timer not in due]
        for timer in due:
            if timer.callback is not None:
                timer.callback()


class NodesLab(BreakableLab, CallableLab, ListeningLab):
    """Two Asterisks as one carrier."""

    ring_timeout_s = AsteriskLab.ring_timeout_s

    def __init__(
        self,
        sites: Mapping[str, AsteriskLab],
        limits: Mapping[str, NodeLimits],
        settings: NodesSettings,
    ) -> None:
        super().__init__()
        self.sites = sites
        self.clock = PushedClock()
        self._agents = count(1)
        self._limits = limits
        self._settings = settings
        self.carrier = self._made()

    def _made(self) -> NodesCarrier:
        nodes = [(self._limits[name], site.carrier) for name, site in self.sites.items()]
        return NodesCarrier(nodes, self._settings, self.clock)

    def next_life(self) -> None:
        """A carrier that knows nothing of what was before, as after a restart; not started."""
        for site in self.sites.values():
            site.carrier = AsteriskCarrier(site.settings, WallClock())
        self.carrier = self._made()

    @property
    def adapter(self) -> NodesCarrier:
        return self.carrier

    def of_call(self, call_id: CallId) -> AsteriskLab:
        return self.sites[self.carrier.node_of(call_id)]

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_call_id(self) -> CallId:
        return CallId(new_id())

    def number(self, far_end: FarEnd) -> str:
        return self.sites[NORTH].number(far_end)

    def prompt(self) -> Prompt:
        return self.sites[NORTH].prompt()

    def endpoint(self) -> str:
        return f"agent:agent-{next(self._agents)}"

    def placed(self) -> int:
        return self.sites[NORTH].placed()

    async def until(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        async def holds() -> bool:
            return condition()

        await eventually(holds, limit_s)

    async def pass_time(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    async def callee_hangs_up(self, call_id: CallId) -> None:
        await self.of_call(call_id).callee_hangs_up(call_id)

    async def agent_hangs_up(self, leg_id: LegId) -> None:
        await self.sites[self.carrier.home_of(leg_id)].agent_hangs_up(leg_id)

    async def somebody_calls(self, caller: str | None, *, patience_s: float = 60.0) -> None:
        await self.sites[SOUTH].somebody_calls(caller, patience_s=patience_s)

    async def until_heard(self, call_id: CallId, keys: str) -> None:
        await self.of_call(call_id).until_heard(call_id, keys)

    async def lose_connection(self) -> None:
        for site in self.sites.values():
            await site.lose_connection()
        await self.until(lambda: not any(node.up for node in self.carrier.figures()))

    async def restore_connection(self) -> None:
        """Returns when every node is there: until then calls of the others are as last known."""
        for site in self.sites.values():
            await site.restore_connection()
        await self.until(lambda: all(node.up for node in self.carrier.figures()))

    async def is_empty(self) -> bool:
        return not [channel for site in self.sites.values() for channel in await site.channels()]

    async def clear(self) -> None:
        """Nothing of ours stays behind."""
        await self.carrier.stop()
        for site in self.sites.values():
            if site.pbx.pid is not None:  # a dead one keeps nothing
                await site.clear()


@asynccontextmanager
async def nodes_lab(
    network: Network,
    limits: Mapping[str, NodeLimits] = ANYTHING,
    settings: NodesSettings = PATIENT,
    **changes: object,
) -> AsyncIterator[NodesLab]:
    """A started laboratory with no history; `changes` are to the settings of each Asterisk."""
    links = {name: pbx.link_dial for name, pbx in zip(NAMES, network.nodes, strict=True)}
    app = new_app()
    async with AsyncExitStack() as stack:
        sites = {}
        for name, pbx in zip(NAMES, network.nodes, strict=True):
            wire = TcpWire(pbx.http_port)
            await wire.mend()
            stack.push_async_callback(wire.cut)
            others = {other: dial for other, dial in links.items() if other != name}
            site = AsteriskLab(network, wire, pbx, app=app, links=others, **changes)
            stack.push_async_callback(site.admin.close)
            await site.take_inbound()
            sites[name] = site
        lab = NodesLab(sites, limits, settings)
        stack.push_async_callback(lab.clear)
        await lab.carrier.start(lab.events.append)
        yield lab
