"""What the pacer is told of agents whose call is not one that it dialed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from compliance.types import AccountId, CampaignId, ContactPointId, PersonId
from dialer.core.agent import TRANSITIONS, AgentSession, AgentState, AgentStep, step
from dialer.core.call import Call, CallState
from dialer.core.pacing.messages import (
    AgentOff,
    AgentOn,
    Connected,
    FaultKind,
    PacingEvent,
    TalkEnded,
    WrapUpEnded,
)
from dialer.core.pacing.tracker import Tracker
from dialer.runtime.calls import Calls
from dialer.runtime.clock import WallClock
from dialer.runtime.desk import Desk
from dialer.runtime.pacing_feed import PacingFeed
from dialer.stores.redis.presence import AgentPool
from telephony_adapters.messages import CallId, LegId
from telephony_adapters.simulator.null import NullCarrier

CAMPAIGN = CampaignId("k")
NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
OUR_CALL, OTHER_CALL = CallId("01OURS"), CallId("01OTHER")


class Nobody:
    """Learns nothing."""

    def __getattr__(self, name: str) -> object:
        return lambda *args, **kwargs: None


class Listening:
    """A pacer that keeps what it is told, and whose tracker judges it."""

    def __init__(self) -> None:
        self.told: list[PacingEvent] = []
        self.tracker = Tracker()

    def observe(self, event: PacingEvent) -> None:
        self.told.append(event)
        self.tracker.observe(event, Nobody())  # type: ignore[arg-type]  # stands in


class Floor:
    """One agent and the feed that hears of them."""

    def __init__(self) -> None:
        self.pacer = Listening()
        clock = WallClock()
        desk = Desk(clock=clock, pools=_no_pool, presence_s=30)
        calls = Calls(clock=clock, adapter=NullCarrier(clock=clock), desk=desk)
        self.feed = PacingFeed(CAMPAIGN, self.pacer, calls, desk)  # type: ignore[arg-type]  # stands in
        self.now = NOW
        self.dialed = 0
        self.agent = AgentSession(
            agent_id="ana",
            session_id="s",
            name="Ana",
            language="es",
            leg_id=LegId("leg"),
            campaign_id=CAMPAIGN,
            since=NOW,
        )

    def goes(self, how: AgentStep, *, ours: bool = False) -> None:
        self.now += timedelta(seconds=10)
        before = self.agent
        if how is AgentStep.CONNECT and ours:
            self._connect()
        self.agent = step(before, how, self.now, call_id=OUR_CALL if ours else OTHER_CALL)
        self.feed.agent_changed(before, self.agent, self.now)

    def _connect(self) -> None:
        """A call that the campaign dialed reaches the agent."""
        self.dialed += 1
        ringing = Call(
            call_id=CallId(f"01OURS{self.dialed}"),
            person_id=PersonId("p"),
            account_id=AccountId("a"),
            contact_point_id=ContactPointId("c"),
            campaign_id=CAMPAIGN,
            segment="x",
            lease_token="t",
            planned_at=self.now,
            state=CallState.RINGING,
        )
        waiting = msgspec.structs.replace(
            ringing, state=CallState.WAITING, answered_at=self.now, live_at=self.now
        )
        talking = msgspec.structs.replace(
            waiting, state=CallState.BRIDGED, bridged_at=self.now, agent_id="ana"
        )
        self.feed.call_moved(None, ringing, self.now)
        self.feed.call_moved(ringing, waiting, self.now)
        self.feed.call_moved(waiting, talking, self.now)

    @property
    def of_agents(self) -> list[type]:
        kinds = (AgentOn, AgentOff, Connected, TalkEnded, WrapUpEnded)
        return [type(event) for event in self.pacer.told if isinstance(event, kinds)]


def _no_pool(_: CampaignId) -> AgentPool:
    raise AssertionError("nobody is taken here")


S = AgentStep


def test_whoever_takes_a_caller_is_away_until_ready_again() -> None:
    floor = Floor()
    for how in (S.READY, S.RESERVE, S.CONNECT, S.CALL_ENDED, S.DISPOSED):
        floor.goes(how)
    assert floor.of_agents == [AgentOn, AgentOff, AgentOn], "no talk of it teaches anything"


def test_whoever_helps_a_colleague_and_takes_over_is_away() -> None:
    floor = Floor()
    for how in (S.READY, S.RESERVE, S.CONSULT, S.CONNECT, S.CALL_ENDED, S.DISPOSED):
        floor.goes(how)
    assert floor.of_agents == [AgentOn, AgentOff, AgentOn]


def test_a_call_that_is_handed_on_is_no_whole_talk() -> None:
    floor = Floor()
    for how in (S.READY, S.RESERVE, S.CONNECT, S.HANDED_ON):
        floor.goes(how, ours=True)
    assert floor.of_agents == [AgentOn, Connected, AgentOff, AgentOn]
    for how in (S.RESERVE, S.CONNECT, S.CALL_ENDED, S.DISPOSED):
        floor.goes(how, ours=True)
    assert floor.of_agents[4:] == [Connected, TalkEnded, WrapUpEnded]


@given(st.lists(st.tuples(st.sampled_from(list(AgentStep)), st.booleans()), max_size=40))
def test_whatever_agents_do_the_pacers_tracker_finds_no_fault(
    walk: list[tuple[AgentStep, bool]],
) -> None:
    floor = Floor()
    ours = False
    for how, dialed in walk:
        if (floor.agent.state, how) not in TRANSITIONS or how is S.LOGOUT:
            continue
        if how is S.RESERVE:
            ours = dialed
        floor.goes(how, ours=ours and how is not S.CONSULT)
        if how is S.CONSULT:
            ours = False
    faults = floor.pacer.tracker.state.faults
    assert not {FaultKind.STATE_CONFLICT, FaultKind.UNKNOWN_AGENT, FaultKind.DUPLICATE} & set(
        faults
    ), faults
    known = floor.pacer.tracker.state.agents
    here = floor.agent.state in (AgentState.READY, AgentState.RESERVED)
    assert not here or "ana" in known
    assert floor.agent.state is not AgentState.PAUSED or "ana" not in known
