"""Rule packs: load them, check every line, and choose those that bind a contact.

`load_packs` reads TOML files and either returns a `PackSet` or raises `PackError` with file,
key, value, reason and how to mend it: nothing is dialed under a pack that did not load. The
built-in pack `marcador` (structural checks and house rules that hold everywhere) is part of
every set.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final

import msgspec

from compliance.applicability import Applicability, Scope, countries_of
from compliance.calendars import Calendar, calendar_data
from compliance.context import Context
from compliance.messages import ContactRequest, PackRef
from compliance.plan import Plan
from compliance.rules import bind
from compliance.rules.base import Head, ParamError, Rule, head_of
from compliance.rules.retention import Retention
from compliance.rules.structure import PACK as BUILT_IN
from compliance.rules.structure import structural_heads
from compliance.schema import CalendarDoc, PackDoc, PackKind, RuleDoc, When
from compliance.types import LineType, PackStatus, PointLabel, Purpose, Severity
from compliance.zones import zone

_CACHE_LIMIT: Final = 20_000
_LOCATE: Final = (Purpose.LOCATION_INFORMATION,)
_COVERS: Final = frozenset({PackKind.LAW, PackKind.REGULATOR_GUIDANCE})
"""Kinds of packs that stand for a country. A house policy does not: it could else lift the strict
default where the country has no law of its own."""
_MSGSPEC_PATH: Final = re.compile(r"^(?P<reason>.*?)(?: - at `\$?(?P<path>[^`]*)`)?$", re.DOTALL)
_RULE_PATH: Final = re.compile(r"^\.rules\[(?P<index>\d+)\]\.?(?P<rest>.*)$")


class PackError(Exception):
    """A pack that cannot be used, told exactly."""

    def __init__(self, file: str, key: str, value: object, reason: str, mend: str) -> None:
        shown = "" if value is None else f" = {value!r}"
        super().__init__(f"{file}: {key}{shown}: {reason}. To mend it: {mend}.")
        self.file = file
        self.key = key
        self.value = value
        self.reason = reason
        self.mend = mend


class Pack:
    """One loaded pack: its document, its rules ready to evaluate, its fingerprint and text."""

    __slots__ = ("calendars", "doc", "ref", "rules", "text")

    def __init__(self, doc: PackDoc, ref: PackRef, rules: tuple[Rule, ...], text: str = "") -> None:
        self.doc = doc
        self.ref = ref
        self.rules = rules
        self.calendars = {c.country: calendar_data(c.country).source for c in doc.calendars}
        """Country -> release that the calendar's dates come from."""
        self.text = text


class PackSet:
    """Loaded packs, and the choice among them, cached by what the choice depends on."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self.packs = tuple(sorted(packs, key=lambda p: p.doc.pack))
        self.refs = tuple(pack.ref for pack in self.packs)
        self.sha256 = set_sha256(self.refs)
        """Fingerprint of the set: what `archived` packs are found by."""
        self.heads: Mapping[str, Head] = {
            head.id: head
            for head in (
                *structural_heads(),
                *(rule.head for pack in self.packs for rule in pack.rules),
            )
        }
        """Head of every rule by its id: citation, explanation, basis."""
        instants = {
            instant
            for pack in self.packs
            for rule in pack.rules
            for instant in (rule.head.begins, rule.head.lapses)
            if instant is not None
        }
        self._changes = sorted(instants)
        covered = frozenset(
            country
            for pack in self.packs
            if pack.doc.kind in _COVERS and not pack.doc.applies_when.uncovered
            for country in countries_of(pack.doc.applies_when)
        )
        whens = [pack.doc.applies_when for pack in self.packs]
        self._applicability = Applicability(whens, covered)
        self._localities = frozenset(
            code.partition("/")[0]
            for pack in self.packs
            if pack.doc.applies_when.any_of is not None
            for code in pack.doc.applies_when.any_of.residence_in
            if "/" in code
        )
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._by_packs: dict[tuple[object, ...], Plan] = {}
        self._of_pack: dict[tuple[object, ...], tuple[Rule, ...]] = {}

    @property
    def lookback_days(self) -> int:
        """How many days of history the longest memory needs, among the rules of campaigns.

        Rules about location information alone remember longer and are left out: no campaign
        asks for it, and where the history is too short for them the gate refuses.
        """
        everyday = (r for pack in self.packs for r in pack.rules if r.head.when.purposes != _LOCATE)
        return max((rule.lookback_days for rule in everyday), default=0)

    def plan(self, ctx: Context, at: datetime) -> Plan:
        """Rules in force at `at` for the contact of a context; deterministic and cached."""
        period = bisect_right(self._changes, at)
        key = (period, *self._key(ctx))
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= _CACHE_LIMIT:
                self._plans.clear()
                self._by_packs.clear()
                self._of_pack.clear()
            found = self._plans[key] = self._choose(ctx, at, period)
        return found

    def _key(self, ctx: Context) -> tuple[object, ...]:
        """Everything that the choice of rules depends on."""
        request, place, point = ctx.request, ctx.place, ctx.point
        collector = ctx.facts.collector
        debts: tuple[object, ...] = ()
        for debt in ctx.debts:
            law = debt.contract_law
            debts += (debt.debt_class, law and (law.country, law.subdivision))
        where: tuple[object, ...] | None = None
        if place is not None:
            locality = place.locality if place.subdivision in self._localities else None
            where = (place.country, place.subdivision, locality)
        return (
            where,
            ctx.region or ctx.number_countries,
            point and (point.line, point.label, point.kind),
            ctx.number.line,
            debts,
            ctx.person.kind,
            request.channel,
            request.mode,
            request.purpose,
            request.content_class,
            request.prerecorded,
            request.autodialed,
            collector.role,
            collector.supervised_by,
        )

    def _choose(self, ctx: Context, at: datetime, period: int) -> Plan:
        """The plan of contacts like this one. Plans are shared by all places that the same packs
        bind, so that what a plan learns (its shapes) is learned once."""
        request, point = ctx.request, ctx.point
        line, label = LineType.UNKNOWN, PointLabel.UNKNOWN
        if point is not None:
            line = point.line if point.line is not LineType.UNKNOWN else ctx.number.line
            label = point.label
        binding = self._applicability.of(Scope.of(ctx))
        kind = (
            period,
            binding,
            line,
            label,
            request.channel,
            request.mode,
            request.purpose,
            request.content_class,
            request.prerecorded,
            request.autodialed,
        )
        found = self._by_packs.get(kind)
        if found is None:
            packs = tuple(pack for n, pack in enumerate(self.packs) if binding >> n & 1)
            found = self._by_packs[kind] = self._bound(packs, request, line, label, at, period)
        return found

    def _bound(
        self,
        packs: tuple[Pack, ...],
        request: ContactRequest,
        line: LineType,
        label: PointLabel,
        at: datetime,
        period: int,
    ) -> Plan:
        """The plan of contacts of this kind that these packs bind at an instant.

        What a pack has for a kind of contact is the same whatever packs bind beside it, and is
        looked through once: there are many more sets of packs than packs.
        """
        channel = request.channel
        given = When(
            modes=(request.mode,),
            purposes=(request.purpose,),
            content_classes=(request.content_class,),
            prerecorded=request.prerecorded,
            autodialed=request.autodialed,
        )
        kind = (period, channel, line, label, given)
        rules: list[Rule] = []
        for pack in packs:
            key = (pack.doc.pack, *kind)
            own = self._of_pack.get(key)
            if own is None:
                own = self._of_pack[key] = tuple(
                    rule
                    for rule in pack.rules
                    if not isinstance(rule, Retention)  # it binds records, never a contact
                    and rule.head.in_force(at)
                    and rule.head.binds(channel, given, line, label)
                )
            rules += own
        refs = tuple(pack.ref for pack in packs)
        calendars = {name: source for pack in packs for name, source in pack.calendars.items()}
        return Plan(refs, calendars, tuple(rules), request)


# --- loading ------------------------------------------------------------------------------------


BUNDLED: Final = Path(__file__).parent / "packs"
"""Directory of the packs that ship with Marcador."""


def load_packs(
    directories: Iterable[Path] | None = None,
    *,
    production: bool,
    only: Iterable[str] | None = None,
) -> PackSet:
    """Load packs from directories (default: the bundled ones).

    `only` picks packs by id; the built-in `marcador` always comes along. With `production` a
    pack whose status is `draft` is refused; without, it is loaded like any other. The same
    pack id twice, an unreadable file or any mistake in one raises `PackError`.
    """
    sources: list[tuple[str, str]] = []
    folders = [BUNDLED] if directories is None else list(directories)
    for folder in folders:
        if not folder.is_dir():
            raise PackError(str(folder), "directory", None, "does not exist", "create it")
        files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
        sources += [(str(file), _read(file)) for file in sorted(files, key=lambda f: f.name)]
    if BUNDLED not in folders:
        file = BUNDLED / f"{BUILT_IN}.toml"
        sources.append((str(file), _read(file)))
    wanted = None if only is None else {*only, BUILT_IN}
    packs: dict[str, tuple[str, Pack]] = {}
    for name, text in sources:
        doc = _document(name, text)
        if wanted is not None and doc.pack not in wanted:
            continue
        if doc.pack in packs:
            raise PackError(
                name,
                "pack",
                doc.pack,
                f"is already defined by {packs[doc.pack][0]}",
                "give one of them another id, or load only one of the directories",
            )
        packs[doc.pack] = (name, _pack(name, text, doc, production=production))
    missing = sorted((wanted or set()) - packs.keys())
    if missing:
        known = ", ".join(sorted(doc_id for doc_id in packs)) or "none"
        raise PackError(
            ", ".join(str(folder) for folder in folders),
            "pack",
            missing[0],
            "is not among the packs found",
            f"choose among those there (loaded so far: {known})",
        )
    return PackSet([pack for _, pack in packs.values()])


def parse_pack(text: str, *, name: str, production: bool = False) -> Pack:
    """Make a pack from TOML text; `name` stands for the file in errors."""
    return _pack(name, text, _document(name, text), production=production)


def read_pack_file(file: Path, *, production: bool = False) -> Pack:
    """Make a pack from a file. Raises `PackError`, and nothing else, for whatever is wrong."""
    return parse_pack(_read(file), name=str(file), production=production)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(
            str(file), "file", None, f"cannot be read ({error})", "make it readable UTF-8"
        ) from error


def _document(name: str, text: str) -> PackDoc:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PackError(name, "file", None, f"is not TOML ({error})", "correct the line") from error
    try:
        return msgspec.convert(tree, PackDoc)
    except msgspec.ValidationError as error:
        key, value, reason = _locate(str(error), tree)
        raise PackError(name, key, value, reason, _advice(reason)) from error


def _locate(message: str, tree: Mapping[str, object]) -> tuple[str, object, str]:
    """Key, value and reason of a validation error, with rules named by their id."""
    match = _MSGSPEC_PATH.match(message)
    path = (match and match["path"]) or ""
    reason = match["reason"] if match else message
    value: object = tree
    for step in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", path):
        name, index = step
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and index.isdigit() and int(index) < len(value):
            value = value[int(index)]
        else:
            value = None
    key = path.lstrip(".")
    rule = _RULE_PATH.match(path)
    rules = tree.get("rules")
    if rule and isinstance(rules, list):
        entry = rules[int(rule["index"])]
        name = entry.get("id", f"#{int(rule['index']) + 1}") if isinstance(entry, Mapping) else "?"
        key = f"rules.{name}" + (f".{rule['rest']}" if rule["rest"] else "")
    shown = value if isinstance(value, str | int | float | bool | date) else None
    return key or "(top level)", shown, reason


def _advice(reason: str) -> str:
    if "unknown field" in reason:
        return "correct the spelling of the key, or remove it"
    if "missing required field" in reason:
        return "add it"
    if "Invalid enum value" in reason:
        return "use a value of the closed set (see compliance/types.py and schema.py)"
    return "give a value of the type and range that the schema asks for"


def _pack(name: str, text: str, doc: PackDoc, *, production: bool) -> Pack:
    if production and doc.status is PackStatus.DRAFT:
        raise PackError(
            name,
            "status",
            doc.status,
            "a draft is not used in production",
            "have it checked and set 'machine_checked' or 'counsel_reviewed', or do not load it",
        )
    if doc.status is PackStatus.COUNSEL_REVIEWED and doc.reviewed is None:
        raise PackError(
            name,
            "reviewed",
            None,
            "a reviewed pack says by whom and when",
            "add reviewed = { by = , on = , next_review_by = }",
        )
    if doc.zone is not None:
        _check_zone(name, doc.zone)
    calendars = {c.country: _calendar(name, c) for c in doc.calendars}
    seen: set[str] = set()
    rules: list[Rule] = []
    for rule in doc.rules:
        where = f"rules.{rule.id}"
        if rule.id in seen:
            raise PackError(name, where, rule.id, "is used twice", "give each rule its own id")
        seen.add(rule.id)
        if doc.kind is PackKind.HOUSE_POLICY and doc.pack != BUILT_IN and rule.lifted_by:
            raise PackError(
                name,
                f"{where}.lifted_by",
                None,
                "a house policy can only tighten",
                "remove it",
            )
        _check_dates(name, where, rule)
        rules += _bind(name, where, doc, rule, calendars)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Pack(doc, PackRef(pack=doc.pack, version=doc.version, sha256=digest), tuple(rules), text)


def set_sha256(refs: Iterable[PackRef]) -> str:
    """Fingerprint of a set of packs, in whatever order: SHA-256 of sorted lines."""
    lines = sorted(f"{ref.pack} {ref.version} {ref.sha256}\n" for ref in refs)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check_dates(name: str, where: str, rule: RuleDoc) -> None:
    begins, ends = rule.effective_from, rule.effective_to
    for key, day in (("effective_to", ends), ("compliance_from", rule.compliance_from)):
        if day is not None and begins is not None and day < begins:
            raise PackError(
                name,
                f"{where}.{key}",
                day,
                f"is before effective_from = {begins}",
                "correct one of them",
            )
    if rule.compliance_from is not None and ends is not None and ends < rule.compliance_from:
        raise PackError(
            name,
            f"{where}.compliance_from",
            rule.compliance_from,
            f"is after effective_to = {ends}",
            "correct one of them",
        )


def _bind(
    name: str, where: str, doc: PackDoc, rule: RuleDoc, calendars: Mapping[str, Calendar]
) -> list[Rule]:
    """A rule of a pack, ready to evaluate: two of one id where it first only warns."""
    head = head_of(doc.pack, rule, doc.zone)
    heads = [head]
    if rule.compliance_from is not None and rule.compliance_from != rule.effective_from:
        later = msgspec.structs.replace(rule, effective_from=rule.compliance_from)
        binding = head_of(doc.pack, later, doc.zone)
        replace = msgspec.structs.replace
        heads = [replace(head, severity=Severity.WARN, lapses=binding.begins), binding]
    try:
        return [bind(each, rule.params, calendars) for each in heads]
    except msgspec.ValidationError as error:
        key, value, reason = _locate(str(error), rule.params)
        raise PackError(name, f"{where}.params.{key}", value, reason, _advice(reason)) from error
    except ParamError as error:
        raise PackError(
            name, f"{where}.params.{error.key}", error.value, error.reason, error.mend
        ) from error


def _check_zone(name: str, zone_name: str) -> None:
    try:
        zone(zone_name)
    except KeyError:
        raise PackError(
            name, "zone", zone_name, "is no IANA zone", "write e.g. 'America/Santiago'"
        ) from None


def _calendar(name: str, doc: CalendarDoc) -> Calendar:
    try:
        data = calendar_data(doc.country)
    except KeyError:
        raise PackError(
            name,
            "calendars.country",
            doc.country,
            "has no vendored calendar",
            "add it to compliance.calendars_build and run that",
        ) from None
    if doc.source is not None and doc.source != data.source:
        raise PackError(
            name,
            f"calendars.{doc.country}.source",
            doc.source,
            f"is not the vendored release ({data.source})",
            "check the calendar again and correct it",
        )
    try:
        added = {date.fromisoformat(day): title for day, title in doc.add.items()}
    except ValueError as error:
        raise PackError(
            name, f"calendars.{doc.country}.add", None, str(error), "write dates as 2026-12-31"
        ) from None
    return Calendar(
        data,
        added=added,
        removed=frozenset(doc.remove),
        verified_through=doc.verified_through,
    )
