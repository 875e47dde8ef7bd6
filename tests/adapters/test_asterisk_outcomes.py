"""Every way a call can end, as Asterisk 22 and 16 tell it, in the port's words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from telephony_adapters.asterisk.causes import ISDN_CAUSES, SIP_CAUSES, Ending, classify
from telephony_adapters.asterisk.codec import parse_event
from telephony_adapters.asterisk.naming import Names
from telephony_adapters.asterisk.switchboard import Switchboard
from telephony_adapters.messages import (
    AnyCarrierEvent,
    CallEnded,
    CallId,
    CallProgress,
    CallRinging,
    HangupCause,
    Originate,
)
from tests.adapters import ari_frames as ari

CALL = CallId("0" * 26)
NAMES = Names(ari.APP)
CHANNEL = NAMES.call_channel(CALL)
RING_TIMEOUT_S = 30
IN_TIME_S = 5.0
TIMED_OUT_S = RING_TIMEOUT_S + 0.004

C = HangupCause
Row = tuple[str, str | None, float, int, int | None, HangupCause]

ROWS_22: list[Row] = [
    # what happened, last dial status, lived_s, cause, tech_cause, in the port's words
    ("own timeout while it rings", "RINGING", TIMED_OUT_S, 19, 480, C.NO_ANSWER),
    ("own timeout, 183 only", "PROGRESS", TIMED_OUT_S, 19, 480, C.NO_ANSWER),
    ("own timeout, 100 only or silence", None, TIMED_OUT_S, 19, 480, C.ROUTE_DOWN),
    ("dead port, timer B", None, 32.0, 18, 408, C.ROUTE_DOWN),
    ("408 after ringing", "RINGING", IN_TIME_S, 18, 408, C.NO_ANSWER),
    ("486", "RINGING", IN_TIME_S, 17, 486, C.BUSY),
    ("600", "RINGING", IN_TIME_S, 17, 600, C.BUSY),
    ("486 in the very last moment", "RINGING", TIMED_OUT_S, 17, 486, C.BUSY),
    ("480", "RINGING", IN_TIME_S, 19, 480, C.UNAVAILABLE),
    ("480 at once", None, IN_TIME_S, 19, 480, C.UNAVAILABLE),
    ("404", None, IN_TIME_S, 1, 404, C.NOT_IN_SERVICE),
    ("410", None, IN_TIME_S, 22, 410, C.NOT_IN_SERVICE),
    ("484", None, IN_TIME_S, 28, 484, C.NOT_IN_SERVICE),
    ("403", None, IN_TIME_S, 21, 403, C.REJECTED),
    ("603", "RINGING", IN_TIME_S, 21, 603, C.REJECTED),
    ("607", None, IN_TIME_S, 127, 607, C.REJECTED),
    ("608", None, IN_TIME_S, 127, 608, C.REJECTED),
    ("488", None, IN_TIME_S, 58, 488, C.CONGESTION),
    ("500", None, IN_TIME_S, 38, 500, C.FAILED),
    ("503", None, IN_TIME_S, 34, 503, C.CONGESTION),
    ("302", None, IN_TIME_S, 23, 302, C.FAILED),
]
ROWS_16: list[Row] = [
    ("own timeout while it rings", "RINGING", TIMED_OUT_S, 0, None, C.NO_ANSWER),
    ("own timeout, 183 only", "PROGRESS", TIMED_OUT_S, 0, None, C.NO_ANSWER),
    ("own timeout, 100 only or silence", None, TIMED_OUT_S, 0, None, C.ROUTE_DOWN),
    *(
        (name, status, lived_s, cause, None, expected)
        for name, status, lived_s, cause, tech_cause, expected in ROWS_22
        if not name.startswith("own timeout")
    ),
]


def told(*frames: str, amd: bool = False, hung_up: bool = False) -> list[AnyCarrierEvent]:
    """What a switchboard tells of one call after these frames."""
    numbers = iter(range(1_000))
    board = Switchboard(NAMES, lambda: f"e{next(numbers)}")
    command = Originate(
        call_id=CALL,
        to="+13055550100",
        caller_id=None,
        trunk="main",
        ring_timeout_s=RING_TIMEOUT_S,
        amd=amd,
    )
    board.place(command, ari.CREATED).hung_up = hung_up
    events: list[AnyCarrierEvent] = []
    for text in frames:
        event = parse_event(text)
        if event is not None:
            events += board.handle(event, event.at)[0]
    return events


@pytest.mark.parametrize("row", ROWS_22, ids=[f"22: {row[0]}" for row in ROWS_22])
def test_what_asterisk_22_tells(row: Row) -> None:
    check(row)


@pytest.mark.parametrize("row", ROWS_16, ids=[f"16: {row[0]}" for row in ROWS_16])
def test_what_asterisk_16_tells(row: Row) -> None:
    check(row)


def check(row: Row) -> None:
    _, status, lived_s, cause, tech_cause, expected = row
    frames = [ari.dial(CHANNEL, "", 0.0)]
    if status is not None:
        frames.append(ari.dial(CHANNEL, status))
    events = told(*frames, ari.destroyed(CHANNEL, lived_s, cause, tech_cause))
    end = events[-1]
    assert isinstance(end, CallEnded)
    assert end.cause is expected
    sip = "" if tech_cause is None else f"sip:{tech_cause} "
    assert end.provider_code == f"{sip}q850:{cause}"
    assert end.at == ari.CREATED + timedelta(seconds=lived_s)
    before = {None: [], "RINGING": [CallRinging], "PROGRESS": [CallProgress]}[status]
    assert [type(event) for event in events[:-1]] == before


@pytest.mark.parametrize(("cause", "family"), [(0, 22), (16, 16)])
def test_the_callee_hangs_up(cause: int, family: int) -> None:
    *_, end = told(
        ari.dial(CHANNEL, "RINGING"),
        ari.state_change(CHANNEL, "Up", 3.0),
        ari.dial(CHANNEL, "ANSWER", 3.0),
        ari.stasis_start(CHANNEL, 3.0, "call"),
        ari.hangup_request(CHANNEL, 40.0, cause),
        ari.destroyed(CHANNEL, 40.0, cause),
    )
    assert isinstance(end, CallEnded), family
    assert end.cause is HangupCause.NORMAL_CALLEE


def test_we_hang_up() -> None:
    answered = (ari.state_change(CHANNEL, "Up", 3.0), ari.stasis_start(CHANNEL, 3.0, "call"))
    ringing = ari.dial(CHANNEL, "RINGING")
    end = ari.destroyed(CHANNEL, 20.0, 16)
    causes = [
        told(ringing, *answered, end, hung_up=True)[-1],
        told(ringing, end, hung_up=True)[-1],
        told(end, hung_up=True)[-1],
    ]
    assert [end.cause for end in causes if isinstance(end, CallEnded)] == [
        HangupCause.NORMAL_CALLER,
        HangupCause.CANCELLED,
        HangupCause.CANCELLED,
    ]


def test_a_call_that_we_end_at_the_ring_timeout_was_ended_by_us() -> None:
    ending = Ending(cause=16, rang=True, timed_out=True, hung_up=True)
    assert classify(ending) is HangupCause.CANCELLED


def test_the_sip_status_wins_over_the_isdn_cause() -> None:
    assert classify(Ending(cause=17, tech_cause=404)) is HangupCause.NOT_IN_SERVICE
    assert classify(Ending(cause=21, tech_cause=486)) is HangupCause.BUSY


@pytest.mark.parametrize("cause", [c for c in range(128) if c not in ISDN_CAUSES])
def test_a_cause_nobody_listed_is_a_failure_or_a_silence(cause: int) -> None:
    assert classify(Ending(cause=cause)) in (HangupCause.FAILED, HangupCause.ROUTE_DOWN)


@pytest.mark.parametrize("status", [300, 399, 400, 405, 499, 502, 599, 699])
def test_a_sip_status_nobody_listed_is_a_failure(status: int) -> None:
    assert status not in SIP_CAUSES
    assert classify(Ending(cause=0, tech_cause=status, rang=True)) is HangupCause.FAILED
