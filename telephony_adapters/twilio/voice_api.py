"""Participants of conferences, recordings and the account's numbers in Twilio's REST API, typed."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from telephony_adapters.errors import OutcomeUnknown
from telephony_adapters.twilio.client import TwilioApi
from telephony_adapters.twilio.settings import TWILIO_API

API_VERSION: Final = "2010-04-01"


class RecordingChange(StrEnum):
    """What can be asked of a recording that is under way."""

    GO_ON = "in-progress"
    PAUSE = "paused"
    STOP = "stopped"


class NumberInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Where Twilio tells of calls to a number of the account; empty: nowhere."""

    voice_url: str
    voice_method: str
    status_url: str


class VoiceApi(TwilioApi):
    """What calls need beyond placing and redirecting them. Raises as `TwilioApi` does."""

    async def set_voice(self, room_sid: str, sid: str, *, muted: bool, coaches: str | None) -> None:
        """Who hears somebody in a conference: everybody, nobody (`muted`), or only the participant
        whose call's SID is `coaches`."""
        inside = self._client.conferences(room_sid).participants(sid)
        if coaches is None:
            await self._ask(lambda: inside.update_async(muted=muted, coaching=False))
        else:
            await self._ask(
                lambda: inside.update_async(muted=muted, coaching=True, call_sid_to_coach=coaches)
            )

    async def announce(self, room_sid: str, url: str) -> None:
        """Say into a conference what the document at this address says."""
        room = self._client.conferences(room_sid)
        await self._ask(lambda: room.update_async(announce_url=url, announce_method="POST"))

    async def record(self, sid: str, told_url: str) -> str:
        """Record both directions of a call into one channel; gives the recording's SID."""
        made = await self._ask(
            lambda: self._client.calls(sid).recordings.create_async(
                recording_status_callback=told_url,
                recording_status_callback_method="POST",
                recording_status_callback_event=["in-progress", "completed", "absent"],
                recording_channels="mono",
                recording_track="both",
                trim="do-not-trim",
            )
        )
        if not isinstance(made.sid, str):
            raise OutcomeUnknown("Twilio's answer names no recording")
        return made.sid

    async def change_recording(self, sid: str, recording: str, change: RecordingChange) -> None:
        """Pause (what follows is left out), go on, or stop."""
        tape = self._client.calls(sid).recordings(recording)
        if change is RecordingChange.PAUSE:
            await self._ask(lambda: tape.update_async(status=change.value, pause_behavior="skip"))
        else:
            await self._ask(lambda: tape.update_async(status=change.value))

    async def recording_file(self, recording: str) -> bytes:
        """A finished recording, WAV."""
        account = self._settings.account_sid
        url = f"{TWILIO_API}/{API_VERSION}/Accounts/{account}/Recordings/{recording}.wav"
        return await self._ask(
            lambda: self._http.download(url, (account, self._settings.auth_token))
        )

    async def delete_recording(self, recording: str) -> None:
        await self._ask(self._client.recordings(recording).delete_async)

    async def number(self, number: str) -> NumberInfo | None:
        """A number of the account; None: it has no such number."""
        found = await self._ask(
            lambda: self._client.incoming_phone_numbers.list_async(phone_number=number, limit=1)
        )
        if not found:
            return None
        return NumberInfo(
            voice_url=str(found[0].voice_url or ""),
            voice_method=str(found[0].voice_method or ""),
            status_url=str(found[0].status_callback or ""),
        )
