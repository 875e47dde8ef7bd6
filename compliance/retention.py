"""How long each kind of record is kept: the schedule that the packs give together.

The law sets least periods, so the longest of all that bind wins. Nothing here deletes: whoever
erases asks `keep_until` first, and a legal hold outlasts every period.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from compliance.hours import day_start
from compliance.messages import Citation, Message
from compliance.packs import PackSet
from compliance.rules.retention import Retention
from compliance.schema_conduct import RetentionStart
from compliance.types import Purpose

ALL: Final = "all"
"""Artefact that stands for every one."""
FOREVER: Final = datetime.max.replace(tzinfo=UTC)


class Keep(Message, frozen=True, kw_only=True):
    """One period: how long an artefact is kept from which event on."""

    rule_id: str
    artefact: str
    start: RetentionStart
    years: int = 0
    months: int = 0
    days: int = 0
    legal_hold: bool = True
    purposes: tuple[Purpose, ...] = ()
    """Only records of contacts for these; empty: of any."""
    citation: Citation

    @property
    def pack(self) -> str:
        return self.rule_id.rpartition("/")[0]

    def until(self, started_at: datetime) -> datetime:
        """First instant at which this period no longer asks to keep what started then.

        Counted in dates of the zone that begins last, so that no jurisdiction's day is cut.
        """
        day = _add_months(started_at.date(), self.years * 12 + self.months)
        return day_start("Etc/GMT+12", day + timedelta(days=self.days + 1))


def schedule(packs: PackSet, at: datetime, only: frozenset[str] | None = None) -> tuple[Keep, ...]:
    """Every period in force at `at`, by artefact; `only` picks packs (those that bind a person).

    Without `only` all loaded packs count: what a store needs that does not tell people apart.
    """
    found = [
        Keep(
            rule_id=rule.head.id,
            artefact=artefact,
            start=rule.params.start,
            years=rule.params.years,
            months=rule.params.months,
            days=rule.params.days,
            legal_hold=rule.params.legal_hold,
            purposes=rule.head.when.purposes,
            citation=rule.head.citation,
        )
        for pack in packs.packs
        if only is None or pack.doc.pack in only
        for rule in pack.rules
        if isinstance(rule, Retention) and rule.head.in_force(at)
        for artefact in rule.params.artefacts
    ]
    return tuple(sorted(found, key=lambda keep: (keep.artefact, keep.rule_id)))


def keep_until(
    periods: tuple[Keep, ...],
    artefact: str,
    started: Mapping[RetentionStart, datetime | None],
    *,
    on_hold: bool = False,
) -> datetime | None:
    """First instant at which an artefact may be erased; None where no period is about it.

    `started` tells when each start happened. One that has not, or is not known, keeps the
    artefact (`FOREVER`), and so does a legal hold.
    """
    bound = [keep for keep in periods if keep.artefact in (artefact, ALL)]
    if on_hold and any(keep.legal_hold for keep in bound):
        return FOREVER
    return longest(tuple(bound), started)


def binding(
    periods: tuple[Keep, ...], packs: Collection[str], purposes: Collection[Purpose]
) -> tuple[Keep, ...]:
    """The periods that bind what was recorded under these packs, of contacts for these purposes."""
    return tuple(
        keep
        for keep in periods
        if keep.pack in packs and (not keep.purposes or not set(keep.purposes).isdisjoint(purposes))
    )


def longest(
    periods: tuple[Keep, ...], started: Mapping[RetentionStart, datetime | None]
) -> datetime | None:
    """First instant at which none of the periods asks to keep anything; None where there is none.
    A start that has not happened keeps it for ever."""
    return max(
        (
            FOREVER if (since := started.get(keep.start)) is None else keep.until(since)
            for keep in periods
        ),
        default=None,
    )


def _add_months(day: date, months: int) -> date:
    """The same day of the month so many months later; the month's last day where it has none."""
    index = day.year * 12 + day.month - 1 + months
    first = date(index // 12, index % 12 + 1, 1)
    following = date((index + 1) // 12, (index + 1) % 12 + 1, 1)
    return min(first + timedelta(days=day.day - 1), following - timedelta(days=1))
