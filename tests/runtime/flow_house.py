"""A person on the line with a flow: hears what is said, presses keys, and is looked up after."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from campaigns.campaign import CampaignSettings, SpokenSettings
from compliance.types import Mode
from dialer.core.call import Call
from dialer.core.identity import by_keys
from dialer.core.outcome import Contact
from dialer.core.records import AnyBody, AttemptEnded, Body
from dialer.simulation.flows import approve_shipped
from dialer.stores.ledger.screens import read_person_on_screen
from telephony_adapters.messages import CallId
from tests.support.house import House

B = TypeVar("B", bound=Body)

SPOKEN = SpokenSettings(
    return_number="+56225550100",
    agent_name="Ana Ruiz",
    hours_es="de 9 a 18 horas",
    hours_en="9 am to 6 pm",
)


def ivr(
    flow: str = "promise-dtmf", *, spoken: SpokenSettings = SPOKEN, **more: object
) -> CampaignSettings:
    """An IVR campaign of one line."""
    tree = {"mode": Mode.IVR, "flow": flow, "lines": 1, "spoken": spoken, **more}
    return CampaignSettings(**tree)  # type: ignore[arg-type]  # test shorthand


QUESTIONS = {
    "es": ("cuatro números de su documento", "contrato o cuenta"),
    "en": ("last four digits of your identity", "contract or account"),
}


class Person:
    """Whoever answered one call."""

    def __init__(self, house: House, call_id: CallId) -> None:
        self.house = house
        self.call_id = call_id
        self._heard_to = 0
        live = house.engine.outcomes.contacts.get(call_id)
        self._contact = live.contact if live is not None else None

    @property
    def contact(self) -> Contact:
        assert self._contact is not None, "nobody knows whose call it is"
        return self._contact

    def heard(self) -> list[str]:
        return [p.text for call_id, p in self.house.carrier.said if call_id == self.call_id]

    async def hears(self, words: str) -> None:
        """Wait until that is said, after what was waited for before."""
        await self.house.until(
            f"{words!r} is said; heard: {self.heard()}",
            lambda: any(words in text for text in self.heard()[self._heard_to :]),
        )
        texts = self.heard()
        self._heard_to = 1 + next(
            i for i, text in enumerate(texts) if i >= self._heard_to and words in text
        )

    def presses(self, keys: str) -> None:
        self.house.carrier.press_keys(self.call_id, keys)

    async def verifies(self, *, truthfully: bool = True, language: str = "es") -> None:
        """Document and contract: the sample has no dates of birth."""
        person = await read_person_on_screen(
            self.house.marcador.ledger,
            self.contact.person_id,
            self.contact.account_id,
            self.contact.point.contact_point_id,
        )
        known = by_keys(person.identity)
        last4 = (known.document_number or "")[-4:]
        document, contract = QUESTIONS[language]
        await self.hears(document)
        self.presses(last4 if truthfully else f"{(int(last4) + 1) % 10_000:04d}")
        await self.hears(contract)
        self.presses(f"{known.contract}#")

    async def bodies(self) -> list[AnyBody]:
        """What the ledger has of the person, oldest first."""
        events = await self.house.engine.reader.read_person(self.contact.person_id)
        return [msgspec.json.decode(event.body, type=AnyBody) for event in events]

    async def of(self, kind: type[B]) -> list[B]:
        return [body for body in await self.bodies() if isinstance(body, kind)]

    async def end(self) -> AttemptEnded:
        """Wait for the end of the call; what is on record of it."""
        contacts = self.house.engine.outcomes.contacts
        await self.house.until("the call is over", lambda: self.call_id not in contacts)
        await self.house.engine.recorder.flush()
        ends = [b for b in await self.of(AttemptEnded) if str(b.attempt_id) == self.call_id]
        assert len(ends) == 1
        return ends[0]


async def call_somebody(house: House, settings: CampaignSettings) -> Person:
    """Run a campaign; gives a person who has just answered."""
    if settings.flow is not None:
        await approve_shipped(house.marcador.ledger, settings.flow, 0)
    await house.campaign(settings=settings)
    found: list[Call] = []

    def somebody_answered() -> bool:
        found[:] = [call for call in house.engine.calls.live() if call.answered_at]
        return bool(found)

    await house.until("a call is answered", somebody_answered)
    return Person(house, found[0].call_id)
