"""Whatever goes wrong, each call has one story, told once, and no call is placed twice."""

from __future__ import annotations

import contextlib
import random
from collections import Counter

import pytest

from telephony_adapters.errors import OriginateRejected, OutcomeUnknown, UnknownCall
from telephony_adapters.messages import (
    AmdResult,
    CallAnswered,
    CallEnded,
    CallEvent,
    CallId,
    CallProgress,
    CallRinging,
)
from telephony_adapters.twilio.fake.faults import CreateFault, Fault
from tests.adapters.lab import FarEnd
from tests.adapters.twilio_lab import NUMBERS, TwilioLab, twilio_lab

CALLS = 24
ORDER = (CallProgress, CallRinging, CallAnswered, AmdResult, CallEnded)
EVENTS = ("initiated", "ringing", "answered", "completed", "amd")
QUICK = (CreateFault.SERVER_ERROR, CreateFault.SERVER_ERROR_PLACED, CreateFault.REFUSED, None)


def weather(chance: random.Random) -> Fault:
    """A mixture of what can go wrong with callbacks, and with one create in three."""
    return Fault(
        create=chance.choice(QUICK) if chance.random() < 0.33 else None,
        repeats=chance.choice((0, 0, 1, 3)),
        late_s=chance.choice((0.0, 0.0, 1.0, 4.0)),
        out_of_order=chance.random() < 0.4,
        lost=frozenset(name for name in EVENTS if chance.random() < 0.15),
        wrong_signature=chance.random() < 0.05,
    )


@pytest.mark.parametrize("seed", range(6))
async def test_each_call_has_one_story(seed: int) -> None:
    chance = random.Random(seed)
    faults = {number: weather(chance) for number in NUMBERS.values()}
    async with twilio_lab(faults=faults) as lab:
        calls: list[CallId] = []
        for _ in range(CALLS):
            command = lab.command(
                lab.number(chance.choice(list(FarEnd))), amd=chance.random() < 0.5
            )
            with contextlib.suppress(OutcomeUnknown, OriginateRejected):
                await lab.originate(command)
            calls.append(command.call_id)
            await lab.pass_time(chance.random())
        await lab.pass_time(60.0)
        for call_id in calls:
            with contextlib.suppress(UnknownCall):
                await lab.adapter.hangup(call_id)
        await lab.pass_time(200.0)
        assert await lab.adapter.list_calls() == []
        for call_id in calls:
            _assert_one_story(lab, call_id)


def _assert_one_story(lab: TwilioLab, call_id: CallId) -> None:
    told = [event for event in lab.events if isinstance(event, CallEvent)]
    kinds = [type(e) for e in told if e.call_id == call_id and isinstance(e, ORDER)]
    assert max(Counter(kinds).values(), default=0) <= 1, kinds
    assert kinds == sorted(kinds, key=ORDER.index), kinds
    twins = [call for call in lab.fake.exchange.calls.values() if f"={call_id}" in call.status_url]
    assert len(twins) <= 1
    for twin in twins:
        assert twin.status.is_final, "nobody is left on the line"
    if CallAnswered in kinds:
        assert twins[0].answered_at is not None, "no answer is made up"
    if CallEnded in kinds:
        assert twins
