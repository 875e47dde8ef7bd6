"""What Twilio tells of calls and legs: each webhook decoded and handed on."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from telephony_adapters.messages import CallId, LegId
from telephony_adapters.recording_ids import is_recording_id
from telephony_adapters.twilio import codec, twiml
from telephony_adapters.twilio.codec import MalformedWebhook, RecordingTold
from telephony_adapters.twilio.door import Door, Fields, our_id
from telephony_adapters.twilio.inbound import Lobby
from telephony_adapters.twilio.switchboard import Switchboard


class Webhooks:
    """Takes what comes through the door about calls."""

    def __init__(
        self,
        door: Door,
        switchboard: Switchboard,
        lobby: Lobby,
        recording_told: Callable[[str, RecordingTold], None],
    ) -> None:
        self._switchboard = switchboard
        self._lobby = lobby
        self._recording_told = recording_told
        for path, take in (
            (twiml.CALL_STATUS, self._call_status),
            (twiml.CALL_AMD, self._call_amd),
            (twiml.CALL_KEYS, self._call_keys),
            (twiml.LEG_STATUS, self._leg_status),
            (twiml.ROOM, self._room),
            (twiml.HOLD_ROOM, self._hold_room),
            (twiml.ANNOUNCEMENT, self._announcement),
            (twiml.RECORDING, self._recording),
            (twiml.VOICE_IN, self._voice_in),
            (twiml.VOICE_STATUS, self._voice_status),
        ):
            door.add(path, take)

    def _call_status(self, request: web.Request, fields: Fields) -> None:
        self._switchboard.call_status(_call_id(request), codec.status_changed(fields))

    def _call_amd(self, request: web.Request, fields: Fields) -> None:
        self._switchboard.detected(_call_id(request), codec.detected(fields))

    def _call_keys(self, request: web.Request, fields: Fields) -> str:
        turn = _number(request, "turn")
        return self._switchboard.gathered(_call_id(request), turn, codec.gathered(fields))

    def _leg_status(self, request: web.Request, fields: Fields) -> None:
        self._switchboard.leg_status(_leg_id(request), codec.status_changed(fields))

    def _room(self, request: web.Request, fields: Fields) -> None:
        self._switchboard.room_changed(_leg_id(request), codec.room_changed(fields))

    def _hold_room(self, request: web.Request, fields: Fields) -> None:
        self._switchboard.hold_changed(_call_id(request), codec.room_changed(fields))

    def _announcement(self, request: web.Request, _: Fields) -> str:
        return self._switchboard.announcement(_call_id(request), _number(request, "number"))

    def _recording(self, request: web.Request, fields: Fields) -> None:
        _call_id(request)
        recording_id = request.query.get("recording", "")
        if not is_recording_id(recording_id):
            raise MalformedWebhook("recording", "not an id of ours")
        self._recording_told(recording_id, codec.recording_told(fields))

    def _voice_in(self, _: web.Request, fields: Fields) -> str:
        return self._lobby.came_in(codec.came_in(fields))

    def _voice_status(self, _: web.Request, fields: Fields) -> None:
        self._lobby.status(codec.status_changed(fields))


def _call_id(request: web.Request) -> CallId:
    return CallId(our_id(request, "call"))


def _leg_id(request: web.Request) -> LegId:
    return LegId(our_id(request, "leg"))


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise MalformedWebhook(name, "a whole number is due")
    return int(text)
