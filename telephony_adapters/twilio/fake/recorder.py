"""Recordings of the fake's calls: made, paused, stopped, told of, fetched and deleted."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from telephony_adapters.clock import Clock
from telephony_adapters.simulator.recordings import tone_file
from telephony_adapters.twilio.fake.calls import API_VERSION, FakeCall
from telephony_adapters.twilio.fake.failing import NOT_FOUND, FakeError, fail_create
from telephony_adapters.twilio.fake.replies import json_reply

CURRENT: Final = "Twilio.CURRENT"
"""Names the recording of a call that is under way."""
UNDER_WAY: Final = ("in-progress", "paused")
Tell = Callable[[FakeCall, str, dict[str, str]], None]
"""Tells a call's callback of this address."""


class FakeRecording:
    """A Recording resource."""

    def __init__(self, call: FakeCall, form: Mapping[str, list[str]], now: datetime) -> None:
        self.sid = f"RE{secrets.token_hex(16)}"
        self.call = call
        self.callback_url = form.get("RecordingStatusCallback", [""])[0]
        events = form.get("RecordingStatusCallbackEvent", ["completed"])
        self.events = frozenset(" ".join(events).split())
        self.channels = 2 if form.get("RecordingChannels") == ["dual"] else 1
        self.created_at = now
        self.status = "in-progress"
        self.before_s = 0.0
        self.since: datetime | None = now
        """None: nothing is recorded, as in a pause that skips."""

    def halt(self, now: datetime) -> None:
        if self.since is not None:
            self.before_s += (now - self.since).total_seconds()
            self.since = None

    def resource(self, account_sid: str) -> Mapping[str, object]:
        path = f"/{API_VERSION}/Accounts/{account_sid}/Recordings/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "call_sid": self.call.sid,
            "status": self.status,
            "channels": self.channels,
            "source": "StartCallRecordingAPI",
            "date_created": format_datetime(self.created_at),
            "duration": str(round(self.before_s)) if self.status == "completed" else None,
            "uri": f"{path}.json",
        }


class Recorder:
    """All recordings of one account."""

    def __init__(
        self,
        account_sid: str,
        clock: Clock,
        calls: Mapping[str, FakeCall],
        tell: Tell,
        *,
        processing_s: float,
    ) -> None:
        self._account_sid = account_sid
        self._clock = clock
        self._calls = calls
        self._tell = tell
        self._processing_s = processing_s
        self.recordings: dict[str, FakeRecording] = {}

    def add_routes(self, app: web.Application, account: str) -> None:
        of_call = f"{account}/Calls/{{call}}/Recordings"
        app.router.add_post(f"{of_call}.json", self._create)
        app.router.add_post(f"{of_call}/{{sid}}.json", self._update)
        app.router.add_get(f"{account}/Recordings/{{sid}}.json", self._fetch)
        app.router.add_get(f"{account}/Recordings/{{sid}}.wav", self._file)
        app.router.add_delete(f"{account}/Recordings/{{sid}}.json", self._delete)

    def call_ended(self, call: FakeCall) -> None:
        """The recording ends with its call."""
        for recording in self._under_way(call):
            self._stop(recording)

    def _under_way(self, call: FakeCall) -> list[FakeRecording]:
        return [r for r in self.recordings.values() if r.call is call and r.status in UNDER_WAY]

    def _stop(self, recording: FakeRecording) -> None:
        recording.halt(self._clock.now())
        recording.status = "processing"
        self._clock.call_later(self._processing_s, partial(self._processed, recording))

    def _processed(self, recording: FakeRecording) -> None:
        if recording.status == "processing":
            recording.status = "completed" if recording.before_s else "absent"
            self._told(recording)

    def _told(self, recording: FakeRecording) -> None:
        if recording.status not in recording.events or not recording.callback_url:
            return
        fields = {
            "AccountSid": self._account_sid,
            "CallSid": recording.call.sid,
            "RecordingSid": recording.sid,
            "RecordingStatus": recording.status,
            "RecordingChannels": str(recording.channels),
            "RecordingSource": "StartCallRecordingAPI",
            "RecordingStartTime": format_datetime(recording.created_at),
        }
        if recording.status == "completed":
            fields["RecordingDuration"] = str(round(recording.before_s))
        if f"recording-{recording.status}" not in recording.call.fault.lost:
            self._tell(recording.call, recording.callback_url, fields)

    # --- the resource ---------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.StreamResponse:
        call = self._calls.get(request.match_info["call"])
        if call is None:
            raise NOT_FOUND
        if not call.is_answered:
            raise _not_eligible()
        form = parse_qs((await request.read()).decode(), keep_blank_values=True)
        if call.fault.record is not None:
            await fail_create(call.fault.record, lambda: self._start(call, form))
        return json_reply(self._start(call, form).resource(self._account_sid), status=201)

    def _start(self, call: FakeCall, form: Mapping[str, list[str]]) -> FakeRecording:
        recording = FakeRecording(call, form, self._clock.now())
        self.recordings[recording.sid] = recording
        self._told(recording)
        return recording

    async def _update(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["sid"]
        call = self._calls.get(request.match_info["call"])
        under_way = self._under_way(call) if call is not None else []
        found = under_way[0] if name == CURRENT and under_way else self.recordings.get(name)
        if found is None or found.call is not call:
            raise NOT_FOUND
        if found.status not in UNDER_WAY:
            raise _not_eligible()
        form = parse_qs((await request.read()).decode(), keep_blank_values=True)
        self._change(found, form.get("Status", [""])[0], form.get("PauseBehavior", ["silence"])[0])
        return json_reply(found.resource(self._account_sid))

    def _change(self, recording: FakeRecording, status: str, behavior: str) -> None:
        now = self._clock.now()
        if status == "stopped":
            self._stop(recording)
        elif status == "paused":
            recording.status = status
            if behavior == "skip":
                recording.halt(now)
        elif status == "in-progress":
            recording.status = status
            recording.since = recording.since or now
        else:
            raise FakeError(400, 20001, "Status is invalid")

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        return json_reply(self._found(request).resource(self._account_sid))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        recording = self._found(request)
        if recording.status != "completed":
            raise NOT_FOUND
        sound = tone_file(round(recording.before_s * 1000))
        return web.Response(body=sound, content_type="audio/x-wav")

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        recording = self._found(request)
        if recording.status in UNDER_WAY:
            raise FakeError(400, 20001, "A recording that is under way cannot be deleted")
        del self.recordings[recording.sid]
        return web.Response(status=204)

    def _found(self, request: web.Request) -> FakeRecording:
        recording = self.recordings.get(request.match_info["sid"])
        if recording is None:
            raise NOT_FOUND
        return recording


def _not_eligible() -> FakeError:
    return FakeError(400, 21220, "Requested resource is not eligible for recording")
