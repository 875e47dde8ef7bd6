"""The single-use permission without which no adapter will reach a person."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from compliance.messages import DecisionRecord
from compliance.types import (
    CampaignId,
    Channel,
    ContactPointId,
    ContentClass,
    DebtId,
    DecisionId,
    Mode,
    PersonId,
)

_MINT: Final = object()
"""Only `compliance.gate` may use this; an architecture test proves that nobody else does."""


class PermitProblem(StrEnum):
    SPENT = "spent"
    EXPIRED = "expired"
    WRONG_ADDRESS = "wrong_address"
    WRONG_CHANNEL = "wrong_channel"
    FORGED = "forged"


class PermitRefused(Exception):
    """A permit was used twice, too late, or for something it does not permit."""

    def __init__(self, problem: PermitProblem, decision_id: str) -> None:
        super().__init__(f"permit of decision {decision_id} refused: {problem}")
        self.problem = problem
        self.decision_id = decision_id


class ContactPermit:
    """Permission for one contact, minted by the gate and spent by one adapter call.

    It lives for seconds: what the gate saw must still be true when the call leaves. It is an
    object, not a message: it cannot be stored, copied from JSON or sent to another process.
    """

    __slots__ = (
        "_spent",
        "address",
        "campaign_id",
        "channel",
        "contact_point_id",
        "content_class",
        "debt_ids",
        "decision_id",
        "expires_at",
        "mode",
        "person_id",
    )

    def __init__(
        self,
        mint: object,
        *,
        decision_id: DecisionId,
        person_id: PersonId,
        contact_point_id: ContactPointId,
        address: str,
        channel: Channel,
        mode: Mode,
        content_class: ContentClass,
        debt_ids: tuple[DebtId, ...],
        campaign_id: CampaignId | None,
        expires_at: datetime,
    ) -> None:
        if mint is not _MINT:
            raise PermitRefused(PermitProblem.FORGED, decision_id)
        self.decision_id = decision_id
        self.person_id = person_id
        self.contact_point_id = contact_point_id
        self.address = address
        self.channel = channel
        self.mode = mode
        self.content_class = content_class
        self.debt_ids = debt_ids
        self.campaign_id = campaign_id
        self.expires_at = expires_at
        self._spent = False

    def spend(self, *, address: str, channel: Channel, now: datetime) -> None:
        """Use the permit up for a contact to `address` at `now`.

        Raises `PermitRefused` when it was spent before, has expired, or names another address
        or channel. Adapters call this before the first byte leaves.
        """
        if self._spent:
            raise PermitRefused(PermitProblem.SPENT, self.decision_id)
        if now >= self.expires_at:
            raise PermitRefused(PermitProblem.EXPIRED, self.decision_id)
        if address != self.address:
            raise PermitRefused(PermitProblem.WRONG_ADDRESS, self.decision_id)
        if channel is not self.channel:
            raise PermitRefused(PermitProblem.WRONG_CHANNEL, self.decision_id)
        self._spent = True

    @property
    def spent(self) -> bool:
        return self._spent

    def __repr__(self) -> str:
        return f"<ContactPermit {self.decision_id} {self.channel} until {self.expires_at:%H:%M:%S}>"

    def __reduce__(self) -> str:
        raise PermitRefused(PermitProblem.FORGED, self.decision_id)

    def __copy__(self) -> ContactPermit:
        raise PermitRefused(PermitProblem.FORGED, self.decision_id)

    def __deepcopy__(self, memo: object) -> ContactPermit:
        raise PermitRefused(PermitProblem.FORGED, self.decision_id)


class Allowed:
    """The gate allows the contact. `permit` is good once, for seconds."""

    __slots__ = ("permit", "record")

    def __init__(self, record: DecisionRecord, permit: ContactPermit) -> None:
        self.record = record
        self.permit = permit


class Blocked:
    """The gate forbids the contact now; the record says why and until when."""

    __slots__ = ("record",)

    def __init__(self, record: DecisionRecord) -> None:
        self.record = record

    @property
    def first_allowed(self) -> datetime | None:
        return self.record.first_allowed

    @property
    def releasing_event(self) -> str | None:
        return self.record.releasing_event


Verdict = Allowed | Blocked
