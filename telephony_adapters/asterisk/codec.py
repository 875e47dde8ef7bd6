"""ARI's JSON in typed form: events off the WebSocket, lists out of replies. Pure.

Only what the adapter acts on has a type; other kinds of event decode to `None`. A frame that is
not what ARI documents raises `MalformedFrame` and is never guessed at.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import msgspec

from telephony_adapters.messages import AmdVerdict, CallPhase


class MalformedFrame(Exception):
    """Not JSON, or not the fields and types that ARI documents."""


class Party(msgspec.Struct, frozen=True):
    number: str = ""


class Dialplan(msgspec.Struct, frozen=True):
    """Where a channel is in the dialplan."""

    exten: str = ""
    app_name: str = ""
    app_data: str = ""


class Channel(msgspec.Struct, frozen=True):
    """A channel as it was when the event happened."""

    id: str
    state: str
    creationtime: str
    caller: Party = Party()
    dialplan: Dialplan = Dialplan()

    @property
    def phase(self) -> CallPhase:
        if self.state == "Up":
            return CallPhase.ANSWERED
        return CallPhase.RINGING if self.state in ("Ringing", "Ring") else CallPhase.DIALING


class Bridge(msgspec.Struct, frozen=True):
    id: str
    channels: tuple[str, ...]


class Playback(msgspec.Struct, frozen=True):
    id: str


class Recording(msgspec.Struct, frozen=True):
    name: str
    target_uri: str
    duration: int | None = None
    """Whole seconds."""


class AriEvent(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of the events that matter."""

    timestamp: str

    @property
    def at(self) -> datetime:
        """When it happened, by Asterisk's clock."""
        return instant(self.timestamp)


class Dial(AriEvent, frozen=True, tag="Dial"):
    peer: Channel
    dialstatus: str


class ChannelStateChange(AriEvent, frozen=True, tag="ChannelStateChange"):
    channel: Channel


class StasisStart(AriEvent, frozen=True, tag="StasisStart"):
    """A channel is in our hands now."""

    channel: Channel
    args: tuple[str, ...]


class StasisEnd(AriEvent, frozen=True, tag="StasisEnd"):
    """A channel is in our hands no more."""

    channel: Channel


class ChannelEnteredBridge(AriEvent, frozen=True, tag="ChannelEnteredBridge"):
    bridge: Bridge
    channel: Channel


class ChannelLeftBridge(AriEvent, frozen=True, tag="ChannelLeftBridge"):
    bridge: Bridge
    channel: Channel


class ChannelDtmfReceived(AriEvent, frozen=True, tag="ChannelDtmfReceived"):
    channel: Channel
    digit: str


class PlaybackFinished(AriEvent, frozen=True, tag="PlaybackFinished"):
    playback: Playback


class RecordingStarted(AriEvent, frozen=True, tag="RecordingStarted"):
    recording: Recording


class RecordingFinished(AriEvent, frozen=True, tag="RecordingFinished"):
    recording: Recording


class RecordingFailed(AriEvent, frozen=True, tag="RecordingFailed"):
    recording: Recording


class ChannelDestroyed(AriEvent, frozen=True, tag="ChannelDestroyed"):
    channel: Channel
    cause: int
    tech_cause: int | None = None


class ApplicationReplaced(AriEvent, frozen=True, tag="ApplicationReplaced"):
    """Another WebSocket has taken our application: this one hears nothing any more."""

    application: str


AnyAriEvent = (
    Dial
    | ChannelStateChange
    | StasisStart
    | StasisEnd
    | ChannelEnteredBridge
    | ChannelLeftBridge
    | ChannelDtmfReceived
    | PlaybackFinished
    | RecordingStarted
    | RecordingFinished
    | RecordingFailed
    | ChannelDestroyed
    | ApplicationReplaced
)


class _Kind(msgspec.Struct, frozen=True):
    type: str


class _Attribute(msgspec.Struct, frozen=True):
    attribute: str
    value: str


_KINDS = frozenset(kind.__struct_config__.tag for kind in AnyAriEvent.__args__)
_kind = msgspec.json.Decoder(_Kind)
_event: msgspec.json.Decoder[AnyAriEvent] = msgspec.json.Decoder(AnyAriEvent)
_channels = msgspec.json.Decoder(list[Channel])
_bridges = msgspec.json.Decoder(list[Bridge])
_attributes = msgspec.json.Decoder(list[_Attribute])
T = TypeVar("T")

VERDICTS = {
    "HUMAN": AmdVerdict.HUMAN,
    "MACHINE": AmdVerdict.MACHINE,
    "NOTSURE": AmdVerdict.UNSURE,
}
"""AMDSTATUS as the dialplan hands it back. `HANGUP` is no verdict: the person is gone."""


def parse_event(frame: str | bytes) -> AnyAriEvent | None:
    """An event, or None for a kind that nothing is done about. Raises `MalformedFrame`."""
    if _decoded(_kind, frame).type not in _KINDS:
        return None
    event = _decoded(_event, frame)
    instant(event.timestamp)
    if isinstance(event, ChannelDestroyed):
        instant(event.channel.creationtime)
    return event


def parse_channels(body: bytes) -> list[Channel]:
    """What `GET /channels` tells. Raises `MalformedFrame`."""
    return _decoded(_channels, body)


def parse_bridges(body: bytes) -> list[Bridge]:
    """What `GET /bridges` tells. Raises `MalformedFrame`."""
    return _decoded(_bridges, body)


def parse_attributes(body: bytes) -> dict[str, str]:
    """Configuration of an endpoint, as `GET /asterisk/config/dynamic/...` tells it.

    Raises `MalformedFrame`.
    """
    return {known.attribute: known.value for known in _decoded(_attributes, body)}


def instant(text: str) -> datetime:
    """Asterisk's `2026-01-31T12:00:00.000+0000`. Raises `MalformedFrame`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedFrame(f"not an instant: {text[:40]!r}") from error
    if at.tzinfo is None:
        raise MalformedFrame(f"an instant without a zone: {text[:40]!r}")
    return at


def _decoded(decoder: msgspec.json.Decoder[T], frame: str | bytes) -> T:
    try:
        return decoder.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedFrame(str(error)) from error
