"""A decision record told to people: ordered findings in Spanish or English, with citations.

The record holds codes and figures; prose comes from the packs (`explain`) and the catalogue.
A rule that is no longer among the packs is told by its code alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from string import Formatter
from typing import Final, Literal

from compliance.catalogue import CODES, EVENTS, GROUPS, OUTCOMES, VERDICTS
from compliance.messages import Citation, DecisionRecord, Finding, Message
from compliance.packs import PackSet
from compliance.rules.conflict import CONFLICT
from compliance.schema import Explain
from compliance.types import Basis, Outcome, ReasonGroup, RuleKind, Severity
from compliance.zones import zone

Language = Literal["es", "en"]
_GROUP_ORDER: Final = {group: index for index, group in enumerate(ReasonGroup)}
_OUTCOME_ORDER: Final = {
    Outcome.DENY: 0,
    Outcome.HOLD: 1,
    Outcome.WARN: 2,
    Outcome.LIFTED: 3,
    Outcome.PASS: 4,
}


class Line(Message, frozen=True, kw_only=True):
    """What one rule said, for a person to read."""

    rule_id: str
    group: ReasonGroup
    outcome: Outcome
    basis: Basis
    text: str
    citation: Citation | None = None
    counter: int | None = None
    limit: int | None = None
    event_ids: tuple[str, ...] = ()
    first_ok_local: tuple[str, ...] = ()
    """When this rule alone would pass, in the person's candidate zones."""
    kind: RuleKind | None = None
    severity: Severity | None = None
    code: str = ""
    window_start: datetime | None = None
    window_end: datetime | None = None
    zones: tuple[str, ...] = ()
    """Zones of the clocks that the rule looked at."""
    lifted_by: str | None = None


class Explanation(Message, frozen=True, kw_only=True):
    """A decision in words. Lines that stop the contact come first, then by reason group."""

    allowed: bool
    headline: str
    local_times: tuple[str, ...]
    first_allowed_local: tuple[str, ...] = ()
    """Earliest possible contact, as the person's clocks would show it."""
    releasing_event: str | None = None
    lines: tuple[Line, ...] = ()

    def reasons(self) -> tuple[Line, ...]:
        """The lines that stop the contact."""
        return tuple(line for line in self.lines if line.outcome.stops)


def explain(record: DecisionRecord, packs: PackSet, language: Language) -> Explanation:
    """Tell a decision in a language: `es` or `en`."""
    ordered = sorted(
        record.findings,
        key=lambda f: (not f.outcome.stops, _GROUP_ORDER[f.group], _OUTCOME_ORDER[f.outcome]),
    )
    told = [_line(finding, record, packs, language) for finding in ordered]
    told += [_passed(rule_id, packs, language) for rule_id in record.passed]
    lines = tuple(told)
    stops = [line for line in lines if line.outcome.stops]
    verdict = _say(VERDICTS["allowed" if record.allowed else "blocked"], language)
    event = record.releasing_event
    first_allowed: tuple[str, ...] = ()
    if not record.allowed and record.first_allowed is not None:
        first_allowed = _clocks(record.first_allowed, record.zones)
    return Explanation(
        allowed=record.allowed,
        headline=f"{verdict}: {stops[0].text}" if stops else verdict,
        local_times=_clocks(record.at, record.zones),
        first_allowed_local=first_allowed,
        releasing_event=None if event is None else _event(event, language),
        lines=lines,
    )


def render(explanation: Explanation, language: Language, *, passes: bool = False) -> list[str]:
    """The explanation as lines of text; with `passes`, rules that passed are told too."""
    out = [explanation.headline]
    out.append(_fill(VERDICTS["now_local"], language, {"times": _join(explanation.local_times)}))
    if explanation.first_allowed_local:
        at = {"at": _join(explanation.first_allowed_local)}
        out.append(_fill(VERDICTS["first_allowed"], language, at))
    if explanation.releasing_event is not None:
        event = {"event": explanation.releasing_event}
        out.append(_fill(VERDICTS["releasing"], language, event))
    for line in explanation.lines:
        if line.outcome is Outcome.PASS and not passes:
            continue
        group, outcome = _say(GROUPS[line.group], language), _say(OUTCOMES[line.outcome], language)
        source = ""
        if line.citation is not None:
            source = f" [{line.citation.instrument}, {line.citation.locator}]"
        out.append(f"{group} ({outcome}): {line.text}{source} ({line.rule_id})")
    return out


def _line(finding: Finding, record: DecisionRecord, packs: PackSet, language: Language) -> Line:
    head = packs.heads.get(finding.rule_id)
    first_ok: tuple[str, ...] = ()
    if finding.first_ok is not None and finding.outcome.stops:
        first_ok = _clocks(finding.first_ok, finding.zones or record.zones)
    return Line(
        rule_id=finding.rule_id,
        group=finding.group,
        outcome=finding.outcome,
        basis=finding.basis,
        text=_text(finding, record, None if head is None else head.explain, language),
        citation=None if head is None else head.citation,
        counter=finding.counter,
        limit=finding.limit,
        event_ids=finding.event_ids,
        first_ok_local=first_ok,
        kind=finding.kind,
        severity=finding.severity,
        code=finding.code,
        window_start=finding.window_start,
        window_end=finding.window_end,
        zones=finding.zones,
        lifted_by=finding.lifted_by,
    )


def _passed(rule_id: str, packs: PackSet, language: Language) -> Line:
    """A rule that passed with nothing to count. One that is gone is told by its code alone."""
    head = packs.heads.get(rule_id)
    return Line(
        rule_id=rule_id,
        group=ReasonGroup.SYSTEM if head is None else head.group,
        outcome=Outcome.PASS,
        basis=Basis.POLICY if head is None else head.basis,
        text=_say(VERDICTS["passes"], language),
        citation=None if head is None else head.citation,
        kind=None if head is None else head.kind,
        severity=None if head is None else head.severity,
    )


def _text(
    finding: Finding, record: DecisionRecord, prose: Explain | None, language: Language
) -> str:
    values = _values(finding, record)
    if finding.outcome is Outcome.PASS:
        if finding.kind is RuleKind.CONTACT_WINDOW and finding.window_end is not None:
            return _fill(VERDICTS["inside_hours"], language, values)
        if finding.counter is not None and prose is not None:
            return _fill(prose, language, values)
        return _say(VERDICTS["passes"], language)
    parts = []
    if prose is not None:
        parts.append(_fill(prose, language, values))
    if finding.outcome is Outcome.LIFTED:
        parts.append(_fill(VERDICTS["lifted"], language, values))
    elif finding.code in CODES:
        parts.append(_fill(CODES[finding.code], language, values))
    if CONFLICT in finding.detail:
        parts.append(_fill(VERDICTS["conflict"], language, values))
    return "; ".join(dict.fromkeys(parts)) or finding.code


def _values(finding: Finding, record: DecisionRecord) -> dict[str, str]:
    """Values of the placeholders; instants are shown on the clock that decided."""
    zones = finding.zones or record.zones
    here = str(finding.detail.get("zone", zones[0] if zones else "UTC"))
    values = {
        "local_time": _join(tuple(dict.fromkeys(t[11:19] for t in record.local_times.values()))),
        "zone": _join(zones),
        "lifted_by": finding.lifted_by or "",
    }
    for name, at in (("window_start", finding.window_start), ("window_end", finding.window_end)):
        if at is not None:
            values[name] = f"{at.astimezone(zone(here)):%Y-%m-%d %H:%M}"
    for name, number in (("counter", finding.counter), ("limit", finding.limit)):
        if number is not None:
            values[name] = str(number)
    return values | {key: str(value) for key, value in finding.detail.items()}


class _Gaps(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def _fill(text: Explain, language: Language, values: Mapping[str, str]) -> str:
    return Formatter().vformat(_say(text, language), (), _Gaps(values))


def _say(text: Explain, language: Language) -> str:
    return text.es if language == "es" else text.en


def _event(name: str, language: Language) -> str:
    return _say(EVENTS[name], language) if name in EVENTS else name


def _clocks(at: datetime, zones: tuple[str, ...]) -> tuple[str, ...]:
    """An instant on the clocks of the zones, each distinct wall clock once."""
    shown: dict[str, list[str]] = {}
    for name in zones:
        shown.setdefault(f"{at.astimezone(zone(name)):%Y-%m-%d %H:%M:%S}", []).append(name)
    return tuple(f"{clock} {names[0]}" for clock, names in shown.items())


def _join(parts: tuple[str, ...]) -> str:
    return ", ".join(parts)
