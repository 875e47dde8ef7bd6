"""Several nodes behind the port: one carrier for the engine, whichever node a call is on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, NoReturn, TypeVar

import msgspec
import structlog

from compliance.permit import ContactPermit, PermitRefused
from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.clock import Clock
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    OriginateRejected,
    OutcomeUnknown,
    TelephonyError,
    UnknownCall,
)
from telephony_adapters.messages import (
    AdapterFacts,
    CallId,
    CallPhase,
    CallReport,
    LegId,
    LegRole,
    Originate,
)
from telephony_adapters.nodes.directory import CallLine, LegLine
from telephony_adapters.nodes.placement import Placement, Refusal
from telephony_adapters.nodes.settings import NodeLimits, NodesSettings
from telephony_adapters.nodes.watch import NodeWatch, WatchedNode
from telephony_adapters.port import TelephonyAdapter
from telephony_adapters.prompts import Prompt

log = structlog.get_logger()
T = TypeVar("T")

RECORDINGS_REMEMBERED: Final = 100_000
"""Of so many recordings it is known on which node they are; for others every node is asked."""
ALL_AWAY: Final = "no node is there"
WHY: Final = {
    Refusal.DRAINED: "every node that is there is being drained",
    Refusal.TRUNK: "no node that is there has this trunk",
    Refusal.LINES: "every node has all the calls that it bears",
    Refusal.RATE: "every node begins all the calls that it bears",
    Refusal.LEGS: "every node rings all the telephones that it may",
}


class NodeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One node now, and what was refused there."""

    name: str
    up: bool
    draining: bool
    lines: int
    legs: int
    links: int
    """Agents of this node who take part elsewhere, and others' who do here."""
    given_up: int
    """Calls whose outcome is unknown because the node stayed away, since the start."""
    refused_lines: int
    """Calls that no node took, this one because all its lines were in use."""
    refused_rate: int
    """Calls that no node took, this one because of its rate."""


class NodesCarrier(NodeWatch):
    """A `TelephonyAdapter` over others, each with limits of its own."""

    def __init__(
        self,
        nodes: Sequence[tuple[NodeLimits, TelephonyAdapter]],
        settings: NodesSettings,
        clock: Clock,
    ) -> None:
        watched = [WatchedNode(limits.name, adapter) for limits, adapter in nodes]
        placement = Placement([limits for limits, _ in nodes], settings.turn_s)
        super().__init__(watched, placement, settings, clock)
        self._limits = [limits for limits, _ in nodes]
        self._used = UsedCallIds()
        self._recorded: dict[str, str] = {}
        """Node by recording."""
        self._refused = dict.fromkeys(set(Refusal) - {Refusal.LEGS}, 0)

    @property
    def facts(self) -> AdapterFacts:
        """What every node can do."""
        facts = [node.adapter.facts for node in self._nodes.values()]
        return AdapterFacts(
            name=facts[0].name,
            simulated=all(one.simulated for one in facts),
            loopback=all(one.loopback for one in facts),
            amd=all(one.amd for one in facts),
            dtmf=all(one.dtmf for one in facts),
            prompts=all(one.prompts for one in facts),
            voice=all(one.voice for one in facts),
            control=all(one.control for one in facts),
            recording=all(one.recording for one in facts),
            dtmf_out=all(one.dtmf_out for one in facts),
            inbound=all(one.inbound for one in facts),
            max_originates_per_s=sum(one.max_originates_per_s for one in self._limits),
        )

    # --- figures and drain --------------------------------------------------------------------

    def room(self) -> int:
        """See `Roomy`."""
        return self._placement.room(self._settings.trunk, self._loads(), self._clock.now())

    @property
    def counts(self) -> dict[str, int]:
        """Since the start, for metrics."""
        links = self._links
        return {
            **{f"originates_refused_{why.value}": count for why, count in self._refused.items()},
            "links_made": links.made,
            "links_failed": links.failed,
            "links_refused": links.refused,
        }

    def figures(self) -> list[NodeFigures]:
        """Every node now."""
        loads = self._loads()
        return [
            NodeFigures(
                name=node.name,
                up=node.up,
                draining=self._placement.is_draining(node.name),
                lines=loads[node.name].lines,
                legs=loads[node.name].legs,
                links=len(self._directory.loans(node.name)),
                given_up=node.given_up,
                refused_lines=self._placement.refused_lines[node.name],
                refused_rate=self._placement.refused_rate[node.name],
            )
            for node in self._nodes.values()
        ]

    def drain(self, node: str, *, on: bool) -> None:
        """Let nothing new begin on a node; what it has goes on. Raises `LookupError`."""
        if node not in self._nodes:
            raise LookupError(f"there is no node {node}")
        if self._placement.is_draining(node) != on:
            log.warning("node_drain", node=node, on=on)
            self._placement.drain(node, on=on)

    # --- calls --------------------------------------------------------------------------------

    async def originate(self, command: Originate, permit: ContactPermit) -> None:
        if command.call_id in self._used:
            raise DuplicateCall(f"call id {command.call_id} was used before; it was not repeated")
        now = self._clock.now()
        turn = self._placement.call(command.trunk, self._loads(), now)
        if isinstance(turn, Refusal):
            self._refuse(turn)
        self._used.add(command.call_id)
        call = self._directory.place(command.call_id, turn.node, now, command.ring_timeout_s)
        try:
            await self._wait_for_turn(call, turn.wait_s)
            await self._nodes[turn.node].require_up().originate(command, permit)
        except (OriginateRejected, CarrierUnavailable, PermitRefused):
            self._used.discard(command.call_id)
            self._directory.forget_call(command.call_id)
            raise
        except DuplicateCall:
            self._directory.forget_call(command.call_id)
            raise

    async def _wait_for_turn(self, call: CallLine, wait_s: float) -> None:
        if wait_s <= 0.0:
            return
        call.waits = True
        try:
            await self._clock.sleep(wait_s)
        finally:
            call.waits = False
        if call.hung_up:
            raise OriginateRejected("hung up before its turn came", provider_code="nodes:cancelled")

    def _refuse(self, why: Refusal) -> NoReturn:
        self._refused[why] += 1
        _raise(why)

    async def hangup(self, call_id: CallId) -> None:
        call = self._call(call_id)
        node = self._nodes[call.node]
        call.hung_up = call.waits or not node.up
        if call.waits:
            return
        if node.legs_are_lost and not node.up:
            # Nobody talks there any more, and whoever wants the end need not wait for the node.
            self._give_up(node, self._directory.ends_wanted(node.name))
            raise UnknownCall(f"node `{node.name}` is away: call {call_id} ends when it is back")
        try:
            await node.require_up().hangup(call_id)
        except UnknownCall:
            self._directory.forget_call(call_id)
            raise

    async def answer(self, call_id: CallId) -> None:
        await self._of(self._call(call_id)).answer(call_id)

    async def send_dtmf(self, call_id: CallId, digits: str) -> None:
        await self._of(self._call(call_id)).send_dtmf(call_id, digits)

    async def play(self, call_id: CallId, prompt: Prompt, playback_id: str) -> None:
        await self._of(self._call(call_id)).play(call_id, prompt, playback_id)

    async def stop_playing(self, call_id: CallId, playback_id: str) -> None:
        await self._of(self._call(call_id)).stop_playing(call_id, playback_id)

    async def list_calls(self) -> list[CallReport]:
        self._require_any()
        lists = await asyncio.gather(*(self._list(node) for node in self._nodes.values()))
        return [report for reports in lists for report in reports]

    async def _list(self, node: WatchedNode) -> list[CallReport]:
        """Of a node that is away, what was last known: its calls may live on."""
        asked_at = self._clock.now()
        try:
            reports = await node.require_up().list_calls()
        except CarrierUnavailable:
            return list(self._directory.reports(node.name))
        known = [report for report in reports if report.call_id not in node.lost_calls]
        return self._directory.told(node.name, known, asked_at)

    # --- legs ---------------------------------------------------------------------------------

    async def open_agent_leg(self, leg_id: LegId, endpoint: str) -> None:
        self._require_any()
        if leg_id in self._directory.legs:
            raise DuplicateCall(f"agent leg {leg_id} is open already")
        outside = endpoint.startswith("+")
        tried = {node.name for node in self._nodes.values() if leg_id in node.lost_legs}
        failed: TelephonyError | None = None
        while True:
            node = self._node_for_leg(tried, outside=outside)
            if isinstance(node, Refusal):
                if failed is not None:
                    raise failed
                _raise(node)
            leg = self._directory.legs[leg_id] = LegLine(leg_id, node, outside=outside)
            try:
                await self._nodes[node].adapter.open_agent_leg(leg_id, endpoint)
            except TelephonyError as error:
                if self._directory.legs.get(leg_id) is leg:
                    self._carry_out(self._directory.forget_leg(leg))
                if isinstance(error, OutcomeUnknown | DuplicateCall):
                    raise
                # Nothing rings: the telephone may be registered with another node.
                failed = error
                tried.add(node)
            else:
                return

    def _node_for_leg(self, tried: Collection[str], *, outside: bool) -> str | Refusal:
        loads = {
            name: msgspec.structs.replace(load, up=load.up and name not in tried)
            for name, load in self._loads().items()
        }
        if outside:
            return self._placement.outside(self._settings.trunk, loads)
        return self._placement.leg(loads)

    async def close_agent_leg(self, leg_id: LegId) -> None:
        self._require_any()
        leg = self._directory.legs.get(leg_id)
        if leg is None:
            raise UnknownCall(f"there is no agent leg {leg_id}")
        home = self._nodes[leg.home]
        if not home.up:
            home.lost_legs.add(leg_id)  # as soon as the node is back
        await home.require_up().close_agent_leg(leg_id)

    # --- conversations ------------------------------------------------------------------------

    async def bridge(self, call_id: CallId, leg_id: LegId) -> None:
        call = self._answered(call_id)
        leg = self._directory.leg(leg_id)
        adapter = self._of(call)
        before = leg.carries
        local = await self._links.bring(leg_id, call.node, but_for=call_id)
        leg.carries = leg.carries or call_id
        try:
            await adapter.bridge(call_id, local)
        except TelephonyError:
            if leg.carries == call_id:
                leg.carries = before
            raise

    async def hold(self, call_id: CallId) -> None:
        await self._of(self._call(call_id)).hold(call_id)

    async def consult(self, leg_id: LegId, other_leg_id: LegId) -> None:
        self._require_any()
        leg, other = self._directory.leg(leg_id), self._directory.leg(other_leg_id)
        for one in (leg, other):
            self._directory.require_movable(one)
        adapter = self._nodes[leg.node].require_up()
        local, place = leg.local, leg.node
        other_local = await self._links.bring(other_leg_id, place)
        await adapter.consult(local, other_local)

    async def join(self, call_id: CallId, leg_id: LegId, role: LegRole) -> None:
        call = self._answered(call_id)
        if call.leg_id is None:
            raise UnknownCall(f"call {call_id} is not bridged")
        adapter = self._of(call)
        leg = self._directory.leg(leg_id)
        before = leg.part_of
        local = await self._links.bring(leg_id, call.node, but_for=call_id)
        leg.part_of = leg.part_of or call_id
        try:
            await adapter.join(call_id, local, role)
        except TelephonyError:
            if leg.part_of == call_id:
                leg.part_of = before
            raise

    async def part(self, call_id: CallId, leg_id: LegId) -> None:
        call = self._call(call_id)
        adapter = self._of(call)
        leg = self._directory.legs.get(leg_id)
        if leg is None or leg.node != call.node:
            raise UnknownCall(f"leg {leg_id} takes no part in call {call_id}")
        await adapter.part(call_id, leg.local)

    # --- recordings ---------------------------------------------------------------------------

    async def record(self, call_id: CallId, recording_id: str) -> None:
        call = self._call(call_id)
        if self._recorded.get(recording_id, call.node) != call.node:
            raise DuplicateCall(f"recording id {recording_id} was used before")
        await self._of(call).record(call_id, recording_id)
        self._recorded[recording_id] = call.node
        while len(self._recorded) > RECORDINGS_REMEMBERED:
            del self._recorded[next(iter(self._recorded))]

    async def pause_recording(self, call_id: CallId, *, paused: bool) -> None:
        await self._of(self._call(call_id)).pause_recording(call_id, paused=paused)

    async def stop_recording(self, call_id: CallId) -> None:
        await self._of(self._call(call_id)).stop_recording(call_id)

    async def fetch_recording(self, recording_id: str) -> bytes:
        return await self._where_recorded(
            recording_id, lambda adapter: adapter.fetch_recording(recording_id)
        )

    async def delete_recording(self, recording_id: str) -> None:
        await self._where_recorded(
            recording_id, lambda adapter: adapter.delete_recording(recording_id)
        )

    async def _where_recorded(
        self, recording_id: str, ask: Callable[[TelephonyAdapter], Awaitable[T]]
    ) -> T:
        """Ask the node that recorded it; where that was an earlier life, one after another."""
        self._require_any()
        known = self._recorded.get(recording_id)
        if known is not None:
            return await ask(self._nodes[known].require_up())
        away = [node.name for node in self._nodes.values() if not node.up]
        for node in self._nodes.values():
            if node.up:
                try:
                    return await ask(node.adapter)
                except UnknownCall:
                    continue
        if away:
            raise CarrierUnavailable(f"the recording may be on a node that is away: {away}")
        raise UnknownCall(f"there is no finished recording {recording_id!r}")

    # --- helpers ------------------------------------------------------------------------------

    def _call(self, call_id: CallId) -> CallLine:
        self._require_any()
        return self._directory.call(call_id)

    def _answered(self, call_id: CallId) -> CallLine:
        call = self._call(call_id)
        if call.phase is not CallPhase.ANSWERED:
            raise UnknownCall(f"call {call_id} is not answered yet")
        return call

    def _of(self, call: CallLine) -> TelephonyAdapter:
        """The node of a call. Raises `CarrierUnavailable`."""
        return self._nodes[call.node].require_up()

    def node_of(self, call_id: CallId) -> str:
        """For whoever looks into a node. Raises `UnknownCall`."""
        return self._directory.call(call_id).node

    def home_of(self, leg_id: LegId) -> str:
        """The node that rings an agent. Raises `UnknownCall`."""
        return self._directory.leg(leg_id).home


def _raise(why: Refusal) -> NoReturn:
    """Certainly nothing was placed."""
    if why is Refusal.DOWN:
        raise CarrierUnavailable(ALL_AWAY)
    raise OriginateRejected(WHY[why], provider_code=f"nodes:{why.value}")
