"""The TwiML documents that calls and legs follow, and the addresses of our webhooks.

A person's call is always in one of two places: on hold (silence or a prompt, with keys heard)
or in the room of an agent. Each document ends by asking us again, so a call that we have
forgotten, or whose events were lost, is never left on the line for longer than `HOLD_S`.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple
from urllib.parse import urlencode

from twilio.twiml.voice_response import Gather, VoiceResponse

from telephony_adapters.messages import CallId, LegId
from telephony_adapters.messaging import MessageId
from telephony_adapters.prompts import Prompt

HOLD_S: Final = 10
"""Seconds of silence on hold before Twilio asks what to do next."""
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
MESSAGE_STATUS: Final = "/twilio/message/status"
MESSAGE_IN: Final = "/twilio/message/in"
"""What people write to the account's numbers; its address is given in Twilio's console."""
ALIVE: Final = "/twilio/alive"


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


def on_hold(keys_url: str, said: Spoken | None = None) -> str:
    """Wait and hear keys, one at a time; with a prompt, which a key interrupts unless `whole`."""
    response = VoiceResponse()
    if said is not None and said.whole:
        _say(response, said)
    gather = response.gather(
        input="dtmf",
        num_digits=1,
        finish_on_key="",
        timeout=HOLD_S if said is None else AFTER_PROMPT_S,
        action=keys_url,
        method="POST",
        action_on_empty_result=True,
    )
    if said is not None and not said.whole:
        _say(gather, said)
    return str(response)


def in_room(name: str, label: str, room_url: str, then_url: str | None) -> str:
    """Join a room; afterwards ask again at `then_url`, or hang up."""
    response = VoiceResponse()
    response.dial(time_limit=ROOM_LIMIT_S).conference(
        name,
        participant_label=label,
        start_conference_on_enter=True,
        end_conference_on_exit=False,
        beep=False,
        wait_url="",
        status_callback=room_url,
        status_callback_event="join leave",
        status_callback_method="POST",
    )
    if then_url is not None:
        response.redirect(then_url, method="POST")
    return str(response)


def hang_up() -> str:
    """Nobody here can serve the call."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


NOTHING: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
"""Answers a message that came in: no reply of Twilio's own."""
