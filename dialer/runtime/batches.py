"""What every pump does with a batch of claimed accounts, whatever leaves at the end.

facts -> plans -> events -> append -> what won leaves. An intent is appended only at the heads that
its facts were read at: whoever was faster wins, and the loser is decided again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec
import structlog

from compliance.types import AccountId, CampaignId, StreamKey
from dialer.core.deciding import Blocked
from dialer.core.figures import Tally
from dialer.core.outcome import Contact, Place
from dialer.core.records import AttemptPlanned
from dialer.core.snapshots import HOUSE_STREAM, AccountSnapshot, Batch, in_house
from dialer.core.writes import MoveEnrolment, OpenAttempt, Write
from dialer.runtime.recorder import placement
from dialer.stores.ledger.streams import Appended, AppendResult, NewEvent
from dialer.stores.redis.queue import Claim, Settlement

log = structlog.get_logger()

FAULT_RETRY = timedelta(hours=1)
"""An account that could not even be planned is looked at again after this."""
ROUNDS = 3
"""How often an account is decided again after somebody else was faster, before it waits."""

encoded = msgspec.json.Encoder().encode
"""A decision record, as the ledger keeps it."""


class PumpReport(msgspec.Struct):
    """What one batch came to."""

    claimed: int = 0
    placed: int = 0
    blocked: int = 0
    lost: int = 0


class PumpSettings(msgspec.Struct, frozen=True, kw_only=True):
    lease_ms: int
    batch_size: int
    permit_lifetime_s: float
    trunk: str


class Act(Protocol):
    """What the gate allowed: a call, or a message."""

    @property
    def contact(self) -> Contact: ...

    @property
    def body(self) -> AttemptPlanned: ...

    @property
    def heads(self) -> dict[StreamKey, int]: ...


class AnyPlan(Protocol):
    """What one claim came to."""

    @property
    def account_id(self) -> AccountId: ...

    @property
    def blocked(self) -> tuple[Blocked, ...]: ...

    @property
    def place(self) -> Place | None: ...


A = TypeVar("A", bound=Act)
P = TypeVar("P", bound=AnyPlan)


class Decided(NamedTuple, Generic[P]):
    """A round's plans."""

    plans: list[P]
    seen: int
    """Accounts that it took."""
    house_head: int
    """Where `HOUSE_STREAM` stood when they were read."""


class Batches(ABC, Generic[P, A]):
    """Base of pumps; each says what it plans, what it writes and how it lets go."""

    def __init__(self, campaign_id: CampaignId, tally: Tally) -> None:
        self._campaign_id = campaign_id
        self._tally = tally

    # --- what differs ------------------------------------------------------------------------

    @abstractmethod
    def _act(self, planned: P) -> A | None:
        """What is to leave; None: nothing now."""

    @abstractmethod
    def _record(self, act: A) -> bytes:
        """The decision, as the ledger keeps it."""

    @abstractmethod
    def _writes(self, act: A, at_ms: int) -> tuple[Write, ...]:
        """What is written with the intent, beside the attempt and the account's place."""

    @abstractmethod
    def _go(self, planned: P, act: A, claim: Claim, appended: Appended) -> None:
        """The intent is durable: let it leave."""

    @abstractmethod
    def _stand_still(self, account_id: AccountId, place: Place) -> P:
        """A plan in which nothing happens."""

    def _beaten(self, act: A) -> None:
        """Somebody was faster: give back what was held for it."""

    # --- deciding ----------------------------------------------------------------------------

    def _decide(
        self,
        batch: Batch,
        account_ids: Sequence[AccountId],
        plan: Callable[[AccountSnapshot], P],
        now_ms: int,
        most: int | None = None,
    ) -> Decided[P]:
        """Plans of the accounts in their order, until `most` of them let something leave."""
        plans: list[P] = []
        acts = seen = 0
        moved: set[StreamKey] = set()
        for account in batch.accounts:
            if most is not None and acts >= most:
                break
            seen += 1
            if any(not moved.isdisjoint(person.heads) for person in account.people):
                continue  # it would lose to a contact of this very batch: the next round's turn
            planned = self._plan_one(in_house(account, batch.house), plan, now_ms)
            moved.update(StreamKey(blocked.person_id) for blocked in planned.blocked)
            act = self._act(planned)
            if act is not None:
                acts += 1
                moved.add(StreamKey(act.contact.person_id))
                moved.update(act.contact.links)
            plans.append(planned)
        known = {account.account_id for account in batch.accounts}
        gone = [account_id for account_id in account_ids if account_id not in known]
        plans += [self._stand_still(a, Place("done", 0, "account_gone")) for a in gone]
        return Decided(plans, seen + len(gone), batch.house.head)

    def _plan_one(
        self, account: AccountSnapshot, plan: Callable[[AccountSnapshot], P], now_ms: int
    ) -> P:
        """A plan that fails blocks its account, and nobody else's."""
        try:
            return plan(account)
        except Exception:
            log.exception("planning_failed", account=account.account_id)
            at_ms = now_ms + round(FAULT_RETRY.total_seconds() * 1000)
            return self._stand_still(account.account_id, Place("waiting", at_ms, "planning_failed"))

    # --- writing -----------------------------------------------------------------------------

    def _events(
        self, plans: Sequence[P], house_head: int, at_ms: int
    ) -> tuple[list[NewEvent], list[int]]:
        """Events of all plans in order; `owners` tells which plan each belongs to."""
        events: list[NewEvent] = []
        owners: list[int] = []
        for index, planned in enumerate(plans):
            act = self._act(planned)
            for position, blocked in enumerate(planned.blocked):
                last = act is None and position == len(planned.blocked) - 1
                place = planned.place if last else None
                events.append(self._blocked(planned.account_id, blocked, at_ms, place))
                owners.append(index)
            if act is not None:
                events.append(self._intent(planned, act, at_ms, house_head))
                owners.append(index)
        return events, owners

    def _blocked(
        self, account_id: AccountId, blocked: Blocked, at_ms: int, place: Place | None
    ) -> NewEvent:
        """A contact that the gate forbade; with `place`, the last one of its account's plan."""
        return NewEvent(
            person_id=blocked.person_id,
            at_ms=at_ms,
            body=blocked.body,
            record=encoded(blocked.record),
            writes=() if place is None else (self._move(account_id, place),),
        )

    def _intent(self, planned: P, act: A, at_ms: int, house_head: int) -> NewEvent:
        contact = act.contact
        own = StreamKey(contact.person_id)
        expected = {key: act.heads.get(key, 0) for key in (own, *contact.links)}
        expected[HOUSE_STREAM] = house_head
        # Blocked tries on this person's other addresses are appended just before, in this batch.
        for blocked in planned.blocked:
            expected[own] += blocked.person_id == contact.person_id
        waits = Place("waiting", at_ms, "attempt_open")
        return NewEvent(
            person_id=contact.person_id,
            at_ms=at_ms,
            body=act.body,
            record=self._record(act),
            expected=expected,
            links=contact.links,
            writes=(
                OpenAttempt(),
                *self._writes(act, at_ms),
                self._move(planned.account_id, waits, attempts_added=1),
            ),
        )

    def _move(
        self, account_id: AccountId, place: Place, *, attempts_added: int = 0
    ) -> MoveEnrolment:
        return MoveEnrolment(
            campaign_id=self._campaign_id,
            account_id=account_id,
            state=place.state,
            not_before_ms=place.not_before_ms,
            reason=place.reason,
            attempts_added=attempts_added,
        )

    # --- acting ------------------------------------------------------------------------------

    def _carry_out(
        self,
        plans: Sequence[P],
        owners: Sequence[int],
        results: Sequence[AppendResult],
        left: dict[str, Claim],
        asleep: list[Settlement],
        report: PumpReport,
    ) -> int:
        """Let go what won, and add to `asleep` what is not for now; what lost stays in `left`."""
        last = dict(zip(owners, results, strict=True))
        placed = 0
        for index, planned in enumerate(plans):
            self._count_blocked(planned, report)
            act = self._act(planned)
            if act is not None:
                result = last.get(index)
                if isinstance(result, Appended):
                    self._go(planned, act, left.pop(planned.account_id), result)
                    placed += 1
                else:
                    self._beaten(act)
                continue
            claim = left.pop(planned.account_id)
            place = planned.place or Place("ready", 0, "")
            to = placement(place.state, place.not_before_ms)
            asleep.append(Settlement(claim.item, claim.lease_token, to))
        return placed

    def _count_blocked(self, planned: P, report: PumpReport) -> None:
        for blocked in planned.blocked:
            report.blocked += 1
            self._tally.blocked[blocked.body.rule_id] += 1
