"""The TwiML documents that calls and legs follow, and the addresses of our webhooks.

A person's call is always in one of three places: waiting (silence or a prompt, with keys heard),
in the room of a leg, or alone in a room of its own in which music plays, on hold. Each document
ends by asking us again, so a call that we have forgotten, or whose events were lost, is not left
on the line for longer than `WAIT_S`, or `MUSIC_S`.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec
from twilio.twiml.voice_response import Gather, VoiceResponse

from telephony_adapters.messages import CallId, LegId
from telephony_adapters.messaging import MessageId
from telephony_adapters.prompts import Prompt

WAIT_S: Final = 10
"""Seconds of silence before Twilio asks what to do next."""
MUSIC_S: Final = 600
"""Seconds of music on hold before Twilio asks what to do next."""
RING_S: Final = 1
"""Seconds that somebody who calls us hears it ring before Twilio asks again: nothing else can be
asked of a call that is not answered, so an answer takes as long at most."""
ROOM_LIMIT_S: Final = 86_400
"""Twilio's most; its default would end an agent's shift after four hours."""
AFTER_PROMPT_S: Final = 1
"""How long keys are waited for after a prompt; `PlaybackFinished` is late by this much."""


class Addresses:
    """URLs that Twilio calls, below the public one. They carry our ids."""

    def __init__(self, public_url: str) -> None:
        self.base = public_url.rstrip("/")

    @property
    def room_prefix(self) -> str:
        """How the names of our rooms begin: told from those of other programs on the account, and
        from those of other Marcadors, which have another public address."""
        return f"marcador-{blake2b(self.base.encode(), digest_size=6).hexdigest()}-"

    def room_name(self, leg_id: LegId) -> str:
        """The conference of an agent's leg."""
        return f"{self.room_prefix}{leg_id}"

    def hold_name(self, call_id: CallId) -> str:
        """The conference in which a call is held, alone."""
        return f"{self.room_prefix}{HELD}{call_id}"

    def status(self, call_id: CallId) -> str:
        return self._at(CALL_STATUS, call=call_id)

    def amd(self, call_id: CallId) -> str:
        return self._at(CALL_AMD, call=call_id)

    def keys(self, call_id: CallId, turn: int) -> str:
        return self._at(CALL_KEYS, call=call_id, turn=str(turn))

    def leg_status(self, leg_id: LegId) -> str:
        return self._at(LEG_STATUS, leg=leg_id)

    def room(self, leg_id: LegId) -> str:
        return self._at(ROOM, leg=leg_id)

    def hold_room(self, call_id: CallId) -> str:
        return self._at(HOLD_ROOM, call=call_id)

    def announcement(self, call_id: CallId, number: int) -> str:
        return self._at(ANNOUNCEMENT, call=call_id, number=str(number))

    def recording(self, call_id: CallId, recording_id: str) -> str:
        return self._at(RECORDING, call=call_id, recording=recording_id)

    @property
    def voice_in(self) -> str:
        """What has to be given in Twilio's console for calls that come in."""
        return f"{self.base}{VOICE_IN}"

    @property
    def voice_status(self) -> str:
        """What has to be given there so that we are told of their end."""
        return f"{self.base}{VOICE_STATUS}"

    @property
    def message_in(self) -> str:
        """What has to be given in Twilio's console for messages that come in."""
        return f"{self.base}{MESSAGE_IN}"

    def message_status(self, message_id: MessageId) -> str:
        return self._at(MESSAGE_STATUS, message=message_id)

    def _at(self, path: str, **ids: str) -> str:
        return f"{self.base}{path}?{urlencode(ids)}"


CALL_STATUS: Final = "/twilio/call/status"
CALL_AMD: Final = "/twilio/call/amd"
CALL_KEYS: Final = "/twilio/call/keys"
LEG_STATUS: Final = "/twilio/leg/status"
ROOM: Final = "/twilio/room"
HOLD_ROOM: Final = "/twilio/hold"
ANNOUNCEMENT: Final = "/twilio/announcement"
RECORDING: Final = "/twilio/recording"
VOICE_IN: Final = "/twilio/voice"
"""Who calls one of the account's numbers; its address is given in Twilio's console."""
VOICE_STATUS: Final = "/twilio/voice/status"
MESSAGE_STATUS: Final = "/twilio/message/status"
MESSAGE_IN: Final = "/twilio/message/in"
"""What people write to the account's numbers; its address is given in Twilio's console."""
ALIVE: Final = "/twilio/alive"
HELD: Final = "hold-"
"""How the rooms of calls on hold are told from those of legs."""


class Spoken(NamedTuple):
    """What a document says: a recording, or words in Twilio's own voice."""

    language: str
    words: str = ""
    url: str | None = None
    whole: bool = False


def spoken(prompt: Prompt, prompts_url: str | None) -> Spoken:
    """How a prompt is said: played where the recordings are on the web, else in Twilio's voice."""
    if prompt.audio is not None and prompts_url is not None:
        url = f"{prompts_url.rstrip('/')}/{prompt.audio}.wav"
        return Spoken(prompt.language, url=url, whole=prompt.whole)
    return Spoken(prompt.language, words=prompt.text, whole=prompt.whole)


def _say(verb: VoiceResponse | Gather, said: Spoken) -> None:
    if said.url is not None:
        verb.play(said.url)
    else:
        verb.say(said.words, language=_voice_language(said.language))


def _voice_language(language: str) -> str:
    """Twilio's voices are of countries: Mexico's Spanish and the United States' English."""
    return "es-MX" if language.startswith("es") else "en-US"


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody comes into a conference."""

    room: str
    """The conference's name."""
    label: str
    told_url: str
    """Where the conference tells who comes and goes, if this is the first who comes."""
    muted: bool = False
    """Hears everybody and is heard by nobody."""
    coaches: str | None = None
    """SID of the call that alone hears this one."""
    music: bool = False
    """Alone, with music."""
    music_url: str | None = None
    """None: Twilio's own music."""


def waiting(keys_url: str, said: Spoken | None = None, *, digits: str = "") -> str:
    """Wait and hear keys, one at a time; with a prompt, which a key interrupts unless `whole`.

    `digits` are pressed towards the person first.
    """
    response = _pressing(digits)
    if said is not None and said.whole:
        _say(response, said)
    gather = response.gather(
        input="dtmf",
        num_digits=1,
        finish_on_key="",
        timeout=WAIT_S if said is None else AFTER_PROMPT_S,
        action=keys_url,
        method="POST",
        action_on_empty_result=True,
    )
    if said is not None and not said.whole:
        _say(gather, said)
    return str(response)


def in_room(seat: Seat, then_url: str | None, *, digits: str = "") -> str:
    """Join a room; afterwards ask again at `then_url`, or hang up.

    `digits` are pressed towards whoever it is first.
    """
    response = _pressing(digits)
    more: dict[str, object] = {}
    if seat.music:
        if seat.music_url is not None:
            more = {"wait_url": seat.music_url, "wait_method": "GET"}
    else:
        more["wait_url"] = ""
    if seat.coaches is not None:
        more["coach"] = seat.coaches
    response.dial(time_limit=MUSIC_S if seat.music else ROOM_LIMIT_S).conference(
        seat.room,
        participant_label=seat.label,
        muted=seat.muted,
        start_conference_on_enter=True,
        end_conference_on_exit=False,
        beep=False,
        status_callback=seat.told_url,
        status_callback_event="join leave announcement",
        status_callback_method="POST",
        **more,
    )
    if then_url is not None:
        response.redirect(then_url, method="POST")
    return str(response)


def announcement(said: Spoken) -> str:
    """Say something into a conference."""
    response = VoiceResponse()
    _say(response, said)
    return str(response)


def ringing(again_url: str) -> str:
    """Do not answer yet: a `<Pause>` that comes first leaves the caller with the ringing."""
    response = VoiceResponse()
    response.pause(length=RING_S)
    response.redirect(again_url, method="POST")
    return str(response)


def rejected() -> str:
    """Do not answer at all; the caller hears that the line is busy."""
    response = VoiceResponse()
    response.reject(reason="busy")
    return str(response)


def hang_up() -> str:
    """Nobody here can serve the call."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def _pressing(digits: str) -> VoiceResponse:
    response = VoiceResponse()
    if digits:
        response.play(digits=digits)
    return response


NOTHING: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
"""Nothing to say or do: no reply of Twilio's own to a message, silence in a conference."""
