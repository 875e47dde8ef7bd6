"""The floor of a call centre on virtual time: agents, calls, and a pacer that says how many.

Who answers, how long it takes and when agents work is told by others (`People`, `Rota`); here is
what a live engine does with it: dial, detect, connect the longest idle agent, wait no longer than
the limit, and tell the pacer of everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from compliance.messages import Message
from dialer.core.pacing import (
    Abandoned,
    AgentOff,
    AgentOn,
    Connected,
    Decider,
    Decision,
    DialPlaced,
    Failed,
    FoundMachine,
    LiveAnswer,
    MachineDetected,
    NoAnswer,
    PacingEvent,
    Pickup,
    Snapshot,
    TalkEnded,
    WrapUpEnded,
)
from dialer.simulation.clock import VirtualClock
from dialer.simulation.tally import MINUTE_S, Tally


class Ending(StrEnum):
    """How a dial ends, if nobody interferes."""

    PERSON = "person"
    MACHINE = "machine"
    """Picked up by a machine, which detection finds."""
    UNHEARD_MACHINE = "unheard_machine"
    """Picked up by a machine that only the agent's ear finds."""
    FAILED = "failed"
    RANG_OUT = "rang_out"
    NOT_CALLED = "not_called"
    """An agent looked at the account, and did not call it."""


class Fate(NamedTuple):
    """What will become of one dial."""

    ending: Ending
    after_s: float
    """From the dial to the pickup, the failure, or the end of ringing."""
    segment: str = ""
    who: int = 0
    """Whom `People` dialed; nobody else reads it."""
    patience_s: float = float("inf")
    """Hangs up after so long without an agent."""
    agent: str | None = None
    """Reserved before the call is placed: an idle one, who takes nobody else meanwhile."""
    look_s: float = 0.0
    """How long that agent looks at the account before it is called, or left."""


class People(Protocol):
    """Those who are called. Asked in the order of time."""

    def shares(self, now_s: float) -> Mapping[str, float]:
        """Weights of the segments among the next contacts."""

    def caps(self, now_s: float) -> dict[str, int]:
        """Limits outside the pacer on new calls now, by name; empty: none."""

    def dial(self, now_s: float, idle: Collection[str]) -> Fate | None:
        """The next dial; None: nobody may be dialed now.

        `idle`: agents who could be reserved for it, the longest idle first.
        """

    def detection(self, fate: Fate) -> tuple[float, bool]:
        """How long machine detection takes after a pickup, and whether it is mistaken."""

    def talk_s(self, fate: Fate) -> float:
        """How long the conversation lasts that begins now."""

    def wrap_up_s(self, fate: Fate) -> float:
        """How long the agent wraps up, from now."""

    def ended(self, fate: Fate, now_s: float, *, abandoned: bool) -> None:
        """The call is over; after a conversation, its wrap-up too. `fate.ending` is how it really
        ended: who was not let ring for long enough has `RANG_OUT`."""


class Rota(Protocol):
    """When agents come and go."""

    def begin(self, floor: Floor) -> None:
        """Put the shift on the floor's clock."""

    def came(self, floor: Floor, agent: str) -> None:
        """The agent is available from now on."""

    def left(self, floor: Floor, agent: str) -> None:
        """The agent went, as `Floor.leave` asked."""


class Callers(Protocol):
    """Those who call us. They get a free agent before anybody who was dialed."""

    def begin(self, floor: Floor) -> None:
        """Put the day's calls on the floor's clock."""

    def take(self, agent: str) -> bool:
        """Who waits longest gets this idle agent (`Floor.engage`). False: nobody waits."""


class FloorSettings(Message, frozen=True, kw_only=True):
    duration_s: float
    tick_s: float = 1.0
    """Time between decisions."""
    connect_limit_s: float = 2.0
    give_up_after_s: float | None = None
    """Calls that have rung for so long are hung up when the pacer says so."""
    amd: bool = False
    """Every pickup goes through machine detection."""


class Floor:
    """Agents and calls of one campaign, driven by a pacer's decisions."""

    def __init__(
        self,
        settings: FloorSettings,
        people: People,
        rota: Rota,
        pacer: Decider,
        on_decision: Callable[[Decision], None] | None = None,
        on_progress: Callable[[float], None] | None = None,
        callers: Callers | None = None,
    ) -> None:
        self._settings = settings
        self._people = people
        self._rota = rota
        self._pacer = pacer
        self._on_decision = on_decision
        self._on_progress = on_progress
        self._callers = callers
        self.clock = VirtualClock()
        self.tally = Tally(int(-(-settings.duration_s // MINUTE_S)))
        self._idle: dict[str, float] = {}
        self._talking: dict[str, float] = {}
        self._wrapping: dict[str, float] = {}
        self._ringing: dict[str, dict[str, float]] = {}
        """By segment, without those that have an agent of their own: they compete for none."""
        self._fates: dict[str, Fate] = {}
        """Of all calls that ring."""
        self._in_amd: dict[str, float] = {}
        self._waiting: dict[str, tuple[float, Fate]] = {}
        self._reserved: dict[str, tuple[float, float]] = {}
        """Since when idle, and since when reserved for a call that rings, or will."""
        self._without_call_since_s: dict[str, float] = {}
        """When an agent who is here came, or had wrapped up the last call."""
        self._leaving: set[str] = set()
        self.faults: dict[str, int] = {}
        self.law = ""
        self.dialed = self.answered = self.abandoned = self.given_up = 0

    def run(self) -> None:
        """Run the whole shift."""
        self._rota.begin(self)
        if self._callers is not None:
            self._callers.begin(self)
        self.clock.at(0.0, self._decide)
        self.clock.run_until(self._settings.duration_s)
        self._close_books()

    # --- the pacer ----------------------------------------------------------------------------

    def _tell(self, event: PacingEvent) -> None:
        self._pacer.observe(event)

    def _decide(self) -> None:
        now_s = self.clock.now_s
        settings = self._settings
        if now_s >= settings.duration_s:
            return
        decision = self._pacer.decide(self._snapshot(now_s))
        self.faults, self.law = decision.faults, decision.law.value
        if self._on_decision is not None:
            self._on_decision(decision)
        if decision.give_up and settings.give_up_after_s is not None:
            self._give_up_ringing(now_s, settings.give_up_after_s)
        for _ in range(decision.calls_to_place):
            if not self._dial(now_s):
                break
        self._sample(now_s)
        self.clock.at(now_s + settings.tick_s, self._decide)

    @property
    def staffed(self) -> int:
        return len(self._idle) + len(self._reserved) + len(self._talking) + len(self._wrapping)

    def _snapshot(self, now_s: float) -> Snapshot:
        return Snapshot(
            at_s=now_s,
            staffed=self.staffed,
            idle_since_s=tuple(self._idle.values()),
            talking_since_s=(
                *self._talking.values(),
                *(reserved_s for _, reserved_s in self._reserved.values()),
            ),
            wrapping_since_s=tuple(self._wrapping.values()),
            ringing_since_s={s: tuple(calls.values()) for s, calls in self._ringing.items()},
            in_amd_since_s=tuple(self._in_amd.values()),
            waiting_since_s=tuple(since_s for since_s, _ in self._waiting.values()),
            upcoming=dict(self._people.shares(now_s)),
            caps=self._people.caps(now_s),
            # A decision's calls are placed, or found nobody, before the next one is made.
            settled=True,
            dialed=self.dialed,
            answered=self.answered,
            abandoned=self.abandoned,
        )

    def _sample(self, now_s: float) -> None:
        settings, tally = self._settings, self.tally
        minute = int(now_s // MINUTE_S)
        ringing = len(self._fates)
        if self._on_progress is not None and minute and not tally.ringing[minute]:
            self._on_progress(now_s)
        tally.staffed[minute] = self.staffed
        tally.ringing[minute] = ringing
        tally.line_s += ringing * min(settings.tick_s, settings.duration_s - now_s)

    # --- calls --------------------------------------------------------------------------------

    def _dial(self, now_s: float) -> bool:
        fate = self._people.dial(now_s, self._idle.keys())
        if fate is None:
            return False
        if fate.agent is not None:
            self._reserved[fate.agent] = (self._idle.pop(fate.agent), now_s)
        if fate.look_s > 0.0:
            self.clock.at(now_s + fate.look_s, self._looked, fate)
        else:
            self._place(fate)
        return True

    def _looked(self, fate: Fate) -> None:
        if fate.ending is Ending.NOT_CALLED:
            self._over(fate)
        else:
            self._place(fate)

    def _place(self, fate: Fate) -> None:
        now_s = self.clock.now_s
        self.dialed += 1
        call_id = f"c{self.dialed}"
        self.tally.dials[self._minute()] += 1
        has_agent = fate.agent is not None
        if not has_agent:
            self._ringing.setdefault(fate.segment, {})[call_id] = now_s
        self._tell(
            DialPlaced(at_s=now_s, call_id=call_id, segment=fate.segment, has_agent=has_agent)
        )
        self._fates[call_id] = fate
        self.clock.at(now_s + fate.after_s, self._rung, call_id, fate)

    def _give_up_ringing(self, now_s: float, after_s: float) -> None:
        """Hang up what has rung for so long, unless it has an agent of its own."""
        for segment, calls in self._ringing.items():
            late = [call_id for call_id, since_s in calls.items() if now_s - since_s >= after_s]
            for call_id in late:
                del self._ringing[segment][call_id]
                fate = self._fates.pop(call_id)
                self.given_up += 1
                self._tell(NoAnswer(at_s=now_s, call_id=call_id))
                self._over(fate._replace(ending=Ending.RANG_OUT))

    def _rung(self, call_id: str, fate: Fate) -> None:
        """Ringing is over: somebody picks up, or nobody does."""
        if self._fates.pop(call_id, None) is None:
            return  # given up meanwhile
        now_s = self.clock.now_s
        if fate.agent is None:
            del self._ringing[fate.segment][call_id]
        if fate.ending is Ending.FAILED:
            self._tell(Failed(at_s=now_s, call_id=call_id, cause="busy"))
        elif fate.ending is Ending.RANG_OUT:
            self._tell(NoAnswer(at_s=now_s, call_id=call_id))
        elif self._settings.amd:
            self._tell(Pickup(at_s=now_s, call_id=call_id))
            if fate.agent is None:
                self._in_amd[call_id] = now_s
            delay_s, mistaken = self._people.detection(fate)
            self.clock.at(now_s + delay_s, self._detected, call_id, fate, mistaken)
            return
        else:
            self._live(call_id, fate)
            return
        self._over(fate)

    def _detected(self, call_id: str, fate: Fate, mistaken: bool) -> None:
        self._in_amd.pop(call_id, None)
        now_s = self.clock.now_s
        if fate.ending is not Ending.MACHINE and mistaken:
            self._count_answer()
            self._count_abandonment(call_id, fate)
        elif fate.ending is not Ending.MACHINE:
            self._live(call_id, fate)
        else:
            self._tell(MachineDetected(at_s=now_s, call_id=call_id))
            self._over(fate)

    def _over(self, fate: Fate) -> None:
        """A call ended without a person."""
        self._people.ended(fate, self.clock.now_s, abandoned=False)
        self._release(fate)

    def _live(self, call_id: str, fate: Fate) -> None:
        now_s = self.clock.now_s
        self._count_answer()
        self._tell(LiveAnswer(at_s=now_s, call_id=call_id))
        if fate.agent is not None:
            self._connect(call_id, fate, fate.agent)
        elif self._idle:
            self._connect(call_id, fate, next(iter(self._idle)))
        else:
            self._waiting[call_id] = (now_s, fate)
            limit_s = min(self._settings.connect_limit_s, fate.patience_s)
            self.clock.at(now_s + limit_s, self._give_up, call_id)

    def _give_up(self, call_id: str) -> None:
        waiting = self._waiting.pop(call_id, None)
        if waiting is not None:
            self._count_abandonment(call_id, waiting[1])

    def _count_answer(self) -> None:
        self.answered += 1
        self.tally.answered[self._minute()] += 1

    def _count_abandonment(self, call_id: str, fate: Fate) -> None:
        now_s = self.clock.now_s
        self.abandoned += 1
        self.tally.abandoned[self._minute()] += 1
        self._tell(Abandoned(at_s=now_s, call_id=call_id))
        self._people.ended(fate, now_s, abandoned=True)
        self._release(fate)

    def _minute(self) -> int:
        return min(int(self.clock.now_s // MINUTE_S), len(self.tally.dials) - 1)

    # --- agents -------------------------------------------------------------------------------

    def come(self, agent: str) -> None:
        """The agent is available from now on."""
        self._leaving.discard(agent)
        self._tell(AgentOn(at_s=self.clock.now_s, agent_id=agent))
        self._rota.came(self, agent)
        self._without_call_since_s[agent] = self.clock.now_s
        self._free(agent)

    def leave(self, agent: str) -> None:
        """The agent goes: at once if idle, otherwise after the call in hand."""
        self._leaving.add(agent)
        if agent in self._idle:
            now_s = self.clock.now_s
            self._staffed_for(self._idle.pop(agent), now_s, busy=False)
            self._tell(AgentOff(at_s=now_s, agent_id=agent))
            self._rota.left(self, agent)

    def is_here(self, agent: str) -> bool:
        states = (self._idle, self._reserved, self._talking, self._wrapping)
        return any(agent in state for state in states)

    def is_idle(self, agent: str) -> bool:
        return agent in self._idle

    def longest_idle(self) -> str | None:
        return next(iter(self._idle), None)

    def _free(self, agent: str) -> None:
        self._idle[agent] = self.clock.now_s
        if self._callers is not None and self._callers.take(agent):
            return
        if self._waiting:
            call_id = next(iter(self._waiting))
            _, fate = self._waiting.pop(call_id)
            self._connect(call_id, fate, agent)

    def _connect(self, call_id: str, fate: Fate, agent: str) -> None:
        now_s = self.clock.now_s
        self.tally.connected += 1
        self._begin_talk(agent)
        self._tell(Connected(at_s=now_s, call_id=call_id, agent_id=agent))
        talk_s = self._people.talk_s(fate)
        self.clock.at(now_s + talk_s, self._talk_over, agent, call_id, fate, talk_s)

    def _begin_talk(self, agent: str) -> None:
        """The agent's wait is over, at his post or for a call that rang for him."""
        now_s = self.clock.now_s
        reserved = self._reserved.pop(agent, None)
        idle_since_s = self._idle.pop(agent) if reserved is None else reserved[0]
        self.tally.waits_s.append(now_s - self._without_call_since_s[agent])
        self._staffed_for(idle_since_s, now_s, busy=False)
        self._talking[agent] = now_s

    def _release(self, fate: Fate) -> None:
        """Who was reserved for a call that came to nothing is free again."""
        if fate.agent is None:
            return
        now_s = self.clock.now_s
        self._staffed_for(self._reserved.pop(fate.agent)[0], now_s, busy=False)
        if fate.agent in self._leaving:
            self._tell(AgentOff(at_s=now_s, agent_id=fate.agent))
            self._rota.left(self, fate.agent)
        else:
            self._free(fate.agent)

    def engage(self, agent: str, talk_s: float, wrap_up_s: float) -> None:
        """Give an idle agent a conversation that was not dialed.

        For the pacer he is away meanwhile, as in the engine; only the snapshot shows that he will
        be free again.
        """
        now_s = self.clock.now_s
        self._begin_talk(agent)
        self._tell(AgentOff(at_s=now_s, agent_id=agent))
        self.clock.at(now_s + talk_s, self._engaged, agent, wrap_up_s)

    def _engaged(self, agent: str, wrap_up_s: float) -> None:
        now_s = self.clock.now_s
        self._staffed_for(self._talking.pop(agent), now_s, busy=True)
        self._wrapping[agent] = now_s
        self.clock.at(now_s + wrap_up_s, self._back, agent)

    def _back(self, agent: str) -> None:
        now_s = self.clock.now_s
        self._staffed_for(self._wrapping.pop(agent), now_s, busy=True)
        if agent in self._leaving:
            self._rota.left(self, agent)
        else:
            self._tell(AgentOn(at_s=now_s, agent_id=agent))
            self._without_call_since_s[agent] = now_s
            self._free(agent)

    def _talk_over(self, agent: str, call_id: str, fate: Fate, talk_s: float) -> None:
        now_s = self.clock.now_s
        self._staffed_for(self._talking.pop(agent), now_s, busy=True)
        self._wrapping[agent] = now_s
        self._tell(TalkEnded(at_s=now_s, agent_id=agent, talk_s=talk_s))
        wrap_s = self._people.wrap_up_s(fate)
        self.clock.at(now_s + wrap_s, self._wrapped_up, agent, call_id, fate, wrap_s)

    def _wrapped_up(self, agent: str, call_id: str, fate: Fate, wrap_s: float) -> None:
        now_s = self.clock.now_s
        self._staffed_for(self._wrapping.pop(agent), now_s, busy=True)
        goes = agent in self._leaving
        if fate.ending is Ending.UNHEARD_MACHINE:
            self.answered -= 1
            self.tally.answered[self._minute()] -= 1
            self._tell(FoundMachine(at_s=now_s, call_id=call_id))
        self._tell(WrapUpEnded(at_s=now_s, agent_id=agent, wrap_up_s=wrap_s, stays=not goes))
        self._people.ended(fate, now_s, abandoned=False)
        if goes:
            self._rota.left(self, agent)
        else:
            self._without_call_since_s[agent] = now_s
            self._free(agent)

    # --- measuring ----------------------------------------------------------------------------

    def _staffed_for(self, from_s: float, to_s: float, *, busy: bool) -> None:
        """Add an agent's time to the minutes it lies in."""
        tally = self.tally
        to_s = min(to_s, self._settings.duration_s)
        while from_s < to_s:
            minute = int(from_s // MINUTE_S)
            until_s = min(to_s, (minute + 1) * MINUTE_S)
            tally.staffed_s[minute] += until_s - from_s
            if busy:
                tally.busy_s[minute] += until_s - from_s
            from_s = until_s

    def _close_books(self) -> None:
        end_s = self._settings.duration_s
        for since_s in (*self._idle.values(), *(since_s for since_s, _ in self._reserved.values())):
            self._staffed_for(since_s, end_s, busy=False)
        for since_s in (*self._talking.values(), *self._wrapping.values()):
            self._staffed_for(since_s, end_s, busy=True)
