"""Scripted faults: what the script says goes wrong, and nothing else does."""

from __future__ import annotations

import asyncio

import pytest

from telephony_adapters.errors import CarrierUnavailable, OriginateRejected, OutcomeUnknown
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    CallAnswered,
    CallEnded,
    CallEvent,
    CallId,
    CallPhase,
    CallProgress,
    CallRinging,
    CarrierDown,
    CarrierUp,
    HangupCause,
    LegId,
)
from telephony_adapters.simulator.script import (
    CallFault,
    Doubt,
    Outage,
    Rule,
    Script,
    rough_weather,
)
from tests.adapters.lab import FarEnd
from tests.adapters.simulated_lab import NUMBERS, SimulatedLab


async def started(*rules: Rule, outages: tuple[Outage, ...] = ()) -> SimulatedLab:
    lab = SimulatedLab(Script(rules=rules, outages=outages))
    await lab.carrier.start(lab.events.append)
    return lab


async def test_the_nth_originate_is_rejected_and_its_id_stays_free() -> None:
    lab = await started(Rule(fault=CallFault(reject=True), nth=2))
    await lab.dial(FarEnd.BUSY)
    command = lab.command(lab.number(FarEnd.BUSY))
    with pytest.raises(OriginateRejected) as rejection:
        await lab.originate(command)
    assert rejection.value.provider_code == "sip:503"
    assert lab.placed() == 1
    await lab.originate(command)
    assert (await lab.end(command.call_id)).cause is HangupCause.BUSY
    assert lab.placed() == 2


@pytest.mark.parametrize("doubt", list(Doubt))
async def test_an_unknown_outcome_comes_late_whether_or_not_the_call_was_placed(
    doubt: Doubt,
) -> None:
    lab = await started(Rule(fault=CallFault(doubt=doubt)))
    before = lab.now()
    command = lab.command(lab.number(FarEnd.RINGS))
    originating = asyncio.create_task(lab.originate(command))
    await lab.until(originating.done)
    with pytest.raises(OutcomeUnknown):
        originating.result()
    assert (lab.now() - before).total_seconds() == pytest.approx(5.0)
    listed = await lab.report(command.call_id)
    if doubt is Doubt.NOT_PLACED:
        assert listed is None
        assert lab.placed() == 0
    else:
        assert listed is not None
        assert listed.phase is CallPhase.RINGING
        assert (await lab.end(command.call_id)).cause is HangupCause.NO_ANSWER


async def test_a_silent_call_lives_and_dies_unheard() -> None:
    lab = await started(Rule(fault=CallFault(silent=True), number=NUMBERS[FarEnd.RINGS]))
    silent = await lab.dial(FarEnd.RINGS)
    other = await lab.dial(FarEnd.BUSY)
    await lab.pass_time(5.0)
    assert await lab.report(silent) is not None
    await lab.pass_time(60.0)
    assert await lab.report(silent) is None
    assert lab.of(CallEvent, silent) == []
    assert len(lab.of(CallEnded, other)) == 1


async def test_an_end_can_get_lost() -> None:
    lab = await started(Rule(fault=CallFault(loses_end=True)))
    call_id = await lab.dial(FarEnd.RINGS)
    await lab.pass_time(60.0)
    assert [type(event) for event in lab.of(CallEvent, call_id)] == [CallProgress, CallRinging]
    assert await lab.report(call_id) is None


async def test_late_events_tell_when_they_happened() -> None:
    lab = await started(Rule(fault=CallFault(late_s=30.0)))
    call_id = await lab.dial(FarEnd.BUSY)
    await lab.pass_time(29.0)
    assert lab.events == []
    end = await lab.end(call_id)
    assert (lab.now() - end.at).total_seconds() == pytest.approx(30.0)


async def test_repeats_are_the_same_event() -> None:
    lab = await started(Rule(fault=CallFault(repeats=3)))
    await lab.end(await lab.dial(FarEnd.BUSY))
    assert len(lab.events) == 8
    assert len(lab.unique()) == 2


async def test_events_overtake_each_other() -> None:
    lab = await started(Rule(fault=CallFault(out_of_order=True)))
    call_id = await lab.dial(FarEnd.BUSY)
    await lab.pass_time(10.0)
    told = lab.of(CallEvent, call_id)
    assert [type(event) for event in told] == [CallEnded, CallProgress]
    assert told[0].at > told[1].at


async def test_ringing_without_end_ends_by_our_hangup_only() -> None:
    lab = await started(Rule(fault=CallFault(rings_forever=True)))
    call_id = await lab.dial(FarEnd.ANSWERS)
    await lab.pass_time(3600.0)
    assert lab.of(CallAnswered, call_id) == []
    report = await lab.report(call_id)
    assert report is not None
    assert report.phase is CallPhase.RINGING
    await lab.adapter.hangup(call_id)
    assert (await lab.end(call_id)).cause is HangupCause.CANCELLED


async def test_an_outage_loses_the_events_of_calls_that_live_on() -> None:
    lab = await started(outages=(Outage(after_s=4.0, for_s=30.0, reason="maintenance"),))
    ended = await lab.dial(FarEnd.ANSWERS_BRIEFLY)
    alive = await lab.dial_and_answer()
    await lab.pass_time(10.0)
    (down,) = [event for event in lab.events if isinstance(event, CarrierDown)]
    assert down.reason == "maintenance"
    with pytest.raises(CarrierUnavailable):
        await lab.dial(FarEnd.BUSY)
    with pytest.raises(CarrierUnavailable):
        await lab.adapter.hangup(alive)
    await lab.pass_time(30.0)
    assert [type(event) for event in lab.events][-2:] == [CarrierDown, CarrierUp]
    assert lab.of(CallEnded, ended) == []
    assert [report.call_id for report in await lab.adapter.list_calls()] == [alive]


async def test_legs_that_change_in_an_outage_are_told_after_it() -> None:
    lab = await started()
    await lab.adapter.open_agent_leg(LegId("leg-a"), "agent-a")
    lab.carrier.lose_connection()
    await lab.pass_time(1.0)
    lab.carrier.agent_hangs_up(LegId("leg-a"))
    lab.carrier.restore_connection()
    kinds = [type(event) for event in lab.events]
    assert kinds == [CarrierDown, CarrierUp, AgentLegUp, AgentLegDown]


async def test_starting_in_an_outage_is_refused_and_later_works() -> None:
    lab = await started()
    call_id = await lab.dial_and_answer()
    await lab.adapter.stop()
    lab.carrier.lose_connection()
    with pytest.raises(CarrierUnavailable):
        await lab.adapter.start(lab.events.append)
    lab.carrier.restore_connection()
    await lab.adapter.start(lab.events.append)
    assert await lab.report(call_id) is not None
    assert not [event for event in lab.events if isinstance(event, CarrierDown | CarrierUp)]


async def test_cutting_and_mending_twice_is_told_once() -> None:
    lab = await started()
    for act in (lab.carrier.lose_connection, lab.carrier.restore_connection):
        act()
        act()
    assert [type(event) for event in lab.events] == [CarrierDown, CarrierUp]


def fault_numbers(rule: Rule, originates: int = 30, seed: int = 0) -> list[int]:
    script = Script(rules=(rule,), seed=seed)
    return [n for n in range(1, originates + 1) if script.fault_of(n, "+13055550100")]


def test_rules_choose_their_originates() -> None:
    fault = CallFault(reject=True)
    assert fault_numbers(Rule(fault=fault, nth=3)) == [3]
    assert fault_numbers(Rule(fault=fault, every=10)) == [10, 20, 30]
    assert fault_numbers(Rule(fault=fault, number="+13055550101")) == []
    assert fault_numbers(Rule(fault=fault, number="+13055550100", every=15)) == [15, 30]
    assert len(fault_numbers(Rule(fault=fault))) == 30


def test_a_share_is_drawn_by_the_seed() -> None:
    rule = Rule(fault=CallFault(reject=True), share=0.1)
    drawn = fault_numbers(rule, 5_000, seed=4)
    assert len(drawn) == pytest.approx(500, abs=90)
    assert drawn == fault_numbers(rule, 5_000, seed=4)
    assert drawn != fault_numbers(rule, 5_000, seed=5)


def test_the_first_rule_that_matches_decides() -> None:
    first, second = CallFault(reject=True), CallFault(silent=True)
    script = Script(rules=(Rule(fault=first, nth=1), Rule(fault=second)))
    assert script.fault_of(1, "") is first
    assert script.fault_of(2, "") is second


def test_rough_weather_brings_every_fault_there_is() -> None:
    script = rough_weather(1, share=0.05)
    met = [script.fault_of(n, "") for n in range(1, 3_000)]
    for field in CallFault.__struct_fields__:
        default = getattr(CallFault(), field)
        assert any(getattr(fault, field) != default for fault in met if fault), field
    assert sum(fault is None for fault in met) / len(met) == pytest.approx(0.95**9, abs=0.04)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: Rule(fault=CallFault(), nth=0),
        lambda: Rule(fault=CallFault(), every=0),
        lambda: Rule(fault=CallFault(), share=1.5),
        lambda: Script(outages=(Outage(after_s=5, for_s=0),)),
        lambda: Script(outages=(Outage(after_s=5, for_s=5), Outage(after_s=9, for_s=1))),
    ],
)
def test_scripts_that_make_no_sense_are_refused(broken: object) -> None:
    assert callable(broken)
    with pytest.raises(ValueError, match=r"count from 1|between 0 and 1|outages must last"):
        broken()


async def test_a_full_network_ends_calls_in_congestion() -> None:
    lab = SimulatedLab(max_live_calls=2)
    await lab.carrier.start(lab.events.append)
    for _ in range(2):
        await lab.dial(FarEnd.RINGS)
    third = await lab.dial(FarEnd.ANSWERS)
    assert (await lab.end(third)).cause is HangupCause.CONGESTION
    unknown = CallId("0")
    assert await lab.report(unknown) is None
