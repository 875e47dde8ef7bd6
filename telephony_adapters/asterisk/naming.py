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

    def call_channel(self, call_id: CallId) -> str:
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
