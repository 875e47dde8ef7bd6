"""A rule bound to its pack: evaluated against a context at an instant, now or hypothetical.

Every rule kind is a small class with one pure method, `evaluate(ctx, at)`. It must answer for
any `at` not before the decision, because `first_allowed` asks rules about later instants; and
its `first_ok` must be the *least* instant at or after `at` at which it would pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import date, datetime
from typing import ClassVar, Final, Generic, TypeVar

import msgspec

from compliance.calendars import Calendar
from compliance.context import Context
from compliance.declared import Declared
from compliance.hours import day_start
from compliance.messages import Citation, ContactRequest, Finding
from compliance.schema import (
    ConsentMatch,
    Doc,
    Explain,
    RuleDoc,
    RuleException,
    When,
    ZonePolicy,
)
from compliance.types import (
    Basis,
    Channel,
    LineType,
    Outcome,
    PointLabel,
    ReasonGroup,
    RuleKind,
    Severity,
)

HORIZON_DAYS: Final = 400
"""How far ahead an opening is looked for."""
EARLIEST_ZONE: Final = "Etc/GMT-14"
LATEST_ZONE: Final = "Etc/GMT+12"
"""Zones where a date begins first and ends last: a rule without a legal zone binds in both."""

GROUPS: Final[Mapping[RuleKind, ReasonGroup]] = {
    RuleKind.CONTACT_WINDOW: ReasonGroup.HOURS,
    RuleKind.BLACKOUT: ReasonGroup.HOURS,
    RuleKind.CONSUMER_TIME_PREFERENCE: ReasonGroup.HOURS,
    RuleKind.PLACE_RULE: ReasonGroup.RECIPIENT,
    RuleKind.FREQUENCY_CAP: ReasonGroup.COUNTERS,
    RuleKind.COOLDOWN: ReasonGroup.COUNTERS,
    RuleKind.MIN_SPACING: ReasonGroup.COUNTERS,
    RuleKind.CHANNEL_EXCLUSIVITY: ReasonGroup.COUNTERS,
    RuleKind.CHANNEL_AUTHORISATION: ReasonGroup.CONSENT,
    RuleKind.RECIPIENT_RULE: ReasonGroup.RECIPIENT,
    RuleKind.STATUS_GATE: ReasonGroup.STATUS,
    RuleKind.SEQUENCE_GATE: ReasonGroup.COUNTERS,
    RuleKind.CONSENT_REQUIREMENT: ReasonGroup.CONSENT,
    RuleKind.OPT_OUT: ReasonGroup.CONSENT,
    RuleKind.CONTENT_RULE: ReasonGroup.CONTENT,
    RuleKind.REDIAL_GUARD: ReasonGroup.COUNTERS,
    RuleKind.NUMBER_CHECK: ReasonGroup.RECIPIENT,
    RuleKind.DISCLOSURE: ReasonGroup.CONTENT,
    RuleKind.SENDER_IDENTITY: ReasonGroup.CONTENT,
    RuleKind.LANGUAGE_ACCESS: ReasonGroup.CONTENT,
    RuleKind.RECORDING_CONSENT: ReasonGroup.CONSENT,
    RuleKind.PRERECORDED_CAP: ReasonGroup.COUNTERS,
    RuleKind.ABANDONMENT_LIMIT: ReasonGroup.PACING,
    RuleKind.RING_MIN: ReasonGroup.PACING,
    RuleKind.AGENT_CONNECT_MAX: ReasonGroup.PACING,
    RuleKind.ABANDON_MESSAGE: ReasonGroup.PACING,
    RuleKind.TRAFFIC_SHAPE: ReasonGroup.PACING,
    RuleKind.RETENTION: ReasonGroup.SYSTEM,
}
"""Reason group of each kind, where the rule does not say otherwise."""

_EVERY_ZONE: Final = ZonePolicy.ALL
_STOPPING: Final[Mapping[Severity, Outcome]] = {
    Severity.BLOCK: Outcome.DENY,
    Severity.HOLD: Outcome.HOLD,
    Severity.REVIEW: Outcome.HOLD,
    Severity.WARN: Outcome.WARN,
}


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What every rule has, whatever its kind."""

    pack: str
    id: str
    """`PACK/RULE`, unique over all packs."""
    kind: RuleKind
    group: ReasonGroup
    channels: frozenset[Channel]
    when: When
    severity: Severity
    basis: Basis
    exceptions: tuple[RuleException, ...]
    lifted_by: tuple[ConsentMatch, ...]
    begins: datetime | None
    """First instant in force."""
    lapses: datetime | None
    """First instant no longer in force."""
    citation: Citation
    explain: Explain

    @property
    def can_lift(self) -> bool:
        """Whether an exception, a consent or its end can release what the rule stops."""
        return bool(self.exceptions or self.lifted_by or self.lapses)

    def in_force(self, at: datetime) -> bool:
        """Whether the law is effective at an instant."""
        begun = self.begins is None or at >= self.begins
        return begun and (self.lapses is None or at < self.lapses)

    def binds(self, channel: Channel, when: When, line: LineType, label: PointLabel) -> bool:
        """Whether the rule is about this kind of contact; `when` holds the contact's values."""
        own = self.when
        if self.channels and channel not in self.channels:
            return False
        for wanted, given in (
            (own.modes, when.modes),
            (own.purposes, when.purposes),
            (own.content_classes, when.content_classes),
        ):
            if wanted and given[0] not in wanted:
                return False
        if own.lines and line is not LineType.UNKNOWN and line not in own.lines:
            return False
        if own.labels and label is not PointLabel.UNKNOWN and label not in own.labels:
            return False
        return own.prerecorded in (None, when.prerecorded) and own.autodialed in (
            None,
            when.autodialed,
        )


def head_of(pack: str, doc: RuleDoc, legal_zone: str | None) -> Head:
    """The head of a rule of a pack, with its effective dates turned into instants."""

    def midnight(day: date, fallback: str) -> datetime:
        return day_start(legal_zone or fallback, day)

    begins = midnight(doc.effective_from, EARLIEST_ZONE) if doc.effective_from else None
    lapses = None
    if doc.effective_to is not None:
        lapses = midnight(date.fromordinal(doc.effective_to.toordinal() + 1), LATEST_ZONE)
    return Head(
        pack=pack,
        id=f"{pack}/{doc.id}",
        kind=doc.kind,
        group=doc.group or GROUPS[doc.kind],
        channels=frozenset(doc.channels),
        when=doc.when,
        severity=doc.severity,
        basis=doc.basis,
        exceptions=doc.exceptions,
        lifted_by=doc.lifted_by,
        begins=begins,
        lapses=lapses,
        citation=doc.citation,
        explain=doc.explain,
    )


class Rule(ABC):
    """One rule of one pack, ready to evaluate."""

    signals: int = 0
    """Bits of `Signal`: where a context shows none of them the rule passes, whatever the time.
    0: the rule must always be asked."""
    lookback_days: int = 0
    """How far back the history must be complete for this rule to be able to pass."""
    counts_number: bool = False
    """Depends on contacts that other people had at the same number."""
    counts_account: bool = False
    """Depends on contacts that other parties of the account had."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.stopping = _STOPPING[head.severity]
        self.passed = Finding(
            rule_id=head.id,
            pack=head.pack,
            kind=head.kind,
            group=head.group,
            outcome=Outcome.PASS,
            severity=head.severity,
            basis=head.basis,
        )
        """The finding of a pass that has nothing to add."""

    def is_inert(self, request: ContactRequest) -> bool:
        """Whether the rule passes for every contact of this channel, mode, purpose and content."""
        return False

    def settled(self, declared: Declared) -> Finding | None:
        """What `evaluate` says of every contact that declares this, whoever the person and
        whenever; None: it must be asked."""
        return None

    @abstractmethod
    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        """What the rule says about the contact, were it made at `at`. Pure."""

    def stop(
        self,
        code: str,
        *,
        first_ok: datetime | None = None,
        releasing_event: str | None = None,
        counter: int | None = None,
        limit: int | None = None,
        window_start: datetime | None = None,
        window_end: datetime | None = None,
        zones: tuple[str, ...] = (),
        event_ids: tuple[str, ...] = (),
        detail: dict[str, str | int] | None = None,
        group: ReasonGroup | None = None,
    ) -> Finding:
        """A finding that denies, holds or warns, as the rule's severity says."""
        head = self.head
        return Finding(
            rule_id=head.id,
            pack=head.pack,
            kind=head.kind,
            group=group or head.group,
            outcome=self.stopping,
            severity=head.severity,
            basis=head.basis,
            code=code,
            counter=counter,
            limit=limit,
            window_start=window_start,
            window_end=window_end,
            zones=zones,
            event_ids=event_ids,
            first_ok=first_ok,
            releasing_event=None if first_ok else releasing_event,
            detail=detail or {},
        )


P = TypeVar("P", bound=Doc)


class PackRule(Rule, Generic[P]):
    """A rule whose parameters come from a pack."""

    params_type: ClassVar[type[Doc]]

    def __init__(self, head: Head, params: P, calendars: Mapping[str, Calendar]) -> None:
        super().__init__(head)
        self.params = params
        self.calendars = calendars
        self.prepare()

    def prepare(self) -> None:
        """Work that needs doing once a rule. Raises `ParamError` for contradictions."""


class ParamError(Exception):
    """Parameters that are well formed and make no sense together."""

    def __init__(self, key: str, value: object, reason: str, mend: str) -> None:
        super().__init__(f"{key} = {value!r}: {reason}; {mend}")
        self.key = key
        self.value = value
        self.reason = reason
        self.mend = mend


class Zones:
    """Chooses the zones of a rule for a context."""

    __slots__ = ("fixed", "policy")

    def __init__(self, policy: ZonePolicy, fixed_zone: str | None) -> None:
        if (policy is ZonePolicy.FIXED) != (fixed_zone is not None):
            raise ParamError(
                "fixed_zone",
                fixed_zone,
                "goes with zones = 'fixed', and only with it",
                "give both or neither",
            )
        if fixed_zone is not None:
            try:
                day_start(fixed_zone, date(2026, 1, 1))
            except KeyError:
                raise ParamError(
                    "fixed_zone", fixed_zone, "is no IANA zone", "write e.g. 'America/New_York'"
                ) from None
        self.policy = policy
        self.fixed = None if fixed_zone is None else (fixed_zone,)

    def of(self, ctx: Context) -> tuple[str, ...]:
        if self.policy is _EVERY_ZONE:
            return ctx.zones
        return self.fixed or ctx.zones_for(self.policy)
