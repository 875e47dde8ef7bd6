"""Checks of the gate itself, in force everywhere and always: the built-in part of `marcador`.

They ask whether the request makes sense against the facts: the point exists, is of the
channel's kind and alive, the debts exist and may be collected, the zone is known, the history
reaches back far enough. What is policy rather than structure is in `packs/marcador.toml`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from compliance.context import KINDS_OF_CHANNEL, Context, Signal
from compliance.messages import Citation, Finding
from compliance.remembered import Remembered
from compliance.rules.base import Head, Rule
from compliance.schema import Explain, When
from compliance.types import (
    Basis,
    PartyRole,
    Purpose,
    ReasonGroup,
    RuleKind,
    Severity,
)

PACK: Final = "marcador"
_MOST_WARNINGS: Final = 1_000
_CITATION: Final = Citation(instrument="Marcador", locator="structural checks of the gate")


def _head(
    name: str,
    kind: RuleKind,
    group: ReasonGroup,
    es: str,
    en: str,
    severity: Severity = Severity.BLOCK,
) -> Head:
    return Head(
        pack=PACK,
        id=f"{PACK}/{name}",
        kind=kind,
        group=group,
        channels=frozenset(),
        when=When(),
        severity=severity,
        basis=Basis.POLICY,
        exceptions=(),
        lifted_by=(),
        begins=None,
        lapses=None,
        citation=_CITATION,
        explain=Explain(es=es, en=en),
    )


class SubjectMatches(Rule):
    """The facts are those of the person asked about."""

    signals = Signal.SUBJECT.value

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        if ctx.request.person_id == ctx.person.person_id:
            return self.passed
        return self.stop("wrong_subject", releasing_event="facts_corrected")


class PointUsable(Rule):
    """The point exists, belongs to the subject, and is of the kind that the channel reaches."""

    signals = Signal.POINT.value

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        point = ctx.point
        if point is None:
            return self.stop("point_unknown", releasing_event="point_added")
        if point.kind is not KINDS_OF_CHANNEL[ctx.request.channel]:
            return self.stop(
                "point_of_other_kind",
                releasing_event="other_point",
                detail={"kind": point.kind, "channel": ctx.request.channel},
            )
        if not point.address:
            return self.stop("point_without_address", releasing_event="point_corrected")
        return self.passed


class PointAlive(Rule):
    """A wrong, disconnected or reassigned point is never used again without new evidence."""

    signals = Signal.POINT.value

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        if ctx.point is None or not ctx.point.validity.is_dead:
            return self.passed
        return self.stop(
            "point_dead",
            releasing_event="point_verified",
            detail={"validity": ctx.point.validity},
        )


class PointShared(Rule):
    """A number that other people have: allowed, with a warning."""

    signals = Signal.SHARED.value

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        self._warnings = Remembered[tuple[str, int], Finding](_MOST_WARNINGS)

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        point = ctx.point
        if point is None or not (point.shared_with or point.also_reference):
            return self.passed
        code = "also_reference" if point.also_reference else "shared_number"
        key = (code, len(point.shared_with))
        found = self._warnings.get(key)
        if found is None:
            found = self._warnings.keep(key, self.stop(code, counter=key[1]))
        return found


class ReferenceNever(Rule):
    """A reference, and whoever else owes nothing, is never contacted about a debt."""

    signals = Signal.ROLE.value
    forbidden = frozenset({PartyRole.REFERENCE, PartyRole.THIRD_PARTY})

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        if ctx.request.purpose is Purpose.LOCATION_INFORMATION:
            return self.passed
        roles = [ctx.point.role] if ctx.point is not None else []
        for role in roles + [debt.role for debt in ctx.debts]:
            if role in self.forbidden:
                return self.stop(
                    "role_forbidden", releasing_event="role_changed", detail={"role": role}
                )
        return self.passed


class DebtsNamed(Rule):
    """A collection contact names debts, and only debts of this person."""

    signals = Signal.DEBTS.value

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        wanted = ctx.request.debt_ids
        if len(ctx.debts) != len(set(wanted)):
            known = {debt.debt_id for debt in ctx.debts}
            missing = next(d for d in wanted if d not in known)
            return self.stop("debt_unknown", releasing_event="debt_added", detail={"debt": missing})
        if not wanted and ctx.request.purpose is Purpose.COLLECTION:
            return self.stop("no_debt_named", releasing_event="debt_named")
        return self.passed


class ZoneKnown(Rule):
    """Somewhere to look at the clock: without any candidate zone nothing is placed."""

    signals = Signal.ZONE.value

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        if ctx.zones_known:
            return self.passed
        return self.stop("zone_unknown", releasing_event="residence_known")


class HistoryComplete(Rule):
    """The history reaches back as far as the longest window in force."""

    signals = Signal.HISTORY.value

    def __init__(self, head: Head, lookback_days: int) -> None:
        super().__init__(head)
        # Two days more than the window: local dates begin up to a day away from UTC's.
        self.lookback = timedelta(days=lookback_days + 2) if lookback_days else timedelta()

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        complete_from = ctx.facts.complete_from
        if complete_from is None or not self.lookback or complete_from + self.lookback <= at:
            return self.passed
        return self.stop(
            "history_incomplete",
            first_ok=complete_from + self.lookback,
            window_start=complete_from,
            limit=self.lookback.days,
        )


_STATIC: Final[tuple[Rule, ...]] = (
    SubjectMatches(
        _head(
            "subject",
            RuleKind.RECIPIENT_RULE,
            ReasonGroup.SYSTEM,
            "los datos leídos no son de la persona pedida",
            "the facts read are not those of the person asked about",
        )
    ),
    PointAlive(
        _head(
            "point_alive",
            RuleKind.STATUS_GATE,
            ReasonGroup.STATUS,
            "el punto de contacto está dado de baja ({validity})",
            "the contact point is dead ({validity})",
        )
    ),
    ReferenceNever(
        _head(
            "no_reference",
            RuleKind.RECIPIENT_RULE,
            ReasonGroup.RECIPIENT,
            "no se contacta a referencias ni a terceros ({role})",
            "references and third parties are never contacted ({role})",
        )
    ),
    PointUsable(
        _head(
            "point_usable",
            RuleKind.RECIPIENT_RULE,
            ReasonGroup.RECIPIENT,
            "el punto de contacto debe ser de la persona y servir para el canal",
            "the contact point must be the person's and serve the channel",
        )
    ),
    PointShared(
        _head(
            "point_shared",
            RuleKind.RECIPIENT_RULE,
            ReasonGroup.RECIPIENT,
            "otras personas usan este número: contenido neutro hasta verificar identidad",
            "other people use this number: neutral content until identity is verified",
            Severity.WARN,
        )
    ),
    DebtsNamed(
        _head(
            "debts_named",
            RuleKind.STATUS_GATE,
            ReasonGroup.STATUS,
            "el contacto debe nombrar deudas de la persona",
            "the contact must name debts of the person",
        )
    ),
    ZoneKnown(
        _head(
            "zone_known",
            RuleKind.CONTACT_WINDOW,
            ReasonGroup.SYSTEM,
            "no se conoce la hora local: falta residencia o un número que la indique",
            "the local time is not known: a residence, or a number that tells, is missing",
        )
    ),
)
_HISTORY_HEAD: Final = _head(
    "history_complete",
    RuleKind.FREQUENCY_CAP,
    ReasonGroup.SYSTEM,
    "el historial debe estar completo al menos {limit} días hacia atrás",
    "the history must be complete for at least {limit} days back",
)
FAULT_HEAD: Final = _head(
    "fault",
    RuleKind.STATUS_GATE,
    ReasonGroup.SYSTEM,
    "no se pudo evaluar {rule}: {error}",
    "{rule} could not be evaluated: {error}",
)
"""Head of the finding that stands for a rule that failed."""


def structural_rules(lookback_days: int) -> tuple[Rule, ...]:
    """The built-in checks, for a plan whose longest window is `lookback_days`."""
    return (*_STATIC, HistoryComplete(_HISTORY_HEAD, lookback_days))


def structural_heads() -> tuple[Head, ...]:
    """Heads of all built-in checks, for listings and explanations."""
    return (*(rule.head for rule in _STATIC), _HISTORY_HEAD, FAULT_HEAD)
