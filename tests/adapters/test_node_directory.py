"""What a node's events mean for the engine: whose call, whose leg, and what is not told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from telephony_adapters.errors import TelephonyError, UnknownCall
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallId,
    CallJoined,
    CallParted,
    CallPhase,
    CallReport,
    ConsultStarted,
    HangupCause,
    InboundCall,
    LegId,
    LegRole,
)
from telephony_adapters.nodes.directory import (
    Action,
    CloseLeg,
    Directory,
    HangUp,
    LegLine,
    LinkComes,
    LinkMoved,
    Loan,
    leg_of,
)

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CALL, LINK, OTHER = CallId("C" * 26), CallId("L" * 26), CallId("O" * 26)
ANA, EVA = LegId("leg-ana"), LegId("leg-eva")
_ids: Iterator[int] = count(1)


def event_id() -> str:
    return f"e{next(_ids)}"


class Told:
    """A directory, and what it has told."""

    def __init__(self) -> None:
        self.directory = Directory(event_id)
        self.events: list[AnyCarrierEvent] = []
        self.actions: list[Action] = []

    def hear(self, node: str, event: AnyCarrierEvent) -> None:
        self.events, self.actions = self.directory.hear(node, event)

    def leg(self, leg_id: LegId, home: str) -> LegLine:
        self.directory.legs[leg_id] = LegLine(leg_id, home, outside=False)
        self.hear(home, AgentLegUp(event_id=event_id(), at=T0, leg_id=leg_id))
        return self.directory.leg(leg_id)

    def answered_call(self, node: str = "south") -> None:
        self.directory.place(CALL, node, T0, 30)
        self.hear(node, CallAnswered(event_id=event_id(), at=T0, call_id=CALL))

    def lend(self, leg: LegLine, node: str) -> Loan:
        """A link that stands."""
        loan = self.directory.lend(leg, node)
        self.directory.link_came(leg.home, LINK, loan)
        self.hear(leg.home, CallAnswered(event_id=event_id(), at=T0, call_id=LINK))
        self.hear(leg.home, bridged(LINK, leg.leg_id))
        stood_before = loan.stands
        self.hear(node, AgentLegUp(event_id=event_id(), at=T0, leg_id=loan.mirror))
        assert (stood_before, loan.stands) == (False, True)
        assert (self.events, self.actions) == ([], [LinkMoved()])
        return loan


def bridged(call_id: CallId, leg_id: LegId) -> CallBridged:
    return CallBridged(event_id=event_id(), at=T0, call_id=call_id, leg_id=leg_id)


def down(leg_id: LegId) -> AgentLegDown:
    return AgentLegDown(event_id=event_id(), at=T0, leg_id=leg_id)


def ended(call_id: CallId) -> CallEnded:
    cause = HangupCause.NORMAL_CALLEE
    return CallEnded(event_id=event_id(), at=T0, call_id=call_id, cause=cause)


def crossing() -> tuple[Told, LegLine, Loan]:
    """Ana, whom the north rings, in conversation with a call of the south."""
    told = Told()
    leg = told.leg(ANA, "north")
    told.answered_call("south")
    loan = told.lend(leg, "south")
    told.hear("south", bridged(CALL, loan.mirror))
    return told, leg, loan


def test_a_mirror_is_told_by_the_name_of_its_leg() -> None:
    told, leg, loan = crossing()
    assert loan.mirror != ANA
    [event] = told.events
    assert isinstance(event, CallBridged)
    assert event.leg_id == ANA
    assert leg.carries == CALL
    role = LegRole.LISTEN
    told.hear(
        "south",
        CallJoined(event_id="j", at=T0, call_id=CALL, leg_id=loan.mirror, role=role),
    )
    told.hear("south", CallParted(event_id="p", at=T0, call_id=CALL, leg_id=loan.mirror))
    assert told.events == [CallParted(event_id="south:p", at=T0, call_id=CALL, leg_id=ANA)]
    other = told.leg(EVA, "south")
    told.hear(
        "south",
        ConsultStarted(event_id="c", at=T0, leg_id=loan.mirror, other_leg_id=EVA),
    )
    [consulting] = told.events
    assert isinstance(consulting, ConsultStarted)
    assert (consulting.leg_id, consulting.other_leg_id) == (ANA, EVA)
    assert other.consulting == ANA


def test_names_without_a_mirror_are_their_own() -> None:
    assert leg_of(ANA) == ANA
    assert leg_of(LegId("mirror-00000012.leg.with.dots")) == "leg.with.dots"


def test_events_of_two_nodes_never_have_one_id() -> None:
    told = Told()
    same = CallAnswered(event_id="1", at=T0, call_id=CALL)
    told.hear("north", same)
    north = told.events
    told.hear("south", same)
    assert north != told.events


def test_the_call_from_node_to_node_is_told_to_nobody() -> None:
    told = Told()
    word = "marcador" + "0" * 32
    comes = InboundCall(event_id="i", at=T0, call_id=LINK, caller=None, called=word)
    told.hear("north", comes)
    assert (told.events, told.actions) == ([], [LinkComes("north", LINK, word)])
    told.directory.link_came("north", LINK, None)
    for event in (bridged(LINK, ANA), ended(LINK)):
        told.hear("north", event)
        assert told.events == []
    assert not told.directory.link_lives("north", LINK)


def test_a_real_caller_is_told() -> None:
    told = Told()
    comes = InboundCall(event_id="i", at=T0, call_id=CALL, caller=None, called="+56221234567")
    told.hear("north", comes)
    assert len(told.events) == 1
    assert told.directory.call(CALL).node == "north"


def test_a_link_that_is_lost_in_a_conversation_takes_the_leg_with_it() -> None:
    told, leg, loan = crossing()
    told.hear("south", down(loan.mirror))
    [event] = told.events
    assert isinstance(event, AgentLegDown)
    assert event.leg_id == ANA
    assert told.actions == [
        LinkMoved(),
        CloseLeg("south", loan.mirror),
        HangUp("north", LINK),
        CloseLeg("north", ANA),
    ]
    assert leg.leg_id not in told.directory.legs
    assert told.directory.call(CALL).leg_id is None
    told.hear("north", down(ANA))
    assert told.events == [], "once"


def test_an_idle_link_is_lost_untold() -> None:
    told, leg, loan = crossing()
    told.hear("south", ended(CALL))
    assert not leg.engaged
    told.hear("north", ended(LINK))
    assert told.events == []
    assert CloseLeg("south", loan.mirror) in told.actions
    assert (leg.node, leg.local) == ("north", ANA)


def test_the_end_of_a_leg_ends_its_link() -> None:
    told, _, loan = crossing()
    told.hear("north", down(ANA))
    assert [type(event) for event in told.events] == [AgentLegDown]
    assert set(told.actions) >= {CloseLeg("south", loan.mirror), HangUp("north", LINK)}
    told.hear("south", down(loan.mirror))
    assert (told.events, told.actions) == ([], [])


def test_a_leg_in_conversation_does_not_leave() -> None:
    told, leg, _ = crossing()
    with pytest.raises(TelephonyError):
        told.directory.require_movable(leg)
    with pytest.raises(TelephonyError):
        told.directory.require_movable(leg, but_for=OTHER)
    told.directory.require_movable(leg, but_for=CALL)
    told.hear("south", ended(CALL))
    told.directory.require_movable(leg)


def test_a_leg_of_an_earlier_life_is_not_told_and_is_hung_up() -> None:
    told = Told()
    told.leg(ANA, "south")
    told.hear("north", down(ANA))
    assert (told.events, told.actions) == ([], [])
    told.hear("north", AgentLegUp(event_id="u", at=T0, leg_id=ANA))
    assert (told.events, told.actions) == ([], [CloseLeg("north", ANA)])
    assert told.directory.leg(ANA).home == "south"


def test_a_mirror_that_comes_too_late_is_closed() -> None:
    told = Told()
    loan = told.directory.lend(told.leg(ANA, "north"), "south")
    told.directory.end_loan(loan)
    told.hear("south", AgentLegUp(event_id="u", at=T0, leg_id=loan.mirror))
    assert told.actions == [CloseLeg("south", loan.mirror)]
    assert not loan.stands


def report(call_id: CallId, phase: CallPhase, leg: LegId | None = None) -> CallReport:
    return CallReport(call_id=call_id, phase=phase, bridged_leg=leg)


def test_a_node_s_list_is_told_in_the_words_of_the_port() -> None:
    told, _, loan = crossing()
    later = T0 + timedelta(minutes=1)
    listed = [report(CALL, CallPhase.ANSWERED, loan.mirror), report(OTHER, CallPhase.RINGING)]
    assert told.directory.told("south", listed, later) == [
        report(CALL, CallPhase.ANSWERED, ANA),
        report(OTHER, CallPhase.RINGING),
    ]
    assert told.directory.call(OTHER).node == "south", "of an earlier life: it can be ended"
    assert told.directory.told("north", [report(LINK, CallPhase.ANSWERED, ANA)], later) == []


def test_a_list_that_is_older_than_an_end_revives_nobody() -> None:
    told, _, _ = crossing()
    told.hear("south", ended(CALL))
    told.hear("north", ended(LINK))
    listed = [report(CALL, CallPhase.ANSWERED)]
    assert told.directory.told("south", listed, T0) == []
    assert told.directory.told("north", [report(LINK, CallPhase.ANSWERED)], T0) == []
    with pytest.raises(UnknownCall):
        told.directory.call(CALL)


def test_the_end_of_a_call_that_was_given_up_is_an_end_all_the_same() -> None:
    told, _, _ = crossing()
    told.directory.calls_lost("south")
    told.hear("south", ended(CALL))
    assert told.directory.told("south", [report(CALL, CallPhase.ANSWERED)], T0) == []


def test_a_list_that_is_older_than_an_answer_does_not_take_it_back() -> None:
    told = Told()
    told.answered_call()
    told.directory.told("south", [report(CALL, CallPhase.RINGING)], T0)
    assert told.directory.call(CALL).phase is CallPhase.ANSWERED


def test_what_a_list_does_not_have_is_forgotten_unless_it_may_be_on_its_way() -> None:
    told = Told()
    told.directory.place(CALL, "south", T0, 30)
    assert told.directory.told("south", [], T0 + timedelta(seconds=89)) == []
    assert CALL in told.directory.calls
    told.hear("south", CallAnswered(event_id="a", at=T0, call_id=CALL))
    assert told.directory.told("south", [], T0) == []
    assert CALL in told.directory.calls, "the list may be older than the call"
    assert told.directory.told("north", [], T0 + timedelta(hours=1)) == []
    assert CALL in told.directory.calls, "another node's list says nothing of it"
    assert told.directory.told("south", [], T0 + timedelta(seconds=1)) == []
    with pytest.raises(UnknownCall):
        told.directory.call(CALL)


def test_a_node_that_stays_away_loses_telephones_first_and_then_calls() -> None:
    told, _, loan = crossing()
    eva = told.leg(EVA, "south")
    events, actions = told.directory.legs_lost("south", T0)
    assert [event.leg_id for event in events if isinstance(event, AgentLegDown)] == [EVA]
    assert eva.leg_id not in told.directory.legs
    assert actions == [], "a conversation with a person there may go on"
    assert [one.call_id for one in told.directory.reports("south")] == [CALL]
    lost, actions = told.directory.calls_lost("south")
    assert lost == [CALL]
    assert set(actions) >= {HangUp("north", LINK), CloseLeg("south", loan.mirror)}
    assert told.directory.leg(ANA).local == ANA
    assert list(told.directory.reports("south")) == []
    assert told.directory.lines()["south"] == 0
