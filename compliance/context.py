"""What one decision is about, prepared once for all of its rules.

A `Context` looks up the contact point, the named debts and the candidate zones, and sorts the
history. It holds no verdict and changes nothing; rules ask it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import IntFlag
from functools import lru_cache
from operator import attrgetter
from typing import Final

from compliance.declared import Declared
from compliance.messages import (
    ContactPointFacts,
    ContactRequest,
    DebtFacts,
    Facts,
    HistoryEvent,
    Place,
)
from compliance.schema import ZonePolicy
from compliance.types import (
    Channel,
    ContactPointKind,
    DebtId,
    DebtStatus,
    EventKind,
    PartyRole,
)
from compliance.zones import (
    NumberZones,
    calling_countries,
    country_zones,
    zone,
    zones_for_number,
    zones_for_place,
)

WORLD: Final = ("Etc/GMT+12", "Etc/GMT-14")
"""Stand-ins for an unknown zone in counting rules: the last and the first date on earth."""
KINDS_OF_CHANNEL: Final = {
    Channel.VOICE: ContactPointKind.PHONE,
    Channel.RINGLESS_VOICEMAIL: ContactPointKind.PHONE,
    Channel.SMS: ContactPointKind.PHONE,
    Channel.WHATSAPP: ContactPointKind.WHATSAPP,
    Channel.EMAIL: ContactPointKind.EMAIL,
    Channel.LETTER: ContactPointKind.POSTAL,
    Channel.VISIT: ContactPointKind.POSTAL,
}
"""The kind of contact point that a channel reaches."""
_PHONE_KINDS: Final = frozenset({ContactPointKind.PHONE, ContactPointKind.WHATSAPP})
_NOT_THEIRS: Final = frozenset({PartyRole.REFERENCE, PartyRole.THIRD_PARTY, PartyRole.EMPLOYER})
_NO_NUMBER: Final = NumberZones((), None, zones_for_number("").line)
_AT: Final = attrgetter("at")


@lru_cache(maxsize=100_000)
def _union(parts: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    names = {name for part in parts for name in part}
    for name in names:
        zone(name)  # an unknown name must fail here, and close the gate
    return tuple(sorted(names))


@lru_cache(maxsize=10_000)
def _country_of(region: str) -> frozenset[str]:
    return frozenset((region[:2],))


class Signal(IntFlag):
    """What is out of the ordinary about a contact.

    A rule names the signals without which it always passes, and is then not even asked. That is
    what makes the gate fast: most contacts show none.
    """

    STATUS = 1
    """The person has a status."""
    DEBT_STATE = 2
    """A named debt is anything but overdue."""
    ROLE = 4
    """The point or a named debt is not the holder's."""
    OPT_OUT = 8
    """There is an opt-out of the point, or a suppression."""
    PREFERENCE = 16
    """The person has preferences, or a workplace is forbidden."""
    POINT = 32
    """The point is unknown, dead, without address, or not of the channel's kind."""
    DEBTS = 64
    """No debt is named, or one that is not known."""
    ZONE = 128
    """No candidate zone is known."""
    HISTORY = 256
    """The history is not complete."""
    SUBJECT = 512
    """The facts are somebody else's."""
    SHARED = 1024
    """Other people have the point too, or it is somebody's reference."""
    CHECKED = 2048
    """A number of the person has been looked up."""
    NOTICED = 4096
    """A named debt had its validation notice."""


_EVENT_BITS: Final = {kind.value: 1 << (16 + place) for place, kind in enumerate(EventKind)}
"""One more signal for each kind of event: there is one in the history. By plain strings: to look
an enum member up costs a call."""


def event_signals(kinds: Iterable[EventKind]) -> int:
    """The signals without which a rule that looks at nothing but such events always passes."""
    bits = 0
    for kind in kinds:
        bits |= _EVENT_BITS[kind.value]
    return bits


# The same bits as plain integers: combining enum members costs microseconds.
_STATUS, _DEBT_STATE, _ROLE = 1, 2, 4
_OPT_OUT, _PREFERENCE, _POINT, _DEBTS = 8, 16, 32, 64
_ZONE, _HISTORY, _SUBJECT, _SHARED = 128, 256, 512, 1024
_CHECKED, _NOTICED = 2048, 4096


class Context:
    """One request with its facts, looked up and ordered."""

    __slots__ = (
        "canonical",
        "debts",
        "declared",
        "events",
        "facts",
        "history",
        "now",
        "number",
        "number_countries",
        "number_zones",
        "person",
        "place",
        "point",
        "region",
        "request",
        "residence_zones",
        "signals",
        "subject",
        "suppressions",
        "zones",
        "zones_known",
    )

    def __init__(self, request: ContactRequest, facts: Facts, now: datetime) -> None:
        subject = facts.subject
        self.request = request
        self.facts = facts
        self.subject = subject
        self.person = subject.person
        self.now = now
        """Instant of the decision; rules may be asked about later ones."""
        self.suppressions = (*subject.suppressions, *facts.wide)
        self.place: Place | None = subject.person.residence
        self.point = _find_point(subject.contact_points, request.contact_point_id)
        self.declared = Declared.of(request, facts.collector)
        self.debts = _named(subject.debts, request.debt_ids)
        self.canonical = _canonical(subject.debts)
        self.history: list[HistoryEvent] = sorted(facts.history, key=_AT)
        person_id = subject.person.person_id
        self.events = [e for e in self.history if e.person_id is None or e.person_id == person_id]
        """The person's own events, oldest first."""
        self._locate()
        self.signals = self._signals()
        """Bits of `Signal`."""

    def _signals(self) -> int:
        subject, request = self.subject, self.request
        signals = 0
        if subject.person.statuses:
            signals |= _STATUS
        if self.suppressions:
            signals |= _OPT_OUT
        if subject.preferences:
            signals |= _PREFERENCE
        if subject.number_checks:
            signals |= _CHECKED
        ids = request.debt_ids
        if not ids or len(self.debts) != (1 if len(ids) == 1 else len(set(ids))):
            signals |= _DEBTS
        for debt in self.debts:
            if debt.status is not DebtStatus.OVERDUE:
                signals |= _DEBT_STATE
            if debt.role is not PartyRole.HOLDER:
                signals |= _ROLE
            if debt.validation_sent_at is not None:
                signals |= _NOTICED
        if not self.zones_known:
            signals |= _ZONE
        if self.facts.complete_from is not None:
            signals |= _HISTORY
        if request.person_id != subject.person.person_id:
            signals |= _SUBJECT
        for event in self.history:
            signals |= _EVENT_BITS[event.kind._value_]
        return signals | _point_signals(self.point, request.channel)

    def _locate(self) -> None:
        point, person = self.point, self.person
        self.number = _NO_NUMBER
        self.number_countries: frozenset[str] | None = None
        """Countries that the called number may belong to; None: no number is called."""
        self.region: str | None = None
        if point is not None and point.kind in _PHONE_KINDS:
            self.number = zones_for_number(point.address)
            self.region = point.region or self.number.region
            self.number_countries = (
                _country_of(self.region) if self.region else calling_countries(point.address)
            )
        if self.place is not None:
            self.residence_zones = person.zones or zones_for_place(self.place)
        else:
            self.residence_zones = person.zones
        self.number_zones = (point.zones if point is not None else ()) or self.number.zones
        if person.declared_zone is not None:
            self.zones = _union(((person.declared_zone,),))
            self.residence_zones = self.number_zones = self.zones
        else:
            self.zones = _union((self.residence_zones, *self._all_number_zones()))
        self.zones_known = bool(self.zones)
        if not self.zones:
            # Only the country of the number is left: every zone of it is a candidate.
            countries = sorted(self.number_countries or ())
            if len(countries) == 1:
                self.zones = country_zones(countries[0])
                self.zones_known = bool(self.zones)
            if not self.zones:
                self.zones = WORLD

    def _all_number_zones(self) -> list[tuple[str, ...]]:
        """Zones of every live number that is the person's own (cmt. 6(b)(1)(i)-2)."""
        found: list[tuple[str, ...]] = []
        for point in self.subject.contact_points:
            if point.kind not in _PHONE_KINDS:
                continue
            if point is self.point:
                found.append(self.number_zones)
            elif not (point.validity.is_dead or point.role in _NOT_THEIRS):
                found.append(point.zones or zones_for_number(point.address).zones)
        return found

    def zones_for(self, policy: ZonePolicy) -> tuple[str, ...]:
        """Candidate zones under a zone policy; never empty."""
        if policy is ZonePolicy.ALL:
            return self.zones
        residence, number = self.residence_zones, self.number_zones
        if policy is ZonePolicy.RESIDENCE:
            return residence or self.zones
        if not number:
            return residence or self.zones
        if residence and not set(residence) & set(number):
            return _union((residence, number))
        return number

    def account_debts(self, debt_id: DebtId) -> DebtId:
        """The id under which a debt is counted: one for debts of one account number."""
        return self.canonical.get(debt_id, debt_id)


def _point_signals(point: ContactPointFacts | None, channel: Channel) -> int:
    if point is None:
        return _POINT | _ROLE | _OPT_OUT | _PREFERENCE
    signals = 0
    if point.role is not PartyRole.HOLDER:
        signals |= _ROLE
    if point.opted_out_at is not None:
        signals |= _OPT_OUT
    if point.work_forbidden:
        signals |= _PREFERENCE
    if point.shared_with or point.also_reference:
        signals |= _SHARED
    if point.validity.is_dead or not point.address or point.kind is not KINDS_OF_CHANNEL[channel]:
        signals |= _POINT
    return signals


def _find_point(points: tuple[ContactPointFacts, ...], wanted: str) -> ContactPointFacts | None:
    for point in points:
        if point.contact_point_id == wanted:
            return point
    return None


def _named(debts: tuple[DebtFacts, ...], ids: tuple[DebtId, ...]) -> tuple[DebtFacts, ...]:
    if len(debts) == 1 and ids == (debts[0].debt_id,):
        return debts
    return tuple(debt for debt in debts if debt.debt_id in ids)


def _canonical(debts: tuple[DebtFacts, ...]) -> dict[DebtId, DebtId]:
    """Debts under one account number count as one (12 CFR 1006 cmt. 14(b)(4)-2)."""
    first: dict[str, DebtId] = {}
    same: dict[DebtId, DebtId] = {}
    for debt in debts:
        if debt.account_number_key is not None:
            same[debt.debt_id] = first.setdefault(debt.account_number_key, debt.debt_id)
    return same
