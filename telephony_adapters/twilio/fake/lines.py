"""What a called number does: scripted line by line, or drawn by the simulator's world. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from telephony_adapters.messages import AmdVerdict, HangupCause, Originate
from telephony_adapters.simulator.heard import Heard, Intent, Speaker
from telephony_adapters.simulator.world import NEVER, DialPlan, Past, PickUp, World


class Behaviour(StrEnum):
    """What somebody at the far end can do."""

    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    RINGS = "rings"
    """Nobody ever answers."""
    DEAD = "dead"
    """It does not even ring."""
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    NOT_IN_SERVICE = "not_in_service"
    REJECTS = "rejects"
    CONGESTED = "congested"
    FAILS = "fails"


_REFUSALS = {
    Behaviour.BUSY: HangupCause.BUSY,
    Behaviour.UNAVAILABLE: HangupCause.UNAVAILABLE,
    Behaviour.NOT_IN_SERVICE: HangupCause.NOT_IN_SERVICE,
    Behaviour.REJECTS: HangupCause.REJECTED,
    Behaviour.CONGESTED: HangupCause.CONGESTION,
    Behaviour.FAILS: HangupCause.FAILED,
}
_SPEAKERS = {
    Behaviour.HUMAN: (Speaker.RIGHT_PARTY, AmdVerdict.HUMAN),
    Behaviour.MACHINE: (Speaker.MACHINE, AmdVerdict.MACHINE),
    Behaviour.FAX: (Speaker.FAX, AmdVerdict.FAX),
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A scripted number."""

    behaviour: Behaviour
    answers_after_s: float = 3.0
    """From the dial to the answer or the refusal."""
    hangs_up_after_s: float = 120.0
    """Patience without an agent, and length of the talk with one."""
    amd_s: float = 2.0
    keys: tuple[tuple[float, str], ...] = ()
    """Keys pressed: seconds after the answer, and the key."""


class UnreadableLine(Exception):
    """A line on the command line that says nothing we know."""


def parse_line(text: str) -> tuple[str, Line]:
    """`NUMBER=BEHAVIOUR[:SECONDS UNTIL IT HANGS UP]`. Raises `UnreadableLine`."""
    number, _, rest = text.partition("=")
    name, _, after = rest.partition(":")
    try:
        behaviour = Behaviour(name)
        seconds = float(after) if after else 120.0
    except ValueError as error:
        names = ", ".join(Behaviour)
        raise UnreadableLine(
            f"{text!r}: NUMBER=BEHAVIOUR[:SECONDS]; behaviours: {names}"
        ) from error
    return number, Line(behaviour=behaviour, hangs_up_after_s=seconds)


class ScriptedWorld:
    """Numbers with a line do as it says; the others as in another world."""

    def __init__(self, lines: Mapping[str, Line], others: World | None = None) -> None:
        self._lines = lines
        self._others = others

    def dial(self, command: Originate, at: datetime, past: Past) -> DialPlan:
        line = self._lines.get(command.to)
        if line is not None:
            return _plan(line, command)
        if self._others is not None:
            return self._others.dial(command, at, past)
        return _plan(Line(behaviour=Behaviour.RINGS), command)

    def conversation(self, command: Originate, past: Past) -> Heard:
        line = self._lines.get(command.to)
        if line is None and self._others is not None:
            return self._others.conversation(command, past)
        return _heard(line or Line(behaviour=Behaviour.HUMAN), command)


def _plan(line: Line, command: Originate) -> DialPlan:
    after_s = line.answers_after_s
    if line.behaviour is Behaviour.DEAD:
        return DialPlan(progress_s=None, ringing_s=None, final_s=NEVER)
    if line.behaviour is Behaviour.RINGS:
        return DialPlan(progress_s=0.2, ringing_s=1.0, final_s=NEVER)
    if line.behaviour in _REFUSALS:
        cause = _REFUSALS[line.behaviour]
        return DialPlan(progress_s=0.2, ringing_s=None, final_s=after_s, cause=cause)
    _, verdict = _SPEAKERS[line.behaviour]
    return DialPlan(
        progress_s=after_s * 0.1,
        ringing_s=after_s * 0.3,
        final_s=after_s,
        pick_up=PickUp(
            heard=_heard(line, command),
            patience_s=line.hangs_up_after_s,
            amd_verdict=verdict,
            amd_s=line.amd_s,
            digits=line.keys,
        ),
    )


def _heard(line: Line, command: Originate) -> Heard:
    speaker, _ = _SPEAKERS.get(line.behaviour, _SPEAKERS[Behaviour.HUMAN])
    return Heard(
        call_id=command.call_id,
        speaker=speaker,
        intent=Intent.WILLING if speaker.is_live else Intent.NONE,
        verification_answers=speaker.is_live,
        talk_s=line.hangs_up_after_s,
        wrap_up_s=10.0,
    )
