"""What breaks around several nodes: one dies, all are away, a link breaks, a stranger calls in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec
import pytest
import pytest_asyncio

from telephony_adapters.asterisk.client import AriSilent, AriUnreachable
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    OriginateRejected,
    TelephonyError,
    UnknownCall,
)
from telephony_adapters.lab.network import Network, running_network
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    CallBridged,
    CallEnded,
    CallId,
    CallPhase,
    CarrierDown,
    CarrierUp,
    DtmfReceived,
    HangupCause,
    InboundCall,
    LegId,
    LegRole,
    RecordingFinished,
)
from telephony_adapters.nodes.carrier import NodeFigures
from tests.adapters.asterisk_lab import eventually
from tests.adapters.conformance_control import join
from tests.adapters.lab import FarEnd
from tests.adapters.nodes_lab import ANYTHING, APART, NORTH, PATIENT, SOUTH, NodesLab, nodes_lab

pytestmark = pytest.mark.xdist_group("nodes")

NAMES = (NORTH, SOUTH)
TELEPHONES_ARE_LOST_S = PATIENT.down_s
CALLS_ARE_LOST_S = PATIENT.lost_s


@pytest_asyncio.fixture
async def lab(two_nodes: Network) -> AsyncIterator[NodesLab]:
    async with nodes_lab(two_nodes) as started:
        yield started


@pytest_asyncio.fixture
async def apart(two_nodes: Network) -> AsyncIterator[NodesLab]:
    async with nodes_lab(two_nodes, APART) as started:
        yield started


def figures(lab: NodesLab, node: str) -> NodeFigures:
    return next(one for one in lab.carrier.figures() if one.name == node)


def is_down(lab: NodesLab, node: str) -> bool:
    return not figures(lab, node).up


def ups(lab: NodesLab) -> int:
    return sum(isinstance(event, CarrierUp) for event in lab.unique())


async def dial_on(lab: NodesLab, node: str, far_end: FarEnd = FarEnd.ANSWERS) -> CallId:
    """A call on a certain node, answered if its far end does."""
    for other in NAMES:
        lab.carrier.drain(other, on=other != node)
    call_id = await (
        lab.dial_and_answer(far_end) if far_end is FarEnd.ANSWERS else lab.dial(far_end)
    )
    for other in NAMES:
        lab.carrier.drain(other, on=False)
    assert lab.carrier.node_of(call_id) == node
    return call_id


async def take_inbound_again(lab: NodesLab, node: str) -> None:
    """After a restart; connections of before may be tried once more."""

    async def taken() -> bool:
        try:
            await lab.sites[node].take_inbound()
        except (AriSilent, AriUnreachable):
            return False
        return True

    await eventually(taken)


async def leg_on(lab: NodesLab, node: str) -> LegId:
    for other in NAMES:
        lab.carrier.drain(other, on=other != node)
    leg_id = await lab.open_leg()
    for other in NAMES:
        lab.carrier.drain(other, on=False)
    assert lab.carrier.home_of(leg_id) == node
    return leg_id


def change(lab: NodesLab, node: str, **changes: object) -> None:
    """Another setting for a node that works already."""
    carrier = lab.sites[node].carrier
    carrier._settings = msgspec.structs.replace(carrier._settings, **changes)


async def conversation(lab: NodesLab, call_on: str, rung_by: str) -> tuple[CallId, LegId]:
    leg_id = await leg_on(lab, rung_by)
    call_id = await dial_on(lab, call_on)
    await lab.bridge(call_id, leg_id)
    return call_id, leg_id


# --- one node dies --------------------------------------------------------------------------------


async def test_a_node_is_killed_in_the_middle_of_calls() -> None:
    """Calls of the other go on; those of the dead one are listed until they are given up; whom it
    rang is told, and is rung by the other."""
    with running_network(nodes=2) as network:
        async with nodes_lab(network) as lab:
            there, agent = await conversation(lab, SOUTH, SOUTH)
            linked, crossing = await conversation(lab, SOUTH, NORTH)
            here, _ = await conversation(lab, NORTH, NORTH)
            ringing = await dial_on(lab, SOUTH, FarEnd.RINGS)
            south = network.nodes[1]
            south.kill()
            await lab.until(partial(is_down, lab, SOUTH))
            alive = {report.call_id for report in await lab.adapter.list_calls()}
            assert alive >= {there, linked, here}
            with pytest.raises(CarrierUnavailable):
                await lab.adapter.hold(there)
            assert lab.of(AgentLegDown, agent) == []
            lab.clock.push(TELEPHONES_ARE_LOST_S)
            await lab.first(AgentLegDown, agent)
            await lab.adapter.open_agent_leg(agent, lab.endpoint())
            await lab.until(lambda: len(lab.of(AgentLegUp, agent)) == 2)
            assert lab.carrier.home_of(agent) == NORTH

            assert ups(lab) == 0
            lab.clock.push(CALLS_ARE_LOST_S)
            assert ups(lab) == 1  # given up: the engine is to compare
            assert [report.call_id for report in await lab.adapter.list_calls()] == [here]
            assert figures(lab, SOUTH).given_up == 3
            for lost in (there, linked, ringing):
                assert lab.of(CallEnded, lost) == []  # nobody knows how
            assert lab.of(AgentLegDown, crossing) == []  # his telephone is as it was
            await lab.bridge(await dial_on(lab, NORTH), crossing)
            await lab.bridge(await dial_on(lab, NORTH), agent)
            assert not any(isinstance(event, CarrierDown) for event in lab.events)
            assert lab.of(CallEnded, here) == []

            south.start()
            await take_inbound_again(lab, SOUTH)
            await lab.until(lambda: ups(lab) == 2)
            await lab.until(lambda: figures(lab, SOUTH).up)
            await leg_on(lab, SOUTH)
            assert lab.of(AgentLegDown, agent) == lab.of(AgentLegDown, agent)[:1]
            await lab.bridge(await dial_on(lab, SOUTH), await leg_on(lab, NORTH))


async def test_a_node_that_restarts_at_once_has_lost_its_calls_and_no_other_telephone() -> None:
    with running_network(nodes=2) as network:
        async with nodes_lab(network) as lab:
            linked, crossing = await conversation(lab, SOUTH, NORTH)
            there, agent = await conversation(lab, SOUTH, SOUTH)
            network.nodes[1].kill()
            network.nodes[1].start()
            await take_inbound_again(lab, SOUTH)
            await lab.until(lambda: ups(lab) == 1)
            await lab.first(AgentLegDown, agent)
            assert await lab.adapter.list_calls() == []
            assert lab.of(CallEnded, linked) + lab.of(CallEnded, there) == []
            await lab.bridge(await dial_on(lab, SOUTH), crossing)
            assert lab.of(AgentLegDown, crossing) == []


async def test_a_short_outage_of_a_node_ends_nothing(lab: NodesLab) -> None:
    linked, crossing = await conversation(lab, SOUTH, NORTH)
    there, agent = await conversation(lab, SOUTH, SOUTH)
    site = lab.sites[SOUTH]
    await site.lose_connection()
    await lab.until(partial(is_down, lab, SOUTH))
    other = await dial_on(lab, NORTH)
    await lab.bridge(other, await lab.open_leg())
    with pytest.raises(CarrierUnavailable):
        await lab.adapter.hold(linked)
    await site.restore_connection()
    await lab.until(lambda: ups(lab) == 1)
    reports = {report.call_id: report for report in await lab.adapter.list_calls()}
    assert reports[linked].bridged_leg == crossing
    assert reports[there].bridged_leg == agent
    assert [event for event in lab.events if isinstance(event, AgentLegDown)] == []
    await lab.adapter.hangup(linked)
    assert (await lab.end(linked)).cause is HangupCause.NORMAL_CALLER
    await lab.bridge(await dial_on(lab, NORTH), crossing)


async def test_what_was_given_up_is_ended_when_its_node_comes_back(two_nodes: Network) -> None:
    """Nobody stays on a line that nobody keeps any more."""
    async with nodes_lab(two_nodes) as lab:
        _, agent = await conversation(lab, SOUTH, SOUTH)
        site = lab.sites[SOUTH]
        await site.lose_connection()
        await lab.until(partial(is_down, lab, SOUTH))
        lab.clock.push(CALLS_ARE_LOST_S)
        assert len(lab.of(AgentLegDown, agent)) == ups(lab) == 1
        assert await lab.adapter.list_calls() == []
        assert len(await site.channels()) == 2
        await site.restore_connection()
        await eventually(site.is_empty)
        assert len(lab.of(AgentLegDown, agent)) == 1
        assert lab.of(AgentLegUp, agent) == lab.of(AgentLegUp, agent)[:1]


async def test_an_agent_need_not_wait_for_a_node_that_is_away(lab: NodesLab) -> None:
    """Whoever hangs up on a call of a dead node is free when its telephones are given up."""
    first, leg_id = await conversation(lab, SOUTH, NORTH)
    second, other = await conversation(lab, SOUTH, NORTH)
    site = lab.sites[SOUTH]
    await site.lose_connection()
    await lab.until(partial(is_down, lab, SOUTH))
    with pytest.raises(CarrierUnavailable):
        await lab.adapter.hangup(first)
    assert ups(lab) == 0
    lab.clock.push(TELEPHONES_ARE_LOST_S)
    assert ups(lab) == 1
    assert [report.call_id for report in await lab.adapter.list_calls()] == [second]
    with pytest.raises(UnknownCall):
        await lab.adapter.hangup(second)
    assert await lab.adapter.list_calls() == []
    assert figures(lab, SOUTH).given_up == 2
    for leg in (leg_id, other):
        await lab.bridge(await dial_on(lab, NORTH), leg)
        assert lab.of(AgentLegDown, leg) == []
    await site.restore_connection()
    await eventually(site.is_empty)
    await lab.until(lambda: figures(lab, SOUTH).lines == 0)


async def test_an_agent_who_leaves_while_his_node_is_away_is_hung_up_afterwards(
    lab: NodesLab,
) -> None:
    leg_id = await leg_on(lab, SOUTH)
    await lab.sites[SOUTH].lose_connection()
    await lab.until(partial(is_down, lab, SOUTH))
    with pytest.raises(CarrierUnavailable):
        await lab.adapter.close_agent_leg(leg_id)
    await lab.sites[SOUTH].restore_connection()
    await lab.first(AgentLegDown, leg_id)
    await eventually(lab.is_empty)


async def test_an_agent_whose_node_dies_leaves_a_person_of_another_node(
    two_nodes: Network,
) -> None:
    async with nodes_lab(two_nodes) as lab:
        call_id, leg_id = await conversation(lab, SOUTH, NORTH)
        await lab.sites[NORTH].lose_connection()
        await lab.until(partial(is_down, lab, NORTH))
        lab.clock.push(TELEPHONES_ARE_LOST_S)
        await lab.first(AgentLegDown, leg_id)
        report = await lab.report(call_id)
        assert report is not None
        assert (report.phase, report.bridged_leg) == (CallPhase.ANSWERED, None)
        await lab.bridge(call_id, await leg_on(lab, SOUTH))
        await lab.sites[NORTH].restore_connection()


async def test_all_nodes_are_away(two_nodes: Network) -> None:
    """Only that is told as the end of the carrier, and then nothing is given up."""
    async with nodes_lab(two_nodes) as lab:
        call_id, leg_id = await conversation(lab, SOUTH, NORTH)
        for name in NAMES:
            assert not any(isinstance(event, CarrierDown) for event in lab.events)
            await lab.sites[name].lose_connection()
            await lab.until(partial(is_down, lab, name))
        assert isinstance(lab.events[-1], CarrierDown)
        for asked in (lab.adapter.list_calls(), lab.adapter.hangup(call_id)):
            with pytest.raises(CarrierUnavailable):
                await asked
        with pytest.raises(CarrierUnavailable):
            await lab.dial(FarEnd.BUSY)
        assert lab.carrier.room() == 0
        lab.clock.push(CALLS_ARE_LOST_S)
        assert figures(lab, SOUTH).given_up == 0
        assert lab.of(AgentLegDown, leg_id) == []
        await lab.sites[SOUTH].restore_connection()
        await lab.until(lambda: ups(lab) >= 1)
        # There is somebody to go on with: what the other node rang may be rung again.
        await lab.first(AgentLegDown, leg_id)
        assert [report.call_id for report in await lab.adapter.list_calls()] == [call_id]
        await lab.sites[NORTH].restore_connection()
        await lab.until(lambda: figures(lab, NORTH).up)
        await lab.adapter.hangup(call_id)
        assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLER


async def test_a_node_that_is_away_at_the_start_comes_later(two_nodes: Network) -> None:
    settings = msgspec.structs.replace(PATIENT, retry_s=0.1)
    async with nodes_lab(two_nodes, settings=settings) as lab:
        earlier = await dial_on(lab, SOUTH)
        await lab.carrier.stop()
        await lab.sites[SOUTH].lose_connection()
        lab.next_life()
        await lab.carrier.start(lab.events.append)
        assert not figures(lab, SOUTH).up
        assert (await lab.end(await lab.dial(FarEnd.BUSY))).cause is HangupCause.BUSY
        await lab.sites[SOUTH].restore_connection()
        await lab.until(lambda: figures(lab, SOUTH).up)
        assert ups(lab) == 1
        await eventually(lab.sites[SOUTH].is_empty)  # of an earlier life: nobody could serve it
        with pytest.raises(TelephonyError):
            await lab.adapter.hangup(earlier)


async def test_no_node_at_the_start(two_nodes: Network) -> None:
    async with nodes_lab(two_nodes) as lab:
        await lab.carrier.stop()
        await lab.lose_connection()
        with pytest.raises(CarrierUnavailable, match=r"north.*south"):
            await lab.carrier.start(lab.events.append)


# --- links ----------------------------------------------------------------------------------------


async def test_a_stranger_at_the_door_for_links_is_hung_up_and_counted(lab: NodesLab) -> None:
    """Whoever calls with a word that was not given out stands for nobody."""
    leg_id = await lab.open_leg()
    north, south = lab.sites[NORTH], lab.sites[SOUTH]
    for word in ("marcador" + "0" * 32, "marcador1"):
        called = {"endpoint": south.settings.links[NORTH].format(token=word)}
        body = {**called, "app": f"{north.settings.app}-other", "timeout": 5}
        reply = await south.admin.request("POST", "/channels", body)
        assert reply.ok, reply.message
    await lab.until(lambda: lab.carrier.counts["links_refused"] == 2)
    await eventually(lambda: _is_quiet(lab, 1))
    assert not any(isinstance(event, InboundCall) for event in lab.events)
    assert await lab.adapter.list_calls() == []
    assert lab.of(AgentLegDown, leg_id) == []


async def _is_quiet(lab: NodesLab, channels: int) -> bool:
    return sum([len(await site.channels()) for site in lab.sites.values()]) == channels


async def test_a_link_that_breaks_takes_the_agent_out_of_the_conversation(
    apart: NodesLab,
) -> None:
    call_id, leg_id = await apart.converse()
    mirror = next(
        channel.id for channel in await apart.sites[SOUTH].channels() if "mirror-" in channel.id
    )
    await apart.sites[SOUTH].admin.request("DELETE", f"/channels/{mirror}")
    assert (await apart.first(AgentLegDown, leg_id)).reason == "link lost"
    report = await apart.report(call_id)
    assert report is not None
    assert report.bridged_leg is None
    await eventually(apart.sites[NORTH].is_empty)
    await apart.bridge(call_id, await apart.open_leg())


async def test_an_idle_link_breaks_unnoticed(apart: NodesLab) -> None:
    call_id, leg_id = await apart.converse()
    await apart.adapter.hangup(call_id)
    await apart.end(call_id)
    north = apart.sites[NORTH]
    [link] = [one for one in await north.channels() if not one.id.startswith(north.settings.app)]
    await north.admin.request("DELETE", f"/channels/{link.id}")
    await apart.until(lambda: figures(apart, NORTH).links == 0)
    await eventually(apart.sites[SOUTH].is_empty)
    assert apart.of(AgentLegDown, leg_id) == []
    await apart.dial_and_bridge(leg_id)
    assert apart.carrier.counts["links_made"] == 2


async def test_a_stop_leaves_no_link_behind(apart: NodesLab) -> None:
    call_id, _ = await apart.converse()
    await apart.adapter.hangup(call_id)
    await apart.end(call_id)
    await apart.carrier.stop()
    await eventually(apart.sites[SOUTH].is_empty)
    await eventually(lambda: _is_quiet(apart, 1))  # the agent's telephone is the engine's business


async def test_a_link_is_used_again(apart: NodesLab) -> None:
    call_id, leg_id = await apart.converse()
    await apart.callee_hangs_up(call_id)
    await apart.end(call_id)
    await apart.dial_and_bridge(leg_id)
    assert apart.carrier.counts["links_made"] == 1


async def test_without_a_way_from_node_to_node_there_is_no_bridge(two_nodes: Network) -> None:
    nowhere = msgspec.structs.replace(PATIENT, link_s=1.0)
    dial = "PJSIP/node/sip:{token}@127.0.0.2:9"
    async with nodes_lab(two_nodes, APART, nowhere) as lab:
        leg_id = await lab.open_leg()
        call_id = await lab.dial_and_answer()
        change(lab, SOUTH, links={NORTH: dial})
        with pytest.raises(TelephonyError, match="no link"):
            await lab.adapter.bridge(call_id, leg_id)
        assert lab.of(CallBridged, call_id) == []
        assert lab.carrier.counts["links_failed"] == 1
        assert lab.of(AgentLegDown, leg_id) == []
        assert len(await lab.sites[NORTH].channels()) == 1


async def test_keys_over_a_link_are_told_once(apart: NodesLab) -> None:
    leg_id = await apart.open_leg()
    call_id = await apart.dial_and_bridge(leg_id, FarEnd.PRESSES_KEYS)
    await apart.until(lambda: len(apart.of(DtmfReceived, call_id)) == 2)
    await apart.pass_time(0.3)
    pressed = [event for event in apart.events if isinstance(event, DtmfReceived)]
    assert [(event.call_id, event.digit) for event in pressed] == [(call_id, "1"), (call_id, "2")]


async def test_an_agent_goes_from_node_to_node(lab: NodesLab) -> None:
    """Home, away, to a third party's part, and home again; nothing is left behind."""
    leg_id = await leg_on(lab, NORTH)
    for node in (SOUTH, NORTH, SOUTH):
        call_id = await dial_on(lab, node)
        await lab.bridge(call_id, leg_id)
        await lab.adapter.hangup(call_id)
        await lab.end(call_id)
    supervised, _ = await conversation(lab, NORTH, NORTH)
    await join(lab, supervised, leg_id, LegRole.LISTEN)
    busy = await dial_on(lab, SOUTH)
    with pytest.raises(TelephonyError):
        await lab.adapter.bridge(busy, leg_id)
    await lab.adapter.part(supervised, leg_id)
    await lab.bridge(busy, leg_id)
    for ended in (busy, supervised):
        await lab.adapter.hangup(ended)
        await lab.end(ended)
    await lab.adapter.close_agent_leg(leg_id)
    await lab.first(AgentLegDown, leg_id)
    await eventually(lambda: _is_quiet(lab, 1))


async def test_a_recording_is_fetched_from_wherever_it_is(lab: NodesLab) -> None:
    call_id = await dial_on(lab, SOUTH)
    await lab.adapter.record(call_id, "somewhere")
    other = await dial_on(lab, NORTH)
    with pytest.raises(DuplicateCall):
        await lab.adapter.record(other, "somewhere")
    await lab.pass_time(0.5)
    await lab.adapter.stop_recording(call_id)
    await lab.first(RecordingFinished, call_id)
    file = await lab.adapter.fetch_recording("somewhere")
    await eventually(lambda: _is_quiet(lab, 2))  # the tape has gone
    await lab.carrier.stop()
    lab.next_life()
    await lab.carrier.start(lab.events.append)
    assert await lab.adapter.fetch_recording("somewhere") == file
    await lab.sites[SOUTH].lose_connection()
    await lab.until(partial(is_down, lab, SOUTH))
    with pytest.raises(CarrierUnavailable):
        await lab.adapter.fetch_recording("somewhere")  # no word that it is not there
    await lab.sites[SOUTH].restore_connection()


async def test_a_telephone_is_rung_by_the_node_that_knows_it(lab: NodesLab) -> None:
    usual = lab.sites[NORTH].settings.agent_dial
    change(lab, NORTH, agent_dial="PJSIP/nosuch/{agent}")
    legs = [await lab.open_leg() for _ in range(3)]
    assert {lab.carrier.home_of(leg_id) for leg_id in legs} == {SOUTH}
    change(lab, SOUTH, agent_dial="PJSIP/nosuch/{agent}")
    refused = LegId("leg-" + "r" * 22)
    for _ in range(2):
        with pytest.raises(TelephonyError) as refusal:
            await lab.adapter.open_agent_leg(refused, lab.endpoint())
        assert not isinstance(refusal.value, DuplicateCall | CarrierUnavailable)
    change(lab, NORTH, agent_dial=usual)
    await lab.adapter.open_agent_leg(refused, lab.endpoint())
    await lab.first(AgentLegUp, refused)


# --- limits ---------------------------------------------------------------------------------------


async def test_no_call_is_placed_above_the_limits(two_nodes: Network) -> None:
    limits = {
        name: msgspec.structs.replace(one, max_lines=2, max_originates_per_s=20.0)
        for name, one in ANYTHING.items()
    }
    async with nodes_lab(two_nodes, limits) as lab:
        await asyncio.gather(*(lab.dial(FarEnd.RINGS) for _ in range(4)))
        assert [figures(lab, name).lines for name in NAMES] == [2, 2]
        assert lab.carrier.room() == 0
        command = lab.command(lab.number(FarEnd.RINGS))
        with pytest.raises(OriginateRejected) as refusal:
            await lab.originate(command)
        assert refusal.value.provider_code == "nodes:lines"
        assert lab.carrier.counts["originates_refused_lines"] == 1
        await lab.until(lambda: lab.placed() == 4)


async def test_calls_wait_for_the_rate_and_no_longer_than_they_may(two_nodes: Network) -> None:
    slow = {
        name: msgspec.structs.replace(one, max_originates_per_s=0.01)
        for name, one in ANYTHING.items()
    }
    patience = msgspec.structs.replace(PATIENT, turn_s=200.0)
    async with nodes_lab(two_nodes, slow, patience) as lab:
        dialing = [asyncio.create_task(lab.dial(FarEnd.BUSY)) for _ in range(10)]
        await lab.until(lambda: sum(task.done() for task in dialing) == 6)
        refused = [task.exception() for task in dialing if task.done()]
        codes = [one.provider_code for one in refused if isinstance(one, OriginateRejected)]
        assert codes == ["nodes:rate"] * 4
        assert [figures(lab, name).refused_rate for name in NAMES] == [4, 4]
        for placed in (2, 4, 6):
            await lab.until(partial(_has_placed, lab, placed))
            lab.clock.push(100.0)
        await asyncio.gather(*dialing, return_exceptions=True)
        assert lab.placed() == 6


def _has_placed(lab: NodesLab, calls: int) -> bool:
    return lab.placed() == calls


async def test_a_call_that_is_hung_up_before_its_turn_is_never_placed(
    two_nodes: Network,
) -> None:
    slow = {
        name: msgspec.structs.replace(one, max_originates_per_s=0.01, max_lines=lines)
        for (name, one), lines in zip(ANYTHING.items(), (10, 0), strict=True)
    }
    patience = msgspec.structs.replace(PATIENT, turn_s=200.0)
    async with nodes_lab(two_nodes, slow, patience) as lab:
        await lab.dial(FarEnd.RINGS)
        command = lab.command(lab.number(FarEnd.RINGS))
        placing = asyncio.create_task(lab.originate(command))
        await lab.until(lambda: figures(lab, NORTH).lines == 2)
        await lab.adapter.hangup(command.call_id)
        lab.clock.push(100.0)
        with pytest.raises(OriginateRejected):
            await placing
        await lab.until(partial(_has_placed, lab, 1))
        assert await lab.report(command.call_id) is None


async def test_a_drained_node_goes_on_with_what_it_has(lab: NodesLab) -> None:
    call_id, leg_id = await conversation(lab, SOUTH, SOUTH)
    lab.carrier.drain(SOUTH, on=True)
    for _ in range(3):
        assert lab.carrier.node_of(await lab.dial_and_answer()) == NORTH
    assert lab.carrier.home_of(await lab.open_leg()) == NORTH
    assert figures(lab, SOUTH).draining
    assert lab.of(CallEnded, call_id) == []
    assert lab.of(AgentLegDown, leg_id) == []
    with pytest.raises(LookupError):
        lab.carrier.drain("west", on=True)
