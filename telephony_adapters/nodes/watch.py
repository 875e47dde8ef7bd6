"""The life of nodes: who is there, who is away, and what is given up when one stays away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from telephony_adapters.clock import Clock, TimerHandle
from telephony_adapters.errors import CarrierUnavailable, TelephonyError, UnknownCall
from telephony_adapters.messages import (
    AgentLegDown,
    AnyCarrierEvent,
    CallEnded,
    CallId,
    CarrierDown,
    CarrierUp,
    LegId,
)
from telephony_adapters.nodes.directory import (
    Action,
    CloseLeg,
    Directory,
    HangUp,
    LinkComes,
    LinkMoved,
    is_mirror,
)
from telephony_adapters.nodes.links import Links, Node
from telephony_adapters.nodes.placement import Load, Placement
from telephony_adapters.nodes.settings import NodesSettings
from telephony_adapters.port import EventSink, TelephonyAdapter

log = structlog.get_logger()

TIMER_TOLERANCE_S: Final = 0.05
STOP_S: Final = 2.0
"""How long the last links may take to end."""


class WatchedNode(Node):
    """A node with what is to be remembered while it is away."""

    def __init__(self, name: str, adapter: TelephonyAdapter) -> None:
        super().__init__(name, adapter)
        self.down_since: datetime | None = None
        """None: it is up, or was never up."""
        self.timers: list[TimerHandle] = []
        self.legs_are_lost = False
        self.calls_are_lost = False
        self.lost_legs: set[LegId] = set()
        """Telephones that may still hang on it, and that others have rung since."""
        self.lost_calls: set[CallId] = set()
        """Calls that may still live on it, and whose end is on record. They take lines."""
        self.given_up = 0
        self.is_welcomed = True
        """Its own list has been read since it came up."""
        self.mirrors_gone: list[AgentLegDown] = []
        """Told before that. Whether a conversation is lost with them, the list of calls tells."""


class NodeWatch:
    """What every part of the composite stands on: nodes, events to the engine, errands."""

    def __init__(
        self,
        nodes: Sequence[WatchedNode],
        placement: Placement,
        settings: NodesSettings,
        clock: Clock,
    ) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._placement = placement
        self._settings = settings
        self._clock = clock
        self._prefix = f"nodes-{int(clock.now().timestamp() * 1000):x}-"
        self._count = 0
        self._directory = Directory(self._event_id)
        self._links = Links(self._directory, self._nodes, self._carry_out, clock, settings.link_s)
        self._sink: EventSink | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self._starting: list[asyncio.Task[None]] = []

    # --- life ---------------------------------------------------------------------------------

    async def start(self, sink: EventSink) -> None:
        """Connect to the nodes that are there; the others are tried for ever.

        Raises `CarrierUnavailable` when none is there.
        """
        self._sink = sink
        nodes = list(self._nodes.values())
        tried = await asyncio.gather(*(self._start(node) for node in nodes))
        away = {
            node.name: error for node, error in zip(nodes, tried, strict=True) if error is not None
        }
        if len(away) == len(nodes):
            self._sink = None
            told = "; ".join(f"{name}: {error}" for name, error in away.items())
            raise CarrierUnavailable(f"no node is there: {told}")
        for name, error in away.items():
            log.error("node_away_at_start", node=name, error=str(error))
            self._starting.append(asyncio.create_task(self._start_later(self._nodes[name])))

    async def _start(self, node: WatchedNode) -> CarrierUnavailable | None:
        try:
            await node.adapter.start(partial(self._heard, node))
        except CarrierUnavailable as error:
            return error
        node.up = True
        return None

    async def _start_later(self, node: WatchedNode) -> None:
        while not node.up:
            await asyncio.sleep(self._settings.retry_s)
            if await self._start(node) is None:
                self._came_up(node, first=True)

    async def stop(self) -> None:
        self._sink = None
        for loan in self._directory.loans():
            self._carry_out(self._directory.end_loan(loan))
        # Links that nobody ends would stand for ever: nobody sits at either end.
        if self._errands:
            await asyncio.wait(self._errands, timeout=STOP_S)
        unfinished = [*self._errands, *self._starting]
        self._starting.clear()
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        for node in self._nodes.values():
            node.up = False
            self._forget_timers(node)
        await asyncio.gather(*(node.adapter.stop() for node in self._nodes.values()))

    # --- events -------------------------------------------------------------------------------

    def _heard(self, node: WatchedNode, event: AnyCarrierEvent) -> None:
        match event:
            case CarrierDown():
                self._went_down(node, event.reason)
            case CarrierUp():
                self._came_up(node)
            case AgentLegDown() if is_mirror(event.leg_id) and not node.is_welcomed:
                node.mirrors_gone.append(event)
            case _:
                if isinstance(event, CallEnded):
                    node.lost_calls.discard(event.call_id)
                self._apply(self._directory.hear(node.name, event))

    def _apply(self, heard: tuple[list[AnyCarrierEvent], list[Action]]) -> None:
        events, actions = heard
        for event in events:
            self._tell(event)
        self._carry_out(actions)

    def _went_down(self, node: WatchedNode, reason: str) -> None:
        log.error("node_down", node=node.name, reason=reason)
        node.up = False
        now = node.down_since = self._clock.now()
        node.legs_are_lost = node.calls_are_lost = False
        for delay_s in (self._settings.down_s, self._settings.lost_s):
            node.timers.append(self._clock.call_later(delay_s, self._review))
        if not any(one.up for one in self._nodes.values()):
            told = f"{node.name}: {reason}"
            self._tell(CarrierDown(event_id=self._event_id(), at=now, reason=told))

    def _came_up(self, node: WatchedNode, *, first: bool = False) -> None:
        log.info("node_up", node=node.name)
        self._forget_timers(node)
        node.up, node.down_since, node.is_welcomed = True, None, False
        self._tell_up()
        self._errand(self._welcome(node, first=first))
        self._review()

    def _tell_up(self) -> None:
        self._tell(CarrierUp(event_id=self._event_id(), at=self._clock.now()))

    def _forget_timers(self, node: WatchedNode) -> None:
        for timer in node.timers:
            timer.cancel()
        node.timers.clear()

    def _review(self) -> None:
        """Give up what is on nodes that stay away, as long as there are others to go on with."""
        if not any(node.up for node in self._nodes.values()):
            return
        now = self._clock.now()
        for node in self._nodes.values():
            if node.down_since is None:
                continue
            away_s = (now - node.down_since).total_seconds() + TIMER_TOLERANCE_S
            if away_s >= self._settings.down_s and not node.legs_are_lost:
                self._lose_legs(node, now)
            if away_s >= self._settings.lost_s and not node.calls_are_lost:
                self._lose_calls(node)

    def _lose_legs(self, node: WatchedNode, now: datetime) -> None:
        node.legs_are_lost = True
        lost = [leg.leg_id for leg in self._directory.legs.values() if leg.home == node.name]
        node.lost_legs.update(lost)
        log.error("node_legs_lost", node=node.name, legs=len(lost))
        self._apply(self._directory.legs_lost(node.name, now))
        if self._give_up(node, self._directory.ends_wanted(node.name)):
            self._tell_up()

    def _lose_calls(self, node: WatchedNode) -> None:
        """Their outcome is unknown: the engine finds them listed no more, and they count."""
        node.calls_are_lost = True
        lost = self._give_up(node, self._directory.calls_lost(node.name))
        log.error("node_calls_lost", node=node.name, calls=lost)
        self._tell_up()

    def _give_up(self, node: WatchedNode, lost: tuple[list[CallId], list[Action]]) -> int:
        """Calls whose end nobody will tell; how many. They are ended when the node is back."""
        call_ids, actions = lost
        node.lost_calls.update(call_ids)
        node.given_up += len(call_ids)
        self._carry_out(actions)
        return len(call_ids)

    async def _welcome(self, node: WatchedNode, *, first: bool) -> None:
        """A node is back: end what was given up there, and look which links still stand."""
        asked_at = self._clock.now()
        try:
            reports = await node.require_up().list_calls()
            alive = {report.call_id for report in reports}
            if first:  # calls of an earlier life: nobody here can serve them
                node.lost_calls |= {one for one in alive if not self._directory.knows(one)}
            lost = node.lost_calls & alive
            for call_id in lost:
                await _if_there(node.require_up().hangup(call_id))
            for leg_id in list(node.lost_legs):
                await _if_there(node.require_up().close_agent_leg(leg_id))
                node.lost_legs.discard(leg_id)
        except CarrierUnavailable as error:
            log.warning("node_gone_again", node=node.name, error=str(error))
            return
        node.lost_calls &= alive
        known = [report for report in reports if report.call_id not in lost]
        self._directory.told(node.name, known, asked_at)
        node.is_welcomed = True
        gone, node.mirrors_gone = node.mirrors_gone, []
        for event in gone:
            self._apply(self._directory.hear(node.name, event))
        self._apply(self._directory.links_found(node.name, alive, self._clock.now()))

    # --- errands ------------------------------------------------------------------------------

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case CloseLeg():
                    adapter = self._nodes[action.node].adapter
                    self._errand(_quietly(adapter.close_agent_leg(action.leg_id)))
                case HangUp():
                    adapter = self._nodes[action.node].adapter
                    self._errand(_quietly(adapter.hangup(action.call_id)))
                case LinkComes():
                    self._link_comes(action)
                case LinkMoved():
                    self._links.moved()

    def _link_comes(self, action: LinkComes) -> None:
        if self._links.comes(action) is None:
            log.warning("link_refused", node=action.node)
            self._carry_out([HangUp(action.node, action.call_id)])

    def _errand(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.create_task(work, name="nodes:errand")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # --- helpers ------------------------------------------------------------------------------

    def _require_any(self) -> None:
        """Raises `CarrierUnavailable` while no node is there."""
        if not any(node.up for node in self._nodes.values()):
            raise CarrierUnavailable("no node is there")

    def _loads(self) -> dict[str, Load]:
        lines, legs = self._directory.lines(), self._directory.telephones()
        return {
            name: Load(up=node.up, lines=lines[name] + len(node.lost_calls), legs=legs[name])
            for name, node in self._nodes.items()
        }

    def _tell(self, event: AnyCarrierEvent) -> None:
        if self._sink is not None:
            self._sink(event)

    def _event_id(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"


async def _quietly(command: Coroutine[object, None, None]) -> None:
    """For what may be gone already, or goes when its other end does."""
    try:
        await _if_there(command)
    except CarrierUnavailable:
        return


async def _if_there(command: Coroutine[object, None, None]) -> None:
    """Raises `CarrierUnavailable`."""
    try:
        await command
    except CarrierUnavailable:
        raise
    except UnknownCall:
        return
    except TelephonyError as error:
        log.warning("node_errand_failed", error=str(error))
