"""Follows TwiML: the verbs that Marcador uses, as Twilio's pages describe them."""

from __future__ import annotations

import asyncio
from typing import Protocol
from urllib.parse import urljoin
from xml.etree import ElementTree

from telephony_adapters.clock import Clock

MOST_DOCUMENTS = 100_000
"""Documents that one call may follow; more is a loop."""
LEAVES_RINGING = frozenset({"Pause", "Redirect", "Reject"})
"""Verbs that do not answer a call that comes in, as long as they come first."""
SPEAKS = ("Say", "Play")
DIGIT_S = 0.25
"""How long a key is pressed towards somebody."""


class Caller(Protocol):
    """The call that a document is about, as its follower needs it."""

    async def fetch(self, url: str, fields: dict[str, str]) -> str | None:
        """The next document; None when it could not be had."""

    @property
    def is_ringing(self) -> bool:
        """It came in and was not picked up yet."""

    async def pick_up(self) -> None:
        """Twilio answers the call that came in."""

    def reject(self) -> None:
        """Twilio does not answer it, and ends it."""

    def hears_keys(self, digits: str) -> None:
        """Keys are pressed towards whoever it is."""

    async def stay_in_room(self, element: ElementTree.Element) -> None:
        """Be in a conference until it is over for this call."""

    def hears(self, said: str) -> None:
        """Words are said, or a recording of that address is played."""

    def playing(self, *, on: bool) -> None:
        """Somebody hears a prompt, and is patient meanwhile."""

    @property
    def keys(self) -> asyncio.Queue[str] | None:
        """Where pressed keys go while a `<Gather>` listens."""

    @keys.setter
    def keys(self, queue: asyncio.Queue[str] | None) -> None: ...


class BadDocument(Exception):
    """Not TwiML, or a verb that the fake does not know: Twilio's error 12100 or 12200."""


class Follower:
    """Follows one call's documents until there is nothing more to do."""

    def __init__(self, caller: Caller, clock: Clock, prompt_s: float) -> None:
        self._caller = caller
        self._clock = clock
        self._prompt_s = prompt_s

    async def follow(self, document: str) -> None:
        """Returns when the call has to be hung up. Raises `BadDocument`."""
        base = ""
        for _ in range(MOST_DOCUMENTS):
            jump = await self._run(_parse(document))
            if jump is None:
                return
            url, fields = jump
            base = urljoin(base, url)
            fetched = await self._caller.fetch(base, fields)
            if fetched is None:
                return
            document = fetched

    async def _run(self, response: ElementTree.Element) -> tuple[str, dict[str, str]] | None:
        """Run the verbs; where to go on, or None at the end."""
        for verb in response:
            if self._caller.is_ringing and verb.tag not in LEAVES_RINGING:
                await self._caller.pick_up()
            match verb.tag:
                case "Gather":
                    jump = await self._gather(verb)
                    if jump is not None:
                        return jump
                case "Play" | "Say" | "Pause":
                    await self._play(verb)
                case "Dial":
                    await self._dial(verb)
                case "Redirect":
                    return (verb.text or "").strip(), {}
                case "Hangup":
                    return None
                case "Reject" if self._caller.is_ringing:
                    self._caller.reject()
                    return None
                case _:
                    raise BadDocument(f"<{verb.tag}> is not played here")
        return None

    async def _dial(self, verb: ElementTree.Element) -> None:
        conference = verb.find("Conference")
        if conference is None:
            raise BadDocument("<Dial> without <Conference> is not played here")
        await self._caller.stay_in_room(conference)

    async def _play(self, verb: ElementTree.Element) -> None:
        if verb.tag == "Pause":
            await self._clock.sleep(float(verb.get("length", "1")))
            return
        digits = verb.get("digits")
        if digits is not None:
            await self._clock.sleep(DIGIT_S * len(digits))
            self._caller.hears_keys(digits)
            return
        self._caller.hears((verb.text or "").strip())
        self._caller.playing(on=True)
        try:
            await self._clock.sleep(self._prompt_s)
        finally:
            self._caller.playing(on=False)

    async def _gather(self, verb: ElementTree.Element) -> tuple[str, dict[str, str]] | None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        self._caller.keys = heard
        try:
            keys = await self._keys(verb, heard)
        finally:
            self._caller.keys = None
        if not keys and verb.get("actionOnEmptyResult") != "true":
            return None
        return verb.get("action", ""), {"Digits": keys}

    async def _keys(self, verb: ElementTree.Element, heard: asyncio.Queue[str]) -> str:
        """Keys until there are enough, the finish key comes, or none comes in time."""
        prompts = asyncio.create_task(self._prompts(verb))
        first = asyncio.create_task(heard.get())
        try:
            await asyncio.wait({prompts, first}, return_when=asyncio.FIRST_COMPLETED)
            wanted = int(verb.get("numDigits", "0"))
            limit_s = float(verb.get("timeout", "5"))
            finish = verb.get("finishOnKey", "#")
            keys = ""
            while not wanted or len(keys) < wanted:
                key = await self._key(first, limit_s)
                if key is None or key == finish:
                    return keys
                keys += key
                first = asyncio.create_task(heard.get())
            return keys
        finally:
            for task in (prompts, first):
                task.cancel()

    async def _prompts(self, verb: ElementTree.Element) -> None:
        for nested in verb:
            await self._play(nested)

    async def _key(self, key: asyncio.Task[str], limit_s: float) -> str | None:
        if not key.done():
            limit = asyncio.create_task(self._clock.sleep(limit_s))
            await asyncio.wait({key, limit}, return_when=asyncio.FIRST_COMPLETED)
            limit.cancel()
        return key.result() if key.done() else None


def spoken_in(document: str) -> list[str]:
    """What an announcement says; nothing where it is none."""
    try:
        return [(verb.text or "").strip() for verb in _parse(document) if verb.tag in SPEAKS]
    except BadDocument:
        return []


def _parse(document: str) -> ElementTree.Element:
    try:
        response = ElementTree.fromstring(document)  # noqa: S314 - our own webhooks, on loopback
    except ElementTree.ParseError as error:
        raise BadDocument(str(error)) from error
    if response.tag != "Response":
        raise BadDocument("the root is not <Response>")
    return response
