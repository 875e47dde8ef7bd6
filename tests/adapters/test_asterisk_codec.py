"""Frames off the wire: what is right is typed, what is wrong is refused, nothing else happens."""

from __future__ import annotations

import copy
import json
import random
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telephony_adapters.asterisk.codec import (
    ChannelDestroyed,
    MalformedFrame,
    StasisStart,
    parse_attributes,
    parse_bridges,
    parse_channels,
    parse_event,
)
from telephony_adapters.asterisk.lines import LegLine
from telephony_adapters.asterisk.naming import Names
from telephony_adapters.asterisk.switchboard import Switchboard
from telephony_adapters.asterisk.tapes import Tape
from telephony_adapters.messages import (
    CallEnded,
    CallId,
    CallPhase,
    LegId,
    LegRole,
    Originate,
    RecordingFinished,
)
from tests.adapters import ari_frames as ari

NAMES = Names(ari.APP)
CALL, LEG = CallId("0" * 26), LegId("leg-" + "0" * 22)
CHANNEL, ROOM = NAMES.call_channel(CALL), NAMES.leg_bridge(LEG)
LEG_CHANNEL = NAMES.leg_channel(LEG)
OTHER = LegId("leg-" + "1" * 22)
OTHER_CHANNEL, OTHER_ROOM = NAMES.leg_channel(OTHER), NAMES.leg_bridge(OTHER)
EAR, TAPE = NAMES.ear(OTHER, 1), NAMES.tape(CALL, "rec")

FRAMES = [
    ari.dial(CHANNEL, ""),
    ari.dial(CHANNEL, "RINGING"),
    ari.dial(CHANNEL, "PROGRESS"),
    ari.state_change(CHANNEL, "Ringing", 1.0),
    ari.state_change(CHANNEL, "Up", 2.0),
    ari.stasis_start(CHANNEL, 2.0, "call"),
    ari.stasis_start(CHANNEL, 4.0, "amd", "MACHINE", "LONGGREETING-1600-1600"),
    ari.stasis_start(CHANNEL, 4.0, "amd"),
    ari.stasis_start(LEG_CHANNEL, 1.0, "leg"),
    ari.entered_bridge(LEG_CHANNEL, ROOM, 1.1),
    ari.entered_bridge(CHANNEL, ROOM, 5.0),
    ari.left_bridge(CHANNEL, ROOM, 6.0),
    ari.dtmf(CHANNEL, "5", 5.5),
    ari.playback_finished(NAMES.playback(CALL, 1), 5.6),
    ari.hangup_request(CHANNEL, 7.0, 16),
    ari.destroyed(CHANNEL, 7.0, 16),
    ari.destroyed(CHANNEL, 7.0, 17, 486),
    ari.destroyed(LEG_CHANNEL, 8.0, 16),
    ari.entered_bridge(CHANNEL, NAMES.hold_bridge, 6.5),
    ari.entered_bridge(OTHER_CHANNEL, OTHER_ROOM, 1.2),
    ari.entered_bridge(OTHER_CHANNEL, ROOM, 6.6),
    ari.left_bridge(OTHER_CHANNEL, ROOM, 6.7),
    ari.stasis_start(EAR, 6.1, "snoop"),
    ari.entered_bridge(EAR, OTHER_ROOM, 6.2),
    ari.stasis_end(EAR, 6.8),
    ari.destroyed(OTHER_CHANNEL, 8.1, 16),
    ari.recording("RecordingStarted", TAPE, "rec", 5.2),
    ari.recording("RecordingFinished", TAPE, "rec", 7.1, 2),
    ari.recording("RecordingFailed", TAPE, "rec", 7.1),
    ari.inbound("1717000000.1", "+13055550101", "allowed"),
    ari.stasis_end("1717000000.1", 9.0),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def test_events_that_matter_are_typed() -> None:
    start = parse_event(ari.stasis_start(CHANNEL, 2.0, "amd", "HUMAN", "HUMAN-800-800"))
    assert isinstance(start, StasisStart)
    assert start.args == ("amd", "HUMAN", "HUMAN-800-800")
    assert start.channel.id == CHANNEL
    assert start.channel.phase is CallPhase.ANSWERED
    assert start.at == ari.CREATED + timedelta(seconds=2)
    end = parse_event(ari.destroyed(CHANNEL, 7.0, 17, 486).encode())
    assert isinstance(end, ChannelDestroyed)
    assert (end.cause, end.tech_cause) == (17, 486)


def test_other_events_are_passed_over() -> None:
    assert parse_event(ari.hangup_request(CHANNEL, 1.0, 16)) is None
    assert parse_event('{"type":"SomethingThatAsterisk30Tells","timestamp":7}') is None


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type": 7}',
        '{"type": "StasisStart"}',
        b"\xff\xfe",
        "[" * 100_000,
        ari.destroyed(CHANNEL, 7.0, 17).replace("+0000", ""),
        ari.destroyed(CHANNEL, 7.0, 17).replace("2026-06-03", "2026-13-03"),
        ari.destroyed(CHANNEL, 7.0, 17).replace('"cause": 17', '"cause": "17"'),
        ari.dtmf(CHANNEL, "5", 5.5).replace('"digit": "5"', '"digit": 5'),
        ari.dial(CHANNEL, "RINGING")[:-1],
    ],
)
def test_malformed_frames_are_refused(frame: str | bytes) -> None:
    with pytest.raises(MalformedFrame):
        parse_event(frame)


def test_lists_of_replies_are_typed() -> None:
    channels = parse_channels(json.dumps([ari.channel(CHANNEL, "Ringing")]).encode())
    assert [(known.id, known.phase) for known in channels] == [(CHANNEL, CallPhase.RINGING)]
    bridges = parse_bridges(json.dumps([{"id": ROOM, "channels": [CHANNEL]}]).encode())
    assert bridges[0].channels == (CHANNEL,)
    assert parse_attributes(b'[{"attribute":"context","value":"x"}]') == {"context": "x"}
    for parse in (parse_channels, parse_bridges, parse_attributes):
        with pytest.raises(MalformedFrame):
            parse(b'{"message":"nothing here"}')


@given(st.binary(max_size=400) | st.text(max_size=400) | json_values.map(json.dumps))
def test_whatever_comes_is_an_event_or_is_refused(frame: str | bytes) -> None:
    feed([frame])


@given(seed=st.integers(min_value=0), value=json_values, rounds=st.integers(1, 3))
@example(seed=0, value=None, rounds=1)
def test_a_bent_frame_is_an_event_or_is_refused(seed: int, value: object, rounds: int) -> None:
    chance = random.Random(seed)
    bent = []
    for text in FRAMES:
        tree = json.loads(text)
        for _ in range(rounds):
            bend(tree, value, chance)
        bent.append(json.dumps(tree))
    feed([*bent, *FRAMES])


@given(st.lists(st.sampled_from(FRAMES), max_size=40))
def test_a_call_ends_once_and_for_good_in_any_order(frames: list[str]) -> None:
    feed(frames)


def bend(tree: object, value: object, chance: random.Random) -> None:
    """Replace or drop one value somewhere in the tree."""
    node = tree
    while isinstance(node, dict) and node:
        key = chance.choice(sorted(node))
        if isinstance(node[key], dict) and chance.random() < 0.7:
            node = node[key]
        elif chance.random() < 0.3:
            del node[key]
            return
        else:
            node[key] = copy.deepcopy(value)
            return


def feed(frames: list[str] | list[str | bytes] | list[bytes]) -> None:
    """A switchboard with a call and a leg takes the frames; its promises hold all the while."""
    numbers = iter(range(10_000))
    board = Switchboard(NAMES, lambda: f"e{next(numbers)}")
    command = Originate(
        call_id=CALL,
        to="+13055550100",
        caller_id=None,
        trunk="main",
        ring_timeout_s=30,
        amd=True,
    )
    board.place(command, ari.CREATED)
    board.legs[LEG] = LegLine(LEG)
    board.want_bridge(board.calls[CALL], board.legs[LEG])
    board.legs[OTHER] = LegLine(OTHER)
    board.floor.want_part(board.calls[CALL], board.legs[OTHER], LegRole.LISTEN)
    board.legs[OTHER].wanted_by = LEG
    board.tapes.live[CALL] = Tape(CALL, "rec")
    ended = False
    for frame in frames:
        before = (dict(board.calls), dict(board.legs))
        try:
            event = parse_event(frame)
        except MalformedFrame:
            assert (board.calls, board.legs) == before
            continue
        if event is None:
            continue
        for told in board.handle(event, event.at)[0]:
            recorded = isinstance(told, RecordingFinished)
            about_call = getattr(told, "call_id", None) == CALL and not recorded
            assert not (ended and about_call), f"{told} after the end"
            ended = ended or (isinstance(told, CallEnded) and told.call_id == CALL)
        check_parties(board)
    assert ended == (CALL not in board.calls)


def check_parties(board: Switchboard) -> None:
    """Who takes part in what is told alike by calls and legs."""
    for call in board.calls.values():
        for leg_id, part in call.parts.items():
            assert leg_id not in board.legs or board.legs[leg_id].part_of == call.call_id
            assert part.role is not None or part.wanted is not None
    for leg in board.legs.values():
        if leg.part_of is not None:
            assert leg.leg_id in board.calls[leg.part_of].parts
        if leg.consulting is not None:
            assert board.legs[leg.consulting].consulting == leg.leg_id
