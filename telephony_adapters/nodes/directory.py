"""Where every call and every leg is, and what a node's events mean for the engine. No I/O.

A call stays on the node that placed or received it, and its whole conversation takes place there. A
leg has a *home*, the node that rings the agent. For a call of another node it is *lent*: there a
leg of another name stands for it, its *mirror*, whose far end is a call that the home has received
and joined with the agent. Nobody above knows: a mirror is told by the name of its leg.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

import msgspec

from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.errors import TelephonyError, UnknownCall
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AnyCallEvent,
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallHeld,
    CallId,
    CallJoined,
    CallParted,
    CallPhase,
    CallReport,
    CallRinging,
    CarrierDown,
    CarrierUp,
    ConsultStarted,
    InboundCall,
    LegId,
)
from telephony_adapters.nodes.tokens import PREFIX

MIRROR: Final = "mirror-"
"""How names of mirrors begin. Not the leg's own name with something behind it: Asterisk 22 refuses
an id that another one begins with."""
ENDS_REMEMBERED: Final = 10_000
_PHASES: Final = list(CallPhase)
FORGOTTEN_AFTER_S: Final = 60.0
"""A call that its node does not list this long after its ring timeout has never been."""


class CallLine:
    """What is known of one call."""

    __slots__ = ("call_id", "forget_at", "hung_up", "leg_id", "node", "phase", "since", "waits")

    def __init__(self, call_id: CallId, node: str, since: datetime) -> None:
        self.call_id = call_id
        self.node = node
        self.since = since
        """When we first knew of it."""
        self.phase = CallPhase.DIALING
        self.leg_id: LegId | None = None
        """The leg that it is in conversation with."""
        self.waits = False
        """Not dialed yet: its turn is still to come."""
        self.hung_up = False
        """Its end is wanted, as soon as that is possible; if it waits, it shall not be dialed."""
        self.forget_at: datetime | None = None
        """When a call that its node does not list is none; None: at once."""


class Loan:
    """A leg that takes part in conversations on another node than its own."""

    __slots__ = ("answered", "call_id", "home", "joined", "leg_id", "mirror", "node", "over", "up")

    def __init__(self, leg_id: LegId, home: str, node: str, mirror: LegId) -> None:
        self.leg_id = leg_id
        self.home = home
        self.node = node
        self.mirror = mirror
        self.call_id: CallId | None = None
        """The call at home whose far end is the mirror."""
        self.answered = False
        self.joined = False
        """Agent and mirror hear each other."""
        self.up = False
        self.over = False

    @property
    def stands(self) -> bool:
        return self.joined and self.up and not self.over


class LegLine:
    """What is known of one leg."""

    __slots__ = ("carries", "consulting", "home", "leg_id", "loan", "outside", "part_of", "up")

    def __init__(self, leg_id: LegId, home: str, *, outside: bool) -> None:
        self.leg_id = leg_id
        self.home = home
        self.outside = outside
        """Somebody outside, who takes a line of the trunk."""
        self.up = False
        self.loan: Loan | None = None
        self.carries: CallId | None = None
        """The call that it is in conversation with, or about to be."""
        self.part_of: CallId | None = None
        self.consulting: LegId | None = None

    @property
    def node(self) -> str:
        """Where it takes part in conversations."""
        return self.home if self.loan is None else self.loan.node

    @property
    def local(self) -> LegId:
        """Its name there."""
        return self.leg_id if self.loan is None else self.loan.mirror

    @property
    def engaged(self) -> bool:
        return (self.carries, self.part_of, self.consulting) != (None, None, None)


class CloseLeg(msgspec.Struct, frozen=True):
    """A leg, or a mirror, that stands for nobody."""

    node: str
    leg_id: LegId


class HangUp(msgspec.Struct, frozen=True):
    """A call that stands for nobody."""

    node: str
    call_id: CallId


class LinkComes(msgspec.Struct, frozen=True):
    """Another node calls; whether it may is asked of the word that it dialed."""

    node: str
    call_id: CallId
    word: str


class LinkMoved(msgspec.Struct, frozen=True):
    """Something has become of a link; whoever waits for it looks again."""


Action = CloseLeg | HangUp | LinkComes | LinkMoved
Heard = tuple[list[AnyCarrierEvent], list[Action]]


class Directory:
    """All calls, legs and links of the composite."""

    def __init__(self, event_id: Callable[[], str]) -> None:
        self._event_id = event_id
        self.calls: dict[CallId, CallLine] = {}
        self.legs: dict[LegId, LegLine] = {}
        self._mirrors: dict[tuple[str, LegId], Loan] = {}
        self._links: dict[tuple[str, CallId], Loan | None] = {}
        """Calls from node to node, by the node that received them; None: it is being rejected."""
        self._ended = UsedCallIds(ENDS_REMEMBERED)
        """A list may be older than an end that was told while it was on its way."""
        self._made = 0

    # --- what commands set out ----------------------------------------------------------------

    def call(self, call_id: CallId) -> CallLine:
        """Raises `UnknownCall`."""
        call = self.calls.get(call_id)
        if call is None:
            raise UnknownCall(f"there is no live call {call_id}")
        return call

    def leg(self, leg_id: LegId) -> LegLine:
        """A leg that is up. Raises `UnknownCall`."""
        leg = self.legs.get(leg_id)
        if leg is None or not leg.up:
            raise UnknownCall(f"agent leg {leg_id} is not up")
        return leg

    def place(self, call_id: CallId, node: str, now: datetime, ring_timeout_s: int) -> CallLine:
        """A call is about to be dialed on a node."""
        call = self.calls[call_id] = CallLine(call_id, node, now)
        call.forget_at = now + timedelta(seconds=ring_timeout_s + FORGOTTEN_AFTER_S)
        return call

    def forget_call(self, call_id: CallId) -> None:
        """It was certainly not placed, or its node does not know it."""
        call = self.calls.get(call_id)
        if call is not None:
            self._forget(call)

    def require_movable(self, leg: LegLine, *, but_for: CallId | None = None) -> None:
        """Raises `TelephonyError` when the leg is in a conversation where it is now."""
        for busy in (leg.carries, leg.part_of):
            if busy not in (None, but_for):
                raise TelephonyError(f"leg {leg.leg_id} carries call {busy}; end that one before")

    def lend(self, leg: LegLine, node: str) -> Loan:
        """A leg is about to take part in conversations of another node."""
        self._made += 1
        mirror = LegId(f"{MIRROR}{self._made:08d}.{leg.leg_id}")
        loan = leg.loan = Loan(leg.leg_id, leg.home, node, mirror)
        self._mirrors[node, mirror] = loan
        return loan

    def link_came(self, node: str, call_id: CallId, loan: Loan | None) -> None:
        """A call of another node is here, for this loan or for nothing."""
        self._links[node, call_id] = loan
        if loan is not None:
            loan.call_id = call_id

    def end_loan(self, loan: Loan) -> list[Action]:
        """The leg is at home again; what stood for it goes."""
        if loan.over:
            return []
        loan.over = True
        if not loan.up:
            self._mirrors.pop((loan.node, loan.mirror), None)
        leg = self.legs.get(loan.leg_id)
        if leg is not None and leg.loan is loan:
            leg.loan = None
            self._stop_consulting(leg)
        gone: list[Action] = [LinkMoved(), CloseLeg(loan.node, loan.mirror)]
        if loan.call_id is not None:
            gone.append(HangUp(loan.home, loan.call_id))
        return gone

    # --- questions ----------------------------------------------------------------------------

    def knows(self, call_id: CallId) -> bool:
        """Whether it is a call of ours, or the end of a link."""
        return call_id in self.calls or any(known == call_id for _, known in self._links)

    def lines(self) -> Counter[str]:
        """Lines of trunks that are in use, by node."""
        outside = (leg.home for leg in self.legs.values() if leg.outside)
        return Counter(chain((call.node for call in self.calls.values()), outside))

    def telephones(self) -> Counter[str]:
        """Agents who were rung, by node."""
        return Counter(leg.home for leg in self.legs.values() if not leg.outside)

    def loans(self, node: str | None = None) -> list[Loan]:
        """Legs that are lent: all, or those that begin or end at a node."""
        return [
            leg.loan
            for leg in self.legs.values()
            if leg.loan is not None and node in (None, leg.home, leg.loan.node)
        ]

    def links_found(self, node: str, alive: Iterable[CallId], at: datetime) -> Heard:
        """After an outage: links that end at a node, by its own list."""
        there = set(alive)
        told: list[AnyCarrierEvent] = []
        actions: list[Action] = [LinkMoved()]
        for place, call_id in list(self._links):
            if place == node and call_id not in there:
                loan = self._links.pop((place, call_id))
                self._ended.add(call_id)
                if loan is not None:
                    more, wanted = self.link_lost(loan, at)
                    told += more
                    actions += wanted
        return told, actions

    def link_lives(self, node: str, call_id: CallId) -> bool:
        return (node, call_id) in self._links

    def reports(self, node: str) -> Iterator[CallReport]:
        """What was last known of a node's calls."""
        for call in self.calls.values():
            if call.node == node:
                yield CallReport(call_id=call.call_id, phase=call.phase, bridged_leg=call.leg_id)

    def told(
        self, node: str, reports: Iterable[CallReport], asked_at: datetime
    ) -> list[CallReport]:
        """A node's own list, in the words of the port.

        What was there when it was asked for and is not listed is forgotten.
        """
        listed = {}
        for report in reports:
            if (node, report.call_id) in self._links or report.call_id in self._ended:
                continue
            leg_id = None if report.bridged_leg is None else leg_of(report.bridged_leg)
            known = leg_id if leg_id in self.legs else None
            listed[report.call_id] = msgspec.structs.replace(report, bridged_leg=known)
            call = self.calls.get(report.call_id)
            if call is None:
                call = self.calls[report.call_id] = CallLine(report.call_id, node, asked_at)
            call.phase = max(call.phase, report.phase, key=_PHASES.index)
        for call in [call for call in self.calls.values() if call.node == node]:
            is_old = call.since < asked_at and (call.forget_at or asked_at) <= asked_at
            if call.call_id not in listed and is_old and not call.waits:
                self._forget(call)
        return list(listed.values())

    # --- events -------------------------------------------------------------------------------

    def hear(self, node: str, event: AnyCarrierEvent) -> Heard:
        """Take a node's event into account, and say it as the engine shall hear it."""
        event = msgspec.structs.replace(event, event_id=f"{node}:{event.event_id}")
        match event:
            case AgentLegUp() | AgentLegDown():
                return self._of_leg(node, event)
            case ConsultStarted():
                return self._consults(event)
            case CarrierDown() | CarrierUp():
                return [event], []
            case _:
                return self._of_call(node, event)

    def _of_call(self, node: str, event: AnyCallEvent) -> Heard:
        if (node, event.call_id) in self._links:
            return self._of_link(node, event)
        if isinstance(event, InboundCall):
            if event.called.startswith(PREFIX):
                return [], [LinkComes(node, event.call_id, event.called)]
            call = self.calls[event.call_id] = CallLine(event.call_id, node, event.at)
            call.phase = CallPhase.RINGING
            return [event], []
        if isinstance(event, CallBridged | CallJoined | CallParted):
            event = msgspec.structs.replace(event, leg_id=leg_of(event.leg_id))
        if isinstance(event, CallEnded):
            self._ended.add(event.call_id)
        known = self.calls.get(event.call_id)
        if known is not None and known.node == node:
            self._step(known, event)
        return [event], []  # of one whose end was told before, too: the engine counts those

    def _step(self, call: CallLine, event: AnyCallEvent) -> None:
        match event:
            case CallRinging():
                call.phase, call.forget_at = CallPhase.RINGING, None
            case CallAnswered():
                call.phase, call.forget_at = CallPhase.ANSWERED, None
            case CallEnded():
                self._forget(call)
            case CallHeld():
                self._bridge(call, None)
            case CallBridged():
                self._bridge(call, event.leg_id)
            case CallJoined():
                self._joins(event.leg_id, call.call_id)
            case CallParted():
                self._parts(call, event.leg_id)

    def _bridge(self, call: CallLine, leg_id: LegId | None) -> None:
        for leg in self.legs.values():
            if leg.carries == call.call_id and leg.leg_id != leg_id:
                leg.carries = None
        call.leg_id = leg_id
        own = self.legs.get(leg_id) if leg_id is not None else None
        if own is not None:
            own.carries = call.call_id
            self._stop_consulting(own)

    def _joins(self, leg_id: LegId, call_id: CallId) -> None:
        leg = self.legs.get(leg_id)
        if leg is not None:
            leg.part_of = call_id
            self._stop_consulting(leg)

    def _parts(self, call: CallLine, leg_id: LegId) -> None:
        leg = self.legs.get(leg_id)
        if leg is not None and leg.part_of == call.call_id:
            leg.part_of = None

    def _consults(self, event: ConsultStarted) -> Heard:
        leg_id, other_id = leg_of(event.leg_id), leg_of(event.other_leg_id)
        leg, other = self.legs.get(leg_id), self.legs.get(other_id)
        if leg is not None and other is not None:
            for one in (leg, other):
                self._stop_consulting(one)
            leg.consulting, other.consulting = other_id, leg_id
        return [msgspec.structs.replace(event, leg_id=leg_id, other_leg_id=other_id)], []

    def _stop_consulting(self, leg: LegLine) -> None:
        other = self.legs.get(leg.consulting) if leg.consulting is not None else None
        leg.consulting = None
        if other is not None:
            other.consulting = None

    def _of_leg(self, node: str, event: AgentLegUp | AgentLegDown) -> Heard:
        if is_mirror(event.leg_id):
            return self._of_mirror(node, event)
        leg = self.legs.get(event.leg_id)
        is_up = isinstance(event, AgentLegUp)
        if leg is None or leg.home != node:
            # Of an earlier life of the leg, on a node that was given up since.
            return [], [CloseLeg(node, event.leg_id)] if is_up else []
        if is_up:
            leg.up = True
            return [event], []
        return [event], self.forget_leg(leg)

    def _of_mirror(self, node: str, event: AgentLegUp | AgentLegDown) -> Heard:
        loan = self._mirrors.get((node, event.leg_id))
        if isinstance(event, AgentLegUp):
            if loan is None or loan.over:
                return [], [CloseLeg(node, event.leg_id)]
            loan.up = True
            return [], [LinkMoved()]
        self._mirrors.pop((node, event.leg_id), None)
        return ([], []) if loan is None else self.link_lost(loan, event.at)

    def _of_link(self, node: str, event: AnyCallEvent) -> Heard:
        loan = self._links[node, event.call_id]
        match event:
            case CallAnswered() if loan is not None:
                loan.answered = True
            case CallBridged() if loan is not None:
                loan.joined = True
            case CallEnded():
                del self._links[node, event.call_id]
                self._ended.add(event.call_id)
                if loan is not None:
                    told, actions = self.link_lost(loan, event.at)
                    return told, [*actions, LinkMoved()]
        return [], [LinkMoved()]

    def link_lost(self, loan: Loan, at: datetime) -> Heard:
        """A link has broken, or is not there any more.

        An agent in conversation over it hears nobody: his leg has gone, as far as that
        conversation knows, and so it goes altogether. An idle one need not notice.
        """
        if loan.over:
            return [], []
        leg = self.legs.get(loan.leg_id)
        is_needed = leg is not None and leg.loan is loan and leg.engaged and loan.stands
        actions = self.end_loan(loan)
        if leg is None or not is_needed:
            return [], actions
        actions += self.forget_leg(leg)
        told = AgentLegDown(event_id=self._event_id(), at=at, leg_id=leg.leg_id, reason="link lost")
        return [told], [*actions, CloseLeg(leg.home, leg.leg_id)]

    # --- ends ---------------------------------------------------------------------------------

    def forget_leg(self, leg: LegLine) -> list[Action]:
        """The leg is gone."""
        self.legs.pop(leg.leg_id, None)
        self._stop_consulting(leg)
        call = self.calls.get(leg.carries) if leg.carries is not None else None
        if call is not None and call.leg_id == leg.leg_id:
            call.leg_id = None
        return [] if leg.loan is None else self.end_loan(leg.loan)

    def legs_lost(self, node: str, at: datetime) -> Heard:
        """A node is away for too long: its agents have no telephone any more."""
        told: list[AnyCarrierEvent] = []
        actions: list[Action] = []
        for leg in [leg for leg in self.legs.values() if leg.home == node]:
            actions += self.forget_leg(leg)
            down = AgentLegDown(
                event_id=self._event_id(), at=at, leg_id=leg.leg_id, reason="node lost"
            )
            told.append(down)
        return told, [*actions, *self._end_idle_loans(node)]

    def calls_lost(self, node: str) -> tuple[list[CallId], list[Action]]:
        """A node is away for so long that its calls are given up."""
        lost = [call for call in self.calls.values() if call.node == node]
        for call in lost:
            self._forget(call)
        actions = [action for loan in self.loans(node) for action in self.end_loan(loan)]
        for mirror in [key for key in self._mirrors if key[0] == node]:
            del self._mirrors[mirror]
        for link in [key for key in self._links if key[0] == node]:
            del self._links[link]
            self._ended.add(link[1])
        return [call.call_id for call in lost], actions

    def ends_wanted(self, node: str) -> tuple[list[CallId], list[Action]]:
        """Of the calls of a node that is away, those that we wanted to end are given up."""
        lost = [call for call in self.calls.values() if call.node == node and call.hung_up]
        for call in lost:
            self._forget(call)
        return [call.call_id for call in lost], self._end_idle_loans(node)

    def _end_idle_loans(self, node: str) -> list[Action]:
        actions: list[Action] = []
        for loan in self.loans(node):
            if not self.legs[loan.leg_id].engaged:
                actions += self.end_loan(loan)
        return actions

    def _forget(self, call: CallLine) -> None:
        self.calls.pop(call.call_id, None)
        for leg in self.legs.values():
            if leg.carries == call.call_id:
                leg.carries = None
            if leg.part_of == call.call_id:
                leg.part_of = None


def is_mirror(name: LegId) -> bool:
    return name.startswith(MIRROR)


def leg_of(name: LegId) -> LegId:
    """The leg that a name stands for on some node."""
    return LegId(name.partition(".")[2]) if is_mirror(name) else name
