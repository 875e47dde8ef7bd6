"""Ids of channels, bridges and playbacks: chosen by us, so that what is ours is known by its name.

All call ids have one length: Asterisk 22 refuses a new id that is the beginning of a live one.
"""

from __future__ import annotations

from telephony_adapters.messages import CallId, LegId


class Names:
    """The ids of one application."""

    def __init__(self, app: str) -> None:
        self.app = app
        self._call = f"{app}.call."
        self._leg = f"{app}.leg."
        self._room = f"{app}.room."
        self._play = f"{app}.play."
        self._ear = f"{app}.ear."
        self._tape = f"{app}.tape."
        self.hold_bridge = f"{app}.hold"
        """Where persons hear music."""

    def call_channel(self, call_id: CallId) -> str:
        """Of a call that we place; who calls us comes with a channel of Asterisk's own naming."""
        return self._call + call_id

    def leg_channel(self, leg_id: LegId) -> str:
        return self._leg + leg_id

    def leg_bridge(self, leg_id: LegId) -> str:
        """An agent's bridge, which lives as long as his leg.

        Not the leg's own id: an application that hears of a channel is not told of a bridge of
        the same id.
        """
        return self._room + leg_id

    def playback(self, call_id: CallId, number: int) -> str:
        return f"{self._play}{call_id}.{number}"

    def ear(self, leg_id: LegId, number: int) -> str:
        """A snoop channel by which a leg hears another."""
        return f"{self._ear}{leg_id}.{number:06d}"

    def tape(self, call_id: CallId, recording_id: str) -> str:
        """The snoop channel that records a call. The dot ends it: ids differ in length."""
        return f"{self._tape}{call_id}.{recording_id}."

    def call_of(self, channel: str) -> CallId | None:
        """The call of a channel, if it is one of ours."""
        if not channel.startswith(self._call):
            return None
        return CallId(channel.removeprefix(self._call))

    def leg_of(self, channel: str) -> LegId | None:
        """The leg of a channel, if it is one of ours."""
        return LegId(channel.removeprefix(self._leg)) if channel.startswith(self._leg) else None

    def leg_of_bridge(self, bridge: str) -> LegId | None:
        """The leg whose bridge it is, if it is one of ours."""
        return LegId(bridge.removeprefix(self._room)) if bridge.startswith(self._room) else None

    def leg_of_ear(self, channel: str) -> LegId | None:
        """The leg that hears by this channel, if it is an ear of ours."""
        if not channel.startswith(self._ear):
            return None
        return LegId(channel.removeprefix(self._ear).rpartition(".")[0])

    def of_tape(self, channel: str) -> tuple[CallId, str] | None:
        """The call and the recording of a channel, if it is a tape of ours."""
        if not channel.startswith(self._tape):
            return None
        call_id, _, recording_id = channel.removeprefix(self._tape).partition(".")
        return CallId(call_id), recording_id.removesuffix(".")
