"""Phones, WhatsApp numbers and e-mail addresses of one party of one row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from campaigns.portfolio.columns import fold, type_named
from campaigns.portfolio.fields import Field
from campaigns.portfolio.flags import flags_in_note, read_bool
from campaigns.portfolio.model import Flag, ImportedContactPoint, ImportWarning
from campaigns.portfolio.phones import (
    Phone,
    PhoneProblem,
    is_filler,
    is_known_country,
    parse_cell,
)
from campaigns.portfolio.plan import PartyCells, PointCell
from compliance.types import ContactPointKind, LineType, PartyRole, PointLabel
from compliance.zones import zones_for_number

_EMAIL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
_EMAIL_SPLIT = re.compile(r"[;,/\s]+")
_EMAIL_FILLERS = frozenset(
    ("sincorreo", "notiene", "no", "noemail", "nomail", "sinmail", "sinemail", "x", "xx", "xxx",
     "notienecorreo", "nocorreo", "na", "none", "notiene1", "sc")
)  # fmt: skip
_COUNTRY_NAMES = {
    "chile": "CL", "colombia": "CO", "mexico": "MX", "peru": "PE", "usa": "US",
    "estados unidos": "US", "eeuu": "US", "united states": "US", "argentina": "AR",
    "ecuador": "EC", "espana": "ES", "spain": "ES", "bolivia": "BO", "brasil": "BR",
    "brazil": "BR", "venezuela": "VE", "panama": "PA", "uruguay": "UY", "paraguay": "PY",
    "56": "CL", "57": "CO", "52": "MX", "51": "PE", "1": "US", "54": "AR", "593": "EC",
    "34": "ES", "591": "BO", "55": "BR", "58": "VE", "507": "PA", "598": "UY", "595": "PY",
    "chl": "CL", "col": "CO", "mex": "MX", "per": "PE", "arg": "AR", "ecu": "EC", "esp": "ES",
}  # fmt: skip


@lru_cache(maxsize=4096)
def country_named(text: str) -> str | None:
    """ISO 3166 alpha-2 of a country's name, code or calling code; None where it is not known."""
    folded = " ".join(fold(text).split()).removeprefix("+").removeprefix("00")
    if len(folded) == 2 and is_known_country(folded.upper()):
        return folded.upper()
    return _COUNTRY_NAMES.get(folded)


class PointsOfRow:
    """Collects the contact points of one row, and what there is to say about its cells."""

    def __init__(self, country: str, cells: Sequence[str]) -> None:
        self._country = country
        self._cells = cells
        self.warnings: list[ImportWarning] = []
        self.flags: list[Flag] = []
        self.of_others: list[tuple[PartyRole, ImportedContactPoint]] = []
        """Points whose type column says that they are somebody else's."""

    def read(self, party: PartyCells, role: PartyRole) -> list[ImportedContactPoint]:
        """The party's points in the order of the file, each address once."""
        points: dict[tuple[ContactPointKind, str], ImportedContactPoint] = {}
        has_whatsapp: PointCell | None = None
        for source in party.points:
            raw = self._cells[source.index].strip()
            if not raw:
                continue
            if source.field is Field.EMAIL:
                self._emails(raw, source, role, points)
            elif source.field is Field.WHATSAPP and read_bool(raw) is not None:
                # `whatsapp = SI` speaks of the mobile number beside it.
                has_whatsapp = source if read_bool(raw) else None
            else:
                self._phones(raw, source, role, points)
        if has_whatsapp is not None:
            self._whatsapp_of_mobile(has_whatsapp, points)
        return list(points.values())

    def _phones(
        self,
        raw: str,
        source: PointCell,
        role: PartyRole,
        points: dict[tuple[ContactPointKind, str], ImportedContactPoint],
    ) -> None:
        label, owner = self._label(source)
        if owner is not PartyRole.HOLDER:
            role = owner
        country = self._country
        if source.country is not None and (said := self._cells[source.country.index].strip()):
            country = country_named(said) or country
        area = self._cells[source.area.index].strip() if source.area else ""
        extension = self._cells[source.extension.index].strip() if source.extension else ""
        kind = (
            ContactPointKind.WHATSAPP if source.field is Field.WHATSAPP else ContactPointKind.PHONE
        )
        for result in parse_cell(raw, country, area=area, extension=extension):
            if isinstance(result, PhoneProblem):
                self._warn(result, source.column, raw)
                if result is PhoneProblem.NOT_A_NUMBER:
                    self.flags += flags_in_note(raw, source.column)
                continue
            if result.completed:
                self._warn("phone_completed", source.column, raw)
            self._add(_phone_point(result, kind, raw, source.column, label, role), points, owner)

    def _label(self, source: PointCell) -> tuple[PointLabel, PartyRole]:
        """Label of a phone, and whose its type column says it is."""
        label, owner = source.label, PartyRole.HOLDER
        if source.type is not None and (said := self._cells[source.type.index].strip()):
            named, owner = type_named(said)
            if named is None:
                self._warn("phone_type_unknown", source.type.column, said)
            elif label is PointLabel.UNKNOWN or named is PointLabel.WORK:
                label = named
        return label, owner

    def _add(
        self,
        point: ImportedContactPoint,
        points: dict[tuple[ContactPointKind, str], ImportedContactPoint],
        owner: PartyRole,
    ) -> None:
        if owner is not PartyRole.HOLDER:
            self.of_others.append((owner, point))
            return
        key = (point.kind, point.address)
        before = points.get(key)
        if before is None:
            rank = sum(kind is point.kind for kind, _ in points)
            points[key] = msgspec.structs.replace(point, rank=rank) if rank else point
            return
        if point.kind is ContactPointKind.PHONE:
            self._warn("phone_repeated", point.column, point.raw)
        if before.label is PointLabel.UNKNOWN or point.label is PointLabel.WORK:
            # One number with two labels: the one that forbids more is kept.
            points[key] = msgspec.structs.replace(before, label=point.label)

    def _emails(
        self,
        raw: str,
        source: PointCell,
        role: PartyRole,
        points: dict[tuple[ContactPointKind, str], ImportedContactPoint],
    ) -> None:
        if is_filler(raw):
            self._warn("email_dummy", source.column, raw)
            return
        for part in _EMAIL_SPLIT.split(raw):
            if not part:
                continue
            local, _, domain = part.rpartition("@")
            address = f"{local.lower()}@{domain.lower()}"
            if not _EMAIL.fullmatch(address) or len(address) > 254:
                self._warn("email_invalid", source.column, raw)
            elif re.sub(r"[._-]", "", local.lower()) in _EMAIL_FILLERS:
                self._warn("email_dummy", source.column, raw)
            else:
                point = ImportedContactPoint(
                    kind=ContactPointKind.EMAIL,
                    address=address,
                    raw=raw,
                    column=source.column,
                    label=source.label,
                    role=role,
                )
                self._add(point, points, PartyRole.HOLDER)

    def _whatsapp_of_mobile(
        self,
        source: PointCell,
        points: dict[tuple[ContactPointKind, str], ImportedContactPoint],
    ) -> None:
        phones = [point for point in points.values() if point.kind is ContactPointKind.PHONE]
        mobile = next((point for point in phones if point.line is LineType.MOBILE), None)
        chosen = mobile or next((p for p in phones if p.line is LineType.UNKNOWN), None)
        if chosen is None:
            return
        point = ImportedContactPoint(
            kind=ContactPointKind.WHATSAPP,
            address=chosen.address,
            raw=chosen.raw,
            column=source.column,
            line=chosen.line,
            label=chosen.label,
            role=chosen.role,
            zones=chosen.zones,
            region=chosen.region,
        )
        points.setdefault((point.kind, point.address), point)

    def _warn(self, code: str, column: str, value: str) -> None:
        self.warnings.append(ImportWarning(code=str(code), column=column, value=value))


def _phone_point(
    phone: Phone,
    kind: ContactPointKind,
    raw: str,
    column: str,
    label: PointLabel,
    role: PartyRole,
) -> ImportedContactPoint:
    where = zones_for_number(phone.e164)
    line = where.line
    if line is LineType.UNKNOWN and label is PointLabel.MOBILE:
        line = LineType.MOBILE  # the numbering plan does not tell, the creditor does
    return ImportedContactPoint(
        kind=kind,
        address=phone.e164,
        raw=raw,
        column=column,
        line=line,
        label=label,
        role=role,
        zones=where.zones,
        region=where.region,
        extension=phone.extension,
    )
