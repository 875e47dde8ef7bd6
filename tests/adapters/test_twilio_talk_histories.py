"""Whatever is asked in whatever order, and whatever becomes of the callbacks: who hears whom in
Twilio's conferences is what was told, and nobody overhears."""

from __future__ import annotations

import contextlib
import random

import msgspec
import pytest

from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import (
    AgentLegDown,
    AnyCarrierEvent,
    CallBridged,
    CallEnded,
    CallHeld,
    CallId,
    CallJoined,
    CallParted,
    ConsultStarted,
    LegId,
    LegRole,
)
from telephony_adapters.twilio.fake.faults import Fault
from tests.adapters.twilio_lab import NUMBERS, TwilioLab, twilio_lab

CALLS = 2
LEGS = 4
STEPS = 40
COMINGS = ("participant-join", "participant-leave")
A_DAY_S = 86_000.0


class Told(msgspec.Struct):
    """Who is with whom, by the events alone."""

    bridged: dict[CallId, LegId] = msgspec.field(default_factory=dict)
    parts: dict[CallId, dict[LegId, LegRole]] = msgspec.field(default_factory=dict)
    consulting: dict[LegId, LegId] = msgspec.field(default_factory=dict)

    def take(self, event: AnyCarrierEvent) -> None:
        match event:
            case CallBridged():
                self._end_consult(event.leg_id)
                self.bridged[event.call_id] = event.leg_id
            case CallHeld():
                assert not self.parts.get(event.call_id), "parts end before the hold"
                self.bridged.pop(event.call_id, None)
            case CallJoined():
                self._end_consult(event.leg_id)
                self.parts.setdefault(event.call_id, {})[event.leg_id] = event.role
            case CallParted():
                assert event.leg_id in self.parts[event.call_id], "told of a part that was none"
                del self.parts[event.call_id][event.leg_id]
            case ConsultStarted():
                self._end_consult(event.leg_id)
                self._end_consult(event.other_leg_id)
                self.consulting[event.leg_id] = event.other_leg_id
                self.consulting[event.other_leg_id] = event.leg_id
            case AgentLegDown():
                self._end_consult(event.leg_id)
                self.bridged = {c: leg for c, leg in self.bridged.items() if leg != event.leg_id}
            case CallEnded():
                self.bridged.pop(event.call_id, None)
                self.parts.pop(event.call_id, None)

    def _end_consult(self, leg_id: LegId) -> None:
        other = self.consulting.pop(leg_id, None)
        if other is not None:
            self.consulting.pop(other, None)

    def heard_by(self, who: str) -> set[str]:
        """Whom a person or a leg hears."""
        for call_id, own in self.bridged.items():
            parts = self.parts.get(call_id, {})
            talking = {leg for leg, role in parts.items() if role is LegRole.TALK}
            whispering = {leg for leg, role in parts.items() if role is LegRole.WHISPER}
            if who == call_id:
                return {own, *talking}
            if who == own:
                return {call_id, *talking, *whispering}
            if who in parts:
                return {call_id, own, *talking} - {who}
        other = self.consulting.get(LegId(who))
        return {other} if other is not None else set()


def weather(chance: random.Random) -> Fault:
    return Fault(
        repeats=chance.choice((0, 0, 1, 2)),
        late_s=chance.choice((0.0, 0.0, 0.5, 2.5)),
        out_of_order=chance.random() < 0.3,
        lost=frozenset(name for name in COMINGS if chance.random() < 0.2),
    )


async def patient(lab: TwilioLab) -> CallId:
    """Somebody who never hangs up."""
    call_id = await lab.dial_and_answer()
    call = lab.call(call_id)
    assert call.pick_up is not None
    call.pick_up = msgspec.structs.replace(call.pick_up, patience_s=A_DAY_S)
    call.talk_left_s = A_DAY_S
    lab.fake.exchange.voices.await_patience(call)
    return call_id


async def step(
    lab: TwilioLab, chance: random.Random, calls: list[CallId], legs: list[LegId]
) -> None:
    """Something that an engine, or a confused one, may ask for."""
    call_id, leg_id, other = chance.choice(calls), chance.choice(legs), chance.choice(legs)
    adapter = lab.adapter
    asking = {
        "bridge": lambda: adapter.bridge(call_id, leg_id),
        "hold": lambda: adapter.hold(call_id),
        "consult": lambda: adapter.consult(leg_id, other),
        "join": lambda: adapter.join(call_id, leg_id, chance.choice(list(LegRole))),
        "part": lambda: adapter.part(call_id, leg_id),
        "keys": lambda: adapter.send_dtmf(call_id, "5"),
    }
    with contextlib.suppress(TelephonyError):
        await asking[chance.choice(list(asking))]()


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("seed", range(8))
async def test_who_hears_whom_is_what_was_told(seed: int, quiet: bool) -> None:
    """`quiet`: each command's effect is awaited; otherwise they follow each other at once."""
    chance = random.Random(seed)
    everybody = [*NUMBERS.values(), *(f"client:dora_{n}" for n in range(1, LEGS + 1))]
    async with twilio_lab(faults={one: weather(chance) for one in everybody}) as lab:
        legs = [await lab.open_leg() for _ in range(LEGS)]
        calls = [await patient(lab) for _ in range(CALLS)]
        for number in range(STEPS):
            await step(lab, chance, calls, legs)
            if quiet or number % 8 == 7:
                await lab.pass_time(12.0)
                await _assert_true(lab, calls, legs)
        gone = chance.choice(legs)
        await lab.agent_hangs_up(gone)
        await lab.first(AgentLegDown, gone)
        await lab.pass_time(12.0)
        legs.remove(gone)
        await _assert_true(lab, calls, legs)
        for call_id in calls:
            await lab.adapter.hangup(call_id)
            await lab.end(call_id)
        await lab.pass_time(12.0)
        assert [lab.heard_by(leg) for leg in legs if not _consults(lab, leg)] == [
            set() for leg in legs if not _consults(lab, leg)
        ]


def _told(lab: TwilioLab) -> Told:
    told = Told()
    for event in lab.unique():
        told.take(event)
    return told


def _consults(lab: TwilioLab, leg_id: LegId) -> bool:
    return leg_id in _told(lab).consulting


async def _assert_true(lab: TwilioLab, calls: list[CallId], legs: list[LegId]) -> None:
    told = _told(lab)
    for who in (*calls, *legs):
        heard, expected = lab.heard_by(who), told.heard_by(who)
        # No event tells that a command has ended a consultation, and then was overtaken itself.
        assert heard == expected or (not heard and who in told.consulting), who
    for call_id in calls:
        report = await lab.report(call_id)
        assert report is not None
        assert report.bridged_leg == told.bridged.get(call_id)
