"""What the law lets be dialed on one day: the real plan and the real gate, asked about an account.

Hours: the plan is asked from the opening to the closing of the floor, and where it refuses, again
at the instant it names. Dials: the account is dialed at the first lawful instant, nobody answers,
and the gate is asked again, until it allows no more that day. Nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Final

import msgspec
import phonenumbers

from campaigns.campaign import CampaignSettings
from compliance.messages import (
    Collector,
    ConsentFact,
    ContactPointFacts,
    DebtFacts,
    Message,
    PersonFacts,
    Place,
    Subject,
)
from compliance.packs import PackSet
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    CollectorRole,
    ConsentScope,
    ContactPointId,
    ContactPointKind,
    CreditorId,
    DebtId,
    EventKind,
    LineType,
    PartyRole,
    PersonId,
    PointLabel,
    StreamKey,
    Validity,
)
from dialer.core.deciding import CampaignContext
from dialer.core.planning import Plan, plan
from dialer.core.records import AttemptEnded, StreamRow, from_ms, to_ms
from dialer.core.snapshots import AccountSnapshot, EnrolmentState, PersonSnapshot
from dialer.simulation.twin.definition import WhereSpec

STEP_S: Final = 900.0
"""Lawful stretches are followed in such steps; where one ends is then found to the minute."""
MOST_DIALS: Final = 24
"""Dials of one account in one day beyond which nobody asks the law any more."""
RING_S: Final = 30.0
PERMIT_S: Final = 10.0


class LegalDay(Message, frozen=True, kw_only=True):
    """What the law allows with one account on one day. Seconds from the floor's opening."""

    hours: tuple[tuple[float, float], ...] = ()
    """Stretches in which it may be dialed, the first time; the ends are excluded."""
    dials_s: tuple[float, ...] = ()
    """The earliest instants of dials that nobody answers, one after the other."""
    refused_by: str = ""
    """The rule that forbids the day, where it is forbidden."""

    def narrowed(self, start_s: float, end_s: float, most: int | None) -> LegalDay:
        """The same with fewer hours and dials."""
        hours = tuple(
            (max(start_s, from_s), min(end_s, to_s))
            for from_s, to_s in self.hours
            if max(start_s, from_s) < min(end_s, to_s)
        )
        late_s = max(0.0, start_s - self.dials_s[0]) if self.dials_s else 0.0
        dials = tuple(s + late_s for s in self.dials_s if s + late_s < end_s) if hours else ()
        return LegalDay(hours=hours, dials_s=dials[:most], refused_by=self.refused_by)

    def gap_s(self, dials: int) -> float | None:
        """Least time from dial number `dials` to the next; None: no more that day."""
        if dials >= len(self.dials_s):
            return None
        return self.dials_s[dials] - self.dials_s[dials - 1] if dials else 0.0

    def open_at(self, now_s: float) -> float | None:
        """The first lawful instant at or after `now_s`; None: none any more."""
        for from_s, to_s in self.hours:
            if now_s < to_s:
                return max(now_s, from_s)
        return None


class Prober:
    """Asks the plan about accounts on one day, for one campaign."""

    def __init__(
        self, context: CampaignContext, packs: PackSet, opens_at: datetime, duration_s: float
    ) -> None:
        self._context = context
        self._packs = packs
        self._opens_at = opens_at
        self._end_s = duration_s
        self._ids = (f"twin-{number}" for number in count())

    def day_of(self, account: AccountSnapshot) -> LegalDay:
        """The lawful day of one account, with the history that it has."""
        account = msgspec.structs.replace(
            account, enrolment=EnrolmentState("ready", 0, 0, 0, None), callbacks=[]
        )
        hours, refused_by = self._hours(account)
        dials = tuple(self._dials(account, hours[0][0])) if hours else ()
        return LegalDay(hours=hours, dials_s=dials, refused_by="" if hours else refused_by)

    def _ask(self, account: AccountSnapshot, at_s: float) -> Plan:
        return plan(
            account,
            self._context,
            self._packs,
            self._opens_at + timedelta(seconds=at_s),
            self._ids.__next__,
            lambda _: True,
            PERMIT_S,
        )

    def _hours(self, account: AccountSnapshot) -> tuple[tuple[tuple[float, float], ...], str]:
        found: list[tuple[float, float]] = []
        since_s: float | None = None
        refused_by = ""
        at_s = 0.0
        while at_s < self._end_s:
            asked = self._ask(account, at_s)
            if asked.dial is not None:
                since_s = at_s if since_s is None else since_s
                at_s += STEP_S
                continue
            refused_by = refused_by or _refusal(asked)
            if since_s is not None:
                found.append((since_s, self._closing(account, at_s - STEP_S, at_s)))
                since_s = None
            at_s = max(at_s + 1.0, self._not_before_s(asked))
        if since_s is not None:
            found.append((since_s, self._end_s))
        return tuple(found), refused_by

    def _closing(self, account: AccountSnapshot, open_s: float, closed_s: float) -> float:
        """The end of a lawful stretch, to the minute."""
        while closed_s - open_s > 60.0:
            middle_s = (open_s + closed_s) / 2.0
            if self._ask(account, middle_s).dial is not None:
                open_s = middle_s
            else:
                closed_s = middle_s
        return closed_s

    def _dials(self, account: AccountSnapshot, first_s: float) -> Iterator[float]:
        at_s = first_s
        for _ in range(MOST_DIALS):
            asked = self._ask(account, at_s)
            if asked.dial is None:
                not_before_s = self._not_before_s(asked)
                if not_before_s >= self._end_s or not_before_s <= at_s:
                    return
                at_s = not_before_s
                continue
            yield at_s
            account = _dialed(account, asked, self._opens_at + timedelta(seconds=at_s))
            at_s += RING_S + 1.0
            if at_s >= self._end_s:
                return

    def _not_before_s(self, asked: Plan) -> float:
        if asked.place is None or asked.place.state == "done":
            return self._end_s
        after = from_ms(asked.place.not_before_ms) - self._opens_at
        return after.total_seconds()


def _refusal(asked: Plan) -> str:
    """What stopped a plan: a rule of the gate, or why there was nothing to ask it."""
    if asked.blocked:
        return asked.blocked[0].body.rule_id
    return asked.place.reason if asked.place is not None else ""


def _dialed(account: AccountSnapshot, asked: Plan, at: datetime) -> AccountSnapshot:
    """The account after a dial that rang and nobody answered."""
    dial = asked.dial
    if dial is None:
        raise ValueError("the plan holds no dial")
    contact = dial.contact
    ended = AttemptEnded(
        attempt_id=contact.attempt_id,
        outcome=EventKind.RANG_NO_ANSWER,
        code="NC-NA",
        ring_ms=round(RING_S * 1000),
    )
    rang_ms, over_ms = to_ms(at), to_ms(at) + round(RING_S * 1000)

    def after(person: PersonSnapshot) -> PersonSnapshot:
        if person.person_id != contact.person_id:
            return person
        seq = person.head_seq
        rows = [
            *person.rows,
            StreamRow(contact.person_id, seq + 1, rang_ms, dial.body),
            StreamRow(contact.person_id, seq + 2, over_ms, ended),
        ]
        heads = {**person.heads, StreamKey(contact.person_id): seq + 2}
        return msgspec.structs.replace(person, rows=rows, heads=heads)

    return msgspec.structs.replace(account, people=list(map(after, account.people)))


def context_of(
    settings: CampaignSettings, where: WhereSpec, lookback: timedelta
) -> CampaignContext:
    """The campaign as the gate is asked about it."""
    return CampaignContext(
        campaign_id=CampaignId("twin"),
        name="twin",
        settings=settings,
        collector=Collector(
            collector_id="house",
            role=CollectorRole(where.collector_role),
            name_neutral="Twin",
            place=Place(country=where.country),
        ),
        lookback=lookback,
    )


def plain_account(where: WhereSpec, bucket: str, at: datetime) -> AccountSnapshot:
    """An adult with one mobile number and one overdue debt, without flags or history."""
    person_id, account_id = PersonId("twin-person"), AccountId("twin-account")
    number = phonenumbers.example_number_for_type(
        where.country, phonenumbers.PhoneNumberType.MOBILE
    )
    if number is None:
        raise LookupError(f"no mobile numbers are known of country {where.country!r}")
    address = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    subject = Subject(
        person=PersonFacts(
            person_id=person_id,
            residence=Place(country=where.country, subdivision=where.subdivision),
        ),
        contact_points=(
            ContactPointFacts(
                contact_point_id=ContactPointId("twin-phone"),
                kind=ContactPointKind.PHONE,
                address=address,
                line=LineType.MOBILE,
                label=PointLabel.MOBILE,
                validity=Validity.VERIFIED_RIGHT_PARTY,
            ),
        ),
        debts=(
            DebtFacts(
                debt_id=DebtId("twin-debt"),
                account_id=account_id,
                debt_class=where.debt_class,
                creditor_id=CreditorId("twin-creditor"),
                balance_as_of=at,
            ),
        ),
        consents=_authorised(at) if where.channel_authorised else (),
    )
    person = PersonSnapshot(person_id, PartyRole.HOLDER, subject, {StreamKey(person_id): 0}, [], [])
    return AccountSnapshot(account_id, "active", bucket, None, [person], [])


def _authorised(at: datetime) -> tuple[ConsentFact, ...]:
    return (
        ConsentFact(
            consent_id="twin-consent",
            scope=ConsentScope.CHANNEL,
            given_at=at - timedelta(days=30),
            given_to="collector",
            channel=Channel.VOICE,
        ),
    )


LegalDays = dict[str, tuple[LegalDay, ...]]
"""Lawful days by segment; the accounts of a segment share them out in turn."""


def same_for(names: Iterable[str], day_of: Callable[[str], LegalDay]) -> LegalDays:
    """One lawful day for all accounts of each segment."""
    return {name: (day_of(name),) for name in names}
