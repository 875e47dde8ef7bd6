"""Who talks with whom in the fake, what agents hear, and how long people are patient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from telephony_adapters.clock import Clock
from telephony_adapters.messages import CallId
from telephony_adapters.simulator.earpiece import Earpiece
from telephony_adapters.simulator.heard import Heard, Speaker
from telephony_adapters.twilio.codec import label_read
from telephony_adapters.twilio.fake.calls import FakeCall
from telephony_adapters.twilio.fake.rooms import Room

HangsUp = Callable[[FakeCall], None]
"""The far end ends the call."""


class Voices:
    """Far ends that hang up by themselves, and the ears of agents' devices."""

    def __init__(self, clock: Clock, calls: dict[str, FakeCall], hangs_up: HangsUp) -> None:
        self._clock = clock
        self._calls = calls
        self._hangs_up = hangs_up
        self._ears: dict[str, Earpiece] = {}

    def ears(self, address: str) -> Earpiece:
        """What is heard at an agent's device; may be listened to before it is rung."""
        return self._ears.setdefault(address, Earpiece())

    def device_gone(self, call: FakeCall) -> None:
        if call.is_agent:
            self._ears.pop(call.to, Earpiece()).close()

    def entered(self, call: FakeCall, room: Room) -> None:
        """Somebody has come into a room: agents there hear the persons, who are patient."""
        people, agents = self._inside(room)
        for person in people:
            for agent in agents:
                if call in (person, agent):
                    self.ears(agent.to).say(self._voice(person, room))
        if len(room.inside) > 1:
            for person in people:
                self._talks(person)

    def left(self, call: FakeCall, room: Room, label: str) -> None:
        """Somebody has gone out of a room, whose others are as they were."""
        people, agents = self._inside(room)
        if not call.is_agent:
            silence = Heard(call_id=_who(label), speaker=Speaker.SILENCE)
            for agent in agents:
                self.ears(agent.to).say(silence)
            self.alone(call)
        else:
            for person in people:
                voice = Heard(call_id=_who(room.inside[person.sid].label), speaker=Speaker.SILENCE)
                self.ears(call.to).say(voice)
        if len(room.inside) < 2:
            for person in people:
                self.alone(person)

    def alone(self, call: FakeCall) -> None:
        """Nobody talks with this person any more."""
        if call.joined_at is not None:
            spoken = self._clock.now() - call.joined_at
            call.talk_left_s = max(0.0, call.talk_left_s - spoken.total_seconds())
            call.joined_at = None
        self.await_patience(call)

    def await_patience(self, call: FakeCall) -> None:
        """Who hears nobody hangs up by and by; who calls us gives up."""
        if call.pick_up is not None and (call.is_answered or call.is_ringing_in):
            wait_s = call.pick_up.patience_s
            call.be_patient(self._clock.call_later(wait_s, partial(self._hangs_up, call)))

    def playing(self, call: FakeCall, *, on: bool) -> None:
        """A prompt begins or ends: who hears something does not lose patience."""
        call.prompts += 1 if on else -1
        if call.prompts:
            call.be_patient(None)
        elif call.room is None and not call.status.is_final:
            self.await_patience(call)

    def _talks(self, person: FakeCall) -> None:
        if person.joined_at is None:
            person.joined_at = self._clock.now()
            person.be_patient(
                self._clock.call_later(person.talk_left_s, partial(self._hangs_up, person))
            )

    def _voice(self, person: FakeCall, room: Room) -> Heard:
        who = _who(room.inside[person.sid].label)
        if person.pick_up is None:
            return Heard(call_id=who, speaker=Speaker.SILENCE)
        return msgspec.structs.replace(person.pick_up.heard, call_id=who, talk_s=person.talk_left_s)

    def _inside(self, room: Room) -> tuple[list[FakeCall], list[FakeCall]]:
        """Persons, and agents' devices."""
        inside = [self._calls[sid] for sid in room.inside]
        people = [call for call in inside if call.pick_up is not None]
        return people, [call for call in inside if call.is_agent]


def _who(label: str) -> CallId:
    """The id in a label of Marcador's, or the label as it is."""
    known = label_read(label)
    return CallId(known.who if known is not None else label)
